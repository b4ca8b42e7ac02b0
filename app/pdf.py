"""A correspondence as a PDF, set in a font of this machine that has the characters it needs.

The fonts that every PDF reader has cover Western European letters only. For other scripts a font
file of the system is embedded; where none has a character, or a script needs its letters joined and
this installation cannot, the person is told instead of getting blanks.
"""

from __future__ import annotations

import importlib.util
import unicodedata

from fpdf import FPDF

from app.fonts import font_files
from app.pages import Page, with_numbers
from corpora.errors import EnvironmentProblem

MARGIN_MM = 25.0
_CORE = "cp1252"  # what the readers' own fonts cover
# Scripts whose letters join or reorder: set letter by letter they would be wrong, not ugly.
_JOINED = ((0x0590, 0x08FF), (0x0900, 0x0DFF), (0x0E00, 0x109F), (0x1780, 0x17FF), (0xFB1D, 0xFEFC))
_WRITTEN_RIGHT_TO_LEFT = ("R", "AL")


def as_pdf(title: str, pages: list[Page]) -> bytes:
    """The letters as a PDF, with the label over each reply and at the foot of its page.

    Raises
    ------
    EnvironmentProblem
        If no font here has a character of the letters, or their script cannot be set.
    """
    everything = title + "".join(
        "".join((p.head, p.label, with_numbers(p.text), *p.notes, p.colophon)) for p in pages
    )
    pdf = _Letters()
    pdf.set_title(title)
    pdf.set_creator("letterpress")
    pdf.set_subject("; ".join(dict.fromkeys(page.label for page in pages if page.label)))
    pdf.set_margin(MARGIN_MM)
    pdf.set_auto_page_break(True, margin=MARGIN_MM)
    pdf.family = family = _choose_fonts(pdf, everything)
    for page in pages:
        pdf.add_page()  # draws the foot of the page before, so its label stands until here
        pdf.label = page.label
        _line(pdf, family, 10, page.head)
        if page.label:
            _line(pdf, family, 10, page.label)
        pdf.ln(6)
        for line in with_numbers(page.text).splitlines():
            _line(pdf, family, 12, line) if line.strip() else pdf.ln(5)
        if page.notes or page.colophon:
            pdf.ln(6)
        for number, note in enumerate(page.notes, 1):
            _line(pdf, family, 9, f"[{number}] {note}")
        if page.colophon:
            _line(pdf, family, 9, page.colophon)
    data = bytes(pdf.output())
    for font in pdf.fonts.values():
        if hasattr(font, "close"):  # the readers' own fonts have no file
            font.close()
    return data


class _Letters(FPDF):  # type: ignore[misc]  # its own types are not followed, see pyproject
    """Pages that repeat the label of their letter at the foot."""

    label = ""
    family = "Times"

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(self.family, size=8)
        said = f"{self.label}  " if self.label else ""
        self.cell(0, 5, f"{said}{self.page_no()}", align="C")


def _line(pdf: FPDF, family: str, size: float, text: str) -> None:
    pdf.set_font(family, size=size)
    pdf.multi_cell(0, size * 0.5, _drawn(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _drawn(text: str) -> str:
    """The characters that are drawn: without controls, directions and private ones."""
    return "".join(c for c in text.strip() if not unicodedata.category(c).startswith("C"))


def _choose_fonts(pdf: FPDF, text: str) -> str:
    """Give the PDF the fonts that the text needs; returns the family to set it in."""
    wanted = {c for c in _drawn(text) if not c.isspace()}
    _check_script(pdf, wanted)
    try:
        "".join(wanted).encode(_CORE)
    except UnicodeEncodeError:
        pass
    else:
        pdf.core_fonts_encoding = _CORE
        return "Times"
    missing, families = set(wanted), []
    for path in font_files():
        probe = FPDF()
        probe.add_font("probe", fname=path)
        font = probe.fonts["probe"]
        # Only TrueType outlines are sure to be embedded well.
        has = {c for c in missing if "glyf" in font.ttfont and ord(c) in font.cmap}
        font.close()
        if has:
            missing -= has
            families.append(path.stem)
            pdf.add_font(path.stem, fname=path)
        if not missing:
            pdf.set_fallback_fonts(families[1:])
            return families[0]
    shown = ", ".join(f"{c} (U+{ord(c):04X})" for c in sorted(missing)[:5])
    raise EnvironmentProblem(
        f"No font on this machine that letterpress knows has {shown}"
        f"{' and others' if len(missing) > 5 else ''}. Export as md or txt, which need no font, "
        "or install one that has them, such as DejaVu or Noto."
    )


def _check_script(pdf: FPDF, wanted: set[str]) -> None:
    joined = sorted(
        c
        for c in wanted
        if unicodedata.bidirectional(c) in _WRITTEN_RIGHT_TO_LEFT
        or any(first <= ord(c) <= last for first, last in _JOINED)
    )
    if not joined:
        return
    if importlib.util.find_spec("uharfbuzz") is None:
        raise EnvironmentProblem(
            f"The letters hold {joined[0]} (U+{ord(joined[0]):04X}), of a script whose letters "
            "join or run from right to left; to set it in a PDF, run `pip install uharfbuzz`. "
            "Or export as md or txt, which need nothing."
        )
    pdf.set_text_shaping(True)
