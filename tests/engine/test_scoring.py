from __future__ import annotations

import math

import pytest
import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from engine.scoring import bits_per_byte, ratio_interval, text_bits
from engine.tokenizers import byte_tokenizer, encode_text
from tests.engine.tiny import SPECIAL, gpt2

BYTES = byte_tokenizer(SPECIAL)
TEXT = "Été: the comet returns."


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    model = gpt2(len(BYTES), n_layer=2, window=32)
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(20)  # so that place and context clearly matter
        model.transformer.wte.weight.mul_(20)
    return model


def _uniform() -> GPT2LMHeadModel:
    model = gpt2(len(BYTES))
    with torch.no_grad():
        model.lm_head.weight.zero_()  # every logit is 0, so every id has probability 1/V
    return model


def test_a_uniform_model_needs_log2_v_bits_for_each_byte() -> None:
    text = "é" * 50
    score = bits_per_byte(_uniform(), BYTES, [text, "ab", ""], window=16)
    assert score.bits_per_byte == pytest.approx(math.log2(259), rel=1e-5)
    assert score.n_bytes == 102
    assert score.n_texts == 2
    assert score.low == pytest.approx(score.high, rel=1e-5)


def _by_hand(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, text: str, window: int
) -> float:
    """Bits summed id by id, each from a fresh reading of exactly its context."""
    ids = [0, *encode_text(tokenizer, text)]
    half = window // 2
    bits = 0.0
    for place in range(1, len(ids)):
        # The window an id is scored in: the first holds `window` ids, each later one
        # `window - half` new ones after `half` old ones.
        later = -(-max(0, place + 1 - window) // (window - half))
        start = later * (window - half)
        with torch.inference_mode():
            logits = model(torch.tensor([ids[start:place]])).logits[0, -1].double()
        bits -= torch.log_softmax(logits, -1)[ids[place]].item() / math.log(2)
    return bits


@pytest.mark.parametrize("window", [2, 3, 4, 7, 8, 16, 25, 26, 32])
def test_each_id_is_scored_once_whatever_the_window(model: GPT2LMHeadModel, window: int) -> None:
    assert len(encode_text(BYTES, TEXT)) == 25
    bits = text_bits(model, BYTES, TEXT, window=window)
    assert bits == pytest.approx(_by_hand(model, BYTES, TEXT, window), rel=1e-4)


def test_more_context_changes_the_score(model: GPT2LMHeadModel) -> None:
    scores = {round(text_bits(model, BYTES, TEXT, window=w), 3) for w in (2, 4, 8, 32)}
    assert len(scores) == 4


@pytest.mark.parametrize("window", [0, 1, 33])
def test_a_window_the_model_does_not_have_is_refused(model: GPT2LMHeadModel, window: int) -> None:
    with pytest.raises(ValueError, match=f"window={window} must be at least 2 and at most"):
        text_bits(model, BYTES, TEXT, window=window)


def test_the_interval_holds_the_estimate_and_is_seeded(model: GPT2LMHeadModel) -> None:
    texts = ["a short one", "The comet!", "ééé", "Yours etc.", "q" * 40]
    score = bits_per_byte(model, BYTES, texts, window=16)
    assert score.low < score.bits_per_byte < score.high
    assert bits_per_byte(model, BYTES, texts, window=16) == score
    parts, wholes = [1.0, 2.0, 6.0], [1.0, 1.0, 2.0]
    assert ratio_interval(parts, wholes, seed=1) == ratio_interval(parts, wholes, seed=1)
    low, high = ratio_interval(parts, wholes)
    assert 1.0 <= low < 9 / 4 < high <= 3.0


def test_scoring_leaves_the_model_as_it_was() -> None:
    model = gpt2(len(BYTES), dropout=0.5).train()
    first = bits_per_byte(model, BYTES, [TEXT], window=16)
    assert model.training
    assert bits_per_byte(model, BYTES, [TEXT], window=16) == first  # dropout was off


def test_nothing_to_score_is_refused(model: GPT2LMHeadModel) -> None:
    with pytest.raises(ValueError, match="texts is empty"):
        bits_per_byte(model, BYTES, ["", ""], window=8)
