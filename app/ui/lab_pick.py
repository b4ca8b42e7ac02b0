"""A button that has the browser read a file, and gives it to a handler.

The page takes no uploads as Gradio knows them, `guard` refuses them; the file comes with the event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from app.ui.lab_frame import QUIET

MOST_BYTES = 24_000_000


class Picker:
    """The button, in the current block."""

    def __init__(self, label: str, endings: Sequence[str], elem_id: str) -> None:
        self.endings = tuple(endings)
        self.picked = gr.JSON(visible=False)
        self.button = gr.Button(label, size="sm", scale=0, min_width=180, elem_id=elem_id)

    def chosen(
        self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()
    ) -> None:
        """Call the handler with what was picked (see `app.lab.uploads.keep`) and other values."""
        asked = f"{json.dumps(','.join(self.endings))}, {MOST_BYTES}"
        self.button.click(
            handler, [self.picked, *inputs], list(outputs), **QUIET,
            js=f"async (_, ...rest) => [await letterpressLab.pick({asked}), ...rest]",
        )  # fmt: skip
