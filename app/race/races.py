"""The races of this home: which there are, beginning one in a process of its own, stopping it."""

from __future__ import annotations

import re
from pathlib import Path

from app import running
from app.home import folder, home
from app.race.folder import Race, read_race
from app.race.settings import LETTERS, RaceSettings
from app.running import Beginning, beginning, check_free
from corpora.errors import CorpusError, InputError

__all__ = [
    "Beginning", "begin", "beginning", "check_free", "new_race_folder", "race_folder", "races",
    "stop",
]  # fmt: skip


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
    return folder("races") / f"{running.stamp()}-{name}"


def race_folder(name: str) -> Path:
    """The folder of a race by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    return running.kept_folder("races", name, "race.json")


def begin(settings: RaceSettings, resume: Path | None = None) -> Path:
    """Start a race in a process that nobody needs to watch; returns its folder.

    Raises
    ------
    InputError
        If something is running already, or the corpus cannot be found.
    """
    check_free()
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
    options = ["--resume"] if resume else [
        "--models", ",".join(settings.models), "--budget", str(settings.budget),
        "--size", settings.size, "--gpt2-tokens", settings.gpt2_tokens,
        "--seed", str(settings.seed), "--device", settings.device,
        "--turns", str(settings.turns),
    ]  # fmt: skip
    # The corpus comes last, after a mark, so that one named like an option is none.
    running.begin(out, ["app", "race", "--out", str(out), *options, "--", corpus])
    return out


def stop(name: str) -> None:
    """Ask a race to stop; it saves what it has, which takes a few seconds."""
    running.ask_to_stop(race_folder(name))
