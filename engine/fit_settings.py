"""How long, how fast and how to train: the settings of `fit`, saved as JSON beside the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
        Stop after this much training time; 0 sets no limit.
    schedule : str
        What the cosine spans: "steps", or "minutes", where nobody can say how many steps they hold.
        By minutes a rate depends on the machine's speed, so such a run is not repeatable.
    seed : int
        Fixes the batch order and dropout; not negative.
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
    schedule: str = "steps"
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("warmup_steps", "eval_every", "save_every", "patience", "minutes", "seed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        for name in ("lr", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if self.precision not in ("auto", "bf16", "no"):
            raise ValueError(f"precision={self.precision!r} must be auto, bf16 or no")
        if self.schedule not in ("steps", "minutes"):
            raise ValueError(f"schedule={self.schedule!r} must be steps or minutes")
        if self.schedule == "minutes" and not self.minutes:
            raise ValueError(f"minutes={self.minutes} must be above 0 for a schedule by minutes")

    def lr_at(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of an update: linear warm-up, then cosine.

        Parameters
        ----------
        step : int
            The update, counted from 0.
        seconds : float
            Training time before it; a schedule by minutes looks at nothing else after warm-up.
        """
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        if self.schedule == "minutes":
            done = seconds / (60 * self.minutes)
        else:
            done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.lr * (self.min_lr_fraction + (1 - self.min_lr_fraction) * cosine)
