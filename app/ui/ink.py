"""Text with its copied ink shown: spans that stand verbatim in the training text are marked.

A mark is a line below the words as well as a colour. The style is in `ink.css`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from engine.overlap import Span

CSS = Path(__file__).with_suffix(".css")
COPIED = "Copied: these words stand in the training text."


def ink_html(text: str, spans: Iterable[Span]) -> str:
    """A text as HTML, escaped, with copied spans in `<mark class="lp-ink">`.

    Parameters
    ----------
    text : str
        As the model wrote it. Show it with `white-space: pre-wrap`.
    spans : iterable of Span
        In order and without overlap, as `engine.overlap.copied_spans` gives them.
    """
    parts, at = [], 0
    for span in spans:
        parts.append(escape(text[at : span.start]))
        copied = escape(text[span.start : span.stop])
        parts.append(f'<mark class="lp-ink" title="{COPIED}">{copied}</mark>')
        at = span.stop
    return "".join([*parts, escape(text[at:])])


def ink_share(text: str, spans: Iterable[Span]) -> float:
    """The share of a text's characters in the spans, 0 to 1; 0 for an empty text."""
    return sum(span.stop - span.start for span in spans) / len(text) if text else 0.0
