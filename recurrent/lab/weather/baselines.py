"""What forecasts without a recurrence: what is to be beaten, with as many trials as the networks.

Everything is in z-units, from a plan and the ends of windows. A trial is one setting, fitted on the
training part; the one with the least absolute error on the validation part is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurrent.lab.weather.reading import Floats, Times
from recurrent.lab.weather.residual import Linear
from recurrent.lab.weather.windows import Ends, Plan, Windows, clock

MOST_ROWS = 20_000  # windows a linear model is fitted on; neighbours say almost the same
_CHUNK = 2_048
_DAY_S, _YEAR_S = 86_400.0, 365.2425 * 86_400


@dataclass(frozen=True)
class Fitted:
    """A baseline with its best setting.

    Attributes
    ----------
    name, setting : str
        What it is, and which of its trials won.
    valid_mae : float
        In z-units.
    forecast : callable
        Ends (n,) -> forecasts (n,) in z-units.
    linear : Linear, optional
        What ridge found.
    """

    name: str
    setting: str
    valid_mae: float
    forecast: Callable[[Ends], Floats]
    linear: Linear | None = None


def mae(forecast: Floats, truth: Floats) -> float:
    """The mean absolute error over the known truths."""
    return float(np.nanmean(np.abs(forecast - truth)))


def naive(plan: Plan) -> Fitted:
    """The last value the window holds: a day before the target, for a horizon of a day."""

    def forecast(ends: Ends) -> Floats:
        return plan.to_z(plan.inputs[ends, plan.column])

    return _best(plan, "Naive", [("the last value", forecast)])


def seasonal_naive(plan: Plan, n_trials: int) -> Fitted:
    """The mean at the target's hour over the last days; each trial another number of days.

    One day is the naive forecast for a horizon of a day, so the trials begin with two.
    """
    day = max(1, 1440 // plan.step_minutes)
    first = -(-plan.horizon // day)  # days before the target, the nearest that is known
    counts = (2, 3, 4, 5, 7, 10, 14, 21, 28)[:n_trials]
    return _best(
        plan,
        "Seasonal naive",
        [(f"{k} days", _same_hour(plan, day, first, k)) for k in counts],
    )


def _same_hour(plan: Plan, day: int, first: int, n_days: int) -> Callable[[Ends], Floats]:
    back = np.arange(first, first + n_days) * day

    def forecast(ends: Ends) -> Floats:
        rows = ends[:, None] + plan.horizon - back  # (n, days)
        values = np.where(rows >= 0, plan.inputs[np.maximum(rows, 0), plan.column], np.nan)
        # Where nothing of those days is known the last value stands in.
        none = np.isnan(values).all(axis=1)
        values[none, 0] = plan.inputs[ends[none], plan.column]
        return plan.to_z(np.nanmean(values, axis=1))

    return forecast


def climatology(plan: Plan, n_trials: int) -> Fitted:
    """The usual value of that hour and day of year, as a product of harmonics.

    Each trial has other numbers of harmonics of the year and of the day. From less than a year
    nobody knows the year, and the day alone is left.
    """
    first, last = 0, int(plan.train.max()) + plan.horizon + 1
    whole_year = (last - first) * plan.step_minutes * 60 >= _YEAR_S
    pairs = [(1, 1), (2, 2), (1, 2), (3, 3), (2, 3), (4, 4), (3, 2), (6, 4), (4, 2)]
    if not whole_year:
        pairs = [(0, n) for n in range(1, 10)]
    known = np.flatnonzero(np.isfinite(plan.truth[first:last]))
    truth = plan.to_z(plan.truth[known])
    at = np.concatenate([plan.times, _times_after(plan)])
    trials = []
    for n_year, n_day in pairs[:n_trials]:
        design = _harmonics(plan.times[known], n_year, n_day)
        weights = np.linalg.lstsq(design, truth, rcond=None)[0]

        trials.append(
            (
                f"{n_year} harmonics of the year, {n_day} of the day",
                _usual(plan, at, n_year, n_day, weights),
            )
        )
    return _best(plan, "Climatology", trials)


def _usual(
    plan: Plan, at: Times, n_year: int, n_day: int, weights: Any
) -> Callable[[Ends], Floats]:
    def forecast(ends: Ends) -> Floats:
        usual: Floats = _harmonics(at[ends + plan.horizon], n_year, n_day) @ weights
        return usual

    return forecast


def _times_after(plan: Plan) -> Times:
    """The times of the targets that lie after the last row."""
    step = np.timedelta64(plan.step_minutes * 60, "s")
    after: Times = plan.times[-1] + step * np.arange(1, plan.horizon + 1)
    return after


def _harmonics(times: Times, n_year: int, n_day: int) -> Floats:
    """1, sines and cosines of the year times those of the day: (N, features)."""

    def turns(period: float, n: int) -> Floats:
        waves = [clock(times, period / k) for k in range(1, n + 1)]
        return np.concatenate([np.ones((len(times), 1)), *waves], axis=1)

    year, day = turns(_YEAR_S, n_year), turns(_DAY_S, n_day)
    both: Floats = (year[:, :, None] * day[:, None, :]).reshape(len(times), -1)
    return both


def ridge(plan: Plan, n_trials: int) -> Fitted:
    """A linear map of the whole window, its squared weights held down (Hoerl and Kennard 1970).

    It forecasts the change from the last value, as the networks do. Each trial has another penalty,
    from 1 to 100,000 times one window's.
    """
    penalties = np.logspace(0, 5, n_trials) if n_trials > 1 else np.array([1_000.0])
    ends = plan.train[:: max(1, -(-len(plan.train) // MOST_ROWS))]
    data = Windows(plan, ends)
    size = plan.window * len(plan.names)
    # Sums over chunks: all windows at once would fill the memory of a small machine.
    gram, against = np.zeros((size, size)), np.zeros(size)
    total, total_y, anchored = np.zeros(size), 0.0, plan.targets(ends)
    anchored = anchored - plan.to_z(plan.inputs[ends, plan.column])
    for start in range(0, len(ends), _CHUNK):
        x = data.read(ends[start : start + _CHUNK]).flatten(1)  # (n, T * C)
        y = torch.from_numpy(anchored[start : start + _CHUNK].astype(np.float32))
        gram += (x.T @ x).double().numpy()
        against += (x.T @ y).double().numpy()
        total += x.double().sum(0).numpy()
        total_y += float(y.double().sum())
    n = len(ends)
    mean, mean_y = total / n, total_y / n
    gram -= n * np.outer(mean, mean)
    against -= n * mean * mean_y
    found = {}
    for penalty in penalties:
        slope = np.linalg.solve(gram + penalty * np.eye(size), against)
        found[f"penalty {penalty:g}"] = Linear(slope, mean_y - float(mean @ slope))
    trials = [(setting, _linear(plan, data, linear)) for setting, linear in found.items()]
    best = _best(plan, "Ridge", trials)
    return replace(best, linear=found[best.setting])


def _linear(plan: Plan, data: Windows, linear: Linear) -> Callable[[Ends], Floats]:
    singles = torch.from_numpy(linear.slope.astype(np.float32))

    def forecast(ends: Ends) -> Floats:
        parts = [
            (data.read(ends[i : i + _CHUNK]).flatten(1) @ singles).double().numpy()
            for i in range(0, len(ends), _CHUNK)
        ]
        change: NDArray[np.float64] = np.concatenate(parts) + linear.offset
        return change + plan.to_z(plan.inputs[ends, plan.column])

    return forecast


def _best(plan: Plan, name: str, trials: list[tuple[str, Callable[[Ends], Floats]]]) -> Fitted:
    """The trial with the least absolute error on the validation part."""
    truth = plan.targets(plan.valid)
    scored = [
        Fitted(name, setting, mae(forecast(plan.valid), truth), forecast)
        for setting, forecast in trials
    ]
    return min(scored, key=lambda fitted: fitted.valid_mae)
