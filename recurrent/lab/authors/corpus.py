"""Passages by known authors, in parts that share no letter: the form both sources take.

`letter_books` reads the letters of the mirror folder, `folders` a public folder format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from corpora.errors import CorpusError
from engine.batching import rng


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of cleaned text, the place of its author in `Collection.classes`, its book."""

    text: str
    label: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """What is learnt from and what is asked.

    Attributes
    ----------
    classes : sequence of str
        The authors; a label is a place in it.
    train, valid, test : sequence of Passage
        From different letters, as many for each author.
    other_book : sequence of Passage
        From whole books of which nothing was trained on, of some of the authors.
    strangers : sequence of Passage
        By people who are none of the authors; their label is -1.
    """

    classes: Sequence[str]
    train: Sequence[Passage]
    valid: Sequence[Passage]
    test: Sequence[Passage]
    other_book: Sequence[Passage] = ()
    strangers: Sequence[Passage] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def choose(passages: Sequence[Passage], n: int, seed: int, what: str) -> list[Passage]:
    """Draw `n` of the passages, the same for one seed, in their old order; 0 takes all.

    Raises
    ------
    CorpusError
        If there are fewer; `what` says of whom.
    """
    if len(passages) < max(n, 1):
        raise CorpusError(
            f"{what} has {len(passages)} passages; {n or 'some'} were asked for. Ask for fewer or "
            "for shorter passages, or for fewer authors."
        )
    if n == 0:
        return list(passages)
    drawn = rng(seed, len(passages), n).permutation(len(passages))[:n]
    return [passages[int(i)] for i in sorted(drawn)]
