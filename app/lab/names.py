"""Which experiments there are, known without importing one: `recurrent` brings torch in.

Their names and lines are read from the source of `recurrent.lab`, where they are kept.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from corpora.errors import InputError

if TYPE_CHECKING:
    from recurrent.lab.report import Experiment


@cache
def experiments() -> dict[str, str]:
    """The experiments: name to a line about it, in the order of `recurrent.lab.EXPERIMENTS`."""
    found = find_spec("recurrent")  # a package at the top is found without being run
    assert found is not None
    assert found.origin is not None
    source = (Path(found.origin).parent / "lab" / "__init__.py").read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPERIMENTS":
            named: dict[str, str] = ast.literal_eval(node.value)
            return named
    raise AssertionError("recurrent.lab names no EXPERIMENTS")


def experiment(name: str) -> Experiment:
    """The module of an experiment; brings torch in.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in experiments():
        known = ", ".join(experiments())
        raise InputError(f"There is no experiment {name[:60]!r}; expected one of {known}.")
    from recurrent.lab import load

    return load(name)
