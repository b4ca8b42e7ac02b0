"""Plain text from any model: a prompt, some settings, a seed; streamed, and stoppable.

Letters are written by `app.writing`. Which texts a model was trained on, against which copies are
looked for, is in `app.training_text`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.library import Library
from app.training_text import ink_index
from corpora.errors import InputError
from engine.copyguard import CopyGuard
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.stepper import without_end
from engine.tokenizers import encode_text, special_ids

LONGEST = 100_000  # characters
PROMPT_LONGEST = 20_000
GUARDED = 40  # characters the copy guard lets stand


@dataclass(slots=True)
class Generation:
    """One text in the making; iterate to get its pieces, which join to the whole.

    Attributes
    ----------
    text : str
        What there is so far, without the prompt.
    seconds : float
        Time the model took, without what passed between the pieces.
    n_tokens : int
        Ids drawn.
    """

    library: Library
    model: str
    prompt: str
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    seed: int = 0
    n_characters: int = 400
    guard: bool = False
    device: str = "auto"
    stopped: Callable[[], bool] = lambda: False
    text: str = ""
    seconds: float = 0.0
    n_tokens: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_characters <= LONGEST:
            raise InputError(
                f"{self.n_characters:,} characters were asked for; expected 1 to {LONGEST:,}."
            )
        if len(self.prompt) > PROMPT_LONGEST:
            raise InputError(
                f"The prompt has {len(self.prompt):,} characters; at most {PROMPT_LONGEST:,} are "
                "read. Shorten it."
            )
        self.library.find(self.model)

    def __iter__(self) -> Iterator[str]:
        loaded = self.library.borrow(self.model, self.device).model
        end = int(loaded.tokenizer.eos_token_id)
        ids = [end, *encode_text(loaded.tokenizer, self.prompt)]
        guard = None
        if self.guard:
            guard = CopyGuard(ink_index(self.library, self.model), loaded.tokenizer, GUARDED)
        pieces = generate(
            without_end(loaded.stepper),
            loaded.tokenizer,
            ids,
            self.settings,
            seed=self.seed,
            max_tokens=4 * self.n_characters,  # a character is at most four bytes
            stop=(end,),
            banned=special_ids(loaded.tokenizer) - {end},
            guard=guard,
            stopped=self._counted,
        )
        while True:
            began = time.perf_counter()
            piece = next(pieces, None)
            self.seconds += time.perf_counter() - began
            if piece is None:
                return
            piece = piece[: self.n_characters - len(self.text)]
            self.text += piece
            yield piece
            if len(self.text) >= self.n_characters:
                return

    def _counted(self) -> bool:
        if self.stopped():
            return True
        self.n_tokens += 1
        return False
