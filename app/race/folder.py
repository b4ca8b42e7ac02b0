"""The folder of a race: what it writes while it runs, and what page, report and tests read of it.

    RACE/race.json             settings, corpus, contestants, floors, state, results
    RACE/progress.json, stop   see `app.running`
    RACE/data                  tokenizers and token files
    RACE/MODEL/step-*          checkpoints, a run folder like any other
    RACE/MODEL/curve.jsonl     a line for each time it was scored

No torch here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from app.race.settings import Budget, RaceSettings
from app.running import (
    Heartbeat,
    ask_to_stop,
    asked_to_stop,
    is_alive,
    progress_of,
    tell_progress,
    whole_lines,
    write_json,
)
from corpora.errors import InputError, StorageError

__all__ = ["Heartbeat", "Point", "Race", "RaceFolder", "ask_to_stop", "read_race"]
SCHEMA = 1
State = Literal["running", "stopped", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class Point:
    """A model scored on the watched bytes: after how much, and how well.

    `share` is the part of its budget that is spent, `n_bytes` the bytes of text read in training.
    """

    step: int
    share: float
    n_bytes: float
    flops: float
    seconds: float
    bits_per_byte: float


@dataclass(frozen=True, slots=True)
class Race:
    """A race as its folder tells it.

    Attributes
    ----------
    facts : dict
        `race.json` as it stands; see `app.race.run` for what is in it.
    curves : dict
        The points of each model, in the order of the settings.
    progress : dict
        `stage`, `share` (0 to 1) and `seconds_left` where it is running, else empty.
    """

    path: Path
    settings: RaceSettings
    facts: dict[str, Any]
    curves: dict[str, list[Point]]
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def alive(self) -> bool:
        """Whether a process is at it."""
        return self.facts["state"] == "running" and is_alive(self.path)

    @property
    def state(self) -> str:
        """Its state in a word; a process that vanished leaves an "interrupted" race."""
        state: str = self.facts["state"]
        return "interrupted" if state == "running" and not self.alive else state


class RaceFolder:
    """Writes what `Race` reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise StorageError(f"Cannot write to {path}: {problem.strerror}.") from problem
        self.facts: dict[str, Any] = {}

    def begin(self, settings: RaceSettings, **facts: Any) -> None:
        """Write the facts of a new race.

        Raises
        ------
        InputError
            If there is one already.
        """
        if (self.path / "race.json").exists() and not _never_began(self.path):
            raise InputError(
                f"{self.path} already holds a race; add --resume to go on with it, or name "
                "another --out."
            )
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        self.facts = {"schema": SCHEMA, "started": started, "settings": asdict(settings)}
        self.tell(state="running", problem="", **facts)

    def tell(self, **facts: Any) -> None:
        """Change some of the facts."""
        self.facts |= facts
        write_json(self.path / "race.json", self.facts)

    def progress(self, stage: str, share: float = 0.0, seconds_left: float | None = None) -> None:
        """Say where it is."""
        tell_progress(self.path, stage, share, seconds_left)

    def point(self, model: str, point: Point) -> None:
        """Add a point to a model's curve."""
        folder = self.path / model
        folder.mkdir(exist_ok=True)
        with (folder / "curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(point)) + "\n")

    def cut(self, model: str, step: int) -> None:
        """Forget the points after a step: the weights it is gone on from had not got there."""
        kept = [p for p in _curve(self.path / model) if p.step <= step]
        text = "".join(json.dumps(asdict(p)) + "\n" for p in kept)
        if (self.path / model / "curve.jsonl").exists():
            (self.path / model / "curve.jsonl").write_text(text, encoding="utf-8")

    def asked_to_stop(self) -> bool:
        """Whether somebody asked."""
        return asked_to_stop(self.path)


def read_race(path: Path) -> Race:
    """A race from its folder.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    try:
        facts = json.loads((path / "race.json").read_text("utf-8"))
        if facts["schema"] != SCHEMA:
            raise ValueError(f"it has schema {facts['schema']}; this version reads {SCHEMA}")
        given = dict(facts["settings"])
        given |= {"budget": Budget(**given["budget"]), "models": tuple(given["models"])}
        settings = RaceSettings(**given)
        curves = {name: _curve(path / name) for name in settings.models}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"{path} holds no race that can be read ({problem}). Give the folder that "
            "`letterpress race --out` wrote."
        ) from problem
    return Race(path, settings, facts, curves, progress_of(path))


def _never_began(path: Path) -> bool:
    """Whether a race failed before any model had learnt, so that nothing is lost with it."""
    facts = read_race(path).facts
    return facts["state"] == "failed" and not facts.get("contestants")


def _curve(folder: Path) -> list[Point]:
    return [Point(**json.loads(line)) for line in whole_lines(folder / "curve.jsonl")]
