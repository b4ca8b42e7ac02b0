"""A matrix times a vector on one processor thread: in fp32, or with a byte for each weight.

With one token at a time, a model is as fast as its weights can be read. In int8 they are a quarter
of what they are in fp32, and little is lost: `lm.agreement` measures how much.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Row = NDArray[np.float32]
Product = Callable[[Row], Row]

INT8_WIDTH = 16  # weights that torch's int8 product takes at a time
SPLIT_FROM = 8_000_000  # weights; only the head of a large vocabulary has as many
_NEAR = 0.03  # of the way from the likeliest logit down to the mean; some five times the rounding


class Exact:
    """W x + b in fp32.

    It is torch's product, because NumPy's takes a second thread for a large matrix, and waits.

    Parameters
    ----------
    weight : Tensor, shape (N, C)
    bias : Tensor, shape (N,)
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight.contiguous(), bias

    def __call__(self, x: Row) -> Row:
        """(C,) -> (N,)."""
        y: Row = torch.addmv(self._bias, self._weight, torch.from_numpy(x)).numpy()
        return y


class Block:
    """Memory for all of a model's int8 weights in one piece.

    The system lays only large pieces in large pages (NumPy asks for them, torch does not), and the
    weights of GPT-2 124M take a third longer to read from small ones.

    Parameters
    ----------
    n_weights : int
        Weights to be kept at most.
    """

    def __init__(self, n_weights: int) -> None:
        self._free = np.empty(n_weights, dtype=np.int8)

    def keep(self, weight: Tensor) -> Tensor:
        """A copy of an int8 tensor in the block."""
        taken, self._free = np.split(self._free, [weight.numel()])
        return torch.from_numpy(taken).view(weight.shape).copy_(weight)

    def product(self, weight: Tensor, bias: Tensor) -> Product:
        """The faster of the int8 products for a matrix of this size on this processor."""
        if weight.numel() >= SPLIT_FROM and torch.cpu._is_vnni_supported():
            return SplitInt8(weight, bias)
        return Int8(weight, bias, self)


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers of -127..127 and a scale for each row, whose product is about the weight.

    Parameters
    ----------
    weight : Tensor, shape (N, C)

    Returns
    -------
    int8 Tensor of shape (N, C), and Tensor of shape (N,)
        The scales hold in bf16, as torch's product wants them.
    """
    largest = weight.abs().amax(dim=1).clamp(min=1e-12)
    scale = (largest / 127).to(torch.bfloat16).float()
    # The scale was rounded too, perhaps down: 127.6 steps must not become -128.
    return (weight / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


class Int8:
    """W x + b with W in int8.

    x is rounded to bf16 and so is W x, since torch's product has it so. The buffers between are
    kept, so a product serves one thread at a time.

    Parameters
    ----------
    weight : Tensor, shape (N, C)
    bias : Tensor, shape (N,)
    block : Block
        Where the weights are kept.

    Raises
    ------
    ValueError
        If C is no multiple of `INT8_WIDTH`: torch's product would read on past the weights.
    """

    def __init__(self, weight: Tensor, bias: Tensor, block: Block) -> None:
        if weight.shape[1] % INT8_WIDTH:
            raise ValueError(
                f"weight has {weight.shape[1]} columns; expected a multiple of {INT8_WIDTH}"
            )
        whole, scale = rounded(weight)
        self._weight, self._scale = block.keep(whole), scale.to(torch.bfloat16)
        self._bias: Row = bias.numpy()
        self._x = torch.empty(1, weight.shape[1], dtype=torch.bfloat16)
        self._y = torch.empty(1, weight.shape[0])
        self._row: Row = self._y.numpy()[0]

    def __call__(self, x: Row) -> Row:
        """(C,) -> (N,)."""
        self._x.copy_(torch.from_numpy(x))
        self._y.copy_(torch._weight_int8pack_mm(self._x, self._weight, self._scale))
        y: Row = self._row + self._bias
        return y


class SplitInt8:
    """W x + b with W in int8 and x in two rows of int8: its coarse steps, and what these leave.

    This is oneDNN's product, which reads a large matrix from memory faster than `Int8` and takes
    longer to begin. Both rows of x go through W in one reading, and W x is not rounded. Without the
    processor's VNNI instructions its sums could overflow.

    Parameters
    ----------
    weight : Tensor, shape (N, C)
    bias : Tensor, shape (N,)
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        n, width = weight.shape
        whole, self._scale = rounded(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(whole.contiguous(), [1, width])
        self._zeros = torch.zeros(n, dtype=torch.int64)
        self._bias: Row = bias.numpy()
        self._rows = np.empty((2, width), dtype=np.uint8)
        self._product = torch.ops.onednn.qlinear_pointwise.default

    def __call__(self, x: Row) -> Row:
        """(C,) -> (N,)."""
        step = max(float(x.max()), -float(x.min()), 1e-12) / 127
        steps = x * np.float32(1 / step)
        coarse = np.rint(steps)
        # Bytes without a sign, zero at 128; a half more, because the cast drops the fraction.
        self._rows[0] = coarse + np.float32(128)
        self._rows[1] = (steps - coarse) * np.float32(254) + np.float32(128.5)
        y: Row = self._product(
            torch.from_numpy(self._rows), step, 128, self._weight, self._scale, self._zeros,
            None, 1.0, 0, torch.float32, "none", [], "",
        ).numpy()  # (2, N)  # fmt: skip
        row: Row = y[1] * np.float32(1 / 254)
        row += y[0]
        row += self._bias
        return row


class NearTies:
    """Logits of a rounded product, those near the largest computed again in fp32.

    Among likely ids near ties are common, and rounding must not decide them.

    Parameters
    ----------
    rounded : Product
        x (C,) -> logits (V,).
    weight : Tensor, shape (V, C)
        The exact weights, not copied.
    gain, shift : Tensor, shape (C,)
        Applied to x before them; `rounded` has them in itself.
    """

    def __init__(self, rounded: Product, weight: Tensor, gain: Tensor, shift: Tensor) -> None:
        self._rounded = rounded
        self._weight: Row = weight.numpy()
        self._gain: Row = gain.numpy()
        self._shift: Row = shift.numpy()

    def __call__(self, x: Row) -> Row:
        """(C,) -> (V,)."""
        logits = self._rounded(x)
        largest = logits.max()
        near = np.flatnonzero(logits >= largest - np.float32(_NEAR) * (largest - logits.mean()))
        logits[near] = self._weight[near] @ (x * self._gain + self._shift)
        return logits
