"""Settings of an experiment as fields, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from app.lab.settings import fields_of, make, plain
from corpora.errors import InputError
from tests.app.lab.line import Settings


def test_the_fields_are_those_of_the_dataclass() -> None:
    found = {one.name: one for one in fields_of(Settings)}
    assert {name: one.kind for name, one in found.items()} == {
        "steps": "whole", "noise": "number", "starts": "texts", "wait_s": "number", "csv": "path",
        "shuffle": "switch", "seed": "whole",
    }  # fmt: skip
    assert found["starts"].choices == ("zero", "one", "far")
    assert (found["starts"].shown, found["noise"].shown, found["csv"].shown) == (
        "zero,one", "0.1", "",
    )  # fmt: skip
    assert found["csv"].optional
    assert not found["seed"].optional
    assert found["wait_s"].option == "--wait-s"
    assert found["wait_s"].label == "Wait s"


def test_texts_become_settings() -> None:
    given = {
        "steps": " 7 ", "noise": "1e-3", "starts": "far, one", "csv": "/a/b.csv", "shuffle": "yes",
    }  # fmt: skip
    assert make(Settings, given) == Settings(
        steps=7, noise=0.001, starts=("far", "one"), csv=Path("/a/b.csv"), shuffle=True
    )
    assert make(Settings, {"steps": "", "noise": None, "csv": "", "seed": 3.0}) == Settings(seed=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": "many"}, r"Steps is 'many'; expected a whole number, such as 40\."),
        ({"steps": "1.5"}, "expected a whole number"),
        ({"steps": "inf"}, "expected a whole number"),
        ({"noise": "nan"}, "Noise is 'nan'; expected a number, such as 0.1"),
        ({"starts": "zero,moon"}, "expected some of zero, one, far"),
        ({"shuffle": "maybe"}, "expected yes or no"),
        ({"steps": 0}, "do not go together: steps=0 must be at least 1"),
    ],
)
def test_what_is_no_value_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(Settings, given)


def test_plain_settings_are_json_and_make_the_same_again() -> None:
    settings = Settings(steps=3, csv=Path("/a"), starts=("one",))
    written = json.loads(json.dumps(plain(settings)))
    assert written["csv"] == "/a"
    assert make(Settings, written) == settings


def test_wrong_use_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"given=\['pace'\]"):
        make(Settings, {"pace": 1})

    @dataclass(frozen=True)
    class Odd:
        table: dict[str, int] = field(default_factory=dict)

    with pytest.raises(ValueError, match="the setting table"):
        fields_of(Odd)

    @dataclass(frozen=True)
    class Needy:
        steps: int

    with pytest.raises(ValueError, match=r"Needy\.steps has no default"):
        fields_of(Needy)


def test_literals_are_choices_and_tuples_hold_numbers() -> None:
    @dataclass(frozen=True)
    class Other:
        cell: Literal["rnn", "gru"] = "gru"
        shares: tuple[float, ...] = (0.01, 0.05)
        most: int | None = None

    cell, shares, most = fields_of(Other)
    assert cell.choices == ("rnn", "gru")
    assert shares.shown == "0.01,0.05"
    assert most.optional
    assert make(Other, {"shares": "0.5", "most": "3"}) == Other(shares=(0.5,), most=3)
