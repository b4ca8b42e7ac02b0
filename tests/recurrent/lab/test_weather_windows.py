from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import CorpusError, InputError
from recurrent.lab.weather.alarms import find_leaks, refuse
from recurrent.lab.weather.backtest import origins
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.setup import excerpt_split
from recurrent.lab.weather.sources import load_jena, load_jena_rows
from recurrent.lab.weather.tables import Table, regularise
from recurrent.lab.weather.windows import (
    LectureSplit,
    Plan,
    Scaler,
    Windows,
    clock,
    honest_plan,
    lecture_plan,
    whole_windows,
)


def make_table(n: int = 400, gaps: tuple[int, ...] = (), seed: int = 0, limit: float = 3) -> Table:
    """Hours of a temperature with a daily turn and noise, and a pressure; `gaps` are missing."""
    rng = np.random.default_rng(seed)
    hours = np.arange(n)
    temp = 10 + 5 * np.sin(hours * 2 * np.pi / 24) + np.cumsum(rng.normal(0, 0.4, n))
    values = np.stack([temp, 1000 + np.cumsum(rng.normal(0, 1, n))], axis=1)
    values[list(gaps)] = np.nan
    at = np.datetime64("2021-03-01T00:00:00", "s") + hours.astype("timedelta64[h]")
    return regularise("made", at, ("temp", "pressure"), values, max_gap_hours=limit)


def make_plan(**changes: object) -> Plan:
    return honest_plan(make_table(), "temp", window_hours=12, horizon_hours=6, **changes)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------- honest


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.sets(st.integers(0, 399), max_size=6))
def test_parts_are_disjoint_ordered_and_apart_by_window_and_horizon(
    window: int, horizon: int, gaps: set[int]
) -> None:
    table = make_table(gaps=tuple(gaps))
    plan = honest_plan(table, "temp", window_hours=window, horizon_hours=horizon)
    for earlier, later, border in ((plan.train, plan.valid, 200), (plan.valid, plan.test, 300)):
        assert earlier.max() + horizon < border <= later.min() - plan.span + 1
        assert later.min() - earlier.max() >= window + horizon
    for ends in (plan.train, plan.valid, plan.test):
        assert np.isfinite(plan.targets(ends)).all()
        # No window ends, and no target lies, on a value that was made from later ones.
        assert table.measured[ends].all()
        assert table.measured[ends + horizon, 0].all()
        for end in ends[:5]:
            assert np.isfinite(table.values[end - plan.span + 1 : end + 1]).all()


def test_no_window_crosses_a_long_gap() -> None:
    plan = honest_plan(
        make_table(gaps=tuple(range(50, 54))), "temp", window_hours=12, horizon_hours=6
    )
    assert not [e for e in plan.train if e - 11 <= 53 and e >= 50]
    # A target beyond the gap is still 6 hours after the window's end.
    assert set(range(44, 50)) & set(plan.train.tolist()) == {48, 49}


def test_a_batch_is_the_scaled_window_and_the_value_at_the_horizon() -> None:
    plan = make_plan()
    data = Windows(plan, plan.train)
    batch = data.batch(np.array([0, 3]), seed=0, epoch=0)
    assert (batch["x"].shape, batch["y"].shape, batch["n_targets"]) == ((2, 12, 4), (2, 1), 2)
    end = int(plan.train[3])
    raw = batch["x"][1].numpy() * plan.scaler.std + plan.scaler.mean
    np.testing.assert_allclose(raw, plan.inputs[end - 11 : end + 1], rtol=1e-4, atol=1e-3)
    truth = plan.to_units(batch["y"].double().numpy())[1, 0]
    assert truth == pytest.approx(plan.truth[end + 6], rel=1e-5)


def test_the_scaler_sees_the_training_part_alone() -> None:
    plan = make_plan()
    np.testing.assert_allclose(plan.scaler.mean, plan.inputs[:200].mean(axis=0))
    np.testing.assert_allclose(plan.scaler.std, plan.inputs[:200].std(axis=0))
    assert Scaler.fit(np.ones((4, 1)), 0, 4).std.tolist() == [1.0]


def test_midnight_lies_next_to_the_minute_before_it() -> None:
    at = np.array(["2021-01-01T00:00:00", "2021-01-01T23:59:00", "2021-01-01T06:00:00"], "M8[s]")
    midnight, before, six = clock(at, 86_400)
    assert np.abs(midnight - before).max() < 0.005
    np.testing.assert_allclose(six, [1, 0], atol=1e-6)


def test_whole_windows_by_hand() -> None:
    whole = np.array([True, True, False, True, True, True])
    assert whole_windows(whole, 2).tolist() == [False, True, False, False, True, True]


def test_hours_that_do_not_fit_and_series_too_short_are_refused() -> None:
    with pytest.raises(CorpusError, match=r"horizon of 0.5 h does not fit made"):
        honest_plan(make_table(), "temp", window_hours=12, horizon_hours=0.5)
    with pytest.raises(
        CorpusError, match="give 18 whole windows to choose on; expected at least 30"
    ):
        honest_plan(make_table(260), "temp", window_hours=24, horizon_hours=24)
    with pytest.raises(CorpusError, match="no column 'snow'"):
        honest_plan(make_table(), "snow")
    with pytest.raises(ValueError, match="leak='sieve'"):
        honest_plan(make_table(), "temp", leak="sieve")


def test_origins_roll_on_and_never_look_ahead() -> None:
    plan = make_plan()
    rolled = origins(plan, 3)
    assert [origin.date for origin in rolled] == ["2021-03-09", "2021-03-12", "2021-03-14"]
    for before, after in pairwise(rolled):
        assert before.plan.test.max() < after.plan.test.min()
        assert len(before.plan.train) < len(after.plan.train)
    for origin in rolled:
        assert not [f for f in find_leaks(origin.plan) if f.rings]
    with pytest.raises(ValueError, match="n=0"):
        origins(plan, 0)


# ------------------------------------------------------------------------------------------ lecture


def _rows_by_the_book(n: int, lookback: int, step: int, delay: int, row: int) -> tuple[range, int]:
    """The lecture's generator for one sample: which rows it reads, and which it forecasts."""
    return range(row - lookback, row, step), row + delay


def test_the_lectures_split_of_the_whole_file_has_its_769_validation_batches() -> None:
    split = LectureSplit()
    drawn = split.draws("valid", 420_551)
    assert (drawn[0], len(drawn)) == (200_001 + 1440, 769 * 128)
    assert split.draws("train", 420_551)[[0, -1]].tolist() == [1440, 199_999]
    assert split.draws("test", 420_551)[0] == 300_001 + 1440
    assert split.draws("test", 420_551)[-1] + 144 < 420_551


def test_the_lectures_windows_on_the_excerpt_are_the_lectures_to_the_row(data: Path) -> None:
    rows, split = load_jena_rows(excerpt=True), excerpt_split()
    plan = lecture_plan(rows, split)
    z = (rows.values - rows.values[:1902].mean(axis=0)) / rows.values[:1902].std(axis=0)
    for part in ("train", "valid", "test"):
        row = int(split.draws(part, 4_000)[7])
        read, target = _rows_by_the_book(4_000, 144, 6, 144, row)
        batch = Windows(plan, getattr(plan, part)).batch(np.array([7]), seed=0, epoch=0)
        np.testing.assert_allclose(batch["x"][0].numpy(), z[list(read)], atol=2e-4)
        assert float(batch["y"][0, 0]) == pytest.approx(z[target, 1], abs=1e-4)


def test_the_lectures_horizon_is_25_hours_and_can_be_put_right(data: Path) -> None:
    rows = load_jena_rows(excerpt=True)
    early, late = (lecture_plan(rows, excerpt_split(ends_early)) for ends_early in (True, False))
    assert (early.horizon_hours, late.horizon_hours) == (25, 24)
    # The same targets, the same rows drawn.
    np.testing.assert_array_equal(early.valid + early.horizon, late.valid + late.horizon)
    with pytest.raises(CorpusError, match="no sample in valid and test"):
        lecture_plan(rows)


def test_the_honest_split_of_the_excerpt_reads_hourly_and_looks_24_hours_ahead(data: Path) -> None:
    plan = honest_plan(load_jena(excerpt=True), "T (degC)", window_hours=24)
    assert (plan.window, plan.stride, plan.horizon, plan.horizon_hours) == (24, 6, 144, 24)
    assert plan.valid.min() - plan.train.max() >= plan.span + plan.horizon
    refuse(find_leaks(plan))


def test_the_lectures_split_rings_the_alarm_for_the_missing_gap(data: Path) -> None:
    found = {
        f.alarm: f for f in find_leaks(lecture_plan(load_jena_rows(excerpt=True), excerpt_split()))
    }
    assert [name for name, finding in found.items() if finding.rings] == ["shuffle"]
    assert "There is no gap between the parts" in found["shuffle"].message


# ------------------------------------------------------------------------------------------- alarms


def test_an_honest_plan_is_let_through() -> None:
    findings = find_leaks(make_plan())
    assert [f.rings for f in findings] == [False, False, False]
    refuse(findings)


@pytest.mark.parametrize("leak", ["scaler", "target", "shuffle"])
def test_each_leak_rings_its_alarm_and_is_refused_unless_asked_for(leak: str) -> None:
    findings = find_leaks(make_plan(leak=leak))
    assert leak in [f.alarm for f in findings if f.rings]
    with pytest.raises(InputError, match=r"leaks the future.*ask for it by name"):
        refuse(findings)
    refuse(findings, [f.alarm for f in findings if f.rings])


def _with_column(plan: Plan, name: str, column: Floats) -> Plan:
    inputs = np.hstack([plan.inputs, column[:, None]])
    return replace(
        plan, names=(*plan.names, name), inputs=inputs, scaler=Scaler.fit(inputs, 0, 200)
    )


def test_a_column_that_almost_equals_the_future_target_rings() -> None:
    plan = make_plan()
    future = np.concatenate([plan.truth[6:], plan.truth[-6:]])
    noise = np.random.default_rng(1).normal(0, 0.1, 400)
    for leaking in (future, 1.8 * future + 32, np.round(future, 1) + noise, np.roll(future, -3)):
        finding = find_leaks(_with_column(plan, "later", leaking))[1]
        assert finding.rings
        assert "'later'" in finding.message


def test_what_is_known_in_time_does_not_ring() -> None:
    plan = make_plan()
    assert not find_leaks(_with_column(plan, "kelvin", plan.truth + 273.15))[1].rings
    # A pure daily wave gives its own future away, and so does any column like it: no leak.
    wave = np.sin(np.arange(400) * 2 * np.pi / 24)
    at = np.datetime64("2021-03-01T00:00:00", "s") + np.arange(400).astype("timedelta64[h]")
    table = regularise("wave", at, ("temp", "twin"), np.stack([wave, wave], axis=1))
    plan = honest_plan(table, "temp", window_hours=24, horizon_hours=24)
    assert not find_leaks(plan)[1].rings


def test_a_scaler_that_says_less_than_it_saw_rings() -> None:
    plan = make_plan()
    whole = Scaler.fit(plan.inputs, 0, 400)
    finding = find_leaks(replace(plan, scaler=Scaler(whole.mean, whole.std, 0, 200)))[0]
    assert finding.rings
    assert "are not those of the rows 0 to 200" in finding.message
