from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from engine.stepper import TransformerStepper
from lm.agreement import Agreement, agreement
from tests.engine.tiny import gpt2

TEXTS = [[1, 5, 9, 2, 7], [3, 3, 0, 8, 8, 1]]


class Contrary:
    """A stepper that likes least what the model likes best."""

    window = 32

    def __init__(self, stepper: TransformerStepper) -> None:
        self._stepper = stepper

    def start(self, ids: Sequence[int], state: Any = None) -> tuple[torch.Tensor, Any]:
        logits, state = self._stepper.start(ids, state)
        return -logits, state

    def step(self, token: int, state: Any) -> tuple[torch.Tensor, Any]:
        logits, state = self._stepper.step(token, state)
        return -logits, state


def test_a_model_agrees_with_itself() -> None:
    model = gpt2(10)
    found = agreement(model, TransformerStepper(model), TEXTS)
    assert found.n_steps == 3 + 3
    assert found.top == 1
    assert found.more_bits == pytest.approx(0, abs=1e-6)
    assert found.close


def test_a_model_that_knows_nothing_needs_the_same_for_every_id() -> None:
    model = gpt2(16)
    torch.nn.init.zeros_(model.transformer.wte.weight)  # the head too: they are tied
    found = agreement(model, TransformerStepper(model), TEXTS)
    assert found.bits == pytest.approx(6 * 4)  # log2 of 16 ids
    assert found.stepper_bits == pytest.approx(6 * 4)


def test_what_chooses_otherwise_is_not_close() -> None:
    model = gpt2(10)
    found = agreement(model, Contrary(TransformerStepper(model)), TEXTS)
    assert found.top == 0
    assert not found.close


def test_close_means_both_bits_and_choices() -> None:
    assert Agreement(1000, 1004.9, 0.98, 100).close
    assert Agreement(1000, 995.1, 1.0, 100).close
    assert not Agreement(1000, 1005.1, 1.0, 100).close
    assert not Agreement(1000, 1000, 0.979, 1000).close
    assert Agreement(1000, 1010, 1.0, 10).more_bits == pytest.approx(0.01)


def test_too_little_text_is_refused() -> None:
    model = gpt2(10)
    stepper = TransformerStepper(model)
    with pytest.raises(ValueError, match="texts is empty"):
        agreement(model, stepper, [])
    with pytest.raises(ValueError, match="a text has 1 ids; expected at least 2"):
        agreement(model, stepper, [[1]])
