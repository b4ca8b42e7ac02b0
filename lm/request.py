"""What a reply answers: a letter, whom it is to, who wrote it and when, checked before all else."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

from corpora.dates import LetterDate
from corpora.document import Document
from corpora.errors import DateError, LetterError
from corpora.people import Person
from lm.reading import form_of_name, signature

MAX_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier letter of a correspondence and the reply to it."""

    letter: str
    reply: str
    date: LetterDate


@dataclass(frozen=True)
class LetterRequest:
    """A letter to a person.

    Attributes
    ----------
    text : str
        The letter, 1 to 20,000 characters.
    person : Person
        Whom it is to.
    writer : str
        Who writes; empty to take the signature.
    date : LetterDate or None
        When; None dates it where the person's file says, or after the last letter of the thread.
    place : str
        Where the writer writes from, or empty.
    thread : tuple of Exchange
        Earlier letters, oldest first.
    texts : tuple of Document
        Texts wholly by this person, from which the reply may quote; their dates gate them.

    Raises
    ------
    LetterError
        If the letter is empty, too long or holds control characters.
    DateError
        If the date lies outside the person's life, or before the thread's last letter.
    """

    text: str
    person: Person
    writer: str = ""
    date: LetterDate | None = None
    place: str = ""
    thread: tuple[Exchange, ...] = ()
    texts: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        if not any(c.isalnum() for c in self.text):
            raise LetterError("The letter is empty; write at least a sentence.")
        if len(self.text) > MAX_CHARACTERS:
            raise LetterError(
                f"The letter has {len(self.text):,} characters; at most {MAX_CHARACTERS:,} are "
                "read. Shorten it, or send it in parts."
            )
        for what, value in (("letter", self.text), ("name", self.writer), ("place", self.place)):
            odd = next(
                (c for c in value if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t"),
                None,
            )
            if odd is not None:
                raise LetterError(
                    f"The {what} holds the control character U+{ord(odd):04X}; letters are plain "
                    "text. Remove it, or save the file as UTF-8 text."
                )
        for what, value in (("name", self.writer), ("place", self.place)):
            if len(value) > 80 or "\n" in value:
                raise LetterError(
                    f"The {what} is {len(value):,} characters long; at most 80 on one line."
                )
        self.person.check_date(self.resolved_date)
        if self.thread and not self.thread[-1].date.not_after(self.resolved_date):
            raise DateError(
                f"The letter is dated {self.resolved_date.long}, but the last one of this "
                f"correspondence {self.thread[-1].date.long}; date it later, or begin a new "
                "correspondence."
            )

    @cached_property
    def resolved_date(self) -> LetterDate:
        """The date that gates what can be known."""
        if self.date is not None:
            return self.date
        home = self.person.writes_from.date
        if self.thread and not self.thread[-1].date.not_after(home):
            return self.thread[-1].date
        return home

    @cached_property
    def reply_place(self) -> str:
        """Where the reply is written."""
        return self.person.place_at(self.resolved_date)

    @cached_property
    def writer_name(self) -> str:
        """The writer's name, from `writer`, else from the signature, else empty."""
        return " ".join(self.writer.split()) or signature(self.text)

    @cached_property
    def greeting_name(self) -> str:
        """How the reply calls the writer, or an empty string."""
        return form_of_name(self.writer_name) if self.writer_name else ""
