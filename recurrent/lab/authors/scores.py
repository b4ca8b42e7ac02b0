"""What each system answered on the held-out passages, as rows and figures of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from recurrent.lab.authors.corpus import Collection, Passage
from recurrent.lab.authors.metrics import (
    Floats,
    Labels,
    calibration_error,
    confused_pairs,
    confusion,
    f1_scores,
    top_k,
)
from recurrent.lab.report import Figure, Point, Row, Series

LENGTHS = (125, 250, 500)  # characters of a passage, besides the whole
LECTURE = {"reversed LSTM": 0.8758, "bidirectional LSTM": 0.8824}
NGRAMS, CHANCE = "character n-grams", "always the same author"
LINEAR = "linear part alone: pieces and pairs of pieces"


def lstm(variant: str) -> str:
    """The name of a variant in the report."""
    return f"{variant} LSTM"


def whole(variant: str) -> str:
    """The name of a variant with its linear part in the report: this is the voice meter."""
    return f"{lstm(variant)} with its linear part"


def beginnings(passages: Sequence[Passage], length: int) -> list[str]:
    """The first words of each passage, at most `length` characters."""
    return [
        p.text if len(p.text) <= length else p.text[: length + 1].rsplit(" ", 1)[0]
        for p in passages
    ]


def lengths_of(passage: int) -> list[int]:
    """The lengths at which a passage of so many characters is asked about, the longest last."""
    return [*(n for n in LENGTHS if n < passage), passage]


def labels_of(passages: Sequence[Passage]) -> Labels:
    """Their labels (N,)."""
    return np.array([p.label for p in passages], dtype=np.int64)


@dataclass
class Answers:
    """One system's log-probabilities (N, V), by part and length of text."""

    system: str
    kind: Literal["ours", "baseline"]
    note: str = ""
    valid: dict[int, Floats] = field(default_factory=dict)
    test: dict[int, Floats] = field(default_factory=dict)
    other_book: Floats | None = None
    strangers: Floats | None = None


def mixed(ours: Answers, theirs: Answers, labels: Labels, length: int) -> Answers:
    """Both systems asked together: a weighted mean of log-probabilities.

    The weight is the one of eleven that does best on the validation passages.
    """
    weights = np.linspace(0, 1, 11)
    right = [
        top_k(w * ours.valid[length] + (1 - w) * theirs.valid[length], labels, 1) for w in weights
    ]
    w = float(weights[int(np.argmax(right))])

    def both(a: Floats, b: Floats) -> Floats:
        mean: Floats = w * a + (1 - w) * b
        return mean

    answers = Answers(
        f"ensemble of the {ours.system} and the {theirs.system}",
        "ours",
        f"weights {w:.1f} and {1 - w:.1f}, by validation",
    )
    answers.test = {n: both(ours.test[n], theirs.test[n]) for n in ours.test}
    if ours.other_book is not None and theirs.other_book is not None:
        answers.other_book = both(ours.other_book, theirs.other_book)
    return answers


def rows(answers: Answers, collection: Collection, imdb: bool) -> list[Row]:
    """Accuracy, macro-F1, top-3, the other book, and accuracy by characters read."""
    system, kind = answers.system, answers.kind
    labels, full = labels_of(collection.test), max(answers.test)
    n = len(collection.classes)
    scores = answers.test[full]
    counts = confusion(scores.argmax(axis=1), labels, n)
    lecture = LECTURE.get(system)
    note = answers.note
    if lecture is not None:
        seen = (
            "the last fifth of its training reviews" if imdb else "IMDB's film reviews, 2 classes"
        )
        note = "; ".join(filter(None, [note, f"the lecture's on {seen}"]))
    found = [
        Row(system, "accuracy", top_k(scores, labels, 1), kind=kind, lecture=lecture, note=note),
        Row(system, "macro-F1", float(f1_scores(counts).mean()), kind=kind),
    ]
    if n > 3:
        found.append(Row(system, "right author among the first 3", top_k(scores, labels, 3),
                         kind=kind))  # fmt: skip
    if answers.other_book is not None:
        other = labels_of(collection.other_book)
        met = "accuracy in a volume never trained on"
        found.append(Row(system, met, top_k(answers.other_book, other, 1), kind=kind,
                         note=f"{len(np.unique(other))} of the authors"))  # fmt: skip
    for length in sorted(answers.test)[:-1]:
        right = top_k(answers.test[length], labels, 1)
        found.append(Row(system, f"accuracy on {length} characters", right, kind=kind))
    if kind == "ours":
        error = calibration_error(np.exp(scores), labels)
        found.append(Row(system, "calibration error", error, kind=kind))
    return found


def facts(answers: Answers, collection: Collection) -> dict[str, Any]:
    """Who is taken for whom, and each author's F1."""
    labels, scores = labels_of(collection.test), answers.test[max(answers.test)]
    counts = confusion(scores.argmax(axis=1), labels, len(collection.classes))
    f1 = f1_scores(counts)
    return {
        "confused": [list(pair) for pair in confused_pairs(counts, collection.classes)],
        "f1": {name: round(float(f1[i]), 3) for i, name in enumerate(collection.classes)},
    }


def figures(
    answered: Sequence[Answers], collection: Collection, curves: Sequence[Point]
) -> list[Figure]:
    """Accuracy by characters read, and the validation losses while training."""
    labels = labels_of(collection.test)
    by_length = [
        Series(
            a.system,
            sorted(a.test),
            [top_k(a.test[n], labels, 1) for n in sorted(a.test)],
        )
        for a in answered
    ]
    names = dict.fromkeys(point.curve for point in curves)
    losses = [
        Series(
            name,
            [p.x for p in curves if p.curve == name],
            [p.y for p in curves if p.curve == name],
        )
        for name in names
    ]
    drawn = [
        Figure(
            "length",
            "How many characters it takes to know a voice",
            "characters read",
            "share of passages whose author is named",
            by_length,
        )
    ]
    if losses:
        title = "Loss on the validation passages"
        drawn.append(Figure("loss", title, "epoch", "nats per passage", losses))
    return drawn
