"""GPT-2 through transformers, from scratch in three sizes, and the tokens of a letter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerFast

# Set into the vocabulary of every model that writes letters. No text can produce them.
FROM, TO, DATE, PLACE = "<|from|>", "<|to|>", "<|date|>", "<|place|>"
PASSAGE, EARLIER, LETTER, REPLY = "<|passage|>", "<|earlier|>", "<|letter|>", "<|reply|>"
FORM, OWN, SET = "<|form|>", "<|own|>", "<|set|>"
LETTER_TOKENS = (FROM, TO, DATE, PLACE, PASSAGE, EARLIER, LETTER, REPLY, FORM, OWN, SET)

# GPT-2's activation under the name of torch's own kernel; "gelu_new" is the same in eight passes.
GELU = "gelu_pytorch_tanh"


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
        activation_function=GELU,
    )
    return GPT2LMHeadModel(config)


def add_letter_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Give a foreign model the tokens of a letter; returns how many were new."""
    n_new: int = tokenizer.add_special_tokens(
        {"extra_special_tokens": list(LETTER_TOKENS)}, replace_extra_special_tokens=False
    )
    if n_new:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return n_new
