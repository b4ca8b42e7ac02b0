"""The forecasts of every system on the test movies, scored: rows of a table and curves by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recurrent.lab.frames import metrics
from recurrent.lab.frames.baselines import copy_last, copy_odds, kept_velocity, linear_motion
from recurrent.lab.frames.model import FrameModel, Lecture, NextFrame
from recurrent.lab.frames.movies import Film, Movies
from recurrent.lab.report import Figure, Row, Series

Floats = npt.NDArray[np.float32]

ONE_STEP = "cross entropy one step ahead, nats per pixel"
PER_MOVIE = "cross entropy per movie, nats"
ERROR = "squared error per frame, summed over pixels"
SIMILARITY = "SSIM"
LECTURE_BCE = 0.0778  # held-out loss after 5 epochs, printed by the lecture's notebook
PUBLIC_MSE = 46.26  # OpenSTL's ConvLSTM-S on Moving MNIST after 200 epochs on a GPU


@dataclass(frozen=True, slots=True)
class System:
    """What one system forecast for the test movies.

    Attributes
    ----------
    name, kind : str
        As in `Row`.
    forecast : array, shape (N, horizon, H, W)
        Closed loop: nothing of the truth was shown after the given frames.
    one_step : array, shape (N, T, H, W), optional
        What it said after each frame while the truth was shown; squares only.
    note : str
    """

    name: str
    kind: Literal["ours", "baseline", "bound"]
    forecast: Floats
    one_step: Floats | None = None
    note: str = ""


def test_movies(film: Film, n: int) -> dict[str, Floats]:
    """The test movies, `frames`, `truth` and `next`, each (N, T, H, W)."""
    batch = Movies(film, "test", n).batch(np.arange(n), seed=0, epoch=0)
    return {k: v.numpy() for k, v in batch.items() if isinstance(v, Tensor)}


def forecasts(
    model: FrameModel, movies: Mapping[str, Floats], film: Film, *, precision: str, rows: int = 10
) -> Iterator[tuple[Floats, Floats | None]]:
    """What a network says of the test movies, `rows` at a time: `forecast` and `one_step`."""
    device = next(model.parameters()).device
    model.eval()
    lower = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    for start in range(0, len(movies["frames"]), rows):
        frames = torch.from_numpy(movies["frames"][start : start + rows]).to(device)
        with torch.inference_mode(), lower:
            said = model.forecast(frames[:, : film.given], film.horizon)
            ahead = None
            if film.name == "squares" and isinstance(model, NextFrame | Lecture):
                ahead = model.one_step(frames)
        yield said.cpu().numpy(), None if ahead is None else ahead.cpu().numpy()


def baselines(film: Film, movies: Mapping[str, Floats], *, seed: int) -> Iterator[System]:
    """The forecasts that need no training, one by one."""
    given = movies["frames"][:, : film.given].clip(0, 1)
    one_step = None
    if film.name == "squares":
        learnt = Movies(film, "train", 50, seed).batch(np.arange(50), seed=seed, epoch=0)
        dark, lit = copy_odds(learnt["frames"].numpy(), learnt["next"].numpy())
        one_step = np.where(movies["frames"] > 0.5, lit, dark).astype(np.float32)
    yield System("copy the last frame", "baseline", copy_last(given, film.horizon), one_step)
    yield System("linear motion of each piece", "baseline", linear_motion(given, film.horizon))
    if film.name == "squares":
        note = "written by hand; knows that squares keep their velocity"
        yield System(
            "kept velocity of each pixel", "baseline", kept_velocity(given, film.horizon), note=note
        )
        note = "knows every square and its velocity"
        yield System("oracle", "bound", movies["truth"][:, film.given :], movies["next"], note)


def per_step(
    metric: Callable[[Floats, Floats], metrics.PerStep], forecast: Floats, truth: Floats
) -> metrics.PerStep:
    """A metric by step, a hundred movies at a time: SSIM needs many times their memory."""
    total = np.zeros(truth.shape[1])
    for start in range(0, len(truth), 100):
        part = slice(start, start + 100)
        total += metric(forecast[part], truth[part]) * len(truth[part])
    return total / len(truth)


def rows_of(film: Film, movies: Mapping[str, Floats], systems: list[System]) -> list[Row]:
    """The table: every metric of every system."""
    truth = movies["truth"][:, film.given :]
    rows = []
    for system in systems:
        values: dict[str, float] = {}
        if system.one_step is not None:
            values[ONE_STEP] = float(per_step(metrics.bce, system.one_step, movies["next"]).mean())
        if film.name == "squares":
            overlap = per_step(metrics.iou, system.forecast, truth)
            for t in sorted({0, film.horizon - 1}):
                values[f"IoU at frame {film.given + t + 1}"] = float(overlap[t])
        elif system.kind == "ours" or "LSTM" in system.name:
            nats = per_step(metrics.bce, system.forecast, truth).sum() * film.size**2
            values[PER_MOVIE] = float(nats)
        values[ERROR] = float(per_step(metrics.mse, system.forecast, truth).mean())
        values[SIMILARITY] = float(per_step(metrics.ssim, system.forecast, truth).mean())
        for metric, value in values.items():
            printed = LECTURE_BCE if metric == ONE_STEP and system.kind != "bound" else None
            note = system.note
            if film.name == "mnist" and metric == ERROR and system.kind == "ours":
                note = f"OpenSTL's ConvLSTM-S: {PUBLIC_MSE} after 200 epochs on a GPU"
            rows.append(
                Row(system.name, metric, value, kind=system.kind, lecture=printed, note=note)
            )
    return rows


def figures_of(film: Film, movies: Mapping[str, Floats], systems: list[System]) -> list[Figure]:
    """The curves by frame of the closed loop."""
    truth = movies["truth"][:, film.given :]
    at = [float(film.given + t + 1) for t in range(film.horizon)]
    drawn = [s for s in systems if s.kind != "bound"]

    def curves(metric: Callable[[Floats, Floats], metrics.PerStep]) -> list[Series]:
        return [Series(s.name, at, per_step(metric, s.forecast, truth).tolist()) for s in drawn]

    error = Figure("error", "Squared error by frame", "frame", ERROR, curves(metrics.mse))
    if film.name != "squares":
        return [error]
    overlap = Figure(
        "overlap", "Overlap with the truth by frame", "frame", "intersection over union",
        curves(metrics.iou),
    )  # fmt: skip
    return [overlap, error]
