from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpora.errors import CorpusError, DeviceError
from engine.batching import Batch, Example, Examples
from engine.checkpoint import RunFolder
from engine.fit import (
    Evaluated,
    Event,
    Finished,
    FitSettings,
    Saved,
    Step,
    bits_per_byte,
    fit,
    make_optimizer,
    record,
)
from engine.text_model import NextToken
from tests.engine.tiny import Line, Points, byte_task, settings, windows


def _letters(n: int = 8) -> Examples:
    """Examples whose numbers of learnt ids differ."""
    made = []
    for i in range(n):
        ids = tuple(3 + (7 * i + 5 * k) % 200 for k in range(4 + i))
        made.append(Example(ids, tuple(k > i % 3 for k in range(len(ids)))))
    return Examples(made, pad_id=0, block_size=32)


def _steps(events: object) -> list[Step]:
    return [e for e in events if isinstance(e, Step)]  # type: ignore[attr-defined]


def test_a_model_overfits_one_tiny_batch() -> None:
    how = settings(steps=150, batch_size=4, lr=3e-2, weight_decay=0.0, warmup_steps=5)
    steps = _steps(fit(byte_task(), _letters(4), None, how))
    assert steps[0].loss == pytest.approx(math.log(259), abs=0.3)  # it begins by guessing
    assert steps[-1].loss < 0.1


def test_small_batches_accumulated_step_as_one_large_batch_does() -> None:
    large, small = byte_task(), byte_task()
    one = _steps(fit(large, _letters(), None, settings(steps=6, batch_size=8)))
    four = _steps(fit(small, _letters(), None, settings(steps=6, batch_size=2, accumulate=4)))
    assert [s.loss for s in four] == pytest.approx([s.loss for s in one], rel=1e-5)
    for a, b in zip(large.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_every_parameter_receives_a_gradient(tmp_path: Path) -> None:
    task = byte_task()
    loss = task.loss(windows(tmp_path).batch(np.arange(4), seed=0, epoch=0))
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_loss_is_the_mean_over_learnt_ids() -> None:
    task, data = byte_task(), _letters(3)
    batch = data.batch(np.arange(3), seed=0, epoch=0)
    with torch.no_grad():
        loss = task.loss(batch)
        log_probs = task.model(batch["input_ids"]).logits.log_softmax(-1)
    nats = [
        -log_probs[row, place, label].item()
        for row, labels in enumerate(batch["labels"].tolist())
        for place, label in enumerate(labels)
        if label != -100
    ]
    assert len(nats) == batch["n_targets"]
    assert loss.item() == pytest.approx(sum(nats) / len(nats), rel=1e-5)


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    how = FitSettings(steps=12, warmup_steps=4, lr=1.0, min_lr_fraction=0.1)
    assert [how.lr_at(i) for i in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert how.lr_at(6) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.sqrt(0.5)))
    assert how.lr_at(8) == pytest.approx(0.55)
    assert how.lr_at(12) == how.lr_at(99) == pytest.approx(0.1)
    assert FitSettings(steps=1, warmup_steps=0, lr=1.0).lr_at(0) == 1.0


def test_the_rate_told_is_the_rate_used() -> None:
    # AdamW's first update moves each weight by the rate, whatever the gradient (no decay).
    line = Line()
    before = line.linear.weight.item()
    how = settings(lr=0.3, warmup_steps=3, weight_decay=0.0)
    step = next(fit(line, Points(), None, how))
    assert isinstance(step, Step)
    assert step.lr == pytest.approx(0.1)
    assert abs(line.linear.weight.item() - before) == pytest.approx(0.1, rel=1e-4)


def test_a_model_with_a_loss_and_nothing_else_trains() -> None:
    line, data = Line(), Points()
    with torch.no_grad():
        expected = line.loss(data.batch(np.arange(8), seed=0, epoch=0)).item()
    how = settings(steps=200, batch_size=8, lr=0.05, weight_decay=0.0)
    steps = _steps(fit(line, data, data, how))
    assert steps[0].loss == pytest.approx(expected, rel=1e-5)  # however many targets a row has
    assert steps[-1].loss < 1e-3
    assert line.linear.weight.item() == pytest.approx(2, abs=0.05)
    assert line.linear.bias.item() == pytest.approx(-1, abs=0.05)


def test_events_come_in_order(tmp_path: Path) -> None:
    line = Line()
    how = settings(steps=4, eval_every=2, save_every=3, lr=0.1)
    events = list(fit(line, Points(), Points(), how, run=RunFolder(tmp_path), save=line.save))
    assert [(type(e).__name__, e.step) for e in events] == [
        ("Step", 1),
        ("Step", 2),
        ("Evaluated", 2),
        ("Saved", 2),  # the best so far is kept though no save was due
        ("Step", 3),
        ("Saved", 3),
        ("Step", 4),
        ("Evaluated", 4),
        ("Saved", 4),
        ("Finished", 4),
    ]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "all steps done"
    assert finished.best == tmp_path / "step-00000004"
    assert all(e.targets_per_s > 0 and e.seconds_left >= 0 for e in _steps(events))
    assert _steps(events)[-1].seconds_left == 0


def test_without_a_run_folder_nothing_is_written() -> None:
    events: list[Event] = list(fit(Line(), Points(), None, settings(save_every=1)))
    assert [type(e) for e in events] == [Step] * 4 + [Finished]
    assert isinstance(events[-1], Finished)
    assert events[-1].best is None


def test_training_stops_when_held_out_loss_no_longer_falls_and_keeps_the_best(
    tmp_path: Path,
) -> None:
    line = Line()
    torch.nn.init.zeros_(line.linear.weight)
    torch.nn.init.zeros_(line.linear.bias)
    # The way from 0 to y = 2 x - 1 passes near y = x - 0.5 and leaves it behind.
    halfway = Points(a=1.0, b=-0.5)
    how = settings(steps=90, batch_size=8, lr=0.05, eval_every=2, patience=3, weight_decay=0.0)
    run = RunFolder(tmp_path)
    weights: dict[int, float] = {}
    heldout: dict[int, float] = {}
    for event in fit(line, Points(), halfway, how, run=run, save=line.save):
        weights[event.step] = line.linear.weight.item()
        if isinstance(event, Evaluated):
            assert event.is_best == (event.valid_loss < min(heldout.values(), default=math.inf))
            heldout[event.step] = event.valid_loss
    assert isinstance(event, Finished)
    best = min(heldout, key=heldout.__getitem__)
    assert 2 < best < 90
    assert event.step == best + 6
    assert event.reason == "no better held-out loss in 3 evaluations"
    assert event.best == tmp_path / f"step-{best:08d}"
    assert load_file(event.best / "model.safetensors")["linear.weight"].item() == weights[best]
    assert len(run.checkpoints()) <= 3


def test_training_stops_when_its_time_is_up(tmp_path: Path) -> None:
    line = Line()
    how = settings(steps=1000, minutes=1e-9)
    run = RunFolder(tmp_path)
    events = list(fit(line, Points(), Points(), how, run=run, save=line.save))
    # What was learnt until then is evaluated and saved.
    assert [type(e) for e in events] == [Step, Evaluated, Saved, Finished]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "time is up"


def test_evaluating_leaves_training_as_it_was(tmp_path: Path) -> None:
    data = windows(tmp_path)
    how = settings(steps=6, eval_every=1)
    with_it = _steps(fit(byte_task(dropout=0.3), data, data, how))
    without = _steps(fit(byte_task(dropout=0.3), data, None, how))
    assert [s.loss.hex() for s in with_it] == [s.loss.hex() for s in without]


def test_a_seed_fixes_a_run_and_another_gives_another(tmp_path: Path) -> None:
    data = windows(tmp_path)

    def losses(seed: int, drawn_before: int = 1) -> list[str]:
        task = byte_task(dropout=0.3)
        torch.rand(drawn_before)
        return [s.loss.hex() for s in _steps(fit(task, data, None, settings(seed=seed)))]

    first = losses(3)
    assert losses(3, drawn_before=7) == first
    assert losses(4) != first


def test_the_held_out_loss_is_the_mean_over_all_targets() -> None:
    task, data = byte_task(), _letters(5)
    how = settings(steps=1, lr=1e-30, batch_size=2, eval_rows=5)
    evaluated = [e for e in fit(task, _letters(), data, how) if isinstance(e, Evaluated)]
    with torch.no_grad():
        expected = task.loss(data.batch(np.arange(5), seed=0, epoch=0)).item()
    assert evaluated[0].valid_loss == pytest.approx(expected, rel=1e-5)
    assert evaluated[0].bits_per_byte is None


def test_bits_per_byte_knows_the_bytes_of_a_target(tmp_path: Path) -> None:
    data = windows(tmp_path)
    data.bytes_per_target = 4.0
    assert bits_per_byte(math.log(2), data) == pytest.approx(0.25)
    assert bits_per_byte(1.0, Points()) is None


class Odd(Line):
    """A loss whose value is finite and whose gradient is not."""

    def loss(self, batch: Batch) -> torch.Tensor:
        return (self.linear.weight * 0).sum().sqrt() + super().loss(batch)


@pytest.mark.parametrize(
    ("model", "train", "valid", "what"),
    [
        (Line, Points(b=math.nan), None, "loss"),
        (Line, Points(b=math.inf), None, "loss"),
        (Odd, Points(), None, "gradient"),
        (Line, Points(), Points(b=math.nan), "held-out loss"),
    ],
)
def test_a_number_that_is_not_finite_stops_and_nothing_of_it_is_saved(
    model: type[Line], train: Points, valid: Points | None, what: str, tmp_path: Path
) -> None:
    run, line = RunFolder(tmp_path), model()
    how = settings(eval_every=1, save_every=1)
    with pytest.raises(CorpusError, match=rf"^The {what} is no longer a finite number at step 1;"):
        list(fit(line, train, valid, how, run=run, save=line.save))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    run, line = RunFolder(tmp_path), Line()
    line.register_parameter("unused", torch.nn.Parameter(torch.tensor([math.inf])))
    with pytest.raises(CorpusError, match=r"^The model is no longer"):
        list(fit(line, Points(), None, settings(save_every=1), run=run, save=line.save))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_a_device_that_is_absent_is_an_error() -> None:
    with pytest.raises(DeviceError, match="No cuda device"):
        next(fit(Line(), Points(), None, settings(device="cuda")))


def test_runs_in_two_precisions_follow_each_other_in_one_process(tmp_path: Path) -> None:
    data = windows(tmp_path)
    losses = {
        precision: _steps(fit(byte_task(), data, None, settings(precision=precision)))[-1].loss
        for precision in ("no", "bf16")
    }
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02)
    assert losses["bf16"] != losses["no"]


def test_only_matrices_decay() -> None:
    task = byte_task()
    decayed, kept = make_optimizer(task, settings(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    assert {p.dim() for p in decayed["params"]} == {2}
    assert {p.dim() for p in kept["params"]} == {1}
    n = sum(1 for _ in task.parameters())
    assert len(decayed["params"]) + len(kept["params"]) == n


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    frozen = Line().requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        next(fit(frozen, Points(), None, settings()))
    with pytest.raises(ValueError, match="train has no rows"):
        next(fit(Line(), Points(0), None, settings()))
    with pytest.raises(ValueError, match="valid has no rows"):
        next(fit(Line(), Points(), Points(0), settings()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("accumulate", 0),
        ("eval_rows", 0),
        ("warmup_steps", -1),
        ("patience", -1),
        ("minutes", -0.5),
        ("minutes", math.nan),
        ("seed", -1),
        ("lr", 0.0),
        ("lr", math.inf),
        ("clip_norm", 0.0),
        ("precision", "fp8"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}={value!r} must"):
        FitSettings(**{"steps": 1, name: value})  # type: ignore[arg-type]


def test_events_are_plain_data_in_a_log(tmp_path: Path) -> None:
    lines = [record(Saved(3, tmp_path)), record(Step(1, 2.5, 0.1, 10.0, 0.0))]
    assert lines[0] == {"event": "Saved", "step": 3, "folder": str(tmp_path)}
    assert json.loads(json.dumps(lines[1]))["loss"] == 2.5


def test_a_checkpoint_is_a_model_folder_of_transformers(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    data, task = windows(tmp_path), byte_task()
    run = RunFolder(tmp_path / "run")
    finished = list(fit(task, data, data, settings(), run=run, save=task.save))[-1]
    assert isinstance(finished, Finished)
    assert finished.best is not None
    model = AutoModelForCausalLM.from_pretrained(finished.best)
    tokenizer = AutoTokenizer.from_pretrained(finished.best)
    assert isinstance(NextToken(model, tokenizer), torch.nn.Module)
    for ours, theirs in zip(model.parameters(), task.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    # safetensors and JSON only: nothing that could run code.
    kinds = {file.suffix for file in finished.best.iterdir()}
    assert kinds == {".json", ".safetensors"}
