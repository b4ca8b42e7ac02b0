"""One recurrent layer over a whole block of text, trained faster than `torch.nn` where that pays.

`run_layer` computes what `layer(x, state)` computes and decides how. The autograd functions here
take the input products of all steps in one product, keep the gate arithmetic in fp32 while the
products run in bf16, and make the gradient of each weight in one product. How a cell works is read
in `cells`, not here.

Two things are odd for speed's sake. Buffers are reused step after step (`out=`, names ending in _):
at these sizes an allocation costs as much as the arithmetic. And tanh is taken from the sigmoid,
whose kernel is several times faster.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

State: TypeAlias = Tensor | tuple[Tensor, Tensor]

# The hidden size from which on the functions here beat `torch.nn` under bf16 autocast, measured on
# whole training steps of 50 to 64 rows (Zen 5). GRU x1.1 to x1.4, RNN x1.1 to x1.25: sizes 16 to
# 512 on 1 thread, 128 to 512 on 2. torch gives the LSTM alone to oneDNN: x0.4 to x0.6 at 128, x0.8
# (2 threads) to x1.05 (1) at 512, and at 768 and 1024 x0.95 (2) and x1.2 to x1.35 (1). In fp32 the
# gain is nothing to x1.1, and torch runs.
_FUSED_FROM: dict[type[nn.RNNBase], int] = {nn.RNN: 1, nn.GRU: 1, nn.LSTM: 768}


def run_layer(layer: nn.RNNBase, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run one layer over a block by the faster of two ways: `torch.nn`'s own or `run_fused`.

    Parameters
    ----------
    layer : nn.RNN, nn.GRU or nn.LSTM
        One layer, one direction, `batch_first`, with biases, tanh, no projection.
    x : Tensor, shape (B, T, C)
        At least one row and one step.
    state : Tensor or pair of Tensor, each (1, B, H), optional
        `hidden`, or `(hidden, cell)` for an LSTM; None is a state of zeros.

    Returns
    -------
    y : Tensor, shape (B, T, H)
        The hidden state after each step, under autocast perhaps in its lower precision.
    state : Tensor or pair of Tensor, each (1, B, H)
        The state after the last step, always in the precision of the weights.

    Raises
    ------
    ValueError
        If the layer is another kind, or a shape does not belong to it.
    """
    _check(layer, x, state)
    if is_fused_faster(layer, x):
        return run_fused(layer, x, state)
    y, last = layer(x, state)
    return y, _as_state([part.to(layer.all_weights[0][0].dtype) for part in _parts(last)])


def is_fused_faster(layer: nn.RNNBase, x: Tensor) -> bool:
    """Whether `run_layer` takes `run_fused`: on a CPU, in bf16, where `_FUSED_FROM` says so."""
    return (
        x.device.type == "cpu"
        and _product_dtype(layer, x) == torch.bfloat16
        and layer.hidden_size >= _FUSED_FROM[type(layer)]
    )


def run_fused(layer: nn.RNNBase, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run one layer over a block through the autograd functions of this file.

    The arguments are those of `run_layer`. Under CPU autocast the matrix products run in its
    precision; gate arithmetic, the cell and the sums of bias gradients stay in that of the weights.
    The equations are torch's: Elman (1990) for the RNN, Graves (2013) eq. 7 to 11 without
    peepholes for the LSTM, Cho et al. (2014) eq. 5 to 8 for the GRU with the reset gate after the
    product, n = tanh(W_in x + b_in + r (W_hn h + b_hn)).

    Returns
    -------
    y : Tensor, shape (B, T, H)
        In the precision of the products.
    state : Tensor or pair of Tensor, each (1, B, H)
        In the precision of the weights.

    Raises
    ------
    ValueError
        As `run_layer`.
    """
    _check(layer, x, state)
    weights = layer.all_weights[0]
    if state is None:
        zeros = weights[0].new_zeros(1, x.shape[0], layer.hidden_size)
        state = (zeros, zeros) if isinstance(layer, nn.LSTM) else zeros
    before = [part[0].to(weights[0].dtype) for part in _parts(state)]  # each (B, H)
    # Inside, time comes first: each step is one contiguous piece, and so the next layer gets it.
    y, *after = _FUNCTIONS[type(layer)].apply(  # type: ignore[no-untyped-call]
        _product_dtype(layer, x), x.transpose(0, 1), *before, *weights
    )
    return y.transpose(0, 1), _as_state([part.unsqueeze(0) for part in after])


def _parts(state: State) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _as_state(parts: list[Tensor]) -> State:
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


def _product_dtype(layer: nn.RNNBase, x: Tensor) -> torch.dtype:
    """What the matrix products run in. Autocast lowers float32 and nothing wider."""
    exact = layer.all_weights[0][0].dtype
    if exact == torch.float32 and torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return exact


def _check(layer: nn.RNNBase, x: Tensor, state: State | None) -> None:
    if type(layer) not in _FUNCTIONS:
        raise ValueError(f"layer is a {type(layer).__name__}; expected an RNN, a GRU or an LSTM")
    wanted = {
        "num_layers": 1,
        "bidirectional": False,
        "batch_first": True,
        "bias": True,
        "proj_size": 0,
        "nonlinearity": "tanh",
    }
    for name, value in wanted.items():
        if getattr(layer, name, value) != value:
            raise ValueError(f"layer has {name}={getattr(layer, name)!r}; expected {value!r}")
    if x.ndim != 3 or x.shape[2] != layer.input_size or 0 in x.shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; expected (B, T, {layer.input_size}), none of them 0"
        )
    if state is None:
        return
    shapes = [tuple(part.shape) for part in _parts(state)]
    expected = [(1, x.shape[0], layer.hidden_size)] * (2 if isinstance(layer, nn.LSTM) else 1)
    if isinstance(state, tuple) != isinstance(layer, nn.LSTM) or shapes != expected:
        raise ValueError(f"state has shapes {shapes}; expected {expected}")


def _tanh_(x: Tensor) -> Tensor:
    """Replace x by tanh(x) = 2 sigmoid(2x) - 1."""
    x.mul_(2).sigmoid_()
    return torch.add(x.new_full((), -1.0), x, alpha=2, out=x)


def _one_minus_square(x: Tensor, out: Tensor) -> Tensor:
    """The derivative of tanh where it has the value x, in one pass."""
    return torch.addcmul(x.new_ones(()), x, x, value=-1, out=out)


def _sigmoid_slope(x: Tensor, out: Tensor) -> Tensor:
    """The derivative of the sigmoid where it has the value x, in one pass."""
    return torch.addcmul(x, x, x, value=-1, out=out)


def _input_products(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What the input says to the gates at every step: (T, B, C) -> (T, B, gates * H)."""
    said = x.new_empty(*x.shape[:2], len(weight))
    torch.addmm(bias, x.flatten(0, 1), weight.t(), out=said.view(-1, len(weight)))
    return said


def _product_gradients(
    ctx: Any, x: Tensor, hiddens: Tensor, w_ih: Tensor, d_ih: Tensor, d_hh: Tensor
) -> tuple[Tensor | None, Tensor, Tensor]:
    """The gradients of x, w_ih and w_hh from those of what the input and the hidden state say."""

    def product(a: Tensor, b: Tensor) -> Tensor:
        # out= is also what an autocast around `backward` leaves alone.
        return torch.mm(a, b, out=a.new_empty(a.shape[0], b.shape[1]))

    d_ih, d_hh = d_ih.flatten(0, 1), d_hh.flatten(0, 1)  # (T * B, gates * H)
    d_x = None
    if ctx.needs_input_grad[1]:
        d_x = product(d_ih, w_ih).view(x.shape).to(ctx.x_dtype)  # (T, B, C)
    d_w_ih = product(d_ih.t(), x.flatten(0, 1))  # (gates * H, C)
    d_w_hh = product(d_hh.t(), hiddens[:-1].flatten(0, 1))  # (gates * H, H)
    return d_x, d_w_ih.to(ctx.weight_dtype), d_w_hh.to(ctx.weight_dtype)


def _for_products(
    ctx: Any, dtype: torch.dtype, x: Tensor, weights: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Turn x and the weights into the precision of the products, and note what they were."""
    ctx.x_dtype, ctx.weight_dtype = x.dtype, weights[0].dtype
    return x.to(dtype).contiguous(), *(weight.to(dtype) for weight in weights)


def _hidden_buffer(n_steps: int, hidden: Tensor, dtype: torch.dtype) -> Tensor:
    """Room for the hidden state before and after every step, the first filled: (T + 1, B, H)."""
    hiddens = hidden.new_empty(n_steps + 1, *hidden.shape, dtype=dtype)
    hiddens[0] = hidden
    return hiddens


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, x: Tensor, hidden: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, w_ih, w_hh, b_ih, b_hh = _for_products(ctx, dtype, x, weights)
        pre = _input_products(x, w_ih, b_ih + b_hh)  # (T, B, H)
        hiddens = _hidden_buffer(len(x), hidden, dtype)  # (T + 1, B, H)
        before = hiddens.unbind(0)
        product = torch.empty_like(before[0])
        hidden = hidden.clone()
        for t, given in enumerate(pre.unbind(0)):
            torch.addmm(given, before[t], w_hh.t(), out=product)
            _tanh_(hidden.copy_(product))
            before[t + 1].copy_(hidden)
        ctx.save_for_backward(x, w_ih, w_hh, hiddens)
        return hiddens[1:], hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor, d_last: Tensor) -> tuple[Tensor | None, ...]:
        x, w_ih, w_hh, hiddens = ctx.saved_tensors
        d_gates = torch.empty_like(hiddens[1:])  # (T, B, H)
        d_hidden = d_last.clone()
        value, d_pre = torch.empty_like(d_hidden), torch.empty_like(d_hidden)
        d_bias = torch.zeros_like(d_hidden)
        product = torch.empty_like(hiddens[0])
        for d_out, hidden, d_gate in _backwards(d_y, hiddens[1:], d_gates):
            d_hidden.add_(d_out)
            _one_minus_square(value.copy_(hidden), out=d_pre).mul_(d_hidden)
            d_bias.add_(d_pre)
            torch.mm(d_gate.copy_(d_pre), w_hh, out=product)
            d_hidden.copy_(product)
        d_bias = d_bias.sum(0)
        d_x, d_w_ih, d_w_hh = _product_gradients(ctx, x, hiddens, w_ih, d_gates, d_gates)
        return None, d_x, d_hidden, d_w_ih, d_w_hh, d_bias, d_bias


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, x: Tensor, hidden: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, w_ih, w_hh, b_ih, b_hh = _for_products(ctx, dtype, x, weights)
        # First what the input says, then, in the same place, the gates for backward.
        gates = _input_products(x, w_ih, b_ih)  # (T, B, 3H)
        hiddens = _hidden_buffer(len(x), hidden, dtype)  # (T + 1, B, H)
        before = hiddens.unbind(0)
        # What the reset gate is multiplied with: w_hn h + b_hn.
        recalled = torch.empty_like(hiddens[1:])  # (T, B, H)
        product = torch.empty_like(gates[0])
        said, gate = (hidden.new_empty(product.shape) for _ in range(2))  # (B, 3H)
        (reset, update, new), gate_rz = gate.chunk(3, 1), gate[:, : 2 * hidden.shape[1]]
        said_n, said_rz = said.chunk(3, 1)[2], said[:, : 2 * hidden.shape[1]]
        hidden = hidden.clone()
        for t, (stored, kept) in enumerate(zip(gates.unbind(0), recalled.unbind(0), strict=True)):
            said.copy_(torch.addmm(b_hh, before[t], w_hh.t(), out=product))
            gate.copy_(stored)
            gate_rz.add_(said_rz).sigmoid_()
            _tanh_(new.addcmul_(reset, said_n))
            stored.copy_(gate)
            kept.copy_(said_n)
            hidden.sub_(new).mul_(update).add_(new)
            before[t + 1].copy_(hidden)
        ctx.save_for_backward(x, w_ih, w_hh, gates, recalled, hiddens)
        return hiddens[1:], hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor, d_last: Tensor) -> tuple[Tensor | None, ...]:
        x, w_ih, w_hh, gates, recalled, hiddens = ctx.saved_tensors
        size = hiddens.shape[2]
        # The two sides differ only in the new gate, where the reset gate stands between them.
        d_input_side, d_hidden_side = torch.empty_like(gates), torch.empty_like(gates)
        d_hidden = d_last.clone()
        through = torch.empty_like(d_hidden)
        gate, d_gate = (d_hidden.new_empty(gates.shape[1:]) for _ in range(2))  # (B, 3H)
        reset, update, new = gate.chunk(3, 1)
        d_reset, d_update, d_new = d_gate.chunk(3, 1)
        d_b_ih, d_b_hn = torch.zeros_like(d_gate), torch.zeros_like(d_hidden)
        product = torch.empty_like(hiddens[0])
        steps = _backwards(d_y, gates, recalled, hiddens[:-1], d_input_side, d_hidden_side)
        for d_out, stored, kept, before, d_in, d_rec in steps:
            d_hidden.add_(d_out)
            gate.copy_(stored)
            _sigmoid_slope(gate[:, : 2 * size], out=d_gate[:, : 2 * size])
            d_update.mul_(d_hidden)
            torch.mul(d_hidden, update, out=through)
            d_hidden.sub_(through)  # now what flows into the new gate
            _one_minus_square(new, out=d_new).mul_(d_hidden)
            d_reset.mul_(d_new).mul_(kept)
            torch.sub(before, new, out=new)
            d_update.mul_(new)
            d_in.copy_(d_gate)
            d_b_ih.add_(d_gate)
            d_b_hn.add_(d_new.mul_(reset))
            torch.mm(d_rec.copy_(d_gate), w_hh, out=product)
            torch.add(through, product, out=d_hidden)
        d_bias = d_b_ih.sum(0)
        d_b_hh = torch.cat((d_bias[: 2 * size], d_b_hn.sum(0)))
        d_x, d_w_ih, d_w_hh = _product_gradients(ctx, x, hiddens, w_ih, d_input_side, d_hidden_side)
        return None, d_x, d_hidden, d_w_ih, d_w_hh, d_bias, d_b_hh


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, x: Tensor, hidden: Tensor, cell: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, w_ih, w_hh, b_ih, b_hh = _for_products(ctx, dtype, x, weights)
        # First what the input says, then, in the same place, the gates for backward.
        gates = _input_products(x, w_ih, b_ih + b_hh)  # (T, B, 4H)
        hiddens = _hidden_buffer(len(x), hidden, dtype)  # (T + 1, B, H)
        cells = _hidden_buffer(len(x), cell, cell.dtype)  # (T + 1, B, H)
        before, cell_before = hiddens.unbind(0), cells.unbind(0)
        product = torch.empty_like(gates[0])
        gate = hidden.new_empty(product.shape)  # (B, 4H)
        write, forget, candidate, read = gate.chunk(4, 1)
        hidden = hidden.clone()
        for t, stored in enumerate(gates.unbind(0)):
            gate.copy_(torch.addmm(stored, before[t], w_hh.t(), out=product))
            candidate.mul_(2)  # one sigmoid over all four; the rest of _tanh_ follows
            gate.sigmoid_()
            candidate.mul_(2).sub_(1)
            cell = cell_before[t + 1]
            torch.mul(forget, cell_before[t], out=cell).addcmul_(write, candidate)
            _tanh_(hidden.copy_(cell)).mul_(read)
            stored.copy_(gate)
            before[t + 1].copy_(hidden)
        ctx.save_for_backward(x, w_ih, w_hh, gates, hiddens, cells)
        return hiddens[1:], hidden, cell.clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_y: Tensor, d_last: Tensor, d_last_cell: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, w_ih, w_hh, gates, hiddens, cells = ctx.saved_tensors
        d_gates = torch.empty_like(gates)  # (T, B, 4H)
        d_hidden, d_cell = d_last.clone(), d_last_cell.clone()
        squashed, through, slope = (torch.empty_like(d_hidden) for _ in range(3))
        gate, d_gate = (d_hidden.new_empty(gates.shape[1:]) for _ in range(2))  # (B, 4H)
        write, forget, candidate, read = gate.chunk(4, 1)
        d_write, d_forget, d_candidate, d_read = d_gate.chunk(4, 1)
        d_by_cell = d_gate.view(len(d_gate), 4, -1)[:, :3]  # (B, 3, H), all but d_read
        d_bias = torch.zeros_like(d_gate)
        product = torch.empty_like(hiddens[0])
        steps = _backwards(d_y, gates, cells[:-1], cells[1:], d_gates)
        for d_out, stored, cell_before, cell, d_stored in steps:
            d_hidden.add_(d_out)
            gate.copy_(stored)
            _tanh_(squashed.copy_(cell))
            torch.mul(d_hidden, read, out=through)
            d_cell.addcmul_(through, _one_minus_square(squashed, out=slope))
            _sigmoid_slope(gate, out=d_gate)
            d_read.mul_(squashed).mul_(d_hidden)
            d_forget.mul_(cell_before)
            d_write.mul_(candidate)
            _one_minus_square(candidate, out=d_candidate).mul_(write)
            d_by_cell.mul_(d_cell.unsqueeze(1))
            d_cell.mul_(forget)
            d_bias.add_(d_gate)
            torch.mm(d_stored.copy_(d_gate), w_hh, out=product)
            d_hidden.copy_(product)
        d_bias = d_bias.sum(0)
        d_x, d_w_ih, d_w_hh = _product_gradients(ctx, x, hiddens, w_ih, d_gates, d_gates)
        return None, d_x, d_hidden, d_cell, d_w_ih, d_w_hh, d_bias, d_bias


def _backwards(*blocks: Tensor) -> zip[tuple[Tensor, ...]]:
    """The steps of blocks (T, B, ...) together, last first."""
    return zip(*(block.unbind(0)[::-1] for block in blocks), strict=True)


_FUNCTIONS: dict[type[nn.RNNBase], type[torch.autograd.Function]] = {
    nn.RNN: _RNN,
    nn.GRU: _GRU,
    nn.LSTM: _LSTM,
}
