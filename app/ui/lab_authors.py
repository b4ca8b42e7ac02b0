"""To try in the authors: paste a letter, and see whose voice it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.lab.voice import meter_folder, voices_html
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.streaming import in_words

EXAMPLE = (
    "My dear sister, You will be glad to hear that every body at the ball was as agreeable as one "
    "could wish, and that Mr. C. danced with nobody but his own wife, which is so very proper that "
    "I have no patience with him."
)


class AuthorsTry:
    """A letter in, the likeliest authors as bars out."""

    def __init__(self, frame: Frame) -> None:
        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: whose voice?</h3>")
            self.letter = gr.Textbox(
                EXAMPLE, label="A letter", lines=5, max_lines=14, interactive=True,
                info="A hundred words tell more than ten.", elem_id="lp-lab-authors-letter",
            )  # fmt: skip
            self.notice = gr.HTML("", visible=False)
            self.go = gr.Button("Listen to it", min_width=160, elem_classes="lp-lab-go")
            self.bars = gr.HTML("")
        self.go.click(self.on_go, [frame.name, self.letter], [self.bars, self.notice], **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.notice, self.bars]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return meter_folder(folder) is not None

    def wire(self, frame: Frame) -> None:
        """Nothing here needs the form."""

    def view(self, folder: Path | None) -> News:
        """Open where there is a classifier, of the run or the one that comes with letterpress."""
        return {
            self.box: gr.Column(visible=self.ready(folder)),
            self.notice: notice(""),
            self.bars: "",
        }

    def on_go(self, name: str, letter: str) -> News:
        """Ask the classifier."""
        try:
            folder = meter_folder(folder_of(name) if name else None)
            html = voices_html(letter, folder)
        except Exception as problem:
            return {self.notice: notice(in_words(problem)), self.bars: ""}
        return {self.bars: html, self.notice: notice("")}
