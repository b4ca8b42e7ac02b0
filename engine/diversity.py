"""Scores of a sample that need no model: how varied, how repetitive, how well spelt, how copied.

None of them says that a text is good. Together they tell a text that goes in circles, babbles or
recites from one that does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from engine.overlap import InkIndex, copied_ink, words

Unit = Literal["words", "characters"]


def _units(text: str, unit: Unit) -> Sequence[str]:
    if unit == "words":
        return words(text)
    if unit == "characters":
        return "".join(text.split())
    raise ValueError(f"unit={unit!r} must be 'words' or 'characters'")


def _runs(units: Sequence[str], n: int) -> list[tuple[str, ...]]:
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    return [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]


def distinct_n(text: str, n: int, *, unit: Unit = "words") -> float:
    """The share of the n-grams of a text that are different ones, "distinct-n".

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models". They
    divide by the number of words; we by that of n-grams, so that a text in which nothing comes
    twice scores 1. The score falls with length for any text: compare texts of equal length.

    Parameters
    ----------
    text : str
    n : int
        Words or characters in an n-gram, at least 1.
    unit : "words" or "characters"
        Characters for languages without spaces, whose whole clauses would count as words; white
        space is left out.

    Returns
    -------
    float
        Above 0 and at most 1; 0 for a text too short for an n-gram.
    """
    runs = _runs(_units(text, unit), n)
    return len(set(runs)) / len(runs) if runs else 0.0


def repetition(text: str, n: int = 4, *, unit: Unit = "words") -> float:
    """The share of the words of a text that lie in an n-gram which the text holds more than once.

    It follows seq-rep-n of Welleck et al. 2020, "Neural Text Generation with Unlikelihood
    Training", which is 1 - `distinct_n`. We count words instead of n-grams, and the first
    occurrence like the others: of a sentence said twice all words are repeated.

    Parameters
    ----------
    text : str
    n : int
        Words or characters in an n-gram, at least 1.
    unit : "words" or "characters"
        As in `distinct_n`.

    Returns
    -------
    float
        Between 0 and 1; 0 for an empty text.
    """
    units = _units(text, unit)
    runs = _runs(units, n)
    counts = Counter(runs)
    repeated = {i + k for i, run in enumerate(runs) if counts[run] > 1 for k in range(n)}
    return len(repeated) / len(units) if units else 0.0


def vocabulary(texts: Iterable[str]) -> frozenset[str]:
    """The words of a corpus, as `words` gives them; texts are read once, one at a time."""
    found: set[str] = set()
    for text in texts:
        found.update(words(text))
    return frozenset(found)


def spelling(text: str, vocabulary: AbstractSet[str]) -> float:
    """The share of the words of a text that stand in a vocabulary; 0 for a text without words.

    A real word that the corpus lacks counts as misspelt, so the figure to compare with is that of
    held-out text, not 1. It says little for languages without spaces.
    """
    found = words(text)
    return sum(word in vocabulary for word in found) / len(found) if found else 0.0


@dataclass(frozen=True, slots=True)
class SampleScore:
    """What can be said of a sample without a model; shares lie between 0 and 1.

    Attributes
    ----------
    n_characters, n_words : int
        Its length.
    distinct_1, distinct_2 : float
        Share of different words, and pairs of words.
    distinct_characters : float
        Share of different runs of four characters, for languages without spaces.
    repetition : float
        Share of words that lie in a run of four which comes again.
    spelling : float
        Share of words that the corpus has.
    copied_ink : float
        Share of characters that lie in spans copied from the training texts.
    """

    n_characters: int
    n_words: int
    distinct_1: float
    distinct_2: float
    distinct_characters: float
    repetition: float
    spelling: float
    copied_ink: float


def score_sample(
    text: str, vocabulary: AbstractSet[str], ink: InkIndex | Iterable[str]
) -> SampleScore:
    """Score a sample.

    Parameters
    ----------
    text : str
        The model's own text, without the prompt. An empty text scores 0 in everything.
    vocabulary : set of str
        Of the training texts, from `vocabulary`.
    ink : InkIndex or iterable of str
        The training texts, indexed, or to be read past the sample once.
    """
    return SampleScore(
        n_characters=len(text),
        n_words=len(words(text)),
        distinct_1=distinct_n(text, 1),
        distinct_2=distinct_n(text, 2),
        distinct_characters=distinct_n(text, 4, unit="characters"),
        repetition=repetition(text),
        spelling=spelling(text, vocabulary),
        copied_ink=copied_ink(text, ink),
    )
