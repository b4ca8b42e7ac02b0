"""The letters of thirty people from the mirror folder, and what is held out of them.

A book is cut into sections of whole letters (`corpora.splitting`); the section's content hash says
whether it is trained on, so no letter is in two parts, and whatever is frozen for testing is in the
test part here too. Of people with several volumes the last is not trained on at all: those test
whether a voice is known again in another volume, an easier thing to fool oneself about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from corpora.document import Document
from corpora.errors import CorpusError
from corpora.mirror import PUBLIC_DOMAIN, read_index, read_text
from corpora.splitting import paragraph_key, paragraphs, sections, split_of, without_frozen
from recurrent.lab.authors.cleaning import clean, cut, is_letter_prose
from recurrent.lab.authors.corpus import Collection, Passage, choose
from recurrent.lab.authors.settings import Settings

VALID, TEST = 0.12, 0.22  # shares of the sections
FRONT, BACK = 0.04, 0.03  # of a book's characters: title, preface, contents; appendix, index
MOST = 1_600_000  # characters read of one author's training books; Lincoln's papers are twice that


@dataclass(frozen=True, slots=True)
class Author:
    """A letter writer: the Gutenberg numbers of the books trained on, and of one held out."""

    name: str
    books: tuple[int, ...]
    other: int | None = None


# Those whom letterpress can write to come first, so that small settings keep them.
AUTHORS = (
    Author("Jane Austen", (42078,)),
    Author("Charles Darwin", (2087, 2088), 2739),
    Author("Abraham Lincoln", (3253,)),
    Author("Wolfgang Amadeus Mozart", (5307,)),
    Author("Mary Wollstonecraft", (3529, 34413)),
    Author("Benjamin Franklin", (48136, 148), 48137),
    Author("Charles Dickens", (25852,), 25853),
    Author("Charles Lamb", (9365,), 10851),
    Author("Elizabeth Barrett Browning", (13018,), 16646),
    Author("Franz Liszt", (3689,), 3750),
    Author("Henry James", (38776,), 38035),
    Author("Horace Walpole", (4609,), 4610),
    Author("Lord Byron", (8901,), 9921),
    Author("Mark Twain", (3193, 3194, 3195), 3196),
    Author("Robert Louis Stevenson", (622,), 387),
    Author("Thomas Henry Huxley", (5084, 5226), 5799),
    Author("Thomas Jefferson", (16781, 16782), 16783),
    Author("Anton Chekhov", (6408,)),
    Author("Dorothy Osborne", (12544,)),
    Author("Edward Gibbon", (42632,)),
    Author("Felix Mendelssohn", (39384,)),
    Author("Henry David Thoreau", (43523,)),
    Author("Ignatius Sancho", (66908,)),
    Author("John Keats", (35698,)),
    Author("Lord Chesterfield", (3361,)),
    Author("Lucie Duff Gordon", (17816,)),
    Author("Mary Wortley Montagu", (17520,)),
    Author("Robert Burns", (9863,)),
    Author("S. T. Coleridge", (44553,)),
    Author("William James", (40307,)),
)
STRANGERS = (
    Author("Helen Keller", (2397,)),
    Author("Honoré de Balzac", (54466,)),
    Author("Ludwig van Beethoven", (13065,)),
    Author("Nathaniel Hawthorne", (41309,)),
    Author("Pliny the Younger", (2811,)),
    Author("Theodore Roosevelt", (6467,)),
    Author("Vincent van Gogh", (40393,)),
)


def read_letters(
    folder: Path, settings: Settings, tell: Callable[[str, float], None] = lambda *_: None
) -> Collection:
    """The passages of the first `n_authors` of `AUTHORS`.

    Parameters
    ----------
    folder : Path
        The mirror folder.
    tell : callable
        Told what is being read, and which share of the reading is done.

    Raises
    ------
    CorpusError
        If the mirror lacks a book, or someone has too few passages.
    """
    if settings.n_authors > len(AUTHORS):
        raise CorpusError(
            f"{settings.n_authors} authors were asked for; the letter books hold {len(AUTHORS)} "
            f"with enough letters. Ask for {len(AUTHORS)} or fewer."
        )
    chosen = AUTHORS[: settings.n_authors]
    where = {row["gutenberg_id"]: row for row in read_index(_index(folder))}
    parts: dict[str, list[Passage]] = {p: [] for p in ("train", "valid", "test", "other_book")}
    wanted = {"train": settings.n_train, "valid": settings.n_valid, "test": settings.n_test}
    n_books = len(chosen) + len(STRANGERS)
    for label, author in enumerate(chosen):
        tell(f"Reading the letters of {author.name}", label / n_books)
        found, keys = _passages(folder, where, author, label, settings)
        for part, n in wanted.items():
            what = f"The {part} part of {author.name}"
            parts[part] += choose(found[part], n, settings.seed, what)
        if author.other is not None:
            other = _other_book(folder, where, author, label, keys, settings)
            parts["other_book"] += other
    strangers: list[Passage] = []
    for place, author in enumerate(STRANGERS):
        tell(f"Reading the letters of {author.name}", (len(chosen) + place) / n_books)
        found, _ = _passages(folder, where, author, -1, settings)
        pool = [passage for part in found.values() for passage in part]
        n = min(settings.n_test, len(pool))
        strangers += choose(pool, n, settings.seed, author.name)
    facts = {
        "strangers": [author.name for author in STRANGERS],
        "other_book_authors": [a.name for a in chosen if a.other is not None],
        "books": {a.name: [*a.books, *([a.other] if a.other else [])] for a in chosen},
    }
    return Collection([a.name for a in chosen], **parts, strangers=strangers, facts=facts)


def _index(folder: Path) -> Path:
    return folder / "letters" / "letters_index.jsonl"


def _book(folder: Path, where: dict[int, dict[str, str]], number: int, author: str) -> Document:
    if number not in where:
        raise CorpusError(
            f"{_index(folder)} has no book {number} (letters of {author}). "
            "Use the mirror the catalog names."
        )
    file = where[number]["file"]
    text = read_text(folder / "letters" / file)
    return Document(text, author=author, source=f"letters/{file}", licence=PUBLIC_DOMAIN)


def _inner_sections(book: Document) -> Iterator[Document]:
    """The sections between front and back matter."""
    total, done = len(book.text), 0
    for section in sections(book):
        if FRONT * total <= done and done + len(section.text) <= (1 - BACK) * total:
            yield section
        done += len(section.text)


def _passages(
    folder: Path, where: dict[int, dict[str, str]], author: Author, label: int, settings: Settings
) -> tuple[dict[str, list[Passage]], set[str]]:
    """An author's passages by part, and the keys of the paragraphs that may be trained on."""
    found: dict[str, list[Passage]] = {"train": [], "valid": [], "test": []}
    books = [_book(folder, where, number, author.name) for number in author.books]
    held: dict[str, list[Document]] = {"train": [], "valid": [], "test": []}
    read = 0
    for book in books:
        for section in _inner_sections(book):
            if read > MOST:
                break
            read += len(section.text)
            held[split_of(section.hash, valid=VALID, test=TEST)].append(section)
    trained: set[str] = set()
    for part in ("train", "valid", "test"):
        for section in held[part]:
            # Another edition of a frozen letter must not be learnt from either.
            text = section.text if part == "test" else without_frozen(section.text)
            prose = [p for p in paragraphs(text) if is_letter_prose(p)]
            if part == "train":
                trained.update(paragraph_key(p) for p in prose)
            else:
                prose = [p for p in prose if paragraph_key(p) not in trained]
            found[part] += _cut(prose, label, section.source, settings)
    return found, trained


def _cut(prose: list[str], label: int, source: str, settings: Settings) -> list[Passage]:
    text = " ".join(clean(p, names=settings.names) for p in prose)
    return [Passage(passage, label, source) for passage in cut(text, settings.passage)]


def _other_book(
    folder: Path,
    where: dict[int, dict[str, str]],
    author: Author,
    label: int,
    trained: set[str],
    settings: Settings,
) -> list[Passage]:
    """Passages of the book held out as a whole, without letters printed in both."""
    assert author.other is not None
    book = _book(folder, where, author.other, author.name)
    found: list[Passage] = []
    for section in _inner_sections(book):
        if sum(len(p.text) for p in found) > MOST // 2:
            break
        prose = [p for p in paragraphs(section.text) if is_letter_prose(p)]
        prose = [p for p in prose if paragraph_key(p) not in trained]
        found += _cut(prose, label, section.source, settings)
    n = min(settings.n_test, len(found))
    return choose(found, n, settings.seed, f"The other book of {author.name}")
