"""The experiment from reading to report: n-grams, the three variants, both together, the meter."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.special import log_softmax
from transformers import PreTrainedTokenizerFast

from corpora.letters import load_pairs
from corpora.mirror import require_mirror
from engine.tokenizers import train_bpe
from recurrent.lab.authors.batches import Ids, Stretches, encode_all
from recurrent.lab.authors.corpus import Collection, Passage
from recurrent.lab.authors.folders import read_folder
from recurrent.lab.authors.letter_books import read_letters
from recurrent.lab.authors.meter import Calibration, Meter
from recurrent.lab.authors.metrics import (
    Floats,
    difference_interval,
    fit_temperature,
    separation,
)
from recurrent.lab.authors.model import AuthorNet, Shape, logits_of
from recurrent.lab.authors.ngrams import TRIALS, NGrams, tune
from recurrent.lab.authors.replies import ask_replies
from recurrent.lab.authors.scores import (
    CHANCE,
    NGRAMS,
    Answers,
    beginnings,
    facts,
    figures,
    labels_of,
    lengths_of,
    lstm,
    mixed,
    rows,
)
from recurrent.lab.authors.settings import Settings
from recurrent.lab.authors.training import train
from recurrent.lab.report import Done, Event, Point, Progress, Report, Row

LETTERS = "letters"
REFUSED = 0.1  # of the validation passages by known authors: the price of refusing strangers
T = TypeVar("T")


class _StoppedError(Exception):
    """Raised inside reading, which asks nobody else."""


@dataclass
class _State:
    """What has come of the run so far."""

    settings: Settings
    out: Path
    stopped: Callable[[], bool]
    began: float = field(default_factory=time.perf_counter)
    stage: str = "Reading"
    share: float = 0.0
    rows: list[Row] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    curves: list[Point] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    cut_short: bool = False

    def progress(self) -> Progress:
        gone = time.perf_counter() - self.began
        left = gone * (1 - self.share) / self.share if self.share > 0.02 else None
        return Progress(self.stage, self.share, left)

    def timed(self, what: str, since: float) -> None:
        self.facts.setdefault("seconds", {})[what] = round(time.perf_counter() - since, 1)


def run(
    settings: Settings, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Train and compare; the voice meter is written into `out`, other variants beside it.

    Parameters
    ----------
    settings : Settings
    out : Path
        Where the meter (see `meter`), the variants and report.json go.
    stopped : callable
        Asked often; once it is true, the run ends with what there is.

    Yields
    ------
    Progress, Point, Done
        `Done` last.

    Raises
    ------
    CorpusError
        If the letters or the folder cannot be read, or hold too little.
    """
    state = _State(settings, out, stopped)
    collection: Collection | None = None
    try:
        collection = yield from _patiently(lambda: _read(state), state)
        yield from _compare(state, collection)
    except _StoppedError:
        state.cut_short = True
    drawn = figures(state.answers, collection, state.curves) if collection else []
    state.facts["seconds"] = {
        **state.facts.get("seconds", {}),
        "all": round(time.perf_counter() - state.began, 1),
    }
    report = Report(
        "authors", asdict(settings), state.rows, drawn, state.facts, stopped=state.cut_short
    )
    report.save(out)
    yield Done(report)


def _patiently(work: Callable[[], T], state: _State) -> Generator[Event, None, T]:
    """Do it in a thread, with a sign of life twice a second."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not wait([future], timeout=0.4).done:
            yield state.progress()
        return future.result()


def _read(state: _State) -> Collection:
    def tell(stage: str, share: float) -> None:
        if state.stopped():
            raise _StoppedError
        state.stage, state.share = stage, 0.15 * share

    began = time.perf_counter()
    if state.settings.source == LETTERS:
        collection = read_letters(require_mirror(), state.settings, tell)
    else:
        collection = read_folder(Path(state.settings.source).expanduser(), state.settings, tell)
    sizes = {
        part: len(getattr(collection, part))
        for part in ("train", "valid", "test", "other_book", "strangers")
    }
    state.facts |= {"authors": list(collection.classes), "passages": sizes, **collection.facts}
    state.timed("reading", began)
    return collection


def _compare(state: _State, collection: Collection) -> Generator[Event, None, None]:
    settings, n = state.settings, len(collection.classes)
    tested = labels_of(collection.test)
    most = float(np.bincount(tested, minlength=n).max() / len(tested))
    state.rows.append(Row(CHANCE, "accuracy", most, kind="baseline"))
    baseline = yield from _ngrams(state, collection)
    state.stage = "Learning pieces of words"
    tokenizer = yield from _patiently(
        lambda: train_bpe((p.text for p in collection.train), settings.vocab_size), state
    )
    share = 0.65 / sum(2 if v == "bidirectional" else 1 for v in settings.variants)
    last: tuple[Answers, Meter] | None = None
    # Bidirectional last, whatever the order given: its meter is the one that is kept.
    for variant in sorted(settings.variants, key=("forward", "reversed", "bidirectional").index):
        if state.stopped():
            raise _StoppedError
        span = share * (2 if variant == "bidirectional" else 1)
        last = yield from _variant(state, collection, tokenizer, variant, span)
    if state.stopped():
        raise _StoppedError
    assert last is not None
    ours, meter = last
    whole = max(ours.valid)
    both = mixed(ours, baseline, labels_of(collection.valid), whole)
    _report(state, both, collection)
    low, high = difference_interval(
        ours.test[whole].argmax(1) == tested,
        baseline.test[whole].argmax(1) == tested,
        seed=settings.seed,
    )
    state.facts["accuracy above n-grams, 95% interval"] = [round(low, 4), round(high, 4)]
    state.stage, state.share = "Asking the voice meter", 0.97
    yield state.progress()
    _measure_meter(state, ours, meter)
    if settings.source == LETTERS and not state.stopped():
        found, told = yield from _patiently(lambda: ask_replies(meter, load_pairs()), state)
        state.rows += found
        state.facts["replies"] = told


def _report(state: _State, answers: Answers, collection: Collection) -> None:
    state.answers.append(answers)
    state.rows += rows(answers, collection, imdb=state.settings.source != LETTERS)
    state.facts.setdefault("by system", {})[answers.system] = facts(answers, collection)


def _ngrams(state: _State, collection: Collection) -> Generator[Event, None, Answers]:
    """Tune the baseline and ask it."""
    began = time.perf_counter()
    state.stage, state.share = "Counting character n-grams", 0.15
    trials = tune(
        [p.text for p in collection.train],
        labels_of(collection.train),
        [p.text for p in collection.valid],
        labels_of(collection.valid),
        trials=TRIALS[: state.settings.n_trials],
        stopped=state.stopped,
    )
    best: NGrams | None = None
    tried = []
    while (step := (yield from _patiently(lambda: next(trials, None), state))) is not None:
        trial, right, best = step
        tried.append({**asdict(trial), "validation accuracy": round(right, 4)})
        state.share += 0.15 / min(len(TRIALS), state.settings.n_trials)
    if best is None or state.stopped():
        raise _StoppedError
    kept = best

    def ask(texts: list[str]) -> Floats:
        logs: Floats = np.log(kept.probabilities(texts) + 1e-12)
        return logs

    note = f"n-grams of {kept.trial.shortest} to {kept.trial.longest}, C={kept.trial.c:g}"
    answers = Answers(NGRAMS, "baseline", f"{note}, the best of {len(tried)} trials")
    yield from _patiently(lambda: _ask(answers, collection, state.settings.passage, ask), state)
    state.facts["n-gram trials"] = tried
    state.facts["n-grams known"] = kept.n_features
    state.timed(NGRAMS, began)
    _report(state, answers, collection)
    return answers


def _ask(
    answers: Answers, collection: Collection, passage: int, ask: Callable[[list[str]], Floats]
) -> None:
    """All the questions there are, to one system."""
    for length in lengths_of(passage):
        answers.valid[length] = ask(beginnings(collection.valid, length))
        answers.test[length] = ask(beginnings(collection.test, length))
    if collection.other_book:
        answers.other_book = ask(beginnings(collection.other_book, passage))
    if collection.strangers:
        answers.strangers = ask(beginnings(collection.strangers, passage))


def _variant(
    state: _State,
    collection: Collection,
    tokenizer: PreTrainedTokenizerFast,
    variant: str,
    span: float,
) -> Generator[Event, None, tuple[Answers, Meter]]:
    """Train one variant, calibrate it, ask it and save it."""
    settings, began, first = state.settings, time.perf_counter(), state.share
    state.stage = f"Training the {lstm(variant)}"
    shape = Shape(
        len(tokenizer),
        len(collection.classes),
        settings.embedding_size,
        settings.hidden_size,
        variant,
        settings.n_pairs,
    )
    model = AuthorNet(shape, settings.dropout, settings.seed)

    def stretches(passages: list[Passage], *, drawn: bool) -> Stretches:
        ids: list[Ids] = encode_all(tokenizer, [p.text for p in passages])
        return Stretches(passages, ids, drawn=drawn)

    learning = train(
        model,
        stretches(list(collection.train), drawn=True),
        stretches(list(collection.valid), drawn=False),
        settings,
        curve=f"validation loss, {lstm(variant)}",
        stopped=state.stopped,
    )
    told = 0.0
    for event in learning:
        if isinstance(event, Point):
            state.curves.append(event)
            yield event
            continue
        state.share = first + span * event
        if time.perf_counter() - told > 0.4:
            told = time.perf_counter()
            yield state.progress()
    with torch.no_grad():  # what is measured is what is saved, which is in bf16
        for weight in model.parameters():
            weight.copy_(weight.bfloat16().float())
    answers = Answers(
        lstm(variant), "ours", f"{sum(p.numel() for p in model.parameters()):,} weights"
    )
    yield from _patiently(
        lambda: _ask(
            answers,
            collection,
            settings.passage,
            lambda texts: logits_of(model, encode_all(tokenizer, texts)),
        ),
        state,
    )
    calibration = _calibrate(answers, collection)
    meter = Meter(model, tokenizer, collection.classes, calibration, settings.names)
    kept = sorted(settings.variants, key=("forward", "reversed", "bidirectional").index)[-1]
    meter.save(
        state.out if variant == kept else state.out / variant,
        {"settings": asdict(settings), "passages": state.facts["passages"]},
    )
    state.timed(lstm(variant), began)
    _report(state, answers, collection)
    return answers, meter


def _calibrate(answers: Answers, collection: Collection) -> Calibration:
    """Fit a temperature per length; the answers become calibrated log-probabilities."""
    labels = labels_of(collection.valid)
    heat = {n: fit_temperature(logits, labels) for n, logits in answers.valid.items()}
    whole = max(heat)
    for part in (answers.valid, answers.test):
        for n in part:
            part[n] = log_softmax(part[n] / heat[n], axis=1)
    for name in ("other_book", "strangers"):
        logits = getattr(answers, name)
        if logits is not None:
            setattr(answers, name, log_softmax(logits / heat[whole], axis=1))
    sure = np.exp(answers.valid[whole].max(axis=1))
    return Calibration(tuple(sorted(heat.items())), float(np.quantile(sure, REFUSED)))


def _measure_meter(state: _State, ours: Answers, meter: Meter) -> None:
    """How well the meter tells strangers from the authors it knows."""
    threshold = meter.calibration.threshold
    state.facts["meter"] = asdict(meter.calibration)
    known = np.exp(ours.test[max(ours.test)].max(axis=1))
    note = f"best probability below {threshold:.3f}"
    system = "voice meter"
    state.rows.append(
        Row(system, "held-out passages called unlike any", float((known < threshold).mean()),
            note=note)
    )  # fmt: skip
    if ours.strangers is None:
        return
    strange = np.exp(ours.strangers.max(axis=1))
    state.rows += [
        Row(system, "strangers' passages called unlike any", float((strange < threshold).mean()),
            note=note),
        Row(system, "a known passage surer than a stranger's", separation(known, strange)),
    ]  # fmt: skip
