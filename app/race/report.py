"""A race told: its chart, its table, its samples, what was equal and what was not.

The pieces are the page's; put together with the style sheet they are a report in one HTML file that
needs nothing else. Everything that a person or a model wrote is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from app.charts import NARROW, WIDE, short
from app.console import visible
from app.race.chart import AXES, chart
from app.race.folder import Point, Race

CSS = Path(__file__).parents[1] / "ui" / "race.css"
HEADINGS = (
    "Model", "Bits per byte", "95% interval", "Parameters", "Bytes read", "Operations",
    "Training time", "Copied ink",
)  # fmt: skip
_NONE = "–"
_EVEN = 1.05  # quantities that differ by less are called equal
# The colours of the page, for a report that stands alone.
_INK = """
:root { color-scheme: light dark; --lp-paper: #fffdf7; --lp-edge: #d9ccb6; --lp-ink: #2b2118;
  --lp-soft: #6a5845; --lp-mark: #7d3b1e; --lp-alert: #9c1c1c;
  --lp-serif: "Iowan Old Style", Palatino, Georgia, "Liberation Serif", serif; }
@media (prefers-color-scheme: dark) { :root { --lp-paper: #2a2420; --lp-edge: #4d4238;
  --lp-ink: #f0e6d8; --lp-soft: #c4b39d; --lp-mark: #f0b58a; --lp-alert: #ffb4a8; } }
body { background: var(--lp-paper); color: var(--lp-ink); margin: 0 auto; max-width: 60rem;
  padding: 1rem; font: 1rem/1.55 var(--lp-serif); }
h1, h2 { line-height: 1.2; }
"""


def rows(race: Race) -> list[tuple[str, ...]]:
    """The table, a row of texts for each model under `HEADINGS`."""
    found: list[tuple[str, ...]] = []
    for name in race.settings.models:
        last = _last(race, name)
        result = race.facts.get("results", {}).get(name, {})
        score, contestant = result.get("score"), race.facts.get("contestants", {}).get(name, {})
        bits, interval = _NONE, _NONE
        if result.get("problem"):
            bits = "diverged"
        elif score:
            bits = f"{score['bits_per_byte']:.3f}"
            interval = _interval(score)
        elif last:
            bits = f"{last.bits_per_byte:.3f} so far"
        parameters = contestant.get("parameters")
        copied = result.get("copied")
        found.append((
            name, bits, interval,
            f"{parameters:,}" if parameters else _NONE,
            short(last.n_bytes) if last else _NONE,
            f"{last.flops:.2e}" if last else _NONE,
            _time(last.seconds) if last else _NONE,
            f"{copied:.0%}" if copied is not None else _NONE,
        ))  # fmt: skip
    return found


def equality(race: Race) -> list[str]:
    """What was equal and what was not, a sentence each."""
    contestants = race.facts.get("contestants", {})
    last = [point for name in race.settings.models if (point := _last(race, name))]
    measured: list[tuple[str, list[float], Any]] = [
        ("Parameters", [c["parameters"] for c in contestants.values()], lambda n: f"{n:,.0f}"),
        ("Bytes read", [p.n_bytes for p in last], short),
        ("Operations of training", [p.flops for p in last], lambda n: f"{n:.2e}"),
        ("Training time", [p.seconds for p in last], _time),
    ]
    said = [f"The budget: {race.settings.budget.described()}."]
    for what, values, form in measured:
        if len(values) < 2 or min(values) <= 0:
            continue
        low, high = min(values), max(values)
        if high / low <= _EVEN:
            said.append(f"{what}: equal to within {high / low - 1:.1%}, about {form(high)}.")
        else:
            said.append(
                f"{what}: not equal, {form(low)} to {form(high)}, the most {high / low:.1f} times "
                "the least."
            )
    return said


def chart_html(race: Race, x: str = "share") -> str:
    """The curves, drawn once for a wide screen and once for a phone; the style sheet shows one."""
    return (
        f'<div class="lp-race-wide">{chart(race, x, WIDE)}</div>'
        f'<div class="lp-race-narrow">{chart(race, x, NARROW)}</div>'
    )


def table_html(race: Race) -> str:
    """The table, with its floors below the models."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in HEADINGS)
    body = "".join(
        f'<tr><th scope="row" class="lp-race-{escape(row[0])}">{escape(row[0])}</th>'
        + "".join(
            f'<td data-label="{escape(heading)}">{escape(cell)}</td>'
            for heading, cell in zip(HEADINGS[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows(race)
    )
    floors = "".join(
        f'<tr><th scope="row">{escape(floor["name"])}</th>'
        f'<td data-label="Bits per byte">{floor["bits_per_byte"]:.3f}</td>'
        f'<td data-label="95% interval">{_interval(floor)}</td>'
        f'<td data-label="Bytes known" colspan="5">knows {short(floor["primed_with"])} bytes</td>'
        "</tr>"
        for floor in race.facts.get("floors") or race.facts.get("watched_floors", [])
    )
    if floors:
        floors = f'<tbody class="lp-race-floors">{floors}</tbody>'
    return (
        '<table class="lp-race-table"><caption>Bits per byte of held-out text: less is better. '
        "Below the models, what simpler things need for it.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{floors}</table>"
    )


def samples_html(race: Race) -> str:
    """What each model wrote after the same words; copied parts are marked."""
    results = race.facts.get("results", {})
    prompt = str(race.facts.get("prompt", ""))
    parts = []
    for name in race.settings.models:
        result = results.get(name, {})
        if result.get("problem"):
            body = f"<p>{escape(result['problem'])}</p>"
        elif "sample" in result:
            body = f'<p class="lp-race-text"><i>{escape(prompt)}</i>{_inked(result)}</p>'
        else:
            continue
        parts.append(
            f'<section class="lp-race-sample"><h4 class="lp-race-{escape(name)}">{escape(name)}'
            f"</h4>{body}</section>"
        )
    if not parts:
        return ""
    return (
        '<p class="lp-race-note">After the same words, in italics, from the held-out part. '
        "<mark>Marked</mark>: copied from the training text, 50 characters or 8 words in a row."
        f'</p><div class="lp-race-samples">{"".join(parts)}</div>'
    )


def facts_html(race: Race) -> str:
    """On what, how, and what is to be kept in mind."""
    facts = race.facts
    corpus, machine = facts.get("corpus", {}), facts.get("machine", {})
    items = list(equality(race))
    if corpus:
        items.append(
            f"Corpus: {title_of(race)}, {corpus['train_bytes']:,} bytes for training and "
            f"{corpus['held_out_bytes']:,} held out for the table, of which the curves watch "
            f"{facts.get('watched_bytes', 0):,}; SHA-256 {corpus['hash'][:16]}."
        )
    for name, c in facts.get("contestants", {}).items():
        items.append(
            f"{name}: {c['layers']} layers, {c['width']} wide, vocabulary {c['vocabulary']:,}, "
            f"batches of {c['batch']} by {c['block']}, peak learning rate {c['lr']:g}, "
            f"{c['flops_per_byte']:.3g} operations a byte."
        )
    items += [
        "Scored are the weights at the end of the budget, on the same bytes for all. GPT-2 is "
        "scored on one way of cutting the text into its tokens: an upper bound.",
        "Operations are counted after Kaplan et al. 2020: products with matrices and attention, "
        "forward and backward; embeddings, norms, gates and the optimizer are left out.",
        "Time is that of training alone; scoring and waiting for the others do not count.",
    ]
    if machine:
        versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
        items.append(
            f"Begun {facts['started']}, on {machine['device']} with {machine['threads']} threads, "
            f"precision {machine['precision']}, seed {race.settings.seed}; {versions}."
        )
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def title_of(race: Race) -> str:
    """The corpus by its name, without where it lies."""
    return Path(race.settings.corpus).name or race.settings.corpus


def report_html(race: Race) -> str:
    """The whole report as one file."""
    title = f"A race on {escape(title_of(race))}"
    state = {
        "finished": "All ran to the end of their budget.",
        "stopped": "It was stopped before its end; this is what there is.",
        "failed": f"It failed: {race.facts.get('problem', '')}",
    }.get(race.state, "It is not over; this is what there is so far.")
    axes = "".join(
        f'<input type="radio" name="x" id="x-{key}"{" checked" if key == "share" else ""}>'
        f'<label for="x-{key}">{escape(said)}</label>'
        for key, said in AXES.items()
    )
    charts = "".join(
        f'<div class="lp-race-axis x-{key}">{chart_html(race, key)}</div>' for key in AXES
    )
    shown = "".join(f"#x-{key}:checked ~ .x-{key} {{ display: block; }}\n" for key in AXES)
    samples = samples_html(race)
    samples = f"<h2>What they wrote</h2>{samples}" if samples else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<style>{_INK}{CSS.read_text('utf-8')}.lp-race-axis {{ display: none; }}\n{shown}</style>"
        f'</head><body class="lp-race"><main><h1>{title}</h1><p>{escape(state)}</p>'
        f"<fieldset><legend>Held-out bits per byte by</legend>{axes}{charts}</fieldset>"
        f"<h2>Table</h2>{table_html(race)}{samples}<h2>Equal and not equal</h2>"
        f"{facts_html(race)}</main></body></html>\n"
    )


def write_report(race: Race) -> Path:
    """Write the report into the race's folder; returns the file."""
    path = race.path / "report.html"
    path.write_text(report_html(race), encoding="utf-8")
    return path


def _last(race: Race, name: str) -> Point | None:
    points: Sequence[Point] = race.curves.get(name, [])
    return points[-1] if points else None


def _interval(score: dict[str, Any]) -> str:
    """Nothing where there is none: a compressor has no parts, a single block no spread."""
    low, high = score["low"], score["high"]
    return f"{low:.3f} to {high:.3f}" if low is not None and low < high else _NONE


def _inked(result: dict[str, Any]) -> str:
    """A sample with its copied parts marked."""
    text, at, parts = visible(str(result["sample"])), 0, []
    for start, stop in result["spans"]:
        parts += [escape(text[at:start]), f"<mark>{escape(text[start:stop])}</mark>"]
        at = stop
    return "".join(parts) + escape(text[at:])


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
