"""Train one variant of the classifier.

The last weights are kept, not those of the lowest validation loss: the loss rises as the network
grows too sure of itself, which a temperature mends, while it still names more authors rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

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
    for event in fit(model, passages, valid, wanted, stopped=stopped):
        match event:
            case Step(step=step):
                yield step / wanted.steps
            case Evaluated(step=step, valid_loss=loss):
                yield Point(curve, step / wanted.steps * settings.epochs, loss)
