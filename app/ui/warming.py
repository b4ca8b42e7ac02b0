"""The model the page writes with, read while the page opens."""

from __future__ import annotations

import logging

from app import actions
from corpora.errors import LetterpressError

_log = logging.getLogger(__name__)


def warm_up() -> None:
    """Load the model and what a letter needs, so that the first one need not wait for it."""
    try:
        first = next(iter(actions.people()))
        with actions.reply(
            "Good day to you.", to=first, model=default_model(), save=False
        ) as ready:
            next(ready)
    except LetterpressError as problem:
        _log.warning("%s", problem)  # shown again, at the field, with the first letter


def default_model() -> str:
    """The starter, or the first model that is here where it was left out."""
    names = [model.name for model in actions.models()]
    return "starter" if "starter" in names or not names else names[0]
