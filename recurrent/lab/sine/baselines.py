"""Forecasters without a network: the mean, persistence, linear autoregression, a fitted sine.

Each gives the test targets twice: fed the truth before each, and running free from the last value
before the first of them on nothing but its own forecasts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from recurrent.lab.sine.series import N_TRAIN, TEST, VALID, WINDOW, Floats

RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
LONG = 40  # values that the longer autoregression reads
Forecasts: TypeAlias = tuple[Floats, Floats]  # fed the truth, and running free; (79,) each


def run_free(weights: Floats, past: Floats, horizon: int) -> Floats:
    """Feed the forecasts of weights (window + 1,), the constant last, back; shape (horizon,)."""
    window = len(weights) - 1
    series = list(past[-window:])
    for _ in range(horizon):
        series.append(float(np.array(series[-window:]) @ weights[:-1] + weights[-1]))
    return np.array(series[window:])


def mean(x: Floats) -> Forecasts:
    """The mean of the training part, always."""
    flat = np.full(TEST.stop - TEST.start, x[:N_TRAIN].mean())
    return flat, flat


def persistence(x: Floats) -> Forecasts:
    """The value before."""
    return x[TEST.start - 1 : TEST.stop - 1], np.full(TEST.stop - TEST.start, x[TEST.start - 1])


def _windows(x: Floats, targets: slice, window: int) -> Floats:
    """The values before each target, (N, window)."""
    return np.stack([x[t - window : t] for t in range(targets.start, targets.stop)])


def _ridge(x: Floats, targets: slice, window: int, penalty: float) -> Floats:
    """Ridge regression (Hoerl and Kennard 1970) of targets on windows; weights, then a constant."""
    windows, y = _windows(x, targets, window), x[targets]
    centre, middle = windows.mean(axis=0), y.mean()
    gram = (windows - centre).T @ (windows - centre) + penalty * np.eye(window)
    weights = np.linalg.solve(gram, (windows - centre).T @ (y - middle))
    return np.append(weights, middle - centre @ weights)


def autoregression(x: Floats, window: int = WINDOW) -> Forecasts:
    """AR by ridge regression, its penalty chosen on the validation targets, fitted on all."""

    def valid_error(penalty: float) -> float:
        weights = _ridge(x, slice(window, VALID.start), window, penalty)
        forecast = _windows(x, VALID, window) @ weights[:-1] + weights[-1]
        return float(((x[VALID] - forecast) ** 2).mean())

    weights = _ridge(x, slice(window, N_TRAIN), window, min(RIDGES, key=valid_error))
    fed = _windows(x, TEST, window) @ weights[:-1] + weights[-1]
    return fed, run_free(weights, x[: TEST.start], TEST.stop - TEST.start)


def _waves(places: Floats) -> Floats:
    """1, sin t and cos t, shape (T, 3)."""
    return np.stack([np.ones_like(places), np.sin(places), np.cos(places)], axis=-1)


def harmonic(x: Floats) -> Forecasts:
    """Least squares of a sine whose frequency it is told, on the training part."""
    places = np.arange(len(x), dtype=np.float64)
    weights = np.linalg.lstsq(_waves(places[:N_TRAIN]), x[:N_TRAIN], rcond=None)[0]
    forecast = _waves(places[TEST]) @ weights
    return forecast, forecast


def phase_error(forecast: Floats) -> float:
    """How far a free run of the test targets is out of step at its end, in radians, 0 to pi.

    A sine is fitted to the last period (7 steps); its angle against sin(t) is the error. A forecast
    that has died down to less than a hundredth of the sine has no phase: then it is not a number.
    """
    period = 7
    places = np.arange(TEST.stop - period, TEST.stop, dtype=np.float64)
    _, sine, cosine = np.linalg.lstsq(_waves(places), forecast[-period:], rcond=None)[0]
    if np.hypot(sine, cosine) < 0.01:
        return float("nan")
    return float(abs(np.arctan2(cosine, sine)))


BASELINES: dict[str, Callable[[Floats], Forecasts]] = {
    "mean": mean,
    "persistence": persistence,
    f"AR({WINDOW}), ridge": autoregression,
    f"AR({LONG}), ridge": partial(autoregression, window=LONG),
}
