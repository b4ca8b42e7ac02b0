"""The whole experiment on a small folder of the public format, and the meter it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corpora.errors import CorpusError, LetterError, ModelError
from recurrent.lab import load
from recurrent.lab.authors import Calibration, Settings, load_meter, run, verdict, voice
from recurrent.lab.authors.meter import ABOUT, STARTER, WEIGHTS
from recurrent.lab.report import Done, Event, Point, Progress, Report, read_report

WORDS = {
    "neg": "dull slow bad tired weak long grey poor",
    "pos": "bright quick good fresh strong short warm rich",
}
SMALL = Settings(
    source="set below", n_train=0, n_valid=0, n_test=0, passage=300, names="kept", vocab_size=300,
    n_pairs=64, embedding_size=8, hidden_size=8, dropout=0.0, epochs=8, batch_size=8, lr=2e-2,
    n_trials=1, device="cpu",
)  # fmt: skip


def write_folder(root: Path) -> Path:
    """Forty reviews a class to learn from and ten to be asked about, each in its class's words."""
    random = np.random.default_rng(0)
    for part, n in (("train", 40), ("test", 10)):
        for name, words in WORDS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                drawn = " ".join(random.choice(words.split(), 12))
                (folder / f"{i}_7.txt").write_text(f"It was {drawn}.<br />I say.", "utf-8")
    (root / "train" / "unsup").mkdir()
    (root / "train" / "unsup" / "0_0.txt").write_text("nobody knows", "utf-8")
    return root


def run_all(settings: Settings, out: Path) -> tuple[list[Event], Report]:
    events = list(run(settings, out))
    last = events[-1]
    assert isinstance(last, Done)
    return events, last.report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("aclImdb"))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report, list]:
    out = tmp_path_factory.mktemp("out")
    events, report = run_all(replace(SMALL, source=str(folder)), out)
    return out, report, events


def _value(report: Report, system: str, metric: str) -> float:
    return next(r.value for r in report.rows if (r.system, r.metric) == (system, metric))


def test_imdbs_folder_is_learnt_by_every_system(finished: tuple[Path, Report, list]) -> None:
    out, report, _ = finished
    assert report.facts["authors"] == ["neg", "pos"]
    assert report.facts["passages"]["test"] == 20
    assert report.facts["passages"]["train"] + report.facts["passages"]["valid"] == 80
    assert _value(report, "always the same author", "accuracy") == 0.5
    for system in ("character n-grams", "forward LSTM", "reversed LSTM", "bidirectional LSTM"):
        assert _value(report, system, "accuracy") == 1.0
        assert _value(report, system, "macro-F1") == 1.0
    both = next(r for r in report.rows if r.system == "bidirectional LSTM")
    assert both.lecture == 0.8824
    assert "IMDB" not in both.note
    assert not report.stopped
    assert read_report(out).rows == report.rows


def test_it_tells_how_far_it_is(finished: tuple[Path, Report, list]) -> None:
    _, report, events = finished
    shares = [e.share for e in events if isinstance(e, Progress)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    curves = {e.curve for e in events if isinstance(e, Point)}
    assert len(curves) == 3
    assert {f.name for f in report.figures} == {"length", "loss"}
    length = next(f for f in report.figures if f.name == "length")
    assert [s.x for s in length.series] == [[125, 250, 300]] * len(length.series)


def test_two_runs_of_one_seed_give_the_same_rows(
    finished: tuple[Path, Report, list], folder: Path, tmp_path: Path
) -> None:
    settings = replace(SMALL, source=str(folder), variants=("forward",), epochs=2)
    _, first = run_all(settings, tmp_path / "a")
    _, second = run_all(settings, tmp_path / "b")
    assert first.rows == second.rows


def test_the_meter_is_read_back_as_it_was(finished: tuple[Path, Report, list]) -> None:
    out, report, _ = finished
    voices = voice("It was quick warm strong rich good fresh bright short. I say.", out)
    assert voices[0][0] == "pos"
    assert sum(p for _, p in voices) == pytest.approx(1)
    assert voices == sorted(voices, key=lambda v: -v[1])
    meter = load_meter(out)
    assert meter.calibration.threshold == pytest.approx(report.facts["meter"]["threshold"])
    assert load_meter(out / "forward").model.shape.variant == "forward"
    assert json.loads((out / ABOUT).read_text())["names"] == "kept"


def test_the_verdict_says_who_is_not_among_the_authors(
    finished: tuple[Path, Report, list],
) -> None:
    out = finished[0]
    text = "It was dull slow bad weak grey long poor tired. I say."
    said = verdict(text, "neg", out)
    assert (said.person, said.known, said.rank) == ("neg", True, 1)
    other = verdict(text, "pos", out)
    assert other.rank == 2
    assert "pos comes 2nd" in other.words
    nobody = verdict(text, "Marie Curie", out)
    assert (nobody.person, nobody.known, nobody.rank) == ("", False, 0)
    assert "Marie Curie is not among them" in nobody.words


def test_an_unsure_meter_says_unlike_any(finished: tuple[Path, Report, list]) -> None:
    meter = load_meter(finished[0])
    meter.calibration = Calibration(((1, 1000.0),), 0.9)
    said = meter.verdict("It was dull.")
    assert said.unlike
    assert said.words.startswith("Unlike any of the 2 voices known here; nearest ")
    assert said.voices[0][1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("text", ["", "  \n", "1234 ---"])
def test_a_text_without_words_has_no_voice(finished: tuple[Path, Report, list], text: str) -> None:
    with pytest.raises(LetterError, match="holds no words to know a voice by"):
        voice(text, finished[0])
    with pytest.raises(LetterError, match="has 200,001 characters"):
        voice("a" * 200_001, finished[0])


def test_damaged_meters_are_refused(finished: tuple[Path, Report, list], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no readable voice meter"):
        load_meter(tmp_path)
    for name in (ABOUT, WEIGHTS, "tokenizer.json"):
        (tmp_path / name).write_bytes((finished[0] / name).read_bytes())
    load_meter(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:100])
    with pytest.raises(ModelError, match="holds no readable voice meter"):
        load_meter(tmp_path)


def test_stopping_ends_with_what_there_is(folder: Path, tmp_path: Path) -> None:
    settings = replace(SMALL, source=str(folder), epochs=1000)
    asked: list[int] = []

    def after_the_first_update() -> bool:
        return bool(asked)

    def watch(events: Iterator[Event]) -> Report:
        for event in events:
            if isinstance(event, Progress) and event.stage.startswith("Training"):
                asked.append(1)
            if isinstance(event, Done):
                return event.report
        raise AssertionError("no Done")

    report = watch(run(settings, tmp_path, stopped=after_the_first_update))
    assert report.stopped
    assert {r.system for r in report.rows} >= {"character n-grams", "forward LSTM"}
    assert "bidirectional LSTM" not in {r.system for r in report.rows}
    assert read_report(tmp_path).stopped
    at_once = list(run(settings, tmp_path, stopped=lambda: True))[-1]
    assert isinstance(at_once, Done)
    assert at_once.report.stopped


def test_folders_of_another_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"holds 0 folders of \*.txt files; expected at least two"
    ):
        list(run(replace(SMALL, source=str(tmp_path)), tmp_path / "out"))
    root = write_folder(tmp_path / "root")
    (root / "test" / "other").mkdir()
    (root / "test" / "other" / "a.txt").write_text("a", "utf-8")
    with pytest.raises(CorpusError, match="but train holds neg, pos"):
        list(run(replace(SMALL, source=str(root)), tmp_path / "out"))


def test_settings_are_checked_and_explained() -> None:
    for wrong, message in (
        ({"names": "hidden"}, "names='hidden' must be masked or kept"),
        ({"variants": ()}, "must be some of forward, reversed"),
        ({"variants": ("forward", "forward")}, "must name each only once"),
        ({"dropout": 1.0}, r"dropout=1.0 must be at least 0 and below 1"),
        ({"lr": 0.0}, "lr=0.0 must be above 0"),
        ({"n_authors": 1}, "n_authors=1 must be at least 2"),
        ({"source": " "}, "must be letters or a folder"),
    ):
        with pytest.raises(ValueError, match=message):
            Settings(**wrong)  # type: ignore[arg-type]
    fields = Settings.__dataclass_fields__.values()
    assert all(f.metadata["help"] for f in fields)
    assert load("authors").Settings is Settings


def test_calibration_interpolates_over_the_logarithm_of_the_length() -> None:
    calibration = Calibration(((100, 1.0), (10_000, 3.0)), 0.5)
    assert [calibration.temperature(n) for n in (1, 100, 1000, 10_000, 10**6)] == pytest.approx(
        [1, 1, 2, 3, 3]
    )
    with pytest.raises(ValueError, match="must be of rising lengths"):
        Calibration(((100, 1.0), (100, 2.0)), 0.5)
    with pytest.raises(ValueError, match="threshold=2 must be a probability"):
        Calibration(((100, 1.0),), 2)


@pytest.mark.skipif(not STARTER.is_dir(), reason="no voice meter is shipped yet")
def test_the_shipped_meter_is_small_and_knows_its_people() -> None:
    assert (STARTER / WEIGHTS).stat().st_size < 1_000_000
    meter = load_meter()
    assert len(meter.classes) >= 20
    for name in ("darwin", "Jane Austen", "Benjamin Franklin"):
        assert meter.place_of(name) is not None
    assert meter.place_of("Marie Curie") is None
