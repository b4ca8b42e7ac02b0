from __future__ import annotations

import pytest

from corpora.dates import LetterDate
from corpora.document import Document
from lm.quotations import Quotations, quotations_of
from lm.reading import questions

SPRING = "I have weighed the mainspring of every watch in Greenwich twice over."
TEXT = f"""
LETTER I.

{SPRING} It is a dull business, and the mainspring of a watch is heavy in Greenwich.
Is the mainspring of a watch not weighed at Greenwich by the gross?

[A watch whose mainspring was weighed in Greenwich, says the editor, is a fable.]

The bees are in the orchard and my daughter keeps them from the road.

I am, Sir, he who weighed the mainspring of that watch in Greenwich.
"""
ASKED = "Pray, have you weighed the mainspring of a watch at Greenwich?"
BOOK = Document(TEXT, title="On Watches", date=LetterDate(1738))


def quoted(asked: str, date: int = 1740, *, book: Document = BOOK, **without: set[str]) -> str:
    found = Quotations([book]).answer(questions(asked)[0], LetterDate(date), **without)
    return found.text if found else ""


def test_only_sentences_that_stand_alone() -> None:
    assert [p.text for p in Quotations([BOOK]).passages] == [
        SPRING,
        "The bees are in the orchard and my daughter keeps them from the road.",
    ]


def test_it_carries_the_title_and_the_date() -> None:
    found = Quotations([BOOK]).answer(questions(ASKED)[0], LetterDate(1740))
    assert found is not None
    assert (found.text, found.source, str(found.date)) == (SPRING, "On Watches", "1738")
    assert found.id in Quotations([BOOK]).ids
    assert quoted(ASKED, without={found.id}) == ""


@pytest.mark.parametrize(
    "asked",
    [
        "Have you a watch?",
        "Do you keep bees in your garden by the river?",
        "What is the weather at Greenwich in a hard winter, and who mends the watch?",
        "I weighed the mainspring of a watch at Greenwich.",
    ],
)
def test_a_word_or_two_in_common_is_not_enough(asked: str) -> None:
    assert quoted(asked) == ""


def test_nothing_later_than_the_letter_and_nothing_undated() -> None:
    assert quoted(ASKED, 1738) == SPRING
    assert quoted(ASKED, 1737) == ""
    assert quoted(ASKED, book=Document(TEXT, title="On Watches")) == ""


def test_an_index_is_kept_for_the_next_letter() -> None:
    again = Document(TEXT, title="On Watches", date=LetterDate(1738))
    assert quotations_of((BOOK,)) is quotations_of((again,))
