"""`letterpress models`: which models can write."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app import actions
from app.console import out, print_json, say


def models(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models on this machine: the starter and what was trained here.

    `--model` also takes the folder of a model, or a hub id such as openai-community/gpt2.
    """
    found = actions.models()
    if json:
        print_json(
            [
                {
                    "name": model.name,
                    "kind": model.kind,
                    "path": str(model.path),
                    "bytes": model.size,
                    "checkpoints": model.checkpoints,
                }
                for model in found
            ]
        )
        return
    if not found:
        say("No model is here: this installation lacks its starter. Install letterpress again.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Name", "Kind", "MB", "Checkpoints", "Folder"):
        table.add_column(heading, overflow="fold")
    for model in found:
        size = f"{model.size / 1e6:.1f}" if model.size is not None else ""
        table.add_row(
            model.name, model.kind, size, str(model.checkpoints or ""), str(model.path or "")
        )
    out().print(table)
