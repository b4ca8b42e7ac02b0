"""The systems of the lecture, each an experiment that can be run, beaten and looked into.

from recurrent.lab import load
adder = load("adder")
for event in adder.run(adder.Settings(), Path("out")): ...
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from recurrent.lab.report import Experiment

EXPERIMENTS = {
    "adder": "Two binary numbers in, their sum out, bit by bit.",
    "sine": "A sine wave under noise: the next value, and the eighty after it.",
    "weather": "The temperature a day ahead, from many variables.",
    "frames": "The next frames of a film: moving squares and moving digits.",
    "hyperspectral": "What grows on each pixel, from the light of two hundred bands.",
    "authors": "Who wrote this letter?",
}


def load(name: str) -> Experiment:
    """The module of an experiment.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"name={name!r} must be one of {', '.join(EXPERIMENTS)}")
    return cast(Experiment, import_module(f"recurrent.lab.{name}"))
