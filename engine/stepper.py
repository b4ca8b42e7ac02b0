"""One token at a time: the small contract that generation, guards and seeds run on.

`start(ids)` reads a prompt and `step(id, state)` one id more; both give the logits of the next id
and a state. A state is a value: stepping from it does not change it, so several continuations can
be tried from one place. A faster back end implements these two and nothing above it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
import transformers
from transformers import DynamicCache, PreTrainedModel

State = TypeVar("State")


class Stepper(Protocol[State]):
    """Gives logits of shape (V,) and a state."""

    @property
    def backend(self) -> str:
        """What computes the logits, as it is saved with every letter."""
        ...

    @property
    def window(self) -> int:
        """The most ids a prompt and its continuation may have together; 0 sets no limit."""
        ...

    def start(self, ids: Sequence[int], state: State | None = None) -> tuple[torch.Tensor, State]:
        """Read ids from the beginning, or on from a state."""
        ...

    def step(self, token: int, state: State) -> tuple[torch.Tensor, State]:
        """Read one id more."""
        ...


@dataclass(frozen=True, slots=True)
class CacheState:
    """Keys and values of each layer, each (1, n_head, T, head width), and T."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    length: int


class TransformerStepper:
    """Any transformers model with a key-value cache."""

    backend = f"transformers {transformers.__version__}"

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model.eval()
        self.window: int = getattr(model.config, "n_positions", 0) or getattr(
            model.config, "max_position_embeddings", 0
        )

    def start(
        self, ids: Sequence[int], state: CacheState | None = None
    ) -> tuple[torch.Tensor, CacheState]:
        """Read ids; raises ValueError when there are none or the window is too small for them."""
        length = (state.length if state else 0) + len(ids)
        if not ids:
            raise ValueError("ids is empty; a prompt needs at least one id")
        if self.window and length > self.window:
            raise ValueError(f"{length} ids do not fit a window of {self.window}")
        # A fresh cache object over the old tensors: appending to it makes new tensors, so the state
        # that was given stays as it was.
        cache = DynamicCache(ddp_cache_data=state.layers) if state else DynamicCache()
        with torch.inference_mode():
            out: Any = self.model(
                input_ids=torch.tensor([list(ids)], device=self.model.device),  # (1, T)
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        layers = tuple((layer.keys, layer.values) for layer in out.past_key_values.layers)
        return out.logits[0, -1], CacheState(layers, length)

    def step(self, token: int, state: CacheState) -> tuple[torch.Tensor, CacheState]:
        """Read one id more."""
        return self.start((token,), state)


Factory = Callable[[Any], Stepper[Any]]
_FACTORIES: dict[type[PreTrainedModel], Factory] = {}


def register_stepper(kind: type[PreTrainedModel], factory: Factory) -> None:
    """Let a family of models bring its own stepper, as `AutoModel.register` does for models."""
    _FACTORIES[kind] = factory


def stepper_of(model: PreTrainedModel) -> Stepper[Any]:
    """The stepper for a model: its family's own, else the one for any model with a cache."""
    return _FACTORIES.get(type(model), TransformerStepper)(model)


@dataclass(frozen=True, slots=True)
class SlidingState:
    """A stepper's own state, and the ids it has read."""

    inner: Any
    ids: tuple[int, ...]


class SlidingStepper:
    """A stepper without end over one with a window: where that is full, its last half is read anew.

    What stood before is forgotten then, as in any model with a window.
    """

    window = 0

    def __init__(self, stepper: Stepper[Any]) -> None:
        self.stepper = stepper
        self.backend = stepper.backend

    def start(
        self, ids: Sequence[int], state: SlidingState | None = None
    ) -> tuple[torch.Tensor, SlidingState]:
        """Read ids, of too many the last."""
        read = (*(state.ids if state else ()), *ids)
        if len(read) > self.stepper.window:
            read = read[-max(1, self.stepper.window // 2) :]
            logits, inner = self.stepper.start(read)
        else:
            logits, inner = self.stepper.start(ids, state.inner if state else None)
        return logits, SlidingState(inner, read)

    def step(self, token: int, state: SlidingState) -> tuple[torch.Tensor, SlidingState]:
        """Read one id more."""
        if len(state.ids) == self.stepper.window:
            return self.start((token,), state)
        logits, inner = self.stepper.step(token, state.inner)
        return logits, SlidingState(inner, (*state.ids, token))


def without_end(stepper: Stepper[Any]) -> Stepper[Any]:
    """The stepper itself, or one that slides its window."""
    return SlidingStepper(stepper) if stepper.window else stepper
