"""`letterpress race`: several models, one corpus, one equal budget, and a report of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from app.console import err, out, print_json, say, visible
from app.race.settings import MODELS, TURNS, Budget, RaceSettings
from corpora.errors import InputError


def race(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="[CORPUS]",
            help="letters (the bundled ones), a fetched collection, a text file or a folder.",
        ),
    ] = "letters",
    models: Annotated[str, typer.Option(help="Which take part, with commas between.")] = ",".join(
        MODELS
    ),
    budget: Annotated[
        str,
        typer.Option(
            help="What is equal: minutes=3, flops=1e13, or parameters=1000000 (as many weights "
            "and as many bytes read; add ,bytes=2000000 to say how many)."
        ),
    ] = "minutes=3",
    size: Annotated[
        str,
        typer.Option(help="nano, tiny or small: all get as many weights as an LSTM of that size."),
    ] = "nano",
    gpt2_tokens: Annotated[
        str, typer.Option(help="What GPT-2 reads: bpe (pieces of words) or characters.")
    ] = "bpe",
    seed: Annotated[int, typer.Option(min=0, help="Fixes weights, order and samples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    turns: Annotated[
        int, typer.Option(min=1, help="In how many turns each spends its budget.")
    ] = TURNS,
    folder: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Another folder than one in the home's races."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the race in --out, with the settings it began with."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Race models on one corpus under an equal budget, and write a report of it.

    They train in turns. Ctrl-C stops the race and keeps what there is; --resume goes on.
    """
    settings = RaceSettings(
        corpus=corpus,
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        budget=Budget.parse(budget),
        size=size,
        gpt2_tokens=gpt2_tokens,
        seed=seed,
        device=device,
        turns=turns,
    )
    if resume and folder is None:
        raise InputError("Which race shall go on? Give its folder with --out.")
    say("Starting...")
    from app.race.folder import read_race
    from app.race.races import check_free, new_race_folder
    from app.race.report import write_report

    where = folder or new_race_folder(corpus)
    check_free(where)
    if resume:
        settings = read_race(where).settings
    from app.race import run as racing  # brings torch in: seconds

    state = ""
    with _stopping() as asked, _bar() as (bar, task):
        for event in racing.race(settings, where, resume=resume, stopped=lambda: bool(asked)):
            match event:
                case racing.Progress():
                    left = event.seconds_left
                    said = event.stage + (f", {left / 60:.1f} min left" if left else "")
                    bar.update(task, completed=event.share, said=said)
                case racing.Scored(model=model, point=point):
                    say(
                        f"{model}: {point.share:.0%} of its budget, "
                        f"{point.bits_per_byte:.3f} bits per byte"
                    )
                case racing.Ended(state=state):
                    pass
    found = read_race(where)
    report = write_report(found)
    if json:
        print_json({"folder": str(where), "state": state, **_plain(found)})
    else:
        _print_table(found)
    say(f"The report is {report}")
    if state == "stopped":
        say(f"Stopped. Go on with: letterpress race --resume --out {where}")
        raise typer.Exit(130 if asked else 0)


@contextlib.contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that the first Ctrl-C fills; the second one ends the program at once."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("\nStopping after this step; what there is is kept. Ctrl-C again ends at once.")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bar() -> Iterator[tuple[Progress, TaskID]]:
    console = err()
    columns = (BarColumn(), TextColumn("{task.percentage:.0f}% {task.fields[said]}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task("Race", total=1.0, said="")


def _plain(race: Any) -> dict[str, Any]:
    """The facts and curves of a race as plain data."""
    from dataclasses import asdict

    curves = {name: [asdict(point) for point in curve] for name, curve in race.curves.items()}
    return {**race.facts, "curves": curves}


def _print_table(race: Any) -> None:
    from app.race.report import HEADINGS, rows

    table = Table(box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows(race):
        table.add_row(*(visible(cell) for cell in row))
    out().print(table)
