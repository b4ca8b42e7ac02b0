"""The settings of the adder, and the events that the parts of its run share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from engine.devices import NAMES
from recurrent.lab.report import Progress


@dataclass(frozen=True, slots=True)
class Settings:
    """How large a run is."""

    seed: int = field(default=0, metadata={"help": "the first seed; further ones count up from it"})
    n_seeds: int = field(default=5, metadata={"help": "networks of each kind"})
    n_updates: int = field(
        default=10_001, metadata={"help": "updates of the NumPy network, one pair each"}
    )
    n_pairs: int = field(default=700, metadata={"help": "pairs the torch networks learn from"})
    epochs: int = field(default=40, metadata={"help": "passes over those pairs"})
    hidden_size: int = field(default=16, metadata={"help": "units of each network"})
    n_long: int = field(default=1000, metadata={"help": "random pairs of each longer length"})
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps"})

    def __post_init__(self) -> None:
        for name in ("n_seeds", "n_updates", "epochs", "hidden_size", "n_long"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed} must not be negative")
        if not 1 <= self.n_pairs <= 16_084:
            raise ValueError(
                f"n_pairs={self.n_pairs} must be from 1 to 16084: there are 16,384 pairs and 300 "
                "are held out"
            )
        if self.device not in NAMES:
            raise ValueError(f"device={self.device!r} must be one of {', '.join(NAMES)}")


class Clock:
    """How much of the work is done, in its own units, and how long the rest may take.

    The time left is the work left at the mean speed of the work done, so the units of different
    stages must cost about the same.
    """

    def __init__(self, total: float) -> None:
        self._total, self._done = total, 0.0
        self._start, self._told = time.perf_counter(), -1.0

    def add(self, work: float) -> None:
        """So much more is done."""
        self._done += work

    def progress(self, stage: str) -> Progress:
        """Where the run stands now."""
        self._told = time.perf_counter()
        share = min(1.0, self._done / self._total)
        left = (self._told - self._start) * (1 - share) / share if share else None
        return Progress(stage, share, left)

    def is_due(self, every_s: float = 0.25) -> bool:
        """Whether nothing was told for so long."""
        return time.perf_counter() - self._told >= every_s

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._start
