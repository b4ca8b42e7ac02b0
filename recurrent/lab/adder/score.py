"""What is measured of a trained adder, and the rows and figures that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrent.lab.adder.bits import (
    Bits,
    all_pairs,
    carries,
    columns,
    random_pairs,
    share_exact,
    sums,
)
from recurrent.lab.adder.neuron import NAMES, read, unroll
from recurrent.lab.report import Figure, Row, Series

LONG_BITS = (16, 32, 64)
LECTURE_NUMPY = 0.9676032  # exact sums of 10,001 random pairs
LECTURE_RNN_LOSS = 0.008953  # SimpleRNN(128) after 300 epochs, on 300 pairs
LECTURE_RNN_EPOCHS = 181  # the first printed epoch at which every bit of those was right
Read = Callable[[Bits], Bits]  # pairs (N, T, 2) -> probabilities (N, T)


@dataclass(frozen=True, slots=True, eq=False)
class TestPairs:
    """The pairs every network is asked: all of 8 bits, and random ones of each longer length."""

    all: Bits
    all_sums: Bits
    long: Mapping[int, Bits]

    @classmethod
    def draw(cls, n_long: int, seed: int) -> TestPairs:
        """`n_long` pairs of each length, the same for every network of a run."""
        rng = np.random.default_rng([seed, 2])
        pairs = all_pairs()
        return cls(pairs, sums(pairs), {n: random_pairs(n_long, n, rng) for n in LONG_BITS})


@dataclass(frozen=True, slots=True)
class Score:
    """How one network did. Shares of sums of which every bit is right, from 0 to 1.

    `epochs` is the first at which all pairs were right, where one was looked at and there was one;
    `loss` the cross entropy on held-out pairs, in nats per bit, where pairs were held out.
    """

    all: float
    unseen: float
    long: Mapping[int, float]
    n_unseen: int
    epochs: float | None = None
    loss: float | None = None


def score(
    read_pairs: Read,
    test: TestPairs,
    seen: NDArray[np.bool_],
    *,
    epochs: float | None = None,
    loss: float | None = None,
) -> Score:
    """Ask a network everything; `seen` (16384,) marks the pairs it learnt from."""
    right = ((read_pairs(test.all) >= 0.5) == (test.all_sums >= 0.5)).all(axis=-1)
    long = {n: share_exact(read_pairs(pairs), sums(pairs)) for n, pairs in test.long.items()}
    unseen = right[~seen]
    return Score(
        float(right.mean()),
        float(unseen.mean()) if len(unseen) else float("nan"),
        long,
        len(unseen),
        epochs,
        loss,
    )


def _row(system: str, metric: str, values: Sequence[float], **others: object) -> Row:
    mean = float(np.mean(values))
    return Row(system, metric, mean, min(values), max(values), **others)  # type: ignore[arg-type]


def rows_of(system: str, scores: Sequence[Score], *, is_baseline: bool = False) -> list[Row]:
    """The rows of one kind of network, over its seeds."""
    kind = "baseline" if is_baseline else "ours"
    is_numpy, n = "NumPy" in system, len(scores)
    perfect = sum(s.all == 1 for s in scores)
    rows = [
        _row(
            system,
            "exact sums, all 16,384 pairs (share)",
            [s.all for s in scores],
            kind=kind,
            lecture=LECTURE_NUMPY if is_numpy else None,
            note=f"16,384 of 16,384 on {perfect} of {n} seeds"
            + ("; the lecture asked 10,001 random pairs" if is_numpy else ""),
        ),
        _row(
            system,
            "exact sums, pairs never trained on (share)",
            [s.unseen for s in scores],
            kind=kind,
            note=f"{min(s.n_unseen for s in scores):,} pairs or more",
        ),
    ]
    for bits in LONG_BITS:
        metric = f"exact sums, {bits} bits (share)"
        rows.append(_row(system, metric, [s.long[bits] for s in scores], kind=kind))
    is_rnn = system == "torch RNN"
    losses = [s.loss for s in scores if s.loss is not None]
    if losses:
        rows.append(
            _row(
                system,
                "cross entropy, 300 held-out pairs (nats per bit)",
                losses,
                kind=kind,
                lecture=LECTURE_RNN_LOSS if is_rnn else None,
                note="lecture: SimpleRNN of 128 units after 300 epochs" if is_rnn else "",
            )
        )
    epochs = [s.epochs for s in scores if s.epochs is not None]
    if epochs:
        note = f"reached on {len(epochs)} of {n} seeds"
        if is_rnn:
            note += "; lecture: every bit of 300 pairs right"
        rows.append(
            _row(
                system,
                "epochs until all 16,384 sums are exact",
                epochs,
                kind=kind,
                lecture=LECTURE_RNN_EPOCHS if is_rnn else None,
                note=note,
            )
        )
    return rows


def baseline_row() -> Row:
    """What adding without ever carrying gets right: the pairs of which no column has two ones."""
    pairs = all_pairs()
    share = share_exact(pairs.sum(axis=-1) % 2, sums(pairs))
    metric = "exact sums, all 16,384 pairs (share)"
    return Row("adding without carrying", metric, share, kind="baseline", note="a xor b")


def neuron_row(weights: NDArray[np.float64]) -> Row:
    """How often the single neuron carries rightly in every column."""
    pairs = all_pairs()
    share = share_exact(read(weights, pairs)[:, 1:], carries(pairs))
    numbers = ", ".join(f"{name} {w:.2f}" for name, w in zip(NAMES, weights, strict=True))
    return Row(
        "one recurrent neuron",
        "all carries of a pair right, all 16,384 pairs (share)",
        share,
        note=f"four numbers: {numbers}",
    )


def neuron_figure(weights: NDArray[np.float64]) -> Figure:
    """The neuron unrolled over the columns of 93 + 62, a sum with carries on and off."""
    steps = unroll(weights, columns(93, 62))
    places = [float(s.t) for s in steps]
    return Figure(
        "neuron",
        "One neuron, unrolled: it carries through 93 + 62",
        "column, from the right",
        "value",
        [
            Series("a", places, [float(s.a) for s in steps], points=True),
            Series("b", places, [float(s.b) for s in steps], points=True),
            Series("what it said before", places, [s.before for s in steps]),
            Series("what it says", places, [s.output for s in steps]),
        ],
    )


def lengths_figure(scores: Mapping[str, Sequence[Score]]) -> Figure:
    """Exact sums by length, each kind of network with its worst and best seed."""
    series = []
    for system, found in scores.items():
        if not found:
            continue
        table = [[s.all, *(s.long[n] for n in LONG_BITS)] for s in found]  # seeds by lengths
        y, low, high = (
            [float(v) for v in f(table, axis=0)] for f in (np.mean, np.min, np.max)
        )  # fmt: skip
        series.append(Series(system, [8.0, *map(float, LONG_BITS)], y, low, high))
    title = "Trained on 8 bits, asked for more"
    return Figure("lengths", title, "bits of the sum", "exact sums (share)", series)


def curves_figure(
    name: str, title: str, x_label: str, curves: Mapping[str, Sequence[tuple[float, float]]]
) -> Figure:
    """Exact sums of all pairs while the first seed's networks learn."""
    series = [Series(n, [x for x, _ in c], [y for _, y in c]) for n, c in curves.items()]
    return Figure(name, title, x_label, "exact sums, all 16,384 pairs (share)", series)
