"""The text of single ids against that of the whole: `engine.generation` streams the one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from engine.generation import _Pieces
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text, train_bpe
from tests.engine.tiny import SPECIAL, TEXT

TOKENIZERS = [
    byte_tokenizer(SPECIAL),
    character_tokenizer([TEXT + "\ufffdé漢"], SPECIAL),
    train_bpe([TEXT, "é😀漢" * 9], 290, SPECIAL),
]
EVERY = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["bytes", "characters", "bpe"])


def _pieces(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> list[str]:
    pieces = _Pieces(tokenizer)
    return [pieces.step(token) for token in ids]


def _slowly(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same tokenizer with a decoder that does the same and is not known to."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.decoder = decoders.Sequence([tokenizer.backend_tokenizer.decoder, decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend)


@EVERY
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_ids_read_alone_give_the_pieces_of_ids_read_together(
    tokenizer: PreTrainedTokenizerFast, data: st.DataObject
) -> None:
    # Of the character tokenizer mostly escapes, whose neighbours matter.
    ids = data.draw(st.lists(st.integers(0, min(300, len(tokenizer) - 1)), max_size=30))
    assert _pieces(tokenizer, ids) == _pieces(_slowly(tokenizer), ids)


@EVERY
def test_each_letter_is_given_out_at_once(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_text(tokenizer, "Sir, zq!")
    assert _pieces(tokenizer, ids) == [tokenizer.decode([i]) for i in ids]


def test_spaces_that_depend_on_the_place_are_kept() -> None:
    # Sentencepiece's way: a token brings its space along, and the first of a text loses it.
    vocab = {"▁dear": 0, "▁sir": 1, "s": 2}
    backend = Tokenizer(models.WordLevel(vocab, unk_token="s"))
    backend.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert _pieces(tokenizer, [0, 1, 2, 0]) == ["dear", " sir", "s", " dear"]
