"""The stages of a run that make a system, calibrate it and ask it everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict

import numpy as np
import torch
from scipy.special import log_softmax
from transformers import PreTrainedTokenizerFast

from recurrent.lab.authors.batches import Stretches, encode_all
from recurrent.lab.authors.corpus import Collection
from recurrent.lab.authors.meter import Calibration, Meter
from recurrent.lab.authors.metrics import Floats, fit_scales, fit_temperature
from recurrent.lab.authors.model import AuthorNet, Shape, both_logits_of
from recurrent.lab.authors.ngrams import TRIALS, NGrams, tune
from recurrent.lab.authors.phrases import frequent_phrases
from recurrent.lab.authors.scores import (
    LINEAR,
    NGRAMS,
    Answers,
    beginnings,
    labels_of,
    lengths_of,
    lstm,
    whole,
)
from recurrent.lab.authors.state import State, StoppedError, patiently, report
from recurrent.lab.authors.training import train
from recurrent.lab.report import Event, Point

RECURRENT, WHOLE = "recurrent", "whole"  # what a variant answers with
REFUSED = 0.1  # of the validation passages by known authors: the price of refusing strangers


def ask_ngrams(state: State, collection: Collection) -> Generator[Event, None, Answers]:
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
    while (step := (yield from patiently(lambda: next(trials, None), state))) is not None:
        trial, right, best = step
        tried.append({**asdict(trial), "validation accuracy": round(right, 4)})
        state.share += 0.15 / min(len(TRIALS), state.settings.n_trials)
    if best is None or state.stopped():
        raise StoppedError
    kept = best

    def ask(texts: list[str]) -> list[Floats]:
        return [np.log(kept.probabilities(texts) + 1e-12)]

    note = f"n-grams of {kept.trial.shortest} to {kept.trial.longest}, C={kept.trial.c:g}"
    answers = Answers(NGRAMS, "baseline", f"{note}, the best of {len(tried)} trials")
    yield from patiently(lambda: _ask([answers], collection, state.settings.passage, ask), state)
    state.facts["n-gram trials"] = tried
    state.facts["n-grams known"] = kept.n_features
    state.timed(NGRAMS, began)
    report(state, answers, collection)
    return answers


def _ask(
    systems: list[Answers],
    collection: Collection,
    passage: int,
    ask: Callable[[list[str]], Sequence[Floats]],
) -> None:
    """All the questions there are; `ask` answers for each of the systems."""
    for length in lengths_of(passage):
        valid = ask(beginnings(collection.valid, length))
        test = ask(beginnings(collection.test, length))
        for answers, on_valid, on_test in zip(systems, valid, test, strict=True):
            answers.valid[length], answers.test[length] = on_valid, on_test
    for part in ("other_book", "strangers"):
        if passages := getattr(collection, part):
            found = ask(beginnings(passages, passage))
            for answers, scores in zip(systems, found, strict=True):
                setattr(answers, part, scores)


def ask_variant(
    state: State,
    collection: Collection,
    tokenizer: PreTrainedTokenizerFast,
    variant: str,
    span: float,
    *,
    kept: bool,
) -> Generator[Event, None, tuple[dict[str, Answers], Meter]]:
    """Train one variant, calibrate it, ask it and save it; the one that is kept as the meter."""
    settings, began, first = state.settings, time.perf_counter(), state.share
    state.stage = f"Training the {lstm(variant)}"
    shape = Shape(
        len(tokenizer),
        len(collection.classes),
        settings.embedding_size,
        settings.hidden_size,
        variant,
        settings.n_pairs if kept else 0,
    )
    ids = encode_all(tokenizer, [p.text for p in collection.train])
    valid_ids = encode_all(tokenizer, [p.text for p in collection.valid])
    phrases = frequent_phrases(ids, shape.vocab_size, shape.n_pairs) if shape.n_pairs else None
    model = AuthorNet(shape, settings.dropout, settings.seed, phrases)
    linear = model.linear
    if linear is not None:
        labels = labels_of(collection.train)
        yield from patiently(lambda: linear.solve(ids, labels), state)
    learning = train(
        model,
        Stretches(collection.train, ids, drawn=True),
        Stretches(collection.valid, valid_ids, drawn=False),
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
    if linear is not None:
        scales = fit_scales(both_logits_of(model, valid_ids), labels_of(collection.valid))
        model.scale(*scales)
        state.facts["scales of the LSTM and of the linear part"] = [round(s, 3) for s in scales]
    with torch.no_grad():  # what is measured is what is saved, which is in bf16
        for weight in model.state_dict().values():
            if weight.is_floating_point():
                weight.copy_(weight.bfloat16().float())
    n_weights = sum(p.numel() for p in model.parameters())
    n_linear = sum(p.numel() for p in linear.parameters()) if linear is not None else 0
    answered = {
        RECURRENT: Answers(lstm(variant), "ours", f"{n_weights - n_linear:,} weights"),
    }
    if linear is not None:
        answered[LINEAR] = Answers(LINEAR, "baseline", f"{n_linear:,} weights")
        answered[WHOLE] = Answers(whole(variant), "ours", f"{n_weights:,} weights")

    def ask(texts: list[str]) -> Sequence[Floats]:
        recurrent, added = both_logits_of(model, encode_all(tokenizer, texts))
        return [recurrent, added, recurrent + added][: len(answered)]

    yield from patiently(
        lambda: _ask(list(answered.values()), collection, settings.passage, ask), state
    )
    calibration: Calibration | None = None
    for answers in answered.values():
        calibration = _calibrate(answers, collection)
        report(state, answers, collection)
    assert calibration is not None
    meter = Meter(model, tokenizer, collection.classes, calibration, settings.names)
    meter.save(
        state.out if kept else state.out / variant,
        {"settings": asdict(settings), "passages": state.facts["passages"]},
    )
    state.timed(lstm(variant), began)
    return answered, meter


def _calibrate(answers: Answers, collection: Collection) -> Calibration:
    """Fit a temperature per length; the answers become calibrated log-probabilities."""
    labels = labels_of(collection.valid)
    heat = {n: fit_temperature(logits, labels) for n, logits in answers.valid.items()}
    full = max(heat)
    for part in (answers.valid, answers.test):
        for n in part:
            part[n] = log_softmax(part[n] / heat[n], axis=1)
    for name in ("other_book", "strangers"):
        logits = getattr(answers, name)
        if logits is not None:
            setattr(answers, name, log_softmax(logits / heat[full], axis=1))
    sure = np.exp(answers.valid[full].max(axis=1))
    return Calibration(tuple(sorted(heat.items())), float(np.quantile(sure, REFUSED)))
