from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from corpora.errors import ModelError
from engine.batching import Batch, Streams, Windows
from engine.checkpoint import RunFolder
from engine.fit import Evaluated, Event, Step, fit
from engine.text_model import NextToken
from recurrent.charlm import CharLM
from recurrent.training import CARRIED, CarriedState
from tests.engine.tiny import settings
from tests.recurrent.interrupted import HOW
from tests.recurrent.tiny import EVERY_CELL, carried_task, parts_of, streams

ROOT = Path(__file__).resolve().parents[2]


def _batches(data: Streams) -> list[Batch]:
    """All batches of the first epoch, in order."""
    n = data.n_streams
    return [
        data.batch(np.arange(start, start + n), seed=0, epoch=0) for start in range(0, len(data), n)
    ]


def _unrolled(model: CharLM, batches: list[Batch]) -> list[float]:
    """The loss of each batch, from one reading of the whole streams."""
    whole = torch.cat([batch["input_ids"] for batch in batches], 1)  # (B, n T)
    with torch.inference_mode():
        logits = model(whole, use_cache=False).logits
    blocks = logits.split(batches[0]["input_ids"].shape[1], dim=1)
    return [
        F.cross_entropy(block.flatten(0, 1), batch["labels"].flatten()).item()
        for block, batch in zip(blocks, batches, strict=True)
    ]


# ------------------------------------------------------------------------------- the carried state


@EVERY_CELL
def test_blocks_with_the_state_carried_cost_what_the_whole_text_costs(
    cell: str, tmp_path: Path
) -> None:
    task, batches = carried_task(cell).train(), _batches(streams(tmp_path))
    assert len(batches) > 4
    expected = _unrolled(task.model, batches)
    assert [task.loss(batch).item() for batch in batches] == pytest.approx(expected, rel=1e-5)
    # The next epoch begins without a past, and so does all that is read after `forget`.
    assert task.loss(batches[0]).item() == pytest.approx(expected[0], rel=1e-5)
    task.forget()
    assert task.loss(batches[1]).item() == pytest.approx(
        NextToken(task.model, task.tokenizer).loss(batches[1]).item(), rel=1e-6
    )
    assert task.loss(batches[2]).item() != pytest.approx(expected[2], rel=1e-6)


@EVERY_CELL
def test_a_row_that_begins_has_no_past_and_its_neighbours_keep_theirs(
    cell: str, tmp_path: Path
) -> None:
    task, (first, second, *_) = carried_task(cell).train(), _batches(streams(tmp_path))
    begins = torch.tensor([False, True, False, True])

    def row_loss(row: int, with_past: bool) -> float:
        ids = torch.cat([first["input_ids"], second["input_ids"]][not with_past :], 1)
        with torch.inference_mode():
            logits = task.model(ids[row : row + 1]).logits[0, -16:]
        return F.cross_entropy(logits, second["labels"][row]).item()

    task.loss(first)
    loss = task.loss({**second, "begins": begins}).item()
    assert loss == pytest.approx(
        sum(row_loss(row, not begins[row]) for row in range(4)) / 4, rel=1e-5
    )
    assert abs(row_loss(1, True) - row_loss(1, False)) > 1e-3  # so the past is seen


def _gradients(model: CharLM, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


@EVERY_CELL
def test_gradients_stop_where_a_block_begins(cell: str, tmp_path: Path) -> None:
    task, (first, second, *_) = carried_task(cell).train(), _batches(streams(tmp_path))
    model = task.model
    task.loss(first)
    ours = _gradients(model, task.loss(second))
    state = model(first["input_ids"]).past_key_values

    def from_state(past: Any) -> list[Tensor]:
        logits = model(second["input_ids"], past_key_values=past).logits
        return _gradients(model, F.cross_entropy(logits.flatten(0, 1), second["labels"].flatten()))

    for mine, theirs in zip(ours, from_state(state.detached()), strict=True):
        torch.testing.assert_close(mine, theirs)
    # Backpropagation through both blocks is another gradient, so the cut can be seen.
    pairs = zip(ours, from_state(state), strict=True)
    assert any(not torch.allclose(mine, theirs, rtol=1e-3) for mine, theirs in pairs)


def test_an_evaluation_has_a_state_of_its_own(tmp_path: Path) -> None:
    task, batches = carried_task().train(), _batches(streams(tmp_path))
    expected = _unrolled(task.model, batches)
    read = []
    for number, batch in enumerate(batches):
        read.append(task.loss(batch).item())
        task.eval()
        with torch.inference_mode():
            held_out = task.loss(batches[0]), task.loss(batches[1])
        task.train()
        if number:
            assert [loss.item() for loss in held_out] == pytest.approx(expected[:2], rel=1e-5)
    assert read == pytest.approx(expected, rel=1e-5)


def test_fewer_held_out_rows_than_streams_begin_without_a_past(tmp_path: Path) -> None:
    task = carried_task().eval()
    data = streams(tmp_path)
    full, short = (data.batch(np.arange(*rows), seed=0, epoch=0) for rows in ((0, 4), (4, 6)))
    with torch.inference_mode():
        task.loss(full)
        alone = NextToken(task.model, task.tokenizer).loss(short)
        torch.testing.assert_close(task.loss(short), alone)


def test_shuffled_windows_train_too(tmp_path: Path) -> None:
    data = streams(tmp_path)
    windows = Windows(data.path, 16)
    task = carried_task().train()
    plain = NextToken(task.model, task.tokenizer)
    for rows in ([3, 1], [4, 2]):
        batch = windows.batch(np.array(rows), seed=0, epoch=0)
        torch.testing.assert_close(task.loss(batch), plain.loss(batch))


@EVERY_CELL
def test_a_batch_can_be_learnt_by_heart(cell: str, tmp_path: Path) -> None:
    batch = _batches(streams(tmp_path, n_streams=2, block_size=12))[0]
    task = carried_task(cell, hidden_size=32).train()
    optimizer = torch.optim.AdamW(task.parameters(), lr=0.05)
    first = task.loss(batch).item()
    for _ in range(80):
        loss = task.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first > 5  # nothing is known of 280 ids
    assert task.loss(batch).item() < 0.1


# ---------------------------------------------------------------------------------------- with fit


def _events(folder: Path, task: NextToken, **changed: Any) -> Iterator[Event]:
    how = settings(steps=8, batch_size=4, **changed)
    data = streams(folder, block_size=8)
    return fit(task, data, data, how)


def _losses(events: Iterator[Event], upto: int = 99) -> dict[int, str]:
    losses = {}
    for event in events:
        if isinstance(event, Step):
            losses[event.step] = event.loss.hex()
            if event.step == upto:
                break
    return losses


def test_evaluating_does_not_disturb_training(tmp_path: Path) -> None:
    never, often = (
        _losses(_events(tmp_path, carried_task(dropout=0.2), eval_every=every)) for every in (0, 1)
    )
    assert len(never) == 8
    assert never == often


def test_the_state_is_carried_while_fitting_and_matters(tmp_path: Path) -> None:
    carried = _losses(_events(tmp_path, carried_task()))
    task = carried_task()
    forgetful = _losses(_events(tmp_path, NextToken(task.model, task.tokenizer)))
    assert carried[1] == forgetful[1]
    assert all(carried[step] != forgetful[step] for step in range(2, 9))


def test_the_held_out_loss_is_that_of_the_text_read_on(tmp_path: Path) -> None:
    task = carried_task()
    events = _events(tmp_path, task, eval_every=8, eval_rows=20)
    (said,) = (event for event in events if isinstance(event, Evaluated))
    expected = _unrolled(task.model.eval(), _batches(streams(tmp_path, block_size=8))[:5])
    assert said.valid_loss == pytest.approx(float(np.mean(expected)), rel=1e-5)


# ----------------------------------------------------------------------------------- resuming a run


def _run(
    folder: Path, task: CarriedState, *, resume: bool = False, load: Any = None
) -> Iterator[Event]:
    data = streams(folder, block_size=8, fresh=0.25)
    return fit(
        task,
        data,
        data,
        HOW,
        run=RunFolder(folder / ("cut" if resume or load else "run")),
        save=task.save,
        load=load or task.load,
        resume=resume,
    )


@EVERY_CELL
def test_a_run_that_is_left_resumes_to_the_last_bit(cell: str, tmp_path: Path) -> None:
    whole_task = carried_task(cell, dropout=0.2)
    whole = _losses(_run(tmp_path, whole_task))
    assert list(whole) == list(range(1, 17))
    left = carried_task(cell, dropout=0.2)
    first = _losses(_run(tmp_path, left, load=left.load), upto=7)
    other = carried_task(cell, dropout=0.2, seed=99)  # other weights, to be overwritten
    second = _losses(_run(tmp_path, other, resume=True))
    assert list(second) == list(range(6, 17))  # from the checkpoint after step 5
    assert {**first, **second} == whole
    for ours, theirs in zip(other.parameters(), whole_task.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    mine, expected = (task._carried[True] for task in (other, whole_task))
    assert mine.length == expected.length == 16 * 8
    assert all(map(torch.equal, parts_of(mine.layers), parts_of(expected.layers)))


def test_without_the_carried_state_it_would_not(tmp_path: Path) -> None:
    whole = _losses(_run(tmp_path, carried_task()))
    left = carried_task()
    _losses(_run(tmp_path, left, load=left.load), upto=7)
    other = carried_task()

    def load(folder: Path) -> None:
        other.load(folder)
        other.forget()

    resumed = _losses(_run(tmp_path, other, resume=True, load=load))
    assert all(resumed[step] != whole[step] for step in range(6, 17))


def _process(cell: str, run: Path, *options: str, died: bool = False) -> dict[int, str]:
    """Train in a process of its own; returns what it printed: step -> loss, every bit of it."""
    module = "tests.recurrent.interrupted"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, cell, str(run), *options],
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
@EVERY_CELL
def test_a_run_killed_after_step_7_resumes_to_the_last_bit(cell: str, tmp_path: Path) -> None:
    whole = _process(cell, tmp_path / "whole")
    assert list(whole) == list(range(1, 17))
    first = _process(cell, tmp_path / "cut", "--die-after", "7", died=True)
    second = _process(cell, tmp_path / "cut", "--resume")
    assert list(first) == list(range(1, 8))
    assert list(second) == list(range(6, 17))
    assert {**first, **second} == whole
    assert [first[step] for step in (6, 7)] == [second[step] for step in (6, 7)]


@EVERY_CELL
def test_weights_and_state_come_back_from_a_folder(cell: str, tmp_path: Path) -> None:
    task, batches = carried_task(cell).train(), _batches(streams(tmp_path))
    task.loss(batches[0])
    task.save(tmp_path / "saved")
    other = carried_task(cell, seed=9).train()
    other.loss(batches[3])
    other.load(tmp_path / "saved")
    assert other._carried[True].length == 16
    assert other.loss(batches[1]).item() == task.loss(batches[1]).item()
    # A folder saved before anything was read has no state, and none is left from before.
    carried_task(cell).save(tmp_path / "fresh")
    assert not (tmp_path / "fresh" / CARRIED).exists()
    other.load(tmp_path / "fresh")
    assert True not in other._carried


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"length": torch.tensor(4)}, r"0\.0"),
        ({f"{i}.{j}": torch.zeros(4, 16) for i in range(2) for j in range(2)}, "length"),
        (
            {f"{i}.{j}": torch.zeros(4, 8) for i in range(2) for j in range(2)}
            | {"length": torch.tensor(4)},
            r"shapes .*\[4, 8\]",
        ),
        (
            {f"{i}.{j}": torch.zeros(4 + j, 16) for i in range(2) for j in range(2)}
            | {"length": torch.tensor(4)},
            r"shapes .*\[5, 16\]",
        ),
    ],
)
def test_a_state_that_is_not_the_models_is_said(
    parts: dict[str, Tensor], said: str, tmp_path: Path
) -> None:
    task = carried_task()
    task.save(tmp_path / "saved")
    save_file(parts, tmp_path / "saved" / CARRIED)
    with pytest.raises(ModelError, match=rf"carried\.safetensors does not fit.*{said}"):
        task.load(tmp_path / "saved")


def test_a_torn_state_is_said(tmp_path: Path) -> None:
    task = carried_task()
    task.save(tmp_path / "saved")
    (tmp_path / "saved" / CARRIED).write_bytes(b"torn")
    with pytest.raises(ModelError, match=r"carried\.safetensors does not fit.*earlier checkpoint"):
        task.load(tmp_path / "saved")
