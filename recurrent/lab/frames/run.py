"""The experiment from beginning to end: train, train the rival, forecast and score, report."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from engine.devices import choose_device, choose_precision
from engine.fit import Evaluated, FitSettings, Step, fit
from recurrent.lab.frames.model import FlatLSTM, FrameModel, Lecture, build, count, save
from recurrent.lab.frames.movies import Film, Movies, digits_of
from recurrent.lab.frames.pictures import beside, to_gif, to_strip
from recurrent.lab.frames.scores import (
    System,
    baselines,
    figures_of,
    forecasts,
    rows_of,
    test_movies,
)
from recurrent.lab.frames.settings import Settings
from recurrent.lab.report import Done, Event, Figure, Point, Progress, Report, Series

EXPERIMENT = "frames"
_OURS = "ConvLSTM"
# 5 epochs of 950 movies in batches of 10, as the lecture trained its network.
_LECTURE = FitSettings(
    steps=475, batch_size=10, lr=1e-2, weight_decay=0.0, eval_every=50, eval_rows=20
)
_FLAT_SIZE = 512
_Kind = Literal["ours", "baseline"]


@dataclass(slots=True)
class _Clock:
    """The share of the whole that is done, from stages that each take about a known part of it."""

    parts: dict[str, float]
    began: float = field(default_factory=time.perf_counter)

    def at(self, stage: str, done: float, words: str = "") -> Progress:
        names = list(self.parts)
        before = sum(self.parts[name] for name in names[: names.index(stage)])
        share = (before + self.parts[stage] * min(1.0, done)) / sum(self.parts.values())
        gone = time.perf_counter() - self.began
        left = gone * (1 - share) / share if share > 0.005 else None
        return Progress(words or stage, share, left)


@dataclass(slots=True)
class _Trained:
    """What training told."""

    updates: int = 0
    seconds: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)


def run(
    settings: Settings, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Train the network of a film and its rival, and score both on the test movies.

    Parameters
    ----------
    settings : Settings
    out : Path
        Gets the network (`predict` goes on from there), a strip, a GIF and the report.
    stopped : callable
        Asked often; once true, what there is is written and the report says so.

    Yields
    ------
    Progress, Point, Done

    Raises
    ------
    CorpusError
        If the digits are wanted and are not here.
    """
    film = settings.kind()
    if film.name == "mnist":
        digits_of("test")  # what is missing is said before anything is trained
    fitting = settings.fit()
    rival = _rival(settings, film) if settings.rival else None
    beside_it = 0.0 if rival is None else 1.0 if film.name == "mnist" else 0.25
    clock = _Clock({"training": 1.0, "training the rival": beside_it, "testing": 0.12})
    torch.manual_seed(settings.seed)
    shape = settings.shape()
    model = build(shape)
    ours = yield from _train(model, _OURS, "training", film, settings, fitting, clock, stopped)
    save(model, shape, out)
    trained = {_OURS: ours}
    if rival is not None and not stopped():
        name, other, how = rival
        if film.name == "mnist":
            how = replace(how, minutes=ours.seconds / 60)  # as much time as ours had
        trained[name] = yield from _train(
            other, name, "training the rival", film, settings, how, clock, stopped
        )
    systems: list[System] = []
    movies = test_movies(film, settings.n_test)
    networks: dict[str, tuple[FrameModel, _Kind]] = {_OURS: (model, "ours")}
    if rival is not None:
        networks[rival[0]] = (rival[1], "baseline")
    precision = _precision(fitting)
    yield from _test(networks, film, movies, settings, precision, systems, clock, stopped)
    is_stopped = stopped() or len(systems) < len(networks)
    figures = [_learning(trained)]
    rows = []
    if not is_stopped:
        rows = rows_of(film, movies, systems)
        figures = [*figures_of(film, movies, systems), *figures, _draw(film, movies, systems, out)]
    weights = {name: count(network) for name, (network, _) in networks.items()}
    facts = {
        "film": asdict(film),
        "weights": weights,
        "updates": {name: t.updates for name, t in trained.items()},
        "training_seconds": {name: round(t.seconds, 1) for name, t in trained.items()},
        "movies_seen": ours.updates * fitting.batch_size,
        "test_movies": settings.n_test,
        "precision": precision,
        "device": str(choose_device(settings.device)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "network": asdict(shape),
    }
    report = Report(EXPERIMENT, asdict(settings), rows, figures, facts, is_stopped)
    report.save(out)
    yield Done(report)


def _rival(settings: Settings, film: Film) -> tuple[str, FrameModel, FitSettings]:
    """The name of the rival, the network, and how it is trained."""
    torch.manual_seed(settings.seed)
    if film.name == "squares":
        how = replace(_LECTURE, precision="no", device=settings.device, seed=settings.seed)
        return "the lecture's ConvLSTM, 76 weights", Lecture(film.given), how
    # Trained as ours is, at the rate that suits it.
    how = replace(settings.fit(), steps=10**6, minutes=1.0, schedule="minutes", lr=1e-3)
    return "FC-LSTM", FlatLSTM(film.given, film.size, _FLAT_SIZE), how


def _train(
    model: nn.Module, name: str, stage: str, film: Film, settings: Settings, fitting: FitSettings,
    clock: _Clock, stopped: Callable[[], bool],
) -> Generator[Event, None, _Trained]:  # fmt: skip
    """Train a network; tells its progress and its held-out loss by minutes of training."""
    train = Movies(film, "train", settings.n_movies, settings.seed)
    valid = Movies(film, "valid", fitting.eval_rows, settings.seed)
    told = _Trained()
    yield clock.at(stage, 0.0, f"{stage}: {name}")
    for event in fit(model, train, valid, fitting, stopped=stopped):
        if isinstance(event, Step):
            told.updates, told.seconds = event.step, event.seconds
            spent = event.seconds / (60 * fitting.minutes) if fitting.minutes else 0.0
            done = max(spent, event.step / fitting.steps)
            words = f"{stage}: {name}, update {event.step:,}, loss {event.loss:.4f}"
            yield clock.at(stage, done, words)
        elif isinstance(event, Evaluated):
            minutes = told.seconds / 60
            told.curve.append((minutes, event.valid_loss))
            yield Point(f"held-out loss, {name}", minutes, event.valid_loss)
    return told


def _test(
    networks: dict[str, tuple[FrameModel, _Kind]], film: Film,
    movies: dict[str, npt.NDArray[np.float32]], settings: Settings, precision: str,
    systems: list[System], clock: _Clock, stopped: Callable[[], bool],
) -> Iterator[Event]:  # fmt: skip
    """Append to `systems` what each network and baseline says of the test movies."""
    rows = 10
    parts = len(networks) * math.ceil(settings.n_test / rows) + 4
    done = 0
    for name, (model, kind) in networks.items():
        said: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]] = []
        for part in forecasts(model, movies, film, precision=precision, rows=rows):
            said.append(part)
            done += 1
            yield clock.at("testing", done / parts, f"testing: {name}")
            if stopped():
                return
        ahead = [one for _, one in said if one is not None]
        systems.append(
            System(
                name,
                kind,
                np.concatenate([closed for closed, _ in said]),
                np.concatenate(ahead) if ahead else None,
            )
        )
    for system in baselines(film, movies, seed=settings.seed):
        systems.append(system)
        done += 1
        yield clock.at("testing", done / parts, f"testing: {system.name}")
        if stopped():
            return


def _precision(fitting: FitSettings) -> str:
    if fitting.precision != "auto":
        return fitting.precision
    return choose_precision(choose_device(fitting.device))


def _learning(trained: dict[str, _Trained]) -> Figure:
    series = [
        Series(name, [x for x, _ in told.curve], [y for _, y in told.curve])
        for name, told in trained.items()
    ]
    return Figure(
        "learning", "Held-out loss while learning", "minutes of training", "nats per pixel", series
    )


def _draw(
    film: Film, movies: dict[str, npt.NDArray[np.float32]], systems: list[System], out: Path
) -> Figure:
    """The first test movie: the truth, and below it what each network forecast."""
    truth = movies["truth"][0]
    drawn = [s for s in systems if s.kind == "ours" or "LSTM" in s.name]
    to_strip([truth, *(s.forecast[0] for s in drawn)], out / "strip.png")
    side_by_side = beside(
        movies["frames"][0, : film.given], truth[film.given :], drawn[0].forecast[0]
    )
    to_gif(side_by_side, out / "film.gif")
    names = ", ".join(s.name for s in drawn)
    images = [
        (f"from above: truth, {names}", "strip.png"),
        ("left the truth, right the forecast", "film.gif"),
    ]
    return Figure("film", "The first test movie", images=images)
