from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from corpora.errors import DeviceError, ModelError
from engine.loading import load_ready
from engine.tokenizers import byte_tokenizer, character_tokenizer, train_bpe
from lm.gpt2 import Size, from_scratch
from lm.voice import Voice, load_voice, starter_folder, voice_of


def test_a_voice_from_a_folder(model_folder: Path) -> None:
    voice = load_voice(str(model_folder), "cpu")
    assert voice.knows_letters
    assert (voice.name, voice.device) == (str(model_folder), "cpu")
    assert len(voice.hash) == 64
    assert not set(voice.encode("<|letter|>Sir<|endoftext|>")) & voice.special
    assert voice.decode(voice.encode("Ännchen’s clock")) == "Ännchen’s clock"


def test_a_voice_is_what_was_loaded(model_folder: Path) -> None:
    loaded = load_ready(str(model_folder), "cpu")
    voice = voice_of(loaded)
    assert voice.name == loaded.name
    assert (voice.hash, voice.stepper, voice.tokenizer) == (
        loaded.hash,
        loaded.stepper,
        loaded.tokenizer,
    )
    assert voice_of(loaded, "my-darwin").name == "my-darwin"


def test_a_voice_that_never_saw_a_letter(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    from_scratch(tokenizer, Size(1, 16, 2, 64)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert not load_voice(str(tmp_path), "cpu").knows_letters


def test_the_starter_is_found_by_its_name() -> None:
    assert (starter_folder() / "config.json").is_file()
    voice = load_voice("starter", "cpu")
    assert voice.name == "starter"
    assert voice.knows_letters


def test_what_cannot_be_loaded_is_said(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        load_voice(str(model_folder), "abacus")
    with pytest.raises(ModelError, match="is not a model folder"):
        load_voice(str(tmp_path), "cpu")


def test_the_pace_is_the_ids_of_a_word(voice: Voice) -> None:
    # A sentence of nineteen words and 88 characters.
    sentence = (
        "I have your letter of the tenth before me, and am glad to hear that you are well again."
    )
    n_words = len(sentence.split())
    characters = replace(voice, tokenizer=character_tokenizer([sentence]), _ids={})
    assert characters.pace == len(sentence) / n_words
    words = replace(voice, tokenizer=train_bpe([sentence] * 9, 330), _ids={})
    assert 1 <= words.pace < 2
    assert words.pace == len(words.encode(sentence)) / n_words
    assert words.pace == words.pace
