"""A run of the lab as HTML: bars, table, figures, images, facts, and the curves while it runs.

Everything that came from data or from a person is escaped here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.charts import figure_html
from app.console import visible
from app.lab.folder import Run
from app.lab.table import HEADINGS, rows_of

if TYPE_CHECKING:
    from recurrent.lab.report import Figure, Report, Row

MOST_BYTES = 3_000_000  # of one image in the page
ALL_BYTES = 12_000_000  # of all of a run
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"GIF87a": "image/gif", b"GIF89a": "image/gif"}


def curves_html(run: Run) -> str:
    """The curves that grow while a run goes on, each over its own axes."""
    from recurrent.lab.report import Figure, Series

    figures = [
        Figure(name, name, "", "", [Series(name, [x for x, _ in points], [y for _, y in points])])
        for name, points in run.curves.items()
        if len(points) > 1
    ]
    return "".join(figure_html(figure) for figure in figures)


def table_html(rows: Sequence[Row]) -> str:
    """The table of all figures; what differs between ours and the lecture's stands below it."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in HEADINGS)
    body = "".join(
        f'<tr class="lp-lab-{escape(cells[-1])}"><th scope="row">{escape(visible(cells[0]))}</th>'
        + "".join(
            f'<td data-label="{escape(heading)}">{escape(visible(cell))}</td>'
            for heading, cell in zip(HEADINGS[1:], cells[1:], strict=True)
        )
        + "</tr>"
        for cells in rows_of(rows)
    )
    notes = dict.fromkeys(row.note for row in rows if row.note)
    below = "".join(f"<li>{escape(visible(note))}</li>" for note in notes)
    return (
        '<table class="lp-lab-table"><caption>All figures of the run.</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        + (f'<ul class="lp-lab-notes">{below}</ul>' if below else "")
    )


def figures_html(report: Report, folder: Path) -> str:
    """The figures of a report, lines first and images where they have some."""
    left = ALL_BYTES
    parts = []
    for figure in report.figures:
        parts.append(figure_html(figure))
        if figure.images:
            html, left = _images_html(figure, folder, left)
            parts.append(html)
    return "".join(parts)


def image_uri(path: Path, most: int = MOST_BYTES) -> str:
    """A PNG or GIF as a data: address; an empty string where it is none, or too large."""
    try:
        if not 0 < path.stat().st_size <= most:
            return ""
        data = path.read_bytes()
    except OSError:
        return ""
    return bytes_uri(data)


def bytes_uri(data: bytes) -> str:
    """An image's bytes as a data: address, told by how they begin; else an empty string."""
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}" if kind else ""


def facts_html(report: Report) -> str:
    """Settings and facts as a list of names and values."""
    rows = [*_flat("", report.facts), *_flat("setting ", report.settings)]
    items = "".join(
        f"<div><dt>{escape(visible(name))}</dt><dd>{escape(visible(value))}</dd></div>"
        for name, value in rows
    )
    return f'<dl class="lp-lab-facts">{items}</dl>'


def _images_html(figure: Figure, folder: Path, left: int) -> tuple[str, int]:
    """The images of a figure beside each other, and how many bytes are left for others."""
    cells = []
    for label, name in figure.images:
        path = folder / Path(name).name  # never out of the folder
        uri = image_uri(path, min(MOST_BYTES, left))
        left -= path.stat().st_size if uri else 0
        shown = (
            f'<img src="{uri}" alt="{escape(visible(label), quote=True)}">'
            if uri
            else "<p>This image is missing or too large for the page.</p>"
        )
        cells.append(f"<div>{shown}<span>{escape(visible(label))}</span></div>")
    # The title stands above the chart where there is one.
    caption = "" if figure.series else f"<figcaption>{escape(figure.title)}</figcaption>"
    html = f'<figure class="lp-figure">{caption}<div class="lp-lab-images">{"".join(cells)}</div>'
    return html + "</figure>", left


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, str]]:
    """Nested facts as names and values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}{key} " if isinstance(inner, dict) else f"{prefix}{key}",
                             inner)  # fmt: skip
    else:
        name = prefix.strip().replace("_", " ")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield name, text if len(text) <= 400 else text[:400] + " …"
