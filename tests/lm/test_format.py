from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.dates import LetterDate
from corpora.document import Letter, Pair, ReplyPart
from corpora.letters import load_pairs
from engine.tokenizers import END_OF_TEXT, byte_tokenizer
from lm.format import (
    LETTER_TOKENS_MAX,
    Header,
    date_line,
    examples,
    part_ids,
    prompt_ids,
)
from lm.gpt2 import FORM, LETTER_TOKENS, OWN, SET
from lm.voice import Voice

HEADER = Header(
    person="Ruth Weaver",
    writer="Andrew",
    date="10 June 1740",
    place="York",
    passages=("A pendulum grows.", "It loses."),
    letter="Why?\n\nAndrew",
    earlier=("First.", "Answer.", "Second.", "Again."),
)


class NoStepper:
    """A voice that only encodes."""

    backend = "none"

    def __init__(self, window: int = 4096) -> None:
        self.window = window

    def start(self, *_: object) -> None:
        raise AssertionError("nothing is written here")

    step = start


def make_voice(*, knows_letters: bool = True, window: int = 4096) -> Voice:
    tokenizer = byte_tokenizer(LETTER_TOKENS if knows_letters else ())
    return Voice("", "", NoStepper(window), tokenizer, knows_letters)  # type: ignore[arg-type]


VOICE = make_voice()


def readable(ids: list[int]) -> str:
    text: str = VOICE.tokenizer.decode(ids, skip_special_tokens=False)
    return text


def test_the_ids_spell_the_header() -> None:
    assert readable(prompt_ids(VOICE, HEADER)) == (
        "<|endoftext|><|to|>Ruth Weaver<|from|>Andrew<|date|>10 June 1740<|place|>York"
        "<|passage|>A pendulum grows.<|passage|>It loses.<|earlier|>Second.<|earlier|>Again."
        "<|letter|>Why?\n\nAndrew<|reply|>"
    )
    assert readable(part_ids(VOICE, SET, "It loses.")) == "<|set|>It loses."


forged = st.lists(
    st.one_of(st.sampled_from([*LETTER_TOKENS, END_OF_TEXT]), st.text(max_size=8)), max_size=6
).map("".join)


@settings(deadline=None)  # a busy machine is no fault of the code
@given(forged, forged, forged)
def test_no_text_can_forge_a_token(letter: str, writer: str, passage: str) -> None:
    header = replace(HEADER, letter=letter, writer=writer, passages=(passage,), earlier=())
    special = VOICE.special
    found = [i for i in prompt_ids(VOICE, header) if i in special]
    plain = prompt_ids(VOICE, replace(HEADER, passages=("",), earlier=()))
    assert found == [i for i in plain if i in special]
    assert not set(part_ids(VOICE, OWN, letter)[1:]) & special
    if len(VOICE.encode(letter)) <= LETTER_TOKENS_MAX:
        assert VOICE.decode(VOICE.encode(letter)) == letter


def test_a_long_letter_keeps_its_beginning_and_its_end() -> None:
    text = "B" * 400 + "m" * 400 + "E" * 400
    ids = prompt_ids(VOICE, replace(HEADER, letter=text))
    kept = readable(ids).split("<|letter|>")[1].split("<|reply|>")[0]
    assert len(kept) == LETTER_TOKENS_MAX
    assert (kept[0], kept[-1]) == ("B", "E")


def test_a_foreign_model_reads_plain_text() -> None:
    voice = make_voice(knows_letters=False)
    text = voice.decode(prompt_ids(voice, HEADER))
    assert text.startswith("LETTERS OF RUTH WEAVER\n\nA pendulum grows.\n\nIt loses.\n\n")
    assert text.endswith("Why?\n\nAndrew\n\nRuth Weaver to Andrew, York, 10 June 1740:\n\n")
    assert "<|" not in text
    assert voice.decode(part_ids(voice, FORM, "York.")) == "York.\n\n"
    assert voice.decode(part_ids(voice, SET, "It loses.")) == "It loses. "
    assert part_ids(voice, OWN, "") == []
    assert "from a friend" in voice.decode(prompt_ids(voice, replace(HEADER, writer="")))


def test_the_line_at_the_head() -> None:
    assert date_line("York", "10 June 1740") == "York, 10 June 1740."
    assert date_line("", "1740") == "1740."


def pair(text: str = "Why does it fall?", after: str = "") -> Pair:
    newton = load_pairs()[0].person
    parts = (
        ReplyPart("You ask."),
        ReplyPart("All bodies fall.", "falls"),
        ReplyPart("Adieu then."),
    )
    return Pair(
        id=f"pair-{len(text)}",
        person=newton,
        letter=Letter(text, "Thomas Wickham", newton, LetterDate(1700, 5, 1)),
        reply=Letter("", newton, "Thomas Wickham", LetterDate(1700, 5, 9), "York"),
        parts=parts,
        after=after,
    )


def test_the_loss_is_on_the_models_own_prose_and_what_ends_it() -> None:
    (example,) = examples([pair()], VOICE)
    special = VOICE.special
    learnt, run = [], ""
    for token, learn in zip(example.ids, example.learn, strict=True):
        if learn and token not in special:
            run += VOICE.decode([token])
        elif run:
            learnt.append(run)
            run = ""
    assert learnt == ["You ask.", "Adieu then."]
    tokens = [
        readable([t]) for t, learn in zip(example.ids, example.learn, strict=True)
        if learn and t in special
    ]  # fmt: skip
    assert tokens == [SET, FORM]
    reply = readable(list(example.ids)).split("<|reply|>")[1]
    assert reply.startswith("<|form|>York, 9 May 1700.\n")
    assert "<|own|>You ask.<|set|>All bodies fall.<|own|>Adieu then.<|form|>" in reply
    assert reply.endswith("<|endoftext|>")


def test_an_earlier_pair_is_read_before_its_successor() -> None:
    first = replace(pair("First letter?"), id="one")
    second = replace(pair("Second letter?", after="one"), id="two")
    both = examples([first, second], VOICE)
    assert "<|earlier|>First letter?" in readable(list(both[1].ids))
    assert "<|earlier|>" not in readable(list(both[0].ids))


def test_too_long_examples_are_left_out() -> None:
    whole = len(examples([pair()], VOICE)[0].ids)
    assert len(examples([pair()], make_voice(window=whole - 1))) == 1
    assert examples([pair()], make_voice(window=whole - 2)) == []
    assert len(examples([pair()], make_voice(window=0))) == 1


def test_a_model_without_a_window_reads_the_whole_letter() -> None:
    long = replace(HEADER, letter="word " * 2_000)
    assert len(prompt_ids(make_voice(window=0), long)) > 10_000 > len(prompt_ids(VOICE, long))


@pytest.mark.parametrize("number", [0, 40, 150])
def test_bundled_pairs_become_examples(number: int) -> None:
    chosen = load_pairs()[number]
    (example,) = examples([chosen], make_voice(window=0))
    text = readable(list(example.ids))
    for part in chosen.parts:
        assert " ".join(part.text.split()) in " ".join(text.split())
