"""What a network has to beat: forecasts without learning, and one that copies with fitted odds.

Every forecast takes the given frames (N, T, H, W) and gives the next `n` of them, (N, n, H, W).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

Floats = npt.NDArray[np.float32]


def copy_last(given: Floats, n: int) -> Floats:
    """The last frame, over and over: what nothing that moves should lose to."""
    return np.repeat(given[:, -1:], n, axis=1)


def linear_motion(given: Floats, n: int, *, span: int = 3, reach: int = 4) -> Floats:
    """Each object of the last frame goes on as it went over the last `span` steps.

    An object is a piece of the last frame that hangs together; its way is the whole number of
    pixels, up to `reach` a step, that best carries the earlier frame onto it. Pieces that overlap
    or bounce are what it gets wrong.

    Raises
    ------
    ValueError
        If fewer than two frames are given, or `span` or `reach` is below 1.
    """
    if given.shape[1] < 2 or span < 1 or reach < 1:
        raise ValueError(
            f"given has {given.shape[1]} frames, span={span}, reach={reach}; expected at least 2 "
            "frames, 1 and 1"
        )
    span = min(span, given.shape[1] - 1)
    return np.stack([_move_objects(movie, n, span, span * reach) for movie in given])


def _move_objects(movie: Floats, n: int, span: int, farthest: int) -> Floats:
    last, before = movie[-1], np.pad(movie[-1 - span], farthest)
    pieces, n_pieces = label(last > 0.5)
    forecast = np.zeros((n, *last.shape), np.float32)
    steps = np.arange(1, n + 1)
    ways = sorted(
        product(range(-farthest, farthest + 1), repeat=2), key=lambda way: way[0] ** 2 + way[1] ** 2
    )
    for piece in range(1, n_pieces + 1):
        rows, columns = np.nonzero(pieces == piece)
        values = last[rows, columns]
        # The object was at (row - way) before; ties go to the shortest way.
        down, right = np.array(ways).T[:, :, None]  # each (ways, 1)
        earlier = before[rows - down + farthest, columns - right + farthest]  # (ways, pixels)
        best = ways[int(np.abs(earlier - values).mean(1).argmin())]
        for t in steps:
            row = rows + round(best[0] * t / span)
            column = columns + round(best[1] * t / span)
            seen = (row >= 0) & (row < last.shape[0]) & (column >= 0) & (column < last.shape[1])
            place = (t - 1, row[seen], column[seen])
            forecast[place] = np.maximum(forecast[place], values[seen])
    return forecast


def kept_velocity(given: Floats, n: int, reach: int = 1) -> Floats:
    """Every pixel goes on with each whole velocity at which it has been lit in all given frames.

    This rule knows that things keep their velocity and go at most `reach` pixels a step along an
    axis; nobody told the networks. What came in over the border in the meantime escapes it.
    """
    lit = given > 0.5  # (N, T, H, W)
    n_movies, n_frames, height, width = lit.shape
    forecast = np.zeros((n_movies, n, height, width), np.float32)
    for velocity in product(range(-reach, reach + 1), repeat=2):
        going = lit[:, -1]
        for ago in range(1, n_frames):
            going = going & _moved(lit[:, -1 - ago], velocity, ago)
        for t in range(1, n + 1):
            forecast[:, t - 1] += _moved(going, velocity, t)
    return np.minimum(forecast, 1)


def _moved(
    frames: npt.NDArray[np.bool_], velocity: tuple[int, ...], steps: int
) -> npt.NDArray[np.bool_]:
    """Frames (N, H, W) moved by a velocity so many times; what comes in at the border is dark."""
    far = steps * max(abs(v) for v in velocity)
    wide = np.pad(frames, ((0, 0), (far, far), (far, far)))
    top, left = (far - v * steps for v in velocity)
    return wide[:, top : top + frames.shape[1], left : left + frames.shape[2]]


def copy_odds(frames: Floats, following: Floats) -> tuple[float, float]:
    """The share of pixels lit in the next frame, where this one is dark and where it is lit.

    With these in place of 0 and 1, copying the last frame has its least cross entropy.

    Parameters
    ----------
    frames, following : arrays of one shape
        Training frames, and the clean frame after each.
    """
    lit = frames > 0.5
    return float(following[~lit].mean()), float(following[lit].mean())
