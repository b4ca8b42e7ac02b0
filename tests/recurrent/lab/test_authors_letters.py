"""What is held out of letter books, on a small mirror made here, and on the real one's index."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from corpora.document import Document
from corpora.errors import CorpusError
from corpora.mirror import read_index
from corpora.splitting import sections, split_of
from recurrent.lab.authors import letter_books
from recurrent.lab.authors.corpus import Passage, choose
from recurrent.lab.authors.letter_books import AUTHORS, STRANGERS, TEST, Author, read_letters
from recurrent.lab.authors.settings import Settings

SMALL = Settings(n_authors=2, n_train=6, n_valid=1, n_test=2, passage=400)
VOWELS = {1: "aeo", 2: "iuo", 3: "aeo", 4: "yue"}


@cache
def _book(number: int, letters: int = 60) -> str:
    """Letters of nonsense words in the first person, with headings and footnotes between."""
    random = np.random.default_rng(number)
    vowels = VOWELS[number]
    parts = ["CONTENTS", "An editor wrote this page, long before anybody asked him for it, alas."]
    for i in range(letters):
        parts += [f"LETTER {i + 1}.", "MY DEAR FRIEND,"]
        for _ in range(3):
            drawn = random.integers(0, (4, 3), (60, 3, 2))
            words = ["".join("bdgl"[c] + vowels[v] for c, v in word) for word in drawn]
            words[::10] = ["I"] * 6
            parts.append(" ".join(words) + ".")
        parts.append(
            f"[Footnote {i}: I, I, I and my own editor noted this and me, long ago it was.]"
        )
    return "\n\n".join(parts)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "letters"
    folder.mkdir()
    rows = []
    for number in VOWELS:
        (folder / f"{number}.txt").write_text(_book(number), "utf-8")
        rows.append({"file": f"{number}.txt", "gutenberg_id": number})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "letters_index.jsonl").write_text(lines, "utf-8")
    monkeypatch.setattr(letter_books, "AUTHORS", (Author("Ann", (1,), 3), Author("Bob", (2,))))
    monkeypatch.setattr(letter_books, "STRANGERS", (Author("Cyd", (4,)),))
    return tmp_path


def test_as_many_passages_of_each_author_and_none_of_another(mirror: Path) -> None:
    found = read_letters(mirror, SMALL)
    assert list(found.classes) == ["Ann", "Bob"]
    for part, n in (("train", 6), ("valid", 1), ("test", 2)):
        passages = getattr(found, part)
        assert [p.label for p in passages] == [0] * n + [1] * n
        assert all(300 <= len(p.text) <= 400 for p in passages)
        for passage in passages:
            small = set(passage.text) & set("aeiuo")
            assert small <= set("aeo" if passage.label == 0 else "iuo")
    assert {p.source for p in found.other_book} == {"letters/3.txt"}
    assert {p.label for p in found.other_book} == {0}
    assert {p.label for p in found.strangers} == {-1}
    text = " ".join(p.text for p in found.train)
    assert "editor" not in text
    assert "LETTER" not in text


def test_what_is_asked_comes_from_sections_nothing_was_learnt_from(mirror: Path) -> None:
    found = read_letters(mirror, replace(SMALL, n_train=0, n_valid=0, n_test=0))
    book = Document((mirror / "letters" / "1.txt").read_text("utf-8"))
    held: dict[str, set[str]] = {"train": set(), "valid": set(), "test": set()}
    for section in sections(book):
        part = split_of(section.hash, valid=letter_books.VALID, test=TEST)
        held[part].update(section.text.split())
    only = {part: words - set.union(*(held[p] for p in held if p != part))
            for part, words in held.items()}  # fmt: skip
    for part in held:
        read = {w for p in getattr(found, part) if p.label == 0 for w in p.text.split()}
        for other in held:
            if other != part:
                assert not read & only[other]


def test_letters_printed_in_both_volumes_are_not_asked_about(mirror: Path) -> None:
    same = (mirror / "letters" / "1.txt").read_text("utf-8")
    new = (mirror / "letters" / "3.txt").read_text("utf-8")
    (mirror / "letters" / "3.txt").write_text(f"{new}\n\n{same}", "utf-8")
    found = read_letters(mirror, replace(SMALL, n_train=0, n_valid=0, n_test=0))
    learnt = {p.text[:200] for p in found.train if p.label == 0}
    asked = " ".join(p.text for p in found.other_book)
    assert learnt
    assert not [start for start in learnt if start in asked]


def test_reading_is_repeatable_and_says_what_lacks(mirror: Path) -> None:
    told: list[tuple[str, float]] = []
    first = read_letters(mirror, SMALL, lambda what, share: told.append((what, share)))
    assert first == read_letters(mirror, SMALL)
    assert [what for what, _ in told][-1] == "Reading the letters of Cyd"
    with pytest.raises(CorpusError, match=r"The train part of Ann has .* 9999 were asked for"):
        read_letters(mirror, replace(SMALL, n_train=9999))
    with pytest.raises(CorpusError, match="99 authors were asked for; the letter books hold 2"):
        read_letters(mirror, replace(SMALL, n_authors=99))
    (mirror / "letters" / "letters_index.jsonl").write_text("", "utf-8")
    with pytest.raises(CorpusError, match=r"has no book 1 \(letters of Ann\)"):
        read_letters(mirror, SMALL)


def test_choosing_keeps_the_order_and_refuses_too_few() -> None:
    passages = [Passage(str(i), 0) for i in range(20)]
    drawn = choose(passages, 5, 1, "who")
    assert drawn == sorted(drawn, key=lambda p: int(p.text))
    assert len(set(drawn)) == 5
    assert choose(passages, 0, 1, "who") == passages
    with pytest.raises(CorpusError, match="who has 20 passages; 21 were asked for"):
        choose(passages, 21, 1, "who")


def test_every_author_is_in_the_mirror_once(data: Path) -> None:
    numbers = [n for a in AUTHORS + STRANGERS for n in (*a.books, *([a.other] if a.other else []))]
    assert len(numbers) == len(set(numbers))
    index = read_index(data / "letters" / "letters_index.jsonl")
    assert set(numbers) <= {row["gutenberg_id"] for row in index}
    assert len({a.name for a in AUTHORS}) == len(AUTHORS) == 30
