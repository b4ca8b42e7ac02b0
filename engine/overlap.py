"""Copied ink: which parts of a text stand verbatim, or word for word, in the training texts.

There are two ways, and both give the same answer. Training texts of any size are read past the
text in question once, and nothing of them is kept. A few million characters can be indexed by
`InkIndex`, to be asked again and again. Both are exact: no hash stands for the text itself.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

DEPTH = 128  # characters, or words, by which an index sorts; no longer run can be asked for
LARGEST = 32_000_000  # characters of an index
# Stands between two texts of an index, so that no run crosses. A lone surrogate is not a character.
SEPARATOR = "\ud800"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPACE = re.compile(r"\s")
_PORTION = 1 << 20  # characters whose words are held at a time, of a text that is read past

# A text as letters or as words: either can be sliced, compared and looked up.
S = TypeVar("S", str, tuple[str, ...])


class Place(NamedTuple):
    """A character of the training texts: the number of the text, and the offset in it."""

    text: int
    offset: int


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `stop` of a text are copied.

    `where` is the earliest place in the training texts that holds the run the span begins with.
    """

    start: int
    stop: int
    where: Place


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return [word.lower() for word in _WORD.findall(text.replace("’", "'"))]


def _bounds(text: str) -> list[tuple[int, int]]:
    """Where each of its words starts and stops."""
    return [match.span() for match in _WORD.finditer(text)]


def _portions(text: str, n: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The words of a text by portions, so that each run of `n` lies whole in one; and the number
    of words before each portion."""
    kept: list[str] = []
    before = at = 0
    while at < len(text):
        space = _SPACE.search(text, at + _PORTION)
        stop = space.start() if space else len(text)
        portion = kept + words(text[at:stop])
        yield before, tuple(portion)
        first = max(0, len(portion) - n + 1)
        kept, before, at = portion[first:], before + first, stop


class _Passing(Generic[S]):
    """The runs of `n` of a sample, each crossed out at the first place that holds it.

    However what goes past is cut into blocks half as long as a run, each run in it holds a whole
    block. So one look-up a block is enough until a block of the sample goes past.
    """

    def __init__(self, sample: S, n: int) -> None:
        self.n = n
        self.block = (n + 1) // 2
        self.blocks: set[S] = {
            sample[i : i + self.block] for i in range(len(sample) - self.block + 1)
        }
        self.runs: dict[S, list[int]] = {}
        for i in range(len(sample) - n + 1):
            self.runs.setdefault(sample[i : i + n], []).append(i)

    def read(self, other: S) -> Iterator[tuple[int, int]]:
        """Where each run that is found stands in the sample, and where in `other`."""
        n, block, blocks = self.n, self.block, self.blocks
        for at in range(0, len(other) - block + 1, block):
            if other[at : at + block] in blocks:
                for place in range(max(0, at + block - n), min(at, len(other) - n) + 1):
                    for own in self.runs.pop(other[place : place + n], ()):
                        yield own, place


def _sorted_starts(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """A suffix array (Manber and Myers 1993) of codes from 1 up, by the first `DEPTH` of a suffix.

    As many codes as fit are packed into one key and sorted; then each round doubles the length
    sorted by, and takes up only the suffixes that are not yet apart (Larsson and Sadakane 2007).
    """
    n, bits = len(codes), int(codes.max()).bit_length()
    length = 63 // bits
    keys = np.zeros(n, np.int64)
    for i in range(length):
        keys <<= bits
        keys[: max(0, n - i)] |= codes[i:]
    rows = np.arange(n, dtype=np.int32)  # where in `order` the suffixes stand that are being sorted
    order = rows.copy()
    rank = np.full(n + 1, -1, np.int32)  # of each suffix; that of the empty one comes first
    alone = np.zeros(n, np.bool_)
    while True:
        by = np.argsort(keys)
        suffixes, keys = order[rows][by], keys[by]
        first = np.append(True, keys[1:] != keys[:-1])  # of those alike so far
        order[rows] = suffixes
        rank[suffixes] = np.maximum.accumulate(np.where(first, rows, 0))
        alone[rows] = first & np.append(first[1:], True)
        rows = np.flatnonzero(~alone).astype(np.int32)
        if length >= DEPTH or not len(rows):
            return order
        suffixes = order[rows]
        following = rank[np.minimum(suffixes + np.int64(length), n)]
        keys = rank[suffixes].astype(np.int64) * (n + 1) + following
        length *= 2


def _letter_codes(text: str) -> npt.NDArray[np.int32]:
    """Its characters numbered from 1 in code-point order, so that many fit into one key."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    numbers = np.cumsum(np.bincount(points) > 0, dtype=np.int32)
    codes: npt.NDArray[np.int32] = numbers[points]
    return codes


class _Suffixes(Generic[S]):
    """A sequence whose runs are found by halving its sorted suffixes."""

    def __init__(self, sequence: S, codes: npt.NDArray[np.int32], separator: str) -> None:
        self.sequence: S = sequence
        self.separator = separator
        self.order = _sorted_starts(codes)
        self._order = self.order.data  # a view that gives out plain ints, quicker than the array

    def at(self, row: int, length: int) -> S:
        """The beginning of the suffix in a row of the order; empty past the last."""
        start = self._order[row] if row < len(self._order) else len(self.sequence)
        return self.sequence[start : start + length]

    def row(self, run: S) -> int:
        """The first row whose suffix does not come before `run`."""
        n = len(run)
        return bisect_left(self._order, run, key=lambda i: self.sequence[i : i + n])

    def holds(self, run: S) -> bool:
        """Whether a text holds the run."""
        return self.separator not in run and self.at(self.row(run), len(run)) == run

    def runs(self, sample: S, n: int) -> Iterator[tuple[int, int]]:
        """Where each run of `n` that is found stands in the sample, and first in the sequence."""
        half, at = n // 2, 0
        while at + n <= len(sample):
            if not self.holds(sample[at + half : at + n]):
                at += half + 1  # every run that begins before there holds what was not found
                continue
            run = sample[at : at + n]
            low = self.row(run)
            if self.at(low, n) == run and self.separator not in run:
                high = bisect_right(self._order, run, low, key=lambda i: self.sequence[i : i + n])
                yield at, int(self.order[low:high].min())
            at += 1


class InkIndex:
    """Training texts in which copied runs are found quickly.

    Parameters
    ----------
    texts : iterable of str
        Read once; a run that crosses two of them is not found. Lone surrogates match nothing.

    Raises
    ------
    ValueError
        If the texts hold more than `LARGEST` characters; those are better read past the sample.

    The index is kept in memory only, and never changes. English takes 9 bytes a character (4 for
    the order of the characters, 1 or 2 for the text, 3.5 for its words) and 50 while it is built.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        held, size = [], 0
        for text in _several(texts, "texts"):
            size += len(text)
            if size > LARGEST:
                raise ValueError(
                    f"texts hold more than {LARGEST:,} characters, the most an InkIndex takes; "
                    "give copied_spans the texts themselves"
                )
            held.append(text)
        joined = SEPARATOR.join(["", *held, ""])
        self._letters = _Suffixes(joined, _letter_codes(joined), SEPARATOR)
        self._begins = array("i")  # where each text begins in the joined one
        self._offsets = array("i", [0])  # where each word does
        sequence, known = [""], {"": ""}  # an empty word separates the texts
        begin = 1
        for text in held:
            self._begins.append(begin)
            for _, portion in _portions(text, 1):
                sequence += [known.setdefault(word, word) for word in portion]  # one object each
            self._offsets.extend(begin + match.start() for match in _WORD.finditer(text))
            sequence.append("")
            self._offsets.append(0)
            begin += len(text) + 1
        ranks = {word: i for i, word in enumerate(sorted(known), 1)}
        codes = np.fromiter((ranks[word] for word in sequence), np.int32, len(sequence))
        self._words = _Suffixes(tuple(sequence), codes, "")

    def holds(self, piece: str) -> bool:
        """Whether a piece of at most `DEPTH` characters stands verbatim in a text."""
        _check("len(piece)", len(piece), DEPTH)
        return self._letters.holds(piece)

    def following(self, context: str, least: str) -> str | None:
        """What follows a context somewhere: the first in code-point order from `least` on.

        Parameters
        ----------
        context, least : str
            At least one character, and together at most `DEPTH`.

        Returns
        -------
        str or None
            As many characters as `least` has, a `SEPARATOR` among them where the text ends; None
            where nothing so late follows the context.
        """
        _check("len(context)", len(context), DEPTH - len(least))
        length = len(context) + len(least)
        found = self._letters.at(self._letters.row(context + least), length)
        return found[len(context) :] if found.startswith(context) else None

    def _place(self, position: int) -> Place:
        text = bisect_right(self._begins, position) - 1
        return Place(text, position - self._begins[text])

    def letter_runs(self, sample: str, n: int) -> Iterator[tuple[int, Place]]:
        """Each run of `n` characters of a sample that is found: where it begins here and there."""
        _check("n", n, DEPTH)
        return ((own, self._place(at)) for own, at in self._letters.runs(sample, n))

    def word_runs(self, sample: tuple[str, ...], n: int) -> Iterator[tuple[int, Place]]:
        """The same for runs of `n` words."""
        _check("n", n, DEPTH)
        runs = self._words.runs(sample, n)
        return ((own, self._place(self._offsets[at])) for own, at in runs)


def _check(name: str, length: int, most: float = math.inf) -> None:
    if not 1 <= length <= most:
        raise ValueError(
            f"{name}={length} must be at least 1" + f" and at most {most}" * (most < math.inf)
        )


def _several(texts: Iterable[str], name: str) -> Iterable[str]:
    if isinstance(texts, str):  # an iterable of its letters, in which nothing would be found
        raise ValueError(f"{name}={texts[:20]!r} is one text; expected several, such as [text]")
    return texts


_Run = tuple[int, int, Place]  # start and stop in the sample, and where it is copied from


def _past(text: str, training: Iterable[str], n_characters: int, n_words: int) -> Iterator[_Run]:
    """The copied runs of a text, by reading the training texts past it once."""
    by_letters = _Passing(text, n_characters)
    by_words = _Passing(tuple(words(text)), n_words)
    own = _bounds(text)
    for number, other in enumerate(training):
        for at, offset in by_letters.read(other):
            yield at, at + n_characters, Place(number, offset)
        found = [
            (at, before + first)
            for before, portion in _portions(other, n_words)
            for at, first in by_words.read(portion)
        ]
        if found:  # most texts hold nothing that was copied, and their words need no places
            numbers = {first for _, first in found}
            matches = islice(_WORD.finditer(other), max(numbers) + 1)
            offsets = {i: match.start() for i, match in enumerate(matches) if i in numbers}
            for at, first in found:
                yield own[at][0], own[at + n_words - 1][1], Place(number, offsets[first])


def _looked_up(text: str, index: InkIndex, n_characters: int, n_words: int) -> Iterator[_Run]:
    """The same from an index."""
    for at, place in index.letter_runs(text, n_characters):
        yield at, at + n_characters, place
    own = _bounds(text)
    for at, place in index.word_runs(tuple(words(text)), n_words):
        yield own[at][0], own[at + n_words - 1][1], place


def copied_spans(
    text: str,
    training: InkIndex | Iterable[str],
    *,
    n_characters: int = 50,
    n_words: int = 8,
) -> list[Span]:
    """The parts of a text that are copied from the training texts.

    Parameters
    ----------
    text : str
        The text in question; while others are read past it, 500 bytes a character are held.
    training : InkIndex or iterable of str
        Either an index, or the training texts, which are then read once and not kept.
    n_characters : int
        Characters found verbatim that make a copy, at least 1 (and at most `DEPTH` of an index).
    n_words : int
        Words found in a row, case and punctuation aside, that make one; in the same bounds.

    Returns
    -------
    list of Span
        In order, none meeting the next: every character of `text` that lies in a run of that many
        characters or words is in one of them, and no other except what stands between such words.
        A span may be longer than any one of its sources.
    """
    _check("n_characters", n_characters)
    _check("n_words", n_words)
    if isinstance(training, InkIndex):
        runs = _looked_up(text, training, n_characters, n_words)
    else:
        runs = _past(text, _several(training, "training"), n_characters, n_words)
    spans: list[Span] = []
    for start, stop, where in sorted(runs):
        if spans and start <= spans[-1].stop:
            last = spans[-1]
            spans[-1] = Span(last.start, max(last.stop, stop), last.where)
        else:
            spans.append(Span(start, stop, where))
    return spans


def copied_ink(
    text: str,
    training: InkIndex | Iterable[str],
    *,
    n_characters: int = 50,
    n_words: int = 8,
) -> float:
    """The share of the characters of `text` inside copied spans, 0 to 1; 0 for an empty text.

    The parameters are those of `copied_spans`.
    """
    spans = copied_spans(text, training, n_characters=n_characters, n_words=n_words)
    return sum(s.stop - s.start for s in spans) / len(text) if text else 0.0


def copied_share(text: str, training: Iterable[str], *, n: int = 8) -> float:
    """The share of the words of `text` that lie in a run of `n` words found in `training`.

    Parameters
    ----------
    text : str
    training : iterable of str
        Read once; a run that crosses two of its texts is not found.
    n : int
        Words in a run, at least 1.

    Returns
    -------
    float
        Between 0 and 1; 0 for a text of fewer than `n` words.
    """
    _check("n", n)
    own = tuple(words(text))
    passing = _Passing(own, n)
    covered = [False] * len(own)
    for other in _several(training, "training"):
        for _, portion in _portions(other, n):
            for start, _ in passing.read(portion):
                covered[start : start + n] = [True] * n
    return sum(covered) / len(own) if own else 0.0
