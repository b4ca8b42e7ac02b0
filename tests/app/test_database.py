from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from app.database import Database
from app.journal import Journal, journal_for
from app.migrations import STEPS, migrate
from corpora.errors import StorageError

WAL = Journal("wal", "FULL", "for a test: one process, one writer at a time")


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "delete"),
        ((3, 44, 5), "delete"),
        ((3, 44, 6), "wal"),
        ((3, 45, 9), "delete"),
        ((3, 50, 6), "delete"),
        ((3, 50, 7), "wal"),
        ((3, 51, 2), "delete"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_write_ahead_logging_only_where_its_bug_is_fixed(
    version: tuple[int, int, int], mode: str
) -> None:
    journal = journal_for(version)
    assert journal.mode == mode
    assert journal.synchronous == ("FULL" if mode == "wal" else "EXTRA")
    assert ".".join(map(str, version)) in journal.reason


def test_the_settings_are_in_force(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite3")
    with database.reading() as connection:

        def of(name: str) -> object:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        assert of("journal_mode") == database.journal.mode
        assert of("synchronous") == {"FULL": 2, "EXTRA": 3}[database.journal.synchronous]
        assert of("foreign_keys") == 1
        assert of("trusted_schema") == 0
        assert of("secure_delete") == 1
        assert of("busy_timeout") == 10_000
        assert of("user_version") == len(STEPS)
    database.close()


def test_the_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    database = Database(path, WAL)
    with database.writing() as connection:
        connection.execute("INSERT INTO threads VALUES (?, '', '', '', '', '', '')", ("0" * 32,))
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    database.close()
    path.chmod(0o644)
    Database(path, WAL).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_thread_has_a_connection_and_close_closes_all(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite3")
    seen: list[sqlite3.Connection] = []

    def look() -> None:
        with database.reading() as connection:
            seen.append(connection)

    for _ in range(3):
        worker = threading.Thread(target=look)
        worker.start()
        worker.join()
    look()
    assert len(set(map(id, seen))) >= 2
    database.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[-1].execute("SELECT 1")


@pytest.mark.parametrize("journal", [None, WAL])
def test_an_empty_database_is_migrated(tmp_path: Path, journal: Journal | None) -> None:
    """The schema before the first is that of an empty file."""
    path = tmp_path / "a.sqlite3"
    path.touch()
    database = Database(path, journal)
    with database.reading() as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
        tables = {row["name"]: row["sql"] for row in rows}
    assert set(tables) == {"threads", "letters", "pairs", "votes"}
    assert all(sql.strip().endswith("STRICT") for sql in tables.values())
    database.close()


def test_a_step_that_fails_leaves_the_schema_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    Database(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    before = list(connection.iterdump())
    bad = (*STEPS, ("CREATE TABLE stamps (id TEXT) STRICT", "ALTER TABLE nothing RENAME TO some"))
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(connection, path, bad)
    assert list(connection.iterdump()) == before
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(STEPS)
    good = (*STEPS, ("CREATE TABLE stamps (id TEXT) STRICT",))
    assert migrate(connection, path, good) == 1
    assert migrate(connection, path, good) == 0
    connection.close()


def test_a_newer_schema_is_refused_without_touching_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 7}")
    connection.commit()
    connection.close()
    before, changed = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(StorageError, match=f"schema {len(STEPS) + 7}.*up to {len(STEPS)}"):
        Database(path)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == changed
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"Dear Sir, " * 50, b"SQLite format 3\x00", b"x"])
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="is not a letterpress store"):
        Database(path)
    assert path.read_bytes() == content


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    Database(path).close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # every page but the first
    path.write_bytes(data)
    database = Database(path)
    with pytest.raises(StorageError, match="damaged"), database.reading() as connection:
        connection.execute("SELECT * FROM threads").fetchall()
    database.close()


def test_a_database_left_in_another_journal_mode_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    Database(path, WAL).close()
    delete = Journal("delete", "EXTRA", "for a test")
    database = Database(path, delete)
    with database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    database.close()
