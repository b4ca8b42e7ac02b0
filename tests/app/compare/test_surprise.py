from __future__ import annotations

import json
import math
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.compare import surprise
from app.compare.surprise import LONGEST, Reading, most_different, words
from app.library import Library
from app.ui.surprise import STEPS, clusters, level, surprise_html
from corpora.errors import InputError
from tests.fakes import LETTERS, tiny_recurrent

TEXTS = st.text(max_size=60).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t))
HOSTILE = "<script>alert(1)</script> ${alert(2)} {{value}} \" ' & <img src=x>"


def reading(model: str, bits: list[float]) -> Reading:
    return Reading(model, np.array(bits), sum(bits) / len(bits))


def test_a_word_has_the_blank_before_it() -> None:
    text = "Oh no!  "
    a = reading("a", [1, 2, 4, 8, 16, 32, 64, 128])
    b = reading("b", [1, 1, 1, 1, 1, 1, 1, 1])
    first, second = words(text, [a, b])
    assert (first.text, first.start, first.stop, first.bits) == ("Oh", 0, 2, (3, 2))
    assert (second.text, second.start, second.stop, second.bits) == ("no!", 3, 6, (60, 4))
    assert (first.difference, second.difference) == (1, 56)
    assert most_different([first, second], 1) == [second]


def test_words_without_spaces_between() -> None:
    text = "雪が降る snow"
    found = words(text, [reading("a", [1.0] * len(text))])
    assert [word.text for word in found] == ["雪", "が", "降", "る", "snow"]
    assert [word.bits[0] for word in found] == [1, 1, 1, 1, 5]


def test_of_one_model_what_costs_most_and_of_equals_the_first() -> None:
    found = words("a b c", [reading("a", [1, 1, 2, 1, 2])])
    assert [word.text for word in most_different(found)] == ["b", "c", "a"]
    assert most_different([]) == []


@given(TEXTS, st.randoms(use_true_random=False))
def test_words_add_up_to_the_text(text: str, random: object) -> None:
    costs = [float(ord(c) % 13) for c in text]
    found = words(text, [Reading("a", np.array(costs), 0.0)])
    last = found[-1].stop if found else 0
    assert sum(word.bits[0] for word in found) == pytest.approx(sum(costs[:last]))
    assert not text[last:].strip()
    assert all(text[word.start : word.stop] == word.text for word in found)
    assert "".join(text.split()) == "".join(word.text for word in found)


def test_another_texts_reading_is_refused() -> None:
    with pytest.raises(ValueError, match="readings hold 2 characters of a; the text has 3"):
        words("abc", [reading("a", [1, 2])])


@pytest.mark.parametrize("text", ["", " \n", "a" * (LONGEST + 1), "a\ud83d"])
def test_a_text_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match=r"\. .+\.$"):
        surprise.check(text)


def test_models_with_other_tokens_are_aligned_by_characters(model: str, tmp_path: Path) -> None:
    library, text = Library(), "dear é,\n雪 sir"
    even = str(tiny_recurrent(tmp_path / "even", even=True))
    a, b = surprise.read_all(library, [even, model], text, "cpu")
    assert len(a.bits) == len(b.bits) == len(text)
    # Every id costs log2(V) bits, and what the model has no id for takes one for each byte.
    bits = math.log2(1 + 256 + len(LETTERS))
    sizes = [1 if c in LETTERS else len(c.encode()) for c in text]
    assert a.bits == pytest.approx([bits * n for n in sizes], rel=1e-5)
    assert a.bits_per_byte == pytest.approx(bits, rel=1e-5)
    assert b.bits_per_byte == pytest.approx(b.total / len(text.encode()))
    plain = json.loads(json.dumps(surprise.as_json(text, [a, b])))
    assert [m["name"] for m in plain["models"]] == [even, model]
    assert [w["word"] for w in plain["words"]] == ["dear", "é,", "雪", "sir"]
    assert len(plain["differ_most"]) == 4


def test_a_stop_leaves_what_was_read(model: str) -> None:
    read = surprise.read_all(Library(), [model, model], "dear sir", "cpu", stopped=lambda: True)
    assert list(read) == []


def test_the_classes_of_the_scale() -> None:
    assert [level(step) for step in STEPS] == [1, 2, 3, 4, 5]
    assert [level(math.nextafter(step, 0)) for step in STEPS] == [0, 1, 2, 3, 4]
    assert level(0) == 0


def test_what_is_one_to_the_eye_stays_one() -> None:
    text = "e\u0301a👩‍👩‍👧b👍🏽"
    assert [text[a:b] for a, b in clusters(text)] == ["e\u0301", "a", "👩‍👩‍👧", "b", "👍🏽"]


@given(TEXTS)
def test_clusters_join_to_the_text(text: str) -> None:
    assert "".join(text[a:b] for a, b in clusters(text)) == text


def _shown(html: str) -> list[str]:
    """The text of each model's block, without its markup."""
    blocks = re.findall(r'class="lp-surprise-words"[^>]*>(.*?)</div>', html, re.S)
    return [unescape(re.sub(r"<[^>]*>", "", block)) for block in blocks]


@given(TEXTS.filter(lambda t: bool(t.strip())))
def test_the_text_is_shown_whole_and_escaped(text: str) -> None:
    text += HOSTILE
    a = reading("<b>a", [float(i % 11) for i in range(len(text))])
    b = reading("b", [1.0] * len(text))
    html = surprise_html(text, [a, b])
    assert _shown(html) == [text, text]
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
