"""What is taken out of a letter before anybody guesses whose it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrent.lab.authors.cleaning import (
    clean,
    cut,
    is_letter_prose,
    plain_typography,
    without_names,
)


@pytest.mark.parametrize(
    ("printed", "plain"),
    [
        ("“Oh—it’s _my_ café, No. 12 …”", '"Oh - it\'s my cafe, No. 0..."'),
        (
            "I go--as ever - home ; and thence [where?] , you",
            "I go - as ever - home; and thence, you",
        ),
        ("a ‘word’ of 1,250 pounds[12] (3/4. See Letter 2.) now", 'a "word" of 0 pounds now'),
        ("well . . . and * * * so", "well... and... so"),
    ],
)
def test_every_edition_writes_its_signs_the_same_way(printed: str, plain: str) -> None:
    assert plain_typography(printed) == plain


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # A title, its dot and both names are one name; the sentence's own first word stays.
        ("When we left, Mr. John Hunt saw London.", "When we left, @ saw @."),
        ("I saw her. Then I wept. I'm ill, my Love.", "I saw her. Then I wept. I'm ill, my @."),
        # Two capitals at a sentence's beginning are a name, and so is what is shouted.
        ("Lord Byron came. SYLVANDER wrote!", "@ came. @ wrote!"),
        ('she said "Nothing" of it', 'she said "Nothing" of it'),
        ("", ""),
    ],
)
def test_names_are_masked(text: str, masked: str) -> None:
    assert without_names(text) == masked


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="ABab .,-'\"!\n", max_size=60))
def test_masking_leaves_small_words_as_they_are(text: str) -> None:
    small = [w for w in text.split() if w.isalpha() and w.islower()]
    assert [w for w in without_names(text).split() if w.isalpha() and w.islower()] == small


def test_names_can_be_kept() -> None:
    assert clean("I saw Paris", names="kept") == "I saw Paris"
    assert clean("I saw Paris") == "I saw @"


OWN = "I have read your letter twice over, and I must say that it did me more good than physic."


@pytest.mark.parametrize(
    ("paragraph", "kept"),
    [
        (OWN, True),
        (f"[Footnote 3: {OWN}]", False),
        (f"12. {OWN}", False),
        ("I am yours ever.", False),
        (OWN.replace("I ", "he ").replace("me ", "him "), False),
    ],
)
def test_headings_footnotes_and_editors_are_left_out(paragraph: str, kept: bool) -> None:
    assert is_letter_prose(paragraph) is kept


def test_cutting_keeps_words_whole_and_leaves_out_a_short_remainder() -> None:
    assert cut("one two three four", 9) == ["one two", "three"]
    assert cut("one two three", 100) == []
    with pytest.raises(ValueError, match="length=0 must be at least 1"):
        cut("one", 0)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("abc", min_size=1, max_size=8), max_size=60), st.integers(10, 50))
def test_passages_follow_one_another_and_are_of_about_one_length(words: list[str], n: int) -> None:
    text = " ".join(words)
    passages = cut(text, n)
    assert all(n // 4 <= len(p) <= n for p in passages)
    joined = "".join(passages).replace(" ", "")
    assert text.replace(" ", "").startswith(joined)
