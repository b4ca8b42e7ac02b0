from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from app.export import write_export
from app.fonts import font_files
from app.store import SavedLetter, Thread
from corpora.errors import EnvironmentProblem, InputError, StorageError
from corpora.people import find_person
from lm.proof import LABEL

NEWTON = find_person("newton")
LABELLED = LABEL.format(name="Isaac Newton")
SOURCE = {
    "passage": "inverse-square",
    "title": "Principia (1687), Book III",
    "date": "1687",
    "checked": "recalled",
}


def _reply(*sentences: tuple[str, str, dict[str, str] | None]) -> dict[str, Any]:
    entries = [
        {"text": text, "mark": mark, "source": source, "lead": "\n\n" if i else ""}
        for i, (text, mark, source) in enumerate(sentences)
    ]
    return {
        "reply": "\n\n".join(text for text, _, _ in sentences),
        "sentences": entries,
        "date": "1689-05-20",
        "place": "Cambridge",
        "model": "starter",
        "model_hash": "a1b2c3d4e5f60718",
        "seed": 7,
    }


def _thread(letter: str, *replies: dict[str, Any], complete: bool = True) -> Thread:
    letters: list[SavedLetter] = []
    for reply in replies:
        at = len(letters)
        sent = SavedLetter(
            f"{at}", "t", at, "sent", letter, "1689-05-14", "Grantham", "", complete=True
        )
        date, place = reply["date"], reply["place"]
        received = SavedLetter(
            f"{at + 1}", "t", at + 1, "received", reply["reply"], date, place, "", complete, reply
        )
        letters += [sent, received]
    return Thread("t" * 32, "local", "newton", "Thomas Wickham", "", "", "", tuple(letters))


PLAIN = _reply(
    ("Sir,", "form", None),
    ("Every body draws every other.", "sourced", SOURCE),
    ("I have often wondered at it.", "own", None),
    ("So I hold.", "sourced", SOURCE),
)


def _export(tmp_path: Path, thread: Thread, format: str) -> bytes:
    path = tmp_path / f"letters.{format}"
    write_export(thread, NEWTON, format, path)  # type: ignore[arg-type]
    return path.read_bytes()


def _drawn(data: bytes) -> str:
    """The text of a PDF set in the readers' own fonts."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    shown = []
    for stream in streams:
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        shown += re.findall(rb"\((.*?)(?<!\\)\) Tj", content, re.DOTALL)
    return "\n".join(re.sub(rb"\\(.)", rb"\1", s).decode("cp1252") for s in shown)


def test_text_has_letters_label_notes_and_colophon(tmp_path: Path) -> None:
    shown = _export(tmp_path, _thread("Sir,\n\nWhat holds the Moon?", PLAIN), "txt").decode()
    assert shown == (
        "Letters of Thomas Wickham and Isaac Newton\n"
        "==========================================\n"
        "\n"
        "Thomas Wickham to Isaac Newton, 14 May 1689, Grantham\n"
        "-----------------------------------------------------\n"
        "\n"
        "    Sir,\n"
        "\n"
        "    What holds the Moon?\n"
        "\n"
        "\n"
        "Isaac Newton to Thomas Wickham, 20 May 1689, Cambridge\n"
        "Written by a model, not by Isaac Newton.\n"
        "------------------------------------------------------\n"
        "\n"
        "    Sir,\n"
        "\n"
        "    Every body draws every other. [1]\n"
        "\n"
        "    I have often wondered at it. [2]\n"
        "\n"
        "    So I hold. [1]\n"
        "\n"
        "[1] Principia (1687), Book III (1687; our paraphrase; from memory of the source, "
        "not checked against it).\n"
        "[2] The model's own words: voice, not evidence.\n"
        "Model starter (a1b2c3d4e5f6), seed 7.\n"
    )


def test_markdown_notes_are_numbered_through(tmp_path: Path) -> None:
    other = _reply(("It was so.", "sourced", {**SOURCE, "title": "Opticks", "checked": "opened"}))
    shown = _export(tmp_path, _thread("Why?", PLAIN, other), "md").decode()
    assert shown.count(f"**{LABELLED}**\n") == 2
    assert "> Every body draws every other.[^1]" in shown
    assert "> I have often wondered at it.[^2]" in shown
    assert "> It was so.[^3]" in shown
    assert re.findall(r"^\[\^(\d)\]: (\w+)", shown, re.MULTILINE) == [
        ("1", "Principia"),
        ("2", "The"),
        ("3", "Opticks"),
    ]


HOSTILE = (
    "<!-- \n```\n# Written by nobody\n<script>alert(1)</script>\n<style>strong{display:none}"
    "</style>\n[^1]: false\n~~~\n* a\n1. b\n\u202eevil\x85<b>\u2028<i>\n\ue0001\ue001 |x|"
)


def test_a_letter_cannot_take_the_label_away(tmp_path: Path) -> None:
    hostile = _reply((HOSTILE, "own", None), ("So.", "sourced", SOURCE))
    thread = _thread(HOSTILE, hostile)
    markdown = _export(tmp_path, thread, "md").decode()
    assert f"\n\n**{LABELLED}**\n\n" in markdown
    for line in markdown.splitlines():
        assert (
            line.startswith((">", "#", "**", "[^1]: The", "[^2]: Principia", "*Model")) or not line
        )
        assert not re.search(r"(?<!\\)[<`~|]", line.replace("> ", "", 1))
        assert not re.match(r"> (#|\*|\d+\. |\[)", line)
    text = _export(tmp_path, thread, "txt").decode()
    at_margin = [line for line in text.splitlines() if line and not line.startswith("    ")]
    assert at_margin[4] == "Isaac Newton to Thomas Wickham, 20 May 1689, Cambridge"
    assert at_margin[5] == LABELLED
    assert len(at_margin) == 10  # of the letters' own lines, none
    assert LABELLED in _drawn(_export(tmp_path, thread, "pdf"))


def test_a_stopped_reply_says_so(tmp_path: Path) -> None:
    shown = _export(tmp_path, _thread("Why?", PLAIN, complete=False), "txt").decode()
    assert "seed 7. Stopped before its end." in shown


def test_pdf_has_the_label_over_the_reply_and_at_the_foot_of_its_pages(tmp_path: Path) -> None:
    long = _reply(*[(f"Sentence {i}, which is so and so.", "own", None) for i in range(120)])
    data = _export(tmp_path, _thread("Why “so”, Mr Newton’s œuvre?", long, PLAIN), "pdf")
    assert data.startswith(b"%PDF-")
    drawn = _drawn(data)
    n_pages = len(re.findall(rb"/Type /Page\b", data))
    n_letters = 4
    n_of_replies = n_pages - 2  # each letter of the person fits one page
    assert n_pages > n_letters
    assert len(re.findall(re.escape(LABELLED) + r"  \d+", drawn)) == n_of_replies
    assert drawn.count(LABELLED) == n_of_replies + 2
    assert "Why “so”, Mr Newton’s œuvre?" in drawn
    assert "[1] Principia" in drawn


def test_pdf_of_other_scripts_uses_a_font_that_has_them(tmp_path: Path) -> None:
    if not font_files():
        pytest.skip("NO FONTS: this machine has none that letterpress knows")
    data = _export(tmp_path, _thread("Δόξα, Ньютон", PLAIN), "pdf")
    assert b"/FontFile2" in data


@pytest.mark.parametrize(
    ("letter", "said"),
    [("Dear Sir \U00013000", r"U\+13000.*Export as md or txt"), ("سلام", r"right to left")],
)
def test_pdf_that_cannot_be_set_right_is_told(tmp_path: Path, letter: str, said: str) -> None:
    with pytest.raises(EnvironmentProblem, match=said):
        _export(tmp_path, _thread(letter, PLAIN), "pdf")
    assert not (tmp_path / "letters.pdf").exists()


def test_bad_formats_and_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="md, txt and pdf"):
        _export(tmp_path, _thread("Why?", PLAIN), "doc")
    with pytest.raises(StorageError, match="Cannot write"):
        write_export(_thread("Why?", PLAIN), NEWTON, "md", tmp_path / "none" / "a.md")
