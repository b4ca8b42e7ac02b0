"""Prompt ids -> text pieces, streamed at whole characters, stoppable at any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from tokenizers import Tokenizer, decoders
from transformers import PreTrainedTokenizerFast

from engine.sampling import SamplingSettings, as_row, choose, generator
from engine.stepper import Stepper

UNDECODED = "\ufffd"  # what a decoder puts for bytes that form no character


class _Threads:
    """One thread for batch-1 steps: faster than two on small models, and one order of summing.

    torch keeps the number for the whole process, so the first request in sets it and the last one
    out puts it back.
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


class _Alone(dict[int, str]):
    """What each id says by itself, asked of the tokenizer once.

    With the decoders of `engine.tokenizers`, which write one token's bytes after another's, whole
    characters are the same wherever they stand. Other decoders may strip or add a space at a place:
    their ids say nothing by themselves.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        escaped = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        self._joins = isinstance(backend.decoder, decoders.ByteLevel) or str(
            backend.decoder
        ) == str(escaped)

    def __missing__(self, token: int) -> str:
        text: str = self._backend.decode([token]) if self._joins else UNDECODED
        self[token] = text
        return text


class _Pieces:
    """Ids -> text, given out as soon as its characters are whole.

    Bytes that form no character, which an untrained model writes, are left out. `DecodeStream` of
    the tokenizers library does the same job but fails on them with a character tokenizer (0.23).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._alone = _Alone(self._backend)
        self._ids: list[int] = []  # those given out last, which a decoder may need, and those since
        self._since = 0  # where the latter begin
        self._given = 0  # characters of the decoded ids that were given out

    def step(self, token: int) -> str:
        """The text that this id completes, perhaps none."""
        if self._since == len(self._ids):  # nothing waits to be completed
            piece = self._alone[token]
            if UNDECODED not in piece:
                self._ids, self._since, self._given = [token], 1, len(piece)
                return piece
        self._ids.append(token)
        text: str = self._backend.decode(self._ids, skip_special_tokens=True)
        whole = text.rstrip(UNDECODED)  # at the end it may be a character still to be completed
        piece = whole[self._given :].replace(UNDECODED, "")
        self._given = max(self._given, len(whole))
        if whole == text:
            del self._ids[: self._since]
            self._since = len(self._ids)
            kept: str = self._backend.decode(self._ids, skip_special_tokens=True)
            self._given = len(kept)
        return piece


class Guard(Protocol):
    """Says before each draw what must not come next; `engine.copyguard` has one."""

    def banned(self, written: Sequence[int]) -> Collection[int]:
        """The ids that must not follow those written so far, the prompt left out."""
        ...


def _barred(
    logits: Any, banned: frozenset[int], guard: Guard, written: Sequence[int]
) -> frozenset[int]:
    """What is banned together with what the guard bans, if that leaves an id to draw."""
    more = guard.banned(written)
    if not more:
        return banned
    both = banned.union(more)
    left = as_row(logits).copy()
    left[list(both)] = -np.inf
    return both if left.max() > -np.inf else banned


def generate_ids(
    stepper: Stepper[Any],
    logits: torch.Tensor,
    state: Any,
    settings: SamplingSettings,
    rng: np.random.Generator,
    *,
    used: Collection[int] = (),
    banned: Collection[int] = (),
    guard: Guard | None = None,
) -> Iterator[tuple[int, torch.Tensor, Any]]:
    """Ids one after another, without end: each with its logits (V,) and the state *before* it.

    The caller decides when to stop; the state before an id lets it drop that id. A guard is asked
    before each draw; where it leaves no id that the model could write, it is not heeded.
    """
    seen, banned = set(used), frozenset(banned)
    written: list[int] = []
    while True:
        barred = _barred(logits, banned, guard, written) if guard else banned
        token = choose(logits, settings, rng, used=seen, banned=barred)
        yield token, logits, state
        seen.add(token)
        written.append(token)
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
    guard: Guard | None = None,
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
    guard : Guard, optional
        Bans more ids before each draw, such as those that would copy the training texts; where it
        leaves none that the model could write, it is not heeded.
    stopped : callable
        Asked before each id; True ends the text.

    Yields
    ------
    str
        Pieces that join to the whole; never a part of a character.
    """
    rng, stop = generator(seed), frozenset(stop)
    pieces = _Pieces(tokenizer)
    with single_thread():
        logits, state = stepper.start(prompt)
        room = stepper.window - len(prompt) if stepper.window else max_tokens
        ids = generate_ids(stepper, logits, state, settings, rng, banned=banned, guard=guard)
        for _ in range(min(max_tokens, room)):
            if stopped():
                return
            token, _, _ = next(ids)
            if token in stop:
                return
            if piece := pieces.step(token):
                yield piece
