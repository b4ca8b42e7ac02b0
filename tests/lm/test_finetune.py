from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from corpora.dates import LetterDate
from corpora.document import Letter, Pair, ReplyPart
from corpora.errors import CorpusError
from corpora.people import load_people
from engine.checkpoint import RunFolder
from engine.events import Evaluated, Finished, Step
from engine.fit_settings import FitSettings
from engine.generation import single_thread
from engine.text_model import NextToken
from engine.tokenizers import train_bpe
from lm.correspondence import WritingSettings, write
from lm.finetune import letter_examples, teach_letters
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch
from lm.proof import Mark
from lm.request import LetterRequest
from lm.voice import load_voice


def pair(number: int, letter: str, reply: str) -> Pair:
    date = LetterDate(1700, 5, number)
    return Pair(
        id=f"newton-{number}",
        person="newton",
        letter=Letter(letter, "Thomas Wickham", "newton", date),
        reply=Letter(reply, "newton", "Thomas Wickham", date, "London"),
        parts=(ReplyPart(reply),),
    )


PAIRS = [
    pair(1, "Do you keep a dog?", "I keep no dog, for it would upset the candles on my table."),
    pair(2, "Do you keep a cat?", "I keep a cat, and she has a door of her own in mine."),
]


def make_task() -> NextToken:
    texts = [t for p in PAIRS for t in (p.letter.text, p.reply.text)]
    tokenizer = train_bpe(texts * 4, 400, LETTER_TOKENS)
    model = from_scratch(tokenizer, Size(n_layer=1, n_embd=48, n_head=2, block_size=256), seed=3)
    return NextToken(model, tokenizer)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], Path]:
    """A tiny model that overfits two pairs, and its events."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    settings = FitSettings(
        steps=120, batch_size=2, lr=6e-3, warmup_steps=5, weight_decay=0.0, eval_every=0,
        save_every=0, device="cpu", precision="no",
    )  # fmt: skip
    with single_thread():  # two threads that wait for each other take minutes on a busy machine
        return list(teach_letters(make_task(), PAIRS, PAIRS, settings, run)), run.path


def test_a_tiny_model_overfits_two_pairs(taught: tuple[list[object], Path]) -> None:
    events, _ = taught
    losses = [e.loss for e in events if isinstance(e, Step)]
    assert losses[0] > 4.0
    assert losses[-1] < 0.1
    last = [e for e in events if isinstance(e, Evaluated)][-1]
    assert last.valid_loss < 0.1
    assert isinstance(events[-1], Finished)


def test_what_was_taught_is_written(taught: tuple[list[object], Path]) -> None:
    newton = load_people()["newton"]
    voice = load_voice(str(taught[1]), "cpu")
    exact = WritingSettings(
        temperature=0, candidates=1, attempts=1, repetition_penalty=1.0, top_p=1.0
    )
    for number, p in enumerate(PAIRS):
        # The prompt must be the one of the training: the salutation of that place, no passages.
        forms = replace(newton.voice, salutations=(newton.voice.salutations[number],))
        person = replace(newton, passages=(), voice=forms)
        place = replace(newton.places[0], start=newton.born, end=newton.died, name=p.reply.place)
        request = LetterRequest(
            p.letter.text, replace(person, places=(place,)), "Thomas Wickham", p.letter.date
        )
        sentences = list(write(request, voice, exact, seed=1))
        assert [s.text for s in sentences if s.mark is Mark.OWN] == [p.reply.text]


def test_a_foreign_model_is_taught_our_tokens() -> None:
    tokenizer = train_bpe(["some letters"], 300)
    model = from_scratch(tokenizer, Size(n_layer=1, n_embd=16, n_head=2, block_size=512))
    letter_examples(NextToken(model, tokenizer), PAIRS, PAIRS)
    assert set(LETTER_TOKENS) <= set(tokenizer.get_vocab())
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_a_window_too_small_is_said() -> None:
    task = make_task()
    task.model.config.n_positions = 20
    with pytest.raises(CorpusError, match=r"2 letters to train on and 2 held out, 4 are too long"):
        letter_examples(task, PAIRS, PAIRS)


def test_how_many_were_left_out_is_told() -> None:
    long = pair(3, "Do you keep a bear? " * 300, "I keep no bear. " * 100)
    _, _, told = letter_examples(make_task(), [*PAIRS, long], PAIRS)
    assert (told.n_train, told.n_valid, told.n_left_out) == (2, 2, 1)


def test_a_reply_with_nothing_to_learn_is_refused() -> None:
    silent = replace(PAIRS[0], parts=())
    with pytest.raises(CorpusError, match="has no token to learn from"):
        letter_examples(make_task(), [silent], PAIRS)
