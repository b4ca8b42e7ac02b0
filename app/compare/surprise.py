"""Surprise: how many bits each character of a text costs each model, and where they differ most.

Models cut a text in different ways, so bits are shared out among characters
(`engine.scoring.character_bits`) and added up again over words. A word has the white space before
it: for a BPE model the two are one token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from app.library import Library
from corpora.errors import InputError
from engine.scoring import Bits, character_bits

LONGEST = 20_000  # characters
# Ideographs and kana are written without spaces: each is a word.
_ALONE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that stands at `start` to `stop`, and its bits for each model."""

    text: str
    start: int
    stop: int
    bits: tuple[float, ...]

    @property
    def difference(self) -> float:
        """Bits between the model it costs most and the one it costs least; of one model, all."""
        return max(self.bits) - (min(self.bits) if len(self.bits) > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One model's surprise at a text: `bits` has one number for each character."""

    model: str
    bits: Bits
    bits_per_byte: float

    @property
    def total(self) -> float:
        """Bits of the whole text."""
        return float(self.bits.sum())


def check(text: str) -> str:
    """The text, if it can be read.

    Raises
    ------
    InputError
        If there is none, it is too long or is no Unicode text.
    """
    if not text.strip():
        raise InputError("The text is empty; expected some words to be surprised by. Write some.")
    if len(text) > LONGEST:
        raise InputError(
            f"The text has {len(text):,} characters; at most {LONGEST:,} are read. Shorten it."
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("The text holds half a character; expected Unicode. Type it again.")
    return text


def read(library: Library, model: str, text: str, device: str = "auto") -> Reading:
    """What one model makes of a text.

    Raises
    ------
    LetterpressError
        If the text or the model cannot be used.
    """
    loaded = library.borrow(model, device).model
    bits = character_bits(loaded.model, loaded.tokenizer, [check(text)])[0]
    return Reading(model, bits, float(bits.sum()) / len(text.encode("utf-8")))


def read_all(
    library: Library,
    models: Sequence[str],
    text: str,
    device: str = "auto",
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Reading]:
    """The models one after another, until stopped."""
    for model in models:
        if stopped():
            return
        yield read(library, model, text, device)


def word_bounds(text: str) -> list[tuple[int, int]]:
    """Where each word of a text stands, the white space before it left out."""
    return [match.span() for match in _WORD.finditer(text)]


def words(text: str, readings: Sequence[Reading]) -> list[Word]:
    """The words with their bits; they add up to those of the text but for white space at its end.

    Raises
    ------
    ValueError
        If a reading is of a text of another length.
    """
    for reading in readings:
        if len(reading.bits) != len(text):
            raise ValueError(
                f"readings hold {len(reading.bits)} characters of {reading.model}; "
                f"the text has {len(text)}"
            )
    sums = [[0.0, *accumulate(reading.bits.tolist())] for reading in readings]
    bounds = word_bounds(text)
    ends = [0, *(stop for _, stop in bounds)]
    return [
        Word(text[start:stop], start, stop, tuple(s[end] - s[before] for s in sums))
        for (start, stop), (before, end) in zip(bounds, pairwise(ends), strict=True)
    ]


def most_different(found: Sequence[Word], n: int = 12) -> list[Word]:
    """The words whose bits differ most between the models; for one model, those that cost most."""
    return sorted(found, key=lambda word: (-word.difference, word.start))[:n] if found else []


def as_json(text: str, readings: Sequence[Reading]) -> dict[str, Any]:
    """Everything as plain data: totals and characters for each model, and all words."""
    found = words(text, readings)
    return {
        "text": text,
        "models": [
            {
                "name": reading.model,
                "bits": reading.total,
                "bits_per_byte": reading.bits_per_byte,
                "character_bits": [round(float(cost), 4) for cost in reading.bits],
            }
            for reading in readings
        ],
        "words": [
            {
                "word": w.text,
                "start": w.start,
                "stop": w.stop,
                "bits": [round(b, 4) for b in w.bits],
            }
            for w in found
        ],
        "differ_most": [
            {"word": w.text, "start": w.start, "difference": round(w.difference, 4)}
            for w in most_different(found)
        ],
    }
