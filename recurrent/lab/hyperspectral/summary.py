"""The rows and charts of the experiment, from the scores of every system on every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from recurrent.lab.hyperspectral.scores import Scores, spread
from recurrent.lab.report import Figure, Row, Series

MACHINES = ("SVM, pixel's spectrum", "SVM, patch's mean spectrum")
METRICS = {"overall": "overall accuracy", "average": "average accuracy", "kappa": "kappa"}
GAIN = "overall accuracy above the better SVM, points"
NO_FIGURE = "The lecture gives no accuracy for these networks."


def rows_of(scores: Mapping[str, Sequence[Scores]], *, leaks: bool) -> list[Row]:
    """A row for each system and metric, and for each network how far it is above the SVM.

    Parameters
    ----------
    scores : mapping of system to its scores, one for each seed
        The same seeds for all systems, except that some may have ended early.
    leaks : bool
        Whether training pixels were drawn anywhere.
    """
    note = "Random split: training patches overlap test pixels." if leaks else ""
    rows = []
    for system, each in scores.items():
        is_machine = system in MACHINES
        for name, metric in METRICS.items():
            of = spread([getattr(s, name) for s in each])
            told = f"Deviation over {len(each)} seeds {of.deviation:.4f}." if len(each) > 1 else ""
            rows.append(
                Row(
                    system,
                    metric,
                    of.mean,
                    of.low,
                    of.high,
                    "baseline" if is_machine else "ours",
                    note=" ".join(filter(None, (told, note, "" if is_machine else NO_FIGURE))),
                )
            )
    machines = [m for m in MACHINES if scores.get(m)]
    if not machines:
        return rows
    better = max(machines, key=lambda m: spread([s.overall for s in scores[m]]).mean)
    for system, each in scores.items():
        if system not in MACHINES:
            # Seed by seed: both were taught and scored on the same pixels.
            pairs = zip(each, scores[better], strict=False)
            of = spread([100 * (ours.overall - theirs.overall) for ours, theirs in pairs])
            rows.append(Row(system, GAIN, of.mean, of.low, of.high, note=f"Against {better}."))
    return rows


def by_class(scores: Mapping[str, Sequence[Scores]], names: Sequence[str]) -> Figure:
    """The accuracy of each class, the mean over the seeds on which it had test pixels."""
    series = []
    for system, each in scores.items():
        x, y, low, high = [], [], [], []
        for c in range(len(names)):
            known = [s.by_class[c] for s in each if not math.isnan(s.by_class[c])]
            if known:
                of = spread(known)
                x.append(float(c + 1))
                y.append(of.mean)
                low.append(of.low)
                high.append(of.high)
        series.append(Series(system, x, y, low, high, points=True))
    told = ", ".join(f"{c} {name}" for c, name in enumerate(names, 1))
    return Figure("by-class", "Accuracy of each class", f"Class: {told}", "Share found", series)
