"""The Letters tab: what is on it and what happens when something is pressed.

How letters look is in `paper`, how replies are written while nobody looks in `desk`; what is done
is in `app.actions`. Every handler gives a dictionary of components and their news.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.store import Thread
from app.ui import paper
from app.ui.desk import Desk
from app.ui.warming import default_model
from corpora.dates import LetterDate
from corpora.errors import DateError, LetterpressError
from corpora.people import Person
from lm.request import MAX_CHARACTERS

News = dict[Any, Any]
desk = Desk()
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_FORMATS = {"md": ("Markdown", "text/markdown"), "txt": ("Plain text", "text/plain")} | {
    "pdf": ("PDF", "application/pdf")
}
_USUAL_TEMPERATURE = 0.75


class LettersTab:
    """The components of the tab and the handlers that speak of them."""

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
        self.status = gr.HTML(paper.status_html(""))
        self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="lp-stop")
        with gr.Row(visible=False, elem_id="lp-tools") as self.tools:
            self.saves = {
                kind: gr.Button(f"Save as {label}", size="sm", min_width=140)
                for kind, (label, _) in _FORMATS.items()
            }
            self.delete = gr.Button("Delete …", size="sm", min_width=140)
        with gr.Row(visible=False) as self.confirm:
            self.question = gr.HTML("")
            self.really = gr.Button("Delete for good", variant="stop", size="sm", min_width=140)
            self.keep = gr.Button("Keep", size="sm", min_width=140)
        with gr.Row() as self.compose:
            with gr.Column(scale=3, min_width=320, elem_id="lp-sheet"):
                self.heading = gr.HTML(_heading("Write a letter"), elem_classes="lp-write")
                self.to = gr.Dropdown(choices, value=first.slug, label="To", elem_id="lp-to")
                with gr.Row():
                    self.place = gr.Textbox(
                        label="Your place", placeholder="where you write from", elem_id="lp-place",
                        max_lines=1, min_width=160,
                    )  # fmt: skip
                    self.date = gr.Textbox(
                        label="Date", elem_id="lp-date", max_lines=1, min_width=160, **_dates(first)
                    )
                self.date_notice = gr.HTML("")
                self.letter = gr.Textbox(
                    label="Your letter", lines=12, max_lines=40, elem_id="lp-letter",
                    placeholder=_opening(first), max_length=MAX_CHARACTERS * 2,
                )  # fmt: skip
                self.writer = gr.Textbox(
                    label="Your name", placeholder="or sign the letter", elem_id="lp-writer",
                    max_lines=1,
                )  # fmt: skip
                self.notice = gr.HTML("")
                self.send = gr.Button("Send", variant="primary", elem_id="lp-send")
            with gr.Column(scale=2, min_width=300):
                self.card = gr.HTML(paper.card_html(first))
                with gr.Accordion("Advanced", open=False):
                    self.model = gr.Dropdown(
                        _models(), value=default_model(), label="Model", interactive=True
                    )
                    self.temperature = gr.Slider(
                        0, 2, value=_USUAL_TEMPERATURE, step=0.05, label="Temperature",
                        info="Lower is plainer, higher is bolder.",
                    )  # fmt: skip
                    self.seed = gr.Number(
                        None, label="Seed", precision=0, minimum=0, maximum=actions.MAX_SEED,
                        info="The same seed gives the same reply. Empty: by chance.",
                    )  # fmt: skip

    @property
    def shown(self) -> list[Any]:
        """The components that change with the open correspondence."""
        return [
            self.thread, self.answered, self.following, self.drawer, self.past, self.letters,
            self.status, self.stop, self.tools, self.confirm, self.question, self.compose,
            self.heading, self.to, self.place, self.date, self.date_notice, self.letter,
            self.writer, self.notice, self.card,
        ]  # fmt: skip

    def wire(self, page: gr.Blocks) -> None:
        """Connect what can be pressed with what it does."""
        loaded = page.load(
            self.on_load, [self.thread, self.drafted], [*self.shown, self.model], **_QUIET,
            js="() => [letterpress.opened(), letterpress.drafted()]",
        )  # fmt: skip
        opened = self.past.input(self.on_open, [self.past], self.shown, **_QUIET)
        given = [
            self.thread, self.to, self.letter, self.writer, self.date, self.place, self.model,
            self.seed, self.temperature,
        ]  # fmt: skip
        sent = self.send.click(
            self.on_send, given, self.shown, trigger_mode="once", concurrency_limit=4, **_QUIET
        )
        follows = []
        for event, script in ((loaded, "remember"), (opened, "remember"), (sent, "sent")):
            event.then(None, [self.thread], None, js=f"(t) => letterpress.{script}(t)")
            follow = event.then(
                self.on_follow, [self.following], self.shown, concurrency_limit=16, **_QUIET
            )
            follow.then(None, [self.answered], None, js="(t) => letterpress.answered(t)")
            follows.append(follow)
            if script == "remember":
                event.then(None, None, None, js="() => letterpress.restore()")
        for button, handler in ((self.new, self.on_new), (self.really, self.on_delete)):
            event = button.click(handler, [self.thread], self.shown, cancels=follows, **_QUIET)
            event.then(None, [self.thread], None, js="(t) => letterpress.remember(t)").then(
                None, None, None, js="() => letterpress.restore()"
            )
        self.past.input(None, None, None, cancels=[follows[0], follows[2]])
        self.stop.click(self.on_stop, [self.thread], [self.stop], **_QUIET)
        self.to.change(self.on_person, [self.to], [self.card, self.date, self.letter], **_QUIET)
        self.delete.click(self.on_ask, [self.thread], [self.confirm, self.question], **_QUIET)
        self.keep.click(lambda: gr.Row(visible=False), None, [self.confirm], **_QUIET)
        for kind, button in self.saves.items():
            saved = button.click(_saver(kind), [self.thread], [self.file], **_QUIET)
            saved.then(None, [self.file], None, js="(file) => letterpress.save(file)")

    def view(self, thread_id: str) -> News:
        """Everything as it stands for a correspondence, or for none."""
        rows = actions.threads()
        labels = [(f"{_name(row.person)}: {row.title}", row.id) for row in rows]
        news: News = {
            self.drawer: gr.Accordion(label=f"Past letters ({len(rows)})", visible=bool(rows)),
            self.past: gr.Radio(choices=labels, value=thread_id or None),
            self.confirm: gr.Row(visible=False),
            self.notice: "",
            self.date_notice: "",
            self.stop: gr.Button("Stop", visible=False, interactive=True),
            self.thread: thread_id,
            self.following: "",
            self.answered: "",
        }
        if not thread_id:
            return news | {
                self.letters: gr.HTML("", visible=False),
                self.tools: gr.Row(visible=False),
                self.compose: gr.Row(visible=True),
                self.heading: _heading("Write a letter"),
                self.to: gr.Dropdown(visible=True),
                self.status: paper.status_html(""),
            }
        thread = actions.thread(thread_id)
        person = actions.people().get(thread.person)
        job = desk.job(thread_id)
        busy = job is not None and not job.over
        sentences = job.sentences if job is not None and busy else None
        news |= {
            self.letters: gr.HTML(paper.thread_html(thread, person, sentences), visible=True),
            self.tools: gr.Row(visible=not busy),
            self.compose: gr.Row(visible=not busy and person is not None),
            self.heading: _heading(f"Your next letter to {_name(thread.person)}"),
            self.following: thread_id if busy else "",
            self.stop: gr.Button("Stop", visible=busy, interactive=True),
            self.status: paper.status_html("Dipping the pen …" if busy else ""),
        }
        if person is not None:
            news |= {
                self.to: gr.Dropdown(value=person.slug, visible=False),
                self.card: paper.card_html(person),
                self.date: gr.Textbox(**_dates(person, thread)),
            }
        return news

    def on_load(self, thread_id: str, drafted: str) -> News:
        """Show again what was open, or the person a draft is for."""
        models = {self.model: gr.Dropdown(choices=_models())}
        try:
            news = self.view(thread_id or "")
        except LetterpressError:  # deleted meanwhile
            news = self.view("")
        slugs = {f"{p.name} ({p.lifespan})": slug for slug, p in actions.people().items()}
        if not thread_id and drafted in slugs:
            news[self.to] = gr.Dropdown(value=slugs[drafted], visible=True)
        return news | models

    def on_open(self, thread_id: str) -> News:
        """Open a past correspondence; a letter that waits for its reply goes into the box."""
        try:
            news = self.view(thread_id)
            thread = actions.thread(thread_id)
        except LetterpressError as problem:
            return self.view("") | {self.status: paper.status_html(str(problem))}
        last = [letter for letter in thread.letters if letter.direction == "sent"][-1:]
        waiting = thread.unanswered
        return news | {
            self.letter: waiting.text if waiting and not news[self.following] else "",
            self.writer: thread.writer,
            self.place: last[0].place if last else "",
            self.drawer: gr.Accordion(open=False),
        }

    def on_new(self, _thread_id: str) -> News:
        """An empty sheet."""
        return self.view("") | {self.letter: "", self.date: gr.Textbox(value="")}

    def on_send(
        self, thread_id: str, to: str, text: str, writer: str, date: str, place: str, model: str,
        seed: int | None, temperature: float,
    ) -> News:  # fmt: skip
        """Check and save the letter and begin the reply, or say at the field what is amiss."""
        clean = {self.notice: "", self.date_notice: ""}
        try:
            desk.check_free(thread_id)
            writing = actions.reply(
                text, to="" if thread_id else to, writer=writer, date=date, place=place,
                model=model or default_model(), seed=None if seed is None else int(seed),
                temperature=temperature, thread=thread_id or None,
            )  # fmt: skip
            desk.begin(writing)
        except DateError as problem:
            return clean | {self.date_notice: paper.notice_html(str(problem)), self.following: ""}
        except LetterpressError as problem:
            return clean | {self.notice: paper.notice_html(str(problem)), self.following: ""}
        assert writing.thread_id is not None
        # The job may be over already; to the page it is still to be followed.
        return self.view(writing.thread_id) | {
            self.following: writing.thread_id,
            self.letter: "",
            self.date: gr.Textbox(value=""),
            self.compose: gr.Row(visible=False),
            self.tools: gr.Row(visible=False),
        }

    def on_follow(self, thread_id: str) -> Iterator[News]:
        """Show a reply as it is written, to its end."""
        job = desk.job(thread_id) if thread_id else None
        if job is None:
            yield {self.answered: ""}
            return
        thread = actions.thread(thread_id)
        person = actions.people().get(thread.person)
        name, seen = _name(thread.person), 0
        while not job.over:
            job.wait(seen, timeout_s=1.0)
            sentences = job.sentences
            if len(sentences) == seen or job.over:
                yield {self.following: thread_id}  # a point at which leaving the page is noticed
                continue
            seen = len(sentences)
            yield {
                self.letters: paper.thread_html(thread, person, sentences),
                self.status: paper.status_html(""),
            }
        news = self.view(thread_id)
        waiting = actions.thread(thread_id).unanswered
        if waiting is not None:
            said = job.problem or "The reply was stopped before its first sentence."
            yield news | {self.letter: waiting.text, self.notice: paper.notice_html(said)}
            return
        ready = f"The reply from {name} is ready."
        if job.problem:
            news[self.notice] = paper.notice_html(job.problem)
        elif not job.writing.complete:
            ready = f"The reply from {name} was stopped and is kept as far as it came."
        yield news | {self.status: paper.status_html(ready), self.answered: thread_id}

    def on_stop(self, thread_id: str) -> Any:
        """End the reply after its sentence."""
        if job := desk.job(thread_id):
            job.writing.stop()
        return gr.Button("Stopping after this sentence …", interactive=False)

    def on_person(self, slug: str) -> News:
        """Another addressee: another card, other dates."""
        person = actions.people().get(slug)
        if person is None:
            return {self.card: gr.skip()}
        return {
            self.card: paper.card_html(person),
            self.date: gr.Textbox(**_dates(person)),
            self.letter: gr.Textbox(placeholder=_opening(person)),
        }

    def on_ask(self, thread_id: str) -> News:
        """Ask before deleting."""
        name = _name(actions.thread(thread_id).person)
        asked = f"Delete this correspondence with {name}, letters and replies?"
        return {self.confirm: gr.Row(visible=True), self.question: paper.notice_html(asked)}

    def on_delete(self, thread_id: str) -> News:
        """Delete the open correspondence."""
        try:
            desk.check_free(thread_id)
            actions.delete_thread(thread_id)
        except LetterpressError as problem:
            return {self.status: paper.status_html(str(problem))}
        return self.view("") | {self.status: paper.status_html("The correspondence is deleted.")}


def tab(page: gr.Blocks) -> LettersTab:
    """Put the tab on the page, connected."""
    letters = LettersTab()
    letters.wire(page)
    return letters


def _saver(kind: Any) -> Any:
    def save(thread_id: str) -> dict[str, str] | None:
        """The correspondence as a file for the browser to save; nothing stays in a cache."""
        if not thread_id:
            return None
        thread = actions.thread(thread_id)
        with tempfile.TemporaryDirectory(prefix="letterpress-") as folder:
            path = actions.export_thread(thread_id, kind, to=Path(folder) / f"letters.{kind}")
            data = base64.b64encode(path.read_bytes()).decode("ascii")
        name = f"letters-{thread.person}-{thread.id[:8]}.{kind}"
        return {"name": name, "type": _FORMATS[kind][1], "base64": data}

    return save


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _name(slug: str) -> str:
    person = actions.people().get(slug)
    return person.name if person is not None else slug


def _models() -> list[str]:
    return [model.name for model in actions.models()] or [default_model()]


def _opening(person: Person) -> str:
    return f"Dear {person.name},\n\n"


def _dates(person: Person, thread: Thread | None = None) -> dict[str, str]:
    """What the date field says: the date of an undated letter, and which ones are possible."""
    usual, earliest = person.writes_from.date.long, person.born
    if thread is not None and thread.letters:
        earliest = LetterDate.parse(thread.letters[-1].date)
        usual = earliest.long
    return {"placeholder": usual, "info": f"From {earliest.long} to {person.died.long}."}
