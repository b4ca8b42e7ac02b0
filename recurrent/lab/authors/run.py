"""The experiment from reading to report: n-grams, three variants, ensembles, the voice meter."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from corpora.letters import load_pairs
from corpora.mirror import require_mirror
from engine.tokenizers import train_bpe
from recurrent.lab.authors.corpus import Collection
from recurrent.lab.authors.folders import read_folder
from recurrent.lab.authors.letter_books import read_letters
from recurrent.lab.authors.meter import Meter
from recurrent.lab.authors.metrics import difference_interval, separation
from recurrent.lab.authors.replies import ask_replies
from recurrent.lab.authors.scores import CHANCE, NGRAMS, Answers, figures, labels_of, mixed
from recurrent.lab.authors.settings import VARIANTS, Settings
from recurrent.lab.authors.stages import RECURRENT, WHOLE, ask_ngrams, ask_variant
from recurrent.lab.authors.state import LETTERS, State, StoppedError, patiently, report
from recurrent.lab.report import Done, Event, Report, Row


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
    state = State(settings, out, stopped)
    collection: Collection | None = None
    try:
        collection = yield from patiently(lambda: _read(state), state)
        yield from _compare(state, collection)
    except StoppedError:
        state.cut_short = True
    drawn = figures(state.answers, collection, state.curves) if collection else []
    state.facts["seconds"] = {
        **state.facts.get("seconds", {}),
        "all": round(time.perf_counter() - state.began, 1),
    }
    done = Report(
        "authors", asdict(settings), state.rows, drawn, state.facts, stopped=state.cut_short
    )
    done.save(out)
    yield Done(done)


def _read(state: State) -> Collection:
    def tell(stage: str, share: float) -> None:
        if state.stopped():
            raise StoppedError
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


def _compare(state: State, collection: Collection) -> Generator[Event, None, None]:
    settings, n = state.settings, len(collection.classes)
    tested = labels_of(collection.test)
    most = float(np.bincount(tested, minlength=n).max() / len(tested))
    state.rows.append(Row(CHANCE, "accuracy", most, kind="baseline"))
    baseline = yield from ask_ngrams(state, collection)
    state.stage = "Learning pieces of words"
    tokenizer = yield from patiently(
        lambda: train_bpe((p.text for p in collection.train), settings.vocab_size), state
    )
    share = 0.65 / sum(2 if v == "bidirectional" else 1 for v in settings.variants)
    order = sorted(settings.variants, key=VARIANTS.index)
    answered: dict[str, Answers] = {}
    for variant in order:
        if state.stopped():
            raise StoppedError
        span = share * (2 if variant == "bidirectional" else 1)
        # The last is the voice meter: it stands beside a linear part.
        answered, meter = yield from ask_variant(
            state, collection, tokenizer, variant, span, kept=variant == order[-1]
        )
    if state.stopped():
        raise StoppedError
    valid, full = labels_of(collection.valid), settings.passage
    for answers in answered.values():
        if answers.kind == "ours":
            low, high = difference_interval(
                answers.test[full].argmax(1) == tested,
                baseline.test[full].argmax(1) == tested,
                seed=settings.seed,
            )
            name = f"{answers.system}: accuracy above {NGRAMS}, 95% interval"
            state.facts[name] = [round(low, 4), round(high, 4)]
            report(state, mixed(answers, baseline, valid, full), collection)
    ours = answered[WHOLE if WHOLE in answered else RECURRENT]
    state.stage, state.share = "Asking the voice meter", 0.97
    yield state.progress()
    _measure_meter(state, ours, meter)
    if settings.source == LETTERS and not state.stopped():
        found, told = yield from patiently(lambda: ask_replies(meter, load_pairs()), state)
        state.rows += found
        state.facts["replies"] = told


def _measure_meter(state: State, ours: Answers, meter: Meter) -> None:
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
