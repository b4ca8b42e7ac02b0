"""One SQLite file, opened safely: a connection for each thread, transactions, and errors in words.

What the tables mean is left to `store`; which tables there are, to `migrations`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.home import PRIVATE_FILE
from app.journal import OLDEST, Journal, journal_for
from app.migrations import migrate, refuse_foreign
from corpora.errors import StorageError

BUSY_TIMEOUT_S = 10.0


class Database:
    """A file at the newest schema, private to its owner; safe to share between threads.

    Parameters
    ----------
    path : Path
        The file; made where it is missing.
    journal : Journal, optional
        How commits are kept; by default what suits the linked SQLite.

    Raises
    ------
    StorageError
        If the file cannot be opened, is no database, or has a newer schema.
    """

    def __init__(self, path: Path, journal: Journal | None = None) -> None:
        self.path = path
        self.journal = journal or journal_for()
        self._guard = threading.Lock()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        if sqlite3.sqlite_version_info < OLDEST:
            raise StorageError(
                f"This Python links SQLite {sqlite3.sqlite_version}; letterpress needs "
                f"{'.'.join(map(str, OLDEST))} or later. Use a newer Python."
            )
        with self._told():
            if path.exists():
                refuse_foreign(path)
            else:
                self._create()
            migrate(self._connection(), path)

    def close(self) -> None:
        """Close every thread's connection; the next call opens new ones."""
        with self._guard:
            while self._connections:
                self._connections.popitem()[1].close()

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A transaction that sees one moment of the database."""
        return self._transaction("BEGIN")

    def writing(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A transaction that may write; what it wrote is on the disk when the block has ended."""
        # IMMEDIATE: a transaction that first reads and then wants to write cannot wait its turn.
        return self._transaction("BEGIN IMMEDIATE")

    def empty_log(self) -> None:
        """Empty the write-ahead log, where there is one: deleted words would live on in it."""
        if self.journal.mode == "wal":
            with self._told():
                self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _create(self) -> None:
        # Made by us first, so that it is private before it holds anything; SQLite gives its
        # journals the mode of the database.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))

    def _connection(self) -> sqlite3.Connection:
        me = threading.current_thread()
        with self._guard:
            if me in self._connections:
                return self._connections[me]
            for thread in [t for t in self._connections if not t.is_alive()]:
                self._connections.pop(thread).close()
        # check_same_thread is off only so that close() may close them all.
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._connections[me] = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        if os.name != "nt" and self.path.stat().st_mode & 0o777 != PRIVATE_FILE:
            self.path.chmod(PRIVATE_FILE)
        for pragma in ("foreign_keys = ON", "trusted_schema = OFF", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA synchronous = {self.journal.synchronous}")
        self._choose_journal(connection)

    def _choose_journal(self, connection: sqlite3.Connection) -> None:
        # SQLite does not wait for the lock that a change of mode needs, so we do.
        until = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode == self.journal.mode:
                return
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute(f"PRAGMA journal_mode = {self.journal.mode}").fetchone()
                continue
            if time.monotonic() > until:
                raise StorageError(
                    f"{self.path} is in journal mode {mode} and could not be put into "
                    f"{self.journal.mode}. Close other programs that use it, and try again."
                )
            time.sleep(0.02)

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._told():
            connection = self._connection()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the file system or SQLite refuses as a person's problem, in words."""
        try:
            yield
        except sqlite3.OperationalError as problem:
            raise StorageError(
                f"{self.path} could not be used: {problem}. Nothing that was saved is lost. "
                "Check that the disk has space and that no other program holds the file."
            ) from problem
        except sqlite3.DatabaseError as problem:
            if isinstance(problem, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise  # our mistake, not the machine's
            raise StorageError(
                f"{self.path} is damaged: {problem}. Put a backup in its place, or move it away."
            ) from problem
        except OSError as problem:
            raise StorageError(
                f"{self.path} could not be opened: {problem.strerror}. "
                "Set LETTERPRESS_HOME to a folder you can write to."
            ) from problem
