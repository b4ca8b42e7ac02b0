"""Charts as SVG: axes with round numbers, lines and dots told apart by more than colour.

What is drawn comes as `recurrent.lab.report.Figure`; the race draws its own lines on the same axes.
Colours come from the style sheet around a chart, so that it is right by day and by night. The text
keeps its size, so a phone gets a drawing of its own and not a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurrent.lab.report import Figure, Series

WIDE, NARROW = 720, 350
LEFT, TOP, BOTTOM = 46, 14, 46
LINE = 16  # pixels between two names
DASHES = ("", "9 5", "2 4", "12 4 2 4", "5 3", "1 3", "14 4", "6 2 2 2")
N_COLOURS = 8
_MOST = 400  # points of a line; more cannot be seen
_MOST_DOTS = 1200
_NAMED = 18  # characters of a name that still fits beside its line
_CHARACTER = 8.0  # pixels, in bold
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plot:
    """Values -> pixels: the ranges of both axes, and the rectangle they fill."""

    across: XY
    up: XY
    right: int
    bottom: int
    left: int = LEFT

    def x(self, value: float) -> float:
        """Pixels from the left."""
        low, high = self.across
        return self.left + (self.right - self.left) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        low, high = self.up
        return self.bottom - (self.bottom - TOP) * (value - low) / (high - low)


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Round numbers from below the least to above the greatest: 1, 2 or 5 apart, or times ten."""
    span = max(high - low, abs(high) * 1e-3, 1e-9)
    rough = span / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """A number in a few characters: 1.2k, 3M, 4e13."""
    if abs(value) >= 1e12:
        return f"{value:.2g}".replace("e+", "e")
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def grid(plot: Plot, across: Iterable[str], up: Iterable[str], at: XY, steps: XY, label: str,
         prefix: str) -> str:  # fmt: skip
    """Both axes: lines across, numbers below and beside them, the label of the x axis.

    Parameters
    ----------
    across, up : iterable of str
        The numbers as text.
    at, steps : (float, float)
        The first number of each axis, x before y, and how far apart they are.
    prefix : str
        Begins the classes of the style sheet.
    """
    parts = []
    for i, text in enumerate(up):
        y = plot.y(at[1] + i * steps[1])
        parts.append(
            f'<line class="{prefix}-grid" x1="{plot.left}" x2="{plot.right}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text x="{plot.left - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(text)}</text>"
        )
    every = 1 if plot.right > 400 else 2
    for i, text in enumerate(across):
        if i % every == 0:
            parts.append(
                f'<text x="{plot.x(at[0] + i * steps[0]):.1f}" y="{plot.bottom + 18}" '
                f'text-anchor="middle">{escape(text)}</text>'
            )
    middle = (plot.left + plot.right) / 2
    parts.append(
        f'<text x="{middle:.1f}" y="{plot.bottom + 38}" text-anchor="middle">{escape(label)}</text>'
    )
    return "".join(parts)


def names_at_ends(names: Sequence[tuple[float, str, str]], plot: Plot) -> list[str]:
    """Names (y in pixels, class, text) at the right edge, none over another."""
    placed: list[float] = []
    for y, _, _ in sorted(names):
        placed.append(max(y, placed[-1] + LINE) if placed else y)
    over = max(0.0, placed[-1] - plot.bottom) if placed else 0.0
    for i in range(len(placed) - 1, -1, -1):  # push up from the bottom what does not fit
        most = plot.bottom if i == len(placed) - 1 else placed[i + 1] - LINE
        placed[i] = min(placed[i], most) if over else placed[i]
    return [
        f'<text class="{escape(kind)}" x="{plot.right + 8}" y="{y + 4:.1f}">{escape(text)}</text>'
        for (_, kind, text), y in zip(sorted(names), placed, strict=True)
    ]


def figure_svg(figure: Figure, width: int = WIDE) -> str:
    """The series of a figure over its axes; an empty string where there is nothing to draw."""
    drawn = [(i, series) for i, series in enumerate(figure.series) if _finite(series)]
    if not drawn:
        return ""
    xs = [x for _, series in drawn for x, _ in _finite(series)]
    ys = [y for _, series in drawn for y in _reach(series)]
    alone = 0.5 if min(xs) == max(xs) else 0.0  # one place needs room on both sides
    across = ticks(min(xs) - alone, max(xs) + alone, 6)
    up = ticks(min(ys), max(ys), 6)
    longest = max(len(series.name) for _, series in drawn)
    at_ends = width >= WIDE and _fit(drawn)
    right = width - (round(longest * _CHARACTER) + 16 if at_ends else 12)
    said = [_plain(value, up[1] - up[0]) for value in up]
    left = max(LEFT, round(max(len(text) for text in said) * _CHARACTER) + 12)
    height = 340 if width >= WIDE else 280
    plot = Plot((across[0], across[-1]), (up[0], up[-1]), right, height - BOTTOM, left)
    steps = (across[1] - across[0], up[1] - up[0])
    parts = [
        grid(
            plot, [_plain(v, steps[0]) for v in across], said, (across[0], up[0]), steps,
            figure.x_label, "lp-chart",
        )
    ]  # fmt: skip
    parts += [_band(series, i, plot) for i, series in drawn if series.low]
    parts += [_series(series, i, plot) for i, series in drawn]
    if at_ends:
        ends = [
            (plot.y(_finite(series)[-1][1]), f"lp-chart-name lp-chart-{i % N_COLOURS}", series.name)
            for i, series in drawn
        ]
        parts += names_at_ends(ends, plot)
    label = f"{figure.title}. {figure.y_label} by {figure.x_label}. " + " ".join(
        f"{series.name}: {short(min(_ys(series)))} to {short(max(_ys(series)))}."
        for _, series in drawn
    )
    return (
        f'<svg class="lp-chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


def legend_html(figure: Figure) -> str:
    """What each line, dot and band is, in words, each with a piece of it."""
    keys = []
    for i, series in enumerate(figure.series):
        if not _finite(series):
            continue
        dash = DASHES[i % len(DASHES)]
        mark = f'<line x1="0" x2="28" y1="6" y2="6" stroke-dasharray="{dash}"/>'
        if series.points:
            mark = '<circle cx="14" cy="6" r="3"/>'
        if series.low:
            mark = '<rect width="28" height="12"/>' + mark
        keys.append(
            f'<li><svg class="lp-chart-key lp-chart-{i % N_COLOURS}" width="28" height="12"'
            f' aria-hidden="true">{mark}</svg><span>{escape(series.name)}</span></li>'
        )
    drawn = [(i, series) for i, series in enumerate(figure.series) if _finite(series)]
    # Where the names stand at the ends of the lines, only a phone needs the legend.
    spare = " lp-chart-narrow" if _fit(drawn) and not any(s.low for _, s in drawn) else ""
    return f'<ul class="lp-chart-legend{spare}">{"".join(keys)}</ul>' if len(keys) > 1 else ""


def figure_html(figure: Figure) -> str:
    """A figure with title and legend, drawn for a wide screen and for a phone."""
    wide = figure_svg(figure, WIDE)
    if not wide:
        return ""
    up = f'<span class="lp-chart-up">{escape(figure.y_label)}</span>' if figure.y_label else ""
    return (
        f'<figure class="lp-figure"><figcaption>{escape(figure.title)}{up}</figcaption>'
        f'<div class="lp-chart-wide">{wide}</div>'
        f'<div class="lp-chart-narrow">{figure_svg(figure, NARROW)}</div>'
        f"{legend_html(figure)}</figure>"
    )


def _fit(drawn: Sequence[tuple[int, Series]]) -> bool:
    """Whether the names have room at the ends of the lines."""
    return 1 < len(drawn) <= 6 and all(
        len(series.name) <= _NAMED and not series.points for _, series in drawn
    )


def _series(series: Series, i: int, plot: Plot) -> str:
    colour = f"lp-chart-{i % N_COLOURS}"
    if series.points:
        return "".join(
            f'<circle class="lp-chart-dot {colour}" r="2.6" cx="{plot.x(x):.1f}" '
            f'cy="{plot.y(y):.1f}"/>'
            for x, y in _thinned(_finite(series), _MOST_DOTS)
        )
    dash = DASHES[i % len(DASHES)]
    lines = []
    for piece in _pieces(series):
        at = [(plot.x(x), plot.y(y)) for x, y in _thinned(piece, _MOST)]
        if len(at) == 1:  # no line can be seen
            lines.append(
                f'<circle class="lp-chart-dot {colour}" r="4" cx="{at[0][0]:.1f}" '
                f'cy="{at[0][1]:.1f}"/>'
            )
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        lines.append(
            f'<polyline class="lp-chart-line {colour}" stroke-dasharray="{dash}" points="{path}"/>'
        )
    return "".join(lines)


def _band(series: Series, i: int, plot: Plot) -> str:
    rows = [
        (x, low, high)
        for x, low, high in zip(series.x, series.low, series.high, strict=False)
        if _is(x) and _is(low) and _is(high)
    ]
    rows = rows[:: max(1, len(rows) // _MOST)]
    there = [f"{plot.x(x):.1f},{plot.y(high):.1f}" for x, _, high in rows]
    back = [f"{plot.x(x):.1f},{plot.y(low):.1f}" for x, low, _ in reversed(rows)]
    return (
        f'<polygon class="lp-chart-band lp-chart-{i % N_COLOURS}" '
        f'points="{" ".join([*there, *back])}"/>'
    )


def _is(value: float | None) -> bool:
    """Whether it is a number that can be drawn; a report holds null for what is not."""
    return value is not None and math.isfinite(value)


def _finite(series: Series) -> list[XY]:
    pairs = zip(series.x, series.y, strict=False)
    return [(float(x), float(y)) for x, y in pairs if _is(x) and _is(y)]


def _ys(series: Series) -> list[float]:
    return [y for _, y in _finite(series)]


def _reach(series: Series) -> list[float]:
    """All that must be in sight: the values and the band around them."""
    return [*_ys(series), *(v for v in (*series.low, *series.high) if _is(v))]


def _pieces(series: Series) -> list[list[XY]]:
    """The line, cut where a value is missing."""
    pieces: list[list[XY]] = [[]]
    for x, y in zip(series.x, series.y, strict=False):
        if _is(x) and _is(y):
            pieces[-1].append((float(x), float(y)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _thinned(points: list[XY], most: int) -> list[XY]:
    """At most so many points, with the first, the last and the peaks kept."""
    if len(points) <= most:
        return points
    n = max(1, most // 2)
    kept = {0, len(points) - 1}
    for k in range(n):
        part = range(k * len(points) // n, (k + 1) * len(points) // n)
        kept |= {min(part, key=lambda j: points[j][1]), max(part, key=lambda j: points[j][1])}
    return [points[j] for j in sorted(kept)]


def _plain(value: float, step: float) -> str:
    """A number of an axis with as many places as its steps need."""
    if abs(value) >= 10_000 or (value and abs(value) < 1e-3):
        return short(0.0 if abs(value) < step * 1e-6 else value)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value + 0.0:.{places}f}".replace("-0." + "0" * places, "0." + "0" * places)
