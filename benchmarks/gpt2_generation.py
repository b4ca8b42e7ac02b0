"""How fast does GPT-2 write on a CPU, one stream, against the usual ways?

    python benchmarks/gpt2_generation.py [--rounds 7] [--sizes starter 124M] [--threads 1] [--json]

The same weights, a prompt of 128 ids and 128 new ones, the likeliest each time, reading the prompt
included: transformers' `generate()` in fp32, letterpress (its stepper and its loop), CTranslate2
and OpenVINO with int8 weights where they are installed. Each runs in a process of its own, in turn.
The last rows only read as many bytes as a token's weights have (`torch.sum`, from whatever cache
they fit in), at four bytes a weight and at one; the share is of the row that fits the variant.

One thread suits each best on a busy machine, and is what letterpress writes with; `--threads` gives
all of them more. Only the starter's weights are real, so only there can the ids be judged: bits and
top choices of letterpress are compared with the model's own on the bundled replies.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from gpt2_peers import Write, ctranslate2, openvino
from timing import as_json, table
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as hf_logging
from workers import Round, interleave_workers, serve, timed

from corpora.letters import load_pairs
from engine.generation import generate_ids
from engine.sampling import SamplingSettings, generator
from engine.tokenizers import encode_text, load_tokenizer
from lm.agreement import agreement
from lm.decoding import stepper_for
from lm.voice import starter_folder

STARTER = "starter"
SIZES = {  # layers, width, heads, vocabulary
    STARTER: (6, 256, 4, 4096),
    "6x384": (6, 384, 6, 8192),
    "124M": (12, 768, 12, 50257),
}
N_PROMPT = N_NEW = 128
HF, OURS, CT2, OV = "generate() fp32", "letterpress", "CTranslate2 int8", "OpenVINO int8"
READING = {"reading 4 bytes a weight": 4, "reading 1 byte a weight": 1}


def gpt2(size: str) -> GPT2LMHeadModel:
    """The starter, or a model with fresh weights, the same in every process."""
    if size == STARTER:
        model = GPT2LMHeadModel.from_pretrained(starter_folder(), dtype=torch.float32)
    else:
        torch.manual_seed(0)
        n_layer, width, n_head, vocab_size = SIZES[size]
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=vocab_size, n_embd=width, n_layer=n_layer, n_head=n_head)
        )
    model.generation_config.eos_token_id = None  # all write to the end
    return model.eval()


def prompt(size: str) -> list[int]:
    """Ids to begin with: a bundled letter for the starter, else any."""
    if size == STARTER:
        text = "\n\n".join(pair.letter.text for pair in load_pairs()[:8])
        return encode_text(load_tokenizer(starter_folder()), text)[:N_PROMPT]
    drawn = torch.randint(
        1, SIZES[size][3], (N_PROMPT,), generator=torch.Generator().manual_seed(0)
    )
    return [int(i) for i in drawn]


def through_transformers(model: GPT2LMHeadModel, threads: int) -> Write:
    """What everyone calls."""

    def write(ids: Sequence[int], n: int) -> list[int]:
        x = torch.tensor([list(ids)])
        y = model.generate(
            x, attention_mask=torch.ones_like(x), max_new_tokens=n, do_sample=False, pad_token_id=0
        )
        return [int(i) for i in y[0, len(ids) :]]

    return write


def letterpress(model: GPT2LMHeadModel, threads: int) -> Write:
    """The stepper and the loop that letters are written with."""
    stepper, greedy = stepper_for(model), SamplingSettings(temperature=0.0)

    def write(ids: Sequence[int], n: int) -> list[int]:
        logits, state = stepper.start(ids)
        drawn = generate_ids(stepper, logits, state, greedy, generator(0))
        return [next(drawn)[0] for _ in range(n)]

    return write


WAYS: dict[str, Callable[[GPT2LMHeadModel, int], Write]] = {
    HF: through_transformers,
    OURS: letterpress,
    CT2: ctranslate2,
    OV: openvino,
}


def rounds_of(way: str, size: str, threads: int, seconds: float = 0.3) -> Round:
    """A round writes so many texts as take about so long, at least one."""
    write, ids = WAYS[way](gpt2(size), threads), prompt(size)
    write(ids, N_NEW)
    began = time.perf_counter()
    write(ids, N_NEW)
    times = max(1, round(seconds / (time.perf_counter() - began)))
    return timed(lambda: sum(len(write(ids, N_NEW)) for _ in range(times)))


def reading(size: str, n_bytes: int, threads: int) -> Round:
    """Read the bytes of the weights that every token is multiplied by, again and again."""
    model = gpt2(size)
    n_weights = model.num_parameters() - model.transformer.wpe.weight.numel()
    block = torch.ones(n_weights * n_bytes // 4)  # summed four bytes at a time
    times = max(1, 8_000_000_000 // block.nbytes)  # long enough to be interrupted like the others

    @torch.inference_mode()
    def work() -> int:
        for _ in range(times):
            block.sum()
        return times

    return timed(work)


def judge() -> str:
    """What the starter's numbers cost, in words."""
    model, tokenizer = gpt2(STARTER), load_tokenizer(starter_folder())
    texts = [encode_text(tokenizer, pair.reply.text)[:700] for pair in load_pairs()[::20]]
    found = agreement(model, stepper_for(model), texts)
    return (
        f"letterpress beside the starter itself: {found.more_bits:+.3%} bits per byte, the same "
        f"top choice in {found.top:.2%} of {found.n_steps:,} steps"
    )


def beginnings(size: str, ways: list[str], threads: int) -> dict[str, str]:
    """How many ids each way writes before it leaves `generate()`'s text."""
    ids = prompt(size)
    expected = WAYS[HF](gpt2(size), threads)(ids, N_NEW)
    notes = {}
    for way in ways:
        # A model of its own each: CTranslate2's conversion alters the one it is given.
        got = WAYS[way](gpt2(size), threads)(ids, N_NEW)
        same = [a == b for a, b in zip(got, expected, strict=True)]
        notes[way] = f"{[*same, False].index(False)} ids as {HF}"
    return notes


def main() -> None:
    """Time every size; print tables, or JSON."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--json", action="store_true", help="print the numbers alone")
    options.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    hf_logging.disable_progress_bar()
    if chosen.worker:
        way, size = chosen.worker
        if way in READING:
            serve(lambda: reading(size, READING[way], chosen.threads))
        else:
            serve(lambda: rounds_of(way, size, chosen.threads))
        return
    everything = {}
    for size in chosen.sizes:
        flags = ["--threads", str(chosen.threads), "--worker"]
        variants = {way: [*flags, way, size] for way in (*WAYS, *READING)}
        timings, absent = interleave_workers(Path(__file__), variants, chosen.rounds)
        notes = beginnings(size, [way for way in WAYS if way in timings], chosen.threads)
        for way in notes:
            floor = list(READING)[way != HF]
            notes[way] = (
                f"{timings[way].median / timings[floor].median:.0%} of {floor}, {notes[way]}"
            )
        everything[size] = as_json(timings)
        if not chosen.json:
            print(table(f"{size}, {chosen.threads} thread", "tokens", timings, notes))
            for way, missing in absent.items():
                print(f"{way}: not installed ({missing})")
            print(judge() if size == STARTER else "", end="\n\n", flush=True)
    if chosen.json:
        json.dump(everything, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
