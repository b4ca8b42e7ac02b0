"""A run that was killed goes on as if it never had been: the same losses to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from corpora.errors import CorpusError, ModelError
from engine.checkpoint import RunFolder
from engine.fit import Evaluated, Event, Finished, Saved, Step, fit
from engine.text_model import NextToken
from tests.engine.tiny import Line, Points, byte_task, settings, windows

ROOT = Path(__file__).resolve().parents[2]
TWELVE = settings(steps=12, accumulate=2, save_every=3, eval_every=5)


def _process(run: Path, *options: str, died: bool = False) -> dict[int, str]:
    """Train in a process of its own; returns what it printed: step -> loss, every bit of it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.engine.interrupted", str(run), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if died else 0), done.stderr
    lines = (line.split() for line in done.stdout.splitlines())
    return {int(step): loss for step, loss in lines}


@pytest.mark.slow
def test_a_run_killed_after_step_7_resumes_to_the_last_bit(tmp_path: Path) -> None:
    whole = _process(tmp_path / "whole")
    assert list(whole) == list(range(1, 13))
    first = _process(tmp_path / "cut", "--die-after", "7", died=True)
    second = _process(tmp_path / "cut", "--resume")
    assert list(first) == list(range(1, 8))
    assert list(second) == list(range(7, 13))  # from the checkpoint of step 6
    assert {**first, **second} == whole
    assert first[7] == second[7]


@pytest.mark.slow
def test_a_run_killed_while_it_saves_resumes_from_the_checkpoint_before(tmp_path: Path) -> None:
    whole = _process(tmp_path / "whole")
    first = _process(tmp_path / "cut", "--die-saving", "9", died=True)
    left = [p.name for p in (tmp_path / "cut").iterdir() if p.name.startswith((".", "step"))]
    assert sorted(n[:5] for n in left) == [".tmp-", "step-", "step-"]
    second = _process(tmp_path / "cut", "--resume")
    assert list(first)[-1] == 9
    assert next(iter(second)) == 7
    assert {**first, **second} == whole
    assert not list((tmp_path / "cut").glob(".tmp-*"))


def _events(
    folder: Path, task: NextToken, *, resume: bool = False, name: str = "run"
) -> Iterator[Event]:
    data = windows(folder)
    return fit(
        task,
        data,
        data,
        TWELVE,
        run=RunFolder(folder / name),
        save=task.save,
        load=task.load,
        resume=resume,
    )


def _losses(events: Iterator[Event], upto: int = 12) -> dict[int, str]:
    losses = {}
    for event in events:
        if isinstance(event, Step):
            losses[event.step] = event.loss.hex()
            if event.step == upto:
                break
    return losses


def test_a_run_that_is_left_resumes_to_the_last_bit(tmp_path: Path) -> None:
    whole_task = byte_task(dropout=0.2)
    whole = _losses(_events(tmp_path, whole_task, name="whole"))
    first = _losses(_events(tmp_path, byte_task(dropout=0.2)), upto=7)
    torch.rand(11)  # other use of the process's random numbers
    other_task = byte_task(dropout=0.2, seed=99)  # other weights, to be overwritten
    second = _losses(_events(tmp_path, other_task, resume=True))
    assert list(second) == list(range(7, 13))
    assert {**first, **second} == whole
    for ours, theirs in zip(other_task.parameters(), whole_task.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_dropout_does_matter_here(tmp_path: Path) -> None:
    with_it = _losses(_events(tmp_path, byte_task(dropout=0.2)), upto=2)
    without = _losses(_events(tmp_path, byte_task(), name="other"), upto=2)
    assert with_it[1] != without[1]


def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole = _losses(_events(tmp_path, byte_task(dropout=0.2), name="whole"))
    _losses(_events(tmp_path, byte_task(dropout=0.2)), upto=11)
    newest = tmp_path / "run" / "step-00000010"  # of the evaluation after ten steps
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    resumed = _losses(_events(tmp_path, byte_task(dropout=0.2), resume=True))
    assert list(resumed) == list(range(10, 13))
    assert resumed.items() <= whole.items()


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    finished = list(_events(tmp_path, byte_task()))[-1]
    again = list(_events(tmp_path, byte_task(), resume=True))
    assert isinstance(finished, Finished)
    assert [type(event) for event in again] == [Finished]
    assert again[0].step == 12
    assert isinstance(again[0], Finished)
    assert (again[0].reason, again[0].best) == ("all steps done", finished.best)


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run holds no complete checkpoint to resume from"):
        next(_events(tmp_path, byte_task(), resume=True))
    line = Line()
    with pytest.raises(ModelError, match="This run holds no complete checkpoint"):
        next(fit(line, Points(), None, settings(), load=line.load, resume=True))


def _resume(line: Line, run: RunFolder, **changed: object) -> list[Event]:
    how = settings(save_every=2, **changed)
    return list(
        fit(line, Points(), None, how, run=run, save=line.save, load=line.load, resume=True)
    )


def _begin(line: Line, run: RunFolder, **changed: object) -> None:
    events = fit(line, Points(), None, settings(save_every=2, **changed), run=run, save=line.save)
    next(event for event in events if isinstance(event, Saved))


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    _begin(Line(), run)
    with pytest.raises(ModelError, match=r"other settings \(batch_size, lr differ\)"):
        _resume(Line(), run, lr=0.5, batch_size=2)


def test_another_model_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    _begin(Line(), run)
    other = Line()
    other.linear = torch.nn.Linear(1, 1, bias=False)
    data, how = Points(), settings(save_every=2)

    def ignore(_: Path) -> None:
        pass

    with pytest.raises(ModelError, match="optimizer of another model"):
        list(fit(other, data, None, how, run=run, save=other.save, load=ignore, resume=True))
    with pytest.raises(ModelError, match=r"weights in .* do not fit"):
        byte_task().load(tmp_path / "step-00000002")


def test_a_parameter_never_used_does_not_stop_a_resumption(tmp_path: Path) -> None:
    class Spare(Line):
        def __init__(self) -> None:
            super().__init__()
            self.spare = torch.nn.Parameter(torch.ones(2, 2))

    run = RunFolder(tmp_path)
    _begin(Spare(), run)
    assert _resume(Spare(), run)[-1].step == 4


def test_a_resumed_run_keeps_the_precision_it_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # "auto" measures, and a busy machine may measure otherwise the second time.
    run = RunFolder(tmp_path)
    monkeypatch.setattr("engine.fit.choose_precision", lambda device: "bf16")
    _begin(Line(), run, precision="auto")
    monkeypatch.setattr("engine.fit.choose_precision", lambda device: "no")
    _resume(Line(), run, precision="auto")
    states = [(f / "state.json").read_text("utf-8") for f in run.checkpoints()]
    assert len(states) == 2
    assert all('"precision": "bf16"' in text for text in states)


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    run, line = RunFolder(tmp_path), Line()
    how = settings(steps=50, lr=0.1, eval_every=1, patience=2)
    valid = Points(a=-2.0, b=5.0)  # each step towards the training points leads away from these
    first = list(fit(line, Points(), valid, how, run=run, save=line.save))
    assert isinstance(first[-1], Finished)
    assert first[-1].reason == "no better held-out loss in 2 evaluations"
    again = list(
        fit(line, Points(), valid, how, run=run, save=line.save, load=line.load, resume=True)
    )
    assert [type(event) for event in again] == [Finished]
    assert not any(isinstance(event, Evaluated) for event in again)


def test_a_run_that_diverged_can_be_taken_up_before_it_did(tmp_path: Path) -> None:
    run, line, data = RunFolder(tmp_path), Line(), Points()
    events = fit(line, data, None, settings(save_every=2), run=run, save=line.save)
    next(event for event in events if isinstance(event, Saved))
    data.b = float("nan")
    with pytest.raises(CorpusError, match="at step 3"):
        next(events)
    assert [p.name for p in run.checkpoints()] == ["step-00000002"]
    assert _resume(Line(), run)[-1].step == 4
