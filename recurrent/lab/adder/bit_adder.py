"""An RNN, an LSTM or a GRU that reads two bits at each step and says one: the torch adders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from corpora.errors import ModelError
from engine.batching import Batch
from recurrent.forecasting import set_starting_values
from recurrent.lab.adder.bits import Bits

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CONFIG, WEIGHTS = "bit_adder.json", "model.safetensors"


class BitAdder(nn.Module):
    """One recurrent layer and a logit for each step.

    x (B, T, 2) -> states (B, T, H) -> logits (B, T)

    Parameters
    ----------
    cell : str
        "rnn" (tanh), "lstm" or "gru".
    hidden_size : int
        Units, H.
    """

    def __init__(self, cell: str, hidden_size: int = 16) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell={cell!r} must be one of {', '.join(CELLS)}")
        if hidden_size < 1:
            raise ValueError(f"hidden_size={hidden_size} must be at least 1")
        self.cell, self.hidden_size = cell, hidden_size
        self.layer: nn.RNNBase = CELLS[cell](2, hidden_size, batch_first=True)
        set_starting_values(self.layer)
        self.head = nn.Linear(hidden_size, 1)

    def states(self, x: Tensor) -> Tensor:
        """The hidden states (B, T, H) on reading bits (B, T, 2), from a state of zeros."""
        y: Tensor = self.layer(2 * x - 1)[0]  # -1 and 1: a bit that is 0 also says something
        return y

    def forward(self, x: Tensor) -> Tensor:
        """The logits (B, T) of a one in the sum."""
        logits: Tensor = self.head(self.states(x))[..., 0]
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """Cross entropy in mean nats per bit."""
        return F.binary_cross_entropy_with_logits(self(batch["x"]), batch["y"])

    @torch.no_grad()
    def read(self, pairs: Bits) -> tuple[Bits, Bits]:
        """Hidden states (N, T, H) and probabilities of a one (N, T), of pairs (N, T, 2)."""
        device = self.head.weight.device
        states, probabilities = [], []
        for part in np.array_split(pairs, -(-len(pairs) // 4096)):
            hidden = self.states(torch.tensor(part, dtype=torch.float32, device=device))
            states.append(hidden.cpu().double().numpy())
            probabilities.append(torch.sigmoid(self.head(hidden)[..., 0]).cpu().double().numpy())
        return np.concatenate(states), np.concatenate(probabilities)

    def save(self, folder: Path) -> None:
        """Write its shape (JSON) and weights (safetensors) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"cell": self.cell, "hidden_size": self.hidden_size})
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
        weights = {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)


def load_bit_adder(folder: Path) -> BitAdder:
    """Read what `BitAdder.save` wrote.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    try:
        model = BitAdder(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no adder that can be read ({problem}). Run the adder again."
        ) from problem
    return model.eval()
