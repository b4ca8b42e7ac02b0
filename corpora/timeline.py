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
from dataclasses import dataclass
from typing import Any

from corpora.dates import LetterDate
from corpora.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a beginning: the name it goes by, and its first year."""

    name: str
    year: int


def _pattern(name: str) -> str:
    """A name as a pattern: a proper name as written, a common noun in any case and number."""
    escaped = re.escape(name).replace(r"\ ", r"[\s-]+")
    return escaped if name[:1].isupper() else f"(?i:{escaped}(?:e?s)?)"


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
def _finder() -> tuple[re.Pattern[str], dict[str, Thing]]:
    # The longest name first, so that "steam locomotive" is not met as "steam".
    things = sorted(load_timeline(), key=lambda thing: -len(thing.name))
    groups = {f"t{i}": thing for i, thing in enumerate(things)}
    joined = "|".join(f"(?P<{group}>{_pattern(thing.name)})" for group, thing in groups.items())
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)"), groups


def later_things(text: str, date: LetterDate) -> list[Thing]:
    """What a text mentions that had not come into the world by the end of the year of `date`."""
    pattern, groups = _finder()
    found = [groups[m.lastgroup] for m in pattern.finditer(text) if m.lastgroup]
    return [thing for thing in dict.fromkeys(found) if thing.year > date.year]


def is_known(name: str, date: LetterDate) -> bool:
    """Whether the timeline has a name, and the world had heard of it by a date."""
    return any(thing.name == name and thing.year <= date.year for thing in load_timeline())
