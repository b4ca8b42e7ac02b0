"""A run of the lab: its events, its folder, its end."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from app import running
from app.home import home
from app.lab import jobs
from app.lab.folder import RunFolder, read_run
from app.lab.names import experiment, experiments
from app.lab.run import main, perform
from app.lab.settings import plain
from corpora.errors import InputError
from recurrent.lab import EXPERIMENTS
from recurrent.lab.report import Done, Point, read_report
from tests.app.lab.line import Settings

pytestmark = pytest.mark.usefixtures("line")


def test_the_names_are_those_of_the_package() -> None:
    assert experiments() == EXPERIMENTS
    assert list(experiments()) == list(EXPERIMENTS)
    with pytest.raises(InputError, match="There is no experiment 'poker'; expected one of adder"):
        experiment("poker")


def test_a_run_keeps_what_it_tells(tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = Settings(steps=5, starts=("far",))
    events = []
    for event in perform("adder", settings, out):
        if not isinstance(event, Done):
            assert read_run(out).alive
        events.append(event)
    points = [(e.x, e.y) for e in events if isinstance(e, Point)]
    run = read_run(out)
    assert (run.state, run.over, run.alive) == ("finished", True, False)
    assert run.curves == {"squared error": points}
    assert run.settings == plain(settings)
    assert run.report() == read_report(out)
    assert len(points) == 5
    assert not (out / running.PROGRESS).exists()
    with pytest.raises(InputError, match="already holds a run"):
        RunFolder(out).begin("adder", {})


def test_a_file_stops_it_with_what_there_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    events = []
    for event in perform("adder", Settings(), out):
        running.ask_to_stop(out)
        events.append(event)
    assert isinstance(events[-1], Done)
    assert events[-1].report.stopped
    run = read_run(out)
    assert run.state == "stopped"
    assert len(run.curves["squared error"]) == 1


def test_a_problem_is_kept_in_words(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InputError, match="There is no file"):
        list(perform("adder", Settings(csv=tmp_path / "none.csv"), out))
    run = read_run(out)
    assert run.state == "failed"
    assert "There is no file" in run.problem
    assert not run.over


def test_a_run_begun_by_somebody_else_goes_from_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    RunFolder(out).begin("adder", plain(Settings(steps=3)))
    assert main([str(out)]) == 0
    assert read_run(out).state == "finished"
    other = tmp_path / "other"
    RunFolder(other).begin("adder", plain(Settings()) | {"csv": "/nowhere.csv"})
    assert main([str(other)]) == 2
    assert read_run(other).state == "failed"
    assert capsys.readouterr().err.startswith("There is no file")


def test_a_process_that_vanished_leaves_an_interrupted_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin("adder", {})
    folder.tell("running")
    with running.Heartbeat(folder):
        assert read_run(folder.path).alive
        old = time.time() - 3600
        os.utime(folder.path / running.PROGRESS, (old, old))
        assert read_run(folder.path).state == "interrupted"


def test_half_a_line_is_not_read_and_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin("adder", {})
    folder.event(curve="loss", x=1, y=2.5)
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"curve": "lo')
    assert read_run(folder.path).curves == {"loss": [(1.0, 2.5)]}
    (folder.path / "settings.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(InputError, match="schema 99"):
        read_run(folder.path)
    with pytest.raises(InputError, match="holds no run that can be read"):
        read_run(tmp_path)


# ------------------------------------------------------------------------------- the runs of a home


def test_runs_are_listed_latest_first_and_deleted() -> None:
    assert jobs.runs("adder") == []
    assert jobs.latest("adder") is None
    names = []
    for steps in (2, 3):
        out = jobs.new_run_folder("adder")
        names.append(out.name)
        list(perform("adder", Settings(steps=steps), out))
    assert len(set(names)) == 2
    assert all(name.startswith("adder-") for name in names)
    assert sorted(run.name for run in jobs.runs("adder")) == sorted(names)
    assert jobs.runs("sine") == []
    found = jobs.latest("adder")
    assert found is not None
    jobs.delete(found.name)
    assert not found.path.exists()
    for name in ("..", found.name, "../../etc", ""):
        with pytest.raises(InputError, match="There is no experiment"):
            jobs.delete(name)


def test_only_one_runs_at_a_time_be_it_a_race() -> None:
    folder = RunFolder(jobs.new_run_folder("adder"))
    folder.begin("adder", {})
    folder.tell("running")
    with running.Heartbeat(folder):
        jobs.check_free(folder.path)
        with pytest.raises(InputError, match=f"The experiment {folder.path.name} is running"):
            jobs.begin("adder", Settings())
        with pytest.raises(InputError, match="Stop it first"):
            jobs.delete(folder.path.name)
    race = home() / "races" / "today"
    race.mkdir(parents=True)
    (race / running.PROGRESS).touch()
    with pytest.raises(InputError, match="The race today is running"):
        jobs.begin("adder", Settings())
