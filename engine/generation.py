"""Prompt ids -> text pieces, streamed at whole characters, stoppable at any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerFast

from engine.sampling import SamplingSettings, choose, generator
from engine.stepper import Stepper


class _Threads:
    """One thread for batch-1 steps: faster than two on small models, and one order of summing.

    torch keeps the number for the whole process, so the first request in sets it and the last one out
    puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._before = torch.get_num_threads()
                torch.set_num_threads(1)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    torch.set_num_threads(self._before)


single_thread = _Threads()


def generate_ids(
    stepper: Stepper[Any],
    logits: torch.Tensor,
    state: Any,
    settings: SamplingSettings,
    rng: torch.Generator,
    *,
    used: Sequence[int] = (),
    banned: Collection[int] = (),
) -> Iterator[tuple[int, torch.Tensor, Any]]:
    """Ids one after another, without end: each with its logits (V,) and the state *before* it.

    The caller decides when to stop; the state before an id lets it drop that id.
    """
    seen = list(used)
    while True:
        token = choose(logits, settings, rng, used=seen, banned=banned)
        yield token, logits, state
        seen.append(token)
        logits, state = stepper.step(token, state)


def generate(
    stepper: Stepper[Any],
    tokenizer: PreTrainedTokenizerFast,
    prompt: Sequence[int],
    settings: SamplingSettings,
    *,
    seed: int,
    max_tokens: int,
    stop: Collection[int] = (),
    banned: Collection[int] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Continue a prompt.

    Parameters
    ----------
    stepper, tokenizer
        A model and its tokenizer.
    prompt : sequence of int
        At least one id.
    seed : int
        The same seed gives the same text on the same machine.
    max_tokens : int
        Ids to draw at most; fewer where the window ends first.
    stop : collection of int
        Ids that end the text and are not part of it.
    banned : collection of int
        Ids never drawn.
    stopped : callable
        Asked before each id; True ends the text.

    Yields
    ------
    str
        Pieces that join to the whole; never a part of a character.
    """
    rng = generator(seed)
    pieces = DecodeStream(skip_special_tokens=True)
    backend = tokenizer.backend_tokenizer
    with single_thread():
        logits, state = stepper.start(prompt)
        room = stepper.window - len(prompt) if stepper.window else max_tokens
        ids = generate_ids(stepper, logits, state, settings, rng, banned=banned)
        for _ in range(min(max_tokens, room)):
            if stopped():
                return
            token, _, _ = next(ids)
            if token in stop:
                return
            if piece := pieces.step(backend, token):
                yield piece
