"""Blind comparisons -> a rating for each model, with intervals, and how many more votes are needed.

The model is Bradley and Terry's (1952) with ties as Davidson (1970, equation 2.2) has them:

    P(i beats j) = p_i / D     P(tie) = nu sqrt(p_i p_j) / D     D = p_i + p_j + nu sqrt(p_i p_j)

In theta = log p and eta = log nu the three are a softmax of theta_i, theta_j and
(theta_i + theta_j) / 2 + eta: linear, so the log-likelihood is concave and Newton's method finds
its top. Where we differ: a weak normal prior on theta and eta keeps a model that has won every
time finite. Intervals are Laplace's, from the Hessian at the top. Where votes come from is left to
`standings`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Outcome = Literal["first", "second", "tie"]
_COLUMN: dict[Outcome, int] = {"first": 0, "second": 1, "tie": 2}
POINTS = 400 / math.log(10)  # chess points in one unit of theta: 400 are odds of ten to one
_MOST_STEPS = 100
MOST_VOTES = 100_000  # beyond this a number of votes is no advice


@dataclass(frozen=True, slots=True)
class Match:
    """One comparison of two models."""

    first: str
    second: str
    outcome: Outcome

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"first={self.first!r} and second are the same model")
        if self.outcome not in _COLUMN:
            raise ValueError(
                f"outcome={self.outcome!r}; expected one of {', '.join(map(repr, _COLUMN))}"
            )


@dataclass(frozen=True, slots=True)
class RatingSettings:
    """How sure is sure.

    Attributes
    ----------
    level : float
        The intervals hold the true value with this probability.
    power : float
        With the number of votes said to be needed, two models are told apart with this probability.
    prior_sd : float
        Standard deviation of the prior on theta and log nu; 2 is 347 points, odds of 7 to 1.
    """

    level: float = 0.95
    power: float = 0.8
    prior_sd: float = 2.0

    def __post_init__(self) -> None:
        for name in ("level", "power"):
            if not 0 < (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}={value!r} must be between 0 and 1")
        if not 0 < self.prior_sd < math.inf:
            raise ValueError(f"prior_sd={self.prior_sd!r} must be above 0 and finite")

    @property
    def z(self) -> float:
        """Standard deviations to each side of an interval."""
        return NormalDist().inv_cdf((1 + self.level) / 2)


@dataclass(frozen=True, slots=True)
class Rated:
    """A model's rating in points, 0 being the mean of the models compared, with its interval."""

    model: str
    points: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How far `better` is ahead of `worse`, in points, with its interval.

    Attributes
    ----------
    told : bool
        Whether the interval leaves zero out.
    votes_needed : int or None
        How many more votes are needed to tell them apart: 0 where they are, None where no number
        below 100,000 will do.
    """

    better: str
    worse: str
    points: float
    low: float
    high: float
    told: bool
    votes_needed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Rating:
    """The ratings of all models, the best first.

    Attributes
    ----------
    nu : float
        Davidson's tie parameter: two equal models tie with probability nu / (2 + nu).
    n_votes : int
        Comparisons they rest on.
    """

    rated: tuple[Rated, ...]
    nu: float
    n_votes: int
    settings: RatingSettings
    _theta: dict[str, tuple[int, float]] = field(repr=False)
    _information: Array = field(repr=False)  # of the votes alone, shape (n + 1, n + 1)

    def difference(self, one: str, other: str) -> Difference:
        """How two models compare, and how many more votes would tell them apart.

        With c the contrast theta_i - theta_j, d its estimate, F the Fisher information of the N
        votes so far and P that of the prior, k times as many votes give d the variance
        c' (k F + P)^-1 c. The votes needed are (k - 1) N for the least k >= 1 with

            c' (k F + P)^-1 c <= (d / (z_level + z_power))^2,

        the sample size of a two-sided test with that power. This supposes that the true difference
        is the one estimated now, that pairs of models are drawn in the proportions of so far, and
        that ties stay as frequent. With a flat prior k is simply ((z_level + z_power) s / d)^2, s
        being the standard error of d.

        Raises
        ------
        ValueError
            If a model has no rating, or both are the same.
        """
        for name, model in (("one", one), ("other", other)):
            if model not in self._theta:
                raise ValueError(f"{name}={model!r} has no rating")
        if one == other:
            raise ValueError(f"one={one!r} and other are the same model")
        if self._theta[one][1] < self._theta[other][1]:
            one, other = other, one
        (i, high), (j, low) = self._theta[one], self._theta[other]
        contrast = np.zeros(len(self._information))
        contrast[i], contrast[j] = 1.0, -1.0
        gap = high - low
        half = self.settings.z * math.sqrt(self._variance(contrast, 1.0))
        told = gap > half
        needed = 0 if told else self._votes_needed(contrast, gap)
        points, low, high = (POINTS * x for x in (gap, gap - half, gap + half))
        return Difference(one, other, points, low, high, told, needed)

    def _variance(self, contrast: Array, more: float) -> float:
        """The variance of a contrast with `more` times the votes."""
        prior = np.eye(len(contrast)) / self.settings.prior_sd**2
        precision = more * self._information + prior
        return float(contrast @ np.linalg.solve(precision, contrast))

    def _votes_needed(self, contrast: Array, gap: float) -> int | None:
        goal = (gap / (self.settings.z + NormalDist().inv_cdf(self.settings.power))) ** 2
        least, most = 1.0, 1.0 + MOST_VOTES / self.n_votes
        if self._variance(contrast, most) > goal:
            return None
        for _ in range(60):  # the variance falls with the votes: halve the range
            middle = (least + most) / 2
            if self._variance(contrast, middle) > goal:
                least = middle
            else:
                most = middle
        return max(1, math.ceil((most - 1) * self.n_votes - 1e-6))


def rate(matches: Iterable[Match], settings: RatingSettings | None = None) -> Rating:
    """Rate every model that was in a comparison.

    Parameters
    ----------
    matches : iterable of Match
        In any order; at least one.
    settings : RatingSettings, optional

    Raises
    ------
    ValueError
        If there are no matches.
    """
    settings = settings or RatingSettings()
    played = list(matches)
    if not played:
        raise ValueError("matches is empty; expected at least one comparison")
    models = sorted({model for match in played for model in (match.first, match.second)})
    at = {model: i for i, model in enumerate(models)}
    pairs = sorted({(match.first, match.second) for match in played})
    row = {pair: p for p, pair in enumerate(pairs)}
    counts = np.zeros((len(pairs), 3))
    for match in played:
        counts[row[match.first, match.second], _COLUMN[match.outcome]] += 1
    n = len(models)
    design = np.zeros((len(pairs), 3, n + 1))  # (pairs, outcomes, theta and eta)
    for p, (first, second) in enumerate(pairs):
        design[p, 0, at[first]] = design[p, 1, at[second]] = 1.0
        design[p, 2, [at[first], at[second]]] = 0.5
        design[p, 2, n] = 1.0
    top, information = _fit(design, counts, 1 / settings.prior_sd**2)
    theta = top[:n]
    covariance = np.linalg.inv(information + np.eye(n + 1) / settings.prior_sd**2)[:n, :n]
    from_mean = np.eye(n) - 1 / n
    half = settings.z * np.sqrt(np.diag(from_mean @ covariance @ from_mean))
    centred = theta - theta.mean()
    rated = [
        Rated(model, *(POINTS * float(x) for x in (c, c - h, c + h)))
        for model, c, h in zip(models, centred, half, strict=True)
    ]
    return Rating(
        tuple(sorted(rated, key=lambda r: (-r.points, r.model))),
        math.exp(top[n]),
        len(played),
        settings,
        {model: (i, float(theta[i])) for model, i in at.items()},
        information,
    )


def _fit(design: Array, counts: Array, precision: float) -> tuple[Array, Array]:
    """The top of the posterior, shape (n + 1,), and the votes' information there."""
    total = counts.sum(1)
    x = np.zeros(design.shape[2])

    def looked_at(x: Array) -> tuple[float, Array]:
        """The log posterior up to a constant, and the probabilities of the outcomes."""
        utility = design @ x  # (pairs, outcomes)
        utility = utility - utility.max(1, keepdims=True)
        log_p = utility - np.log(np.exp(utility).sum(1, keepdims=True))
        return float((counts * log_p).sum() - precision * (x @ x) / 2), np.exp(log_p)

    height, p = looked_at(x)
    for _ in range(_MOST_STEPS):
        gradient = np.einsum("po,pox->x", counts - total[:, None] * p, design) - precision * x
        information = _information(design, p, total)
        step = np.linalg.solve(information + precision * np.eye(len(x)), gradient)
        if float(gradient @ step) < 1e-16 * (1 + total.sum()):
            break
        length = 1.0
        while (found := looked_at(x + length * step))[0] < height and length > 1e-10:
            length /= 2
        x, (height, p) = x + length * step, found
    return x, _information(design, p, total)


def _information(design: Array, p: Array, total: Array) -> Array:
    """Fisher's: for each pair, its votes times the covariance of the outcomes' design."""
    mean = np.einsum("po,pox->px", p, design)
    squares = np.einsum("p,po,pox,poy->xy", total, p, design, design)
    information: Array = squares - np.einsum("p,px,py->xy", total, mean, mean)
    return information
