from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from app import generating
from app.generating import LONGEST, PROMPT_LONGEST, Generation
from app.home import folder
from app.library import Library
from corpora.errors import InputError, ModelError
from engine.checkpoint import RunFolder
from engine.packing import pack
from engine.sampling import SamplingSettings
from engine.tokenizers import encode_text, load_tokenizer, train_bpe
from lm.gpt2 import Size, from_scratch
from tests.fakes import LETTERS, tiny_recurrent

WILD = SamplingSettings(temperature=1.2, top_p=1.0)
CELLS = ("rnn", "lstm", "gru")


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The folder of a tiny model of each cell; they write the letters of `LETTERS` for ever."""
    into = tmp_path_factory.mktemp("models")
    return {cell: str(tiny_recurrent(into / cell, cell)) for cell in CELLS}


def _write(library: Library, model: str, prompt: str = "dear sir", **how: Any) -> Generation:
    text = Generation(library, model, prompt, **{"settings": WILD, "device": "cpu", **how})
    assert "".join(text) == text.text
    return text


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n", [1, 7, 700])
def test_a_text_has_the_length_asked_for(
    cell: str, n: int, library: Library, recurrent: dict[str, str]
) -> None:
    text = _write(library, recurrent[cell], n_characters=n)
    assert len(text.text) == n
    assert set(text.text) <= set(LETTERS)
    assert text.n_tokens == n
    assert text.seconds > 0


def test_a_seed_gives_the_same_text_and_another_another(
    library: Library, recurrent: dict[str, str], model: str
) -> None:
    for name in (recurrent["lstm"], model):
        first, again, other = (
            _write(library, name, seed=seed, n_characters=60).text for seed in (3, 3, 4)
        )
        assert first == again != other


def test_a_model_over_bytes_writes_whole_characters(library: Library, model: str) -> None:
    for seed in range(4):
        text = _write(library, model, n_characters=40, seed=seed)
        assert len(text.text) <= 40
        assert "\ufffd" not in text.text
        assert text.n_tokens >= len(text.text.encode("utf-8"))


def test_what_a_piece_holds_beyond_the_length_is_cut(library: Library, tmp_path: Path) -> None:
    # A vocabulary in which one id is a whole word, and a model that writes nothing else.
    tokenizer = train_bpe(["abcdefgh"] * 50, 264)
    (word,) = encode_text(tokenizer, "abcdefgh")
    gpt2 = from_scratch(tokenizer, Size(1, 16, 2, 64))
    gpt2.lm_head.weight = torch.nn.Parameter(torch.zeros(len(tokenizer), 16))  # untied
    gpt2.config.tie_word_embeddings = False
    gpt2.transformer.ln_f.weight.data.zero_()
    gpt2.transformer.ln_f.bias.data.fill_(1)
    gpt2.lm_head.weight.data[word] = 9.0
    gpt2.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    text = _write(library, str(tmp_path), n_characters=11, settings=SamplingSettings(0.0))
    assert text.text == "abcdefghabc"
    assert text.n_tokens == 2


def test_an_end_of_text_ends_it(library: Library, tmp_path: Path) -> None:
    name = str(tiny_recurrent(tmp_path / "even", even=True))  # the end is one of 287 ids
    for seed in range(3):
        text = _write(library, name, seed=seed, n_characters=2000)
        assert text.n_tokens < 4000  # of the 8,000 that may be needed for so many characters
        assert len(text.text) < 2000
        assert "<|endoftext|>" not in text.text


def test_a_prompt_is_optional_and_never_an_order(
    library: Library, recurrent: dict[str, str]
) -> None:
    empty, other = (_write(library, recurrent["gru"], prompt, seed=1) for prompt in ("", "sir"))
    assert len(empty.text) == len(other.text) == 400
    assert empty.text != other.text
    spelt = _write(library, recurrent["gru"], "<|endoftext|>", seed=1)
    assert spelt.text != empty.text  # thirteen characters, not the end of a text


def test_a_text_begins_where_texts_begin_and_goes_on_from_its_prompt(
    library: Library, recurrent: dict[str, str]
) -> None:
    name = recurrent["lstm"]
    tokenizer = load_tokenizer(Path(name))
    ids = [tokenizer.eos_token_id, *encode_text(tokenizer, "dear sir")]
    stepper = library.borrow(name, "cpu").model.stepper
    logits, state = stepper.start(ids)
    expected = []
    for _ in range(30):
        expected.append(int(logits.argmax()))
        logits, state = stepper.step(expected[-1], state)
    text = _write(library, name, settings=SamplingSettings(0.0), n_characters=30)
    assert text.text == tokenizer.decode(expected)


@pytest.mark.parametrize("n", [1, 511, 512, 2000])
def test_of_a_prompt_longer_than_the_window_the_end_is_read(
    n: int, library: Library, model: str
) -> None:
    prompt = "".join("abcdefghijklmnopqrstuvwxyz"[i % 26] for i in range(n))
    how = {"settings": SamplingSettings(0.0), "n_characters": 20}
    text = _write(library, model, prompt, **how)
    assert text.n_tokens >= 20  # also where the prompt has filled the window
    if n > 511:  # with the id that begins a text more than the window: its last 256 are read
        assert text.text == _write(library, model, "x" * 500 + prompt[-256:], **how).text


def test_a_recurrent_model_reads_all_of_a_long_prompt(
    library: Library, recurrent: dict[str, str]
) -> None:
    read: list[int] = []
    stepper = library.borrow(recurrent["rnn"], "cpu").model.stepper
    start = stepper.start

    def counting(ids: list[int], state: Any = None) -> Any:
        read.append(len(ids))
        return start(ids, state)

    stepper.start = counting  # type: ignore[method-assign]
    try:
        _write(library, recurrent["rnn"], "a" * PROMPT_LONGEST, n_characters=5)
    finally:
        del stepper.start
    assert read == [PROMPT_LONGEST + 1]


def test_a_text_can_be_stopped(library: Library, recurrent: dict[str, str]) -> None:
    answers = iter([False] * 5 + [True])
    text = _write(library, recurrent["lstm"], stopped=lambda: next(answers))
    assert len(text.text) == text.n_tokens == 5
    left = Generation(library, recurrent["lstm"], "sir", WILD, device="cpu")
    pieces: Iterator[str] = iter(left)
    first = next(pieces) + next(pieces)
    assert left.text == first
    threads = torch.get_num_threads()
    pieces.close()  # type: ignore[attr-defined]
    assert left.text == first
    assert torch.get_num_threads() >= threads


def test_what_cannot_be_written_is_said_at_once(
    library: Library, recurrent: dict[str, str]
) -> None:
    name = recurrent["lstm"]
    for n in (0, -1, LONGEST + 1):
        with pytest.raises(InputError, match=r"characters were asked for; expected 1 to 100,000"):
            Generation(library, name, "", n_characters=n)
    with pytest.raises(InputError, match=r"prompt has 20,001 characters.*Shorten it"):
        Generation(library, name, "a" * (PROMPT_LONGEST + 1))
    with pytest.raises(ModelError, match="no model 'lstn'"):
        Generation(library, "lstn", "")


def test_the_guard_lets_no_long_copy_stand(
    library: Library, recurrent: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run called "parrot", trained on what the model writes by itself.
    name = recurrent["gru"]
    greedy = {"settings": SamplingSettings(0.0), "n_characters": 200}
    alone = _write(library, name, **greedy).text

    def save(checkpoint: Path) -> None:
        shutil.copytree(name, checkpoint, dirs_exist_ok=True)
        (checkpoint / "state.json").write_text('{"valid_loss": null}')

    run = folder("runs") / "parrot"
    RunFolder(run).publish(10, save)
    shutil.copytree(name, run / "data" / "tokenizer")
    pack([alone], load_tokenizer(Path(name)), run / "data" / "train.bin")
    monkeypatch.setattr(generating, "GUARDED", 20)
    free = _write(library, "parrot", **greedy).text
    assert free == alone
    guarded = _write(library, "parrot", guard=True, **greedy).text
    assert len(guarded) == 200
    runs = {guarded[i : i + 21] for i in range(180)}
    assert not any(run in alone for run in runs)
    assert guarded[:20] == alone[:20]
