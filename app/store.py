"""Correspondences in SQLite: threads, and the letters in them.

A letter is saved when the call that saves it returns, not before: every write is one transaction
whose COMMIT has come back. What letters say and how replies are made is left to `actions` and `lm`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from app.database import Database
from app.home import store_path
from corpora.errors import InputError

Direction = Literal["sent", "received"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter to save, as the person wrote it; an empty date or place means not known."""

    text: str
    date: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class SavedLetter:
    """A letter of a thread. `reply` is the whole reply as plain data, for received letters only."""

    id: str
    thread: str
    position: int
    direction: Direction
    text: str
    date: str
    place: str
    created: str
    complete: bool
    reply: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread as a list shows it. `created` and `updated` are UTC, ISO 8601."""

    id: str
    owner: str
    person: str
    writer: str
    title: str
    created: str
    updated: str


@dataclass(frozen=True, slots=True)
class Thread(ThreadRow):
    """A thread with its letters, oldest first."""

    letters: tuple[SavedLetter, ...] = ()

    @property
    def unanswered(self) -> SavedLetter | None:
        """The last letter, where it was sent and no reply was saved yet."""
        last = self.letters[-1] if self.letters else None
        return last if last is not None and last.direction == "sent" else None

    @property
    def exchanges(self) -> tuple[tuple[SavedLetter, SavedLetter], ...]:
        """Each sent letter with the reply that follows it."""
        pairs = zip(self.letters, self.letters[1:], strict=False)
        return tuple(
            (a, b) for a, b in pairs if a.direction == "sent" and b.direction == "received"
        )


class Store:
    """The correspondences of one home; safe to share between threads and processes.

    Each thread has a connection of its own. `owner` is checked in the query itself: another owner's
    thread and one that does not exist are told apart by nobody.

    Parameters
    ----------
    path : Path, optional
        The database file; by default the one in the home.

    Raises
    ------
    StorageError
        If the file cannot be opened, is no database, or has a newer schema.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.database = Database(path or store_path())

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def new_thread(
        self, owner: str, person: str, writer: str, title: str, letter: Sent | None = None
    ) -> str:
        """Begin a correspondence, with its first letter; returns its id, 128 random bits in hex."""
        thread_id, now = secrets.token_hex(16), _now()
        with self.database.writing() as connection:
            connection.execute(
                "INSERT INTO threads VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    thread_id,
                    storable(owner),
                    storable(person),
                    storable(writer),
                    storable(title),
                    now,
                    now,
                ),
            )
            if letter is not None:
                self._add_sent(connection, thread_id, letter)
        return thread_id

    def add_letter(self, thread_id: str, owner: str, letter: Sent) -> str:
        """Save a letter that was sent; returns its id.

        The letter the thread already waits to have answered is not saved twice.
        """
        with self.database.writing() as connection:
            self._own(connection, thread_id, owner)
            return self._add_sent(connection, thread_id, letter)

    def add_reply(self, thread_id: str, owner: str, reply: dict[str, Any], complete: bool) -> str:
        """Save a reply that was received; returns the letter's id.

        Parameters
        ----------
        thread_id, owner : str
            The thread it belongs to, and whose that is.
        reply : dict
            Plain data with at least "reply" (its text), "date" and "place".
        complete : bool
            False for a reply that was stopped before its end.
        """
        with self.database.writing() as connection:
            self._own(connection, thread_id, owner)
            return self._add_received(connection, thread_id, reply, complete)

    def add_exchange(
        self, thread_id: str, owner: str, letter: Sent, reply: dict[str, Any]
    ) -> tuple[str, str]:
        """Save a letter and its whole reply, both or neither; returns their ids."""
        with self.database.writing() as connection:
            self._own(connection, thread_id, owner)
            sent = self._add_sent(connection, thread_id, letter)
            return sent, self._add_received(connection, thread_id, reply, True)

    def threads(self, owner: str) -> list[ThreadRow]:
        """An owner's threads, the one written in last at the top."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM threads WHERE owner = ? ORDER BY updated DESC, id", (owner,)
            ).fetchall()
        return [ThreadRow(**dict(row)) for row in rows]

    def thread(self, thread_id: str, owner: str) -> Thread:
        """A thread with its letters.

        Raises
        ------
        InputError
            If there is none of this id, or it is another owner's: in the same words.
        """
        with self.database.reading() as connection:
            row = self._own(connection, thread_id, owner)
            letters = connection.execute(
                "SELECT * FROM letters WHERE thread = ? ORDER BY position", (thread_id,)
            ).fetchall()
        return Thread(**dict(row), letters=tuple(_letter(letter) for letter in letters))

    def delete_thread(self, thread_id: str, owner: str) -> None:
        """Delete a thread and its letters, overwriting what they said in the file."""
        with self.database.writing() as connection:
            self._own(connection, thread_id, owner)
            connection.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
        self.database.empty_log()

    def delete_everything(self, owner: str) -> int:
        """Delete all of an owner's threads; returns how many there were."""
        with self.database.writing() as connection:
            deleted = connection.execute("DELETE FROM threads WHERE owner = ?", (owner,)).rowcount
        self.database.empty_log()
        return deleted

    @staticmethod
    def _own(connection: sqlite3.Connection, thread_id: str, owner: str) -> sqlite3.Row:
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM threads WHERE id = ? AND owner = ?", (thread_id, owner)
        ).fetchone()
        if row is None:
            raise InputError(
                "There is no correspondence of that id. `letterpress threads list` shows yours."
            )
        return row

    def _add_sent(self, connection: sqlite3.Connection, thread_id: str, letter: Sent) -> str:
        last = connection.execute(
            "SELECT * FROM letters WHERE thread = ? ORDER BY position DESC LIMIT 1", (thread_id,)
        ).fetchone()
        if last is not None and last["direction"] == "sent":
            waiting = Sent(last["text"], last["date"], last["place"])
            if waiting == letter:
                return str(last["id"])
        return self._add(connection, thread_id, "sent", letter, True, None)

    def _add_received(
        self, connection: sqlite3.Connection, thread_id: str, reply: dict[str, Any], complete: bool
    ) -> str:
        letter = Sent(reply["reply"], reply["date"], reply["place"])
        saved = json.dumps(reply, ensure_ascii=False)
        return self._add(connection, thread_id, "received", letter, complete, saved)

    @staticmethod
    def _add(
        connection: sqlite3.Connection,
        thread_id: str,
        direction: Direction,
        letter: Sent,
        complete: bool,
        reply: str | None,
    ) -> str:
        letter_id, now = secrets.token_hex(16), _now()
        connection.execute(
            "INSERT INTO letters (id, thread, position, direction, text, date, place, created,"
            " complete, reply) VALUES (?, ?, (SELECT coalesce(max(position) + 1, 0) FROM letters"
            " WHERE thread = ?), ?, ?, ?, ?, ?, ?, ?)",
            (
                letter_id,
                thread_id,
                thread_id,
                direction,
                storable(letter.text),
                storable(letter.date),
                storable(letter.place),
                now,
                int(complete),
                reply if reply is None else storable(reply),
            ),
        )
        connection.execute("UPDATE threads SET updated = ? WHERE id = ?", (now, thread_id))
        return letter_id


def _letter(row: sqlite3.Row) -> SavedLetter:
    fields = dict(row)
    fields["complete"] = bool(fields["complete"])
    fields["reply"] = json.loads(fields["reply"]) if fields["reply"] is not None else None
    return SavedLetter(**fields)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def storable(text: str) -> str:
    """Refuse what SQLite would cut short (NUL) or cannot hold (half a surrogate pair)."""
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError(
            "The text holds a NUL or half of a character, which no letter does. "
            "Save it as UTF-8 and try again."
        )
    return text
