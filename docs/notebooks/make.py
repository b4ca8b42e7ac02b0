"""Make the notebooks from the scripts beside them: `python docs/notebooks/make.py [--check]`.

A script is in percent format: a line `# %%` begins a cell of code, `# %% [markdown]` one of text,
whose lines are comments. The same script gives the same bytes; nothing is run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TEXT, CODE = "# %% [markdown]", "# %%"


def scripts() -> list[Path]:
    """The scripts that are notebooks."""
    return sorted(path for path in HERE.glob("*.py") if path.name != Path(__file__).name)


def notebook(script: str) -> str:
    """A notebook (nbformat 4.5) of a percent script, as JSON.

    Raises
    ------
    ValueError
        If the script does not begin with a cell, or text is not a comment.
    """
    cells: list[dict[str, Any]] = []
    for number, (is_text, lines) in enumerate(_cells(script)):
        source = "\n".join(lines).strip("\n")
        digest = hashlib.sha256(f"{number}\n{source}".encode()).hexdigest()[:12]
        cell: dict[str, Any] = {"cell_type": "markdown" if is_text else "code", "id": digest}
        if not is_text:
            cell["execution_count"] = None
        cell["metadata"] = {}
        if not is_text:
            cell["outputs"] = []
        cells.append(cell | {"source": source.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cells(script: str) -> list[tuple[bool, list[str]]]:
    """Whether each cell is text, and its lines."""
    found: list[tuple[bool, list[str]]] = []
    for line in script.splitlines():
        if line.rstrip() in (TEXT, CODE):
            found.append((line.rstrip() == TEXT, []))
        elif not found:
            if line.strip():
                raise ValueError(f"line={line!r} stands before the first cell; expected {CODE!r}")
        elif found[-1][0]:
            if line and not line.startswith("#"):
                raise ValueError(f"line={line!r} is in a cell of text; expected a comment")
            found[-1][1].append(line.removeprefix("#").removeprefix(" "))
        else:
            found[-1][1].append(line)
    return [(is_text, lines) for is_text, lines in found if any(line.strip() for line in lines)]


def main(arguments: list[str]) -> int:
    """Write the notebooks; with --check only say which are not what their scripts make."""
    stale = []
    for script in scripts():
        target = script.with_suffix(".ipynb")
        made = notebook(script.read_text("utf-8"))
        if not target.is_file() or target.read_text("utf-8") != made:
            stale.append(target.name)
            if "--check" not in arguments:
                target.write_text(made, "utf-8")
    print("\n".join(stale) or "all notebooks are as their scripts make them")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
