from __future__ import annotations

import pytest

from corpora.dates import LetterDate
from corpora.document import Document
from corpora.people import Person, find_person, load_people
from lm.reading import questions
from lm.sources import PassageIndex, recall

GRAVITATION = "Dear Sir Isaac Newton, could you kindly explain your theory of gravitation?"


def answered(person: Person, letter: str, date: LetterDate, **options: object) -> list[str]:
    found = PassageIndex(person).answer(questions(letter), date, limit=3, **options)  # type: ignore[arg-type]
    return [f.passage.id for f in found]


def test_gravitation_finds_the_inverse_square() -> None:
    newton = find_person("newton")
    index = PassageIndex(newton)
    best = index.answer(questions(GRAVITATION), newton.writes_from.date, limit=1)[0].passage
    assert "inversely as the square" in best.text
    assert "product of their quantities of matter" in best.text


@pytest.mark.parametrize("slug", list(load_people()))
def test_nothing_later_than_the_letter_is_ever_found(slug: str) -> None:
    person = load_people()[slug]
    index = PassageIndex(person)
    dates = sorted({p.date for p in person.passages}, key=lambda d: d.last_day)
    for date in (dates[0], dates[len(dates) // 2], dates[-1]):
        year_before = LetterDate(date.year - 1)
        for when in (date, year_before):
            for passage in person.passages:
                words = dict.fromkeys((*passage.topics, "the"), 1.0)
                for found, _ in index.search(words, when):
                    assert found.date.not_after(when), (found.id, str(when))


def test_every_passage_is_found_by_its_own_topics() -> None:
    for person in load_people().values():
        index = PassageIndex(person)
        for passage in person.passages:
            weights = {word: 1.0 for topic in passage.topics for word in topic.lower().split()}
            found = {p.id for p, _ in index.search(weights, person.died)}
            assert passage.id in found, (person.slug, passage.id)


def test_a_passage_waits_for_its_date(weaver: Person) -> None:
    letter = "Pray, did your clock find the longitude at sea aboard a ship?"
    assert answered(weaver, letter, LetterDate(1750)) == ["sea-clock"]
    assert answered(weaver, letter, LetterDate(1749, 12, 31)) == []
    assert answered(weaver, letter, LetterDate(1750, 6, 1)) == []  # perhaps later in that year


def test_what_was_told_is_left_out(weaver: Person) -> None:
    letter = "Why does heat lengthen a pendulum?"
    assert answered(weaver, letter, LetterDate(1740)) == ["pendulum"]
    assert answered(weaver, letter, LetterDate(1740), without={"pendulum"}) == []


def test_answers_come_in_the_order_of_the_questions(weaver: Person) -> None:
    letter = "How does the escapement tick? And does heat change a pendulum?"
    assert answered(weaver, letter, LetterDate(1740)) == ["escapement", "pendulum"]


def test_what_nobody_asked_finds_nothing(weaver: Person) -> None:
    assert answered(weaver, "Do you like cheese with your bread?", LetterDate(1740)) == []


def test_signs_of_the_search_language_are_only_text(weaver: Person) -> None:
    index = PassageIndex(weaver)
    assert index.search({"near": 1.0, "or": 1.0, "not": 1.0, "and": 1.0}, LetterDate(1740)) == []
    letter = 'Why does "heat" AND NOT (pendulum*) OR topics:clock NEAR/2 -- ; drop table passages?'
    assert answered(weaver, letter, LetterDate(1740)) == ["pendulum"]


def test_names_of_the_file_are_known(weaver: Person) -> None:
    index = PassageIndex(weaver)
    for name in ("Hannah Cole", "Greenwich", "York", "Ruth Weaver"):
        assert index.knows_name(name)
    assert not index.knows_name("Albert Einstein")


def test_a_quotation_carries_its_text_title_and_date(weaver: Person) -> None:
    filler = " ".join(f"The day was long and I filed wheel number {w}." for w in "abcdefghijkl")
    text = (
        "I have weighed the mainspring of every watch in Greenwich twice over. Short one. "
        "[An editor's note of the mainspring of that watch in Greenwich here.]\n\n" + filler
    )
    book = Document(text, title="Letters on Watches", date=LetterDate(1738))
    index = PassageIndex(weaver, [book])
    asked = questions("Pray, have you weighed the mainspring of a watch at Greenwich?")
    (found,) = index.answer(asked, LetterDate(1740), limit=3)
    assert found.passage.text == text.split(" Short")[0]
    assert found.passage.id in index.quoted
    assert (found.passage.source, str(found.passage.date)) == ("Letters on Watches", "1738")
    assert index.answer(asked, LetterDate(1737), limit=3) == []
    undated = PassageIndex(weaver, [Document(text, title="Letters on Watches")])
    assert undated.quoted == set()


def test_a_sentence_of_an_earlier_letter_is_recalled() -> None:
    earlier = "My daughter keeps bees in the old orchard. It rained. We are well."
    assert recall(questions("Do the bees mind rain?"), earlier).startswith("My daughter keeps bees")
    assert recall(questions("What is light?"), earlier) == ""
