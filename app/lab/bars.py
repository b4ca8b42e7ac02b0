"""The figures of a report as bars: ours, the baselines, what bounds them, the lecture's beside.

A bar is told by its pattern as well as its colour: ours is full, a baseline hatched, a bound an
empty frame; the lecture's figure is a diamond. One chart for each metric, since units differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import count
from typing import TYPE_CHECKING

from app.charts import NARROW, WIDE, ticks
from app.lab.table import number

if TYPE_CHECKING:
    from recurrent.lab.report import Row

KINDS = {"ours": "ours", "baseline": "a baseline", "bound": "a bound: nothing can beat it"}
_ROW, _BAR, _FOOT = 34, 12, 28
_VALUE = 64  # pixels that a figure takes beside its bar
_numbers = count()


def metrics_of(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each metric, in the order in which the metrics come."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.metric, []).append(row)
    return found


def bars_svg(rows: Sequence[Row], width: int = WIDE) -> str:
    """The rows of one metric; an empty string where none has a number."""
    drawn = [row for row in rows if number(row.value) != "–"]
    if not drawn:
        return ""
    reach = [v for row in drawn for v in (row.value, row.low, row.high, row.lecture)]
    values = [v for v in reach if v is not None]
    low, high = min(0.0, *values), max(0.0, *values)
    marks = ticks(low, high, 5)
    last = marks[-1] if high > 0 else 0.0
    first = marks[0] if low < 0 else 0.0
    left, right = 8, width - (76 if width >= WIDE else 70)
    height = _ROW * len(drawn) + _FOOT
    pattern = f"lp-hatch-{next(_numbers)}"  # an id must be the page's only one

    def x(value: float) -> float:
        return left + (right - left) * (value - first) / ((last - first) or 1.0)

    parts = [
        f'<defs><pattern id="{pattern}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="lp-bars-ground" width="6" height="6"/>'
        '<line class="lp-bars-stripe" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
    ]
    every = 1 if width >= WIDE else 2
    for i, value in enumerate(v for v in marks if first <= v <= last):
        if i % every == 0:
            parts.append(
                f'<line class="lp-chart-grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="0" '
                f'y2="{height - _FOOT + 4}"/><text x="{x(value):.1f}" y="{height - 8}" '
                f'text-anchor="middle">{escape(number(round(value, 10)))}</text>'
            )
    parts += [
        _bar(row, i * _ROW, x, f' fill="url(#{pattern})"' if row.kind == "baseline" else "")
        for i, row in enumerate(drawn)
    ]
    told = "; ".join(
        f"{row.system} ({row.kind}) {number(row.value)}"
        + (f", the lecture {number(row.lecture)}" if row.lecture is not None else "")
        for row in drawn
    )
    return (
        f'<svg class="lp-chart lp-bars" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(f"{drawn[0].metric}: {told}", quote=True)}">{"".join(parts)}</svg>'
    )


def bars_html(rows: Sequence[Row]) -> str:
    """All metrics as charts with a key below: the one with most rows open, the others folded."""
    charts: list[str] = []
    metrics = metrics_of(rows)
    fullest = max(metrics, key=lambda metric: len(metrics[metric]), default="")
    for metric, of_metric in metrics.items():
        wide = bars_svg(of_metric, WIDE)
        if not wide:
            continue
        is_open = " open" if metric == fullest else ""
        charts.append(
            f'<details class="lp-figure"{is_open}><summary>{escape(metric)}</summary>'
            f'<div class="lp-chart-wide">{wide}</div>'
            f'<div class="lp-chart-narrow">{bars_svg(of_metric, NARROW)}</div></details>'
        )
    if not charts:
        return ""
    return f'<div class="lp-bars-all">{"".join(charts)}{_key(rows)}</div>'


def _bar(row: Row, top: float, x: Callable[[float], float], fill: str) -> str:
    zero, end = x(0.0), x(row.value)
    y = top + 18
    begin, length = min(zero, end), max(abs(end - zero), 1.0)
    parts = [
        f'<text x="8" y="{top + 13}">{escape(row.system)}</text>'
        f'<rect class="lp-bars-{escape(row.kind)}" x="{begin:.1f}" y="{y}" width="{length:.1f}" '
        f'height="{_BAR}"{fill}/>'
    ]
    far = max(zero, end)
    if row.low is not None and row.high is not None and row.low != row.high:
        a, b, middle = x(row.low), x(row.high), y + _BAR / 2
        parts.append(
            f'<path class="lp-bars-spread" d="M{a:.1f} {middle}H{b:.1f}M{a:.1f} {y + 2}v{_BAR - 4}'
            f'M{b:.1f} {y + 2}v{_BAR - 4}"/>'
        )
        far = max(far, b)
    if row.lecture is not None:
        at = x(row.lecture)
        parts.append(
            f'<path class="lp-bars-lecture" d="M{at:.1f} {y - 2}l{_BAR / 2 + 2} {_BAR / 2 + 2}'
            f'l-{_BAR / 2 + 2} {_BAR / 2 + 2}l-{_BAR / 2 + 2} -{_BAR / 2 + 2}z"/>'
        )
        if far - 10 < at < far + _VALUE:  # the figure would stand on the diamond
            far = at + 6
    parts.append(
        f'<text class="lp-bars-value" x="{far + 6:.1f}" y="{y + _BAR - 1}">'
        f"{escape(number(row.value))}</text>"
    )
    return "".join(parts)


def _key(rows: Sequence[Row]) -> str:
    """What bars and diamonds mean, of those that are there."""
    kinds = dict.fromkeys(row.kind for row in rows)
    items = [
        f'<li><span class="lp-bars-key lp-bars-key-{escape(kind)}" aria-hidden="true"></span>'
        f"{escape(KINDS.get(kind, kind))}</li>"
        for kind in kinds
    ]
    if any(row.lecture is not None for row in rows):
        items.append(
            '<li><span class="lp-bars-key lp-bars-key-lecture" aria-hidden="true">◆</span>'
            "the lecture’s own figure</li>"
        )
    if any(row.low is not None and row.low != row.high for row in rows):
        items.append(
            '<li><span class="lp-bars-key lp-bars-key-spread" aria-hidden="true">⊢⊣</span>'
            "least to greatest</li>"
        )
    return f'<ul class="lp-bars-keys">{"".join(items)}</ul>'
