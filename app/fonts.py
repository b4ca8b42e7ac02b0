"""The fonts of this machine that a PDF of letters can use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Serif before sans: these are letters. The first that has a character sets it.
_FONTS = (
    "DejaVuSerif",
    "LiberationSerif-Regular",
    "FreeSerif",
    "NotoSerif-Regular",
    "Georgia",
    "times",
    "Times New Roman",
    "DejaVuSans",
    "NotoSans-Regular",
    "Arial Unicode",
    "ARIALUNI",
    "NotoSansCJK-Regular",
    "NotoSerifCJK-Regular",
    "seguisym",
    "msgothic",
    "malgun",
    "simsun",
)


def font_files() -> list[Path]:
    """The known fonts that are on this machine, in the order they are to be used."""
    found: dict[str, Path] = {}
    for folder in _font_folders():
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
                found.setdefault(path.stem, path)
    return [found[name] for name in _FONTS if name in found]


def _font_folders() -> Iterator[Path]:
    folders = [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        Path("~/.local/share/fonts").expanduser(),
        Path("~/Library/Fonts").expanduser(),
        Path("/Library/Fonts"),
        Path("/System/Library/Fonts"),
        Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "Fonts",
    ]
    return (folder for folder in folders if folder.is_dir())
