"""The networks that are compared, the settings each may try, and the training of one of them.

Every network forecasts the change from the window's last value: the anchor of `Forecaster`. Which
of its updates is kept is decided on the validation part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.batching import rng
from engine.devices import choose_device
from engine.fit import Evaluated, Event, FitSettings, fit
from recurrent.forecasting import Forecaster, ForecasterConfig
from recurrent.lab.weather.reading import Floats
from recurrent.lab.weather.residual import Linear, OverLinear
from recurrent.lab.weather.windows import Ends, Plan, Windows

_AT_ONCE = 512  # windows forecast in one go


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of network.

    Attributes
    ----------
    title, kind : str
        Its name in the table; a kind of `recurrent.forecasting`.
    recurrent_dropout : bool
        Whether its dropout also falls on the recurrent state.
    over_ridge : bool
        Whether it learns what ridge leaves over: see `residual`.
    cost : float
        The time of an update next to that of a GRU.
    lecture : float, optional
        The lecture's best validation MAE on Jena, in z-units.
    """

    title: str
    kind: str
    recurrent_dropout: bool = False
    over_ridge: bool = False
    cost: float = 1.0
    lecture: float | None = None


FAMILIES = {
    "linear": Family("Linear", "linear", cost=0.1),
    "dense": Family("Dense", "dense", cost=0.15, lecture=0.3011),
    "rnn": Family("Simple RNN", "rnn", cost=0.6),
    "gru": Family("GRU", "gru", lecture=0.2636),
    "gru_dropout": Family(
        "GRU, recurrent dropout", "gru", recurrent_dropout=True, cost=2.5, lecture=0.2666
    ),
    "stacked": Family("Stacked GRUs", "stacked", cost=2.0, lecture=0.2709),
    "bidirectional": Family("Bidirectional GRU", "bidirectional", cost=2.0, lecture=0.2614),
    "lstm": Family("LSTM", "lstm", cost=1.1),
    "dense_over_ridge": Family("Dense over ridge", "dense", over_ridge=True, cost=0.2),
    "gru_over_ridge": Family("GRU over ridge", "gru", over_ridge=True),
    "lstm_over_ridge": Family("LSTM over ridge", "lstm", over_ridge=True, cost=1.1),
}
RECURRENT = tuple(
    name for name, family in FAMILIES.items() if family.kind not in ("linear", "dense")
)
LECTURE_NAIVE = 0.28974


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting of a network that may be tried."""

    hidden_size: int = 32
    lr: float = 2e-3
    dropout: float = 0.3
    weight_decay: float = 0.1

    def __str__(self) -> str:
        return (
            f"{self.hidden_size} units, lr {self.lr:g}, dropout {self.dropout:g}, "
            f"decay {self.weight_decay:g}"
        )


_GRID: dict[str, tuple[float, ...]] = {
    "hidden_size": (16, 32, 64),
    "lr": (1e-3, 2e-3, 4e-3),
    "dropout": (0.1, 0.3, 0.5),
    "weight_decay": (0.01, 0.1, 0.5),
}


def draw_trials(n: int, seed: int) -> list[Trial]:
    """The settings that every network tries: the usual one, then `n - 1` drawn from a grid."""
    draw, trials = rng(seed, n), [Trial()]
    while len(trials) < n:
        picked = {name: values[int(draw.integers(len(values)))] for name, values in _GRID.items()}
        trial = Trial(
            int(picked["hidden_size"]), picked["lr"], picked["dropout"], picked["weight_decay"]
        )
        if trial not in trials:
            trials.append(trial)
    return trials


@dataclass(frozen=True, slots=True)
class Training:
    """How long a network trains: updates, their windows, and when it is looked at."""

    steps: int
    batch_size: int = 128
    eval_every: int = 100
    patience: int = 6
    device: str = "auto"
    precision: str = "no"


@dataclass(frozen=True)
class Trained:
    """A trained network with its best weights, and its validation loss in z-units."""

    family: str
    trial: Trial
    seed: int
    model: Forecaster
    valid_loss: float
    n_steps: int


def build(
    plan: Plan,
    family: Family,
    trial: Trial,
    *,
    levels: tuple[float, ...] = (),
    linear: Linear | None = None,
) -> Forecaster:
    """A new network for a plan, its weights drawn from torch's generator.

    Parameters
    ----------
    levels : tuple of float
        The quantiles to forecast; without any, the absolute error is minimised.
    linear : Linear, optional
        What ridge found, for the families that build on it.
    """
    config = ForecasterConfig(
        kind=family.kind,
        n_inputs=len(plan.names),
        window=plan.window,
        hidden_size=trial.hidden_size,
        n_quantiles=max(1, len(levels)),
        dropout=trial.dropout,
        recurrent_dropout=trial.dropout if family.recurrent_dropout else 0.0,
        loss="pinball" if levels else "mae",
        quantiles=levels,
        anchor=plan.column,
    )
    if not family.over_ridge:
        return Forecaster(config)
    if linear is None:
        raise ValueError(f"linear=None: {family.title} builds on a linear forecast")
    return OverLinear(config, linear)


def train(
    plan: Plan,
    name: str,
    trial: Trial,
    training: Training,
    *,
    seed: int,
    levels: tuple[float, ...] = (),
    linear: Linear | None = None,
    valid_every: int = 1,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Event, None, Trained]:
    """Train one network and give it back with the weights that were best on the validation part.

    Parameters
    ----------
    valid_every : int
        Look at every so many-th validation window: neighbours say almost the same.

    Yields
    ------
    The events of `engine.fit.fit`.
    """
    torch.manual_seed(seed)
    model = build(plan, FAMILIES[name], trial, levels=levels, linear=linear)
    data = Windows(plan, plan.train)
    held_out = Windows(plan, plan.valid[::valid_every])
    settings = FitSettings(
        steps=training.steps,
        batch_size=training.batch_size,
        lr=trial.lr,
        min_lr_fraction=0.05,
        weight_decay=trial.weight_decay,
        eval_every=training.eval_every,
        eval_rows=len(held_out),
        save_every=0,
        patience=training.patience,
        seed=seed,
        precision=training.precision,
        device=training.device,
    )
    best, best_loss, at = _copy(model), float("inf"), 0
    for event in fit(model, data, held_out, settings, stopped=stopped):
        if isinstance(event, Evaluated) and event.is_best:
            best, best_loss = _copy(model), event.valid_loss
        at = event.step if isinstance(event, Evaluated) else at
        yield event
    model.load_state_dict(best)
    return Trained(name, trial, seed, model.cpu().eval(), best_loss, at)


def _copy(model: Forecaster) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def predict(model: Forecaster, plan: Plan, ends: Ends, device: str = "cpu") -> Floats:
    """Forecast from the windows that end there: (n, n_quantiles), in z-units."""
    data, place = Windows(plan, ends), choose_device(device)
    model.to(place).eval()
    with torch.inference_mode():
        parts = [
            model(data.read(ends[i : i + _AT_ONCE]).to(place))[:, 0].double().cpu().numpy()
            for i in range(0, len(ends), _AT_ONCE)
        ]
    model.cpu()
    return np.concatenate(parts) if parts else np.empty((0, model.config.n_quantiles))
