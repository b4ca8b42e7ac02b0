"""What the page does with a trained network: go on with a movie a person drew or chose."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from corpora.errors import InputError
from recurrent.lab.frames.model import WEIGHTS, Forecaster, NextFrame, load

Floats = npt.NDArray[np.float32]
STARTER = Path(__file__).parent / "starter"
"""A folder for `predict` that is always here: a network of squares, see its README."""
_MOST = 200  # frames; what a network says feeds on itself, and soon means nothing


def predict(folder: Path, movie: npt.ArrayLike, n: int) -> Floats:
    """Go on with a movie, with the network a run wrote into its folder.

    Parameters
    ----------
    folder : Path
    movie : array, shape (T, H, W)
        At least one frame of at least 8x8; pixels in 0..1, 1 where something is. Two frames are
        needed to see a motion.
    n : int
        Frames to forecast, 1 to 200.

    Returns
    -------
    array, shape (n, H, W)
        For each pixel the probability that it is lit.

    Raises
    ------
    ValueError
        If `n` is out of range.
    InputError
        If the movie cannot be read as frames in 0..1, or of that size by this network.
    ModelError
        If the folder holds no network.
    """
    if not 1 <= n <= _MOST:
        raise ValueError(f"n={n} must be between 1 and {_MOST}")
    model = _loaded(folder.resolve(), _stamp(folder))
    frames = _checked(movie, model.patch)
    with torch.inference_mode():
        return np.asarray(model.forecast(torch.from_numpy(frames)[None], n)[0].numpy())


def _stamp(folder: Path) -> int:
    """What changes when the weights do: a page that trains again must not show the old ones."""
    weights = folder / WEIGHTS
    return weights.stat().st_mtime_ns if weights.is_file() else 0


@functools.lru_cache(maxsize=4)
def _loaded(folder: Path, stamp: int) -> NextFrame | Forecaster:
    return load(folder)


def _checked(movie: npt.ArrayLike, patch: int) -> Floats:
    try:
        frames = np.array(movie, np.float32)
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"The movie is no array of numbers ({problem}); expected frames (T, H, W) in 0..1."
        ) from problem
    if frames.ndim != 3 or len(frames) < 1 or min(frames.shape[1:]) < 8:
        raise InputError(
            f"The movie has shape {frames.shape}; expected (T, H, W): at least one frame of at "
            "least 8x8 pixels."
        )
    if not np.isfinite(frames).all() or frames.min() < 0 or frames.max() > 1:
        raise InputError(
            f"The movie holds values from {frames.min():g} to {frames.max():g}; expected 0 to 1. "
            "Divide pixels by 255."
        )
    if frames.shape[1] % patch or frames.shape[2] % patch:
        raise InputError(
            f"The movie has frames of {frames.shape[1]}x{frames.shape[2]}; this network reads "
            f"patches of {patch}x{patch}. Cut or pad the frames to a multiple of {patch}."
        )
    return frames
