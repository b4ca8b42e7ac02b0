"""The letters of a correspondence as pages to set: heads, words with note numbers, notes, labels.

How they look as Markdown or text is in `export`, as PDF in `pdf`.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.saved import saved_sentences
from app.store import SavedLetter, Thread
from corpora.dates import LetterDate
from corpora.people import Person
from lm.proof import EXPLAINED, LABEL, Mark, Sentence, Source

# Note marks travel inside the text between two characters of the private use area.
_OPEN, _CLOSE = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Page:
    """One letter, ready to be set: its head, its words with note numbers, its notes.

    `label` is empty for letters that a person wrote. Where the text refers to note n, it holds
    `note_mark(n)`, which each way of setting replaces with its own.
    """

    head: str
    label: str
    text: str
    notes: tuple[str, ...]
    colophon: str


def pages_of(thread: Thread, person: Person | None) -> tuple[str, list[Page]]:
    """The title and the pages of a correspondence; `person` is None where their file is gone."""
    name = person.name if person is not None else thread.person
    title = f"Letters of {thread.writer or 'a friend'} and {name}"
    return title, [_page(letter, thread.writer or "A friend", name) for letter in thread.letters]


def _page(letter: SavedLetter, writer: str, name: str) -> Page:
    date = LetterDate.parse(letter.date).long if letter.date else ""
    author, reader = (writer, name) if letter.direction == "sent" else (name, writer)
    head = ", ".join(part for part in (f"{author} to {reader}", date, letter.place) if part)
    head = " ".join(head.split())
    if letter.reply is None:
        return Page(head, "", _without_marks(letter.text).strip(), (), "")
    sentences = saved_sentences(letter.reply)
    text, notes = _with_notes(sentences)
    reply = letter.reply
    colophon = f"Model {reply['model']} ({reply['model_hash'][:12]}), seed {reply['seed']}."
    if not letter.complete:
        colophon += " Stopped before its end."
    return Page(head, LABEL.format(name=name), text.strip(), notes, colophon)


def _with_notes(sentences: tuple[Sentence, ...]) -> tuple[str, tuple[str, ...]]:
    """The text with a number after each sentence that is not form, and the notes in order.

    A source has a note of its own; all of the model's words share one, and so do refusals.
    """
    notes: list[str] = []
    text = ""
    for sentence in sentences:
        text += sentence.lead + _without_marks(sentence.text)
        note = EXPLAINED[sentence.mark] if sentence.mark is not Mark.FORM else ""
        if sentence.source is not None:
            note = note_of(sentence.source, sentence.mark)
        if note:
            if note not in notes:
                notes.append(note)
            text += note_mark(notes.index(note) + 1)
    return text, tuple(notes)


def note_of(source: Source, mark: Mark) -> str:
    """A source in one line: what it is, when, and whether it was read for this."""
    how = {
        Mark.SOURCED: "our paraphrase",
        Mark.QUOTED: "word for word",
        Mark.REMEMBERED: "from this correspondence",
    }.get(mark, "")
    checked = {
        "opened": "the source was read for it",
        "recalled": "from memory of the source, not checked against it",
    }.get(source.checked, "")
    said = "; ".join(part for part in (source.date, how, checked) if part)
    return f"{source.title} ({said})." if said else f"{source.title}."


def note_mark(number: int) -> str:
    """What a page's text holds where it refers to a note."""
    return f"{_OPEN}{number}{_CLOSE}"


def _without_marks(text: str) -> str:
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def with_numbers(text: str) -> str:
    """A page's text with its note numbers in brackets."""
    return text.replace(_OPEN, " [").replace(_CLOSE, "]")
