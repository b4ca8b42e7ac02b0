"""`letterpress people`: whom one can write to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from app.console import out, print_json
from corpora.people import Person, find_person, load_people

app = typer.Typer(help="Show whom you can write to.", rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def people(context: typer.Context, json: Json = False) -> None:
    """Show whom you can write to."""
    if context.invoked_subcommand is not None:
        return
    everybody = load_people().values()
    if json:
        print_json([_brief(person) for person in everybody])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Name for --to", "Person", "Lived", ""):
        table.add_column(heading, overflow="fold")
    for person in everybody:
        table.add_row(person.slug, person.name, person.lifespan, person.line)
    out().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="newton, or another name of theirs.")],
    json: Json = False,
) -> None:
    """Show one person: their life, and what they can speak of, with the sources."""
    person = find_person(name)
    if json:
        print_json(_whole(person))
        return
    console = out()
    console.print(Text(f"{person.name} ({person.lifespan})", style="bold"))
    console.print(person.line)
    origin = person.writes_from
    console.print(f"Writes from {origin.place}, {origin.date.long}, where you give no date.")
    console.print(f"Born {person.born.long}, died {person.died.long}.")
    if person.aliases:
        console.print("Also: " + ", ".join(person.aliases))
    for office in person.offices:
        console.print(f"{office.title}, {office.start} to {office.end}")
    console.print(f"\n{person.voice.temperament}\n")
    for passage in sorted(person.passages, key=lambda p: p.date.first_day):
        console.print(Text(f"{passage.date.long}  ", style="cyan").append(passage.text, "default"))
        console.print(Text(f"    {passage.source} ({passage.checked})", style="dim"))


def _brief(person: Person) -> dict[str, Any]:
    return {
        "slug": person.slug,
        "name": person.name,
        "aliases": list(person.aliases),
        "born": str(person.born),
        "died": str(person.died),
        "line": person.line,
        "writes_from": {
            "date": str(person.writes_from.date),
            "place": person.writes_from.place,
        },
    }


def _whole(person: Person) -> dict[str, Any]:
    return _brief(person) | {
        "temperament": person.voice.temperament,
        "places": [
            {"from": str(place.start), "to": str(place.end), "name": place.name}
            for place in person.places
        ],
        "offices": [
            {"from": str(office.start), "to": str(office.end), "title": office.title}
            for office in person.offices
        ],
        "passages": [
            {
                "id": passage.id,
                "date": str(passage.date),
                "topics": list(passage.topics),
                "text": passage.text,
                "source": passage.source,
                "checked": passage.checked,
            }
            for passage in person.passages
        ],
    }
