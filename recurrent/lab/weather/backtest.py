"""A rolling backtest: train on what lay before an origin, forecast what came after, move on.

One split can be lucky. Here the second half of the series is cut into blocks, and each is forecast
by a model that was trained on everything before it and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from recurrent.lab.weather.windows import Plan, Scaler

CHOOSING = 0.15  # of the rows before an origin, the last, to choose on


@dataclass(frozen=True)
class Origin:
    """One origin: its place in the series as a share and as a date, and its plan."""

    date: str
    year: float
    plan: Plan


def origins(plan: Plan, n: int) -> list[Origin]:
    """`n` plans whose test parts follow each other through the second half of the series.

    Training rows grow from origin to origin; the scaler sees the training part alone, and no window
    reaches back over the border before it.

    Parameters
    ----------
    plan : Plan
        With parts in order of time.
    n : int
        At least 1.
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    rows = len(plan.truth)
    known = plan.ends[plan.ends + plan.horizon < rows]
    known = known[np.isfinite(plan.truth[known + plan.horizon])]
    borders = np.linspace(rows // 2, rows, n + 1).astype(int)
    found = []
    for start, stop in pairwise(borders):
        chosen_from = int(start * (1 - CHOOSING))
        train, valid, test = (
            known[(known - plan.span + 1 >= first) & (known + plan.horizon < last)]
            for first, last in ((0, chosen_from), (chosen_from, start), (start, stop))
        )
        if not (len(train) and len(valid) and len(test)):
            continue  # a block shorter than a window and its gap
        scaler = Scaler.fit(plan.inputs, 0, chosen_from)
        at = plan.times[start].astype("datetime64[D]")
        year = at.astype("datetime64[Y]").astype(int) + 1970
        days = (at - np.datetime64(f"{year}-01-01")).astype(int)
        found.append(
            Origin(
                str(at),
                round(float(year + days / 365.25), 3),
                replace(plan, train=train, valid=valid, test=test, scaler=scaler),
            )
        )
    return found
