"""The training loop: a generator of events, for every model that has `loss(batch)`.

It steps, evaluates, saves and stops early; the caller draws the progress bar or the chart from the
events, and stops by ceasing to iterate; while it looks at an event the training clock stands still,
so several runs can take turns. `accelerate` places tensors, sets precision and joins
processes. What is trained on what is the caller's: see `batching` for data, `checkpoint` for run
folders, `fit_settings` for the settings and `events` for what is yielded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import nn

from corpora.errors import CorpusError, ModelError
from engine.batching import IGNORED, Batch, Dataset, next_rows, steps_per_epoch
from engine.checkpoint import RunFolder, load_state, read_counters, save_state
from engine.devices import choose_device, choose_precision
from engine.events import Evaluated, Event, Finished, Saved, Step, record
from engine.fit_settings import FitSettings

__all__ = [
    "Evaluated",
    "Event",
    "Finished",
    "FitSettings",
    "Saved",
    "Step",
    "Trainable",
    "bits_per_byte",
    "evaluate",
    "fit",
    "make_optimizer",
    "record",
]


class Trainable(Protocol):
    """What `fit` trains: an `nn.Module` that gives the mean loss over a batch's targets."""

    def loss(self, batch: Batch) -> torch.Tensor:
        """The mean loss, a scalar with a gradient."""
        ...


class _LossModule(nn.Module):
    """`loss` behind `forward`, because data-parallel wrappers hook only the latter."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> torch.Tensor:
        return cast(Trainable, self.model).loss(batch)


def make_optimizer(model: nn.Module, settings: FitSettings) -> torch.optim.AdamW:
    """AdamW, fused where torch has it; no decay on biases, gains and other vectors."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("model has no parameter that requires a gradient; nothing can be trained")
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = trained[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        groups, lr=settings.lr, betas=(settings.beta1, settings.beta2), fused=fused
    )


def _accelerator(device: torch.device, precision: str) -> Accelerator:
    # accelerate keeps one global state; a second run in this process may want another precision.
    shared = PartialState._shared_state
    if not shared or shared.get("num_processes", 1) == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


def _to(batch: Batch, device: torch.device) -> Batch:
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def _shard(batch: Batch, accelerator: Accelerator) -> Batch:
    """This process's rows of a batch, with their own `n_targets`."""
    index, n = accelerator.process_index, accelerator.num_processes
    if n == 1:
        return batch
    mine = {k: v[index::n] if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
    labels = mine.get("labels")
    if isinstance(labels, torch.Tensor) and labels.dtype == torch.long and labels.dim() > 1:
        return {**mine, "n_targets": int((labels != IGNORED).sum())}
    rows, of = (
        next(len(v) for v in b.values() if isinstance(v, torch.Tensor)) for b in (mine, batch)
    )
    return {**mine, "n_targets": batch["n_targets"] * rows / of}


def _parts(train: Dataset, settings: FitSettings, at: int) -> list[Batch]:
    """The batches of update `at`, counted from 0: `accumulate` of them, fewer at an epoch's end."""
    per_epoch = max(1, steps_per_epoch(len(train), settings.batch_size) // settings.accumulate)
    epoch, step = divmod(at, per_epoch)
    batches = []
    for part in range(step * settings.accumulate, (step + 1) * settings.accumulate):
        rows = next_rows(train, settings.batch_size, seed=settings.seed, epoch=epoch, step=part)
        if len(rows):
            batches.append(train.batch(rows, seed=settings.seed, epoch=epoch))
    return batches


def _gradients(module: nn.Module, batches: list[Batch], accelerator: Accelerator) -> float:
    """Add up the gradients of one update; returns the mean loss over all its targets."""
    n_targets = sum(int(b["n_targets"]) for b in batches)
    loss = 0.0
    for i, batch in enumerate(batches):
        mine = _to(_shard(batch, accelerator), accelerator.device)
        # Weighted by targets, so that many small batches step as one large batch does.
        share = mine["n_targets"] / n_targets * accelerator.num_processes
        last = i == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(module):
            with accelerator.autocast():
                part_loss = module(mine) * share
            accelerator.backward(part_loss)
        loss += float(accelerator.reduce(part_loss.detach(), "mean"))
    return loss


def evaluate(
    module: nn.Module,
    data: Dataset,
    settings: FitSettings,
    accelerator: Accelerator,
) -> float:
    """The mean loss over the first `eval_rows` rows, in nats per target."""
    was_training = module.training
    module.eval()
    total, count = 0.0, 0
    with torch.inference_mode(), accelerator.autocast():
        n = min(len(data), settings.eval_rows)
        for start in range(0, n, settings.batch_size):
            rows = np.arange(start, min(n, start + settings.batch_size))
            batch = _to(data.batch(rows, seed=0, epoch=0), accelerator.device)
            targets = int(batch["n_targets"])
            total += float(module(batch)) * targets
            count += targets
    module.train(was_training)
    return total / count


def _precision(settings: FitSettings, counters: dict[str, Any] | None, folder: Path | None) -> str:
    """The precision to train in: a resumed run keeps the one it began with."""
    if counters is None:
        if settings.precision != "auto":
            return settings.precision
        return choose_precision(choose_device(settings.device))
    # A run that began before a setting existed had its default.
    began = {**asdict(FitSettings(steps=1)), **counters["settings"]}
    if began != asdict(settings):
        changed = [k for k, v in asdict(settings).items() if began.get(k) != v]
        raise ModelError(
            f"{folder} was trained with other settings ({', '.join(changed)} differ); "
            "resume with the settings it began with."
        )
    return str(counters["precision"])


def _last_checkpoint(run: RunFolder | None) -> Path:
    folder = run.latest() if run is not None else None
    if folder is None:
        where = run.path if run is not None else "This run"
        raise ModelError(
            f"{where} holds no complete checkpoint to resume from. Start it without resuming."
        )
    return folder


class _Stopwatch:
    """Adds up the time inside its `with` blocks, in seconds."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since = time.perf_counter()

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        self._before = self.read()

    def set(self, seconds: float) -> None:
        """Go on from there, inside a block."""
        self._before, self._since = seconds, time.perf_counter()

    def read(self) -> float:
        """The time until now, inside a block."""
        return self._before + time.perf_counter() - self._since


def fit(
    model: nn.Module,
    train: Dataset,
    valid: Dataset | None,
    settings: FitSettings,
    *,
    run: RunFolder | None = None,
    save: Callable[[Path], None] | None = None,
    load: Callable[[Path], None] | None = None,
    resume: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train `model`, yielding what happens as it happens.

    Parameters
    ----------
    model : nn.Module with `loss(batch)`
        Trained in place.
    train, valid : Dataset
        `valid` may be None: then nothing is evaluated and nothing stops early.
    settings : FitSettings
        A resumed run must be given those it began with.
    run : RunFolder, optional
        Where checkpoints go. With it, `save` writes the weights into a folder and `load` reads them
        back.
    resume : bool
        Go on from the latest checkpoint that verifies. The losses that follow are those of a run
        that never stopped, to the last bit, on the same machine with the same number of threads.
    stopped : callable
        Asked after each update; True evaluates and saves what there is and ends the run.

    Yields
    ------
    Step, Evaluated, Saved, Finished
        `Finished` last, unless the caller stops iterating.

    Raises
    ------
    CorpusError
        If the loss stops being a finite number; no checkpoint holds what came of it.
    ModelError
        If there is nothing to resume, or the checkpoint belongs to other settings.
    """
    watch = _Stopwatch()
    events = _events(model, train, valid, settings, watch, run, save, load, resume, stopped)
    try:
        while True:
            with watch:
                event = next(events, None)
            if event is None:
                return
            yield event
    finally:
        events.close()


def _events(
    model: nn.Module,
    train: Dataset,
    valid: Dataset | None,
    settings: FitSettings,
    watch: _Stopwatch,
    run: RunFolder | None,
    save: Callable[[Path], None] | None,
    load: Callable[[Path], None] | None,
    resume: bool,
    stopped: Callable[[], bool],
) -> Generator[Event, None, None]:
    """What `fit` gives, with a watch that runs while this does."""
    if not len(train) or (valid is not None and not len(valid)):
        raise ValueError(f"{'valid' if len(train) else 'train'} has no rows; expected at least one")
    if run is not None:
        run.clear_unfinished()
    folder = _last_checkpoint(run) if resume else None
    counters = read_counters(folder) if folder is not None else None
    precision = _precision(settings, counters, folder)
    accelerator = _accelerator(choose_device(settings.device), precision)
    torch.manual_seed(settings.seed)
    model.to(accelerator.device).train()
    module = _LossModule(model)
    optimizer = make_optimizer(module, settings)
    module, optimizer = accelerator.prepare(module, optimizer)

    at, best, bad, spent = 0, math.inf, 0, 0.0
    if folder is not None and counters is not None:
        if load is None:
            raise ValueError("load=None: a run can only be resumed with a way to read its weights")
        load(folder)
        load_state(folder, optimizer)
        at, bad, spent = counters["step"], counters["bad"], counters["spent"]
        best = math.inf if counters["best"] is None else counters["best"]

    last_valid: float | None = None
    watch.set(spent)  # what was made ready until here is no training

    def diverged(what: str) -> CorpusError:
        return CorpusError(
            f"The {what} is no longer a finite number at step {at}; nothing of that was saved. "
            f"Lower the learning rate (now {settings.lr:g}) or look for odd text in the corpus."
        )

    def save_now() -> Iterator[Event]:
        if run is None or save is None:
            return
        if not all(bool(p.isfinite().all()) for p in model.parameters()):
            raise diverged("model")
        if accelerator.is_main_process:
            counters = {
                "step": at,
                "best": None if best == math.inf else best,
                "bad": bad,
                "spent": watch.read(),
                "valid_loss": last_valid,
                "precision": precision,
                "settings": asdict(settings),
            }

            def write(folder: Path) -> None:
                save(folder)
                save_state(folder, optimizer, counters)

            folder = run.publish(at, write)
            run.prune()
            yield Saved(at, folder)
        accelerator.wait_for_everyone()

    def stopping() -> str:
        """Why training ends here, or an empty string."""
        if at >= settings.steps:
            return "all steps done"
        if settings.patience and bad >= settings.patience:
            return f"no better held-out loss in {bad} evaluations"
        if settings.minutes and watch.read() >= settings.minutes * 60:
            return "time is up"
        if stopped():
            return "stopped"
        return ""

    reason = stopping() if resume else ""
    while not reason:
        tick = watch.read()
        batches = _parts(train, settings, at)
        rate = settings.lr_at(at, watch.read())
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _gradients(module, batches, accelerator)
        at += 1
        if not math.isfinite(loss):
            raise diverged("loss")
        norm = accelerator.clip_grad_norm_(module.parameters(), settings.clip_norm)
        if not math.isfinite(float(norm)):
            raise diverged("gradient")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        gone = watch.read()
        left = gone / at * (settings.steps - at)
        if settings.minutes:
            left = min(left, settings.minutes * 60 - gone)
        n_targets = sum(int(b["n_targets"]) for b in batches)
        yield Step(at, loss, rate, n_targets / (gone - tick), max(0.0, left), gone)

        reason = stopping()
        last_valid = None
        if valid is not None and (reason or _due(at, settings.eval_every)):
            last_valid = evaluate(module, valid, settings, accelerator)
            if not math.isfinite(last_valid):
                raise diverged("held-out loss")
            is_best = last_valid < best
            best, bad = min(best, last_valid), 0 if is_best else bad + 1
            yield Evaluated(at, last_valid, bits_per_byte(last_valid, valid), is_best)
            reason = reason or stopping()
        if reason or _due(at, settings.save_every) or (last_valid is not None and bad == 0):
            yield from save_now()
    found = run.best() if run is not None else None
    yield Finished(at, reason, found, watch.read())


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def bits_per_byte(loss: float, data: Dataset) -> float | None:
    """Nats per target as bits per byte, where the data knows how many bytes a target spans."""
    per_target = getattr(data, "bytes_per_target", None)
    return None if per_target is None else loss / math.log(2) / per_target
