from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.copyguard import CopyGuard, token_bytes
from engine.generation import generate, generate_ids
from engine.overlap import InkIndex, copied_ink
from engine.sampling import SamplingSettings, generator
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text, train_bpe
from tests.engine.tiny import SPECIAL

LETTERS = [
    "Dear Sir, the comet was seen again last night above the mill; I remain, Sir, yours.\n",
    "My dear Żaneta, the night was so clear that the comet was seen from the café! 彗星だ 😀.\n",
    "Dear Madam, I remain so glad that the mill was seen again; all is well here.\n",
]
BYTES = byte_tokenizer(SPECIAL)
CHARACTERS = character_tokenizer(LETTERS, SPECIAL)
BPE = train_bpe(LETTERS * 3, 340, SPECIAL)
EVERY = pytest.mark.parametrize(
    "tokenizer", [BYTES, CHARACTERS, BPE], ids=["bytes", "characters", "bpe"]
)
GREEDY = SamplingSettings(temperature=0.0)


class Parrot:
    """A stepper that recites texts in a ring: it likes an id the better, the more of the ids before
    it are those that come before it there. Held up at one place, it goes on at another."""

    window = 0
    memory = 30

    def __init__(self, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> None:
        self.n_ids = len(tokenizer)
        self.ring = encode_text(tokenizer, "".join(texts))

    def start(
        self, ids: Sequence[int], state: tuple[int, ...] | None = None
    ) -> tuple[torch.Tensor, tuple[int, ...]]:
        state = ((state or ()) + tuple(ids))[-self.memory :]
        logits = torch.full((self.n_ids,), -torch.inf)
        for at, token in enumerate(self.ring):
            shared = 0
            while shared < len(state) and self.ring[at - 1 - shared] == state[-1 - shared]:
                shared += 1
            logits[token] = max(float(logits[token]), float(shared))
        return logits, state

    def step(self, token: int, state: tuple[int, ...]) -> tuple[torch.Tensor, tuple[int, ...]]:
        return self.start((token,), state)


def _longest_copy(text: str, texts: Sequence[str]) -> int:
    """Characters of the longest run of a text that stands in one of the others, by looking."""
    longest = 0
    for start in range(len(text)):
        while start + longest < len(text) and any(
            text[start : start + longest + 1] in other for other in texts
        ):
            longest += 1
    return longest


def _write(tokenizer: PreTrainedTokenizerFast, n: int = 110, **how: Any) -> str:
    stepper, prompt = Parrot(tokenizer, LETTERS), encode_text(tokenizer, "My")
    how = {"settings": GREEDY, "seed": 0, **how}
    return "".join(generate(stepper, tokenizer, prompt, max_tokens=n, **how))


@EVERY
def test_a_model_that_recites_is_held_to_the_limit(tokenizer: PreTrainedTokenizerFast) -> None:
    index = InkIndex(LETTERS)
    recited = _write(tokenizer)
    assert recited.startswith(LETTERS[1][2:])  # from after the prompt to the end
    assert copied_ink(recited, index) > 0.7
    for longest in (3, 20, 40):
        guard = CopyGuard(index, tokenizer, longest)
        guarded = _write(tokenizer, guard=guard)
        assert len(guarded) >= 80
        assert longest / 2 < _longest_copy(guarded, LETTERS) <= longest
        assert copied_ink(guarded, index, n_characters=longest + 1, n_words=99) == 0.0


@EVERY
def test_the_limit_holds_for_drawn_texts_too(tokenizer: PreTrainedTokenizerFast) -> None:
    guard = CopyGuard(InkIndex(LETTERS), tokenizer, 8)
    texts = [
        _write(tokenizer, 60, seed=seed, settings=SamplingSettings(temperature=0.7), guard=guard)
        for seed in range(3)
    ]
    assert len(set(texts)) == 3
    assert all(_longest_copy(text, LETTERS) <= 8 for text in texts)


@EVERY
def test_the_prompt_is_not_counted(tokenizer: PreTrainedTokenizerFast) -> None:
    guard = CopyGuard(InkIndex(LETTERS), tokenizer, 20)
    first = LETTERS[0]
    prompt = encode_text(tokenizer, first[:39])
    pieces = generate(
        Parrot(tokenizer, LETTERS), tokenizer, prompt, GREEDY, seed=0, max_tokens=30, guard=guard
    )
    text = "".join(pieces)
    assert text.startswith(first[39:][:12])
    assert not text.startswith(first[39:][:21])


class Sure:
    """A stepper that writes one text over and over, and would put an id 0 anywhere."""

    window = 0

    def __init__(self, ids: Sequence[int], others: float) -> None:
        self.ids = ids
        self.others = others  # the logit of what it is not sure of

    def start(self, ids: Sequence[int], state: int | None = None) -> tuple[torch.Tensor, int]:
        return self.step(0, -1)

    def step(self, token: int, state: int) -> tuple[torch.Tensor, int]:
        logits = torch.full((300,), self.others)
        logits[self.ids[(state + 1) % len(self.ids)]] = 1.0
        logits[0] = 2.0
        return logits, state + 1


def test_a_guard_that_leaves_nothing_is_not_heeded() -> None:
    texts = ["abcdefgh"]
    tokenizer = character_tokenizer(texts)
    guard = CopyGuard(InkIndex(texts), tokenizer, 3)
    a, b, c, d, e, f = encode_text(tokenizer, "abcdef")

    def write(others: float) -> list[int]:
        stepper = Sure([a, b, c, d, e, f], others)
        logits, state = stepper.start([0])
        steps = generate_ids(stepper, logits, state, GREEDY, generator(0), banned={0}, guard=guard)
        return [next(steps)[0] for _ in range(6)]

    # Of the ids it is not sure of it takes the first that the caller has not banned.
    assert write(others=0.0) == [a, b, c, 1, e, f]
    assert write(others=-torch.inf) == [a, b, c, d, e, f]


ALPHABET = "abé漢😀 "


@st.composite
def _cases(draw: st.DrawFn) -> tuple[PreTrainedTokenizerFast, list[str], list[int], int]:
    """A tokenizer, training texts, ids written so far that copy much, and a limit."""
    texts = draw(st.lists(st.text(ALPHABET, min_size=1, max_size=14), min_size=1, max_size=3))
    kind = draw(st.sampled_from(["bytes", "characters", "bpe"]))
    if kind == "characters":
        tokenizer = character_tokenizer([ALPHABET], SPECIAL)
    else:
        tokenizer = BYTES if kind == "bytes" else train_bpe([*texts, "ab漢é😀" * 2], 285, SPECIAL)
    ids: list[int] = []
    for _ in range(draw(st.integers(0, 3))):
        ids += encode_text(tokenizer, draw(st.sampled_from(texts) | st.text(ALPHABET, max_size=3)))
    if kind != "characters":  # whose library decoder drops whole runs that hold a broken byte
        ids = ids[: draw(st.integers(0, len(ids)))]  # perhaps inside a character
        ids += draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=2))
    return tokenizer, texts, ids, draw(st.integers(1, 6))


def _said(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.replace("\ufffd", "")


@settings(max_examples=60, deadline=None)
@given(case=_cases())
def test_exactly_the_ids_that_make_a_copy_too_long_are_banned(
    case: tuple[PreTrainedTokenizerFast, list[str], list[int], int],
) -> None:
    tokenizer, texts, ids, longest = case
    before = _said(tokenizer, ids)
    too_long = set()
    for token in range(len(tokenizer)):
        after = _said(tokenizer, [*ids, token])
        ends = range(max(len(before), longest) + 1, len(after) + 1)
        if any(after[end - longest - 1 : end] in text for end in ends for text in texts):
            too_long.add(token)
    assert CopyGuard(InkIndex(texts), tokenizer, longest).banned(ids) == too_long


def test_a_long_text_is_looked_at_past_ids_that_say_nothing() -> None:
    guard = CopyGuard(InkIndex(["abcdé"]), BYTES, 3)
    b, c, d, first, last = encode_text(BYTES, "bcdé")
    assert guard.banned([b, c, d]) == set()
    assert guard.banned([b, c, d, first]) == {last}
    nothing = [0] * 50  # special tokens
    assert guard.banned([b, *nothing, c, d, *nothing, first]) == {last}
    assert guard.banned([b, *nothing, c, c, d, first]) == set()
    assert guard.banned([*encode_text(BYTES, "xyz" * 99), b, c, d, first]) == {last}


@EVERY
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_the_bytes_of_ids_join_to_those_of_the_text(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    said = token_bytes(tokenizer)
    assert b"".join(said[i] for i in encode_text(tokenizer, text)) == text.encode("utf-8")
    assert said.keys() == set(range(len(tokenizer)))
    assert all(said[tokenizer.convert_tokens_to_ids(token)] == b"" for token in SPECIAL)


def test_the_bytes_of_another_family_s_ids() -> None:
    # As in Llama's: a low line for a space, and bytes for what is not in the vocabulary.
    vocab = {t: i for i, t in enumerate(["<unk>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁b"])}
    backend = Tokenizer(
        models.BPE(vocab=vocab, merges=[("▁", "b")], byte_fallback=True, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    other = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    other.add_tokens(["Ω"])
    said = token_bytes(other)
    assert [said[i] for i in range(8)] == [
        b"", b"\xc3", b"\xa9", b" ", b"a", b"b", b" b", "Ω".encode(),
    ]  # fmt: skip
    guard = CopyGuard(InkIndex(["a bé"]), other, 3)
    assert guard.banned([4, 6, 1]) == {2}
    added = byte_tokenizer()
    added.add_tokens(["漢字"])
    assert token_bytes(added)[257] == "漢字".encode()


def test_a_limit_outside_its_range_is_refused() -> None:
    index = InkIndex(LETTERS)
    with pytest.raises(ValueError, match="longest=0 must be at least 1 and less than 128"):
        CopyGuard(index, BYTES, 0)
    with pytest.raises(ValueError, match="longest=128"):
        CopyGuard(index, BYTES, 128)
    assert CopyGuard(index, BYTES).longest == 40
