"""Variants against each other on one machine: run in turn, compared round by round.

Other work on the machine slows whatever runs beside it. In the order A B C A B C it slows all of
them alike, so the ratio within a round can be trusted where the speeds themselves cannot.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """One variant over all rounds, in units per second.

    Attributes
    ----------
    median, low, high : float
        Of the rounds; `low` and `high` are the slowest and the fastest.
    ratio : float
        The median of the rounds' ratios to the first variant, above 1 where this one is faster; it
        need not equal the quotient of the medians.
    ratio_low, ratio_high : float
        The smallest and the largest of these ratios.
    """

    median: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.median <= self.high:
            raise ValueError(f"median={self.median} must lie between {self.low} and {self.high}")
        if not 0 < self.ratio_low <= self.ratio <= self.ratio_high:
            raise ValueError(
                f"ratio={self.ratio} must lie between {self.ratio_low} and {self.ratio_high}"
            )


def interleave(
    variants: Mapping[str, Callable[[], int]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time every variant once a round, after one round that does not count.

    Parameters
    ----------
    variants : mapping of name to callable
        Each does its work and returns how many units (characters, tokens, examples) that was; the
        first is the one the others are compared with.
    rounds : int
        At least 1; an odd number makes the median one that was measured.
    clock : callable
        Seconds.

    Raises
    ------
    ValueError
        If there is no variant or no round, or if a variant did nothing.
    """
    if not variants:
        raise ValueError("variants is empty; expected at least one")
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be at least 1")
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for i in range(rounds + 1):
        for name, work in variants.items():
            began = clock()
            units = work()
            took = clock() - began
            if units < 1:
                raise ValueError(f"{name} returned units={units}; expected at least 1")
            if i:  # the first round fills caches, and packs or compiles what is done once
                speeds[name].append(units / took)
    first = next(iter(speeds.values()))
    return {name: timing_of(own, first) for name, own in speeds.items()}


def timing_of(own: Sequence[float], first: Sequence[float]) -> Timing:
    """The speeds of one variant over the rounds, beside those of the first."""
    ratios = [mine / other for mine, other in zip(own, first, strict=True)]
    return Timing(
        statistics.median(own), min(own), max(own),
        statistics.median(ratios), min(ratios), max(ratios),
    )  # fmt: skip


def table(title: str, unit: str, timings: Mapping[str, Timing], notes: Mapping[str, str]) -> str:
    """The timings as text for a person.

    Parameters
    ----------
    title : str
    unit : str
        What is counted, in the plural.
    timings : mapping
        From `interleave`.
    notes : mapping of name to str
        A last column; a name may be missing.
    """
    head = (title, f"{unit}/s", "slowest..fastest", "ratio", "of rounds", "")
    rows = [
        (
            name,
            f"{t.median:,.0f}",
            f"{t.low:,.0f}..{t.high:,.0f}",
            f"x{t.ratio:.2f}",
            f"{t.ratio_low:.2f}..{t.ratio_high:.2f}",
            notes.get(name, ""),
        )
        for name, t in timings.items()
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        name, *figures, note = row
        cells = [name.ljust(widths[0])]
        cells += [figure.rjust(width) for figure, width in zip(figures, widths[1:-1], strict=True)]
        lines.append("  ".join([*cells, note]).rstrip())
    return "\n".join(lines)


def as_json(timings: Mapping[str, Timing]) -> dict[str, dict[str, float]]:
    """The timings as plain values, for `json`."""
    return {name: asdict(timing) for name, timing in timings.items()}
