"""The recurrent starters: what the GPT-2 starter read, character by character.

    python -m app.recipes.recurrent_starters pack            --work DIR    minutes
    python -m app.recipes.recurrent_starters read   CELL     --work DIR    about an hour on a core
    python -m app.recipes.recurrent_starters answer CELL     --work DIR    half as long
    python -m app.recipes.recurrent_starters ship   CELL     --work DIR

CELL is rnn, lstm or gru. All three have as many weights, read the same characters in the same order
and so cost as many operations. It lies in `app` because it needs both families: the letters are
written as `lm` writes them, the models are `recurrent`'s. `--resume` goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from app.recipes.card import write_card
from corpora.document import Pair
from corpora.errors import LetterpressError
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.batching import Streams, TokenWriter
from engine.checkpoint import RunFolder
from engine.fit import FitSettings, fit
from engine.packing import pack
from engine.stepper import stepper_of
from engine.tokenizers import character_tokenizer, encode_text, load_tokenizer
from lm.format import examples
from lm.gpt2 import LETTER_TOKENS
from lm.recipes.starter import letter_texts, ship_run, show, training_texts
from lm.voice import Voice
from recurrent.sizes import from_scratch, n_weights, named
from recurrent.training import CarriedState

CELLS = ("rnn", "lstm", "gru")
SIZE = "small"
BLOCK, ABREAST = 256, 64
RARE = 50  # characters met less often than this in the sample are escaped as bytes
LETTER_ROUNDS = 3  # times each bundled letter is read, among as much of the old books

# The schedule spans 1,600 updates; reading is left at 1,200, while its rate is still high, and the
# letters bring it down.
READ_UNTIL = 1200
READ = FitSettings(
    steps=1600, batch_size=ABREAST, lr=3e-3, min_lr_fraction=0.3, warmup_steps=100,
    weight_decay=0.01, eval_every=100, eval_rows=4 * ABREAST, save_every=50, seed=1,
)  # fmt: skip
ANSWER = replace(READ, steps=400, lr=1.2e-3, min_lr_fraction=0.02, warmup_steps=20, seed=2)
# Each cell's own, the best of a few on a shorter text; a plain recurrence needs the smallest, its
# gradients grow along the text.
PEAK = {"rnn": 1.5e-3, "lstm": 8e-3, "gru": 4e-3}


def pack_all(work: Path) -> None:
    """Tokenizer and token files: what is read first, and the letters among books after it."""
    work.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    for text in islice(training_texts(), 0, None, 5):
        counts.update(text)
    common = "".join(character for character, n in counts.items() if n >= RARE)
    tokenizer = character_tokenizer([common], LETTER_TOKENS)
    tokenizer.save_pretrained(str(work / "tokenizer"))
    for name, texts in (("train", training_texts()), ("valid", letter_texts("valid"))):
        print(f"{name}: {pack(texts, tokenizer, work / f'{name}.bin'):,} characters", flush=True)
    pairs = split_pairs(load_pairs())
    # Other books than those read before: the reading stage stops in the first part of its streams.
    books = list(islice(letter_texts("train"), 3, None, 8))
    for name, rounds in (("train", LETTER_ROUNDS), ("valid", 1)):
        path = work / f"letters-{name}.bin"
        n = _pack_letters(pairs[name] * rounds, books if name == "train" else [], work, path)
        print(f"{path.stem}: {n:,} characters", flush=True)


def _pack_letters(pairs: Sequence[Pair], books: list[str], work: Path, path: Path) -> int:
    """Letters with their replies as they will be asked for, with stretches of books between."""
    tokenizer = load_tokenizer(work / "tokenizer")
    model = from_scratch("rnn", tokenizer, "nano")  # for its lack of a window only
    voice = Voice("", "", stepper_of(model), tokenizer, knows_letters=True)
    letters = examples(pairs, voice)
    end = int(tokenizer.eos_token_id)
    stretches = _stretches(books, sum(len(e.ids) for e in letters) // max(1, len(letters)))
    with TokenWriter(path, len(tokenizer)) as writer:
        for letter in letters:
            writer.add(letter.ids, len(tokenizer.decode(letter.ids).encode("utf-8")))
            if stretch := next(stretches, ""):
                writer.add([*encode_text(tokenizer, stretch), end], len(stretch.encode("utf-8")))
    return writer.n_tokens


def _stretches(texts: list[str], length: int) -> Iterator[str]:
    for text in texts:
        for start in range(0, len(text), length):
            yield text[start : start + length]


def fresh_task(work: Path, cell: str, dropout: float = 0.0) -> CarriedState:
    """A starter's shape with fresh weights."""
    tokenizer = load_tokenizer(work / "tokenizer")
    return CarriedState(from_scratch(cell, tokenizer, SIZE, dropout=dropout, seed=1), tokenizer)


def train(work: Path, cell: str, stage: str, *, resume: bool, lr: float | None) -> None:
    """One stage of one cell."""
    reading = stage == "read"
    run = RunFolder(work / cell / stage)
    again = resume and run.latest() is not None
    # The books are read less than once, but the thousand letters three times: hence dropout.
    task = fresh_task(work, cell, dropout=0.0 if reading else 0.1)
    if not reading and not again:
        best = RunFolder(work / cell / "read").best()
        if best is None:
            raise LetterpressError(f"{work / cell} holds no checkpoint; run `read` first.")
        task.load(best)
        task.forget()
    base = READ if reading else ANSWER
    settings = replace(base, lr=lr or PEAK[cell] * (1.0 if reading else 0.4))
    prefix = "" if reading else "letters-"
    # Letters are short: there the state is started anew more often than in books.
    fresh = 1 / 16 if reading else 1 / 8
    data = Streams(work / f"{prefix}train.bin", BLOCK, n_streams=ABREAST, fresh=fresh)
    held_out = Streams(work / f"{prefix}valid.bin", BLOCK, n_streams=ABREAST, fresh=0.0)
    events = fit(
        task, data, held_out, settings, run=run, save=task.save, load=task.load, resume=again
    )
    show(events, run, until=READ_UNTIL if reading else None)


def ship(work: Path, cell: str, folder: Path) -> None:
    """Write a starter's model folder."""
    run = RunFolder(work / cell / "answer")
    ship_run(run, folder, lambda: write_card(folder, cell, work, BLOCK))


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        prog="python -m app.recipes.recurrent_starters", description="Make the recurrent starters."
    )
    parser.add_argument("stage", choices=["pack", "read", "answer", "ship"])
    parser.add_argument("cell", choices=CELLS, nargs="?")
    parser.add_argument("--work", type=Path, required=True, help="folder for token files and runs")
    parser.add_argument("--into", type=Path, default=Path("recurrent/starter"), help="for `ship`")
    parser.add_argument("--threads", type=int, help="cores to use")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--lr", type=float, help="peak learning rate, for a trial")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    if chosen.stage == "pack":
        pack_all(chosen.work)
        return
    if chosen.cell is None:
        parser.error(f"the stage {chosen.stage} needs a cell: {', '.join(CELLS)}")
    if chosen.stage == "ship":
        ship(chosen.work, chosen.cell, chosen.into / chosen.cell)
    else:
        vocab_size = len(load_tokenizer(chosen.work / "tokenizer"))
        size = named(chosen.cell, SIZE, vocab_size)
        print(f"{chosen.cell}: {size}, {n_weights(chosen.cell, size, vocab_size):,} weights")
        train(chosen.work, chosen.cell, chosen.stage, resume=chosen.resume, lr=chosen.lr)


if __name__ == "__main__":
    try:
        main()
    except LetterpressError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
