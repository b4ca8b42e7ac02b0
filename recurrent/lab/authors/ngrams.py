"""The baseline to beat: logistic regression on TF-IDF of character n-grams.

For authorship it is a strong one (Stamatatos 2009; Kestemont et al. 2018 took it as the baseline of
their shared task): n-grams see function words, endings and punctuation alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to set the baseline up: the n-grams' lengths and the inverse of the penalty."""

    shortest: int
    longest: int
    c: float


# The likeliest to win first. As many as the networks have variants, three, would be fair.
TRIALS = (
    Trial(2, 5, 100.0), Trial(2, 5, 10.0), Trial(2, 5, 1000.0), Trial(1, 4, 100.0),
    Trial(1, 4, 10.0), Trial(1, 4, 1000.0),
)  # fmt: skip
MOST_FEATURES = 100_000


class NGrams:
    """A fitted baseline."""

    def __init__(self, vectorizer: Any, regression: Any, trial: Trial) -> None:
        self._vectorizer, self._regression, self.trial = vectorizer, regression, trial

    @property
    def n_features(self) -> int:
        """Distinct n-grams it knows."""
        return len(self._vectorizer.vocabulary_)

    def probabilities(self, texts: Sequence[str]) -> Matrix:
        """Of each author (N, V)."""
        found: Matrix = self._regression.predict_proba(self._vectorizer.transform(texts))
        return found


def tune(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    valid_texts: Sequence[str],
    valid_labels: npt.NDArray[np.int64],
    *,
    trials: Sequence[Trial] = TRIALS,
    max_iter: int = 40,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Trial, float, NGrams]]:
    """Fit one after another and say how many of the validation texts each gets right.

    Yields
    ------
    (Trial, float, NGrams)
        The trial, its validation accuracy and the best fitted so far.
    """
    best: tuple[float, NGrams] | None = None
    seen: tuple[int, int] | None = None
    for trial in trials:
        if stopped() and best is not None:
            return
        if seen != (trial.shortest, trial.longest):
            seen = (trial.shortest, trial.longest)
            vectorizer = TfidfVectorizer(
                analyzer="char", ngram_range=seen, min_df=3, sublinear_tf=True, lowercase=False,
                max_features=MOST_FEATURES, dtype=np.float32,
            )  # fmt: skip
            x, x_valid = vectorizer.fit_transform(texts), vectorizer.transform(valid_texts)
        # scikit-learn's tolerance is of a gradient divided by the rows: its default stops at once.
        regression = LogisticRegression(C=trial.c, max_iter=max_iter, tol=1e-7)
        with warnings.catch_warnings():
            # Stopping before the last digit is a kind of penalty, and measured like the others.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(x, labels)
        right = float((regression.predict(x_valid) == valid_labels).mean())
        if best is None or right > best[0]:
            best = right, NGrams(vectorizer, regression, trial)
        yield trial, right, best[1]
