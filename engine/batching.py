"""Which rows of a corpus make up a batch, and the memory-mapped ids they are cut from.

The order is a pure function of (seed, epoch, step): there is no loader state to save, so a resumed
run cannot drift from one that never stopped. Token ids live in a file that is mapped, not read, so
that a corpus larger than memory trains.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from corpora.errors import CorpusError

Batch = dict[str, Any]
_PAD_TO = 64
IGNORED = -100  # a label that takes no part in the loss, as in torch's cross_entropy


class Dataset(Protocol):
    """What `fit` asks of a corpus: a number of rows, and any of them as a batch."""

    def __len__(self) -> int: ...

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """The rows as tensors for `loss`, with `n_targets`, the number of targets, beside them."""
        ...


def rng(*key: int) -> np.random.Generator:
    """A counter-based generator that depends on the key alone (Philox, Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


@lru_cache(maxsize=2)  # shuffling millions of rows anew for every batch would take most of the time
def _order(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    order = rng(seed, epoch).permutation(n)
    order.flags.writeable = False
    return order


def rows_of(n: int, batch_size: int, *, seed: int, epoch: int, step: int) -> npt.NDArray[np.int64]:
    """The rows of one batch: a slice of the epoch's permutation of `n` rows.

    Parameters
    ----------
    n : int
        Rows in the corpus.
    batch_size : int
        Rows in a full batch; the last batch of an epoch may be shorter.
    seed, epoch, step : int
        `step` counts within the epoch, from 0.
    """
    order = _order(n, seed, epoch)
    return order[step * batch_size : (step + 1) * batch_size]


def next_rows(
    data: Dataset, batch_size: int, *, seed: int, epoch: int, step: int
) -> npt.NDArray[np.int64]:
    """The rows of one batch of a dataset: shuffled, or in order where its rows go on from others.

    A dataset says so by `in_order`; see `Streams`.
    """
    if getattr(data, "in_order", False):
        first = step * batch_size
        return np.arange(first, min(len(data), first + batch_size), dtype=np.int64)
    return rows_of(len(data), batch_size, seed=seed, epoch=epoch, step=step)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Batches in one pass, the short last one included."""
    return -(-n // batch_size)


class TokenWriter:
    """Write ids to a new token file, piece by piece; use as a context manager.

    The file takes its name when it is complete; until then, or if writing fails, there is none.
    """

    def __init__(self, path: Path, vocab_size: int) -> None:
        self.path = path
        self.dtype = np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
        self.n_tokens = 0
        self.n_bytes = 0

    def __enter__(self) -> TokenWriter:
        self._unfinished = self.path.with_name(self.path.name + ".part")
        self.path.unlink(missing_ok=True)
        self._file = self._unfinished.open("wb")
        return self

    def add(self, ids: Sequence[int], n_bytes: int) -> None:
        """Append the ids of a text that was `n_bytes` long in UTF-8."""
        np.asarray(ids, dtype=self.dtype).tofile(self._file)
        self.n_tokens += len(ids)
        self.n_bytes += n_bytes

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        if exc[0] is not None:
            self._unfinished.unlink()
            return
        meta = {"dtype": self.dtype.str, "n_tokens": self.n_tokens, "n_bytes": self.n_bytes}
        self.path.with_suffix(".json").write_text(json.dumps(meta), encoding="utf-8")
        self._unfinished.rename(self.path)


@dataclass
class Windows:
    """Windows of `block_size` ids from a token file, each predicting its ids one place on.

    Each epoch starts its windows at another offset, so that no border is fixed.

    Raises
    ------
    CorpusError
        If the file is missing, incomplete or too short for one window.
    """

    path: Path
    block_size: int
    limit: int | None = None

    def __post_init__(self) -> None:
        try:
            meta = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
            dtype = np.dtype(meta["dtype"])
            whole = self.path.stat().st_size == meta["n_tokens"] * dtype.itemsize
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise CorpusError(
                f"{self.path} is not a complete token file ({problem}). Prepare the corpus again."
            ) from problem
        if not whole:
            raise CorpusError(
                f"{self.path} has {self.path.stat().st_size:,} bytes; {meta['n_tokens']:,} tokens "
                f"need {meta['n_tokens'] * dtype.itemsize:,}. Prepare the corpus again."
            )
        self.n_tokens: int = meta["n_tokens"]
        self.bytes_per_target: float = meta["n_bytes"] / max(1, meta["n_tokens"])
        if self.n_tokens < self.block_size + 1:
            raise CorpusError(
                f"The corpus has {self.n_tokens:,} tokens; one window needs "
                f"{self.block_size + 1:,}. Add text, or choose a smaller block size."
            )
        self._ids = np.memmap(self.path, dtype=dtype, mode="r")

    def __len__(self) -> int:
        n = max(1, (self.n_tokens - 1) // self.block_size - 1)
        return min(n, self.limit) if self.limit else n

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """Ids and labels, both (B, T), labels one place on."""
        slack = self.n_tokens - 1 - len(self) * self.block_size
        shift = int(rng(seed, epoch, 1).integers(0, min(self.block_size, slack) + 1))
        return self._cut(rows * self.block_size + shift)

    def _cut(self, starts: npt.NDArray[np.int64]) -> Batch:
        """The windows that begin at these places of the file."""
        places = starts[:, None] + np.arange(self.block_size + 1)
        both = torch.from_numpy(self._ids[places].astype(np.int64))  # (B, T + 1)
        return {
            "input_ids": both[:, :-1].contiguous(),
            "labels": both[:, 1:].contiguous(),
            "n_targets": both.shape[0] * self.block_size,
        }


@dataclass
class Streams(Windows):
    """A token file as `n_streams` texts side by side, for a state carried from batch to batch.

    Row r is block r // n_streams of stream r % n_streams, so a batch of `n_streams` rows goes on
    where the batch before it ended (truncated backpropagation through time, Williams and Peng
    1990). `begins`, (B,), says which rows start without a past: a stream's first block and, drawn
    by chance, the share `fresh` of all others. A model that never began anew while it learnt would
    be lost at the beginning of a prompt: its state would have left the neighbourhood of zero for
    good.

    Raises
    ------
    CorpusError
        If the file is too short for two blocks of each stream.
    ValueError
        If there is no stream, or `fresh` is no share. From `batch`, if rows of two blocks are asked
        for: the batch size must be `n_streams`.
    """

    n_streams: int = 1
    fresh: float = 1 / 16
    in_order = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_streams < 1:
            raise ValueError(f"n_streams={self.n_streams} must be at least 1")
        if not 0 <= self.fresh <= 1:
            raise ValueError(f"fresh={self.fresh} must be at least 0 and at most 1")
        self._stride = (self.n_tokens - 1) // self.n_streams
        if self._stride < 2 * self.block_size:
            raise CorpusError(
                f"The corpus has {self.n_tokens:,} tokens; {self.n_streams} streams of two blocks "
                f"of {self.block_size:,} need {2 * self.n_streams * self.block_size + 1:,}. Add "
                "text, or choose a smaller batch or block size."
            )

    def __len__(self) -> int:
        # One block less than there is room for, so that an epoch can start at another offset.
        n = (self._stride // self.block_size - 1) * self.n_streams
        return min(n, self.limit) if self.limit else n

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """Ids and labels, both (B, T), labels one place on, and which rows begin."""
        blocks, streams = np.divmod(rows, self.n_streams)
        if streams[0] != 0 or blocks[0] != blocks[-1]:
            raise ValueError(
                f"rows={rows[0]} to {rows[-1]} are not one block of each stream; the batch size "
                f"must be n_streams={self.n_streams}"
            )
        shift = int(rng(seed, epoch, 1).integers(0, self.block_size))
        drawn = rng(seed, epoch, 2, int(rows[0])).random(len(rows))
        begins = torch.from_numpy((blocks == 0) | (drawn < self.fresh))
        starts = streams * self._stride + blocks * self.block_size + shift
        return {**self._cut(starts), "begins": begins}


@dataclass(frozen=True, slots=True)
class Example:
    """Ids, and for each whether the model is to learn to write it."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.learn):
            raise ValueError(f"{len(self.ids)} ids but {len(self.learn)} flags")


class Examples:
    """Examples of differing length, padded on the right to the longest of their batch or above.

    Raises
    ------
    CorpusError
        If some example is longer than the model reads, or has nothing to learn: a mask that comes
        out empty trains nothing and says so.
    """

    def __init__(self, examples: Iterable[Example], *, pad_id: int, block_size: int) -> None:
        self.examples = list(examples)
        self.pad_id = pad_id
        self.block_size = block_size
        for i, example in enumerate(self.examples):
            if len(example.ids) - 1 > block_size:
                raise CorpusError(
                    f"Example {i} has {len(example.ids):,} tokens; the model reads {block_size:,}. "
                    "Shorten it before training."
                )
            if not any(example.learn[1:]):
                raise CorpusError(
                    f"Example {i} has no token to learn from: its reply is empty or was cut off. "
                    "Give every letter a reply."
                )
        if not self.examples:
            raise CorpusError("There is no example to train on; expected at least one letter.")

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, rows: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """Ids and labels (B, T); labels are one place on, `IGNORED` where nothing is learnt."""
        chosen = [self.examples[int(i)] for i in rows]
        longest = max(len(e.ids) for e in chosen) - 1
        # Few lengths: a CPU kernel is prepared, and kept in memory, for each length it meets.
        longest = min(-(-longest // _PAD_TO) * _PAD_TO, self.block_size)
        ids = torch.full((len(chosen), longest), self.pad_id)
        labels = torch.full((len(chosen), longest), IGNORED)
        for row, example in enumerate(chosen):
            n = len(example.ids) - 1
            ids[row, :n] = torch.tensor(example.ids[:-1])
            targets = torch.tensor(example.ids[1:])
            targets[~torch.tensor(example.learn[1:])] = IGNORED
            labels[row, :n] = targets
        # Padding is on the right and attention is causal, so no mask is needed: a real token never
        # sees a padded one.
        return {"input_ids": ids, "labels": labels, "n_targets": int((labels != IGNORED).sum())}
