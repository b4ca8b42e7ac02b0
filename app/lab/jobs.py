"""The lab's runs of this home: which there are, beginning one, stopping it, deleting it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from app import running
from app.home import folder, home
from app.lab.folder import SETTINGS, Run, RunFolder, read_run
from app.lab.settings import plain
from app.running import Beginning, beginning, check_free
from corpora.errors import InputError, StorageError

__all__ = [
    "Beginning", "begin", "beginning", "check_free", "delete", "latest", "new_run_folder",
    "run_folder", "runs", "stop",
]  # fmt: skip


def runs(experiment: str) -> list[Run]:
    """The runs of an experiment, the latest first; what cannot be read is left out."""
    found = []
    for path in sorted((home() / "lab").glob(f"{experiment}-*/{SETTINGS}"), reverse=True):
        try:
            run = read_run(path.parent)
        except InputError:
            continue
        if run.experiment == experiment:
            found.append(run)
    return found


def latest(experiment: str) -> Run | None:
    """The latest run with a report, None where there is none."""
    return next((run for run in runs(experiment) if run.over), None)


def new_run_folder(experiment: str) -> Path:
    """The folder, not yet made, of a run that is about to begin."""
    path = folder("lab") / f"{experiment}-{running.stamp()}"
    number = 2
    while path.exists():
        path = path.with_name(f"{experiment}-{running.stamp()}-{number}")
        number += 1
    return path


def run_folder(name: str) -> Path:
    """The folder of a run by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    return running.kept_folder("lab", name, SETTINGS)


def begin(experiment: str, settings: Any) -> Path:
    """Start a run in a process that nobody needs to watch; returns its folder.

    Raises
    ------
    InputError
        If something is running already.
    """
    check_free()
    out = new_run_folder(experiment)
    RunFolder(out).begin(experiment, plain(settings))
    running.begin(out, ["app.lab.run", str(out)])
    return out


def stop(name: str) -> None:
    """Ask a run to stop; it keeps what it has, which takes a few seconds."""
    running.ask_to_stop(run_folder(name))


def delete(name: str) -> None:
    """Delete a run with everything in its folder.

    Raises
    ------
    InputError
        If there is none of that name, or it is running.
    """
    path = run_folder(name)
    if read_run(path).alive or beginning(path).running:
        raise InputError(f"The run {name} is still at work. Stop it first.")
    try:
        shutil.rmtree(path)
    except OSError as problem:
        raise StorageError(f"Cannot delete {path}: {problem.strerror}.") from problem
