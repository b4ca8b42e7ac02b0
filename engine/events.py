"""What training tells: the events of `fit`, which progress bar, chart, log and tests all read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One update: its number from 1, the mean training loss (nats per target), rate, speed, time.

    `seconds_left` is an estimate from the mean speed so far, `seconds` the training time until now.
    """

    step: int
    loss: float
    lr: float
    targets_per_s: float
    seconds_left: float
    seconds: float = 0.0


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


def record(event: Event) -> dict[str, Any]:
    """An event as plain data for a log."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(event), default=str))
    return {"event": type(event).__name__, **fields}
