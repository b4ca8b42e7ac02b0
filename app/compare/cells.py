"""Looking into recurrent models: one unit along a text, the units that tell something, and what a
model says without one of them. Both the command line and the page do it through here.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.library import Library, ModelInfo, Warm
from corpora.errors import InputError, ModelError
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.scoring import Score, character_bits, ratio_interval, score_of
from engine.tokenizers import encode_text, special_ids
from recurrent.charlm import CharLM, CharLMConfig
from recurrent.decoding import stepper
from recurrent.insight import PARTS, Unit, Values, switched_off, trace
from recurrent.telling import Search, Telling

LONGEST = 5_000  # characters of a text
SAMPLE = 400  # characters of a sample
OPENING = "My dear Sir,\n\n"
Hold = Literal["zero", "mean"]
_SEARCHED = 12_000  # characters on which units are chosen, and as many on which they are judged
_BLOCK = 200  # characters that are resampled together
_FEWEST_BLOCKS = 5  # for an interval that means something
_KEPT = 4  # traces; the largest holds 20 MB


@dataclass(frozen=True, slots=True)
class Shape:
    """The cell of a model, "rnn", "lstm" or "gru", its layers and the units of each."""

    cell: str
    n_layer: int
    hidden_size: int


@cache
def own_letter() -> str:
    """A bundled letter that no model of ours has read, to begin with."""
    return next(_letters())[:LONGEST]


def _letters() -> Iterator[str]:
    """Bundled letters and replies held out from training, the passages in quotation marks."""
    pairs = split_pairs(load_pairs())
    for pair in (*pairs["test"], *pairs["valid"]):
        parts = [f'"{part.text}"' if part.passage else part.text for part in pair.parts]
        reply = [f"Dear {pair.reply.recipient},", *parts, pair.reply.author]
        yield "\n\n".join([*reply, pair.letter.text])


@cache
def searched_letters() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bundled letters on which units are chosen, and those on which they are judged."""
    sides: tuple[list[str], list[str]] = ([], [])
    for text in _letters():
        side = next((s for s in sides if sum(map(len, s)) < _SEARCHED), None)
        if side is None:
            break
        side.append(text)
    return tuple(sides[0]), tuple(sides[1])


def halves(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A text cut at the line end next to its middle, or in the middle where there is none."""
    middle = len(text) // 2
    ends = [i + 1 for i, character in enumerate(text[:-1]) if character == "\n"]
    cut = min(ends, key=lambda end: abs(end - middle), default=middle)
    if not len(text) // 4 <= cut <= 3 * len(text) // 4:
        cut = middle
    return (text[:cut],), (text[cut:],)


def check_text(text: str) -> str:
    """Give a text back.

    Raises
    ------
    InputError
        If it is empty or too long.
    """
    if not text.strip():
        raise InputError("The text is empty; expected some sentences to read. Put a letter in.")
    if len(text) > LONGEST:
        raise InputError(
            f"The text has {len(text):,} characters; at most {LONGEST:,} are read. Shorten it."
        )
    return text


def recurrent_models(library: Library) -> list[str]:
    """The names of the models here that have cells."""
    return [info.name for info in library.models() if _config(info).get("cell")]


def shape_of(library: Library, name: str) -> Shape:
    """The shape of a recurrent model, without reading its weights where it lies here.

    Raises
    ------
    InputError
        If the model has no cells.
    ModelError
        If there is no such model.
    """
    info = library.find(name)
    config = _config(info)
    if info.path is None or (config and not config.get("cell")):
        raise InputError(
            f"{name} is not a recurrent network: it has no cells, which carry a state from "
            "character to character. Choose an rnn, lstm or gru."
        )
    if not config:
        raise ModelError(f"{info.path} holds no config.json that can be read. Train it again.")
    return Shape(config["cell"], config["num_hidden_layers"], config["hidden_size"])


def _config(info: ModelInfo) -> dict[str, Any]:
    """The settings of a model's latest checkpoint; only a recurrent one's has a cell."""
    if info.path is None:
        return {}
    places = [info.path, *sorted(info.path.glob("step-*"), reverse=True)]
    path = next((p for place in places if (p := place / "config.json").is_file()), None)
    if path is None:
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(config, dict):
        return {}
    if config.get("model_type") != CharLMConfig.model_type:
        config.pop("cell", None)
    return config


class Cells:
    """Looks into the models of a library; traces made last are kept, so another unit comes at once.

    Parameters
    ----------
    library : Library
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, library: Library, device: str = "auto") -> None:
        self.library, self.device = library, device
        self._traces: OrderedDict[tuple[str, ...], Values] = OrderedDict()
        self._guard = threading.Lock()

    def borrow(self, name: str) -> tuple[Warm, CharLM]:
        """A recurrent model, in memory; raises as `shape_of` does, or if it cannot be read."""
        shape_of(self.library, name)
        warm = self.library.borrow(name, self.device)
        model = warm.model.model
        assert isinstance(model, CharLM)
        return warm, model

    def along(self, name: str, text: str, unit: Unit, part: str = "hidden") -> Values:
        """The values of a unit along a text, shape (T,).

        Parameters
        ----------
        part : str
            One of `recurrent.insight.PARTS` of the model's cell.

        Raises
        ------
        InputError
            If the text is empty or too long, or the model lacks the unit or the part.
        """
        warm, model = self.borrow(name)
        unit.check(model.config)
        if part not in PARTS[model.config.cell]:
            known = ", ".join(PARTS[model.config.cell])
            raise InputError(f"A unit of {name} has no {part[:30]!r}; expected one of: {known}.")
        key = (warm.model.hash, name, part, check_text(text))
        with self._guard:
            values = self._traces.get(key)
        if values is None:
            with warm.lock:
                values = trace(model, warm.model.tokenizer, text, part)  # (T, L, H)
            with self._guard:
                self._traces[key] = values
                while len(self._traces) > _KEPT:
                    self._traces.popitem(last=False)
        return values[:, unit.layer, unit.n]

    def hunt(self, name: str, text: str = "") -> Hunt:
        """Begin a search for telling units, in bundled letters or in the halves of a text."""
        warm, model = self.borrow(name)
        choosing, judging = halves(check_text(text)) if text else searched_letters()
        return Hunt(warm, Search(model, warm.model.tokenizer, choosing, judging))

    def without(self, name: str, text: str, unit: Unit, hold: Hold = "zero") -> Without:
        """Begin to compare a model with itself without a unit; raises as `along` does."""
        warm, model = self.borrow(name)
        value = float(self.along(name, text, unit).mean()) if hold == "mean" else 0.0
        return Without(warm, model, text, unit, value)


@dataclass(slots=True)
class Hunt:
    """A search; iterate to have it done, each step giving the share that is done.

    The model is held only while a step computes. Ceasing to iterate keeps what was found.
    """

    warm: Warm
    search: Search

    def __iter__(self) -> Iterator[float]:
        steps = iter(self.search)
        while True:
            with self.warm.lock:
                share = next(steps, None)
            if share is None:
                return
            yield share

    @property
    def found(self) -> list[Telling]:
        """The most telling units so far."""
        return self.search.found


@dataclass(slots=True)
class Without:
    """A model as it is and with one unit held; iterate to get, in words, what is done next.

    Ceasing to iterate keeps what there is.

    Attributes
    ----------
    scores : list of Score
        Of the text, with the unit and without.
    cost : array, shape (T,)
        The bits that each character costs more without the unit.
    samples : list of str
        What each writes from the same beginning and seed.
    """

    warm: Warm
    model: CharLM
    text: str
    unit: Unit
    value: float
    opening: str = OPENING
    seed: int = 1
    settings: SamplingSettings = field(default_factory=lambda: SamplingSettings(temperature=0.6))
    scores: list[Score] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    cost: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __iter__(self) -> Iterator[str]:
        off = switched_off(self.model, self.unit, self.value)
        both = ((self.model, "with the unit"), (off, "without it"))
        tokenizer, bits = self.warm.model.tokenizer, []
        for model, how in both:
            yield f"Reading the text {how} …"
            with self.warm.lock:
                bits.append(character_bits(model, tokenizer, [self.text])[0])
            self.scores.append(score_of([self.text], bits[-1:]))
        self.cost = bits[1] - bits[0]
        prompt = [int(tokenizer.eos_token_id), *encode_text(tokenizer, self.opening)]
        for model, how in both:
            yield f"Writing {how} …"
            with self.warm.lock:
                pieces = generate(
                    stepper(model), tokenizer, prompt, self.settings, seed=self.seed,
                    max_tokens=SAMPLE, banned=special_ids(tokenizer),
                )  # fmt: skip
                self.samples.append("".join(pieces)[:SAMPLE])

    @property
    def difference(self) -> float:
        """Bits per byte that the text costs more without the unit."""
        return self.scores[1].bits_per_byte - self.scores[0].bits_per_byte

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% bounds of the difference, by resampling stretches of 200 characters; None for a text
        too short for it."""
        starts = range(0, len(self.text), _BLOCK)
        if len(starts) < _FEWEST_BLOCKS:
            return None
        sizes = [len(self.text[at : at + _BLOCK].encode("utf-8")) for at in starts]
        return ratio_interval([float(self.cost[at : at + _BLOCK].sum()) for at in starts], sizes)
