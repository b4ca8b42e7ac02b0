"""The recurrent starters' model cards: what each was made of, how well it does, its limits."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.loading import load_ready
from engine.scoring import bits_per_byte
from lm.recipes.card import copied, ending, frozen_books, frozen_letters, head, line, stages
from lm.voice import voice_of

_NAMES = {"rnn": "plain recurrent network", "lstm": "LSTM", "gru": "GRU"}


def _read(work: Path, cell: str, block: int) -> tuple[int, float, float]:
    """Characters read, their bytes, and the minutes it took, over both stages."""
    n, n_bytes, minutes = 0, 0.0, 0.0
    for stage, corpus in (("read", "train.json"), ("answer", "letters-train.json")):
        last = max((work / cell / stage).glob("step-*/state.json"))
        state = json.loads(last.read_text("utf-8"))
        meta = json.loads((work / corpus).read_text("utf-8"))
        read = state["step"] * state["settings"]["batch_size"] * block
        n, n_bytes = n + read, n_bytes + read * meta["n_bytes"] / meta["n_tokens"]
        minutes += state["spent"] / 60
    return n, n_bytes, minutes


def write_card(folder: Path, cell: str, work: Path, block: int) -> None:
    """Score the shipped weights; write `README.md` (the card) and `scores.json` beside them."""
    loaded = load_ready(str(folder), "cpu")
    config, model = loaded.model.config, loaded.model
    books = bits_per_byte(model, loaded.tokenizer, frozen_books())
    bundled = bits_per_byte(model, loaded.tokenizer, frozen_letters())
    ink = copied(voice_of(loaded, cell))
    n_read, n_bytes, minutes = _read(work, cell, block)
    n_weights = sum(p.numel() for p in model.parameters())
    pairs = split_pairs(load_pairs())
    measured = {
        "letter_books": asdict(books),
        "bundled_letters": asdict(bundled),
        **ink.facts(),
        "bytes_read": round(n_bytes),
        "training_minutes": minutes,
    }
    (folder / "scores.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    text = f"""{head("recurrent")}
# The letterpress {cell} starter

A {_NAMES[cell]} over characters: {config.num_hidden_layers} layers, {config.hidden_size} wide,
{config.vocab_size} ids (characters, the 256 bytes for any other, and the tokens of a letter),
{n_weights:,} weights, trained from scratch by letterpress. It stands beside the GPT-2 starter for
comparison. It **imitates a manner of writing letters. Its sentences are not the words of any
historical person, and as statements of fact they are worth nothing.**

## Data and recipe

`python -m app.recipes.recurrent_starters pack|read|answer|ship {cell} --work DIR`, torch
{torch.__version__}, transformers {transformers.__version__}. The texts of the GPT-2 starter: 100
public-domain letter books and general public-domain prose, of which {n_read:,} characters were
read in all; then {len(pairs["train"])} bundled letters with their replies, among stretches of the
books. The state is carried through the text; gradients reach back {block} characters. All three
recurrent starters have about as many weights and read the same characters in the same order.

{stages(work / cell, ("read", "answer"))}

## Measured on the frozen test part, as shipped in bf16

- letter books: {line(books)} bits per byte
{ending(bundled, ink)}"""
    (folder / "README.md").write_text(text, "utf-8")
