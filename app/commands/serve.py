"""`letterpress serve`: the page, for the person at this machine."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from app.console import say
from corpora.errors import InputError

DEFAULT_PORT = 7860
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def serve(
    port: Annotated[
        int | None,
        typer.Option(help="The port of the page.", show_default=f"{DEFAULT_PORT} or the next free"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="This machine only: 127.0.0.1, localhost or ::1.")
    ] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open the page on which letters are written. Ctrl-C ends it."""
    check_host(host)
    chosen = choose_port(port)
    say(f"Starting... The page will be at http://127.0.0.1:{chosen}")
    from app.ui.page import launch

    launch(port=chosen, open_browser=browser)


def check_host(host: str) -> None:
    """Refuse every address but this machine's own.

    Raises
    ------
    InputError
        With the reason: there are no accounts yet, so others could read every letter.
    """
    if host not in _THIS_MACHINE:
        raise InputError(
            f"The page cannot be served on {host!r}: there are no accounts yet, so anyone who "
            "reaches that address could read every letter. Use 127.0.0.1, and to reach it from "
            "another machine of yours, an SSH tunnel."
        )


def choose_port(port: int | None) -> int:
    """The port asked for, or the first free one from the usual one on.

    Raises
    ------
    InputError
        If the port is no port, or is taken.
    """
    if port is None:
        for candidate in range(DEFAULT_PORT, DEFAULT_PORT + 50):
            if _is_free(candidate):
                return candidate
        raise InputError(
            f"Ports {DEFAULT_PORT} to {DEFAULT_PORT + 49} are all taken; name another with --port."
        )
    if not 1 <= port <= 65535:
        raise InputError(f"The port is {port}; expected a number from 1 to 65535.")
    if not _is_free(port):
        raise InputError(
            f"Port {port} cannot be used: another program has it, perhaps another letterpress. "
            "Name another, or leave --port out."
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            # A port just left by another letterpress counts as free, as it does for the server.
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
