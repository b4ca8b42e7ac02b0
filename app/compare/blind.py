"""Two texts for one prompt from two models drawn at random, to be judged without their names.

Nothing about a pair but its words may tell who wrote it: sides are drawn, both texts are written
turn by turn and shown together, and both are cut to one length. Votes are kept by `votes`.
"""

from __future__ import annotations

import random
import re
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.compare.votes import Pair, Votes, Written
from app.console import visible
from app.generating import PROMPT_LONGEST, Generation
from app.library import Library
from app.store import storable
from corpora.errors import InputError
from engine.sampling import SamplingSettings

PROMPTS = {
    "A letter to a friend": "My dear friend,\n\nYour letter of Tuesday lies before me, and",
    "A letter of business": "Sir,\n\nI have the honour to inform you that the",
    "An old house": "The old house stood at the end of the lane, and nobody in the village",
    "A morning at sea": "It was a cold grey morning when we first came in sight of land.",
    "An argument": "There are two reasons why a young man should learn to",
    "A conversation": "“You have been away a long while,” said she. “What have you",
}
SHORTEST, LONGEST = 100, 2_000  # characters of a text
_SURPLUS = 40  # characters written beyond the limit, so that its last word is whole
_WORD = 16  # characters: what the two lengths may differ by, and how far back a word end is sought
_ENOUGH = 60  # characters of each text, below which there is nothing to judge
_TRIES = 3  # seeds for a model that ends its text early
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|\Z)|[。！？]+[”’」』）]*")
_JOINING = "\u200d\ufe0f"  # joiner and variation selector: what stands around them is one sign


@dataclass(frozen=True, slots=True)
class BlindSettings:
    """How both texts of a pair are written.

    Attributes
    ----------
    sampling : SamplingSettings
        The same for both.
    n_characters : int
        The longest a text may be as shown, 100 to 2,000.
    """

    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    n_characters: int = 400

    def __post_init__(self) -> None:
        if not SHORTEST <= self.n_characters <= LONGEST:
            raise ValueError(
                f"n_characters={self.n_characters!r} must be from {SHORTEST} to {LONGEST}"
            )

    @property
    def as_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        return {**asdict(self.sampling), "n_characters": self.n_characters}


def prompt_for(seed: int) -> str:
    """One of our own prompts, by the seed."""
    return list(PROMPTS.values())[seed % len(PROMPTS)]


class Drawing:
    """A pair in the making; `run` it in a thread and look at `fraction` meanwhile.

    Parameters
    ----------
    library : Library
        Where the models are.
    votes : Votes
        Where the pair is saved when it is ready.
    models : sequence of str
        At least two different ones; two of them are drawn.
    prompt : str
        What both go on from.
    seed : int
        Decides models, sides and texts; the order of `models` does not.
    settings : BlindSettings, optional
    owner, device : str
        Whose votes these are; "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    InputError, ModelError
        If there are fewer than two models, one is not here, or the prompt cannot be used.
    """

    def __init__(
        self,
        library: Library,
        votes: Votes,
        models: Sequence[str],
        prompt: str,
        seed: int,
        settings: BlindSettings | None = None,
        owner: str = "local",
        device: str = "auto",
    ) -> None:
        names = sorted({library.find(model).name for model in models})
        if len(names) < 2:
            raise InputError(
                f"{len(names) or 'No'} model{'' if len(names) == 1 else 's'} to compare; expected "
                "at least two different ones. Choose more."
            )
        if not prompt.strip():
            raise InputError("The prompt is empty. Write how both texts are to begin.")
        if len(prompt) > PROMPT_LONGEST:
            raise InputError(
                f"The prompt has {len(prompt):,} characters; at most {PROMPT_LONGEST:,} are read. "
                "Shorten it."
            )
        self.prompt, self.seed = storable(prompt), seed
        self.settings = settings or BlindSettings()
        self._library, self._votes, self._owner = library, votes, owner
        rng = random.Random(seed)
        sides = rng.sample(names, 2)
        self._texts = tuple(
            _Text(self, library, name, device, [rng.randrange(2**31) for _ in range(_TRIES)])
            for name in sides
        )
        self._stop = threading.Event()
        self._began: float | None = None
        self._fraction = 0.0

    @property
    def goal(self) -> int:
        """Characters each text is to be written to, before both are cut."""
        ended = [len(text.text) for text in self._texts if text.done]
        return min([self.settings.n_characters, *ended]) + _SURPLUS

    @property
    def fraction(self) -> float:
        """How much of both is written, 0 to 1; it never falls."""
        return self._fraction

    @property
    def seconds_left(self) -> float | None:
        """A guess from the pace so far, None where there is none yet."""
        if self._began is None or self._fraction < 0.02:
            return None
        return (time.monotonic() - self._began) * (1 / self._fraction - 1)

    def stop(self) -> None:
        """Stop writing; what there is of both is shown if it is enough to judge."""
        self._stop.set()

    def run(self) -> Pair | None:
        """Write both texts, cut them, and save the pair.

        Returns
        -------
        Pair or None
            None where it was stopped before there was enough to judge.

        Raises
        ------
        ModelError, DeviceError
            If a model cannot be read.
        InputError
            If a model ends its text at once, whatever the seed.
        """
        for text in self._texts:
            text.load()
        self._began = time.monotonic()
        try:
            while not self._stop.is_set():
                short = [x for x in self._texts if not x.done and len(x.text) < self.goal]
                if not short:
                    break
                # Always the shorter one: stopping leaves both alike, and the pace is of neither.
                min(short, key=lambda x: len(x.text)).write()
                self._fraction = max(self._fraction, self._written())
        finally:
            for text in self._texts:
                text.close()
        return self._cut_and_saved()

    def _written(self) -> float:
        goal = self.goal
        return sum(1.0 if x.done else min(1.0, len(x.text) / goal) for x in self._texts) / 2

    def _cut_and_saved(self) -> Pair | None:
        stopped = self._stop.is_set()
        first, second = (_tidy(x.text if x.done else _whole_words(x.text)) for x in self._texts)
        a, b = equalised(first, second, self.settings.n_characters)
        if min(len(a.strip()), len(b.strip())) < _ENOUGH:
            if stopped:
                return None
            raise InputError(
                "One of the models ended its text after a few words, with three seeds. "
                "Try another prompt."
            )
        written = [
            Written(x.name, x.hash, x.seed, text)
            for x, text in zip(self._texts, (a, b), strict=True)
        ]
        return self._votes.show(
            self._owner, self.prompt, self.seed, self.settings.as_json, *written
        )


class _Text:
    """One text of a pair. A model that ends it early begins again with its next seed."""

    def __init__(
        self, drawing: Drawing, library: Library, name: str, device: str, seeds: list[int]
    ) -> None:
        self._drawing, self._library, self._device = drawing, library, device
        self.name, self.hash = name, ""
        self._seeds = seeds
        self._tries: list[Generation] = []
        self._pieces: Iterator[str] | None = None
        self.done = False

    @property
    def text(self) -> str:
        """What there is: the present try, at the end the longest."""
        return self._best.text if self._tries else ""

    @property
    def seed(self) -> int:
        """The seed of that text."""
        return self._best.seed

    @property
    def _best(self) -> Generation:
        return max(self._tries, key=lambda g: len(g.text)) if self.done else self._tries[-1]

    def load(self) -> None:
        """Read the model, so that its loading counts as no writing, and note its weights."""
        self.hash = self._library.borrow(self.name, self._device).model.hash
        self._begin()

    def write(self) -> None:
        """Write one more piece."""
        assert self._pieces is not None
        if next(self._pieces, None) is not None:
            return
        early = len(self.text) < self._drawing.settings.n_characters // 2
        if early and len(self._tries) < _TRIES:
            self._begin()
        else:
            self.done = True

    def close(self) -> None:
        """End the generation, which gives back what it holds."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

    def _begin(self) -> None:
        settings = self._drawing.settings
        generation = Generation(
            self._library,
            self.name,
            self._drawing.prompt,
            settings.sampling,
            self._seeds[len(self._tries)],
            settings.n_characters + _SURPLUS,
            device=self._device,
        )
        self._tries.append(generation)
        self._pieces = iter(generation)


def equalised(first: str, second: str, limit: int) -> tuple[str, str]:
    """Cut two texts to the same length, so that it says nothing about who wrote which.

    Where both have the end of a sentence in the second half and at nearly the same place, they are
    cut there; else each at its last word end before the limit or the end of the shorter.

    Parameters
    ----------
    first, second : str
        Texts of any length.
    limit : int
        Characters at most, at least 1.

    Returns
    -------
    tuple of str
        Beginnings of the two whose lengths differ by 16 characters at most.
    """
    if limit < 1:
        raise ValueError(f"limit={limit!r}; expected at least 1")
    longest = min(limit, len(first), len(second))
    ends = [
        [m.end() for m in _SENTENCE_END.finditer(text) if longest // 2 <= m.end() <= longest]
        for text in (first, second)
    ]
    near = [(i, j) for i in ends[0] for j in ends[1] if abs(i - j) <= _WORD]
    if near:
        i, j = max(near, key=lambda pair: (min(pair), max(pair)))
        return first[:i], second[:j]
    return first[: _word_end(first, longest)], second[: _word_end(second, longest)]


def ends_whole(text: str) -> bool:
    """Whether a text ends with a sentence."""
    ends = [m.end() for m in _SENTENCE_END.finditer(text)]
    return bool(ends) and ends[-1] == len(text)


def _word_end(text: str, longest: int) -> int:
    """The last end of a word, at most `longest` and not much before it; else an end of a sign."""
    for end in range(longest, max(0, longest - _WORD), -1):
        if not text[end - 1].isspace() and (end == len(text) or text[end].isspace()):
            return end
    end = longest
    while 0 < end < len(text) and end > longest - _WORD and _inside_a_sign(text, end):
        end -= 1
    return end


def _inside_a_sign(text: str, at: int) -> bool:
    """Whether a cut here would part what is seen as one sign, such as a letter and its accent."""
    following = text[at]
    return (
        following in _JOINING
        or text[at - 1] == "\u200d"
        or "\U0001f3fb" <= following <= "\U0001f3ff"  # skin tones
        or unicodedata.category(following).startswith("M")
    )


def _tidy(text: str) -> str:
    """With nothing that steers a screen, and one blank line where there were more."""
    return re.sub(r"\n(?:[^\S\n]*\n){2,}", "\n\n", visible(text))


def _whole_words(text: str) -> str:
    """Without a last word that may have been stopped in its middle, where there are words."""
    kept = re.sub(r"\S{1,30}\Z", "", text).rstrip()
    return kept if len(kept) > len(text) // 2 else text
