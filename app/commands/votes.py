"""`letterpress votes`: what your blind votes say about the models."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from app import actions
from app.compare.votes import Votes
from app.console import out, print_json, say, visible
from corpora.errors import InputError

if TYPE_CHECKING:
    from app.compare.standings import Standings


def votes(
    json: Annotated[
        bool, typer.Option("--json", help="Print every vote and the rating as JSON.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the votes and their texts for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --delete: do not ask.")] = False,
) -> None:
    """Show how your blind votes rate the models, and how many more would tell them apart.

    Votes are given on the page, in Compare, Blind. They are kept on this machine only.
    """
    if json and delete:
        raise InputError("Both --json and --delete were given; export first, then delete.")
    kept = Votes(actions.store().database)
    if delete:
        _delete(kept, yes)
        return
    cast = kept.all(actions.LOCAL)
    if not cast and not json:
        say("No votes yet. Give some on the page: letterpress serve, then Compare, Blind.")
        return
    from app.compare.standings import standings

    found = standings(cast)
    if json:
        print_json({"rating": found.as_json, "votes": [vote.as_json for vote in cast]})
        return
    out().print(_table(found))
    for sentence in found.sentences:
        out().print(Text(visible(sentence)))


def _table(found: Standings) -> Table:
    from app.compare.standings import signed

    table = Table(box=None, pad_edge=False)
    interval = f"{found.settings.level:.0%} interval"
    for heading in ("Model", "Rating", interval, "Won", "Lost", "Tied", "Both bad"):
        table.add_column(heading, overflow="fold")
    for row in found.rows:
        table.add_row(
            Text(visible(row.model)),
            signed(row.points),
            f"{signed(row.low)} to {signed(row.high)}",
            *(str(n) for n in (row.won, row.lost, row.tied, row.bad)),
        )
    return table


def _delete(kept: Votes, yes: bool) -> None:
    if not yes:
        what = _counted(len(kept.all(actions.LOCAL)))
        if not sys.stdin.isatty():
            raise InputError(f"Deleting {what} cannot be undone; add --yes to do it unasked.")
        if not typer.confirm(f"Delete {what} for good?", err=True):
            say("Nothing was deleted.")
            return
    say(f"Deleted {_counted(kept.delete(actions.LOCAL))}.")


def _counted(n: int) -> str:
    return f"{n} vote{'' if n == 1 else 's'}"
