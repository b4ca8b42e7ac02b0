from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lm.products import Block, Exact, Int8, NearTies, Product, Row, SplitInt8, rounded

vnni = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="needs VNNI")


def _drawn(n: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Row]:
    """A matrix, a bias and a vector."""
    rng = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(n, width, generator=rng), torch.randn(n, generator=rng)
    return weight, bias, torch.randn(width, generator=rng).numpy()


def test_a_matrix_is_rounded_row_by_row() -> None:
    weight = torch.tensor([[127.0, -63.6, 0.4], [0.0, 0.0, 0.0], [-2.54, 0.02, 1.27]])
    whole, scale = rounded(weight)
    assert whole.dtype == torch.int8
    assert whole.tolist()[:2] == [[127, -64, 0], [0, 0, 0]]
    assert scale[0] == 1
    # 2.54 / 127 = 0.02 is not a bf16 number; the nearest is a little larger.
    assert float(scale[2]) == pytest.approx(0.02, rel=2**-8)
    assert whole.tolist()[2] == [-127, 1, 63]


@given(st.integers(0, 2**32), st.sampled_from([1e-6, 1.0, 1e4]))
def test_no_weight_is_off_by_more_than_a_step(seed: int, size: float) -> None:
    weight = _drawn(5, 7, seed)[0] * size
    whole, scale = rounded(weight)
    # Half a step, and for the largest of a row, cut at 127, what the scale was rounded down.
    off = (whole.float() * scale[:, None] - weight).abs() / scale[:, None]
    assert off.max() <= 0.51
    assert whole.abs().max() <= 127


def test_the_exact_product_is_exact() -> None:
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, -1.0]])
    y = Exact(weight, torch.tensor([0.5, 0.0, 0.0]))(np.array([1, 10], np.float32))
    assert y.tolist() == [21.5, 43.0, -10.0]


@pytest.mark.parametrize(("n", "width"), [(33, 16), (96, 48), (97, 80), (300, 256)])
def test_the_int8_product_is_close_in_every_shape(n: int, width: int) -> None:
    weight, bias, x = _drawn(n, width)
    exact = Exact(weight, bias)(x)
    y = Int8(weight, bias, Block(n * width))(x)
    assert y.shape == (n,)
    assert np.linalg.norm(y - exact) < 0.015 * np.linalg.norm(exact)


def test_a_width_that_torch_would_read_past_is_refused() -> None:
    with pytest.raises(ValueError, match="weight has 50 columns; expected a multiple of 16"):
        Int8(*_drawn(4, 50)[:2], Block(200))


@vnni
@pytest.mark.parametrize(("n", "width"), [(1, 16), (97, 50), (300, 256)])
def test_the_split_product_loses_only_what_the_weights_lose(n: int, width: int) -> None:
    weight, bias, x = _drawn(n, width)
    whole, scale = rounded(weight)
    expected = Exact(whole.float() * scale[:, None], bias)
    product = SplitInt8(weight, bias)
    for vector in (x, -3 * x, np.full(width, 1e-20, np.float32)):
        y, exact = product(vector), expected(vector)
        assert np.linalg.norm(y - exact) < 2e-4 * np.linalg.norm(exact)
    np.testing.assert_allclose(product(0 * x), bias, rtol=1e-6)


def test_a_result_is_the_callers_own() -> None:
    weight, bias, x = _drawn(20, 16)
    kinds: list[Product] = [Exact(weight, bias), Int8(weight, bias, Block(320))]
    if torch.cpu._is_vnni_supported():
        kinds.append(SplitInt8(weight, bias))
    for product in kinds:
        first = product(x)
        kept = first.copy()
        product(-x)
        assert np.array_equal(first, kept)
        assert np.array_equal(product(x), first)


def test_a_block_holds_all_weights_side_by_side() -> None:
    block = Block(10)
    first = block.keep(torch.arange(6, dtype=torch.int8).view(2, 3))
    second = block.keep(torch.full((1, 4), 9, dtype=torch.int8))
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.data_ptr() == first.data_ptr() + 6
    with pytest.raises(RuntimeError):  # nothing is left
        block.keep(torch.ones(1, 1, dtype=torch.int8))


@vnni
def test_only_a_large_matrix_is_worth_splitting_for(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block(64)
    assert isinstance(block.product(torch.ones(2, 16), torch.zeros(2)), Int8)
    monkeypatch.setattr("lm.products.SPLIT_FROM", 32)
    assert isinstance(block.product(torch.ones(2, 16), torch.zeros(2)), SplitInt8)


def test_near_ties_are_decided_in_fp32() -> None:
    # x * gain + shift = (1, 3): the exact logits are 3.02, 3.01, 2.9, -8 and -9.
    weight = torch.tensor([[0.02, 1.0], [0.01, 1.0], [-0.1, 1.0], [1.0, -3.0], [0.0, -3.0]])
    gain, shift = torch.tensor([2.0, 1.0]), torch.tensor([-1.0, 1.0])
    x = np.array([1, 2], np.float32)
    coarse = np.array([3.0, 3.05, 2.5, -8.1, -9.1], np.float32)  # the second seems the largest
    logits = NearTies(lambda _: coarse.copy(), weight, gain, shift)(x)
    # Mean -1.73, so near is what lies above 3.05 - 0.03 * 4.78 = 2.91: the first two.
    np.testing.assert_allclose(logits, [3.02, 3.01, 2.5, -8.1, -9.1], rtol=1e-6)
