"""`letterpress corpora`: the named collections of texts, and fetching them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from app.console import err, out, print_json, say
from app.home import folder, home
from corpora.catalog import (
    Collection,
    Fetched,
    find_collection,
    get,
    is_intact,
    load_catalog,
)
from corpora.quoting import quoted_until

app = typer.Typer(
    help="List, show or fetch collections of public-domain texts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="A name of `letterpress corpora list`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_collections(json: Json = False) -> None:
    """List the collections and whether they are here."""
    if json:
        print_json([_plain(collection) for collection in load_catalog()])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Name", "Kind", "Here", "Title"):
        table.add_column(heading, overflow="fold")
    for collection in load_catalog():
        here = "yes" if _is_here(collection) else ""
        title = f"{collection.title}, {collection.author}" if collection.author else ""
        table.add_row(collection.name, collection.kind, here, title)
    out().print(table)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show a collection: its title, author, licence, files and checksums."""
    collection = find_collection(name)
    if json:
        print_json(_plain(collection))
        return
    console = out()
    console.print(f"{collection.title}\n{collection.author}\nLicence: {collection.licence}")
    for file in collection.files:
        console.print(f"{file.name}\n  from {file.url or 'a local mirror only'}")
        console.print(f"  SHA-256 {file.sha256}")
    if until := quoted_until(collection):
        console.print(
            f"Quoted from, once it is here, in replies of {collection.person} dated {until.long} "
            "or later."
        )
    elif collection.person:
        console.print("Not quoted from: no part of it is marked as wholly by one hand.")
    if _is_here(collection):
        console.print("It is part of letterpress." if not collection.files else "It is here.")
    else:
        console.print(f"Not here yet: letterpress corpora get {collection.name}")


@app.command("get")
def get_collection(name: Name) -> None:
    """Fetch a collection from LETTERPRESS_DATA or its public home; goes on where it was cut."""
    console = err()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    fetched: Fetched | None = None
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}
        for event in get(name, folder("corpora")):
            if isinstance(event, Fetched):
                fetched = event
                continue
            if event.file not in tasks:
                tasks[event.file] = bar.add_task(event.file, total=event.total)
            bar.update(tasks[event.file], completed=event.received, total=event.total)
    assert fetched is not None, "get() ends with Fetched"
    for note in fetched.notes:
        say(note)
    if fetched.collection.files:
        say(f"{fetched.collection.name} is in {fetched.folder}")


def _is_here(collection: Collection) -> bool:
    return not collection.files or is_intact(home() / "corpora" / collection.name)


def _plain(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "kind": collection.kind,
        "title": collection.title,
        "author": collection.author,
        "licence": collection.licence,
        "person": collection.person,
        "here": _is_here(collection),
        "quoted_from": str(quoted_until(collection) or ""),
        "files": [
            {"name": file.name, "url": file.url, "sha256": file.sha256} for file in collection.files
        ],
    }
