"""Which networks learn the sine, and how each is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.fit import FitSettings
from recurrent.lab.sine.nets import CELLS, NetsConfig
from recurrent.lab.sine.series import WINDOW
from recurrent.lab.sine.settings import Settings

LECTURE = "LSTM(8), as in the lecture"
_COST = {"rnn": 1.0, "lstm": 1.8, "gru": 1.8}  # of a step: each is mostly many small products


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of network and how it is trained.

    Attributes
    ----------
    length, first : int
        Steps in a training piece, and the first whose target counts.
    window : int
        Values read before a target; 0 for all there are.
    cost : float
        What an update takes, in steps of an RNN: only the time left hangs on it.
    is_candidate : bool
        Whether it may be chosen. Then it learns twice: without the validation part, to be chosen by
        it, and with it, to be tested.
    """

    system: str
    nets: NetsConfig
    fit: FitSettings
    length: int
    first: int
    window: int
    cost: float
    is_candidate: bool = False

    @property
    def work(self) -> float:
        """Of all its updates."""
        return self.cost * self.fit.steps * (2 if self.is_candidate else 1)


def plans(settings: Settings) -> list[Plan]:
    """What is trained, in order: the lecture's network, then each cell with either memory."""
    made = [_lecture(settings)]
    made += [_ours(cell, settings) for cell in CELLS]
    made += [_short(cell, settings) for cell in CELLS]
    return made


def _fit(settings: Settings, **others: Any) -> FitSettings:
    # Gradients are clipped network by network, in `Nets`; the loop's own limit must not act.
    same = {"seed": settings.seed, "device": settings.device, "precision": "no", "clip_norm": 1e9}
    return FitSettings(**{**same, "eval_rows": 1, **others})


def _lecture(settings: Settings) -> Plan:
    """The notebook's: Adam at 1e-3, 4 windows an update, 45 updates an epoch."""
    fit = _fit(
        settings,
        steps=settings.lecture_epochs * 45,
        batch_size=4,
        lr=1e-3,
        min_lr_fraction=1.0,
        warmup_steps=0,
        weight_decay=0.0,
        beta2=0.999,
        eval_every=0,
    )
    nets = NetsConfig("lstm", settings.n_draws, hidden_size=8)
    return Plan(LECTURE, nets, fit, WINDOW, WINDOW - 1, WINDOW, WINDOW)


def _ours(cell: str, settings: Settings) -> Plan:
    """Read all there is. Noise on the inputs makes a network trust no single value but its own
    state; rows that run free make that state keep time."""
    nets = NetsConfig(
        cell,
        settings.n_draws,
        settings.n_members,
        settings.hidden_size,
        free_share=0.8,
        warm_up=10,
        input_noise=0.4,
    )
    fit = _fit(
        settings,
        steps=settings.n_updates,
        batch_size=16,
        lr=0.02,
        min_lr_fraction=0.02,
        weight_decay=0.1,
        beta2=0.99,
        eval_every=20,
    )
    cost = 120 * _COST[cell]
    return Plan(f"{cell.upper()}, all the past", nets, fit, 120, 40, 0, cost, is_candidate=True)


def _short(cell: str, settings: Settings) -> Plan:
    """Read the lecture's ten values alone."""
    nets = NetsConfig(
        cell, settings.n_draws, settings.n_members, settings.hidden_size, input_noise=0.1
    )
    fit = _fit(
        settings,
        steps=settings.n_updates,
        batch_size=64,
        lr=0.02,
        min_lr_fraction=0.02,
        weight_decay=0.01,
        beta2=0.99,
        eval_every=0,
    )
    cost = 2 * WINDOW * _COST[cell]
    return Plan(
        f"{cell.upper()}, the last {WINDOW} values", nets, fit, WINDOW, WINDOW - 1, WINDOW, cost
    )
