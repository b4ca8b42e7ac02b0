from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from recurrent.convlstm import ConvLSTM, ConvLSTMCell, EncoderForecaster

Floats = npt.NDArray[np.float64]


def _normal(*shape: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def _cell(
    n_in: int, n_hidden: int, kernel_size: int = 3, peephole: tuple[int, int] | None = None
) -> ConvLSTMCell:
    torch.manual_seed(1)
    cell = ConvLSTMCell(n_in, n_hidden, kernel_size, peephole=peephole).double()
    for i, weight in enumerate(cell.parameters()):  # peepholes begin at 0, which would hide them
        nn.init.normal_(weight, std=0.4, generator=torch.Generator().manual_seed(i))
    return cell


def _sigmoid(a: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-a)))


def _correlate(frame: Floats, weight: Floats, bias: Floats) -> Floats:
    """What torch calls a convolution, place by place; zeros beyond the border."""
    _, height, width = frame.shape
    reach = weight.shape[-1] // 2
    padded = np.pad(frame, ((0, 0), (reach, reach), (reach, reach)))
    out = np.empty((len(weight), height, width))
    for row in range(height):
        for column in range(width):
            patch = padded[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            out[:, row, column] = (weight * patch).sum((1, 2, 3)) + bias
    return out


def _by_hand(cell: ConvLSTMCell, film: Floats) -> tuple[list[Floats], Floats]:
    """Equation 3 of Shi et al. (2015) for one film (T, C, H, W), each product on its own."""
    size, n_in = cell.hidden_size, cell.in_channels
    weight = cell.gates.weight.detach().numpy()
    assert cell.gates.bias is not None
    bias = cell.gates.bias.detach().numpy()
    parts = {name: slice(k * size, (k + 1) * size) for k, name in enumerate("ifoc")}
    peep: dict[str, Floats | float] = dict.fromkeys("ifo", 0.0)
    if cell.peephole is not None:
        peep = {k: getattr(cell, f"w_c{k}").detach().numpy() for k in "ifo"}
    shape = (size, *film.shape[2:])
    h, c, seen = np.zeros(shape), np.zeros(shape), []
    for x in film:
        said = {
            name: _correlate(x, weight[part][:, :n_in], bias[part])
            + _correlate(h, weight[part][:, n_in:], np.zeros(size))
            for name, part in parts.items()
        }
        i = _sigmoid(said["i"] + peep["i"] * c)
        f = _sigmoid(said["f"] + peep["f"] * c)
        c = f * c + i * np.tanh(said["c"])
        o = _sigmoid(said["o"] + peep["o"] * c)
        h = o * np.tanh(c)
        seen.append(h)
    return seen, c


@pytest.mark.parametrize("peephole", [None, (4, 5), (1, 1)])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_cell_is_the_equation_of_the_paper(
    peephole: tuple[int, int] | None, kernel_size: int
) -> None:
    cell = _cell(2, 3, kernel_size, peephole)
    film = _normal(2, 4, 2, 4, 5)
    state = None
    after = []
    for frame in film.unbind(1):
        state = cell(frame, state)
        after.append(state[0])
    for row in range(2):
        hiddens, last = _by_hand(cell, film[row].numpy())
        for ours, theirs in zip(after, hiddens, strict=True):
            np.testing.assert_allclose(ours[row].detach().numpy(), theirs, atol=1e-12)
        assert state is not None
        np.testing.assert_allclose(state[1][row].detach().numpy(), last, atol=1e-12)


@pytest.mark.parametrize("peephole", [None, (4, 5)])
def test_layers_read_the_layer_below(peephole: tuple[int, int] | None) -> None:
    net = ConvLSTM(1, [3, 2], peephole=peephole).double()
    film = _normal(1, 3, 1, 4, 5)
    y, state = net(film)
    lower, upper = net.layers
    assert isinstance(lower, ConvLSTMCell)
    assert isinstance(upper, ConvLSTMCell)
    below, cell_below = _by_hand(lower, film[0].numpy())
    above, cell_above = _by_hand(upper, np.stack(below))
    np.testing.assert_allclose(y[0].detach().numpy(), np.stack(above), atol=1e-12)
    for (hidden, cell), at_last, kept in zip(
        state, (below, above), (cell_below, cell_above), strict=True
    ):
        np.testing.assert_allclose(hidden[0].detach().numpy(), at_last[-1], atol=1e-12)
        np.testing.assert_allclose(cell[0].detach().numpy(), kept, atol=1e-12)
    by_steps = None
    for frame in film.unbind(1):
        by_steps = net.step(frame, by_steps)
    assert by_steps is not None
    for one, other in zip(by_steps, state, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


@given(
    cut=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    n_in=st.integers(1, 3),
)
@settings(max_examples=15, deadline=None)
def test_two_halves_are_the_whole(cut: int, sizes: list[int], n_in: int) -> None:
    torch.manual_seed(0)
    net = ConvLSTM(n_in, sizes).double()
    film = _normal(2, 5, n_in, 3, 4)
    whole, last = net(film)
    assert whole.shape == (2, 5, sizes[-1], 3, 4)
    first, state = net(film[:, :cut])
    second, state = net(film[:, cut:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    for (hidden, cell), (hidden_too, cell_too) in zip(state, last, strict=True):
        torch.testing.assert_close(hidden, hidden_too)
        torch.testing.assert_close(cell, cell_too)


@pytest.mark.parametrize("peephole", [None, (3, 3)])
def test_gradients_are_those_of_finite_differences(peephole: tuple[int, int] | None) -> None:
    cell = _cell(1, 2, 3, peephole)
    weights = list(cell.parameters())
    film, hidden, memory = (
        _normal(1, 2, 1, 3, 3),
        _normal(1, 2, 3, 3, seed=1).tanh(),
        _normal(1, 2, 3, 3, seed=2),
    )
    for leaf in (film, hidden, memory):
        leaf.requires_grad_()

    def last(film: Tensor, hidden: Tensor, memory: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        state = (hidden, memory)
        for frame in film.unbind(1):
            state = cell(frame, state)
        return state

    assert torch.autograd.gradcheck(last, (film, hidden, memory, *weights))


@pytest.mark.parametrize("peephole", [None, (6, 6)])
def test_every_parameter_learns(peephole: tuple[int, int] | None) -> None:
    torch.manual_seed(0)
    net = EncoderForecaster(1, [3, 2], peephole=peephole)
    for name, weight in net.named_parameters():
        if "w_c" in name:
            nn.init.normal_(weight)
    net(torch.rand(2, 3, 1, 6, 6), 2).square().sum().backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_a_forecaster_goes_on_from_the_states_of_the_encoder() -> None:
    torch.manual_seed(0)
    net = EncoderForecaster(1, [3, 2]).double()
    film = _normal(2, 3, 1, 4, 4)
    logits = net(film, 3)
    assert logits.shape == (2, 3, 1, 4, 4)
    _, state = net.encoder(film)
    lower, upper = net.forecaster.layers
    for t in range(3):
        below = lower(film[:, 0, :0], state[0])
        above = upper(below[0], state[1])
        state = [below, above]
        torch.testing.assert_close(logits[:, t], net.head(torch.cat((below[0], above[0]), 1)))
    # The future may not depend on how much of it is asked for.
    torch.testing.assert_close(net(film, 1)[:, 0], logits[:, 0])


def test_half_precision_keeps_the_cell_whole() -> None:
    torch.manual_seed(0)
    net = ConvLSTM(1, [4, 4])
    film = torch.rand(2, 6, 1, 8, 8)
    exact, kept = net(film)
    with torch.autocast("cpu", torch.bfloat16):
        rough, state = net(film)
        rough_loss = rough.float().square().mean()
    assert rough.dtype == torch.bfloat16
    assert [cell.dtype for _, cell in state] == [torch.float32] * 2
    torch.testing.assert_close(rough.float(), exact, atol=0.01, rtol=0.05)
    (ours,) = torch.autograd.grad(rough_loss, net.layers[0].gates.weight)
    (theirs,) = torch.autograd.grad(exact.square().mean(), net.layers[0].gates.weight)
    assert float((ours - theirs).norm() / theirs.norm()) < 0.03
    # A state that was made under autocast can be gone on from without it.
    again, _ = net(film, state)
    torch.testing.assert_close(again, net(film, kept)[0], atol=0.01, rtol=0.05)


def test_a_square_that_moves_is_learnt() -> None:
    """One film, learnt by heart: the next frame of a dot on its way to the right."""
    torch.manual_seed(0)
    film = torch.zeros(1, 6, 1, 5, 8)
    for t in range(6):
        film[0, t, 0, 2, t + 1] = 1
    body, head = ConvLSTM(1, [8]), nn.Conv2d(8, 1, 1)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.1)
    losses = []
    for _ in range(80):
        y, _ = body(film[:, :-1])
        logits = head(y.flatten(0, 1))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, film[:, 1:].flatten(0, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.01 < losses[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ConvLSTMCell(1, 2, 4), "kernel_size=4 must be odd"),
        (lambda: ConvLSTMCell(-1, 2), "in_channels=-1"),
        (lambda: ConvLSTMCell(1, 0), "hidden_size=0"),
        (lambda: ConvLSTM(1, []), "hidden_sizes is empty"),
        (lambda: ConvLSTM(1, [2])(torch.zeros(1, 0, 1, 4, 4)), "T above 0"),
        (lambda: ConvLSTM(1, [2])(torch.zeros(1, 1, 2, 4, 4)), "expected 1 channels in"),
        (lambda: EncoderForecaster(1, [2])(torch.zeros(1, 1, 1, 4, 4), 0), "horizon=0"),
        (
            lambda: ConvLSTMCell(1, 2)(
                torch.zeros(1, 1, 4, 4), (torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4))
            ),
            r"hidden \(1, 2, 3, 4\)",
        ),
    ],
)
def test_wrong_sizes_are_named(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=words):
        make()
