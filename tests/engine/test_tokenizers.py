from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from corpora.errors import ModelError
from engine.tokenizers import (
    END_OF_TEXT,
    byte_tokenizer,
    character_tokenizer,
    encode_text,
    load_tokenizer,
    special_ids,
    train_bpe,
)
from tests.engine.tiny import SPECIAL, TEXT

KINDS = {
    "bytes": byte_tokenizer(SPECIAL),
    "characters": character_tokenizer([TEXT], SPECIAL),
    "bpe": train_bpe([TEXT, "naïve café — déjà vu"], 300, SPECIAL),
}
EVERY = pytest.mark.parametrize("tokenizer", KINDS.values(), ids=KINDS.keys())
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
OURS = st.sampled_from([END_OF_TEXT, *SPECIAL, "<0x41>", "<|", "|>", "<", " "])


@EVERY
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@example(text="👩‍👩‍👧 ﷽ é é \u200f\u202e\r\n\t  x ")
@example(text=" don't , stop . n't 've ")
def test_decoding_gives_the_text_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(encode_text(tokenizer, text)) == text


@EVERY
@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.one_of(OURS, TEXTS), max_size=6))
def test_a_persons_text_never_becomes_a_special_id(
    tokenizer: PreTrainedTokenizerFast, pieces: list[str]
) -> None:
    text = "".join(pieces)
    ids = encode_text(tokenizer, text)
    assert special_ids(tokenizer).isdisjoint(ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@EVERY
def test_our_own_tokens_are_special(tokenizer: PreTrainedTokenizerFast) -> None:
    assert special_ids(tokenizer) == {0, 1, 2}
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == [END_OF_TEXT, *SPECIAL]
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 0


@EVERY
@pytest.mark.parametrize("how", [load_tokenizer, AutoTokenizer.from_pretrained])
def test_a_saved_tokenizer_is_the_same(
    tokenizer: PreTrainedTokenizerFast, how: object, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(str(tmp_path))
    again = how(tmp_path)  # type: ignore[operator]
    assert again.get_vocab() == tokenizer.get_vocab()
    assert special_ids(again) == special_ids(tokenizer)
    for text in (TEXT, "été 😀 <|from|> 漢字\n  two  spaces , .", END_OF_TEXT):
        ids = encode_text(tokenizer, text)
        assert encode_text(again, text) == ids
        assert again.decode(ids) == text


def test_a_character_not_met_is_escaped_by_its_bytes() -> None:
    tokenizer = character_tokenizer(["abc"])
    assert tokenizer.convert_ids_to_tokens(encode_text(tokenizer, "aéb")) == [
        "a",
        "<0xC3>",
        "<0xA9>",
        "b",
    ]


def test_a_byte_is_an_id_and_a_seen_word_is_one() -> None:
    assert len(encode_text(KINDS["bytes"], "é😀")) == 6
    assert len(KINDS["bytes"]) == 256 + 3
    assert len(KINDS["bpe"]) == 300
    assert len(encode_text(KINDS["bpe"], TEXT)) < len(TEXT) / 2


def test_a_vocabulary_too_small_for_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="vocab_size=258"):
        train_bpe([TEXT], 258, SPECIAL)


def test_a_missing_or_damaged_tokenizer_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no tokenizer\.json"):
        load_tokenizer(tmp_path)
    KINDS["bytes"].save_pretrained(str(tmp_path))
    whole = (tmp_path / "tokenizer.json").read_text("utf-8")
    (tmp_path / "tokenizer.json").write_text(whole[: len(whole) // 2], "utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        load_tokenizer(tmp_path)
