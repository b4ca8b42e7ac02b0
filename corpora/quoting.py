"""What may be quoted: the stretch of a fetched book in which every word is one person's own.

catalog.toml marks that stretch, in the few books that have one. An editor's introduction, footnotes
and bridges must never be given out as a person's words: a book without markers is not quoted from.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from corpora.catalog import RECORD, Collection, is_intact, load_catalog
from corpora.dates import LetterDate
from corpora.document import Document
from corpora.mirror import read_text
from corpora.people import load_people

_NOTE = re.compile(r"\s*(?:\[|FOOTNOTES?\b)")  # a paragraph in brackets, or the line above some


def own_words(text: str, collection: Collection) -> str:
    """The stretch of a text that its author wrote, without notes in brackets.

    Parameters
    ----------
    text : str
        The whole cleaned text of the collection.
    collection : Collection
        With its markers.

    Returns
    -------
    str
        Paragraphs, separated by a blank line. Empty where the collection has no markers, and where
        the text lacks one of them: then it is another edition, of which the catalog knows nothing.
    """
    if not collection.quote_from:
        return ""
    lines = text.splitlines()
    try:
        start = lines.index(collection.quote_from) + 1
        end = lines.index(collection.quote_to, start) if collection.quote_to else len(lines)
    except ValueError:
        return ""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines[start:end]))
    return "\n\n".join(p.strip("\n") for p in paragraphs if not _NOTE.match(p))


def quoted_until(collection: Collection) -> LetterDate | None:
    """The date before which nothing of a collection is quoted, or `None` where nothing ever is.

    The last year of its words, but not past the author's death.
    """
    year = collection.quote_until or collection.until
    if not collection.quote_from or year is None:
        return None
    died = load_people()[collection.person].died
    return min(LetterDate(year), died, key=lambda date: date.last_day)


def quotable(person: str, into: Path) -> tuple[Document, ...]:
    """The texts a person may be quoted from, among the collections fetched into a folder.

    Parameters
    ----------
    person : str
        Their short name.
    into : Path
        Where collections are kept, as for `corpora.catalog.get`; may be missing.

    Returns
    -------
    tuple of Document
        In the order of the catalog. `date` is when the last of the words was written: a letter
        dated earlier must not quote them. A collection that is not there, is damaged or is another
        edition gives none.
    """
    found = []
    for collection in load_catalog():
        date = quoted_until(collection) if collection.person == person else None
        if date is None:
            continue
        folder = into / collection.name
        record = folder / RECORD
        if not record.is_file():
            continue
        stamp = record.stat().st_mtime_ns
        if document := _document(collection, folder, date, stamp):
            found.append(document)
    return tuple(found)


@functools.lru_cache(maxsize=16)
def _document(
    collection: Collection, folder: Path, date: LetterDate, stamp: int
) -> Document | None:
    """One collection's own words; `stamp` only makes a collection fetched anew a new key."""
    if not is_intact(folder):
        return None
    text = "\n\n".join(read_text(folder / file.name) for file in collection.files)
    own = own_words(text, collection)
    if not own:
        return None
    return Document(
        text=own,
        title=collection.title,
        author=collection.author,
        date=date,
        source=collection.name,
        licence=collection.licence,
    )
