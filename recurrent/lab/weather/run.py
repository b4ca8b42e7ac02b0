"""The experiment from end to end: read, look for leaks, fit, train, calibrate, tell."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from recurrent.lab.report import Done, Event, Point, Progress, Report
from recurrent.lab.weather import baselines, intervals
from recurrent.lab.weather.alarms import find_leaks, refuse
from recurrent.lab.weather.backtest import origins
from recurrent.lab.weather.models import (
    FAMILIES,
    Trained,
    Training,
    Trial,
    draw_trials,
    predict,
    train,
)
from recurrent.lab.weather.outcome import Intervals, Outcome, figures, rows
from recurrent.lab.weather.pace import Pace, follow, tell_each
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.settings import Settings
from recurrent.lab.weather.setup import EXCERPT_NOTE, make_plan, unit_of
from recurrent.lab.weather.showing import save_setup
from recurrent.lab.weather.windows import Plan

_BASELINE_WORK = 60.0  # of the baselines together, in updates of a GRU
_MOST_LOOKED_AT = 4_000  # validation windows read at each look
_BACKTEST_STEPS = 0.5  # of the steps, in each training of the backtest
Stopped = Callable[[], bool]


def run(settings: Settings, out: Path, *, stopped: Stopped = lambda: False) -> Iterator[Event]:
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
    yield from _work_through(settings, outcome, out, pace, stopped)
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
    costs = [FAMILIES[name].cost for name in settings.network_names]
    trainings = settings.n_trials + settings.n_seeds - 1
    most = max(costs, default=0.0)
    return (
        _BASELINE_WORK * (1 + 0.5 * settings.n_origins)
        + sum(costs) * trainings * settings.steps
        + most * settings.steps
        + most * settings.steps * _BACKTEST_STEPS * settings.n_origins
    )


def _work_through(
    settings: Settings, outcome: Outcome, out: Path, pace: Pace, stopped: Stopped
) -> Iterator[Event]:
    """Everything that takes time; ends early, with what there is, when `stopped` says so."""
    yield from _fit_baselines(settings, outcome, pace, stopped)
    for name in settings.network_names:
        if stopped():
            return
        yield from _choose_and_train(settings, outcome, name, out, pace, stopped)
    if stopped() or not outcome.networks:
        return
    yield from _make_intervals(settings, outcome, out, pace, stopped)
    if settings.n_origins and settings.protocol == "honest" and settings.leak != "shuffle":
        yield from _roll(settings, outcome, pace, stopped)


def _fit_baselines(
    settings: Settings, outcome: Outcome, pace: Pace, stopped: Stopped
) -> Iterator[Event]:
    plan, n = outcome.plan, settings.n_trials
    fits: list[tuple[str, float, Callable[[], baselines.Fitted]]] = [
        ("Naive", 0.02, lambda: baselines.naive(plan)),
        ("Seasonal naive", 0.08, lambda: baselines.seasonal_naive(plan, n)),
        ("Climatology", 0.2, lambda: baselines.climatology(plan, n)),
        ("Ridge", 0.7, lambda: baselines.ridge(plan, n)),
    ]
    for name, share, fitted in fits:
        if stopped():
            return
        yield from tell_each(pace, f"Baseline: {name}", share * _BASELINE_WORK)
        outcome.baselines.append(fitted())


def _training(settings: Settings, share: float = 1.0) -> Training:
    return Training(
        steps=max(1, int(settings.steps * share)),
        batch_size=settings.batch_size,
        eval_every=settings.eval_every,
        patience=settings.patience,
        device=settings.device,
        precision=settings.precision,
    )


def _every(plan: Plan) -> int:
    return -(-len(plan.valid) // _MOST_LOOKED_AT)


def _choose_and_train(
    settings: Settings, outcome: Outcome, name: str, out: Path, pace: Pace, stopped: Stopped
) -> Iterator[Event]:
    """Try each setting once, then train the best of them from the other seeds too."""
    family, plan = FAMILIES[name], outcome.plan
    tried = outcome.trials.setdefault(name, [])
    for i, trial in enumerate(draw_trials(settings.n_trials, settings.seed), 1):
        if stopped() and tried:
            break
        stage = f"{family.title}: setting {i} of {settings.n_trials} ({trial})"
        curve = f"{family.title}, setting {i}: validation MAE ({outcome.unit})"
        tried.append(
            (
                yield from _train(
                    settings, plan, name, trial, settings.seed, pace, stage, curve, stopped
                )
            )
        )
    best = min(tried, key=lambda trained: trained.valid_loss)
    outcome.add(name, best, settings.device)
    best.model.save(out / "models" / f"{name}-seed{best.seed}")
    for seed in range(settings.seed + 1, settings.seed + settings.n_seeds):
        if stopped():
            return
        stage = f"{family.title}: seed {seed} ({best.trial})"
        curve = f"{family.title}, seed {seed}: validation MAE ({outcome.unit})"
        again = yield from _train(
            settings, plan, name, best.trial, seed, pace, stage, curve, stopped
        )
        outcome.add(name, again, settings.device)
        again.model.save(out / "models" / f"{name}-seed{seed}")


def _train(
    settings: Settings,
    plan: Plan,
    name: str,
    trial: Trial,
    seed: int,
    pace: Pace,
    stage: str,
    curve: str,
    stopped: Stopped,
    *,
    levels: tuple[float, ...] = (),
    share: float = 1.0,
) -> Generator[Progress | Point, None, Trained]:
    training = _training(settings, share)
    trained = yield from follow(
        train(
            plan, name, trial, training,
            seed=seed, levels=levels, valid_every=_every(plan), stopped=stopped,
        ),
        pace, stage, cost=FAMILIES[name].cost, steps=training.steps,
        curve=curve, unit_scale=plan.unit_scale,
    )  # fmt: skip
    return trained


def _make_intervals(
    settings: Settings, outcome: Outcome, out: Path, pace: Pace, stopped: Stopped
) -> Iterator[Event]:
    """Train the best network on quantiles and calibrate it on the validation part."""
    plan, name = outcome.plan, outcome.best_recurrent()
    trial = outcome.networks[name][0].trial
    stage = f"{FAMILIES[name].title}: quantiles for {settings.coverage:.0%} intervals"
    curve = f"{FAMILIES[name].title}: pinball loss on validation ({outcome.unit})"
    trained = yield from _train(
        settings, plan, name, trial, settings.seed, pace, stage, curve, stopped,
        levels=intervals.levels(settings.coverage),
    )  # fmt: skip
    low, _, high = predict(trained.model, plan, plan.valid, settings.device).T
    calibration = intervals.scores(low, high, plan.targets(plan.valid))
    low, middle, high = predict(trained.model, plan, plan.test, settings.device).T
    truth = plan.targets(plan.test)
    split = np.full(len(truth), intervals.widening(calibration, settings.coverage))
    rolling = intervals.rolling_widening(
        calibration,
        intervals.scores(low, high, truth),
        settings.coverage,
        delay=plan.horizon,
        memory=max(100, int(settings.memory_days * 1440 / plan.step_minutes)),
    )
    widths = {"as trained": np.zeros(len(truth)), "split": split, "rolling": rolling}
    names = {"as trained": "quantiles as trained", "split": "calibrated once",
             "rolling": "calibrated as time goes on"}  # fmt: skip
    kept = widths[settings.calibration]
    months, monthly = _by_month(plan, low, high, truth, widths)
    outcome.intervals = Intervals(
        name, trained.seed, names[settings.calibration], low - kept, middle, high + kept,
        {names[k]: intervals.measure(low - w, high + w, truth) for k, w in widths.items()},
        {names[k]: shares for k, shares in monthly.items()}, months,
    )  # fmt: skip
    # For the page: the widening that the newest forecasts get.
    save_setup(out, plan, trained.model, outcome.unit, settings.coverage, float(kept[-1]))


def _by_month(
    plan: Plan, low: Floats, high: Floats, truth: Floats, widths: dict[str, Floats]
) -> tuple[list[float], dict[str, list[float]]]:
    """The share held in each month of the test part."""
    at = plan.times[plan.test + plan.horizon].astype("datetime64[M]").astype(int)
    months = np.unique(at)
    held: dict[str, list[float]] = {
        name: [
            intervals.measure((low - w)[at == m], (high + w)[at == m], truth[at == m]).share
            for m in months
        ]
        for name, w in widths.items()
    }
    return [round(1970 + float(m) / 12, 3) for m in months], held


def _roll(settings: Settings, outcome: Outcome, pace: Pace, stopped: Stopped) -> Iterator[Event]:
    """Train the best network anew from each origin, beside the naive forecast and ridge."""
    name = outcome.best_recurrent()
    trial = outcome.networks[name][0].trial
    for origin in origins(outcome.plan, settings.n_origins):
        if stopped():
            return
        plan, title = origin.plan, f"Backtest from {origin.date}"
        truth = plan.targets(plan.test)
        yield from tell_each(pace, f"{title}: ridge", 0.5 * _BASELINE_WORK)
        fitted = [baselines.naive(plan), baselines.ridge(plan, settings.n_trials)]
        errors = {f.name: baselines.mae(f.forecast(plan.test), truth) for f in fitted}
        trained = yield from _train(
            settings, plan, name, trial, settings.seed, pace,
            f"{title}: {FAMILIES[name].title}", "", stopped, share=_BACKTEST_STEPS,
        )  # fmt: skip
        if stopped():
            return
        forecast = predict(trained.model, plan, plan.test, settings.device)[:, 0]
        errors[name] = baselines.mae(forecast, truth)
        outcome.dates.append(origin.year)
        for system, error in errors.items():
            outcome.backtest.setdefault(system, []).append(error * plan.unit_scale)


def _facts(settings: Settings, outcome: Outcome, seconds: float) -> dict[str, object]:
    plan = outcome.plan
    notes = [*plan.notes]
    if settings.source == "jena-excerpt":
        notes.append(EXCERPT_NOTE)
    if settings.leak:
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
