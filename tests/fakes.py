"""Tiny real models, made in a moment, for tests that need one and not a good one."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.tokenizers import byte_tokenizer, character_tokenizer
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch

LETTERS = "abcdefghijklmnopqrstuvwxyz ,.\n"


def tiny_model(folder: Path) -> Path:
    """A GPT-2 of one layer over bytes, with fresh weights, saved as a model folder."""
    tokenizer = byte_tokenizer(LETTER_TOKENS)
    size = Size(n_layer=1, n_embd=16, n_head=2, block_size=512)
    from_scratch(tokenizer, size, seed=1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_recurrent(folder: Path, cell: str = "lstm", *, even: bool = False) -> Path:
    """An RNN, LSTM or GRU of one layer over characters, with fresh weights, as a model folder.

    It writes `LETTERS` only and never ends a text; or, if `even`, finds every id equally likely.
    """
    from recurrent import sizes  # not above: the tests of `lm` do without that package

    tokenizer = character_tokenizer([LETTERS])
    model = sizes.from_scratch(cell, tokenizer, sizes.Size(1, 16, 8), seed=3)
    with torch.no_grad():
        if even:
            model.head.weight.zero_()
            model.head.bias.zero_()
        else:
            model.head.bias[: 1 + 256] -= 1e4  # the end of a text and the bytes come first
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
