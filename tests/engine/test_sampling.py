from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.sampling import SamplingSettings, choose, generator, penalise, probabilities

KEEP_ALL = {"temperature": 1.0, "top_p": 1.0}
# Probabilities 1/2, 1/4, 1/8, 1/8, exact in floating point.
HALVES = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
LOGITS = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=40, unique=True)


def _kept(logits: torch.Tensor, **settings: float) -> list[int]:
    chosen = SamplingSettings(**{**KEEP_ALL, **settings})  # type: ignore[arg-type]
    return torch.nonzero(probabilities(logits, chosen)).flatten().tolist()


@given(values=st.lists(st.integers(-40, 40), min_size=2, unique=True), k=st.integers(1, 90))
def test_top_k_keeps_the_k_likeliest(values: list[int], k: int) -> None:
    best = sorted(range(len(values)), key=lambda i: -values[i])[:k]
    assert _kept(torch.tensor(values) / 10, top_k=k) == sorted(best)


def test_equally_likely_ids_are_cut_at_k_too() -> None:
    assert _kept(torch.zeros(6), top_k=2) == [0, 1]


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
    root = torch.tensor([0.5, 0.25, 0.125, 0.125]).sqrt()
    torch.testing.assert_close(hot, root / root.sum())


@given(values=LOGITS, temperature=st.sampled_from([0.0, 1e-30, 1e-3, 0.7, 1.0, 50.0]))
def test_the_distribution_sums_to_one(values: list[float], temperature: float) -> None:
    chosen = SamplingSettings(temperature, top_k=5, top_p=0.9, min_p=0.05)
    probs = probabilities(torch.tensor(values), chosen)
    assert probs.min() >= 0
    assert float(probs.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1e-38])
def test_no_temperature_takes_the_likeliest(temperature: float) -> None:
    chosen = SamplingSettings(temperature=temperature)
    logits = torch.tensor([-30.0, 2.0, 31.0, 30.9])
    assert {choose(logits, chosen, generator(seed)) for seed in range(20)} == {2}


def test_a_penalty_makes_used_ids_less_likely_whatever_their_sign() -> None:
    logits = torch.tensor([2.0, -2.0, 1.0, -1.0])
    changed = penalise(logits, [0, 1, 0], 2.0)
    assert changed.tolist() == [1.0, -4.0, 1.0, -1.0]
    assert logits.tolist() == [2.0, -2.0, 1.0, -1.0]  # the caller's stay as they were
    rewarded = penalise(logits, [0, 1], 0.5)
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


def test_draws_follow_the_distribution() -> None:
    rng = generator(0)
    chosen = SamplingSettings(temperature=1.0, top_p=1.0)
    n = 2000
    count = sum(choose(HALVES, chosen, rng) == 0 for _ in range(n))
    assert abs(count / n - 0.5) < 4 * math.sqrt(0.25 / n)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_banned_ids_are_never_drawn(temperature: float) -> None:
    chosen = SamplingSettings(temperature=temperature, top_p=1.0)
    logits = torch.tensor([9.0, 8.0, 0.0, -9.0])
    rng = generator(0)
    assert {choose(logits, chosen, rng, banned={0, 1}) for _ in range(200)} <= {2, 3}
    with pytest.raises(ValueError, match="all 4 ids"):
        choose(logits, chosen, rng, banned=range(4))


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
