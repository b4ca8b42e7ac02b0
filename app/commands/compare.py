"""`letterpress compare`: models measured on the same bytes, or their surprise at a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from app.console import err, out, print_json, say, visible
from corpora.errors import InputError

if TYPE_CHECKING:
    from app.compare.measuring import HeldOut, Measurement
    from app.compare.surprise import Reading
    from engine.floors import Floor


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Names of `letterpress models`, model folders or hub ids; else all starters.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Score on this text instead of the bundled letters put aside."
        ),
    ] = None,
    surprise: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Instead: each model's surprise at this text, in bits a word."
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What the samples go on from.", show_default="a letter")
    ] = None,
    chars: Annotated[int, typer.Option(help="Length of a sample in characters.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the samples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure models side by side: bits per byte, speed, copied ink, training time.

    The text they are scored on is cut into bytes, so that models with other tokens can be compared.
    """
    if surprise is not None and text is not None:
        raise InputError("--text and --surprise were both given; expected one. Leave one out.")
    say("Starting...")
    from app.actions import library
    from app.compare import measuring

    shelf = library()
    names = models or measuring.starters(shelf)
    if not names:
        raise InputError("No starter is installed. Name models: letterpress compare MODEL MODEL.")
    for name in names:
        shelf.find(name)
    if surprise is not None:
        _surprise(names, measuring.held_out_file(surprise).texts[0], device, json)
        return
    held_out = measuring.held_out_file(text) if text is not None else measuring.bundled()
    found = []
    for name in names:
        with _progress(name) as told:
            found.append(
                measuring.measure(
                    shelf, name, held_out, measuring.PROMPT if prompt is None else prompt,
                    n_characters=chars, seed=seed, device=device, progress=told,
                )
            )  # fmt: skip
    with _progress("floors") as told:
        floors = measuring.floors_beside(held_out, lambda share: told("computing", share))
    if json:
        print_json(_as_json(held_out, found, floors))
    else:
        _print(held_out, found, floors)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """One line on a terminal's stderr: what is being done, how far, how much longer."""
    console = err()
    if not console.is_terminal:
        yield lambda _what, _share: None
        return
    begun: dict[str, float] = {}
    with console.status("", spinner="line") as status:

        def told(what: str, share: float) -> None:
            began = begun.setdefault(what, time.monotonic())
            left = (time.monotonic() - began) * (1 - share) / share if share else 0.0
            more = f", about {left:.0f} s left" if left >= 1 else ""
            status.update(Text(visible(f"{name}: {what} {share:.0%}{more}")))

        yield told


def _as_json(
    held_out: HeldOut, found: list[Measurement], floors: Sequence[Floor]
) -> dict[str, Any]:
    from app.compare.measuring import FLOORS_FROM, UPPER_BOUND

    return {
        "held_out": held_out.what,
        "models": [one.as_json() for one in found],
        "floors": {"trained_on": FLOORS_FROM, "found": [asdict(floor) for floor in floors]},
        "notes": [UPPER_BOUND],
    }


def _print(held_out: HeldOut, found: list[Measurement], floors: Sequence[Floor]) -> None:
    from app.compare.measuring import FLOORS_FROM, UPPER_BOUND

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in found:
        table.add_column(visible(one.facts.name), justify="right", overflow="fold")
    rows: dict[str, Callable[[Measurement], str]] = {
        "family": lambda m: m.facts.family,
        "parameters": lambda m: f"{m.facts.parameters:,}",
        "training minutes": lambda m: _known(m.facts.training.minutes),
        "training budget": lambda m: m.facts.training.budget or "unknown",
        "bits per byte": lambda m: f"{m.score.bits_per_byte:.3f}" + "*" * m.facts.upper_bound,
        "  95% interval": lambda m: f"{m.score.low:.3f} to {m.score.high:.3f}",
        "tokens/s": lambda m: f"{m.speed.tokens_per_s:,.0f}",
        "characters/s": lambda m: f"{m.speed.characters_per_s:,.0f}",
        "copied ink": lambda m: f"{m.sample.scores.copied_ink:.1%}",
        "distinct words": lambda m: f"{m.sample.scores.distinct_1:.0%}",
        "distinct word pairs": lambda m: f"{m.sample.scores.distinct_2:.0%}",
        "words in repeats": lambda m: f"{m.sample.scores.repetition:.0%}",
        "words in corpus": lambda m: f"{m.sample.scores.spelling:.0%}",
    }
    for heading, value in rows.items():
        table.add_row(heading, *(visible(value(one)) for one in found))
    console = out()
    console.print(table)
    console.print()
    below = Table(box=None, pad_edge=False)
    for heading in ("floor", "bits per byte"):
        below.add_column(heading, justify="left" if heading == "floor" else "right")
    for floor in floors:
        below.add_row(floor.name, f"{floor.bits_per_byte:.3f}")
    console.print(below)
    n_bytes = found[0].score.n_bytes
    notes = [
        f"Scored on {held_out.what}: {n_bytes:,} bytes.",
        f"Floors on the same bytes, trained on {FLOORS_FROM}.",
        "Speed: one model at a time, one thread, median of short runs.",
    ]
    notes += [f"* {UPPER_BOUND}"] if any(one.facts.upper_bound for one in found) else []
    searched: dict[str, list[str]] = {}
    for one in found:
        searched.setdefault(one.sample.searched, []).append(one.facts.name)
    notes += [
        f"Copies of {', '.join(names)} were looked for in {where}."
        for where, names in searched.items()
    ]
    for note in notes:
        say(note, style="dim")


def _known(minutes: float | None) -> str:
    return "unknown" if minutes is None else f"{minutes:.1f}"


def _surprise(names: list[str], text: str, device: str, json: bool) -> None:
    from app.actions import library
    from app.compare import surprise

    text = surprise.check(text)
    readings: list[Reading] = []
    for name in names:
        with _progress(name) as told:
            told("reading", 0.0)
            readings.append(surprise.read(library(), name, text, device))
    if json:
        print_json(surprise.as_json(text, readings))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for reading in readings:
        table.add_column(visible(reading.model), justify="right", overflow="fold")
    table.add_row("bits per byte", *(f"{r.bits_per_byte:.3f}" for r in readings))
    table.add_row("bits in all", *(f"{r.total:,.0f}" for r in readings))
    for word in surprise.most_different(surprise.words(text, readings)):
        table.add_row(visible(word.text), *(f"{bits:.1f}" for bits in word.bits))
    out().print(table)
    say("Below the totals: the words that differ most, in bits.", style="dim")
