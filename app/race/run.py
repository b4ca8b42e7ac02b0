"""An equal race: several models trained on one corpus under one budget, turn by turn.

Each spends a twentieth of its budget, is scored on the same held-out bytes, and hands over; so the
curves grow together, and a race that is stopped has something comparable of each. What a model
costs is in `engine.budget`, how it is made in `app.race.contestants`, what is kept where in
`app.race.folder`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from app.race.contestants import make, paced, pack_corpus, trial_seconds
from app.race.folder import Heartbeat, Point, RaceFolder, read_race
from app.race.lane import Lane
from app.race.results import (
    HELD_OUT,
    all_floors,
    prompt_of,
    sampled,
    scored,
    spread,
    watched,
    watched_floors,
)
from app.race.settings import LETTERS, RaceSettings
from app.train import corpus_texts
from corpora.errors import InputError, LetterpressError
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.checkpoint import RunFolder
from engine.devices import choose_device, choose_precision
from lm.pretrain import share_out

_TOLD_S = 0.25  # between two reports of progress


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the race is: what it does, how much of all budgets is spent, about how long is left."""

    stage: str
    share: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """A model was scored on the watched bytes."""

    model: str
    point: Point


@dataclass(frozen=True, slots=True)
class Ended:
    """The end: "finished", or "stopped" with everything kept."""

    state: str


RaceEvent = Progress | Scored | Ended


def race_texts(corpus: str) -> tuple[list[str], list[str]]:
    """The training and the held-out texts of a corpus; nothing of the frozen test split.

    Raises
    ------
    CorpusError
        If there is no such corpus, or too little of it.
    """
    if corpus != LETTERS:
        return share_out(corpus_texts(str(Path(corpus).expanduser())))
    pairs = split_pairs(load_pairs())
    parts = [
        [text for pair in pairs[part] for text in (pair.letter.text, pair.reply.text)]
        for part in ("train", "valid")
    ]
    return parts[0], parts[1]


def race(
    settings: RaceSettings,
    out: Path,
    *,
    resume: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[RaceEvent]:
    """Run a race, yielding what happens.

    Parameters
    ----------
    settings : RaceSettings
        Of a resumed race, those it began with; see `folder.read_race`.
    out : Path
        Its folder.
    resume : bool
        Go on with the race that is there. Every model goes on from its last checkpoint.
    stopped : callable
        Asked often; True ends the race with everything kept, as does a file `stop` in the folder.

    Yields
    ------
    Progress, Scored, Ended
        `Ended` last.

    Raises
    ------
    LetterpressError
        If corpus or folder cannot be used; the race is then marked as failed, with the reason.
    """
    folder = RaceFolder(out)
    if resume:
        folder.facts = read_race(out).facts
        if folder.facts["state"] == "finished":
            yield Ended("finished")
            return
        folder.tell(state="running", problem="")
    else:
        folder.begin(settings)
    (out / "stop").unlink(missing_ok=True)
    running = _Running(settings, folder, lambda: stopped() or folder.asked_to_stop())
    with Heartbeat(folder):
        try:
            yield from running.events()
        except LetterpressError as problem:
            folder.tell(state="failed", problem=str(problem))
            raise


class _Running:
    """One run of a race."""

    def __init__(
        self, settings: RaceSettings, folder: RaceFolder, stopped: Callable[[], bool]
    ) -> None:
        self.settings, self.folder, self.stopped = settings, folder, stopped
        self.lanes: list[Lane] = []
        self._told = 0.0

    def events(self) -> Iterator[RaceEvent]:
        """The whole of it, from the corpus to the results."""
        yield self._stage("Reading the corpus")
        train, held_out = race_texts(self.settings.corpus)
        held_out = spread(held_out, HELD_OUT)
        self._check_corpus(train, held_out)
        seen = watched(held_out)
        if not self.folder.facts.get("contestants"):
            yield from self._make_ready(train, seen)
        self.lanes = self._lanes(train)
        yield from self._turns(seen)
        whole = bool(self.lanes) and all(lane.done for lane in self.lanes)
        yield from self._results(train, held_out, whole)
        state = "finished" if whole else "stopped"
        self.folder.tell(state=state)
        yield Ended(state)

    def _stage(self, text: str) -> Progress:
        done = sum(lane.share for lane in self.lanes) / max(1, len(self.lanes))
        left = sum(lane.seconds_left for lane in self.lanes if not lane.over)
        said = Progress(text, done, left if self.lanes else None)
        self.folder.progress(said.stage, said.share, said.seconds_left)
        self._told = time.monotonic()
        return said

    def _check_corpus(self, train: Sequence[str], held_out: Sequence[str]) -> None:
        """Remember what is read, or see that it is still what it was."""
        digest = hashlib.sha256("\0".join([*train, "", *held_out]).encode("utf-8")).hexdigest()
        known = self.folder.facts.get("corpus")
        if known and known["hash"] != digest:
            raise InputError(
                f"The corpus {self.settings.corpus} is not what it was when this race began; "
                "put it back as it was, or begin a new race."
            )
        sizes = [sum(len(t.encode("utf-8")) for t in part) for part in (train, held_out)]
        self.folder.tell(
            corpus={"hash": digest, "train_bytes": sizes[0], "held_out_bytes": sizes[1]}
        )

    def _make_ready(self, train: Sequence[str], seen: Sequence[str]) -> Iterator[RaceEvent]:
        """Tokenizers, floors and trials; what they say is kept, so that it holds when resumed."""
        device = choose_device(self.settings.device)
        precision = choose_precision(device)
        yield self._stage("Learning the tokenizers")
        work = self.folder.path / "data"
        pack_corpus(train, work, self.settings)
        yield self._stage("Measuring the floors")
        floors = watched_floors(train, seen)
        machine = {
            "device": str(device),
            "precision": precision,
            "threads": torch.get_num_threads(),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }
        self.folder.tell(
            watched_bytes=sum(len(t.encode("utf-8")) for t in seen),
            watched_floors=floors, machine=machine,
        )  # fmt: skip
        trials: dict[str, float] = {}
        for name in self.settings.models:
            yield self._stage(f"Timing a few steps of {name}")
            trials[name] = trial_seconds(make(name, self.settings, work, precision))
            if self.stopped():
                break
        self.folder.tell(trials=trials)

    def _lanes(self, train: Sequence[str]) -> list[Lane]:
        facts = self.folder.facts
        if set(facts["trials"]) != set(self.settings.models):
            return []  # stopped before it began
        one_pass = min(10_000_000, max(1_000_000, facts["corpus"]["train_bytes"]))
        n_bytes = self.settings.budget.n_bytes or one_pass
        ready = [
            paced(
                make(name, self.settings, self.folder.path / "data", facts["machine"]["precision"]),
                self.settings, n_bytes, trial_s,
            )
            for name, trial_s in facts["trials"].items()
        ]  # fmt: skip
        self.folder.tell(contestants={c.name: c.facts() for c in ready})
        return [Lane(contestant, self.folder, self.stopped) for contestant in ready]

    def _turns(self, seen: Sequence[str]) -> Iterator[RaceEvent]:
        """Round after round, until all budgets are spent or somebody asks to stop."""
        for turn in range(1, self.settings.turns + 1):
            for lane in self.lanes:
                if lane.over or (lane.share >= turn / self.settings.turns and lane.share < 1):
                    continue
                if self.stopped() and not lane.begun and not lane.step:
                    continue  # it has nothing to keep
                before = lane.step
                yield from self._train(lane, turn / self.settings.turns)
                if lane.step > before and not lane.problem:
                    point = lane.point(seen)
                    self.folder.point(lane.contestant.name, point)
                    yield Scored(lane.contestant.name, point)

    def _train(self, lane: Lane, share: float) -> Iterator[RaceEvent]:
        name = lane.contestant.name
        for step in lane.until(share):
            if time.monotonic() - self._told > _TOLD_S:
                yield self._stage(f"Training {name}: step {step.step:,}, loss {step.loss:.2f}")

    def _results(
        self, train: Sequence[str], held_out: Sequence[str], whole: bool
    ) -> Iterator[RaceEvent]:
        """Samples of what there is; of a race run to its end, scores on the whole held-out part."""
        prompt = prompt_of(held_out)
        results: dict[str, Any] = {}
        for lane in self.lanes:
            name, task = lane.contestant.name, lane.contestant.task
            result = results[name] = {"problem": lane.problem, "step": lane.step}
            if lane.problem or not lane.step:
                continue
            yield self._stage(f"Letting {name} write")
            result |= sampled(task, prompt, train, self.settings.seed)
            if whole:
                yield self._stage(f"Scoring {name} on the held-out part")
                result["score"] = scored(task, held_out, lambda _: None)
        self.folder.tell(results=results, prompt=prompt)
        if whole:
            yield self._stage("Measuring the floors on the held-out part")
            self.folder.tell(floors=all_floors(train, held_out))
            for lane in self.lanes:  # nothing will go on from the earlier ones
                RunFolder(self.folder.path / lane.contestant.name).prune(keep=1)
