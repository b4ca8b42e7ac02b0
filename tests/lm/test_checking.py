from __future__ import annotations

import pytest

from lm.checking import Allowed, Ink, problem, repeats

ALLOWED = Allowed.by(["The clock of Hannah Cole lost two minutes at Greenwich in June."])
BEFORE = "The brass pendulum grows longer in the summer heat. I filed the wheel by hand."


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("I do think that clocks are patient", "not one whole sentence"),
        ("I like it well. You do too, I think.", "not one whole sentence"),
        ("I like it.", "3 words"),
        ("I " + "very " * 45 + "much like it.", "49 words"),
        ("and so it was with all of us.", "does not begin like a sentence"),
        ("I have mended 12 of them this week.", "a number"),
        ("I have <b> mended the wheel again.", "a sign that no letter holds"),
        ("I have mended the �heel of it again.", "a sign that no letter holds"),
        ('He said "that is the very wheel I want.', "an open quotation"),
        ("I have mended it (and the wheel as well.", "an open quotation"),
        ("I have mended seven of them this week.", "the number seven"),
        ("I was told of it by Albert the other day.", "the name Albert"),
        ("I was told of it in January by a friend.", "the name January"),
        ("I was told of it in June by a friend.", "the name June"),
        ("June was a wet month for all of us.", "the date June"),
        ("Surely the brass pendulum grows longer in the summer, as said.", "said before"),
        ("I will go on and I will go on and I will go on so.", "said before"),
        ("When I come to it to you.", "half a sentence"),
        ("I was told that it is the.", "ends with 'the'"),
    ],
)
def test_each_reason(sentence: str, why: str) -> None:
    assert problem(sentence, ALLOWED, BEFORE) == why


@pytest.mark.parametrize(
    "sentence",
    [
        "I have two of them upon my bench today.",
        "You write of Hannah with much kindness, Sir.",
        "“Patience” is a word my master liked.",
        "I'm glad that I may be of use to you.",
        "May I ask what wood you keep it in?",
        "There is more in Cole's clock than meets the eye.",
    ],
)
def test_what_may_stand(sentence: str) -> None:
    assert problem(sentence, ALLOWED, BEFORE) == ""


def test_the_same_in_other_order_is_a_repeat() -> None:
    assert repeats("By hand I filed that wheel.", BEFORE)
    assert not repeats("The weather has been kind to us.", BEFORE)
    assert not repeats("The weather has been kind to us.", "")


def test_ink_tells_what_was_copied() -> None:
    ink = Ink(["one two three four five six seven eight nine ten"])
    assert ink.copied("So two three four five six seven eight nine it is.")
    assert not ink.copied("So two three four five six seven is all.")


def test_a_made_up_word_is_dropped_where_a_lexicon_is_given() -> None:
    lexicon = frozenset("i am sorry for the peace of your house".split())
    allowed = Allowed.by(["a telescope"], lexicon)
    assert problem("I am sorry for the scoreraling.", allowed, "") == "no word: scoreraling"
    assert problem("I am sorry for your telescope.", allowed, "") == ""
