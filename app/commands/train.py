"""`letterpress train`: a model of one's own, on one's own texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT...]",
            help="Files, folders or names of `letterpress corpora list`; else the bundled letters.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="The name of the run; it becomes a name for --model.")
    ] = "",
    base: Annotated[
        str,
        typer.Option(help="What to begin from: nano, tiny, small, a model's name, folder or id."),
    ] = "starter",
    steps: Annotated[
        int | None, typer.Option(help="How many steps; else what the recipe says.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of this name.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FOLDER", help="Another folder than the home's runs."),
    ] = None,
) -> None:
    """Train a model, or go on training one. Ctrl-C stops it; --resume goes on where it was."""
    from app.train import run

    run(
        texts=texts or [],
        name=name,
        base=base,
        steps=steps,
        seed=seed,
        device=device,
        resume=resume,
        into=into,
    )
