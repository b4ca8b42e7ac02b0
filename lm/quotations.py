"""Sentences of a text that answer a question word for word, or nearly: what a reply may quote.

A book holds thousands of sentences, and some of them share a word with any question. So a quotation
must share several of the question's own words, and must be a sentence that stands without its
neighbours. Better no quotation than one that answers nothing.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterable, Iterator

from corpora.dates import LetterDate
from corpora.document import Document
from corpora.people import Passage
from lm.reading import Question, sentences

MIN_SHARED = 3  # words of the question that a sentence must hold
MIN_SHARE = 0.5  # and of all the question's telling words
_WORDS = (8, 45)
# What points back at a sentence before it, or ends a letter.
_LEANS = re.compile(
    r"(?:And|But|Or|Nor|For|So|Then|Thus|Hence|Therefore|Yet|Still|However|Accordingly|Besides|This|"
    r"That|These|Those|It|He|She|They|His|Her|Their|Its|Such|Here|There|Which|Who|Also|Again|Now)\b"
    r"|I am, "
)


class Quotations:
    """The sentences of a person's own texts, searchable by words."""

    def __init__(self, texts: Iterable[Document]) -> None:
        self.passages = tuple(
            passage
            for number, document in enumerate(texts)
            for passage in _standing(document, number)
        )
        self.ids = frozenset(passage.id for passage in self.passages)
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "create virtual table quotations using fts5(text, tokenize='porter unicode61')"
        )
        self._database.executemany(
            "insert into quotations(rowid, text) values (?, ?)",
            [(i, p.text) for i, p in enumerate(self.passages)],
        )

    def answer(
        self, question: Question, date: LetterDate, *, without: Iterable[str] = ()
    ) -> Passage | None:
        """The sentence nearest to a question, or `None` where none is near.

        Parameters
        ----------
        question : Question
            Only its own words count, not those of its neighbours.
        date : LetterDate
            No text later than this is quoted.
        without : iterable of str
            Ids that must not come again.
        """
        spent = set(without)
        needed = max(MIN_SHARED, MIN_SHARE * len(question.words))
        if not question.asks or len(question.words) < needed:
            return None
        shared: dict[int, int] = {}
        scores: dict[int, float] = {}
        query = "select rowid, -bm25(quotations) from quotations where quotations match ?"
        for word in question.words:
            for row, score in self._database.execute(query, (f'"{word}"',)):
                shared[row] = shared.get(row, 0) + 1
                scores[row] = scores.get(row, 0.0) + score
        near = [
            row
            for row, n in shared.items()
            if n >= needed
            and self.passages[row].id not in spent
            and self.passages[row].date.not_after(date)
        ]
        if not near:
            return None
        return self.passages[max(near, key=lambda row: (shared[row], scores[row], -row))]


@functools.lru_cache(maxsize=4)
def quotations_of(texts: tuple[Document, ...]) -> Quotations:
    """The index of some texts, kept for the next letter: a book takes a tenth of a second."""
    return Quotations(texts)


def _standing(document: Document, number: int) -> Iterator[Passage]:
    """The sentences of a text that stand on their own; an undated text gives none."""
    if document.date is None:
        return
    for i, sentence in enumerate(sentences(document.text)):
        n = len(sentence.split())
        whole = sentence[0].isupper() and sentence[-1] in ".!" and sentence.count('"') % 2 == 0
        if not whole or not _WORDS[0] <= n <= _WORDS[1]:
            continue
        if any(c in sentence for c in "[]{}<>_*|") or _LEANS.match(sentence):
            continue
        yield Passage(f"quote-{number}-{i}", document.date, (), sentence, document.title, "")
