"""The experiment from end to end: read, look for leaks, fit, train, calibrate, tell."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from recurrent.lab.report import Done, Event, Point, Progress, Report
from recurrent.lab.weather import baselines
from recurrent.lab.weather.alarms import find_leaks, refuse
from recurrent.lab.weather.backtest import origins
from recurrent.lab.weather.calibrating import calibrate
from recurrent.lab.weather.intervals import levels
from recurrent.lab.weather.models import (
    FAMILIES,
    Trained,
    Training,
    Trial,
    draw_trials,
    predict,
    train,
)
from recurrent.lab.weather.outcome import Outcome, figures, rows
from recurrent.lab.weather.pace import Pace, follow, tell_each
from recurrent.lab.weather.residual import Linear
from recurrent.lab.weather.settings import Settings
from recurrent.lab.weather.setup import EXCERPT_NOTE, make_plan, unit_of
from recurrent.lab.weather.showing import save_setup
from recurrent.lab.weather.windows import Plan

_BASELINE_WORK = 60.0  # of the baselines together, in updates of a GRU
_MOST_LOOKED_AT = 4_000  # validation windows read at each look
_BACKTEST_STEPS = 0.5  # of the steps, in each training of the backtest


def run(
    settings: Settings, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Do it: networks and report go into `out`; see `recurrent.lab.report.Experiment`.

    Raises
    ------
    CorpusError, InputError
        If the source cannot be used, or the set-up leaks and was not asked to.
    """
    began = time.monotonic()
    pace = Pace(_work(settings))
    yield pace.tell("Reading the table")
    plan = make_plan(settings)
    outcome = Outcome(plan, unit_of(settings, plan.target), settings.coverage, find_leaks(plan))
    for finding in outcome.findings:
        yield pace.tell(f"Leak alarm, {finding.alarm}: {finding.message}")
    refuse(outcome.findings, settings.allowed_alarms)
    yield from _Run(settings, outcome, out, pace, stopped).everything()
    report = Report(
        experiment="weather",
        settings=asdict(settings),
        rows=list(rows(outcome)),
        figures=list(figures(outcome)),
        facts=_facts(settings, outcome, time.monotonic() - began),
        stopped=stopped(),
    )
    report.save(out)
    yield Done(report)


def _work(settings: Settings) -> float:
    """The work foreseen, in updates of a GRU."""
    costs = [FAMILIES[name].cost for name in settings.models]
    trainings = settings.n_trials + settings.n_seeds - 1
    most = max(costs, default=0.0) * settings.steps
    return (
        _BASELINE_WORK * (1 + 0.5 * settings.n_origins)
        + sum(costs) * trainings * settings.steps
        + most * (1 + _BACKTEST_STEPS * settings.n_origins)
    )


@dataclass
class _Run:
    """The parts of a run that take time; each ends early when `stopped` says so."""

    settings: Settings
    outcome: Outcome
    out: Path
    pace: Pace
    stopped: Callable[[], bool]

    def everything(self) -> Iterator[Event]:
        yield from self.fit_baselines()
        for name in self.settings.models:
            if self.stopped():
                return
            yield from self.choose_and_train(name)
        if self.stopped() or not self.outcome.networks:
            return
        yield from self.make_intervals()
        if self.settings.protocol == "honest" and self.settings.leak != "shuffle":
            yield from self.roll()

    def fit_baselines(self) -> Iterator[Event]:
        plan, n = self.outcome.plan, self.settings.n_trials
        fits: list[tuple[str, float, Callable[[], baselines.Fitted]]] = [
            ("Naive", 0.02, lambda: baselines.naive(plan)),
            ("Seasonal naive", 0.08, lambda: baselines.seasonal_naive(plan, n)),
            ("Climatology", 0.2, lambda: baselines.climatology(plan, n)),
            ("Ridge", 0.7, lambda: baselines.ridge(plan, n)),
        ]
        for name, share, fit in fits:
            if self.stopped():
                return
            yield from tell_each(self.pace, f"Baseline: {name}", share * _BASELINE_WORK)
            self.outcome.baselines.append(fit())

    def choose_and_train(self, name: str) -> Iterator[Event]:
        """Try each setting once, then train the best of them from the other seeds too."""
        title, first = FAMILIES[name].title, self.settings.seed
        tried = self.outcome.trials.setdefault(name, [])
        n = self.settings.n_trials
        for i, trial in enumerate(draw_trials(n, first), 1):
            if self.stopped() and tried:
                break
            stage = f"{title}: setting {i} of {n} ({trial})"
            trained = yield from self.train(name, trial, first, stage, f"{title}, setting {i}")
            tried.append(trained)
        best = min(tried, key=lambda trained: trained.valid_loss)
        self.keep(name, best)
        for seed in range(first + 1, first + self.settings.n_seeds):
            if self.stopped():
                return
            stage = f"{title}: seed {seed} ({best.trial})"
            trained = yield from self.train(name, best.trial, seed, stage, f"{title}, seed {seed}")
            self.keep(name, trained)

    def keep(self, name: str, trained: Trained) -> None:
        self.outcome.add(name, trained, self.settings.device)
        trained.model.save(self.out / "models" / f"{name}-seed{trained.seed}")

    def make_intervals(self) -> Iterator[Event]:
        """Train the best network on quantiles and calibrate it on the validation part."""
        settings, outcome = self.settings, self.outcome
        name = outcome.best_recurrent()
        title, trial = FAMILIES[name].title, outcome.networks[name][0].trial
        trained = yield from self.train(
            name,
            trial,
            settings.seed,
            f"{title}: quantiles for {settings.coverage:.0%} intervals",
            f"{title}, quantiles",
            quantiles=levels(settings.coverage),
        )
        if self.stopped():
            return
        outcome.intervals, widening = calibrate(trained, outcome.plan, settings)
        save_setup(self.out, outcome.plan, trained.model, outcome.unit, settings.coverage, widening)

    def roll(self) -> Iterator[Event]:
        """Train the best network anew from each origin, beside the naive forecast and ridge."""
        settings, outcome = self.settings, self.outcome
        name = outcome.best_recurrent()
        trial = outcome.networks[name][0].trial
        for origin in origins(outcome.plan, settings.n_origins) if settings.n_origins else []:
            if self.stopped():
                return
            plan, title = origin.plan, f"Backtest from {origin.date}"
            truth = plan.targets(plan.test)
            yield from tell_each(self.pace, f"{title}: ridge", 0.5 * _BASELINE_WORK)
            fitted = [baselines.naive(plan), baselines.ridge(plan, settings.n_trials)]
            errors = {f.name: baselines.mae(f.forecast(plan.test), truth) for f in fitted}
            trained = yield from self.train(
                name,
                trial,
                settings.seed,
                f"{title}: {FAMILIES[name].title}",
                "",
                plan=plan,
                linear=fitted[1].linear,
                share=_BACKTEST_STEPS,
            )
            if self.stopped():
                return
            forecast = predict(trained.model, plan, plan.test, settings.device)[:, 0]
            errors[name] = baselines.mae(forecast, truth)
            outcome.dates.append(origin.year)
            for system, error in errors.items():
                outcome.backtest.setdefault(system, []).append(error * plan.unit_scale)

    def train(
        self,
        name: str,
        trial: Trial,
        seed: int,
        stage: str,
        curve: str,
        *,
        plan: Plan | None = None,
        linear: Linear | None = None,
        quantiles: tuple[float, ...] = (),
        share: float = 1.0,
    ) -> Generator[Progress | Point, None, Trained]:
        """Train one network, on the run's own plan unless told otherwise."""
        settings, plan = self.settings, plan or self.outcome.plan
        training = Training(
            steps=max(1, int(settings.steps * share)),
            batch_size=settings.batch_size,
            eval_every=settings.eval_every,
            patience=settings.patience,
            device=settings.device,
            precision=settings.precision,
        )
        events = train(
            plan,
            name,
            trial,
            training,
            seed=seed,
            levels=quantiles,
            linear=linear or self.outcome.linear,
            valid_every=-(-len(plan.valid) // _MOST_LOOKED_AT),
            stopped=self.stopped,
        )
        what = "pinball loss on validation" if quantiles else "validation MAE"
        trained = yield from follow(
            events,
            self.pace,
            stage,
            cost=FAMILIES[name].cost,
            steps=training.steps,
            curve=f"{curve}: {what} ({self.outcome.unit})" if curve else "",
            unit_scale=plan.unit_scale,
        )
        return trained


def _facts(settings: Settings, outcome: Outcome, seconds: float) -> dict[str, object]:
    plan = outcome.plan
    notes = [*plan.notes]
    if settings.source == "jena-excerpt":
        notes.append(EXCERPT_NOTE)
    if settings.leak != "none":
        notes.append(f"THE SET-UP LEAKS on purpose ({settings.leak}): no figure here is honest")
    return {
        "series": plan.name,
        "target": plan.target,
        "inputs": list(plan.names),
        "rows": len(plan.truth),
        "windows": {"train": len(plan.train), "valid": len(plan.valid), "test": len(plan.test)},
        "first": str(plan.times[0]),
        "last": str(plan.times[-1]),
        "step_minutes": plan.step_minutes,
        "steps_read": plan.window,
        "horizon_hours": plan.horizon_hours,
        "gap_rows_between_targets": plan.span + plan.horizon,
        "degrees_in_one_z": plan.unit_scale,
        "alarms": [asdict(finding) for finding in outcome.findings],
        "notes": notes,
        "settings_tried": {
            FAMILIES[name].title: [
                {"setting": str(t.trial), "validation_mae_z": t.valid_loss, "updates": t.n_steps}
                for t in tried
            ]
            for name, tried in outcome.trials.items()
        },
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
