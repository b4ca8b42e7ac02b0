"""Which units of a recurrent language model tell something a reader would notice.

What can be noticed (`NOTICED`) is computed from the text alone. A unit is chosen on one set of
texts and judged on another, so that the best of a thousand is not taken at its best. Beside its
score stand two others: what the same search finds where there is nothing to find, and how much the
last character says by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from recurrent.charlm import CharLM
from recurrent.insight import Unit, trace

Marks = NDArray[np.float64]  # shape (T,)

NOTICED: dict[str, str] = {
    "line": "characters since the line began",
    "sentence": "characters since the sentence began",
    "word": "letters since the word began",
    "quotation": "inside quotation marks",
    "salutation": "inside the salutation",
    "word start": "at a word’s first letter",
    "upper case": "at a capital letter",
    "sentence end": "at a sentence’s end",
}
_COUNTS = frozenset({"line", "sentence", "word"})  # the others say yes or no
_QUOTED = re.compile(r"[“\"](?:[^\"“”\n]|\n(?!\s*\n))*[”\"]")  # never beyond a paragraph
_GREETS = re.compile(
    r"^[ \t]*(?:(?:my|most)[ \t]+)*(?:dear|hono[u]?red|esteemed|reverend|sir|madam|gentlemen)"
    r"[^\n.]{0,60}[,:;!—-]+[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"[.!?]+(?=[\"”’)]*(?:\s|\Z))")
_FEWEST = 20  # characters of either kind, without which a thing is not looked for
_N_SHIFTS = 19  # so that one in twenty searches for nothing would come out best
_ABREAST = 64  # units ranked at a time


def noticed(text: str) -> dict[str, Marks]:
    """What a reader can say of each character of a text, as `NOTICED` names it.

    Returns
    -------
    dict of str to array, shape (T,)
        A count, or 1 and 0 for yes and no.
    """
    marks = {name: np.zeros(len(text)) for name in NOTICED}
    line = sentence = word = 0
    ends = {match.end() - 1 for match in _SENTENCE_END.finditer(text)}
    for i, character in enumerate(text):
        line = 0 if character == "\n" else line + 1
        # A paragraph ends a sentence whatever its last character is.
        sentence = 0 if i in ends or text[i : i + 2] == "\n\n" else sentence + 1
        in_word = character.isalpha() or (character in "'’" and word > 0)
        word = word + 1 if in_word else 0
        marks["line"][i], marks["sentence"][i], marks["word"][i] = line, sentence, word
        marks["word start"][i] = word == 1
        marks["upper case"][i] = character.isupper()
        marks["sentence end"][i] = i in ends
    for name, pattern in (("quotation", _QUOTED), ("salutation", _GREETS)):
        for match in pattern.finditer(text):
            marks[name][match.start() : match.end()] = 1
    return marks


@dataclass(frozen=True, slots=True)
class Telling:
    """The unit that tells a thing best, and how well.

    All scores are rank correlations: Spearman's for a count; for yes and no the rank-biserial one
    (Cureton 1956), 2 AUC - 1, where AUC is the chance that a character of the kind has a larger
    value than another (Mann and Whitney 1947).

    Attributes
    ----------
    what : str
        A key of `NOTICED`.
    found : float
        Its score where it was chosen, within [-1, 1]; negative where the unit is low on the thing.
    score : float
        Its score on the other texts.
    control : float
        The largest that nineteen such searches reach on the other texts, after the marks have been
        shifted against the text: a lower `score` says nothing. It has no sign.
    alone : float
        What the last character says by itself, fitted and judged on the same texts; no sign.
    n_units : int
        Among how many units it was chosen.
    """

    what: str
    unit: Unit
    found: float
    score: float
    control: float
    alone: float
    n_units: int

    @property
    def auc(self) -> float | None:
        """The chance of a larger value on a character of the kind, None for a count."""
        return None if self.what in _COUNTS else (1 + self.score) / 2

    @property
    def tells(self) -> bool:
        """Whether the score holds on the other texts and is beyond what chance gives."""
        return self.score * self.found > 0 and abs(self.score) > self.control


class Search:
    """The search for telling units; iterate over it to have it done, piece by piece.

    Parameters
    ----------
    model, tokenizer
    choosing, judging : sequence of str
        The texts on which units are chosen and those on which they are judged, each read from its
        beginning. Some thousand characters of each are needed for scores to mean something.
    seed : int
        Of the shifts.

    Raises
    ------
    ValueError
        If there is no text for one of them.
    """

    def __init__(
        self,
        model: CharLM,
        tokenizer: PreTrainedTokenizerFast,
        choosing: Sequence[str],
        judging: Sequence[str],
        *,
        seed: int = 0,
    ) -> None:
        for name, texts in (("choosing", choosing), ("judging", judging)):
            if not any(texts):
                raise ValueError(f"{name}={list(texts)!r} holds no text")
        self.model, self.tokenizer = model, tokenizer
        self._texts = (choosing, judging)
        marks = [_joined([noticed(text) for text in texts]) for texts in self._texts]
        self.names = [name for name in NOTICED if all(_enough(name, m[name]) for m in marks)]
        self.n_units = model.config.num_hidden_layers * model.config.hidden_size
        self.n_tried = 0
        self._shifted = [_shifts([m[n] for n in self.names], seed) for m in marks]
        self._alone = _alone(["".join(texts) for texts in self._texts], marks, self.names)
        # For each thing and shift of it: the scores on both sets of the unit chosen so far.
        n = len(self.names) * (1 + _N_SHIFTS)
        self._best = np.zeros((2, n))
        self._chosen = np.zeros(n, np.intp)

    @property
    def left_out(self) -> list[str]:
        """What is not looked for, since the texts have too little of it."""
        return [name for name in NOTICED if name not in self.names]

    def __iter__(self) -> Iterator[float]:
        """Search; gives the share that is done. Ceasing to iterate keeps what was found."""
        if not self.names:
            return
        n_texts = sum(map(len, self._texts))
        values: list[list[NDArray[np.float32]]] = [[], []]
        done = 0
        for side, texts in enumerate(self._texts):
            for text in texts:
                read = trace(self.model, self.tokenizer, text)  # (T, L, H)
                values[side].append(read.reshape(len(read), self.n_units))
                done += 1
                yield 0.5 * done / n_texts
        whole = [np.concatenate(parts) for parts in values]  # (T, L * H) each
        del values
        for start in range(0, self.n_units, _ABREAST):
            stop = min(self.n_units, start + _ABREAST)
            scores = [
                _correlations(all_units[:, start:stop], marks)
                for all_units, marks in zip(whole, self._shifted, strict=True)
            ]  # (units, n) each
            self._keep_better(scores[0], scores[1], start)
            self.n_tried = stop
            yield 0.5 + 0.5 * stop / self.n_units

    def _keep_better(self, chosen_on: Marks, judged_on: Marks, start: int) -> None:
        best = np.abs(chosen_on).argmax(axis=0)  # (n,)
        columns = np.arange(chosen_on.shape[1])
        better = np.abs(chosen_on[best, columns]) > np.abs(self._best[0])
        self._best[0, better] = chosen_on[best, columns][better]
        self._best[1, better] = judged_on[best, columns][better]
        self._chosen[better] = start + best[better]

    @property
    def found(self) -> list[Telling]:
        """The most telling unit for each thing among the units tried so far, in the order of
        `NOTICED`."""
        if not self.n_tried:
            return []
        size = self.model.config.hidden_size
        told = []
        for k, name in enumerate(self.names):
            first = k * (1 + _N_SHIFTS)
            found, score = (float(side[first]) for side in self._best)
            control = float(np.abs(self._best[1, first + 1 : first + 1 + _N_SHIFTS]).max())
            unit = Unit(*divmod(int(self._chosen[first]), size))
            told.append(Telling(name, unit, found, score, control, self._alone[k], self.n_tried))
        return told


def telling_units(
    model: CharLM,
    tokenizer: PreTrainedTokenizerFast,
    choosing: Sequence[str],
    judging: Sequence[str],
    *,
    seed: int = 0,
) -> list[Telling]:
    """The unit that best tells each thing of `NOTICED`; the parameters are those of `Search`."""
    search = Search(model, tokenizer, choosing, judging, seed=seed)
    for _ in search:
        pass
    return search.found


def _joined(parts: Sequence[dict[str, Marks]]) -> dict[str, Marks]:
    return {name: np.concatenate([part[name] for part in parts]) for name in NOTICED}


def _enough(name: str, marks: Marks) -> bool:
    """Whether there is enough of a thing and of its absence, or of a count's change."""
    usual = np.median(marks) if name in _COUNTS else 0
    others = int(np.count_nonzero(marks != usual))
    return others >= _FEWEST and (name in _COUNTS or len(marks) - others >= _FEWEST)


def _shifts(marks: Sequence[Marks], seed: int) -> Marks:
    """Each thing as it is and after it, shifted around by chance: ranked, shape (T, n).

    A shift keeps how long and how often things are; drawing characters anew would not, and every
    unit that moves slowly would seem to tell something.
    """
    rng = np.random.default_rng(seed)
    columns = []
    for column in marks:
        length = len(column)
        columns.append(column)
        by = rng.integers(length // 10, length - length // 10, size=_N_SHIFTS)
        columns += [np.roll(column, int(n)) for n in by]
    return _ranked(np.stack(columns, axis=1)) if columns else np.zeros((0, 0))


def _ranked(values: NDArray[np.floating]) -> Marks:
    """The ranks of each column, those of equals averaged, moved to mean 0; (T, n)."""
    rows = np.ascontiguousarray(values.T)  # (n, T), which sorts several times faster
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    length, places = len(values), np.arange(len(values))
    changes = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(rows), 1), bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), places, 0), axis=1)
    last = np.where(np.hstack([changes, edge]), places, length)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(rows.shape)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=1)
    return ranks.T - (length - 1) / 2


def _correlations(values: NDArray[np.floating], ranked: Marks) -> Marks:
    """The rank correlations of units (T, U) with marks that are ranked (T, n); shape (U, n).

    For yes and no it is scaled to the rank-biserial one, which reaches 1 where the two kinds do not
    overlap; Spearman's could not, since the marks are all ties.
    """
    ranks = _ranked(values)
    lengths = np.sqrt((ranks**2).sum(0))  # (U,)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = ranks.T @ ranked / lengths[:, None] / np.sqrt((ranked**2).sum(0))
        yes_no = (ranked == ranked.max(0)) | (ranked == ranked.min(0))
        share = (ranked > 0).mean(0)  # of yes
        # The difference of the kinds' mean ranks over half the length.
        biserial = ranks.T @ (ranked > 0) / (share * (1 - share)) * 2 / len(values) ** 2
    scores = np.where(yes_no.all(0), biserial, rho)
    told: Marks = np.nan_to_num(scores)  # a unit that never moves tells nothing
    return told


def _alone(
    texts: Sequence[str], marks: Sequence[dict[str, Marks]], names: Sequence[str]
) -> list[float]:
    """How well the mean of each thing at a character tells it, where units are judged too."""
    kinds, codes = np.unique(list("".join(texts)), return_inverse=True)
    first, second = codes[: len(texts[0])], codes[len(texts[0]) :]
    counts = np.bincount(first, minlength=len(kinds))
    told = []
    for name in names:
        usual = float(marks[0][name].mean())
        sums = np.bincount(first, marks[0][name], minlength=len(kinds))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), usual)
        ranked = _ranked(marks[1][name][:, None])
        told.append(abs(float(_correlations(means[second][:, None], ranked)[0, 0])))
    return told
