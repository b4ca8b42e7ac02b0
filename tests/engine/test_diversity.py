from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diversity import (
    SampleScore,
    Unit,
    distinct_n,
    repetition,
    score_sample,
    spelling,
    vocabulary,
)
from engine.overlap import InkIndex

ROSE = "A rose is a rose is a rose."


@pytest.mark.parametrize(
    ("text", "n", "unit", "share"),
    [
        (ROSE, 1, "words", 3 / 8),  # a, rose, is
        (ROSE, 2, "words", 3 / 7),  # a rose, rose is, is a
        (ROSE, 3, "words", 3 / 6),
        (ROSE, 8, "words", 1.0),
        (ROSE, 9, "words", 0.0),  # too short for one
        ("", 1, "words", 0.0),
        ("... !", 1, "words", 0.0),
        ("天 地\n玄黃天地", 1, "characters", 4 / 6),
        ("天 地\n玄黃天地", 2, "characters", 4 / 5),  # 天地, 地玄, 玄黃, 黃天 and 天地 again
        ("天地玄黃天地", 1, "words", 1.0),  # one word without a space
        ("😀😀é", 1, "characters", 2 / 3),
        ("", 3, "characters", 0.0),
    ],
)
def test_the_share_of_distinct_runs(text: str, n: int, unit: Unit, share: float) -> None:
    assert distinct_n(text, n, unit=unit) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "n", "unit", "share"),
    [
        ("one two three four five. One, two, three, four!", 4, "words", 8 / 9),
        ("one two three four. Once. One two three four", 4, "words", 8 / 9),
        ("one two three. One two three", 4, "words", 0.0),
        ("one two three. One two three", 3, "words", 1.0),
        (ROSE, 4, "words", 8 / 8),  # a rose is a, twice; rose is a rose, twice
        ("ha ha ha ha ha", 4, "words", 1.0),  # two runs that overlap
        ("ha ha ha ha", 4, "words", 0.0),
        ("", 4, "words", 0.0),
        ("天地玄黃，宇天地玄黃宙", 4, "characters", 8 / 11),
    ],
)
def test_the_share_of_repeated_words(text: str, n: int, unit: Unit, share: float) -> None:
    assert repetition(text, n, unit=unit) == pytest.approx(share)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("abc ,", max_size=30),
    n=st.integers(1, 5),
    unit=st.sampled_from(["words", "characters"]),
)
def test_what_is_wholly_distinct_is_not_repeated(text: str, n: int, unit: Unit) -> None:
    distinct, repeated = distinct_n(text, n, unit=unit), repetition(text, n, unit=unit)
    assert 0 <= distinct <= 1
    assert 0 <= repeated <= 1
    if distinct:
        assert (distinct == 1) == (repeated == 0)
    twice = f"{text} {text}"
    if distinct:
        assert repetition(twice, n, unit=unit) == 1.0
        assert distinct_n(twice, n, unit=unit) < 1


def test_spelling_is_judged_by_the_corpus() -> None:
    known = vocabulary(iter(["It’s the SEA,", "the sea; l'été."]))
    assert known == {"it's", "the", "sea", "l'été"}
    assert spelling("It's the seea, the Sea!", known) == 4 / 5
    assert spelling("zzz", known) == 0.0
    assert spelling("", known) == 0.0
    assert spelling("the", frozenset()) == 0.0


@pytest.mark.parametrize("through", [list, InkIndex], ids=["past", "index"])
def test_a_sample_is_scored_in_one_go(through: type) -> None:
    texts = ["we were in the boat when the storm came down upon the whole of the lake"]
    sample = "He said when the storm came down upon the whole boaat. He said when the"
    score = score_sample(sample, vocabulary(texts), through(texts))
    assert score == SampleScore(
        n_characters=71,
        n_words=15,
        distinct_1=10 / 15,  # he, said, when, the, storm, came, down, upon, whole, boaat
        distinct_2=11 / 14,  # he said, said when, when the come twice
        distinct_characters=43 / 54,  # ten runs come twice, and nthe a third time
        repetition=8 / 15,
        spelling=10 / 15,
        copied_ink=39 / 71,  # when the storm came down upon the whole: eight words
    )


def test_an_empty_sample_scores_nothing() -> None:
    assert set(asdict(score_sample("", {"a"}, ["a"])).values()) == {0}


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="n=0 must be at least 1"):
        distinct_n("a", 0)
    with pytest.raises(ValueError, match="n=-1"):
        repetition("a", -1)
    with pytest.raises(ValueError, match="unit='letters' must be 'words' or 'characters'"):
        distinct_n("a", 1, unit="letters")  # type: ignore[arg-type]
