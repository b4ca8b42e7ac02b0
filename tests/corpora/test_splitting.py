from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import splitting
from corpora.dates import LetterDate
from corpora.document import Document, Letter, Pair, content_hash
from corpora.errors import CorpusError
from corpora.letters import load_pairs
from corpora.mirror import letter_books, prose

pieces = st.lists(
    st.one_of(
        st.sampled_from(["LETTER XII", "Milan, Oct. 5, 1771.", "My dear Sir,", "To Mr. Boyle"]),
        st.integers(1, 12_000).map(lambda n: ("word " * n)[:n].strip() or "w"),
    ),
    max_size=60,
)


@given(pieces)
def test_sections_cover_a_book_in_order_and_cut_no_paragraph(paragraphs: list[str]) -> None:
    ranges = list(splitting.section_ranges(paragraphs))
    covered = [i for start, stop in ranges for i in range(start, stop)]
    assert covered == list(range(len(paragraphs)))
    sizes = [sum(map(len, paragraphs[a:b])) for a, b in ranges]
    assert all(size >= splitting.SECTION_MIN for size in sizes[:-1])
    longest = max(map(len, paragraphs), default=0)
    limit = splitting.LETTER_MAX + splitting.SECTION_MIN
    assert all(size <= max(limit, longest + splitting.SECTION_MIN) for size in sizes)


def test_letters_are_cut_before_their_headings() -> None:
    body = "I have your letter and thank you for it. " * 60
    book = "\n\n".join(
        (
            *("LETTER I", "Bath, 3 May 1801.", "My dear Sir,", body, "Yours,"),
            *("LETTER II", "London, 5 May 1801.", "Madam,", body, body, body, "Yours,"),
            *("TO THE SAME", "London, 9 May 1801.", body, "Adieu."),
        )
    )
    starts = [s.text.split("\n\n")[0] for s in splitting.sections(Document(book, title="T"))]
    assert starts == ["LETTER I", "LETTER II", "TO THE SAME"]


@given(st.text(min_size=1), st.floats(0, 0.3), st.floats(0, 0.3))
def test_a_split_depends_on_the_content_alone(text: str, valid: float, test: float) -> None:
    split = splitting.split_of(content_hash(text), valid=valid, test=test)
    assert split in splitting.SPLITS
    assert split == splitting.split_of(content_hash(f"  {text}\n"), valid=valid, test=test)
    # A larger test part keeps what was in the smaller one.
    if split == "test":
        assert splitting.split_of(content_hash(text), valid=valid, test=test + 0.1) == "test"


def test_shares_come_out_about_right() -> None:
    splits = [splitting.split_of(content_hash(str(i))) for i in range(20_000)]
    assert splits.count("test") / 20_000 == pytest.approx(0.02, abs=0.004)
    assert splits.count("valid") / 20_000 == pytest.approx(0.02, abs=0.004)


def test_a_key_survives_another_edition() -> None:
    one = "“Pray, sir,” said he--“is the _Principia_ to be had?”"
    other = '"Pray, Sir," said he—"is the Principia\nto be had?"'
    assert splitting.paragraph_key(one) == splitting.paragraph_key(other)
    assert splitting.paragraph_key(one) != splitting.paragraph_key(one.replace("he", "she"))


# ------------------------------------------------------------------------------------------- pairs


def _pair(number: int, after: str = "") -> Pair:
    letter = Letter(f"Letter {number}.", "A", "B", LetterDate(1700))
    return Pair(f"x-{number:03}", "x", letter, letter, (), after)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_a_correspondence_never_straddles(steps: list[int]) -> None:
    pairs: list[Pair] = []
    for number, step in enumerate(steps):
        after = pairs[-step].id if 0 < step <= len(pairs) else ""
        pairs.append(_pair(number, after))
    shared = splitting.split_pairs(pairs)
    split_by_id = {pair.id: split for split, members in shared.items() for pair in members}
    assert sorted(split_by_id) == sorted(pair.id for pair in pairs)
    assert all(split_by_id[p.id] == split_by_id[p.after] for p in pairs if p.after)


def test_the_bundled_pairs_are_shared_out() -> None:
    pairs = load_pairs()
    shared = splitting.split_pairs(pairs)
    assert sum(map(len, shared.values())) == len(pairs)
    held = splitting.frozen().roots
    roots = splitting.thread_roots(pairs)
    if held:
        assert {roots[p.id] for p in shared["test"]} == held


# ------------------------------------------------------------------------------------- frozen part


def test_the_frozen_file_is_small_and_whole() -> None:
    path = Path(splitting.__file__).with_name("frozen_test.json")
    assert path.stat().st_size < 150_000
    assert "books" in json.loads(path.read_text("utf-8"))
    held = splitting.frozen()
    assert len(held.keys) > 1_000
    assert all(len(key) == 16 for key in held.keys)


def test_the_test_sections_are_about_two_percent(data: Path) -> None:
    test = sum(len(d.text) for d in splitting.test_sections(data))
    total = sum(len(book.text) for book in letter_books(data))
    assert 0.015 < test / total < 0.025


def test_no_training_text_holds_a_frozen_paragraph(data: Path) -> None:
    held = splitting.frozen().keys
    for book in letter_books(data):
        if book.source in splitting.frozen().books and "darwin" in book.source:
            for split, section in splitting.training_sections(book):
                assert split in ("train", "valid")
                long = [
                    p
                    for p in splitting.paragraphs(section.text)
                    if len(p) >= splitting.PARAGRAPH_MIN
                ]
                assert not any(splitting.paragraph_key(p) in held for p in long)


def test_a_frozen_letter_is_dropped_wherever_it_occurs(data: Path) -> None:
    section = next(iter(splitting.test_sections(data)))
    long = [p for p in splitting.paragraphs(section.text) if len(p) >= splitting.PARAGRAPH_MIN]
    assert long
    mine = "A paragraph of my own, long enough to be looked at and kept."
    text = f"{mine}\n\n{long[0].upper()}\n\n{long[-1]}\n\nShort."
    assert splitting.without_frozen(text) == f"{mine}\n\nShort."
    assert splitting.without_frozen(mine) == mine


def test_general_prose_holds_none_of_it(data: Path) -> None:
    document = next(iter(prose(data)))
    assert splitting.without_frozen(document.text) == document.text


def test_freezing_again_is_refused_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match="--again"):
        splitting._command(["freeze"])
    with pytest.raises(CorpusError, match="Usage"):
        splitting._command(["thaw"])


def test_freezing_threads_leaves_the_passages_free() -> None:
    pairs = load_pairs()
    part = splitting.freeze_bundled(pairs)
    keys = set(splitting._cut_keys(part["keys"]))
    passages: Iterator[str] = (p.text for pair in pairs for p in pair.parts if p.passage)
    assert not keys & {splitting.paragraph_key(text) for text in passages}
