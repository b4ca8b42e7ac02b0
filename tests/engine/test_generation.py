from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from engine.generation import generate, generate_ids, single_thread
from engine.sampling import SamplingSettings, generator
from engine.stepper import TransformerStepper
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text, train_bpe
from tests.engine.tiny import SPECIAL, TEXT, gpt2

BYTES = byte_tokenizer(SPECIAL)
CHARACTERS = character_tokenizer([TEXT], SPECIAL)
BPE = train_bpe([TEXT, "é😀漢" * 9], 290, SPECIAL)
EVERY = pytest.mark.parametrize(
    "tokenizer", [BYTES, CHARACTERS, BPE], ids=["bytes", "characters", "bpe"]
)
GREEDY = SamplingSettings(temperature=0.0)
WILD = SamplingSettings(temperature=1.5, top_p=1.0)


class Dictated:
    """A stepper that is certain of each id of a given list, whatever it is told."""

    window = 0

    def __init__(self, ids: Sequence[int], vocab_size: int) -> None:
        self.ids = ids
        self.vocab_size = vocab_size

    def start(self, ids: Sequence[int], state: Any = None) -> tuple[torch.Tensor, int]:
        return self.step(0, -1)

    def step(self, token: int, state: int) -> tuple[torch.Tensor, int]:
        logits = torch.zeros(self.vocab_size)
        logits[self.ids[min(state + 1, len(self.ids) - 1)]] = 9.0
        return logits, state + 1


def _dictate(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> list[str]:
    stepper = Dictated(ids, len(tokenizer))
    return list(generate(stepper, tokenizer, [0], GREEDY, seed=0, max_tokens=len(ids)))


@EVERY
@settings(max_examples=60, deadline=None)
@given(
    text=st.text(
        st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]),
        min_size=1,
        max_size=30,
    )
)
def test_pieces_join_to_the_whole_and_hold_whole_characters(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    pieces = _dictate(tokenizer, encode_text(tokenizer, text))
    assert "".join(pieces) == text
    assert all(pieces)
    assert not any("\ufffd" in piece for piece in pieces)


@EVERY
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_that_form_no_character_are_left_out(
    tokenizer: PreTrainedTokenizerFast, data: st.DataObject
) -> None:
    # The tokenizers library's own DecodeStream fails here with the character tokenizer.
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=30))
    text = "".join(_dictate(tokenizer, ids))
    assert "\ufffd" not in text
    if tokenizer is not CHARACTERS:  # whose library decoder drops a run of bytes for one bad one
        whole = tokenizer.decode(ids, skip_special_tokens=True)
        assert text == whole.replace("\ufffd", "")


def test_a_character_comes_when_its_last_byte_does() -> None:
    assert _dictate(BYTES, encode_text(BYTES, "aé😀b")) == ["a", "é", "😀", "b"]
    # An unfinished one at the end never comes.
    assert _dictate(BYTES, encode_text(BYTES, "aé😀")[:-1]) == ["a", "é"]
    # Text before it does not wait for it.
    assert _dictate(BYTES, [*encode_text(BYTES, "é")[:1], *encode_text(BYTES, "ab")]) == ["a", "b"]
    # In a character tokenizer neighbouring escapes are one run of bytes.
    assert _dictate(CHARACTERS, encode_text(CHARACTERS, "漢é😀ñ.")) == ["漢", "é", "😀", "ñ", "."]


def _stepper(window: int = 64) -> TransformerStepper:
    return TransformerStepper(gpt2(len(BYTES), window=window))


def test_an_untrained_model_writes_no_broken_character() -> None:
    stepper, prompt = _stepper(), encode_text(BYTES, "é")
    for seed in range(5):
        pieces = list(generate(stepper, BYTES, prompt, WILD, seed=seed, max_tokens=60))
        assert "\ufffd" not in "".join(pieces)


def test_greedy_generation_equals_that_of_transformers() -> None:
    stepper, prompt = _stepper(), encode_text(BYTES, "Dear Sir, ")
    expected = stepper.model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=20, pad_token_id=0
    )[0, len(prompt) :].tolist()
    logits, state = stepper.start(prompt)
    ids = generate_ids(stepper, logits, state, GREEDY, generator(0))
    assert [next(ids)[0] for _ in expected] == expected
    text = "".join(generate(stepper, BYTES, prompt, GREEDY, seed=0, max_tokens=20))
    assert text == BYTES.decode(expected).replace("\ufffd", "")


def test_a_seed_gives_the_same_text_and_another_seed_another() -> None:
    def write(seed: int) -> str:
        return "".join(generate(_stepper(), BYTES, [65], WILD, seed=seed, max_tokens=50))

    assert write(3) == write(3)
    assert write(3) != write(4)


def test_the_state_before_an_id_lets_it_be_dropped() -> None:
    stepper = _stepper()
    logits, state = stepper.start([65, 66])
    _, first_logits, before = next(generate_ids(stepper, logits, state, WILD, generator(0)))
    assert torch.equal(first_logits, logits)
    assert before is state


def test_a_text_ends_where_it_is_told_to() -> None:
    ids = encode_text(BYTES, "abcdef")
    stepper = Dictated(ids, len(BYTES))

    def write(**how: Any) -> str:
        return "".join(generate(stepper, BYTES, [0], GREEDY, seed=0, **{"max_tokens": 6, **how}))

    assert write() == "abcdef"
    assert write(max_tokens=2) == "ab"
    assert write(max_tokens=0) == ""
    assert write(stop={ids[3]}) == "abc"
    answers = iter([False, False, True])
    assert write(stopped=lambda: next(answers)) == "ab"
    assert "a" not in write(banned={ids[0]})


def test_a_text_ends_with_the_window() -> None:
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return False

    pieces = generate(
        _stepper(window=8), BYTES, [65] * 6, GREEDY, seed=0, max_tokens=99, stopped=stopped
    )
    assert len(list(pieces)) <= 2
    assert len(asked) == 2


def test_threads_are_put_back_however_a_text_ends() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pieces = generate(_stepper(), BYTES, [65], WILD, seed=0, max_tokens=50)
        next(pieces)
        assert torch.get_num_threads() == 1
        with single_thread():  # another request, begun and ended in between
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
        pieces.close()  # type: ignore[attr-defined]
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="ids is empty"):
            next(generate(_stepper(), BYTES, [], WILD, seed=0, max_tokens=5))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
