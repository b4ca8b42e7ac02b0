"""The run of the adder: one neuron, the NumPy network by two recipes, and three torch networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from engine.batching import steps_per_epoch
from engine.fit import Evaluated, FitSettings, Step, fit
from recurrent.lab.adder import neuron
from recurrent.lab.adder.bit_adder import CELLS, BitAdder
from recurrent.lab.adder.bits import PairData
from recurrent.lab.adder.numpy_adder import LECTURE, OURS, NumpyAdder, Recipe, train
from recurrent.lab.adder.score import (
    Score,
    TestPairs,
    baseline_row,
    curves_figure,
    lengths_figure,
    neuron_figure,
    neuron_row,
    rows_of,
    score,
)
from recurrent.lab.adder.settings import Clock, Settings
from recurrent.lab.report import Done, Event, Point, Report

NUMPY = {"NumPy RNN, ours": OURS, "NumPy RNN, as in the lecture": LECTURE}
TORCH = {f"torch {cell.upper()}": cell for cell in CELLS}
BATCH_SIZE = 32  # the lecture's
N_HELD_OUT = 300  # likewise
_LOOK_EVERY = 500  # updates of the NumPy network between two looks at all pairs
_LOOK_EPOCHS = 5  # likewise for torch, once all sums were exact; until then every epoch
# What an update costs, in updates of the NumPy network: only the time left hangs on it.
_COST = {"rnn": 14.0, "lstm": 16.0, "gru": 18.0}

Curve = list[tuple[float, float]]
Stopped = Callable[[], bool]


class _Run:
    """What grows while a run goes on."""

    def __init__(self, settings: Settings, out: Path, stopped: Stopped) -> None:
        self.settings, self.out, self.stopped = settings, out, stopped
        self.test = TestPairs.draw(settings.n_long, settings.seed)
        self.scores: dict[str, list[Score]] = {name: [] for name in (*NUMPY, *TORCH)}
        self.curves: dict[str, Curve] = {name: [] for name in (*NUMPY, *TORCH)}
        self.neuron = neuron.train(settings.seed)
        self.steps = settings.epochs * steps_per_epoch(settings.n_pairs, BATCH_SIZE)
        one_seed = len(NUMPY) * settings.n_updates + self.steps * sum(_COST.values())
        self.clock = Clock(settings.n_seeds * one_seed)

    def numpy(self, system: str, recipe: Recipe, seed: int) -> Generator[Event, None, None]:
        """Train and ask one NumPy network."""
        adder = NumpyAdder(self.settings.hidden_size, recipe, seed)
        seen: set[int] = set()
        right = self.test.all_sums >= 0.5
        for update, _ in train(adder, self.settings.n_updates, seed, seen, self.stopped):
            self.clock.add(1)
            if update % _LOOK_EVERY == 0 or update == self.settings.n_updates:
                said = adder.read(self.test.all)[1] >= 0.5
                yield from self.look(system, seed, update, float((said == right).all(-1).mean()))
            if self.clock.is_due():
                yield self.clock.progress(f"{system}, seed {seed}")
        if self.stopped():
            return
        mask = np.zeros(len(right), dtype=np.bool_)
        mask[list(seen)] = True
        self.scores[system].append(score(lambda pairs: adder.read(pairs)[1], self.test, mask))
        if seed == self.settings.seed and recipe is OURS:
            adder.save(self.out / "numpy")

    def torch(self, system: str, cell: str, seed: int) -> Generator[Event, None, None]:
        """Train and ask one torch network."""
        n_pairs = self.settings.n_pairs
        order = np.random.default_rng([seed, 3]).permutation(len(self.test.all))
        known, held_out = order[:n_pairs], order[n_pairs : n_pairs + N_HELD_OUT]
        right = self.test.all_sums >= 0.5
        torch.manual_seed(seed)
        model = BitAdder(cell, self.settings.hidden_size)
        per_epoch = self.steps // self.settings.epochs
        settings = FitSettings(
            steps=self.steps,
            batch_size=BATCH_SIZE,
            lr=0.01,
            min_lr_fraction=0.05,
            weight_decay=0.0,
            beta2=0.99,
            eval_every=per_epoch,
            eval_rows=N_HELD_OUT,
            seed=seed,
            precision="no",
            device=self.settings.device,
        )
        loss, first = float("nan"), None
        data = PairData(self.test.all[known]), PairData(self.test.all[held_out])
        for event in fit(model, *data, settings, stopped=self.stopped):
            if isinstance(event, Step):
                self.clock.add(_COST[cell])
            elif isinstance(event, Evaluated):
                loss, epoch = event.valid_loss, event.step // per_epoch
                if first is not None and epoch % _LOOK_EPOCHS and event.step < self.steps:
                    continue
                share = float(((model.read(self.test.all)[1] >= 0.5) == right).all(-1).mean())
                first = epoch if share == 1 and first is None else first
                yield from self.look(system, seed, epoch, share)
            if self.clock.is_due():
                yield self.clock.progress(f"{system}, seed {seed}")
        if self.stopped():
            return
        mask = np.zeros(len(right), dtype=np.bool_)
        mask[known] = True
        model.eval()
        done = score(lambda pairs: model.read(pairs)[1], self.test, mask, epochs=first, loss=loss)
        self.scores[system].append(done)
        if seed == self.settings.seed:
            model.save(self.out / cell)

    def look(self, system: str, seed: int, x: float, share: float) -> Iterator[Event]:
        """Note a point of the first seed's curve."""
        if seed == self.settings.seed:
            self.curves[system].append((x, share))
            yield Point(f"{system}: exact sums", x, share)

    def report(self) -> Report:
        """All there is so far."""
        stopped = any(len(found) < self.settings.n_seeds for found in self.scores.values())
        rows = [neuron_row(self.neuron), baseline_row()]
        for system, scores in self.scores.items():
            if scores:
                rows += rows_of(system, scores, is_baseline=NUMPY.get(system) is LECTURE)
        figures = [
            neuron_figure(self.neuron),
            curves_figure(
                "updates",
                "The NumPy network, one pair at a time",
                "update",
                {n: c for n, c in self.curves.items() if n in NUMPY and c},
            ),
            curves_figure(
                "epochs",
                f"torch, {self.settings.n_pairs} pairs again and again",
                "epoch",
                {n: c for n, c in self.curves.items() if n in TORCH and c},
            ),
            lengths_figure(self.scores),
        ]
        facts = {
            "seconds": round(self.clock.seconds, 1),
            "pairs trained on": {"NumPy": self.settings.n_updates, "torch": self.settings.n_pairs},
            "recipes": {name: asdict(recipe) for name, recipe in NUMPY.items()},
            "neuron": [round(float(w), 4) for w in self.neuron],
            "torch": torch.__version__,
        }
        return Report("adder", asdict(self.settings), rows, figures, facts, stopped)


def run(
    settings: Settings, out: Path, *, stopped: Stopped = lambda: False
) -> Generator[Event, None, None]:
    """Train every adder on every seed; the first seed's go into `out`, for `add` to look into.

    Yields
    ------
    Progress, Point, Done
        `Done` last, after the report was saved; if `stopped` turned true, with the networks that
        were ready by then.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = _Run(settings, out, stopped)
    folder = out / "neuron"
    folder.mkdir(exist_ok=True)
    weights = dict(zip(neuron.NAMES, map(float, state.neuron), strict=True))
    (folder / "neuron.json").write_text(json.dumps(weights) + "\n", encoding="utf-8")
    yield state.clock.progress("one neuron")
    for seed in range(settings.seed, settings.seed + settings.n_seeds):
        parts = [state.numpy(name, recipe, seed) for name, recipe in NUMPY.items()]
        parts += [state.torch(name, cell, seed) for name, cell in TORCH.items()]
        for part in parts:
            if not stopped():
                yield from part
    report = state.report()
    report.save(out)
    yield Done(report)
