from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import CorpusError
from engine.batching import (
    IGNORED,
    Batch,
    Example,
    Examples,
    Streams,
    TokenWriter,
    Windows,
    next_rows,
    rows_of,
    steps_per_epoch,
)
from engine.packing import pack
from engine.tokenizers import byte_tokenizer
from tests.engine.tiny import SPECIAL, windows


@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 1000),
)
def test_an_epoch_reads_each_row_once(n: int, batch_size: int, seed: int, epoch: int) -> None:
    read = [
        rows_of(n, batch_size, seed=seed, epoch=epoch, step=step)
        for step in range(steps_per_epoch(n, batch_size))
    ]
    assert sorted(np.concatenate(read).tolist()) == list(range(n))
    assert all(len(rows) == batch_size for rows in read[:-1])
    assert len(rows_of(n, batch_size, seed=seed, epoch=epoch, step=len(read))) == 0


def test_the_order_depends_on_its_key_alone() -> None:
    first = rows_of(50, 50, seed=3, epoch=1, step=0).tolist()
    others = [
        rows_of(50, 50, seed=seed, epoch=epoch, step=0).tolist()
        for seed, epoch in ((3, 0), (3, 2), (4, 1), (1, 3))
    ]
    np.random.default_rng(0).random()  # drawn elsewhere in between
    assert rows_of(50, 50, seed=3, epoch=1, step=0).tolist() == first
    assert len({tuple(order) for order in [first, *others]}) == 5


def _write(path: Path, ids: list[int], vocab_size: int = 300) -> Path:
    with TokenWriter(path, vocab_size) as writer:
        writer.add(ids, len(ids))
    return path


def test_labels_are_the_ids_one_place_on(tmp_path: Path) -> None:
    data = Windows(_write(tmp_path / "ids.bin", list(range(100))), 8)
    for epoch in range(5):
        batch = data.batch(np.arange(len(data)), seed=0, epoch=epoch)
        ids, labels = batch["input_ids"], batch["labels"]
        assert ids.shape == labels.shape == (len(data), 8)
        assert ids.dtype == labels.dtype == torch.int64
        assert torch.equal(labels, ids + 1)
        assert batch["n_targets"] == 8 * len(data)
        assert ids.flatten().unique().numel() == ids.numel()  # no id is read twice in an epoch


def test_windows_begin_elsewhere_in_another_epoch(tmp_path: Path) -> None:
    data = Windows(_write(tmp_path / "ids.bin", list(range(100))), 8)

    def first(seed: int, epoch: int) -> int:
        return int(data.batch(np.array([0]), seed=seed, epoch=epoch)["input_ids"][0, 0])

    assert len({first(0, epoch) for epoch in range(20)}) > 4
    assert first(0, 7) == first(0, 7)


@pytest.mark.parametrize("n", [9, 10, 16, 17, 24, 25, 26])
def test_windows_never_read_past_the_end(n: int, tmp_path: Path) -> None:
    data = Windows(_write(tmp_path / "ids.bin", list(range(n))), 8)
    for epoch in range(20):
        labels = data.batch(np.arange(len(data)), seed=1, epoch=epoch)["labels"]
        assert labels.shape == (len(data), 8)
        assert labels.max() < n


def test_token_files_are_mapped_not_read(tmp_path: Path) -> None:
    data = windows(tmp_path)
    assert isinstance(data._ids, np.memmap)
    assert data._ids.mode == "r"
    assert Path(str(data._ids.filename)) == tmp_path / "text.bin"


@pytest.mark.parametrize(("vocab_size", "width"), [(65_536, 2), (65_537, 4)])
def test_ids_take_two_bytes_while_they_fit(vocab_size: int, width: int, tmp_path: Path) -> None:
    ids = [0, 1, vocab_size - 1]
    path = _write(tmp_path / "ids.bin", ids, vocab_size)
    assert path.stat().st_size == 3 * width
    read = Windows(path, 2).batch(np.array([0]), seed=0, epoch=0)
    assert read["input_ids"].tolist() == [ids[:2]]
    assert read["labels"].tolist() == [ids[1:]]


def test_an_id_outside_the_vocabulary_is_never_cut_to_fit(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        _write(tmp_path / "ids.bin", [70_000])
    assert list(tmp_path.iterdir()) == []


def test_a_token_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = _write(tmp_path / "ids.bin", list(range(20)))
    writer = TokenWriter(path, 300)
    with writer:
        writer.add([1, 2, 3], 3)
        assert not path.exists()
        with pytest.raises(CorpusError, match="not a complete token file"):
            Windows(path, 2)
    assert Windows(path, 2).n_tokens == 3


def test_a_cut_token_file_is_said(tmp_path: Path) -> None:
    path = _write(tmp_path / "ids.bin", list(range(20)))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorpusError, match=r"37 bytes; 20 tokens need 40\. Prepare"):
        Windows(path, 4)


def test_a_corpus_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "ids.bin", list(range(8)))
    with pytest.raises(CorpusError, match="has 8 tokens; one window needs 9"):
        Windows(path, 8)


def test_bytes_per_target_counts_utf8(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(SPECIAL)
    path = tmp_path / "ids.bin"
    assert pack(["é<|from|>", "ab"], tokenizer, path) == 10 + 1 + 2 + 1
    assert json.loads(path.with_suffix(".json").read_text("utf-8"))["n_bytes"] == 12
    ids = np.fromfile(path, dtype="<u2")
    assert np.flatnonzero(ids == tokenizer.eos_token_id).tolist() == [10, 13]
    assert not np.isin(ids, [1, 2]).any()  # a text holding our own token does not produce it
    assert Windows(path, 2).bytes_per_target == 12 / 14


# ------------------------------------------------------------------------- streams, read in order


def _streams(folder: Path, n: int, block_size: int, n_streams: int, **how: Any) -> Streams:
    """Streams over the ids 0, 1, 2, ..., so that an id is its own place."""
    path = folder / f"{n}.bin"
    if not path.exists():
        _write(path, list(range(n)), max(n, 300))
    return Streams(path, block_size, n_streams=n_streams, **how)


def _epoch(data: Streams, *, seed: int = 0, epoch: int = 0) -> list[Batch]:
    n = data.n_streams
    read = []
    for step in range(steps_per_epoch(len(data), n)):
        rows = next_rows(data, n, seed=seed, epoch=epoch, step=step)
        read.append(data.batch(rows, seed=seed, epoch=epoch))
    return read


@settings(max_examples=50, deadline=None)
@given(
    block_size=st.integers(1, 9),
    n_streams=st.integers(1, 5),
    spare=st.integers(0, 60),
    epoch=st.integers(0, 99),
)
def test_each_row_goes_on_where_the_batch_before_ended(
    tmp_path_factory: pytest.TempPathFactory,
    block_size: int,
    n_streams: int,
    spare: int,
    epoch: int,
) -> None:
    n = 2 * block_size * n_streams + 1 + spare
    data = _streams(tmp_path_factory.getbasetemp(), n, block_size, n_streams)
    batches = _epoch(data, epoch=epoch)
    assert len(batches) >= 1
    for batch in batches:
        assert batch["input_ids"].shape == batch["labels"].shape == (n_streams, block_size)
        assert torch.equal(batch["labels"], batch["input_ids"] + 1)
        assert batch["n_targets"] == n_streams * block_size
        assert batch["labels"].max() < n
    for before, after in pairwise(batches):
        assert torch.equal(after["input_ids"][:, 0], before["labels"][:, -1])
    read = torch.cat([batch["input_ids"].flatten() for batch in batches])
    assert read.unique().numel() == read.numel() == len(data) * block_size  # no id is read twice
    # Little is left over: less than three blocks and one id at the end of each stream.
    assert n - len(read) <= n_streams * (3 * block_size + 1)


def test_streams_begin_with_an_epoch_and_elsewhere_in_another(tmp_path: Path) -> None:
    data = _streams(tmp_path, 100, 8, 3, fresh=0.0)
    first = set()
    for epoch in range(20):
        batches = _epoch(data, epoch=epoch)
        assert [batch["begins"].tolist() for batch in batches] == [
            [True] * 3,
            [False] * 3,
            [False] * 3,
        ]
        first.add(int(batches[0]["input_ids"][0, 0]))
        again = _epoch(data, epoch=epoch)
        assert all(
            torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(batches, again, strict=True)
        )
    assert 4 < len(first) <= 8


def test_a_share_of_rows_begins_anew_by_chance(tmp_path: Path) -> None:
    data = _streams(tmp_path, 4 * 1_000 + 1, 2, 4, fresh=0.25)
    drawn = torch.stack([batch["begins"] for batch in _epoch(data)])[1:].float()  # (n, B)
    assert drawn.mean().item() == pytest.approx(0.25, abs=0.05)  # of 2,000, so 0.01 is usual
    assert all(0.15 < share < 0.35 for share in drawn.mean(0).tolist())
    again = torch.stack([batch["begins"] for batch in _epoch(data)])[1:]
    other = torch.stack([batch["begins"] for batch in _epoch(data, epoch=1)])[1:]
    assert torch.equal(again, drawn.bool())
    assert not torch.equal(other, drawn.bool())
    always = _streams(tmp_path, 4 * 1_000 + 1, 2, 4, fresh=1.0)
    assert all(batch["begins"].all() for batch in _epoch(always))


def test_streams_are_read_in_order_and_windows_are_not(tmp_path: Path) -> None:
    streams = _streams(tmp_path, 200, 8, 3)
    windows = Windows(streams.path, 8)
    assert next_rows(streams, 3, seed=1, epoch=0, step=2).tolist() == [6, 7, 8]
    n = len(windows)
    shuffled = next_rows(windows, n, seed=1, epoch=0, step=0).tolist()
    assert shuffled == rows_of(n, n, seed=1, epoch=0, step=0).tolist()
    assert shuffled != list(range(n))


def test_a_limit_holds_for_streams_too(tmp_path: Path) -> None:
    data = _streams(tmp_path, 100, 8, 3, limit=5)
    assert len(data) == 5
    assert [len(batch["input_ids"]) for batch in _epoch(data)] == [3, 2]


@pytest.mark.parametrize("rows", [[2, 3, 4], [0, 1, 2, 3, 4, 5], [1, 2], [2]])
def test_a_batch_of_streams_is_one_block_of_each(rows: list[int], tmp_path: Path) -> None:
    data = _streams(tmp_path, 100, 8, 3)
    with pytest.raises(ValueError, match="batch size must be n_streams=3"):
        data.batch(np.array(rows), seed=0, epoch=0)


def test_streams_that_cannot_be_are_refused(tmp_path: Path) -> None:
    assert len(_streams(tmp_path, 2 * 3 * 8 + 1, 8, 3)) == 3
    with pytest.raises(CorpusError, match="has 48 tokens; 3 streams of two blocks of 8 need 49"):
        _streams(tmp_path, 2 * 3 * 8, 8, 3)
    with pytest.raises(ValueError, match="n_streams=0 must be at least 1"):
        _streams(tmp_path, 100, 8, 0)
    with pytest.raises(ValueError, match=r"fresh=1\.5 must be at least 0 and at most 1"):
        _streams(tmp_path, 100, 8, 3, fresh=1.5)


# ---------------------------------------------------------------------------------------- examples


LETTER = Example(ids=(5, 6, 7, 8), learn=(False, False, True, True))
SHORT = Example(ids=(5, 9), learn=(False, True))


def test_only_the_reply_is_learnt_and_padding_is_ignored() -> None:
    data = Examples([LETTER, SHORT], pad_id=0, block_size=3)
    batch = data.batch(np.array([1, 0]), seed=0, epoch=0)
    assert batch["input_ids"].tolist() == [[5, 0, 0], [5, 6, 7]]
    assert batch["labels"].tolist() == [[9, IGNORED, IGNORED], [IGNORED, 7, 8]]
    assert batch["n_targets"] == 3


def test_an_example_with_nothing_to_learn_is_refused() -> None:
    # The first id is never predicted, so learning it alone is learning nothing.
    empty = Example(ids=(1, 2), learn=(True, False))
    with pytest.raises(CorpusError, match="Example 1 has no token to learn from"):
        Examples([LETTER, empty], pad_id=0, block_size=8)
    with pytest.raises(CorpusError, match="no example"):
        Examples([], pad_id=0, block_size=8)


def test_an_example_longer_than_the_window_is_refused() -> None:
    with pytest.raises(CorpusError, match="Example 0 has 4 tokens; the model reads 2"):
        Examples([LETTER], pad_id=0, block_size=2)


def test_ids_and_flags_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 ids but 1 flags"):
        Example(ids=(1, 2), learn=(True,))
