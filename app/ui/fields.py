"""Fields that several views have: which models, and how they draw their tokens."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.sampling import sampling_settings
from app.ui.parts import models
from engine.sampling import SamplingSettings

NONE = "none"


class Sampling:
    """The sampling settings, as components in the current block.

    Parameters
    ----------
    prefix : str
        Begins the ids of the elements.
    longest : int
        Characters of a text at most.
    every : bool
        Whether min-p and the repetition penalty are there too.
    """

    def __init__(self, prefix: str, longest: int, *, every: bool = False) -> None:
        with gr.Row():
            self.n_characters = gr.Slider(
                50, longest, value=400, step=50, label="Characters", min_width=200,
                interactive=True, elem_id=f"{prefix}-characters",
            )  # fmt: skip
            self.temperature = gr.Slider(
                0, 2, value=0.8, step=0.05, label="Temperature", min_width=200, interactive=True,
                info="Lower is plainer, higher is bolder; 0 always takes the likeliest.",
                elem_id=f"{prefix}-temperature",
            )  # fmt: skip
        with gr.Row():
            self.top_p = gr.Slider(
                0.05, 1, value=0.95, step=0.05, label="Top-p", min_width=200, interactive=True,
                info="Keep the likeliest tokens that together reach this probability.",
            )  # fmt: skip
            self.top_k = gr.Slider(
                0, 200, value=0, step=1, label="Top-k", min_width=200, interactive=True,
                info="Keep so many of the likeliest tokens; 0 keeps all.",
            )  # fmt: skip
        more: list[Any] = []
        if every:
            with gr.Row():
                self.min_p = gr.Slider(
                    0, 0.5, value=0, step=0.01, label="Min-p", min_width=200, interactive=True,
                    info="Keep tokens with this share of the likeliest one’s probability.",
                )  # fmt: skip
                self.penalty = gr.Slider(
                    1, 2, value=1, step=0.05, label="Repetition penalty", min_width=200,
                    interactive=True, info="Above 1, tokens already used become less likely.",
                )  # fmt: skip
            more = [self.min_p, self.penalty]
        self.seed = gr.Textbox(
            label="Seed", placeholder="by chance", max_lines=1, interactive=True,
            info="A whole number; the same one gives the same text.", elem_id=f"{prefix}-seed",
        )  # fmt: skip
        self.guard = gr.Checkbox(
            label="Copy guard", value=False, interactive=True, elem_id=f"{prefix}-guard",
            info="Lets no copy of the training text grow past 40 characters.",
        )  # fmt: skip
        self.drawing = [self.temperature, self.top_k, self.top_p, *more]

    @staticmethod
    def settings(*drawing: Any) -> SamplingSettings:
        """The settings from the values of `drawing`; raises InputError."""
        return sampling_settings(*drawing)


def model_dropdown(label: str, value: str, elem_id: str, *, optional: bool = False) -> Any:
    """A choice among the models that are here; with "none" where it may be left out."""
    return gr.Dropdown(
        choices(optional), value=value, label=label, elem_id=elem_id, interactive=True,
        min_width=200,
    )  # fmt: skip


def choices(optional: bool = False) -> list[str]:
    """What a dropdown of models offers."""
    return [*([NONE] if optional else []), *models()]
