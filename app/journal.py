"""How SQLite keeps its promises here: the journal mode, chosen by the version that is linked.

In versions before the fixes named below, write-ahead logging can corrupt a database when two
connections write and checkpoint at the same instant (sqlite.org/wal.html, "the WAL-reset bug"). The
page and the command line on one store are just that, so those versions get the older rollback
journal.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

OLDEST = (3, 37, 0)  # STRICT tables
_FIXED = (3, 51, 3)
_BACKPORTS = {(3, 50): 7, (3, 44): 6}  # branch: the first patch that holds the fix


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal mode and how far each commit is pushed to the disk, with the reason."""

    mode: str
    synchronous: str
    reason: str


def journal_for(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Journal:
    """The journal for a version of SQLite.

    Parameters
    ----------
    version : tuple of three int
        As `sqlite3.sqlite_version_info` gives it.
    """
    shown = ".".join(map(str, version))
    backport = _BACKPORTS.get(version[:2])
    if version >= _FIXED or (backport is not None and version[2] >= backport):
        return Journal("wal", "FULL", f"SQLite {shown} has the fix for the WAL-reset bug")
    return Journal("delete", "EXTRA", f"SQLite {shown} may have the WAL-reset bug")
