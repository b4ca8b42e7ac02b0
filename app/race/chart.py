"""The curves of a race as one SVG, for the page and for the report.

Lines differ by dash and by the name at their end, never by colour alone. Colours come from the
style sheet around it (`ui/race.css`), so that the drawing is right by day and by night.
"""

from __future__ import annotations

import math
from html import escape

from app.race.folder import Race

AXES = {
    "share": "Share of the budget",
    "n_bytes": "Bytes of text read",
    "flops": "Operations of training",
    "seconds": "Seconds of training",
}
DASHES = {"rnn": "2 4", "lstm": "", "gru": "9 5", "gpt2": "12 4 2 4"}
WIDE, NARROW = 720, 350
_LEFT, _TOP, _BOTTOM = 46, 14, 46
_LINE = 16  # pixels between two names


def chart(race: Race, x: str = "share", width: int = WIDE) -> str:
    """Held-out bits per byte of every model, and the floors beside them.

    Parameters
    ----------
    x : str
        One of `AXES`.
    width : int
        Pixels; the text keeps its size, so a phone gets a drawing of its own.

    Raises
    ------
    ValueError
        If there is no such axis.
    """
    if x not in AXES:
        raise ValueError(f"x={x!r} must be one of {', '.join(AXES)}")
    curves = {
        name: [(getattr(p, x), p.bits_per_byte) for p in points if math.isfinite(p.bits_per_byte)]
        for name, points in race.curves.items()
    }
    curves = {name: points for name, points in curves.items() if points}
    floors = [
        (str(floor["name"]), float(floor["bits_per_byte"]))
        for floor in race.facts.get("watched_floors", [])
    ]
    height = 400 if width >= WIDE else 340
    right = 128 if width >= WIDE else 84
    if not curves:
        return (
            f'<svg class="lp-race-chart" viewBox="0 0 {width} 60" role="img" '
            'aria-label="No curve yet"><text x="8" y="34">The curves begin after the first turn.'
            "</text></svg>"
        )
    ys = [y for points in curves.values() for _, y in points] + [y for _, y in floors]
    across = _ticks(0.0, 1.0 if x == "share" else max(p[0] for c in curves.values() for p in c))
    up = _ticks(min(ys), max(ys), 6)
    plot = _Plot(across[-1], (up[0], up[-1]), width - right, height - _BOTTOM)
    parts = [_grid(plot, across, up, x)]
    names: list[tuple[float, str, str]] = []
    for floor, y in floors:
        parts.append(
            f'<line class="lp-race-floor" x1="{_LEFT}" x2="{plot.right}" y1="{plot.y(y):.1f}" '
            f'y2="{plot.y(y):.1f}"/>'
        )
        names.append((plot.y(y), "lp-race-floor-name", floor.partition(" ")[0]))
    for name, points in curves.items():
        path = " ".join(f"{plot.x(a):.1f},{plot.y(b):.1f}" for a, b in points)
        last = points[-1]
        dash = DASHES.get(name, "")
        parts.append(
            f'<polyline class="lp-race-line lp-race-{escape(name)}" stroke-dasharray="{dash}" '
            f'points="{path}"/><circle class="lp-race-dot lp-race-{escape(name)}" r="3.5" '
            f'cx="{plot.x(last[0]):.1f}" cy="{plot.y(last[1]):.1f}"/>'
        )
        names.append((plot.y(last[1]), f"lp-race-name lp-race-{name}", f"{name} {last[1]:.2f}"))
    parts.extend(_names(names, plot))
    said = ", ".join(f"{name} {points[-1][1]:.2f}" for name, points in curves.items())
    label = f"Held-out bits per byte by {AXES[x].lower()}. Last: {said}."
    return (
        f'<svg class="lp-race-chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


class _Plot:
    """Values -> pixels."""

    def __init__(self, far: float, up: tuple[float, float], right: int, bottom: int) -> None:
        self.far, self.up, self.right, self.bottom = far, up, right, bottom

    def x(self, value: float) -> float:
        return _LEFT + (self.right - _LEFT) * value / self.far

    def y(self, value: float) -> float:
        low, high = self.up
        return self.bottom - (self.bottom - _TOP) * (value - low) / (high - low)


def _ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Round numbers from below the least to above the greatest: 1, 2 or 5 apart, or times ten."""
    span = max(high - low, abs(high) * 1e-3, 1e-9)
    rough = span / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _grid(plot: _Plot, across: list[float], up: list[float], x: str) -> str:
    parts = []
    for value in up:
        y = plot.y(value)
        parts.append(
            f'<line class="lp-race-grid" x1="{_LEFT}" x2="{plot.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
    every = 1 if plot.right > 400 else 2
    for i, value in enumerate(across):
        if i % every == 0:
            text = f"{value:.0%}" if x == "share" else short(value)
            parts.append(
                f'<text x="{plot.x(value):.1f}" y="{plot.bottom + 18}" text-anchor="middle">'
                f"{text}</text>"
            )
    middle = (_LEFT + plot.right) / 2
    parts.append(
        f'<text x="{middle:.1f}" y="{plot.bottom + 38}" text-anchor="middle">{AXES[x]}</text>'
    )
    return "".join(parts)


def _names(names: list[tuple[float, str, str]], plot: _Plot) -> list[str]:
    """The names at the ends of the lines, none over another."""
    placed: list[float] = []
    for y, _, _ in sorted(names):
        placed.append(max(y, placed[-1] + _LINE) if placed else y)
    over = max(0.0, placed[-1] - plot.bottom)
    for i in range(len(placed) - 1, -1, -1):  # push up from the bottom what does not fit
        most = plot.bottom if i == len(placed) - 1 else placed[i + 1] - _LINE
        placed[i] = min(placed[i], most) if over else placed[i]
    return [
        f'<text class="{escape(kind)}" x="{plot.right + 8}" y="{y + 4:.1f}">{escape(text)}</text>'
        for (_, kind, text), y in zip(sorted(names), placed, strict=True)
    ]


def short(value: float) -> str:
    """A number in a few characters: 1.2k, 3M, 4e13."""
    if abs(value) >= 1e12:
        return f"{value:.2g}".replace("e+", "e")
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"
