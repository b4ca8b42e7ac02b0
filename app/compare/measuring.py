"""Measuring models on equal terms: bits per byte, speed, copied ink, and what each of them cost.

One model after another, so that none takes the machine from the next. The command line and the page
both show what is measured here.
"""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.compare.facts import Facts, facts_of
from app.generating import Generation
from app.library import Library, ModelInfo
from app.training_text import described, ink_index, training_texts
from corpora.cleaning import decode
from corpora.compression import COMPRESSORS
from corpora.errors import CorpusError
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.diversity import SampleScore, score_sample, vocabulary
from engine.floors import Floor, floors
from engine.generation import generate
from engine.loading import Loaded
from engine.overlap import Span, copied_spans
from engine.sampling import SamplingSettings
from engine.scoring import Score, bits_per_byte
from engine.tokenizers import encode_text, special_ids

PROMPT = "My dear friend,\n\nI have your letter of last week before me, and"
AT_MOST = 4  # models side by side
BUNDLED = "the frozen test part of the bundled letters and replies, which no starter was trained on"
FLOORS_FROM = "the training part of the bundled letters and replies"
UPPER_BOUND = (
    "For a model whose tokens are longer than a character, only one way of cutting the text into "
    "tokens is counted, so its bits per byte is an upper bound."
)
_N_FLOORS = 2 + len(COMPRESSORS)  # unigram, n-gram and these
_SPEED_RUNS = 3
_SPEED_CHARACTERS = 200
_SPEED_LONGEST_S = 4.0

Progress = Callable[[str, float], None]
_alone = threading.Lock()  # two speeds measured at once would both be wrong
_scores: dict[tuple[str, str], Score] = {}
_floors: dict[str, tuple[Floor, ...]] = {}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Texts to score models on, and what they are in words."""

    what: str
    texts: tuple[str, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """The SHA-256 of the texts."""
        return hashlib.sha256("\0".join(self.texts).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Speed:
    """Generation of one text with nothing else going on: medians, and each run.

    The prompt's reading is left out; the loop, its sampling and its one thread are those in which
    every text here is written.
    """

    tokens_per_s: float
    characters_per_s: float
    runs: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A text of a model, the spans of it that are copied, and from where they could be."""

    prompt: str
    seed: int
    text: str
    spans: tuple[Span, ...]
    searched: str
    scores: SampleScore


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that is measured of one model."""

    facts: Facts
    score: Score
    speed: Speed
    sample: Sample

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        sample = asdict(self.sample)
        sample["spans"] = [[span.start, span.stop] for span in self.sample.spans]
        return {
            **asdict(self.facts),
            "score": asdict(self.score),
            "speed": asdict(self.speed),
            "sample": sample,
        }


def letter_texts(split: str) -> tuple[str, ...]:
    """The bundled letters and replies of "train", "valid" or "test", as plain texts."""
    pairs = split_pairs(load_pairs())[split]
    return tuple(text for pair in pairs for text in (pair.letter.text, pair.reply.text))


@lru_cache(maxsize=1)
def bundled() -> HeldOut:
    """The bundled letters that were put aside once and for all."""
    return HeldOut(BUNDLED, letter_texts("test"))


def held_out_file(path: Path) -> HeldOut:
    """A person's own text.

    Raises
    ------
    CorpusError
        If it is not there, or holds nothing.
    """
    try:
        text, _ = decode(path.expanduser().read_bytes())
    except OSError as problem:
        raise CorpusError(
            f"{path} cannot be read ({problem.strerror}); expected a text file. Check the path."
        ) from None
    if not text.strip():
        raise CorpusError(
            f"{path} holds no text; expected one to score the models on. Give another file."
        )
    return HeldOut(f"your text {path.name}", (text.replace("\r\n", "\n"),))


def starters(library: Library) -> list[str]:
    """The starters that are installed, in the order they are shown in, and at most four."""
    return [info.name for info in library.models() if info.kind == "starter"][:AT_MOST]


def score_of_model(
    loaded: Loaded, held_out: HeldOut, progress: Callable[[float], None] = lambda _: None
) -> Score:
    """Bits per byte of held-out texts; kept in memory where the weights have a hash."""
    key = (loaded.hash, held_out.key)
    if loaded.hash and key in _scores:
        return _scores[key]
    found = bits_per_byte(loaded.model, loaded.tokenizer, held_out.texts, progress=progress)
    return _scores.setdefault(key, found) if loaded.hash else found


def speed_of(
    loaded: Loaded,
    prompt: str = PROMPT,
    *,
    n_characters: int = _SPEED_CHARACTERS,
    n_runs: int = _SPEED_RUNS,
    progress: Callable[[float], None] = lambda _: None,
) -> Speed:
    """How fast a model writes: the median of short runs after a warm-up, one after another.

    Parameters
    ----------
    n_characters : int
        Length of a run, at least 1; a run also ends where the model's window does, or after 4 s.
    n_runs : int
        At least 1.
    progress : callable
        Told the share that is done; what it raises ends the measurement.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    for name, value in (("n_characters", n_characters), ("n_runs", n_runs)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    measured = []
    with _alone:
        for run in range(n_runs + 1):
            measured.append(_timed(loaded, prompt, n_characters, seed=run))
            progress((run + 1) / (n_runs + 1))
    runs = tuple(measured[1:])
    return Speed(statistics.median(t for t, _ in runs), statistics.median(c for _, c in runs), runs)


def _timed(loaded: Loaded, prompt: str, n_characters: int, seed: int) -> tuple[float, float]:
    """Tokens and characters a second, from the first token to the last."""
    ids = [int(loaded.tokenizer.eos_token_id), *encode_text(loaded.tokenizer, prompt)]
    if loaded.stepper.window:
        ids = ids[-(loaded.stepper.window // 2) :]
    drawn = n_first = length = 0
    began = time.perf_counter()

    def stopped() -> bool:
        # The first token follows on the prompt's reading and costs no step: it is not counted.
        nonlocal drawn, began, n_first
        if drawn <= 1:
            began, n_first = time.perf_counter(), length
        if length >= n_characters or time.perf_counter() - began > _SPEED_LONGEST_S:
            return True
        drawn += 1
        return False

    for piece in generate(
        loaded.stepper, loaded.tokenizer, ids, SamplingSettings(), seed=seed,
        max_tokens=4 * n_characters + 1, banned=special_ids(loaded.tokenizer), stopped=stopped,
    ):  # fmt: skip
        length += len(piece)
    seconds = max(time.perf_counter() - began, 1e-9)
    return max(0, drawn - 1) / seconds, (length - n_first) / seconds


def copied(library: Library, model: str, text: str) -> tuple[Span, ...]:
    """The spans of a text that stand in the model's training texts, as far as those are here."""
    return tuple(copied_spans(text, ink_index(library, model)))


@lru_cache(maxsize=4)
def _known_words(info: ModelInfo) -> frozenset[str]:
    return vocabulary(training_texts(info))


def sample_of(
    library: Library,
    model: str,
    prompt: str = PROMPT,
    *,
    n_characters: int = 400,
    seed: int = 0,
    device: str = "auto",
) -> Sample:
    """A text with the usual settings, scored."""
    written = Generation(
        library, model, prompt, seed=seed, n_characters=n_characters, device=device
    )
    for _ in written:
        pass
    text, info = written.text, library.find(model)
    spans = copied(library, model, text)
    scores = score_sample(text, _known_words(info), ink_index(library, model))
    return Sample(prompt, seed, text, spans, described(info), scores)


def measure(
    library: Library,
    model: str,
    held_out: HeldOut,
    prompt: str = PROMPT,
    *,
    n_characters: int = 400,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = lambda _what, _share: None,
) -> Measurement:
    """Measure one model.

    Parameters
    ----------
    progress : callable
        Told what is being done, and the share of that which is.

    Raises
    ------
    LetterpressError
        If the model cannot be found or read, or the prompt or length cannot be used.
    """
    progress("opening", 0.0)
    loaded = library.borrow(model, device).model
    facts = facts_of(library, model, device)
    score = score_of_model(loaded, held_out, lambda share: progress("scoring", share))
    speed = speed_of(loaded, prompt, progress=lambda share: progress("timing", share))
    progress("writing", 0.0)
    sample = sample_of(library, model, prompt, n_characters=n_characters, seed=seed, device=device)
    return Measurement(facts, score, speed, sample)


def floors_beside(
    held_out: HeldOut, progress: Callable[[float], None] = lambda _: None
) -> tuple[Floor, ...]:
    """What simpler things need for the same bytes, trained on the bundled training letters.

    Kept in memory for the texts.
    """
    if held_out.key not in _floors:
        found: list[Floor] = []
        for floor in floors(letter_texts("train"), held_out.texts):
            found.append(floor)
            progress(len(found) / _N_FLOORS)
        _floors[held_out.key] = tuple(found)
    return _floors[held_out.key]
