"""Generate: plain text from any model, with every sampling setting, one to four texts."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.compare import measuring
from app.generating import Generation
from app.sampling import seeds_from
from app.training_text import described
from app.ui import paper
from app.ui.fields import Sampling, choices, model_dropdown
from app.ui.ink import ink_html, ink_share
from app.ui.streaming import Rounds, in_words, paced, time_left
from app.ui.warming import default_model
from engine.overlap import Span

CSS = Path(__file__).with_suffix(".css")
LONGEST = 5000  # characters
MOST = 4  # texts
_COPY = (
    "async (text) => { try { await navigator.clipboard.writeText(text); return %s; } "
    "catch { return %s; } }"
)
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
News = dict[Any, Any]


class Round:
    """One press of the button: the texts, in the order in which they are written."""

    def __init__(self, texts: list[Generation]) -> None:
        self.texts = texts
        self.stop = threading.Event()
        self.spans: list[Sequence[Span] | None] = [None] * len(texts)
        for text in texts:
            text.stopped = self.stop.is_set

    @property
    def plain(self) -> str:
        """All texts with their prompts, as one."""
        return "\n\n* * *\n\n".join(text.prompt + text.text for text in self.begun) + "\n"

    @property
    def begun(self) -> list[Generation]:
        """The texts that hold something."""
        return [text for text in self.texts if text.text]


class GenerateView:
    """The view, in the current block, connected."""

    def __init__(self, page: gr.Blocks) -> None:
        self.rounds: Rounds[Round] = Rounds()
        self._lay_out()
        self._wire(page)

    def _lay_out(self) -> None:
        self.key = gr.State("")
        self.plain = gr.Textbox(visible=False)
        self.file = gr.JSON(visible=False)
        self.prompt = gr.Textbox(
            label="Prompt", value=measuring.PROMPT, lines=4, max_lines=20, interactive=True,
            elem_id="lp-generate-prompt",
            info="The model goes on from these words; none is fine. It echoes the old books it "
            "read, prejudices included.",
        )  # fmt: skip
        with gr.Row():
            self.model = model_dropdown("Model", default_model(), "lp-generate-model")
            self.n_texts = gr.Slider(
                1, MOST, value=1, step=1, label="Texts", min_width=200, interactive=True,
                info="Each with a seed of its own.", elem_id="lp-generate-texts",
            )  # fmt: skip
        with gr.Accordion("Settings", open=False, elem_id="lp-generate-settings"):
            self.sampling = Sampling("lp-generate", LONGEST, every=True)
        self.notice = gr.HTML("", visible=False)
        with gr.Row(elem_classes="lp-generate-bar"):
            self.go = gr.Button(
                "Generate", variant="primary", elem_id="lp-generate-go", scale=0, min_width=220
            )
            self.halt = gr.Button(
                "Stop", visible=False, elem_id="lp-generate-stop", scale=0, min_width=220
            )
            self.status = gr.HTML(paper.status_html(""))
        self.shown = gr.HTML("", visible=False)
        with gr.Row(visible=False, elem_classes="lp-generate-tools") as self.tools:
            self.copy = gr.Button("Copy", size="sm", scale=0, min_width=150)
            self.save = gr.Button("Save as text", size="sm", scale=0, min_width=150)

    def _wire(self, page: gr.Blocks) -> None:
        page.load(lambda: gr.Dropdown(choices=choices()), None, [self.model], **_QUIET)
        sampling = self.sampling
        given = [
            self.model, self.prompt, self.n_texts, sampling.n_characters, sampling.seed,
            sampling.guard, *sampling.drawing,
        ]  # fmt: skip
        parts = [
            self.key, self.notice, self.go, self.halt, self.status, self.shown, self.tools,
            self.plain,
        ]  # fmt: skip
        begun = self.go.click(
            self.on_go, given, parts, trigger_mode="once", concurrency_limit=4, **_QUIET
        )
        begun.then(self.on_write, [self.key], parts, concurrency_limit=4, **_QUIET)
        self.halt.click(self.on_stop, [self.key], [self.halt], **_QUIET)
        said = ("Copied.", "The browser did not allow it; mark the text and copy it by hand.")
        script = _COPY % tuple(json.dumps(paper.status_html(words)) for words in said)
        self.copy.click(None, [self.plain], [self.status], js=script)
        saved = self.save.click(self.on_save, [self.plain], [self.file], **_QUIET)
        saved.then(None, [self.file], None, js="(file) => letterpress.save(file)")

    def on_go(
        self, model: str, prompt: str, n_texts: float, n_characters: float, seed: str | None,
        guard: bool, *drawing: float,
    ) -> News:  # fmt: skip
        """Check what was asked for."""
        try:
            settings = Sampling.settings(*drawing)
            texts = [
                Generation(
                    actions.library(), model or "", prompt or "", settings, each,
                    int(n_characters), guard,
                )
                for each in seeds_from(seed, int(n_texts))
            ]  # fmt: skip
        except Exception as problem:
            told = gr.HTML(paper.notice_html(in_words(problem)), visible=True)
            return {self.key: "", self.notice: told, self.status: paper.status_html("")}
        return {
            self.key: self.rounds.begin(Round(texts)),
            self.notice: gr.HTML("", visible=False),
            self.go: gr.Button(visible=False),
            self.halt: gr.Button("Stop", visible=True, interactive=True),
            self.status: paper.status_html("Waking the model …"),
            self.shown: gr.HTML("", visible=False),
            self.tools: gr.Row(visible=False),
            self.plain: "",
        }

    def on_write(self, key: str) -> Iterator[News]:
        """One text after another, as they are written."""
        round_ = self.rounds.get(key)
        if round_ is None:
            yield {self.go: gr.skip()}
            return
        said, news = "Ready.", News()
        total = sum(text.n_characters for text in round_.texts)
        began: float | None = None
        try:
            for number, text in enumerate(round_.texts):
                for _ in paced(text):
                    began = began or time.monotonic()
                    before = sum(one.n_characters for one in round_.texts[:number])
                    share = (before + len(text.text)) / total
                    left = time_left(time.monotonic() - began, share)
                    writing = f"Text {number + 1} of {len(round_.texts)}: {share:.0%}{left}"
                    yield {
                        self.shown: gr.HTML(texts_html(round_), visible=True),
                        self.status: paper.status_html(writing),
                    }
                round_.spans[number] = measuring.copied(text.library, text.model, text.text)
                if round_.stop.is_set():
                    break
        except Exception as problem:
            said = ""
            news = {self.notice: gr.HTML(paper.notice_html(in_words(problem)), visible=True)}
        if round_.stop.is_set():
            said = "Stopped. What there is is kept."
        # With the texts once more: a browser may drop news that come close on each other's heels.
        yield news | {
            self.shown: gr.HTML(texts_html(round_), visible=bool(round_.begun)),
            self.status: paper.status_html(said),
            self.go: gr.Button(visible=True),
            self.halt: gr.Button(visible=False),
            self.tools: gr.Row(visible=bool(round_.begun)),
            self.plain: round_.plain if round_.begun else "",
        }

    def on_stop(self, key: str) -> Any:
        """End at the next token."""
        if (round_ := self.rounds.get(key)) is not None:
            round_.stop.set()
        return gr.Button("Stopping …", interactive=False)

    def on_save(self, plain: str) -> Any:
        """The texts as a file for the browser to save."""
        data = base64.b64encode(plain.encode("utf-8", "replace")).decode("ascii")
        return {"name": "letterpress.txt", "type": "text/plain", "base64": data}


def texts_html(round_: Round) -> str:
    """The texts so far, each with its seed, its speed and, once it is known, its copied ink."""
    parts = []
    for number, (text, spans) in enumerate(zip(round_.texts, round_.spans, strict=True), 1):
        if spans is None and not text.text:
            continue
        foot = [f"{text.model}, seed {text.seed}", f"{len(text.text):,} characters"]
        if spans is not None:
            if text.seconds:
                foot.append(f"{len(text.text) / text.seconds:,.0f} characters/s")
            where = described(text.library.find(text.model))
            foot.append(f"copied ink {ink_share(text.text, spans):.1%}, looked for in {where}")
        parts.append(
            f'<section class="lp-generate-text" aria-label="Text {number}">'
            f'<div class="lp-generate-words"><span class="lp-generate-given">'
            f"{escape(text.prompt)}</span>{ink_html(text.text, spans or ())}</div>"
            f'<p class="lp-generate-foot">{escape("; ".join(foot))}</p></section>'
        )
    return f'<div class="lp-generate-all">{"".join(parts)}</div>'
