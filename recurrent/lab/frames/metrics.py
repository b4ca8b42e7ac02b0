"""How far a forecast is from the truth: cross entropy, squared error, SSIM and overlap, per step.

Every function takes frames (N, T, H, W) in 0..1 and gives one value for each step, the mean over
the N movies; the mean of these is the mean over all frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

Frames = npt.NDArray[Any]
PerStep = npt.NDArray[np.float64]

_WINDOW = 7


def _check(forecast: Frames, truth: Frames) -> tuple[PerStep, PerStep]:
    if forecast.shape != truth.shape or truth.ndim != 4 or 0 in truth.shape:
        raise ValueError(
            f"forecast has shape {forecast.shape} and truth {truth.shape}; expected the same "
            "(N, T, H, W), none of them 0"
        )
    return forecast.astype(np.float64), truth.astype(np.float64)


def bce(forecast: Frames, truth: Frames, least: float = 1e-7) -> PerStep:
    """Binary cross entropy in nats per pixel, (T,); no probability counts as below `least`."""
    p, q = _check(forecast, truth)
    p = p.clip(least, 1 - least)
    return np.asarray(-(q * np.log(p) + (1 - q) * np.log(1 - p)).mean((0, 2, 3)))


def mse(forecast: Frames, truth: Frames) -> PerStep:
    """Squared error summed over the pixels of a frame, (T,), as Moving MNIST is scored."""
    p, q = _check(forecast, truth)
    return np.asarray(((p - q) ** 2).sum((2, 3)).mean(0))


def iou(forecast: Frames, truth: Frames, threshold: float = 0.5) -> PerStep:
    """Intersection over union of the pixels above a threshold, (T,); 1 where both are empty."""
    p, q = (part > threshold for part in _check(forecast, truth))
    union = (p | q).sum((2, 3))
    both = (p & q).sum((2, 3))
    return np.asarray(np.where(union == 0, 1.0, both / np.maximum(union, 1)).mean(0))


def ssim(forecast: Frames, truth: Frames) -> PerStep:
    """Structural similarity (Wang et al. 2004, eq. 13), (T,).

    Windows of 7x7 weighted evenly, all that lie inside the frame, unbiased variances, K1 = 0.01,
    K2 = 0.03 and a range of 1: the defaults of scikit-image, told the range. Public scores that
    leave the range out take 2 for it and come out higher.

    Raises
    ------
    ValueError
        If the shapes differ, or a frame is smaller than a window.
    """
    p, q = _check(forecast, truth)
    if min(p.shape[2:]) < _WINDOW:
        raise ValueError(f"frames of {p.shape[2]}x{p.shape[3]} are smaller than 7x7")
    reach = _WINDOW // 2
    inside = np.s_[:, :, reach:-reach, reach:-reach]

    def mean(a: PerStep) -> PerStep:
        return np.asarray(uniform_filter(a, (1, 1, _WINDOW, _WINDOW)))[inside]

    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    mean_p, mean_q = mean(p), mean(q)
    var_p = unbiased * (mean(p * p) - mean_p**2)
    var_q = unbiased * (mean(q * q) - mean_q**2)
    cov = unbiased * (mean(p * q) - mean_p * mean_q)
    c1, c2 = 0.01**2, 0.03**2
    upper = (2 * mean_p * mean_q + c1) * (2 * cov + c2)
    lower = (mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2)
    return np.asarray((upper / lower).mean((0, 2, 3)))
