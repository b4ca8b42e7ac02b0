"""What a race is run with: which models, on what, under which equal budget."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from corpora.errors import InputError

LETTERS = "letters"  # the bundled letters and replies
RECURRENT = ("rnn", "lstm", "gru")
MODELS = (*RECURRENT, "gpt2")
SIZES = ("nano", "tiny", "small")
TOKENS = ("bpe", "characters")
TURNS = 20
Kind = Literal["minutes", "flops", "parameters"]
_MOST = {"minutes": 60.0 * 24, "flops": 1e20, "parameters": 2e7}
_LEAST = {"minutes": 0.01, "flops": 1e6, "parameters": 1e5}
_FORM = "minutes=3, flops=1e13, or parameters=1000000 (with ,bytes=2000000 for how much is read)"


@dataclass(frozen=True, slots=True)
class Budget:
    """What is equal for all.

    Attributes
    ----------
    kind : str
        "minutes" of training time each; "flops", operations of training each; or "parameters":
        as many weights, and as many bytes of text read.
    amount : float
    n_bytes : int
        With "parameters", the bytes each reads; 0 for the training part once, though no less than a
        million and no more than ten.

    Raises
    ------
    InputError
        If the amount is out of range.
    """

    kind: Kind
    amount: float
    n_bytes: int = 0

    def __post_init__(self) -> None:
        if self.kind not in _MOST:
            raise InputError(f"The budget is in {str(self.kind)[:40]!r}; expected {_FORM}.")
        low, high = _LEAST[self.kind], _MOST[self.kind]
        if not low <= self.amount <= high:  # not a number is not between them either
            raise InputError(
                f"The budget is {self.amount:g} {self.kind}; expected {low:g} to {high:g}."
            )
        if self.n_bytes < 0 or (self.n_bytes and self.kind != "parameters"):
            raise InputError(
                f"The budget has bytes={self.n_bytes}; expected a number above 0, and only beside "
                "parameters."
            )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `minutes=3`, `flops=1e13` or `parameters=1000000,bytes=2000000`.

        Raises
        ------
        InputError
            If it is none of these.
        """
        pairs = [part.partition("=") for part in re.split(r"[,\s]+", text.strip()) if part]
        named = {name.lower(): value for name, _, value in pairs}
        try:
            numbers = {name: float(value) for name, value in named.items()}
        except ValueError:
            numbers = {}
        kinds = [name for name in numbers if name in _MOST]
        unknown = set(numbers) - {*_MOST, "bytes"}
        if len(kinds) != 1 or unknown or not all(map(math.isfinite, numbers.values())):
            raise InputError(f"The budget is {text[:60]!r}; expected {_FORM}.")
        kind: Kind = kinds[0]  # type: ignore[assignment]
        return cls(kind, numbers[kind], int(numbers.get("bytes", 0)))

    def __str__(self) -> str:
        said = f"{self.kind}={self.amount:g}"
        return said + (f",bytes={self.n_bytes}" if self.n_bytes else "")

    def described(self) -> str:
        """What is equal, in words."""
        if self.kind == "minutes":
            return f"{self.amount:g} minutes of training each"
        if self.kind == "flops":
            return f"{self.amount:.3g} floating-point operations of training each"
        return f"{self.amount:,.0f} parameters each, and as many bytes read"


@dataclass(frozen=True, slots=True)
class RaceSettings:
    """A race.

    Attributes
    ----------
    corpus : str
        "letters", a collection that was fetched, a text file or a folder of them.
    models : tuple of str
        Two or more of rnn, lstm, gru and gpt2; one may run alone.
    budget : Budget
    size : str
        "nano", "tiny" or "small": as many weights as an LSTM of that size has, for every model. A
        budget of parameters says it instead.
    gpt2_tokens : str
        What GPT-2 reads: "bpe", pieces of words learnt from the corpus, or "characters" as the
        others do.
    seed, device
        As in `engine.fit`.
    turns : int
        In how many turns each spends its budget; after each it is scored.

    Raises
    ------
    InputError
        If something of it cannot be.
    """

    corpus: str = "letters"
    models: tuple[str, ...] = MODELS
    budget: Budget = Budget("minutes", 3.0)
    size: str = "nano"
    gpt2_tokens: str = "bpe"
    seed: int = 0
    device: str = "auto"
    turns: int = TURNS

    def __post_init__(self) -> None:
        if not self.corpus.strip():
            raise InputError("On what is the race? Name a corpus: letters, or a text file.")
        unknown = [name for name in self.models if name not in MODELS]
        if not self.models or unknown or len(set(self.models)) < len(self.models):
            raise InputError(
                f"The models are {', '.join(self.models)[:60] or 'none'}; expected some of "
                f"{', '.join(MODELS)}, each once."
            )
        for what, given, known in (
            ("size", self.size, SIZES),
            ("kind of tokens", self.gpt2_tokens, TOKENS),
        ):
            if given not in known:
                raise InputError(
                    f"The {what} is {given[:40]!r}; expected one of {', '.join(known)}."
                )
        if not 0 <= self.seed < 2**31:
            raise InputError(f"The seed is {self.seed}; expected a whole number from 0 to 2^31-1.")
        if not 1 <= self.turns <= 1000:
            raise InputError(f"There are {self.turns} turns; expected 1 to 1,000.")
