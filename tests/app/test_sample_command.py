from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.generating import Generation
from app.library import Library
from app.sampling import sampling_settings, seeds_from
from corpora.errors import InputError
from engine.sampling import SamplingSettings
from tests.fakes import tiny_recurrent


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_recurrent(tmp_path_factory.mktemp("models") / "lstm"))


def sample(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["sample", *arguments, "--device", "cpu"])


def written(model: str, seed: int, settings: SamplingSettings, prompt: str = "") -> str:
    text = Generation(Library(), model, prompt, settings, seed, 40, device="cpu")
    return "".join(text)


def test_a_text_is_printed_after_its_prompt_and_nothing_else(lstm: str) -> None:
    said = sample(lstm, "--prompt", "dear sir, ", "--chars", "40", "--seed", "7")
    assert said.exit_code == 0
    assert said.stdout == f"dear sir, {written(lstm, 7, SamplingSettings(), 'dear sir, ')}\n"
    assert "Seed 7" in said.stderr


def test_several_seeds_give_several_texts(lstm: str) -> None:
    said = sample(lstm, "--chars", "40", "--seed", "1", "--seed", "2")
    first, second = (written(lstm, seed, SamplingSettings()) for seed in (1, 2))
    assert first != second
    assert said.stdout == f"{first}\n\n{second}\n"


def test_every_setting_reaches_the_model(lstm: str) -> None:
    settings = SamplingSettings(1.3, 9, 0.8, 0.01, 1.4)
    options = [
        "--temperature", "1.3", "--top-k", "9", "--top-p", "0.8", "--min-p", "0.01",
        "--repetition-penalty", "1.4", "--seed", "3", "--chars", "40", "--json", "--guard",
    ]  # fmt: skip
    said = sample(lstm, *options)
    assert said.exit_code == 0
    (one,) = json.loads(said.stdout)
    assert one["settings"] == {
        "temperature": 1.3, "top_k": 9, "top_p": 0.8, "min_p": 0.01, "repetition_penalty": 1.4,
    }  # fmt: skip
    assert (one["seed"], one["guard"], one["copied"]) == (3, True, [])
    assert one["text"] == written(lstm, 3, settings) != written(lstm, 3, SamplingSettings())
    assert "bundled letters" in one["copied_in"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--temperature", "-1"], "temperature=-1.0 must be"),
        (["--top-p", "0"], "top_p=0.0 must be above 0"),
        (["--chars", "0"], "0 characters were asked for"),
        (["--seed", "-4"], "The seed is '-4'"),
        (["--seed", "2147483648"], "The seed is '2147483648'"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(options: list[str], told: str, lstm: str) -> None:
    said = sample(lstm, *options)
    assert (said.exit_code, said.stdout) == (2, "")
    assert told in said.stderr
    assert "Traceback" not in said.stderr


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    said = sample("no-such-model")
    assert said.exit_code == 3
    assert "There is no model 'no-such-model'" in said.stderr


def test_settings_of_emptied_fields() -> None:
    assert sampling_settings(top_k=3.0) == SamplingSettings(top_k=3)
    with pytest.raises(InputError, match="expected a whole number"):
        sampling_settings(top_k=3.5)
    with pytest.raises(InputError, match="expected a number"):
        sampling_settings(None)  # type: ignore[arg-type]


def test_seeds_follow_on_each_other() -> None:
    assert seeds_from(" 7 ", 3) == [7, 8, 9]
    assert seeds_from("2147483647", 2) == [2147483647, 0]
    by_chance = seeds_from("", 2)
    assert by_chance[1] == (by_chance[0] + 1) % 2**31
    assert 0 <= seeds_from(None, 1)[0] < 2**31
    for wrong in ("seven", "-1", "1.5", "٣"):
        with pytest.raises(InputError, match="expected a whole number"):
            seeds_from(wrong, 1)
