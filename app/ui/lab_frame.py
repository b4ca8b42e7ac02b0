"""The frame that all experiments of the lab share: settings, a run, its curves, its results.

A run goes in a process of its own (`app.lab.jobs`); the frame looks into its folder once a second
while one goes, so closing the tab stops nothing. What is drawn comes from `app.lab.drawn`; what an
experiment has to try is its own part, told of the folder that is shown.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from app.lab import jobs
from app.lab.bars import bars_html
from app.lab.drawn import curves_html, facts_html, figures_html, table_html
from app.lab.folder import Run, read_run
from app.lab.names import experiments
from app.ui import paper
from app.ui.lab_form import Form
from app.ui.streaming import in_words
from corpora.errors import LetterpressError

News = dict[Any, Any]
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
STATES = {
    "running": "running",
    "finished": "finished",
    "stopped": "stopped before its end",
    "interrupted": "interrupted",
    "failed": "failed",
}
UNTRAINED = (
    "Nothing is trained here yet. Start a run below: its curves grow in view, and this part works "
    "as soon as it is over."
)


class Part(Protocol):
    """What an experiment has to try, built in the current block."""

    def __init__(self, frame: Frame) -> None: ...

    @property
    def shown(self) -> list[Any]:
        """Its components that change with the run that is shown."""
        ...

    def ready(self, folder: Path | None) -> bool:
        """Whether there is something to try, with a run that is over or without one."""
        ...

    def view(self, folder: Path | None) -> News:
        """Its components for a run that is over, or for none."""
        ...

    def wire(self, frame: Frame) -> None:
        """Connect what needs the form and the results, which stand below the part."""
        ...


class Frame:
    """One experiment's view."""

    def __init__(self, name: str, part: type[Any]) -> None:
        self.experiment = name
        self.name = gr.State("")
        self.seen = gr.State("")
        with gr.Column(elem_classes="lp-lab-frame"):
            gr.HTML(
                f'<div class="lp-lab-head"><h2>{escape(_TITLES[name])}</h2>'
                f"<p>{escape(experiments()[name])}</p></div>"
            )
            with gr.Column(elem_classes="lp-lab-try"):
                self.untrained = gr.HTML(_note(UNTRAINED), visible=True)
                self.part: Part = part(self)
            self._build_run()
            self._build_results()
        self.timer = gr.Timer(1.0, active=False)
        self._wire()

    def _build_run(self) -> None:
        name = self.experiment
        with gr.Accordion("Settings of a run", open=False, elem_id=f"lp-lab-{name}-settings"):
            self.form = Form(name)
        self.notice = gr.HTML("", visible=False)
        self.start = gr.Button(
            "Start a run", variant="primary", elem_id=f"lp-lab-{name}-start", min_width=180,
            elem_classes="lp-lab-go",
        )  # fmt: skip
        with gr.Row(elem_classes="lp-lab-bar"):
            self.progress = gr.HTML("", visible=False)
            self.stop = gr.Button("Stop the run", visible=False, scale=0, min_width=160)
        self.status = gr.HTML(paper.status_html(""))
        self.curves = gr.HTML("", visible=False)

    def _build_results(self) -> None:
        name = self.experiment
        self.heading = gr.HTML("", visible=False)
        with gr.Row(visible=False) as self.tools:
            self.past = gr.Dropdown(
                [], label="Runs kept here", elem_id=f"lp-lab-{name}-past", interactive=True,
                min_width=260,
            )  # fmt: skip
            self.delete = gr.Button("Delete this run", size="sm", scale=0, min_width=150)
        with gr.Row(visible=False) as self.confirm:
            gr.HTML(paper.notice_html("Delete this run, with its models and figures?"))
            self.really = gr.Button("Delete it", size="sm", scale=0, min_width=110)
            self.keep = gr.Button("Keep it", size="sm", scale=0, min_width=110)
        self.bars = gr.HTML("", visible=False)
        self.figures = gr.HTML("", visible=False)
        self.table = gr.HTML("", visible=False)
        with gr.Accordion("Facts and settings of this run", open=False, visible=False) as fold:
            self.facts = gr.HTML("")
        self.fold = fold

    @property
    def shown(self) -> list[Any]:
        """What changes with the run that is shown."""
        return [
            self.name, self.seen, self.untrained, self.notice, self.start, self.progress, self.stop,
            self.status, self.curves, self.heading, self.tools, self.past, self.delete,
            self.confirm, self.bars, self.figures, self.table, self.fold, self.facts, self.timer,
            *self.part.shown,
        ]  # fmt: skip

    def opens_with(self, tab: gr.Tab) -> None:
        """Show what there is when a tab is opened."""
        tab.select(self.on_open_tab, [self.name], self.shown, **QUIET)

    def _wire(self) -> None:
        self.timer.tick(self.on_tick, [self.name, self.seen], self.shown, **QUIET)
        self.start.click(self.on_start, self.form.parts, self.shown, trigger_mode="once", **QUIET)
        self.stop.click(self.on_stop, [self.name], [self.stop, self.status], **QUIET)
        self.past.input(self.on_choose, [self.past], self.shown, **QUIET)
        self.delete.click(lambda: gr.Row(visible=True), None, [self.confirm], **QUIET)
        self.keep.click(lambda: gr.Row(visible=False), None, [self.confirm], **QUIET)
        self.really.click(self.on_delete, [self.name], self.shown, **QUIET)
        self.part.wire(self)

    def on_open_tab(self, name: str) -> News:
        """Show the run that goes on, else the one that was shown, else the latest."""
        kept = jobs.runs(self.experiment)
        going = [run.name for run in kept if run.alive]
        over = [run.name for run in kept if run.over]
        still = [run.name for run in kept if run.name == name]
        return self.view((going or still or over or [""])[0])

    def on_tick(self, name: str, seen: str) -> News:
        """Look again; what has not changed is not drawn again."""
        return self.view(name, seen)

    def on_choose(self, name: str) -> News:
        """Show another run."""
        return self.view(name)

    def on_start(self, *values: Any) -> News:
        """Begin a run with the settings of the form, or say what is amiss."""
        return self.begin(*values)

    def begin(self, *values: Any, **fixed: Any) -> News:
        """Begin a run; `fixed` are settings that stand in no field, such as a person's own file."""
        try:
            name = jobs.begin(self.experiment, self.form.settings(*values, **fixed)).name
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}
        return self.view(name) | {
            self.timer: gr.Timer(active=True),
            self.notice: notice(""),
            self.status: paper.status_html("The run has begun. You may close this page."),
        }

    def on_stop(self, name: str) -> News:
        """Ask the run to end with what it has."""
        try:
            jobs.stop(name)
        except LetterpressError as problem:
            return {self.status: paper.status_html(str(problem))}
        return {self.stop: gr.Button("Stopping …", interactive=False)}

    def on_delete(self, name: str) -> News:
        """Delete the run that is shown, and show the latest that is left."""
        try:
            jobs.delete(name)
        except LetterpressError as problem:
            return {self.status: paper.status_html(str(problem)), self.confirm: _hidden_row()}
        return self.on_open_tab("") | {self.status: paper.status_html("The run is deleted.")}

    def view(self, name: str, seen: str = "") -> News:
        """Everything as it stands for a run, or for none; `seen` is what was drawn last."""
        if not name:
            return self._empty()
        try:
            run = read_run(jobs.run_folder(name))
        except LetterpressError:  # gone
            return self._empty()
        process = jobs.beginning(run.path)
        busy = process.running or run.alive
        points = sum(len(curve) for curve in run.curves.values())
        mark = f"{name} {run.state} {busy} {points if busy else ''}"
        news: News = {self.timer: gr.Timer(active=busy), self.name: name, self.seen: mark}
        if busy:
            said = run.progress
            news |= self._bar(said.get("stage", "Starting"), said.get("share", 0.0),
                              said.get("seconds_left"))  # fmt: skip
        if mark == seen:
            return news
        return news | self._drawn(run, busy, process.said)

    def _empty(self) -> News:
        """No run at all."""
        hidden = (self.progress, self.curves, self.heading, self.bars, self.figures, self.table)
        return {part: gr.HTML("", visible=False) for part in hidden} | {
            self.timer: gr.Timer(active=False),
            self.name: "",
            self.seen: "",
            self.untrained: gr.HTML(visible=not self.part.ready(None)),
            self.start: gr.Button("Start a run", interactive=True),
            self.stop: gr.Button(visible=False),
            self.notice: notice(""),
            self.status: paper.status_html(""),
            self.tools: gr.Row(visible=False),
            self.confirm: _hidden_row(),
            self.fold: gr.Accordion(visible=False),
            **self.part.view(None),
        }

    def _bar(self, stage: str, share: float, left: float | None) -> News:
        said = escape(stage) + (f", about {_minutes(left)} left" if left else "")
        bar = f'<progress max="1" value="{share:.3f}" aria-label="The run">{share:.0%}</progress>'
        html = f'<div class="lp-lab-progress">{bar}<span>{share:.0%}. {said}</span></div>'
        return {self.progress: gr.HTML(html, visible=True)}

    def _drawn(self, run: Run, busy: bool, last_words: str) -> News:
        """The run as it stands."""
        kept = [(_listed(one), one.name) for one in jobs.runs(self.experiment)]
        failed = run.state in ("failed", "interrupted") and not busy
        problem = run.problem or last_words if failed else ""
        ready = run.over and not busy
        curves = "" if ready else curves_html(run)
        news: News = {
            self.untrained: gr.HTML(visible=not (ready or self.part.ready(None))),
            self.start: gr.Button("Start a run" if not ready else "Start another run",
                                  interactive=not busy),
            self.stop: gr.Button("Stop the run", visible=busy, interactive=True),
            self.curves: gr.HTML(f'<div class="lp-lab-curves">{curves}</div>',
                                 visible=bool(curves)),
            self.heading: gr.HTML(_heading(run, busy), visible=True),
            self.tools: gr.Row(visible=bool(kept)),
            self.past: gr.Dropdown(choices=kept, value=run.name),
            self.delete: gr.Button(interactive=not busy),
            self.confirm: _hidden_row(),
            self.notice: notice(problem),
        }  # fmt: skip
        if not busy:
            news[self.progress] = gr.HTML("", visible=False)
            ended = {"finished": "The run is over.", "stopped": "Stopped; all there is is kept."}
            news[self.status] = paper.status_html(ended.get(run.state, ""))
        return news | self._results(run if ready else None)

    def _results(self, run: Run | None) -> News:
        """What came of it."""
        blank = {part: gr.HTML("", visible=False) for part in (self.bars, self.figures, self.table)}
        blank |= {self.fold: gr.Accordion(visible=False)} | self.part.view(None)
        if run is None:
            return blank
        try:
            report = run.report()
            return {
                self.bars: gr.HTML(bars_html(report.rows), visible=True),
                self.figures: gr.HTML(figures_html(report, run.path), visible=True),
                self.table: gr.HTML(table_html(report.rows), visible=True),
                self.fold: gr.Accordion(visible=True),
                self.facts: facts_html(report),
                **self.part.view(run.path),
            }
        except Exception as problem:
            return blank | {self.notice: notice(in_words(problem))}


def folder_of(name: str) -> Path:
    """The folder of the run that a page shows.

    Raises
    ------
    InputError
        If it is gone.
    """
    return jobs.run_folder(name or "none")


def notice(message: str) -> Any:
    """A message at a field, hidden where there is none."""
    return gr.HTML(paper.notice_html(message), visible=bool(message))


_TITLES = {
    "adder": "Adding bit by bit",
    "sine": "A noisy sine",
    "weather": "The weather a day ahead",
    "frames": "The next frames of a film",
    "hyperspectral": "Pixels of many colours",
    "authors": "The voice of a letter",
}


def _hidden_row() -> Any:
    return gr.Row(visible=False)


def _note(text: str) -> str:
    return f'<p class="lp-lab-note">{escape(text)}</p>'


def _heading(run: Run, busy: bool) -> str:
    state = "running" if busy else STATES.get(run.state, run.state)
    began = run.started[:16].replace("T", " ")
    return f'<div class="lp-lab-result"><h3>Run of {escape(began)} ({escape(state)})</h3></div>'


def _listed(run: Run) -> str:
    return f"{run.started[:16].replace('T', ' ')}: {STATES.get(run.state, run.state)} ({run.name})"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
