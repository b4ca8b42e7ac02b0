from __future__ import annotations

from typing import Any

import pytest

from corpora.dates import LetterDate
from corpora.errors import DateError, LetterError
from corpora.people import Person
from lm.request import MAX_CHARACTERS, Exchange, LetterRequest

HEAT = "Why does a clock lose in summer?"


def ask(person: Person, **given: Any) -> LetterRequest:
    return LetterRequest(**{"text": HEAT, "person": person, **given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": ""}, "is empty; write at least"),
        ({"text": " \n?!… "}, "is empty; write at least"),
        ({"text": "a" * (MAX_CHARACTERS + 1)}, "20,001 characters; at most 20,000"),
        ({"text": "clock\x00"}, r"letter holds the control character U\+0000"),
        ({"text": "clock\x1b[31m"}, r"U\+001B"),
        ({"text": "clock\ud800"}, r"U\+D800"),
        ({"writer": "Ann\x07"}, r"name holds the control character U\+0007"),
        ({"place": "York\x07"}, r"place holds the control character"),
        ({"writer": "A" * 81}, "name is 81 characters long; at most 80"),
        ({"place": "York\nHull"}, "at most 80 on one line"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    weaver: Person, given: dict[str, str], says: str
) -> None:
    with pytest.raises(LetterError, match=says):
        ask(weaver, **given)


def test_the_longest_letter_is_read(weaver: Person) -> None:
    assert len(ask(weaver, text="a" * MAX_CHARACTERS).text) == MAX_CHARACTERS


@pytest.mark.parametrize("date", ["1699", "1700-02-02", "1760-05-07", "1905"])
def test_a_date_outside_the_life_names_the_range(weaver: Person, date: str) -> None:
    with pytest.raises(DateError, match=r"1700-02-03 to 1760-05-06.*1740-06-10"):
        ask(weaver, date=LetterDate.parse(date))


@pytest.mark.parametrize("date", ["1700", "1700-02-03", "1760-05-06", "1760"])
def test_the_first_and_last_day_are_within_the_life(weaver: Person, date: str) -> None:
    assert ask(weaver, date=LetterDate.parse(date)).resolved_date == LetterDate.parse(date)


def test_an_undated_letter_is_dated_at_home(weaver: Person) -> None:
    request = ask(weaver)
    assert str(request.resolved_date) == "1740-06-10"
    assert request.reply_place == "Clock Lane, York"
    assert ask(weaver, date=LetterDate(1750)).reply_place == "Hull"


def test_a_correspondence_goes_on_in_time(weaver: Person) -> None:
    old, new = (Exchange(HEAT, "It does.", LetterDate(year)) for year in (1735, 1750))
    assert str(ask(weaver, thread=(old,)).resolved_date) == "1740-06-10"
    assert ask(weaver, thread=(new,)).resolved_date == LetterDate(1750)
    with pytest.raises(DateError, match=r"dated 1745, but the last one.*1750; date it later"):
        ask(weaver, thread=(old, new), date=LetterDate(1745))


def test_the_name_is_given_else_signed_else_none(weaver: Person) -> None:
    signed = f"{HEAT}\n\nRegards, Mrs. Ann Hale"
    assert ask(weaver, text=signed, writer=" Tom  Bell ").writer_name == "Tom Bell"
    assert ask(weaver, text=signed).greeting_name == "Mrs. Hale"
    assert ask(weaver).writer_name == ask(weaver).greeting_name == ""
