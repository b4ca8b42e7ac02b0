"""The floors beside a model's bits per byte: what simpler things need for the same bytes.

A unigram and an n-gram with interpolated Kneser-Ney smoothing give each byte of each held-out text
a probability, every text from its own beginning, as `engine.scoring` does for a model. The
compressors, which live in `corpora.compression`, have only the length of the whole to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpora.compression import COMPRESSORS, Compressor, primed_size
from engine.scoring import score_of

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint64]  # up to eight bytes in one number, the latest lowest
Counts = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

LONGEST_GRAM = 8  # bytes that fit in one code
PRIME_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Floor:
    """Bits per byte of held-out texts under something simpler than a model.

    Attributes
    ----------
    name : str
        "unigram", "5-gram Kneser-Ney", "xz", "bz2" or "zstd".
    bits_per_byte : float
    n_bytes : int
        Held-out bytes that were counted.
    primed_with : int
        Training bytes it had seen; where fewer than all, the last ones.
    low, high : float or None
        The 95% interval, by the rule of `engine.scoring.Score`; None for a compressor, which gives
        no part of the text a cost of its own.
    """

    name: str
    bits_per_byte: float
    n_bytes: int
    primed_with: int
    low: float | None = None
    high: float | None = None


def _encoded(texts: Sequence[str], argument: str) -> list[bytes]:
    """The texts that are not empty, in UTF-8; ValueError if there are none."""
    if not (encoded := [text.encode("utf-8") for text in texts if text]):
        raise ValueError(f"{argument} holds no text; expected at least one that is not empty")
    return encoded


def _joined(texts: Sequence[bytes]) -> tuple[Bytes, Counts]:
    """All bytes in a row, and for each how many bytes of its own text stand before it."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    data = np.frombuffer(b"".join(texts), dtype=np.uint8)  # (T,)
    starts = np.cumsum(sizes) - sizes
    return data, np.arange(len(data)) - np.repeat(starts, sizes)  # (T,), (T,)


def _grams(data: Bytes, before: Counts, order: int) -> Iterator[tuple[Codes, npt.NDArray[np.bool]]]:
    """For lengths 1 to `order`: the code of the n-gram ending at each byte, and where it is whole.

    The array of codes is the same one each time, with one byte more.
    """
    codes = np.zeros(len(data), dtype=np.uint64)  # (T,)
    for back in range(order):
        earlier = data[: max(0, len(data) - back)].astype(np.uint64)
        codes[back:] |= earlier << np.uint64(8 * back)
        yield codes, before >= back


def _find(keys: Codes, values: Probabilities, wanted: Codes, missing: float) -> Probabilities:
    """The value of each wanted key, of which `keys` has a sorted list."""
    if not len(keys):
        return np.full(len(wanted), missing)
    places = np.searchsorted(keys, wanted)
    places[places == len(keys)] = 0
    return np.where(keys[places] == wanted, values[places], missing)


class _Discounted:
    """One order of the n-gram: counts less a discount, which goes to the order below."""

    def __init__(self, grams: Codes, counts: Counts) -> None:
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        # With nothing seen once the estimate would be 0, and unseen bytes would have no share.
        self.discount = once / (once + 2 * twice) if once else 0.5
        self.grams = grams  # (N,), sorted, so those with one history stand together
        self.histories, first, kinds = np.unique(
            grams >> np.uint64(8), return_index=True, return_counts=True
        )
        totals = np.add.reduceat(counts, first) if len(first) else np.zeros(0, dtype=np.int64)
        self.share = (counts - self.discount) / np.repeat(totals, kinds)  # (N,)
        self.rest = self.discount * kinds / totals  # one for each history

    def over(self, codes: Codes, below: Probabilities) -> Probabilities:
        """Interpolate with the probabilities of the order below; an unseen history leaves them."""
        rest = _find(self.histories, self.rest, codes >> np.uint64(8), 1.0)
        return _find(self.grams, self.share, codes, 0.0) + rest * below


class KneserNey:
    """An n-gram over bytes with interpolated Kneser-Ney smoothing.

    Kneser and Ney 1995 in the interpolated form of Chen and Goodman 1999, section 2.7: the highest
    order counts n-grams, each lower one in how many different bytes' company an n-gram is seen,
    N1+(. w). Each order has one discount D = n1 / (n1 + 2 n2), from how many of its n-grams are
    counted once and twice (section 2.6), or 1/2 where n1 is 0. Below the unigram lies 1/256 for
    every byte.

    We differ at the beginning of a text. Nothing is put before it: no n-gram reaches across it, and
    the first bytes are predicted from the shorter history they have.

    Counting takes some fifty bytes of memory for each byte of training text.

    Parameters
    ----------
    texts : sequence of bytes
        Training texts.
    order : int
        n, from 1 to 8.

    Raises
    ------
    ValueError
        If `order` is outside its range.
    """

    def __init__(self, texts: Sequence[bytes], order: int = 5) -> None:
        if not 1 <= order <= LONGEST_GRAM:
            raise ValueError(f"order={order} must be from 1 to {LONGEST_GRAM}")
        self.orders: list[_Discounted] = []
        for length, (codes, whole) in enumerate(_grams(*_joined(texts), order), 1):
            grams, counts = np.unique(codes[whole], return_counts=True)
            if length > 1:
                # Every distinct n-gram is one more byte before the n-gram that it ends in.
                ending = np.uint64((1 << 8 * (length - 1)) - 1)
                self.orders.append(_Discounted(*np.unique(grams & ending, return_counts=True)))
        self.orders.append(_Discounted(grams, counts))

    def probabilities(self, texts: Sequence[bytes]) -> Probabilities:
        """The probability of every byte after those before it in its text.

        Returns
        -------
        array, shape (T,)
            For all bytes of all texts in their order; above 0 everywhere.
        """
        data, before = _joined(texts)
        found = np.full(len(data), 1 / 256)
        for order, (codes, whole) in zip(
            self.orders, _grams(data, before, len(self.orders)), strict=True
        ):
            found[whole] = order.over(codes[whole], found[whole])
        return found


def _floor(name: str, n_train: int, held_out: Sequence[str], found: Probabilities) -> Floor:
    """The score of the texts whose bytes, all in a row, have the probabilities `found`."""
    texts = [text for text in held_out if text]
    data, _ = _joined(_encoded(texts, "held_out"))
    # A character begins at every byte but those UTF-8 continues one with, which are 10xxxxxx.
    bits = np.add.reduceat(-np.log2(found), np.flatnonzero((data & 0xC0) != 0x80))
    ends = np.cumsum([len(text) for text in texts])  # in characters
    score = score_of(texts, np.split(bits, ends[:-1]))
    return Floor(name, score.bits_per_byte, score.n_bytes, n_train, score.low, score.high)


def unigram(train: Sequence[str], held_out: Sequence[str]) -> Floor:
    """Each byte by its own frequency, whatever stands before it.

    The probability of a byte seen c times among n is (c + 1/2) / (n + 128), the estimator of
    Krichevsky and Trofimov 1981 for 256 symbols, so that unseen bytes have one too.

    Raises
    ------
    ValueError
        If `train` or `held_out` holds no text.
    """
    known, _ = _joined(_encoded(train, "train"))
    data, _ = _joined(_encoded(held_out, "held_out"))
    found = (np.bincount(known, minlength=256) + 0.5) / (len(known) + 128)  # (256,)
    return _floor("unigram", len(known), held_out, found[data])


def kneser_ney(train: Sequence[str], held_out: Sequence[str], *, order: int = 5) -> Floor:
    """The n-gram of `KneserNey`, trained on all of `train`.

    Raises
    ------
    ValueError
        If `train` or `held_out` holds no text, or `order` is not from 1 to 8.
    """
    known, texts = _encoded(train, "train"), _encoded(held_out, "held_out")
    found = KneserNey(known, order).probabilities(texts)
    return _floor(f"{order}-gram Kneser-Ney", sum(map(len, known)), held_out, found)


def compressed(
    compressor: Compressor,
    train: Sequence[str],
    held_out: Sequence[str],
    *,
    prime_bytes: int = PRIME_BYTES,
) -> Floor:
    """What a compressor primed on the training text needs for the held-out texts.

    The held-out texts are joined, without anything between them, and compressed as one. That is
    in the compressor's favour: a later text may repeat an earlier one, and the frame is paid once.

    Parameters
    ----------
    compressor : {"xz", "bz2", "zstd"}
        See `corpora.compression`.
    train, held_out : sequence of str
    prime_bytes : int
        Of the joined training texts at most this many bytes are used, at least 1, and they are
        the last ones; bz2 has room for fewer. `primed_with` says how many it was.

    Raises
    ------
    ValueError
        If `train` or `held_out` holds no text, `prime_bytes` is below 1, or there is no such
        compressor.
    """
    if prime_bytes < 1:
        raise ValueError(f"prime_bytes={prime_bytes} must be at least 1")
    known, text = b"".join(_encoded(train, "train")), b"".join(_encoded(held_out, "held_out"))
    size = primed_size(compressor, known[-prime_bytes:], text)
    return Floor(compressor, 8 * size.n_bytes / len(text), len(text), size.primed_with)


def floors(
    train: Sequence[str],
    held_out: Sequence[str],
    *,
    order: int = 5,
    prime_bytes: int = PRIME_BYTES,
) -> Iterator[Floor]:
    """Every floor, each given as soon as it is computed: unigram, n-gram, xz, bz2, zstd.

    Parameters
    ----------
    train, held_out : sequence of str
        Empty texts are left out.
    order : int
        Of the n-gram, from 1 to 8.
    prime_bytes : int
        The most training bytes a compressor is primed with.

    Raises
    ------
    ValueError
        If `train` or `held_out` holds no text, or a number is out of range.
    """
    yield unigram(train, held_out)
    yield kneser_ney(train, held_out, order=order)
    for compressor in COMPRESSORS:
        yield compressed(compressor, train, held_out, prime_bytes=prime_bytes)
