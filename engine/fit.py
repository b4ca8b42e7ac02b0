"""The training loop: a generator of events, for every model that has `loss(batch)`.

It steps, evaluates, saves and stops early; the caller draws the progress bar or the chart from the
events, and stops by ceasing to iterate. `accelerate` places tensors, sets precision and joins processes.
What is trained on what is the caller's: see `batching` for data and `checkpoint` for run folders.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import nn

from corpora.errors import CorpusError, ModelError
from engine.batching import Batch, Dataset, rows_of, steps_per_epoch
from engine.checkpoint import RunFolder, load_state, save_state, verify
from engine.devices import choose_device, choose_precision


class Trainable(Protocol):
    """What `fit` trains: an `nn.Module` that gives the mean loss over a batch's targets."""

    def loss(self, batch: Batch) -> torch.Tensor:
        """The mean loss, a scalar with a gradient."""
        ...


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to train.

    Attributes
    ----------
    steps : int
        Optimizer updates in all.
    batch_size : int
        Rows in one forward pass, over all processes.
    accumulate : int
        Forward passes in one update.
    lr, min_lr_fraction, warmup_steps
        Peak learning rate; the cosine ends at `lr * min_lr_fraction`; the rise before it is linear.
    weight_decay, beta1, beta2, clip_norm
        AdamW (Loshchilov and Hutter 2019); decay on matrices only; gradient norm limit.
    eval_every, eval_rows, save_every
        Updates between evaluations and saves (0: only at the end); held-out rows read at each.
    patience : int
        Stop after this many evaluations without a better one; 0 never stops early.
    minutes : float
        Stop after this much training time; 0 sets no limit. The schedule still spans `steps`.
    seed : int
        Fixes the batch order and dropout.
    precision : str
        "auto", "bf16" or "no".
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    steps: int
    batch_size: int = 8
    accumulate: int = 1
    lr: float = 1e-3
    min_lr_fraction: float = 0.1
    warmup_steps: int = 20
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip_norm: float = 1.0
    eval_every: int = 100
    eval_rows: int = 64
    save_every: int = 100
    patience: int = 0
    minutes: float = 0.0
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.lr > 0:
            raise ValueError(f"lr={self.lr} must be above 0")
        if self.precision not in ("auto", "bf16", "no"):
            raise ValueError(f"precision={self.precision!r} must be auto, bf16 or no")

    def lr_at(self, step: int) -> float:
        """The learning rate of update `step`, counted from 0: linear warm-up, then cosine."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.lr * (self.min_lr_fraction + (1 - self.min_lr_fraction) * cosine)


@dataclass(frozen=True, slots=True)
class Step:
    """One update: its number from 1, mean training loss (nats per target), rate, speed, time left."""

    step: int
    loss: float
    lr: float
    targets_per_s: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The held-out loss in nats per target, and in bits per byte where the data knows its bytes."""

    step: int
    valid_loss: float
    bits_per_byte: float | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint was published."""

    step: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """The end: why, the best checkpoint if a run folder was given, and the training time."""

    step: int
    reason: str
    best: Path | None
    seconds: float


Event = Step | Evaluated | Saved | Finished


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
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = trained[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        groups, lr=settings.lr, betas=(settings.beta1, settings.beta2), fused=fused
    )


def _accelerator(settings: FitSettings, precision: str) -> Accelerator:
    # accelerate keeps one global state; a second run in this process may want another precision.
    shared = PartialState._shared_state
    if not shared or shared.get("num_processes", 1) == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    device = choose_device(settings.device)
    return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


def _to(batch: Batch, device: torch.device) -> Batch:
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def _shard(batch: Batch, accelerator: Accelerator) -> Batch:
    """This process's rows of a batch; `n_targets` stays that of the whole batch."""
    index, n = accelerator.process_index, accelerator.num_processes
    if n == 1:
        return batch
    return {k: v[index::n] if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def _targets(batch: Batch) -> int:
    labels = batch.get("labels")
    if isinstance(labels, torch.Tensor) and labels.dtype == torch.long:
        return int((labels != -100).sum())
    return len(next(v for v in batch.values() if isinstance(v, torch.Tensor)))


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
        Where checkpoints go. With it, `save` writes the weights into a folder and `load` reads them back.
    resume : bool
        Go on from the latest checkpoint that verifies. The losses that follow are those of a run that
        never stopped, to the last bit, on the same machine with the same number of threads.

    Yields
    ------
    Step, Evaluated, Saved, Finished
        `Finished` last, unless the caller stops iterating.

    Raises
    ------
    CorpusError
        If the loss stops being a finite number.
    ModelError
        If there is nothing to resume, or the checkpoint belongs to other settings.
    """
    precision = settings.precision
    if precision == "auto":
        precision = choose_precision(choose_device(settings.device))
    accelerator = _accelerator(settings, precision)
    torch.manual_seed(settings.seed)
    model.to(accelerator.device).train()
    module = _LossModule(model)
    optimizer = make_optimizer(module, settings)
    module, optimizer = accelerator.prepare(module, optimizer)

    at, best, bad, spent = 0, math.inf, 0, 0.0
    if run is not None:
        run.clear_unfinished()
    if resume:
        if run is None or load is None or (folder := run.latest()) is None:
            where = run.path if run else "this run"
            raise ModelError(f"{where} holds no complete checkpoint to resume from.")
        verify(folder)
        load(folder)
        state = load_state(folder, optimizer)
        if state["settings"] != asdict(settings):
            changed = [k for k, v in asdict(settings).items() if state["settings"].get(k) != v]
            raise ModelError(
                f"{folder} was trained with other settings ({', '.join(changed)} differ); "
                "resume with the settings it began with."
            )
        if precision != state["precision"]:
            raise ModelError(
                f"{folder} was trained in precision {state['precision']!r}, this machine chose "
                f"{precision!r}; pass --precision {state['precision']}."
            )
        at, best, bad, spent = state["step"], state["best"], state["bad"], state["spent"]
        best = math.inf if best is None else best

    last_valid: float | None = None
    per_epoch = max(1, steps_per_epoch(len(train), settings.batch_size) // settings.accumulate)
    is_main = accelerator.is_main_process
    began = time.perf_counter()

    def save_now() -> Iterator[Event]:
        if run is None or save is None:
            return
        if is_main:
            counters = {
                "step": at,
                "best": None if best == math.inf else best,
                "bad": bad,
                "spent": spent + time.perf_counter() - began,
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

    reason = "all steps done"
    while at < settings.steps:
        tick = time.perf_counter()
        epoch, step = divmod(at, per_epoch)
        batches = []
        for part in range(settings.accumulate):
            rows = rows_of(
                len(train),
                settings.batch_size,
                seed=settings.seed,
                epoch=epoch,
                step=step * settings.accumulate + part,
            )
            if len(rows):
                batches.append(train.batch(rows, seed=settings.seed, epoch=epoch))
        n_targets = sum(int(b["n_targets"]) for b in batches)
        for group in optimizer.param_groups:
            group["lr"] = settings.lr_at(at)
        loss = 0.0
        for i, batch in enumerate(batches):
            mine = _to(_shard(batch, accelerator), accelerator.device)
            # Weighted by targets, so that many small batches step as one large batch does.
            share = _targets(mine) / n_targets * accelerator.num_processes
            last = i == len(batches) - 1
            with nullcontext() if last else accelerator.no_sync(module):
                with accelerator.autocast():
                    part_loss = module(mine) * share
                accelerator.backward(part_loss)
            loss += float(accelerator.reduce(part_loss.detach(), "mean"))
        if not math.isfinite(loss):
            raise CorpusError(
                f"The loss became {loss} at step {at + 1}; nothing of it was saved. "
                f"Lower the learning rate (now {settings.lr:g}) or look for odd text in the corpus."
            )
        accelerator.clip_grad_norm_(module.parameters(), settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        at += 1
        now = time.perf_counter()
        gone = spent + now - began
        left = gone / at * (settings.steps - at)
        if settings.minutes:
            left = min(left, settings.minutes * 60 - gone)
        yield Step(at, loss, settings.lr_at(at - 1), n_targets / (now - tick), max(0.0, left))

        out_of_time = bool(settings.minutes) and gone >= settings.minutes * 60
        ending = at == settings.steps or out_of_time
        last_valid = None
        if valid is not None and (ending or _due(at, settings.eval_every)):
            last_valid = evaluate(module, valid, settings, accelerator)
            is_best = last_valid < best
            best, bad = min(best, last_valid), 0 if is_best else bad + 1
            yield Evaluated(at, last_valid, bits_per_byte(last_valid, valid), is_best)
            ending = ending or bool(settings.patience and bad >= settings.patience)
            if settings.patience and bad >= settings.patience:
                reason = f"no better held-out loss in {bad} evaluations"
        if ending or _due(at, settings.save_every) or (last_valid is not None and bad == 0):
            yield from save_now()
        if ending:
            if out_of_time and at < settings.steps:
                reason = "time is up"
            break
    found = run.best() if run is not None else None
    yield Finished(at, reason, found, spent + time.perf_counter() - began)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def bits_per_byte(loss: float, data: Dataset) -> float | None:
    """Nats per target as bits per byte, where the data knows how many bytes a target spans."""
    per_target = getattr(data, "bytes_per_target", None)
    return None if per_target is None else loss / math.log(2) / per_target


def record(event: Event) -> dict[str, Any]:
    """An event as plain data for a log."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(event), default=str))
    return {"event": type(event).__name__, **fields}
