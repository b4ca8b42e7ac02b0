"""What a faster way of running a model costs: its bits and its choices beside the model's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from engine.stepper import Stepper

MOST_BITS = 0.005  # more bits than the model itself needs, as a share
LEAST_TOP = 0.98  # of the steps


@dataclass(frozen=True, slots=True)
class Agreement:
    """A stepper beside its model on the same texts.

    Attributes
    ----------
    bits : float
        Bits the model needs for the ids compared, as it is.
    stepper_bits : float
        Bits the stepper needs for the same. The bytes being the same, the ratio is that of bits
        per byte.
    top : float
        Share of the steps, 0 to 1, in which both hold the same id for the likeliest.
    n_steps : int
        Ids compared.
    """

    bits: float
    stepper_bits: float
    top: float
    n_steps: int

    @property
    def more_bits(self) -> float:
        """How many more bits the stepper needs, as a share; negative where it needs fewer."""
        return self.stepper_bits / self.bits - 1

    @property
    def close(self) -> bool:
        """Whether the stepper may stand for the model."""
        return abs(self.more_bits) <= MOST_BITS and self.top >= LEAST_TOP


def agreement(
    model: PreTrainedModel, stepper: Stepper[Any], texts: Iterable[Sequence[int]]
) -> Agreement:
    """Compare a stepper with the model that it runs.

    Of each text the first half is read as a prompt and the second an id at a time, as in writing;
    the model reads the whole at once.

    Parameters
    ----------
    model : PreTrainedModel
        On the CPU, in fp32.
    stepper : Stepper
    texts : iterable of sequences of int
        Ids; each text has at least 2 and fits the model's window.

    Raises
    ------
    ValueError
        If a text has fewer than 2 ids, or there is no text.
    """
    nats, own_nats, same, n_steps = 0.0, 0.0, 0, 0
    for ids in texts:
        if len(ids) < 2:
            raise ValueError(f"a text has {len(ids)} ids; expected at least 2")
        n_prompt = len(ids) // 2
        logits, state = stepper.start(ids[:n_prompt])
        rows = [logits]
        for token in ids[n_prompt:-1]:
            logits, state = stepper.step(token, state)
            rows.append(logits)
        own = torch.stack(rows).float().log_softmax(-1)  # (T, V)
        with torch.inference_mode():
            whole = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
        exact = whole[n_prompt - 1 : -1].float().log_softmax(-1)  # (T, V)
        following = torch.tensor(ids[n_prompt:])[:, None]  # (T, 1)
        nats -= exact.gather(1, following).sum().item()
        own_nats -= own.gather(1, following).sum().item()
        same += int((exact.argmax(-1) == own.argmax(-1)).sum())
        n_steps += len(rows)
    if not n_steps:
        raise ValueError("texts is empty; expected at least one text to compare on")
    return Agreement(nats / math.log(2), own_nats / math.log(2), same / n_steps, n_steps)
