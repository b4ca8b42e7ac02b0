"""The races of this home: which there are, beginning one in a process of its own, stopping it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import app
from app.home import folder, home
from app.race.folder import Race, ask_to_stop, read_race
from app.race.settings import LETTERS, RaceSettings
from corpora.errors import CorpusError, InputError

_LOG = "race.log"
_children: dict[Path, subprocess.Popen[bytes]] = {}


def races() -> list[Race]:
    """The races that are kept, the latest first; those that failed before they began are not."""
    found = []
    for path in sorted((home() / "races").glob("*/race.json"), reverse=True):
        try:
            race = read_race(path.parent)
        except InputError:
            continue
        if race.state != "failed" or race.facts.get("contestants"):
            found.append(race)
    return found


def new_race_folder(corpus: str) -> Path:
    """The folder of a race that is about to begin, named after the time and the corpus."""
    name = re.sub(r"[^a-z0-9]+", "-", Path(corpus).stem.lower()).strip("-")[:40] or "corpus"
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return folder("races") / f"{stamp}-{name}"


def race_folder(name: str) -> Path:
    """The folder of a race by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    path = home() / "races" / name
    if not re.fullmatch(r"[\w-]+", name) or not (path / "race.json").is_file():
        raise InputError(f"There is no race {name[:60]!r} here any more. Choose another.")
    return path


def check_free(out: Path | None = None) -> None:
    """Refuse to begin while another race runs.

    Raises
    ------
    InputError
        Naming the one that runs.
    """
    for race in races():
        if race.alive and race.path != out:
            raise InputError(
                f"The race {race.name} is running. Only one runs at a time, so that none takes "
                "the other's time: wait for it, or stop it."
            )


def begin(settings: RaceSettings, resume: Path | None = None) -> Path:
    """Start a race in a process that nobody needs to watch; returns its folder.

    Raises
    ------
    InputError
        If one is running already, or the corpus cannot be found.
    """
    check_free()
    if any(child.poll() is None for child in _children.values()):
        raise InputError("A race is just beginning or ending. Try again in a moment.")
    corpus = settings.corpus.strip()
    path = Path(corpus).expanduser()
    if corpus != LETTERS and path.exists():
        corpus = str(path.absolute())
    elif not resume and (path.suffix or len(path.parts) > 1):
        raise CorpusError(
            f"There is no file or folder {corpus[:200]}. Give the path of a text file or a folder "
            "of them, a collection that was fetched, or letters."
        )
    out = resume or new_race_folder(corpus)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ["--resume"] if resume else [
        "--models", ",".join(settings.models), "--budget", str(settings.budget),
        "--size", settings.size, "--gpt2-tokens", settings.gpt2_tokens,
        "--seed", str(settings.seed), "--device", settings.device,
        "--turns", str(settings.turns),
    ]  # fmt: skip
    # The corpus comes last, after a mark, so that one named like an option is none.
    command = [sys.executable, "-m", "app", "race", "--out", str(out), *options, "--", corpus]
    with (out / _LOG).open("wb") as log:
        _children[out] = subprocess.Popen(
            command, cwd=Path(app.__file__).parents[1], stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, env=os.environ.copy(),
            start_new_session=True,  # a Ctrl-C meant for the page is not meant for the race
        )  # fmt: skip
    return out


def stop(name: str) -> None:
    """Ask a race to stop; it saves what it has, which takes a few seconds."""
    ask_to_stop(race_folder(name))


@dataclass(frozen=True, slots=True)
class Beginning:
    """A race that was begun here: whether its process still runs, and if not, its last words."""

    running: bool
    said: str


def beginning(out: Path) -> Beginning:
    """How the process of a race fares that `begin` started; one from elsewhere is not running."""
    child = _children.get(out)
    if child is None or child.poll() is not None:
        try:
            lines = (out / _LOG).read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return Beginning(False, lines[-1] if lines else "")
    return Beginning(True, "")
