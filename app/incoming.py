"""Where a letter on the command line comes from: a file, a pipe, or the person at the keyboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from app.console import say
from corpora.errors import LetterError

MAX_BYTES = (
    1 << 20
)  # 1 MiB: far above any letter, so that a wrong file is refused before it is read


def read_letter(source: str, reader: str) -> str:
    """The text of a letter.

    Parameters
    ----------
    source : str
        A file, "-" for standard input, or empty for standard input, asking first where that is a
        keyboard.
    reader : str
        The name of the person it is to, for the asking.

    Raises
    ------
    LetterError
        If it cannot be read, is too large, or is not text in UTF-8.
    """
    if source and source != "-":
        return _from_file(Path(source).expanduser())
    if sys.stdin.isatty():
        if not source:
            last_key = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
            say(f"Write your letter to {reader}. End it with {last_key} on a line of its own.")
        try:
            return sys.stdin.read()
        except UnicodeDecodeError:
            raise LetterError(
                "What was typed is not UTF-8. Set the terminal to UTF-8, or give a file."
            ) from None
    return _decoded(_read(sys.stdin.buffer, "The letter on standard input"), "Standard input")


def _from_file(path: Path) -> str:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise LetterError(f"{path} is a folder; give the file that holds your letter.")
        if size > MAX_BYTES:
            raise LetterError(_too_large(str(path), f"{size:,}"))
        with path.open("rb") as file:
            return _decoded(_read(file, str(path)), str(path))
    except FileNotFoundError:
        raise LetterError(
            f"There is no file {path}. Give a file that holds your letter, or - to read it from "
            "standard input."
        ) from None
    except OSError as problem:
        raise LetterError(f"{path} cannot be read: {problem.strerror}.") from None


def _read(file: BinaryIO, what: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LetterError(_too_large(what, f"more than {MAX_BYTES:,}"))
    return data


def _too_large(what: str, size: str) -> str:
    return (
        f"{what} is {size} bytes; a letter is at most {MAX_BYTES:,} bytes (1 MiB). "
        "Send the part that asks something."
    )


def _decoded(data: bytes, what: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LetterError(f"{what} is UTF-16; save it as UTF-8 and try again.")
    if (at := data.find(0)) >= 0:
        raise LetterError(
            f"{what} is not a text: byte {at + 1:,} is zero, as in programs and pictures. "
            "Give a plain text file in UTF-8."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise LetterError(
            f"{what} is not text in UTF-8: byte {problem.start + 1:,}, "
            f"0x{data[problem.start]:02x}, begins no character there. "
            "If it is text, save it as UTF-8 and try again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
