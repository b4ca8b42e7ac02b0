from __future__ import annotations

import pytest

from engine.overlap import copied_share, words

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
