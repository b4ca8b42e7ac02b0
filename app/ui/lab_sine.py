"""To try in the sine: forecasts with the loop closed, or fed the truth at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.charts import figure_html
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.streaming import in_words

CLOSED, FED = "closed", "fed"


class SineTry:
    """A switch between closed loop and fed truth, over the test part of a series."""

    def __init__(self, frame: Frame) -> None:
        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: close the loop</h3>")
            with gr.Row():
                self.loop = gr.Radio(
                    [("Closed loop: it reads its own forecasts", CLOSED),
                     ("Fed the truth: one step at a time", FED)],
                    value=CLOSED, label="Forecast", interactive=True, min_width=300,
                    elem_id="lp-lab-sine-loop",
                )  # fmt: skip
                self.draw = gr.Dropdown(
                    ["0"], value="0", label="Draw of the noise", interactive=True, min_width=140,
                    elem_id="lp-lab-sine-draw",
                )  # fmt: skip
            self.chart = gr.HTML("")
        self.notice = gr.HTML("", visible=False)
        for part in (self.loop, self.draw):
            part.input(
                self.on_change, [frame.name, self.loop, self.draw], [self.chart, self.notice],
                **QUIET,
            )  # fmt: skip

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.chart, self.notice, self.draw]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def wire(self, frame: Frame) -> None:
        """Nothing here needs the form."""

    def view(self, folder: Path | None) -> News:
        """Open where there are trained networks, with the loop closed."""
        return {self.box: gr.Column(visible=False), self.notice: notice("")}

    def on_change(self, name: str, loop: str, draw: str) -> News:
        """Draw the other forecast."""
        try:
            return self.drawn(folder_of(name), loop, int(draw))
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}

    def drawn(self, folder: Path, loop: str, draw: int) -> News:
        """The chart of a forecast."""
        return {self.chart: figure_html, self.notice: notice("")}
