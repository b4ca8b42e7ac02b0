from __future__ import annotations

import pytest
import torch

from engine.tokenizers import byte_tokenizer
from lm.gpt2 import LETTER_TOKENS, SIZES, Size, add_letter_tokens, from_scratch


@pytest.mark.parametrize("name", list(SIZES))
def test_sizes(name: str) -> None:
    with torch.device("meta"):
        model = from_scratch(byte_tokenizer(LETTER_TOKENS), name)
    size = SIZES[name]
    config = model.config
    assert (config.n_layer, config.n_embd, config.n_head) == (
        size.n_layer,
        size.n_embd,
        size.n_head,
    )
    assert config.n_positions == size.block_size
    assert config.vocab_size == 256 + 1 + len(LETTER_TOKENS)


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(ValueError, match="size='huge' must be one of nano, tiny, small"):
        from_scratch(byte_tokenizer(), "huge")


def test_fresh_weights_hang_on_the_seed_alone() -> None:
    size = Size(n_layer=1, n_embd=16, n_head=2, block_size=32)
    one, same, other = (from_scratch(byte_tokenizer(), size, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.transformer.wte.weight, same.transformer.wte.weight)
    assert not torch.equal(one.transformer.wte.weight, other.transformer.wte.weight)


def test_a_foreign_model_is_given_our_tokens() -> None:
    tokenizer = byte_tokenizer()
    model = from_scratch(tokenizer, Size(n_layer=1, n_embd=16, n_head=2, block_size=32))
    assert add_letter_tokens(model, tokenizer) == len(LETTER_TOKENS)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert add_letter_tokens(model, tokenizer) == 0
