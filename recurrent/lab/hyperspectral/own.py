"""A person's own scene: a cube and its labels from one .mat file or from two .mat or .npy files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpora.errors import InputError
from recurrent.lab.hyperspectral.files import (
    Array,
    Listed,
    list_arrays,
    read_array,
    read_labels,
)
from recurrent.lab.hyperspectral.scenes import Scene, load_jasper

MOST_CLASSES = 64


@dataclass(frozen=True, slots=True)
class SceneFile:
    """What a file could be used for.

    Attributes
    ----------
    arrays : tuple of Listed
        All that is in it.
    cubes, maps : tuple of str
        The names of those that could be a cube (three axes) and a map of labels (two axes).
    is_unmixing : bool
        Whether it has the form in which Jasper Ridge is published, cube and abundances.
    """

    arrays: tuple[Listed, ...]
    cubes: tuple[str, ...]
    maps: tuple[str, ...]
    is_unmixing: bool


def inspect_scene(path: Path) -> SceneFile:
    """Look into a file without reading its data.

    Raises
    ------
    InputError
        If it cannot be read; see `files.list_arrays`.
    """
    arrays = tuple(list_arrays(path))
    by_axes = {
        n: tuple(a.key for a in arrays if a.is_numbers and len(a.shape) == n and min(a.shape) > 1)
        for n in (2, 3)
    }
    unmixing = {"Y", "A", "nRow", "nCol"} <= {a.key for a in arrays}
    return SceneFile(arrays, by_axes[3], by_axes[2], unmixing)


def load_scene(
    cube: Path, labels: Path | None = None, *, cube_key: str = "", label_key: str = ""
) -> Scene:
    """Read a scene from a person's files.

    Parameters
    ----------
    cube : Path
        .mat or .npy with an array (H, W, C); (C, H, W) is recognised by the shape of the labels.
        Or one .mat file in the form of Jasper Ridge.
    labels : Path, optional
        .mat or .npy with whole numbers (H, W), 0 for unlabelled; None: in the same .mat file.
    cube_key, label_key : str
        Names of the arrays in .mat files; needed only where several could be meant.

    Raises
    ------
    InputError
        If a file or array is missing or unfit, saying which, and what was expected.
    """
    inside = inspect_scene(cube)
    if labels is None and inside.is_unmixing:
        return load_jasper(cube)
    if labels is None and cube.suffix.lower() == ".npy":
        raise InputError(f"{cube} holds one array; expected a second file with its labels.")
    light = read_array(cube, cube_key or _only(cube, inside.cubes, "cube", "three axes"))
    classes = read_labels(
        labels or cube,
        [label_key or _only(labels or cube, inspect_scene(labels or cube).maps, "map", "two axes")],
    )
    numbered, names = _numbered(labels or cube, classes)
    return Scene(cube.stem, _upright(cube, light, numbered.shape), numbered, names)


def _only(path: Path, keys: tuple[str, ...], what: str, axes: str) -> str:
    if len(keys) != 1:
        raise InputError(
            f"{path} holds {len(keys)} arrays that could be the {what} ({', '.join(keys) or 'none'}"
            f"); expected one with {axes}. Name the array that is meant."
        )
    return keys[0]


def _upright(path: Path, light: Array, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """The cube as (H, W, C)."""
    if light.ndim == 3 and light.shape[:2] != shape and light.shape[1:] == shape:
        light = light.transpose(1, 2, 0)
    if light.ndim != 3 or light.shape[:2] != shape:
        raise InputError(
            f"{path} holds a cube of shape {light.shape}, its labels are {shape}; expected "
            "(rows, columns, bands) and the same (rows, columns)."
        )
    return np.ascontiguousarray(light, dtype=np.float32)


def _numbered(
    path: Path, labels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """The labels numbered without gaps, and a name for each that says its old number."""
    classes, places = np.unique(labels, return_inverse=True)
    has_unlabelled = classes[0] == 0
    named = classes[1:] if has_unlabelled else classes
    if not 2 <= len(named) <= MOST_CLASSES:
        raise InputError(
            f"{path} has {len(named)} classes; expected 2 to {MOST_CLASSES} (0 is unlabelled)."
        )
    numbered = places.reshape(labels.shape).astype(np.int64) + (0 if has_unlabelled else 1)
    return numbered, tuple(f"class {c}" for c in named)
