"""The classifier: an LSTM over the pieces of a text, and beside it a linear model of its phrases.

    ids (B, T) -> embeddings (B, T, E) -> LSTM per direction (B, T, H) -> mean and maximum over T
    and the sum of the embeddings -> logits (B, V), V being the authors
    ids (B, T) -> TF-IDF of pieces and frequent pairs of pieces -> logits (B, V), to be added

The linear part may be left out: then this is the LSTM alone. "Wide and deep" (Cheng et al. 2016):
a habit of two words is learnt by a linear model from a few letters, by an LSTM only from many.
The lecture kept the last state; pooling lets every word speak (Collobert et al. 2011 for the
maximum). The backward direction reads the text turned around within its own length, so padding
comes last for both and no kernel needs to know of it. Bidirectional: Schuster and Paliwal (1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.batching import Batch
from recurrent.fused import run_layer
from recurrent.lab.authors.batches import PAD, Ids, padded, windows
from recurrent.lab.authors.phrases import LinearPart, Phrases
from recurrent.lab.authors.settings import VARIANTS

SMOOTHING = 0.1  # of the training labels (Szegedy et al. 2016): some passages are mislabelled
PIECES_HIDDEN = 0.1  # share of pieces a training stretch does without (Iyyer et al. 2015)
ONWARD, BACK = "onward", "back"
_READS = {ONWARD: "forward", BACK: "reversed"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What fixes the classifier's weights in number."""

    vocab_size: int
    n_classes: int
    embedding_size: int = 32
    hidden_size: int = 72
    variant: str = "bidirectional"
    n_pairs: int = 0  # the pairs of pieces the linear model knows; 0 for no linear model

    def __post_init__(self) -> None:
        if self.n_pairs < 0:
            raise ValueError(f"n_pairs={self.n_pairs} must not be negative")
        for name in ("vocab_size", "n_classes", "embedding_size", "hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant={self.variant!r} must be one of {', '.join(VARIANTS)}")


def turned(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row from its last step to its first, padding still at the end: (B, T, ...) -> the same.

    >>> turned(torch.tensor([[1, 2, 3, 0]]), torch.tensor([3])).tolist()
    [[3, 2, 1, 0]]
    """
    places = torch.arange(x.shape[1], device=x.device)
    back = lengths[:, None] - 1 - places  # (B, T)
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, torch.where(back >= 0, back, places)]


class AuthorNet(nn.Module):
    """A recurrent text classifier; see the top of the file.

    Parameters
    ----------
    shape : Shape
    dropout : float
        On the embeddings and on the pooled states.
    seed : int
        Fixes the first weights.
    phrases : Phrases, optional
        What the linear model knows; without them they are still to be loaded.
    """

    def __init__(
        self, shape: Shape, dropout: float = 0.0, seed: int = 0, phrases: Phrases | None = None
    ) -> None:
        super().__init__()
        self.shape = shape
        self.linear: LinearPart | None = None
        if shape.n_pairs:
            self.linear = LinearPart(shape.vocab_size, shape.n_pairs, shape.n_classes, phrases)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(shape.vocab_size, shape.embedding_size)
            nn.init.normal_(self.embedding.weight, std=0.3)
            # Named apart from nn.Module's own "forward".
            directions = [d for d in (ONWARD, BACK) if shape.variant in (_READS[d], VARIANTS[2])]
            self.layers = nn.ModuleDict(
                {
                    name: nn.LSTM(shape.embedding_size, shape.hidden_size, batch_first=True)
                    for name in directions
                }
            )
            pooled = 2 * shape.hidden_size * len(directions) + shape.embedding_size
            self.head = nn.Linear(pooled, shape.n_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, V) of ids (B, T), of which the first `lengths` (B,) are read in each row."""
        recurrent, linear = self.both(ids, lengths)
        return recurrent + linear

    def both(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the LSTM says and what the linear part adds, logits (B, V) each."""
        recurrent = self.recurrent(ids, lengths)
        if self.linear is None:
            return recurrent, torch.zeros_like(recurrent)
        return recurrent, self.linear(ids, self._real(ids, lengths))

    def _real(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]  # (B, T)

    def recurrent(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """What the LSTM says, logits (B, V).

        Raises
        ------
        ValueError
            If a length is below 1 or above T.
        """
        if int(lengths.min()) < 1 or int(lengths.max()) > ids.shape[1]:
            raise ValueError(
                f"lengths={lengths.tolist()} must be at least 1 and at most {ids.shape[1]}"
            )
        if self.training:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < PIECES_HIDDEN, PAD)
        embedded = self.embedding(ids)  # (B, T, E)
        outside = ~self._real(ids, lengths)[:, :, None]
        pooled = []
        for name, layer in self.layers.items():
            read = embedded if name == ONWARD else turned(embedded, lengths)
            x = self.dropout(read)  # (B, T, E)
            assert isinstance(layer, nn.LSTM)
            y, _ = run_layer(layer, x)  # (B, T, H)
            pooled.append(y.float().masked_fill(outside, 0).sum(1) / lengths[:, None])
            pooled.append(y.float().masked_fill(outside, -1).amax(1))  # no state is below -1
        # Divided by the root, a sum of many independent vectors keeps the size of one.
        pooled.append(embedded.masked_fill(outside, 0).sum(1) / lengths[:, None].sqrt())  # (B, E)
        logits: Tensor = self.head(self.dropout(torch.cat(pooled, dim=1)))  # (B, V)
        return logits.float()

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross entropy in nats of the LSTM alone; labels are smoothed while training."""
        recurrent = self.recurrent(batch["input_ids"], batch["lengths"])
        smoothing = SMOOTHING if self.training else 0.0
        return F.cross_entropy(recurrent, batch["labels"], label_smoothing=smoothing)

    @torch.no_grad()
    def scale(self, recurrent: float, linear: float) -> None:
        """Multiply what each part says, once and for all."""
        for weight in self.head.parameters():
            weight.mul_(recurrent)
        if self.linear is not None:
            for weight in self.linear.parameters():
                weight.mul_(linear)


def logits_of(
    model: AuthorNet, texts: Sequence[Ids], batch_size: int = 64
) -> npt.NDArray[np.float64]:
    """The logits (N, V) of whole texts: each window's, averaged by the windows' lengths."""
    parts = both_logits_of(model, texts, batch_size)
    summed: npt.NDArray[np.float64] = parts.sum(axis=0)
    return summed


def both_logits_of(
    model: AuthorNet, texts: Sequence[Ids], batch_size: int = 64
) -> npt.NDArray[np.float64]:
    """As `logits_of`, the LSTM's and the linear part's apart, (2, N, V)."""
    cut = [(i, window) for i, ids in enumerate(texts) for window in windows(ids)]
    cut.sort(key=lambda each: len(each[1]))
    device = model.embedding.weight.device
    total = np.zeros((2, len(texts), model.shape.n_classes))
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(cut), batch_size):
            part = cut[start : start + batch_size]
            ids, lengths = padded([window for _, window in part])
            both = torch.stack(model.both(ids.to(device), lengths.to(device)))
            for place, (i, window) in enumerate(part):
                share = len(window) / len(texts[i])
                total[:, i] += both[:, place].double().cpu().numpy() * share
    model.train(was_training)
    return total
