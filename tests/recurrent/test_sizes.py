from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tokenizers import byte_tokenizer
from recurrent.sizes import SIZES, Size, from_scratch, n_weights, named, with_weights
from tests.recurrent.tiny import CELLS, EVERY_CELL, tokenizer


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        # V 5, E 3, H 2, one layer: 15 of the embedding, 2 * 5 + 5 of the head, and of each gate
        # 2 * 3 + 2 * 2 + 2 + 2 = 14.
        ("rnn", 15 + 15 + 14),
        ("gru", 15 + 15 + 3 * 14),
        ("lstm", 15 + 15 + 4 * 14),
    ],
)
def test_weights_are_counted_as_by_hand(cell: str, expected: int) -> None:
    assert n_weights(cell, Size(1, 2, 3), 5) == expected
    # One-hot: no embedding, and each gate reads 5 instead of 3.
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    assert n_weights(cell, Size(1, 2, 0), 5) == expected - 15 + gates * 4


@EVERY_CELL
@pytest.mark.parametrize("size", [Size(1, 8, 4), Size(3, 10, 0), Size(2, 6, 9)], ids=str)
def test_the_count_is_that_of_the_model(cell: str, size: Size) -> None:
    known = tokenizer()
    model = from_scratch(cell, known, size)
    assert model.num_parameters() == n_weights(cell, size, len(known))
    config = model.config
    assert (config.cell, config.vocab_size) == (cell, len(known))
    assert (config.num_hidden_layers, config.hidden_size) == (size.n_layer, size.hidden_size)
    assert config.embedding_size == size.embedding_size
    ids = (known.bos_token_id, known.eos_token_id, known.pad_token_id)
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == ids


@EVERY_CELL
@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3_000_000), n_layer=st.integers(1, 3))
def test_no_width_comes_nearer(cell: str, n: int, n_layer: int) -> None:
    size = with_weights(cell, n, 100, n_layer=n_layer)
    assert size.hidden_size % 8 == 0
    assert size.n_layer == n_layer
    miss = abs(n_weights(cell, size, 100) - n)
    for width in (size.hidden_size - 8, size.hidden_size + 8):
        if width > 0:
            assert miss <= abs(n_weights(cell, Size(n_layer, width), 100) - n)


@pytest.mark.parametrize("name", list(SIZES))
def test_a_name_means_as_many_weights_whatever_the_cell(name: str) -> None:
    sizes = {cell: named(cell, name, 350) for cell in CELLS}
    assert sizes["lstm"] == SIZES[name]
    assert sizes["lstm"].hidden_size < sizes["gru"].hidden_size < sizes["rnn"].hidden_size
    counts = {cell: n_weights(cell, size, 350) for cell, size in sizes.items()}
    assert max(counts.values()) < 1.05 * min(counts.values())
    with torch.device("meta"):
        assert from_scratch("gru", byte_tokenizer(), name).config.num_hidden_layers == 2


def test_an_unknown_size_is_named() -> None:
    for cell in CELLS:
        with pytest.raises(ValueError, match="size='huge' must be one of nano, tiny, small"):
            from_scratch(cell, byte_tokenizer(), "huge")


@EVERY_CELL
def test_fresh_weights_hang_on_the_seed_alone(cell: str) -> None:
    one, same, other = (from_scratch(cell, tokenizer(), Size(2, 8), seed=s) for s in (1, 1, 2))
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, same.state_dict()[name])
    assert not torch.equal(one.head.weight, other.head.weight)
    assert not torch.equal(one.layers[1].weight_hh_l0, other.layers[1].weight_hh_l0)


def test_dropout_and_residuals_are_passed_on() -> None:
    config = from_scratch("gru", tokenizer(), Size(2, 8), dropout=0.3, residual=True).config
    assert (config.dropout, config.residual) == (0.3, True)
