"""When things came into the world: what a letter may not know at its date.

`timeline.toml` lists inventions, discoveries, events, works and names with the year in which the
world could first have heard of them. A letter of 1689 that asks about relativity meets an entry of
1905.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpora.dates import LetterDate
from corpora.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a beginning: the name it goes by, and its first year."""

    name: str
    year: int


_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("’", "'") for word in _WORD.findall(text))


def _keys(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The ways words may stand in the timeline: as written, or in lower case and singular."""
    yield words
    yield (*words[:-1], words[-1].removesuffix("'s"))
    *front, last = (word.lower() for word in words)
    yield (*front, last)
    for ending in ("s", "es", "'s"):
        if last.endswith(ending):
            yield (*front, last.removesuffix(ending))


@functools.cache
def load_timeline() -> tuple[Thing, ...]:
    """Every name with its year, in the order of the file.

    Raises
    ------
    CorpusError
        If a year is not a whole number, or its names are not a list of texts.
    """
    file = importlib.resources.files("corpora") / "timeline.toml"
    table: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    things: list[Thing] = []
    for year, names in table.items():
        listed = isinstance(names, list) and all(isinstance(n, str) and n for n in names)
        if not re.fullmatch(r"-?\d{1,4}", year) or not listed:
            raise CorpusError(
                f"timeline.toml, {year!r}: expected a year and a list of names, 1876 = [...]."
            )
        things.extend(Thing(name, int(year)) for name in names)
    return tuple(things)


@functools.cache
def _by_words() -> dict[tuple[str, ...], Thing]:
    """Proper names (with a capital) under their words as written, others in lower case."""
    return {_words(thing.name): thing for thing in load_timeline()}


def later_things(text: str, date: LetterDate) -> list[Thing]:
    """What a text mentions that had not come into the world by the end of the year of `date`.

    Of names inside one another the longest counts: a steam locomotive is not met as steam.
    """
    known = _by_words()
    longest = max(map(len, known), default=0)
    words = _words(text)
    found: dict[Thing, None] = {}
    i = 0
    while i < len(words):
        step = 1
        for n in range(min(longest, len(words) - i), 0, -1):
            thing = next((known[k] for k in _keys(words[i : i + n]) if k in known), None)
            if thing is not None:
                found[thing] = None
                step = n
                break
        i += step
    return [thing for thing in found if thing.year > date.year]


def is_known(name: str, date: LetterDate) -> bool:
    """Whether the timeline has a name, and the world had heard of it by a date."""
    return any(thing.name == name and thing.year <= date.year for thing in load_timeline())
