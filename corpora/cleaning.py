"""Bytes of unknown origin to plain text: encoding, Unicode, line ends, boilerplate, hard wraps.

Every pattern takes time linear in its text. What a text *says* is left as it is: spelling, quotes
and dashes stay. Copies of a whole document are `corpora.duplicates`' business.
"""

from __future__ import annotations

import re

import charset_normalizer
import ftfy

from corpora.errors import CorpusError

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BINARY = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x1f\x8b": "a gzip file",
}
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb]"
)
_START = re.compile(
    r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG|\*END\*? ?THE SMALL PRINT", re.I
)
_END = re.compile(
    r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg", re.I
)
_CREDIT = re.compile(
    r"(?:Produced|Transcribed|Prepared|E-?text prepared|This e-?text was (?:prepared|produced))"
    r"\b.{0,200}\bby\b|\[?Transcriber'?s? notes?\b",
    re.I | re.S,
)
_ITALIC = re.compile(r"(?<![\w_])_([^_\n]{1,2000}?)_(?![\w_])")
_PICTURE = re.compile(r"\[(?:Illustration|Image)[^\[\]\n]{0,500}\]", re.I)
WRAPPED = 50  # a line at least this long that a flush line follows was wrapped, not ended
WIDEST = 90  # no typist wraps at more characters


def decode(raw: bytes) -> tuple[str, str]:
    """Find the encoding of a text and decode it.

    A byte order mark decides, then valid UTF-8, then charset-normalizer's best guess; where several
    single-byte encodings fit alike, Windows-1252 is taken, which most English etexts use.

    Returns
    -------
    (str, str)
        The text and the name of the encoding used.

    Raises
    ------
    CorpusError
        If the bytes are not a text.
    """
    for magic, what in _BINARY.items():
        if raw.startswith(magic):
            raise CorpusError(f"The file is {what}, not a text. Export it as plain text (UTF-8).")
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as problem:
                raise CorpusError(
                    f"The file is marked as {encoding} but is not: {problem}. Save it as UTF-8."
                ) from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if "\x00" not in text:
            return text, "utf-8"
    matches = charset_normalizer.from_bytes(raw)
    match = matches.best()
    # The detector's order among equals is arbitrary.
    for equal in matches:
        if match and equal.encoding == "cp1252" and equal.chaos <= match.chaos:
            match = equal if equal.coherence >= match.coherence else match
    if match is None or (b"\x00" in raw and not match.encoding.startswith("utf")):
        raise CorpusError(
            "The file is not a text in any known encoding; expected plain text, best in UTF-8."
        )
    encoding = match.encoding
    return raw.decode(encoding), encoding


def repair(text: str) -> str:
    """Undo mis-decoded characters ("donâ€™t") and put Unicode into its composed form (NFC).

    Typographic quotes stay as the text has them.
    """
    fixed: str = ftfy.fix_text(
        text,
        uncurl_quotes=False,
        fix_character_width=False,
        unescape_html=False,
        normalization="NFC",
    )
    return fixed


def plain_lines(text: str) -> str:
    """Line ends as LF; no control or zero-width characters, no blanks at the ends of lines."""
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    return "\n".join(line.rstrip() for line in text.split("\n"))


def strip_boilerplate(text: str) -> str:
    """Take off Project Gutenberg's header, licence and producer's credits.

    A text without their marks is returned unchanged.
    """
    lines = text.split("\n")
    start = next((i + 1 for i, line in enumerate(lines[:600]) if _START.search(line)), 0)
    end = next((i for i in range(start, len(lines)) if _END.match(lines[i].strip())), len(lines))
    if start == 0 and end == len(lines):
        return text
    body = "\n".join(lines[start:end]).strip("\n")
    if start:
        head, blank, rest = body.partition("\n\n")
        if blank and len(head) < 1_000 and _CREDIT.match(head.strip()):
            body = rest.lstrip("\n")
    return body


def drop_markup(text: str) -> str:
    """Remove the etexts' _italic_ underscores and [Illustration: ...] marks."""
    return _PICTURE.sub("", _ITALIC.sub(r"\1", text))


def join_wraps(text: str) -> str:
    """Put hard-wrapped paragraphs on one line each.

    A line of 50 or more characters runs on into a following line that is neither blank nor
    indented; shorter lines (verse, addresses, signatures) stay as they are. A text in which more
    than one line in fifty is longer than 90 characters was never wrapped and is returned unchanged.
    """
    lengths = [len(line) for line in text.split("\n") if line]
    if sum(length > WIDEST for length in lengths) * 50 > len(lengths):
        return text
    joined: list[str] = []
    building: list[str] = []
    long_before = False
    for line in text.split("\n"):
        if building and long_before and line and not line[0].isspace():
            # "well-" and "known", or a dash at the line's end, belong together without a blank.
            building.append(line if building[-1].endswith("-") else " " + line)
        else:
            if building:
                joined.append("".join(building))
            building = [line]
        long_before = len(line) >= WRAPPED
    joined.append("".join(building))
    return "\n".join(joined)


def clean_text(text: str) -> str:
    """All of the steps above, in order; blank lines at most one at a time; one LF at the end."""
    text = plain_lines(repair(plain_lines(text)))
    text = join_wraps(drop_markup(strip_boilerplate(text)))
    kept: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip()
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n") + "\n"


def clean_bytes(raw: bytes) -> tuple[str, str]:
    """Decode and clean a file.

    Returns
    -------
    (str, str)
        The clean text and the name of the encoding it was read in.

    Raises
    ------
    CorpusError
        If the bytes are not a text.
    """
    text, encoding = decode(raw)
    return clean_text(text), encoding
