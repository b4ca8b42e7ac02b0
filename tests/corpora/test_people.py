from __future__ import annotations

from pathlib import Path

import pytest

from corpora.dates import LetterDate
from corpora.errors import DateError, PersonError
from corpora.people import Person, find_person, load_people, load_person

GOOD = """
slug = "wren"
name = "Christopher Wren"
aliases = ["Sir Christopher"]
born = "1632-10-20"
died = "1723-02-25"
line = "Astronomer and architect."
knows = ["Robert Hooke"]
[writes_from]
date = "1675-06-01"
place = "London"
[[place]]
from = "1649"
to = "1661"
name = "Oxford"
[[place]]
from = "1661"
to = "1723"
name = "London"
[[office]]
from = "1661"
to = "1673"
title = "Savilian Professor of Astronomy"
address = "Sir"
[voice]
temperament = "Even."
turns = ["To my mind"]
impatient_of = ["delay"]
salutations = ["Dear {name},"]
friend = "My friend,"
subscriptions = ["Your servant,"]
later = ["Of that I have heard nothing."]
unknown = ["I do not know it."]
[[passage]]
id = "rebuilding"
date = "1666-09"
topics = ["fire"]
text = "I drew a plan."
source = "Plan for London, 1666"
checked = "recalled"
"""


@pytest.fixture
def wren() -> Person:
    return load_person(GOOD)


def test_a_person_is_read_whole(wren: Person, tmp_path: Path) -> None:
    assert (wren.name, wren.lifespan) == ("Christopher Wren", "1632–1723")
    assert wren.voice.salutations == ("Dear {name},",)
    (tmp_path / "wren.toml").write_text(GOOD, "utf-8")
    assert load_person(tmp_path / "wren.toml") == wren


def test_where_they_wrote_from(wren: Person) -> None:
    assert wren.place_at(LetterDate(1655)) == "Oxford"
    assert wren.place_at(LetterDate(1661)) == "London"  # both fit; the later one
    assert wren.place_at(LetterDate(1640)) == ""
    office = wren.office_at(LetterDate(1670))
    assert office is not None
    assert office.address == "Sir"
    assert wren.office_at(LetterDate(1680)) is None


def test_nothing_is_known_before_its_date(wren: Person) -> None:
    assert wren.knowable(LetterDate(1666, 8, 31)) == ()
    assert [p.id for p in wren.knowable(LetterDate(1666, 9))] == ["rebuilding"]


@pytest.mark.parametrize("date", ["1905", "1632-10-19", "1723-03"])
def test_a_date_outside_the_life_names_the_range(wren: Person, date: str) -> None:
    with pytest.raises(DateError, match="1632-10-20 to 1723-02-25"):
        wren.check_date(LetterDate.parse(date))


@pytest.mark.parametrize("date", ["1632", "1723", "1700-05-05", "1723-02-25"])
def test_a_date_inside_the_life_passes(wren: Person, date: str) -> None:
    wren.check_date(LetterDate.parse(date))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('slug = "wren"', 'slug = "Wren!"', "'slug'"),
        ('born = "1632-10-20"', 'born = "long ago"', "'born'.*not a date"),
        ('died = "1723-02-25"', 'died = "1600"', "'died'.*before"),
        ('line = "Astronomer and architect."', "", "'line' is missing"),
        ('line = "Astronomer and architect."', "line = 5", "'line' is 5; expected a text"),
        ('knows = ["Robert Hooke"]', 'knowns = ["x"]', "'knowns' is not a field.*'knows'"),
        ('to = "1661"', 'to = "1640"', "place 1.*'to'"),
        ('date = "1675-06-01"', 'date = "1775"', "writes_from.*'date'"),
        ('["Dear {name},"]', '["Dear Sir,"]', "salutations.*{name}"),
        ('["I do not know it."]', "[]", "'unknown' has 0 entries"),
        ('id = "rebuilding"', 'id = "Re building"', "passage 1.*'id'"),
        ('date = "1666-09"', 'date = "1766-09"', "passage 1.*'date'.*life"),
        ('checked = "recalled"', 'checked = "yes"', "opened or recalled"),
        ('topics = ["fire"]', 'topics = ["fire", "fire"]', "'topics' holds 'fire' twice"),
        ("[voice]", "[voice", "not valid TOML"),
    ],
)
def test_a_wrong_file_names_the_field(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(PersonError, match=says) as caught:
        load_person(GOOD.replace(old, new, 1), "wren.toml")
    assert "wren.toml" in str(caught.value)


def test_a_passage_id_serves_once() -> None:
    again = GOOD[GOOD.index("[[passage]]") :]
    with pytest.raises(PersonError, match="'rebuilding' twice"):
        load_person(GOOD + again)


def test_a_missing_or_binary_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PersonError, match="cannot be read"):
        load_person(tmp_path / "nobody.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\x00")
    with pytest.raises(PersonError, match="UTF-8"):
        load_person(tmp_path / "bad.toml")


def test_everybody_is_found_by_every_name() -> None:
    for person in load_people().values():
        for name in (person.slug, person.name.upper(), *person.aliases, f"  {person.name} "):
            assert find_person(name).slug == person.slug, name


def test_a_slip_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(PersonError, match=r"Did you mean newton .*`letterpress people`"):
        find_person("Isac Newtn")
    with pytest.raises(PersonError, match=r"`letterpress people`") as caught:
        find_person("zzzz" * 100)
    assert len(str(caught.value)) < 200
