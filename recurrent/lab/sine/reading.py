"""What trained networks say of the targets: fed the truth before each, or running free.

Either way the forecast is the mean over the members, and either way a network reads a window of the
last values from a state of zeros, or, with `window=0`, all values from the first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recurrent.lab.sine.nets import Nets


@torch.no_grad()
def fed_truth(nets: Nets, series: Tensor, targets: slice, window: int = 0) -> Tensor:
    """One-step forecasts of the targets of D series.

    Parameters
    ----------
    series : Tensor, shape (D, T)
        Scaled.
    targets : slice
        Places in the series; the first must have a window before it.
    window : int
        Values read before each target; 0 for all.

    Returns
    -------
    Tensor, shape (D, targets)
    """
    if not window:
        said = nets.read(series[None, :, : targets.stop - 1])[0]  # (E, D, T)
        return said.mean(dim=0)[:, targets.start - 1 :]
    first, last = targets.start - window, targets.stop - 1
    rows = series[:, first:last].unfold(1, window, 1).transpose(0, 1)  # (targets, D, window)
    return nets.read(rows)[..., -1].mean(dim=1).T


@torch.no_grad()
def running_free(nets: Nets, past: Tensor, horizon: int, window: int = 0) -> Tensor:
    """Forecasts of the next `horizon` values of D series (D, T) from the forecasts themselves."""
    if not window:
        return nets.forecast(past, horizon)
    series = past
    while series.shape[1] < past.shape[1] + horizon:
        said = nets.read(series[None, :, -window:])[0, ..., -1]  # (E, D)
        series = torch.cat([series, said.mean(dim=0)[:, None]], dim=1)
    return series[:, past.shape[1] :]
