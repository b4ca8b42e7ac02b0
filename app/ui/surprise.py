"""Surprise: one text, coloured by how many bits each character costs each model."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.compare import measuring, surprise
from app.compare.surprise import Reading, Word
from app.ui import paper
from app.ui.fields import choices
from app.ui.streaming import Rounds, Watched, in_words, time_left
from app.ui.warming import default_model
from corpora.errors import InputError

CSS = Path(__file__).with_suffix(".css")
LONGEST = 4000  # characters that a browser colours without effort
# A character costs this many bits or more, in class 1, 2 and so on; below the first it is class 0.
STEPS = (1, 2, 4, 6, 9)
TEXT = """My dear Margaret,

The ferry was late again this morning, and the harbour master, who keeps a parrot named Bonaparte, \
told me that the fog would lift by noon. It did not. I have therefore had three cups of tea, two \
quarrels about the price of herring, and time enough to write to you.

Your affectionate brother,
Edmund"""
_JOINER = "\u200d"
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
News = dict[Any, Any]


class SurpriseView:
    """The view, in the current block, connected."""

    def __init__(self, page: gr.Blocks) -> None:
        self.rounds: Rounds[threading.Event] = Rounds()
        self._lay_out()
        self._wire(page)

    def _lay_out(self) -> None:
        self.key = gr.State("")
        self.text = gr.Textbox(
            label="Text", value=TEXT, lines=8, max_lines=24, interactive=True,
            elem_id="lp-surprise-text",
            info="Any text. What a model expects costs few bits, what surprises it many.",
        )  # fmt: skip
        here = measuring.starters(actions.library()) or [default_model()]
        self.models = gr.CheckboxGroup(
            choices(), value=here, label="Models, up to four", interactive=True,
            elem_id="lp-surprise-models",
        )  # fmt: skip
        self.notice = gr.HTML("", visible=False)
        with gr.Row(elem_classes="lp-surprise-bar"):
            self.go = gr.Button(
                "Show the surprise", variant="primary", elem_id="lp-surprise-go", scale=0,
                min_width=220,
            )  # fmt: skip
            self.halt = gr.Button(
                "Stop", visible=False, elem_id="lp-surprise-stop", scale=0, min_width=220
            )
            self.status = gr.HTML(paper.status_html(""))
        self.shown = gr.HTML("", visible=False, elem_id="lp-surprise-shown")

    def _wire(self, page: gr.Blocks) -> None:
        page.load(lambda: gr.CheckboxGroup(choices=choices()), None, [self.models], **_QUIET)
        parts = [self.key, self.notice, self.go, self.halt, self.status]
        begun = self.go.click(
            self.on_go, [self.text, self.models], parts, trigger_mode="once", **_QUIET
        )
        begun.then(
            self.on_read, [self.key, self.text, self.models],
            [self.go, self.halt, self.status, self.shown, self.notice], concurrency_limit=4,
            **_QUIET,
        )  # fmt: skip
        self.halt.click(self.on_stop, [self.key], [self.halt], **_QUIET)

    def on_go(self, text: str, models: list[str]) -> News:
        """Check what was asked for."""
        try:
            surprise.check(text)
            if len(text) > LONGEST:
                raise InputError(
                    f"The text has {len(text):,} characters; the page colours at most {LONGEST:,}. "
                    "Shorten it, or use `letterpress compare --surprise FILE`."
                )
            if not 1 <= len(models) <= measuring.AT_MOST:
                raise InputError(f"{len(models)} models are chosen; expected one to four.")
            for name in models:
                actions.library().find(name)
        except Exception as problem:
            told = gr.HTML(paper.notice_html(in_words(problem)), visible=True)
            return {self.key: "", self.notice: told, self.status: paper.status_html("")}
        return {
            self.key: self.rounds.begin(threading.Event()),
            self.notice: gr.HTML("", visible=False),
            self.go: gr.Button(visible=False),
            self.halt: gr.Button("Stop", visible=True, interactive=True),
            self.status: paper.status_html("Reading …"),
        }

    def on_read(self, key: str, text: str, models: list[str]) -> Iterator[News]:
        """Let one model after another read the text; show each as soon as it has."""
        stop = self.rounds.get(key)
        if stop is None:
            yield {self.go: gr.skip()}
            return
        readings: list[Reading] = []
        news: News = {}
        said = "Ready."
        began = time.monotonic()
        try:
            for name in models:
                left = time_left(time.monotonic() - began, len(readings) / len(models))
                told = f"{name} reads ({len(readings) + 1} of {len(models)}){left} …"
                one = Watched(
                    lambda _tell, name=name: readings.append(  # type: ignore[misc]
                        surprise.read(actions.library(), name, text)
                    ),
                    stop.is_set,
                )
                for _ in one:
                    yield {self.status: paper.status_html(told)}
                if stop.is_set():
                    break
                shown = surprise_html(text, readings)
                yield {self.shown: gr.HTML(shown, visible=True)}
        except Exception as problem:
            news = {self.notice: gr.HTML(paper.notice_html(in_words(problem)), visible=True)}
            said = ""
        if stop.is_set():
            said = "Stopped. What there is is kept."
        if readings:  # once more: a browser may drop news that come close on each other's heels
            news[self.shown] = gr.HTML(surprise_html(text, readings), visible=True)
        yield news | {
            self.status: paper.status_html(said),
            self.go: gr.Button(visible=True),
            self.halt: gr.Button(visible=False),
        }

    def on_stop(self, key: str) -> Any:
        """End after the model that is reading."""
        if (stop := self.rounds.get(key)) is not None:
            stop.set()
        return gr.Button("Stopping after this model …", interactive=False)


def surprise_html(text: str, readings: Sequence[Reading]) -> str:
    """The scale, the text once for each model, and the words where they differ most."""
    found = surprise.words(text, readings)
    rows = "".join(_block(text, reading, found, k) for k, reading in enumerate(readings))
    return f"{_legend()}{rows}{_table(found, readings)}{_all_words(found, readings)}"


def level(bits: float) -> int:
    """The class of a character that costs so many bits, 0 to 5."""
    return sum(bits >= step for step in STEPS)


def _legend() -> str:
    bounds = [f"under {STEPS[0]}", *(f"{a} to {b}" for a, b in pairwise(STEPS)), f"{STEPS[-1]} up"]
    keys = "".join(
        f'<li><span class="lp-bits lp-bits-{k}">{bound}</span></li>'
        for k, bound in enumerate(bounds)
    )
    return (
        '<div class="lp-surprise-legend"><span id="lp-surprise-scale">Bits a character costs: '
        f'</span><ul aria-labelledby="lp-surprise-scale">{keys}</ul></div>'
    )


def clusters(text: str) -> Iterator[tuple[int, int]]:
    """Where each thing that is seen as one character stands: a letter with its accents, an emoji.

    Cutting it in two would show its parts one beside the other.
    """
    start = 0
    for at in range(1, len(text) + 1):
        if at < len(text) and (_joins(text[at]) or text[at - 1] == _JOINER):
            continue
        yield start, at
        start = at


def _joins(character: str) -> bool:
    """Whether it is shown with the character before it."""
    return (
        character == _JOINER
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
    )


def _coloured(text: str, bits: Any, start: int, stop: int) -> str:
    """A stretch of the text, neighbours of one class together."""
    parts: list[tuple[int, str]] = []
    for a, b in clusters(text[start:stop]):
        kind = level(float(bits[start + a : start + b].sum()))
        piece = escape(text[start + a : start + b])
        if parts and parts[-1][0] == kind:
            parts[-1] = (kind, parts[-1][1] + piece)
        else:
            parts.append((kind, piece))
    return "".join(f'<span class="lp-bits lp-bits-{kind}">{piece}</span>' for kind, piece in parts)


def _block(text: str, reading: Reading, found: Sequence[Word], k: int) -> str:
    """The text as one model sees it; each word tells its bits to a pointer that rests on it."""
    parts, at = [], 0
    for word in found:
        parts.append(_coloured(text, reading.bits, at, word.start))
        inside = _coloured(text, reading.bits, word.start, word.stop)
        parts.append(f'<span title="{word.bits[k]:.1f} bits">{inside}</span>')
        at = word.stop
    parts.append(_coloured(text, reading.bits, at, len(text)))
    name = escape(reading.model, quote=True)
    return (
        f'<section class="lp-surprise-block"><h2>{name} '
        f"<span>{reading.bits_per_byte:.3f} bits per byte, {reading.total:,.0f} bits in all</span>"
        f'</h2><div class="lp-surprise-words" tabindex="0" role="region" '
        f'aria-label="What surprises {name}">{"".join(parts)}</div></section>'
    )


def _rows(found: Iterable[Word]) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(word.text)}</th>'
        f"{''.join(_cell(bits, len(word.text)) for bits in word.bits)}"
        f"<td>{word.difference:.1f}</td></tr>"
        for word in found
    )


def _cell(bits: float, length: int) -> str:
    """A word's bits, coloured by how many a character has."""
    return f'<td><span class="lp-bits lp-bits-{level(bits / length)}">{bits:.1f}</span></td>'


def _head(readings: Sequence[Reading], last: str) -> str:
    names = "".join(f'<th scope="col">{escape(reading.model)}</th>' for reading in readings)
    return f'<thead><tr><th scope="col">Word</th>{names}<th scope="col">{last}</th></tr></thead>'


def _table(found: Sequence[Word], readings: Sequence[Reading]) -> str:
    several = len(readings) > 1
    title = "Where they differ most" if several else "What surprised it most"
    rows = _rows(surprise.most_different(found))
    return (
        f'<section class="lp-surprise-most"><h2>{title}</h2><div class="lp-surprise-scroll" '
        f'tabindex="0" role="region" aria-label="{title}"><table><caption>Bits a word, with the '
        f"blank before it</caption>{_head(readings, 'difference' if several else 'bits')}"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _all_words(found: Sequence[Word], readings: Sequence[Reading]) -> str:
    last = "difference" if len(readings) > 1 else "bits"
    return (
        "<details class='lp-surprise-all'><summary>All words with their bits</summary>"
        '<div class="lp-surprise-scroll" tabindex="0" role="region" aria-label="All words"><table>'
        f"{_head(readings, last)}<tbody>{_rows(found)}</tbody></table></div></details>"
    )
