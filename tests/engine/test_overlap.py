from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.overlap
from engine.overlap import (
    DEPTH,
    SEPARATOR,
    InkIndex,
    Place,
    Span,
    copied_ink,
    copied_share,
    copied_spans,
    words,
)

BOOK = "The quality of mercy is not strained; it droppeth as the gentle rain from heaven."


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert words("“Don’t,” said HE -- l'été 1689!") == ["don't", "said", "he", "l'été", "1689"]
    assert words("... --- _") == []


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        ("Quality OF mercy", 3, 1.0),
        ("I say the quality of mercy, Sir", 3, 4 / 7),  # a run of four, found as two of three
        ("mercy is the rain from heaven", 3, 3 / 6),
        ("mercy is the rain from heaven", 2, 5 / 6),
        ("mercy is the rain from heaven", 1, 1.0),
        ("quality mercy", 3, 0.0),  # fewer words than a run
        ("wholly of my own making here", 2, 0.0),
        ("not strained and then again not strained", 2, 4 / 7),  # each place counts
        ("", 1, 0.0),
    ],
)
def test_the_share_of_copied_words(text: str, n: int, share: float) -> None:
    assert copied_share(text, [BOOK], n=n) == pytest.approx(share)


def test_a_run_does_not_cross_two_texts_and_each_text_is_read() -> None:
    assert copied_share("gentle rain from heaven", ["the gentle rain", "from heaven"], n=3) == 0.0
    assert copied_share("gentle rain from heaven", ["no", BOOK], n=4) == 1.0


def test_the_training_text_is_read_once() -> None:
    assert copied_share("the gentle rain", iter([BOOK, BOOK]), n=3) == 1.0


def test_a_run_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="n=0"):
        copied_share("a", [BOOK], n=0)


def test_a_text_of_many_portions_is_read_like_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    book = "So it began, and " + BOOK + " And so it went on " * 3
    sample = "quality of mercy is not — and — it droppeth as the gentle rain went on"
    whole = copied_spans(sample, [book], n_characters=99, n_words=4)
    assert [sample[s.start : s.stop] for s in whole] == [
        "quality of mercy is not",
        "it droppeth as the gentle rain",
    ]
    for portion in (1, 7, 30):  # some cut the copied runs, none a word
        monkeypatch.setattr(engine.overlap, "_PORTION", portion)
        assert copied_spans(sample, [book], n_characters=99, n_words=4) == whole
        assert copied_share(sample, [book], n=4) == pytest.approx(11 / 14)


BOTH = pytest.mark.parametrize("through", [list, InkIndex], ids=["past", "index"])


@BOTH
def test_spans_of_characters_and_of_words(through: type) -> None:
    texts = ["Mr. Toad drove.", "He said:\nThe wind, the wind and the rain! Ha."]
    sample = "xx Toad drove. THE WIND the “wind” and — the ends"
    spans = copied_spans(sample, through(texts), n_characters=8, n_words=5)
    assert spans == [
        Span(2, 14, Place(0, 3)),  # " Toad drove." verbatim
        Span(15, 44, Place(1, 9)),  # six words, of which five in a row are enough
    ]
    assert sample[15:44] == "THE WIND the “wind” and — the"
    assert copied_ink(sample, through(texts), n_characters=8, n_words=5) == (12 + 29) / 49


@BOTH
def test_runs_that_meet_are_one_span_from_the_first_one_s_place(through: type) -> None:
    texts = ["cdef", "abcd.efgh", "abcd"]
    assert copied_spans("-abcdefgh-", through(texts), n_characters=4) == [
        Span(1, 9, Place(1, 0))  # abcd, cdef, efgh: two overlap, two touch
    ]
    assert copied_spans("abcd-cdef", through(texts), n_characters=4) == [
        Span(0, 4, Place(1, 0)),
        Span(5, 9, Place(0, 0)),
    ]


@BOTH
def test_by_default_fifty_characters_or_eight_words(through: type) -> None:
    book = (
        "Antidisestablishmentarianism notwithstanding, incomprehensibility rules; a b c d e f g h i"
    )
    index = through([book])
    assert copied_spans(book[:50], index) == [Span(0, 50, Place(0, 0))]
    assert copied_spans(book[:49], index) == []
    assert copied_spans("A B C D E F G H", index) == [Span(0, 15, Place(0, 73))]
    assert copied_spans("A B C D E F G", index) == []


@BOTH
def test_nothing_is_copied_from_nothing(through: type) -> None:
    assert copied_spans("some text", through([]), n_characters=1, n_words=1) == []
    assert copied_spans("some text", through(["", " "]), n_characters=3, n_words=1) == []
    assert copied_spans("", through([BOOK]), n_characters=1, n_words=1) == []
    assert copied_ink("", through([BOOK])) == 0.0
    assert copied_ink(BOOK, through([BOOK])) == 1.0


# Few letters, so that much is copied; of one, two, three and four bytes, with and without case.
SOME = st.text("abAé漢😀 ,\n", max_size=14)


def _covered(sample: str, texts: list[str], n_characters: int, n_words: int) -> set[int]:
    """The characters in copied runs, by looking everywhere."""
    covered: set[int] = set()
    for i in range(len(sample) - n_characters + 1):
        if any(sample[i : i + n_characters] in text for text in texts):
            covered.update(range(i, i + n_characters))
    own = list(re.finditer(r"\w+", sample))
    theirs = [" " + " ".join(re.findall(r"\w+", text.lower())) + " " for text in texts]
    for i in range(len(own) - n_words + 1):
        run = own[i : i + n_words]
        if any(f" {' '.join(w[0].lower() for w in run)} " in text for text in theirs):
            covered.update(range(run[0].start(), run[-1].end()))
    return covered


@settings(max_examples=300, deadline=None)
@given(
    sample=st.text("abAé漢😀 ,\n", max_size=30),
    texts=st.lists(SOME, max_size=4),
    n_characters=st.integers(1, 7),
    n_words=st.integers(1, 4),
)
def test_spans_hold_what_is_found_by_looking_everywhere(
    sample: str, texts: list[str], n_characters: int, n_words: int
) -> None:
    how = {"n_characters": n_characters, "n_words": n_words}
    spans = copied_spans(sample, texts, **how)
    covered = {i for span in spans for i in range(span.start, span.stop)}
    assert covered == _covered(sample, texts, n_characters, n_words)
    assert all(one.stop < other.start for one, other in pairwise(spans))
    for span in spans:
        there = texts[span.where.text][span.where.offset :]
        verbatim = sample[span.start :][:n_characters]
        spoken = words(sample[span.start :])[:n_words]
        as_letters = len(verbatim) == n_characters and there.startswith(verbatim)
        assert as_letters or words(there)[:n_words] == spoken
    assert copied_spans(sample, InkIndex(texts), **how) == spans
    assert copied_ink(sample, iter(texts), **how) == len(covered) / max(1, len(sample))


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(SOME, max_size=4),
    context=st.text("abAé漢😀 ,\n", min_size=1, max_size=4),
    least=st.text("abAé漢😀 ,\n", min_size=1, max_size=3),
)
def test_an_index_knows_each_piece_and_what_follows_it(
    texts: list[str], context: str, least: str
) -> None:
    index = InkIndex(texts)
    assert index.holds(least) == any(least in text for text in texts)
    ended = [text + SEPARATOR for text in texts]
    later = [
        following[: len(least)]
        for text in ended
        for i in range(len(text))
        if text.startswith(context, i)
        and (following := text[i + len(context) :])[: len(least)] >= least
    ]
    found = index.following(context, least)
    assert (found or "").partition(SEPARATOR)[0] == min(later, default="").partition(SEPARATOR)[0]
    assert (found is None) == (not later)


def test_an_index_tells_apart_texts_that_are_alike_for_long() -> None:
    index = InkIndex(["a" * 300 + "b", "a" * 500, "cab" * 99])
    assert index.holds("a" * DEPTH)
    assert index.holds("a" * (DEPTH - 1) + "b")
    assert not index.holds("a" * (DEPTH - 2) + "bb")
    assert index.following("a" * (DEPTH - 1), "a") == "a"
    assert index.following("a" * (DEPTH - 1), "b") == "b"
    assert index.following("a" * (DEPTH - 1), "c") == SEPARATOR  # the end of the second
    assert copied_spans("a" * 301, index) == [Span(0, 301, Place(0, 0))]
    assert copied_ink("-" + "cab" * 50, index) == 150 / 151


def test_a_lone_surrogate_matches_nothing_in_an_index() -> None:
    assert not InkIndex(["ab", "cd"]).holds("b" + SEPARATOR + "c")
    for texts in (["ab", "cd"], ["a", "bcd"], ["abc", "d"]):
        assert copied_ink(SEPARATOR.join(texts), InkIndex(texts), n_characters=5) == 0.0


def test_wrong_arguments_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    index = InkIndex([BOOK])
    with pytest.raises(ValueError, match="n_characters=0"):
        copied_spans("a", index, n_characters=0)
    with pytest.raises(ValueError, match="n_words=-1"):
        copied_ink("a", [BOOK], n_words=-1)
    with pytest.raises(ValueError, match="n=129 must be at least 1 and at most 128"):
        copied_spans("a", index, n_characters=129)
    with pytest.raises(ValueError, match="n=999"):
        copied_spans("a", index, n_words=999)
    with pytest.raises(ValueError, match=r"len\(piece\)=0"):
        index.holds("")
    with pytest.raises(ValueError, match=r"len\(context\)=128 must be at least 1 and at most 127"):
        index.following("a" * 128, "a")
    with pytest.raises(ValueError, match=r"texts='The quality of mercy' is one text"):
        InkIndex(BOOK)
    with pytest.raises(ValueError, match="training='The quality"):
        copied_spans("a", BOOK)
    monkeypatch.setattr(engine.overlap, "LARGEST", 10)
    with pytest.raises(ValueError, match="texts hold more than 10 characters"):
        InkIndex(["seven..", "four"])
