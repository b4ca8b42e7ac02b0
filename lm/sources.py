"""Passages a person could know by a date, found by full-text search in what a letter asks.

SQLite's FTS5 does the search and the ranking (BM25, Robertson and Zaragoza 2009). A hit must say
enough: a topic of the passage, or several telling words of its text; else nothing is placed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from corpora.dates import LetterDate
from corpora.document import Document
from corpora.people import Passage, Person
from lm.quotations import quotations_of
from lm.reading import Question, content_words, sentences

_TOPIC_WEIGHT = 3.0
_TOPIC, _COMMON = 2.5, 6  # what a topic tells by itself; how many may share it at no loss
_PREFIX_FROM = 6  # letters from which "gravitation" also finds "gravity"
# Chosen on the bundled letters: lower finds more of the passages their replies were written with,
# and more that do not fit (`docs/results.md` has the figures).
_ENOUGH, _ENOUGH_UNASKED, _ENOUGH_SECOND = 5.0, 7.0, 6.0
_SECOND = 0.6  # of the first one's score


@dataclass(frozen=True, slots=True)
class Found:
    """A passage, how well it fits (higher is better), and which question it answers."""

    passage: Passage
    score: float
    question: int


class PassageIndex:
    """A person's passages, and texts of theirs, searchable by words."""

    def __init__(self, person: Person, texts: Iterable[Document] = ()) -> None:
        self.person = person
        self._passages = person.passages
        self._quotations = quotations_of(tuple(texts))
        self.quoted = self._quotations.ids
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "create virtual table passages using fts5(topics, text, tokenize='porter unicode61')"
        )
        self._database.executemany(
            "insert into passages(rowid, topics, text) values (?, ?, ?)",
            [(i, " ; ".join(p.topics), p.text) for i, p in enumerate(self._passages)],
        )

    def told(self, text: str) -> set[str]:
        """The ids of what a text already holds, word for word."""
        return {p.id for p in (*self._passages, *self._quotations.passages) if p.text in text}

    def _hits(self, word: str) -> dict[int, float]:
        """The rows a word (or another form of it) occurs in, and what it tells there.

        BM25 holds a word that many passages share for worthless, but a figure's great matter is
        exactly that word. So a topic tells something of its own, whatever else shares it.
        """
        term = f'"{word}"*' if len(word) >= _PREFIX_FROM else f'"{word}"'
        query = "select rowid, -bm25(passages, ?, 1.0) from passages where passages match ?"
        hits = dict(self._database.execute(query, (_TOPIC_WEIGHT, term)))
        topics = list(self._database.execute(query, (_TOPIC_WEIGHT, f"topics: {term}")))
        for row, _ in topics:
            hits[row] += _TOPIC * min(1.0, _COMMON / len(topics))
        return hits

    def search(
        self, words: Mapping[str, float], date: LetterDate, *, without: Iterable[str] = ()
    ) -> list[tuple[Passage, float]]:
        """The passages that words point to and the date allows, best first.

        Parameters
        ----------
        words : mapping of str to float
            Content words, in lower case, with their weights.
        date : LetterDate
            No passage later than this is given.
        without : iterable of str
            Ids that must not come again.

        Returns
        -------
        list of (Passage, float)
            With the weighted sum of BM25; nothing below what is enough.
        """
        spent = set(without)
        scores: dict[int, float] = {}
        for word, weight in words.items():
            for row, score in self._hits(word).items():
                scores[row] = scores.get(row, 0.0) + weight * score
        best = sorted(
            (
                row
                for row, score in scores.items()
                if score >= _ENOUGH
                and self._passages[row].date.not_after(date)
                and self._passages[row].id not in spent
            ),
            key=lambda row: (-scores[row], row),
        )
        return [(self._passages[row], scores[row]) for row in best]

    def answer(
        self,
        questions: Sequence[Question],
        date: LetterDate,
        *,
        limit: int,
        without: Iterable[str] = (),
    ) -> list[Found]:
        """Passages for each question in turn, then second ones for the first, at most `limit`.

        They come in the order in which the letter asks.
        """
        spent = set(without)
        found: list[Found] = []
        lists = [self.search(q.weights, date, without=spent) for q in questions]
        if not any(q.asks for q in questions):
            # What is only told calls for an answer less.
            limit = 1
            lists = [[hit for hit in ranked if hit[1] >= _ENOUGH_UNASKED] for ranked in lists]
        for depth in range(limit):
            for number, ranked in enumerate(lists):
                if len(found) == limit:
                    break
                fresh = [(p, s) for p, s in ranked if p.id not in spent]
                # A second passage must fit nearly as well as the first: better a short letter than
                # a wandering one.
                bar = max(_ENOUGH_SECOND, _SECOND * ranked[0][1]) if depth and ranked else 0.0
                if not fresh or fresh[0][1] < bar:
                    continue
                passage, score = fresh[0]
                spent.add(passage.id)
                found.append(Found(passage, score, number))
            if depth == 0:
                # Before second passages: what matches this strongly is rare.
                for number, question in enumerate(questions):
                    quote = self._quotations.answer(question, date, without=spent)
                    if quote is not None and len(found) < limit:
                        spent.add(quote.id)
                        found.append(Found(quote, 0.0, number))
        return sorted(found, key=lambda f: f.question)

    def knows_name(self, name: str) -> bool:
        """Whether the person may speak of a name: it stands in their file."""
        lower = name.lower()
        own = (self.person.name, *self.person.aliases, *self.person.knows)
        own += tuple(p.name for p in self.person.places)
        pool = " ".join((*own, *(p.text for p in self.person.passages))).lower()
        return lower in pool or all(w in pool.split() for w in lower.split())


def recall(questions: Sequence[Question], earlier: str) -> str:
    """The sentence of an earlier letter that a new one takes up again, or an empty string."""
    asked = {w for q in questions for w in q.words}
    best, most = "", 0
    for sentence in sentences(earlier):
        shared = len(asked.intersection(content_words(sentence)))
        if shared > most and 5 <= len(sentence.split()) <= 40:
            best, most = sentence, shared
    return best
