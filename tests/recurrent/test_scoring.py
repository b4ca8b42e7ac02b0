"""`engine.scoring` on models that carry a state: a text is read once, with all of its past."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from engine import scoring
from engine.scoring import bits_per_byte, character_bits, id_bits, text_bits
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text
from recurrent.charlm import CharLM
from tests.recurrent.tiny import EVERY_CELL, EVERY_SHAPE, V, charlm

IDS = [[3, 1, 4, 1, 5, 9, 2, 6], [7], [2, 2], [], [5, 3, 8, 5]]
LONG = [IDS[0] * 9, *IDS[1:4], IDS[4] * 10]


def _by_hand(model: CharLM, ids: list[int]) -> float:
    """Bits of ids after the end of text, each from a fresh reading of all before it."""
    text, bits = [0, *ids], 0.0
    for place in range(1, len(text)):
        with torch.inference_mode():
            logits = model(torch.tensor([text[:place]])).logits[0, -1].double()
        bits -= torch.log_softmax(logits, -1)[text[place]].item() / math.log(2)
    return bits


@EVERY_CELL
@EVERY_SHAPE
def test_each_id_is_given_all_that_stands_before_it(cell: str, shape: dict[str, Any]) -> None:
    model = charlm(cell, **shape)
    bits = id_bits(model, IDS)
    assert [len(own) for own in bits] == [len(ids) for ids in IDS]
    assert [own.sum() for own in bits] == pytest.approx(
        [_by_hand(model, ids) for ids in IDS], rel=1e-4
    )


@EVERY_CELL
@pytest.mark.parametrize(("stretch", "abreast"), [(1, 32), (7, 2), (16, 3), (512, 1)])
def test_stretches_and_neighbours_change_nothing(
    cell: str, stretch: int, abreast: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = charlm(cell)
    expected = id_bits(model, LONG)
    monkeypatch.setattr(scoring, "_STRETCH", stretch)
    monkeypatch.setattr(scoring, "_ABREAST", abreast)
    for ours, theirs in zip(id_bits(model, LONG), expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_no_window_is_too_small_because_there_is_none() -> None:
    model = charlm()
    assert all(
        (ours == theirs).all()
        for ours, theirs in zip(id_bits(model, LONG, window=2), id_bits(model, LONG), strict=True)
    )


def test_the_past_beyond_any_window_is_remembered() -> None:
    # A state that a first id sets and no later one changes: what is likely at the end hangs on it.
    model = charlm("rnn", num_hidden_layers=1, embedding_size=0)
    (layer,) = model.layers
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        layer.weight_hh_l0.copy_(3 * torch.eye(7))  # tanh(3 h) keeps the sign of h for ever
        layer.weight_ih_l0[0, 1], layer.weight_ih_l0[0, 2] = 3.0, -3.0
        model.head.weight[4, 0] = 5.0
    later = [3] * 1500 + [4]
    likely, unlikely = (id_bits(model, [[first, *later]])[0][-1] for first in (1, 2))
    assert likely < 0.2
    assert unlikely > 7


def test_bits_per_byte_counts_every_byte_once() -> None:
    tokenizer = character_tokenizer(["abc "])
    model = charlm(vocab_size=len(tokenizer))
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    score = bits_per_byte(model, tokenizer, ["abc", "", "aż漢🚀 c"])
    # All ids are as likely: three characters are known, and ż, 漢 and 🚀 cost their bytes.
    n_ids = 3 + 1 + 2 + 3 + 4 + 1 + 1
    assert score.n_bytes == n_ids == 3 + len("aż漢🚀 c".encode())
    assert score.bits_per_byte == pytest.approx(math.log2(261), rel=1e-6)


@EVERY_CELL
def test_the_bits_of_characters_add_up_to_those_of_ids(cell: str) -> None:
    texts = ["Zażółć gęślą jaźń.", "Ἐν ἀρχῇ ἦν ὁ λόγος.", "江雪", "👩‍🚀 e\u0301", "plain"]
    for tokenizer in (byte_tokenizer(), character_tokenizer(["Zażółć plain 江"])):
        model = charlm(cell, vocab_size=len(tokenizer))
        own = id_bits(model, [encode_text(tokenizer, text) for text in texts])
        characters = character_bits(model, tokenizer, texts)
        for text, ours, theirs in zip(texts, characters, own, strict=True):
            assert len(ours) == len(text)
            assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-9)
        assert text_bits(model, tokenizer, texts[0]) == pytest.approx(own[0].sum(), rel=1e-4)


def test_the_text_begins_after_the_models_own_end_of_text() -> None:
    model = charlm()
    zero = id_bits(model, [[5, 3]])[0]
    model.config.eos_token_id = V - 1
    other = id_bits(model, [[5, 3]])[0]
    assert zero[0] != other[0]
    with torch.inference_mode():
        logits = model(torch.tensor([[V - 1]])).logits[0, 0]
    assert other[0] == pytest.approx(-logits.log_softmax(-1)[5].item() / math.log(2), rel=1e-5)
