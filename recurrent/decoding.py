"""One character at a time, fast: the steppers of the recurrent language models.

`torch.nn.LSTM` packs all its weights anew in every call (oneDNN), which for one character costs
many times the arithmetic, and any torch operation takes longer to start than a small layer takes
to multiply. So on a CPU a step is NumPy: each layer's hidden vector is multiplied once, by one
matrix that holds all who listen to it. Other devices run the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.stepper import Stepper
from recurrent.charlm import CharLM, RecurrentState

Vector: TypeAlias = NDArray[np.float32]
# Of each layer what its hidden vector says to its own gates at the next step, (G * H,), and what it
# remembers, (H,): the cell of an LSTM, else the hidden vector. Neither is ever written to again.
State: TypeAlias = tuple[tuple[Vector, Vector], ...]
# What the input says to the gates, what the hidden vector before does, and what is remembered ->
# the hidden vector and what is remembered now.
Cell: TypeAlias = Callable[[Vector, Vector, Vector], tuple[Vector, Vector]]
Product: TypeAlias = Callable[[Vector], Vector]

_HALF = np.array(0.5, np.float32)  # as an array, since NumPy converts a number slowly


def _rnn(given: Vector, back: Vector, memory: Vector) -> tuple[Vector, Vector]:
    """Elman (1990), with tanh."""
    hidden = np.add(given, back)
    np.tanh(hidden, hidden)
    return hidden, hidden


def _lstm(given: Vector, back: Vector, memory: Vector) -> tuple[Vector, Vector]:
    """Graves (2013), eq. 7 to 11 without peepholes; the gates come in the order i, f, o, g.

    sigmoid(x) = (tanh(x / 2) + 1) / 2, and the x of i, f and o come halved: one tanh does all four.
    """
    n = len(memory)
    gates = np.add(given, back)
    np.tanh(gates, gates)
    sigmoids, candidate = gates[: 3 * n], gates[3 * n :]
    np.multiply(sigmoids, _HALF, sigmoids)
    np.add(sigmoids, _HALF, sigmoids)
    cell = np.multiply(sigmoids[n : 2 * n], memory)
    np.multiply(candidate, sigmoids[:n], candidate)
    np.add(cell, candidate, cell)
    hidden = np.tanh(cell, candidate)
    np.multiply(hidden, sigmoids[2 * n :], hidden)
    return hidden, cell


def _gru(given: Vector, back: Vector, memory: Vector) -> tuple[Vector, Vector]:
    """Cho et al. (2014), eq. 5 to 8, the reset gate where torch has it: behind the product.

    The gates come in the order r, z, n; of r and z the x come halved, as in an LSTM.
    """
    n = len(memory)
    gates = np.add(given[: 2 * n], back[: 2 * n])
    np.tanh(gates, gates)
    np.multiply(gates, _HALF, gates)
    np.add(gates, _HALF, gates)
    new = np.multiply(gates[:n], back[2 * n :])
    np.add(new, given[2 * n :], new)
    np.tanh(new, new)
    hidden = np.subtract(memory, new)
    np.multiply(hidden, gates[n:], hidden)
    np.add(hidden, new, hidden)  # z * memory + (1 - z) * new
    return hidden, hidden


_CELLS: dict[str, Cell] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}

# OpenBLAS (0.3.31, measured) puts all cores to a product of 460,800 elements or more. On a machine
# with something else to do, waiting for the other core makes 40 microseconds into 8 milliseconds.
_ONE_CORE = 400_000
_BLOCK = 32  # ids from which on torch's fused LSTM has earned back its packing


def _product(matrix: Tensor) -> Product:
    """Multiply a vector by a matrix (M, N) on one core, in slices of rows if need be."""
    array: NDArray[np.float32] = matrix.float().numpy()
    m, n = array.shape
    if m * n <= _ONE_CORE:
        return array.dot
    n_slices = -(-m * n // _ONE_CORE)
    height = -(-m // n_slices)
    array = np.pad(array, ((0, n_slices * height - m), (0, 0))).reshape(n_slices, height, n)
    return lambda vector: np.matmul(array, vector).reshape(-1)[:m]


def _gates(cell: str, layer: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A layer's weights and biases as `_CELLS` want them, in float64.

    Returns
    -------
    weight_ih, weight_hh : Tensor, shape (G * H, C) and (G * H, H)
    bias_ih, bias_hh : Tensor, shape (G * H,)
        What is added to what the input says, and to what the hidden vector says.
    """
    w_ih, w_hh, b_ih, b_hh = (
        _exact(getattr(layer, name))
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    n = w_hh.shape[1]
    order, scale = torch.arange(len(w_hh)), torch.ones(len(w_hh), dtype=torch.float64)
    if cell == "lstm":  # torch has i, f, g, o; here the three sigmoids stand side by side
        order = torch.cat([order[: 2 * n], order[3 * n :], order[2 * n : 3 * n]])
        scale[: 3 * n] = 0.5
    elif cell == "gru":
        scale[: 2 * n] = 0.5
    return (
        w_ih[order] * scale[:, None],
        w_hh[order] * scale[:, None],
        b_ih[order] * scale,
        b_hh[order] * scale,
    )


class ModuleStepper:
    """A character model run by its own `forward`, on whatever device it lies."""

    backend = f"torch {torch.__version__}"
    window = 0

    def __init__(self, model: CharLM) -> None:
        self.model = model.eval()

    def start(
        self, ids: Sequence[int], state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Read ids from the beginning, or on from a state; see `RecurrentStepper.start`."""
        _check(ids, self.model.config.vocab_size)
        with torch.inference_mode():
            out = self.model(
                torch.tensor([list(ids)], device=self.model.device),  # (1, T)
                past_key_values=state,
                logits_to_keep=1,
            )
        return out.logits[0, -1], out.past_key_values

    def step(self, token: int, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Read one id more."""
        return self.start((token,), state)


class RecurrentStepper:
    """A character model on the CPU, in NumPy.

    Its weights are taken as they are now: after any change to the model make another stepper.
    Threads may share one.

    Parameters
    ----------
    model : CharLM
        In any precision; steps are taken in float32.
    """

    backend = f"numpy {np.__version__} fp32"
    window = 0

    def __init__(self, model: CharLM) -> None:
        config = model.config
        layers = [_gates(config.cell, layer) for layer in model.layers]
        w_ih, _, bias, _ = layers[0]
        embedding = model.embedding
        said = w_ih.T if embedding is None else _exact(embedding.weight) @ w_ih.T
        # What each character says to the first layer's gates: looked up instead of multiplied.
        self._table: list[Vector] = list((said + bias).float().numpy())  # V of (G * H,)
        self._cell = _CELLS[config.cell]
        self._n = len(bias)
        above = [(w, b) for w, _, b, _ in layers[1:]]
        above.append((_exact(model.head.weight), _exact(model.head.bias)))
        # Of each layer the product that says all its hidden vector has to say, to its own gates and
        # to what is above it; the bias of both; and for a residual layer, which gives the layer
        # above its input as well, a product of its own for that.
        self._layers: list[tuple[Product, Vector, Product | None]] = []
        for i, ((_, w_hh, _, b_hh), (w_up, b_up)) in enumerate(zip(layers, above, strict=True)):
            bias_both: Vector = torch.cat([b_hh, b_up]).float().numpy()
            if config.residual and i:
                self._layers.append((_product(w_hh), bias_both, _product(w_up)))
            else:
                self._layers.append((_product(torch.cat([w_hh, w_up])), bias_both, None))
        zeros = np.zeros(config.hidden_size, np.float32)
        self._begin: State = tuple((b_hh.float().numpy(), zeros) for _, _, _, b_hh in layers)
        # A block at once is several times faster for an LSTM, and no faster for the other two.
        whole = config.cell == "lstm" and model.dtype == torch.float32
        self._blocks = ModuleStepper(model) if whole else None

    def start(self, ids: Sequence[int], state: State | None = None) -> tuple[Tensor, State]:
        """Read ids from the beginning, or on from a state.

        Parameters
        ----------
        ids : sequence of int
            At least one.
        state : State, optional
            From this stepper; it stays as it is.

        Returns
        -------
        logits : Tensor, shape (V,)
        state

        Raises
        ------
        ValueError
            If there is no id, or one that the model does not know.
        """
        _check(ids, len(self._table))
        if state is None and self._blocks and len(ids) >= _BLOCK:
            logits, read = self._blocks.start(ids)
            return logits, self._taken_from(read)
        state = state or self._begin
        for token in ids:
            logits, state = self.step(token, state)
        return logits, state

    def step(self, token: int, state: State) -> tuple[Tensor, State]:
        """Read one id more: the logits (V,) of the next, and the state after it."""
        n, cell = self._n, self._cell
        given = output = self._table[token]
        after = []
        for (product, bias, residual), (back, memory) in zip(self._layers, state, strict=True):
            hidden, now = cell(given, back, memory)
            if residual is None:
                output = hidden
                said = product(hidden)
            else:
                output = output + hidden
                said = np.concatenate((product(hidden), residual(output)))
            said += bias
            given = said[n:]  # the last one is the logits
            after.append((said[:n], now))
        return torch.from_numpy(given), tuple(after)

    def _taken_from(self, read: RecurrentState) -> State:
        """The state of an LSTM as it is kept here."""
        after = []
        for (product, bias, _), layer in zip(self._layers, read.layers, strict=True):
            hidden, cell = (part[0].numpy().copy() for part in layer)
            after.append((product(hidden)[: self._n] + bias[: self._n], cell))
        return tuple(after)


def stepper(model: CharLM) -> Stepper[Any]:
    """The faster stepper for where the model lies."""
    return RecurrentStepper(model) if model.device.type == "cpu" else ModuleStepper(model)


def _exact(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()


def _check(ids: Sequence[int], vocab_size: int) -> None:
    if not ids:
        raise ValueError("ids is empty; a prompt needs at least one id")
    if not 0 <= min(ids) <= max(ids) < vocab_size:
        raise ValueError(
            f"ids go from {min(ids)} to {max(ids)}; expected 0 to {vocab_size - 1}, "
            "the model's vocabulary"
        )
