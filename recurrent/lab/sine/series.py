"""The lecture's noisy sine, its parts, its scaler, and the pieces of it a network learns from.

    x(t) = sin(t) + U(0, 0.5),   t = 0 ... 299

The first 210 values are for training; the 79 test targets are t = 220 ... 298, each told from the
values before it. A forecast costs at least the noise's own variance, 0.25 / 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.batching import Batch

Floats = NDArray[np.float64]
LENGTH, N_TRAIN, WINDOW = 300, 210, 10  # the lecture's
TEST = slice(N_TRAIN + WINDOW, LENGTH - 1)  # the 79 targets
VALID = slice(170, N_TRAIN)  # the last 40 training targets, held out to choose by
NOISE_MEAN, NOISE_FLOOR = 0.25, 0.25 / 12


def clean_sine() -> Floats:
    """What the best forecaster would say: the sine and the mean of the noise, shape (300,)."""
    return np.sin(np.arange(LENGTH)) + NOISE_MEAN


def noisy_sine(draw: int) -> Floats:
    """One draw of the series, shape (300,); the same `draw` gives the same noise."""
    noise = np.random.default_rng([draw, 4]).uniform(0, 0.5, LENGTH)
    series: Floats = np.sin(np.arange(LENGTH)) + noise
    return series


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """Maps each series by its least and greatest training value, and back.

    Attributes
    ----------
    origin, unit : array, shape (D, 1)
        What becomes 0, and the distance that becomes 1, for each of D series.
    """

    origin: Floats
    unit: Floats

    @classmethod
    def fit(cls, train: Floats, *, from_zero: bool = False) -> Scaler:
        """From training parts (D, T) alone: a scaler that saw the test part would leak it.

        They come to lie in -1 ... 1, or in 0 ... 1, as the lecture's do.
        """
        low, high = train.min(axis=1, keepdims=True), train.max(axis=1, keepdims=True)
        return cls(low, high - low) if from_zero else cls((low + high) / 2, (high - low) / 2)

    def scale(self, x: Floats) -> Floats:
        """From the series' own units; x (D, T)."""
        scaled: Floats = (x - self.origin) / self.unit
        return scaled

    def unscale(self, x: Floats) -> Floats:
        """Back to them."""
        raw: Floats = x * self.unit + self.origin
        return raw


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of D series, all that begin at a multiple of `stride`, as `engine.fit` asks for them.

    Attributes
    ----------
    series : Tensor, shape (D, T)
        Scaled; nothing beyond is seen.
    length : int
        Steps read in a piece; a target lies one step after each of them.
    first : int
        The first step of a piece whose target counts.
    """

    series: Tensor
    length: int
    first: int
    stride: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.length < self.series.shape[1]:
            raise ValueError(
                f"first={self.first} must be below length={self.length}, and that below the "
                f"series' {self.series.shape[1]} steps"
            )

    def __len__(self) -> int:
        return (self.series.shape[1] - self.length - 1) // self.stride + 1

    def batch(self, rows: NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """`x` and `y`, (B, D, length), the latter one step on, and the first step that counts."""
        places = torch.tensor(rows)[:, None] * self.stride + torch.arange(self.length + 1)  # (B, T)
        both = self.series[:, places].transpose(0, 1)  # (B, D, length + 1)
        n_targets = len(rows) * len(self.series) * (self.length - self.first)
        return {
            "x": both[..., :-1],
            "y": both[..., 1:],
            "first": self.first,
            "n_targets": n_targets,
        }
