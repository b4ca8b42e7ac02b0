from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.compare import measuring
from app.compare.facts import Training, facts_of, training_of
from app.compare.measuring import HeldOut, copied, held_out_file, measure, score_of_model, speed_of
from app.library import Library, ModelInfo
from corpora.errors import CorpusError, InputError, ModelError
from engine.tokenizers import train_bpe
from lm.gpt2 import Size as GPT2Size
from lm.gpt2 import from_scratch as gpt2_from_scratch
from recurrent import sizes
from tests.fakes import LETTERS, tiny_recurrent


def recurrent(folder: Path, cell: str = "lstm", *, even: bool = False) -> str:
    return str(tiny_recurrent(folder, cell, even=even))


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return recurrent(tmp_path_factory.mktemp("models") / "lstm")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_facts_of_a_recurrent_model(cell: str, library: Library, tmp_path: Path) -> None:
    facts = facts_of(library, recurrent(tmp_path / cell, cell), "cpu")
    assert facts.family == cell
    assert facts.parameters == sizes.n_weights(cell, sizes.Size(1, 16, 8), 1 + 256 + len(LETTERS))
    assert not facts.upper_bound
    assert len(facts.hash) == 64
    assert facts.training == Training()


def test_bits_of_merged_tokens_are_an_upper_bound(
    library: Library, model: str, tmp_path: Path
) -> None:
    assert not facts_of(library, model, "cpu").upper_bound  # bytes
    tokenizer = train_bpe(["the cat and the hat and the bat " * 9], 270)
    size = GPT2Size(n_layer=1, n_embd=8, n_head=1, block_size=32)
    gpt2_from_scratch(tokenizer, size, seed=1).save_pretrained(tmp_path)
    tokenizer.save_pretrained(str(tmp_path))
    facts = facts_of(library, str(tmp_path), "cpu")
    assert (facts.family, facts.upper_bound) == ("gpt2", True)


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        (
            "scores.json",
            {"training_minutes": 61.5, "bytes_read": 26_214_400},
            Training(61.5, "26,214,400 bytes read"),
        ),
        (
            "state.json",
            {"spent": 90.0, "step": 1200, "settings": {"batch_size": 64}},
            Training(1.5, "1,200 updates of 64 rows"),
        ),
        ("state.json", {"spent": 90.0, "step": 12}, Training(1.5, "")),
        ("state.json", {"spent": "long", "step": None, "settings": 3}, Training()),
        ("scores.json", ["not", "a", "record"], Training()),
        ("README.md", {}, Training()),
    ],
)
def test_what_a_folder_tells_of_its_training(
    name: str, written: object, expected: Training, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(json.dumps(written), "utf-8")
    assert training_of(ModelInfo("m", "folder", tmp_path)) == expected


def test_training_of_damaged_and_absent_records(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{", "utf-8")
    assert training_of(ModelInfo("m", "folder", tmp_path)) == Training()
    assert training_of(ModelInfo("a/b", "hub")) == Training()


def test_a_score_by_hand_is_kept_for_its_weights(library: Library, tmp_path: Path) -> None:
    loaded = library.borrow(recurrent(tmp_path / "even", even=True), "cpu").model
    # Every id costs log2(V) bits; é takes two ids and two bytes, a one and one.
    v = 1 + 256 + len(LETTERS)
    held_out = HeldOut("mine", ("aé", "é a"))
    told: list[float] = []
    score = score_of_model(loaded, held_out, told.append)
    assert score.bits_per_byte == pytest.approx(math.log2(v), rel=1e-6)
    assert (score.n_texts, score.n_bytes) == (2, 7)
    assert told[-1] == 1.0

    def unexpected(share: float) -> None:
        raise AssertionError("it was scored already")

    assert score_of_model(loaded, held_out, unexpected) is score
    with pytest.raises(AssertionError, match="scored already"):
        score_of_model(loaded, HeldOut("other", ("b",)), unexpected)
    with pytest.raises(AssertionError, match="scored already"):  # nothing to know its weights by
        score_of_model(replace(loaded, hash=""), held_out, unexpected)


def test_speed_counts_the_same_tokens_and_characters(lstm: str, library: Library) -> None:
    loaded = library.borrow(lstm, "cpu").model
    told: list[float] = []
    speed = speed_of(loaded, "dear sir", n_characters=30, n_runs=2, progress=told.append)
    assert told == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]
    assert len(speed.runs) == 2
    for tokens, characters in speed.runs:
        assert tokens == characters > 0  # each of its tokens is a character
    assert speed.tokens_per_s == pytest.approx(sum(t for t, _ in speed.runs) / 2)


def test_a_speed_ends_where_its_progress_says(lstm: str, library: Library) -> None:
    loaded = library.borrow(lstm, "cpu").model

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speed_of(loaded, n_characters=5, progress=stop)
    assert speed_of(loaded, n_characters=5, n_runs=1).characters_per_s > 0  # the lock is free


@pytest.mark.parametrize("arguments", [{"n_characters": 0}, {"n_runs": 0}])
def test_a_speed_needs_something_to_time(
    arguments: dict[str, int], lstm: str, library: Library
) -> None:
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"{name}=0 must be at least 1"):
        speed_of(library.borrow(lstm, "cpu").model, **arguments)  # type: ignore[arg-type]


def test_copies_are_found_and_nothing_else(lstm: str, library: Library) -> None:
    known = max(measuring.letter_texts("train"), key=len)[40:140]
    own = "Zzyq bnmw krtl~"
    (span,) = copied(library, lstm, own + known)
    assert (span.start, span.stop) == (len(own), len(own + known))
    assert copied(library, lstm, own) == ()


def test_all_of_a_model_is_measured(lstm: str, library: Library) -> None:
    phases: list[str] = []

    def progress(what: str, share: float) -> None:
        assert 0 <= share <= 1
        phases.append(what)

    held_out = HeldOut("mine", ("my dear sir, good day.",))
    found = measure(
        library, lstm, held_out, "dear ", n_characters=60, seed=4, device="cpu", progress=progress
    )
    assert list(dict.fromkeys(phases)) == ["opening", "scoring", "timing", "writing"]
    assert len(found.sample.text) == found.sample.scores.n_characters == 60
    again = measuring.sample_of(library, lstm, "dear ", n_characters=60, seed=4, device="cpu")
    assert again == found.sample
    plain = json.loads(json.dumps(found.as_json()))
    assert (plain["family"], plain["score"]["n_bytes"]) == ("lstm", 22)
    assert set(plain) >= {"name", "parameters", "training", "speed", "sample", "upper_bound"}
    assert plain["sample"]["spans"] == [[s.start, s.stop] for s in found.sample.spans]


def test_a_persons_own_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes("Grüße,\r\nund Küsse".encode())
    assert held_out_file(file).texts == ("Grüße,\nund Küsse",)
    assert "mine.txt" in held_out_file(file).what
    file.write_text(" \n ", "utf-8")
    with pytest.raises(CorpusError, match="holds no text"):
        held_out_file(file)
    with pytest.raises(CorpusError, match="cannot be read"):
        held_out_file(tmp_path / "none.txt")


def test_the_bundled_letters_held_out_are_no_training_letters() -> None:
    held_out = measuring.bundled()
    assert len(held_out.texts) > 50
    assert not set(held_out.texts) & set(measuring.letter_texts("train"))
    assert held_out.key == HeldOut("renamed", held_out.texts).key


def test_what_cannot_be_measured_is_told(library: Library, lstm: str) -> None:
    held_out = HeldOut("mine", ("a",))
    with pytest.raises(ModelError, match="There is no model"):
        measure(library, "no-such-model", held_out)
    with pytest.raises(InputError, match="characters were asked for"):
        measure(library, lstm, held_out, n_characters=0, device="cpu")


def test_starters_are_those_installed(library: Library) -> None:
    installed = [info.name for info in library.models() if info.kind == "starter"]
    assert measuring.starters(library) == installed[:4]
    assert measuring.starters(library)[0] == "starter"
