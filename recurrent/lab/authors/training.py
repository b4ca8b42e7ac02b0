"""Train one variant of the classifier, keeping the weights that did best on validation."""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch

from engine.batching import steps_per_epoch
from engine.events import Evaluated, Step
from engine.fit import fit
from engine.fit_settings import FitSettings
from recurrent.lab.authors.batches import Stretches
from recurrent.lab.authors.model import AuthorNet
from recurrent.lab.authors.settings import Settings
from recurrent.lab.report import Point


def fit_settings(n_passages: int, settings: Settings) -> FitSettings:
    """How `engine.fit` trains a variant on so many passages."""
    per_epoch = steps_per_epoch(n_passages, settings.batch_size)
    steps = settings.epochs * per_epoch
    return FitSettings(
        steps=steps,
        batch_size=settings.batch_size,
        lr=settings.lr,
        min_lr_fraction=0.02,
        warmup_steps=min(50, steps // 10),
        weight_decay=0.05,
        beta2=0.98,
        eval_every=per_epoch,
        eval_rows=1 << 20,
        save_every=0,
        seed=settings.seed,
        device=settings.device,
    )


def train(
    model: AuthorNet,
    passages: Stretches,
    valid: Stretches,
    settings: Settings,
    *,
    curve: str,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Point | float, None, None]:
    """Train in place.

    Yields
    ------
    float or Point
        The share that is done after each update; the validation loss, in nats, after each epoch.
    """
    wanted = fit_settings(len(passages), settings)
    best: dict[str, torch.Tensor] = {}
    for event in fit(model, passages, valid, wanted, stopped=stopped):
        match event:
            case Step(step=step):
                yield step / wanted.steps
            case Evaluated(step=step, valid_loss=loss, is_best=is_best):
                if is_best:
                    best = {name: t.detach().clone() for name, t in model.state_dict().items()}
                yield Point(curve, step / wanted.steps * settings.epochs, loss)
    if best:
        model.load_state_dict(best)
