"""A causal language model as `fit` and `checkpoint` want it: a loss, a way to save and to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as hf_logging

from corpora.errors import ModelError
from engine.batching import Batch
from engine.cross_entropy import mean_cross_entropy


class NextToken(nn.Module):
    """Next-token cross entropy over any transformers causal language model."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross entropy in nats over the labels that are not ignored.

        `batch` holds `input_ids` and `labels`, both (B, T); labels are already one place on.
        """
        out: Any = self.model(input_ids=batch["input_ids"], use_cache=False)
        return mean_cross_entropy(out.logits, batch["labels"])  # logits (B, T, V)

    def save(self, folder: Path) -> None:
        """Write a model folder: weights, configuration, tokenizer."""
        hf_logging.disable_progress_bar()  # the caller draws the progress
        self.model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))

    def load(self, folder: Path) -> None:
        """Read the weights of a model folder into this model, bit for bit.

        Raises
        ------
        ModelError
            If there are none, or they are those of a model of another shape.
        """
        try:
            load_model(self.model, folder / "model.safetensors")
        except (OSError, RuntimeError, SafetensorError) as problem:
            raise ModelError(
                f"The weights in {folder} do not fit this model ({str(problem).splitlines()[0]}). "
                "Use the size and the tokenizer it was trained with."
            ) from problem
