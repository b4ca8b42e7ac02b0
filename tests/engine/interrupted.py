"""A short training run in a process of its own, which may kill itself on the way.

    python -m tests.engine.interrupted RUN [--resume] [--die-after STEP] [--die-saving STEP]

prints each step and its loss, every bit of it. Dropout is on, so that random state matters.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import torch

from engine.checkpoint import RunFolder
from engine.fit import Step, fit
from tests.engine.tiny import byte_task, settings, windows


def die() -> None:
    """End at once, as when the power fails: nothing is flushed, no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Train twelve steps, saving every three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-after", type=int, default=0)
    parser.add_argument("--die-saving", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.run.mkdir(parents=True, exist_ok=True)
    data = windows(chosen.run)
    task = byte_task(dropout=0.2)
    at = 0

    def save(folder: Path) -> None:
        task.save(folder)
        if at == chosen.die_saving:
            die()

    for event in fit(
        task,
        data,
        data,
        settings(steps=12, batch_size=4, accumulate=2, save_every=3, eval_every=5),
        run=RunFolder(chosen.run),
        save=save,
        load=task.load,
        resume=chosen.resume,
    ):
        if isinstance(event, Step):
            at = event.step
            print(at, event.loss.hex(), flush=True)
            if at == chosen.die_after:
                die()


if __name__ == "__main__":
    main()
