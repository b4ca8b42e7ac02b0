"""The starter's model card: what it was made of, how well it does, what it must not be used for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from corpora.letters import load_pairs
from corpora.mirror import require_mirror
from corpora.splitting import split_pairs, test_sections
from engine.overlap import copied_share
from engine.scoring import Score, bits_per_byte
from lm.correspondence import write_letter
from lm.proof import Mark
from lm.voice import Voice, load_voice

_WINDOW = 512
_SAMPLES = 24  # letters written to measure what is copied


@dataclass(frozen=True, slots=True)
class Scores:
    """What is measured on the frozen test part."""

    books: Score
    bundled: Score
    books_before: Score


def frozen_books() -> list[str]:
    """The frozen sections of the letter books."""
    return [d.text for d in test_sections(require_mirror())]


def frozen_letters() -> list[str]:
    """The frozen bundled letters and replies."""
    pairs = split_pairs(load_pairs())["test"]
    return [text for p in pairs for text in (p.letter.text, p.reply.text)]


def score(model: Any, tokenizer: Any, before: Any) -> Scores:
    """Bits per byte on the frozen sections of the letter books and the frozen bundled letters.

    `before` is the model as it was before it learnt to answer, which costs it its ease with books.
    """
    books, letters = frozen_books(), frozen_letters()
    return Scores(
        bits_per_byte(model, tokenizer, books, window=_WINDOW),
        bits_per_byte(model, tokenizer, letters, window=_WINDOW),
        bits_per_byte(before, tokenizer, books, window=_WINDOW),
    )


@dataclass(frozen=True, slots=True)
class Copied:
    """How much of what a model writes is its own, and how much of that is copied.

    Attributes
    ----------
    ink : float
        The share of its own words in runs of eight copied from the bundled training letters.
    own_share : float
        The share of its own words among all words of the replies.
    n_replies : int
        How many replies were written to see that.
    """

    ink: float
    own_share: float
    n_replies: int

    def facts(self) -> dict[str, float]:
        """For `scores.json`."""
        return {
            "copied_share_of_own_words": self.ink,
            "own_share_of_words": self.own_share,
            "replies_measured": self.n_replies,
        }


def copied(voice: Voice) -> Copied:
    """Write replies to held-out letters and see what of them is copied."""
    pairs = split_pairs(load_pairs())
    asked = (pairs["test"] + pairs["valid"])[:_SAMPLES]
    own, share = [], 0.0
    for number, pair in enumerate(asked):
        reply = write_letter(
            pair.person, pair.letter.text, date=pair.reply.date, model=voice, seed=number
        )
        own.append(" ".join(s.text for s in reply.sentences if s.mark is Mark.OWN))
        share += reply.own_share / len(asked)
    training = [p.reply.text for p in pairs["train"]]
    return Copied(copied_share("\n".join(own), training), share, len(asked))


def head(*tags: str) -> str:
    """What the hub reads of a card."""
    return f"""---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [{", ".join(("letters", "correspondence", "history", "small", *tags))}]
---
"""


def ending(bundled: Score, ink: Copied) -> str:
    """What the cards of all starters end with: the letters they write, and their limits."""
    return f"""- bundled letters, read as plain text: {line(bundled)} bits per byte
- of the model's own words in {ink.n_replies} replies to held-out letters, {ink.ink:.1%} lie in runs
  of eight words copied from the training replies; {ink.own_share:.0%} of the words of those replies
  are the model's own.

## Limits

It knows no history. It keeps the prejudices of the old books it read. It writes English only.
"""


def line(score: Score) -> str:
    """A score with its interval and what it was measured on."""
    return (
        f"{score.bits_per_byte:.3f} (95% {score.low:.3f} to {score.high:.3f}; "
        f"{score.n_texts} texts, {score.n_bytes:,} bytes)"
    )


def spent(work: Path) -> dict[str, float]:
    """The minutes of all stages, and the bytes that were read in those that read texts."""
    minutes, read = 0.0, 0.0
    texts = {"short": work / "train.json", "long": work / "train.json",
             "own": work / "bundled" / "train.json", "answer": None}  # fmt: skip
    windows = {"short": 256, "long": 1024, "own": 512}
    for stage, corpus in texts.items():
        state = json.loads(max((work / stage).glob("step-*/state.json")).read_text("utf-8"))
        minutes += state["spent"] / 60
        if corpus is not None:
            rows = state["settings"]["batch_size"] * state["settings"]["accumulate"]
            meta = json.loads(corpus.read_text("utf-8"))
            ids = state["step"] * rows * windows[stage]
            read += ids * meta["n_bytes"] / meta["n_tokens"]
    return {"training_minutes": round(minutes, 2), "bytes_read": round(read)}


def stages(work: Path, names: Sequence[str]) -> str:
    """A table of the stages of a recipe, from the states of their last checkpoints."""
    rows = ["| stage | updates | minutes | settings |", "|---|---|---|---|"]
    for stage in names:
        last = max((work / stage).glob("step-*/state.json"))
        state = json.loads(last.read_text("utf-8"))
        settings = state["settings"]
        told = ", ".join(
            f"{name} {settings[name]}"
            for name in ("steps", "batch_size", "accumulate", "lr", "warmup_steps", "seed")
        )
        minutes = state["spent"] / 60
        rows.append(f"| {stage} | {state['step']} | {minutes:.0f} | {told}, {state['precision']} |")
    return "\n".join(rows)


def write_card(folder: Path, scores: Scores, *, work: Path) -> None:
    """Write `README.md` (the card) and `scores.json` into the model folder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokens = json.loads((work / "train.json").read_text("utf-8"))
    ink = copied(load_voice(str(folder)))
    pairs = split_pairs(load_pairs())
    measured = {
        **spent(work),
        "letter_books": asdict(scores.books),
        "letter_books_before_answering": asdict(scores.books_before),
        "bundled_letters": asdict(scores.bundled),
        **ink.facts(),
    }
    (folder / "scores.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    text = f"""{head()}
# The letterpress starter

A GPT-2 of {config["n_layer"]} layers, {config["n_embd"]} wide, {config["vocab_size"]}
byte-level BPE tokens and a window of {config["n_positions"]}, trained from scratch by letterpress
on two CPU cores. It **imitates a manner of writing letters. Its sentences are not the words of any
historical person, and as statements of fact they are worth nothing**: letterpress places what is
known as marked passages and uses this model only for the prose between them.

## Data

- 100 public-domain letter books and {tokens["n_bytes"] / 1e6:,.0f} MB in all with general
  public-domain prose of Project Gutenberg ({tokens["n_tokens"]:,} tokens).
- {len(pairs["train"])} bundled letter-and-reply pairs of letterpress's own writing
  ({len(pairs["valid"])} more held out to stop on, {len(pairs["test"])} frozen for the test).

## Recipe

`python -m lm.recipes.starter pack|read|answer|ship --work DIR`, torch {torch.__version__},
transformers {transformers.__version__}. Short windows of 256 tokens first, then 1,024, then letters
with the loss on the reply's own prose.

{stages(work, ("short", "long", "own", "answer"))}

## Measured on the frozen test part, as shipped in bf16

- letter books: {line(scores.books)} bits per byte; before the last two stages, which teach it to
  answer and cost it its ease with books: {line(scores.books_before)}
{ending(scores.bundled, ink)}"""
    (folder / "README.md").write_text(text, "utf-8")
