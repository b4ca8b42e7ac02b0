"""The classifier against torch's own bidirectional LSTM, its batches, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from engine.fit import fit
from engine.fit_settings import FitSettings
from recurrent.lab.authors.batches import PAD, WINDOW, Stretches, padded, windows
from recurrent.lab.authors.corpus import Passage
from recurrent.lab.authors.model import AuthorNet, Shape, logits_of, turned


def _ids(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(1, 20, n) for n in lengths]


def test_a_text_is_turned_within_its_own_length() -> None:
    ids = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    both = turned(ids, torch.tensor([3, 5]))
    assert both.tolist() == [[3, 2, 1, 0, 0], [8, 7, 6, 5, 4]]


def test_both_directions_are_those_of_torch() -> None:
    model = AuthorNet(Shape(20, 3, 5, 4), seed=3).eval()
    ids, lengths = padded(_ids(9, 4, 1))
    torch_lstm = nn.LSTM(5, 4, batch_first=True, bidirectional=True)
    for name, suffix in (("onward", ""), ("back", "_reverse")):
        for weight, value in model.layers[name].named_parameters():
            getattr(torch_lstm, weight + suffix).data.copy_(value)
    packed = pack_padded_sequence(
        model.embedding(ids), lengths, batch_first=True, enforce_sorted=True
    )
    y, _ = pad_packed_sequence(torch_lstm(packed)[0], batch_first=True)
    expected = []
    for row, n in zip(range(3), lengths.tolist(), strict=True):
        real = y[row, :n]  # (n, 2 * 4)
        bag = model.embedding(ids[row, :n]).sum(0) / n**0.5
        onward, back = real[:, :4], real[:, 4:]
        parts = [onward.mean(0), onward.amax(0), back.mean(0), back.amax(0), bag]
        expected.append(torch.cat(parts))
    torch.testing.assert_close(model(ids, lengths), model.head(torch.stack(expected)))


@pytest.mark.parametrize("variant", ["forward", "reversed", "bidirectional"])
def test_padding_changes_nothing_and_every_weight_learns(variant: str) -> None:
    model = AuthorNet(Shape(20, 3, 5, 4, variant), seed=3).eval()
    short = torch.tensor([[3, 4, 5]])
    longer = torch.tensor([[3, 4, 5, PAD, PAD, 7]])
    length = torch.tensor([3])
    torch.testing.assert_close(model(short, length), model(longer, length))
    model.train()
    ids, lengths = padded(_ids(30, 30))
    model.loss({"input_ids": ids, "lengths": lengths, "labels": torch.tensor([0, 1])}).backward()
    assert len([*model.parameters()]) == (11 if variant == "bidirectional" else 7)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_one_direction_has_half_the_layers() -> None:
    assert list(AuthorNet(Shape(20, 3, 5, 4, "reversed")).layers) == ["back"]
    assert list(AuthorNet(Shape(20, 3, 5, 4, "forward")).layers) == ["onward"]


def test_a_reversed_network_reads_what_a_forward_one_reads_turned() -> None:
    forward = AuthorNet(Shape(20, 3, 5, 4, "forward"), seed=2).eval()
    back = AuthorNet(Shape(20, 3, 5, 4, "reversed"), seed=2).eval()
    ids, lengths = padded(_ids(7, 3))
    torch.testing.assert_close(back(ids, lengths), forward(turned(ids, lengths), lengths))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="variant='up' must be one of forward"):
        Shape(5, 2, variant="up")
    with pytest.raises(ValueError, match="hidden_size=0 must be at least 1"):
        Shape(5, 2, hidden_size=0)
    model = AuthorNet(Shape(20, 3, 5, 4))
    with pytest.raises(ValueError, match=r"lengths=\[3\] must be at least 1 and at most 2"):
        model(torch.ones(1, 2, dtype=torch.long), torch.tensor([3]))
    with pytest.raises(ValueError, match="1 passages but 0 rows"):
        Stretches([Passage("a", 0)], [], drawn=False)


def test_long_texts_are_read_in_windows_of_about_one_length() -> None:
    (ids,) = _ids(2 * WINDOW + 5)
    parts = list(windows(ids))
    assert [len(p) for p in parts] == [215, 215, 215]
    assert np.array_equal(np.concatenate(parts), ids)
    model = AuthorNet(Shape(20, 3, 5, 4)).eval()
    each = [logits_of(model, [part])[0] * len(part) / len(ids) for part in parts]
    np.testing.assert_allclose(logits_of(model, [ids])[0], sum(each), rtol=1e-5, atol=1e-6)


def test_stretches_depend_on_seed_and_epoch_alone() -> None:
    rows = _ids(300, 20)
    data = Stretches([Passage("", 4), Passage("", 1)], rows, drawn=True)
    take = np.array([0, 1])
    first, again = (data.batch(take, seed=1, epoch=0) for _ in range(2))
    assert torch.equal(first["input_ids"], again["input_ids"])
    drawn = {int(data.batch(take, seed=1, epoch=e)["lengths"][0]) for e in range(20)}
    assert drawn == {64, 128, 192, 256}
    assert first["labels"].tolist() == [4, 1]
    assert first["lengths"][1] == 20
    whole = Stretches([Passage("", 4), Passage("", 1)], rows, drawn=False)
    assert (
        whole.batch(take, seed=0, epoch=0)["input_ids"][0].tolist() == rows[0].tolist() + [PAD] * 20
    )


def test_it_overfits_a_few_passages() -> None:
    rows = _ids(40, 40, 40, 40)
    data = Stretches([Passage("", i) for i in range(4)], rows, drawn=True)
    model = AuthorNet(Shape(20, 4, 8, 8), seed=1)
    settings = FitSettings(
        steps=60, batch_size=4, lr=2e-2, warmup_steps=2, eval_every=0, device="cpu"
    )
    for _ in fit(model, data, None, settings):
        pass
    assert logits_of(model, rows).argmax(axis=1).tolist() == [0, 1, 2, 3]
