"""`letterpress cells`: what the units of a recurrent model do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.console import err, out, print_json, say, visible
from app.incoming import read_letter

if TYPE_CHECKING:
    from app.compare.cells import Hunt, Without
    from recurrent.insight import Values
    from recurrent.telling import Telling

# From low to high; a terminal has few colours, so the numbers say more than they do.
_SHADES = ("black on blue", "black on cyan", "", "black on yellow", "black on red")


def cells(
    model: Annotated[str, typer.Argument(help="rnn, lstm, gru, or a recurrent model of yours.")],
    text: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A text of at most 5,000 characters, - for standard input; else a bundled letter.",
        ),
    ] = "",
    unit: Annotated[
        str,
        typer.Option(metavar="LAYER:N", help="Show this unit along the text; both count from 0."),
    ] = "",
    part: Annotated[
        str,
        typer.Option(
            help="What of the unit: hidden; of an lstm also cell, input, forget, candidate or "
            "output; of a gru reset, update or new."
        ),
    ] = "hidden",
    off: Annotated[
        str, typer.Option(metavar="LAYER:N", help="Compare the model with itself without a unit.")
    ] = "",
    hold: Annotated[
        Literal["zero", "mean"], typer.Option(help="What a unit that is off says instead.")
    ] = "zero",
    seed: Annotated[int, typer.Option(min=0, help="The seed of the two samples.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the units of a recurrent model that tell something; see one, or switch one off.

    Without --unit and --off, units are searched for in bundled letters, or in the text.
    """
    given = read_letter(text, "the model") if text else ""
    say("Starting...")
    from app import actions
    from app.compare.cells import Cells, check_text, own_letter
    from recurrent.insight import Unit

    looking = Cells(actions.library(), device)
    if not unit and not off:
        _print_found(_searched(looking.hunt(model, given)), json)
        return
    read = check_text(given) if text else own_letter()
    answer: dict[str, Any] = {"model": model, "text": read}
    if unit:
        values = looking.along(model, read, Unit.parse(unit), part)
        answer |= {"unit": unit, "part": part, "values": [round(float(v), 6) for v in values]}
        if not json:
            _print_along(read, values, f"unit {unit}, {part}")
    if off:
        without = looking.without(model, read, Unit.parse(off), hold)
        without.seed = seed
        for doing in without:
            say(doing)
        answer |= {"off": off} | _as_json(without)
        if not json:
            _print_without(without)
    if json:
        print_json(answer)


def _searched(hunt: Hunt) -> Hunt:
    """The search done, or left with Ctrl-C, which keeps what was found."""
    columns = (TextColumn("Searching"), BarColumn(), TimeRemainingColumn())
    console = err()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=1.0)
            for share in hunt:
                bar.update(task, completed=share)
    except KeyboardInterrupt:
        say("Stopped; this is what was found so far.")
    return hunt


def _print_found(hunt: Hunt, json: bool) -> None:
    from recurrent.telling import NOTICED

    if json:
        print_json(
            {
                "units_tried": hunt.search.n_tried,
                "units": hunt.search.n_units,
                "found": [_told(telling) for telling in hunt.found],
                "left_out": hunt.search.left_out,
            }
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("What", "Unit", "Score", "Chance", "Last character"):
        table.add_column(heading, overflow="fold")
    for telling in hunt.found:
        numbers = [f"{x:.2f}" for x in (telling.score, telling.control, telling.alone)]
        if not telling.tells:
            numbers[0] += " ?"
        table.add_row(NOTICED[telling.what], str(telling.unit), *numbers)
    out().print(table)
    say(
        f"\nThe best of {hunt.search.n_tried} units for each, chosen on one half of the texts; the "
        "score is its rank correlation on the other half (a ? where that is no more than chance). "
        "Chance: the best of nineteen searches with the marks shifted. Last character: what that "
        "says by itself.",
        style="dim",
    )
    if hunt.search.left_out:
        missing = ", ".join(NOTICED[name] for name in hunt.search.left_out)
        say(f"Not searched for, since the texts have too little of it: {missing}.", style="dim")


def _told(telling: Telling) -> dict[str, Any]:
    return {
        "what": telling.what,
        "unit": str(telling.unit),
        "score": telling.score,
        "auc": telling.auc,
        "found": telling.found,
        "control": telling.control,
        "last_character": telling.alone,
        "beyond_chance": telling.tells,
    }


def _print_along(text: str, values: Values, what: str) -> None:
    """The text shaded on a terminal; a line for each character elsewhere."""
    console = out()
    if not console.is_terminal:
        for character, value in zip(text, values, strict=True):
            console.print(Text(f"{visible(character)!r}\t{value:.4f}"), soft_wrap=True)
        return
    low, high = float(values.min()), float(values.max())
    step = (high - low) / len(_SHADES) or 1.0
    shaded = Text()
    for character, value in zip(visible(text), values, strict=True):
        at = min(int((float(value) - low) / step), len(_SHADES) - 1)
        shaded.append(character, _SHADES[at])
    console.print(shaded)
    legend = Text(f"\n{what}: ")
    for i, shade in enumerate(_SHADES):
        legend.append(f" {low + i * step:.2f} to {low + (i + 1) * step:.2f} ", shade)
    console.print(legend)


def _as_json(without: Without) -> dict[str, Any]:
    return {
        "held_at": without.value,
        "bits_per_byte": [score.bits_per_byte for score in without.scores],
        "difference": without.difference,
        "interval": without.interval,
        "samples": without.samples,
        "seed": without.seed,
    }


def _print_without(without: Without) -> None:
    with_it, without_it = (score.bits_per_byte for score in without.scores)
    bounds = ""
    if without.interval is not None:
        bounds = " ({:+.4f} to {:+.4f})".format(*without.interval)
    console = out()
    console.print(
        f"Bits per byte of the text: {with_it:.4f} with unit {without.unit}, {without_it:.4f} "
        f"without it (held at {without.value:.2f}): {without.difference:+.4f}{bounds}"
    )
    for how, sample in zip(("With it", "Without it"), without.samples, strict=True):
        console.print(f"\n{how}, seed {without.seed}:", style="bold")
        console.print(Text(visible(without.opening + sample)))
