from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedConfig, PreTrainedModel

from engine.budget import matrix_weights, n_parameters, training_flops


def _gpt2(n_layer: int = 2, width: int = 8, vocab: int = 10, window: int = 16) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab, n_positions=window, n_embd=width, n_layer=n_layer, n_head=2,
            bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


class Recurrent(PreTrainedModel):
    """A recurrent language model with an embedding and a head of their own."""

    config_class = PreTrainedConfig
    _is_stateful = True

    def __init__(self) -> None:
        super().__init__(PreTrainedConfig())
        self.embedding = nn.Embedding(7, 3)
        self.layer = nn.LSTM(3, 5)
        self.head = nn.Linear(5, 7)

    def get_output_embeddings(self) -> Any:
        return self.head


def test_the_weights_of_a_gpt2_by_hand() -> None:
    # A layer: queries, keys, values 8 x 24, their projection 8 x 8, the two of the block 8 x 32.
    matrices = 2 * (8 * 24 + 8 * 8 + 2 * 8 * 32)
    assert matrices == 12 * 2 * 8**2  # Kaplan et al. 2020, equation 2.1
    assert matrix_weights(_gpt2()) == matrices + 10 * 8
    biases = 2 * (24 + 8 + 32 + 8) + 2 * 4 * 8 + 2 * 8
    assert n_parameters(_gpt2()) == matrices + biases + 10 * 8 + 16 * 8


def test_the_operations_of_a_gpt2_by_hand() -> None:
    model = _gpt2()
    n = 12 * 2 * 8**2 + 80
    assert training_flops(model, 16) == 3 * (2 * n + 2 * 2 * 16 * 8)
    assert training_flops(model, 1) == 3 * (2 * n + 2 * 2 * 8)


def test_a_recurrent_model_by_hand() -> None:
    model = Recurrent()
    matrices = 4 * 5 * 3 + 4 * 5 * 5 + 5 * 7
    assert matrix_weights(model) == matrices
    assert n_parameters(model) == matrices + 7 * 3 + 2 * 4 * 5 + 7
    assert training_flops(model, 1) == training_flops(model, 1000) == 6 * matrices


@given(st.integers(1, 3), st.sampled_from([4, 8]), st.integers(4, 40), st.integers(1, 16))
def test_a_forward_pass_multiplies_as_often_as_is_counted(
    n_layer: int, width: int, vocab: int, block: int
) -> None:
    """Against what torch's own modules say they multiply, hooked in a real pass."""
    model = _gpt2(n_layer, width, vocab)
    seen = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal seen
        seen += 2 * inputs[0].shape[-1] * output.numel()

    for module in model.modules():
        if type(module).__name__ in ("Conv1D", "Linear"):
            module.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.zeros(1, block, dtype=torch.long), use_cache=False)
    attention = 6 * n_layer * block * width
    assert 3 * seen / block == training_flops(model, block) - attention


def test_a_block_has_at_least_one_token() -> None:
    with pytest.raises(ValueError, match=r"^block_size=0 must"):
        training_flops(_gpt2(), 0)
