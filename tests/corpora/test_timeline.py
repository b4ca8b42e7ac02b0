from __future__ import annotations

import re
from collections import Counter

import pytest

from corpora.dates import LetterDate
from corpora.people import Person, load_people
from corpora.timeline import later_things, load_timeline

PEOPLE = list(load_people().values())


def _later(text: str, year: int) -> list[str]:
    return [thing.name for thing in later_things(text, LetterDate(year))]


def test_is_long_enough() -> None:
    assert len(load_timeline()) >= 600


def test_years_are_sorted() -> None:
    years = [thing.year for thing in load_timeline()]
    assert years == sorted(years)


def test_no_name_stands_twice() -> None:
    assert [name for name, n in Counter(t.name for t in load_timeline()).items() if n > 1] == []


def test_a_name_has_one_year_however_it_is_written() -> None:
    # "X ray" and "x-ray", "Battle of Waterloo" and "battle of waterloo".
    years: dict[str, set[int]] = {}
    for thing in load_timeline():
        years.setdefault(" ".join(re.findall(r"[\w']+", thing.name.lower())), set()).add(thing.year)
    assert {name: found for name, found in years.items() if len(found) > 1} == {}


def test_a_name_that_starts_small_is_small_throughout() -> None:
    # Such names are met in any case; a capital further on would not be.
    names = [t.name for t in load_timeline()]
    assert [n for n in names if not n[:1].isupper() and n != n.lower()] == []


def test_names_are_three_characters_or_more() -> None:
    assert [t.name for t in load_timeline() if len(t.name) < 3 or t.name != t.name.strip()] == []


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.slug)
def test_no_passage_speaks_of_a_later_thing(person: Person) -> None:
    found = {p.id: names for p in person.passages if (names := later_things(p.text, p.date))}
    assert found == {}


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.slug)
def test_nobody_knows_a_later_thing(person: Person) -> None:
    found = {k: names for k in person.knows if (names := later_things(k, person.writes_from.date))}
    assert found == {}


@pytest.mark.parametrize(
    ("text", "year", "name"),
    [
        ("What do you think of Einstein's relativity?", 1689, "relativity"),
        ("Have you seen a Telephone?", 1875, "telephone"),
        ("Do you take photographs?", 1816, "photograph"),
        ("May I send you an e-mail?", 1925, "e mail"),
        ("Is it true that X-rays harm the skin?", 1876, "x ray"),
        ("Who lives on Uranus?", 1715, "Uranus"),
        ("Would you fly by aeroplane?", 1876, "aeroplane"),
        ("Have you read the Origin of Species?", 1845, "Origin of Species"),
        ("Did the French Revolution please you?", 1788, "French Revolution"),
        ("Have you eaten sandwiches?", 1715, "sandwiches"),
        ("Did you hear of the Battle of Waterloo?", 1800, "Battle of Waterloo"),
        ("Is an iPhone of any use to you?", 1925, "iphone"),
        ("Does gunpowder frighten you?", -40, "gunpowder"),
    ],
)
def test_declines_a_later_thing(text: str, year: int, name: str) -> None:
    assert name in _later(text, year)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("Have you a telephone?", 1876),
        ("How does your telescope gather light?", 1671),
        ("What is natural selection?", 1858),
        ("Has oxygen a smell?", 1774),
        ("Do the moons of Jupiter obey your law?", 1687),
        ("Are X-rays of use to surgeons?", 1895),
        # Words that have an older meaning.
        ("Is the current strong, and what moves the engine of the cell?", 1700),
        ("A train of thought, a plane, a tank, a film, a web, a car and a computer.", 1700),
        ("Was the Earl of Sandwich at the Navy Office?", 1690),
        ("Who died in the Black Hole of Calcutta?", 1787),
        ("Does Neptune rule the sea, and Pluto the dead?", 1600),
        ("Have you read Grotius on the Rights of War and Peace?", 1690),
        ("I met Thomas Hardy and old Uncle Sam in the Place de la Concorde.", 1800),
    ],
)
def test_lets_an_older_thing_pass(text: str, year: int) -> None:
    assert _later(text, year) == []
