"""The starter GPT-2: read real letters and prose, then learn to answer.

    python -m lm.recipes.starter pack   --work DIR     tokenizer and token files, a minute
    python -m lm.recipes.starter read   --work DIR     pre-training, about an hour on two cores
    python -m lm.recipes.starter answer --work DIR     the bundled letters and replies, minutes
    python -m lm.recipes.starter ship   --work DIR     weights in bf16, scores and the model card

`--resume` goes on where a stage was stopped. LETTERPRESS_DATA names the folder of texts. Nothing of
the frozen test part is read before `ship` scores on it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from corpora.errors import LetterpressError
from corpora.letters import load_pairs
from corpora.mirror import letter_books, prose, require_mirror
from corpora.splitting import split_pairs, training_sections, without_frozen
from engine.checkpoint import RunFolder, write_manifest
from engine.fit import Evaluated, Event, Finished, FitSettings, Saved, Step, record
from engine.loading import load as load_model
from engine.text_model import NextToken
from lm.finetune import teach_letters
from lm.gpt2 import Size, from_scratch
from lm.pretrain import prepare, read_texts, read_tokenizer
from lm.recipes.card import score, write_card

SIZE = Size(n_layer=6, n_embd=256, n_head=4, block_size=1024)
PROSE_DOCUMENTS = 150  # of the pile: about as many bytes as the letters

# Short windows first: they cost less, and most of what is learnt early is local. The cosine of the
# short stage is left while its rate is still high; the long stage brings the rate down.
READ_SHORT = FitSettings(
    steps=3000, batch_size=16, accumulate=2, lr=3e-3, warmup_steps=100, eval_every=250,
    eval_rows=256, save_every=250, seed=1,
)  # fmt: skip
SHORT_UNTIL = 1750
READ_LONG = FitSettings(
    steps=800, batch_size=4, accumulate=2, lr=1.6e-3, min_lr_fraction=0.02, warmup_steps=20,
    eval_every=100, eval_rows=64, save_every=100, seed=2,
)  # fmt: skip
READ_OWN = FitSettings(
    steps=450, batch_size=8, lr=1e-3, min_lr_fraction=0.3, warmup_steps=20, eval_every=75,
    eval_rows=64, save_every=75, seed=4,
)  # fmt: skip
ANSWER = FitSettings(
    steps=600, batch_size=8, lr=8e-4, min_lr_fraction=0.05, warmup_steps=20, eval_every=60,
    eval_rows=200, save_every=60, seed=3,
)  # fmt: skip
SHORT, LONG, OWN = 256, 1024, 512


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


def show(events: Iterator[Event], run: RunFolder, until: int | None = None) -> None:
    """Print and log the events of a run, up to the checkpoint of step `until` if that is given."""
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
            case Saved(step=step, folder=folder):
                print(f"saved {folder.name}", flush=True)
                if step == until:
                    return
            case Finished(reason=reason, best=best, seconds=seconds):
                print(f"finished: {reason}; best {best}; {seconds / 60:.1f} min", flush=True)


def fresh_task(work: Path, seed: int, dropout: float = 0.0) -> NextToken:
    """The starter's shape with fresh weights."""
    tokenizer = read_tokenizer(work)
    return NextToken(from_scratch(tokenizer, SIZE, dropout=dropout, seed=seed), tokenizer)


def begin_from(task: NextToken, run: RunFolder) -> None:
    """Take the weights of an earlier stage's best checkpoint."""
    best = run.best()
    if best is None:
        raise LetterpressError(f"{run.path} holds no checkpoint; run the earlier stage first.")
    task.load(best)


def read(work: Path, *, resume: bool, short: FitSettings) -> None:
    """Both reading stages, one after the other."""
    for name, settings, window in (("short", short, SHORT), ("long", READ_LONG, LONG)):
        run = RunFolder(work / name)
        task = fresh_task(work, settings.seed)
        again = resume and run.latest() is not None
        if name == "short" and (run.path / f"step-{SHORT_UNTIL:08d}").is_dir():
            continue
        if name == "long" and not again:
            begin_from(task, RunFolder(work / "short"))
        events = read_texts(task, work, run, settings, window=window, resume=again)
        show(events, run, until=SHORT_UNTIL if name == "short" else None)


def read_own(work: Path, *, resume: bool) -> None:
    """Read the bundled letters and replies as texts, so that their register comes first."""
    pairs = split_pairs(load_pairs())
    texts = {
        part: [text for p in pairs[part] for text in (p.letter.text, p.reply.text)]
        for part in ("train", "valid")
    }
    folder = work / "bundled"
    prepare(texts["train"], texts["valid"], folder, tokenizer=read_tokenizer(work))
    run = RunFolder(work / "own")
    # The pile is read about once, but the thousand letters several times: hence dropout.
    task = fresh_task(work, READ_OWN.seed, dropout=0.1)
    again = resume and run.latest() is not None
    if not again:
        begin_from(task, RunFolder(work / "long"))
    show(read_texts(task, folder, run, READ_OWN, window=OWN, resume=again), run)


def answer(work: Path, *, resume: bool, settings: FitSettings) -> None:
    """Correspondence on the bundled letters: first as texts, then reply by reply."""
    own = RunFolder(work / "own")
    if not (own.path / f"step-{READ_OWN.steps:08d}").is_dir():
        read_own(work, resume=resume)
    run = RunFolder(work / "answer")
    task = fresh_task(work, settings.seed, dropout=0.1)
    again = resume and run.latest() is not None
    if not again:
        begin_from(task, own)
    pairs = split_pairs(load_pairs())
    show(teach_letters(task, pairs["train"], pairs["valid"], settings, run, resume=again), run)


def ship_run(run: RunFolder, folder: Path, describe: Callable[[], None]) -> None:
    """Write the model folder that a package carries: bf16 weights, tokenizer, card, manifest.

    `describe` writes the card once the weights are there, so that it scores what is shipped, after
    rounding to bf16, and not what was trained.
    """
    best = run.best()
    if best is None:
        raise LetterpressError(f"{run.path} holds no checkpoint; run `answer` first.")
    model, tokenizer = load_model(str(best), dtype=torch.float32)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(str(folder))
    describe()
    for file in folder.iterdir():
        file.chmod(0o644)
    write_manifest(folder)


def ship(work: Path, folder: Path) -> None:
    """Write the starter's model folder."""

    def describe() -> None:
        shipped, tokenizer = load_model(str(folder))
        before, _ = load_model(str(RunFolder(work / "long").best()))
        write_card(folder, score(shipped, tokenizer, before), work=work)

    ship_run(RunFolder(work / "answer"), folder, describe)


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        prog="python -m lm.recipes.starter", description="Make the starter model again."
    )
    parser.add_argument("stage", choices=["pack", "read", "answer", "ship"])
    parser.add_argument("--work", type=Path, required=True, help="folder for token files and runs")
    parser.add_argument("--into", type=Path, default=Path("lm/starter"), help="where `ship` writes")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--steps", type=int, help="steps of the short or answer stage, for a trial")
    parser.add_argument("--lr", type=float, help="its peak learning rate, for a trial")
    chosen = parser.parse_args()
    settings = ANSWER if chosen.stage == "answer" else READ_SHORT
    settings = replace(settings, steps=chosen.steps or settings.steps, lr=chosen.lr or settings.lr)
    match chosen.stage:
        case "pack":
            every_third = islice(letter_texts("train"), 0, None, 3)
            made = prepare(training_texts(), letter_texts("valid"), chosen.work, sample=every_third)
            print(", ".join(f"{name}: {n:,} tokens" for name, n in made.items()))
        case "read":
            read(chosen.work, resume=chosen.resume, short=settings)
        case "answer":
            answer(chosen.work, resume=chosen.resume, settings=settings)
        case "ship":
            ship(chosen.work, chosen.into)


if __name__ == "__main__":
    try:
        main()
    except LetterpressError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
