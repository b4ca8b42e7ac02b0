"""How much of a text stands word for word in another: copied ink.

Exact and streaming: only the n-grams of the text in question are kept in memory, and the training
text, however large, is read past them once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return [w.lower().replace("’", "'") for w in _WORD.findall(text)]


def copied_share(text: str, training: Iterable[str], *, n: int = 8) -> float:
    """The share of the words of `text` that lie in a run of `n` words found in `training`.

    Parameters
    ----------
    text : str
    training : iterable of str
        Read once; a run that crosses two of its texts is not found.
    n : int
        Words in a run, at least 1.

    Returns
    -------
    float
        Between 0 and 1; 0 for a text of fewer than `n` words.
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    own = words(text)
    places: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(own) - n + 1):
        places.setdefault(tuple(own[i : i + n]), []).append(i)
    covered = [False] * len(own)
    for other in training:
        theirs = words(other)
        for i in range(len(theirs) - n + 1):
            for start in places.pop(tuple(theirs[i : i + n]), ()):
                covered[start : start + n] = [True] * n
    return sum(covered) / len(own) if own else 0.0
