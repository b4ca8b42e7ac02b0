"""From a network trained on quantiles to intervals of the test part, and what they hold."""

from __future__ import annotations

import numpy as np

from recurrent.lab.weather import intervals
from recurrent.lab.weather.models import Trained, predict
from recurrent.lab.weather.outcome import Intervals
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.settings import Settings
from recurrent.lab.weather.windows import Plan

NAMES = {
    "as trained": "quantiles as trained",
    "split": "calibrated once",
    "rolling": "calibrated as time goes on",
}
_LEAST_MEMORY = 100  # scores, below which 90% of them is a rough figure


def calibrate(trained: Trained, plan: Plan, settings: Settings) -> tuple[Intervals, float]:
    """Widen the network's intervals by its errors on the validation part.

    Three ways are measured: its quantiles as they are, one widening from the validation part, and
    one that moves on with the errors known at each time. `settings.calibration` says which of the
    last two is kept.

    Returns
    -------
    intervals : Intervals
    widening : float
        That of the newest interval, in z-units, for forecasts to come.
    """
    low, _, high = predict(trained.model, plan, plan.valid, settings.device).T
    known = intervals.scores(low, high, plan.targets(plan.valid))
    low, middle, high = predict(trained.model, plan, plan.test, settings.device).T
    truth = plan.targets(plan.test)
    widths = {
        "as trained": np.zeros(len(truth)),
        "split": np.full(len(truth), intervals.widening(known, settings.coverage)),
        "rolling": intervals.rolling_widening(
            known,
            intervals.scores(low, high, truth),
            settings.coverage,
            delay=plan.horizon,
            memory=max(_LEAST_MEMORY, int(settings.memory_days * 1440 / plan.step_minutes)),
        ),
    }
    kept = widths[settings.calibration]
    months, monthly = _by_month(plan, low, high, truth, widths)
    found = Intervals(
        family=trained.family,
        seed=trained.seed,
        chosen=NAMES[settings.calibration],
        low=low - kept,
        middle=middle,
        high=high + kept,
        coverage={
            NAMES[way]: intervals.measure(low - width, high + width, truth)
            for way, width in widths.items()
        },
        monthly=monthly,
        months=months,
    )
    return found, float(kept[-1])


def _by_month(
    plan: Plan, low: Floats, high: Floats, truth: Floats, widths: dict[str, Floats]
) -> tuple[list[float], dict[str, list[float]]]:
    """The share held in each month of the test part, and the months as years."""
    at = plan.times[plan.test + plan.horizon].astype("datetime64[M]").astype(int)
    months = np.unique(at)
    held = {
        NAMES[way]: [
            intervals.measure((low - w)[at == m], (high + w)[at == m], truth[at == m]).share
            for m in months
        ]
        for way, w in widths.items()
    }
    return [round(1970 + float(m) / 12, 3) for m in months], held
