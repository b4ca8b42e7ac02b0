"""What the blind votes say: a row for each model, and how many more votes would tell two apart.

A tie and "both bad" are alike to the rating: neither text was liked better. A model is its name and
its weights: one that was trained further begins anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.compare.rating import MOST_VOTES, Difference, Match, Outcome, RatingSettings, rate
from app.compare.votes import Choice, Vote

Key = tuple[str, str]  # name and hash
_OUTCOMES: dict[Choice, Outcome] = {"a": "first", "b": "second", "tie": "tie", "bad": "tie"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A model among the others; rating and interval in points, 0 being the mean of all."""

    model: str
    hash: str
    points: float
    low: float
    high: float
    won: int
    lost: int
    tied: int
    bad: int

    @property
    def n_votes(self) -> int:
        """Votes it was part of."""
        return self.won + self.lost + self.tied + self.bad


@dataclass(frozen=True, slots=True)
class Standings:
    """All models, the best first, and each compared with the next one down."""

    rows: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    n_votes: int
    settings: RatingSettings

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can be told already, and what needs more votes."""
        return tuple(_said(each, self.settings.level) for each in self.differences)

    @property
    def as_json(self) -> dict[str, Any]:
        """The standings as plain data."""
        names = ("model", "hash", "points", "low", "high", "won", "lost", "tied", "bad")
        compared = ("better", "worse", "points", "low", "high", "told", "votes_needed")
        return {
            "n_votes": self.n_votes,
            "level": self.settings.level,
            "power": self.settings.power,
            "models": [_plain(row, names) for row in self.rows],
            "differences": [_plain(each, compared) for each in self.differences],
        }


def standings(votes: Sequence[Vote], settings: RatingSettings | None = None) -> Standings:
    """The models by their votes; without votes, nobody."""
    settings = settings or RatingSettings()
    votes = [vote for vote in votes if _key(vote, "a") != _key(vote, "b")]
    if not votes:
        return Standings((), (), 0, settings)
    labels = _labels(votes)
    rating = rate(
        (Match(labels[_key(v, "a")], labels[_key(v, "b")], _OUTCOMES[v.choice]) for v in votes),
        settings,
    )
    tally: Counter[tuple[str, str]] = Counter()
    for vote in votes:
        for side, other in (("a", "b"), ("b", "a")):
            ended = {side: "won", other: "lost", "tie": "tied", "bad": "bad"}[vote.choice]
            tally[labels[_key(vote, side)], ended] += 1
    hashes = {label: digest for (_, digest), label in labels.items()}
    rows = tuple(
        Standing(
            r.model, hashes[r.model], r.points, r.low, r.high,
            *(tally[r.model, ended] for ended in ("won", "lost", "tied", "bad")),
        )
        for r in rating.rated
    )  # fmt: skip
    differences = tuple(
        rating.difference(rows[i].model, rows[i + 1].model) for i in range(len(rows) - 1)
    )
    return Standings(rows, differences, len(votes), settings)


def signed(points: float) -> str:
    """Whole points with their sign."""
    rounded = round(points)
    return f"+{rounded}" if rounded > 0 else f"−{-rounded}" if rounded < 0 else "0"


def _key(vote: Vote, side: str) -> Key:
    written = vote.pair.a if side == "a" else vote.pair.b
    return written.model, written.hash


def _plain(row: Standing | Difference, names: Sequence[str]) -> dict[str, Any]:
    """Some fields of it, points to two decimals (and no -0.0)."""
    fields = {name: getattr(row, name) for name in names}
    return {k: round(v, 2) + 0.0 if isinstance(v, float) else v for k, v in fields.items()}


def _labels(votes: Sequence[Vote]) -> dict[Key, str]:
    """What each model is called: its name, with the hash where two bear the same."""
    keys = {_key(vote, side) for vote in votes for side in "ab"}
    bearers = Counter(name for name, _ in keys)
    return {
        (name, digest): name if bearers[name] == 1 else f"{name} ({digest[:7] or 'no file'})"
        for name, digest in keys
    }


def _said(each: Difference, level: float) -> str:
    better, worse = each.better, each.worse
    if each.told:
        return f"{better} is told from {worse}: it is liked better, {level:.0%} sure."
    if each.votes_needed is None:
        return (
            f"{better} and {worse} are nearly even so far; {MOST_VOTES:,} more votes would hardly "
            "tell them apart."
        )
    more = each.votes_needed
    votes = "1 more vote is" if more == 1 else f"{_rounded(more):,} more votes are"
    return f"About {votes} needed to tell {better} from {worse}."


def _rounded(n: int) -> int:
    """Two digits of it: the third would be false precision."""
    size: int = 10 ** max(0, len(str(n)) - 2)
    return -(-n // size) * size
