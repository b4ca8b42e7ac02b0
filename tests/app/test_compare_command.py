from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli
from tests.fakes import tiny_recurrent

TEXT = "my dear sir,\n\nthe ink is dry.\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [str(tiny_recurrent(folder / cell, cell)) for cell in ("lstm", "gru")]


@pytest.fixture
def text(tmp_path: Path) -> str:
    file = tmp_path / "mine.txt"
    file.write_text(TEXT, "utf-8")
    return str(file)


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["compare", *arguments, "--device", "cpu"])


def test_json_holds_every_measure_and_the_floors(models: list[str], text: str) -> None:
    said = compare(*models, "--text", text, "--chars", "50", "--seed", "3", "--json")
    assert said.exit_code == 0, said.stderr
    found = json.loads(said.stdout)
    assert [(m["name"], m["family"]) for m in found["models"]] == [
        (models[0], "lstm"),
        (models[1], "gru"),
    ]
    for one in found["models"]:
        score = one["score"]
        assert score["n_bytes"] == len(TEXT)
        assert score["low"] <= score["bits_per_byte"] <= score["high"]
        assert one["speed"]["tokens_per_s"] > 0
        assert len(one["speed"]["runs"]) == 3
        assert one["sample"]["scores"]["n_characters"] == len(one["sample"]["text"]) == 50
        assert one["sample"]["seed"] == 3
        assert 0 <= one["sample"]["scores"]["copied_ink"] <= 1
    assert [floor["name"] for floor in found["floors"]["found"]] == [
        "unigram", "5-gram Kneser-Ney", "xz", "bz2", "zstd",
    ]  # fmt: skip
    assert {floor["n_bytes"] for floor in found["floors"]["found"]} == {len(TEXT)}
    assert "upper bound" in found["notes"][0]
    assert "mine.txt" in found["held_out"]


def test_the_table_names_what_was_measured(models: list[str], text: str) -> None:
    said = compare(models[0], "--text", text, "--chars", "50")
    assert said.exit_code == 0, said.stderr
    for row in ("bits per byte", "95% interval", "characters/s", "copied ink", "Kneser-Ney", "xz"):
        assert row in said.stdout
    assert "Speed: one model at a time" in said.stderr
    assert "upper bound" not in said.stderr  # of characters it is not one


def test_surprise_word_by_word(models: list[str], text: str) -> None:
    said = compare(*models, "--surprise", text, "--json")
    assert said.exit_code == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["text"] == TEXT
    assert [w["word"] for w in found["words"]] == TEXT.split()
    for k, one in enumerate(found["models"]):
        assert one["bits"] == pytest.approx(sum(one["character_bits"]), abs=1e-2)
        of_words = sum(w["bits"][k] for w in found["words"])
        assert of_words + one["character_bits"][-1] == pytest.approx(one["bits"], abs=1e-2)
    table = compare(*models, "--surprise", text)
    assert table.exit_code == 0
    assert "bits per byte" in table.stdout
    assert found["differ_most"][0]["word"] in table.stdout


def test_what_cannot_be_compared_is_told(models: list[str], text: str, tmp_path: Path) -> None:
    for arguments, code, told in (
        ((*models, "--text", text, "--surprise", text), 2, "Leave one out"),
        ((models[0], "--text", str(tmp_path / "none")), 2, "cannot be read"),
        ((models[0], "no-such-model"), 3, "There is no model 'no-such-model'"),
    ):
        said = compare(*arguments)
        assert said.exit_code == code
        assert told in said.stderr
        assert said.stdout == ""
        assert "Traceback" not in said.stderr
