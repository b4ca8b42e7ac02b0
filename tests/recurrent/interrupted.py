"""A short run that carries its state, in a process of its own, which may kill itself on the way.

    python -m tests.recurrent.interrupted CELL RUN [--resume] [--die-after STEP]

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
from tests.engine.tiny import settings
from tests.recurrent.tiny import carried_task, streams

# An epoch has thirteen updates; after it the streams begin anew, and now and then a row before.
HOW = settings(steps=16, batch_size=4, save_every=4, eval_every=5, eval_rows=12)


def main() -> None:
    """Train sixteen steps, saving every four."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-after", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.run.mkdir(parents=True, exist_ok=True)
    data = streams(chosen.run, block_size=8, fresh=0.25)
    task = carried_task(chosen.cell, dropout=0.2)
    for event in fit(
        task,
        data,
        data,
        HOW,
        run=RunFolder(chosen.run),
        save=task.save,
        load=task.load,
        resume=chosen.resume,
    ):
        if isinstance(event, Step):
            print(event.step, event.loss.hex(), flush=True)
            if event.step == chosen.die_after:
                os.kill(os.getpid(), signal.SIGKILL)  # as when the power fails


if __name__ == "__main__":
    main()
