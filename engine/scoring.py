"""Bits per byte of held-out text, comparable across models and tokenizers, with an interval.

A transformer reads a text in windows that overlap by half; a window scores only the ids the earlier
one did not, so each id is scored once, with at least half a window of context once there is as much
text before it. A recurrent model carries its state through the whole text. The first id follows an
end-of-text id. For BPE only the canonical tokenization is counted, so the figure is an upper bound
on the bits the model needs for the bytes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerFast

Bits = npt.NDArray[np.float64]
Progress = Callable[[float], None]
_USUAL_WINDOW = 1024
_STRETCH = 512  # ids a recurrent model reads at a time
_ABREAST = 32  # texts it reads side by side
_FEW_TEXTS = 30  # fewer are cut into blocks, for an interval
_BLOCK = 1000  # characters


@dataclass(frozen=True, slots=True)
class Score:
    """Bits per byte over a set of texts; `low` and `high` bound it with 95% confidence.

    The interval resamples texts; where there are fewer than thirty, blocks of 1,000 characters.
    """

    bits_per_byte: float
    low: float
    high: float
    n_texts: int
    n_bytes: int


def id_bits(
    model: PreTrainedModel, ids: Sequence[Sequence[int]], *, window: int | None = None
) -> list[Bits]:
    """The bits of every id of some texts, each given what stands before it.

    Parameters
    ----------
    ids : sequence of sequences of int
        The texts, without an end-of-text id before them: it is put there.
    window : int, optional
        Ids a transformer reads at a time, at least 2 and no more than its own window; by default
        that, or 1,024 where it is larger. Recurrent models have none.

    Returns
    -------
    list of arrays, one float64 for each id

    Raises
    ------
    ValueError
        If `window` cannot be.
    """
    end = model.config.eos_token_id
    texts = [[0 if end is None else int(end), *text] for text in ids]
    if carries_state(model):
        return _carried(model, texts)
    own = getattr(model.config, "max_position_embeddings", None) or math.inf
    window = int(min(own, _USUAL_WINDOW)) if window is None else window
    if not 2 <= window <= own:
        raise ValueError(f"window={window} must be at least 2 and at most the model's {own}")
    return [_windowed(model, text, window) for text in texts]


def carries_state(model: PreTrainedModel) -> bool:
    """Whether a model remembers in a state of fixed size, and so has no window.

    transformers calls others stateful too, which take their state by other names; they are read in
    windows.
    """
    stateful = bool(getattr(model, "_is_stateful", False))
    return stateful and "past_key_values" in inspect.signature(model.forward).parameters


def _windowed(model: PreTrainedModel, ids: list[int], window: int) -> Bits:
    bits = np.zeros(len(ids) - 1)
    done = 1
    while done < len(ids):
        # A first window scores all it holds, a later one its second half.
        start = 0 if done == 1 else done - window // 2
        stop = min(len(ids), start + window)
        piece = torch.tensor([ids[start:stop]], device=model.device)  # (1, T)
        with torch.inference_mode():
            logits = model(input_ids=piece, use_cache=False).logits[0].float()  # (T, V)
        first = done - start
        nats = F.cross_entropy(logits[first - 1 : -1], piece[0, first:], reduction="none")
        bits[done - 1 : stop - 1] = nats.cpu().numpy()
        done = stop
    return bits / math.log(2)


def _carried(model: PreTrainedModel, texts: list[list[int]]) -> list[Bits]:
    """Texts of like length side by side, each row's state carried from stretch to stretch."""
    bits: list[Bits] = [np.zeros(len(text) - 1) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for begin in range(0, len(order), _ABREAST):
        rows = order[begin : begin + _ABREAST]
        longest = len(texts[rows[-1]])
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        for row, i in enumerate(rows):
            ids[row, : len(texts[i])] = torch.tensor(texts[i])
        ids = ids.to(model.device)
        past: Any = None
        for start in range(0, longest - 1, _STRETCH):
            stop = min(longest - 1, start + _STRETCH)
            with torch.inference_mode():
                out: Any = model(input_ids=ids[:, start:stop], past_key_values=past, use_cache=True)
            past = out.past_key_values
            nats = F.cross_entropy(
                out.logits.float().transpose(1, 2), ids[:, start + 1 : stop + 1], reduction="none"
            )  # (B, T)
            for row, i in enumerate(rows):
                end = min(stop, len(texts[i]) - 1)
                if end > start:
                    bits[i][start:end] = nats[row, : end - start].cpu().numpy() / math.log(2)
    return bits


def character_bits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    window: int | None = None,
) -> list[Bits]:
    """The bits of every character of some texts, whatever the tokenizer.

    The bits of an id that stands for several characters are shared out evenly among them; those of
    several ids for one character add up. The sum is that of the ids.
    """
    encoded: Any = tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
    )
    scored = id_bits(model, encoded["input_ids"], window=window)
    shared = []
    for text, bits, offsets in zip(texts, scored, encoded["offset_mapping"], strict=True):
        each = np.zeros(len(text))
        for cost, (start, stop) in zip(bits, offsets, strict=True):
            # Some tokenizers trim their ids' places down to nothing; no bit may be lost by it.
            start = min(start, len(text) - 1)
            stop = max(stop, start + 1)
            each[start:stop] += cost / (stop - start)
        shared.append(each)
    return shared


def text_bits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    text: str,
    *,
    window: int | None = None,
) -> float:
    """The bits the model needs for a text, every id scored once."""
    return float(character_bits(model, tokenizer, [text], window=window)[0].sum())


def ratio_interval(
    parts: Sequence[float], wholes: Sequence[float], *, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of sum(parts) / sum(wholes), resampling texts."""
    top, bottom = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(top), size=(draws, len(top)))
    ratios = top[picks].sum(1) / bottom[picks].sum(1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def score_of(texts: Sequence[str], bits: Sequence[Bits]) -> Score:
    """The score of texts whose characters' bits are known.

    Raises
    ------
    ValueError
        If there is no text.
    """
    pairs = [(text, cost) for text, cost in zip(texts, bits, strict=True) if text]
    if not pairs:
        raise ValueError("texts is empty; expected at least one text to score")
    step = _BLOCK if len(pairs) < _FEW_TEXTS else max(len(text) for text, _ in pairs)
    costs, sizes = [], []
    for text, cost in pairs:
        for start in range(0, len(text), step):
            costs.append(float(cost[start : start + step].sum()))
            sizes.append(float(len(text[start : start + step].encode("utf-8"))))
    low, high = ratio_interval(costs, sizes)
    return Score(sum(costs) / sum(sizes), low, high, len(pairs), int(sum(sizes)))


def bits_per_byte(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    *,
    window: int | None = None,
    progress: Progress = lambda _: None,
) -> Score:
    """Score a model on texts.

    Parameters
    ----------
    progress : callable
        Told the share of the characters that are scored, from time to time.

    Raises
    ------
    ValueError
        If there is no text.
    """
    # Like lengths together, so that a group is read abreast without padding it much.
    ordered = sorted((text for text in texts if text), key=len)
    total, done = sum(map(len, ordered)), 0
    was_training = model.training
    model.eval()
    bits: list[Bits] = []
    for start in range(0, len(ordered), _ABREAST):
        group = ordered[start : start + _ABREAST]
        bits += character_bits(model, tokenizer, group, window=window)
        done += sum(map(len, group))
        progress(done / total)
    model.train(was_training)
    return score_of(ordered, bits)
