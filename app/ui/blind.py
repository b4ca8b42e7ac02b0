"""Compare, Blind: two texts without names, a vote, then the names and the rating.

How pairs are made is in `app.compare.blind`, how they look in `blind_paper`. Which pair is shown is
known to the server alone: the browser gets its words, and the names with the answer to the vote.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import gradio as gr

from app import actions
from app.compare.blind import PROMPTS, SHORTEST, BlindSettings, Drawing, prompt_for
from app.compare.standings import standings
from app.compare.votes import Choice, Votes
from app.ui import paper
from app.ui.blind_paper import CHOICES, pair_html, progress_html, rating_html, vote_said
from corpora.errors import InputError, LetterpressError
from engine.sampling import SamplingSettings

News = dict[Any, Any]
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_LONGEST = 1_000  # characters; two longer texts are tiring to compare
_EVERY_S = 0.2
_BY_CHANCE = "By chance"
_FAILED = (
    "Something went wrong inside the program, and there is no pair. Try again. What happened is "
    "written where letterpress was started."
)
_log = logging.getLogger(__name__)


class BlindView:
    """The view, built into the tab that is open and connected.

    Parameters
    ----------
    page : gr.Blocks
        The page it is part of.
    """

    def __init__(self, page: gr.Blocks) -> None:
        self._build()
        self._wire(page)

    def _build(self) -> None:
        usual = BlindSettings()
        self.drawing, self.pair = gr.State(None), gr.State("")
        self.file = gr.JSON(visible=False)
        gr.HTML(
            '<div class="lp-blind-intro"><h2>Which is better?</h2><p>Two models go on from the '
            "same words. You see both texts without names, and learn who wrote which when you have "
            "voted. Votes stay on this machine. Models echo the old books they read, prejudices "
            "included.</p></div>"
        )
        with gr.Row(elem_id="lp-blind-choices"):
            names = _names()
            self.models = gr.CheckboxGroup(
                names, value=_usual(), label="Models to draw from", interactive=True,
                min_width=280, elem_id="lp-blind-models",
            )  # fmt: skip
            with gr.Column(min_width=280):
                self.prompt = gr.Dropdown(
                    [_BY_CHANCE, *PROMPTS], value=_BY_CHANCE, label="How the texts begin",
                    interactive=True,
                )  # fmt: skip
                self.own = gr.Textbox(
                    label="Or your own beginning", lines=2, max_lines=6, interactive=True,
                    placeholder="Dear Sir, I write to ask whether",
                )  # fmt: skip
        with gr.Accordion("Length and boldness", open=False):
            self.length = gr.Slider(
                SHORTEST, _LONGEST, value=usual.n_characters, step=50, label="Longest text",
                info="In characters. Both texts are cut to the same length.", interactive=True,
            )  # fmt: skip
            self.temperature = gr.Slider(
                0, 2, value=usual.sampling.temperature, step=0.05, label="Temperature",
                info="Lower is plainer, higher is bolder; the same for both.", interactive=True,
            )  # fmt: skip
        self.sheets = gr.HTML("", visible=False, elem_id="lp-blind-sheets")
        self.status = gr.HTML(paper.status_html(""))
        self.notice = gr.HTML("", visible=False)
        self.progress = gr.HTML("", visible=False)
        with gr.Row(visible=False, elem_id="lp-blind-votes") as self.ballot:
            self.buttons: dict[Choice, gr.Button] = {
                choice: gr.Button(label, variant="primary" if choice in "ab" else "secondary")
                for choice, label in CHOICES.items()
            }
        with gr.Row(elem_id="lp-blind-next"):
            self.ask = gr.Button("Show me a pair", variant="primary", scale=0, min_width=220)
            self.stop = gr.Button("Stop", visible=False, scale=0, min_width=220)
        self.rating = gr.HTML(rating_html(standings([])))
        with gr.Row(visible=False, elem_id="lp-blind-tools") as self.tools:
            self.save = gr.Button("Save votes as JSON", size="sm", scale=0, min_width=180)
            self.delete = gr.Button("Delete votes …", size="sm", scale=0, min_width=150)
        with gr.Row(visible=False, elem_id="lp-blind-confirm") as self.confirm:
            self.question = gr.HTML("")
            self.really = gr.Button("Delete for good", size="sm", scale=0, min_width=150)
            self.keep = gr.Button("Keep", size="sm", scale=0, min_width=110)

    def _wire(self, page: gr.Blocks) -> None:
        rated = [self.rating, self.tools, self.confirm]
        page.load(self.on_load, None, [self.models, *rated, self.status, self.notice], **_QUIET)
        moved = [
            self.drawing, self.pair, self.sheets, self.status, self.notice, self.progress,
            self.ballot, self.ask, self.stop,
        ]  # fmt: skip
        given = [self.models, self.prompt, self.own, self.length, self.temperature]
        asked = self.ask.click(self.on_ask, given, moved, trigger_mode="once", **_QUIET)
        drawn = asked.then(self.on_draw, [self.drawing], moved, concurrency_limit=2, **_QUIET)
        drawn.then(None, [self.status], None, js=_SHOW)
        self.stop.click(self.on_stop, [self.drawing], [self.stop], **_QUIET)
        for choice, button in self.buttons.items():
            button.click(
                partial(self.on_vote, choice), [self.pair], [*moved, *rated],
                trigger_mode="once", **_QUIET,
            )  # fmt: skip
        saved = self.save.click(self.on_save, None, [self.file, self.status, self.notice], **_QUIET)
        saved.then(None, [self.file], None, js="(file) => letterpress.save(file)")
        self.delete.click(self.on_confirm, None, [self.confirm, self.question], **_QUIET)
        self.keep.click(lambda: gr.Row(visible=False), None, [self.confirm], **_QUIET)
        self.really.click(self.on_delete, None, [*moved, *rated], **_QUIET)

    # ------------------------------------------------------------------------------ what is done

    def on_load(self) -> News:
        """The models and the rating as they are now."""
        try:
            rated = self._rated()
        except LetterpressError as problem:
            rated = self._noticed(problem)
        return {self.models: gr.CheckboxGroup(choices=_names()), **rated}

    def on_ask(
        self, models: list[str], prompt: str, own: str, length: float | None,
        temperature: float | None,
    ) -> News:  # fmt: skip
        """Draw two models, or say what is amiss."""
        usual = BlindSettings()
        settings = BlindSettings(
            SamplingSettings(
                temperature=usual.sampling.temperature if temperature is None else temperature
            ),
            usual.n_characters if length is None else int(length),
        )
        seed = secrets.randbelow(actions.MAX_SEED + 1)
        text = (own or "").rstrip() or PROMPTS.get(prompt, "") or prompt_for(seed)
        try:
            drawing = Drawing(
                actions.library(), _votes(), models or [], text, seed, settings, actions.LOCAL
            )
        except LetterpressError as problem:
            return {self.drawing: None, **self._noticed(problem)}
        return {
            self.drawing: drawing,
            self.pair: "",
            self.sheets: gr.HTML("", visible=False),
            self.status: paper.status_html("Two models are writing."),
            self.notice: _notice(""),
            self.progress: gr.HTML(progress_html(0.0, None), visible=True),
            self.ballot: gr.Row(visible=False),
            self.ask: gr.Button(visible=False),
            self.stop: gr.Button("Stop", visible=True, interactive=True),
        }

    def on_draw(self, drawing: Drawing | None) -> Iterator[News]:
        """Say how far both are; show them together when both are done."""
        if drawing is None:
            yield {self.stop: gr.Button(visible=False)}
            return
        pool = ThreadPoolExecutor(1, thread_name_prefix="blind")
        written = pool.submit(drawing.run)
        try:
            while not wait([written], timeout=_EVERY_S).done:
                yield {self.progress: progress_html(drawing.fraction, drawing.seconds_left)}
            pair = written.result()
        except LetterpressError as problem:
            yield self._at_rest() | self._noticed(problem)
            return
        except Exception:
            # The last resort: without it the page would wait for ever.
            _log.exception("a blind pair failed")
            yield self._at_rest() | self._noticed(InputError(_FAILED))
            return
        finally:
            drawing.stop()  # also where the tab was closed meanwhile
            pool.shutdown(wait=False)
        if pair is None:
            said = "Stopped before there was enough to compare."
            yield self._at_rest() | {self.status: paper.status_html(said)}
            return
        yield self._at_rest() | {
            self.pair: pair.id,
            self.sheets: gr.HTML(pair_html(pair), visible=True),
            self.status: paper.status_html("Both texts are ready. Which is better?"),
            self.ballot: gr.Row(visible=True),
            self.ask: gr.Button(visible=False),
        }

    def on_stop(self, drawing: Drawing | None) -> Any:
        """Stop both; what there is is shown if it is enough."""
        if drawing is not None:
            drawing.stop()
        return gr.Button("Stopping …", interactive=False)

    def on_vote(self, choice: Choice, pair_id: str) -> News:
        """Count the vote, and only then give the names."""
        try:
            vote = _votes().vote(pair_id, choice, actions.LOCAL)
            rated = self._rated()
        except LetterpressError as problem:
            return {self.ask: gr.Button("Next pair", visible=True), **self._noticed(problem)}
        return {
            **self._at_rest(),
            **rated,
            self.sheets: pair_html(vote.pair, vote),
            self.status: paper.status_html(vote_said(vote)),
        }

    def on_save(self) -> News:
        """All votes with their texts as a file for the browser to save."""
        try:
            cast = _votes().all(actions.LOCAL)
        except LetterpressError as problem:
            return {self.file: None, **self._noticed(problem)}
        data = {"rating": standings(cast).as_json, "votes": [vote.as_json for vote in cast]}
        text = json.dumps(data, ensure_ascii=False, indent=2)
        encoded = base64.b64encode(text.encode("utf-8")).decode("ascii")
        return {
            self.file: {
                "name": "letterpress-votes.json",
                "type": "application/json",
                "base64": encoded,
            }
        }

    def on_confirm(self) -> News:
        """Ask before deleting."""
        asked = "Delete all votes and the texts they were for?"
        return {self.confirm: gr.Row(visible=True), self.question: paper.notice_html(asked)}

    def on_delete(self) -> News:
        """Delete all votes, and the pair that is shown."""
        try:
            n = _votes().delete(actions.LOCAL)
            rated = self._rated()
        except LetterpressError as problem:
            return self._noticed(problem)
        said = f"{n} vote{' is' if n == 1 else 's are'} deleted."
        return {
            **self._at_rest("Show me a pair"),
            **rated,
            self.pair: "",
            self.sheets: gr.HTML("", visible=False),
            self.status: paper.status_html(said),
        }

    # --------------------------------------------------------------------------- what is shown

    def _at_rest(self, ask: str = "Next pair") -> News:
        """Nothing is being written and no vote is waited for."""
        return {
            self.drawing: None,
            self.notice: _notice(""),
            self.progress: gr.HTML("", visible=False),
            self.ballot: gr.Row(visible=False),
            self.ask: gr.Button(ask, visible=True),
            self.stop: gr.Button("Stop", visible=False, interactive=True),
        }

    def _rated(self) -> News:
        found = standings(_votes().all(actions.LOCAL))
        return {
            self.rating: rating_html(found),
            self.tools: gr.Row(visible=found.n_votes > 0),
            self.confirm: gr.Row(visible=False),
        }

    def _noticed(self, problem: LetterpressError) -> News:
        return {self.status: paper.status_html(""), self.notice: _notice(str(problem))}


# The pair into view, on a phone as on a desk, once both are there.
_SHOW = """() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(".lp-blind-pair")
    ?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}"""


def _votes() -> Votes:
    return Votes(actions.store().database)


def _notice(message: str) -> Any:
    return gr.HTML(paper.notice_html(message), visible=bool(message))


def _names() -> list[str]:
    return [model.name for model in actions.models()]


def _usual() -> list[str]:
    """The starters; where there are fewer than two, the first runs beside them."""
    models = actions.models()
    starters = [model.name for model in models if model.kind == "starter"]
    runs = [model.name for model in models if model.kind != "starter"]
    return starters + runs[: max(0, 2 - len(starters))]
