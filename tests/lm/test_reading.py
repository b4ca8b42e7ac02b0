from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.reading import (
    body,
    content_words,
    ends_sentence,
    form_of_name,
    names,
    questions,
    sentences,
    signature,
    words,
    years,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It rains. It pours!", ["It rains.", "It pours!"]),
        ("Mr. Hale came. Dr. Moss did not.", ["Mr. Hale came.", "Dr. Moss did not."]),
        ("I met J. S. Bell, i.e. my son. He left.", ["I met J. S. Bell, i.e. my son.", "He left."]),
        ("He said, “Come in.” She came.", ["He said, “Come in.”", "She came."]),
        ("Who is it? It is I. Good.", ["Who is it?", "It is I.", "Good."]),
        ("One line\nof two. Next", ["One line of two.", "Next"]),
        ("No stop here\n\nA new paragraph", ["No stop here", "A new paragraph"]),
        (
            "You said no, Sir. I say no. See No. 7.",
            ["You said no, Sir.", "I say no.", "See No. 7."],
        ),
        ("", []),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_a_sentence_ends_at_a_stop_and_not_at_an_abbreviation() -> None:
    assert ends_sentence("It is so.")
    assert ends_sentence("It is so!”")
    assert ends_sentence("So said I.")
    assert not ends_sentence("I met Mr.")
    assert not ends_sentence("I met J.")
    assert not ends_sentence("It is so,")
    assert not ends_sentence("")


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("Dear Sir, what is heat?\n\nRegards, Andrew Mayne", "Andrew Mayne"),
        ("Dear Sir, what is heat? Regards, Andrew Mayne", "Andrew Mayne"),
        ("What is heat?\n\nYour obliged servant,\nThomas Wickham", "Thomas Wickham"),
        ("What is heat?\nYour servant, M. Hale", "M. Hale"),
        ("What is heat?\nMrs. Ann Hale", "Mrs. Ann Hale"),
        ("What is heat? I thank you. Dr. Samuel Moss", "Dr. Samuel Moss"),
        ("What is heat?\nThomas Wickham, schoolmaster", "Thomas Wickham"),
        ("What is heat?\n— Anna", "Anna"),
        ("What is heat?\nFrom Anna", "Anna"),
        ("What is heat?\nJean-Luc de la Tour", "Jean-Luc de la Tour"),
        ("What is heat?\nMary O’Neil.", "Mary O’Neil"),
        ("What is heat?\nÉmile Göß", "Émile Göß"),
        ("What is heat?\nYour humble servant", ""),
        ("What is heat?\nWith thanks,", ""),
        ("Dear Sir,\n\nwhat is heat?", ""),
        ("What is heat?", ""),
        ("Andrew", ""),
        ("Sir,", ""),
        ("", ""),
    ],
)
def test_signatures(letter: str, name: str) -> None:
    assert signature(letter) == name


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Andrew Mayne", "Andrew"),
        ("Andrew", "Andrew"),
        ("Mrs. Ann Hale", "Mrs. Hale"),
        ("Dr Samuel Moss", "Dr Moss"),
        ("Sir Thomas More", "Sir Thomas"),
        ("Lady Mary Montagu", "Lady Mary"),
        ("Mr. Hale", "Mr. Hale"),
        ("", ""),
    ],
)
def test_how_a_writer_is_greeted(name: str, form: str) -> None:
    assert form_of_name(name) == form


def test_greeting_and_close_are_not_the_body() -> None:
    letter = "Dear Madam,\n\nI mend clocks. Why do they lose?\n\nYour servant,\nThomas Wickham"
    assert body(letter) == ["I mend clocks.", "Why do they lose?"]
    assert body("Dear Madam, why do clocks lose?") == ["why do clocks lose?"]


def test_what_asks_and_what_only_tells() -> None:
    asked = questions("Dear Sir,\nI keep a dog. Pray tell me what a star is. Is it far?\nAnna Bell")
    assert [q.text for q in asked] == ["Pray tell me what a star is.", "Is it far?"]
    assert all(q.asks for q in asked)
    told = questions("I keep a dog. It barks at the stars.")
    assert [q.asks for q in told] == [False, False]


def test_words_near_a_question_count_less_than_its_own() -> None:
    weights = questions("The moon pulls. The tide rises. My dog sleeps. Why the tide?")[0].weights
    assert weights["tide"] == 1.0
    assert weights["dog"] == 0.8
    assert weights["moon"] == 0.5


def test_years() -> None:
    assert years("In 1687, and by 1905; not 1,687 nor 16870 nor 0999 nor 1687.5.") == [1687, 1905]


def test_names_that_do_not_merely_begin_a_sentence() -> None:
    assert names("I saw Robert Hooke in London.") == ["Robert Hooke", "London"]
    assert names("Gravity acts. Light does.") == []
    assert names("Have you read Leonardo da Vinci?") == ["Leonardo da Vinci"]


def test_words_that_carry_matter() -> None:
    assert words("It’s Newton's Moon") == ["it's", "newton's", "moon"]
    assert content_words("Sir, tell me of Newton's Moon and the moon") == ["newton", "moon"]


@settings(deadline=None)  # a busy machine is no fault of the code
@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    name = signature(text)
    assert name == "" or name in " ".join(text.split())
    assert isinstance(form_of_name(name), str)
    assert all(isinstance(q.weights, dict) for q in questions(text))
    assert isinstance(body(text), list)
    years(text)
    names(text)


@settings(deadline=None)  # a busy machine is no fault of the code
@given(st.text(alphabet="Mr. A,\n?!—“”'Dear Sir", max_size=60))
def test_no_text_of_a_letters_own_signs_breaks_the_reading(text: str) -> None:
    signature(text)
    questions(text)
    for sentence in sentences(text):
        assert sentence == " ".join(sentence.split())
