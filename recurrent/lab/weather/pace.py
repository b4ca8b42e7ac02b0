"""How far a run has come, and how long the rest will take at the pace so far."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TypeVar

from engine.events import Evaluated, Step
from engine.events import Event as FitEvent
from recurrent.lab.report import Point, Progress

T = TypeVar("T")
_EVERY_S = 0.3


class Pace:
    """Work done of a whole whose size is guessed beforehand and corrected on the way.

    Parameters
    ----------
    total : float
        The work there is; its unit is one update of a GRU.
    """

    def __init__(self, total: float) -> None:
        self._total, self._done = total, 0.0
        self._began = self._told = time.monotonic()

    def add(self, work: float) -> None:
        """Count work as done."""
        self._done += work

    def drop(self, work: float) -> None:
        """Take off work that turned out not to be needed."""
        self._total -= work

    def tell(self, stage: str) -> Progress:
        """The progress now."""
        self._told = time.monotonic()
        total = max(self._total, self._done)
        share = self._done / total if total else 0.0
        spent = self._told - self._began
        left = spent * (1 - share) / share if share > 0.01 else None
        return Progress(stage, share, left)

    def is_due(self) -> bool:
        """Whether the last telling is a while ago."""
        return time.monotonic() - self._told >= _EVERY_S


def follow(
    training: Generator[FitEvent, None, T],
    pace: Pace,
    stage: str,
    *,
    cost: float,
    steps: int,
    curve: str = "",
    unit_scale: float = 1.0,
) -> Generator[Progress | Point, None, T]:
    """Turn the events of one training into progress and the points of a curve; returns its result.

    Parameters
    ----------
    cost, steps : float, int
        The work of one update, and the updates foreseen.
    curve : str
        The name of the curve of validation losses; empty draws none.
    unit_scale : float
        What a loss is multiplied with before it becomes a point.
    """
    at = 0
    yield pace.tell(stage)
    while True:
        try:
            event = next(training)
        except StopIteration as end:
            pace.drop(cost * (steps - at))
            result: T = end.value
            return result
        if isinstance(event, Step):
            at = event.step
            pace.add(cost)
        elif isinstance(event, Evaluated) and curve:
            yield Point(curve, event.step, event.valid_loss * unit_scale)
        if pace.is_due():
            yield pace.tell(stage)


def tell_each(pace: Pace, stage: str, work: float) -> Iterator[Progress]:
    """Tell a stage that cannot be divided, and count it as done after it."""
    yield pace.tell(stage)
    pace.add(work)
