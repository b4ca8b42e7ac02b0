"""A network that learns what ridge leaves over: the linear part is given, and stays as it is.

Two years of hours are many windows and little weather. A linear map of the window is found exactly
and at once; a network that has to learn that map as well overfits on the way. Here it begins as the
linear map, and changes it only where that helps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from corpora.errors import ModelError
from recurrent.forecasting import CONFIG, WEIGHTS, Forecaster, ForecasterConfig, load_forecaster
from recurrent.lab.weather.reading import Floats

_SLOPE, _OFFSET = "linear_slope", "linear_offset"


@dataclass(frozen=True)
class Linear:
    """A linear forecast of the change from a window's last value, in z-units.

    `slope` is that of each step and column, (T * C,), as `x.flatten(1)` orders them.
    """

    slope: Floats
    offset: float


class OverLinear(Forecaster):
    """A forecaster added to a linear forecast that is not trained.

    Parameters
    ----------
    config : ForecasterConfig
        One step ahead in its own sense: `horizon` 1.
    linear : Linear
        For the same window and columns.
    """

    def __init__(self, config: ForecasterConfig, linear: Linear) -> None:
        super().__init__(config)
        size = config.window * config.n_inputs
        if config.horizon != 1 or linear.slope.shape != (size,):
            raise ValueError(
                f"linear.slope has shape {linear.slope.shape} and horizon={config.horizon}; "
                f"expected ({size},) and 1"
            )
        # Buffers, not parameters: the optimizer must neither train nor decay them.
        self.register_buffer(_SLOPE, torch.from_numpy(linear.slope).float())
        self.register_buffer(_OFFSET, torch.tensor(linear.offset, dtype=torch.float32))
        self.linear_slope: Tensor
        self.linear_offset: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """As `Forecaster.forward`, for windows of the length trained on."""
        if x.ndim != 3 or x.shape[1] != self.config.window:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (B, {self.config.window}, C)")
        change = x.flatten(1) @ self.linear_slope + self.linear_offset  # (B,)
        return super().forward(x) + change[:, None, None]


def load_network(folder: Path) -> Forecaster:
    """Read a network of this experiment, with a linear part or without, ready to forecast.

    Raises
    ------
    ModelError
        If the folder is missing, damaged, or holds something else.
    """
    try:
        weights = load_file(folder / WEIGHTS)
        if _SLOPE not in weights:
            return load_forecaster(folder)
        config = ForecasterConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        linear = Linear(weights[_SLOPE].double().numpy(), float(weights[_OFFSET]))
        model = OverLinear(config, linear)
        model.load_state_dict(weights)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no network that can be read ({problem}). Train it again."
        ) from problem
    return model.eval()
