"""Letters being written, each in a thread of its own, so that closing the tab ends none of them.

The page follows a job for as long as somebody looks; the letter is written and saved either way.
"""

from __future__ import annotations

import logging
import threading

from app.writing import Writing
from corpora.errors import InputError, LetterpressError
from lm.proof import Sentence

_log = logging.getLogger(__name__)
_FAILED = (
    "Something went wrong inside the program, and the reply was not finished. Your letter is kept; "
    "send it again. What happened is written where letterpress was started."
)


class Job:
    """One reply being written.

    Attributes
    ----------
    problem : str
        Why it ended early, in words for the writer; empty where it did not.
    """

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.problem = ""
        self._over = False
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._write, name="letter", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._worker.start()

    @property
    def over(self) -> bool:
        """Whether the reply has ended and, as far as it came, is saved."""
        return self._over

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences so far."""
        return self.writing.sentences

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until there are more than `seen` sentences, or it is over, or the time is."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self.sentences) > seen, timeout_s)

    def join(self, timeout_s: float) -> None:
        """Wait until it is over."""
        self._worker.join(timeout_s)

    def _write(self) -> None:
        try:
            for _ in self.writing:
                with self._changed:
                    self._changed.notify_all()
        except LetterpressError as problem:
            self.problem = str(problem)
        except Exception:
            # The thread's last resort: without it the page would wait for ever.
            _log.exception("a reply failed")
            self.problem = _FAILED
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()


class Desk:
    """The jobs of this process, by their correspondence."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()

    def begin(self, writing: Writing) -> Job:
        """Write a reply that is to be saved.

        Raises
        ------
        InputError
            If one is being written in the same correspondence.
        """
        if writing.thread_id is None:
            raise ValueError("writing has no thread_id; only replies that are saved are followed")
        with self._guard:
            self._jobs = {k: job for k, job in self._jobs.items() if not job.over}
            self.check_free(writing.thread_id)
            job = self._jobs[writing.thread_id] = Job(writing)
        job.start()
        return job

    def check_free(self, thread_id: str) -> None:
        """Raise InputError where a reply is being written in this correspondence."""
        if thread_id in self._jobs and not self._jobs[thread_id].over:
            raise InputError(
                "A reply is still being written in this correspondence. Wait for it, or stop it."
            )

    def job(self, thread_id: str) -> Job | None:
        """The job of a correspondence, also for a while after it is over."""
        return self._jobs.get(thread_id)

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop all jobs and give each the time to save what it has."""
        jobs = [job for job in self._jobs.values() if not job.over]
        for job in jobs:
            job.writing.stop()
        for job in jobs:
            job.join(timeout_s)
