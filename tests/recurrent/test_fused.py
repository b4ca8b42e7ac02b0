from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from recurrent.fused import State, is_fused_faster, run_fused, run_layer

KINDS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
Run = Callable[[Tensor, State | None], tuple[Tensor, State]]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tensors this small are slower on two threads, and sums then depend on how they are split."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _layer(kind: str, n_channels: int, hidden_size: int, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(1)
    return KINDS[kind](n_channels, hidden_size, batch_first=True, dtype=dtype)


def _normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _state(layer: Any, n_rows: int, seed: int = 5) -> State:
    """A state within the reach of the cell, (1, B, H) each."""
    shape = (1, n_rows, layer.hidden_size)
    parts = [_normal(*shape, seed=seed + i, dtype=layer.weight_hh_l0.dtype).tanh() for i in (0, 1)]
    return (parts[0], parts[1]) if isinstance(layer, nn.LSTM) else parts[0]


def _parts(state: State | None) -> list[Tensor]:
    if state is None:
        return []
    return list(state) if isinstance(state, tuple) else [state]


def _all_of_it(run: Run, layer: Any, x: Tensor, state: State | None) -> dict[str, Tensor]:
    """Values, and the gradients of a loss in which every output has its own weights."""
    x = x.clone().requires_grad_()
    leaves = [part.clone().requires_grad_() for part in _parts(state)]
    given: Any = tuple(leaves) if len(leaves) == 2 else leaves[0] if leaves else None
    y, last = run(x, given)
    found = {"y": y, **{f"last{i}": part for i, part in enumerate(_parts(last))}}
    loss = sum(
        ((value * _normal(*value.shape, seed=20 + i, dtype=layer.weight_hh_l0.dtype)).sum())
        for i, value in enumerate(found.values())
    )
    asked = {"x": x, **{f"first{i}": leaf for i, leaf in enumerate(leaves)}}
    asked |= dict(layer.named_parameters())
    gradients = torch.autograd.grad(loss, list(asked.values()))  # type: ignore[arg-type]
    found |= {f"d {name}": g for name, g in zip(asked, gradients, strict=True)}
    return {name: value.detach() for name, value in found.items()}


def _furthest(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference of any value, beside the largest value of its tensor or 1."""
    assert ours.keys() == theirs.keys()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    return max(
        float((ours[k] - theirs[k]).abs().max() / theirs[k].abs().max().clamp(min=1)) for k in ours
    )


@pytest.mark.parametrize("kind", KINDS)
@given(
    n_rows=st.integers(1, 4),
    n_steps=st.integers(1, 6),
    n_channels=st.integers(1, 5),
    hidden_size=st.integers(1, 6),
    has_state=st.booleans(),
)
def test_values_and_every_gradient_are_those_of_torch(
    kind: str, n_rows: int, n_steps: int, n_channels: int, hidden_size: int, has_state: bool
) -> None:
    layer = _layer(kind, n_channels, hidden_size, torch.float64)
    x = _normal(n_rows, n_steps, n_channels, dtype=torch.float64)
    state = _state(layer, n_rows) if has_state else None
    ours = _all_of_it(lambda x, s: run_fused(layer, x, s), layer, x, state)
    assert _furthest(ours, _all_of_it(layer, layer, x, state)) < 1e-13


@pytest.mark.parametrize("kind", KINDS)
def test_in_single_precision_too(kind: str) -> None:
    layer, x = _layer(kind, 24, 40), _normal(6, 30, 24)
    state = _state(layer, 6)
    ours = _all_of_it(lambda x, s: run_fused(layer, x, s), layer, x, state)
    assert _furthest(ours, _all_of_it(layer, layer, x, state)) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_small_differences(kind: str) -> None:
    layer = _layer(kind, 2, 3, torch.float64)
    names = [name for name, _ in layer.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state, weights = rest[: -len(names)], rest[-len(names) :]
        given = (state[0], state[1]) if len(state) == 2 else state[0]

        class Holder(nn.Module):
            def forward(self, x: Tensor) -> tuple[Tensor, ...]:
                y, last = run_fused(layer, x, given)
                return (y, *_parts(last))

        holder = Holder()
        holder.layer = layer
        swapped = {f"layer.{name}": w for name, w in zip(names, weights, strict=True)}
        return torch.func.functional_call(holder, swapped, (x,))  # type: ignore[no-any-return]

    asked = (_normal(2, 3, 2, dtype=torch.float64), *_parts(_state(layer, 2)))
    asked += tuple(parameter.detach().clone() for parameter in layer.parameters())
    assert torch.autograd.gradcheck(run, tuple(value.requires_grad_() for value in asked))


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_it_stays_within_what_bf16_can_tell(kind: str) -> None:
    layer, x = _layer(kind, 64, 96), _normal(16, 40, 64)
    state = _state(layer, 16)
    exact = _all_of_it(layer, layer, x, state)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = _all_of_it(lambda x, s: run_fused(layer, x, s), layer, x, state)
    off = {name: (ours[name].float() - exact[name]).norm() / exact[name].norm() for name in exact}
    assert {name: float(o) for name, o in off.items() if o > 2e-2} == {}
    # Rounding to 8 bits must show: otherwise the products did not run in bf16.
    assert off["y"] > 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [run_layer, run_fused])
def test_under_autocast_only_y_is_narrow(kind: str, run: Callable[..., Any]) -> None:
    layer = _layer(kind, 3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, last = run(layer, _normal(2, 3, 3))
        y, last = run(layer, _normal(2, 3, 3).bfloat16(), last)
    assert y.dtype == torch.bfloat16
    assert {part.dtype for part in _parts(last)} == {torch.float32}
    (y.float().sum() + sum(part.sum() for part in _parts(last))).backward()
    assert {parameter.grad.dtype for parameter in layer.parameters()} == {torch.float32}
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_two_blocks_carry_on_as_one(kind: str) -> None:
    layer, x = _layer(kind, 5, 6), _normal(3, 9, 5)
    whole, last = run_fused(layer, x)
    first, between = run_fused(layer, x[:, :4])
    second, end = run_fused(layer, x[:, 4:], between)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(_parts(end), _parts(last), rtol=0, atol=1e-6)
    assert torch.equal(_parts(last)[0][0], whole[:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_again_gives_the_same_bits(kind: str) -> None:
    layer, x = _layer(kind, 12, 20), _normal(5, 8, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        once, again = (
            _all_of_it(lambda x, s: run_fused(layer, x, s), layer, x, None) for _ in range(2)
        )
    assert all(torch.equal(once[name], again[name]) for name in once)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_that_is_kept_can_be_walked_twice(kind: str) -> None:
    layer = _layer(kind, 3, 4)
    y, _ = run_fused(layer, _normal(2, 5, 3))
    loss = y.square().sum()
    first = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first, torch.autograd.grad(loss, list(layer.parameters())), strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_backward_runs_in_the_precision_of_forward(kind: str) -> None:
    layer, x = _layer(kind, 8, 8), _normal(4, 6, 8)
    gradients = []
    for enabled in (False, True):
        y, _ = run_fused(layer, x)
        loss = y.square().sum()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            gradients.append(torch.autograd.grad(loss, list(layer.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_autocast_leaves_double_precision_alone() -> None:
    layer, x = _layer("gru", 3, 4, torch.float64), _normal(2, 3, 3, dtype=torch.float64)
    plain, _ = run_fused(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(run_fused(layer, x)[0], plain)


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_changed_in_place_is_refused_not_differentiated_wrongly(kind: str) -> None:
    layer = _layer(kind, 3, 4)
    y, _ = run_fused(layer, _normal(2, 3, 3))
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        y.add_(1)
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="has been modified inplace"):
        y.square().sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_given_is_not_changed(kind: str) -> None:
    layer, x = _layer(kind, 3, 4), _normal(2, 3, 3)
    state = _state(layer, 2)
    before = [value.clone() for value in (x, *_parts(state), *layer.parameters())]
    run_fused(layer, x, state)[0].sum().backward()
    after = (x, *_parts(state), *layer.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert x.grad is None


@pytest.mark.parametrize(
    ("kind", "hidden_size", "dtype", "faster"),
    [
        ("gru", 16, torch.bfloat16, True),
        ("rnn", 128, torch.bfloat16, True),
        ("lstm", 512, torch.bfloat16, False),
        ("lstm", 768, torch.bfloat16, True),
        ("gru", 128, torch.float16, False),
        ("gru", 128, None, False),
    ],
)
def test_each_way_is_taken_where_it_was_measured_faster(
    kind: str, hidden_size: int, dtype: torch.dtype | None, faster: bool
) -> None:
    layer, x = _layer(kind, 3, hidden_size), _normal(2, 3, 3)
    with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        assert is_fused_faster(layer, x) is faster
        if dtype != torch.float16:
            way: Any = run_fused if faster else lambda layer, x: layer(x)
            assert torch.equal(run_layer(layer, x)[0], way(layer, x)[0])


def test_elsewhere_than_on_a_cpu_torch_runs() -> None:
    layer = _layer("gru", 3, 4).to("meta")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_fused_faster(layer, torch.empty(2, 3, 3, device="meta"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 2}, "num_layers=2; expected 1"),
        ({"bidirectional": True}, "bidirectional=True; expected False"),
        ({"batch_first": False}, "batch_first=False; expected True"),
        ({"bias": False}, "bias=False; expected True"),
        ({"nonlinearity": "relu"}, "nonlinearity='relu'; expected 'tanh'"),
    ],
)
def test_other_layers_are_refused(options: dict[str, Any], message: str) -> None:
    layer = nn.RNN(3, 4, **{"batch_first": True, **options})
    with pytest.raises(ValueError, match=message):
        run_layer(layer, _normal(2, 3, 3))


def test_a_projection_and_another_class_are_refused() -> None:
    with pytest.raises(ValueError, match="proj_size=2; expected 0"):
        run_layer(nn.LSTM(3, 4, batch_first=True, proj_size=2), _normal(2, 3, 3))
    with pytest.raises(ValueError, match="layer is a Linear; expected an RNN, a GRU or an LSTM"):
        run_layer(nn.Linear(3, 4), _normal(2, 3, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 0, 3), (0, 3, 3)])
@pytest.mark.parametrize("run", [run_layer, run_fused])
def test_an_input_of_another_shape_is_refused(
    run: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"x has shape .*; expected \(B, T, 3\), none of them 0"):
        run(_layer("gru", 3, 4), torch.zeros(shape))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [run_layer, run_fused])
def test_a_state_of_another_shape_or_kind_is_refused(run: Callable[..., Any], kind: str) -> None:
    layer, x = _layer(kind, 3, 4), _normal(2, 3, 3)
    with pytest.raises(ValueError, match=r"state has shapes .*; expected \[\(1, 2, 4\)"):
        run(layer, x, _state(layer, 3))
    with pytest.raises(ValueError, match=r"state has shapes .*; expected \[\(1, 2, 4\)"):
        run(layer, x, _state(_layer("gru" if kind == "lstm" else "lstm", 3, 4), 2))
