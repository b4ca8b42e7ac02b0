"""The three recurrent cells written out gate by gate, for reading.

Each cell takes one step: an input x (B, C), the state before it and the weights of a layer, and
gives the state after it. The numbers are those of `torch.nn` and every gate can be looked at.
Nothing here is fast: training and generation do the same sums in fewer and larger pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

LSTMState: TypeAlias = tuple[Tensor, Tensor]  # (hidden, cell), each (B, H)
State = TypeVar("State", Tensor, LSTMState)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What one recurrent layer has learned, in the layout of `torch.nn`.

    The rows of every gate lie one below the other: 1 gate for an RNN; input, forget, candidate,
    output for an LSTM; reset, update, new for a GRU.

    Attributes
    ----------
    weight_ih : Tensor, shape (gates * H, C)
    weight_hh : Tensor, shape (gates * H, H)
    bias_ih, bias_hh : Tensor, shape (gates * H,)
        One added beside each product. Their sum is all that matters, except in a GRU's new gate.

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def __post_init__(self) -> None:
        if self.weight_hh.ndim != 2 or self.weight_hh.shape[0] % self.weight_hh.shape[1]:
            raise ValueError(
                f"weight_hh has shape {tuple(self.weight_hh.shape)}; expected (gates * H, H)"
            )
        rows = self.weight_hh.shape[0]
        if self.weight_ih.ndim != 2 or self.weight_ih.shape[0] != rows:
            raise ValueError(
                f"weight_ih has shape {tuple(self.weight_ih.shape)}; expected ({rows}, C), "
                "as many rows as weight_hh"
            )
        for name, bias in (("bias_ih", self.bias_ih), ("bias_hh", self.bias_hh)):
            if bias.shape != (rows,):
                raise ValueError(f"{name} has shape {tuple(bias.shape)}; expected ({rows},)")

    @property
    def hidden_size(self) -> int:
        """Units of the layer, H."""
        return self.weight_hh.shape[1]

    @property
    def n_gates(self) -> int:
        """1 for an RNN, 3 for a GRU, 4 for an LSTM."""
        return self.weight_hh.shape[0] // self.weight_hh.shape[1]

    @classmethod
    def of(cls, module: nn.RNNBase | nn.RNNCellBase, layer: int = 0) -> Weights:
        """Take the weights of a torch layer or cell; they are shared with it, not copied.

        Parameters
        ----------
        module : nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell or nn.GRUCell
            One without biases counts as one whose biases are 0.
        layer : int
            Which layer of a stack, from 0; a cell has only layer 0.

        Raises
        ------
        ValueError
            If there is no such layer, or if it does what the cells here do not: two directions,
            a projection, or a relu.
        """
        n_layers = module.num_layers if isinstance(module, nn.RNNBase) else 1
        if not 0 <= layer < n_layers:
            raise ValueError(f"layer={layer} must be at least 0 and below the module's {n_layers}")
        if getattr(module, "bidirectional", False):
            raise ValueError("module reads in both directions; the cells here read forward only")
        if getattr(module, "proj_size", 0):
            raise ValueError(f"module has proj_size={module.proj_size}; expected none")
        if getattr(module, "nonlinearity", "tanh") != "tanh":
            raise ValueError(f"module has nonlinearity={module.nonlinearity}; expected tanh")
        suffix = f"_l{layer}" if isinstance(module, nn.RNNBase) else ""
        sides = ("ih", "hh")
        weight_ih, weight_hh = (getattr(module, f"weight_{side}{suffix}") for side in sides)
        if module.bias:
            bias_ih, bias_hh = (getattr(module, f"bias_{side}{suffix}") for side in sides)
        else:
            bias_ih = bias_hh = weight_hh.new_zeros(len(weight_hh))
        return cls(weight_ih, weight_hh, bias_ih, bias_hh)


def _from_input(x: Tensor, weights: Weights, n_gates: int) -> tuple[Tensor, ...]:
    """What the input says to each gate, each (B, H)."""
    if weights.n_gates != n_gates:
        raise ValueError(f"weights hold {weights.n_gates} gates; this cell has {n_gates}")
    return (x @ weights.weight_ih.T + weights.bias_ih).chunk(n_gates, dim=-1)


def _from_hidden(hidden: Tensor, weights: Weights, n_gates: int) -> tuple[Tensor, ...]:
    """What the hidden state before says to each gate, each (B, H)."""
    return (hidden @ weights.weight_hh.T + weights.bias_hh).chunk(n_gates, dim=-1)


def rnn_cell(x: Tensor, hidden: Tensor, weights: Weights) -> Tensor:
    """One step of the simple recurrent network (Elman 1990), with tanh for his logistic units.

    Parameters
    ----------
    x : Tensor, shape (B, C)
    hidden : Tensor, shape (B, H)
        The state before the step; zeros at the beginning of a text.
    weights : Weights
        Of 1 gate.

    Returns
    -------
    Tensor, shape (B, H)
        The hidden state after the step, within [-1, 1].

    Raises
    ------
    ValueError
        If `weights` are those of another cell.
    """
    (input_says,) = _from_input(x, weights, 1)  # (B, H)
    (hidden_says,) = _from_hidden(hidden, weights, 1)  # (B, H)
    return torch.tanh(input_says + hidden_says)  # (B, H)


@dataclass(frozen=True, slots=True, eq=False)
class LSTMGates:
    """Every value of one step of an LSTM, each (B, H).

    Attributes
    ----------
    input : Tensor, within [0, 1]
        How much of the candidate is written.
    forget : Tensor, within [0, 1]
        How much of the old cell is kept; 1 forgets nothing.
    candidate : Tensor, within [-1, 1]
        What could be written.
    output : Tensor, within [0, 1]
        How much of the cell is shown.
    cell : Tensor
        The memory after the step; it has no bounds.
    hidden : Tensor, within [-1, 1]
        What the layers above and the next step see of it.
    """

    input: Tensor
    forget: Tensor
    candidate: Tensor
    output: Tensor
    cell: Tensor
    hidden: Tensor


def lstm_gates(x: Tensor, state: LSTMState, weights: Weights) -> LSTMGates:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997), with every value on the way.

    The forget gate is that of Gers, Schmidhuber and Cummins (2000). These are equations 7 to 11 of
    Graves (2013) without the peepholes, through which his gates also look into the cell. The
    candidate and the cell pass through tanh; the paper of 1997 has scaled logistic functions.

    Parameters
    ----------
    x : Tensor, shape (B, C)
    state : (hidden, cell), each of shape (B, H)
        The state before the step; zeros at the beginning of a text.
    weights : Weights
        Of 4 gates: input, forget, candidate, output.

    Raises
    ------
    ValueError
        If `weights` are those of another cell.
    """
    hidden, cell = state
    xi, xf, xg, xo = _from_input(x, weights, 4)  # each (B, H)
    hi, hf, hg, ho = _from_hidden(hidden, weights, 4)  # each (B, H)
    input_gate = torch.sigmoid(xi + hi)  # (B, H)
    forget_gate = torch.sigmoid(xf + hf)  # (B, H)
    candidate = torch.tanh(xg + hg)  # (B, H)
    output_gate = torch.sigmoid(xo + ho)  # (B, H)
    # A sum, not a product through a matrix: where forget is 1 the gradient passes back unchanged.
    cell = forget_gate * cell + input_gate * candidate  # (B, H)
    hidden = output_gate * torch.tanh(cell)  # (B, H)
    return LSTMGates(input_gate, forget_gate, candidate, output_gate, cell, hidden)


def lstm_cell(x: Tensor, state: LSTMState, weights: Weights) -> LSTMState:
    """One step of an LSTM: `lstm_gates`, of which only the new (hidden, cell) is kept."""
    gates = lstm_gates(x, state, weights)
    return gates.hidden, gates.cell


@dataclass(frozen=True, slots=True, eq=False)
class GRUGates:
    """Every value of one step of a GRU, each (B, H).

    Attributes
    ----------
    reset : Tensor, within [0, 1]
        How much of the old state the new one may look at; 0 starts afresh.
    update : Tensor, within [0, 1]
        How much of the old state is kept; 1 changes nothing.
    new : Tensor, within [-1, 1]
        What could take its place.
    hidden : Tensor, shape (B, H)
        The state after the step.
    """

    reset: Tensor
    update: Tensor
    new: Tensor
    hidden: Tensor


def gru_gates(x: Tensor, hidden: Tensor, weights: Weights) -> GRUGates:
    """One step of a GRU (Cho et al. 2014, eq. 5 to 8), with every value on the way.

    Two differences from the paper, both torch's. In its eq. 8 the reset gate acts on the hidden
    state before the product with the matrix; here it acts on the product (and on its bias), so
    that one large product serves all three gates. And the gates have biases, which the paper
    leaves out of its equations.

    Parameters
    ----------
    x : Tensor, shape (B, C)
    hidden : Tensor, shape (B, H)
        The state before the step; zeros at the beginning of a text.
    weights : Weights
        Of 3 gates: reset, update, new.

    Raises
    ------
    ValueError
        If `weights` are those of another cell.
    """
    xr, xz, xn = _from_input(x, weights, 3)  # each (B, H)
    hr, hz, hn = _from_hidden(hidden, weights, 3)  # each (B, H)
    reset = torch.sigmoid(xr + hr)  # (B, H), eq. 5
    update = torch.sigmoid(xz + hz)  # (B, H), eq. 6
    new = torch.tanh(xn + reset * hn)  # (B, H), eq. 8 with the reset gate moved
    hidden = update * hidden + (1 - update) * new  # (B, H), eq. 7
    return GRUGates(reset, update, new, hidden)


def gru_cell(x: Tensor, hidden: Tensor, weights: Weights) -> Tensor:
    """One step of a GRU: `gru_gates`, of which only the new hidden state (B, H) is kept."""
    return gru_gates(x, hidden, weights).hidden


def unroll(
    cell: Callable[[Tensor, State, Weights], State], x: Tensor, state: State, weights: Weights
) -> tuple[Tensor, State]:
    """Run a cell along a sequence, the state of each step going into the next.

    Parameters
    ----------
    cell : callable
        `rnn_cell`, `lstm_cell` or `gru_cell`.
    x : Tensor, shape (B, T, C)
        At least one step.
    state : Tensor or (Tensor, Tensor), each of shape (B, H)
        The state before the first step.
    weights : Weights

    Returns
    -------
    outputs : Tensor, shape (B, T, H)
        The hidden state after every step.
    state
        The state after the last step, of the kind that was given.

    Raises
    ------
    ValueError
        If `x` has no step, or `weights` are those of another cell.
    """
    if x.ndim != 3 or x.shape[1] == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (B, T, C) with T at least 1")
    outputs = []
    for now in x.unbind(dim=1):  # (B, C)
        state = cell(now, state, weights)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1), state  # (B, T, H)
