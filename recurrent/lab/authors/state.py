"""What has come of a run so far, and how it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from recurrent.lab.authors.corpus import Collection
from recurrent.lab.authors.scores import Answers, facts, rows
from recurrent.lab.authors.settings import Settings
from recurrent.lab.report import Event, Point, Progress, Row

LETTERS = "letters"
T = TypeVar("T")


class StoppedError(Exception):
    """Raised inside reading, which asks nobody else."""


@dataclass
class State:
    """What has come of the run so far."""

    settings: Settings
    out: Path
    stopped: Callable[[], bool]
    began: float = field(default_factory=time.perf_counter)
    stage: str = "Reading"
    share: float = 0.0
    rows: list[Row] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    curves: list[Point] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    cut_short: bool = False

    def progress(self) -> Progress:
        gone = time.perf_counter() - self.began
        left = gone * (1 - self.share) / self.share if self.share > 0.02 else None
        return Progress(self.stage, self.share, left)

    def timed(self, what: str, since: float) -> None:
        self.facts.setdefault("seconds", {})[what] = round(time.perf_counter() - since, 1)


def patiently(work: Callable[[], T], state: State) -> Generator[Event, None, T]:
    """Do it in a thread, with a sign of life twice a second."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not wait([future], timeout=0.4).done:
            yield state.progress()
        return future.result()


def report(state: State, answers: Answers, collection: Collection) -> None:
    state.answers.append(answers)
    state.rows += rows(answers, collection, imdb=state.settings.source != LETTERS)
    state.facts.setdefault("by system", {})[answers.system] = facts(answers, collection)
