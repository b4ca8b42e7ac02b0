"""What came of the noisy sine: rows in the series' own units, and figures of the first draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recurrent.lab.report import Figure, Row, Series
from recurrent.lab.sine.baselines import phase_error
from recurrent.lab.sine.series import NOISE_FLOOR, TEST, Floats, clean_sine

ONE_STEP = "one-step test MSE (raw units)"
FREE = "free-run test MSE (raw units)"
PHASE = "free-run phase error at step 79 (rad)"
LECTURE_VALID = 0.0070  # the lecture's last, on its last 20 training windows, scaled to 0 ... 1
CHOSEN = "chosen cell"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one system said of D draws, in the series' own units.

    Attributes
    ----------
    fed, free : array, shape (D, 79)
        Forecasts of the test targets, fed the truth before each and running free.
    valid : array, shape (D,), optional
        Mean squared error on the validation targets, of networks that never learnt from them.
    """

    system: str
    fed: Floats
    free: Floats
    valid: Floats | None = None
    kind: Literal["ours", "baseline", "bound"] = "ours"
    note: str = ""


def choose(outcomes: Sequence[Outcome]) -> tuple[Outcome, list[str]]:
    """For each draw the system with the least validation error: what they said, and which."""
    errors = np.stack([o.valid for o in outcomes if o.valid is not None])  # (systems, D)
    best = errors.argmin(axis=0)
    fed = np.stack([outcomes[i].fed[d] for d, i in enumerate(best)])
    free = np.stack([outcomes[i].free[d] for d, i in enumerate(best)])
    names = [outcomes[i].system for i in best]
    counts = ", ".join(f"{names.count(o.system)} times {o.system}" for o in outcomes)
    note = f"chosen on each draw by its validation error: {counts}"
    return Outcome(CHOSEN, fed, free, errors.min(axis=0), note=note), names


def _rows(outcome: Outcome, metric: str, values: Floats) -> list[Row]:
    """The row of a metric over the draws; none where no draw has a value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    low, high = float(known.min()), float(known.max())
    note = outcome.note
    if len(known) < len(values):
        note = "; ".join(filter(None, [note, f"no phase on {len(values) - len(known)} draws"]))
    mean = float(known.mean())
    return [Row(outcome.system, metric, mean, low, high, outcome.kind, None, note)]


def rows_of(outcome: Outcome, series: Floats) -> list[Row]:
    """Its rows, against series (D, 300); a forecast that has no phase has no row of it."""
    truth = series[:, TEST]
    return [
        *_rows(outcome, ONE_STEP, ((truth - outcome.fed) ** 2).mean(axis=1)),
        *_rows(outcome, FREE, ((truth - outcome.free) ** 2).mean(axis=1)),
        *_rows(outcome, PHASE, np.array([phase_error(free) for free in outcome.free])),
    ]


def floor_rows(series: Floats) -> list[Row]:
    """The noise's variance, and what it came to in the test parts of these draws (D, 300)."""
    errors = ((series - clean_sine())[:, TEST] ** 2).mean(axis=1)
    low, high = float(errors.min()), float(errors.max())
    return [
        Row("noise floor", ONE_STEP, NOISE_FLOOR, kind="bound", note="0.25 / 12, by arithmetic"),
        Row(
            "the sine itself", ONE_STEP, float(errors.mean()), low, high, "bound",
            note="the noise floor of these draws",
        ),
    ]  # fmt: skip


def _line(name: str, x: np.ndarray, y: Floats, *, points: bool = False) -> Series:
    return Series(name, [float(v) for v in x], [float(v) for v in y], points=points)


def forecast_figures(outcomes: Sequence[Outcome], series: Floats) -> list[Figure]:
    """The first draw (300,), twice: forecasts fed the truth, and running free."""
    t = np.arange(len(series))
    shared = [
        _line("history", t[: TEST.start], series[: TEST.start]),
        _line("what came", t[TEST], series[TEST], points=True),
        _line("the sine without noise", t[TEST], clean_sine()[TEST]),
    ]
    titles = {
        "fed truth": "One step ahead, the truth fed back",
        "closed loop": "Seventy-nine steps ahead, its own forecasts fed back",
    }
    return [
        Figure(
            name,
            title,
            "t",
            "x",
            [
                *shared,
                *(
                    _line(o.system, t[TEST], (o.fed if name == "fed truth" else o.free)[0])
                    for o in outcomes
                ),
            ],
        )
        for name, title in titles.items()
    ]


def drift_figure(outcomes: Sequence[Outcome], series: Floats) -> Figure:
    """How the error of a free run grows, mean over the draws (D, 300)."""
    steps = np.arange(1, TEST.stop - TEST.start + 1)
    lines = [
        _line(o.system, steps, ((o.free - clean_sine()[TEST]) ** 2).mean(axis=0)) for o in outcomes
    ]
    title = f"A free run against the sine without noise, mean of {len(series)} draws"
    return Figure("drift", title, "steps ahead", "squared error (raw units)", lines)


def learning_figure(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Held-out losses while the networks learn."""
    series = [Series(n, [x for x, _ in c], [y for _, y in c]) for n, c in curves.items() if c]
    title = "Held-out loss, mean over draws and members"
    return Figure("learning", title, "update", "mean squared error (scaled)", series)
