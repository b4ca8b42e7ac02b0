"""Long work in a process of its own: beginning it, seeing that it lives, asking it to stop.

What runs, a race or an experiment of the lab, has a folder, and says there how it fares:

    FOLDER/progress.json     where it is now; also a sign of life, renewed every few seconds
    FOLDER/stop              somebody asked it to stop
    FOLDER/output.log        what its process printed

Whoever looks needs only the folder, so a closed page stops nothing. A file is replaced whole or
appended to by lines, so a reader never sees half of it. No torch here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import app
from app.home import home
from corpora.errors import InputError, StorageError

PROGRESS, STOP, LOG = "progress.json", "stop", "output.log"
KINDS = {"races": "race", "lab": "experiment"}  # folders of the home, and what runs in them
_ALIVE_S = 20.0  # without a sign of life for longer, it is over
_children: dict[Path, subprocess.Popen[bytes]] = {}


class Kept(Protocol):
    """What has a folder."""

    path: Path


class Heartbeat:
    """A sign of life every few seconds while its `with` block runs, however long a step takes."""

    def __init__(self, kept: Kept) -> None:
        self._file = kept.path / PROGRESS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._file.touch()
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        self._file.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(3.0):
            self._file.touch()


def is_alive(path: Path) -> bool:
    """Whether what runs in a folder gave a sign of life lately."""
    try:
        return time.time() - (path / PROGRESS).stat().st_mtime < _ALIVE_S
    except OSError:
        return False


def progress_of(path: Path) -> dict[str, Any]:
    """Where it is: `stage`, `share` (0 to 1), `seconds_left`; empty where nothing lives."""
    return read_or_empty(path / PROGRESS) if is_alive(path) else {}


def tell_progress(path: Path, stage: str, share: float, seconds_left: float | None) -> None:
    """Say where it is."""
    said = {"stage": stage, "share": share, "seconds_left": seconds_left}
    write_json(path / PROGRESS, said)


def ask_to_stop(path: Path) -> None:
    """Ask what runs in a folder to stop; it keeps what it has.

    A file, not a signal: it reaches the process whoever started it, on every system, and never
    another one that has come by the same number.
    """
    (path / STOP).touch()


def asked_to_stop(path: Path) -> bool:
    """Whether somebody asked."""
    return (path / STOP).exists()


def stamp() -> str:
    """The time as part of a folder's name."""
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def kept_folder(kind: str, name: str, file: str) -> Path:
    """A folder by its name, which must hold a file.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    path = home() / kind / name
    if not re.fullmatch(r"[\w-]+", name) or not (path / file).is_file():
        raise InputError(f"There is no {KINDS[kind]} {name[:60]!r} here any more. Choose another.")
    return path


def check_free(out: Path | None = None) -> None:
    """Refuse to begin while something else runs.

    Raises
    ------
    InputError
        Naming what runs.
    """
    for kind, what in KINDS.items():
        for sign in sorted((home() / kind).glob(f"*/{PROGRESS}")):
            if sign.parent != out and is_alive(sign.parent):
                raise InputError(
                    f"The {what} {sign.parent.name} is running. Only one runs at a time, so that "
                    "none takes the other's time: wait for it, or stop it."
                )
    if any(child.poll() is None for path, child in _children.items() if path != out):
        raise InputError("Another run is just beginning or ending. Try again in a moment.")


def begin(out: Path, module: Sequence[str]) -> None:
    """Start a process that nobody needs to watch; `module` is what follows `python -m`.

    Raises
    ------
    InputError
        If something else runs.
    """
    check_free(out)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (out / LOG).open("wb") as log:
        _children[out] = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=Path(app.__file__).parents[1], stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, env=os.environ.copy(),
            start_new_session=True,  # a Ctrl-C meant for the page is not meant for it
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was begun here: whether its process still runs, and if not, its last words."""

    running: bool
    said: str


def beginning(out: Path) -> Beginning:
    """How the process fares that `begin` started; one from elsewhere is not running."""
    child = _children.get(out)
    if child is None or child.poll() is not None:
        try:
            lines = (out / LOG).read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return Beginning(False, lines[-1] if lines else "")
    return Beginning(True, "")


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that grows; one without its end is still being written."""
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [line for line in lines if line.endswith("\n")]


def read_or_empty(path: Path) -> dict[str, Any]:
    """A JSON object; empty at the very beginning and at the very end, when there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON object, whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.replace(unfinished, path)
    except OSError as problem:
        raise StorageError(
            f"Cannot write {path}: {problem.strerror}. Free some space, then begin again."
        ) from problem
