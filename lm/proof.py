"""What a reply is made of: sentences, each with its mark and, where it has one, its source.

The mark is the promise of the program: it says who put the sentence there and why it may be
believed. How sentences are chosen is `correspondence`'s business; how they are drawn is the page's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from corpora.dates import LetterDate
from corpora.people import Person

LABEL = "Written by a model, not by {name}."


class Mark(StrEnum):
    """Who put a sentence into the letter."""

    FORM = "form"  # date line, salutation, subscription, signature
    SOURCED = "sourced"  # our paraphrase of what is documented, with its source
    QUOTED = "quoted"  # verbatim from a text this person wrote
    REMEMBERED = "remembered"  # from this correspondence
    REFUSAL = "refusal"  # the program's refusal, in character
    OWN = "own"  # the model's words


EXPLAINED = {
    Mark.FORM: "The form of a letter, set by the program.",
    Mark.SOURCED: "Our paraphrase of something documented.",
    Mark.QUOTED: "Word for word from a text this person wrote.",
    Mark.REMEMBERED: "From this correspondence.",
    Mark.REFUSAL: (
        "The program declines, in character: nothing is known of the matter at this date."
    ),
    Mark.OWN: "The model's own words: voice, not evidence.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sentence comes from.

    `checked` is "opened" where the writer of the passage read the source, "recalled" where not, and
    empty for a quotation or a letter of this correspondence. `date` is when it was held or written.
    """

    passage: str
    title: str
    date: str
    checked: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a letter; `lead` is the white space before it, so that texts join up."""

    text: str
    mark: Mark
    source: Source | None = None
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished or stopped letter, with everything needed to write it again."""

    sentences: tuple[Sentence, ...]
    person: Person
    writer: str
    date: LetterDate
    place: str
    model: str
    model_hash: str
    seed: int
    backend: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The letter as one text."""
        return "".join(s.lead + s.text for s in self.sentences)

    @property
    def own_share(self) -> float:
        """The share of the words that are the model's own, between 0 and 1."""
        words = [(len(s.text.split()), s.mark is Mark.OWN) for s in self.sentences]
        total = sum(n for n, _ in words)
        return sum(n for n, own in words if own) / total if total else 0.0

    def as_json(self) -> dict[str, Any]:
        """The reply as plain data, as `letterpress write --json` prints it."""
        return {
            "reply": self.text,
            "sentences": [
                {
                    "text": s.text,
                    "mark": str(s.mark),
                    "source": asdict(s.source) if s.source else None,
                }
                for s in self.sentences
            ],
            "person": self.person.slug,
            "writer": self.writer,
            "date": str(self.date),
            "place": self.place,
            "model": self.model,
            "model_hash": self.model_hash,
            "seed": self.seed,
            "backend": self.backend,
            "settings": self.settings,
            "ai_generated": True,
            "label": LABEL.format(name=self.person.name),
        }
