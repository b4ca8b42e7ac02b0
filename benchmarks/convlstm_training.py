"""Training a ConvLSTM on films: letterpress against a loop over a plain cell and Keras 3.

    python benchmarks/convlstm_training.py [--rounds 5] [--sizes 4x40 3x64] [--json]
    python benchmarks/convlstm_training.py --parity      bf16 against fp32 after as many steps

One unit is a frame that was learnt from: forward, backward, gradient clipping and one update of
Adam. Every variant has the same shape (one channel in, kernels of 3x3, a 1x1 convolution for the
next frame) and reads films of the same size. The loop is what is commonly copied: a cell that joins
input and hidden state, one convolution, four gates, layer after layer, frames taken as x[:, t].
Keras trains with `fit` on TensorFlow, as it comes. Each runs in processes of its own, in turn, a
new one for each round. The floor is the arithmetic of the convolutions at the speed of a square
matrix product, in the precision of ours, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrent_training import matmul_flops
from timing import as_json, table
from workers import Round, interleave_workers, serve, timed


@dataclass(frozen=True, slots=True)
class Shape:
    """Layers, channels, side of a frame, films and frames of a batch; `n` batches make a round."""

    n_layer: int
    width: int
    side: int
    films: int
    frames: int
    n: int

    @property
    def flops(self) -> float:
        """Of one frame, forward and backward: six for each weight at each place."""
        below = [1] + [self.width] * (self.n_layer - 1)
        weights = sum((n_in + self.width) * 4 * self.width * 9 for n_in in below)
        return 6.0 * self.side**2 * weights


SHAPES = {"4x40": Shape(4, 40, 40, 4, 15, 2), "3x64": Shape(3, 64, 64, 2, 20, 1)}


def loop(shape: Shape) -> Round:
    """The commonly copied cell in a loop, in fp32."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Cell(nn.Module):
        def __init__(self, n_in: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(n_in + shape.width, 4 * shape.width, 3, padding=1)

        def forward(self, x: torch.Tensor, state: Any) -> Any:
            hidden, cell = state
            said = self.conv(torch.cat([x, hidden], dim=1))
            i, f, o, g = torch.split(said, shape.width, dim=1)
            i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
            cell = f * cell + i * g
            return o * torch.tanh(cell), cell

    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            below = [1] + [shape.width] * (shape.n_layer - 1)
            self.cells = nn.ModuleList(Cell(n_in) for n_in in below)
            self.head = nn.Conv2d(shape.width, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for cell in self.cells:
                zeros = torch.zeros(shape.films, shape.width, shape.side, shape.side)
                state, seen = (zeros, zeros), []
                for t in range(shape.frames):
                    state = cell(x[:, t], state)
                    seen.append(state[0])
                x = torch.stack(seen, dim=1)
            return self.head(x.flatten(0, 1)).unflatten(0, (shape.films, shape.frames))

    torch.manual_seed(0)
    model = Loop()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    film = torch.rand(shape.films, shape.frames + 1, 1, shape.side, shape.side)

    def work() -> int:
        for _ in range(shape.n):
            loss = F.binary_cross_entropy_with_logits(model(film[:, :-1]), film[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return shape.n * shape.films * shape.frames

    return timed(work)


def network(n_layer: int, width: int) -> Any:
    """Our layers and a head, with the loss `fit` asks for."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from recurrent.convlstm import ConvLSTM

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = ConvLSTM(1, [width] * n_layer)
            self.head = nn.Conv2d(width, 1, 1)

        def loss(self, batch: dict[str, Any]) -> torch.Tensor:
            y, _ = self.body(batch["frames"][:, :, None])
            logits = self.head(y.flatten(0, 1)).float().view_as(batch["next"])
            return F.binary_cross_entropy_with_logits(logits, batch["next"])

    return Network()


def ours(shape: Shape, precision: str) -> Round:
    """`engine.fit` as it trains a model of ours, events and all."""
    import torch

    from engine.fit import FitSettings, Step, fit

    film = torch.rand(shape.films, shape.frames + 1, shape.side, shape.side)

    class Films:
        def __len__(self) -> int:
            return shape.films

        def batch(self, rows: Any, *, seed: int, epoch: int) -> dict[str, Any]:
            n = shape.films * shape.frames
            return {"frames": film[:, :-1], "next": film[:, 1:], "n_targets": n}

    settings = FitSettings(
        steps=10**6, batch_size=shape.films, precision=precision, eval_every=0, save_every=0
    )
    torch.manual_seed(0)
    events = fit(network(shape.n_layer, shape.width), Films(), None, settings)

    def work() -> int:
        done = 0
        while done < shape.n:
            done += isinstance(next(events), Step)
        return shape.n * shape.films * shape.frames

    return timed(work)


def keras_fit(shape: Shape) -> Round:
    """Keras 3 on TensorFlow, ConvLSTM2D, as `fit` comes."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow  # noqa: F401 - said to be missing, if it is

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((shape.frames, shape.side, shape.side, 1)),
            *(
                layers.ConvLSTM2D(shape.width, 3, padding="same", return_sequences=True)
                for _ in range(shape.n_layer)
            ),
            layers.Conv3D(1, 1),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    random = np.random.default_rng(0)
    film = random.random(
        (shape.films * shape.n, shape.frames + 1, shape.side, shape.side, 1), np.float32
    )

    def work() -> int:
        model.fit(film[:, :-1], film[:, 1:], batch_size=shape.films, epochs=1, verbose=0)
        return shape.n * shape.films * shape.frames

    return timed(work)


def parity(size: str, updates: int, seeds: int) -> dict[str, Any]:
    """Held-out loss on moving squares after as many updates in both precisions."""
    import torch

    from engine.fit import Evaluated, FitSettings, fit
    from recurrent.lab.frames.movies import FILMS, Movies

    shape, found = SHAPES[size], {}
    for precision in ("no", "bf16"):
        losses = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            settings = FitSettings(
                steps=updates, batch_size=shape.films, lr=2e-3, weight_decay=0.0, eval_every=0,
                eval_rows=32, precision=precision, device="cpu", seed=seed,
            )  # fmt: skip
            film = FILMS["squares"]
            train, valid = Movies(film, "train", 1000, seed), Movies(film, "valid", 32)
            events = fit(network(shape.n_layer, shape.width), train, valid, settings)
            losses += [e.valid_loss for e in events if isinstance(e, Evaluated)]
        found[precision] = losses
    fp32, bf16 = (sum(found[p]) / seeds for p in ("no", "bf16"))
    return {"size": size, "updates": updates, "losses": found, "difference": bf16 / fp32 - 1}


def main() -> None:
    """Measure, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--updates", type=int, default=200, help="for --parity")
    parser.add_argument("--seeds", type=int, default=3, help="for --parity")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        name, size = chosen.worker
        make = {
            "loop": lambda: loop(SHAPES[size]),
            "fp32": lambda: ours(SHAPES[size], "no"),
            "bf16": lambda: ours(SHAPES[size], "bf16"),
            "keras": lambda: keras_fit(SHAPES[size]),
        }[name]
        serve(make)
        return
    everything: dict[str, Any] = {}
    for size in chosen.sizes:
        if chosen.parity:
            everything[size] = found = parity(size, chosen.updates, chosen.seeds)
            if not chosen.json:
                print(
                    f"{size} after {chosen.updates} updates, held-out loss by seed: "
                    f"fp32 {found['losses']['no']}, bf16 {found['losses']['bf16']}, "
                    f"means differ by {found['difference']:+.2%}",
                    flush=True,
                )
            continue
        names = {
            "loop over a plain cell, fp32": "loop",
            "letterpress, bf16": "bf16",
            "letterpress, fp32": "fp32",
            "Keras 3 on TensorFlow": "keras",
        }
        variants = {name: ["--worker", short, size] for name, short in names.items()}
        timings, absent = interleave_workers(Path(__file__), variants, chosen.rounds, anew=True)
        floor = matmul_flops("bf16") / SHAPES[size].flops
        share = timings["letterpress, bf16"].median / floor
        notes = {"letterpress, bf16": f"{share:.0%} of the bf16 floor of {floor:,.1f}"}
        if "Keras 3 on TensorFlow" in timings:
            against = timings["letterpress, bf16"].median / timings["Keras 3 on TensorFlow"].median
            notes["Keras 3 on TensorFlow"] = f"letterpress bf16 is x{against:.2f} of it"
        everything[size] = as_json(timings) | {"floor": {"bf16": floor}}
        if not chosen.json:
            print(table(size, "frames", timings, notes))
            for name, what in absent.items():
                print(f"{name}: not measured, {what}")
    if chosen.json:
        json.dump(everything, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
