"""What a unit does as HTML: the shaded text, the curve, the numbers, the units that were found.

As in `paper`, all that a person or a model wrote goes through `html.escape`, and the page shows
what is made here by the constant template `${value}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from app.compare.cells import Without
from recurrent.insight import GATES, Unit
from recurrent.telling import NOTICED, Telling

Numbers = NDArray[np.floating]
_STEPS = 4  # shades on either side of the middle
_COLUMNS = 500  # points of the curve at most, each with its lowest and its highest value
_WIDE, _HIGH = 1000, 160  # units of the drawing, which is stretched to its place


@dataclass(frozen=True, slots=True)
class Scale:
    """Which values are the middle and the darkest shades."""

    middle: float
    half: float

    @classmethod
    def of(cls, values: Numbers, part: str) -> Scale:
        """From 0 to 1 for a gate; else as far from 0 as all but the farthest values go."""
        if part in GATES:
            return cls(0.5, 0.5)
        return cls(0.0, max(float(np.quantile(np.abs(values), 0.995)), 1e-6))

    def shade(self, value: float) -> int:
        """From -4 to 4."""
        return max(-_STEPS, min(_STEPS, round((value - self.middle) / self.half * _STEPS)))

    def value(self, shade: int) -> float:
        """The value in the middle of a shade."""
        return self.middle + self.half * shade / _STEPS


def unit_html(text: str, values: Numbers, unit: Unit, part: str) -> str:
    """A unit along a text: a sentence about it, the curve, the text in shades, the numbers."""
    scale = Scale.of(values, part)
    what = f"{part.capitalize()} value of unit {unit}"
    low, high, mean = (_number(value) for value in (values.min(), values.max(), values.mean()))
    said = f"From {low} to {high}, {mean} on average."
    return (
        f'<section class="lp-cells-unit"><h3>{escape(what)}</h3><p>{escape(said)}</p>'
        f"{_curve(text, values, scale, f'{what} along the text. {said}')}{_legend(scale)}"
        f"{shaded_html(text, values, scale, what)}{_words(text, values)}</section>"
    )


def shaded_html(text: str, values: Numbers, scale: Scale, what: str) -> str:
    """A text with each character shaded by its value, which a pointer brings up."""
    shown = []
    for character, value in zip(text, values.tolist(), strict=True):
        shade = scale.shade(value)
        kind = f"lp-cells-{'n' if shade < 0 else 'p'}{abs(shade)}"
        if character == "\n":
            kind += " lp-cells-end"
        shown.append(f'<i class="{kind}" title="{_number(value)}">{escape(character)}</i>')
    # For a screen reader the text as a whole, and not a thousand elements of one letter.
    return (
        f'<div class="lp-cells-text" role="region" tabindex="0" aria-label="{escape(what)}: the '
        f'text"><span class="lp-hidden">{escape(text)}</span>'
        f'<span aria-hidden="true">{"".join(shown)}</span></div>'
    )


def _legend(scale: Scale) -> str:
    boxes = "".join(
        f'<span class="lp-cells-{"n" if s < 0 else "p"}{abs(s)}">{_number(scale.value(s))}</span>'
        for s in range(-_STEPS, _STEPS + 1)
    )
    return f'<p class="lp-cells-legend"><b>Shades</b> {boxes}</p>'


def _curve(text: str, values: Numbers, scale: Scale, said: str) -> str:
    """The values as a line; of a long text the lowest and highest of each stretch."""
    low = min(float(values.min()), scale.value(-_STEPS))
    high = max(float(values.max()), scale.value(_STEPS))
    per = -(-len(values) // _COLUMNS)

    def place(at: float, value: float) -> str:
        x = at / max(1, len(values) - 1) * _WIDE
        return f"{x:.1f},{(high - value) / (high - low) * _HIGH:.1f}"

    points = []
    for start in range(0, len(values), per):
        stretch = values[start : start + per]
        ends = {start + int(stretch.argmin()), start + int(stretch.argmax())}
        points += [place(at, float(values[at])) for at in sorted(ends)]
    paragraphs = "".join(
        f'<path class="lp-cells-line" d="M{place(match.end(), high)} {place(match.end(), low)}"/>'
        for match in re.finditer(r"\n+", text)
    )
    middle = f"M{place(0, scale.middle)} {place(len(values) - 1, scale.middle)}"
    return (
        '<div class="lp-cells-curve"><div class="lp-cells-axis" aria-hidden="true">'
        f"<span>{_number(high)}</span><span>{_number(scale.middle)}</span>"
        f"<span>{_number(low)}</span></div>"
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(said)}">{paragraphs}<path class="lp-cells-middle" d="{middle}"/>'
        f'<polyline points="{" ".join(points)}"/></svg></div>'
        f'<p class="lp-cells-below"><span>character 1</span><span>{len(values):,}</span></p>'
    )


def _words(text: str, values: Numbers) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(match[0])}</th><td>{_number(values[match.start()])}</td>"
        f"<td>{_number(values[match.end() - 1])}</td></tr>"
        for match in re.finditer(r"\S+", text)
    )
    return (
        "<details class=lp-cells-words><summary>The numbers, word by word</summary>"
        '<div role="region" tabindex="0" aria-label="The numbers, word by word"><table><thead><tr>'
        "<th scope=col>Word</th><th scope=col>At its first character</th><th scope=col>At its last"
        f"</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def found_html(found: Sequence[Telling], n_units: int, left_out: Sequence[str]) -> str:
    """The telling units, with what their scores are to be held against."""
    heads = ("Unit", "Score", "By chance", "Last character", "Verdict")
    rows = []
    for t in found:
        cells = (t.unit, _number(t.score), _number(t.control), _number(t.alone), _verdict(t))
        rows.append(
            f"<tr><th scope=row>{escape(_first_upper(NOTICED[t.what]))}</th>"
            # On a phone there is no room for the row of heads: each number carries its own.
            + "".join(
                f'<td data-head="{head}">{cell}</td>'
                for head, cell in zip(heads, cells, strict=True)
            )
            + "</tr>"
        )
    tried = f"{found[0].n_units:,}" if found else "0"
    missing = ", ".join(NOTICED[name] for name in left_out)
    missing = f" Not looked for, since the text has too little of it: {missing}." if missing else ""
    return (
        '<section class="lp-cells-found"><table><thead><tr><th scope=col>What it tells</th>'
        f"{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><p>The best of {tried} of {n_units:,} units for "
        "each, chosen on one half of the texts; the <b>score</b> is its rank correlation on the "
        "other half, 1 or -1 at best (below 0 it is low where the thing is). <b>By chance</b>: the "
        "best of nineteen such searches with the marks shifted. <b>Last character</b>: how much "
        "that alone tells; a unit that says more remembers something."
        f"{escape(missing)}</p></section>"
    )


def _verdict(telling: Telling) -> str:
    if not telling.tells:
        return "no more than chance"
    if abs(telling.score) <= telling.alone + 0.05:
        return "no more than the last character"
    return "tells it from memory"


def without_html(without: Without) -> str:
    """Bits per byte with and without a unit, where it is missed, and the two samples."""
    unit, parts = without.unit, []
    if len(without.scores) == 2:
        with_it, without_it = (f"{score.bits_per_byte:.4f}" for score in without.scores)
        bounds = "the text is too short for an interval"
        if without.interval is not None:
            bounds = "95% between {:+.4f} and {:+.4f}".format(*without.interval)
        parts.append(
            f'<dl class="lp-cells-bits"><div><dt>With unit {unit}</dt><dd>{with_it}</dd></div>'
            f"<div><dt>Held at {without.value:.2f}</dt><dd>{without_it}</dd></div>"
            f"<div><dt>Difference</dt><dd>{without.difference:+.4f}</dd></div></dl>"
            f"<p>Bits per byte of the text; {bounds}.</p>"
        )
        what = f"Bits that each character costs more without unit {unit}"
        scale = Scale.of(without.cost, "")
        parts.append(
            f"<details><summary>Where it is missed</summary><p>{what}.</p>{_legend(scale)}"
            f"{shaded_html(without.text, without.cost, scale, what)}</details>"
        )
    samples = "".join(
        f'<div class="lp-cells-sample"><h4>{how}</h4><p lang="en"><span>{escape(without.opening)}'
        f"</span>{escape(sample)}</p></div>"
        for how, sample in zip((f"With unit {unit}", "Without it"), without.samples, strict=False)
    )
    if samples:
        parts.append(f'<div class="lp-cells-samples">{samples}</div>')
    return f'<section class="lp-cells-without">{"".join(parts)}</section>' if parts else ""


def choices(found: Sequence[Telling]) -> list[tuple[str, str]]:
    """The telling units to choose from, each with its name."""
    return [
        (f"{_first_upper(NOTICED[t.what])}: {t.unit} ({_number(t.score)})", str(t.unit))
        for t in found
    ]


def _first_upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def _number(value: float) -> str:
    return f"{float(value):.2f}".replace("-0.00", "0.00")
