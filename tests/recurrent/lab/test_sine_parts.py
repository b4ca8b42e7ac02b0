from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from corpora.errors import ModelError
from engine.fit import FitSettings, Step, fit
from recurrent.lab.sine.baselines import (
    BASELINES,
    autoregression,
    harmonic,
    mean,
    persistence,
    phase_error,
    run_free,
)
from recurrent.lab.sine.nets import CELLS, Nets, NetsConfig, load_nets
from recurrent.lab.sine.series import (
    N_TRAIN,
    NOISE_FLOOR,
    TEST,
    Pieces,
    Scaler,
    clean_sine,
    noisy_sine,
)


def test_noise_is_the_lectures() -> None:
    noise = np.stack([noisy_sine(d) for d in range(50)]) - np.sin(np.arange(300))
    assert noise.min() >= 0
    assert noise.max() <= 0.5
    assert noise.mean() == pytest.approx(0.25, abs=0.01)
    assert noise.var() == pytest.approx(NOISE_FLOOR, rel=0.05)
    assert np.array_equal(noisy_sine(3), noisy_sine(3))
    assert not np.array_equal(noisy_sine(3), noisy_sine(4))


def test_test_targets_are_the_lectures_79() -> None:
    assert len(np.arange(300)[TEST]) == 79
    assert TEST.start == N_TRAIN + 10  # a whole window of test values before the first


def test_scaler_maps_training_values_onto_minus_one_to_one_and_back() -> None:
    x = np.array([[1.0, 3.0, 2.0], [0.0, 10.0, 5.0]])
    scaler = Scaler.fit(x)
    assert scaler.scale(x).tolist() == [[-1, 1, 0], [-1, 1, 0]]
    assert np.array_equal(scaler.unscale(scaler.scale(x)), x)


def test_pieces_pair_each_value_with_the_next() -> None:
    series = torch.arange(12.0).repeat(2, 1)
    pieces = Pieces(series, length=4, first=1, stride=3)
    assert len(pieces) == 3  # from 0, 3 and 6; one from 9 has no room for its last target
    batch = pieces.batch(np.array([2]), seed=0, epoch=0)
    assert batch["x"].tolist() == [[[6, 7, 8, 9]] * 2]
    assert batch["y"].tolist() == [[[7, 8, 9, 10]] * 2]
    assert batch["n_targets"] == 2 * 3
    with pytest.raises(ValueError, match="length=12"):
        Pieces(series, length=12, first=0)


def test_mean_and_persistence_by_hand() -> None:
    x = np.arange(300.0)
    assert set(mean(x)[0]) == {104.5}
    fed, free = persistence(x)
    assert fed[:2].tolist() == [219, 220]
    assert set(free) == {219}


def test_free_run_feeds_back() -> None:
    weights = np.array([0.0, 0.5, 1.0])  # half the last value, and one
    assert run_free(weights, np.array([7.0, 8.0, 6.0]), 3).tolist() == [4, 3, 2.5]


def test_autoregression_knows_a_clean_sine() -> None:
    """Without noise three values tell the next, so hardly any penalty is chosen."""
    fed, free = autoregression(clean_sine())
    assert np.allclose(fed, clean_sine()[TEST], atol=1e-3)
    assert np.allclose(free, clean_sine()[TEST], atol=1e-2)


def test_harmonic_finds_sine_and_offset() -> None:
    assert np.allclose(harmonic(clean_sine())[0], clean_sine()[TEST])


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_see_nothing_of_what_they_forecast(name: str) -> None:
    x = noisy_sine(0)
    later = x.copy()
    later[TEST] += 5
    fed, free = BASELINES[name](x)
    assert fed.shape == free.shape == (79,)
    assert np.array_equal(BASELINES[name](later)[1], free)
    assert BASELINES[name](later)[0][0] == fed[0]


def test_phase_error_measures_a_shift() -> None:
    t = np.arange(TEST.start, TEST.stop)
    assert phase_error(0.25 + 0.7 * np.sin(t + 0.3)) == pytest.approx(0.3)
    assert phase_error(np.sin(t - 2.0)) == pytest.approx(2.0)
    assert np.isnan(phase_error(np.full(79, 0.25)))


def _nets(cell: str, draws: int = 2, members: int = 3, **changes: float) -> Nets:
    torch.manual_seed(0)
    return Nets(NetsConfig(cell, draws, members, hidden_size=4, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", CELLS)
def test_each_group_is_torchs_layer(cell: str) -> None:
    nets, x = _nets(cell), torch.randn(5, 2, 7)
    out = nets.read(x)
    assert out.shape == (5, 3, 2, 7)
    layer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](1, 4, batch_first=True)
    for member in range(3):
        for draw in range(2):
            g = member * 2 + draw
            layer.weight_ih_l0.data = nets.weight_ih[g].T.detach()
            layer.weight_hh_l0.data = nets.weight_hh[g].T.detach()
            layer.bias_ih_l0.data = nets.bias_ih.view(6, -1)[g].detach()
            layer.bias_hh_l0.data = nets.bias_hh.view(6, -1)[g].detach()
            expected = layer(x[:, draw, :, None])[0] @ nets.head[g] + nets.head_bias[g]
            assert torch.allclose(out[:, member, draw], expected[..., 0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_passes_between_draws(cell: str) -> None:
    nets = _nets(cell)
    x = torch.randn(5, 2, 7)
    loss = nets.read(x)[:, :, 0].square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in nets.parameters():
        assert parameter.grad is not None
        by_draw = parameter.grad.view(3, 2, -1).abs().sum(dim=(0, 2))
        assert by_draw[0] > 0
        assert by_draw[1] == 0


def test_gradients_are_clipped_network_by_network() -> None:
    nets = _nets("rnn")
    x = torch.randn(5, 2, 7)
    x[:, 1] *= 1e-3
    (1e6 * nets.read(x).square().mean()).backward()  # type: ignore[no-untyped-call]
    assert nets.weight_hh.grad is not None
    norms = nets.weight_hh.grad.flatten(1).norm(dim=1).view(3, 2)
    assert norms.max() <= 1 / 6 + 1e-6


def test_rows_that_run_free_read_their_own_forecasts() -> None:
    nets = _nets("gru", draws=1, members=1)
    x = torch.randn(2, 1, 6)
    fed = torch.tensor([[True] * 6, [True, True, True, False, False, False]])
    out = nets.read(x, fed)
    own = x.clone()
    for t in (3, 4, 5):
        own[1, 0, t] = nets.read(own)[1, 0, 0, t - 1]
    assert torch.allclose(out[1], nets.read(own)[1], atol=1e-6)
    assert torch.allclose(out[0], nets.read(x)[0], atol=1e-6)


def test_free_rows_are_drawn_in_training_alone() -> None:
    nets = _nets("gru", free_share=1.0, warm_up=2)
    fed = nets._fed(50, 9, torch.device("cpu"))
    assert fed[:, :2].all()
    assert not fed.all()
    batch = {"x": torch.randn(5, 2, 7), "y": torch.randn(5, 2, 7), "first": 1}
    nets.eval()
    expected = (nets.read(batch["x"])[..., 1:] - batch["y"][:, None, :, 1:]).square().mean()  # type: ignore[index]
    assert torch.allclose(nets.loss(batch), expected)


def test_forecast_feeds_the_mean_of_the_members() -> None:
    nets = _nets("lstm")
    past = torch.randn(2, 6)
    said = nets.forecast(past, 3)
    assert said.shape == (2, 3)
    series = past
    for _ in range(3):
        with torch.no_grad():
            series = torch.cat([series, nets.read(series[None])[0, ..., -1].mean(0)[:, None]], 1)
    assert torch.allclose(said, series[:, 6:], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_one_draws_networks_alone_say_the_same(cell: str, tmp_path: Path) -> None:
    nets, x = _nets(cell), torch.randn(5, 2, 7)
    nets.only(1).save(tmp_path)
    assert torch.allclose(load_nets(tmp_path).read(x[:, 1:]), nets.read(x)[:, :, 1:], atol=1e-6)


def test_loading_what_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Run the sine again"):
        load_nets(tmp_path)


def test_nets_learn_a_clean_sine() -> None:
    nets = _nets("gru", draws=1, members=1)
    data = Pieces(torch.sin(torch.arange(60.0))[None], length=20, first=5)
    settings = FitSettings(
        120, batch_size=16, lr=0.02, weight_decay=0, precision="no", device="cpu"
    )
    losses = [e.loss for e in fit(nets, data, None, settings) if isinstance(e, Step)]
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "tcn"}, "cell='tcn'"),
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"free_share": 1.5}, "free_share=1.5"),
        ({"input_noise": -1.0}, "input_noise=-1.0"),
    ],
)
def test_wrong_configurations_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetsConfig(**{"cell": "gru", "n_draws": 2, **changes})  # type: ignore[arg-type]
