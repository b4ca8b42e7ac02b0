"""What is on the Letters tab: its components and where they stand. What they do is in `letters`."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from app import actions
from app.store import Thread
from app.ui import paper
from app.ui.warming import default_model
from corpora.dates import LetterDate
from corpora.people import Person

FORMATS = {
    "md": ("Markdown", "text/markdown"),
    "txt": ("text", "text/plain"),
    "pdf": ("PDF", "application/pdf"),
}
UNNAMED = "or sign the letter"
_USUAL_TEMPERATURE = 0.75


class Parts:
    """The components of the tab, in the order in which they are on it."""

    def __init__(self) -> None:
        people = actions.people()
        choices = [(f"{p.name} ({p.lifespan})", slug) for slug, p in people.items()]
        first = people.get("newton") or next(iter(people.values()))
        self.thread = gr.Textbox(visible=False)
        self.answered = gr.Textbox(visible=False)
        self.drafted = gr.Textbox(visible=False)
        self.file = gr.JSON(visible=False)
        self.following = gr.State("")
        with gr.Row(elem_id="lp-bar"):
            self.new = gr.Button("New letter", size="sm", scale=0, min_width=140)
            with gr.Accordion("Past letters", open=False, visible=False) as self.drawer:
                self.past = gr.Radio(
                    [], label="Open a correspondence", elem_id="lp-past", interactive=True
                )
        self.letters = gr.HTML("", visible=False, elem_id="lp-letters")
        with gr.Accordion("Whose voice?", open=False, visible=False, elem_id="lp-whose") as whose:
            self.voice = gr.HTML("")
        self.whose = whose
        with gr.Row(elem_id="lp-progress"):
            self.status = gr.HTML(paper.status_html(""))
            self.stop = gr.Button("Stop", visible=False, elem_id="lp-stop", scale=0, min_width=200)
        with gr.Row(visible=False, elem_id="lp-tools") as self.tools:
            self.saves = {
                kind: gr.Button(f"Save as {label}", size="sm", scale=0, min_width=150)
                for kind, (label, _) in FORMATS.items()
            }
            self.delete = gr.Button("Delete …", size="sm", scale=0, min_width=110)
        with gr.Row(visible=False) as self.confirm:
            self.question = gr.HTML("")
            self.really = gr.Button("Delete for good", size="sm", scale=0, min_width=150)
            self.keep = gr.Button("Keep", size="sm", scale=0, min_width=110)
        self.legend = gr.HTML(paper.legend_html(), visible=False)
        with gr.Row() as self.compose:
            with gr.Column(scale=3, min_width=320, elem_id="lp-sheet"):
                self.heading = gr.HTML(heading("Write a letter"), elem_classes="lp-write")
                self.to = gr.Dropdown(choices, value=first.slug, label="To", elem_id="lp-to")
                with gr.Row():
                    self.place = gr.Textbox(
                        label="Your place", placeholder="where you write from", elem_id="lp-place",
                        max_lines=1, min_width=160,
                    )  # fmt: skip
                    self.date = gr.Textbox(
                        label="Date", elem_id="lp-date", max_lines=1, min_width=160, **dates(first)
                    )
                self.date_notice = gr.HTML("", visible=False)
                self.letter = gr.Textbox(
                    label="Your letter", lines=12, max_lines=40, elem_id="lp-letter",
                    placeholder=opening(first),
                )  # fmt: skip
                self.writer = gr.Textbox(
                    label="Your name", placeholder=UNNAMED, elem_id="lp-writer",
                    max_lines=1,
                )  # fmt: skip
                self.notice = gr.HTML("", visible=False)
                self.send = gr.Button("Send", variant="primary", elem_id="lp-send")
            with gr.Column(scale=2, min_width=300, elem_id="lp-side"):
                self.card = gr.HTML(paper.card_html(first))
                with gr.Accordion("Advanced", open=False):
                    self.model = gr.Dropdown(
                        models(), value=default_model(), label="Model", interactive=True
                    )
                    self.temperature = gr.Slider(
                        0, 2, value=_USUAL_TEMPERATURE, step=0.05, label="Temperature",
                        info="Lower is plainer, higher is bolder.",
                    )  # fmt: skip
                    # Not a Number: once drawn, that turns "none" into 0.
                    self.seed = gr.Textbox(
                        label="Seed", placeholder="by chance", max_lines=1, elem_id="lp-seed",
                        info="A whole number; the same one gives the same reply.",
                    )  # fmt: skip

    @property
    def shown(self) -> list[Any]:
        """The components that change with the open correspondence."""
        return [
            self.thread, self.answered, self.following, self.drawer, self.past, self.letters,
            self.whose, self.voice, self.legend, self.status, self.stop, self.tools, self.confirm,
            self.question, self.compose, self.heading, self.to, self.place, self.date,
            self.date_notice, self.letter, self.writer, self.notice, self.card,
        ]  # fmt: skip


def heading(text: str) -> str:
    """The heading of the sheet."""
    return f"<h2>{escape(text)}</h2>"


def models() -> list[str]:
    """The names of the models to choose from."""
    return [model.name for model in actions.models()] or [default_model()]


def opening(person: Person) -> str:
    """What stands on an empty sheet."""
    return f"Dear {person.name},\n\n"


def dates(person: Person, thread: Thread | None = None) -> dict[str, str]:
    """What the date field says: the date of an undated letter, and which ones are possible."""
    usual, earliest = person.writes_from.date.long, person.born
    if thread is not None and thread.letters:
        earliest = LetterDate.parse(thread.letters[-1].date)
        usual = earliest.long
    return {"placeholder": usual, "info": f"From {earliest.long} to {person.died.long}."}
