"""The settings of an experiment as a form, made from the fields of its dataclass."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.lab.names import experiment
from app.lab.settings import Field, fields_of, make

_SECOND = ("device", "precision", "seed", "batch_size", "lr")  # what few people change


class Form:
    """Fields in the current block, in rows that wrap."""

    def __init__(self, name: str) -> None:
        self._settings = experiment(name).Settings
        self._fields = fields_of(self._settings)
        self.parts: list[Any] = []
        ordered = sorted(self._fields, key=lambda field: field.name in _SECOND)
        made: dict[str, Any] = {}
        with gr.Row(elem_classes="lp-lab-form"):
            for field in ordered:
                made[field.name] = _component(field, f"lp-lab-{name}-{field.name}")
        self.parts = [made[field.name] for field in self._fields]

    def settings(self, *values: Any, **fixed: Any) -> Any:
        """The settings from the values of `parts`, in their order; raises InputError.

        A value is None while the fold it lies in was never opened, and means the usual one.
        """
        given = {
            field.name: value
            for field, value in zip(self._fields, values, strict=True)
            if value is not None
        }
        return make(self._settings, given | fixed)


def _component(field: Field, elem_id: str) -> Any:
    about = field.help
    # A word that must be typed stays as it is.
    if not about.startswith(field.shown or " ") and not about.partition(" ")[0].endswith(","):
        about = about[:1].upper() + about[1:]
    shared: dict[str, Any] = {
        "label": field.label, "info": about.replace("*", r"\*") or None,  # it is shown as Markdown
        "interactive": True, "min_width": 220, "elem_id": elem_id,
    }  # fmt: skip
    if field.kind == "switch":
        return gr.Checkbox(value=field.default, **shared)
    if field.choices and field.kind != "texts":
        return gr.Dropdown(list(field.choices), value=field.shown, **shared)
    # Not a Number: it would show 1e-3 as 0.001 and 1e13 as a row of noughts.
    return gr.Textbox(field.shown, max_lines=1, **shared)
