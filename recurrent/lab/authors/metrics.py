"""How often the right author is named, and how far a probability can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def top_k(scores: Floats, labels: Labels, k: int) -> float:
    """The share of rows whose label is among the `k` highest of their scores (N, V).

    >>> top_k(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), np.array([1, 2]), 1)
    0.5
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k={k} must be at least 1 and at most {scores.shape[1]}")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())


def confusion(guesses: Labels, labels: Labels, n: int) -> npt.NDArray[np.int64]:
    """How often author i (row) was taken for author j (column), (n, n)."""
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (labels, guesses), 1)
    return counts


def f1_scores(counts: npt.NDArray[np.int64]) -> Floats:
    """Each author's F1 from a confusion matrix; 0 for one who was neither meant nor named.

    >>> f1_scores(np.array([[1, 1], [0, 2]])).round(3).tolist()
    [0.667, 0.8]
    """
    both = counts.sum(axis=0) + counts.sum(axis=1)
    scores: Floats = 2 * np.diag(counts) / np.maximum(both, 1)
    return scores


def confused_pairs(
    counts: npt.NDArray[np.int64], classes: Sequence[str], n: int = 10
) -> list[tuple[str, str, int]]:
    """The most frequent mistakes: the author, whom they were taken for, how often."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:n]
    places = [divmod(int(i), len(classes)) for i in order]
    return [(classes[i], classes[j], int(wrong[i, j])) for i, j in places if wrong[i, j]]


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: float) -> float:
    """The mean over rows, in nats, of logits (N, V) divided by a temperature."""
    scaled = log_softmax(logits / temperature, axis=1)
    return -float(scaled[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """The temperature that makes held-out labels likeliest (Guo et al. 2017, section 4.2).

    Returns
    -------
    float
        From 0.05 to 20; above 1 where the logits were too sure of themselves.
    """
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(logits, labels, float(np.exp(log_t))),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(found.x))


def fit_scales(both: Floats, labels: Labels) -> tuple[float, float]:
    """What to multiply two systems' logits (2, N, V) by, so that their sum fits the labels best.

    Returns
    -------
    (float, float)
        From 0.01 to 100 each.
    """

    def loss(logs: Floats) -> float:
        first, second = np.exp(np.clip(logs, np.log(0.01), np.log(100)))
        return negative_log_likelihood(first * both[0] + second * both[1], labels, 1.0)

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 200})
    first, second = np.exp(np.clip(best.x, np.log(0.01), np.log(100)))
    return float(first), float(second)


def calibration_error(probabilities: Floats, labels: Labels, n_bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3), over equally wide bins.

    The mean gap between the probability given to the author named and how often that was right.

    >>> calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    0.4
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    gap = 0.0
    for b in range(n_bins):
        inside = bins == b
        if inside.any():
            gap += inside.mean() * abs(float(sure[inside].mean()) - float(right[inside].mean()))
    return round(float(gap), 12)


def separation(known: Floats, strange: Floats) -> float:
    """The chance that a known author's passage scores above a stranger's (area under the ROC).

    >>> separation(np.array([0.9, 0.4]), np.array([0.4, 0.1]))
    0.875
    """
    above = (known[:, None] > strange[None]).mean()
    return float(above + 0.5 * (known[:, None] == strange[None]).mean())


def difference_interval(
    ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_], *, seed: int, draws: int = 2000
) -> tuple[float, float]:
    """95% bootstrap interval of a difference in accuracy on the same passages."""
    gain = ours.astype(float) - theirs.astype(float)
    random = np.random.default_rng(seed)
    means = [gain[random.integers(0, len(gain), len(gain))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
