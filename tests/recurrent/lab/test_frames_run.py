from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recurrent.lab import frames, load
from recurrent.lab.frames import STARTER, Settings, predict, sample_movie
from recurrent.lab.frames.metrics import iou
from recurrent.lab.frames.scores import ERROR, ONE_STEP, PER_MOVIE
from recurrent.lab.report import Done, Point, Progress, Report, read_report

TINY = Settings(
    hidden_size=3, n_layer=1, steps=2, batch_size=2, n_test=3, n_movies=4, rival=False,
    precision="no", device="cpu",
)  # fmt: skip


def _run(
    settings: Settings, out: Path, stopped: Callable[[], bool] = lambda: False
) -> tuple[list[Progress], list[Point], Report]:
    events = list(frames.run(settings, out, stopped=stopped))
    assert isinstance(events[-1], Done)
    assert sum(isinstance(event, Done) for event in events) == 1
    progress = [event for event in events if isinstance(event, Progress)]
    return progress, [e for e in events if isinstance(e, Point)], events[-1].report


def test_a_run_of_squares(tmp_path: Path) -> None:
    progress, points, report = _run(TINY, tmp_path)
    shares = [event.share for event in progress]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert [point.curve for point in points] == ["held-out loss, ConvLSTM"]
    assert not report.stopped
    table = {(row.system, row.metric): row for row in report.rows}
    assert table["oracle", "IoU at frame 8"].value == 1
    assert table["oracle", ERROR].value == 0
    assert table["oracle", ONE_STEP].value < 1e-5
    assert table["ConvLSTM", ONE_STEP].lecture == 0.0778
    assert table["copy the last frame", ONE_STEP].value < 0.2
    assert table["copy the last frame", "IoU at frame 15"].kind == "baseline"
    assert {row.kind for row in report.rows} == {"ours", "baseline", "bound"}
    assert [figure.name for figure in report.figures] == ["overlap", "error", "learning", "film"]
    assert len(report.figures[0].series[0].x) == 8
    for _, name in report.figures[-1].images:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > picture.height
    assert read_report(tmp_path).plain() == report.plain()
    json.dumps(report.plain(), allow_nan=False)
    future = predict(tmp_path, sample_movie("squares", 0).frames[:7], 8)
    assert future.shape == (8, 40, 40)
    # The report is of the network that was written.
    first = report.figures[0].series[0].y
    truth = np.stack([sample_movie("squares", i).truth[7:] for i in range(3)])
    ours = np.stack([predict(tmp_path, sample_movie("squares", i).frames[:7], 8) for i in range(3)])
    np.testing.assert_allclose(iou(ours, truth), first, atol=1e-6)


def test_a_seed_gives_the_same_rows(tmp_path: Path) -> None:
    one = _run(replace(TINY, n_test=1), tmp_path / "a")[2]
    two = _run(replace(TINY, n_test=1), tmp_path / "b")[2]
    other = _run(replace(TINY, n_test=1, seed=1), tmp_path / "c")[2]
    assert one.rows == two.rows
    assert one.rows != other.rows


def test_the_lectures_network_runs_in_the_same_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["recurrent.lab.frames.run"]  # the package's `run` is the function
    monkeypatch.setattr(module, "_LECTURE", replace(module._LECTURE, steps=2, eval_rows=2))
    _, points, report = _run(replace(TINY, rival=True, n_test=1), tmp_path)
    name = "the lecture's ConvLSTM, 76 weights"
    rows = [row for row in report.rows if row.system == name]
    assert [row.kind for row in rows] == ["baseline"] * 5
    assert report.facts["weights"][name] == 76
    assert report.facts["updates"] == {"ConvLSTM": 2, name: 2}
    assert f"held-out loss, {name}" in {point.curve for point in points}


def test_a_run_of_digits_gives_the_rival_equal_time(tmp_path: Path, data: Path) -> None:
    settings = replace(TINY, film="mnist", rival=True, n_test=2, hidden_size=4)
    _, _, report = _run(settings, tmp_path)
    seconds = report.facts["training_seconds"]
    assert seconds["FC-LSTM"] >= seconds["ConvLSTM"]
    assert report.facts["weights"]["FC-LSTM"] > report.facts["weights"]["ConvLSTM"]
    measured = {(row.system, row.metric) for row in report.rows}
    assert {("ConvLSTM", PER_MOVIE), ("FC-LSTM", PER_MOVIE)} <= measured
    assert {s for s, metric in measured if metric == ERROR} == {
        "ConvLSTM", "FC-LSTM", "copy the last frame", "linear motion of each piece",
    }  # fmt: skip
    assert predict(tmp_path, sample_movie("mnist", 0).frames[:10], 10).shape == (10, 64, 64)


@pytest.mark.parametrize("after", [1, 4])
def test_it_can_be_stopped(after: int, tmp_path: Path) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked >= after

    _, _, report = _run(replace(TINY, n_test=30), tmp_path, stopped)
    assert report.stopped
    assert read_report(tmp_path).stopped
    # What was learnt until then can be looked at.
    assert predict(tmp_path, sample_movie("squares", 0).frames[:7], 1).shape == (1, 40, 40)


def test_the_starter_goes_on_with_squares() -> None:
    movies = [sample_movie("squares", i) for i in range(5)]
    future = np.stack([predict(STARTER, movie.frames[:7], 8) for movie in movies])
    overlap = iou(future, np.stack([movie.truth[7:] for movie in movies]))
    assert overlap[0] > 0.8
    assert overlap[-1] > 0.5
    assert sum(path.stat().st_size for path in STARTER.iterdir()) < 1_000_000


def test_it_is_an_experiment_of_the_lab() -> None:
    module = load("frames")
    assert module.Settings is Settings
    assert all(field.metadata["help"] for field in fields(Settings))
