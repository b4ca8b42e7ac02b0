"""Hyperspectral scenes: a cube of light by row, column and band, and a class for some pixels.

Jasper Ridge, Indian Pines, Salinas and Pavia University are read from the files they are published
in, from the folder `hyperspectral/` of LETTERPRESS_DATA. A person's own files are the business of
`files`, scenes made by chance of `synthetic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpora.errors import InputError
from recurrent.lab.hyperspectral.files import Array, read_array, read_labels, whole_numbers

FOLDER = "hyperspectral"


@dataclass(frozen=True, slots=True)
class Scene:
    """A cube and what is known of its pixels.

    Attributes
    ----------
    name : str
    cube : float32 array, shape (H, W, C)
        C bands, in the sensor's own units.
    labels : int array, shape (H, W)
        0 is unlabelled; class c is `names[c - 1]`.
    names : tuple of str
    """

    name: str
    cube: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.cube.ndim != 3 or self.labels.shape != self.cube.shape[:2]:
            raise ValueError(
                f"labels={self.labels.shape} and cube={self.cube.shape} do not belong together; "
                "expected (H, W) and (H, W, C)"
            )
        if self.labels.min() < 0 or self.labels.max() > len(self.names):
            raise ValueError(
                f"labels run from {self.labels.min()} to {self.labels.max()}; "
                f"names={self.names} allows 0 to {len(self.names)}"
            )

    @property
    def n_bands(self) -> int:
        return int(self.cube.shape[2])

    @property
    def n_classes(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Published:
    """How a public scene is published: file names, the arrays in them, their shape, its classes."""

    title: str
    cube_file: str
    cube_key: str
    label_file: str
    label_keys: tuple[str, ...]
    shape: tuple[int, int, int]
    names: tuple[str, ...]


# As of the collection of the Computational Intelligence Group, University of the Basque Country.
PUBLISHED = {
    "indian-pines": Published(
        "Indian Pines", "Indian_pines_corrected.mat", "indian_pines_corrected",
        "Indian_pines_gt.mat", ("indian_pines_gt", "y"), (145, 145, 200),
        ("alfalfa", "corn, no till", "corn, min till", "corn", "grass, pasture", "grass, trees",
         "grass, mowed pasture", "hay, windrowed", "oats", "soybean, no till", "soybean, min till",
         "soybean, clean", "wheat", "woods", "buildings, grass, trees, drives",
         "stone and steel towers"),
    ),
    "salinas": Published(
        "Salinas", "Salinas_corrected.mat", "salinas_corrected",
        "Salinas_gt.mat", ("salinas_gt",), (512, 217, 204),
        ("broccoli weeds 1", "broccoli weeds 2", "fallow", "fallow, rough plough",
         "fallow, smooth", "stubble", "celery", "grapes, untrained", "vineyard soil",
         "senesced corn weeds", "romaine lettuce, 4 weeks", "romaine lettuce, 5 weeks",
         "romaine lettuce, 6 weeks", "romaine lettuce, 7 weeks", "vineyard, untrained",
         "vineyard, vertical trellis"),
    ),
    "pavia": Published(
        "Pavia University", "PaviaU.mat", "paviaU",
        "PaviaU_gt.mat", ("paviaU_gt",), (610, 340, 103),
        ("asphalt", "meadows", "gravel", "trees", "painted metal sheets", "bare soil", "bitumen",
         "self-blocking bricks", "shadows"),
    ),
}  # fmt: skip


def load_jasper(path: Path) -> Scene:
    """Jasper Ridge as published for unmixing: a pixel's class is its most abundant material.

    The file holds Y, bands by pixels, and A, materials by pixels, the pixels in MATLAB's order:
    down the first column, then down the second.

    Raises
    ------
    InputError
        If the file is missing, or its arrays are not those.
    """
    sizes = [whole_numbers(path, key, (1, 1)).item() for key in ("nRow", "nCol")]
    rows, columns = int(sizes[0]), int(sizes[1])
    light, abundance = read_array(path, "Y"), read_array(path, "A")
    for key, array in (("Y", light), ("A", abundance)):
        if array.ndim != 2 or array.shape[1] != rows * columns:
            raise InputError(
                f"{path}: {key} has shape {array.shape}; expected (bands or materials, "
                f"{rows * columns}) for {rows} rows and {columns} columns."
            )
    if len(abundance) == 4:
        names: tuple[str, ...] = ("tree", "water", "soil", "road")
    else:
        names = tuple(f"material {i}" for i in range(1, len(abundance) + 1))
    return Scene(
        "Jasper Ridge",
        _by_columns(light, rows, columns).astype(np.float32),
        _by_columns(abundance, rows, columns).argmax(2) + 1,
        names,
    )


def load_published(name: str, folder: Path) -> Scene:
    """A scene of `PUBLISHED` from a folder with its two files.

    Raises
    ------
    InputError
        If a file is missing, or the arrays in it have other names or shapes.
    ValueError
        If no such scene is known.
    """
    known = _published(name)
    cube = read_array(folder / known.cube_file, known.cube_key)
    _expect_shape(folder / known.cube_file, cube, known.shape)
    return Scene(known.title, cube.astype(np.float32), load_truth(name, folder), known.names)


def load_truth(name: str, folder: Path) -> npt.NDArray[np.int64]:
    """Only the labels of a scene of `PUBLISHED`, (H, W), 0 where there is none.

    Raises
    ------
    InputError, ValueError
        As `load_published`.
    """
    known = _published(name)
    path = folder / known.label_file
    labels = read_labels(path, known.label_keys)
    _expect_shape(path, labels, known.shape[:2])
    if labels.max() != len(known.names):
        raise InputError(
            f"{path} has classes up to {labels.max()}; {known.title} has {len(known.names)}."
        )
    return labels


def _published(name: str) -> Published:
    if name not in PUBLISHED:
        raise ValueError(f"name={name!r} must be one of {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


def _expect_shape(path: Path, array: Array, shape: Sequence[int]) -> None:
    if array.shape != tuple(shape):
        raise InputError(
            f"{path} holds an array of shape {array.shape}; expected {tuple(shape)}. "
            "Use the file as it was published."
        )


def _by_columns(array: Array, rows: int, columns: int) -> Array:
    """(C, rows * columns) in MATLAB's order as (rows, columns, C)."""
    return array.reshape(len(array), columns, rows).transpose(2, 1, 0)
