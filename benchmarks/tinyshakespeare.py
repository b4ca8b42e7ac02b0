"""Tiny Shakespeare: letterpress's three families beside nanoGPT's published CPU recipe.

    python benchmarks/tinyshakespeare.py [--minutes 3] [--only lstm gru gpt2 nanogpt] [--json]
    python benchmarks/tinyshakespeare.py --minutes 20 --only lstm       the longer LSTM run

The first 90% of the text is for training, all of the last 10% is scored at the end, every byte once
(`engine.scoring`). Every model trains for the same minutes in turn on the same machine, and the
learning rate's schedule spans them. nanoGPT's recipe (its README: 4 layers, 4
heads, 128 wide, context 64, batch 12, no dropout, learning rate 1e-3 to 1e-4, 2,000 steps,
characters, fp32) is run as published on transformers' GPT-2, which has biases where its own has
none, and once more with as many steps as the minutes allow. LETTERPRESS_DATA names the texts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from corpora.mirror import character_texts, require_mirror
from engine.batching import Dataset, Streams, Windows
from engine.fit import Evaluated, Finished, FitSettings, Step, fit
from engine.packing import pack
from engine.scoring import Score, bits_per_byte
from engine.text_model import NextToken
from engine.tokenizers import character_tokenizer, train_bpe
from lm import gpt2
from recurrent.sizes import Size, from_scratch
from recurrent.training import CarriedState

VOCABULARY = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, its data, and how it is trained; `limit` is a number of steps of its own."""

    task: NextToken
    train: Dataset
    valid: Dataset
    settings: FitSettings
    limit: int = 0


class Entries:
    """What takes part, each made when its turn comes."""

    def __init__(self, text: str, work: Path) -> None:
        cut = len(text) * 9 // 10
        self.train, self.held_out, self.work = text[:cut], text[cut:], work
        self.characters = character_tokenizer([self.train])
        self._pack("characters", self.characters)

    def _pack(self, name: str, tokenizer: PreTrainedTokenizerFast) -> None:
        for part, text in (("train", self.train), ("valid", self.held_out)):
            pack([text], tokenizer, self.work / f"{name}-{part}.bin")

    def _recurrent(self, cell: str, size: Size, lr: float) -> Entry:
        rows, block = 32, 128
        task = CarriedState(
            from_scratch(cell, self.characters, size, dropout=0.1, seed=1), self.characters
        )
        data = [
            Streams(self.work / f"characters-{part}.bin", block, n_streams=rows)
            for part in ("train", "valid")
        ]
        return Entry(task, *data, FitSettings(
            steps=1, batch_size=rows, lr=lr, min_lr_fraction=0.02, warmup_steps=50,
            weight_decay=0.01, eval_rows=6 * rows, seed=1,
        ))  # fmt: skip

    def lstm(self) -> Entry:
        """Two layers, 320 wide."""
        return self._recurrent("lstm", Size(2, 320), 1e-2)

    def gru(self) -> Entry:
        """Two layers, 368 wide: as many weights."""
        return self._recurrent("gru", Size(2, 368), 5e-3)

    def gpt2(self) -> Entry:
        """Four layers, 192 wide, over pieces of words."""
        tokenizer = train_bpe([self.train], VOCABULARY)
        self._pack("pieces", tokenizer)
        size = gpt2.Size(n_layer=4, n_embd=192, n_head=6, block_size=128)
        task = NextToken(gpt2.from_scratch(tokenizer, size, dropout=0.1, seed=1), tokenizer)
        data = [Windows(self.work / f"pieces-{part}.bin", 128) for part in ("train", "valid")]
        return Entry(task, *data, FitSettings(
            steps=1, batch_size=16, lr=3e-3, min_lr_fraction=0.02, warmup_steps=50, beta2=0.98,
            eval_rows=96, seed=1,
        ))  # fmt: skip

    def nanogpt(self) -> Entry:
        """The published recipe, its 2,000 steps."""
        return replace(self.nanogpt_longer(), limit=2000)

    def nanogpt_longer(self) -> Entry:
        """The published recipe, with as many steps as there is time for."""
        config = GPT2Config(
            vocab_size=len(self.characters), n_positions=64, n_embd=128, n_layer=4, n_head=4,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        task = NextToken(GPT2LMHeadModel(config), self.characters)
        data = [Windows(self.work / f"characters-{part}.bin", 64) for part in ("train", "valid")]
        return Entry(task, *data, FitSettings(
            steps=1, batch_size=12, lr=1e-3, min_lr_fraction=0.1, warmup_steps=100,
            weight_decay=0.1, beta2=0.99, eval_rows=96, seed=1, precision="no",
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one entry."""

    score: Score
    n_weights: int
    steps: int
    seconds: float
    curve: list[tuple[int, int, float]]  # updates, seconds, bits per byte of some held-out rows


def run(make: Callable[[], Entry], minutes: float, held_out: str) -> Result:
    """Train for the minutes, then score the whole held-out part."""
    entry = make()
    settings = replace(entry.settings, minutes=minutes, eval_every=100)
    if entry.limit:
        settings = replace(settings, steps=entry.limit)
    else:
        settings = replace(settings, steps=10**6, schedule="minutes")
    curve, told, reached, spent = [], 0.0, 0, 0.0
    for event in fit(entry.task, entry.train, entry.valid, settings):
        match event:
            case Step(step=reached, seconds_left=left, seconds=spent):
                if time.perf_counter() - told > 20:
                    told = time.perf_counter()
                    print(f"  {reached} updates, {left:.0f} s left", file=sys.stderr, flush=True)
            case Evaluated(step=step, bits_per_byte=bits) if bits is not None:
                curve.append((step, round(spent), round(bits, 3)))
            case Finished(seconds=spent):
                pass
    model = entry.task.model
    score = bits_per_byte(model, entry.task.tokenizer, [held_out])
    n_weights = sum(p.numel() for p in model.parameters())
    return Result(score, n_weights, reached, spent, curve)


def _thinned(curve: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """About ten points of a curve, the last among them."""
    every = max(1, -(-len(curve) // 10))
    return curve[::-1][::every][::-1]


def entries(chosen: list[str], every: Entries) -> Iterator[tuple[str, Callable[[], Entry]]]:
    """The entries that were asked for."""
    for name in ("nanogpt", "nanogpt_longer", "lstm", "gru", "gpt2"):
        if name in chosen or name.removesuffix("_longer") in chosen:
            yield name, getattr(every, name)


def main() -> None:
    """Train each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    names = ["nanogpt", "lstm", "gru", "gpt2"]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    text = next(d.text for d in character_texts(require_mirror()) if "hakespeare" in d.title)
    results = {}
    with tempfile.TemporaryDirectory(prefix="letterpress-benchmark-") as folder:
        every = Entries(text, Path(folder))
        for name, make in entries(chosen.only, every):
            print(f"{name} ...", file=sys.stderr, flush=True)
            result = results[name] = run(make, chosen.minutes, every.held_out)
            score = result.score
            if not chosen.json:
                print(
                    f"{name:<15} {score.bits_per_byte:.3f} bits per byte "
                    f"({score.low:.3f} to {score.high:.3f}), {result.n_weights:,} weights, "
                    f"{result.steps:,} updates in {result.seconds:.0f} s; curve "
                    + ", ".join(f"{at} s {bits}" for _, at, bits in _thinned(result.curve)),
                    flush=True,
                )
    if chosen.json:
        json.dump({name: asdict(r) for name, r in results.items()}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
