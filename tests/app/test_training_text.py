from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app import training_text
from app.home import folder
from app.library import Library
from app.training_text import LETTERS_ONLY, OWN, UNKNOWN, described, ink_index, training_texts
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.batching import TokenWriter
from engine.packing import pack
from engine.tokenizers import byte_tokenizer, character_tokenizer, train_bpe

TEXTS = [
    "Dear Sir, the comet was seen again last night above the mill.",
    "Zażółć gęślą jaźń; 江雪千山鳥飛絕, 👩‍🚀.",
    "It says <|endoftext|> here, which ends nothing.",
]
TOKENIZERS = {
    "bytes": byte_tokenizer(["<|from|>"]),
    "characters": character_tokenizer(["Dear Sir, comt"]),
    "bpe": train_bpe(TEXTS * 5, 300),
}


def _trained(model: str, texts: list[str] | None, tokenizer: str = "bytes") -> Path:
    """A run called "mine", and the texts it was trained on, if any."""
    run = folder("runs") / "mine"
    shutil.copytree(model, run / "step-00000010")
    if texts is not None:
        data = run / "data"
        data.mkdir()
        TOKENIZERS[tokenizer].save_pretrained(str(data / "tokenizer"))
        pack(texts, TOKENIZERS[tokenizer], data / "train.bin")
    return run


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_run_gives_its_texts_back(tokenizer: str, model: str) -> None:
    _trained(model, TEXTS, tokenizer)
    info = Library().find("mine")
    assert list(training_texts(info)) == TEXTS
    assert described(info) == OWN


@pytest.mark.parametrize("portion", [4, 5, 6, 10])
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_portions_break_no_character(
    tokenizer: str, portion: int, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A character has up to four ids; the next portion begins where one ends.
    _trained(model, TEXTS, tokenizer)
    monkeypatch.setattr(training_text, "_PORTION", portion)
    pieces = list(training_texts(Library().find("mine")))
    assert "".join(pieces) == "".join(TEXTS)
    assert len(pieces) > len(TEXTS)
    assert all(pieces)


def test_a_broken_character_of_the_text_itself_is_kept(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["\ufffd" * 20, "a\ufffdb" * 9]
    _trained(model, texts)
    monkeypatch.setattr(training_text, "_PORTION", 6)
    assert "".join(training_texts(Library().find("mine"))) == "".join(texts)


def test_an_unfinished_text_without_an_end_is_read_too(model: str) -> None:
    run = _trained(model, [])
    with TokenWriter(run / "data" / "train.bin", 258) as writer:
        writer.add(TOKENIZERS["bytes"].encode("abc"), 3)
    assert list(training_texts(Library().find("mine"))) == ["abc"]


def test_no_more_is_read_than_can_be_indexed(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _trained(model, TEXTS)
    monkeypatch.setattr(training_text, "_LARGEST", len(TEXTS[0]) + 5)
    assert list(training_texts(Library().find("mine"))) == [TEXTS[0], TEXTS[1][:5]]


def test_of_others_only_the_bundled_letters_are_here(model: str) -> None:
    bundled = {
        text
        for pair in split_pairs(load_pairs())["train"]
        for text in (pair.letter.text, pair.reply.text)
    }
    held_out = {pair.reply.text for pair in split_pairs(load_pairs())["test"]}
    _trained(model, None)
    library = Library()
    for name, says in (("mine", UNKNOWN), (model, UNKNOWN), ("starter", LETTERS_ONLY)):
        info = library.find(name)
        assert described(info) == says
        texts = list(training_texts(info))
        assert set(texts) == bundled
        assert not held_out & set(texts)
    assert described(library.find("openai-community/gpt2")) == UNKNOWN


def test_copies_are_found_in_what_a_model_was_trained_on(model: str) -> None:
    run = _trained(model, TEXTS)
    library = Library()
    index = ink_index(library, "mine")
    assert index.holds("the comet was seen again")
    assert index.holds("江雪千山")
    assert not index.holds("mill.Zażółć")  # two texts
    assert not index.holds("nothing.<|endoftext|>")
    assert ink_index(library, "mine") is index
    # Trained anew on something else, it has another index.
    pack(["Another text."], TOKENIZERS["bytes"], run / "data" / "train.bin")
    assert ink_index(library, "mine").holds("Another text.")


def test_models_that_read_the_same_share_an_index(model: str) -> None:
    library = Library()
    assert ink_index(library, "starter") is ink_index(library, model)


def test_ids_of_large_vocabularies_are_read_in_their_own_width(model: str) -> None:
    run = _trained(model, [])
    with TokenWriter(run / "data" / "train.bin", 70_000) as writer:
        writer.add([*TOKENIZERS["bytes"].encode("ab"), 0], 2)
    assert np.fromfile(run / "data" / "train.bin", "<u4").size == 3
    assert list(training_texts(Library().find("mine"))) == ["ab"]
