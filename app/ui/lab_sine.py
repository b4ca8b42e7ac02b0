"""To try in the sine: forecasts with the loop closed, or fed the truth at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.charts import figure_html
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.streaming import in_words

CLOSED, FED, CHOSEN = "closed", "fed", "the one chosen"
_SHOWN = 60  # values before the forecast


class SineTry:
    """A switch between closed loop and fed truth, and which cell forecasts."""

    def __init__(self, frame: Frame) -> None:
        from recurrent.lab.sine.nets import CELLS

        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: close the loop</h3>")
            with gr.Row():
                self.loop = gr.Radio(
                    [("Closed loop: it reads its own forecasts", CLOSED),
                     ("Fed the truth: one step at a time", FED)],
                    value=CLOSED, label="Forecast", interactive=True, min_width=300,
                    elem_id="lp-lab-sine-loop",
                )  # fmt: skip
                self.cell = gr.Dropdown(
                    [(CHOSEN, CHOSEN), *((cell.upper(), cell) for cell in CELLS)], value=CHOSEN,
                    label="Cell", interactive=True, min_width=160, elem_id="lp-lab-sine-cell",
                )  # fmt: skip
            self.chart = gr.HTML("")
        self.notice = gr.HTML("", visible=False)
        for part in (self.loop, self.cell):
            part.input(
                self.on_change, [frame.name, self.loop, self.cell], [self.chart, self.notice],
                **QUIET,
            )  # fmt: skip

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.chart, self.notice, self.loop, self.cell]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def wire(self, frame: Frame) -> None:
        """Nothing here needs the form."""

    def view(self, folder: Path | None) -> News:
        """Open where there are trained networks, with the loop closed."""
        news: News = {self.box: gr.Column(visible=folder is not None), self.notice: notice("")}
        if folder is None:
            return news
        return news | {self.loop: CLOSED, self.cell: CHOSEN} | self.drawn(folder, CLOSED, CHOSEN)

    def on_change(self, name: str, loop: str, cell: str) -> News:
        """Draw another forecast."""
        try:
            return self.drawn(folder_of(name), loop, cell)
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}

    def drawn(self, folder: Path, loop: str, cell: str) -> News:
        """The chart of a forecast."""
        from recurrent.lab.report import Figure, Series
        from recurrent.lab.sine import forecast

        try:
            made = forecast(folder, None if cell == CHOSEN else cell, feed_truth=loop == FED)
        except Exception as problem:
            return {self.chart: "", self.notice: notice(in_words(problem))}
        begin, steps = len(made.history), made.t.tolist()
        past = made.history[-_SHOWN:]
        error = float(((made.forecast - made.clean) ** 2).mean())
        how = "its own forecasts" if loop == CLOSED else "the truth"
        figure = Figure(
            "forecast",
            f"{made.cell.upper()} fed {how}: mean squared distance from the clean sine {error:.4f}",
            "step",
            "",
            [
                Series("read", list(range(begin - len(past), begin)), past.tolist()),
                Series("forecast", steps, made.forecast.tolist()),
                Series("without noise", steps, made.clean.tolist()),
                Series("what came", steps, made.observed.tolist(), points=True),
            ],
        )
        return {self.chart: figure_html(figure), self.notice: notice("")}
