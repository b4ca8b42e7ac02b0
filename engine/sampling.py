"""Logits -> the next id: temperature, top-k, top-p, min-p and a repetition penalty.

Each request draws from a generator of its own, so a seed fixes its text whatever else is running.
Everything here is NumPy: a row of logits is small, and torch takes longer to start an operation
than NumPy takes to finish one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

Row: TypeAlias = NDArray[np.floating[Any]]  # shape (V,)

# Logits are divided by no less: already here any two that differ are infinitely far apart, and
# smaller numbers would divide them out of the range of a float32.
_COLDEST = 1e-30


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How the next token is drawn.

    Attributes
    ----------
    temperature : float
        Divides the logits; 0 always takes the likeliest.
    top_k : int
        Keep the k likeliest; 0 keeps all.
    top_p : float
        Keep the smallest set whose probability reaches p (Holtzman et al. 2020); 1 keeps all.
    min_p : float
        Keep tokens with at least this share of the likeliest one's probability (Nguyen et al.
        2024).
    repetition_penalty : float
        Divides positive and multiplies negative logits of tokens already used (Keskar et al. 2019,
        section 4.1); 1 does nothing.

    Each filter looks at the whole distribution, and a token stays if all of them keep it. (In
    transformers, top-p looks at what top-k has left.)
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature={self.temperature} must be finite and not negative")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be above 0 and at most 1")
        if not 0 <= self.min_p < 1:
            raise ValueError(f"min_p={self.min_p} must be at least 0 and below 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise ValueError(f"repetition_penalty={self.repetition_penalty} must be above 0")


def generator(seed: int) -> np.random.Generator:
    """A random generator of one request.

    Raises
    ------
    ValueError
        If the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed={seed} must not be negative")
    return np.random.Generator(np.random.PCG64(seed))


def as_row(logits: torch.Tensor | Row) -> Row:
    """Logits of shape (V,) as an array, without a copy where a tensor lies on the CPU in fp32."""
    if isinstance(logits, np.ndarray):
        return logits
    if logits.dtype is not torch.float32 or not logits.is_cpu or logits.requires_grad:
        logits = logits.detach().float().cpu()
    row: Row = logits.numpy()
    return row


def penalise(logits: Row, used: Collection[int], penalty: float) -> Row:
    """Make ids already used less likely; logits have shape (V,) and stay as they were."""
    if penalty == 1.0 or not used:
        return logits
    ids = np.fromiter(used, np.intp, len(used))
    values = logits[ids]
    changed = logits.copy()
    # An id used twice is written twice with the same value.
    changed[ids] = np.where(values > 0, values / penalty, values * penalty)
    return changed


@functools.lru_cache(maxsize=256)
def _index(ids: frozenset[int]) -> NDArray[np.intp]:
    """A set of ids as an index; the same few sets come again with every token."""
    index = np.fromiter(ids, np.intp, len(ids))
    index.flags.writeable = False
    return index


def _weights(logits: Row, temperature: float) -> NDArray[np.float64]:
    """What the probabilities are proportional to, shape (V,): 1 for the likeliest id."""
    top = logits[logits.argmax()]
    if not math.isfinite(top):
        raise ValueError(f"logits have {top} as their largest value; expected a finite number")
    scaled = logits - top
    scaled /= max(temperature, _COLDEST)
    # Exponentials in the precision of the logits, whose equal steps they keep equal; sums of them
    # in float64, since the rounding of 50,000 small terms adds up.
    weights: NDArray[np.float64] = np.exp(scaled, scaled).astype(np.float64)
    return weights


def _filter(weights: NDArray[np.float64], settings: SamplingSettings) -> None:
    """Set the weights of all ids but those kept to 0; of equally likely ones the first stay.

    Each filter cuts the same ranking, so all of them together keep the n likeliest, for some n.
    """
    floor, goal = settings.min_p, math.inf  # min_p as it is: the likeliest weighs 1
    if settings.top_p < 1:
        total = float(np.add.reduce(weights))
        goal = settings.top_p * total
        # What lies below this is less than 1 - p together, so the set that reaches p has none of
        # it: of a large vocabulary only a small part is sorted.
        floor = max(floor, (total - goal) / len(weights))
    ranked = weights[weights >= floor]
    if 0 < settings.top_k < len(ranked):
        ranked.partition(len(ranked) - settings.top_k)
        ranked = ranked[-settings.top_k :]
    ranked.sort()
    n = len(ranked)
    if settings.top_p < 1:
        n = min(n, int(np.add.accumulate(ranked[::-1]).searchsorted(goal)) + 1)
    least = ranked[-n]
    weights[weights < least] = 0
    if (surplus := np.count_nonzero(weights) - n) > 0:
        weights[np.flatnonzero(weights == least)[-surplus:]] = 0


def probabilities(logits: torch.Tensor | Row, settings: SamplingSettings) -> NDArray[np.float64]:
    """The distribution that is drawn from, shape (V,), after every filter; it sums to 1.

    Raises
    ------
    ValueError
        If the largest of the logits is infinite or not a number.
    """
    row = as_row(logits)
    if settings.temperature == 0:
        one = np.zeros(len(row))
        one[row.argmax()] = 1.0
        return one
    weights = _weights(row, settings.temperature)
    if settings.top_p < 1 or settings.top_k or settings.min_p:
        _filter(weights, settings)
    weights /= weights.sum()
    return weights


def choose(
    logits: torch.Tensor | Row,
    settings: SamplingSettings,
    rng: np.random.Generator,
    *,
    used: Collection[int] = (),
    banned: Collection[int] = (),
) -> int:
    """Draw the next id.

    Parameters
    ----------
    logits : Tensor or array, shape (V,)
        They stay as they were.
    settings : SamplingSettings
    rng : numpy.random.Generator
        The request's own.
    used : collection of int
        Ids the repetition penalty looks at.
    banned : collection of int
        Ids that must not be drawn, such as special tokens; a frozenset is looked up fastest.

    Raises
    ------
    ValueError
        If every id is banned, or if the logits are not numbers.
    """
    row = as_row(logits)
    if settings.repetition_penalty != 1.0:
        row = penalise(row, used, settings.repetition_penalty)
    if banned:
        row = row.copy()
        row[_index(frozenset(banned))] = -np.inf
        if row[row.argmax()] == -np.inf:
            raise ValueError(f"banned holds all {len(row)} ids; none is left to draw")
    if settings.temperature == 0:
        return int(row.argmax())
    weights = _weights(row, settings.temperature)
    if settings.top_p < 1 or settings.top_k or settings.min_p:
        _filter(weights, settings)
    # Inversion: an id is drawn where the running sum first passes a uniform share of the whole.
    reached = np.add.accumulate(weights)
    return int(reached.searchsorted(rng.random() * reached[-1], "right"))
