"""Training time: what it counts, and a learning rate that goes by it."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engine.checkpoint import RunFolder, read_counters, write_manifest
from engine.events import Finished, Saved, Step
from engine.fit import FitSettings, fit
from tests.engine.tiny import Line, Points, byte_task, settings, windows


class Clock:
    """A clock that moves a second each time it is read, and when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("engine.fit.time", SimpleNamespace(perf_counter=made.perf_counter))
    return made


def _steps(clock: Clock, pause_s: float, how: FitSettings) -> list[Step]:
    found = []
    torch.manual_seed(0)
    for event in fit(Line(), Points(), None, how):
        clock.now += pause_s
        if isinstance(event, Step):
            found.append(event)
    return found


def test_the_clock_stands_still_while_the_caller_has_an_event(clock: Clock) -> None:
    how = settings(steps=1000, minutes=1.0)
    straight, paused = _steps(clock, 0, how), _steps(clock, 500, how)
    assert 1 < len(straight) < 60
    assert paused == straight  # seconds, seconds left and speed included


def test_two_runs_that_take_turns_are_those_that_run_alone(tmp_path: Path) -> None:
    data, how = windows(tmp_path), settings(steps=4)
    alone = [e.loss for e in fit(byte_task(), data, None, how) if isinstance(e, Step)]
    one, other = (fit(byte_task(), data, None, how) for _ in range(2))
    pairs = [(a.loss, b.loss) for a, b in zip(one, other, strict=True) if isinstance(a, Step)
             and isinstance(b, Step)]  # fmt: skip
    assert pairs == [(loss, loss) for loss in alone]


def test_the_time_of_a_resumed_run_goes_on(clock: Clock, tmp_path: Path) -> None:
    line, run, how = Line(), RunFolder(tmp_path), settings(steps=6, save_every=3)
    events = fit(line, Points(), None, how, run=run, save=line.save)
    saved = next(e for e in events if isinstance(e, Saved))
    spent = read_counters(saved.folder)["spent"]
    clock.now += 5000
    again = fit(Line(), Points(), None, how, run=run, save=line.save, load=line.load, resume=True)
    step = next(e for e in again if isinstance(e, Step))
    assert 0 < spent < step.seconds < 2 * spent + 10


def test_a_schedule_by_minutes_spans_them() -> None:
    how = FitSettings(
        steps=10**9, minutes=2.0, schedule="minutes", warmup_steps=2, lr=1.0, min_lr_fraction=0.1
    )
    assert [how.lr_at(i, 90.0) for i in range(2)] == [0.5, 1.0]
    assert how.lr_at(2, 0.0) == 1.0
    assert how.lr_at(2, 30.0) == how.lr_at(999, 30.0)
    assert how.lr_at(2, 30.0) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.sqrt(0.5)))
    assert how.lr_at(2, 60.0) == pytest.approx(0.55)
    assert how.lr_at(2, 120.0) == how.lr_at(2, 500.0) == pytest.approx(0.1)


def test_a_run_by_minutes_ends_at_its_lowest_rate(clock: Clock) -> None:
    how = settings(steps=10**9, minutes=10.0, schedule="minutes", lr=0.1)
    steps = _steps(clock, 50, how)
    assert steps[1].lr == pytest.approx(0.1, rel=0.01)
    assert steps[-1].lr == pytest.approx(0.01, rel=0.05)
    assert all(a.lr >= b.lr for a, b in pairwise(steps[1:]))
    assert steps[0].seconds + steps[0].seconds_left == pytest.approx(600)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schedule": "weeks"}, r"^schedule='weeks' must be steps or minutes"),
        ({"schedule": "minutes"}, r"^minutes=0.0 must be above 0 for a schedule by minutes"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FitSettings(steps=1, **given)  # type: ignore[arg-type]


def test_a_run_that_is_told_to_stop_saves_what_it_has_and_can_go_on(tmp_path: Path) -> None:
    line, run, how = Line(), RunFolder(tmp_path), settings(steps=6)
    seen: list[int] = []
    events = fit(line, Points(), None, how, run=run, save=line.save, stopped=lambda: len(seen) == 2)
    kinds = []
    for event in events:
        kinds.append(type(event))
        if isinstance(event, Step):
            seen.append(event.step)
    assert kinds == [Step, Step, Saved, Finished]
    assert isinstance(event, Finished)
    assert event.reason == "stopped"
    again = fit(line, Points(), None, how, run=run, save=line.save, load=line.load, resume=True)
    assert [e.step for e in again if isinstance(e, Step)] == [3, 4, 5, 6]


def test_a_run_from_before_a_setting_existed_resumes_with_its_default(tmp_path: Path) -> None:
    line, run, how = Line(), RunFolder(tmp_path), settings(steps=4, save_every=2)
    events = fit(line, Points(), None, how, run=run, save=line.save)
    folder = next(e for e in events if isinstance(e, Saved)).folder
    counters = json.loads((folder / "state.json").read_text("utf-8"))
    del counters["settings"]["schedule"]
    (folder / "state.json").write_text(json.dumps(counters), "utf-8")
    write_manifest(folder)
    again = fit(line, Points(), None, how, run=run, save=line.save, load=line.load, resume=True)
    assert [e.step for e in again if isinstance(e, Step)] == [3, 4]
