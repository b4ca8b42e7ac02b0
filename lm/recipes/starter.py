"""The starter GPT-2: read real letters and prose, then learn to answer.

    python -m lm.recipes.starter pack --work DIR       tokenizer and token files, minutes
    python -m lm.recipes.starter read --work DIR       pre-training, about an hour on two cores
    python -m lm.recipes.starter answer --work DIR     correspondence on the bundled letters, minutes
    python -m lm.recipes.starter ship --work DIR       weights in bf16 and the model card

Each stage resumes where it was stopped (`--resume`). LETTERPRESS_DATA names the folder of texts. Nothing
of the frozen test part is read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from corpora.errors import LetterpressError
from corpora.mirror import letter_books, prose, require_mirror
from corpora.splitting import training_sections, without_frozen
from engine.batching import Windows
from engine.checkpoint import RunFolder
from engine.fit import Evaluated, Event, Finished, FitSettings, Saved, Step, fit, record
from engine.packing import pack
from engine.text_model import NextToken
from engine.tokenizers import load_tokenizer, train_bpe
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch

VOCABULARY = 4096
SIZE = Size(n_layer=6, n_embd=256, n_head=4, block_size=1024)
PROSE_DOCUMENTS = 150  # of the pile: about as many bytes as the letters

# Short windows first: they cost less and most of what is learnt early is local.
READ_SHORT = FitSettings(
    steps=3000, batch_size=16, accumulate=2, lr=3e-3, warmup_steps=100, eval_every=250,
    eval_rows=256, save_every=250, seed=1,
)  # fmt: skip
READ_LONG = FitSettings(
    steps=250, batch_size=4, accumulate=4, lr=4e-4, warmup_steps=10, eval_every=50,
    eval_rows=64, save_every=50, seed=2,
)  # fmt: skip
SHORT, LONG = 256, 1024


def letter_texts(split: str) -> Iterator[str]:
    """The letter-book sections of one split."""
    for book in letter_books(require_mirror()):
        for part, section in training_sections(book):
            if part == split:
                yield section.text


def training_texts() -> Iterator[str]:
    """What the starter reads: the letters and as much general prose."""
    yield from letter_texts("train")
    for document in islice(prose(require_mirror()), PROSE_DOCUMENTS):
        yield without_frozen(document.text)


def make_tokens(work: Path) -> None:
    """Learn the tokenizer and write `train.bin` and `valid.bin`."""
    work.mkdir(parents=True, exist_ok=True)
    print("Learning the tokenizer from the letters ...", flush=True)
    tokenizer = train_bpe(islice(letter_texts("train"), 0, None, 3), VOCABULARY, LETTER_TOKENS)
    tokenizer.save_pretrained(str(work / "tokenizer"))
    for name, texts in (("train", training_texts()), ("valid", letter_texts("valid"))):
        n = pack(texts, tokenizer, work / f"{name}.bin")
        print(f"{name}: {n:,} tokens", flush=True)


def show(events: Iterator[Event], run: RunFolder) -> None:
    """Print and log the events of a run."""
    for event in events:
        if not isinstance(event, Step) or event.step % 10 == 0:
            run.log({"time": round(time.time(), 1), **record(event)})
        match event:
            case Step(step=step, loss=loss, targets_per_s=speed, seconds_left=left):
                if step % 25 == 0:
                    print(
                        f"{step} loss {loss:.3f}, {speed:,.0f} tokens/s, {left / 60:.0f} min left",
                        flush=True,
                    )
            case Evaluated(step=step, valid_loss=loss, bits_per_byte=bits):
                shown = f", {bits:.4f} bits per byte" if bits is not None else ""
                print(f"{step} held out {loss:.4f}{shown}", flush=True)
            case Saved(folder=folder):
                print(f"saved {folder.name}", flush=True)
            case Finished(reason=reason, best=best, seconds=seconds):
                print(f"finished: {reason}; best {best}; {seconds / 60:.1f} min", flush=True)


def read(work: Path, *, resume: bool, settings: FitSettings, window: int, name: str) -> None:
    """Pre-train on windows of the token files; the long stage starts from the short one's best."""
    run = RunFolder(work / name)
    tokenizer = load_tokenizer(work / "tokenizer")
    task = NextToken(from_scratch(tokenizer, SIZE, seed=settings.seed), tokenizer)
    if name == "long" and not resume:
        earlier = RunFolder(work / "short").best()
        assert earlier is not None, "the short stage must have saved a checkpoint"
        task.load(earlier)
    data = [Windows(work / f"{part}.bin", window) for part in ("train", "valid")]
    resume = resume and run.latest() is not None
    events = fit(
        task, data[0], data[1], settings, run=run, save=task.save, load=task.load, resume=resume
    )
    show(events, run)


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stage", choices=["pack", "read"])
    parser.add_argument("--work", type=Path, required=True, help="folder for token files and runs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--steps", type=int, help="steps of the short stage, for a trial")
    parser.add_argument("--lr", type=float, help="peak learning rate, for a trial")
    chosen = parser.parse_args()
    if chosen.stage == "pack":
        make_tokens(chosen.work)
    elif chosen.stage == "read":
        short = replace(
            READ_SHORT, steps=chosen.steps or READ_SHORT.steps, lr=chosen.lr or READ_SHORT.lr
        )
        read(chosen.work, resume=chosen.resume, settings=short, window=SHORT, name="short")
        if not chosen.steps:
            read(chosen.work, resume=chosen.resume, settings=READ_LONG, window=LONG, name="long")


if __name__ == "__main__":
    try:
        main()
    except LetterpressError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
