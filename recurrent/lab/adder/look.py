"""Look into a trained adder: two numbers in, every bit and the hidden state at every step out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora.errors import InputError
from recurrent.lab.adder.bit_adder import CELLS, load_bit_adder
from recurrent.lab.adder.bits import Bits, all_pairs, carries, columns, to_number
from recurrent.lab.adder.numpy_adder import load_numpy_adder

MODELS = ("numpy", *CELLS)  # the folders that a run writes


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """What a network made of two numbers; all rows go by step, the least significant bit first.

    Attributes
    ----------
    a, b, predicted, expected : int
        The numbers, the sum the network found and the right one.
    inputs : array, shape (T, 2)
        The bits it read.
    probabilities : array, shape (T,)
        How sure it was of a one.
    bits : array, shape (T,)
        What it said.
    hidden : array, shape (T, H)
        Its state after each step: from 0 to 1 in the NumPy network, from -1 to 1 in the others.
    """

    a: int
    b: int
    predicted: int
    expected: int
    inputs: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    bits: NDArray[np.int64]
    hidden: NDArray[np.float64]


def add(folder: Path, a: int, b: int, model: str = "numpy") -> Addition:
    """Add two numbers with a network that `run` trained.

    Parameters
    ----------
    folder : Path
        The `out` of a run.
    a, b : int
        Not negative. Sums of more than 8 bits are longer than any it was trained on.
    model : str
        One of `MODELS`.

    Raises
    ------
    InputError
        If there is no such model or a number is negative or far too large.
    ModelError
        If the folder holds no trained network.
    """
    pair = columns(a, b)
    hidden, probabilities = _read(folder, model, pair[None])
    bits = (probabilities[0] >= 0.5).astype(np.int64)
    return Addition(
        a, b, to_number(bits), a + b, pair.astype(np.int64), probabilities[0], bits, hidden[0]
    )


def carry_units(folder: Path, model: str = "numpy") -> NDArray[np.float64]:
    """How closely each unit's state follows the carry, shape (H,): 1 is wholly, 0 not at all.

    The size of the correlation over all columns of all 16,384 pairs; arguments and errors as `add`.
    """
    pairs = all_pairs()
    hidden = _read(folder, model, pairs)[0].reshape(16_384 * 8, -1)  # (columns, H)
    carry = carries(pairs).reshape(-1, 1)
    hidden, carry = hidden - hidden.mean(axis=0), carry - carry.mean()
    spread = np.sqrt((hidden**2).sum(axis=0) * (carry**2).sum())
    # A unit that never moves follows nothing.
    together: NDArray[np.float64] = np.abs((hidden * carry).sum(axis=0)) / np.maximum(spread, 1e-12)
    return together


def _read(folder: Path, model: str, pairs: Bits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """States (N, T, H) and probabilities (N, T) of a saved network."""
    if model not in MODELS:
        raise InputError(f"There is no adder {model!r}; choose one of {', '.join(MODELS)}.")
    if model == "numpy":
        states, probabilities = load_numpy_adder(folder / model).read(pairs)
        return states[:, 1:], probabilities
    return load_bit_adder(folder / model).read(pairs)
