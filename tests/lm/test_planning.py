from __future__ import annotations

import random
from typing import Any

import pytest

from corpora.dates import LetterDate
from corpora.document import Document
from corpora.people import Person, load_people
from lm.planning import Own, Plan, Set, make_plan
from lm.proof import Mark
from lm.request import Exchange, LetterRequest
from lm.sources import PassageIndex

HEAT = "Why does heat lengthen a pendulum?"


def plan_of(person: Person, text: str = HEAT, *, max_passages: int = 3, **given: Any) -> Plan:
    request = LetterRequest(text, person, **given)
    index = PassageIndex(person, request.texts)
    return make_plan(request, index, max_passages=max_passages, draw=random.Random(0))


def marks(plan: Plan) -> list[Mark]:
    return [s.mark for slot in plan.slots if isinstance(slot, Set) for s in slot.sentences]


@pytest.mark.parametrize("slug", list(load_people()))
def test_form_stands_first_and_last(slug: str) -> None:
    person = load_people()[slug]
    for text in ("What is it you do all day?", "What do you say to relativity?", "Good day."):
        plan = plan_of(person, text, writer="Andrew Mayne")
        first, last = plan.slots[0], plan.slots[-1]
        assert isinstance(first, Set)
        assert isinstance(last, Set)
        assert [s.mark for s in first.sentences] == [Mark.FORM, Mark.FORM]
        assert person.writes_from.place in first.text
        assert person.writes_from.date.long in first.text
        assert "Andrew" in first.sentences[1].text
        assert [s.mark for s in last.sentences] == [Mark.FORM, Mark.FORM]
        assert last.sentences[-1].text == person.name
        assert any(isinstance(slot, Own) for slot in plan.slots)


def test_a_writer_without_a_name_is_a_friend(weaver: Person) -> None:
    assert "My friend," in plan_of(weaver).slots[0].text  # type: ignore[union-attr]


def test_a_passage_is_placed_with_its_source(weaver: Person) -> None:
    plan = plan_of(weaver)
    assert not plan.declines
    (sourced,) = (
        s
        for slot in plan.slots
        if isinstance(slot, Set)
        for s in slot.sentences
        if s.mark is Mark.SOURCED
    )
    assert sourced.text == weaver.passage("pendulum").text
    assert sourced.source is not None
    assert (sourced.source.passage, sourced.source.title) == (
        "pendulum",
        "Workshop book (1730), leaf 4",
    )
    assert (sourced.source.date, sourced.source.checked) == ("1730", "opened")


@pytest.mark.parametrize(
    "text",
    [
        "What will you make in 1905?",
        "In 1905, what became of clocks?",
        "What do you think of relativity?",
        "Have you read of a man called Einstein?",
    ],
)
def test_what_came_later_is_declined(weaver: Person, text: str) -> None:
    plan = plan_of(weaver, text)
    assert plan.declines
    assert Mark.REFUSAL in marks(plan)
    assert weaver.voice.later[0].startswith(
        next(
            s.text
            for slot in plan.slots
            if isinstance(slot, Set)
            for s in slot.sentences
            if s.mark is Mark.REFUSAL
        )
    )


def test_an_unknown_name_is_declined_and_a_known_one_not(weaver: Person) -> None:
    assert marks(plan_of(weaver, "What do you think of Zebulon Quirk?")).count(Mark.REFUSAL) == 1
    for name in ("Hannah Cole", "Greenwich", "Ruth Weaver"):
        assert Mark.REFUSAL not in marks(plan_of(weaver, f"What do you think of {name}?"))
    own = "What should Zebulon Quirk do?"
    assert Mark.REFUSAL not in marks(plan_of(weaver, own, writer="Zebulon Quirk"))


def test_a_year_past_is_no_reason_to_decline(weaver: Person) -> None:
    assert not plan_of(weaver, "Why does heat lengthen a pendulum, as in 1730?").declines


def test_the_earlier_letter_is_remembered(weaver: Person) -> None:
    before = Exchange("My daughter keeps bees in the orchard.", "Good.", LetterDate(1740, 3, 1))
    plan = plan_of(weaver, "Do bees mind the noise of a clock?", thread=(before,))
    (kept,) = (
        s
        for slot in plan.slots
        if isinstance(slot, Set)
        for s in slot.sentences
        if s.mark is Mark.REMEMBERED
    )
    assert "“My daughter keeps bees in the orchard.”" in kept.text
    assert "1 March 1740" in kept.text
    assert kept.source is not None
    assert kept.source.date == "1740-03-01"


def test_a_passage_is_told_once_in_a_correspondence(weaver: Person) -> None:
    told = weaver.passage("pendulum").text
    before = Exchange(HEAT, f"York.\n\nFriend,\n\n{told} So.", LetterDate(1740))
    assert [p.id for p in plan_of(weaver).passages] == ["pendulum"]
    date = LetterDate(1741)
    assert plan_of(weaver, thread=(before,), date=date).passages == ()


def test_passages_stand_in_the_order_of_the_questions(weaver: Person) -> None:
    text = "How does the escapement tick? And does heat change a pendulum?"
    plan = plan_of(weaver, text)
    assert [p.id for p in plan.passages] == ["escapement", "pendulum"]
    placed = [
        s.source.passage
        for slot in plan.slots
        if isinstance(slot, Set)
        for s in slot.sentences
        if s.source
    ]
    assert placed == ["escapement", "escapement", "pendulum"]
    assert len(plan_of(weaver, text, max_passages=1).passages) == 1


def test_a_quotation_stands_in_marks_with_its_book(weaver: Person) -> None:
    filler = " ".join(f"The day was long and I filed wheel number {w}." for w in "abcdefghijkl")
    quoted = "I have weighed the mainspring of every watch in Greenwich twice over."
    book = Document(f"{quoted}\n\n{filler}", title="Watches", date=LetterDate(1738))
    text = "Have you weighed the mainspring of a watch at Greenwich?"
    plan = plan_of(weaver, text, texts=(book,))
    (sentence,) = (
        s
        for slot in plan.slots
        if isinstance(slot, Set)
        for s in slot.sentences
        if s.mark is Mark.QUOTED
    )
    assert sentence.text == f"“{quoted}”"
    assert sentence.source is not None
    assert (sentence.source.title, sentence.source.date) == ("Watches", "1738")
    early = plan_of(weaver, text, texts=(book,), date=LetterDate(1736))
    assert Mark.QUOTED not in marks(early)


def test_a_later_thing_is_declined_though_the_question_does_not_name_it() -> None:
    text = (
        "My laptop and the internet do in a moment what your engine would do in an hour. "
        "Are you proud?"
    )
    person = load_people()["lovelace"]
    request = LetterRequest(text, person)
    plan = make_plan(request, PassageIndex(person), max_passages=2, draw=random.Random(0))
    assert plan.declines
