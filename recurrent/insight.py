"""What single units of a recurrent language model do: their values along a text, and the model
without one of them.

The idea is that of Karpathy, Johnson and Fei-Fei (2015), "Visualizing and understanding recurrent
networks", section 4: colour a text by the value of one unit. Which units are worth a look is found
in `telling`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from corpora.errors import InputError
from recurrent.cells import Weights, gru_gates, lstm_gates
from recurrent.charlm import CharLM, CharLMConfig
from recurrent.fused import run_layer

Values: TypeAlias = NDArray[np.float32]

# What can be looked at in each cell; `cells` says what each is.
PARTS: dict[str, tuple[str, ...]] = {
    "rnn": ("hidden",),
    "lstm": ("hidden", "cell", "input", "forget", "candidate", "output"),
    "gru": ("hidden", "reset", "update", "new"),
}
GATES = frozenset({"input", "forget", "output", "reset", "update"})  # from 0 to 1; others turn sign
_UNIT = re.compile(r"\s*(\d{1,4})\s*:\s*(\d{1,6})\s*\Z", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One unit: its layer and its number there, both counted from 0.

    Raises
    ------
    ValueError
        If one of them is negative.
    """

    layer: int
    n: int

    def __post_init__(self) -> None:
        for name in ("layer", "n"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0")

    def __str__(self) -> str:
        return f"{self.layer}:{self.n}"

    @classmethod
    def parse(cls, text: str) -> Unit:
        """Read "LAYER:N".

        Raises
        ------
        InputError
            If the text is something else.
        """
        if (found := _UNIT.match(text)) is None:
            raise InputError(
                f"The unit is {text[:30]!r}; expected a layer and a number, both counted from 0, "
                "such as 1:217."
            )
        return cls(int(found[1]), int(found[2]))

    def check(self, config: CharLMConfig) -> None:
        """See that a model has it.

        Raises
        ------
        InputError
            If it has not; the message says which it has.
        """
        if self.layer >= config.num_hidden_layers or self.n >= config.hidden_size:
            raise InputError(
                f"The model has no unit {self}; its layers go from 0 to "
                f"{config.num_hidden_layers - 1} and the units of each from 0 to "
                f"{config.hidden_size - 1}."
            )


def trace(
    model: CharLM, tokenizer: PreTrainedTokenizerFast, text: str, part: str = "hidden"
) -> Values:
    """The values of all units after each character of a text, which is read from its beginning.

    Parameters
    ----------
    model, tokenizer
        Where an id stands for several characters, they share its values; of a character written as
        several ids (bytes) the values after the last count.
    text : str
    part : str
        One of `PARTS` of the model's cell: "hidden", or what the cell has besides.

    Returns
    -------
    array of float32, shape (T, L, H)
        A row for each of the T characters.

    Raises
    ------
    ValueError
        If the model's cell has no such part.
    """
    if part not in PARTS[model.config.cell]:
        known = ", ".join(PARTS[model.config.cell])
        raise ValueError(f"part={part!r} must be one of {known} for cell={model.config.cell!r}")
    encoded: Any = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    rows = np.zeros(len(text), np.intp)  # the id that ends each character; 0 is the end of text
    for i, (start, stop) in enumerate(encoded["offset_mapping"], 1):
        rows[start : max(start + 1, stop)] = i
    end = model.config.eos_token_id
    ids = [0 if end is None else int(end), *encoded["input_ids"]]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        layers = [
            _part(part, x, hidden, layer).float().cpu().numpy()[rows]
            for layer, x, hidden in _layers(model, torch.tensor(ids, device=model.device))
        ]
    model.train(was_training)
    return np.stack(layers, axis=1)  # (T, L, H)


def _layers(model: CharLM, ids: Tensor) -> Iterator[tuple[nn.RNNBase, Tensor, Tensor]]:
    """Each layer with what goes into it, (T, C), and its hidden values, (T, H)."""
    x = model._embed(ids)  # (T, C)
    for i, layer in enumerate(model.layers):
        assert isinstance(layer, nn.RNNBase)
        hidden = run_layer(layer, x[None])[0][0]  # (T, H)
        yield layer, x, hidden
        x = hidden + x if model.config.residual and i else hidden


def _part(part: str, x: Tensor, hidden: Tensor, layer: nn.RNNBase) -> Tensor:
    """What a layer has inside, (T, H).

    Once the hidden values are known, no step waits for another: the T steps go through the cell as
    T rows. Only the memory of an LSTM is a sum over the steps.
    """
    if part == "hidden":
        return hidden
    before = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])  # (T, H)
    weights = Weights.of(layer)
    gates: Any
    if isinstance(layer, nn.GRU):
        gates = gru_gates(x, before, weights)
    else:
        gates = lstm_gates(x, (before, torch.zeros_like(before)), weights)
    if part != "cell":
        found: Tensor = getattr(gates, part)
        return found
    written = gates.input * gates.candidate
    cell = torch.empty_like(written)
    now = torch.zeros_like(written[0])  # (H,)
    for t in range(len(written)):
        now = gates.forget[t] * now + written[t]  # (H,)
        cell[t] = now
    return cell


@torch.no_grad()
def switched_off(model: CharLM, unit: Unit, value: float = 0.0) -> CharLM:
    """A copy of a model in which one unit always says the same.

    The weights by which the unit is written are zero, so it stays at 0 from the first step on; a
    constant other than 0 is added to the biases of all who listen to it. The copy is a model like
    any other: scoring, steppers and `generate` run on it unchanged.

    Parameters
    ----------
    model : CharLM
        It stays as it is.
    unit : Unit
    value : float
        What the unit says; 0, or its mean along a text, so that those above it miss what it knows
        rather than its usual level.

    Raises
    ------
    InputError
        If the model has no such unit.
    ValueError
        If `value` is not finite.
    """
    unit.check(model.config)
    if not np.isfinite(value):
        raise ValueError(f"value={value} must be finite")
    changed = copy.deepcopy(model)
    cell, size = changed.config.cell, changed.config.hidden_size
    layer: Any = changed.layers[unit.layer]
    # The gate that says what is written: the only one of an RNN, an LSTM's candidate, a GRU's new.
    # Where it gives 0 the state, 0 at the beginning, is a mix of zeros whatever the others say.
    row = {"rnn": 0, "lstm": 2, "gru": 2}[cell] * size + unit.n
    for weights in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0):
        weights[row] = 0
    layer.bias_hh_l0 += value * layer.weight_hh_l0[:, unit.n]
    # With residual connections everything above hears the unit, else only the next.
    above: list[Any] = list(changed.layers)[unit.layer + 1 :]
    if not changed.config.residual:
        above = above[:1]
    for listener in above:
        listener.bias_ih_l0 += value * listener.weight_ih_l0[:, unit.n]
    if changed.config.residual or unit.layer == len(changed.layers) - 1:
        changed.head.bias.add_(value * changed.head.weight[:, unit.n])
    return changed
