"""What `letterpress doctor` looks at: versions, devices, storage, the starter, fonts.

Each check tells what it found; only those without which no letter can be written are essential.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.fonts import font_files
from app.home import home, store_path
from app.journal import OLDEST, journal_for
from app.library import starter_folder
from corpora.errors import LetterpressError

ENOUGH_BYTES = 1 << 30  # free space below which training is likely to fail
_NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "datasets", "gradio")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `essential` and not `ok` means that letters cannot be written."""

    name: str
    ok: bool
    found: str
    essential: bool = True


def check_up() -> Iterator[Finding]:
    """Look at everything, one finding at a time. Nothing is changed but the home made."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions,
        _devices,
        _database,
        _home,
        _people,
        _starter,
        _fonts,
    )
    for check in checks:
        try:
            yield from check()
        except LetterpressError as problem:
            yield Finding(check.__name__.strip("_"), False, str(problem))


def _versions() -> Iterator[Finding]:
    yield Finding("letterpress", True, _version("letterpress") or "run from its source folder")
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("Python", sys.version_info >= (3, 11), f"{platform.python_version()}, {system}")
    for name in _NEEDED:
        version = _version(name)
        yield Finding(name, version is not None, version or "missing; install letterpress again")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as problem:  # OSError: a library it was built against
        yield Finding("devices", False, f"torch cannot be loaded: {problem}")
        return
    yield Finding("cpu", True, f"{torch.get_num_threads()} threads")
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("cuda", bool(cuda), ", ".join(cuda) or "none found", essential=False)
    mps = torch.backends.mps.is_available()
    yield Finding("mps", mps, "available" if mps else "none found", essential=False)


def _database() -> Iterator[Finding]:
    journal = journal_for()
    memory = sqlite3.connect(":memory:")
    try:
        memory.execute("CREATE VIRTUAL TABLE probe USING fts5(words)")
        searches = "with full-text search"
    except sqlite3.OperationalError:
        searches = "without full-text search (FTS5), which finding passages needs"
    finally:
        memory.close()
    enough = sqlite3.sqlite_version_info >= OLDEST and searches.startswith("with ")
    yield Finding("SQLite", enough, f"{sqlite3.sqlite_version} {searches}")
    yield Finding(
        "journal",
        True,
        f"{journal.mode.upper()}, synchronous {journal.synchronous}: {journal.reason}",
    )


def _home() -> Iterator[Finding]:
    path = store_path()
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"letterpress")
        writable = "writable"
    except OSError as problem:
        writable = f"not writable: {problem.strerror}"
    yield Finding("home", writable == "writable", f"{home()}, {writable}")
    free = shutil.disk_usage(path.parent).free
    yield Finding("free space", free >= ENOUGH_BYTES, f"{free / 1e9:.1f} GB", essential=False)
    if path.exists():
        from app.store import Store

        with Store(path) as store:
            number = len(store.threads("local"))
        yield Finding("letters", True, f"{number} correspondences in {path.name}")
    else:
        yield Finding("letters", True, "none yet")


def _people() -> Iterator[Finding]:
    from corpora.people import load_people

    people = load_people()
    yield Finding("people", bool(people), ", ".join(people) or "none: install letterpress again")


def _starter() -> Iterator[Finding]:
    folder = starter_folder()
    if folder is None:
        yield Finding("starter", False, "not in this installation; install letterpress again")
        return
    from engine.checkpoint import verify

    verify(folder)
    yield Finding("starter", True, f"{folder}, every file has its SHA-256")


def _fonts() -> Iterator[Finding]:
    names = [path.stem for path in font_files()]
    found = ", ".join(names) or "none that letterpress knows; PDFs of Western European letters only"
    yield Finding("fonts", bool(names), found, essential=False)
