"""Where things are kept on this machine: one folder, private to the person who runs letterpress.

    HOME/letters.sqlite3      correspondences
    HOME/corpora              collections that were fetched
    HOME/runs                 models that were trained here
    HOME/races                races of models on one corpus, with their reports
    HOME/lab                  runs of the lab's experiments
    HOME/exports              letters saved as Markdown, text or PDF

Asking where it is creates nothing; asking for one of its folders makes that folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import platformdirs

from corpora.errors import StorageError

VARIABLE = "LETTERPRESS_HOME"
Folder = Literal["corpora", "runs", "races", "lab", "exports"]
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def home() -> Path:
    """The folder of this person: `LETTERPRESS_HOME`, else the system's place for user data."""
    given = os.environ.get(VARIABLE, "").strip()
    path = given or platformdirs.user_data_dir("letterpress", appauthor=False)
    return Path(path).expanduser().absolute()


def folder(name: Folder) -> Path:
    """One folder of the home, made if it is missing, open to its owner only.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    return _private(_private(home()) / name)


def store_path() -> Path:
    """The file of the correspondences, in a home that exists.

    Raises
    ------
    StorageError
        If the home cannot be made.
    """
    return _private(home()) / "letters.sqlite3"


def _private(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        # mkdir leaves an existing folder as it was, and its mode is cut by the umask.
        if os.name != "nt" and path.stat().st_mode & 0o777 != PRIVATE_FOLDER:
            path.chmod(PRIVATE_FOLDER)
    except OSError as problem:
        raise StorageError(
            f"Cannot keep letters in {path}: {problem.strerror or problem}. "
            f"Set {VARIABLE} to a folder you can write to."
        ) from problem
    return path
