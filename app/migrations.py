"""The schema of the store, as numbered steps that only go forward.

Step N takes a database of schema N-1 to schema N, inside one transaction: a database is at the old
schema or at the new one, never between. A published step is never edited; a change is a new step,
with a test that starts from the schema before it.
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

from corpora.errors import StorageError

Step = tuple[str, ...]

STEPS: tuple[Step, ...] = (
    # 1: correspondences
    (
        """
        CREATE TABLE threads (
            id TEXT PRIMARY KEY CHECK (length(id) = 32),
            owner TEXT NOT NULL,
            person TEXT NOT NULL,
            writer TEXT NOT NULL,
            title TEXT NOT NULL,
            created TEXT NOT NULL,
            updated TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX threads_of_owner ON threads (owner, updated)",
        """
        CREATE TABLE letters (
            id TEXT PRIMARY KEY CHECK (length(id) = 32),
            thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
            position INTEGER NOT NULL CHECK (position >= 0),
            direction TEXT NOT NULL CHECK (direction IN ('sent', 'received')),
            text TEXT NOT NULL,
            date TEXT NOT NULL,
            place TEXT NOT NULL,
            created TEXT NOT NULL,
            complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
            reply TEXT CHECK ((reply IS NULL) = (direction = 'sent')),
            UNIQUE (thread, position)
        ) STRICT
        """,
    ),
    # 2: pairs of texts that were shown without names, and the votes for them
    (
        """
        CREATE TABLE pairs (
            id TEXT PRIMARY KEY CHECK (length(id) = 32),
            owner TEXT NOT NULL,
            prompt TEXT NOT NULL,
            seed INTEGER NOT NULL,
            settings TEXT NOT NULL,
            model_a TEXT NOT NULL,
            hash_a TEXT NOT NULL,
            seed_a INTEGER NOT NULL,
            text_a TEXT NOT NULL,
            model_b TEXT NOT NULL,
            hash_b TEXT NOT NULL,
            seed_b INTEGER NOT NULL,
            text_b TEXT NOT NULL,
            created TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX pairs_of_owner ON pairs (owner, created)",
        """
        CREATE TABLE votes (
            pair TEXT PRIMARY KEY REFERENCES pairs (id) ON DELETE CASCADE,
            choice TEXT NOT NULL CHECK (choice IN ('a', 'b', 'tie', 'bad')),
            created TEXT NOT NULL
        ) STRICT
        """,
    ),
)

_MAGIC = b"SQLite format 3\x00"
_USER_VERSION_AT = 60  # bytes into the file, four of them, big-endian: sqlite.org/fileformat.html


def refuse_foreign(path: Path, newest: int = len(STEPS)) -> None:
    """Refuse a file that is no database, or one of a newer schema, without opening it in SQLite.

    Opening would already write: recovery and the journal mode change bytes.

    Raises
    ------
    StorageError
        Saying what the file is and what to do.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return  # new, or made and not yet written
    if not header.startswith(_MAGIC) or len(header) < 100:
        raise StorageError(
            f"{path} is not a letterpress store: it does not begin as an SQLite database does. "
            "Move the file away, or put a backup in its place."
        )
    (schema,) = struct.unpack_from(">i", header, _USER_VERSION_AT)
    _refuse_newer(path, schema, newest)


def migrate(connection: sqlite3.Connection, path: Path, steps: tuple[Step, ...] = STEPS) -> int:
    """Bring a database to the newest schema.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode (`isolation_level=None`).
    path : Path
        Its file, for messages.
    steps : tuple of steps
        The schema's history, all but tests leave it alone.

    Returns
    -------
    int
        The number of steps taken.

    Raises
    ------
    StorageError
        If the database is of a newer schema.
    """
    taken = 0
    while True:
        schema = _schema(connection)
        _refuse_newer(path, schema, len(steps))
        if schema == len(steps):
            return taken
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have taken this step while we waited for the lock.
            if _schema(connection) == schema:
                for statement in steps[schema]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {schema + 1}")
                taken += 1
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _schema(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(path: Path, schema: int, newest: int) -> None:
    if not 0 <= schema <= newest:
        raise StorageError(
            f"{path} has schema {schema}; this version of letterpress knows schemas up to "
            f"{newest}. Nothing in it was changed. Install a newer letterpress, or set "
            "LETTERPRESS_HOME to another folder."
        )
