from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.sampling import (
    SamplingSettings,
    as_row,
    choose,
    generator,
    penalise,
    probabilities,
)

KEEP_ALL = {"temperature": 1.0, "top_p": 1.0}
# Probabilities 1/2, 1/4, 1/8, 1/8, exact in floating point.
HALVES = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
LOGITS = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=40, unique=True)


def _kept(logits: torch.Tensor, **settings: float) -> list[int]:
    chosen = SamplingSettings(**{**KEEP_ALL, **settings})  # type: ignore[arg-type]
    return [int(i) for i in np.flatnonzero(probabilities(logits, chosen))]


@given(values=st.lists(st.integers(-40, 40), min_size=2, unique=True), k=st.integers(1, 90))
def test_top_k_keeps_the_k_likeliest(values: list[int], k: int) -> None:
    best = sorted(range(len(values)), key=lambda i: -values[i])[:k]
    assert _kept(torch.tensor(values) / 10, top_k=k) == sorted(best)


def test_of_equally_likely_ids_the_first_are_kept() -> None:
    assert _kept(torch.zeros(6), top_k=2) == [0, 1]
    assert _kept(torch.tensor([0.0, 5.0, 0.0, 0.0]), top_k=3) == [0, 1, 2]
    assert _kept(torch.zeros(4), top_p=0.7) == [0, 1, 2]
    # Here the last two are too unlikely for a float, and equally so.
    assert _kept(torch.tensor([0.0, -1.0, -900.0, -900.0]), top_k=3) == [0, 1]


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.5, [0]), (0.51, [0, 1]), (0.75, [0, 1]), (0.8, [0, 1, 2])]
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p: float, kept: list[int]) -> None:
    assert _kept(HALVES, top_p=top_p) == kept


@given(values=LOGITS, top_p=st.floats(0.01, 0.99))
def test_top_p_could_not_do_with_one_fewer(values: list[float], top_p: float) -> None:
    logits = torch.tensor(values)
    probs = torch.softmax(logits, -1)
    kept = _kept(logits, top_p=top_p)
    assert probs[kept].sum() >= top_p - 1e-5
    assert probs[kept].sum() - probs[kept].min() < top_p + 1e-5


@pytest.mark.parametrize(("min_p", "kept"), [(0.5, [0, 1]), (0.51, [0]), (0.25, [0, 1, 2, 3])])
def test_min_p_is_a_share_of_the_likeliest(min_p: float, kept: list[int]) -> None:
    assert _kept(HALVES, min_p=min_p) == kept


def test_temperature_flattens_and_sharpens() -> None:
    hot = probabilities(HALVES, SamplingSettings(temperature=2.0, top_p=1.0))
    root = np.sqrt([0.5, 0.25, 0.125, 0.125])
    np.testing.assert_allclose(hot, root / root.sum(), rtol=1e-6)


def _plainly(values: list[float], chosen: SamplingSettings) -> list[float]:
    """The same distribution in plain Python: ranked once, each filter asked about each id."""
    top, k = max(values), chosen.top_k or len(values)
    weights = [math.exp((v - top) / chosen.temperature) for v in values]
    goal = chosen.top_p * sum(weights) if chosen.top_p < 1 else math.inf
    kept, likelier = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=lambda i: -weights[i])):
        if rank < k and likelier < goal and weights[i] >= chosen.min_p:
            kept[i] = weights[i]
        likelier += weights[i]
    return [w / sum(kept) for w in kept]


@given(
    # Far enough apart that rounding cannot move an id across a threshold that is no round number.
    values=st.lists(st.integers(-400, 40), min_size=1, max_size=60, unique=True),
    top_k=st.integers(0, 70),
    top_p=st.sampled_from([0.313, 0.777, 0.9531, 0.99999, 1.0]),
    min_p=st.sampled_from([0.0, 0.00123, 0.0777, 0.913]),
)
def test_filters_together_keep_what_each_of_them_keeps(
    values: list[int], top_k: int, top_p: float, min_p: float
) -> None:
    chosen = SamplingSettings(0.7, top_k, top_p, min_p)
    logits = torch.tensor(values, dtype=torch.float32) / 8
    expected = _plainly(logits.tolist(), chosen)
    np.testing.assert_allclose(probabilities(logits, chosen), expected, rtol=1e-4, atol=1e-38)


@given(values=LOGITS, temperature=st.sampled_from([0.0, 1e-308, 1e-30, 1e-3, 0.7, 1.0, 50.0]))
def test_the_distribution_sums_to_one(values: list[float], temperature: float) -> None:
    chosen = SamplingSettings(temperature, top_k=5, top_p=0.9, min_p=0.05)
    probs = probabilities(torch.tensor(values), chosen)
    assert probs.min() >= 0
    assert float(probs.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1e-308, 1e-38])
def test_no_temperature_takes_the_likeliest(temperature: float) -> None:
    chosen = SamplingSettings(temperature=temperature)
    logits = torch.tensor([-30.0, 2.0, 31.0, 30.9])
    assert {choose(logits, chosen, generator(seed)) for seed in range(20)} == {2}


def test_a_penalty_makes_used_ids_less_likely_whatever_their_sign() -> None:
    logits = np.array([2.0, -2.0, 1.0, -1.0])
    changed = penalise(logits, [0, 1, 0], 2.0)
    assert changed.tolist() == [1.0, -4.0, 1.0, -1.0]
    assert logits.tolist() == [2.0, -2.0, 1.0, -1.0]  # the caller's stay as they were
    rewarded = penalise(logits, {0, 1}, 0.5)
    assert rewarded.tolist() == [4.0, -1.0, 1.0, -1.0]
    assert penalise(logits, [], 2.0) is logits


def test_a_penalty_reaches_the_choice() -> None:
    chosen = SamplingSettings(temperature=0.0, repetition_penalty=1.5)
    logits = torch.tensor([1.2, 1.0])
    assert choose(logits, chosen, generator(0)) == 0
    assert choose(logits, chosen, generator(0), used=[0]) == 1


def _draws(seed: int, n: int = 60) -> list[int]:
    rng = generator(seed)
    chosen = SamplingSettings(temperature=1.0, top_p=1.0)
    return [choose(torch.zeros(50), chosen, rng) for _ in range(n)]


def test_a_seed_fixes_the_draws_whatever_else_draws() -> None:
    first = _draws(7)
    torch.rand(100)
    assert _draws(7) == first
    assert _draws(8) != first


@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_draws_follow_the_distribution(top_p: float) -> None:
    rng = generator(0)
    chosen = SamplingSettings(temperature=1.0, top_p=top_p)
    n = 4000
    counts = Counter(choose(HALVES, chosen, rng) for _ in range(n))
    for i, p in enumerate(probabilities(HALVES, chosen)):
        assert abs(counts[i] / n - p) <= 4 * math.sqrt(p * (1 - p) / n)


def test_drawing_changes_nothing_that_was_given() -> None:
    logits = np.log([0.5, 0.25, 0.125, 0.125]).astype(np.float32)
    before, banned, used = logits.copy(), [3], [0, 1]
    chosen = SamplingSettings(top_k=2, min_p=0.1, repetition_penalty=1.2)
    for seed in range(5):
        choose(logits, chosen, generator(seed), used=used, banned=banned)
    assert np.array_equal(logits, before)
    assert (banned, used) == ([3], [0, 1])


def test_tensors_and_arrays_of_any_precision_give_the_same_draws() -> None:
    chosen = SamplingSettings(temperature=1.0)
    exact = torch.tensor([0.5, -1.0, 2.0, 0.25])  # the same numbers in every precision
    kinds: list[Any] = [
        exact,
        exact.bfloat16(),
        exact.double(),
        exact.clone().requires_grad_(),
        exact.numpy(),
        exact.double().numpy(),
    ]
    draws = [
        [choose(kind, chosen, rng) for _ in range(20)] for kind in kinds for rng in [generator(1)]
    ]
    assert draws == [draws[0]] * len(kinds)
    assert len(set(draws[0])) > 1


def test_a_float32_tensor_on_the_cpu_is_not_copied() -> None:
    logits = torch.zeros(3)
    as_row(logits)[1] = 7
    assert logits.tolist() == [0, 7, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=f"logits have {bad} as their largest"):
        choose(torch.tensor([0.0, bad, 1.0]), SamplingSettings(), generator(0))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^seed=-1 must not"):
        generator(-1)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_banned_ids_are_never_drawn(temperature: float) -> None:
    chosen = SamplingSettings(temperature=temperature, top_p=1.0)
    logits = torch.tensor([9.0, 8.0, 0.0, -9.0])
    rng = generator(0)
    assert {choose(logits, chosen, rng, banned={0, 1}) for _ in range(200)} <= {2, 3}
    with pytest.raises(ValueError, match="all 4 ids"):
        choose(logits, chosen, rng, banned=range(4))


def test_not_even_a_draw_of_nought_falls_on_a_banned_id() -> None:
    class Nought(np.random.Generator):
        def random(self, *_: object, **__: object) -> float:  # type: ignore[override]
            return 0.0  # as likely from a real one as any other number, once in 2**53

    chosen = SamplingSettings(temperature=1.0)
    assert choose(HALVES, chosen, Nought(np.random.PCG64(0)), banned={0, 1}) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("temperature", math.nan),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", 1.0),
        ("min_p", -0.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.nan),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}={value}"):
        SamplingSettings(**{name: value})  # type: ignore[arg-type]
