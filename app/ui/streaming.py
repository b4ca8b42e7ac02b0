"""What views that write have in common: a pace, a Stop, work that is watched, errors in words."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from corpora.errors import LetterpressError

_log = logging.getLogger(__name__)
_PACE_S = 0.06  # a browser that gets news more often falls behind and shows nothing
_LOOK_S = 0.25
FAILED = (
    "Something went wrong inside the program. What there is so far is kept; try again. What "
    "happened is written where letterpress was started."
)
Progress = Callable[[str, float], None]
T = TypeVar("T")


def paced(pieces: Iterable[object], every_s: float = _PACE_S) -> Iterator[None]:
    """Go through pieces and say when to show what there is: now and then, and at the end."""
    shown, waiting = 0.0, False
    for _ in pieces:
        waiting = True
        if time.monotonic() - shown >= every_s:
            waiting = False
            yield
            shown = time.monotonic()
    if waiting:
        yield


def in_words(problem: Exception) -> str:
    """What to tell a person; a bug is written to the log, and never shown as a traceback."""
    if isinstance(problem, LetterpressError):
        return str(problem)
    _log.error("a view failed", exc_info=problem)
    return FAILED


def time_left(seconds: float, share: float) -> str:
    """About how much longer, as words that follow on others; nothing where it cannot be said."""
    left = seconds * (1 - share) / share if share > 0 else 0.0
    return f", about {left:.0f} s left" if left >= 1 else ""


class Rounds(Generic[T]):
    """What the server keeps of each press of a button, by a key that the page holds."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._rounds: OrderedDict[str, T] = OrderedDict()
        self._guard = threading.Lock()

    def begin(self, one: T) -> str:
        """Keep it; returns its key. The oldest are forgotten."""
        key = secrets.token_hex(8)
        with self._guard:
            self._rounds[key] = one
            while len(self._rounds) > self._most:
                self._rounds.popitem(last=False)
        return key

    def get(self, key: str | None) -> T | None:
        """What was kept, None where there is no such key."""
        return self._rounds.get(key or "")


class _Ended(BaseException):
    """Carries a stop through the code that is at work; no one there may catch it."""


class Watched:
    """Work in a thread of its own, whose progress is looked at from time to time.

    Parameters
    ----------
    work : callable
        Called with a function that it tells what it does and how much of that is done. After a
        stop that function ends the work.
    stopped : callable
        Whether to end.
    """

    def __init__(self, work: Callable[[Progress], None], stopped: Callable[[], bool]) -> None:
        self._work = work
        self._stopped = stopped
        self._left = False
        self._told: tuple[str, float, float] = ("", 0.0, time.monotonic())
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watched", daemon=True)

    def __iter__(self) -> Iterator[str]:
        """What is being done, in words, until it is over; raises what the work raised."""
        self._thread.start()
        try:
            while self._thread.is_alive():
                self._thread.join(_LOOK_S)
                what, share, began = self._told
                yield f"{what} {share:.0%}{time_left(time.monotonic() - began, share)}"
        finally:
            self._left = True  # nobody looks any more
        if self._problem is not None:
            raise self._problem

    def _tell(self, what: str, share: float) -> None:
        if self._left or self._stopped():
            raise _Ended
        began = self._told[2] if what == self._told[0] else time.monotonic()
        self._told = (what, share, began)

    def _run(self) -> None:
        try:
            self._work(self._tell)
        except _Ended:
            pass
        except Exception as problem:  # told to whoever looks, in their own thread
            self._problem = problem
