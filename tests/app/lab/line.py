"""An experiment as small as one can be, and real: a line fitted to noisy points, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corpora.errors import InputError
from recurrent.lab.report import Done, Event, Figure, Point, Progress, Report, Row, Series


@dataclass(frozen=True, slots=True)
class Settings:
    steps: int = field(default=40, metadata={"help": "Steps of gradient descent."})
    noise: float = field(default=0.1, metadata={"help": "Standard deviation of the noise."})
    starts: tuple[str, ...] = field(
        default=("zero", "one"),
        metadata={"help": "Where it starts.", "choices": ("zero", "one", "far")},
    )
    wait_s: float = field(default=0.0, metadata={"help": "Seconds to rest after each step."})
    csv: Path | None = field(default=None, metadata={"help": "Points of your own."})
    shuffle: bool = field(default=False, metadata={"help": "Whether to shuffle."})
    seed: int = field(default=0, metadata={"help": "Fixes the noise."})

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps} must be at least 1")


def run(
    settings: Settings, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    if settings.csv is not None and not settings.csv.is_file():
        raise InputError(f"There is no file {settings.csv}. Choose another.")
    rng = np.random.default_rng(settings.seed)
    x = np.linspace(0, 1, 20)
    y = 2 * x + 1 + settings.noise * rng.standard_normal(20)
    slope, shift, done = 0.0, 0.0, 0
    for done in range(1, settings.steps + 1):
        error = slope * x + shift - y
        slope, shift = slope - 0.5 * (error * x).mean(), shift - 0.5 * error.mean()
        yield Point("squared error", done, float((error**2).mean()))
        yield Progress("Fitting", done / settings.steps, settings.wait_s * (settings.steps - done))
        time.sleep(settings.wait_s)
        if stopped():
            break
    fitted = float(((slope * x + shift - y) ** 2).mean())
    flat = float(((y.mean() - y) ** 2).mean())
    report = Report(
        "adder",
        {"steps": settings.steps},
        [
            Row("line", "MSE", fitted, fitted / 2, fitted * 2, lecture=0.02, note="Its own data."),
            Row("mean", "MSE", flat, kind="baseline"),
            Row("noise", "MSE", settings.noise**2, kind="bound"),
        ],
        [
            Figure(
                "fit", "The line and its points", "x", "y",
                [
                    Series("line", x.tolist(), (slope * x + shift).tolist()),
                    Series("points", x.tolist(), y.tolist(), points=True),
                ],
            )
        ],
        {"points": 20},
        stopped=done < settings.steps,
    )  # fmt: skip
    report.save(out)
    yield Done(report)
