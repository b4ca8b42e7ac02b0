"""The loss in pieces is torch's, and so is its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine import cross_entropy
from engine.batching import IGNORED
from engine.cross_entropy import mean_cross_entropy


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cross_entropy._PIECE, "cpu", 64)


def _batch(dtype: torch.dtype, n_ignored: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 7, 11, generator=generator).mul(4).to(dtype)
    labels = torch.randint(0, 11, (3, 7), generator=generator)
    labels.view(-1)[:n_ignored] = IGNORED
    return logits.requires_grad_(), labels


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_ignored", [0, 5])
def test_value_and_gradient_are_those_of_torch(dtype: torch.dtype, n_ignored: int) -> None:
    ours, labels = _batch(dtype, n_ignored)
    theirs, _ = _batch(dtype, n_ignored)
    exact = torch.promote_types(dtype, torch.float32)
    loss = mean_cross_entropy(ours, labels)
    wanted = F.cross_entropy(theirs.flatten(0, 1).to(exact), labels.flatten(), ignore_index=IGNORED)
    (3 * loss).backward()
    (3 * wanted).backward()
    torch.testing.assert_close(loss, wanted)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert ours.grad.dtype == dtype
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_its_gradient_can_be_asked_for_twice() -> None:
    logits, labels = _batch(torch.float32)
    loss = mean_cross_entropy(logits, labels)
    (once,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (again,) = torch.autograd.grad(2 * loss, logits)
    torch.testing.assert_close(again, 2 * once)


def test_without_a_gradient_none_is_made() -> None:
    logits, labels = _batch(torch.float32)
    with torch.inference_mode():
        quiet = mean_cross_entropy(logits.detach(), labels)
    torch.testing.assert_close(quiet, mean_cross_entropy(logits, labels).detach())


def test_nothing_to_learn_is_no_number() -> None:
    logits, labels = _batch(torch.float32, n_ignored=21)
    assert not bool(mean_cross_entropy(logits, labels).isfinite())
