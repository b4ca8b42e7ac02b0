"""Which of the model's own sentences may stand in a letter.

A small model invents. So its sentences carry no evidence: one with a number, a date or a name that
neither the letter nor the placed passages hold is dropped before anyone sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from corpora.dates import MONTHS
from lm.reading import content_words, ends_sentence, sentences, words

_NUMBERS = frozenset(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred "
    "thousand million".split()
)
_CAPITAL = re.compile(r"\b[A-Z][^\W\d_]*(?:['’][^\W\d_]+)?")
_PLAIN_CAPITALS = frozenset("I I'm I've I'll I'd I’m I’ve I’ll I’d O Oh God Sir Madam".split())
_MONTHS = frozenset(m for m in MONTHS if m not in ("May", "March"))
# A sentence that begins so and has no comma is half a sentence; one that ends so is cut short.
_HANGING = frozenset(
    "when if as though although because while since until unless before after whether that which "
    "who whom whose than lest where".split()
)
_UNFINISHED = frozenset(
    "the a an of to and or but than as at for from by with into upon my your our his their "
    "its very that which who whose if is are was were be been am has have had will would "
    "shall should may might could can must i he she we they".split()
)
MIN_WORDS, MAX_WORDS = 5, 24
_RUN = 8


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the model's own sentences may say.

    Numbers and names only from `words`, those of the letter and of what was placed; any other word
    must stand in `lexicon`, since a model that writes in pieces of words also makes up new ones.
    """

    words: frozenset[str]
    lexicon: frozenset[str] = frozenset()

    @classmethod
    def by(cls, texts: Iterable[str], lexicon: frozenset[str] = frozenset()) -> Allowed:
        """The words of some texts."""
        return cls(frozenset(w for text in texts for w in words(text)), lexicon)


def _grams(text: str, n: int) -> set[tuple[str, ...]]:
    own = words(text)
    return {tuple(own[i : i + n]) for i in range(len(own) - n + 1)}


def problem(sentence: str, allowed: Allowed, before: str) -> str:
    """Why a sentence may not stand, or an empty string if it may.

    Parameters
    ----------
    sentence : str
        One sentence of the model's own.
    allowed : Allowed
        What it may mention.
    before : str
        The letter so far; its sentences may not come again.
    """
    own = words(sentence)
    if not ends_sentence(sentence) or len(sentences(sentence)) != 1:
        return "not one whole sentence"
    if not MIN_WORDS <= len(own) <= MAX_WORDS:
        return f"{len(own)} words"
    if not (sentence[0].isupper() or sentence[0] in "\"“‘'"):
        return "does not begin like a sentence"
    if own[0] in _HANGING and "," not in sentence and not sentence.endswith("?"):
        return "half a sentence"
    if own[-1] in _UNFINISHED:
        return f"ends with {own[-1]!r}"
    known = (allowed.lexicon, allowed.words)
    if allowed.lexicon and (odd := [w for w in own if not any(w in part for part in known)]):
        return f"no word: {odd[0]}"
    if any(c.isdigit() for c in sentence):
        return "a number"
    if any(c in sentence for c in "<>[]{}|_*#\\/=@\n\t\ufffd"):
        return "a sign that no letter holds"
    if sentence.count('"') % 2 or sentence.count("(") != sentence.count(")"):
        return "an open quotation"
    if unsupported := [w for w in own if w in _NUMBERS and w not in allowed.words]:
        return f"the number {unsupported[0]}"
    for i, match in enumerate(_CAPITAL.finditer(sentence)):
        name = match.group()
        if i == 0 and match.start() <= 1:
            # The first word is capital anyway; it is a name only where it is nobody's word.
            if name in _MONTHS:
                return f"the date {name}"
            continue
        if name in _PLAIN_CAPITALS:
            continue
        if name in _MONTHS or name.lower().removesuffix("'s") not in allowed.words:
            return f"the name {name}"
    if repeats(sentence, before):
        return "said before"
    return ""


def repeats(sentence: str, before: str) -> bool:
    """Whether a sentence says again what the letter has said, or stammers within itself."""
    own = words(sentence)
    grams = [tuple(own[i : i + 4]) for i in range(len(own) - 3)]
    if len(set(grams)) < len(grams):
        return True
    if _grams(sentence, 5) & _grams(before, 5):
        return True
    mine = set(content_words(sentence))
    for other in sentences(before):
        theirs = set(content_words(other))
        if mine and theirs and len(mine & theirs) / len(mine | theirs) > 0.5:
            return True
    return False


class Ink:
    """The runs of eight words of some texts, to tell what a sentence copied from them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs: set[tuple[str, ...]] = set()
        for text in texts:
            self._runs |= _grams(text, _RUN)

    def copied(self, sentence: str) -> bool:
        """Whether a run of eight words of the sentence stands in the texts."""
        return bool(_grams(sentence, _RUN) & self._runs)
