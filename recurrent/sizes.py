"""Recurrent language models with fresh weights: by a named size, or with a number of weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from recurrent.charlm import CharLM, CharLMConfig

_GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True, slots=True)
class Size:
    """Layers L, hidden width H and embedding width E (0: one-hot)."""

    n_layer: int
    hidden_size: int
    embedding_size: int = 64


# Hidden widths of an LSTM; the other cells get the width that gives them as many weights.
SIZES = {"nano": Size(2, 128), "tiny": Size(2, 256), "small": Size(2, 464)}


def n_weights(cell: str, size: Size, vocab_size: int) -> int:
    """The weights of such a model, biases included.

    >>> n_weights("lstm", Size(1, 2, 3), 5)
    88
    """
    gates, h = _GATES[cell], size.hidden_size
    inputs = size.embedding_size or vocab_size
    layers = sum(gates * h * (n + h + 2) for n in [inputs] + [h] * (size.n_layer - 1))
    return vocab_size * size.embedding_size + layers + vocab_size * (h + 1)


def with_weights(cell: str, n: int, vocab_size: int, *, n_layer: int = 2, step: int = 8) -> Size:
    """The size whose number of weights comes nearest to `n`, its width a multiple of `step`."""
    sizes = (Size(n_layer, h) for h in range(step, 8192, step))
    return min(sizes, key=lambda size: abs(n_weights(cell, size, vocab_size) - n))


def named(cell: str, name: str, vocab_size: int) -> Size:
    """A size of `SIZES` for a cell: as many weights as an LSTM of that size has.

    Raises
    ------
    ValueError
        If there is no such size.
    """
    if name not in SIZES:
        raise ValueError(f"size={name!r} must be one of {', '.join(SIZES)}")
    if cell == "lstm":
        return SIZES[name]
    return with_weights(cell, n_weights("lstm", SIZES[name], vocab_size), vocab_size)


def from_scratch(
    cell: str,
    tokenizer: PreTrainedTokenizerFast,
    size: str | Size = "tiny",
    *,
    dropout: float = 0.0,
    residual: bool = False,
    seed: int = 0,
) -> CharLM:
    """A model with fresh weights for this tokenizer.

    Parameters
    ----------
    cell : str
        "rnn", "lstm" or "gru".
    size : str or Size
        A name of `SIZES`, or the numbers themselves.
    """
    if isinstance(size, str):
        size = named(cell, size, len(tokenizer))
    torch.manual_seed(seed)
    return CharLM(
        CharLMConfig(
            cell=cell,
            vocab_size=len(tokenizer),
            hidden_size=size.hidden_size,
            num_hidden_layers=size.n_layer,
            embedding_size=size.embedding_size,
            dropout=dropout,
            residual=residual,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
