"""A film to look at: squares that a person placed, and truth beside forecast, frame by frame.

The page moves through the frames by itself: each film is one picture with the frames side by side.
"""

from __future__ import annotations

import re
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.lab.drawn import bytes_uri
from corpora.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

SIDE, MOST_SQUARES = 40, 8
EXAMPLE = "8 20 1 0 4\n30 10 -1 1 6"
EXPLAINED = (
    "A square in each line: column and row of its upper left corner (0 to 39), columns and rows it "
    "goes in a frame (-3 to 3), and its side (2 to 12)."
)


def read_squares(text: str) -> list[tuple[int, ...]]:
    """Squares as `EXPLAINED` describes them.

    Raises
    ------
    InputError
        Naming the line that is none.
    """
    found: list[tuple[int, ...]] = []
    for number, line in enumerate(text.strip().splitlines(), 1):
        if not line.strip():
            continue
        cells = re.split(r"[\s,;]+", line.strip())
        limits = ((0, SIDE - 1), (0, SIDE - 1), (-3, 3), (-3, 3), (2, 12))
        try:
            values = tuple(int(cell) for cell in cells)
        except ValueError:
            values = ()
        if len(values) != 5 or any(
            not low <= value <= high for value, (low, high) in zip(values, limits, strict=True)
        ):
            raise InputError(
                f"Line {number} is {line.strip()[:40]!r}; expected five whole numbers such as "
                f"{EXAMPLE.splitlines()[0]!r}. {EXPLAINED}"
            )
        found.append(values)
    if not 1 <= len(found) <= MOST_SQUARES:
        raise InputError(f"There are {len(found)} squares; expected 1 to {MOST_SQUARES}.")
    return found


def draw(squares: list[tuple[int, ...]], n_frames: int) -> Frames:
    """The film (T, 40, 40) of squares that go straight on."""
    frames = np.zeros((n_frames, SIDE, SIDE), np.float32)
    for x, y, dx, dy, side in squares:
        for t in range(n_frames):
            left, top = x + dx * t, y + dy * t
            frames[
                t, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)
            ] = 1.0  # fmt: skip
    return frames


def film_html(given: Frames, truth: Frames, forecast: Frames) -> str:
    """Truth and forecast side by side with a scrubber below them."""
    n = len(given) + len(forecast)
    films = (
        ("What comes", np.concatenate((given, truth))),
        ("The forecast", np.concatenate((given, forecast))),
    )
    screens = "".join(
        f'<figure><figcaption>{label}</figcaption><div class="lp-film-screen" role="img" '
        f'aria-label="{label}, frame by frame" style="background-image:url({_strip(frames)})">'
        "</div></figure>"
        for label, frames in films
    )
    first = len(given)
    return (
        f'<div class="lp-film" data-given="{len(given)}" style="--lp-frame:{first};'
        f'--lp-frames:{n}"><div class="lp-film-screens">{screens}</div>'
        f'<label class="lp-film-bar">Frame <input class="lp-film-scrub" type="range" min="0" '
        f'max="{n - 1}" value="{first}" step="1"></label>'
        f"<output>Frame {first + 1} of {n}: forecast</output></div>"
    )


def gif_bytes(given: Frames, truth: Frames, forecast: Frames) -> bytes:
    """Both side by side as a GIF."""
    from recurrent.lab.frames import beside, to_gif

    with tempfile.TemporaryDirectory(prefix="letterpress-") as folder:
        return to_gif(beside(given, truth, forecast), Path(folder) / "film.gif").read_bytes()


def _strip(frames: Frames) -> str:
    """All frames side by side as a data: address; no gap, so that each is as wide as a screen."""
    import io

    from PIL import Image

    pixels = (np.concatenate(list(frames.clip(0, 1)), axis=1) * 255).round().astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return escape(bytes_uri(written.getvalue()), quote=True)
