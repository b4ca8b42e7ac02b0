"""Intervals that hold what they promise: quantiles of a network, calibrated on what it got wrong.

Conformalised quantile regression (Romano, Patterson and Candès 2019), once or as time goes on. A
quantile network says how wide an interval is where; how far the truth lay outside its intervals on
data it was not trained on says how much wider all of them must be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recurrent.lab.weather.reading import Floats


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the truth, and how wide they were on average."""

    share: float
    width: float


def levels(coverage: float) -> tuple[float, float, float]:
    """The quantiles of an interval and its middle: 90% gives 0.05, 0.5, 0.95."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage={coverage} must be above 0 and below 1")
    return ((1 - coverage) / 2, 0.5, (1 + coverage) / 2)


def scores(low: Floats, high: Floats, truth: Floats) -> Floats:
    """How far each truth lies outside its interval, negative inside (eq. 6 of the paper)."""
    return np.maximum(low - truth, truth - high)


def widening(calibration: Floats, coverage: float) -> float:
    """By how much to widen every interval (eq. 7 and 8).

    The (1 - alpha)(1 + 1/n)-th empirical quantile of the scores: of n scores the k-th smallest, k
    being coverage times n + 1, rounded up; infinite where there are too few scores to promise it.

    Parameters
    ----------
    calibration : float64, shape (n,)
        Scores of data the network was not trained on.
    coverage : float
        The share of truths to be held, above 0 and below 1.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage={coverage} must be above 0 and below 1")
    rank = math.ceil(coverage * (len(calibration) + 1))
    if rank > len(calibration):
        return math.inf
    return float(np.partition(calibration, rank - 1)[rank - 1])


def rolling_widening(
    history: Floats,
    new: Floats,
    coverage: float,
    *,
    delay: int,
    memory: int,
    rate: float = 0.005,
) -> Floats:
    """The widening of each new interval from the last scores known when it was made.

    Weather changes with the seasons and so do a network's errors, which breaks the assumption that
    calibration and test are alike. Here the calibration moves along: a score counts once its truth
    is known, `delay` intervals later, and is forgotten after `memory` of them. The quantile taken
    moves too, down after an interval that held and up after one that missed, so that the share
    aimed at is held in the long run whatever the weather does (Gibbs and Candès 2021, eq. 2). Where
    that asks for more than every score, we take the greatest and not an infinite interval.

    Parameters
    ----------
    history : float64, shape (m,)
        Scores of the calibration part, oldest first; at least one.
    new : float64, shape (n,)
        Those of the test part, in order; NaN where the truth is not known.
    delay : int
        How many intervals pass before a truth is known.
    memory : int
        Scores looked at.
    rate : float
        How far one miss moves the quantile; the paper's value, 0 holds it still.

    Returns
    -------
    float64, shape (n,)
    """
    if not len(history) or delay < 1 or memory < 1:
        raise ValueError(f"{len(history)=}, {delay=} and {memory=} must be at least 1")
    if not rate >= 0:
        raise ValueError(f"rate={rate} must not be negative")
    everything = np.concatenate([history, new])
    widths = np.empty(len(new))
    miss_rate = 1 - coverage
    for i in range(len(new)):
        told = i - delay
        if told >= 0 and math.isfinite(new[told]):
            miss_rate += rate * ((1 - coverage) - (new[told] > widths[told]))
        # The scores known when interval i is made are those before place `end`.
        end = max(len(history) + i + 1 - delay, 1)
        known = everything[max(0, end - memory) : end]
        known = np.sort(known[np.isfinite(known)])
        rank = math.ceil((1 - miss_rate) * (len(known) + 1))
        widths[i] = known[min(max(rank, 1), len(known)) - 1]
    return widths


def measure(low: Floats, high: Floats, truth: Floats) -> Coverage:
    """How many known truths the intervals held, and their mean width."""
    known = np.isfinite(truth)
    inside = (low <= truth) & (truth <= high)
    return Coverage(float(inside[known].mean()), float((high - low)[known].mean()))
