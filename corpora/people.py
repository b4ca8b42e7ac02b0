"""The correspondents: who they were, where they wrote from, how they speak, what they knew when.

Each is one TOML file in `corpora/people/`; docs/people-and-letters.md tells the format. Finding the
passages that fit a letter is left to `lm.sources`.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from corpora.dates import LetterDate
from corpora.errors import DateError, PersonError
from corpora.tables import Table, read_table

CHECKED = ("opened", "recalled")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Passage:
    """Something the person is documented to have held or done, in our words and their voice.

    `date` is when they had held or done it; `checked` is "opened" where the writer of the passage
    read the source and "recalled" where not.
    """

    id: str
    date: LetterDate
    topics: tuple[str, ...]
    text: str
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the person wrote from between two dates, both included."""

    start: LetterDate
    end: LetterDate
    name: str


@dataclass(frozen=True, slots=True)
class Office:
    """An office, and the salutation a correspondent would have used while it was held."""

    start: LetterDate
    end: LetterDate
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Voice:
    """How the person writes. `{name}` in a salutation or subscription becomes the writer's name.

    `friend` greets a writer whose name is not known; `later` and `unknown` are whole refusals.
    """

    temperament: str
    turns: tuple[str, ...]
    impatient_of: tuple[str, ...]
    salutations: tuple[str, ...]
    friend: str
    subscriptions: tuple[str, ...]
    later: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WritesFrom:
    """The date and place of an undated letter."""

    date: LetterDate
    place: str


@dataclass(frozen=True, slots=True)
class Person:
    """A correspondent, as their file tells them."""

    slug: str
    name: str
    aliases: tuple[str, ...]
    born: LetterDate
    died: LetterDate
    line: str
    knows: tuple[str, ...]
    writes_from: WritesFrom
    places: tuple[Place, ...]
    offices: tuple[Office, ...]
    voice: Voice
    passages: tuple[Passage, ...]

    @property
    def lifespan(self) -> str:
        """The years of their life, "1642-1727" with an en dash."""
        return f"{LetterDate(self.born.year).long}–{LetterDate(self.died.year).long}"

    def place_at(self, date: LetterDate) -> str:
        """Where they wrote from at a date, or an empty text where the file does not say.

        Of several places that fit, the one they came to last; on the date of `writes_from`, the
        place given there.
        """
        if date == self.writes_from.date:
            return self.writes_from.place
        fitting = [p for p in self.places if _overlap(p.start, p.end, date)]
        return max(fitting, key=lambda p: p.start.first_day).name if fitting else ""

    def office_at(self, date: LetterDate) -> Office | None:
        """The office they held at a date, the one taken up last where there are several."""
        held = [o for o in self.offices if _overlap(o.start, o.end, date)]
        return max(held, key=lambda o: o.start.first_day) if held else None

    def passage(self, passage_id: str) -> Passage:
        """The passage of an id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for passage in self.passages:
            if passage.id == passage_id:
                return passage
        raise KeyError(passage_id)

    def knowable(self, date: LetterDate) -> tuple[Passage, ...]:
        """The passages that were already true at a date, in the order of the file."""
        return tuple(p for p in self.passages if p.date.not_after(date))

    def check_date(self, date: LetterDate) -> None:
        """Refuse a date outside their life.

        Raises
        ------
        DateError
            Naming the range in which a letter can be dated.
        """
        if not _overlap(self.born, self.died, date):
            raise DateError(
                f"{self.name} cannot write on {date.long}: "
                f"born {self.born.long}, died {self.died.long}. "
                f"Choose a date from {self.born} to {self.died}, or none: "
                f"an undated letter is dated {self.writes_from.date}."
            )


def _overlap(start: LetterDate, end: LetterDate, date: LetterDate) -> bool:
    return start.first_day <= date.last_day and date.first_day <= end.last_day


def _read_span(table: Table, born: LetterDate, died: LetterDate) -> tuple[LetterDate, LetterDate]:
    start, end = table.date("from"), table.date("to")
    if end.last_day < start.first_day:
        raise table.fail("to", f"is {end}, before 'from', {start}; expected a later date.")
    for field, date in (("from", start), ("to", end)):
        if not _overlap(born, died, date):
            raise table.fail(field, f"is {date}; expected a date of their life, {born} to {died}.")
    return start, end


def _read_place(table: Table, born: LetterDate, died: LetterDate) -> Place:
    place = Place(*_read_span(table, born, died), table.text("name"))
    table.done()
    return place


def _read_office(table: Table, born: LetterDate, died: LetterDate) -> Office:
    office = Office(*_read_span(table, born, died), table.text("title"), table.text("address"))
    table.done()
    return office


def _read_voice(table: Table) -> Voice:
    voice = Voice(
        temperament=table.text("temperament"),
        turns=table.texts("turns"),
        impatient_of=table.texts("impatient_of"),
        salutations=table.texts("salutations"),
        friend=table.text("friend"),
        subscriptions=table.texts("subscriptions"),
        later=table.texts("later"),
        unknown=table.texts("unknown"),
    )
    for salutation in voice.salutations:
        if "{name}" not in salutation:
            raise table.fail("salutations", f"holds {salutation!r}; each needs {{name}} in it.")
    if "{" in voice.friend:
        raise table.fail("friend", f"is {voice.friend!r}; it greets without a name.")
    table.done()
    return voice


def _read_passage(table: Table, born: LetterDate, died: LetterDate) -> Passage:
    passage = Passage(
        id=table.text("id"),
        date=table.date("date"),
        topics=table.texts("topics"),
        text=" ".join(table.text("text").split()),
        source=table.text("source"),
        checked=table.text("checked"),
    )
    if not _SLUG.match(passage.id):
        raise table.fail(
            "id", f"is {passage.id!r}; expected small letters and hyphens, inverse-square."
        )
    if not _overlap(born, died, passage.date):
        raise table.fail(
            "date", f"is {passage.date}; expected a date of their life, {born} to {died}."
        )
    if passage.checked not in CHECKED:
        raise table.fail("checked", f"is {passage.checked!r}; expected {' or '.join(CHECKED)}.")
    table.done()
    return passage


def load_person(source: Path | str, where: str = "") -> Person:
    """Read and check one person.

    Parameters
    ----------
    source : Path or str
        A TOML file, or its text.
    where : str
        What to call the file in messages, when `source` is its text.

    Raises
    ------
    PersonError
        Naming the file and the field that is missing or wrong.
    """
    if isinstance(source, Path):
        where = where or source.name
        try:
            text = source.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise PersonError(
                f"{source} cannot be read: {problem}. Expected a TOML file in UTF-8."
            ) from None
    else:
        where, text = where or "the person's file", source
    table = read_table(text, where, PersonError)
    born, died = table.date("born"), table.date("died")
    if died.last_day < born.first_day:
        raise table.fail("died", f"is {died}, before 'born', {born}.")
    origin = table.table("writes_from")
    writes_from = WritesFrom(origin.date("date"), origin.text("place"))
    if not _overlap(born, died, writes_from.date):
        raise origin.fail("date", f"is {writes_from.date}; expected {born} to {died}.")
    origin.done()
    person = Person(
        slug=table.text("slug"),
        name=table.text("name"),
        aliases=table.texts("aliases", at_least=0),
        born=born,
        died=died,
        line=table.text("line"),
        knows=table.texts("knows", at_least=0),
        writes_from=writes_from,
        places=tuple(_read_place(t, born, died) for t in table.tables("place", at_least=0)),
        offices=tuple(_read_office(t, born, died) for t in table.tables("office", at_least=0)),
        voice=_read_voice(table.table("voice")),
        passages=tuple(_read_passage(t, born, died) for t in table.tables("passage")),
    )
    if not _SLUG.match(person.slug):
        raise table.fail("slug", f"is {person.slug!r}; expected small letters and hyphens.")
    seen: set[str] = set()
    for passage in person.passages:
        if passage.id in seen:
            raise table.fail("passage", f"has the id {passage.id!r} twice; each needs its own.")
        seen.add(passage.id)
    table.done()
    return person


@functools.cache
def load_people() -> Mapping[str, Person]:
    """All bundled people by slug, in the order of their file names; read once per process."""
    folder = importlib.resources.files("corpora") / "people"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name
    )
    people: dict[str, Person] = {}
    for file in files:
        person = load_person(file.read_text("utf-8"), where=file.name)
        if file.name != f"{person.slug}.toml":
            raise PersonError(
                f"{file.name}: the field 'slug' is {person.slug!r}; expected the file's own name."
            )
        people[person.slug] = person
    return MappingProxyType(people)


def find_person(name: str) -> Person:
    """The person of a slug, name or alias, whatever its capitals.

    Raises
    ------
    PersonError
        If there is none; the message suggests the nearest and how to see them all.
    """
    wanted = " ".join(name.split()).casefold()
    called = {
        called.casefold(): person
        for person in reversed(list(load_people().values()))
        for called in (*person.aliases, person.name, person.slug)
    }
    if person := called.get(wanted):
        return person
    near = difflib.get_close_matches(wanted, called, n=1, cutoff=0.5)
    advice = f"Did you mean {called[near[0]].slug} ({called[near[0]].name})? " if near else ""
    shown = name if len(name) <= 60 else name[:57] + "..."
    raise PersonError(
        f"There is nobody called {shown!r} here. {advice}`letterpress people` lists everybody."
    )
