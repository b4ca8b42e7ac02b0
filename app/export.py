"""A correspondence as a file to keep: Markdown or plain text here, PDF in `pdf`.

Every reply carries the label that it was written by a model, in a line of the program's own; what a
letter says cannot look like such a line, because letters are indented or quoted and their Markdown
is made inert. Sentences that have a source point to it by a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from app.pages import Page, note_mark, pages_of, with_numbers
from app.store import Thread
from corpora.errors import InputError, StorageError
from corpora.people import Person

Format = Literal["md", "txt", "pdf"]
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$])")
_AT_THE_START = re.compile(r"^(#|[+\-=:]|\d+(?=[.)]))")  # headings, lists, rules, definitions


def write_export(thread: Thread, person: Person | None, format: Format, path: Path) -> None:
    """Write a correspondence to a file.

    Parameters
    ----------
    thread : Thread
        The correspondence with its letters.
    person : Person or None
        The one it is with, None where their file is gone.
    format : "md", "txt" or "pdf"
        The kind of file.
    path : Path
        The file; replaced where it exists.

    Raises
    ------
    InputError
        If there is no such format.
    StorageError
        If the file cannot be written.
    EnvironmentProblem
        If a PDF needs a font that is not on this machine.
    """
    if format not in get_args(Format):
        raise InputError(f"There is no format {format!r}; choose one of md, txt and pdf.")
    title, pages = pages_of(thread, person)
    if format == "pdf":
        from app.pdf import as_pdf  # fpdf2 is slow to import and only needed here

        data = as_pdf(title, pages)
    else:
        data = (as_markdown if format == "md" else as_text)(title, pages).encode("utf-8")
    try:
        path.write_bytes(data)
    except OSError as problem:
        raise StorageError(
            f"Cannot write {path}: {problem.strerror}. Name a file in a folder you can write to."
        ) from problem


def as_markdown(title: str, pages: list[Page]) -> str:
    """The letters as Markdown, each quoted, with footnotes."""
    parts, count = [f"# {_inert(title)}\n"], 0
    for page in pages:
        parts.append(f"## {_inert(page.head)}\n")
        if page.label:
            parts.append(f"**{_inert(page.label)}**\n")
        # Numbers run on through the file: two footnotes of one name would be one to Markdown.
        quoted = "\n".join(_quoted(page.text))
        for number in range(len(page.notes), 0, -1):
            mark = f"[^{count + number}]"
            quoted = quoted.replace(note_mark(number), mark)
        parts.append(quoted + "\n")
        parts.extend(
            f"[^{count + number}]: {_inert(note)}\n" for number, note in enumerate(page.notes, 1)
        )
        count += len(page.notes)
        if page.colophon:
            parts.append(f"*{_inert(page.colophon)}*\n")
    return "\n".join(parts)


def as_text(title: str, pages: list[Page]) -> str:
    """The letters as plain text. Only the program's own lines begin at the margin."""
    parts = [title, "=" * len(title), ""]
    for page in pages:
        parts += [page.head, *([page.label] if page.label else []), "-" * len(page.head), ""]
        text = with_numbers(page.text)
        parts += [f"    {line}".rstrip() for line in text.splitlines()] + [""]
        parts += [f"[{number}] {note}" for number, note in enumerate(page.notes, 1)]
        parts += [page.colophon, ""] if page.colophon else [""]
    return "\n".join(parts)


def _inert(line: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, one line."""
    marked = _MARKUP.sub(r"\\\1", " ".join(line.split()))
    # A digit cannot be escaped; the full stop after it can.
    return _AT_THE_START.sub(lambda m: m[1] + "\\" if m[1].isdigit() else "\\" + m[1], marked)


def _quoted(text: str) -> Iterator[str]:
    lines = [line.strip() for line in text.splitlines()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        end = "  " if line and following else ""  # two blanks keep a line break
        yield f"> {_inert(line)}{end}" if line else ">"
