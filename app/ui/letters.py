"""What happens on the Letters tab when something is pressed.

What is on it is in `parts`, how letters look in `paper`, how replies are written while nobody looks
in `desk`; what is done is in `app.actions`. Every handler gives a dictionary of parts and their
news.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app import actions
from app.lab.voice import can_be_told, reply_voice_html
from app.ui import paper
from app.ui.desk import Desk
from app.ui.parts import FORMATS, UNNAMED, Parts, dates, heading, models, opening
from app.ui.warming import default_model
from corpora.errors import DateError, InputError, LetterpressError

DIPPING = "Dipping the pen …"
News = dict[Any, Any]
desk = Desk()
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class LettersTab:
    """The tab, connected."""

    def __init__(self, page: gr.Blocks) -> None:
        self.parts = Parts()
        self._wire(page, self.parts)

    def _wire(self, page: gr.Blocks, parts: Parts) -> None:
        """Connect what can be pressed with what it does."""
        loaded = page.load(
            self.on_load, [parts.thread, parts.drafted], [*parts.shown, parts.model], **_QUIET,
            js="() => [letterpress.opened(), letterpress.drafted()]",
        )  # fmt: skip
        opened = parts.past.input(self.on_open, [parts.past], parts.shown, **_QUIET)
        given = [
            parts.thread, parts.to, parts.letter, parts.writer, parts.date, parts.place,
            parts.model, parts.seed, parts.temperature,
        ]  # fmt: skip
        # The browser says so at once; the answer of a busy machine may take a while.
        dipping = json.dumps(paper.status_html(DIPPING))
        parts.send.click(None, None, [parts.status], js=f"() => {dipping}")
        sent = parts.send.click(
            self.on_send, given, parts.shown, trigger_mode="once", concurrency_limit=4, **_QUIET
        )
        follows = []
        for event, script in ((loaded, "remember"), (opened, "remember"), (sent, "sent")):
            event.then(None, [parts.thread], None, js=f"(t) => letterpress.{script}(t)")
            follow = event.then(
                self.on_follow, [parts.following], parts.shown, concurrency_limit=16, **_QUIET
            )
            follow.then(None, [parts.answered], None, js="(t) => letterpress.answered(t)")
            follows.append(follow)
            if script == "remember":
                event.then(None, None, None, js="() => letterpress.restore()")
        for button, handler, script in (
            (parts.new, self.on_new, "remember"),
            (parts.really, self.on_delete, "deleted"),
        ):
            event = button.click(
                handler, [parts.thread, parts.to], parts.shown, cancels=follows, **_QUIET
            )
            event.then(None, [parts.thread], None, js=f"(t) => letterpress.{script}(t)").then(
                None, None, None, js="() => letterpress.restore()"
            )
        parts.past.input(None, None, None, cancels=[follows[0], follows[2]])
        parts.stop.click(self.on_stop, [parts.thread], [parts.stop], **_QUIET)
        parts.to.input(self.on_person, [parts.to], [parts.card, parts.date, parts.letter], **_QUIET)
        parts.whose.expand(self.on_voice, [parts.thread], [parts.voice], **_QUIET)
        parts.delete.click(self.on_ask, [parts.thread], [parts.confirm, parts.question], **_QUIET)
        parts.keep.click(lambda: gr.Row(visible=False), None, [parts.confirm], **_QUIET)
        for kind, button in parts.saves.items():
            saved = button.click(
                _saver(parts, kind), [parts.thread], [parts.file, parts.status], **_QUIET
            )
            saved.then(None, [parts.file], None, js="(file) => letterpress.save(file)")

    def view(self, thread_id: str) -> News:
        """Everything as it stands for a correspondence, or for none."""
        parts = self.parts
        rows = actions.threads()
        labels = [(f"{_name(row.person)}: {row.title}", row.id) for row in rows]
        news: News = {
            parts.drawer: gr.Accordion(label=f"Past letters ({len(rows)})", visible=bool(rows)),
            parts.past: gr.Radio(choices=labels, value=thread_id or None),
            parts.confirm: gr.Row(visible=False),
            parts.notice: _notice(""),
            parts.date_notice: _notice(""),
            parts.stop: gr.Button("Stop", visible=False, interactive=True),
            parts.thread: thread_id,
            parts.following: "",
            parts.answered: "",
        }
        if not thread_id:
            return news | {
                parts.letters: gr.HTML("", visible=False),
                parts.whose: gr.Accordion(visible=False),
                parts.legend: gr.HTML(visible=False),
                parts.tools: gr.Row(visible=False),
                parts.compose: gr.Row(visible=True),
                parts.heading: heading("Write a letter"),
                parts.to: gr.Dropdown(visible=True),
                parts.status: paper.status_html(""),
                parts.writer: gr.Textbox(placeholder=UNNAMED),
            }
        thread = actions.thread(thread_id)
        person = actions.people().get(thread.person)
        job = desk.job(thread_id)
        busy = job is not None and not job.over
        sentences = job.sentences if job is not None and busy else None
        news |= {
            parts.letters: gr.HTML(paper.thread_html(thread, person, sentences), visible=True),
            parts.whose: gr.Accordion(open=False, visible=not busy and can_be_told(thread)),
            parts.voice: "",
            parts.legend: gr.HTML(visible=True),
            parts.tools: gr.Row(visible=not busy),
            parts.compose: gr.Row(visible=not busy and person is not None),
            parts.heading: heading(f"Your next letter to {_name(thread.person)}"),
            parts.following: thread_id if busy else "",
            parts.stop: gr.Button("Stop", visible=busy, interactive=True),
            parts.status: paper.status_html(DIPPING if busy else ""),
        }
        if person is not None:
            news |= {
                parts.to: gr.Dropdown(value=person.slug, visible=False),
                parts.card: paper.card_html(person),
                parts.date: gr.Textbox(**dates(person, thread)),
                parts.letter: gr.Textbox(placeholder=opening(person)),
                parts.writer: gr.Textbox(placeholder=thread.writer or UNNAMED),
            }
        return news

    def on_load(self, thread_id: str, drafted: str) -> News:
        """Show again what was open, or the person a draft is for."""
        parts = self.parts
        try:
            news = self.view(thread_id or "")
        except LetterpressError:  # deleted meanwhile
            news = self.view("")
        slugs = {f"{p.name} ({p.lifespan})": slug for slug, p in actions.people().items()}
        if not thread_id and drafted in slugs:
            news[parts.to] = gr.Dropdown(value=slugs[drafted], visible=True)
            news |= self.on_person(slugs[drafted])
        return news | {parts.model: gr.Dropdown(choices=models())}

    def on_open(self, thread_id: str) -> News:
        """Open a past correspondence; a letter that waits for its reply goes into the box."""
        parts = self.parts
        try:
            news = self.view(thread_id)
            thread = actions.thread(thread_id)
        except LetterpressError as problem:
            return self.view("") | {parts.status: paper.status_html(str(problem))}
        last = [letter for letter in thread.letters if letter.direction == "sent"][-1:]
        waiting = thread.unanswered if not news[parts.following] else None
        person = actions.people().get(thread.person)
        return news | {
            parts.letter: gr.Textbox(
                value=waiting.text if waiting else "",
                placeholder=opening(person) if person else "",
            ),
            parts.writer: gr.Textbox(value="", placeholder=thread.writer or UNNAMED),
            parts.place: last[0].place if last else "",
            parts.drawer: gr.Accordion(open=False),
        }

    def on_new(self, _thread_id: str, to: str) -> News:
        """An empty sheet to the same person."""
        return self.view("") | self.on_person(to, empty=True)

    def on_send(
        self, thread_id: str, to: str, text: str, writer: str, date: str, place: str, model: str,
        seed: str | None, temperature: float,
    ) -> News:  # fmt: skip
        """Check and save the letter and begin the reply, or say at the field what is amiss."""
        parts = self.parts
        clean = {
            parts.notice: _notice(""),
            parts.date_notice: _notice(""),
            parts.status: paper.status_html(""),
        }
        try:
            desk.check_free(thread_id)
            writing = actions.reply(
                text, to="" if thread_id else to, writer=writer, date=date, place=place,
                model=model or default_model(), seed=_seed(seed),
                temperature=temperature, thread=thread_id or None,
            )  # fmt: skip
            desk.begin(writing)
        except DateError as problem:
            return clean | {parts.date_notice: _notice(str(problem)), parts.following: ""}
        except LetterpressError as problem:
            return clean | {parts.notice: _notice(str(problem)), parts.following: ""}
        assert writing.thread_id is not None
        # The job may be over already; to the page it is still to be followed.
        return self.view(writing.thread_id) | {
            parts.following: writing.thread_id,
            parts.letter: "",
            parts.date: gr.Textbox(value=""),
            parts.compose: gr.Row(visible=False),
            parts.tools: gr.Row(visible=False),
        }

    def on_follow(self, thread_id: str) -> Iterator[News]:
        """Show a reply as it is written, to its end."""
        parts = self.parts
        job = desk.job(thread_id) if thread_id else None
        if job is None:
            yield {parts.answered: ""}
            return
        thread = actions.thread(thread_id)
        person = actions.people().get(thread.person)
        name, seen = _name(thread.person), 0
        while not job.over:
            job.wait(seen, timeout_s=1.0)
            sentences = job.sentences
            if len(sentences) == seen or job.over:
                yield {parts.following: thread_id}  # a point at which leaving the page is noticed
                continue
            seen = len(sentences)
            yield {
                parts.letters: paper.thread_html(thread, person, sentences),
                parts.status: paper.status_html(""),
            }
        news = self.view(thread_id)
        waiting = actions.thread(thread_id).unanswered
        if waiting is not None:
            said = job.problem or "The reply was stopped before its first sentence."
            yield news | {parts.letter: waiting.text, parts.notice: _notice(said)}
            return
        ready = f"The reply from {name} is ready."
        if job.problem:
            news[parts.notice] = _notice(job.problem)
        elif not job.writing.complete:
            ready = f"The reply from {name} was stopped and is kept as far as it came."
        yield news | {parts.status: paper.status_html(ready), parts.answered: thread_id}

    def on_stop(self, thread_id: str) -> Any:
        """End the reply after its sentence."""
        if job := desk.job(thread_id):
            job.writing.stop()
        return gr.Button("Stopping after this sentence …", interactive=False)

    def on_person(self, slug: str, empty: bool = False) -> News:
        """Another addressee: another card, other dates; `empty` clears letter and date too."""
        parts = self.parts
        person = actions.people().get(slug)
        if person is None:
            return {parts.card: gr.skip()}
        fresh = {"value": ""} if empty else {}
        return {
            parts.card: paper.card_html(person),
            parts.date: gr.Textbox(**dates(person), **fresh),
            parts.letter: gr.Textbox(placeholder=opening(person), **fresh),
        }

    def on_voice(self, thread_id: str) -> str:
        """Whose voice the last reply has; asked only when the fold is opened."""
        try:
            thread = actions.thread(thread_id)
            return reply_voice_html(thread, _name(thread.person))
        except LetterpressError as problem:
            return paper.notice_html(str(problem))

    def on_ask(self, thread_id: str) -> News:
        """Ask before deleting."""
        parts = self.parts
        name = _name(actions.thread(thread_id).person)
        asked = f"Delete this correspondence with {name}, letters and replies?"
        return {parts.confirm: gr.Row(visible=True), parts.question: paper.notice_html(asked)}

    def on_delete(self, thread_id: str, to: str) -> News:
        """Delete the open correspondence."""
        parts = self.parts
        try:
            desk.check_free(thread_id)
            actions.delete_thread(thread_id)
        except LetterpressError as problem:
            return {parts.status: paper.status_html(str(problem))}
        deleted = paper.status_html("The correspondence is deleted.")
        return self.on_new("", to) | {parts.status: deleted}


def _saver(parts: Parts, kind: Any) -> Callable[[str], News]:
    def save(thread_id: str) -> News:
        """The correspondence as a file for the browser to save; nothing stays in a cache."""
        try:
            thread = actions.thread(thread_id)
            with tempfile.TemporaryDirectory(prefix="letterpress-") as folder:
                path = actions.export_thread(thread_id, kind, to=Path(folder) / f"letters.{kind}")
                data = base64.b64encode(path.read_bytes()).decode("ascii")
        except LetterpressError as problem:
            return {parts.file: None, parts.status: paper.status_html(str(problem))}
        name = f"letters-{thread.person}-{thread.id[:8]}.{kind}"
        return {parts.file: {"name": name, "type": FORMATS[kind][1], "base64": data}}

    return save


def _seed(text: str | None) -> int | None:
    """The seed of a field, None where it is empty."""
    text = (text or "").strip()  # None while the fold it lies in was never opened
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise InputError(
            f"The seed is {text[:30]!r}; expected a whole number from 0 to {actions.MAX_SEED}, "
            "or nothing."
        )
    return int(text)


def _notice(message: str) -> Any:
    return gr.HTML(paper.notice_html(message), visible=bool(message))


def _name(slug: str) -> str:
    person = actions.people().get(slug)
    return person.name if person is not None else slug
