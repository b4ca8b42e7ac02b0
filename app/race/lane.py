"""One contestant's way through a race: trained a stretch at a time, scored where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from app.race.contestants import Contestant
from app.race.folder import Point, RaceFolder
from app.race.results import scored
from corpora.errors import CorpusError
from engine.checkpoint import RunFolder, read_counters
from engine.events import Event, Finished, Step
from engine.fit import fit


class Lane:
    """A contestant in its lane: its training, which stands still while the others' goes on."""

    def __init__(
        self, contestant: Contestant, folder: RaceFolder, stopped: Callable[[], bool]
    ) -> None:
        task, self.contestant = contestant.task, contestant
        run = RunFolder(folder.path / contestant.name)
        latest = run.latest()
        self.step, self.seconds = 0, 0.0
        if latest is not None:
            counters = read_counters(latest)
            self.step, self.seconds = counters["step"], counters["spent"]
        folder.cut(contestant.name, self.step)
        self.begun, self.over = False, False
        self.problem = ""
        self._events: Iterator[Event] = fit(
            task, contestant.train, None, contestant.settings,
            run=run, save=task.save, load=task.load, resume=latest is not None, stopped=stopped,
        )  # fmt: skip

    @property
    def share(self) -> float:
        """The part of the budget that is spent."""
        how = self.contestant.settings
        spent = self.seconds / (60 * how.minutes) if how.minutes else self.step / how.steps
        return min(1.0, spent)

    @property
    def done(self) -> bool:
        """Whether its budget is spent, or it cannot go on."""
        return self.over and (self.share >= 1 or bool(self.problem))

    @property
    def seconds_left(self) -> float:
        """About how long the rest takes."""
        how = self.contestant.settings
        if how.minutes:
            return max(0.0, how.minutes * 60 - self.seconds)
        each = self.seconds / self.step if self.step else self.contestant.trial_s
        return each * (how.steps - self.step)

    def until(self, share: float) -> Iterator[Step]:
        """Train until so much of the budget is spent, to its very end at 1."""
        self.begun = True
        try:
            for event in self._events:
                if isinstance(event, Step):
                    self.step, self.seconds = event.step, event.seconds
                    yield event
                    if self.share >= share and share < 1:
                        return
                elif isinstance(event, Finished):
                    self.step, self.seconds = event.step, event.seconds
            self.over = True
        except CorpusError as problem:  # it diverged; the others need not end for that
            self.problem, self.over = str(problem), True

    def point(self, texts: Sequence[str]) -> Point:
        """Score it where it is."""
        n_bytes, flops = self.contestant.read_by(self.step)
        found = scored(self.contestant.task, texts, lambda _: None)["bits_per_byte"]
        return Point(self.step, self.share, n_bytes, flops, self.seconds, found)
