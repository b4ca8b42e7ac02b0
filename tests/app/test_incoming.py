from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from app.incoming import MAX_BYTES, read_letter
from corpora.errors import LetterError


def test_a_file_is_read_whatever_its_line_ends_or_mark(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"\xef\xbb\xbfDear Sir,\r\n\r\nna\xc3\xafve\rend\n")
    assert read_letter(str(path), "them") == "Dear Sir,\n\nnaïve\nend\n"


@pytest.mark.parametrize("source", ["", "-"])
def test_a_pipe_is_read(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Dear Sir")))
    assert read_letter(source, "them") == "Dear Sir"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a text: byte 9 is zero"),
        (b"caf\xe9", "not text in UTF-8: byte 4, 0xe9"),
        ("Dear Sir".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"a" * (MAX_BYTES + 1), r"1,048,577 bytes; a letter is at most 1,048,576"),
    ],
)
def test_what_is_no_letter_is_told(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "letter.bin"
    path.write_bytes(data)
    with pytest.raises(LetterError, match=said):
        read_letter(str(path), "them")


def test_an_endless_pipe_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a" * (3 * MAX_BYTES))))
    with pytest.raises(LetterError, match="more than 1,048,576 bytes"):
        read_letter("-", "them")


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(LetterError, match="There is no file"):
        read_letter(str(tmp_path / "none.txt"), "them")
    with pytest.raises(LetterError, match="is a folder"):
        read_letter(str(tmp_path), "them")


class _Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_keyboard_it_says_how_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Keyboard("Dear Sir"))
    assert read_letter("", "Isaac Newton") == "Dear Sir"
    said = capsys.readouterr()
    assert said.out == ""
    assert "letter to Isaac Newton" in said.err
    assert "Ctrl-" in said.err
