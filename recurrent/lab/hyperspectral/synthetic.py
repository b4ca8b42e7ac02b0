"""Scenes made by chance whose classes differ in one thing only, to show what each network can see.

Both are laid out in the same kind of fields and have the same number of bands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.batching import rng
from recurrent.lab.hyperspectral.scenes import Scene

N_BANDS = 24
FIELD = 18  # side of a field in pixels
_Floats = npt.NDArray[np.float64]


def spatial_scene(size: int = 72, *, seed: int = 0, noise: float = 0.3) -> Scene:
    """Classes that differ only by what surrounds a pixel.

    Each field is woven from bright and dark cells, half and half: cells of 1 x 1, of 2 x 2, or of
    1 x 2 pixels lying or standing. A pixel alone is bright or dark by a coin's toss, whatever its
    class; and the mean over a window of odd side w differs from grey by 1 / w^2 of a cell, in all
    classes the same. Only the arrangement tells them apart, and it survives flips and rotations.

    Parameters
    ----------
    size : int
        Rows and columns, at least 24.
    noise : float
        Deviation of the noise of each value, where bright and dark are +1 and -1.
    """
    chance = rng(seed, 11)
    labels, fields = _fields(size, 3, chance)
    rows, columns = np.indices((size, size))
    weave = np.empty((size, size))
    for field in range(int(fields.max()) + 1):
        here = fields == field
        kind = int(labels[here][0])
        heights = {1: (1, 1), 2: (2, 2), 3: (1, 2)}[kind]
        down, across = heights if chance.random() < 0.5 else heights[::-1]
        # The weave begins anywhere, so that a place in the scene says nothing.
        shift_down, shift_across = chance.integers(0, 4, size=2)
        cells = (rows + shift_down) // down + (columns + shift_across) // across
        weave[here] = np.where(cells % 2, 1.0, -1.0)[here]
    spectrum = 1 + 0.5 * np.sin(np.linspace(0, 3, N_BANDS))
    cube = 5 * spectrum + weave[..., None] * spectrum
    cube = cube + noise * chance.standard_normal(cube.shape)
    names = ("cells 1 x 1", "cells 2 x 2", "cells 1 x 2")
    return Scene("Synthetic: by context", cube.astype(np.float32), labels, names)


def spectral_scene(size: int = 72, *, seed: int = 0, noise: float = 0.3) -> Scene:
    """Classes that differ only by the spectrum.

    A pixel is a common spectrum, brighter or darker by chance, with a shallow dip at bands that
    depend on its class. Brightness varies far more than the dips, so the first principal component,
    on which one would look at the scene as a picture, holds none of the classes; neighbours differ
    in nothing else.

    Parameters
    ----------
    size : int
        Rows and columns, at least 24.
    noise : float
        Deviation of the noise of each value, where a dip is 1 deep.
    """
    chance = rng(seed, 12)
    labels, _ = _fields(size, 3, chance)
    bands = np.arange(N_BANDS)
    common = np.ones(N_BANDS)
    dips = np.stack([-np.exp(-0.5 * ((bands - centre) / 1.5) ** 2) for centre in (5, 12, 19)])
    # Without their part along the common spectrum, dips leave brightness alone.
    dips -= np.outer(dips @ common, common) / (common @ common)
    brightness = 10 + chance.standard_normal((size, size))
    cube = brightness[..., None] * common + dips[labels - 1]
    cube = cube + noise * chance.standard_normal(cube.shape)
    names = ("dip at band 5", "dip at band 12", "dip at band 19")
    return Scene("Synthetic: by spectrum", cube.astype(np.float32), labels, names)


def _fields(
    size: int, n_classes: int, chance: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Square fields, each class on about as many as the others: classes (H, W), fields (H, W)."""
    if size < 24:
        raise ValueError(f"size={size} must be at least 24")
    side = -(-size // FIELD)
    fields = np.arange(side * side).reshape(side, side)
    kinds = chance.permutation(fields.size) % n_classes + 1
    whole = fields.repeat(FIELD, 0).repeat(FIELD, 1)[:size, :size].astype(np.int64)
    return kinds[whole].astype(np.int64), whole
