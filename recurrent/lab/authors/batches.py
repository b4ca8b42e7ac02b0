"""Passages as batches of piece ids, for training (stretches drawn by chance) and for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerFast

from engine.batching import Batch, rng
from engine.tokenizers import encode_text
from recurrent.lab.authors.corpus import Passage

WINDOW = 320  # pieces read at once; a little more than a thousand characters
STRETCHES = (
    64,
    128,
    192,
    256,
    256,
)  # pieces of a training stretch: short letters are asked about too
_PAD_TO = 32  # few lengths: a kernel is prepared for each
PAD = 0  # the end-of-text token, which no text can produce

Ids = npt.NDArray[np.int64]


def encode_all(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[Ids]:
    """The pieces of each text; a text without any becomes one padding piece."""
    return [np.array(encode_text(tokenizer, text) or [PAD], dtype=np.int64) for text in texts]


def padded(rows: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (B, T), padded on the right with `PAD`, and lengths (B,)."""
    longest = -(-max(len(row) for row in rows) // _PAD_TO) * _PAD_TO
    ids = np.full((len(rows), longest), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return torch.from_numpy(ids), torch.tensor([len(row) for row in rows])


class Stretches:
    """Passages as `fit` wants them; each epoch reads another stretch of each.

    Parameters
    ----------
    passages : sequence of Passage
    ids : sequence of array
        The pieces of each passage.
    drawn : bool
        Whether stretches are drawn by chance; if not, the first `WINDOW` pieces are read.
    """

    def __init__(self, passages: Sequence[Passage], ids: Sequence[Ids], *, drawn: bool) -> None:
        if len(passages) != len(ids):
            raise ValueError(f"{len(passages)} passages but {len(ids)} rows of ids")
        self._ids, self._drawn = ids, drawn
        self._labels = np.array([p.label for p in passages], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """`input_ids` (B, T), `lengths` (B,) and `labels` (B,)."""
        chosen = [self._ids[int(i)] for i in rows]
        if self._drawn:
            chance = rng(seed, epoch, 3, int(rows[0]))
            length = int(chance.choice(STRETCHES))
            starts = [int(chance.integers(0, max(1, len(c) - length + 1))) for c in chosen]
            chosen = [c[s : s + length] for c, s in zip(chosen, starts, strict=True)]
        ids, lengths = padded([c[:WINDOW] for c in chosen])
        labels = torch.from_numpy(self._labels[rows])
        return {"input_ids": ids, "lengths": lengths, "labels": labels, "n_targets": len(rows)}


def windows(ids: Ids, size: int = WINDOW) -> Iterator[Ids]:
    """A text as the fewest windows of at most `size` pieces, all of about one length.

    >>> [len(w) for w in windows(np.zeros(11, dtype=np.int64), 5)]
    [3, 4, 4]
    """
    n = -(-len(ids) // size)
    borders = [len(ids) * i // n for i in range(n + 1)]
    for start, stop in pairwise(borders):
        yield ids[start:stop]
