"""A person's own weather file as the page tells of it, and forecasts as figures.

The file is read by the experiment's reader alone; here is only how it is shown.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from app.console import visible
from app.lab.table import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recurrent.lab.report import Figure
    from recurrent.lab.weather import Finding, Forecast, Inspection

_ALARMS = {
    "scaler": "Scaler fitted on the training part only",
    "target": "No input tells the target ahead of time",
    "shuffle": "Parts divided in time, with a gap",
}


def inspection_html(found: Inspection) -> str:
    """What is in a file: its times, and each column."""
    rows = "".join(
        f'<tr><th scope="row">{escape(visible(column.name))}</th>'
        f'<td data-label="Kind">{escape(column.kind)}</td>'
        f'<td data-label="From">{number(column.low)}</td><td data-label="To">{number(column.high)}'
        f'</td><td data-label="Missing">{column.n_missing:,}</td>'
        f'<td data-label="Longest gap">{column.longest_gap:,} rows</td></tr>'
        for column in found.columns
    )
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("Column", "Kind", "From", "To", "Missing", "Longest gap")
    )
    notes = "".join(f"<li>{escape(visible(note))}</li>" for note in found.notes)
    return (
        f"<p>{found.n_rows:,} rows from {_minute(found.first)} to {_minute(found.last)}, "
        f"{found.step_minutes} minutes apart; times from {escape(visible(found.time_column))}.</p>"
        f'<table class="lp-lab-table"><caption>Its columns.</caption><thead><tr>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table>"
        + (f'<ul class="lp-lab-notes">{notes}</ul>' if notes else "")
    )


def alarms_html(findings: Sequence[Finding]) -> str:
    """Each alarm: whether it rings, and why."""
    items = "".join(
        f'<li class="lp-alarm{" lp-alarm-rings" if finding.rings else ""}">'
        f"<b>{'⚠ Alarm' if finding.rings else '✓ Quiet'}: "
        f"{escape(_ALARMS.get(finding.alarm, finding.alarm))}</b> "
        f"<span>{escape(visible(finding.message))}</span></li>"
        for finding in findings
    )
    return f'<ul class="lp-alarms" aria-label="Leak alarms">{items}</ul>'


def forecast_figure(made: Forecast) -> Figure:
    """What the network read, what it forecast with its band, and what came."""
    from recurrent.lab.report import Figure, Series

    start = _hours(made.history_times[-1])
    past = [_hours(time) - start for time in made.history_times]
    ahead = [_hours(time) - start for time in made.times]
    known: list[Any] = [(x, y) for x, y in zip(ahead, made.truth, strict=True) if y is not None]
    band = f"forecast, {made.coverage:.0%} band"
    series = [
        Series("read", past, made.history),
        Series(band, ahead, made.middle, low=made.low, high=made.high),
    ]
    if known:
        series.append(Series("what came", [x for x, _ in known], [y for _, y in known]))
    return Figure(
        "forecast",
        f"{made.target} of {made.series}, each value forecast {made.horizon_hours:g} hours ahead",
        f"hours from {_minute(made.history_times[-1])}",
        made.unit,
        series,
    )


def _minute(time: str) -> str:
    return escape(time[:16].replace("T", " "))


def _hours(time: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(time).timestamp() / 3600
