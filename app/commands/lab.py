"""`letterpress lab`: the systems of the lecture, each beside its baseline.

The options of an experiment are the fields of its settings; they are made when that experiment is
asked for, so that the list of experiments needs no torch.
"""

from __future__ import annotations

import contextlib
import inspect
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from typer.core import TyperGroup

from app.console import err, out, print_json, say, visible
from app.lab.names import experiment, experiments
from app.lab.settings import Field, fields_of, make
from corpora.errors import InputError

_TYPES: dict[str, Any] = {"whole": int, "number": float, "switch": bool, "path": Path}


class _Experiments(TyperGroup):
    """The experiments as commands, each made when it is asked for."""

    def list_commands(self, _: Any) -> list[str]:
        """Their names."""
        return list(experiments())

    def get_command(self, _: Any, name: str) -> Any:
        """The command of one, None where there is none of that name."""
        return _command(name) if name in experiments() else None

    def format_commands(self, _: Any, formatter: Any) -> None:
        """List them with their lines, without making them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(experiments().items()))


app = typer.Typer(
    cls=_Experiments,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run a system of the lecture beside its baseline, and see the lecture's own figure.",
)


@app.callback()
def lab() -> None:
    """Run a system of the lecture beside its baseline, and see the lecture's own figure.

    Each has its own settings: letterpress lab adder --help.
    """


def _command(name: str) -> Any:
    """A command with an option for each setting of the experiment."""
    settings = experiment(name).Settings
    given = fields_of(settings)

    def run(folder: Path | None, json: bool, **values: object) -> None:
        _run(name, make(settings, {k: v for k, v in values.items() if v is not None}), folder, json)

    run.__doc__ = (
        f"{experiments()[name]}\n\nCtrl-C ends it and keeps what there is; a second one ends it at "
        "once."
    )
    _sign(
        run,
        [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(field)
            )
            for field in given
        ],
    )
    one = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    one.command(name)(run)
    return typer.main.get_command(one)


def _sign(function: Callable[..., None], options: list[inspect.Parameter]) -> None:
    """Give a function the options as its own, before those that every experiment has."""
    kind = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(
            "folder", kind, default=None, annotation=Annotated[
                Path | None,
                typer.Option("--out", metavar="DIR", help="Another folder than one in the home."),
            ],
        ),
        inspect.Parameter(
            "json", kind, default=False,
            annotation=Annotated[bool, typer.Option("--json", help="Print the report as JSON.")],
        ),
    ]  # fmt: skip
    parameters = [*options, *shared]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {one.name: one.annotation for one in parameters}


def _option(field: Field) -> Any:
    """The annotation of an option. Its default is left to the settings, and told in the help."""
    usual = field.shown
    words = [field.help]
    if field.choices:
        words.append(f"One of {', '.join(field.choices)}.")
    names = [field.option]
    if field.kind == "switch":
        names = [f"{field.option}/--no-{field.option[2:]}"]
        usual = "yes" if field.default else "no"
    words.append(f"[default: {usual}]" if usual else "")
    said = typer.Option(
        *names, help=" ".join(w for w in words if w), show_default=False,
        metavar="A,B,..." if field.kind == "texts" else None,
    )  # fmt: skip
    return Annotated[_TYPES.get(field.kind, str) | None, said]


def _run(name: str, settings: Any, folder: Path | None, json: bool) -> None:
    say("Starting...")
    from app.lab.folder import SETTINGS
    from app.lab.jobs import check_free, new_run_folder
    from app.lab.run import perform
    from recurrent.lab import report as told

    where = folder or new_run_folder(name)
    check_free(where)
    if (where / SETTINGS).exists():
        raise InputError(f"{where} already holds a run; name another --out.")
    found: told.Report | None = None
    with _stopping() as asked, _bar() as (bar, task):
        for event in perform(name, settings, where, stopped=lambda: bool(asked)):
            match event:
                case told.Progress(stage=stage, share=share, seconds_left=left):
                    said = stage + (f", {_time(left)} left" if left else "")
                    bar.update(task, completed=share, said=visible(said))
                case told.Done(report=found):
                    bar.update(task, completed=1.0, said="")
    assert found is not None  # every experiment ends with it
    if json:
        print_json({"folder": str(where), **found.plain()})
    else:
        _print_table(found)
    say(f"Models, figures and the report are in {where}")
    if found.stopped:
        say("Stopped before its end; this is what there is.")
        raise typer.Exit(130 if asked else 0)


@contextlib.contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that the first Ctrl-C fills; the second one ends the program at once."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("\nStopping soon; what there is is kept. Ctrl-C again ends at once.")

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
        yield bar, bar.add_task("Lab", total=1.0, said="")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _print_table(report: Any) -> None:
    from app.lab.table import HEADINGS, rows_of

    table = Table(box=None, pad_edge=False)
    right = HEADINGS[2:5]
    for heading in HEADINGS:
        figure = heading in right
        table.add_column(heading, overflow="fold", justify="right" if figure else "left")
    for row in rows_of(report.rows):
        table.add_row(*(visible(cell) for cell in row))
    console = out()
    console.print(table)
    for note in dict.fromkeys(row.note for row in report.rows if row.note):
        console.print(visible(note), soft_wrap=True)
