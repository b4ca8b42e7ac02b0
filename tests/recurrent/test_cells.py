from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from recurrent.cells import (
    Weights,
    gru_cell,
    gru_gates,
    lstm_cell,
    lstm_gates,
    rnn_cell,
    unroll,
)

KINDS: dict[str, tuple[type[nn.RNNBase], Callable[..., Any]]] = {
    "rnn": (nn.RNN, rnn_cell),
    "lstm": (nn.LSTM, lstm_cell),
    "gru": (nn.GRU, gru_cell),
}
SINGLE: dict[str, type[nn.RNNCellBase]] = {
    "rnn": nn.RNNCell,
    "lstm": nn.LSTMCell,
    "gru": nn.GRUCell,
}
SIZES = [(1, 1, 1, 1), (1, 7, 3, 5), (3, 1, 5, 2), (4, 12, 6, 8)]  # B, T, C, H


def _layer(kind: str, channels: int, hidden_size: int, **options: Any) -> nn.RNNBase:
    torch.manual_seed(1)
    build: Any = KINDS[kind][0]
    layer: nn.RNNBase = build(channels, hidden_size, batch_first=True, **options).double()
    return layer


def _state(kind: str, batch: int, hidden_size: int) -> Any:
    rng = torch.Generator().manual_seed(3)
    parts = [
        torch.randn(batch, hidden_size, generator=rng, dtype=torch.double).requires_grad_()
        for _ in range(2 if kind == "lstm" else 1)
    ]
    return tuple(parts) if kind == "lstm" else parts[0]


def _parts(state: Any) -> list[Tensor]:
    return list(state) if isinstance(state, tuple) else [state]


def _like_torch(state: Any) -> Any:
    """A state (B, H) as torch's layers want it, (1, B, H)."""
    return tuple(s[None] for s in state) if isinstance(state, tuple) else state[None]


def _input(batch: int, time: int, channels: int) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.randn(batch, time, channels, generator=rng, dtype=torch.double).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "time", "channels", "hidden_size"), SIZES)
def test_outputs_states_and_gradients_are_those_of_torch(
    kind: str, batch: int, time: int, channels: int, hidden_size: int
) -> None:
    layer = _layer(kind, channels, hidden_size)
    x, before = _input(batch, time, channels), _state(kind, batch, hidden_size)
    outputs, after = unroll(KINDS[kind][1], x, before, Weights.of(layer))
    expected, theirs = layer(x, _like_torch(before))
    assert outputs.shape == (batch, time, hidden_size)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-10)
    for ours, other in zip(_parts(after), _parts(theirs), strict=True):
        assert ours.shape == (batch, hidden_size)
        torch.testing.assert_close(ours, other[0], rtol=0, atol=1e-10)

    # A different weight for every number that comes out, so that no gradient can cancel.
    rng = torch.Generator().manual_seed(4)
    weighing = [torch.randn(o.shape, generator=rng).double() for o in (outputs, *_parts(after))]
    leaves = [*layer.parameters(), x, *_parts(before)]

    def gradients(out: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        terms = zip(weighing, (out, *state), strict=True)
        total = torch.stack([(w * value).sum() for w, value in terms]).sum()
        return torch.autograd.grad(total, leaves)

    ours_all = gradients(outputs, _parts(after))
    theirs_all = gradients(expected, [part[0] for part in _parts(theirs)])
    for one, other in zip(ours_all, theirs_all, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_is_that_of_torchs_cell(kind: str) -> None:
    torch.manual_seed(1)
    build: Any = SINGLE[kind]
    module = build(3, 4).double()
    x, before = _input(2, 1, 3)[:, 0], _state(kind, 2, 4)
    ours = KINDS[kind][1](x, before, Weights.of(module))
    for one, other in zip(_parts(ours), _parts(module(x, before)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_without_biases_has_biases_of_nought(kind: str) -> None:
    layer = _layer(kind, 3, 4, bias=False)
    x, before = _input(2, 5, 3), _state(kind, 2, 4)
    outputs, _ = unroll(KINDS[kind][1], x, before, Weights.of(layer))
    torch.testing.assert_close(outputs, layer(x, _like_torch(before))[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_is_one_layer_upon_another(kind: str) -> None:
    stack = _layer(kind, 3, 4, num_layers=2)
    x, before = _input(2, 5, 3), _state(kind, 2, 4)
    outputs = x
    for layer in range(2):
        outputs, _ = unroll(KINDS[kind][1], outputs, before, Weights.of(stack, layer))
    both = [torch.stack([part, part]) for part in _parts(before)]  # (L, B, H)
    expected, _ = stack(x, tuple(both) if kind == "lstm" else both[0])
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_unrolling_in_two_parts_is_unrolling_at_once(kind: str) -> None:
    cell, weights = KINDS[kind][1], Weights.of(_layer(kind, 3, 4))
    x, before = _input(2, 9, 3), _state(kind, 2, 4)
    whole, end = unroll(cell, x, before, weights)
    first, between = unroll(cell, x[:, :4], before, weights)
    second, last = unroll(cell, x[:, 4:], between, weights)
    assert torch.equal(torch.cat([first, second], dim=1), whole)
    assert all(torch.equal(a, b) for a, b in zip(_parts(last), _parts(end), strict=True))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _one_unit(gates: int) -> Weights:
    """One unit, one channel: the weights of gate k are k + 1 and its biases 0.1 and 0.2."""
    rows = torch.arange(1.0, gates + 1, dtype=torch.double)
    return Weights(rows[:, None] / 2, rows[:, None] / 4, rows * 0 + 0.1, rows * 0 + 0.2)


def test_an_rnn_step_worked_by_hand() -> None:
    x, hidden = torch.tensor([[2.0]]).double(), torch.tensor([[-0.5]]).double()
    # 2 * 1/2 + 0.1 - 0.5 * 1/4 + 0.2 = 1.175
    assert rnn_cell(x, hidden, _one_unit(1)).item() == pytest.approx(math.tanh(1.175))


def test_the_gates_of_an_lstm_worked_by_hand() -> None:
    x = torch.tensor([[1.0]]).double()
    state = (torch.tensor([[-1.0]]).double(), torch.tensor([[2.0]]).double())
    gates = lstm_gates(x, state, _one_unit(4))
    # Gate k gets k/2 - k/4 + 0.3.
    assert gates.input.item() == pytest.approx(_sigmoid(0.55))
    assert gates.forget.item() == pytest.approx(_sigmoid(0.8))
    assert gates.candidate.item() == pytest.approx(math.tanh(1.05))
    assert gates.output.item() == pytest.approx(_sigmoid(1.3))
    cell = _sigmoid(0.8) * 2 + _sigmoid(0.55) * math.tanh(1.05)
    assert gates.cell.item() == pytest.approx(cell)
    assert gates.hidden.item() == pytest.approx(_sigmoid(1.3) * math.tanh(cell))


def test_the_gates_of_a_gru_worked_by_hand() -> None:
    x, hidden = torch.tensor([[1.0]]).double(), torch.tensor([[-1.0]]).double()
    gates = gru_gates(x, hidden, _one_unit(3))
    reset, update = _sigmoid(0.55), _sigmoid(0.8)
    # The reset gate is outside the product and its bias: 3/2 + 0.1 + reset * (-3/4 + 0.2).
    new = math.tanh(1.6 + reset * -0.55)
    assert gates.reset.item() == pytest.approx(reset)
    assert gates.update.item() == pytest.approx(update)
    assert gates.new.item() == pytest.approx(new)
    assert gates.hidden.item() == pytest.approx(update * -1 + (1 - update) * new)


@given(seed=st.integers(0, 2**16), size=st.floats(0, 50))
def test_gates_stay_within_their_bounds(seed: int, size: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    x, hidden, cell = (size * torch.randn(2, 3, generator=rng) for _ in range(3))
    lstm = lstm_gates(x, (hidden.tanh(), cell), Weights.of(nn.LSTM(3, 3)))
    gru = gru_gates(x, hidden.tanh(), Weights.of(nn.GRU(3, 3)))
    for gate in (lstm.input, lstm.forget, lstm.output, gru.reset, gru.update):
        assert gate.shape == (2, 3)
        assert gate.min() >= 0
        assert gate.max() <= 1
    for value in (lstm.candidate, lstm.hidden, gru.new, gru.hidden):
        assert value.shape == (2, 3)
        assert value.abs().max() <= 1
    assert bool((lstm.cell.abs() <= cell.abs() + 1).all())


def test_weights_are_shared_with_the_module_not_copied() -> None:
    layer = _layer("gru", 3, 4)
    weights = Weights.of(layer)
    assert weights.weight_ih is layer.weight_ih_l0
    assert (weights.hidden_size, weights.n_gates) == (4, 3)


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [
        (nn.RNN(2, 3, nonlinearity="relu"), 0, "nonlinearity=relu; expected tanh"),
        (nn.RNNCell(2, 3, nonlinearity="relu"), 0, "nonlinearity=relu; expected tanh"),
        (nn.GRU(2, 3, bidirectional=True), 0, "reads in both directions"),
        (nn.LSTM(2, 3, proj_size=1), 0, "proj_size=1; expected none"),
        (nn.LSTM(2, 3, num_layers=2), 2, "layer=2 must be at least 0 and below the module's 2"),
        (nn.LSTMCell(2, 3), -1, "layer=-1 must be at least 0 and below the module's 1"),
    ],
)
def test_modules_that_do_otherwise_are_refused(module: Any, layer: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Weights.of(module, layer)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(8, 3), (8, 3), (8,), (8,)], r"weight_hh has shape \(8, 3\); expected \(gates \* H, H\)"),
        ([(8, 3), (8,), (8,), (8,)], r"weight_hh has shape \(8,\)"),
        ([(6, 3), (8, 2), (8,), (8,)], r"weight_ih has shape \(6, 3\); expected \(8, C\)"),
        ([(8, 3), (8, 2), (8, 1), (8,)], r"bias_ih has shape \(8, 1\); expected \(8,\)"),
        ([(8, 3), (8, 2), (8,), (6,)], r"bias_hh has shape \(6,\); expected \(8,\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(shapes: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Weights(*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_another_cell_are_refused(kind: str) -> None:
    other = Weights.of(_layer("gru" if kind == "lstm" else "lstm", 3, 4))
    with pytest.raises(ValueError, match=f"weights hold {other.n_gates} gates; this cell has"):
        KINDS[kind][1](_input(2, 1, 3)[:, 0], _state(kind, 2, 4), other)


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 3)])
def test_a_sequence_without_steps_is_refused(shape: tuple[int, ...]) -> None:
    weights = Weights.of(_layer("rnn", 3, 4))
    with pytest.raises(ValueError, match=r"expected \(B, T, C\) with T at least 1"):
        unroll(rnn_cell, torch.zeros(shape).double(), _state("rnn", 2, 4), weights)
