"""The units every reader yields and every model is trained on: documents, letters and pairs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from corpora.dates import LetterDate


def content_hash(text: str) -> str:
    """The SHA-256 of the text with runs of white space made one blank, as 64 hex digits.

    Rewrapping a text does not change its hash, so a split by hash survives another reader.
    """
    return hashlib.sha256(" ".join(text.split()).encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """A text with what is known of it; an empty string means not known."""

    text: str
    title: str = ""
    author: str = ""
    date: LetterDate | None = None
    source: str = ""
    licence: str = ""

    @property
    def hash(self) -> str:
        """Its content hash."""
        return content_hash(self.text)


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter: its body as written, and its header."""

    text: str
    author: str
    recipient: str
    date: LetterDate
    place: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class ReplyPart:
    """A stretch of a bundled reply: joining prose, or one whole passage when `passage` names it."""

    text: str
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A bundled letter to a person and the reply, with the parts the reply is woven of.

    `after` is the id of the earlier pair of the same correspondence, or empty.
    """

    id: str
    person: str
    letter: Letter
    reply: Letter
    parts: tuple[ReplyPart, ...]
    after: str = ""
