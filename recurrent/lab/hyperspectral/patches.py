"""Pixels as a network is given them: bands made comparable, and the patch around each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from engine.batching import Batch, rng
from recurrent.spectral import SSCL2DNN

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
_CHUNK = 256  # pixels classified at a time


@dataclass(frozen=True, slots=True)
class Bands:
    """How bands are made comparable, learnt from training pixels alone.

    Attributes
    ----------
    mean, deviation : float32 array, shape (C,)
        Each band is given as its distance from the mean, in deviations.
    mix : float32 array, shape (C, C'), optional
        What is multiplied to that: see `learn`.
    """

    mean: Floats
    deviation: Floats
    mix: Floats | None = None

    @classmethod
    def learn(cls, spectra: Floats, *, whiten: float = 0.0, one_plane: bool = False) -> Bands:
        """Learn it from spectra.

        Parameters
        ----------
        spectra : float32 array, shape (N, C)
            At least two.
        whiten : float
            Above 0, directions in which spectra vary little are stretched: one of variance v by
            1 / sqrt(v + whiten), each band staying as near to itself as that allows (ZCA, Bell and
            Sejnowski 1997). Neighbouring bands are nearly the same; what tells materials apart is
            small beside what they share.
        one_plane : bool
            Keep nothing but the first principal component, so scaled that it deviates by 1.
        """
        if spectra.ndim != 2 or len(spectra) < 2:
            raise ValueError(f"spectra has shape {spectra.shape}; expected (N, C), N at least 2")
        exact = spectra.astype(np.float64)
        mean, deviation = exact.mean(0), exact.std(0)
        deviation[deviation == 0] = 1.0  # a band that never changes says nothing and is left at 0
        mix = None
        if one_plane or whiten:
            _, spans, ways = np.linalg.svd((exact - mean) / deviation, full_matrices=False)
            variances = spans**2 / len(exact)
            if one_plane:
                mix = ways[:1].T * (np.sign(ways[0].sum()) or 1.0) / np.sqrt(variances[0])
            else:
                # Directions beyond the span of the training pixels have a variance of 0.
                gains = 1 / np.sqrt(variances + whiten) - 1 / np.sqrt(whiten)
                mix = ways.T * gains @ ways + np.eye(len(mean)) / np.sqrt(whiten)
        return cls(
            mean.astype(np.float32),
            deviation.astype(np.float32),
            None if mix is None else mix.astype(np.float32),
        )

    def apply(self, cube: Floats) -> Floats:
        """A cube (..., C) in those units, (..., C')."""
        if cube.shape[-1] != len(self.mean):
            raise ValueError(f"cube has {cube.shape[-1]} bands; expected {len(self.mean)}")
        scaled: Floats = (cube - self.mean) / self.deviation
        return scaled if self.mix is None else np.asarray(scaled @ self.mix, dtype=np.float32)


class Patches:
    """The windows around the pixels of a cube, which goes on beyond its border as in a mirror."""

    def __init__(self, cube: Floats, window: int) -> None:
        if window < 1 or window % 2 == 0 or window > min(cube.shape[:2]):
            raise ValueError(
                f"window={window} must be odd and fit into a scene of {cube.shape[:2]} pixels"
            )
        radius = window // 2
        self.window, self.shape = window, cube.shape[:2]
        self._wide = np.pad(cube, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
        self._offsets = np.arange(window)

    def cut(self, places: Places) -> Floats:
        """The patches around `places` (N, 2), row and column: (N, C, window, window)."""
        rows = places[:, 0, None, None] + self._offsets[:, None]
        columns = places[:, 1, None, None] + self._offsets[None, :]
        return np.ascontiguousarray(self._wide[rows, columns].transpose(0, 3, 1, 2))


class TrainingPixels:
    """The data `fit` learns from: patches, turned and mirrored at random, with a little noise.

    Parameters
    ----------
    patches : Patches
    places : int array, shape (N, 2)
    labels : int array, shape (N,)
        Classes from 0.
    turn : bool
        Whether each patch is seen in one of its eight positions at random.
    noise : float
        Deviation of the noise added to each value, in deviations of its band.
    mix : float
        Share of the patches into which another of the same class is mixed, in proportions by
        chance. Light adds up: where two pixels are mostly water, so is any mixture of them.
    """

    def __init__(
        self,
        patches: Patches,
        places: Places,
        labels: npt.NDArray[np.int64],
        *,
        turn: bool = True,
        noise: float = 0.0,
        mix: float = 0.0,
    ) -> None:
        self.turn, self.noise, self.mix = turn, noise, mix
        self._patches = patches.cut(places)
        self._labels = labels
        self._alike = {int(c): np.flatnonzero(labels == c) for c in np.unique(labels)}

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """`patches` (B, C, window, window) and `labels` (B,), a pure function of the arguments."""
        chance = rng(seed, epoch, int(rows[0]), 3)
        picked = self._seen(rows, chance)
        if self.mix:
            labels = self._labels[rows]
            others = self._seen(
                np.array([chance.choice(self._alike[int(c)]) for c in labels]), chance
            )
            mixed = chance.random(len(rows)) < self.mix
            parts = np.where(mixed, chance.random(len(rows)), 1).astype(np.float32)
            picked = others + parts[:, None, None, None] * (picked - others)
        if self.noise:
            picked = picked + self.noise * chance.standard_normal(picked.shape, dtype=np.float32)
        return {
            "patches": torch.from_numpy(picked),
            "labels": torch.from_numpy(self._labels[rows]),
            "n_targets": len(rows),
        }

    def _seen(self, rows: npt.NDArray[np.int64], chance: np.random.Generator) -> Floats:
        """The patches of some rows, each in a position by chance."""
        picked = self._patches[rows]
        if not self.turn:
            return picked
        positions = chance.integers(0, 8, size=len(rows))
        return np.stack([_turned(p, k) for p, k in zip(picked, positions, strict=True)])


def classify(
    network: SSCL2DNN, patches: Patches, places: Places, *, bf16: bool = False
) -> Iterator[npt.NDArray[np.int64]]:
    """The class of each place, from 0, some at a time; where the network is, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    for start in range(0, len(places), _CHUNK):
        some = torch.from_numpy(patches.cut(places[start : start + _CHUNK])).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            found = network(some).argmax(1)
        yield found.cpu().numpy()


def _turned(patch: Floats, position: int) -> Floats:
    """One of the eight positions of a square (C, window, window)."""
    turned = np.rot90(patch, position % 4, axes=(1, 2))
    return turned[:, :, ::-1] if position >= 4 else turned
