"""Maps of classes, splits and scenes as PNG."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from recurrent.lab.hyperspectral.splits import Split

Colour = tuple[int, int, int]
UNLABELLED: Colour = (32, 32, 36)
_KNOWN: dict[str, Colour] = {
    "tree": (34, 120, 60),
    "water": (60, 130, 200),
    "soil": (214, 176, 110),
    "road": (150, 150, 156),
}
_SIDE = 400  # pixels a drawn map has on its longer side, at least
_ROW = 26  # height of a line of the legend


@dataclass(frozen=True, slots=True)
class ClassMap:
    """A map of classes: ids (H, W), 0 where there is none, and the names and colours from 1."""

    ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    colours: tuple[Colour, ...]


def colours_of(names: Sequence[str]) -> tuple[Colour, ...]:
    """A colour for each class: hues a golden angle apart, in three strengths by turns."""
    colours = []
    for i, name in enumerate(names):
        r, g, b = colorsys.hsv_to_rgb(
            (0.07 + 0.61803 * i) % 1, (0.75, 0.5, 0.9)[i % 3], (0.85, 0.95, 0.6)[i // 3 % 3]
        )
        colours.append(_KNOWN.get(name, (round(255 * r), round(255 * g), round(255 * b))))
    return tuple(colours)


def draw_map(shown: ClassMap, path: Path) -> Path:
    """Draw a map of classes, each pixel as a square."""
    palette = np.array([UNLABELLED, *shown.colours], dtype=np.uint8)
    return _save(palette[shown.ids], path)


def draw_split(split: Split, path: Path) -> Path:
    """Draw the training pixels white, the test pixels blue, the margin and the rest dark."""
    palette = np.array([UNLABELLED, (60, 110, 190), (255, 255, 255)], dtype=np.uint8)
    return _save(palette[np.where(split.train, 2, split.test.astype(np.int64))], path)


def draw_scene(cube: npt.NDArray[np.float32], path: Path) -> Path:
    """Draw three bands of a cube (H, W, C), a long, a middle and a short one, as red, green, blue.

    Each is stretched from its 2nd to its 98th percentile.
    """
    n_bands = cube.shape[2]
    picture = cube[..., [round(share * (n_bands - 1)) for share in (0.25, 0.12, 0.04)]]
    low, high = np.percentile(picture, (2, 98), axis=(0, 1))
    stretched = np.clip((picture - low) / np.maximum(high - low, 1e-9), 0, 1)
    return _save((255 * stretched).astype(np.uint8), path)


def draw_legend(names: Sequence[str], colours: Sequence[Colour], path: Path) -> Path:
    """Draw a square of its colour and its name for each class, below each other."""
    font = ImageFont.load_default(size=15)
    width = 48 + max(round(font.getlength(name)) for name in names)
    image = Image.new("RGB", (width, _ROW * len(names) + 8), "white")
    draw = ImageDraw.Draw(image)
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        top = 4 + _ROW * i
        draw.rectangle((8, top + 3, 28, top + _ROW - 4), fill=colour, outline=(90, 90, 90))
        draw.text((38, top + _ROW // 2), name, fill=(20, 20, 20), font=font, anchor="lm")
    image.save(path)
    return path


def _save(pixels: npt.NDArray[np.uint8], path: Path) -> Path:
    scale = max(1, -(-_SIDE // max(pixels.shape[:2])))
    large = pixels.repeat(scale, 0).repeat(scale, 1)
    Image.fromarray(np.ascontiguousarray(large)).save(path)
    return path
