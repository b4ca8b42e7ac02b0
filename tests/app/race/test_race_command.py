"""`letterpress race` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.home import home
from app.race.folder import read_race

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["race", *arguments])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    lines = [f"{i}. Sir, the {i * i} sheep of parish {i} were counted.\n\n" for i in range(260)]
    path = tmp_path_factory.mktemp("corpus") / "sheep.txt"
    path.write_text("".join(lines), "utf-8")
    return str(path)


def test_a_race_in_the_home_gives_json_and_a_report(corpus: str) -> None:
    quick = ["--budget", "flops=1e6", "--models", "gru, gpt2", "--turns", "1", "--device", "cpu"]
    result = run(corpus, *quick, "--gpt2-tokens", "characters", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    folder = Path(told["folder"])
    assert folder.parent == home() / "races"
    assert folder.name.endswith("-sheep")
    assert told["state"] == "finished"
    assert list(told["results"]) == ["gru", "gpt2"]
    assert told["contestants"]["gpt2"]["vocabulary"] == told["contestants"]["gru"]["vocabulary"]
    assert [len(curve) for curve in told["curves"].values()] == [1, 1]
    assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert "gru: 100% of its budget" in result.stderr
    assert f"The report is {folder / 'report.html'}" in result.stderr

    again = run("--resume", "--out", str(folder))  # nothing is left to do; the table is shown
    assert again.exit_code == 0
    bits = told["results"]["gru"]["score"]["bits_per_byte"]
    assert f"{bits:.3f}" in again.stdout

    other = run(corpus, "--out", str(folder))
    assert other.exit_code == 2
    assert "already holds a race" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "hours=3"], "The budget is 'hours=3'; expected minutes=3"),
        (["--models", "lstm,bert"], "expected some of rnn, lstm, gru, gpt2"),
        (["--size", "huge"], "The size is 'huge'; expected one of nano, tiny, small."),
        (["--resume"], "Give its folder with --out"),
        (["--resume", "--out", "/nowhere/at/all"], "holds no race that can be read"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (home() / "races").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to another process")
def test_ctrl_c_stops_a_race_which_keeps_what_it_has(corpus: str, tmp_path: Path) -> None:
    out = tmp_path / "race"
    command = [sys.executable, "-m", "app", "race", corpus, "--models", "lstm,gpt2", "--budget",
               "minutes=20", "--turns", "1000", "--device", "cpu", "--out", str(out)]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 200
    while not (out / "gpt2" / "curve.jsonl").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert f"Go on with: letterpress race --resume --out {out}" in said
    found = read_race(out)
    assert found.state == "stopped"
    for name in ("lstm", "gpt2"):
        step = found.curves[name][-1].step
        assert (out / name / f"step-{step:08d}" / "model.safetensors").is_file()
    assert "so far" in (out / "report.html").read_text("utf-8")
