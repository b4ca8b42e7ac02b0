"""GPT-2 through transformers: from scratch in three sizes, from a folder, or from a hub id."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as hf_logging

from corpora.errors import ModelError
from engine.tokenizers import END_OF_TEXT

# Set into the vocabulary of every model that writes letters. No text can produce them.
FROM, TO, DATE, PLACE = "<|from|>", "<|to|>", "<|date|>", "<|place|>"
PASSAGE, EARLIER, LETTER, REPLY = "<|passage|>", "<|earlier|>", "<|letter|>", "<|reply|>"
FORM, OWN, SET = "<|form|>", "<|own|>", "<|set|>"
LETTER_TOKENS = (FROM, TO, DATE, PLACE, PASSAGE, EARLIER, LETTER, REPLY, FORM, OWN, SET)


@dataclass(frozen=True, slots=True)
class Size:
    """A shape of GPT-2 (Radford et al. 2019): layers, width, heads and window in tokens."""

    n_layer: int
    n_embd: int
    n_head: int
    block_size: int


SIZES = {
    "nano": Size(n_layer=4, n_embd=128, n_head=4, block_size=256),
    "tiny": Size(n_layer=6, n_embd=256, n_head=8, block_size=1024),
    "small": Size(n_layer=8, n_embd=384, n_head=6, block_size=1024),
}


def from_scratch(
    tokenizer: PreTrainedTokenizerFast,
    size: str | Size = "tiny",
    *,
    dropout: float = 0.0,
    seed: int = 0,
) -> GPT2LMHeadModel:
    """A GPT-2 with fresh weights for this tokenizer.

    Weights are N(0, 0.02), residual projections scaled by 1/sqrt(2 L), as in the paper.
    """
    if isinstance(size, str):
        if size not in SIZES:
            raise ValueError(f"size={size!r} must be one of {', '.join(SIZES)}")
        size = SIZES[size]
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=size.block_size,
        n_embd=size.n_embd,
        n_layer=size.n_layer,
        n_head=size.n_head,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return GPT2LMHeadModel(config)


def is_folder(name: str) -> bool:
    """Whether `name` means a folder on this machine rather than a hub id."""
    return Path(name).expanduser().is_dir() or name.startswith((".", "/", "~"))


def load(name: str, *, dtype: torch.dtype = torch.float32) -> tuple[PreTrainedModel, Any]:
    """A causal language model and its tokenizer, from a folder or a hub id.

    Only safetensors are read and no code from the model's folder is run. A hub id is the one thing
    here that may use the network, and only because a person named it.

    Raises
    ------
    ModelError
        If the folder is missing, damaged or not a causal model; or if the hub cannot be reached.
    """
    hf_logging.disable_progress_bar()
    local = is_folder(name)
    where = str(Path(name).expanduser()) if local else name
    if local and not (Path(where) / "config.json").is_file():
        raise ModelError(
            f"{where} is not a model folder: it holds no config.json. Expected a folder saved by "
            "letterpress or transformers; `letterpress models` lists those it knows."
        )
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(where, **options)
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        model = AutoModelForCausalLM.from_pretrained(
            where, config=config, dtype=dtype, use_safetensors=True, **options
        )
    except Exception as problem:  # transformers raises many kinds; each means: not usable
        raise ModelError(_advice(name, where, local, problem)) from problem
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{name} has no fast tokenizer; letterpress needs a tokenizer.json.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or END_OF_TEXT
    return model, tokenizer


def _advice(name: str, where: str, local: bool, problem: Exception) -> str:
    reason = (
        str(problem).strip().splitlines()[0][:200]
        if str(problem).strip()
        else type(problem).__name__
    )
    if local:
        return f"The model in {where} cannot be read ({reason}). Fetch or train it again."
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    return (
        f"The model {name!r} is not on this machine and could not be fetched from the hub "
        + ("because HF_HUB_OFFLINE is set. " if offline else f"({reason}). ")
        + "Connect to the internet once, or pass a folder that holds config.json, "
        "model.safetensors and tokenizer.json; `--model starter` needs no network."
    )


def add_letter_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Give a foreign model the tokens of a letter; returns how many were new."""
    n_new: int = tokenizer.add_special_tokens(
        {"extra_special_tokens": list(LETTER_TOKENS)}, replace_extra_special_tokens=False
    )
    if n_new:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return n_new
