"""Tiny real models, made in a moment, for tests that need one and not a good one."""

from __future__ import annotations

from pathlib import Path

from engine.tokenizers import byte_tokenizer
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch


def tiny_model(folder: Path) -> Path:
    """A GPT-2 of one layer over bytes, with fresh weights, saved as a model folder."""
    tokenizer = byte_tokenizer(LETTER_TOKENS)
    size = Size(n_layer=1, n_embd=16, n_head=2, block_size=512)
    from_scratch(tokenizer, size, seed=1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
