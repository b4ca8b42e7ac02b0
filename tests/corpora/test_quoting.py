"""What may be quoted, on the real books of the mirror."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from corpora import catalog
from corpora.catalog import RECORD, find_collection, get, load_catalog
from corpora.errors import CorpusError
from corpora.people import load_people
from corpora.quoting import own_words, quotable, quoted_until

QUOTED = [c for c in load_catalog() if c.quote_from]
# What only an editor of these books writes, and the first and the last words of the author's part.
EDITORS = re.compile(
    r"our Author|Brabourne|Miss Austen's|The Editor|FOOTNOTE|H\. M\.|Lectiones Opticæ|E\. CAVE"
)
EDGES = {
    "newton-opticks": ("My Design in this Book", "before they corrupted themselves."),
    "franklin-electricity": ("FROM", "they are not electrified by that discharge."),
    "austen-letters": ("I.", ""),
    "wollstonecraft-sweden": ("Eleven days of weariness", ""),
}


def test_only_books_of_one_hand_are_quoted() -> None:
    assert {c.name for c in QUOTED} == set(EDGES)
    for collection in load_catalog():
        if collection not in QUOTED:
            assert own_words("LETTER I.\n\nWords.", collection) == ""
            assert quoted_until(collection) is None


@pytest.mark.parametrize("collection", QUOTED, ids=lambda c: c.name)
def test_the_stretch_is_there_and_no_editor_is_in_it(
    collection: catalog.Collection, data: Path, tmp_path: Path
) -> None:
    list(get(collection.name, tmp_path))
    (document,) = quotable(collection.person, tmp_path)
    assert len(document.text) > 100_000
    assert not EDITORS.search(document.text)
    first, last = EDGES[collection.name]
    assert document.text.lstrip().startswith(first) or first in document.text[:200]
    if last:
        assert document.text.rstrip().endswith(last) or last in document.text[-700:]
    assert not any(p.startswith("[") for p in document.text.split("\n\n"))
    assert (document.title, document.source) == (collection.title, collection.name)
    assert document.date is not None
    assert document.date == quoted_until(collection)
    person = load_people()[collection.person]
    assert document.date.last_day <= person.died.last_day
    assert document.date.year == (collection.quote_until or collection.until)


def test_only_what_was_fetched_and_is_whole_is_quoted(data: Path, tmp_path: Path) -> None:
    name = "wollstonecraft-sweden"
    assert quotable("wollstonecraft", tmp_path) == ()
    assert quotable("wollstonecraft", tmp_path / "nowhere") == ()
    list(get(name, tmp_path))
    assert len(quotable("wollstonecraft", tmp_path)) == 1
    assert quotable("newton", tmp_path) == ()
    record = tmp_path / name / RECORD
    told = json.loads(record.read_text("utf-8"))
    told["fetched"][0]["sha256"] = "0" * 64
    record.write_text(json.dumps(told), "utf-8")
    assert quotable("wollstonecraft", tmp_path) == ()


def test_between_two_lines_without_notes() -> None:
    collection = replace(
        find_collection("newton-opticks"), quote_from="BEGIN", quote_to="END", quote_until=1704
    )
    text = "An editor.\n\nBEGIN\n\nMy words.\nMore.\n\n[1] A note.\n\nLast.\n\nEND\n\nAn index."
    assert own_words(text, collection) == "My words.\nMore.\n\nLast."
    assert own_words(text.replace("END", "FINIS"), collection) == ""
    assert own_words(text.replace("BEGIN", "START"), collection) == ""
    assert str(quoted_until(collection)) == "1704"
    assert own_words(text, replace(collection, quote_to="")).endswith("An index.")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('quote_from = "PART I."', 'quote_to = "PART I."', "'quote_from' is missing"),
        ("until = 1727", "", "needs 'person' and 'until'"),
        ('person = "newton"', "", "needs 'person' and 'until'"),
    ],
)
def test_markers_need_a_person_and_a_year(old: str, new: str, says: str) -> None:
    text = Path(catalog.__file__).with_name("catalog.toml").read_text("utf-8")
    with pytest.raises(CorpusError, match=f"catalog.toml, collection 2.*{says}"):
        catalog.parse_catalog(text.replace(old, new, 1))
