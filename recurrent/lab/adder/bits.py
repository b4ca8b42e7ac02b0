"""Numbers as rows of bits, least significant first, and the sums a network should find.

"n bits" means that the sum fits: both numbers lie below 2 ** (n - 1), as in the lecture, where two
7-bit numbers make an 8-bit sum. Sums are worked out column by column on the bits themselves, so
that 64 bits are as exact as 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from corpora.errors import InputError
from engine.batching import Batch

Bits = NDArray[np.float64]  # zeros and ones
MOST_BITS = 1024  # more columns than anybody writes by hand, and a bound on what a page is asked


def to_bits(number: int, n_bits: int) -> Bits:
    """The bits of a number, shape (n_bits,), least significant first."""
    if not 0 <= number < 1 << n_bits:
        raise ValueError(f"number={number} must be at least 0 and below 2 ** {n_bits}")
    return np.array([number >> i & 1 for i in range(n_bits)], dtype=np.float64)


def to_number(bits: Bits) -> int:
    """The number of which these are the bits, least significant first."""
    return sum(int(bit) << i for i, bit in enumerate(bits))


def columns(a: int, b: int, n_bits: int | None = None) -> Bits:
    """Two numbers as a network reads them: shape (T, 2), a column of the sum at each step.

    Parameters
    ----------
    a, b : int
        Not negative.
    n_bits : int, optional
        Columns, T; left out, 8 or as many as the sum needs.

    Raises
    ------
    InputError
        If a number is negative or the sum has more than `MOST_BITS` bits.
    """
    for number in (a, b):
        if number < 0:
            raise InputError(f"Found {number}; expected a whole number of 0 or more to add.")
    needed = max((a + b).bit_length(), 1)
    if needed > MOST_BITS:
        raise InputError(
            f"The sum has {needed:,} binary digits; at most {MOST_BITS:,} are shown. "
            "Give smaller numbers."
        )
    n_bits = max(8, needed) if n_bits is None else n_bits
    return np.stack([to_bits(a, n_bits), to_bits(b, n_bits)], axis=-1)


def carries(pairs: Bits) -> Bits:
    """What each column hands on to the next, shape (N, T), of pairs (N, T, 2)."""
    out = np.zeros(pairs.shape[:2])
    carry = np.zeros(len(pairs))
    for t in range(pairs.shape[1]):
        carry = (pairs[:, t].sum(axis=-1) + carry >= 2).astype(np.float64)
        out[:, t] = carry
    return out


def sums(pairs: Bits) -> Bits:
    """The bits of the sums, shape (N, T), of pairs (N, T, 2)."""
    handed_on = np.roll(carries(pairs), 1, axis=1)
    handed_on[:, 0] = 0
    added: Bits = (pairs.sum(axis=-1) + handed_on) % 2
    return added


def all_pairs() -> Bits:
    """All 128 * 128 pairs of the lecture, shape (16384, 8, 2); pair a * 128 + b is (a, b)."""
    numbers = np.stack([to_bits(n, 8) for n in range(128)])  # (128, 8)
    return np.stack([np.repeat(numbers, 128, axis=0), np.tile(numbers, (128, 1))], axis=-1)


def random_pairs(n: int, n_bits: int, rng: np.random.Generator) -> Bits:
    """Pairs of numbers drawn evenly below 2 ** (n_bits - 1), shape (n, n_bits, 2)."""
    pairs = rng.integers(0, 2, (n, n_bits, 2)).astype(np.float64)
    pairs[:, -1] = 0  # so that the sum fits
    return pairs


def share_exact(probabilities: Bits, targets: Bits) -> float:
    """The share of sums (rows) of which every bit is right, where 1/2 and above is a one."""
    return float(((probabilities >= 0.5) == (targets >= 0.5)).all(axis=-1).mean())


@dataclass(frozen=True, slots=True)
class PairData:
    """Pairs (N, T, 2) and the bits of their sums (N, T), as `engine.fit` asks for them."""

    pairs: Bits

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, rows: NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """`x` (B, T, 2) and `y` (B, T), float32."""
        chosen = self.pairs[rows]
        x = torch.tensor(chosen, dtype=torch.float32)
        y = torch.tensor(sums(chosen), dtype=torch.float32)
        return {"x": x, "y": y, "n_targets": y.numel()}
