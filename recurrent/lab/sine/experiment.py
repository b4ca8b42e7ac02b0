"""The run of the noisy sine: the baselines, the lecture's network, three cells on every draw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from engine.fit import Evaluated, Step, fit
from recurrent.lab.report import Done, Event, Point, Progress, Report, Row
from recurrent.lab.sine.baselines import BASELINES, harmonic
from recurrent.lab.sine.nets import CELLS, Nets
from recurrent.lab.sine.plans import LECTURE, Plan, plans
from recurrent.lab.sine.reading import fed_truth, running_free
from recurrent.lab.sine.result import (
    LECTURE_VALID,
    Outcome,
    choose,
    drift_figure,
    floor_rows,
    forecast_figures,
    learning_figure,
    rows_of,
)
from recurrent.lab.sine.series import N_TRAIN, TEST, VALID, WINDOW, Pieces, Scaler, noisy_sine
from recurrent.lab.sine.settings import Settings

INFO = "sine.json"  # beside the models: the draw they learnt from, and the cell chosen on it
Stopped = Callable[[], bool]
_LECTURE_LEARNS_FROM = N_TRAIN - 20  # its last 20 windows are for validation


class _Run:
    """What grows while a run goes on."""

    def __init__(self, settings: Settings, out: Path, stopped: Stopped) -> None:
        self.settings, self.out, self.stopped = settings, out, stopped
        draws = range(settings.seed, settings.seed + settings.n_draws)
        self.series = np.stack([noisy_sine(draw) for draw in draws])  # (D, 300)
        self.plans = plans(settings)
        self.ours: list[Outcome] = []
        self.others: list[Outcome] = []
        self.lecture_rows: list[Row] = []
        self.curves: dict[str, list[tuple[float, float]]] = {}
        self.chosen: list[str] = []  # by draw
        self._total, self._done = sum(plan.work for plan in self.plans), 0.0
        self._start, self._told = time.perf_counter(), -1.0

    def baselines(self) -> None:
        """All of them; they take no time."""
        for name, forecast in BASELINES.items():
            fed, free = zip(*(forecast(x) for x in self.series), strict=True)
            self.others.append(Outcome(name, np.stack(fed), np.stack(free), kind="baseline"))
        fed, free = zip(*(harmonic(x) for x in self.series), strict=True)
        note = "it is told the frequency"
        told = Outcome(
            "harmonic least squares", np.stack(fed), np.stack(free), kind="bound", note=note
        )
        self.others.append(told)

    def train(self, plan: Plan) -> Generator[Event, None, None]:
        """Train the networks of one plan and ask them everything."""
        scaler = Scaler.fit(self.series[:, :N_TRAIN], from_zero=plan.system == LECTURE)
        scaled = torch.tensor(scaler.scale(self.series), dtype=torch.float32)
        valid = None
        if plan.is_candidate:
            nets = yield from self._fit(plan, scaled[:, : VALID.start], scaled)
            if self.stopped():
                return
            said = fed_truth(nets, scaled, VALID, plan.window).double().numpy()
            valid = ((scaler.unscale(said) - self.series[:, VALID]) ** 2).mean(axis=1)
        is_lecture = plan.system == LECTURE
        known = scaled[:, : _LECTURE_LEARNS_FROM if is_lecture else N_TRAIN]
        nets = yield from self._fit(plan, known, None)
        if self.stopped():
            return
        fed = fed_truth(nets, scaled, TEST, plan.window).double().numpy()
        horizon = TEST.stop - TEST.start
        free = running_free(nets, scaled[:, : TEST.start], horizon, plan.window).double().numpy()
        kind: Literal["ours", "baseline"] = "baseline" if is_lecture else "ours"
        outcome = Outcome(plan.system, scaler.unscale(fed), scaler.unscale(free), valid, kind)
        (self.others if is_lecture else self.ours).append(outcome)
        if is_lecture:
            self._compare(nets, scaled)
        elif plan.is_candidate:
            nets.only(0).save(self.out / plan.nets.cell)

    def _compare(self, nets: Nets, scaled: torch.Tensor) -> None:
        """The one figure that the lecture printed, in its own units and on its own windows."""
        targets = slice(_LECTURE_LEARNS_FROM, N_TRAIN)
        errors = (fed_truth(nets, scaled, targets, WINDOW) - scaled[:, targets]).square().mean(1)
        values = [float(error) for error in errors]
        self.lecture_rows.append(
            Row(
                LECTURE,
                "validation MSE, last 20 windows (scaled to 0 ... 1)",
                float(np.mean(values)),
                min(values),
                max(values),
                "baseline",
                LECTURE_VALID,
                f"{self.settings.lecture_epochs} epochs; ours is scaled by the training part alone",
            )
        )

    def _fit(
        self, plan: Plan, known: torch.Tensor, held_out: torch.Tensor | None
    ) -> Generator[Event, None, Nets]:
        """Train new networks on known series (D, T); with `held_out`, tell the loss there."""
        torch.manual_seed(self.settings.seed)
        nets = Nets(plan.nets)
        valid = None
        if held_out is not None:
            valid = Pieces(held_out[:, :N_TRAIN], N_TRAIN - 1, VALID.start - 1)
        data = Pieces(known, plan.length, plan.first)
        for event in fit(nets, data, valid, plan.fit, stopped=self.stopped):
            if isinstance(event, Step):
                self._done += plan.cost
            elif isinstance(event, Evaluated):
                name = f"{plan.system}: held-out loss"
                self.curves.setdefault(name, []).append((event.step, event.valid_loss))
                yield Point(name, event.step, event.valid_loss)
            if time.perf_counter() - self._told > 0.25:
                yield self.progress(plan.system)
        return nets.eval().cpu()

    def progress(self, stage: str) -> Progress:
        """Where the run stands."""
        self._told = time.perf_counter()
        share = min(1.0, self._done / self._total)
        left = (self._told - self._start) * (1 - share) / share if share else None
        return Progress(stage, share, left)

    def report(self) -> Report:
        """All there is so far."""
        stopped = len(self.ours) + 1 < len(self.plans)
        systems = [*self.ours]
        whole = [outcome for outcome in self.ours if outcome.valid is not None]
        if len(whole) == len(CELLS):
            outcome, self.chosen = choose(whole)
            systems.insert(0, outcome)
        rows = [row for outcome in systems for row in rows_of(outcome, self.series)]
        rows += [row for outcome in self.others for row in rows_of(outcome, self.series)]
        rows += [*self.lecture_rows, *floor_rows(self.series)]
        shown = [o for o in (*systems, *self.others) if o.system not in ("mean", "persistence")]
        figures = [
            *forecast_figures(shown, self.series[0]),
            drift_figure(shown, self.series),
            learning_figure(self.curves),
        ]
        facts = {
            "seconds": round(time.perf_counter() - self._start, 1),
            "draws": list(range(self.settings.seed, self.settings.seed + len(self.series))),
            "chosen": self.chosen,
            "training values": N_TRAIN,
            "validation targets": [VALID.start, VALID.stop - 1],
            "test targets": [TEST.start, TEST.stop - 1],
            "torch": torch.__version__,
        }
        return Report("sine", asdict(self.settings), rows, figures, facts, stopped)


def run(
    settings: Settings, out: Path, *, stopped: Stopped = lambda: False
) -> Generator[Event, None, None]:
    """Train every kind of network on every draw; the first draw's go into `out`, for `forecast`.

    Yields
    ------
    Progress, Point, Done
        `Done` last, after the report was saved; if `stopped` turned true, with the systems that
        were ready by then.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = _Run(settings, out, stopped)
    state.baselines()
    yield state.progress("baselines")
    for plan in state.plans:
        if not stopped():
            yield from state.train(plan)
    report = state.report()
    chosen = state.chosen[0].partition(",")[0].lower() if state.chosen else None
    info = {"draw": settings.seed, "chosen": chosen}
    (out / INFO).write_text(json.dumps(info) + "\n", encoding="utf-8")
    report.save(out)
    yield Done(report)
