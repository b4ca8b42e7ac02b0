from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import (
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedTokenizerFast,
)

from engine.scoring import (
    bits_per_byte,
    character_bits,
    id_bits,
    ratio_interval,
    score_of,
    text_bits,
)
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text, train_bpe
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


def test_a_stateful_model_of_another_kind_is_read_in_windows() -> None:
    # Mamba calls its state something else; a text is cut into windows for it.
    torch.manual_seed(0)
    config = MambaConfig(
        vocab_size=len(BYTES), hidden_size=8, state_size=4, num_hidden_layers=1, eos_token_id=0
    )
    model = MambaForCausalLM(config).eval()
    bits = text_bits(model, BYTES, TEXT, window=8)
    assert bits == pytest.approx(_by_hand(model, BYTES, TEXT, 8), rel=1e-4)


# ------------------------------------------------------------------------------ bits of characters

SENTENCES = {
    "Polish": "Zażółć gęślą jaźń, drogi Panie.",
    "Greek": "Ἐν ἀρχῇ ἦν ὁ λόγος.",
    "Chinese": "江雪千山鳥飛絕。",
    "emoji": "A rocket 👩‍🚀🚀 and é, e\u0301.",
    "special": "<|endoftext|> is text",
}
TOKENIZERS = {
    "bytes": BYTES,
    "characters": character_tokenizer(["Zaprieklmn .,<|>"], SPECIAL),  # most are escaped
    "bpe": train_bpe([text for text in SENTENCES.values() for _ in range(5)], 330, SPECIAL),
}
EVERY_TOKENIZER = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())


def _sharp(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A model to which ids differ much."""
    sharp = gpt2(len(tokenizer), window=64)
    with torch.no_grad():
        sharp.transformer.wte.weight.mul_(20)
    return sharp


@EVERY_TOKENIZER
def test_the_bits_of_characters_add_up_to_those_of_ids(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    sharp, texts = _sharp(tokenizer), list(SENTENCES.values())
    ids = [encode_text(tokenizer, text) for text in texts]
    by_id = id_bits(sharp, ids)
    by_character = character_bits(sharp, tokenizer, texts)
    for text, mine, own, characters in zip(texts, ids, by_id, by_character, strict=True):
        assert len(own) == len(mine)
        assert len(characters) == len(text)
        assert characters.sum() == pytest.approx(own.sum(), rel=1e-9)
        assert characters.min() > 0


@pytest.mark.parametrize("name", ["bytes", "characters"])
def test_a_character_costs_what_its_bytes_cost(name: str) -> None:
    tokenizer, text = TOKENIZERS[name], "aż漢🚀n"
    ids = encode_text(tokenizer, text)
    assert len(ids) == 1 + 2 + 3 + 4 + 1
    (own,), sharp = id_bits(_sharp(tokenizer), [ids]), _sharp(tokenizer)
    (characters,) = character_bits(sharp, tokenizer, [text])
    expected = [own[a:b].sum() for a, b in ((0, 1), (1, 3), (3, 6), (6, 10), (10, 11))]
    assert characters.tolist() == pytest.approx(expected)


def test_an_id_of_several_characters_is_shared_out_evenly() -> None:
    tokenizer = train_bpe(["the cat sat " * 20], 300)
    text = "the cat"
    ids = encode_text(tokenizer, text)
    assert [tokenizer.decode([i]) for i in ids] == ["the", " cat"]
    (own,), sharp = id_bits(_sharp(tokenizer), [ids]), _sharp(tokenizer)
    (characters,) = character_bits(sharp, tokenizer, [text])
    assert characters.tolist() == pytest.approx([own[0] / 3] * 3 + [own[1] / 4] * 4)


def test_an_empty_text_has_no_bits(model: GPT2LMHeadModel) -> None:
    first, second = character_bits(model, BYTES, ["", "ab"])
    assert first.shape == (0,)
    assert second.shape == (2,)
    assert text_bits(model, BYTES, "") == 0


# -------------------------------------------------------------------------------------- intervals


def test_one_long_text_is_resampled_in_blocks() -> None:
    # Blocks of 1,000 characters: the first at 1 bit a byte, the second at 3.
    bits = np.repeat([1.0, 3.0], 1000)
    score = score_of(["a" * 2000], [bits])
    assert (score.bits_per_byte, score.n_texts, score.n_bytes) == (2.0, 1, 2000)
    assert (score.low, score.high) == (
        1.0,
        3.0,
    )  # each pair of like blocks comes a quarter of times
    # 29 such texts still are: 58 blocks of 1 or 3, so 2 +- 1.96 / sqrt(58) = 2 +- 0.26.
    score = score_of(["a" * 2000] * 29, [bits] * 29)
    assert score.bits_per_byte == 2.0
    assert score.low == pytest.approx(2 - 0.26, abs=0.05)
    assert score.high == pytest.approx(2 + 0.26, abs=0.05)


def test_thirty_texts_are_resampled_whole() -> None:
    bits = np.repeat([1.0, 3.0], 1000)
    score = score_of(["a" * 2000] * 30, [bits] * 30)
    assert (score.bits_per_byte, score.low, score.high) == (2.0, 2.0, 2.0)


def test_blocks_are_weighed_by_their_bytes() -> None:
    text = "é" * 1000 + "a" * 1000 + "漢" * 500
    score = score_of([text, ""], [np.full(2500, 2.0), np.zeros(0)])
    assert score.n_bytes == 2000 + 1000 + 1500
    assert score.n_texts == 1
    assert score.bits_per_byte == 5000 / 4500
    assert score.low == pytest.approx(2 / 3)  # three blocks of 漢 in one draw of 27
    assert score.high == 2.0


def test_progress_is_told_until_all_is_scored(model: GPT2LMHeadModel) -> None:
    told: list[float] = []
    texts = ["ab", "", "a" * 14] * 20
    bits_per_byte(model, BYTES, texts, window=16, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == 1
    # Texts of like length are read together, but each counts with its own bits.
    alone = [text_bits(model, BYTES, text, window=16) for text in ("ab", "a" * 14)]
    score = bits_per_byte(model, BYTES, texts, window=16)
    assert score.bits_per_byte == pytest.approx(sum(alone) / 16)
    assert score.n_texts == 40
