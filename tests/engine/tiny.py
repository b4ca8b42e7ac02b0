"""Tiny real models and data for the engine's tests, made without the packages above it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from engine.batching import Batch, TokenWriter, Windows
from engine.fit import FitSettings
from engine.text_model import NextToken
from engine.tokenizers import byte_tokenizer, encode_text

SPECIAL = ("<|from|>", "<|to|>")
TEXT = "Dear Sir, the comet was seen again last night above the mill. I remain yours. " * 6


def gpt2(
    vocab_size: int, *, n_layer: int = 1, window: int = 32, dropout: float = 0.0, seed: int = 1
) -> GPT2LMHeadModel:
    """A GPT-2 16 wide with fresh weights."""
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab_size,
            n_positions=window,
            n_embd=16,
            n_layer=n_layer,
            n_head=2,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()


def byte_task(*, dropout: float = 0.0, seed: int = 1) -> NextToken:
    """A tiny GPT-2 over bytes, as `fit` trains it."""
    tokenizer = byte_tokenizer(SPECIAL)
    return NextToken(gpt2(len(tokenizer), dropout=dropout, seed=seed), tokenizer)


def windows(
    folder: Path, text: str = TEXT, block_size: int = 16, limit: int | None = None
) -> Windows:
    """A text as a token file over bytes, cut into windows."""
    tokenizer: PreTrainedTokenizerFast = byte_tokenizer(SPECIAL)
    path = folder / "text.bin"
    with TokenWriter(path, len(tokenizer)) as writer:
        writer.add(encode_text(tokenizer, text), len(text.encode("utf-8")))
    return Windows(path, block_size, limit)


def settings(**changed: object) -> FitSettings:
    """Settings that train a tiny model in seconds, in fp32 on the CPU."""
    usual: dict[str, object] = {
        "steps": 4,
        "batch_size": 4,
        "lr": 1e-2,
        "warmup_steps": 1,
        "eval_every": 0,
        "save_every": 0,
        "eval_rows": 4,
        "precision": "no",
        "device": "cpu",
    }
    return FitSettings(**{**usual, **changed})  # type: ignore[arg-type]


class Line(nn.Module):
    """A regressor that has nothing but `loss(batch)`: y = a x + b."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean squared error."""
        return nn.functional.mse_loss(self.linear(batch["x"]), batch["y"])

    def save(self, folder: Path) -> None:
        """Write the weights."""
        save_file(self.state_dict(), folder / "model.safetensors")

    def load(self, folder: Path) -> None:
        """Read them back."""
        self.load_state_dict(load_file(folder / "model.safetensors"))


class Points:
    """Points on y = a x + b, four targets told for each row."""

    def __init__(self, n: int = 8, a: float = 2.0, b: float = -1.0) -> None:
        self.x = torch.linspace(-1, 1, n).reshape(n, 1)
        self.a, self.b = a, b

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """The rows as x and y, both (B, 1)."""
        x = self.x[torch.from_numpy(np.array(rows))]
        return {"x": x, "y": self.a * x + self.b, "n_targets": 4 * len(rows)}
