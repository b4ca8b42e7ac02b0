"""Frames as pictures: a strip of two movies one above the other, and a GIF of two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Frames = npt.NDArray[Any]
_GAP, _GREY = 2, 160


def to_gif(frames: Frames, path: Path, *, scale: int = 5, frame_ms: int = 250) -> Path:
    """Write frames (T, H, W) in 0..1 as a GIF that repeats for ever; returns the path.

    Parameters
    ----------
    frames : array
    path : Path
    scale : int
        Pixels of the picture for each pixel of a frame, at least 1.
    frame_ms : int
        How long a frame is seen, in milliseconds, at least 20.
    """
    if scale < 1 or frame_ms < 20:
        raise ValueError(f"scale={scale} must be at least 1 and frame_ms={frame_ms} at least 20")
    pictures = [_picture(_grey(frame), scale) for frame in _check(frames)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0)
    return path


def to_strip(rows: Sequence[Frames], path: Path, *, scale: int = 2) -> Path:
    """Write movies (T, H, W) one above the other as a PNG, time to the right; returns the path.

    A shorter movie ends where the longest does, so that a forecast stands below what came true.
    """
    if not rows:
        raise ValueError("rows is empty; expected at least one movie")
    movies = [_check(row) for row in rows]
    longest = max(len(movie) for movie in movies)
    height, width = movies[0].shape[1:]
    canvas = np.full(
        (len(movies) * (height + _GAP) - _GAP, longest * (width + _GAP) - _GAP), _GREY, np.uint8
    )
    for i, movie in enumerate(movies):
        for t, frame in enumerate(movie, longest - len(movie)):
            top, left = i * (height + _GAP), t * (width + _GAP)
            canvas[top : top + height, left : left + width] = _grey(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    _picture(canvas, scale).save(path)
    return path


def beside(given: Frames, truth: Frames, forecast: Frames) -> Frames:
    """Two movies side by side: what was given and came true, what was given and was forecast.

    Parameters
    ----------
    given : array, shape (T, H, W)
    truth, forecast : arrays, each (n, H, W)

    Returns
    -------
    array, shape (T + n, H, 2 W + 2)
    """
    left = np.concatenate((given, truth)).clip(0, 1)
    right = np.concatenate((given, forecast)).clip(0, 1)
    line = np.full((*left.shape[:2], _GAP), _GREY / 255)
    return np.concatenate((left, line, right), axis=2)


def _check(frames: Frames) -> Frames:
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"frames has shape {frames.shape}; expected (T, H, W), none of them 0")
    return frames


def _grey(frame: Frames) -> npt.NDArray[np.uint8]:
    return np.asarray((frame.clip(0, 1) * 255).round().astype(np.uint8))


def _picture(pixels: npt.NDArray[np.uint8], scale: int) -> Image.Image:
    picture = Image.fromarray(pixels)
    size = (picture.width * scale, picture.height * scale)
    return picture.resize(size, Image.Resampling.NEAREST)
