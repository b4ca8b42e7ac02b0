"""The folder of a run of the lab: what it writes while it runs, and what is read of it.

    RUN/settings.json          experiment, settings, when it began
    RUN/state.json             running, finished, stopped or failed, and why
    RUN/events.jsonl           the points of its curves and its stages, a line each
    RUN/progress.json, stop    see `app.running`
    RUN/report.json            what came of it
    RUN/...                    its models and images

The experiment writes report, models and images itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app import running
from corpora.errors import InputError, StorageError

if TYPE_CHECKING:
    from recurrent.lab.report import Report

SETTINGS, STATE, EVENTS, REPORT = "settings.json", "state.json", "events.jsonl", "report.json"
SCHEMA = 1
State = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its folder tells it.

    Attributes
    ----------
    settings : dict
        As `app.lab.settings.plain` gives them.
    curves : dict
        Name of a curve to its points (x, y), in the order in which they came.
    progress : dict
        `stage`, `share` (0 to 1) and `seconds_left` while it runs, else empty.
    """

    path: Path
    experiment: str
    started: str
    settings: dict[str, Any]
    state: str
    problem: str = ""
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def alive(self) -> bool:
        """Whether a process is at it."""
        return self.state == "running"

    @property
    def over(self) -> bool:
        """Whether it has a report to be read."""
        return self.state in ("finished", "stopped") and (self.path / REPORT).is_file()

    def report(self) -> Report:
        """What came of it; brings torch in. Raises InputError where there is none."""
        from recurrent.lab.report import read_report

        return read_report(self.path)


class RunFolder:
    """Writes what `Run` reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise StorageError(f"Cannot write to {path}: {problem.strerror}.") from problem

    def begin(self, experiment: str, settings: dict[str, Any]) -> None:
        """Write down what is about to run.

        Raises
        ------
        InputError
            If the folder holds a run already.
        """
        if (self.path / SETTINGS).exists():
            raise InputError(f"{self.path} already holds a run; name another folder.")
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        facts = {
            "schema": SCHEMA, "experiment": experiment, "started": started, "settings": settings
        }  # fmt: skip
        running.write_json(self.path / SETTINGS, facts)

    def tell(self, state: State, problem: str = "") -> None:
        """Say how it stands."""
        running.write_json(self.path / STATE, {"state": state, "problem": problem})

    def event(self, **said: Any) -> None:
        """Add a line to what happened."""
        with (self.path / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")


def read_run(path: Path) -> Run:
    """A run from its folder.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    try:
        facts = json.loads((path / SETTINGS).read_text("utf-8"))
        if facts["schema"] != SCHEMA:
            raise ValueError(f"it has schema {facts['schema']}; this version reads {SCHEMA}")
        experiment, started, settings = (facts[k] for k in ("experiment", "started", "settings"))
        curves: dict[str, list[tuple[float, float]]] = {}
        for line in running.whole_lines(path / EVENTS):
            said = json.loads(line)
            if "curve" in said:
                curves.setdefault(said["curve"], []).append((float(said["x"]), float(said["y"])))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"{path} holds no run that can be read ({problem}). Give the folder that "
            "`letterpress lab` wrote."
        ) from problem
    told = running.read_or_empty(path / STATE)
    state, lives = str(told.get("state", "running")), running.is_alive(path)
    if state == "running" and not lives:
        state = "interrupted"
    return Run(
        path, str(experiment), str(started), dict(settings), state, str(told.get("problem", "")),
        curves, running.progress_of(path) if state == "running" else {},
    )  # fmt: skip
