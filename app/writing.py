"""A reply while it is being written: sentences as they are ready, saved as far as they came.

What a person can ask for is in `actions`; how sentences come about is in `lm.correspondence`.
"""

from __future__ import annotations

import threading
from collections.abc import Generator

from app.library import Library
from app.saved import as_saved
from app.store import Store, Thread
from corpora.dates import LetterDate
from corpora.errors import InputError
from lm.correspondence import WritingSettings, finish, write
from lm.proof import Reply, Sentence
from lm.request import Exchange, LetterRequest
from lm.voice import Voice


class Writing:
    """An iterator of the sentences of one reply.

    Iterate to the end for the whole letter, or call `stop` (from any thread) or `close`. However it
    ends, what was written by then is in `reply` and, with a store, saved: `complete` says whether
    it is the whole letter. Nothing is computed before the first sentence is asked for.

    Attributes
    ----------
    request, settings, seed
        What the letter is written from; the same ones give the same letter.
    thread_id : str or None
        The correspondence it is saved in; None where it is not saved.
    """

    def __init__(
        self,
        request: LetterRequest,
        settings: WritingSettings,
        seed: int,
        library: Library,
        model: str,
        device: str,
        saving: tuple[Store, str, str] | None = None,
    ) -> None:
        self.request = request
        self.settings = settings
        self.seed = seed
        self.thread_id = saving[1] if saving else None
        self._saving = saving  # store, thread, owner
        self._library, self._model, self._device = library, model, device
        self._stopped = threading.Event()
        self._sentences: list[Sentence] = []
        self._reply: Reply | None = None
        self._complete = False
        self._steps = self._write()

    def __iter__(self) -> Writing:
        return self

    def __next__(self) -> Sentence:
        return next(self._steps)

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the letter after the sentence that is being written."""
        self._stopped.set()

    def close(self) -> None:
        """End the letter now and save what there is. To be called by the thread that iterates."""
        self._steps.close()

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences so far."""
        return tuple(self._sentences)

    @property
    def complete(self) -> bool:
        """Whether the letter was written to its end."""
        return self._complete

    @property
    def reply(self) -> Reply:
        """The finished or stopped reply.

        Raises
        ------
        ValueError
            While it is being written, or where it was stopped before its first sentence.
        """
        if self._reply is None:
            raise ValueError(
                "there is no reply yet: iterate over the writing to its end, or close it"
            )
        return self._reply

    def _write(self) -> Generator[Sentence]:
        warm = self._library.borrow(self._model, self._device)
        voice = warm.voice
        stream = write(self.request, voice, self.settings, self.seed)
        assert isinstance(stream, Generator)  # so closing it stops the writing
        try:
            while not self._stopped.is_set():
                with warm.lock:
                    sentence = next(stream, None)
                if sentence is None:
                    self._complete = True
                    break
                self._sentences.append(sentence)
                yield sentence
        finally:
            stream.close()
            self._save(voice)

    def _save(self, voice: Voice) -> None:
        if not self._sentences:
            return
        self._reply = finish(self.request, voice, self.settings, self.seed, self._sentences)
        if self._saving is not None:
            store, thread_id, owner = self._saving
            store.add_reply(thread_id, owner, as_saved(self._reply), self._complete)


def settings_of(temperature: float | None) -> WritingSettings:
    """The usual settings, with another temperature where one is given.

    Raises
    ------
    InputError
        If it is not a number from 0 to 2.
    """
    if temperature is None:
        return WritingSettings()
    if not 0 <= temperature <= 2:  # also refuses nan
        raise InputError(
            f"The temperature is {temperature:g}; expected a number from 0 to 2. "
            f"{WritingSettings().temperature:g} is usual; lower is plainer, higher is bolder."
        )
    return WritingSettings(temperature=temperature)


def exchanges_of(thread: Thread) -> tuple[Exchange, ...]:
    """The letters of a correspondence that were answered, as the next reply may recall them."""
    return tuple(
        Exchange(letter=sent.text, reply=received.text, date=LetterDate.parse(received.date))
        for sent, received in thread.exchanges
    )
