from __future__ import annotations

import pytest
import torch
from transformers import GPT2LMHeadModel

from engine.stepper import (
    CacheState,
    TransformerStepper,
    register_stepper,
    stepper_of,
    without_end,
)
from tests.engine.tiny import gpt2

IDS = [5, 9, 2, 30, 7, 7, 11, 1]


@pytest.fixture(scope="module")
def stepper() -> TransformerStepper:
    return TransformerStepper(gpt2(40, n_layer=2, window=12))


def _uncached(stepper: TransformerStepper, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = stepper.model(torch.tensor([ids]), use_cache=False).logits
    return logits[0]  # (T, V)


@pytest.mark.parametrize("n_prompt", [1, 4, 7])
def test_stepping_agrees_with_reading_all_at_once(
    stepper: TransformerStepper, n_prompt: int
) -> None:
    expected = _uncached(stepper, IDS)
    logits, state = stepper.start(IDS[:n_prompt])
    for place, token in enumerate(IDS[n_prompt:], n_prompt):
        torch.testing.assert_close(logits, expected[place - 1])
        assert logits.shape == (40,)
        logits, state = stepper.step(token, state)
    torch.testing.assert_close(logits, expected[-1])
    assert state.length == len(IDS)
    assert [k.shape for k, _ in state.layers] == [(1, 2, len(IDS), 8)] * 2


def test_a_prompt_can_be_read_in_parts(stepper: TransformerStepper) -> None:
    _, state = stepper.start(IDS[:3])
    logits, _ = stepper.start(IDS[3:], state)
    torch.testing.assert_close(logits, _uncached(stepper, IDS)[-1])


def test_a_state_is_a_value(stepper: TransformerStepper) -> None:
    _, state = stepper.start(IDS[:4])
    before = [(k.clone(), v.clone()) for k, v in state.layers]
    first, after = stepper.step(3, state)
    stepper.step(8, state)
    stepper.step(5, after)
    again, _ = stepper.step(3, state)
    assert torch.equal(first, again)
    assert isinstance(state, CacheState)
    assert state.length == 4
    for (k, v), (k_before, v_before) in zip(state.layers, before, strict=True):
        assert torch.equal(k, k_before)
        assert torch.equal(v, v_before)


def test_more_ids_than_the_window_are_refused(stepper: TransformerStepper) -> None:
    assert stepper.window == 12
    with pytest.raises(ValueError, match="13 ids do not fit a window of 12"):
        stepper.start([1] * 13)
    _, state = stepper.start([1] * 12)
    with pytest.raises(ValueError, match="13 ids"):
        stepper.step(1, state)
    with pytest.raises(ValueError, match="ids is empty"):
        stepper.start([])


def test_dropout_is_off_however_the_model_comes() -> None:
    stepper = TransformerStepper(gpt2(40, dropout=0.5).train())
    assert torch.equal(stepper.start(IDS)[0], stepper.start(IDS)[0])


class Own(TransformerStepper):
    """A family's own."""


class Family(GPT2LMHeadModel):
    """A family that brings a stepper."""


class Descendant(Family):
    """Another kind of model, which may have other insides."""


def test_a_family_may_bring_its_own_stepper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.stepper._FACTORIES", {})
    config = gpt2(40).config
    plain, own, descendant = (kind(config) for kind in (GPT2LMHeadModel, Family, Descendant))
    assert type(stepper_of(own)) is TransformerStepper
    register_stepper(Family, Own)
    assert type(stepper_of(own)) is Own
    assert stepper_of(own).model is own  # type: ignore[attr-defined]
    assert type(stepper_of(plain)) is TransformerStepper
    assert type(stepper_of(descendant)) is TransformerStepper
    register_stepper(Family, TransformerStepper)  # the last word counts
    assert type(stepper_of(own)) is TransformerStepper


def test_a_sliding_window_reads_its_last_half_again(stepper: TransformerStepper) -> None:
    sliding = without_end(stepper)
    ids = [*IDS, *reversed(IDS), *IDS]  # 24 ids, a window of 12
    logits, state = sliding.start(ids[:1])
    for place, token in enumerate(ids[1:], 1):
        logits, state = sliding.step(token, state)
        # Full at 12 ids; the 13th leaves 6, and from then on every seventh does.
        first = 0 if place < 12 else 7 + 7 * ((place - 12) // 7)
        expected = _uncached(stepper, ids[first : place + 1])[-1]
        torch.testing.assert_close(logits, expected, msg=f"at {place}")


def test_of_a_prompt_longer_than_the_window_the_end_is_read(stepper: TransformerStepper) -> None:
    logits, state = without_end(stepper).start([*IDS, *IDS])
    torch.testing.assert_close(logits, _uncached(stepper, IDS[-6:])[-1])
    again, _ = without_end(stepper).start(IDS[:4], state)
    torch.testing.assert_close(again, _uncached(stepper, [*IDS[-6:], *IDS[:4]])[-1])


def test_what_has_no_window_needs_no_sliding(stepper: TransformerStepper) -> None:
    endless = TransformerStepper(gpt2(40, n_layer=1, window=12))
    endless.window = 0
    assert without_end(endless) is endless
