"""`letterpress train`: a model of one's own, on one's own texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from app.console import err, say
from app.library import run_folder

if TYPE_CHECKING:
    from engine.fit import Event


def train(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="[CORPUS]",
            help="letters (the bundled ones), a fetched collection, a text file or a folder.",
        ),
    ] = "letters",
    model: Annotated[
        str,
        typer.Option(
            help="gpt2-nano, gpt2-tiny or gpt2-small from scratch; else the model to go on from."
        ),
    ] = "starter",
    name: Annotated[
        str, typer.Option(help="What the new model is called; else named after the corpus.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Another folder than the home's runs.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=0, help="How many updates; 0 for the usual number.")
    ] = 0,
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this many minutes; 0 for no limit.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of this name.")
    ] = False,
) -> None:
    """Train a model, or go on training one. Ctrl-C stops it; --resume goes on where it was."""
    run = out or run_folder(name or Path(corpus).stem.lower())
    say("Starting...")
    from app import train as training  # brings torch in: seconds

    request = training.TrainingRequest(
        corpus=corpus,
        model=model,
        out=run,
        steps=steps,
        minutes=minutes,
        seed=seed,
        device=device,
        resume=resume,
    )
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    console = err()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("Training", total=steps or None, said="")
            for event in training.train(request):
                _tell(event, bar, task)
    except KeyboardInterrupt:
        say(f"\nStopped. What was saved is in {run}; the same command with --resume goes on.")
        raise typer.Exit(130) from None
    say(f"Use it: letterpress write --model {run if out else run.name} --to newton")


def _tell(event: Event, bar: Progress, task: TaskID) -> None:
    from engine.fit import Evaluated, Finished, Saved, Step

    match event:
        case Step():
            left = f"{event.seconds_left / 60:.0f} min left"
            bar.update(task, completed=event.step, said=f"loss {event.loss:.3f}, {left}")
        case Evaluated():
            held_out = f"step {event.step}: held-out loss {event.valid_loss:.4f} nats"
            if event.bits_per_byte is not None:
                held_out += f", {event.bits_per_byte:.4f} bits per byte"
            say(held_out + (" (best so far)" if event.is_best else ""))
        case Saved():
            say(f"step {event.step}: saved")
        case Finished():
            say(f"{event.reason} after {event.step} steps, {event.seconds / 60:.1f} min")
