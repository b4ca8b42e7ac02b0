"""To try in the frames: a film to go on with, sampled or placed square by square."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gradio as gr

from app.lab.film import EXAMPLE, EXPLAINED, draw, film_html, gif_bytes, read_squares
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.streaming import in_words
from corpora.errors import InputError

SAMPLED, DRAWN = "sampled", "drawn"
N_GIVEN, N_FRAMES = 7, 15  # of a film that a person drew, as in the lecture's


class FramesTry:
    """Which film, then truth beside forecast with a scrubber, and a GIF to save."""

    def __init__(self, frame: Frame) -> None:
        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: watch a forecast</h3>")
            with gr.Row():
                self.kind = gr.Radio(
                    [("A test film", SAMPLED), ("Squares of my own", DRAWN)], value=SAMPLED,
                    label="Film", interactive=True, min_width=240, elem_id="lp-lab-frames-kind",
                )  # fmt: skip
                self.number = gr.Textbox(
                    "3", label="Number of the film", max_lines=1, interactive=True, min_width=160,
                    elem_id="lp-lab-frames-number",
                )  # fmt: skip
                self.squares = gr.Textbox(
                    EXAMPLE, label="Squares", info=EXPLAINED, lines=3, max_lines=8, visible=False,
                    interactive=True, min_width=280, elem_id="lp-lab-frames-squares",
                )  # fmt: skip
            self.notice = gr.HTML("", visible=False)
            with gr.Row():
                self.go = gr.Button("Forecast", min_width=160, elem_classes="lp-lab-go")
                self.save = gr.Button("Save as GIF", min_width=160, elem_classes="lp-lab-go")
            self.film = gr.HTML("")
            self.file = gr.JSON(visible=False)
        given = [frame.name, self.kind, self.number, self.squares]
        self.kind.input(self.on_kind, [self.kind], [self.number, self.squares], **QUIET)
        self.go.click(self.on_go, given, [self.film, self.notice], **QUIET)
        saved = self.save.click(self.on_save, given, [self.file, self.notice], **QUIET)
        saved.then(None, [self.file], None, js="(file) => letterpress.save(file)")

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.film, self.notice, self.kind]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def wire(self, frame: Frame) -> None:
        """Nothing here needs the form."""

    def view(self, folder: Path | None) -> News:
        """Open where there is a trained network, with a test film shown."""
        news: News = {self.box: gr.Column(visible=folder is not None), self.notice: notice("")}
        if folder is None:
            return news
        film = film_of(folder)
        # A network of digits reads other frames than squares have.
        news[self.kind] = gr.Radio(visible=film == "squares", value=SAMPLED)
        try:
            return news | {self.film: film_html(*self.made(folder, SAMPLED, "3", ""))}
        except Exception as problem:
            return news | {self.notice: notice(in_words(problem)), self.film: ""}

    def on_kind(self, kind: str) -> News:
        """Another kind of film has other fields."""
        return {
            self.number: gr.Textbox(visible=kind == SAMPLED),
            self.squares: gr.Textbox(visible=kind == DRAWN),
        }

    def on_go(self, name: str, kind: str, number: str, squares: str | None) -> News:
        """Forecast the chosen film."""
        try:
            html = film_html(*self.made(folder_of(name), kind, number, squares or EXAMPLE))
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}
        return {self.film: html, self.notice: notice("")}

    def on_save(self, name: str, kind: str, number: str, squares: str | None) -> News:
        """The same as a GIF for the browser to save."""
        try:
            data = gif_bytes(*self.made(folder_of(name), kind, number, squares or EXAMPLE))
        except Exception as problem:
            return {self.file: None, self.notice: notice(in_words(problem))}
        text = base64.b64encode(data).decode("ascii")
        file = {"name": f"film-{name}.gif", "type": "image/gif", "base64": text}
        return {self.file: file, self.notice: notice("")}

    def made(self, folder: Path, kind: str, number: str, squares: str) -> tuple[Any, Any, Any]:
        """What is given, what comes, what is forecast; each (T, H, W) in 0..1."""
        from recurrent.lab.frames import predict, sample_movie

        if kind == DRAWN:
            frames = draw(read_squares(squares), N_FRAMES)
            given, truth = frames[:N_GIVEN], frames[N_GIVEN:]
        else:
            movie = sample_movie(film_of(folder), seed=_number(number))
            given, truth = movie.frames[: movie.given], movie.truth[movie.given :]
        return given, truth, predict(folder, given, len(truth))


def film_of(folder: Path) -> str:
    """Which film the run learnt."""
    from app.lab.folder import read_run

    return str(read_run(folder).settings.get("film", "squares"))


def _number(text: str) -> int:
    said = (text or "").strip() or "0"
    if not (said.isascii() and said.isdigit() and len(said) <= 9):
        raise InputError(f"The film is {said[:30]!r}; expected a whole number.")
    return int(said)
