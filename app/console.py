"""Printing for people and programs, safe on any terminal.

Answers go to stdout, everything said about them to stderr. Texts of letters are printed as text: no
markup in them is obeyed, and characters that steer a terminal are made visible.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
from typing import Any

from rich.console import Console
from rich.text import Text

PAPER_WIDTH = 78  # columns; longer lines are tiring to read


def set_up_streams() -> None:
    """Make both streams take any character: UTF-8 in a pipe or file, else a stand-in."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # not where a test or a notebook has replaced the stream
            encoding = None if stream.isatty() else "utf-8"
            reconfigure(encoding=encoding, errors="backslashreplace")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """End quietly where the reader of the pipe has gone; rich would end with an error."""
        self.quiet = True
        silence_stdout()
        raise SystemExit(0)


def out() -> Console:
    """The console on stdout. Made anew each time: the stream may have been replaced."""
    return _Console(highlight=False, markup=False, emoji=False)


def err() -> Console:
    """The console on stderr."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(message: str, style: str = "") -> None:
    """Say a line on stderr."""
    err().print(Text(visible(message), style=style), soft_wrap=True)


def print_json(data: Any) -> None:
    """Print plain data as JSON, the same bytes for the same data."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    sys.stdout.write(text + "\n")


def visible(text: str) -> str:
    """The text with control characters but line ends and tabs shown as a replacement sign."""
    return "".join(
        "\ufffd" if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text
    )


def silence_stdout() -> None:
    """Send what is still to be printed nowhere: the reader of the pipe has gone."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Paper:
    """Prints a letter as it comes, breaking lines at words on a terminal and nowhere else.

    In a pipe or a file the text stays as it is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, PAPER_WIDTH) if console.is_terminal else None
        self._column = 0
        self._blanks = ""

    def write(self, text: str, style: str = "") -> None:
        """Print the next stretch of the letter."""
        for piece in re.findall(r"\n|[^\S\n]+|\S+", visible(text)):
            if piece == "\n":
                self._print("\n")
                self._column, self._blanks = 0, ""
            elif piece.isspace():
                self._blanks += piece  # printed only when a word follows on the same line
            else:
                self._word(piece, style)

    def _word(self, word: str, style: str) -> None:
        needed = len(self._blanks) + len(word)
        if self._width is not None and self._column and self._column + needed > self._width:
            self._print("\n")
            self._column, self._blanks = 0, ""
        self._print(self._blanks)
        self._print(word, style)
        self._column += len(self._blanks) + len(word)
        self._blanks = ""

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), end="", soft_wrap=True)
