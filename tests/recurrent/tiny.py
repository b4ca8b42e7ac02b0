"""Tiny real character models and their data, made without `lm` or `app`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from engine.batching import Streams, TokenWriter
from engine.tokenizers import character_tokenizer, encode_text
from recurrent.charlm import CharLM, CharLMConfig, LayerState
from recurrent.sizes import Size, from_scratch
from recurrent.training import CarriedState

V = 11
CELLS = ("rnn", "lstm", "gru")
EVERY_CELL = pytest.mark.parametrize("cell", CELLS)
SHAPES: dict[str, dict[str, Any]] = {
    "two layers": {},
    "one layer": {"num_hidden_layers": 1},
    "one-hot": {"embedding_size": 0},
    "residual": {"residual": True, "num_hidden_layers": 3},
    "tied": {"tie_word_embeddings": True, "embedding_size": 7},
}
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
TEXT = "Dear Sir, the comet was seen again last night above the mill. I remain yours. " * 6


def charlm(cell: str = "lstm", **shape: Any) -> CharLM:
    """A model of V ids whose weights are large enough for every gate to open and close.

    Those of the state on itself are small enough for a rounding to fade out instead of growing. No
    token ends a text, so what the model writes has the length that was asked for.
    """
    usual: dict[str, Any] = {
        "vocab_size": V, "hidden_size": 7, "num_hidden_layers": 2, "embedding_size": 5
    }  # fmt: skip
    model = CharLM(CharLMConfig(cell=cell, **{**usual, **shape})).eval()
    torch.manual_seed(4)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.normal_(std=0.1 if "bias" in name else 0.3 if "weight_hh" in name else 1.0)
    return model


def parts_of(layers: tuple[LayerState, ...]) -> list[torch.Tensor]:
    """The tensors of a state, each (B, H), one after another."""
    return [p for layer in layers for p in (layer if isinstance(layer, tuple) else (layer,))]


def tokenizer() -> PreTrainedTokenizerFast:
    """The characters of `TEXT`, and the bytes of all others."""
    return character_tokenizer([TEXT])


def carried_task(
    cell: str = "lstm", *, hidden_size: int = 16, dropout: float = 0.0, seed: int = 1
) -> CarriedState:
    """A model over the characters of `TEXT`, its state carried, as `fit` trains it."""
    known, size = tokenizer(), Size(2, hidden_size, hidden_size // 2)
    model = from_scratch(cell, known, size, dropout=dropout, seed=seed)
    return CarriedState(model, known)


def streams(
    folder: Path, *, n_streams: int = 4, block_size: int = 16, fresh: float = 0.0
) -> Streams:
    """`TEXT` as a token file over characters, `n_streams` texts side by side."""
    known = tokenizer()
    path = folder / "text.bin"
    with TokenWriter(path, len(known)) as writer:
        writer.add(encode_text(known, TEXT), len(TEXT.encode("utf-8")))
    return Streams(path, block_size, n_streams=n_streams, fresh=fresh)
