"""Many small RNNs, LSTMs or GRUs side by side, each on a series of its own, trained as one model.

Twenty draws of noise and several networks on each make a hundred networks of eight units. One by
one they would keep a processor waiting on its own bookkeeping; with their weights in one tensor,
group by group, a step of all is a batched product. Nothing passes between groups.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from corpora.errors import ModelError
from engine.batching import Batch

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
CELLS = tuple(GATES)
CONFIG, WEIGHTS = "sine_nets.json", "model.safetensors"
_CLIP = 1.0  # of each group's gradient, tensor by tensor
State = tuple[Tensor, Tensor]  # hidden and cell, (G, B, H) each; only an LSTM uses the second


@dataclass(frozen=True, slots=True)
class NetsConfig:
    """The shape of the networks and how they are trained.

    Attributes
    ----------
    cell : str
        "rnn", "lstm" or "gru".
    n_draws, n_members : int
        Series D, and networks on each whose forecasts are averaged, E: G = E * D groups.
    hidden_size : int
        Units of each network, H.
    free_share : float
        The share of training rows that run free from a random step on: they are fed their own
        forecasts, and the error goes back through those.
    warm_up : int
        Steps that such a row is fed the truth at least.
    input_noise : float
        Standard deviation of noise added to what is read while training, in scaled units.
    """

    cell: str
    n_draws: int
    n_members: int = 1
    hidden_size: int = 8
    free_share: float = 0.0
    warm_up: int = 10
    input_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise ValueError(f"cell={self.cell!r} must be one of {', '.join(GATES)}")
        for name in ("n_draws", "n_members", "hidden_size", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not 0 <= self.free_share <= 1:
            raise ValueError(f"free_share={self.free_share} must be from 0 to 1")
        if not self.input_noise >= 0:
            raise ValueError(f"input_noise={self.input_noise} must not be negative")


class Nets(nn.Module):
    """G networks of one recurrent layer and a linear head each; the equations are torch's."""

    def __init__(self, config: NetsConfig) -> None:
        super().__init__()
        self.config = config
        groups, size, gates = config.n_members * config.n_draws, config.hidden_size, self._gates
        self.weight_ih = nn.Parameter(torch.empty(groups, 1, gates * size))
        self.weight_hh = nn.Parameter(torch.empty(groups, size, gates * size))
        # Vectors, so that no weight decay falls on them.
        self.bias_ih = nn.Parameter(torch.zeros(groups * gates * size))
        self.bias_hh = nn.Parameter(torch.zeros(groups * gates * size))
        self.head = nn.Parameter(torch.empty(groups, size, 1))
        self.head_bias = nn.Parameter(torch.zeros(groups))
        nn.init.uniform_(self.weight_ih, -(size**-0.5), size**-0.5)
        nn.init.uniform_(self.head, -(size**-0.5), size**-0.5)
        for block in self.weight_hh.data.unbind(0):
            for gate in block.chunk(gates, dim=1):
                nn.init.orthogonal_(gate)
        if config.cell == "lstm":  # it remembers before it has learnt what to forget
            self.bias_ih.data.view(groups, gates, size)[:, 1] = 1.0
        for parameter in self.parameters():
            parameter.register_hook(self._clip)  # type: ignore[no-untyped-call]

    @property
    def _gates(self) -> int:
        return GATES[self.config.cell]

    @property
    def n_groups(self) -> int:
        """Networks in all, G."""
        return self.config.n_members * self.config.n_draws

    def _clip(self, gradient: Tensor) -> Tensor:
        # Group by group, where the loop's own clipping would let one network slow down all others.
        rows = gradient.reshape(self.n_groups, -1)
        most = _CLIP / self.n_groups
        scale = most / rows.norm(dim=1, keepdim=True).clamp_min(most)
        clipped: Tensor = (rows * scale).view_as(gradient)
        return clipped

    def start(self, n_rows: int) -> State:
        """States of zeros for `n_rows` rows in each group."""
        zeros = self.head.new_zeros(self.n_groups, n_rows, self.config.hidden_size)
        return zeros, zeros

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one value in each row, (G, B): a forecast of the next, (G, B), and the state."""
        hidden, cell = state
        n = self.n_groups
        from_input = x[..., None] * self.weight_ih + self.bias_ih.view(n, 1, -1)  # (G, B, gates H)
        bias = self.bias_hh.view(n, 1, -1)
        if self.config.cell == "gru":
            from_hidden = torch.baddbmm(bias, hidden, self.weight_hh)
            size = 2 * self.config.hidden_size
            both = torch.sigmoid(from_input[..., :size] + from_hidden[..., :size])
            reset, update = both.chunk(2, dim=-1)
            new = torch.tanh(from_input[..., size:] + reset * from_hidden[..., size:])
            hidden = new + update * (hidden - new)
        else:
            total = torch.baddbmm(from_input + bias, hidden, self.weight_hh)
            if self.config.cell == "rnn":
                hidden = torch.tanh(total)
            else:
                enter, forget, new, leave = total.chunk(4, dim=-1)
                cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
                hidden = torch.sigmoid(leave) * torch.tanh(cell)
        forecast = torch.baddbmm(self.head_bias.view(n, 1, 1), hidden, self.head)[..., 0]
        return forecast, (hidden, cell)

    def read(self, x: Tensor, fed: Tensor | None = None) -> Tensor:
        """Forecast the value after each step.

        Parameters
        ----------
        x : Tensor, shape (B, D, T)
            Scaled series; every member of a draw reads the same.
        fed : Tensor of bool, shape (B, T), optional
            Where the truth is read; elsewhere the network's forecast of it is.

        Returns
        -------
        Tensor, shape (B, E, D, T)
        """
        members, draws = self.config.n_members, self.config.n_draws
        rows = x.transpose(0, 1).repeat(members, 1, 1)  # (G, B, T)
        state, forecasts = self.start(len(x)), []
        forecast = rows[..., 0]
        for t in range(x.shape[-1]):
            now = rows[..., t]
            if fed is not None and t:
                now = torch.where(fed[:, t], now, forecast)
            forecast, state = self.step(now, state)
            forecasts.append(forecast)
        out = torch.stack(forecasts, dim=-1)  # (G, B, T)
        return out.view(members, draws, *out.shape[1:]).permute(2, 0, 1, 3)

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the forecasts from step `first` on, over all networks."""
        x, y, first = batch["x"], batch["y"], batch["first"]
        fed = None
        if self.training:
            if self.config.input_noise:
                x = x + self.config.input_noise * torch.randn_like(x)
            if self.config.free_share:
                fed = self._fed(x.shape[0], x.shape[-1], x.device)
        forecast = self.read(x, fed)[..., first:]  # (B, E, D, T - first)
        return F.mse_loss(forecast, y[:, None, :, first:].expand_as(forecast))

    def _fed(self, n_rows: int, length: int, device: torch.device) -> Tensor:
        """Which steps of which rows are fed the truth, (B, T)."""
        last = torch.randint(self.config.warm_up, max(length, self.config.warm_up + 1), (n_rows, 1))
        runs_free = torch.rand(n_rows, 1) < self.config.free_share
        return ((torch.arange(length) < last) | ~runs_free).to(device)

    @torch.no_grad()
    def forecast(self, past: Tensor, horizon: int) -> Tensor:
        """Read D series (D, T) and run free: (D, horizon). Members read the mean of them all."""
        members, draws = self.config.n_members, self.config.n_draws
        state, average, said = self.start(1), past[:, 0], []
        for t in range(past.shape[1] + horizon - 1):
            now = past[:, t] if t < past.shape[1] else average
            forecast, state = self.step(now.repeat(members)[:, None], state)
            average = forecast.view(members, draws).mean(dim=0)
            if t >= past.shape[1] - 1:
                said.append(average)
        return torch.stack(said, dim=-1)

    def only(self, draw: int) -> Nets:
        """The networks of one draw, as a model of their own."""
        config = self.config
        one = Nets(NetsConfig(**{**asdict(config), "n_draws": 1}))
        for (name, mine), theirs in zip(one.named_parameters(), self.parameters(), strict=True):
            rows = theirs.data.reshape(config.n_members, config.n_draws, -1)[:, draw]
            mine.data.copy_(rows.reshape(mine.shape), non_blocking=False)
            assert mine.shape[1:] == theirs.shape[1:], name
        return one

    def save(self, folder: Path) -> None:
        """Write the configuration (JSON) and the weights (safetensors) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self.config), indent=1)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
        weights = {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)


def load_nets(folder: Path) -> Nets:
    """Read what `Nets.save` wrote.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    try:
        nets = Nets(NetsConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8"))))
        nets.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no networks that can be read ({problem}). Run the sine again."
        ) from problem
    return nets.eval()
