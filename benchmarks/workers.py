"""Variants that need a process of their own, timed in turn.

Frameworks that share a process share threads, allocators and switches. Here each variant is a
process that waits, without using the machine, until it is asked for a round; it answers with the
units it did and the seconds they took, so that what is not the claim (loading, compiling, building)
does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from timing import Timing, timing_of

Round = Callable[[], tuple[int, float]]


def serve(make: Callable[[], Round]) -> None:
    """Be a worker: make the variant, then a round for each line that comes in."""
    answers: IO[str] = sys.stdout
    sys.stdout = sys.stderr  # what a framework prints must not be taken for an answer
    try:
        work = make()
    except ImportError as problem:
        print(json.dumps({"missing": str(problem)}), file=answers, flush=True)
        return
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for _ in sys.stdin:
        units, seconds = work()
        print(json.dumps({"units": units, "seconds": seconds}), file=answers, flush=True)


@dataclass(slots=True)
class Worker:
    """A variant in its process; `missing` says which package it lacks."""

    process: subprocess.Popen[str]
    missing: str = ""

    @classmethod
    def start(cls, script: Path, arguments: Sequence[str]) -> Worker:
        """Start the script and wait until it is ready."""
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        worker = cls(process)
        worker.missing = worker._answer().get("missing", "")
        return worker

    def _answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with code {self.process.wait()}")
        answer: dict[str, str] = json.loads(line)
        return answer

    def round(self) -> float:
        """One round; returns units per second."""
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)
        answer = self._answer()
        return float(answer["units"]) / float(answer["seconds"])

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def interleave_workers(
    script: Path, variants: Mapping[str, Sequence[str]], rounds: int, *, anew: bool = False
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time workers A B C A B C, after one round of each process that does not count.

    Parameters
    ----------
    script : Path
        The benchmark; it is run as a worker with each variant's arguments.
    variants : mapping of name to arguments
        The first is the one the others are compared with.
    anew : bool
        Whether each round has processes of its own.

    Returns
    -------
    dict of Timing, and dict of name to what is missing for variants that cannot run here
    """
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    absent: dict[str, str] = {}
    for start in range(rounds if anew else 1):
        workers = {
            name: Worker.start(script, variants[name]) for name in variants if name not in absent
        }
        absent |= {name: worker.missing for name, worker in workers.items() if worker.missing}
        try:
            for i in range(2 if anew else rounds + 1):
                for name in (name for name in variants if name not in absent):
                    speed = workers[name].round()
                    if i:
                        speeds[name].append(speed)
                    print(f"\r{start + i}/{rounds} {name:<40}", end="", file=sys.stderr, flush=True)
        finally:
            for worker in workers.values():
                worker.stop()
    print(file=sys.stderr)
    speeds = {name: own for name, own in speeds.items() if own}
    first = next(iter(speeds.values()))
    return {name: timing_of(own, first) for name, own in speeds.items()}, absent


def timed(work: Callable[[], int]) -> Round:
    """A round whose every second counts."""

    def once() -> tuple[int, float]:
        began = time.perf_counter()
        units = work()
        return units, time.perf_counter() - began

    return once
