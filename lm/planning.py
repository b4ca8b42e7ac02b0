"""What a reply will hold, before a word of it is written: which passages, what is declined, what is
remembered, and where the model's own prose goes.

A plan is a list of slots. `Set` slots are the program's and have their sentences; `Own` slots are
for the model.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from corpora.dates import LetterDate
from corpora.people import Passage
from corpora.timeline import is_known, later_things
from lm.format import date_line
from lm.proof import Mark, Sentence, Source
from lm.reading import Question, body, is_common, names, questions, sentences, years
from lm.request import LetterRequest
from lm.sources import PassageIndex, recall


@dataclass(frozen=True, slots=True)
class Set:
    """Sentences the program places."""

    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """Their text, joined."""
        return "".join(s.lead + s.text for s in self.sentences)


@dataclass(frozen=True, slots=True)
class Own:
    """Room for at most `n_sentences` of the model's own."""

    n_sentences: int


Slot = Set | Own


@dataclass(frozen=True, slots=True)
class Plan:
    """The slots in order, and the passages placed."""

    slots: tuple[Slot, ...]
    passages: tuple[Passage, ...]
    declines: bool


def _set(text: str, mark: Mark, source: Source | None) -> Set:
    return Set(tuple(Sentence(part, mark, source, " ") for part in sentences(text)))


def _passage(passage: Passage, index: PassageIndex) -> Set:
    if passage.id in index.quoted:
        source = Source(passage.id, passage.source, str(passage.date))
        return _set(f"“{passage.text}”", Mark.QUOTED, source)
    source = Source(passage.id, passage.source, str(passage.date), passage.checked)
    return _set(passage.text, Mark.SOURCED, source)


def is_later(text: str, date: LetterDate) -> bool:
    """Whether a text names a year after a date, or a thing the world had not yet seen then."""
    return any(year > date.year for year in years(text)) or bool(later_things(text, date))


def out_of_reach(question: Question, request: LetterRequest, index: PassageIndex) -> str:
    """Why a question cannot be answered at this date: "later", "unknown", or empty if it can.

    "later" is a year after the letter, or a thing the world had not yet seen; "unknown" is a name
    that does not stand in the person's file. The writer's own name and place are theirs to use.
    """
    date = request.resolved_date
    if is_later(question.text, date):
        return "later"
    own = f"{request.writer_name} {request.place} {request.person.name}".lower().split()
    for name in names(question.text):
        if all(w.lower() in own for w in name.split()):
            continue
        if not (is_common(name) or index.knows_name(name) or is_known(name, date)):
            return "unknown"
    return ""


def _remembered(request: LetterRequest, asked: list[Question]) -> Set | None:
    for exchange in reversed(request.thread):
        if sentence := recall(asked, exchange.letter):
            text = f"In your letter of {exchange.date.long} you wrote: “{sentence}”"
            source = Source("", f"Your letter of {exchange.date.long}", str(exchange.date))
            return Set((Sentence(text, Mark.REMEMBERED, source, "\n\n"),))
    return None


def make_plan(
    request: LetterRequest, index: PassageIndex, *, max_passages: int, draw: random.Random
) -> Plan:
    """Decide what a reply holds.

    Parameters
    ----------
    max_passages : int
        Passages placed at most, at least 1.
    draw : random.Random
        Chooses among the person's forms and refusals; seeded by the request.
    """
    voice = request.person.voice
    asked = questions(request.text)
    reach = [out_of_reach(q, request, index) for q in asked]
    within = [q for q, why in zip(asked, reach, strict=True) if why != "later"]
    told = index.told(" ".join(e.reply for e in request.thread))
    found = index.answer(within, request.resolved_date, limit=max_passages, without=told)
    # A later thing is declined wherever the letter speaks of it, a name only where it is asked of.
    if any(is_later(sentence, request.resolved_date) for sentence in body(request.text)):
        why = "later"
    elif any(why and q.asks for q, why in zip(asked, reach, strict=True)) and not found:
        why = "unknown"
    else:
        why = ""

    name = request.greeting_name
    greeting = draw.choice(voice.salutations).format(name=name) if name else voice.friend
    head = date_line(request.reply_place, request.resolved_date.long)
    slots: list[Slot] = [
        Set((Sentence(head, Mark.FORM), Sentence(greeting, Mark.FORM, lead="\n\n"))),
    ]
    if remembered := _remembered(request, asked):
        slots.append(remembered)
    # A sentence before, between and after what is placed: a small model has little to say. With
    # nothing to place and nothing to decline, the letter is the model's alone.
    slots.append(Own(1) if why or found else Own(3))
    if why:
        refusal = draw.choice(voice.later if why == "later" else voice.unknown)
        slots.append(_set(refusal, Mark.REFUSAL, None))
        found = found[:2]  # a reply that declines has little to add
        slots.append(Own(1))
    for hit in found:
        slots += [_passage(hit.passage, index), Own(1)]
    subscription = draw.choice(voice.subscriptions).format(name=name or "friend")
    slots.append(
        Set(
            (
                Sentence(subscription, Mark.FORM, lead="\n\n"),
                Sentence(request.person.name, Mark.FORM, lead="\n"),
            )
        )
    )
    return Plan(tuple(slots), tuple(hit.passage for hit in found), bool(why))
