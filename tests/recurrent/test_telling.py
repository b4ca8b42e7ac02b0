from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.tokenizers import character_tokenizer
from recurrent.charlm import CharLM, CharLMConfig
from recurrent.insight import Unit
from recurrent.telling import (
    NOTICED,
    Search,
    _correlations,
    _ranked,
    noticed,
    telling_units,
)

# ------------------------------------------------------------------------------- what is noticed

LETTER = 'My dear Ann,\n\nHe said "Go on. Do!" and I\'ll go.\nYes'


def _shown(name: str, text: str = LETTER) -> str:
    return "".join(c if on else "." for c, on in zip(text, noticed(text)[name], strict=True))


def test_what_a_reader_notices_in_a_letter() -> None:
    flat = LETTER.replace("\n", "/")
    assert _shown("salutation") == "My dear Ann,".ljust(len(flat), ".")
    assert _shown("quotation").strip(".") == '"Go on. Do!"'
    assert _shown("upper case").replace(".", "") == "MAHGDIY"
    assert _shown("word start").replace(".", "") == "MdAHsGoDaIgY"
    ends = noticed(LETTER)["sentence end"].nonzero()[0]
    assert [flat[i - 1 : i + 1] for i in ends] == ["n.", "o!", "o."]
    counts = noticed("ab c\n\nd. e")
    assert counts["line"].tolist() == [1, 2, 3, 4, 0, 0, 1, 2, 3, 4]
    assert counts["sentence"].tolist() == [1, 2, 3, 4, 0, 1, 2, 0, 1, 2]
    assert counts["word"].tolist() == [1, 2, 0, 1, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("Dear Sir,", True),
        ("My dearest Madam:—", True),
        ("Honoured Sir,", True),
        ("SIR,", True),
        ("Sir, I have your letter of the 3rd.", False),
        ("I remain, dear Sir,", False),
        ("Dear me. How odd,", False),
        ("The sirens,", False),
    ],
)
def test_which_lines_are_salutations(line: str, is_one: bool) -> None:
    assert noticed(f"{line}\nI am well.")["salutation"].any() == is_one


def test_a_quotation_that_is_not_closed_ends_nowhere_and_begins_nothing() -> None:
    assert _shown("quotation", 'a "b\n\nc "d" e').replace(".", "") == '"d"'
    assert _shown("quotation", "a “b\nc” d").replace(".", "") == "“b\nc”"


@given(st.text(max_size=60))
def test_every_character_of_any_text_has_its_marks(text: str) -> None:
    marks = noticed(text)
    assert set(marks) == set(NOTICED)
    assert all(column.shape == (len(text),) for column in marks.values())
    assert all((column >= 0).all() for column in marks.values())


# ---------------------------------------------------------------------------------------- scores


def test_ranks_of_equals_are_averaged() -> None:
    column = np.array([[3.0], [1.0], [3.0], [2.0], [3.0]])
    assert _ranked(column)[:, 0].tolist() == [1, -2, 1, -1, 1]


def test_scores_are_those_worked_by_hand() -> None:
    # Yes and no: of the four pairs of a yes and a no, the yes is larger in three: AUC 3/4.
    values = np.array([[0.1], [0.9], [0.4], [0.7]])
    yes = np.array([[0.0], [1.0], [1.0], [0.0]])
    assert _correlations(values, _ranked(yes))[0, 0] == pytest.approx(2 * 3 / 4 - 1)
    # A count, by Spearman's 1 - 6 * sum(d²) / (n * (n² - 1)) with d² = 1, 1, 1, 1: 1 - 24/60.
    count = np.array([[2.0], [3.0], [1.0], [4.0]])
    assert _correlations(values, _ranked(count))[0, 0] == pytest.approx(0.6)
    assert _correlations(np.zeros((4, 1)), _ranked(yes))[0, 0] == 0


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30))
def test_yes_and_no_are_scored_by_counting_pairs(drawn: list[tuple[int, bool]]) -> None:
    yes = [value for value, kind in drawn if kind]
    no = [value for value, kind in drawn if not kind]
    values = np.array([[float(value)] for value, _ in drawn])
    marks = _ranked(np.array([[float(kind)] for _, kind in drawn]))
    if not yes or not no:
        assert _correlations(values, marks)[0, 0] == 0
        return
    wins = sum((a > b) + 0.5 * (a == b) for a in yes for b in no)
    expected = 2 * wins / (len(yes) * len(no)) - 1
    assert _correlations(values, marks)[0, 0] == pytest.approx(expected, abs=1e-9)


# ---------------------------------------------------------------------------------------- search

_WORDS = "in the garden we met Ann and her cousin, who said that it would rain. So we went".split()


def _letters(seed: int, n: int = 6) -> list[str]:
    rng = np.random.default_rng(seed)
    letters = []
    for _ in range(n):
        words = [str(rng.choice(_WORDS)) for _ in range(60)]
        at, stop = int(rng.integers(5, 25)), int(rng.integers(30, 55))
        words[at], words[stop] = '"' + words[at], words[stop] + '"'
        letters.append("Dear Ann,\n\n" + " ".join(words))
    return letters


TOKENIZER = character_tokenizer(["".join(_letters(0) + _letters(1)), "“”"])


def _model_with_a_quotation_unit() -> CharLM:
    """An RNN of random weights but for unit 0:5: on from an opening mark to the closing one.

    h' = tanh(6 h - 2 + 20 [opens] - 20 [closes]) has a stable value on either side of 0.
    """
    config = CharLMConfig(
        cell="rnn", vocab_size=len(TOKENIZER), hidden_size=12, num_hidden_layers=1,
        embedding_size=0, eos_token_id=0,
    )  # fmt: skip
    model: CharLM = CharLM(config).eval()
    torch.manual_seed(0)
    layer: Any = model.layers[0]
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(std=0.3)
        opening, closing = (TOKENIZER.convert_tokens_to_ids(c) for c in "“”")
        layer.weight_ih_l0[5], layer.weight_hh_l0[5] = 0, 0
        layer.bias_ih_l0[5], layer.bias_hh_l0[5] = -1, -1
        layer.weight_hh_l0[:, 5] = 0  # and it tells none of the others
        layer.weight_hh_l0[5, 5] = 6
        layer.weight_ih_l0[5, opening], layer.weight_ih_l0[5, closing] = 20, -20
    return model


def _curly(texts: list[str]) -> list[str]:
    return [text.replace('"', "“", 1).replace('"', "”") for text in texts]


MODEL = _model_with_a_quotation_unit()
CHOOSING, JUDGING = _curly(_letters(0)), _curly(_letters(1))


def test_the_unit_that_knows_a_quotation_is_found_by_itself() -> None:
    told = {t.what: t for t in telling_units(MODEL, TOKENIZER, CHOOSING, JUDGING)}
    quotation = told["quotation"]
    assert quotation.unit == Unit(0, 5)
    assert quotation.found > 0.95
    assert quotation.score > 0.95
    assert quotation.auc == pytest.approx((1 + quotation.score) / 2)
    assert quotation.tells
    assert 0 < quotation.control < 0.8
    assert quotation.alone < 0.3  # a word says nothing of whether it is quoted
    assert quotation.n_units == 12
    assert told["upper case"].alone > 0.99  # a capital letter is one whatever came before
    assert told["line"].auc is None


def test_a_model_turned_upside_down_tells_the_same_with_the_other_sign() -> None:
    other = _model_with_a_quotation_unit()
    with torch.no_grad():
        layer: Any = other.layers[0]
        for weights in (layer.weight_ih_l0, layer.bias_ih_l0, layer.bias_hh_l0):
            weights[5] *= -1
    plain, turned = (
        {t.what: t for t in telling_units(m, TOKENIZER, CHOOSING, JUDGING)}["quotation"]
        for m in (MODEL, other)
    )
    assert turned.score == pytest.approx(-plain.score, abs=1e-6)
    assert turned.tells


def test_what_is_chosen_by_chance_does_not_hold() -> None:
    """The judging texts' quotation marks stand elsewhere than where the unit reads them."""
    bare = [text.translate({ord(c): None for c in "“”"}) for text in JUDGING]
    marked = [text[:100] + '"' + text[100:200] + '"' + text[200:] for text in bare]
    told = {t.what: t for t in telling_units(MODEL, TOKENIZER, CHOOSING, marked)}
    assert told["quotation"].unit == Unit(0, 5)
    assert told["quotation"].found > 0.95
    assert abs(told["quotation"].score) < 0.5
    assert not told["quotation"].tells


def test_a_search_that_is_left_keeps_what_it_has() -> None:
    search = Search(MODEL, TOKENIZER, CHOOSING, JUDGING)
    assert search.found == []
    shares = list(search)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [t.what for t in search.found] == search.names
    search = Search(MODEL, TOKENIZER, CHOOSING, JUDGING)
    for _ in zip(search, range(4)):  # noqa: B905 - fewer than there are
        pass
    assert search.found == []  # only read so far


def test_what_a_text_has_too_little_of_is_left_out() -> None:
    plain = ["i am well " * 20]
    search = Search(MODEL, TOKENIZER, plain, plain)
    assert set(search.left_out) == {
        "quotation", "salutation", "upper case", "sentence end",
    }  # fmt: skip
    assert list(Search(MODEL, TOKENIZER, ["a"], ["b"])) == []
    with pytest.raises(ValueError, match=r"judging=\[''\] holds no text"):
        Search(MODEL, TOKENIZER, plain, [""])
