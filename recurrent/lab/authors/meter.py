"""The voice meter: which of the authors a text sounds like, and whether it sounds like any.

A meter is a folder: weights in bf16, the tokenizer, and `authors.json`, which holds the authors,
how texts are cleaned, and what was calibrated on validation passages: a temperature for each
length of text, and the probability below which "unlike any of them" is the honest answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from transformers import PreTrainedTokenizerFast

from corpora.errors import LetterError, ModelError, PersonError
from corpora.people import find_person
from engine.tokenizers import load_tokenizer
from recurrent.lab.authors.batches import encode_all
from recurrent.lab.authors.cleaning import clean
from recurrent.lab.authors.model import AuthorNet, Shape, logits_of

STARTER = Path(__file__).parent / "starter"
ABOUT, WEIGHTS = "authors.json", "model.safetensors"
LONGEST = 200_000  # characters


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt on validation passages.

    Attributes
    ----------
    temperatures : tuple of (characters, temperature)
        By length of text, shortest first; between them it is interpolated over the logarithm of
        the length, beyond them it is that of the nearest.
    threshold : float
        Below it the best probability means "unlike any of them".
    """

    temperatures: tuple[tuple[int, float], ...]
    threshold: float

    def __post_init__(self) -> None:
        lengths = [n for n, _ in self.temperatures]
        if not lengths or lengths != sorted(set(lengths)) or lengths[0] < 1:
            raise ValueError(f"temperatures={self.temperatures} must be of rising lengths")
        if min(t for _, t in self.temperatures) <= 0:
            raise ValueError(f"temperatures={self.temperatures} must all be above 0")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold} must be a probability")

    def temperature(self, characters: int) -> float:
        """The temperature for a text of so many characters."""
        lengths, values = zip(*self.temperatures, strict=True)
        return float(np.interp(np.log(max(characters, 1)), np.log(lengths), values))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the meter says of a text.

    Attributes
    ----------
    voices : tuple of (author, probability)
        All authors, the likeliest first.
    unlike : bool
        Whether even the likeliest is too unlikely to be named.
    person : str
        The author the question was about, as the meter calls them; empty if nobody was asked
        about or they are not among the authors.
    known : bool
        Whether the person asked about is among the authors.
    rank : int
        The person's place in `voices` from 1, or 0.
    words : str
        All that in a sentence.
    """

    voices: tuple[tuple[str, float], ...]
    unlike: bool
    person: str
    known: bool
    rank: int
    words: str


class Meter:
    """A classifier with its tokenizer and calibration, ready to be asked."""

    def __init__(
        self,
        model: AuthorNet,
        tokenizer: PreTrainedTokenizerFast,
        classes: Sequence[str],
        calibration: Calibration,
        names: str = "masked",
    ) -> None:
        if len(classes) != model.shape.n_classes:
            raise ValueError(f"{len(classes)} classes but {model.shape.n_classes} in the model")
        self.model, self.tokenizer, self.classes = model, tokenizer, tuple(classes)
        self.calibration, self.names = calibration, names

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Of each author (N, V), for texts as people write them.

        Raises
        ------
        LetterError
            If a text holds no words, or is too long to be a letter.
        """
        cleaned = []
        for text in texts:
            if len(text) > LONGEST:
                raise LetterError(
                    f"The text has {len(text):,} characters; the voice meter reads {LONGEST:,}. "
                    "Give it a part."
                )
            cleaned.append(clean(text, names=self.names))
            if not any(character.isalpha() for character in cleaned[-1]):
                raise LetterError(
                    f"The text {text[:40]!r} holds no words to know a voice by; give it a letter."
                )
        logits = logits_of(self.model, encode_all(self.tokenizer, cleaned))
        heat = [self.calibration.temperature(len(text)) for text in cleaned]
        found: npt.NDArray[np.float64] = softmax(logits / np.array(heat)[:, None], axis=1)
        return found

    def place_of(self, person: str) -> int | None:
        """Where a correspondent stands among the authors, by any of their names, or None."""
        wanted = {person.casefold(), _canonical(person)}
        for place, name in enumerate(self.classes):
            if name.casefold() in wanted or _canonical(name) in wanted:
                return place
        return None

    def verdict(self, text: str, person: str | None = None) -> Verdict:
        """What there is to say of one text; `person` is whom it should sound like."""
        row = self.probabilities([text])[0]
        order = np.argsort(-row, kind="stable")
        voices = tuple((self.classes[i], float(row[i])) for i in order)
        unlike = voices[0][1] < self.calibration.threshold
        place = self.place_of(person) if person else None
        rank = 0 if place is None else int(np.flatnonzero(order == place)[0]) + 1
        name = "" if place is None else self.classes[place]
        words = _words(voices, unlike, person, name, rank)
        return Verdict(voices, unlike, name, place is not None, rank, words)

    def save(self, folder: Path, about: dict[str, Any] | None = None) -> None:
        """Write the folder `load_meter` reads; `about` is kept beside the rest."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.model.state_dict().items()
        }
        weights = {n: t.bfloat16() if t.is_floating_point() else t for n, t in weights.items()}
        save_file(weights, folder / WEIGHTS)
        self.tokenizer.save_pretrained(str(folder))
        content = {
            "classes": list(self.classes),
            "shape": asdict(self.model.shape),
            "names": self.names,
            "calibration": asdict(self.calibration),
            "about": about or {},
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def _canonical(name: str) -> str:
    try:
        return find_person(name).slug
    except PersonError:
        return name.casefold()


def _words(
    voices: tuple[tuple[str, float], ...], unlike: bool, person: str | None, name: str, rank: int
) -> str:
    nearest, sure = voices[0]
    if unlike:
        said = f"Unlike any of the {len(voices)} voices known here; nearest {nearest} ({sure:.0%})."
    else:
        said = f"Sounds most like {nearest} ({sure:.0%})."
    if person and not name:
        return f"{said} {person} is not among them, so nothing can be said of their voice."
    if name and rank > 1:
        said += f" {name} comes {_ordinal(rank)} ({dict(voices)[name]:.0%})."
    return said


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def load_meter(folder: Path | None = None) -> Meter:
    """Read a meter's folder; without one, the meter that comes with letterpress.

    Raises
    ------
    ModelError
        If the folder holds none, or a damaged one.
    """
    folder = folder or STARTER
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        shape = Shape(**about["shape"])
        calibration = Calibration(
            tuple((int(n), float(t)) for n, t in about["calibration"]["temperatures"]),
            float(about["calibration"]["threshold"]),
        )
        model = AuthorNet(shape)
        weights = load_file(folder / WEIGHTS)
        model.load_state_dict(weights)  # bf16 becomes fp32 as it is copied
        tokenizer = load_tokenizer(folder)
        return Meter(model.eval(), tokenizer, about["classes"], calibration, about["names"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no readable voice meter ({str(problem).splitlines()[0]}). "
            "Run the experiment `authors` again, or use the one that comes with letterpress."
        ) from problem


@lru_cache(maxsize=4)
def _kept(folder: Path | None) -> Meter:
    return load_meter(folder)


def voice(text: str, folder: Path | None = None) -> list[tuple[str, float]]:
    """The authors a text may sound like with their calibrated probabilities, likeliest first.

    Parameters
    ----------
    text : str
        A letter; a hundred words tell more than ten.
    folder : Path, optional
        A folder that `run` wrote; without it the meter that comes with letterpress.

    Raises
    ------
    LetterError
        If the text holds no words, or is too long.
    ModelError
        If the folder holds no meter.
    """
    return list(_kept(folder).verdict(text).voices)


def verdict(text: str, person: str | None = None, folder: Path | None = None) -> Verdict:
    """What the meter says of a text that should sound like `person`; see `voice` and `Verdict`."""
    return _kept(folder).verdict(text, person)
