"""Blind votes in the store: pairs of texts that were shown, and which text was liked better.

A pair is saved when it is shown and a vote belongs to a saved pair, so a vote for a pair that
nobody saw cannot be kept; the vote's primary key is its pair, so none is counted twice. How pairs
are made is left to `blind`, what the votes say to `standings`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from app.database import Database
from app.store import storable
from corpora.errors import InputError

Choice = Literal["a", "b", "tie", "bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
_KEPT_UNVOTED = timedelta(days=1)  # a pair nobody voted for was looked at and left


@dataclass(frozen=True, slots=True)
class Written:
    """A text of a pair, without its prompt.

    Attributes
    ----------
    model : str
        The name of the model that wrote it.
    hash : str
        SHA-256 of its weights, or empty for a model without a file of its own.
    seed : int
        The seed it was drawn with.
    text : str
        As it was shown, cut to the length of the other.
    """

    model: str
    hash: str
    seed: int
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts as they were shown: A on the left or above, B on the right or below.

    Attributes
    ----------
    id : str
        128 random bits in hex; it says nothing about the models.
    seed : int
        What the models, the sides and the seeds of the texts were drawn with.
    settings : dict
        How both were sampled, as plain data.
    created : str
        When it was shown; UTC, ISO 8601.
    """

    id: str
    prompt: str
    seed: int
    settings: dict[str, Any]
    a: Written
    b: Written
    created: str


@dataclass(frozen=True, slots=True)
class Vote:
    """A pair and what was chosen of it; `created` is the time of the vote, UTC, ISO 8601."""

    pair: Pair
    choice: Choice
    created: str

    @property
    def as_json(self) -> dict[str, Any]:
        """The vote as plain data."""
        pair = self.pair
        texts = {
            side: {"model": w.model, "hash": w.hash, "seed": w.seed, "text": w.text}
            for side, w in (("a", pair.a), ("b", pair.b))
        }
        return {
            "pair": pair.id,
            "prompt": pair.prompt,
            "seed": pair.seed,
            "settings": pair.settings,
            **texts,
            "choice": self.choice,
            "shown": pair.created,
            "voted": self.created,
        }


class Votes:
    """The pairs and votes of one home; safe to share between threads and processes.

    Parameters
    ----------
    database : Database
        The store's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def show(
        self, owner: str, prompt: str, seed: int, settings: dict[str, Any], a: Written, b: Written
    ) -> Pair:
        """Save a pair that is about to be shown.

        The owner's pairs older than a day that got no vote are deleted with the same stroke.

        Raises
        ------
        InputError
            If a text holds what the store cannot keep.
        """
        now = datetime.now(UTC)
        pair = Pair(secrets.token_hex(16), prompt, seed, settings, a, b, _iso(now))
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM pairs WHERE owner = ? AND created < ?"
                " AND id NOT IN (SELECT pair FROM votes)",
                (owner, _iso(now - _KEPT_UNVOTED)),
            )
            connection.execute(
                "INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    pair.id,
                    storable(owner),
                    storable(prompt),
                    seed,
                    storable(json.dumps(settings)),
                    *(storable(a.model), a.hash, a.seed, storable(a.text)),
                    *(storable(b.model), b.hash, b.seed, storable(b.text)),
                    pair.created,
                ),
            )
        return pair

    def vote(self, pair_id: str, choice: Choice, owner: str) -> Vote:
        """Count a vote, once.

        The same vote again, as of a double click, changes nothing and gives the first one back.

        Raises
        ------
        InputError
            If no such pair was shown to this owner, or another choice was made for it before.
        """
        if choice not in CHOICES:
            raise ValueError(f"choice={choice!r}; expected one of {', '.join(CHOICES)}")
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT * FROM pairs WHERE id = ? AND owner = ?", (pair_id, owner)
            ).fetchone()
            if row is None:
                raise InputError(
                    "This pair was never shown here, or was deleted, so the vote was not counted. "
                    "Ask for another pair."
                )
            before = connection.execute(
                "SELECT choice, created FROM votes WHERE pair = ?", (pair_id,)
            ).fetchone()
            if before is None:
                vote = Vote(_pair(row), choice, _iso(datetime.now(UTC)))
                connection.execute(
                    "INSERT INTO votes VALUES (?, ?, ?)", (pair_id, choice, vote.created)
                )
                return vote
        if before["choice"] != choice:
            raise InputError(
                "You have voted for this pair already; the first vote counts. Ask for another pair."
            )
        return Vote(_pair(row), choice, before["created"])

    def all(self, owner: str) -> list[Vote]:
        """An owner's votes, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT pairs.*, votes.choice, votes.created AS voted FROM votes"
                " JOIN pairs ON pairs.id = votes.pair WHERE pairs.owner = ?"
                " ORDER BY votes.created, pairs.id",
                (owner,),
            ).fetchall()
        return [Vote(_pair(row), row["choice"], row["voted"]) for row in rows]

    def delete(self, owner: str) -> int:
        """Delete an owner's votes and pairs, overwriting the texts; returns how many votes."""
        with self._database.writing() as connection:
            (n,) = connection.execute(
                "SELECT count(*) FROM votes JOIN pairs ON pairs.id = votes.pair WHERE owner = ?",
                (owner,),
            ).fetchone()
            connection.execute("DELETE FROM pairs WHERE owner = ?", (owner,))
        self._database.empty_log()
        return int(n)


def _pair(row: sqlite3.Row) -> Pair:
    a, b = (
        Written(*(row[f"{name}_{side}"] for name in ("model", "hash", "seed", "text")))
        for side in "ab"
    )
    settings = json.loads(row["settings"])
    return Pair(row["id"], row["prompt"], row["seed"], settings, a, b, row["created"])


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")
