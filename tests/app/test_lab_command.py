"""`letterpress lab` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.home import home
from app.lab.folder import read_run
from app.lab.names import experiments
from tests.app.lab import line as line_experiment

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["lab", *arguments])


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small experiment stands where the adder does."""
    monkeypatch.setitem(sys.modules, "recurrent.lab.adder", line_experiment)


def test_the_experiments_are_listed_without_torch() -> None:
    code = (
        "import sys\nfrom app.cli import main\n"
        "try: main(['lab', '--help'])\n"
        "finally: print(sorted({'torch', 'recurrent', 'gradio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    for name, text in experiments().items():
        assert name in done.stdout
        assert text[:30] in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.usefixtures("line")
def test_its_options_are_its_settings() -> None:
    told = run("adder", "--help").stdout
    assert "Two binary numbers in, their sum out" in told
    for part in ("--steps", "Steps of gradient descent.", "[default: 40]", "--wait-s", "--json",
                 "--shuffle / --no-shuffle", "One of zero, one, far.", "--out"):  # fmt: skip
        assert part in told
    assert run("poker").exit_code == 2


@pytest.mark.usefixtures("line")
def test_a_run_in_the_home_gives_json() -> None:
    result = run("adder", "--steps", "3", "--starts", "far", "--no-shuffle", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    folder = Path(told["folder"])
    assert folder.parent == home() / "lab"
    assert folder.name.startswith("adder-")
    assert told["rows"][0]["system"] == "line"
    assert told["stopped"] is False
    assert read_run(folder).settings["starts"] == ["far"]
    again = run("adder", "--out", str(folder))
    assert again.exit_code == 2
    assert "already holds a run" in again.stderr


@pytest.mark.usefixtures("line")
def test_a_table_for_people(tmp_path: Path) -> None:
    result = run("adder", "--out", str(tmp_path / "run"), "--noise", "0.5")
    assert result.exit_code == 0, result.output
    rows = [row.split() for row in result.stdout.splitlines()]
    assert rows[0][:2] == ["System", "Metric"]
    assert [row[0] for row in rows[1:4]] == ["line", "mean", "noise"]
    assert "0.0200" in rows[1]
    assert rows[3][2] == "0.2500"
    assert "Its own data." in result.stdout
    assert str(tmp_path / "run") in result.stderr


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "0"), "steps=0 must be at least 1"),
        (("--starts", "moon"), "expected some of zero, one, far"),
        (("--csv", "/nowhere.csv"), "There is no file /nowhere.csv"),
        (("--steps", "many"), "valid integer"),
    ],
)
def test_mistakes_end_with_2_and_a_line(arguments: tuple[str, ...], message: str) -> None:
    result = run("adder", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("line")
def test_ctrl_c_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = line_experiment.run

    def interrupted(*given: object, **more: object) -> object:
        for number, event in enumerate(slow(*given, **more)):  # type: ignore[arg-type]
            if number == 6:
                os.kill(os.getpid(), signal.SIGINT)
            yield event

    monkeypatch.setattr(line_experiment, "run", interrupted)
    result = run("adder", "--out", str(tmp_path / "run"))
    assert result.exit_code == 130
    assert "Stopped before its end" in result.stderr
    found = read_run(tmp_path / "run")
    assert found.state == "stopped"
    assert 3 <= len(found.curves["squared error"]) <= 5
    assert found.report().rows[0].system == "line"
