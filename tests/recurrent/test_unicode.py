"""Texts in any script train and are written without a broken character, whatever the ids stand for.

The character models are ours; the GPT-2 is transformers' own, so that nothing of `lm` is needed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from engine.batching import Streams, TokenWriter, Windows
from engine.fit import Step, fit
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.scoring import bits_per_byte
from engine.stepper import stepper_of
from engine.text_model import NextToken
from engine.tokenizers import (
    byte_tokenizer,
    character_tokenizer,
    encode_text,
    special_ids,
    train_bpe,
)
from recurrent.sizes import Size, from_scratch
from recurrent.training import CarriedState
from tests.engine.tiny import gpt2, settings

CORPORA = {
    "Polish": "Szanowny Panie, zażółć gęślą jaźń! Źdźbło trawy śpi, a łódź płynie. Któż to wie?\n",
    "Greek": "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν. Ἄνδρα μοι ἔννεπε, Μοῦσα.\n",
    "Chinese": "千山鳥飛絕,萬徑人蹤滅。孤舟蓑笠翁,獨釣寒江雪。床前明月光,疑是地上霜。𠀀𠮷\n",
    "emoji": "🎉🎂 for 👩‍🚀! 🎉🎂🎉 at 🕗, 🇵🇱 👍🏽, e\u0301 ❤️‍🔥 🎉🎂🎉🎂 yours, 🐈‍⬛\n",
}


def _written(
    folder: Path, tokenizer: PreTrainedTokenizerFast, text: str, n_streams: int | None = None
) -> Windows:
    path = folder / "text.bin"
    with TokenWriter(path, len(tokenizer)) as writer:
        writer.add(encode_text(tokenizer, text), len(text.encode("utf-8")))
    return Streams(path, 16, n_streams=n_streams) if n_streams else Windows(path, 16)


def _characters(folder: Path, text: str) -> tuple[NextToken, Windows]:
    tokenizer = character_tokenizer([text[: len(text) // 30]])  # of the rest, some are escaped
    task = CarriedState(from_scratch("lstm", tokenizer, Size(1, 32, 16)), tokenizer)
    return task, _written(folder, tokenizer, text, 4)


def _gpt2(
    train: Callable[[str], PreTrainedTokenizerFast],
) -> Callable[[Path, str], tuple[NextToken, Windows]]:
    def make(folder: Path, text: str) -> tuple[NextToken, Windows]:
        tokenizer = train(text)
        task = NextToken(gpt2(len(tokenizer), window=64), tokenizer)
        return task, _written(folder, tokenizer, text)

    return make


MODELS = {
    "character lstm": _characters,
    "byte gpt2": _gpt2(lambda text: byte_tokenizer()),
    "bpe gpt2": _gpt2(lambda text: train_bpe([text], 300)),
}


def _whole(pieces: list[str]) -> str:
    """The pieces together; each of them holds whole characters and at least one."""
    for piece in pieces:
        assert piece
        assert "\ufffd" not in piece
        assert not any(unicodedata.category(character) == "Cs" for character in piece)
        assert piece.encode("utf-8").decode("utf-8") == piece
    return "".join(pieces)


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA.keys())
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_a_script_is_learnt_and_written(
    make: Callable[[Path, str], tuple[NextToken, Windows]], corpus: str, tmp_path: Path
) -> None:
    text = corpus * 12
    task, data = make(tmp_path, text)
    model, tokenizer = task.model, task.tokenizer
    before = bits_per_byte(model, tokenizer, [corpus])
    events = fit(task, data, None, settings(steps=80, lr=2e-2))
    losses = [event.loss for event in events if isinstance(event, Step)]
    assert losses[-1] < 0.7 * losses[0]
    after = bits_per_byte(model, tokenizer, [corpus])
    assert after.n_bytes == before.n_bytes == len(corpus.encode("utf-8"))
    assert after.bits_per_byte < before.bits_per_byte
    assert tokenizer.decode(encode_text(tokenizer, text)) == text

    stepper, prompt = stepper_of(model.eval()), encode_text(tokenizer, corpus[:3])
    end = special_ids(tokenizer)
    own = {character for character in corpus if ord(character) > 127}
    seen: set[str] = set()
    for seed, temperature in enumerate((0.0, 0.4, 0.7, 1.0)):
        how = SamplingSettings(temperature=temperature, top_p=1.0)
        pieces = generate(stepper, tokenizer, prompt, how, seed=seed, max_tokens=48, banned=end)
        seen.update(_whole(list(pieces)))
    assert len(seen & own) > 1


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_a_model_that_learnt_nothing_breaks_no_character_either(
    make: Callable[[Path, str], tuple[NextToken, Windows]], tmp_path: Path
) -> None:
    task, _ = make(tmp_path, CORPORA["Greek"] * 12)
    tokenizer = task.tokenizer
    stepper, prompt = stepper_of(task.model.eval()), encode_text(tokenizer, "Ἐ")
    how = SamplingSettings(temperature=1.5, top_p=1.0)
    texts = [
        _whole(list(generate(stepper, tokenizer, prompt, how, seed=seed, max_tokens=30)))
        for seed in range(4)
    ]
    assert len(set(texts)) > 1
