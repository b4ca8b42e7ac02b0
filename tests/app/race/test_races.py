"""What a race is asked for, the folder it keeps, and the list of races."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.race import races
from app.race.folder import Heartbeat, Point, RaceFolder, read_race
from app.race.settings import Budget, RaceSettings
from corpora.errors import CorpusError, InputError

# ----------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        ("minutes=3", Budget("minutes", 3.0)),
        (" flops = 1e13".replace(" = ", "="), Budget("flops", 1e13)),
        ("parameters=1000000", Budget("parameters", 1e6)),
        ("Parameters=1e6,bytes=2e5", Budget("parameters", 1e6, 200_000)),
    ],
)
def test_a_budget_is_read_and_written(given: str, budget: Budget) -> None:
    assert Budget.parse(given) == budget
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "given",
    ["", "3", "hours=3", "minutes", "minutes=long", "minutes=0", "minutes=nan", "flops=inf",
     "minutes=3,flops=1e9", "minutes=3,bytes=5", "parameters=10", "parameters=1e6,bytes=-1"],
)  # fmt: skip
def test_a_budget_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(InputError, match=r"^The budget"):
        Budget.parse(given)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"corpus": " "}, "On what is the race"),
        ({"models": ()}, "The models are none"),
        ({"models": ("lstm", "bert")}, "expected some of rnn, lstm, gru, gpt2"),
        ({"models": ("lstm", "lstm")}, "each once"),
        ({"size": "huge"}, "The size is 'huge'"),
        ({"gpt2_tokens": "runes"}, "The kind of tokens is 'runes'"),
        ({"seed": -1}, "The seed is -1"),
        ({"turns": 0}, "There are 0 turns"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RaceSettings(**changed)


# ---------------------------------------------------------------------------------- folder and list


def test_a_race_whose_process_vanished_is_interrupted(tmp_path: Path) -> None:
    folder = RaceFolder(tmp_path / "race")
    folder.begin(RaceSettings())
    with Heartbeat(folder):
        assert read_race(folder.path).state == "running"
        old = time.time() - 3600
        os.utime(folder.path / "progress.json", (old, old))
        assert read_race(folder.path).state == "interrupted"
    assert read_race(folder.path).state == "interrupted"


def test_points_after_a_checkpoint_are_forgotten(tmp_path: Path) -> None:
    folder = RaceFolder(tmp_path / "race")
    folder.begin(RaceSettings(models=("lstm",)))
    points = [Point(step, step / 10, 1.0, 1.0, 1.0, 3.0) for step in (2, 4, 6)]
    for point in points:
        folder.point("lstm", point)
    folder.cut("lstm", 4)
    with (folder.path / "lstm" / "curve.jsonl").open("a") as file:
        file.write('{"step": 5, "sha')  # being written
    assert read_race(folder.path).curves == {"lstm": points[:2]}


def test_only_one_race_runs_at_a_time(tmp_path: Path) -> None:
    folder = RaceFolder(races.new_race_folder("/somewhere/My Letters.txt"))
    assert re.fullmatch(r"\d{8}-\d{6}-my-letters", folder.path.name)
    folder.begin(RaceSettings())
    races.check_free()
    with Heartbeat(folder):
        races.check_free(folder.path)
        with pytest.raises(InputError, match="Only one runs at a time"):
            races.check_free(tmp_path)
        with pytest.raises(InputError, match="Only one runs at a time"):
            races.begin(RaceSettings())
    assert [race.name for race in races.races()] == [folder.path.name]
    races.stop(folder.path.name)
    assert folder.asked_to_stop()
    for name in ("..", "../..", "none", ""):
        with pytest.raises(InputError, match="There is no race"):
            races.race_folder(name)


def test_a_file_that_is_not_there_is_said_before_a_race_begins() -> None:
    with pytest.raises(CorpusError, match=r"There is no file or folder /nowhere/at-all\.txt"):
        races.begin(RaceSettings(corpus="/nowhere/at-all.txt"))
    assert races.races() == []
