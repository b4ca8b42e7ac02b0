"""The baseline: a support vector machine with a radial kernel, on one spectrum for each pixel.

The spectrum is the pixel's own, or the mean over its patch, which sees the surroundings in the
simplest way there is. C and gamma are chosen by cross-validation inside the training pixels.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from scipy.spatial.distance import cdist
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4)
WIDTHS = (1 / 64, 1 / 16, 1 / 4, 1.0, 4.0)  # gamma times the number of bands
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """A trained machine, what was chosen, and the accuracy that chose it (NaN: no choice)."""

    svc: SVC
    penalty: float
    gamma: float
    accuracy: float

    def classify(self, spectra: Floats) -> Ints:
        """The classes of spectra (N, C)."""
        return np.asarray(self.svc.predict(spectra), dtype=np.int64)


def mean_spectra(cube: Floats, window: int) -> Floats:
    """Each pixel's spectrum replaced by the mean over the window around it, (H, W, C)."""
    means: Floats = uniform_filter(cube, size=(window, window, 1), mode="mirror")
    return means


def choose_machine(
    spectra: Floats, labels: Ints, *, seed: int = 0
) -> Generator[float, None, Machine]:
    """Try each C and gamma by cross-validation and train with the best on all pixels.

    The first of equals wins, the smaller C before the larger. Where some class has a single pixel
    nothing can be held out, and the middle of the grid is taken.

    Parameters
    ----------
    spectra : float32 array, shape (N, C)
        In comparable units.
    labels : int array, shape (N,)

    Yields
    ------
    float
        The share of the choices that is tried.

    Returns
    -------
    Machine
    """
    folds = min(FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
    best, penalty, width = float("nan"), PENALTIES[2], WIDTHS[2]
    if folds >= 2:
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
        split = list(parts.split(spectra, labels))
        grid = [(c, w) for c in PENALTIES for w in WIDTHS]
        # The distances are the costly part of the kernel, and the same for all choices.
        apart = cdist(spectra, spectra, "sqeuclidean") / spectra.shape[1]  # (N, N)
        for tried, (c, w) in enumerate(grid, 1):
            right, kernel = 0, np.exp(-w * apart)
            for learn, held in split:
                machine = SVC(C=c, kernel="precomputed")
                machine.fit(kernel[np.ix_(learn, learn)], labels[learn])
                found = machine.predict(kernel[np.ix_(held, learn)])
                right += int((found == labels[held]).sum())
            if not right / len(labels) <= best:
                best, penalty, width = right / len(labels), c, w
            yield tried / len(grid)
    gamma = width / spectra.shape[1]
    return Machine(SVC(C=penalty, gamma=gamma).fit(spectra, labels), penalty, gamma, best)
