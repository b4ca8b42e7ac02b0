"""The curves of a race as one SVG, for the page and for the report.

Lines differ by dash and by the name at their end, never by colour alone. Colours come from the
style sheet around it (`ui/race.css`), so that the drawing is right by day and by night.
"""

from __future__ import annotations

import math
from html import escape

from app.charts import BOTTOM, LEFT, WIDE, Plot, grid, names_at_ends, short, ticks
from app.race.folder import Race

AXES = {
    "share": "Share of the budget",
    "n_bytes": "Bytes of text read",
    "flops": "Operations of training",
    "seconds": "Seconds of training",
}
DASHES = {"rnn": "2 4", "lstm": "", "gru": "9 5", "gpt2": "12 4 2 4"}


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
    across = ticks(0.0, 1.0 if x == "share" else max(p[0] for c in curves.values() for p in c))
    up = ticks(min(ys), max(ys), 6)
    plot = Plot((0.0, across[-1]), (up[0], up[-1]), width - right, height - BOTTOM)
    said = [f"{value:.0%}" if x == "share" else short(value) for value in across]
    steps = (across[1] - across[0], up[1] - up[0])
    parts = [
        grid(plot, said, [f"{v:.2f}" for v in up], (0.0, up[0]), steps, AXES[x], "lp-race")
    ]  # fmt: skip
    names: list[tuple[float, str, str]] = []
    for floor, y in floors:
        parts.append(
            f'<line class="lp-race-floor" x1="{LEFT}" x2="{plot.right}" y1="{plot.y(y):.1f}" '
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
    parts.extend(names_at_ends(names, plot))
    last_ones = ", ".join(f"{name} {points[-1][1]:.2f}" for name, points in curves.items())
    label = f"Held-out bits per byte by {AXES[x].lower()}. Last: {last_ones}."
    return (
        f'<svg class="lp-race-chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )
