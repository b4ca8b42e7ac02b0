"""The Race view: begin one, watch its curves grow, stop it, go on with it, save its report.

A race runs in a process of its own (`app.race.races`); the view looks into its folder once a second
while one runs, so closing the tab stops nothing. What is drawn comes from `app.race.report`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from app.home import home
from app.race import races
from app.race.chart import AXES
from app.race.folder import Race, read_race
from app.race.report import chart_html, facts_html, report_html, samples_html, table_html, title_of
from app.race.settings import LETTERS, MODELS, SIZES, TOKENS, Budget, RaceSettings
from app.ui import paper
from corpora.errors import InputError, LetterpressError

News = dict[Any, Any]
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_KINDS = [("Minutes", "minutes"), ("Operations (FLOPs)", "flops"), ("Parameters", "parameters")]
_AMOUNTS = {"minutes": "3", "flops": "1e13", "parameters": "300000"}
_EXPLAINED = {
    "minutes": "Minutes of training for each model.",
    "flops": "Floating-point operations of training for each model, such as 1e13.",
    "parameters": "Weights of each model; all read as many bytes.",
}
_STATES = {
    "running": "running",
    "finished": "finished",
    "stopped": "stopped, can go on",
    "interrupted": "interrupted, can go on",
    "failed": "failed",
}
_RESUMABLE = ("stopped", "interrupted", "failed")


class RaceView:
    """The view, connected; build it inside the tab it belongs to."""

    def __init__(self, page: gr.Blocks) -> None:
        self.name = gr.State("")
        self.seen = gr.State("")
        self.file = gr.JSON(visible=False)
        with gr.Column(elem_classes="lp-race"):
            gr.HTML(
                '<div class="lp-write"><h2>An equal race</h2><p class="lp-race-note">Several '
                "models learn the same text under the same budget, in turns. Less is better: bits "
                "per byte of text that none of them has read.</p></div>"
            )
            self._build_form()
            with gr.Row(elem_classes="lp-race-bar"):
                self.progress = gr.HTML("", visible=False)
                self.stop = gr.Button("Stop the race", visible=False, scale=0, min_width=180)
            self.status = gr.HTML(paper.status_html(""))
            self._build_results()
        self.timer = gr.Timer(1.0, active=False)
        self._wire(page)

    def _build_form(self) -> None:
        with gr.Accordion("A new race", open=True) as self.form:
            self.corpus = gr.Textbox(
                LETTERS, label="Corpus", max_lines=1, elem_id="lp-race-corpus",
                info="letters, a collection that was fetched, or the path of a text file or folder "
                "on this machine.",
            )  # fmt: skip
            self.models = gr.CheckboxGroup(
                list(MODELS), value=list(MODELS), label="Models", elem_id="lp-race-models"
            )
            with gr.Row():
                self.kind = gr.Radio(
                    _KINDS, value="minutes", label="Equal for all", elem_id="lp-race-kind",
                    min_width=260,
                )  # fmt: skip
                # Not a Number: it would show 1e13 as a long row of noughts.
                self.amount = gr.Textbox(
                    _AMOUNTS["minutes"], label="How much", max_lines=1, elem_id="lp-race-amount",
                    info=_EXPLAINED["minutes"], min_width=200,
                )  # fmt: skip
                self.size = gr.Radio(
                    list(SIZES), value="nano", label="Size", elem_id="lp-race-size", min_width=220,
                    info="All get as many weights as an LSTM of that size.",
                )  # fmt: skip
            with gr.Accordion("Advanced", open=False):
                self.tokens = gr.Radio(
                    [("pieces of words (BPE)", TOKENS[0]), ("characters", TOKENS[1])],
                    value=TOKENS[0], label="GPT-2 reads", interactive=True,
                )  # fmt: skip
                self.seed = gr.Textbox(
                    "0", label="Race seed", max_lines=1, interactive=True,
                    info="Fixes first weights, order and samples.",
                )  # fmt: skip
            self.notice = gr.HTML("", visible=False)
            self.start = gr.Button(
                "Start the race", variant="primary", elem_id="lp-race-start", min_width=180
            )

    def _build_results(self) -> None:
        self.heading = gr.HTML("", visible=False)
        with gr.Row():
            self.past = gr.Dropdown(
                [], label="Races kept here", elem_id="lp-race-past", visible=False,
                interactive=True, min_width=260,
            )  # fmt: skip
            self.axis = gr.Radio(
                [(said, key) for key, said in AXES.items()], value="share", label="Drawn over",
                elem_id="lp-race-axis", visible=False, interactive=True, min_width=260,
            )  # fmt: skip
        self.chart = gr.HTML("", visible=False)
        self.table = gr.HTML("", visible=False)
        self.samples = gr.HTML("", visible=False)
        with gr.Accordion("What was equal, and what was not", open=False, visible=False) as fold:
            self.facts = gr.HTML("")
        self.fold = fold
        with gr.Row(visible=False, elem_classes="lp-race-tools") as self.tools:
            self.save = gr.Button("Save the report", size="sm", scale=0, min_width=150)
            self.resume = gr.Button(
                "Go on with this race", size="sm", scale=0, min_width=180, visible=False
            )

    @property
    def shown(self) -> list[Any]:
        """What changes with the race that is shown."""
        return [
            self.name, self.seen, self.form, self.progress, self.stop, self.status, self.heading,
            self.past, self.axis, self.chart, self.table, self.samples, self.fold, self.facts,
            self.tools, self.resume, self.timer, self.notice, self.start,
        ]  # fmt: skip

    def _wire(self, page: gr.Blocks) -> None:
        look = [self.name, self.axis]
        page.load(self.on_load, [self.axis], self.shown, **_QUIET)
        self.timer.tick(self.on_tick, [*look, self.seen], self.shown, **_QUIET)
        given = [self.corpus, self.models, self.kind, self.amount, self.size, self.tokens,
                 self.seed, self.axis]  # fmt: skip
        self.start.click(self.on_start, given, self.shown, trigger_mode="once", **_QUIET)
        self.resume.click(self.on_resume, look, self.shown, trigger_mode="once", **_QUIET)
        self.stop.click(self.on_stop, [self.name], [self.stop, self.status], **_QUIET)
        self.past.input(self.on_open, [self.past, self.axis], self.shown, **_QUIET)
        self.axis.input(self.on_axis, look, [self.chart], **_QUIET)
        self.kind.input(self.on_kind, [self.kind], [self.amount, self.size], **_QUIET)
        saved = self.save.click(self.on_save, [self.name], [self.file, self.status], **_QUIET)
        saved.then(None, [self.file], None, js="(file) => letterpress.save(file)")

    def on_load(self, axis: str) -> News:
        """Show the race that runs, else the latest one."""
        kept = races.races()
        running = [race.name for race in kept if race.alive]
        return self.view((running or [race.name for race in kept] or [""])[0], axis)

    def on_tick(self, name: str, axis: str, seen: str) -> News:
        """Look again; what has not changed is not drawn again."""
        return self.view(name, axis, seen)

    def on_open(self, name: str, axis: str) -> News:
        """Show another race."""
        return self.view(name, axis)

    def on_start(
        self, corpus: str, models: list[str], kind: str, amount: str, size: str, tokens: str | None,
        seed: str | None, axis: str,
    ) -> News:  # fmt: skip
        """Begin a race, or say what is amiss."""

        def begun() -> str:
            budget = Budget.parse(f"{kind}={(amount or '').strip()}")
            chosen = tuple(name for name in MODELS if name in models)
            return races.begin(
                RaceSettings(
                    corpus=(corpus or "").strip(), models=chosen, budget=budget, size=size,
                    gpt2_tokens=tokens or TOKENS[0], seed=_seed(seed),
                )
            ).name  # fmt: skip

        return self._begun(begun, axis)

    def on_resume(self, name: str, axis: str) -> News:
        """Go on with the race that is shown."""

        def begun() -> str:
            path = races.race_folder(name)
            return races.begin(read_race(path).settings, resume=path).name

        return self._begun(begun, axis)

    def _begun(self, begin: Callable[[], str], axis: str) -> News:
        try:
            name = begin()
        except LetterpressError as problem:
            return {self.notice: _notice(str(problem))}
        return self.view(name, axis) | {
            self.timer: gr.Timer(active=True),
            self.notice: _notice(""),
            self.status: paper.status_html("The race has begun. You may close this page."),
        }

    def on_stop(self, name: str) -> News:
        """Ask the race to end with what it has."""
        try:
            races.stop(name)
        except LetterpressError as problem:
            return {self.status: paper.status_html(str(problem))}
        return {self.stop: gr.Button("Stopping …", interactive=False)}

    def on_axis(self, name: str, axis: str) -> News:
        """Draw the curves over something else."""
        try:
            return {self.chart: chart_html(read_race(races.race_folder(name)), axis)}
        except LetterpressError:
            return {self.chart: gr.skip()}

    def on_kind(self, kind: str) -> News:
        """Another budget: another usual amount; parameters say the size themselves."""
        return {
            self.amount: gr.Textbox(value=_AMOUNTS[kind], info=_EXPLAINED[kind]),
            self.size: gr.Radio(visible=kind != "parameters"),
        }

    def on_save(self, name: str) -> News:
        """The report as a file for the browser to save."""
        try:
            html = report_html(read_race(races.race_folder(name)))
        except LetterpressError as problem:
            return {self.file: None, self.status: paper.status_html(str(problem))}
        data = base64.b64encode(html.encode("utf-8")).decode("ascii")
        return {self.file: {"name": f"race-{name}.html", "type": "text/html", "base64": data}}

    def view(self, name: str, axis: str, seen: str = "") -> News:
        """Everything as it stands for a race, or for none; `seen` is what was drawn last."""
        if not name:
            return {self.timer: gr.Timer(active=False)}
        path = home() / "races" / name
        process = races.beginning(path)
        try:
            race = read_race(races.race_folder(name))
        except LetterpressError as problem:  # not written yet, or gone
            if process.running:
                return self._bar("Starting …", 0.0, None) | {
                    self.name: name,
                    self.start: gr.Button(interactive=False),
                    self.timer: gr.Timer(active=True),
                }
            return self._unbegun(process.said or str(problem))
        busy = process.running or race.alive
        mark = f"{name} {race.state} {busy} {axis} {[len(c) for c in race.curves.values()]} "
        mark += f"{len(race.facts)} {len(race.facts.get('results', ()))}"
        news: News = {self.timer: gr.Timer(active=busy), self.name: name, self.seen: mark}
        if busy:
            said = race.progress
            news |= self._bar(said.get("stage", "Starting"), said.get("share", 0.0),
                              said.get("seconds_left"))  # fmt: skip
        if mark == seen:
            return news
        return news | self._drawn(race, axis, busy)

    def _bar(self, stage: str, share: float, left: float | None) -> News:
        said = escape(stage) + (f", about {_minutes(left)} of training left" if left else "")
        bar = f'<progress max="1" value="{share:.3f}" aria-label="The race">{share:.0%}</progress>'
        html = f'<div class="lp-race-progress">{bar}<span>{share:.0%}. {said}</span></div>'
        return {self.progress: gr.HTML(html, visible=True)}

    def _unbegun(self, problem: str) -> News:
        """A race that ended before any model had learnt: only why."""
        return {
            self.timer: gr.Timer(active=False),
            self.form: gr.Accordion(open=True),
            self.start: gr.Button(interactive=True),
            self.progress: gr.HTML("", visible=False),
            self.stop: gr.Button(visible=False),
            self.status: paper.status_html(""),
            self.notice: _notice(problem),
        }

    def _drawn(self, race: Race, axis: str, busy: bool) -> News:
        """The race as it stands."""
        failed = race.state == "failed" and not busy
        if failed and not race.facts.get("contestants"):
            return self._unbegun(str(race.facts["problem"]))
        samples = samples_html(race)
        kept = [(_listed(other), other.name) for other in races.races()]
        news: News = {
            self.start: gr.Button(interactive=not busy),
            self.stop: gr.Button("Stop the race", visible=busy, interactive=True),
            self.heading: gr.HTML(_heading(race, busy), visible=True),
            self.past: gr.Dropdown(choices=kept, value=race.name, visible=True),
            self.axis: gr.Radio(visible=True),
            self.chart: gr.HTML(chart_html(race, axis), visible=True),
            self.table: gr.HTML(table_html(race), visible=True),
            self.samples: gr.HTML(samples, visible=bool(samples)),
            self.fold: gr.Accordion(visible=True),
            self.facts: facts_html(race),
            self.tools: gr.Row(visible=not busy),
            self.resume: gr.Button(visible=not busy and race.state in _RESUMABLE),
            self.notice: _notice(race.facts["problem"] if failed else ""),
        }
        if busy:
            news[self.form] = gr.Accordion(open=False)  # the curves matter now
        else:
            news[self.progress] = gr.HTML("", visible=False)
            ended = {"finished": "The race is over.", "stopped": "Stopped; all there is is kept."}
            news[self.status] = paper.status_html(ended.get(race.state, ""))
        return news


def _heading(race: Race, busy: bool) -> str:
    state = "running" if busy else _STATES[race.state]
    said = f"On {title_of(race)}: {race.settings.budget.described()} ({state})"
    return f'<div class="lp-write"><h3 class="lp-race-head">{escape(said)}</h3></div>'


def _listed(race: Race) -> str:
    began = str(race.facts["started"])[:16].replace("T", " ")
    return f"{title_of(race)}, {race.settings.budget}, {began}: {_STATES[race.state]}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _notice(message: str) -> Any:
    return gr.HTML(paper.notice_html(message), visible=bool(message))


def _seed(text: str | None) -> int:
    text = (text or "0").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise InputError(f"The seed is {text[:30]!r}; expected a whole number.")
    return int(text)
