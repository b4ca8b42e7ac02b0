"""Training a small GPT-2: letterpress against the transformers Trainer.

    python benchmarks/gpt2_training.py [--rounds 5] [--json]

One unit is a token that was learnt from. The model is one GPT-2 of 6 layers, 384 wide, with 8,192
tokens, read in 16 windows of 256. The Trainer runs as it comes (dropout 0.1 of GPT2Config, AdamW,
clipping) in fp32, in fp32 without dropout, and with `bf16=True`; its time counts from its first to
its last update, without its set-up. Ours is `engine.fit` with events and all, without dropout and
with the activation by its faster name, as we train from scratch. Each runs in processes of its own,
in turn. The floor is the matrix work of a step at the speed of a square bf16 matrix product,
measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from recurrent_training import matmul_flops
from timing import as_json, table
from workers import Round, interleave_workers, serve, timed

LAYERS, WIDTH, HEADS, V, ROWS, WINDOW = 6, 384, 6, 8192, 16, 256
UPDATES = 3  # in a round
# Six for each weight that is multiplied, and for each pair of places that attention looks at.
FLOPS = 6.0 * (LAYERS * 12 * WIDTH**2 + V * WIDTH) + 6.0 * LAYERS * 2 * WIDTH * WINDOW / 2


def _model(dropout: float, activation: str = "gelu_new") -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=V, n_positions=WINDOW, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
            resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout,
            activation_function=activation,
        )
    )  # fmt: skip


def trainer(dropout: float, bf16: bool) -> Round:
    """The Trainer for a few updates, timed between its own callbacks."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        ends: list[float] = []  # noqa: RUF012 - one for the one trainer

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    ids = torch.randint(0, V, (ROWS * 64, WINDOW))
    data = [{"input_ids": row, "labels": row} for row in ids]
    folder = tempfile.mkdtemp(prefix="letterpress-benchmark-")
    arguments = TrainingArguments(
        output_dir=folder, per_device_train_batch_size=ROWS, max_steps=UPDATES + 1, bf16=bf16,
        use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    model = _model(dropout)

    def once() -> tuple[int, float]:
        Clock.ends.clear()
        Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Clock()]).train()
        return UPDATES * ROWS * WINDOW, Clock.ends[-1] - Clock.ends[0]

    return once


def ours(precision: str) -> Round:
    """`engine.fit` as it trains a GPT-2 from scratch."""
    import numpy as np

    from engine.batching import TokenWriter, Windows
    from engine.fit import FitSettings, Step, fit
    from engine.text_model import NextToken
    from engine.tokenizers import byte_tokenizer
    from lm.gpt2 import GELU

    folder = Path(tempfile.mkdtemp(prefix="letterpress-benchmark-"))
    with TokenWriter(folder / "ids.bin", V) as writer:
        ids = np.random.default_rng(0).integers(0, V, ROWS * WINDOW * 64)
        writer.add(ids.tolist(), len(ids))
    settings = FitSettings(steps=10**6, batch_size=ROWS, precision=precision, device="cpu")
    task = NextToken(_model(0.0, GELU), byte_tokenizer())
    events = fit(task, Windows(folder / "ids.bin", WINDOW), None, settings)

    def work() -> int:
        done = 0
        while done < UPDATES:
            done += isinstance(next(events), Step)
        return UPDATES * ROWS * WINDOW

    return timed(work)


VARIANTS = {
    "Trainer, as it comes": lambda: trainer(0.1, False),
    "Trainer, no dropout": lambda: trainer(0.0, False),
    "Trainer, bf16": lambda: trainer(0.1, True),
    "letterpress, bf16": lambda: ours("bf16"),
    "letterpress, fp32": lambda: ours("no"),
}


def main() -> None:
    """Measure, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        serve(VARIANTS[chosen.worker])
        return
    variants = {name: ["--worker", name] for name in VARIANTS}
    timings, _ = interleave_workers(Path(__file__), variants, chosen.rounds, anew=True)
    floor = matmul_flops("bf16") / FLOPS
    mine, bf16 = timings["letterpress, bf16"], timings["Trainer, bf16"]
    notes = {
        "letterpress, bf16": f"{mine.median / floor:.0%} of the bf16 floor of {floor:,.0f}",
        "Trainer, bf16": f"letterpress bf16 is x{mine.median / bf16.median:.2f} of it",
    }
    if chosen.json:
        json.dump(as_json(timings) | {"floor": {"bf16": floor}}, sys.stdout, indent=1)
    else:
        print(table("GPT-2 6x384", "tokens", timings, notes))


if __name__ == "__main__":
    main()
