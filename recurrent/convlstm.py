"""ConvLSTM (Shi et al. 2015): an LSTM whose state is a picture and whose products are convolutions.

`ConvLSTMCell` is one step of one layer, `ConvLSTM` any number of layers over a film, and
`EncoderForecaster` the paper's network: one stack reads, another goes on from its states.

What is fast here was measured, not guessed: one convolution of input and hidden state together at
each step beats the input convolutions of all steps at once, `unbind` beats x[:, t], whose backward
fills a tensor of the whole film at every step, and under bf16 autocast the convolutions run in bf16
while gates and cell stay in fp32, by an autograd function that keeps its passes few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

State: TypeAlias = tuple[Tensor, Tensor]
"""(hidden, cell) of one layer, each (B, hidden_size, H, W)."""


class ConvLSTMCell(nn.Module):
    """One layer for one step: equation 3 of Shi et al. (2015), zeros beyond the border.

        i = sigmoid(W_xi * x + W_hi * h + w_ci ∘ c + b_i)
        f = sigmoid(W_xf * x + W_hf * h + w_cf ∘ c + b_f)
        c' = f ∘ c + i ∘ tanh(W_xc * x + W_hc * h + b_c)
        o = sigmoid(W_xo * x + W_ho * h + w_co ∘ c' + b_o)
        h' = o ∘ tanh(c')

    Parameters
    ----------
    in_channels : int
        0 for a layer that is given nothing and lives on its state.
    hidden_size : int
        Channels of the hidden state and of the cell.
    kernel_size : int
        Odd. What moves faster than half of it a step runs away from its state.
    peephole : (H, W), optional
        The size of the frames: the gates see the cell through weights of their own for each place,
        as in the paper. (1, 1) shares them over all places; None leaves them out, as Keras does.

    Raises
    ------
    ValueError
        If a size is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_size: int,
        kernel_size: int = 3,
        *,
        peephole: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 0 or hidden_size < 1:
            raise ValueError(f"{in_channels=} must not be negative and {hidden_size=} above 0")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} must be odd, so that frames keep its size")
        self.in_channels, self.hidden_size = in_channels, hidden_size
        # The gates lie in the order i, f, o, c: one sigmoid then takes the first three.
        self.gates = nn.Conv2d(
            in_channels + hidden_size, 4 * hidden_size, kernel_size, padding=kernel_size // 2
        )
        self.peephole = peephole
        if peephole is not None:
            self.w_ci, self.w_cf, self.w_co = (
                nn.Parameter(torch.zeros(hidden_size, *peephole)) for _ in range(3)
            )

    def start(self, x: Tensor) -> State:
        """The state before the first frame, zeros, for frames like `x`, (B, C, H, W)."""
        shape = (x.shape[0], self.hidden_size, *x.shape[2:])
        zeros = x.new_zeros(shape, dtype=self.gates.weight.dtype)
        return zeros, zeros

    def forward(self, x: Tensor, state: State | None = None) -> State:
        """Read one frame.

        Parameters
        ----------
        x : Tensor, shape (B, in_channels, H, W)
        state : (hidden, cell), each (B, hidden_size, H, W), optional
            None is a state of zeros.

        Returns
        -------
        (hidden, cell)
            Under autocast `hidden` is in its lower precision, `cell` in that of the weights.

        Raises
        ------
        ValueError
            If `x` has another number of channels, or the state another shape.
        """
        hidden, cell = self.start(x) if state is None else state
        expected = (x.shape[0], self.hidden_size, *x.shape[2:])
        if x.shape[1] != self.in_channels or hidden.shape != expected or cell.shape != expected:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, hidden {tuple(hidden.shape)} and cell "
                f"{tuple(cell.shape)}; expected {self.in_channels} channels in and states "
                f"{expected}"
            )
        # Lowered before they are joined: `cat` under autocast would widen them to the widest.
        lower = product_dtype(x.device, self.gates.weight.dtype)
        if state is None and self.in_channels:
            # Nothing is remembered yet: the part of the weights that reads it need not be used.
            weight = self.gates.weight[:, : self.in_channels]
            said = F.conv2d(x.to(lower), weight, self.gates.bias, padding=self.gates.padding[0])
        else:
            said = self.gates(torch.cat((x.to(lower), hidden.to(lower)), 1))
        # said: (B, 4 * hidden, H, W)
        if self.peephole is None:
            hidden, cell = _Gates.apply(said, cell)  # type: ignore[no-untyped-call]
            return hidden, cell
        write, forget, read, new = said.to(cell.dtype).chunk(4, 1)
        write = torch.sigmoid(write + self.w_ci * cell)
        forget = torch.sigmoid(forget + self.w_cf * cell)
        cell = forget * cell + write * torch.tanh(new)
        read = torch.sigmoid(read + self.w_co * cell)
        return (read * torch.tanh(cell)).to(said.dtype), cell


class ConvLSTM(nn.Module):
    """Layers of `ConvLSTMCell`, each reading the hidden states of the one below.

    Parameters
    ----------
    in_channels : int
    hidden_sizes : sequence of int
        Channels of each layer, the lowest first; at least one layer.
    kernel_size : int
        Of every layer.
    peephole : (H, W), optional
        See `ConvLSTMCell`.

    Raises
    ------
    ValueError
        If there is no layer, or a size is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_sizes: Sequence[int],
        kernel_size: int = 3,
        *,
        peephole: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if not hidden_sizes:
            raise ValueError("hidden_sizes is empty; expected the channels of at least one layer")
        self.hidden_sizes = tuple(hidden_sizes)
        self.layers = nn.ModuleList(
            ConvLSTMCell(below, own, kernel_size, peephole=peephole)
            for below, own in zip([in_channels, *hidden_sizes], hidden_sizes, strict=False)
        )

    def step(self, x: Tensor, state: Sequence[State] | None = None) -> list[State]:
        """Read one frame (B, C, H, W); returns the state of every layer, the lowest first."""
        given: Sequence[State | None] = [None] * len(self.layers) if state is None else state
        after: list[State] = []
        for layer, own in zip(self.layers, given, strict=True):
            after.append(layer(x, own))
            x = after[-1][0]
        return after

    def forward(
        self, x: Tensor, state: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Read a film.

        Parameters
        ----------
        x : Tensor, shape (B, T, C, H, W)
            At least one frame.
        state : sequence of (hidden, cell), optional
            One for each layer, from an earlier call: reading goes on from there.

        Returns
        -------
        y : Tensor, shape (B, T, hidden_sizes[-1], H, W)
            The hidden state of the highest layer after each frame.
        state : list of (hidden, cell)
            Of every layer after the last frame.

        Raises
        ------
        ValueError
            If `x` has no frame, or a shape does not belong to this network.
        """
        if x.ndim != 5 or x.shape[1] < 1:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected (B, T, C, H, W) with T above 0"
            )
        given: Sequence[State | None] = [None] * len(self.layers) if state is None else state
        frames = list(x.unbind(1))
        after: list[State] = []
        for layer, begin in zip(self.layers, given, strict=True):
            own = begin
            for t, frame in enumerate(frames):
                own = layer(frame, own)
                frames[t] = own[0]
            assert own is not None  # there is at least one frame
            after.append(own)
        return torch.stack(frames, 1), after


class EncoderForecaster(nn.Module):
    """The network of section 3.2 of Shi et al. (2015): frames in, logits of the next frames out.

    The forecaster starts from a copy of the encoder's states, layer by layer, and is given nothing
    else; a 1x1 convolution over the hidden states of all its layers gives each frame.

    Parameters
    ----------
    in_channels, hidden_sizes, kernel_size, peephole
        See `ConvLSTM`; encoder and forecaster have weights of their own.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_sizes: Sequence[int],
        kernel_size: int = 3,
        *,
        peephole: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = ConvLSTM(in_channels, hidden_sizes, kernel_size, peephole=peephole)
        self.forecaster = ConvLSTM(0, hidden_sizes, kernel_size, peephole=peephole)
        self.head = nn.Conv2d(sum(hidden_sizes), in_channels, 1)

    def forward(self, x: Tensor, horizon: int) -> Tensor:
        """Read a film (B, T, C, H, W); returns logits (B, horizon, C, H, W) of what follows.

        Raises
        ------
        ValueError
            If `horizon` is below 1, or `x` does not belong to this network.
        """
        if horizon < 1:
            raise ValueError(f"horizon={horizon} must be at least 1")
        _, state = self.encoder(x)
        nothing, logits = x[:, 0, :0], []  # (B, 0, H, W)
        for _ in range(horizon):
            state = self.forecaster.step(nothing, state)
            logits.append(self.head(torch.cat([hidden for hidden, _ in state], 1)))
        return torch.stack(logits, 1)


def product_dtype(device: torch.device, exact: torch.dtype) -> torch.dtype:
    """What convolutions run in. Autocast lowers float32 and nothing wider."""
    if exact == torch.float32 and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return exact


class _Gates(torch.autograd.Function):
    """The gates without peepholes, from what the convolution said; in place wherever that is safe.

    Written out because autograd would keep and read every value in between: here it is one buffer
    for the four gates, filled once and overwritten by their gradients on the way back.
    """

    @staticmethod
    def forward(ctx: Any, said: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.empty_like(said, dtype=cell.dtype).copy_(said)  # (B, 4 * hidden, H, W)
        write, forget, read, new = gates.chunk(4, 1)
        # tanh(a) = 2 sigmoid(2a) - 1, whose kernel is several times faster on a CPU.
        new.mul_(2)
        gates.sigmoid_()
        new.mul_(2).sub_(1)
        after = torch.mul(forget, cell).addcmul_(write, new)
        squashed = torch.mul(after, 2).sigmoid_().mul_(2).sub_(1)
        ctx.save_for_backward(gates, cell, squashed)
        return torch.mul(read, squashed).to(said.dtype), after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor, d_after: Tensor) -> tuple[Tensor, Tensor]:
        gates, cell, squashed = ctx.saved_tensors
        d_out = d_hidden.to(cell.dtype)
        slopes = torch.addcmul(gates, gates, gates, value=-1)  # of the sigmoids
        write, forget, read, new = gates.chunk(4, 1)
        d_write, d_forget, d_read, d_new = slopes.chunk(4, 1)
        one = new.new_ones(())
        d_cell = torch.addcmul(one, squashed, squashed, value=-1).mul_(read).mul_(d_out)
        d_cell.add_(d_after)  # what the new cell is asked for, by hidden and by later steps
        d_read.mul_(squashed).mul_(d_out)
        d_write.mul_(new).mul_(d_cell)
        d_forget.mul_(cell).mul_(d_cell)
        torch.addcmul(one, new, new, value=-1, out=d_new)
        d_new.mul_(write).mul_(d_cell)
        return slopes.to(d_hidden.dtype), d_cell.mul_(forget)
