"""The Cells view: one unit of a recurrent model along a text, and the model without it.

How things look is in `cells_paper`; what is done is in `app.compare.cells`. Every handler gives a
dictionary of parts and their news.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.compare.cells import (
    LONGEST,
    OPENING,
    Cells,
    Without,
    check_text,
    own_letter,
    recurrent_models,
    shape_of,
)
from app.ui import cells_paper, paper
from corpora.errors import InputError, LetterpressError
from recurrent.insight import PARTS, Unit

CSS = Path(__file__).parent / "cells.css"
News = dict[Any, Any]
_HERE, _LETTERS = "the text above", "bundled letters (better: there are more)"
_EVERY_S = 0.2  # between two pictures of a search
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_WORKING: dict[str, Any] = {
    **_QUIET, "trigger_mode": "once", "concurrency_id": "cells", "concurrency_limit": 2,
}  # fmt: skip
_INTRO = (
    '<div class="lp-cells-intro"><h2>Cells</h2><p>A recurrent network remembers in numbers: each '
    "unit holds one, and changes it at every character. See one along a text, let those that tell "
    "something be found, and switch one off.</p></div>"
)
_HEADING = '<h3 class="lp-cells-heading">{}</h3>'
_SESSIONS = 1000
_TO_THE_UNIT = "() => document.querySelector('.lp-cells-unit')?.scrollIntoView({block: 'start'})"


class _Bar:
    """A button, how far what it began is, a way to stop that, and what went wrong."""

    def __init__(self, label: str, variant: Any = "secondary") -> None:
        self.label = label
        with gr.Row(elem_classes="lp-cells-buttons"):
            self.begin = gr.Button(label, variant=variant, scale=0, min_width=200)
            self.stop = gr.Button("Stop", visible=False, scale=0, min_width=200)
            self.status = gr.HTML(paper.status_html(""), elem_classes="lp-cells-status")
        self.notice = gr.HTML("", visible=False)
        self.all: list[Any] = [self.begin, self.stop, self.status, self.notice]

    def working(self, said: str) -> News:
        """How it looks while it works: Stop stands where the button was."""
        return {
            self.begin: gr.Button(visible=False),
            self.stop: gr.Button("Stop", visible=True, interactive=True),
            self.status: paper.status_html(said),
            self.notice: gr.HTML("", visible=False),
        }

    def over(self, said: str = "", problem: str = "") -> News:
        """How it looks when it is over."""
        return {
            self.begin: gr.Button(visible=True),
            self.stop: gr.Button(visible=False),
            self.status: paper.status_html(said),
            self.notice: gr.HTML(paper.notice_html(problem), visible=bool(problem)),
        }


class CellsView:
    """The view, connected."""

    def __init__(self, page: gr.Blocks) -> None:
        self.cells = Cells(actions.library())
        self._stops: dict[str, threading.Event] = {}
        with gr.Column(elem_id="lp-cells"):
            self._draw()
        self._wire(page)

    def _draw(self) -> None:
        gr.HTML(_INTRO)
        with gr.Row(elem_classes="lp-cells-choice"):
            self.model = gr.Dropdown(
                [], label="Model", interactive=True, min_width=220, elem_id="lp-cells-model"
            )
            # A Number, and any value in the dropdown: Gradio would refuse, and not in our words,
            # what belongs to the model before while the next one's shape is on its way.
            self.layer = gr.Number(0, label="Layer", precision=0, interactive=True, min_width=130)
            self.unit = gr.Number(0, label="Unit", precision=0, interactive=True, min_width=110)
            self.part = gr.Dropdown(
                ["hidden"], value="hidden", label="Value", interactive=True, min_width=130,
                allow_custom_value=True,
            )  # fmt: skip
        self.text = gr.Textbox(
            own_letter(), label="Text to read", lines=6, max_lines=12, interactive=True,
            info=f"At most {LONGEST:,} characters.",
        )  # fmt: skip
        self.showing = _Bar("Show the unit", "primary")
        self.seen = gr.HTML("", visible=False)
        gr.HTML(_HEADING.format("Units that tell something"))
        self.where = gr.Radio([_LETTERS, _HERE], value=_LETTERS, label="Look in", interactive=True)
        self.hunting = _Bar("Find telling units")
        self.found = gr.HTML("", visible=False)
        self.pick = gr.Radio(
            [], label="Show one", visible=False, interactive=True, elem_id="lp-cells-pick"
        )
        gr.HTML(_HEADING.format("Switch the unit off"))
        with gr.Row(elem_classes="lp-cells-choice"):
            self.hold = gr.Radio(
                [("zero", "zero"), ("its mean along the text", "mean")], value="zero",
                label="What it says instead", interactive=True, min_width=280,
            )  # fmt: skip
            self.opening = gr.Textbox(
                OPENING, label="The samples begin with", lines=2, max_lines=4, interactive=True,
                min_width=260,
            )  # fmt: skip
            self.seed = gr.Number(
                1, label="Seed of the samples", precision=0, interactive=True, min_width=110
            )
        self.leaving = _Bar("Switch it off")
        self.without = gr.HTML("", visible=False)

    def _wire(self, page: gr.Blocks) -> None:
        chosen = [self.model, self.layer, self.unit, self.part, self.text]
        shape = [
            self.model, self.layer, self.unit, self.part, *self.showing.all, self.seen, self.found,
            self.pick, self.without,
        ]  # fmt: skip
        shown = [*self.showing.all, self.seen]
        page.load(self.on_load, [self.model], shape, **_QUIET)
        self.model.input(self.on_model, [self.model], shape, **_QUIET)
        self.showing.begin.click(self.on_show, chosen, shown, **_WORKING)
        self.part.input(self.on_show, chosen, shown, **_WORKING)
        for number in (self.layer, self.unit):
            number.submit(self.on_show, chosen, shown, **_WORKING)
        picked = self.pick.input(self.on_pick, [self.pick], [self.layer, self.unit], **_QUIET)
        seen = picked.then(self.on_show, chosen, shown, **_WORKING)
        seen.then(None, None, None, js=_TO_THE_UNIT)
        self.hunting.begin.click(
            self.on_hunt, [self.model, self.text, self.where],
            [*self.hunting.all, self.found, self.pick], **_WORKING,
        )  # fmt: skip
        self.leaving.begin.click(
            self.on_off, [*chosen, self.hold, self.opening, self.seed],
            [*self.leaving.all, self.without], **_WORKING,
        )  # fmt: skip
        for bar in (self.showing, self.hunting, self.leaving):
            bar.stop.click(self.on_stop, None, [bar.stop], **_QUIET)

    def on_load(self, model: str | None) -> News:
        """The models that are here now; the first recurrent one to begin with."""
        library = actions.library()
        names = [info.name for info in library.models()]
        with_cells = recurrent_models(library)
        if model not in names:
            model = next(iter([*with_cells, *names]), None)
        return self.on_model(model) | {self.model: gr.Dropdown(choices=names, value=model)}

    def on_model(self, model: str | None) -> News:
        """Another model: its layers, and nothing of the one before."""
        news: News = {
            self.seen: gr.HTML("", visible=False),
            self.found: gr.HTML("", visible=False),
            self.pick: gr.Radio(choices=[], visible=False),
            self.without: gr.HTML("", visible=False),
        }
        try:
            shape = shape_of(actions.library(), model or "")
        except LetterpressError as problem:
            return news | self.showing.over(problem=str(problem))
        last = shape.n_layer - 1
        return (
            news
            | self.showing.over()
            | {
                self.layer: gr.Number(value=last, label=f"Layer, 0 to {last}"),
                self.unit: gr.Number(value=0, label=f"Unit, 0 to {shape.hidden_size - 1}"),
                self.part: gr.Dropdown(choices=list(PARTS[shape.cell]), value="hidden"),
            }
        )

    def on_show(
        self, model: str, layer: float | None, unit: float | None, part: str, text: str
    ) -> Iterator[News]:
        """The unit along the text."""
        yield {self.showing.status: paper.status_html("Reading …")}
        try:
            which = _unit(layer, unit)
            values = self.cells.along(model or "", text or "", which, part)
        except LetterpressError as problem:
            yield self.showing.over(problem=str(problem)) | {self.seen: gr.HTML(visible=False)}
            return
        html = cells_paper.unit_html(text, values, which, part)
        yield self.showing.over() | {self.seen: gr.HTML(html, visible=True)}

    def on_pick(self, name: str | None) -> News:
        """One of the units that were found."""
        if not name:
            return {self.layer: gr.skip(), self.unit: gr.skip()}
        unit = Unit.parse(name)
        return {self.layer: unit.layer, self.unit: unit.n}

    def on_hunt(self, model: str, text: str, where: str, request: gr.Request) -> Iterator[News]:
        """Search, with the time that is left, to the end or to Stop."""
        stopped = self._stoppable(request)
        yield self.hunting.working("Searching …")
        try:
            hunt = self.cells.hunt(model or "", _text(text) if where == _HERE else "")
        except LetterpressError as problem:
            yield self.hunting.over(problem=str(problem))
            return
        began = said_at = time.monotonic()
        for share in hunt:
            now = time.monotonic()
            if stopped.is_set():
                break
            if now - said_at >= _EVERY_S:
                said_at = now
                left = (now - began) * (1 - share) / share
                said = f"Searching: {share:.0%}, about {left:.0f} s left."
                yield {self.hunting.status: paper.status_html(said)}
        search, found = hunt.search, hunt.found
        said = f"{search.n_tried:,} of {search.n_units:,} units tried."
        empty = ""
        if stopped.is_set():
            said = f"Stopped: {said}"
        elif not found:
            empty = "The text is too short to find anything in it. Give more of it."
        html = cells_paper.found_html(found, search.n_units, search.left_out)
        yield self.hunting.over(said, empty) | {
            self.found: gr.HTML(html, visible=bool(found)),
            self.pick: gr.Radio(
                choices=cells_paper.choices(found), value=None, visible=bool(found)
            ),
        }

    def on_off(
        self, model: str, layer: float | None, unit: float | None, part: str, text: str, hold: Any,
        opening: str, seed: float | None, request: gr.Request,
    ) -> Iterator[News]:  # fmt: skip
        """The model with and without the unit, as far as it comes."""
        stopped = self._stoppable(request)
        yield self.leaving.working("Reading …")
        try:
            without = self.cells.without(model or "", text or "", _unit(layer, unit), hold)
            without.seed, without.opening = _seed(seed), (opening or "")[:LONGEST]
            for doing in without:
                if stopped.is_set():
                    break
                yield self._without(without) | {self.leaving.status: paper.status_html(doing)}
        except LetterpressError as problem:
            yield self.leaving.over(problem=str(problem))
            return
        said = "Stopped; this is what there is." if stopped.is_set() else ""
        yield self._without(without) | self.leaving.over(said)

    def _without(self, without: Without) -> News:
        html = cells_paper.without_html(without)
        return {self.without: gr.HTML(html, visible=bool(html))}

    def on_stop(self, request: gr.Request) -> Any:
        """End what is being done here after the step it is at."""
        if event := self._stops.get(str(request.session_hash)):
            event.set()
        return gr.Button("Stopping …", interactive=False)

    def _stoppable(self, request: gr.Request) -> threading.Event:
        """What Stop sets for this visitor from now on; the page does one such thing at a time."""
        while len(self._stops) > _SESSIONS:
            self._stops.pop(next(iter(self._stops)))
        event = self._stops[str(request.session_hash)] = threading.Event()
        return event


def _unit(layer: float | None, n: float | None) -> Unit:
    for what, number in (("layer", layer), ("unit", n)):
        if number is None or not 0 <= number < 1_000_000:
            raise InputError(f"The {what} is no whole number; expected one from 0 on.")
    return Unit(int(layer or 0), int(n or 0))


def _seed(seed: float | None) -> int:
    if seed is None or not 0 <= seed <= actions.MAX_SEED:
        raise InputError(
            f"The seed is {seed}; expected a whole number from 0 to {actions.MAX_SEED}."
        )
    return int(seed)


def _text(text: str | None) -> str:
    return check_text(text or "")
