"""The lecture's network of 2 inputs, 16 sigmoid units and 1 output, in NumPy with its own
backpropagation through time: one pair of numbers is read, and the weights change, at each update.

Two recipes train it. `LECTURE` is the notebook's: no biases, squared error, plain gradient descent.
`OURS` has biases, cross entropy, Adam, and starting values under which a state neither dies nor
explodes on its way through the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from corpora.errors import ModelError
from recurrent.lab.adder.bits import Bits, random_pairs, sums

Floats = NDArray[np.float64]
CONFIG, WEIGHTS = "numpy_adder.json", "numpy_adder.safetensors"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the network starts and learns.

    Attributes
    ----------
    biases : bool
        Whether the units have them.
    cross_entropy : bool
        The error that is minimised; otherwise half the squared error. Either is added up over the
        columns of a pair.
    adam : bool
        Adam (Kingma and Ba 2015, algorithm 1) with a rate that falls to 0 in a straight line;
        otherwise plain gradient descent at a constant rate.
    rate : float
        The learning rate.
    """

    biases: bool
    cross_entropy: bool
    adam: bool
    rate: float


LECTURE = Recipe(biases=False, cross_entropy=False, adam=False, rate=0.1)
OURS = Recipe(biases=True, cross_entropy=True, adam=True, rate=0.03)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))  # no exponential that overflows


class NumpyAdder:
    """An Elman network (1990) with sigmoid units that reads two bits and says one, T times.

    All weights lie in one vector, of which `input` (2, H), `recurrent` (H, H), `output` (H,),
    `hidden_bias` (H,) and `output_bias` (1,) are views: an update is then a line over the vector.
    """

    def __init__(self, hidden_size: int = 16, recipe: Recipe = OURS, seed: int = 0) -> None:
        if hidden_size < 1:
            raise ValueError(f"hidden_size={hidden_size} must be at least 1")
        n = hidden_size
        self.hidden_size, self.recipe, self.n_updates = n, recipe, 0
        self.vector = np.zeros(2 * n + n * n + n + n + 1)
        self.input, self.recurrent, self.output, self.hidden_bias, self.output_bias = self._views(
            self.vector
        )
        self._moments = np.zeros((2, len(self.vector)))
        rng = np.random.default_rng(seed)
        if not recipe.biases:
            self.input[:] = rng.normal(0, 1, (2, n))
            self.output[:] = rng.normal(0, 1, n)
            self.recurrent[:] = rng.normal(0, 2, (n, n))
            return
        # sigmoid(z) = (1 + tanh(z / 2)) / 2: four times an orthogonal matrix lets a small change of
        # the state pass whole, and the bias lifts every unit to the middle of its slope.
        self.recurrent[:] = 4 * np.linalg.qr(rng.normal(size=(n, n)))[0]
        self.input[:] = rng.normal(0, 2, (2, n))
        self.output[:] = rng.normal(0, 2 / np.sqrt(n), n)
        self.hidden_bias[:] = -0.5 * (self.recurrent.sum(axis=0) + self.input.sum(axis=0))
        self.output_bias[:] = -0.5 * self.output.sum()

    def _views(self, vector: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        n = self.hidden_size
        parts = np.split(vector, np.cumsum([2 * n, n * n, n, n]))
        return parts[0].reshape(2, n), parts[1].reshape(n, n), parts[2], parts[3], parts[4]

    def read(self, pairs: Bits) -> tuple[Floats, Floats]:
        """Read pairs (N, T, 2): the hidden states (N, T + 1, H), led by zeros, and the probability
        of a one at each column, (N, T)."""
        from_input = pairs @ self.input + self.hidden_bias  # (N, T, H)
        states = np.zeros((len(pairs), pairs.shape[1] + 1, self.hidden_size))
        for t in range(pairs.shape[1]):
            states[:, t + 1] = _sigmoid(from_input[:, t] + states[:, t] @ self.recurrent)
        return states, _sigmoid(states[:, 1:] @ self.output + self.output_bias)

    def error_and_gradient(self, pairs: Bits) -> tuple[float, Floats]:
        """The recipe's error, summed over columns and averaged over pairs (N, T, 2), and its
        gradient by the vector of weights."""
        states, probability = self.read(pairs)
        before, after = states[:, :-1], states[:, 1:]  # (N, T, H) each
        wrong = probability - sums(pairs)  # (N, T)
        n = len(pairs)
        # By what goes into the output's sigmoid; cross entropy undoes the sigmoid's slope.
        if self.recipe.cross_entropy:
            error = -np.log(np.maximum(1 - np.abs(wrong), 1e-300)).sum() / n
            d_output = wrong / n
        else:
            error = 0.5 * (wrong**2).sum() / n
            d_output = wrong * probability * (1 - probability) / n
        slope = after * (1 - after)
        from_output = d_output[..., None] * self.output  # (N, T, H)
        d_sums = np.empty_like(after)
        from_later = np.zeros((n, self.hidden_size))
        for t in reversed(range(pairs.shape[1])):
            d_sums[:, t] = (from_output[:, t] + from_later) * slope[:, t]
            from_later = d_sums[:, t] @ self.recurrent.T
        gradient = np.zeros_like(self.vector)
        d_input, d_recurrent, d_weights, d_bias, d_output_bias = self._views(gradient)
        flat = d_sums.reshape(-1, self.hidden_size)  # (N * T, H): one product each, summed over all
        d_input[:] = pairs.reshape(-1, 2).T @ flat
        d_recurrent[:] = before.reshape(-1, self.hidden_size).T @ flat
        d_weights[:] = d_output.reshape(-1) @ after.reshape(-1, self.hidden_size)
        if self.recipe.biases:
            d_bias[:] = flat.sum(axis=0)
            d_output_bias[:] = d_output.sum()
        return float(error), gradient

    def update(self, pairs: Bits, rate: float) -> float:
        """Change the weights once by these pairs (N, T, 2); the error before."""
        error, gradient = self.error_and_gradient(pairs)
        self.n_updates += 1
        if not self.recipe.adam:
            self.vector -= rate * gradient
            return error
        mean, square = self._moments
        mean += 0.1 * (gradient - mean)
        square += 0.01 * (gradient**2 - square)
        unbiased = mean / (1 - 0.9**self.n_updates)
        self.vector -= rate * unbiased / (np.sqrt(square / (1 - 0.99**self.n_updates)) + 1e-8)
        return error

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and recipe (JSON) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"vector": self.vector}, folder / WEIGHTS)
        text = json.dumps({"hidden_size": self.hidden_size, "recipe": asdict(self.recipe)})
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def train(
    adder: NumpyAdder,
    n_updates: int,
    seed: int,
    seen: set[int],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, float]]:
    """Learn from one pair of 8-bit numbers an update, drawn anew each time: (update, error).

    `seen` is told each pair as a * 128 + b, its place in `bits.all_pairs`.
    """
    rng = np.random.default_rng([seed, 1])
    powers = 2 ** np.arange(8)
    for i in range(n_updates):
        pairs = random_pairs(1, 8, rng)
        a, b = powers @ pairs[0]
        seen.add(int(a) * 128 + int(b))
        rate = adder.recipe.rate * (1 - i / n_updates if adder.recipe.adam else 1)
        yield i + 1, adder.update(pairs, rate)
        if stopped():
            return


def load_numpy_adder(folder: Path) -> NumpyAdder:
    """Read what `NumpyAdder.save` wrote.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        adder = NumpyAdder(config["hidden_size"], Recipe(**config["recipe"]))
        adder.vector[:] = load_file(folder / WEIGHTS)["vector"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no NumPy adder that can be read ({problem}). Run the adder again."
        ) from problem
    return adder
