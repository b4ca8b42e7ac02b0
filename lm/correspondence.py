"""Letter + person + thread -> reply, sentence by sentence.

The program plans the letter and places what is known; the model writes the prose around it, several
candidates a sentence, each checked before it is shown. A sentence once shown is never withdrawn.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from corpora.dates import LetterDate
from corpora.letters import load_pairs
from corpora.people import find_person, load_people
from engine.generation import generate_ids, single_thread
from engine.sampling import SamplingSettings, generator
from lm.checking import Allowed, Ink, problem
from lm.format import Header, part_ids, prompt_ids
from lm.gpt2 import FORM, OWN, SET
from lm.planning import Plan, Set, make_plan
from lm.proof import Mark, Reply, Sentence
from lm.reading import content_words, ends_sentence, words
from lm.request import LetterRequest
from lm.sources import PassageIndex
from lm.voice import Ranker, Voice, load_voice

_SENTENCE_WORDS = 33
_EASY_WORDS = 10  # a sentence of a small model gets worse from about here
_PENALISED = 64  # ids the repetition penalty looks back on
_CHARACTERS = 3  # ids a word from which on a model writes in characters rather than pieces of words


@dataclass(frozen=True, slots=True)
class WritingSettings:
    """How a reply is written.

    Attributes
    ----------
    temperature, top_k, top_p, min_p, repetition_penalty
        As in `engine.sampling.SamplingSettings`.
    candidates : int
        Sentences that pass the checks among which the best is taken.
    attempts : int
        Sentences tried at most for each that is wanted.
    max_passages : int
        Passages placed at most.
    """

    temperature: float = 0.5
    top_k: int = 0
    top_p: float = 0.92
    min_p: float = 0.02
    repetition_penalty: float = 1.05
    candidates: int = 8
    attempts: int = 20
    max_passages: int = 2

    def __post_init__(self) -> None:
        for name in ("candidates", "attempts", "max_passages"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        self.sampling  # noqa: B018 - refuses bad values now, not in the middle of a letter

    @property
    def sampling(self) -> SamplingSettings:
        """The part that `engine.sampling` reads."""
        return SamplingSettings(
            self.temperature, self.top_k, self.top_p, self.min_p, self.repetition_penalty
        )


@functools.cache
def _lexicon() -> frozenset[str]:
    """Every word of the bundled letters, and of every person's passages."""
    texts = [text for p in load_pairs() for text in (p.letter.text, p.reply.text)]
    texts += [p.text for person in load_people().values() for p in person.passages]
    return frozenset(w for text in texts for w in words(text))


@functools.cache
def _bundled_ink() -> Ink:
    return Ink(part.text for pair in load_pairs() for part in pair.parts if not part.passage)


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    score: float
    logits: torch.Tensor
    state: Any
    ids: tuple[int, ...]


def _fluency(log_probabilities: Sequence[float]) -> float:
    """The mean log probability of a sentence's words, and that of the three least likely again.

    A sentence that derails does so at one word; a mean over thirty hides it.
    """
    worst = sorted(log_probabilities)[:3]
    mean = sum(log_probabilities) / len(log_probabilities)
    return mean + 0.3 * sum(worst) / len(worst)


class _Writer:
    """One reply in the making: the model's state, and the checks on what it says."""

    def __init__(
        self,
        request: LetterRequest,
        plan: Plan,
        voice: Voice,
        settings: WritingSettings,
        seed: int,
        rankers: Sequence[Ranker],
    ) -> None:
        self.request, self.voice, self.settings = request, voice, settings
        self.rankers = rankers
        self.rng = generator(seed)
        self.allowed = Allowed.by(
            [
                request.text,
                request.writer_name,
                request.person.name,
                request.place,
                *(p.text for p in plan.passages),
            ],
            _lexicon(),
        )
        placed = " ".join(p.text for p in plan.passages)
        self.matter = set(content_words(f"{request.text} {placed}"))
        header = Header(
            person=request.person.name,
            writer=request.writer_name,
            date=request.resolved_date.long,
            place=request.reply_place,
            passages=tuple(p.text for p in plan.passages),
            letter=request.text,
            earlier=tuple(t for e in request.thread[-1:] for t in (e.letter, e.reply)),
        )
        self.ids = prompt_ids(voice, header)
        self.text = ""
        self._longest = round(_SENTENCE_WORDS * voice.pace)  # ids of a sentence
        self._unread = list(self.ids)
        self._read: tuple[torch.Tensor, Any] | None = None

    def add(self, token: str, text: str) -> None:
        """Put a part of the program's before the model."""
        new = part_ids(self.voice, token, text)
        self.ids += new
        self._unread += new

    def _now(self) -> tuple[torch.Tensor, Any]:
        window, state = self.voice.stepper.window, self._read[1] if self._read else None
        if window and len(self.ids) > window - self._longest:
            # Keep the header's beginning and the newest text; what is lost is the middle.
            keep = window - self._longest
            self.ids = self.ids[: keep // 4] + self.ids[-(keep - keep // 4) :]
            self._unread, state = list(self.ids), None
        if self._unread or self._read is None:
            self._read = self.voice.stepper.start(self._unread, state)
            self._unread = []
        return self._read

    def _try(self, *, may_end: bool) -> _Candidate | None:
        """One sentence, or None where the model would rather end its prose here, if it may."""
        logits, state = self._now()
        known = self.voice.knows_letters
        enders = {self.voice.token(t) for t in (SET, FORM)} if known else set()
        banned = self.voice.special - (enders if may_end else frozenset())
        drawn: list[int] = []
        each: list[float] = []  # of a word, or of its pieces
        window = self.voice.stepper.window
        room = min(self._longest, window - len(self.ids)) if window else self._longest
        # Penalising what was used tells words apart; among characters it would forbid the alphabet.
        characters = self.voice.pace >= _CHARACTERS
        sampling = self.settings.sampling
        steps = generate_ids(
            self.voice.stepper, logits, state,
            replace(sampling, repetition_penalty=1.0) if characters else sampling, self.rng,
            used=() if characters else self.ids[-_PENALISED:], banned=banned,
        )  # fmt: skip
        text = ""
        for _ in range(max(8, room)):
            token, logits, state = next(steps)
            if token in enders:
                if not drawn:
                    return None
                break  # it broke off in the middle
            log_probability = float(torch.log_softmax(logits.float(), -1)[token])
            drawn.append(token)
            before, text = text, self.voice.decode(drawn).strip()
            if characters and each and len(text.split()) == len(before.split()):
                each[-1] += log_probability
            else:
                each.append(log_probability)
            if "\n" in text:
                break
            if text and ends_sentence(text) and text.count('"') % 2 == 0:
                logits, state = self.voice.stepper.step(token, state)
                return _Candidate(text, _fluency(each), logits, state, tuple(drawn))
        return _Candidate(text, -math.inf, logits, state, tuple(drawn))

    def sentence(self, n_in_slot: int) -> str:
        """The best of several checked sentences, or an empty string where none passes."""
        passed: dict[str, tuple[float, _Candidate]] = {}
        ended = 0
        for _ in range(self.settings.attempts):
            candidate = self._try(may_end=n_in_slot > 0)
            if candidate is None:
                ended += 1
                if ended > 1 and not passed:
                    return ""
                continue
            if problem(candidate.text, self.allowed, self.text):
                continue
            if _bundled_ink().copied(candidate.text):
                continue
            passed[candidate.text] = (self._rank(candidate), candidate)
            if len(passed) >= self.settings.candidates:
                break
        if not passed or ended > len(passed):
            return ""
        _, best = max(passed.values(), key=lambda pair: pair[0])
        self.ids += best.ids
        self._read = (best.logits, best.state)
        return best.text

    def _rank(self, candidate: _Candidate) -> float:
        """Fluency, taking up what was written, and shortness, since a small model loses its way."""
        said = words(candidate.text)
        shared = self.matter.intersection(content_words(candidate.text))
        taken_up = min(2, len(shared)) * 0.4
        too_long = 0.04 * max(0, len(said) - _EASY_WORDS)
        other = sum(rank(candidate.text, self.request.person.slug) for rank in self.rankers)
        return candidate.score + taken_up - too_long + other


def write(
    request: LetterRequest,
    voice: Voice,
    settings: WritingSettings | None = None,
    seed: int = 0,
    *,
    rankers: Sequence[Ranker] = (),
) -> Generator[Sentence]:
    """Write a reply, yielding each sentence as soon as it stands.

    Parameters
    ----------
    request : LetterRequest
        The letter, checked.
    voice : Voice
        The model.
    settings : WritingSettings
    seed : int
        The same seed gives the same letter on the same machine.
    rankers : sequence of callables (text, slug) -> float
        More opinions on the model's candidates; higher is better.

    Yields
    ------
    Sentence
        Their `lead` and `text` join to the letter. Ceasing to iterate stops the writing.
    """
    settings = settings or WritingSettings()
    index = PassageIndex(request.person, request.texts)
    # A text seed of its own: the choice of forms must not shift the model's draws.
    draw = random.Random(f"{seed}:{request.person.slug}")
    plan = make_plan(request, index, max_passages=settings.max_passages, draw=draw)
    with single_thread():
        writer = _Writer(request, plan, voice, settings, seed, rankers)
        begun = placed = False  # the body of the letter; what the program sets into it
        for slot in plan.slots:
            if isinstance(slot, Set):
                token = FORM if slot.sentences[0].mark is Mark.FORM else SET
                writer.add(token, slot.text.strip().replace("\n\n", "\n"))
                for i, sentence in enumerate(slot.sentences):
                    lead = sentence.lead
                    # The first thing placed goes on from the sentence before it; each further one
                    # begins a paragraph.
                    if i == 0 and lead == " " and (placed or not begun):
                        lead = "\n\n"
                    writer.text += lead + sentence.text
                    yield Sentence(sentence.text, sentence.mark, sentence.source, lead)
                if token == SET:
                    begun = placed = True
                continue
            writer.add(OWN, "")
            for i in range(slot.n_sentences):
                text = writer.sentence(i)
                if not text:
                    break
                lead = " " if begun else "\n\n"
                begun = True
                writer.text += lead + text
                yield Sentence(text, Mark.OWN, None, lead)


def finish(
    request: LetterRequest,
    voice: Voice,
    settings: WritingSettings,
    seed: int,
    sentences: Sequence[Sentence],
) -> Reply:
    """The reply that some sentences make, with what is needed to write it again."""
    return Reply(
        sentences=tuple(sentences),
        person=request.person,
        writer=request.writer_name,
        date=request.resolved_date,
        place=request.reply_place,
        model=voice.name,
        model_hash=voice.hash,
        seed=seed,
        backend=voice.stepper.backend,
        settings=asdict(settings),
    )


def write_letter(
    to: str,
    text: str,
    *,
    writer: str = "",
    date: str | LetterDate | None = None,
    model: str | Voice = "starter",
    seed: int = 0,
    settings: WritingSettings | None = None,
    device: str = "auto",
) -> Reply:
    """Write a letter to a person and get the whole reply.

    >>> from lm import write_letter
    >>> reply = write_letter("newton", "Pray, what makes the apple fall?", writer="Andrew Mayne")
    >>> print(reply.text)                                                        # doctest: +SKIP

    Parameters
    ----------
    to : str
        A short or full name, as `letterpress people` lists them.
    text : str
        The letter.
    writer : str
        Who writes; empty to take the signature.
    date : str or LetterDate, optional
        "1689" or "1689-06-10"; within the person's life.
    model : str or Voice
        A name for `load_voice`, or a voice already loaded.
    seed : int
        Another seed, another letter.

    Raises
    ------
    LetterpressError
        If person, date, letter or model cannot be used; the message says why.
    """
    settings = settings or WritingSettings()
    when = LetterDate.parse(date) if isinstance(date, str) else date
    request = LetterRequest(text, find_person(to), writer=writer, date=when)
    voice = model if isinstance(model, Voice) else load_voice(model, device)
    return finish(request, voice, settings, seed, list(write(request, voice, settings, seed)))
