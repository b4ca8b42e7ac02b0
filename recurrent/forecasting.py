"""Forecasters: a window of observed values in, the next values of one of them out.

    x (B, T, C) -> recurrent layers, the last hidden state (B, H) -> head: (B, horizon, n_quantiles)

One class with a head to fit its kind, so that an RNN, an LSTM, a GRU, two GRUs on each other, two
in opposite directions, a dense network and a linear map are compared on the same data by the same
loop. Scaling, splits and baselines that learn nothing belong to the experiments.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from corpora.errors import ModelError

CONFIG, WEIGHTS = "forecaster.json", "model.safetensors"
RECURRENT = ("rnn", "lstm", "gru", "stacked", "bidirectional")
KINDS = (*RECURRENT, "dense", "linear")
LOSSES = ("mse", "mae", "pinball")
_WITH_RECURRENT_DROPOUT = ("gru", "stacked", "bidirectional")


@dataclass(frozen=True, slots=True)
class ForecasterConfig:
    """The shape of a forecaster and what it minimises.

    Attributes
    ----------
    kind : str
        "rnn", "lstm" or "gru"; "stacked", two GRUs one above the other; "bidirectional", two GRUs
        that read in opposite directions; "dense", one hidden layer; "linear", none.
    n_inputs, window, horizon : int
        Variables read at each step, C; steps read, T; steps forecast. A recurrent kind may be given
        longer or shorter windows than it was trained on.
    hidden_size : int
        Units of each layer, H; "linear" has none.
    n_quantiles : int
        Values forecast for each step, rising; more than one only with the pinball loss.
    dropout : float
        On what each layer after the first, and the head, reads. Within a sequence the same units
        are left out at every step (Gal and Ghahramani 2016, section 4). The inputs stay whole,
        where we differ: they are few, and each is a variable.
    recurrent_dropout : float
        On the state as the products of the next step read it, one mask for the whole sequence
        (the same paper, eq. 7). Only for the kinds made of GRUs.
    loss : str
        "mse", "mae" or "pinball" (Koenker and Bassett 1978).
    quantiles : tuple of float
        The levels of the pinball loss, rising, each between 0 and 1. Left out, they divide that
        range evenly: 1/2, or 1/4, 2/4, 3/4.
    anchor : int, optional
        A variable of the input whose last value is added to every output, so that the network
        learns the change from it; its units must be those of the target.
    """

    kind: str
    n_inputs: int
    window: int
    horizon: int = 1
    hidden_size: int = 32
    n_quantiles: int = 1
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    loss: str = "mse"
    quantiles: tuple[float, ...] = ()
    anchor: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} must be one of {', '.join(KINDS)}")
        if self.loss not in LOSSES:
            raise ValueError(f"loss={self.loss!r} must be one of {', '.join(LOSSES)}")
        for name in ("n_inputs", "window", "horizon", "hidden_size", "n_quantiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0 and below 1")
        if self.recurrent_dropout and self.kind not in _WITH_RECURRENT_DROPOUT:
            raise ValueError(
                f"recurrent_dropout={self.recurrent_dropout} needs a kind made of GRUs "
                f"({', '.join(_WITH_RECURRENT_DROPOUT)}); kind={self.kind!r} is none"
            )
        if self.n_quantiles > 1 and self.loss != "pinball":
            raise ValueError(f"n_quantiles={self.n_quantiles} must be 1 for loss={self.loss!r}")
        # JSON gives lists; a frozen value must hold a tuple.
        object.__setattr__(self, "quantiles", tuple(float(q) for q in self.quantiles))
        levels = (0.0, *self.levels, 1.0)
        if len(levels) != self.n_quantiles + 2 or any(a >= b for a, b in pairwise(levels)):
            raise ValueError(
                f"quantiles={self.quantiles} must be {self.n_quantiles} rising levels "
                "between 0 and 1, one for each of n_quantiles"
            )
        if self.anchor is not None and not 0 <= self.anchor < self.n_inputs:
            raise ValueError(f"anchor={self.anchor} must be one of {self.n_inputs} inputs, from 0")

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile of each output."""
        n = self.n_quantiles
        return self.quantiles or tuple((i + 1) / (n + 1) for i in range(n))


class MaskedGRU(nn.GRU):
    """A GRU layer with one dropout mask per sequence on its recurrent state.

    While training with a mask it runs step by step; otherwise it is torch's GRU, whose weights and
    equations it has (Cho et al. 2014, eq. 5 to 8, the reset gate after the product). The mask
    touches what the gates read, as in Gal and Ghahramani (2016), eq. 7; the state that the update
    gate carries over is whole.
    """

    def __init__(self, n_inputs: int, hidden_size: int, recurrent_dropout: float = 0.0) -> None:
        super().__init__(n_inputs, hidden_size, batch_first=True)
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Read x (B, T, C) on from a state (1, B, H) or zeros: all states (B, T, H), the last."""
        if not self.training or not self.recurrent_dropout:
            y, last = super().forward(x, hx)
            return y, last
        hidden = x.new_zeros(x.shape[0], self.hidden_size) if hx is None else hx[0]
        mask = F.dropout(torch.ones_like(hidden), self.recurrent_dropout)  # (B, H)
        return self.read_masked(x, hidden, mask)

    def read_masked(self, x: Tensor, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read x (B, T, C) step by step on from (B, H) under a mask (B, H); gives as `forward`."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.all_weights[0]
        from_input = F.linear(x, weight_ih, bias_ih)  # (B, T, 3H): reset, update, new
        n = self.hidden_size
        states = []
        for now in from_input.unbind(1):  # (B, 3H)
            from_hidden = F.linear(hidden * mask, weight_hh, bias_hh)
            gates = torch.sigmoid(now[:, : 2 * n] + from_hidden[:, : 2 * n])
            reset, update = gates.chunk(2, dim=-1)
            new = torch.tanh(now[:, 2 * n :] + reset * from_hidden[:, 2 * n :])
            hidden = new + update * (hidden - new)
            states.append(hidden)
        return torch.stack(states, dim=1), hidden[None]


def set_starting_values(layer: nn.RNNBase) -> None:
    """Give a recurrent layer weights from which it learns soon, drawn from torch's generator.

    Each gate's input weights after Glorot and Bengio (2010), its recurrent weights orthogonal
    (Saxe et al. 2014), biases 0 but 1 for an LSTM's forget gate (Gers et al. 2000), so that it
    remembers before it has learnt what to forget.
    """
    n = layer.hidden_size
    for name, weight in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(weight.data[n : 2 * n])
            continue
        fill = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
        for gate in weight.data.chunk(len(weight) // n):
            fill(gate)


def _layers(config: ForecasterConfig) -> list[nn.RNNBase]:
    n, size = config.n_inputs, config.hidden_size
    if config.kind == "rnn":
        return [nn.RNN(n, size, batch_first=True)]
    if config.kind == "lstm":
        return [nn.LSTM(n, size, batch_first=True)]
    inputs = {"gru": [n], "stacked": [n, size], "bidirectional": [n, n]}[config.kind]
    return [MaskedGRU(i, size, config.recurrent_dropout) for i in inputs]


class Forecaster(nn.Module):
    """A forecaster of one of `KINDS`; see `ForecasterConfig`."""

    def __init__(self, config: ForecasterConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.layers = nn.ModuleList()
        self.dense: nn.Linear | None = None
        flat = config.window * config.n_inputs
        if config.kind in RECURRENT:
            for layer in _layers(config):
                set_starting_values(layer)
                self.layers.append(layer)
            features = size * (2 if config.kind == "bidirectional" else 1)
        elif config.kind == "dense":
            self.dense = nn.Linear(flat, size)
            nn.init.kaiming_uniform_(self.dense.weight, nonlinearity="relu")
            nn.init.zeros_(self.dense.bias)
            features = size
        else:
            features = flat
        self.head = nn.Linear(features, config.horizon * config.n_quantiles)
        # Near 0: the first forecasts are the mean, or the anchor, and not noise to be unlearnt.
        nn.init.xavier_uniform_(self.head.weight, gain=0.1)
        nn.init.zeros_(self.head.bias)
        levels = torch.tensor(config.levels)
        self.register_buffer("_levels", levels, persistent=False)
        self._levels: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Forecast the steps after a window.

        Parameters
        ----------
        x : Tensor, shape (B, T, C)
            Oldest first, scaled as in training; the kinds that are not recurrent need T = window.

        Returns
        -------
        Tensor, shape (B, horizon, n_quantiles)
            Quantiles rise along the last axis: where the network's cross, they change places
            (Chernozhukov, Fernandez-Val and Galichon 2010).

        Raises
        ------
        ValueError
            If the shape is another.
        """
        self._check(x)
        y: Tensor = self.head(self._drop(self._features(x)))  # (B, horizon * n_quantiles)
        y = y.reshape(-1, self.config.horizon, self.config.n_quantiles)
        if self.config.anchor is not None:
            y = y + x[:, -1:, self.config.anchor, None]
        return y.sort(dim=-1).values if self.config.n_quantiles > 1 else y

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The mean loss over a batch: `x` (B, T, C) and `y` (B, horizon), in the output's units."""
        forecast, y = self(batch["x"]), batch["y"][..., None]
        if forecast.shape[:2] != y.shape[:2]:
            raise ValueError(
                f"y has shape {tuple(batch['y'].shape)}; expected {tuple(forecast.shape[:2])}"
            )
        error: Tensor = y - forecast  # (B, horizon, n_quantiles)
        if self.config.loss == "mse":
            return error.square().mean()
        if self.config.loss == "mae":
            return error.abs().mean()
        return torch.maximum(self._levels * error, (self._levels - 1) * error).mean()

    @torch.no_grad()
    def forecast(self, past: Tensor, horizon: int) -> Tensor:
        """Forecast the next `horizon` steps of a single series, feeding each prediction back in.

        Parameters
        ----------
        past : Tensor, shape (B, T, 1)
            Observed values, oldest first, scaled as in training. The last `window` steps are read.
        horizon : int
            Steps to forecast, at least 1.

        Returns
        -------
        Tensor, shape (B, horizon, 1)
            In the units of `past`; of several quantiles the middle one.

        Raises
        ------
        ValueError
            If the model reads several variables, since it forecasts only one of them; if `past`
            has another number or too few steps; if `horizon` is below 1.
        """
        if horizon < 1:
            raise ValueError(f"horizon={horizon} must be at least 1")
        if self.config.n_inputs != 1:
            raise ValueError(
                f"n_inputs={self.config.n_inputs} must be 1: only one variable is forecast, "
                "so there is nothing to feed back for the others"
            )
        window = self.config.window
        if past.ndim == 3 and past.shape[1] < window:
            raise ValueError(f"past has {past.shape[1]} steps; expected at least {window}")
        was_training = self.training
        self.eval()
        series, middle = past, self.config.n_quantiles // 2
        while series.shape[1] < past.shape[1] + horizon:
            series = torch.cat([series, self(series[:, -window:])[..., middle, None]], dim=1)
        self.train(was_training)
        return series[:, past.shape[1] : past.shape[1] + horizon]

    def save(self, folder: Path) -> None:
        """Write the configuration (JSON) and the weights (safetensors) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self.config), indent=1)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
        weights = {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)

    def _features(self, x: Tensor) -> Tensor:
        """What the head reads, (B, features)."""
        if self.dense is not None:
            return F.relu(self.dense(x.flatten(1)))
        if not len(self.layers):
            return x.flatten(1)
        if self.config.kind == "bidirectional":
            forward, backward = self.layers
            return torch.cat([forward(x)[0][:, -1], backward(x.flip(1))[0][:, -1]], dim=-1)
        y = self.layers[0](x)[0]  # (B, T, H)
        for layer in self.layers[1:]:
            y = layer(y * self._drop(torch.ones_like(y[:, :1])))[0]
        last: Tensor = y[:, -1]
        return last

    def _drop(self, x: Tensor) -> Tensor:
        # A linear model reads its inputs alone, and they stay whole.
        is_linear = self.config.kind == "linear"
        return x if is_linear else F.dropout(x, self.config.dropout, self.training)

    def _check(self, x: Tensor) -> None:
        fixed = self.config.kind not in RECURRENT
        steps = self.config.window if fixed else "T"
        if x.ndim != 3 or x.shape[2] != self.config.n_inputs or 0 in x.shape:
            wrong = True
        else:
            wrong = fixed and x.shape[1] != self.config.window
        if wrong:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected (B, {steps}, {self.config.n_inputs})"
            )


def load_forecaster(folder: Path) -> Forecaster:
    """Read a forecaster that `save` wrote, ready to forecast.

    Raises
    ------
    ModelError
        If the folder is missing, damaged, or holds something else.
    """
    try:
        config = ForecasterConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        model = Forecaster(config)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no forecaster that can be read ({problem}). "
            "Expected forecaster.json and model.safetensors; train it again."
        ) from problem
    return model.eval()
