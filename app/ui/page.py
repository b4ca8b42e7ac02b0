"""The page as a whole: how it is put together and how it is served, to this machine only."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import webbrowser
from typing import Any

from app.home import home
from app.ui.warming import warm_up
from corpora.errors import EnvironmentProblem, InputError

HOST = "127.0.0.1"
# What would make Gradio share, publish or read other than letterpress says.
REFUSED = (
    "GRADIO_ALLOWED_PATHS",
    "GRADIO_DEBUG",
    "GRADIO_LOCAL_DEV_MODE",
    "GRADIO_MCP_SERVER",
    "GRADIO_NODE_SERVER_NAME",
    "GRADIO_ROOT_PATH",
    "GRADIO_SERVER_NAME",
    "GRADIO_SHARE",
    "GRADIO_SHARE_SERVER_ADDRESS",
    "GRADIO_VIBE_MODE",
)


def check_environment() -> None:
    """Refuse settings from outside that would open the page to others.

    Raises
    ------
    EnvironmentProblem
        Naming the variables.
    """
    if found := [name for name in REFUSED if os.environ.get(name, "").strip()]:
        raise EnvironmentProblem(
            f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} set, which could show "
            "your letters to others; the page runs with its own settings only. Unset "
            f"{'it' if len(found) == 1 else 'them'} and start again."
        )


def launch(port: int, open_browser: bool = True, host: str = HOST) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    port : int
        A free port.
    open_browser : bool
        Whether the browser opens on the page.
    host : str
        127.0.0.1 and nothing else, until there are accounts.

    Raises
    ------
    InputError
        For any other host.
    EnvironmentProblem
        If the environment would change how Gradio serves.
    """
    if host != HOST:
        raise InputError(f"The page is served on {HOST} only, not on {host!r}: no accounts yet.")
    check_environment()
    # Gradio's cache is for everybody to read unless it lies in a folder of our own (mode 0700).
    cache = tempfile.mkdtemp(prefix="letterpress-")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = cache

    from starlette.middleware import Middleware

    from app.ui import theme
    from app.ui.guard import Guard
    from app.ui.letters import desk

    page = build()
    page.queue(max_size=64, api_open=False)
    page.launch(
        server_name=HOST,
        server_port=port,
        inbrowser=False,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        run_history=False,
        footer_links=[],
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        ssr_mode=False,
        strict_cors=True,
        allowed_paths=[],
        blocked_paths=[str(home())],
        state_session_capacity=1000,
        max_file_size="1mb",
        theme=theme.theme(),
        css_paths=theme.CSS,
        head=theme.head(),
        app_kwargs={"middleware": [Middleware(Guard)]},
    )
    # Only now: reading the model beside Gradio would keep the page waiting.
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    if open_browser:
        webbrowser.open(f"http://{HOST}:{port}")
    try:
        page.block_thread()
    finally:
        desk.close()


def build() -> Any:
    """The page, not yet served."""
    import gradio as gr

    from app.ui.blind import BlindView
    from app.ui.cells import CellsView
    from app.ui.generate import GenerateView
    from app.ui.lab import LabView
    from app.ui.letters import LettersTab
    from app.ui.race import RaceView
    from app.ui.side import SideView
    from app.ui.surprise import SurpriseView

    comparing = {
        "Side by side": SideView,
        "Race": RaceView,
        "Blind": BlindView,
        "Surprise": SurpriseView,
        "Cells": CellsView,
    }
    with gr.Blocks(title="Letterpress", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(
            '<header class="lp-head"><h1>Letterpress</h1><p>Write to somebody of another time, and '
            "get a letter back. Everything stays on this machine.</p></header>"
        )
        with gr.Tabs(elem_id="lp-tabs"):
            with gr.Tab("Letters"):
                LettersTab(page)
            with gr.Tab("Compare"), gr.Tabs(elem_id="lp-compare"):
                for name, view in comparing.items():
                    with gr.Tab(name):
                        view(page)
            with gr.Tab("Generate"):
                GenerateView(page)
            with gr.Tab("Lab") as lab:
                LabView(lab)
    return page
