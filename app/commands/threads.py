"""`letterpress threads`: the correspondences that are kept here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from app import actions
from app.console import out, print_json, say, visible
from corpora.errors import InputError

app = typer.Typer(
    help="List, show, export or delete your correspondences.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Id = Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins (4 or more).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_threads(json: Json = False) -> None:
    """List your correspondences, the latest first."""
    rows = actions.threads()
    if json:
        names = ("id", "person", "writer", "title", "created", "updated")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    if not rows:
        say("No correspondence yet. Begin one: letterpress write --to newton")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Id", "With", "From", "Last letter", "Begins"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        words = (row.id[:8], row.person, row.writer, row.updated[:16].replace("T", " "), row.title)
        table.add_row(*(Text(visible(word)) for word in words))
    out().print(table)


@app.command()
def show(thread_id: Id, json: Json = False) -> None:
    """Show the letters of a correspondence, with their sources."""
    thread = actions.thread(thread_id)
    if json:
        print_json(
            {
                "id": thread.id,
                "person": thread.person,
                "writer": thread.writer,
                "letters": [
                    {
                        "direction": letter.direction,
                        "text": letter.text,
                        "date": letter.date,
                        "place": letter.place,
                        "created": letter.created,
                        "complete": letter.complete,
                        "reply": letter.reply,
                    }
                    for letter in thread.letters
                ],
            }
        )
        return
    from app.export import as_text
    from app.pages import pages_of

    title, pages = pages_of(thread, actions.people().get(thread.person))
    out().print(Text(visible(as_text(title, pages))))


@app.command()
def export(
    thread_id: Id,
    format: Annotated[
        Literal["md", "txt", "pdf"], typer.Option(help="Markdown, plain text or PDF.")
    ] = "md",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="The file; else one in the exports folder."),
    ] = None,
) -> None:
    """Write a correspondence to a file."""
    path = actions.export_thread(thread_id, format, to=to)
    sys.stdout.write(f"{path}\n")


@app.command()
def delete(
    thread_id: Annotated[
        str, typer.Argument(metavar="[ID]", help="The id, or how it begins.", show_default=False)
    ] = "",
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Delete every correspondence of yours.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a correspondence for good, with its exports in the exports folder."""
    if bool(thread_id) == all_of_them:
        raise InputError("Say which to delete: an id of `letterpress threads list`, or --all.")
    if all_of_them:
        what = f"all {len(actions.threads())} correspondences"
    else:
        what = f"the correspondence {actions.thread(thread_id).title!r}"
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"Deleting {what} cannot be undone; add --yes to do it unasked.")
        if not typer.confirm(f"Delete {visible(what)} for good?", err=True):
            say("Nothing was deleted.")
            return
    if all_of_them:
        actions.delete_everything()
    else:
        actions.delete_thread(thread_id)
    say(f"Deleted {what}.")
