"""Train, valid and test, decided by content: the same text falls into the same part everywhere.

Letter books are cut into sections of whole letters; bundled pairs are kept together by thread. One
test part is frozen in frozen_test.json by paragraph keys, so that no other cutting and no second
edition of the same letter can bring it back into training. `python -m corpora.splitting freeze`
wrote it, from the folder LETTERPRESS_DATA; `freeze --bundled` adds the bundled threads.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpora.document import Document, Pair, content_hash
from corpora.errors import CorpusError, LetterpressError
from corpora.letters import load_pairs
from corpora.mirror import letter_books, require_mirror

SPLITS = ("train", "valid", "test")
SECTION_MIN, SECTION_MAX = 1_000, 8_000  # characters packed into one section
LETTER_MAX = 32_000  # a longer "letter" is a narrative without headings, and is cut
PARAGRAPH_MIN = 40  # shorter paragraphs ("Adieu.", "To the same.") belong to everybody
BOOK_SHARE = 0.02
THREAD_SHARE = 0.05

_MONTHS = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    "|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?"
)
_DATE_LINE = re.compile(
    rf"\b(?:{_MONTHS})\b[^A-Za-z]{{0,12}}\d|\d[^A-Za-z]{{0,8}}(?:{_MONTHS})\b", re.I
)
_NUMBERED = re.compile(
    r"(?:LETTER|Letter|No\.?|EPISTLE)\s+[IVXLCDM\d]+\b|[IVXLCDM]+\.?\Z|\d{1,4}\.?\Z"
)
_ADDRESSED = re.compile(
    r"(?:TO|To)\s+(?:Mr|Mrs|Miss|Sir|Lady|Dr|Lord|Madame|the\b|his\b|her\b|[A-Z])|.{2,40}\bTO\b.{2,50}\Z"
)
_GREETING = re.compile(
    r"(?:MY|My|DEAR|Dear|DEAREST|Dearest)\b.{0,60}\Z|MY (?:VERY )?DEAR|DEAR(?:EST)? [A-Z]{3}"
)
_WORDS = re.compile(r"[\W_]+")


def split_of(digest: str, *, valid: float = 0.02, test: float = BOOK_SHARE) -> str:
    """The split a content hash falls into.

    Parameters
    ----------
    digest : str
        At least 8 hex digits; the first 8 decide.
    valid, test : float
        Shares in [0, 1]. Test begins at 0, so that a larger share keeps the smaller one's texts.

    Returns
    -------
    str
        "train", "valid" or "test".
    """
    point = int(digest[:8], 16) / 0x1_0000_0000
    if point < test:
        return "test"
    return "valid" if point < test + valid else "train"


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text: stretches between blank lines, white space around them removed."""
    return [p for p in (piece.strip() for piece in re.split(r"\n\s*\n", text)) if p]


def paragraph_key(paragraph: str) -> str:
    """16 hex digits that stay the same when quotes, dashes, capitals or line ends change.

    Editions of one letter differ in exactly those.
    """
    return content_hash(_WORDS.sub(" ", paragraph.casefold()).strip())[:16]


# ------------------------------------------------------------------------- sections of letter books


def _opens_letter(paragraph: str) -> bool:
    if len(paragraph) > 120:
        return bool(re.match(r"MY (?:VERY )?DEAR|DEAR(?:EST)? [A-Z]{3}", paragraph))
    return any(
        (
            _NUMBERED.match(paragraph),
            _ADDRESSED.match(paragraph),
            _GREETING.match(paragraph),
            len(paragraph) <= 90 and _DATE_LINE.search(paragraph),
        )
    )


def _letters(pieces: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of paragraphs that are one letter each; a heading, date and greeting stay together."""
    start, in_heading = 0, True
    for i, piece in enumerate(pieces):
        opens = _opens_letter(piece)
        if opens and not in_heading:
            yield start, i
            start = i
        # A short date line right under a heading belongs to it; a long paragraph ends the heading.
        in_heading = opens and len(piece) <= 120
    if start < len(pieces):
        yield start, len(pieces)


def _cut_long(pieces: Sequence[str], start: int, stop: int) -> Iterator[tuple[int, int]]:
    if sum(map(len, pieces[start:stop])) <= LETTER_MAX:
        yield start, stop
        return
    size, begin = 0, start
    for i in range(start, stop):
        if size and size + len(pieces[i]) > SECTION_MAX:
            yield begin, i
            size, begin = 0, i
        size += len(pieces[i])
    yield begin, stop


def section_ranges(pieces: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut a book, given as paragraphs, into sections.

    Small letters are packed together up to SECTION_MAX characters; a longer letter is a section
    of its own up to LETTER_MAX, so that no letter straddles two splits; beyond that it is cut at
    paragraphs.

    Yields
    ------
    (int, int)
        First paragraph and one past the last; together they cover the book, in order.
    """
    begin, end, size = 0, 0, 0
    for letter in _letters(pieces):
        for start, stop in _cut_long(pieces, *letter):
            length = sum(map(len, pieces[start:stop]))
            if size >= SECTION_MIN and size + length > SECTION_MAX:
                yield begin, end
                begin, size = start, 0
            end = stop
            size += length
    if end > begin:
        yield begin, end


def sections(document: Document) -> Iterator[Document]:
    """The sections of a book, each with the book's title, author, source and licence."""
    pieces = paragraphs(document.text)
    for start, stop in section_ranges(pieces):
        yield replace(document, text="\n\n".join(pieces[start:stop]))


def training_sections(document: Document) -> Iterator[tuple[str, Document]]:
    """What may be trained or tuned on of a book: its sections without anything frozen.

    Yields
    ------
    (str, Document)
        "train" or "valid", by the section's content hash; never "test", which is `test_sections`.
    """
    for section in sections(replace(document, text=without_frozen(document.text))):
        yield ("train" if split_of(section.hash) == "train" else "valid"), section


# ------------------------------------------------------------------------------------ bundled pairs


def thread_roots(pairs: Iterable[Pair]) -> dict[str, str]:
    """The id of the first pair of its correspondence, for each pair's id."""
    roots: dict[str, str] = {}
    for pair in pairs:
        roots[pair.id] = roots[pair.after] if pair.after else pair.id
    return roots


def split_pairs(pairs: Sequence[Pair]) -> dict[str, tuple[Pair, ...]]:
    """Share out bundled pairs by thread.

    Once bundled threads are frozen, exactly those are the test part, and later threads that would
    fall into it are used for valid.

    Returns
    -------
    dict
        "train", "valid" and "test"; a correspondence is in one of them as a whole.
    """
    roots = thread_roots(pairs)
    held = frozen().roots
    shared: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for pair in pairs:
        root = roots[pair.id]
        split = split_of(content_hash(root), valid=THREAD_SHARE, test=THREAD_SHARE)
        if held:
            split = "test" if root in held else "valid" if split == "test" else split
        shared[split].append(pair)
    return {split: tuple(members) for split, members in shared.items()}


# --------------------------------------------------------------------------------- the frozen part


@dataclass(frozen=True, slots=True)
class Frozen:
    """What no training may touch.

    `books` gives, per mirror path, the ranges of paragraphs and the keys of those long enough to
    have one; `roots` the ids of bundled threads; `keys` every frozen paragraph key.
    """

    books: Mapping[str, tuple[tuple[int, int, tuple[str, ...]], ...]]
    roots: frozenset[str]
    keys: frozenset[str]


def _cut_keys(joined: str) -> tuple[str, ...]:
    return tuple(joined[i : i + 16] for i in range(0, len(joined), 16))


def _keys_of(pieces: Iterable[str]) -> list[str]:
    return [paragraph_key(p) for p in pieces if len(p) >= PARAGRAPH_MIN]


def _read_frozen() -> dict[str, Any]:
    file = importlib.resources.files("corpora") / "frozen_test.json"
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


@functools.cache
def frozen() -> Frozen:
    """The frozen test part; empty before anything was frozen."""
    content = _read_frozen()
    books = {
        source: tuple((start, stop, _cut_keys(keys)) for start, stop, keys in ranges)
        for source, ranges in content.get("books", {}).items()
    }
    bundled = content.get("bundled", {})
    keys = {key for ranges in books.values() for _, _, held in ranges for key in held}
    keys.update(_cut_keys(bundled.get("keys", "")))
    return Frozen(books, frozenset(bundled.get("roots", ())), frozenset(keys))


def without_frozen(text: str) -> str:
    """The text without the paragraphs that are frozen for testing, wherever they come from.

    A text that holds none is returned unchanged.
    """
    held = frozen().keys
    pieces = paragraphs(text)
    kept = [p for p in pieces if len(p) < PARAGRAPH_MIN or paragraph_key(p) not in held]
    return text if len(kept) == len(pieces) else "\n\n".join(kept)


def test_sections(folder: Path) -> Iterator[Document]:
    """The frozen sections of the letter books.

    Parameters
    ----------
    folder : Path
        The mirror folder.

    Raises
    ------
    CorpusError
        If a book of the mirror is not the one that was frozen.
    """
    books = frozen().books
    for book in letter_books(folder):
        pieces = paragraphs(book.text) if book.source in books else []
        for start, stop, keys in books.get(book.source, ()):
            if _keys_of(pieces[start:stop]) != list(keys):
                raise CorpusError(
                    f"{book.source} is not the text its test sections were frozen from; "
                    "scores on it could not be compared. Use the mirror the catalog names."
                )
            yield replace(book, text="\n\n".join(pieces[start:stop]))


test_sections.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test


def freeze_books(folder: Path) -> dict[str, list[list[Any]]]:
    """Choose the test sections of the letter books, as frozen_test.json keeps them."""
    chosen: dict[str, list[list[Any]]] = {}
    for book in letter_books(folder):
        pieces = paragraphs(book.text)
        for start, stop in section_ranges(pieces):
            if split_of(content_hash("\n\n".join(pieces[start:stop]))) == "test":
                keys = "".join(_keys_of(pieces[start:stop]))
                chosen.setdefault(book.source, []).append([start, stop, keys])
    return chosen


def freeze_bundled(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Choose the test threads of the bundled pairs, as frozen_test.json keeps them.

    Passages are not frozen with them: they are the program's to place, in every letter.
    """
    roots = thread_roots(pairs)
    held = {r for r in roots.values() if split_of(content_hash(r), test=THREAD_SHARE) == "test"}
    keys: dict[str, None] = {}
    for pair in pairs:
        if roots[pair.id] in held:
            own = [part.text for part in pair.parts if not part.passage]
            keys.update(dict.fromkeys(_keys_of([*paragraphs(pair.letter.text), *own])))
    return {"roots": sorted(held), "keys": "".join(keys)}


def _command(arguments: Sequence[str]) -> str:
    if not arguments or arguments[0] != "freeze" or set(arguments[1:]) - {"--bundled", "--again"}:
        raise CorpusError("Usage: python -m corpora.splitting freeze [--bundled] [--again]")
    content = _read_frozen()
    part = "bundled" if "--bundled" in arguments else "books"
    if part in content and "--again" not in arguments:
        raise CorpusError(
            f"The {part} are frozen already, and every score so far was measured on them. "
            "Add --again only if all of those are to be thrown away."
        )
    if part == "bundled":
        content[part] = freeze_bundled(load_pairs())
    else:
        content[part] = freeze_books(require_mirror())
    path = Path(__file__).with_name("frozen_test.json")
    path.write_text(json.dumps(content, indent=0, sort_keys=True) + "\n", "utf-8")
    return f"{path.name}: the {part} are frozen, {path.stat().st_size:,} bytes."


if __name__ == "__main__":
    try:
        print(_command(sys.argv[1:]))
    except LetterpressError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
