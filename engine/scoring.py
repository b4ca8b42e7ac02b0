"""Bits per byte of held-out text, comparable across models and tokenizers, with an interval.

Context rule: a text is read in windows that overlap by half; a window scores only the ids the
earlier one did not, so each id is scored once, with at least half a window of context once there is
as much text before it. The first id follows an end-of-text id. For BPE only the canonical
tokenization is counted, so the figure is an upper bound on the bits the model needs for the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from engine.tokenizers import encode_text


@dataclass(frozen=True, slots=True)
class Score:
    """Bits per byte over a set of texts; `low` and `high` bound it with 95% confidence."""

    bits_per_byte: float
    low: float
    high: float
    n_texts: int
    n_bytes: int


def text_bits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str, *, window: int
) -> float:
    """The bits the model needs for a text, every id scored once.

    Parameters
    ----------
    window : int
        Ids read at a time, at least 2 and no more than the model's own window.

    Raises
    ------
    ValueError
        If `window` is neither.
    """
    own = getattr(model.config, "max_position_embeddings", None) or math.inf
    if not 2 <= window <= own:
        raise ValueError(f"window={window} must be at least 2 and at most the model's {own}")
    ids = [int(tokenizer.eos_token_id), *encode_text(tokenizer, text)]
    nats, done = 0.0, 1
    while done < len(ids):
        # A first window scores all it holds, a later one its second half.
        start = 0 if done == 1 else done - window // 2
        stop = min(len(ids), start + window)
        piece = torch.tensor([ids[start:stop]], device=model.device)  # (1, T)
        with torch.inference_mode():
            logits = model(input_ids=piece, use_cache=False).logits[0].float()  # (T, V)
        first = done - start
        nats += F.cross_entropy(logits[first - 1 : -1], piece[0, first:], reduction="sum").item()
        done = stop
    return nats / math.log(2)


def ratio_interval(
    parts: Sequence[float], wholes: Sequence[float], *, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of sum(parts) / sum(wholes), resampling texts."""
    top, bottom = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(top), size=(draws, len(top)))
    ratios = top[picks].sum(1) / bottom[picks].sum(1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def bits_per_byte(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    *,
    window: int,
) -> Score:
    """Score a model on texts.

    Raises
    ------
    ValueError
        If there is no text.
    """
    was_training = model.training
    model.eval()
    bits, sizes = [], []
    for text in texts:
        if text:
            bits.append(text_bits(model, tokenizer, text, window=window))
            sizes.append(float(len(text.encode("utf-8"))))
    model.train(was_training)
    if not bits:
        raise ValueError("texts is empty; expected at least one text to score")
    low, high = ratio_interval(bits, sizes)
    return Score(sum(bits) / sum(sizes), low, high, len(bits), int(sum(sizes)))
