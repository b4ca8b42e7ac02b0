"""The figures of a report as rows of text, for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurrent.lab.report import Row

HEADINGS = ("System", "Metric", "Value", "Least to greatest", "Lecture", "Kind")
NONE = "–"


def rows_of(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The table, a row of texts for each figure under `HEADINGS`."""
    return [
        (
            row.system,
            row.metric,
            number(row.value),
            spread(row),
            number(row.lecture),
            row.kind,
        )
        for row in rows
    ]


def spread(row: Row) -> str:
    """The least and the greatest; nothing where one run was made or all were alike."""
    if row.low is None or row.high is None or row.low == row.high:
        return NONE
    return f"{number(row.low)} to {number(row.high)}"


def number(value: float | None) -> str:
    """A figure with as many places as tell it from another: 0.0238, 16,384, 2.57, 1e-07."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if value == int(value) and size < 1e12:
        return f"{int(value):,}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:.4f}" if size >= 0.001 else f"{value:.2g}"
