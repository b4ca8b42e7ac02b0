"""Training a recurrent language model on a text it reads from beginning to end.

The state is carried from one block to the next and gradients stop at each block's beginning
(truncated backpropagation through time, Williams and Peng 1990). On shuffled blocks, which
`engine.text_model.NextToken` trains on, every block begins without a past.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from corpora.errors import ModelError
from engine.batching import Batch
from engine.cross_entropy import mean_cross_entropy
from engine.text_model import NextToken
from recurrent.charlm import CharLM, RecurrentState

CARRIED = "carried.safetensors"


class CarriedState(NextToken):
    """Next-character cross entropy with the state carried from batch to batch.

    It wants batches of `engine.batching.Streams`. The carried state is saved beside the weights, so
    that a resumed run goes on as if it had never stopped. Evaluation carries a state of its own.
    """

    model: CharLM

    def __init__(self, model: CharLM, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(model, tokenizer)
        self._carried: dict[bool, RecurrentState] = {}  # while training, while evaluating

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross entropy in nats; rows that `begins` marks start without a past."""
        before, begins = self._carried.get(self.training), batch.get("begins")
        if begins is None or (before is not None and len(begins) != _rows(before)):
            before = None  # not a stream, or fewer held-out rows than the batch before had
        elif before is not None:
            kept = (~begins).unsqueeze(1)  # (B, 1)
            before = RecurrentState(before.map(lambda part: part * kept), before.length)
        out: Any = self.model(input_ids=batch["input_ids"], past_key_values=before, use_cache=True)
        self._carried[self.training] = out.past_key_values.detached()
        return mean_cross_entropy(out.logits, batch["labels"])

    def forget(self) -> None:
        """Begin the next batch without a past."""
        self._carried.clear()

    def save(self, folder: Path) -> None:
        """Write a model folder, and the state the next batch goes on from."""
        super().save(folder)
        if (state := self._carried.get(True)) is not None:
            parts = {
                f"{layer}.{part}": tensor.contiguous()
                for layer, kept in enumerate(state.layers)
                for part, tensor in enumerate(kept if isinstance(kept, tuple) else (kept,))
            }
            save_file(parts | {"length": torch.tensor(state.length)}, folder / CARRIED)

    def load(self, folder: Path) -> None:
        """Read weights and state.

        Raises
        ------
        ModelError
            If either cannot be read or is of another shape.
        """
        super().load(folder)
        self.forget()  # what was carried belongs to the weights before
        if not (folder / CARRIED).is_file():
            return
        config = self.model.config
        n_parts = 2 if config.cell == "lstm" else 1
        try:
            parts = load_file(folder / CARRIED, device=str(self.model.device))
            layers = [
                tuple(parts[f"{layer}.{part}"] for part in range(n_parts))
                for layer in range(config.num_hidden_layers)
            ]
            length = int(parts["length"])
            shapes = {part.shape for layer in layers for part in layer}  # each (B, H)
            if len(shapes) > 1 or {shape[1:] for shape in shapes} != {(config.hidden_size,)}:
                raise ValueError(f"its parts have the shapes {', '.join(map(str, shapes))}")
        except (OSError, KeyError, ValueError, SafetensorError) as problem:
            raise ModelError(
                f"{folder / CARRIED} does not fit this model ({problem}). "
                "Use an earlier checkpoint."
            ) from problem
        kept = tuple((layer[0], layer[1]) if n_parts == 2 else layer[0] for layer in layers)
        self._carried[True] = RecurrentState(kept, length)


def _rows(state: RecurrentState) -> int:
    first = state.layers[0]
    return len(first[0] if isinstance(first, tuple) else first)
