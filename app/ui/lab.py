"""The Lab tab: six experiments in one frame, each with something of its own to try."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.lab.names import experiments
from app.ui.lab_adder import AdderTry
from app.ui.lab_authors import AuthorsTry
from app.ui.lab_frame import Frame
from app.ui.lab_frames import FramesTry
from app.ui.lab_hyperspectral import HyperspectralTry
from app.ui.lab_sine import SineTry
from app.ui.lab_weather import WeatherTry

TABS: dict[str, tuple[str, Any]] = {
    "adder": ("Adder", AdderTry),
    "sine": ("Sine", SineTry),
    "weather": ("Weather", WeatherTry),
    "frames": ("Frames", FramesTry),
    "hyperspectral": ("Pixels", HyperspectralTry),
    "authors": ("Authors", AuthorsTry),
}


class LabView:
    """The view, connected; build it inside the tab it belongs to.

    Parameters
    ----------
    tab : gr.Tab
        The tab around it; opening it shows what the first experiment has.
    """

    def __init__(self, tab: gr.Tab) -> None:
        self.frames: dict[str, Frame] = {}
        with gr.Tabs(elem_id="lp-lab"):
            for name in experiments():
                label, part = TABS[name]
                with gr.Tab(label) as inner:
                    frame = Frame(name, part)
                frame.opens_with(inner)
                self.frames[name] = frame
        next(iter(self.frames.values())).opens_with(tab)
