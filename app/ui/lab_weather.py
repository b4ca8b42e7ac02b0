"""To try in the weather: a forecast with its band, and a file of one's own with its alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.charts import figure_html
from app.lab.uploads import keep
from app.lab.weather import alarms_html, forecast_figure, inspection_html
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.lab_pick import MOST_BYTES, Picker
from app.ui.streaming import in_words
from corpora.errors import InputError

ENDINGS = (".csv", ".csv.gz", ".zip", ".txt", ".tsv")


class WeatherTry:
    """Forecasts of the run, and a person's own file."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: a forecast with its band</h3>")
            self.back = gr.Slider(
                0, 30, value=0, step=1, label="Days back", interactive=True,
                info="Pretend that it is earlier, where what came is known.",
                elem_id="lp-lab-weather-back",
            )  # fmt: skip
            self.chart = gr.HTML("")
        self.chart_notice = gr.HTML("", visible=False)
        self._build_own()
        self.back.release(
            self.on_back, [frame.name, self.back], [self.chart, self.chart_notice], **QUIET
        )

    def _build_own(self) -> None:
        self.path = gr.State("")
        with gr.Accordion("A CSV file of your own", open=False, elem_id="lp-lab-weather-own"):
            gr.HTML(
                '<p class="lp-lab-note">A column of times, others of numbers. It stays on this '
                "machine. Choose it, then what to forecast.</p>"
            )
            self.picker = Picker("Choose a CSV file", ENDINGS, "lp-lab-weather-pick")
            self.notice = gr.HTML("", visible=False)
            self.about = gr.HTML("")
            with gr.Column(visible=False) as self.choices:
                with gr.Row():
                    self.target = gr.Dropdown(
                        [], label="Forecast", interactive=True, min_width=180,
                        elem_id="lp-lab-weather-own-target",
                    )  # fmt: skip
                    self.horizon = gr.Textbox(
                        "24", label="Hours ahead", max_lines=1, interactive=True, min_width=140,
                        elem_id="lp-lab-weather-own-horizon",
                    )  # fmt: skip
                self.columns = gr.CheckboxGroup(
                    [], label="From these columns", interactive=True,
                    elem_id="lp-lab-weather-own-columns",
                )  # fmt: skip
                with gr.Row():
                    self.check = gr.Button(
                        "Look for leaks", min_width=160, elem_classes="lp-lab-go"
                    )
                    self.train = gr.Button(
                        "Train on this file", variant="primary", min_width=160,
                        elem_classes="lp-lab-go",
                    )  # fmt: skip
                self.alarms = gr.HTML("")
        self.picker.chosen(
            self.on_pick,
            [self.path, self.notice, self.about, self.choices, self.target, self.columns,
             self.alarms],
        )  # fmt: skip

    def wire(self, frame: Frame) -> None:
        """What needs the frame's form, which stands below this part."""
        given = [self.path, self.target, self.columns, self.horizon, *frame.form.parts]
        self.check.click(self.on_check, given, [self.alarms, self.notice], **QUIET)
        self.train.click(
            self.on_train, given, [*frame.shown, self.notice], trigger_mode="once", **QUIET
        )

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.chart, self.chart_notice, self.back]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def view(self, folder: Path | None) -> News:
        """Open where there is a trained network, with its newest forecast drawn."""
        news: News = {
            self.box: gr.Column(visible=folder is not None), self.chart_notice: notice(""),
        }  # fmt: skip
        if folder is None:
            return news
        return news | self.drawn(folder, 0) | {self.back: gr.Slider(value=0)}

    def on_back(self, name: str, days: float) -> News:
        """Forecast as if it were earlier."""
        try:
            return self.drawn(folder_of(name), int(days))
        except Exception as problem:
            return {self.chart_notice: notice(in_words(problem))}

    def drawn(self, folder: Path, days: int) -> News:
        """The chart of a forecast."""
        from recurrent.lab.weather import forecast

        try:
            first = forecast(folder, 1)
            step_h = first.horizon_hours / max(1, len(forecast(folder).times))
            try:
                made = forecast(folder, back=round(days * 24 / step_h))
            except ValueError:
                raise InputError(
                    f"The run kept fewer than {days} days. Choose a later day."
                ) from None
            html = figure_html(forecast_figure(made))
        except Exception as problem:
            return {self.chart: "", self.chart_notice: notice(in_words(problem))}
        return {self.chart: html, self.chart_notice: notice("")}

    def on_pick(self, picked: dict[str, Any] | None) -> News:
        """Look into the chosen file, and offer its columns."""
        if not picked:
            return {self.notice: notice("")}
        from recurrent.lab.weather import inspect_csv

        try:
            path = keep(picked, ENDINGS, MOST_BYTES)
            found = inspect_csv(path)
        except Exception as problem:
            return {
                self.notice: notice(in_words(problem)), self.path: "", self.about: "",
                self.choices: gr.Column(visible=False),
            }  # fmt: skip
        targets = [column.name for column in found.columns if column.can_be_target]
        usable = [c.name for c in found.columns if c.kind in ("number", "direction", "compass")]
        likely = [name for name in targets if "temp" in name.lower() or name.startswith("T ")]
        return {
            self.notice: notice(""),
            self.path: str(path),
            self.about: inspection_html(found),
            self.choices: gr.Column(visible=True),
            self.target: gr.Dropdown(choices=targets, value=next(iter([*likely, *targets]), None)),
            self.columns: gr.CheckboxGroup(choices=usable, value=usable),
            self.alarms: "",
        }

    def on_check(
        self, path: str, target: str | None, columns: list[str], horizon: str, *values: Any
    ) -> News:
        """Ask the alarms, before anything is trained."""
        from recurrent.lab.weather import find_leaks, make_plan

        try:
            fixed = _own(path, target, columns, horizon)
            findings = find_leaks(make_plan(self.frame.form.settings(*values, **fixed)))
        except Exception as problem:
            return {self.notice: notice(in_words(problem)), self.alarms: ""}
        return {self.alarms: alarms_html(findings), self.notice: notice("")}

    def on_train(
        self, path: str, target: str | None, columns: list[str], horizon: str, *values: Any
    ) -> News:
        """Begin a run on the file; the other settings are those of the form."""
        try:
            fixed = _own(path, target, columns, horizon)
        except InputError as problem:
            return {self.notice: notice(str(problem))}
        return self.frame.begin(*values, **fixed) | {self.notice: notice("")}


def _own(path: str, target: str | None, columns: list[str], horizon: str) -> dict[str, Any]:
    if not path:
        raise InputError("No file is chosen. Choose a CSV file first.")
    if not target:
        raise InputError("Nothing to forecast is chosen. Choose one of the file's columns.")
    return {
        "source": path, "target": target, "columns": ",".join(columns), "horizon_hours": horizon,
        "protocol": "honest",
    }  # fmt: skip
