from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import ModelError
from recurrent.lab.weather.baselines import Fitted, climatology, mae, naive, ridge, seasonal_naive
from recurrent.lab.weather.intervals import (
    levels,
    measure,
    rolling_widening,
    scores,
    widening,
)
from recurrent.lab.weather.models import FAMILIES, Trial, build, draw_trials, predict
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.residual import Linear, load_network
from recurrent.lab.weather.tables import regularise
from recurrent.lab.weather.windows import Plan, honest_plan


def _plan(temp: Floats, horizon: int = 24, window: int = 24) -> Plan:
    at = np.datetime64("2021-01-01T00:00:00", "s") + np.arange(len(temp)).astype("timedelta64[h]")
    table = regularise("made", at, ("temp",), temp[:, None])
    return honest_plan(table, "temp", window_hours=window, horizon_hours=horizon)


def _in_units(plan: Plan, fitted: Fitted, ends: list[int]) -> list[float]:
    return [float(v) for v in plan.to_units(fitted.forecast(np.array(ends)))]


def test_naive_is_the_value_a_day_before_the_target() -> None:
    plan = _plan(np.arange(400.0))
    assert _in_units(plan, naive(plan), [250]) == pytest.approx([250])
    assert naive(plan).valid_mae * plan.unit_scale == pytest.approx(24)


def test_seasonal_naive_is_the_mean_of_that_hour_over_the_last_known_days() -> None:
    plan = _plan(np.arange(400.0))
    # Two days before row 274 at its hour: rows 250 and 226.
    assert _in_units(plan, seasonal_naive(plan, 1), [250]) == pytest.approx([238])
    # Six hours ahead the first known day is still yesterday; 30 hours ahead it is the day before.
    six, thirty = (_plan(np.arange(400.0), horizon) for horizon in (6, 30))
    assert _in_units(six, seasonal_naive(six, 1), [250]) == pytest.approx([(232 + 208) / 2])
    assert _in_units(thirty, seasonal_naive(thirty, 1), [250]) == pytest.approx([(232 + 208) / 2])


def test_seasonal_naive_chooses_its_days_on_validation() -> None:
    rng = np.random.default_rng(0)
    noisy = 5 * np.sin(np.arange(3000) * 2 * np.pi / 24) + rng.normal(0, 1, 3000)
    best = seasonal_naive(_plan(noisy), 6)
    assert best.setting == "10 days"  # of nothing but noise, most days are best
    assert best.valid_mae < naive(_plan(noisy)).valid_mae


def test_climatology_finds_the_turn_of_the_day_and_of_the_year() -> None:
    hours = np.arange(2 * 8766 * 2)
    usual = 10 + 8 * np.sin(hours * 2 * np.pi / 8765.82) + 3 * np.cos(hours * 2 * np.pi / 24)
    plan = _plan(usual)
    fitted = climatology(plan, 1)
    assert fitted.setting == "1 harmonics of the year, 1 of the day"
    assert fitted.valid_mae < 1e-6
    short = climatology(_plan(usual[:600]), 2)
    assert short.setting.startswith("0 harmonics of the year")


def test_ridge_finds_a_linear_law_and_its_penalty_holds_weights_down() -> None:
    rng = np.random.default_rng(3)
    temp = np.zeros(4000)
    noise = rng.normal(0, 0.01, 4000)
    for t in range(30, 4000):
        # From one step ahead the law is exact: an oscillation that the noise keeps alive.
        temp[t] = 1.8 * temp[t - 1] - 0.9 * temp[t - 2] + noise[t]
    plan = _plan(temp, horizon=1, window=6)
    best = ridge(plan, 6)
    assert best.setting == "penalty 1"
    expected = float(np.abs(noise).mean()) / plan.unit_scale
    assert best.valid_mae == pytest.approx(expected, rel=0.1)
    assert mae(best.forecast(plan.test), plan.targets(plan.test)) < 0.5 * naive(plan).valid_mae


def test_errors_leave_unknown_truths_out() -> None:
    assert mae(np.array([1.0, 2.0, 3.0]), np.array([2.0, np.nan, 1.0])) == 1.5


# ----------------------------------------------------------------------------------------- networks


def test_every_network_tries_the_same_settings_and_the_first_is_the_usual_one() -> None:
    trials = draw_trials(6, 4)
    assert trials == draw_trials(6, 4)
    assert (trials[0], len(set(trials))) == (Trial(), 6)
    assert draw_trials(6, 5) != trials


@pytest.mark.parametrize("name", list(FAMILIES))
def test_before_it_has_learnt_a_network_forecasts_about_the_last_value(name: str) -> None:
    plan = _plan(np.random.default_rng(0).normal(0, 1, 400))
    torch.manual_seed(0)
    nothing = Linear(np.zeros(plan.window * len(plan.names)), 0.0)
    model = build(plan, FAMILIES[name], Trial(hidden_size=4), linear=nothing)
    forecast = predict(model, plan, plan.test)
    assert forecast.shape == (len(plan.test), 1)
    last = plan.to_z(plan.inputs[plan.test, 0])
    assert np.abs(forecast[:, 0] - last).mean() < 0.5


def test_a_network_over_ridge_begins_as_ridge_and_trains_only_what_it_adds(tmp_path: Path) -> None:
    plan = _plan(np.sin(np.arange(400.0)) + np.random.default_rng(0).normal(0, 0.3, 400))
    fitted = ridge(plan, 3)
    assert fitted.linear is not None
    torch.manual_seed(0)
    model = build(plan, FAMILIES["gru_over_ridge"], Trial(hidden_size=4), linear=fitted.linear)
    with torch.no_grad():
        model.head.weight.zero_()
    forecast = predict(model, plan, plan.test)
    np.testing.assert_allclose(forecast[:, 0], fitted.forecast(plan.test), atol=1e-5)
    assert not [name for name, _ in model.named_parameters() if name.startswith("linear_")]
    model.save(tmp_path)
    again = predict(load_network(tmp_path), plan, plan.test)
    np.testing.assert_array_equal(forecast, again)


def test_a_network_over_ridge_needs_ridge_and_its_own_windows(tmp_path: Path) -> None:
    plan = _plan(np.arange(400.0))
    with pytest.raises(ValueError, match="linear=None"):
        build(plan, FAMILIES["gru_over_ridge"], Trial())
    with pytest.raises(ValueError, match=r"linear.slope has shape \(3,\)"):
        build(plan, FAMILIES["gru_over_ridge"], Trial(), linear=Linear(np.zeros(3), 0.0))
    with pytest.raises(ModelError, match="no network that can be read"):
        load_network(tmp_path)


# ---------------------------------------------------------------------------------------- intervals


def test_scores_and_widening_by_hand() -> None:
    low, high = np.array([0.0, 0.0, 0.0]), np.array([2.0, 2.0, 2.0])
    assert scores(low, high, np.array([1.0, 2.5, -1.0])).tolist() == [-1.0, 0.5, 1.0]
    # ceil(0.9 * (9 + 1)) = 9: the greatest of nine; of eight, nothing can promise 90%.
    assert widening(np.arange(9.0), 0.9) == 8.0
    assert widening(np.arange(19.0)[::-1], 0.9) == 17.0
    assert widening(np.arange(8.0), 0.9) == math.inf
    assert levels(0.9) == pytest.approx((0.05, 0.5, 0.95))


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.8, 0.9]), st.integers(20, 200))
def test_widened_intervals_hold_at_least_their_share_of_the_calibration(
    seed: int, coverage: float, n: int
) -> None:
    found = np.random.default_rng(seed).normal(size=n)
    assert (found <= widening(found, coverage)).mean() >= coverage


def test_a_rolling_widening_knows_only_scores_whose_truth_was_known() -> None:
    history, new = np.zeros(50), np.full(40, 10.0)
    widths = rolling_widening(history, new, 0.5, delay=5, memory=20)
    # Score i is known from interval i + 5 on; of 20 remembered, 11 are needed to move the middle.
    assert np.flatnonzero(widths == 10.0)[0] == 5 + 10 - 1
    changed = new.copy()
    changed[20:] = -99.0
    again = rolling_widening(history, changed, 0.5, delay=5, memory=20)
    np.testing.assert_array_equal(widths[:25], again[:25])
    with pytest.raises(ValueError, match="delay=0"):
        rolling_widening(history, new, 0.5, delay=0, memory=20)
    with pytest.raises(ValueError, match="rate=-1"):
        rolling_widening(history, new, 0.5, delay=5, memory=20, rate=-1)


def test_rolling_intervals_follow_a_change_that_a_single_calibration_misses() -> None:
    rng = np.random.default_rng(0)
    calm, wild = np.abs(rng.normal(0, 1, 500)), np.abs(rng.normal(0, 3, 1000))
    once = (wild <= widening(calm, 0.9)).mean()
    held = wild <= rolling_widening(calm, wild, 0.9, delay=24, memory=200)
    rolled = held[224:].mean()  # once it has forgotten the calm
    assert once < 0.5
    assert 0.85 < rolled < 0.92


def test_a_quantile_that_moves_holds_its_share_where_errors_keep_growing() -> None:
    growing = np.abs(np.random.default_rng(1).normal(0, 1, 3000)) * np.linspace(1, 6, 3000)
    shares = [
        (
            growing
            <= rolling_widening(growing[:50], growing, 0.9, delay=24, memory=1500, rate=rate)
        ).mean()
        for rate in (0.0, 0.005)
    ]
    assert shares[0] < 0.85
    assert abs(shares[1] - 0.9) < 0.015


def test_coverage_and_width_by_hand() -> None:
    found = measure(np.zeros(4), np.array([2.0, 2, 2, 4]), np.array([1.0, 3, 2, np.nan]))
    assert (found.share, found.width) == (pytest.approx(2 / 3), 2.0)


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_a_share_that_cannot_be_promised_is_a_mistake(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        levels(coverage)
    with pytest.raises(ValueError, match="coverage"):
        widening(np.zeros(5), coverage)
