"""Which labelled pixels are learnt from and which are scored.

Classifiers that look at a patch are easily flattered: if training pixels are drawn anywhere, nearly
every test pixel lies inside some training patch. `disjoint_blocks` draws them from blocks of the
scene and scores only pixels out of every training patch's reach. `random_pixels` is what much of
the field reports, kept for comparison; it leaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from corpora.errors import InputError
from engine.batching import rng

Mask = npt.NDArray[np.bool_]
LEAST = 3  # training pixels of a class, however rare it is
DRAWS = 200  # arrangements of blocks that are tried before a class is left out


@dataclass(frozen=True, slots=True)
class Split:
    """Two masks (H, W) without a common pixel, and the classes that could not be in both.

    Attributes
    ----------
    train, test : bool array, shape (H, W)
    left_out : tuple of int
        Classes, from 1, that are in neither mask, because no arrangement of blocks had them in both
        parts.
    leaks : bool
        Whether training patches may overlap test pixels.
    """

    train: Mask
    test: Mask
    left_out: tuple[int, ...] = ()
    leaks: bool = False


def reach(train: Mask, radius: int) -> Mask:
    """The pixels inside the patch of any training pixel: within `radius` rows and columns of it."""
    covered: Mask = maximum_filter(train, size=2 * radius + 1, mode="constant", cval=0)
    return covered


def wanted(labels: npt.NDArray[np.int64], share: float) -> dict[int, int]:
    """Training pixels of each class: its share, and at least `LEAST`, but never all of them."""
    classes, counts = np.unique(labels[labels > 0], return_counts=True)
    return {
        int(c): min(max(LEAST, round(share * int(n))), max(1, int(n) // 2))
        for c, n in zip(classes, counts, strict=True)
    }


def disjoint_blocks(
    labels: npt.NDArray[np.int64],
    share: float,
    *,
    radius: int,
    block: int = 10,
    area: float = 0.25,
    seed: int = 0,
) -> Split:
    """Draw training pixels from some blocks of the scene; score what no training patch reaches.

    The blocks depend on the seed and not on the share, and everything within `radius` of them is
    out of the test part: a smaller share learns from some of the same pixels and is scored on the
    same ones.

    Parameters
    ----------
    labels : int array, shape (H, W)
        0 is unlabelled; classes from 1.
    share : float
        Training pixels as a share of each class's labelled pixels, above 0 and at most `area`.
    radius : int
        Half the width of a patch, rounded down.
    block : int
        Side of a block in pixels.
    area : float
        Share of the blocks that training pixels come from, above 0 and at most 0.5.

    Raises
    ------
    InputError
        If fewer than two classes can be both learnt and scored.
    ValueError
        If an argument is out of range.
    """
    _check(labels, share)
    if block < 1 or radius < 0:
        raise ValueError(f"block={block} must be at least 1 and radius={radius} not negative")
    if not share <= area <= 0.5:
        raise ValueError(f"area={area} must be at least share={share} and at most 0.5")
    need = wanted(labels, share)
    least, open_blocks, far = np.inf, np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    for draw in range(DRAWS):
        blocks = _draw_blocks(labels.shape, block, area, (seed, 1, draw))
        beyond = ~reach(blocks, radius)
        lacking = _lacking(labels, blocks, beyond, wanted(labels, area / 2))
        if lacking < least:
            least, open_blocks, far = lacking, blocks, beyond
        if not lacking:
            break
    train = _draw_pixels(np.where(open_blocks, labels, 0), need, (seed, 2))
    test = far & (labels > 0)
    left_out = tuple(
        c for c in need if not ((labels == c) & train).any() or not ((labels == c) & test).any()
    )
    if len(need) - len(left_out) < 2:
        raise InputError(
            f"Blocks of {block} pixels with a margin of {radius} leave {len(need) - len(left_out)} "
            f"of {len(need)} classes in both parts; expected at least 2. Choose smaller blocks or "
            "patches, or label more of the scene."
        )
    kept = ~np.isin(labels, left_out)
    return Split(train & kept, test & kept, left_out)


def random_pixels(labels: npt.NDArray[np.int64], share: float, *, seed: int = 0) -> Split:
    """Draw training pixels anywhere and score all others. This LEAKS: patches overlap.

    Arguments and errors are those of `disjoint_blocks`.
    """
    _check(labels, share)
    need = wanted(labels, share)
    single = tuple(c for c in need if (labels == c).sum() < 2)
    if len(need) - len(single) < 2:
        raise InputError(
            f"The scene has {len(need) - len(single)} classes of two pixels or more; expected at "
            "least 2. Label more of it."
        )
    seen = np.where(np.isin(labels, single), 0, labels)
    train = _draw_pixels(seen, {c: n for c, n in need.items() if c not in single}, (seed, 2))
    return Split(train, (seen > 0) & ~train, single, leaks=True)


def _check(labels: npt.NDArray[np.int64], share: float) -> None:
    if labels.ndim != 2:
        raise ValueError(f"labels has shape {labels.shape}; expected (H, W)")
    if not 0 < share <= 0.5:
        raise ValueError(f"share={share} must be above 0 and at most 0.5")


def _lacking(
    labels: npt.NDArray[np.int64], blocks: Mask, beyond: Mask, enough: dict[int, int]
) -> float:
    """How badly the classes are spread over both parts: 0 where each has enough in each."""
    to_learn, to_score = labels[blocks], labels[beyond]
    return sum(
        max(0.0, 1 - float((to_learn == c).sum()) / n) + float(not (to_score == c).any())
        for c, n in enough.items()
    )


def _draw_blocks(shape: tuple[int, ...], block: int, area: float, key: tuple[int, ...]) -> Mask:
    """A mask (H, W) of some whole blocks, at least one."""
    rows, columns = (-(-n // block) for n in shape)
    chosen = np.zeros(rows * columns, dtype=bool)
    n = max(1, round(area * chosen.size))
    chosen[rng(*key).permutation(chosen.size)[:n]] = True
    whole = chosen.reshape(rows, columns).repeat(block, 0).repeat(block, 1)
    return whole[: shape[0], : shape[1]]


def _draw_pixels(labels: npt.NDArray[np.int64], need: dict[int, int], key: tuple[int, ...]) -> Mask:
    """A mask (H, W) of the first `need` pixels of each class, in an order the key fixes."""
    mask = np.zeros(labels.shape, dtype=bool)
    for c, n in need.items():
        places = np.flatnonzero(labels == c)
        mask.flat[rng(*key, c).permutation(places)[:n]] = True
    return mask
