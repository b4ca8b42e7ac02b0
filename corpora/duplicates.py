"""Near-duplicate documents, found by MinHash over word 5-shingles.

Our own seventy lines: datasketch, the usual library, brings scipy for the same arithmetic. One hash
per shingle fills all bins of the signature (Li, Owen and Zhang, "One Permutation Hashing", 2012),
so time is linear in the words; bands of the signature find candidates, and a sketch of the smallest
hashes (Broder 1997) decides. The sketch is exact for texts of up to SKETCH shingles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from corpora.document import Document

SHINGLE = 5  # words
BANDS, ROWS = 21, 6  # two texts of similarity 0.8 meet in a band with chance 0.998
SKETCH = 256
_WORD = re.compile(r"\w+")


def shingle_hashes(text: str) -> set[int]:
    """64-bit hashes of all runs of five words, case and punctuation aside; never empty."""
    words = _WORD.findall(text.casefold())
    runs = {" ".join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}
    return {
        int.from_bytes(hashlib.blake2b(run.encode("utf-8"), digest_size=8).digest(), "big")
        for run in runs
    }


def _bands(hashes: set[int]) -> list[tuple[int, ...]]:
    n_bins = BANDS * ROWS
    bins: list[int | None] = [None] * n_bins
    for value in hashes:
        i, rest = value % n_bins, value // n_bins
        held = bins[i]
        if held is None or rest < held:
            bins[i] = rest
    # An empty bin borrows its right neighbour's value, or a short text would match nothing.
    filled: list[int] = []
    neighbour = next(value for value in bins if value is not None)
    for least in reversed(bins):
        if least is not None:
            neighbour = least
        filled.append(neighbour)
    return [(band, *filled[band * ROWS : (band + 1) * ROWS]) for band in range(BANDS)]


def _similarity(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Jaccard similarity estimated from two sketches: the share of common ones in the union's."""
    smallest = sorted({*a, *b})[:SKETCH]
    common = set(a) & set(b)
    return sum(value in common for value in smallest) / len(smallest)


def similarity(one: str, other: str) -> float:
    """The share of word 5-shingles two texts have in common (Jaccard), between 0 and 1."""
    a, b = shingle_hashes(one), shingle_hashes(other)
    return len(a & b) / len(a | b)


def drop_near_duplicates(
    documents: Iterable[Document], threshold: float = 0.8
) -> Iterator[Document]:
    """Yield the documents that are not near-duplicates of one yielded before; the first copy stays.

    Parameters
    ----------
    documents : iterable of Document
        Read once, in order. About 4 KiB is remembered for each document kept.
    threshold : float
        The least Jaccard similarity of word 5-shingles that makes a duplicate, in (0.5, 1]; below
        that the bands would miss many.
    """
    if not 0.5 < threshold <= 1:
        raise ValueError(f"threshold={threshold!r} must lie in (0.5, 1]")
    sketches: list[tuple[int, ...]] = []
    where: dict[tuple[int, ...], list[int]] = {}
    for document in documents:
        hashes = shingle_hashes(document.text)
        sketch = tuple(sorted(hashes)[:SKETCH])
        bands = _bands(hashes)
        candidates = {i for band in bands for i in where.get(band, ())}
        if any(_similarity(sketch, sketches[i]) >= threshold for i in candidates):
            continue
        for band in bands:
            where.setdefault(band, []).append(len(sketches))
        sketches.append(sketch)
        yield document
