"""A race from beginning to end, stopped and gone on with; the models that take part."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from app.race.contestants import gpt2_with_weights, make, paced, pack_corpus, vocabulary_for
from app.race.folder import RaceFolder, ask_to_stop, read_race
from app.race.lane import Lane
from app.race.report import equality
from app.race.results import prompt_of, spread
from app.race.run import Ended, Progress, Scored, race, race_texts
from app.race.settings import MODELS, Budget, RaceSettings
from corpora.errors import CorpusError, InputError
from engine.budget import n_parameters, training_flops
from engine.loading import load, resolve
from engine.tokenizers import byte_tokenizer
from lm.gpt2 import from_scratch

WORDS = "the mill by the river turns while the miller sleeps and his two grey cats keep watch "


def text(n: int = 12_000) -> str:
    """Paragraphs that differ, so that some are held out."""
    lines = [f"{i}. {WORDS[i % 40 :]}{i * i} {WORDS}\n\n" for i in range(n // 100)]
    return "".join(lines)[:n]


def settings(corpus: Path, **changed: Any) -> RaceSettings:
    usual: dict[str, Any] = {
        "corpus": str(corpus), "models": ("lstm", "gpt2"), "turns": 2, "device": "cpu",
        "budget": Budget("parameters", 1e5, 30_000),
    }  # fmt: skip
    return RaceSettings(**{**usual, **changed})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "mill.txt"
    path.write_text(text(), "utf-8")
    return path


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    out = tmp_path_factory.mktemp("races") / "whole"
    return out, list(race(settings(corpus), out))


def test_a_race_is_run_to_its_end(finished: tuple[Path, list[object]]) -> None:
    out, events = finished
    assert events[-1] == Ended("finished")
    scored = [e for e in events if isinstance(e, Scored)]
    assert [e.model for e in scored] == ["lstm", "gpt2", "lstm", "gpt2"]  # in turns
    assert [e.point.share for e in scored][2:] == [1.0, 1.0]
    assert all(0.4 < e.point.share < 0.8 for e in scored[:2])
    stages = [e for e in events if isinstance(e, Progress)]
    assert all(0 <= e.share <= 1 for e in stages)
    found = read_race(out)
    assert (found.state, found.alive, found.progress) == ("finished", False, {})
    assert found.curves["lstm"] == [e.point for e in scored if e.model == "lstm"]
    assert not (out / "progress.json").exists()


def test_the_budget_was_equal_and_is_told_right(finished: tuple[Path, list[object]]) -> None:
    found = read_race(finished[0])
    for name in ("lstm", "gpt2"):
        model, tokenizer = load(resolve(str(finished[0] / name)))
        told, last = found.facts["contestants"][name], found.curves[name][-1]
        assert told["parameters"] == n_parameters(model)
        assert told["parameters"] == pytest.approx(1e5, rel=0.1)  # widths come in fours
        assert told["vocabulary"] == len(tokenizer)
        assert last.n_bytes == pytest.approx(30_000, rel=0.2)
        per_token = training_flops(model, told["block"])
        assert last.flops == pytest.approx(last.n_bytes * told["flops_per_byte"])
        n_tokens = last.step * told["batch"] * told["block"]
        assert last.flops <= n_tokens * per_token * 1.001
    assert "Bytes read: " in " ".join(equality(found))


def test_all_are_scored_on_the_same_bytes_with_floors_beside(
    finished: tuple[Path, list[object]],
) -> None:
    facts = read_race(finished[0]).facts
    sizes = {facts["results"][name]["score"]["n_bytes"] for name in ("lstm", "gpt2")}
    assert sizes == {floor["n_bytes"] for floor in facts["floors"]}
    assert sizes == {facts["corpus"]["held_out_bytes"]}
    names = [floor["name"] for floor in facts["floors"]]
    assert names == ["unigram", "5-gram Kneser-Ney", "xz", "bz2", "zstd"]
    assert [floor["name"] for floor in facts["watched_floors"]] == names[:2]
    for name in ("lstm", "gpt2"):
        result = facts["results"][name]
        assert 0 < len(result["sample"]) <= 300
        assert all(0 <= a < b <= len(result["sample"]) for a, b in result["spans"])
        assert 0 <= result["copied"] <= 1


def test_the_frozen_and_the_held_out_are_not_trained_on(corpus: Path) -> None:
    train, held_out = race_texts(str(corpus))
    assert not set(train) & set(held_out)
    assert sum(map(len, train)) > 2 * sum(map(len, held_out)) > 0
    train, held_out = race_texts("letters")
    assert not set(train) & set(held_out)
    assert min(map(len, (train, held_out))) > 4


def test_a_race_that_is_stopped_keeps_what_it_has_and_ends_as_if_it_had_not_been(
    finished: tuple[Path, list[object]], corpus: Path, tmp_path: Path
) -> None:
    out, how = tmp_path / "race", settings(corpus)
    events = []
    for event in race(how, out):
        events.append(event)
        if isinstance(event, Scored) and event.model == "gpt2":
            ask_to_stop(out)
    assert events[-1] == Ended("stopped")
    stopped = read_race(out)
    assert stopped.state == "stopped"
    before = {name: list(curve) for name, curve in stopped.curves.items()}
    for name, curve in before.items():
        assert 0 < curve[-1].share < 1
        latest = resolve(str(out / name))
        assert Path(latest).name == f"step-{curve[-1].step:08d}"  # saved where it was scored
        assert "sample" in stopped.facts["results"][name]
        assert "score" not in stopped.facts["results"][name]

    assert list(race(stopped.settings, out, resume=True))[-1] == Ended("finished")
    whole, resumed = read_race(finished[0]), read_race(out)
    for name, curve in resumed.curves.items():
        assert curve[: len(before[name])] == before[name]
        last, theirs = curve[-1], whole.curves[name][-1]
        assert (last.step, last.n_bytes, last.flops) == (theirs.step, theirs.n_bytes, theirs.flops)
        assert last.bits_per_byte == pytest.approx(theirs.bits_per_byte, abs=1e-6)
        assert resumed.facts["results"][name]["score"]["bits_per_byte"] > 0
    assert list(race(resumed.settings, out, resume=True)) == [Ended("finished")]


def test_a_race_stopped_before_its_first_step_has_nothing_and_can_go_on(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "race"
    events = list(race(settings(corpus), out, stopped=lambda: True))
    assert events[-1] == Ended("stopped")
    assert read_race(out).curves == {"lstm": [], "gpt2": []}
    resumed = race(settings(corpus), out, resume=True)
    assert isinstance(next(e for e in resumed if isinstance(e, Scored)), Scored)


def test_a_model_that_diverges_does_not_end_the_race_of_the_others(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RaceFolder(tmp_path / "race")
    folder.begin(settings(corpus))
    how = settings(corpus)
    pack_corpus(race_texts(str(corpus))[0], tmp_path, how)
    ready = paced(make("lstm", how, tmp_path, "no"), how, 1e6, 0.1)
    with torch.no_grad():
        ready.task.model.head.bias.fill_(math.nan)
    lane = Lane(ready, folder, lambda: False)
    assert list(lane.until(1.0)) == []
    assert lane.done
    assert "no longer a finite number" in lane.problem


def test_minutes_are_those_of_training(corpus: Path, tmp_path: Path) -> None:
    how = settings(corpus, models=("gru",), budget=Budget("minutes", 0.01), turns=1)
    out = tmp_path / "race"
    assert list(race(how, out))[-1] == Ended("finished")
    found = read_race(out)
    assert found.facts["contestants"]["gru"]["steps"] is None
    (last,) = found.curves["gru"]
    assert last.share == 1
    assert last.seconds >= 0.6


def test_another_race_or_another_corpus_is_refused(
    finished: tuple[Path, list[object]], corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="already holds a race; add --resume"):
        next(race(settings(corpus), finished[0]))
    out, how = tmp_path / "race", settings(corpus)
    RaceFolder(out).begin(how, corpus={"hash": "of another text"})
    with pytest.raises(InputError, match="is not what it was when this race began"):
        list(race(how, out, resume=True))
    assert read_race(out).facts["state"] == "failed"
    with pytest.raises(InputError, match="holds no race that can be read"):
        next(race(how, tmp_path / "nothing", resume=True))


def test_a_race_that_cannot_begin_says_why_and_leaves_the_place_free(tmp_path: Path) -> None:
    small = tmp_path / "small.txt"
    small.write_text("Too little.", "utf-8")
    out = tmp_path / "race"
    with pytest.raises(CorpusError, match="at least two pages"):
        list(race(settings(small), out))
    assert "at least two pages" in read_race(out).facts["problem"]
    RaceFolder(out).begin(settings(small))  # nothing was lost, so another may take its place


# -------------------------------------------------------------------------------------- contestants


def test_each_has_nearly_as_many_weights(corpus: Path, tmp_path: Path) -> None:
    how = settings(corpus, models=MODELS, budget=Budget("minutes", 1.0))
    pack_corpus(race_texts(str(corpus))[0], tmp_path, how)
    counts = [n_parameters(make(name, how, tmp_path, "no").task.model) for name in MODELS]
    assert max(counts) / min(counts) < 1.06
    assert [vocabulary_for(n) for n in (1_000, 1_000_000, 10_000_000)] == [512, 1024, 4096]


def test_what_was_read_is_counted_to_the_last_short_batch(corpus: Path, tmp_path: Path) -> None:
    how = settings(corpus)
    pack_corpus(race_texts(str(corpus))[0], tmp_path, how)
    one = make("gpt2", how, tmp_path, "no")
    rows_in, batch = len(one.train), one.settings.batch_size
    per_epoch = -(-rows_in // batch)
    n_bytes, flops = one.read_by(3 * per_epoch)
    targets = 3 * rows_in * one.train.block_size
    assert n_bytes == pytest.approx(targets * one.train.bytes_per_target)
    assert flops == pytest.approx(targets * training_flops(one.task.model, one.train.block_size))
    assert one.read_by(0) == (0.0, 0.0)
    assert one.bytes_per_step == pytest.approx(n_bytes / 3 / per_epoch)


def test_the_gpt2_of_a_number_of_weights_has_them() -> None:

    tokenizer = byte_tokenizer()
    for n in (150_000, 600_000):
        size = gpt2_with_weights(n, len(tokenizer), 64)
        assert n_parameters(from_scratch(tokenizer, size)) == pytest.approx(n, rel=0.05)


def test_a_spread_is_even_and_a_prompt_ends_at_a_word() -> None:
    texts = [str(i) * 10 for i in range(10)]
    assert spread(texts, 30) == [texts[0], texts[3], texts[6]]
    assert spread(texts, 10_000) == texts
    assert spread(["", " ", "a" * 50], 1, longest=7) == ["aaaaaaa"]
    assert prompt_of(
        ["", "It was  a\ndark night, and the mill stood still by the river as ever."]
    ) == ("It was a dark night, and the mill stood still by the river")
    assert prompt_of(["Short."]) == "Short."


def test_what_is_kept_is_plain_data(finished: tuple[Path, list[object]]) -> None:
    kinds = {path.suffix for path in finished[0].rglob("*") if path.is_file()}
    assert kinds == {".json", ".jsonl", ".safetensors", ".bin"}
    assert json.loads((finished[0] / "race.json").read_text("utf-8"))["schema"] == 1
