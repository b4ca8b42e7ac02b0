from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.errors import InputError, ModelError
from recurrent.lab import load
from recurrent.lab.report import Done, Point, Progress, Report, read_report
from recurrent.lab.sine import Settings, forecast, run
from recurrent.lab.sine.nets import CELLS, Nets, NetsConfig
from recurrent.lab.sine.reading import fed_truth, running_free
from recurrent.lab.sine.result import Outcome, choose, rows_of
from recurrent.lab.sine.series import NOISE_FLOOR, TEST, WINDOW, clean_sine, noisy_sine

TINY = Settings(n_draws=2, n_members=1, hidden_size=2, n_updates=2, lecture_epochs=1)


def _report(events: list[object]) -> Report:
    assert isinstance(events[-1], Done)
    return events[-1].report


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    out = tmp_path_factory.mktemp("sine")
    return out, list(load("sine").run(TINY, out))


def test_run_reports_every_system_and_saves_it(finished: tuple[Path, list[object]]) -> None:
    out, events = finished
    report = _report(events)
    systems = {row.system for row in report.rows}
    assert systems == {
        "chosen cell",
        *(f"{cell.upper()}, all the past" for cell in CELLS),
        *(f"{cell.upper()}, the last 10 values" for cell in CELLS),
        "LSTM(8), as in the lecture",
        "mean",
        "persistence",
        "AR(10), ridge",
        "AR(40), ridge",
        "harmonic least squares",
        "noise floor",
        "the sine itself",
    }
    assert not report.stopped
    assert read_report(out).plain() == report.plain()
    shares = [e.share for e in events if isinstance(e, Progress)]
    assert shares == sorted(shares)
    assert shares[-1] <= 1
    assert any(isinstance(e, Point) for e in events)
    assert [f.name for f in report.figures] == ["fed truth", "closed loop", "drift", "learning"]
    assert set(report.facts["chosen"]) <= systems


def test_two_runs_of_one_seed_agree(finished: tuple[Path, list[object]], tmp_path: Path) -> None:
    assert _report(list(run(TINY, tmp_path))).rows == _report(finished[1]).rows


@pytest.mark.parametrize("feed_truth", [True, False])
def test_forecast_says_what_the_run_drew(
    finished: tuple[Path, list[object]], feed_truth: bool
) -> None:
    out, events = finished
    name = "fed truth" if feed_truth else "closed loop"
    figure = next(f for f in _report(events).figures if f.name == name)
    for cell in CELLS:
        shown = forecast(out, cell, feed_truth=feed_truth)
        drawn = next(s for s in figure.series if s.name == f"{cell.upper()}, all the past")
        assert np.allclose(shown.forecast, drawn.y, atol=1e-5)
        assert np.array_equal(shown.observed, noisy_sine(0)[TEST])
    chosen = _report(events).facts["chosen"][0]
    assert forecast(out).cell.upper() == chosen.partition(",")[0]


def test_forecast_may_begin_elsewhere(finished: tuple[Path, list[object]]) -> None:
    shown = forecast(finished[0], "gru", feed_truth=False, begin=290)
    assert shown.t.tolist() == list(range(290, 299))
    assert len(shown.history) == 290
    assert np.array_equal(shown.clean, clean_sine()[290:299])


def test_forecast_refuses_with_words(finished: tuple[Path, list[object]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found 5 as the first step; expected one from 210"):
        forecast(finished[0], begin=5)
    with pytest.raises(InputError, match="no cell 'tcn'"):
        forecast(finished[0], "tcn")
    with pytest.raises(ModelError, match="Run the sine again"):
        forecast(tmp_path)


def test_stopping_ends_soon_with_what_there_is(tmp_path: Path) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 50  # within the first of our networks

    report = _report(list(run(TINY, tmp_path, stopped=stopped)))
    assert report.stopped
    systems = {row.system for row in report.rows}
    assert systems >= {"AR(10), ridge", "LSTM(8), as in the lecture"}
    assert "chosen cell" not in systems
    assert read_report(tmp_path).stopped


@pytest.mark.parametrize("window", [0, WINDOW])
def test_forecasts_see_nothing_of_their_targets(window: int) -> None:
    torch.manual_seed(0)
    nets = Nets(NetsConfig("gru", 2, 2, 4))
    series = torch.randn(2, 40)
    later = series.clone()
    later[:, 20:] += 1
    targets = slice(20, 30)
    fed = fed_truth(nets, series, targets, window)
    assert fed.shape == (2, 10)
    assert torch.allclose(fed_truth(nets, later, targets, window)[:, 0], fed[:, 0])
    assert not torch.allclose(fed_truth(nets, later, targets, window)[:, 1], fed[:, 1])
    free = running_free(nets, series[:, :20], 10, window)
    assert free.shape == (2, 10)
    assert torch.allclose(free[:, 0], fed[:, 0], atol=1e-6)  # nothing was fed back yet


def test_a_window_reads_that_many_values() -> None:
    torch.manual_seed(0)
    nets = Nets(NetsConfig("rnn", 1, 1, 4))
    series = torch.randn(1, 40)
    earlier = series.clone()
    earlier[:, :10] += 1
    targets = slice(20, 22)
    before, after = (fed_truth(nets, s, targets, WINDOW) for s in (series, earlier))
    assert torch.equal(before, after)


def test_the_cell_is_chosen_draw_by_draw_on_validation_alone() -> None:
    ones, zeros = np.ones((2, 79)), np.zeros((2, 79))
    a = Outcome("A", ones, ones, np.array([0.1, 0.3]))
    b = Outcome("B", zeros, zeros, np.array([0.2, 0.2]))
    chosen, names = choose([a, b])
    assert names == ["A", "B"]
    assert chosen.fed[:, 0].tolist() == [1, 0]
    assert chosen.valid is not None
    assert chosen.valid.tolist() == [0.1, 0.2]


def test_rows_by_hand() -> None:
    """The sine itself, and the sine half a radian late: their errors are known."""
    series = clean_sine()[None]
    late = np.sin(np.arange(300) - 0.5)[None, TEST] + 0.25
    one, free, phase = rows_of(Outcome("late", series[:, TEST], late), series)
    assert one.value == 0
    assert free.value == pytest.approx(2 * np.sin(0.25) ** 2, rel=0.05)
    assert phase.value == pytest.approx(0.5)
    flat = np.full((1, 79), 0.25)
    assert len(rows_of(Outcome("flat", flat, flat), series)) == 2  # it has no phase to be wrong


def test_the_noise_floor_is_told(finished: tuple[Path, list[object]]) -> None:
    rows = _report(finished[1]).rows
    assert next(r for r in rows if r.system == "noise floor").value == NOISE_FLOOR
    assert next(r for r in rows if r.system == "the sine itself").value == pytest.approx(
        np.mean([((noisy_sine(d) - clean_sine())[TEST] ** 2).mean() for d in (0, 1)])
    )


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="n_draws=0"):
        Settings(n_draws=0)
    with pytest.raises(ValueError, match="seed=-1"):
        Settings(seed=-1)
    with pytest.raises(ValueError, match="device='tpu'"):
        Settings(device="tpu")
