"""What a run has found so far, and the table and charts made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recurrent.lab.report import Figure, Row, Series
from recurrent.lab.weather.alarms import Finding
from recurrent.lab.weather.baselines import Fitted, mae
from recurrent.lab.weather.intervals import Coverage
from recurrent.lab.weather.models import FAMILIES, LECTURE_NAIVE, RECURRENT, Trained, predict
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.residual import Linear
from recurrent.lab.weather.windows import Ends, Plan

_LECTURE_NOTE = "the lecture's is on Jena, its best epoch on validation"
SHOWN_DAYS = 10


@dataclass
class Intervals:
    """Intervals of the test part, in z-units, and what was measured of them."""

    family: str
    seed: int
    chosen: str
    low: Floats
    middle: Floats
    high: Floats
    coverage: dict[str, Coverage]
    monthly: dict[str, list[float]]
    months: list[float]


@dataclass
class Outcome:
    """Everything one run has found until now."""

    plan: Plan
    unit: str
    coverage: float
    findings: tuple[Finding, ...] = ()
    baselines: list[Fitted] = field(default_factory=list)
    trials: dict[str, list[Trained]] = field(default_factory=dict)
    networks: dict[str, list[Trained]] = field(default_factory=dict)
    forecasts: dict[str, list[tuple[Floats, Floats]]] = field(default_factory=dict)
    intervals: Intervals | None = None
    dates: list[float] = field(default_factory=list)
    backtest: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, trained: Trained, device: str) -> None:
        """Take in a network, with its forecasts of the validation and the test part."""
        plan = self.plan
        self.networks.setdefault(name, []).append(trained)
        pair = tuple(predict(trained.model, plan, e, device)[:, 0] for e in (plan.valid, plan.test))
        self.forecasts.setdefault(name, []).append((pair[0], pair[1]))

    @property
    def linear(self) -> Linear | None:
        """What ridge found, once it has been fitted."""
        return next((f.linear for f in self.baselines if f.linear is not None), None)

    def best_recurrent(self) -> str:
        """The trained network with the least mean validation error, a recurrent one if there is."""
        names = [n for n in self.networks if n in RECURRENT] or list(self.networks)
        truth = self.plan.targets(self.plan.valid)
        return min(
            names, key=lambda n: float(np.mean([mae(v, truth) for v, _ in self.forecasts[n]]))
        )


def rows(outcome: Outcome) -> Iterator[Row]:
    """The table: test errors in the target's units and in z-units, validation errors, intervals."""
    plan, unit = outcome.plan, outcome.unit
    truths = plan.targets(plan.valid), plan.targets(plan.test)
    systems: list[tuple[str, list[tuple[Floats, Floats]], bool, float | None, str]] = []
    for fitted in outcome.baselines:
        pair = fitted.forecast(plan.valid), fitted.forecast(plan.test)
        lecture = LECTURE_NAIVE if fitted.name == "Naive" else None
        systems.append((fitted.name, [pair], False, lecture, fitted.setting))
    for name, pairs in outcome.forecasts.items():
        family, trained = FAMILIES[name], outcome.networks[name]
        ours = name in RECURRENT
        systems.append((family.title, pairs, ours, family.lecture, str(trained[0].trial)))
    for name, pairs in outcome.forecasts.items():
        if len(pairs) > 1:
            mean = tuple(np.mean([pair[i] for pair in pairs], axis=0) for i in range(2))
            title = f"{FAMILIES[name].title}, mean of {len(pairs)} networks' forecasts"
            systems.append((title, [(mean[0], mean[1])], name in RECURRENT, None, ""))
    scale = plan.unit_scale
    for metric, part, factor in (
        (f"test MAE ({unit})", 1, scale),
        ("test MAE (z)", 1, 1.0),
        ("validation MAE (z)", 0, 1.0),
    ):
        for title, pairs, ours, lecture, note in systems:
            errors = [mae(pair[part], truths[part]) * factor for pair in pairs]
            several = len(errors) > 1
            is_lecture_metric = metric == "validation MAE (z)" and lecture is not None
            yield Row(
                title,
                metric,
                float(np.mean(errors)),
                min(errors) if several else None,
                max(errors) if several else None,
                "ours" if ours else "baseline",
                lecture if is_lecture_metric else None,
                "; ".join(t for t in (note, _LECTURE_NOTE if is_lecture_metric else "") if t),
            )
    yield from _interval_rows(outcome)
    for name, errors in outcome.backtest.items():
        title = FAMILIES[name].title if name in FAMILIES else name
        yield Row(
            title,
            f"backtest MAE ({unit})",
            float(np.mean(errors)),
            min(errors),
            max(errors),
            "ours" if name in RECURRENT else "baseline",
            note=f"{len(errors)} origins, the least and the greatest of them beside the mean",
        )


def _interval_rows(outcome: Outcome) -> Iterator[Row]:
    intervals = outcome.intervals
    if intervals is None:
        return
    for name, found in intervals.coverage.items():
        title = f"{FAMILIES[intervals.family].title}, {name}"
        kind: Literal["ours", "baseline"] = "ours" if name == intervals.chosen else "baseline"
        share, width = found.share, found.width * outcome.plan.unit_scale
        aim = f"aim {outcome.coverage:.0%}"
        metric = f"share held by {outcome.coverage:.0%} intervals"
        yield Row(title, metric, share, kind=kind, note=aim)
        yield Row(title, f"mean width of intervals ({outcome.unit})", width, kind=kind)


def figures(outcome: Outcome) -> Iterator[Figure]:
    """The charts: a stretch of the test part, coverage by month, error by origin."""
    plan, intervals = outcome.plan, outcome.intervals
    if intervals is not None:
        yield _stretch(outcome, intervals)
        yield Figure(
            "coverage",
            f"Share of truths inside {outcome.coverage:.0%} intervals, month by month",
            "year",
            "share",
            [
                Series(name, intervals.months, share, points=True)
                for name, share in intervals.monthly.items()
            ],
        )
    if outcome.backtest:
        yield Figure(
            "backtest",
            f"Error from each origin on, {plan.horizon_hours:g} h ahead",
            "origin (year)",
            f"MAE ({outcome.unit})",
            [
                Series(FAMILIES[n].title if n in FAMILIES else n, outcome.dates, errors)
                for n, errors in outcome.backtest.items()
            ],
        )


def _stretch(outcome: Outcome, intervals: Intervals) -> Figure:
    """The last days of the test part: truth, forecast with its interval, and the naive forecast."""
    plan = outcome.plan
    n = min(len(plan.test), SHOWN_DAYS * 1440 // plan.step_minutes)
    ends = plan.test[-n:]
    at = (plan.times[ends + plan.horizon] - plan.times[ends[0] + plan.horizon]).astype(float)
    hours = [float(second) / 3600 for second in at]

    def line(z: Floats) -> list[float]:
        return [float(value) for value in plan.to_units(z[-n:])]

    start = str(plan.times[ends[0] + plan.horizon])[:16].replace("T", " ")
    return Figure(
        "forecast",
        f"{plan.name}: {plan.target}, forecast {plan.horizon_hours:g} h ahead, from {start}",
        "hours",
        outcome.unit,
        [
            Series("Truth", hours, line(plan.targets(ends))),
            Series(
                FAMILIES[intervals.family].title,
                hours,
                line(intervals.middle),
                line(intervals.low),
                line(intervals.high),
            ),
            Series("Naive", hours, line(_naive(plan, ends))),
        ],
    )


def _naive(plan: Plan, ends: Ends) -> Floats:
    return plan.to_z(plan.inputs[ends, plan.column])
