"""Files that a person chose in the page, kept for the experiment's own reader to look into.

Nothing is opened here: a file gets a plain name and a folder, and the oldest make room.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.home import folder
from corpora.errors import InputError, StorageError

KEPT = 6


def keep(picked: Mapping[str, Any], endings: Sequence[str], most: int) -> Path:
    """Keep a file that came as the browser read it: `name`, `size`, `base64`.

    Parameters
    ----------
    endings : sequence of str
        What its name may end in, such as ".csv".
    most : int
        Bytes it may have.

    Raises
    ------
    InputError
        If it is too large, empty, or named otherwise.
    """
    name = str(picked.get("name", ""))[:200]
    ending = next((e for e in endings if name.lower().endswith(e)), "")
    if not ending:
        raise InputError(f"{name or 'The file'} does not end in {' or '.join(endings)}.")
    if (size := int(picked.get("size") or 0)) > most:
        raise InputError(
            f"{name} has {size / 1e6:.1f} MB; the page takes {most / 1e6:.0f} MB. Give its path "
            "among the settings, or use the command line."
        )
    try:
        data = base64.b64decode(str(picked.get("base64", "")), validate=True)
    except ValueError:
        data = b""
    if not data or len(data) > most:
        raise InputError(f"{name} is empty or could not be read. Choose another file.")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name[: -len(ending)]).strip("-")[:40] or "file"
    place = folder("lab") / "files"
    path = place / f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}{ending}"
    try:
        place.mkdir(exist_ok=True, mode=0o700)
        path.write_bytes(data)
        for old in sorted(place.iterdir(), key=lambda file: -file.stat().st_mtime)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as problem:
        raise StorageError(f"Cannot keep {name}: {problem.strerror}.") from problem
    return path
