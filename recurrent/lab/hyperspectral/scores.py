"""How well a map of classes agrees with the truth: overall and average accuracy, Cohen's kappa.

Classes are numbered from 0 here; which pixels are scored is the split's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def confusion(truth: Ints, found: Ints, n_classes: int) -> Ints:
    """Count the pixels of each true class (rows) by the class they were given (columns).

    Parameters
    ----------
    truth, found : int arrays, shape (N,)
        Classes from 0 to `n_classes - 1`.

    Returns
    -------
    int array, shape (n_classes, n_classes)

    Raises
    ------
    ValueError
        If the shapes differ, or a class is out of range.
    """
    if truth.shape != found.shape or truth.ndim != 1 or not truth.size:
        raise ValueError(f"truth has shape {truth.shape}, found {found.shape}; expected one (N,)")
    both = np.concatenate([truth, found])
    if both.min() < 0 or both.max() >= n_classes:
        raise ValueError(
            f"classes run from {both.min()} to {both.max()}; expected 0 to {n_classes - 1}"
        )
    counts = np.bincount(truth * n_classes + found, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


@dataclass(frozen=True, slots=True)
class Scores:
    """What is told of one map.

    Attributes
    ----------
    overall : float
        The share of pixels that were given their true class (OA).
    average : float
        The mean of the classes' own accuracies (AA): a rare class counts like a common one.
    kappa : float
        Cohen's kappa (Cohen 1960): agreement beyond what two maps with these class sizes reach by
        chance, 0 for chance, 1 for identity. Not a number if both maps hold one and the same class.
    by_class : tuple of float
        The share of each class's pixels that was found; not a number where it has no pixel.
    """

    overall: float
    average: float
    kappa: float
    by_class: tuple[float, ...]


def score(counts: Ints) -> Scores:
    """The scores of a confusion matrix, rows truth, columns what was found."""
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.sum():
        raise ValueError(f"counts of shape {counts.shape} are no confusion matrix with a pixel")
    total = int(counts.sum())
    right, of_class = np.diag(counts), counts.sum(1)
    by_class = np.full(len(counts), np.nan)
    present = of_class > 0
    by_class[present] = right[present] / of_class[present]
    overall = float(right.sum() / total)
    by_chance = float((of_class / total) @ (counts.sum(0) / total))
    kappa = (overall - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")
    return Scores(overall, float(by_class[present].mean()), kappa, tuple(by_class.tolist()))


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean of a figure over several seeds, its least, its greatest and its deviation."""

    mean: float
    low: float
    high: float
    deviation: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of some figures; the deviation is that of a sample (n - 1), 0 for a single one."""
    if not values:
        raise ValueError("values=() holds nothing; expected at least one figure")
    x = np.asarray(values, dtype=np.float64)
    deviation = float(x.std(ddof=1)) if len(x) > 1 else 0.0
    return Spread(float(x.mean()), float(x.min()), float(x.max()), deviation)
