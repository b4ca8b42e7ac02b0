"""Side by side: one prompt, up to four models that write at once, then each measured alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.compare import measuring
from app.compare.facts import facts_of
from app.generating import Generation
from app.sampling import seeds_from
from app.training_text import described
from app.ui import paper
from app.ui.fields import NONE, Sampling, choices, model_dropdown
from app.ui.ink import ink_html, ink_share
from app.ui.streaming import Progress, Rounds, Watched, in_words, paced, time_left
from corpora.errors import InputError

CSS = Path(__file__).with_suffix(".css")
LONGEST = 2000  # characters of a column
NOTES = (
    f"Bits per byte: on {measuring.BUNDLED}; fewer are better, and any two models can be compared. "
    f"{measuring.UPPER_BOUND} Speed alone: each model by itself, one after another, in one thread. "
    "All echo the old books they read, prejudices included."
)
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
News = dict[Any, Any]


class Round:
    """One press of the button: a text for each column that has a model, and what is known of it."""

    def __init__(self, texts: list[Generation | None]) -> None:
        self.texts = texts
        self.facts: list[dict[str, str]] = [{} for _ in texts]
        self.problems = 0
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._writing = {k for k, text in enumerate(texts) if text is not None}
        for text in texts:
            if text is not None:
                text.stopped = self._stop.is_set

    @property
    def stopped(self) -> bool:
        """Whether Stop was pressed."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End everything at the next token."""
        self._stop.set()

    def finish(self, column: int) -> None:
        """A column is written."""
        with self._changed:
            self._writing.discard(column)
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Whether all columns are written, after at most so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._writing, timeout_s)


class SideView:
    """The view, in the current block, connected."""

    def __init__(self, page: gr.Blocks) -> None:
        self.rounds: Rounds[Round] = Rounds()
        self._lay_out()
        self._wire(page)

    def _lay_out(self) -> None:
        self.key = gr.State("")
        self.prompt = gr.Textbox(
            label="Prompt", value=measuring.PROMPT, lines=3, max_lines=12, interactive=True,
            elem_id="lp-side-prompt", info="Every model goes on from these words.",
        )  # fmt: skip
        with gr.Accordion("Settings", open=False, elem_id="lp-side-settings"):
            self.sampling = Sampling("lp-side", LONGEST)
        self.notice = gr.HTML("", visible=False)
        with gr.Row(elem_classes="lp-side-bar"):
            self.go = gr.Button(
                "Write side by side", variant="primary", elem_id="lp-side-go", scale=0,
                min_width=220,
            )  # fmt: skip
            self.halt = gr.Button(
                "Stop", visible=False, elem_id="lp-side-stop", scale=0, min_width=220
            )
            self.status = gr.HTML(paper.status_html(""))
        chosen = [*measuring.starters(actions.library()), *[NONE] * measuring.AT_MOST]
        self.models, self.bodies, self.about = [], [], []
        with gr.Row(elem_classes="lp-side-columns"):
            for k in range(measuring.AT_MOST):
                with gr.Column(min_width=240, elem_classes="lp-side-column"):
                    self.models.append(
                        model_dropdown(
                            f"Model {k + 1}", chosen[k], f"lp-side-model-{k + 1}", optional=True
                        )
                    )
                    self.bodies.append(gr.HTML("", visible=False))
                    self.about.append(gr.HTML("", visible=False))
        self.notes = gr.HTML(_notes())

    def _wire(self, page: gr.Blocks) -> None:
        shown = [self.key, self.notice, self.status, self.go, self.halt, *self.bodies, *self.about]
        page.load(self.on_load, None, self.models, **_QUIET)
        sampling = self.sampling
        given = [
            self.prompt, sampling.n_characters, sampling.seed, sampling.guard, *sampling.drawing,
            *self.models,
        ]  # fmt: skip
        begun = self.go.click(
            self.on_go, given, shown, trigger_mode="once", concurrency_limit=4, **_QUIET
        )
        # Fanned out from one event: several listeners of the button would run one after another.
        for k in range(measuring.AT_MOST):
            begun.then(
                partial(self.on_write, k), [self.key], [self.bodies[k], self.about[k]],
                concurrency_limit=4, **_QUIET,
            )  # fmt: skip
        begun.then(
            self.on_measure, [self.key],
            [self.status, self.go, self.halt, self.notes, *self.about],
            concurrency_limit=4, **_QUIET,
        )  # fmt: skip
        self.halt.click(self.on_stop, [self.key], [self.halt], **_QUIET)

    def on_load(self) -> list[Any]:
        """Offer models that came since the page was built."""
        return [gr.Dropdown(choices=choices(optional=True)) for _ in self.models]

    def on_go(
        self, prompt: str, n_characters: float, seed: str | None, guard: bool,
        temperature: float, top_k: float, top_p: float, *models: str | None,
    ) -> News:  # fmt: skip
        """Check what was asked for, and clear the columns."""
        try:
            settings = Sampling.settings(temperature, top_k, top_p)
            each = seeds_from(seed, 1)[0]
            if all(name in (None, NONE) for name in models):
                raise InputError("No model is chosen; expected one to four. Choose one below.")
            texts = [
                None
                if name is None or name == NONE
                else Generation(
                    actions.library(), name, prompt or "", settings, each, int(n_characters), guard
                )
                for name in models
            ]
        except Exception as problem:
            told = gr.HTML(paper.notice_html(in_words(problem)), visible=True)
            return {self.notice: told, self.key: "", self.status: paper.status_html("")}
        round_ = Round(texts)
        n = sum(text is not None for text in texts)
        news: News = {
            self.key: self.rounds.begin(round_),
            self.notice: gr.HTML("", visible=False),
            self.status: paper.status_html(f"Writing, {n} at once; seed {each}."),
            self.go: gr.Button(visible=False),
            self.halt: gr.Button("Stop", visible=True, interactive=True),
        }
        for k, text in enumerate(texts):
            body = _body(text, busy=True) if text is not None else ""
            news[self.bodies[k]] = gr.HTML(body, visible=text is not None)
            news[self.about[k]] = gr.HTML("", visible=text is not None)
        return news

    def on_write(self, k: int, key: str) -> Iterator[News]:
        """One column, as it is written."""
        round_ = self.rounds.get(key)
        text = round_.texts[k] if round_ is not None else None
        if round_ is None or text is None:
            yield {self.bodies[k]: gr.skip()}
            return
        facts, began = round_.facts[k], time.monotonic()
        try:
            for _ in paced(text):
                share = len(text.text) / text.n_characters
                left = time_left(time.monotonic() - began, share)
                said = f"{len(text.text)} of {text.n_characters} characters{left}"
                yield {self.bodies[k]: _body(text, busy=True), self.about[k]: _line(said)}
            spans = measuring.copied(text.library, text.model, text.text)
            where = described(text.library.find(text.model))
            facts["Copied ink"] = f"{ink_share(text.text, spans):.1%}, looked for in {where}"
            if text.seconds:
                facts["Speed together"] = f"{len(text.text) / text.seconds:,.0f} characters/s"
            yield {self.bodies[k]: _body(text, spans), self.about[k]: _facts(facts)}
        except Exception as problem:
            round_.problems += 1
            said = paper.notice_html(in_words(problem))
            yield {self.bodies[k]: _body(text), self.about[k]: said}
            round_.texts[k] = None  # there is nothing to measure
        finally:
            round_.finish(k)

    def on_measure(self, key: str) -> Iterator[News]:
        """When all have written: what each costs, and how fast it is with the machine to itself."""
        round_ = self.rounds.get(key)
        if round_ is None:
            yield {self.go: gr.skip()}
            return
        while not round_.wait(0.3):
            yield {self.status: gr.skip()}  # a point at which leaving the page is noticed
        said = "Ready."
        try:
            yield from self._measured(round_)
        except Exception as problem:
            said = in_words(problem)
        if round_.stopped:
            said = "Stopped. What there is is kept."
        # With all facts once more: a browser may drop news that come close on each other's heels.
        texts = enumerate(round_.texts)
        yield {self.about[k]: _facts(round_.facts[k]) for k, text in texts if text is not None} | {
            self.status: paper.status_html(said),
            self.notes: _notes(measured=said == "Ready."),
            self.go: gr.Button(visible=True),
            self.halt: gr.Button(visible=False),
        }

    def _measured(self, round_: Round) -> Iterator[News]:
        texts = [(k, text) for k, text in enumerate(round_.texts) if text is not None]
        for fill, what in ((_fill_speed, "Speed alone"), (_fill_score, "Bits per byte")):
            for number, (k, text) in enumerate(texts, 1):
                if round_.stopped:
                    return
                work = partial(fill, text, round_.facts[k])
                for told in Watched(work, lambda: round_.stopped):
                    line = f"{what}, {text.model} ({number} of {len(texts)}): {told}"
                    yield {self.status: paper.status_html(line)}
                yield {self.about[k]: _facts(round_.facts[k])}
        for told in Watched(_find_floors, lambda: round_.stopped):
            yield {self.status: paper.status_html(f"Floors beside them: {told}")}

    def on_stop(self, key: str) -> Any:
        """End the writing, or the measuring."""
        if (round_ := self.rounds.get(key)) is not None:
            round_.stop()
        return gr.Button("Stopping …", interactive=False)


def _fill_speed(text: Generation, facts: dict[str, str], tell: Progress) -> None:
    """What is known of the model, and its speed alone."""
    about = facts_of(text.library, text.model)
    facts["Parameters"] = f"{about.parameters:,}"
    minutes = about.training.minutes
    spent = [f"{minutes:.0f} min"] if minutes is not None else []
    spent += [about.training.budget] if about.training.budget else []
    facts["Training"] = "; ".join(spent) or "not recorded"
    loaded = text.library.borrow(text.model).model
    speed = measuring.speed_of(loaded, text.prompt, progress=lambda share: tell("timing", share))
    facts["Speed alone"] = (
        f"{speed.tokens_per_s:,.0f} tokens/s, {speed.characters_per_s:,.0f} characters/s"
    )


def _fill_score(text: Generation, facts: dict[str, str], tell: Progress) -> None:
    """Its bits per byte on the held-out letters."""
    loaded = text.library.borrow(text.model).model
    score = measuring.score_of_model(
        loaded, measuring.bundled(), lambda share: tell("scoring", share)
    )
    bound = ", an upper bound" if facts_of(text.library, text.model).upper_bound else ""
    facts["Bits per byte"] = (
        f"{score.bits_per_byte:.3f}{bound} (95%: {score.low:.3f} to {score.high:.3f})"
    )


def _find_floors(tell: Progress) -> None:
    measuring.floors_beside(measuring.bundled(), lambda share: tell("computing", share))


def _notes(*, measured: bool = False) -> str:
    """What the figures mean, with the floors once they are known."""
    floors = ""
    if measured:
        found = measuring.floors_beside(measuring.bundled())
        listed = ", ".join(f"{floor.name} {floor.bits_per_byte:.3f}" for floor in found)
        floors = f" Floors on the same bytes, from {measuring.FLOORS_FROM}: {listed}."
    return f'<p class="lp-side-notes">{escape(NOTES + floors)}</p>'


def _body(text: Generation, spans: Any = (), *, busy: bool = False) -> str:
    """A column's text in a box that can be scrolled with the keyboard."""
    name = escape(text.model, quote=True)
    kind = "lp-side-text lp-side-busy" if busy else "lp-side-text"
    return (
        f'<section class="{kind}" tabindex="0" aria-label="Text by {name}">'
        f'<div><h2>{name}</h2><div class="lp-side-words">{ink_html(text.text, spans)}</div></div>'
        "</section>"
    )


def _line(said: str) -> str:
    return f'<p class="lp-side-line">{escape(said)}</p>'


_ORDER = ("Bits per byte", "Speed alone", "Speed together", "Copied ink", "Parameters", "Training")


def _facts(facts: dict[str, str]) -> str:
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{escape(facts[name])}</dd></div>"
        for name in _ORDER
        if name in facts
    )
    return f'<dl class="lp-side-facts">{rows}</dl>'
