"""The cross entropy of next tokens, a few rows at a time.

`torch.nn.functional.cross_entropy` on the logits of a batch makes several fp32 tensors as large as
they are; with a vocabulary of thousands that is most of a small model's memory and, on a CPU, a
good part of its time. Here a piece that fits the cache is turned to fp32, gives its part of the
loss and at once its gradient, which is kept in the logits' own precision.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.batching import IGNORED

# Numbers in a piece: a cache's worth on a CPU; elsewhere few pieces, since each costs a launch.
_PIECE = {"cpu": 1 << 17}
_PIECE_ELSEWHERE = 1 << 26


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of -log softmax(logits)[label] over the labels that are not `IGNORED`, in nats.

    Parameters
    ----------
    logits : Tensor, shape (..., V)
        In any precision; the arithmetic is in fp32, or in fp64 for logits of fp64.
    labels : Tensor, shape (...)

    Returns
    -------
    Tensor, a scalar
        Not a number if every label is ignored, as in torch.
    """
    rows, wanted = logits.flatten(0, -2), labels.flatten()
    loss: Tensor = _MeanCrossEntropy.apply(rows, wanted)  # type: ignore[no-untyped-call]
    return loss


class _MeanCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        n = (labels != IGNORED).sum()
        exact = torch.promote_types(logits.dtype, torch.float32)
        total = torch.zeros((), dtype=exact, device=logits.device)
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(logits) if wanted else None
        size = _PIECE.get(logits.device.type, _PIECE_ELSEWHERE)
        n_rows = max(1, size // logits.shape[1])
        for start in range(0, len(logits), n_rows):
            piece = logits[start : start + n_rows].to(exact).detach().requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                nats = F.cross_entropy(
                    piece, labels[start : start + n_rows], reduction="sum", ignore_index=IGNORED
                )
            total += nats.detach()
            if gradient is not None:
                (of_piece,) = torch.autograd.grad(nats, piece, 1 / n.to(exact))
                gradient[start : start + n_rows] = of_piece
        ctx.gradient = gradient
        return total / n

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, None]:
        return ctx.gradient * d_loss.to(ctx.gradient.dtype), None
