"""When things came into the world: what a letter may not know at its date.

`timeline.toml` lists inventions, discoveries, events, works and names with the year in which the world
could first have heard of them. A letter of 1689 that asks about relativity meets an entry of 1905.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import tomllib
from dataclasses import dataclass
from typing import Any

from corpora.dates import LetterDate
from corpora.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a beginning: the words it goes by, and its first year."""

    names: tuple[str, ...]
    year: int


def _pattern(name: str) -> str:
    """A name as a pattern: a proper name as written, a common noun in any case and in the plural."""
    escaped = re.escape(name).replace(r"\ ", r"[\s-]+")
    return escaped if name[:1].isupper() else f"(?i:{escaped}(?:e?s)?)"


@functools.cache
def load_timeline() -> tuple[Thing, ...]:
    """Every entry, in the order of the file.

    Raises
    ------
    CorpusError
        If an entry lacks its names or year.
    """
    file = importlib.resources.files("corpora") / "timeline.toml"
    table: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    things = []
    for number, entry in enumerate(table.get("thing", []), 1):
        names, year = entry.get("names"), entry.get("year")
        if not names or not isinstance(year, int):
            raise CorpusError(
                f"timeline.toml, thing {number}: expected names = [...] and year = a whole number."
            )
        things.append(Thing(tuple(names), year))
    return tuple(things)


@functools.cache
def _finder() -> tuple[re.Pattern[str], dict[str, Thing]]:
    groups: dict[str, Thing] = {}
    alternatives = []
    for thing in load_timeline():
        for name in thing.names:
            group = f"t{len(groups)}"
            groups[group] = thing
            alternatives.append((len(name), f"(?P<{group}>{_pattern(name)})"))
    # The longest name first, so that "steam locomotive" is not met as "steam".
    alternatives.sort(key=lambda pair: -pair[0])
    joined = "|".join(pattern for _, pattern in alternatives)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)"), groups


def later_things(text: str, date: LetterDate) -> list[Thing]:
    """What a text mentions that had not come into the world by the end of the year of `date`."""
    pattern, groups = _finder()
    found = [groups[m.lastgroup] for m in pattern.finditer(text) if m.lastgroup]
    return [thing for thing in dict.fromkeys(found) if thing.year > date.year]
