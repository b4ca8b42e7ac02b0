"""Training a character LSTM: letterpress against a plain torch loop and Keras 3.

    python benchmarks/recurrent_training.py [--rounds 5] [--cells lstm] [--sizes 2x128 ...] [--json]
    python benchmarks/recurrent_training.py --parity      bf16 against fp32 after as many steps

One unit is a character that was learnt from: forward, backward, gradient clipping and one update of
Adam. Every variant has the same shape (96 characters, an embedding as wide as the layers, a head of
its own) and reads the same random ids; Keras trains with `fit` on TensorFlow, as it comes. Each
runs in processes of its own, in turn, a new one for each round: where the buffers of a process come
to lie makes a step of 2x128 up to half as long again, for as long as it lives. The floor is the
matrix work of a step at the speed of a square matrix product, in the precision of ours, measured in
the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timing import as_json, table
from workers import Round, interleave_workers, serve, timed

V = 96


@dataclass(frozen=True, slots=True)
class Shape:
    """Layers and width, and the rows and steps of a batch; `n` batches make a round."""

    n_layer: int
    width: int
    rows: int
    steps: int
    n: int

    @property
    def flops(self) -> float:
        """Of one character, forward and backward: six for each weight that is multiplied."""
        return 6.0 * (self.n_layer * 2 * 4 * self.width**2 + V * self.width)


SHAPES = {
    "2x128": Shape(2, 128, 50, 50, 16),
    "2x512": Shape(2, 512, 50, 50, 3),
    "3x512": Shape(3, 512, 64, 128, 1),
}


def plain(shape: Shape, cell: str) -> Round:
    """What a tutorial writes: nn.Embedding, nn.LSTM, nn.Linear, Adam, in fp32."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
            self.embedding = nn.Embedding(V, shape.width)
            self.layers = kind(shape.width, shape.width, shape.n_layer, batch_first=True)
            self.head = nn.Linear(shape.width, V)

        def forward(self, ids: torch.Tensor, state: Any) -> Any:
            y, state = self.layers(self.embedding(ids), state)
            return self.head(y), state

    torch.manual_seed(0)
    model = Plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ids = torch.randint(0, V, (shape.rows, shape.steps + 1))

    def work() -> int:
        state = None
        for _ in range(shape.n):
            logits, state = model(ids[:, :-1], state)
            state = (
                tuple(part.detach() for part in state)
                if isinstance(state, tuple)
                else state.detach()
            )
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return shape.n * shape.rows * shape.steps

    return timed(work)


def ours(shape: Shape, cell: str, precision: str) -> Round:
    """`engine.fit` as it trains a model of ours, state carried, events and all."""
    import numpy as np

    from engine.batching import Streams, TokenWriter
    from engine.fit import FitSettings, Step, fit
    from engine.tokenizers import character_tokenizer
    from recurrent import CharLM, CharLMConfig
    from recurrent.training import CarriedState

    model = CharLM(
        CharLMConfig(
            cell=cell, vocab_size=V, hidden_size=shape.width, num_hidden_layers=shape.n_layer,
            embedding_size=shape.width,
        )
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="letterpress-benchmark-"))
    with TokenWriter(folder / "ids.bin", V) as writer:
        ids = np.random.default_rng(0).integers(0, V, shape.rows * shape.steps * 400)
        writer.add(ids.tolist(), len(ids))
    data = Streams(folder / "ids.bin", shape.steps, n_streams=shape.rows)
    settings = FitSettings(steps=10**6, batch_size=shape.rows, precision=precision)
    events = fit(CarriedState(model, character_tokenizer(["a"])), data, None, settings)

    def work() -> int:
        done = 0
        while done < shape.n:
            done += isinstance(next(events), Step)
        return shape.n * shape.rows * shape.steps

    return timed(work)


def keras_fit(shape: Shape, cell: str) -> Round:
    """Keras 3 on TensorFlow, stateless, as `fit` comes."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow  # noqa: F401 - said to be missing, if it is

    kind = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    model = keras.Sequential(
        [
            keras.Input((shape.steps,), dtype="int32"),
            keras.layers.Embedding(V, shape.width),
            *(kind(shape.width, return_sequences=True) for _ in range(shape.n_layer)),
            keras.layers.Dense(V),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    random = np.random.default_rng(0)
    ids = random.integers(0, V, (shape.rows * shape.n, shape.steps + 1), dtype=np.int32)

    def work() -> int:
        model.fit(ids[:, :-1], ids[:, 1:], batch_size=shape.rows, epochs=1, verbose=0)
        return ids[:, 1:].size

    return timed(work)


def matmul_flops(precision: str) -> float:
    """Operations a second of a square matrix product, the best of a few."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.ones(2048, 2048, dtype=kind)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * 2048**3 / best


def parity(steps: int) -> None:
    """Held-out bits per byte of 2x128 after as many updates in both precisions."""
    from corpora.mirror import character_texts, require_mirror
    from engine.batching import Streams
    from engine.fit import FitSettings, fit
    from engine.packing import pack
    from engine.scoring import bits_per_byte
    from engine.tokenizers import character_tokenizer
    from recurrent.sizes import Size, from_scratch
    from recurrent.training import CarriedState

    text = next(d.text for d in character_texts(require_mirror()) if "hakespeare" in d.title)
    cut = len(text) * 9 // 10
    tokenizer = character_tokenizer([text[:cut]])
    folder = Path(tempfile.mkdtemp(prefix="letterpress-benchmark-"))
    pack([text[:cut]], tokenizer, folder / "train.bin")
    data = Streams(folder / "train.bin", 128, n_streams=32)
    for cell in ("rnn", "lstm", "gru"):
        scores = {}
        for precision in ("no", "bf16"):
            task = CarriedState(from_scratch(cell, tokenizer, Size(2, 128), seed=1), tokenizer)
            settings = FitSettings(
                steps=steps, batch_size=32, lr=3e-3, precision=precision, device="cpu"
            )
            for _ in fit(task, data, None, settings):
                pass
            scores[precision] = bits_per_byte(task.model, tokenizer, [text[cut:]]).bits_per_byte
        print(
            f"{cell} 2x128 after {steps} updates: fp32 {scores['no']:.4f}, bf16 "
            f"{scores['bf16']:.4f}, difference {scores['bf16'] - scores['no']:+.4f} bits per byte",
            flush=True,
        )


def main() -> None:
    """Measure, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--cells", nargs="+", choices=["rnn", "lstm", "gru"], default=["lstm"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--updates", type=int, default=600, help="for --parity")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        name, size, cell = chosen.worker
        make = {
            "plain": lambda: plain(SHAPES[size], cell),
            "fp32": lambda: ours(SHAPES[size], cell, "no"),
            "bf16": lambda: ours(SHAPES[size], cell, "bf16"),
            "keras": lambda: keras_fit(SHAPES[size], cell),
        }[name]
        serve(make)
        return
    if chosen.parity:
        parity(chosen.updates)
        return
    everything = {}
    for cell in chosen.cells:
        for size in chosen.sizes:
            names = {
                "plain torch, fp32": "plain",
                "letterpress, bf16": "bf16",
                "letterpress, fp32": "fp32",
                "Keras 3 on TensorFlow": "keras",
            }
            variants = {name: ["--worker", short, size, cell] for name, short in names.items()}
            timings, absent = interleave_workers(Path(__file__), variants, chosen.rounds, anew=True)
            floor = matmul_flops("bf16") / SHAPES[size].flops
            share = timings["letterpress, bf16"].median / floor
            notes = {"letterpress, bf16": f"{share:.0%} of the bf16 floor of {floor:,.0f}"}
            if "Keras 3 on TensorFlow" in timings:
                against = (
                    timings["letterpress, bf16"].median / timings["Keras 3 on TensorFlow"].median
                )
                notes["Keras 3 on TensorFlow"] = f"letterpress bf16 is x{against:.2f} of it"
            everything[f"{cell} {size}"] = as_json(timings) | {"floor": {"bf16": floor}}
            if not chosen.json:
                print(table(f"{cell} {size}", "characters", timings, notes))
                for name, what in absent.items():
                    print(f"{name}: not measured, {what}")
    if chosen.json:
        json.dump(everything, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
