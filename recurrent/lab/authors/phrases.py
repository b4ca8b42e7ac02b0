"""The linear part of the meter: TF-IDF of pieces and of frequent pairs of pieces.

It is multinomial logistic regression, solved by scikit-learn and kept as torch weights, so that it
ships in the file of the LSTM it stands beside.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array, csr_matrix, vstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from recurrent.lab.authors.batches import Ids, padded

C = 100.0  # the inverse of the penalty, as for character n-grams


@dataclass(frozen=True, slots=True)
class Phrases:
    """Which pairs are known, and how rare pieces and pairs are in the training passages.

    Attributes
    ----------
    keys : array, shape (n_pairs,)
        The first piece times the vocabulary's size plus the second, rising.
    idf : array, shape (vocab_size + n_pairs,)
        Of each piece, then of each pair: 1 + ln((1 + texts) / (1 + texts that hold it)).
    """

    keys: npt.NDArray[np.int32]
    idf: npt.NDArray[np.float32]


def frequent_phrases(texts: Sequence[Ids], vocab_size: int, n_pairs: int) -> Phrases:
    """The pairs of neighbouring pieces that the most texts hold.

    Where there are fewer pairs than `n_pairs`, the rest are keys that no text has.

    Raises
    ------
    ValueError
        If the keys would not fit into 32 bits.
    """
    if vocab_size**2 + n_pairs >= 1 << 31:
        raise ValueError(f"vocab_size={vocab_size} is too large for keys of 32 bits")
    pieces = np.bincount(np.concatenate([np.unique(ids) for ids in texts]), minlength=vocab_size)
    found, counts = np.unique(
        np.concatenate([np.unique(ids[:-1] * vocab_size + ids[1:]) for ids in texts]),
        return_counts=True,
    )
    best = np.argsort(-counts, kind="stable")[:n_pairs]
    keys = np.concatenate([found[best], vocab_size**2 + np.arange(n_pairs - len(best))])
    held = np.concatenate([counts[best], np.zeros(n_pairs - len(best))])
    order = np.argsort(keys)
    everything = np.concatenate([pieces, held[order]])
    idf = 1 + np.log((1 + len(texts)) / (1 + everything))
    return Phrases(keys[order].astype(np.int32), idf.astype(np.float32))


class LinearPart(nn.Module):
    """Logits from sublinear TF-IDF of length 1, as scikit-learn's vectorizer makes it."""

    keys: Tensor
    idf: Tensor

    def __init__(
        self, vocab_size: int, n_pairs: int, n_classes: int, phrases: Phrases | None = None
    ) -> None:
        super().__init__()
        if phrases is None:
            keys = np.arange(n_pairs, dtype=np.int32)
            phrases = Phrases(keys, np.ones(vocab_size + n_pairs, dtype=np.float32))
        if len(phrases.keys) != n_pairs or len(phrases.idf) != vocab_size + n_pairs:
            raise ValueError(
                f"phrases with {len(phrases.keys)} pairs must have {n_pairs}, as the shape says"
            )
        self.vocab_size, self.n_pairs = vocab_size, n_pairs
        self.register_buffer("keys", torch.from_numpy(phrases.keys.copy()))
        self.register_buffer("idf", torch.from_numpy(phrases.idf.copy()))
        # Not trained by gradient steps: tried so, it learnt passages by heart or far too slowly.
        self.weight = nn.Parameter(torch.zeros(vocab_size + n_pairs, n_classes), False)
        self.bias = nn.Parameter(torch.zeros(n_classes), False)

    def features(self, ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Which phrases stand in a text and what each counts for, both (B, 2 T).

        A phrase that is met again has its share at each place; what is not real, or no known pair,
        counts nothing.
        """
        before = F.pad(ids, (1, 0))[:, :-1]
        keys = before * self.vocab_size + ids
        places = torch.searchsorted(self.keys, keys.to(torch.int32)).clamp(max=self.n_pairs - 1)
        is_pair = (self.keys[places] == keys) & real
        is_pair[:, 0] = False
        rows = torch.cat([ids, places + self.vocab_size], dim=1)  # (B, 2 T)
        counted = torch.cat([real, is_pair], dim=1)
        marked = torch.where(counted, rows, -1)
        count = (marked[:, :, None] == marked[:, None, :]).sum(2).float()  # (B, 2 T)
        tf_idf = (1 + count.log()) * self.idf[rows] * counted
        norm = (tf_idf.square() / count).sum(1, keepdim=True).sqrt().clamp(min=1e-6)
        return rows, tf_idf / count / norm

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """Logits (B, V) of ids (B, T), of which those that are `real` (B, T) are read."""
        rows, shares = self.features(ids, real)
        with torch.autocast(ids.device.type, enabled=False):
            summed = F.embedding_bag(
                rows, self.weight, per_sample_weights=shares.float(), mode="sum"
            )
        return summed + self.bias

    @torch.no_grad()
    def solve(
        self, texts: Sequence[Ids], labels: npt.NDArray[np.int64], max_iter: int = 40
    ) -> None:
        """Set the weights to those of logistic regression on these texts."""
        blocks = []
        for start in range(0, len(texts), 64):
            ids, lengths = padded(texts[start : start + 64])
            rows, shares = self.features(ids, torch.arange(ids.shape[1]) < lengths[:, None])
            held = shares.numpy()
            place, column = held.nonzero()
            shape = (len(ids), len(self.idf))
            entries = (held[place, column], (place, rows.numpy()[place, column]))
            blocks.append(csr_array(entries, shape=shape))  # shares of one phrase add up
        regression = LogisticRegression(C=C, max_iter=max_iter, tol=1e-7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(csr_matrix(vstack(blocks)), labels)
        weights, bias = regression.coef_, regression.intercept_
        if len(weights) == 1:  # of two authors scikit-learn keeps only what speaks for the second
            weights, bias = (
                np.stack([-weights[0], weights[0]]) / 2,
                np.array([-bias[0], bias[0]]) / 2,
            )
        self.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T, dtype=np.float32)))
        self.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))
