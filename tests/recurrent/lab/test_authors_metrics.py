"""Scores worked by hand, and calibration that mends what was made wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from recurrent.lab.authors.metrics import (
    calibration_error,
    confused_pairs,
    confusion,
    difference_interval,
    f1_scores,
    fit_temperature,
    separation,
    top_k,
)


def test_top_k_by_hand() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0]])
    labels = np.array([1, 0])
    assert [top_k(scores, labels, k) for k in (1, 2, 3)] == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="k=4 must be at least 1 and at most 3"):
        top_k(scores, labels, 4)


def test_f1_and_confusions_by_hand() -> None:
    counts = confusion(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    # Precision 1, recall 1/2; precision 2/3, recall 1; never seen.
    assert f1_scores(counts) == pytest.approx([2 / 3, 0.8, 0.0])
    assert confused_pairs(counts, ["a", "b", "c"]) == [("a", "b", 1)]


def test_calibration_error_by_hand() -> None:
    sure = np.array([[0.95, 0.05]] * 3 + [[0.55, 0.45]])
    labels = np.array([0, 0, 1, 0])
    # Bin of 0.95: three rows, two right; bin of 0.55: one row, right.
    expected = 0.75 * abs(0.95 - 2 / 3) + 0.25 * abs(0.55 - 1)
    assert calibration_error(sure, labels) == pytest.approx(expected)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 5), st.integers(0, 50))
def test_the_temperature_undoes_what_logits_were_multiplied_by(scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    honest = log_softmax(random.normal(size=(400, 3)) * 2, axis=1)
    labels = np.array([random.choice(3, p=np.exp(row)) for row in honest])
    plain = fit_temperature(honest, labels)
    assert fit_temperature(honest * scale, labels) == pytest.approx(plain * scale, rel=1e-3)
    assert 0.6 < plain < 1.6


def test_separation_counts_pairs() -> None:
    assert separation(np.array([0.9, 0.8]), np.array([0.1])) == 1.0
    assert separation(np.array([0.5]), np.array([0.5, 0.9])) == 0.25


def test_the_interval_of_a_difference_holds_it() -> None:
    ours = np.array([True] * 90 + [False] * 10)
    theirs = np.array([True] * 60 + [False] * 40)
    low, high = difference_interval(ours, theirs, seed=0)
    assert 0 < low < 0.3 < high < 1
    assert difference_interval(ours, ours, seed=0) == (0.0, 0.0)
