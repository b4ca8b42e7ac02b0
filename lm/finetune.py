"""Letters -> prompt and reply examples, the loss on the reply only -> a run that writes letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpora.document import Pair
from corpora.errors import CorpusError
from engine.batching import Examples
from engine.checkpoint import RunFolder
from engine.fit import Event, FitSettings, fit
from engine.stepper import stepper_of
from engine.text_model import NextToken
from lm.format import examples
from lm.gpt2 import add_letter_tokens
from lm.voice import Voice


@dataclass(frozen=True, slots=True)
class Taught:
    """How many examples there were, and how many were too long for the model's window."""

    n_train: int
    n_valid: int
    n_left_out: int


def letter_examples(
    task: NextToken, train: Sequence[Pair], valid: Sequence[Pair]
) -> tuple[Examples, Examples, Taught]:
    """Encode pairs for a model, giving it the tokens of a letter if it lacks them.

    Raises
    ------
    CorpusError
        If no pair fits the window, or a reply leaves nothing to learn.
    """
    add_letter_tokens(task.model, task.tokenizer)
    stepper = stepper_of(task.model)
    voice = Voice("", "", stepper, task.tokenizer, knows_letters=True)
    parts = [examples(pairs, voice) for pairs in (train, valid)]
    n_left_out = len(train) + len(valid) - sum(map(len, parts))
    if not all(parts):
        raise CorpusError(
            f"Of {len(train)} letters to train on and {len(valid)} held out, {n_left_out} are too "
            f"long for a window of {stepper.window} tokens, and one part is empty. Add letters, "
            "shorten them, or take a model with a larger window."
        )
    pad = int(task.tokenizer.eos_token_id)
    longest = stepper.window or max(len(e.ids) for part in parts for e in part)
    made = [Examples(part, pad_id=pad, block_size=longest) for part in parts]
    return made[0], made[1], Taught(len(parts[0]), len(parts[1]), n_left_out)


def teach_letters(
    task: NextToken,
    train: Sequence[Pair],
    valid: Sequence[Pair],
    settings: FitSettings,
    run: RunFolder,
    *,
    resume: bool = False,
) -> Iterator[Event]:
    """Teach a model correspondence; events as `engine.fit.fit` gives them.

    The best checkpoint by held-out loss is kept; set `patience` to stop when it no longer falls.
    """
    data, held_out, _ = letter_examples(task, train, valid)
    yield from fit(
        task, data, held_out, settings, run=run, save=task.save, load=task.load, resume=resume
    )
