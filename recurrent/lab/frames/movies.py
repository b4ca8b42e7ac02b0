"""Two kinds of movie, drawn on the fly from a seed: moving squares and moving digits.

The squares are the lecture's. The digits are Moving MNIST (Srivastava et al. 2015): two digits of
the IDX files in the folder LETTERPRESS_DATA names, bouncing in a box. A movie depends on its key
alone, so that any of them can be drawn again, and test movies show digits no other part shows.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from corpora.errors import CorpusError
from corpora.mirror import mirror_folder, open_bytes
from engine.batching import Batch, rng

Floats = npt.NDArray[np.float32]
PARTS = ("train", "valid", "test")
TEST_SEED = 1506_04214  # test movies are the same in every run, whatever its seed
_DIGIT = 28


@dataclass(frozen=True, slots=True)
class Film:
    """A kind of movie: its frames are (size, size); after `given` of them the rest is forecast."""

    name: str
    size: int
    n_frames: int
    given: int

    @property
    def horizon(self) -> int:
        """How many frames are forecast."""
        return self.n_frames - self.given


FILMS = {"squares": Film("squares", 40, 15, 7), "mnist": Film("mnist", 64, 20, 10)}


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie, `frames` as a network is shown them and `truth` without noise, (T, H, W) in 0..1."""

    frames: Floats
    truth: Floats
    given: int


def draw_squares(random: np.random.Generator, n_frames: int = 15) -> tuple[Floats, Floats]:
    """The lecture's movie of squares, exactly as its notebook draws it.

    Three to seven squares of 4x4 or 6x6, each going -1, 0 or 1 pixel a frame along either axis, are
    drawn at 80x80 and the middle is kept. In about half of all cases 0.1 is added or taken in a box
    one pixel larger than the square. What exceeds 1 is cut off; what is below 0 stays.

    Parameters
    ----------
    random : np.random.Generator
    n_frames : int
        At most 15: squares would leave the large picture after that.

    Returns
    -------
    noisy, clean : arrays, each (n_frames + 1, 40, 40)
        One frame more than asked for: the lecture's targets are the clean frames, one later.

    Raises
    ------
    ValueError
        If `n_frames` is out of range.
    """
    if not 1 <= n_frames <= 15:
        raise ValueError(f"n_frames={n_frames} must be between 1 and 15")
    noisy, clean = (np.zeros((n_frames + 1, 80, 80), np.float32) for _ in range(2))
    for _ in range(random.integers(3, 8)):
        x, y = (int(start) for start in random.integers(20, 60, 2))
        dx, dy = (int(step) for step in random.integers(-1, 2, 2))
        half = int(random.integers(2, 4))
        noise = random.integers(0, 2, n_frames + 1) * random.choice((-0.1, 0.1), n_frames + 1)
        for t in range(n_frames + 1):
            left, top = x + dx * t, y + dy * t
            square = np.s_[t, left - half : left + half, top - half : top + half]
            noisy[square] += 1
            clean[square] += 1
            around = half + 1
            noisy[t, left - around : left + around, top - around : top + around] += noise[t]
    middle = np.s_[:, 20:60, 20:60]
    return np.minimum(noisy[middle], 1), np.minimum(clean[middle], 1)


def draw_digits(
    random: np.random.Generator, digits: npt.NDArray[np.uint8], n_frames: int = 20, size: int = 64
) -> Floats:
    """A movie of Moving MNIST by the public protocol (Srivastava et al. 2015).

    Two digits start anywhere, go in any direction, a tenth of the free way a frame, and turn back
    at the border; where they overlap the brighter pixel is seen.

    Parameters
    ----------
    random : np.random.Generator
    digits : array, shape (N, 28, 28)
        Pixels 0 to 255.
    n_frames, size : int

    Returns
    -------
    array, shape (n_frames, size, size)
        In 0..1.
    """
    room = size - _DIGIT
    frames = np.zeros((n_frames, size, size), np.uint8)
    for _ in range(2):
        digit = digits[random.integers(len(digits))]
        place = random.random(2)  # from the upper left, in shares of the free way
        angle = random.random() * 2 * math.pi
        step = 0.1 * np.array([math.sin(angle), math.cos(angle)])
        for frame in frames:
            place += step
            step[(place <= 0) | (place >= 1)] *= -1
            place = place.clip(0, 1)
            row, column = (place * room).astype(int)
            seen = frame[row : row + _DIGIT, column : column + _DIGIT]
            np.maximum(seen, digit, out=seen)
    return frames.astype(np.float32) / np.float32(255)


@functools.lru_cache(maxsize=1)
def read_digits(folder: Path) -> npt.NDArray[np.uint8]:
    """The digits (N, 28, 28) of all IDX files of images in FOLDER/mnist, in the order of names.

    Raises
    ------
    CorpusError
        If there is none, or one is not an IDX file of 28x28 images.
    """
    found = sorted((folder / "mnist").glob("*images-idx3-ubyte*"))
    if not found:
        raise CorpusError(
            f"{folder / 'mnist'} holds no *images-idx3-ubyte.gz; expected the images of MNIST. "
            "Put them there, or choose the film of squares, which needs no data."
        )
    return np.concatenate([_read_idx(path) for path in found])


def _read_idx(path: Path) -> npt.NDArray[np.uint8]:
    with open_bytes(path) as (file, _):
        content = file.read()
    head = np.frombuffer(content[:16].ljust(16, b"\0"), ">i4")
    magic, n, height, width = (int(value) for value in head)
    pixels = n * height * width
    if magic != 0x803 or (height, width) != (_DIGIT, _DIGIT) or len(content) != 16 + pixels:
        raise CorpusError(
            f"{path} has {len(content):,} bytes and begins {magic:#x}, {n}, {height}, {width}; "
            "expected an IDX file of 28x28 images (0x803, their number, 28, 28). Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=16).reshape(n, height, width)


def digits_of(part: str) -> npt.NDArray[np.uint8]:
    """The digits (N, 28, 28) of "train", "valid" or "test": no image is in two of them.

    The last sixteenth of the images is for tests, the one before it for validation.

    Raises
    ------
    CorpusError
        If LETTERPRESS_DATA is not set, or its images cannot be read.
    """
    folder = mirror_folder()
    if folder is None:
        raise CorpusError(
            "The moving digits are drawn from the images of MNIST, and LETTERPRESS_DATA is not set "
            "to a folder with mnist/*images-idx3-ubyte.gz. Set it, or choose the film of squares."
        )
    digits = read_digits(folder)
    share = max(1, len(digits) // 16)
    cuts = {
        "train": slice(None, -2 * share), "valid": slice(-2 * share, -share),
        "test": slice(-share, None),
    }  # fmt: skip
    return digits[cuts[part]]


def draw(film: Film, part: str, *key: int) -> tuple[Floats, Floats]:
    """The movie of a part that a key names, with and without noise, and one frame more.

    Returns
    -------
    frames, truth : arrays, each (T + 1, H, W)
        The same for digits, which have no noise.
    """
    random = rng(PARTS.index(part), *key)
    if film.name == "squares":
        return draw_squares(random, film.n_frames)
    frames = draw_digits(random, digits_of(part), film.n_frames + 1, film.size)
    return frames, frames


class Movies:
    """The movies of one part as `fit` and `evaluate` want them.

    Training movies are new in each epoch; the others depend on their number alone.

    Parameters
    ----------
    film : Film
    part : str
        "train", "valid" or "test"; test movies do not depend on `seed`.
    n : int
        Movies in an epoch.
    seed : int
    """

    def __init__(self, film: Film, part: str, n: int, seed: int = 0) -> None:
        if part not in PARTS:
            raise ValueError(f"part={part!r} must be one of {', '.join(PARTS)}")
        if n < 1:
            raise ValueError(f"n={n} must be at least 1")
        self.film, self.part, self.n = film, part, n
        self.seed = TEST_SEED if part == "test" else seed

    def __len__(self) -> int:
        return self.n

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """Movies of these rows as float tensors, each (B, T, H, W).

        Returns
        -------
        dict
            `frames` as they are shown; `truth`, the same without noise; `next`, what comes after
            each frame, without noise. `n_targets` counts frames.
        """
        new = epoch if self.part == "train" else 0
        drawn = [draw(self.film, self.part, self.seed, new, int(row)) for row in rows]
        frames, truth = (torch.from_numpy(np.stack(kind)) for kind in zip(*drawn, strict=True))
        n = self.film.n_frames
        return {
            "frames": frames[:, :n],
            "truth": truth[:, :n],
            "next": truth[:, 1:],
            "n_targets": len(rows) * n,
        }


def sample_movie(film: str, seed: int) -> Movie:
    """A movie to look at, one of those kept for tests: squares (15, 40, 40) or digits (20, 64, 64).

    Raises
    ------
    ValueError
        If there is no such film, or `seed` is negative.
    CorpusError
        If the digits are not here.
    """
    if film not in FILMS:
        raise ValueError(f"film={film!r} must be one of {', '.join(FILMS)}")
    if seed < 0:
        raise ValueError(f"seed={seed} must not be negative")
    kind = FILMS[film]
    frames, truth = draw(kind, "test", TEST_SEED, 0, seed)
    return Movie(frames[: kind.n_frames].clip(0, 1), truth[: kind.n_frames], kind.given)
