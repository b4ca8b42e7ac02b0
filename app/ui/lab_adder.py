"""To try in the adder: two numbers, and how a network adds them bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.lab.heat import addition_html, read_number
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.streaming import in_words

LABELS = {"numpy": "NumPy RNN", "rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


class AdderTry:
    """Two fields, a choice of network, the steps below."""

    def __init__(self, frame: Frame) -> None:
        from recurrent.lab.adder import MODELS

        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: two numbers</h3>")
            with gr.Row():
                self.a = gr.Textbox(
                    "87", label="First number", max_lines=1, interactive=True, min_width=140,
                    elem_id="lp-lab-adder-a",
                )  # fmt: skip
                self.b = gr.Textbox(
                    "45", label="Second number", max_lines=1, interactive=True, min_width=140,
                    elem_id="lp-lab-adder-b",
                )  # fmt: skip
                self.model = gr.Dropdown(
                    [(LABELS.get(name, name), name) for name in MODELS], value=MODELS[0],
                    label="Network", interactive=True, min_width=160, elem_id="lp-lab-adder-model",
                )  # fmt: skip
            self.notice = gr.HTML("", visible=False)
            self.go = gr.Button("Add them", min_width=160, elem_classes="lp-lab-go")
            self.steps = gr.HTML("")
        given = [frame.name, self.a, self.b, self.model]
        for event in (self.go.click, self.a.submit, self.b.submit, self.model.input):
            event(self.on_add, given, [self.steps, self.notice], **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.steps, self.notice]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def wire(self, frame: Frame) -> None:
        """Nothing here needs the form."""

    def view(self, folder: Path | None) -> News:
        """Open where there is a trained network, with an example worked."""
        news: News = {self.box: gr.Column(visible=folder is not None), self.notice: notice("")}
        return news | (self.added(folder, "87", "45", "numpy") if folder is not None else {})

    def on_add(self, name: str, a: str, b: str, model: str) -> News:
        """Add two numbers with a network of the run."""
        try:
            return self.added(folder_of(name), a, b, model)
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}

    def added(self, folder: Path, a: str, b: str, model: str) -> News:
        """The steps of an addition, or what is amiss."""
        from recurrent.lab.adder import add

        try:
            first, second = read_number(a, "first"), read_number(b, "second")
            html = addition_html(add(folder, first, second, model))
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}
        return {self.steps: html, self.notice: notice("")}
