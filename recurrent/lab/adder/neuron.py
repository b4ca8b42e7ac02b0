"""One recurrent neuron, unrolled: it learns to carry.

    y(t) = sigmoid(w_a a(t) + w_b b(t) + w_y y(t - 1) + bias)

Four numbers are all it has. The carry of a column of an addition is one exactly if two of its three
bits are, and one neuron can say that: three equal weights and a bias of minus one and a half of
them. The sum's own bit it cannot say, for "one or three of three" is no single threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrent.lab.adder.bits import Bits, carries, random_pairs

Floats = NDArray[np.float64]
NAMES = ("w_a", "w_b", "w_y", "bias")


@dataclass(frozen=True, slots=True)
class NeuronStep:
    """A step of the neuron: what it reads, its own last output, their weighted sum, its output."""

    t: int
    a: int
    b: int
    before: float
    weighted_sum: float
    output: float


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))  # no exponential that overflows


def read(weights: Floats, pairs: Bits) -> Floats:
    """The outputs (N, T + 1) on reading pairs (N, T, 2), led by the 0 before the first step."""
    outputs = [np.zeros(len(pairs))]
    for t in range(pairs.shape[1]):
        outputs.append(_sigmoid(pairs[:, t] @ weights[:2] + weights[2] * outputs[-1] + weights[3]))
    return np.stack(outputs, axis=1)


def loss_and_gradient(weights: Floats, pairs: Bits) -> tuple[float, Floats]:
    """Cross entropy of the carries, mean nats per step, and its gradient (4,) back through time."""
    outputs, targets = read(weights, pairs), carries(pairs)
    before, after = outputs[:, :-1], np.clip(outputs[:, 1:], 1e-12, 1 - 1e-12)
    loss = -float((targets * np.log(after) + (1 - targets) * np.log(1 - after)).mean())
    d_sums = np.empty_like(after)
    from_later = np.zeros(len(pairs))
    for t in reversed(range(targets.shape[1])):
        slope = after[:, t] * (1 - after[:, t])
        # By the weighted sum: (output - target) from this step's loss, the rest from later steps.
        d_sums[:, t] = (after[:, t] - targets[:, t]) / targets.size + from_later * slope
        from_later = d_sums[:, t] * weights[2]
    gradient = [*np.tensordot(d_sums, pairs, ([0, 1], [0, 1])), (d_sums * before).sum()]
    return loss, np.array([*gradient, d_sums.sum()])


def train(seed: int, n_updates: int = 1500, rate: float = 2.0) -> Floats:
    """Learn to carry from pairs drawn anew, 32 at a time, by gradient descent; weights (4,)."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.5, 4)
    for _ in range(n_updates):
        weights -= rate * loss_and_gradient(weights, random_pairs(32, 8, rng))[1]
    return weights


def unroll(weights: Floats, pair: Bits) -> list[NeuronStep]:
    """The neuron step by step on one pair (T, 2)."""
    outputs = read(weights, pair[None])[0]
    steps = []
    for t, (a, b) in enumerate(pair):
        weighted = float(weights @ (a, b, outputs[t], 1.0))
        step = NeuronStep(t, int(a), int(b), float(outputs[t]), weighted, float(outputs[t + 1]))
        steps.append(step)
    return steps
