from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fit import FitSettings, Step, fit
from recurrent.convlstm import ConvLSTM
from recurrent.spectral import SSCL2DNN, SaCL2DNN, SpectralConfig


def _config(**changes: Any) -> SpectralConfig:
    usual = {"n_bands": 10, "n_classes": 3, "group": 4, "stride": 3, "hidden_sizes": (5,)}
    return SpectralConfig(**{**usual, **changes})


def _patches(n: int = 2, n_bands: int = 10, window: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, n_bands, window, window, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------- K, tau and the steps


def test_steps_are_k_neighbouring_bands_tau_apart() -> None:
    network = SSCL2DNN(_config())
    patches = torch.arange(10.0)[None, :, None, None].expand(2, 10, 3, 3)
    steps = network.steps(patches)
    assert steps.shape == (2, 3, 4, 3, 3)
    assert steps[1, :, :, 2, 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


def test_the_last_step_ends_with_the_spectrum() -> None:
    assert _config(n_bands=11).starts == (0, 3, 6, 7)
    assert _config(n_bands=10, group=10, stride=7).starts == (0,)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_band_is_passed_over(data: st.DataObject) -> None:
    n_bands = data.draw(st.integers(1, 40))
    group = data.draw(st.integers(1, n_bands))
    stride = data.draw(st.integers(1, group))
    starts = _config(n_bands=n_bands, group=group, stride=stride).starts
    seen = {band for start in starts for band in range(start, start + group)}
    assert seen == set(range(n_bands))
    assert len(set(starts)) == len(starts)


def test_sacl2dnn_is_sscl2dnn_with_k_1_and_tau_1() -> None:
    torch.manual_seed(1)
    spatial = SaCL2DNN(_config(group=4, stride=2, hidden_sizes=(5, 4), dropout=0.0))
    both = SSCL2DNN(_config(group=1, stride=1, hidden_sizes=(5, 4), dropout=0.0))
    assert spatial.config == both.config
    both.load_state_dict(spatial.state_dict(), strict=True)
    patches, labels = _patches(), torch.tensor([0, 2])
    assert torch.equal(spatial(patches), both(patches))
    for network in (spatial, both):
        network.loss({"patches": patches, "labels": labels}).backward()
    ours, theirs = ({name: p.grad for name, p in n.named_parameters()} for n in (spatial, both))
    assert all(g is not None and torch.equal(g, theirs[name]) for name, g in ours.items())
    # At another K it is another network.
    assert SSCL2DNN(_config(group=2, stride=1)).steps(patches).shape[1:3] == (9, 2)


# ------------------------------------------------------------------------------ against the pieces


def test_the_logits_are_a_sum_over_the_steps_hidden_states() -> None:
    torch.manual_seed(2)
    network = SSCL2DNN(_config()).eval()
    patches = _patches()
    film = np.stack([patches.numpy()[:, s : s + 4] for s in (0, 3, 6)], 1)
    hidden = network.layers(torch.from_numpy(film))[0].detach().numpy()
    weight, bias = (p.detach().numpy() for p in (network.head.weight, network.head.bias))
    expected = np.tile(bias, (2, 1))
    for n in range(2):
        for t in range(3):
            own, mean = hidden[n, t, :, 2, 2], hidden[n, t].mean((1, 2))
            expected[n] += weight[:, 10 * t : 10 * t + 10] @ np.concatenate([own, mean])
    np.testing.assert_allclose(network(patches).detach().numpy(), expected, atol=1e-5)


def test_a_window_of_one_pixel_is_an_lstm_along_the_spectrum() -> None:
    torch.manual_seed(3)
    network = SSCL2DNN(_config(kernel_size=1))
    lstm = torch.nn.LSTM(4, 5, batch_first=True)
    gates = network.layers.layers[0].gates
    # Ours are in the order i, f, o, c; torch's in i, f, c, o.
    i, f, o, c = (slice(5 * k, 5 * k + 5) for k in range(4))
    order = np.r_[i, f, c, o]
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(gates.weight[order, :4, 0, 0])
        lstm.weight_hh_l0.copy_(gates.weight[order, 4:, 0, 0])
        lstm.bias_ih_l0.copy_(gates.bias[order])
        lstm.bias_hh_l0.zero_()
    film = network.steps(_patches(window=1))
    ours = network.layers(film)[0][..., 0, 0]
    torch.testing.assert_close(ours, lstm(film[..., 0, 0])[0])


def test_the_memory_begins_open_at_the_forget_gate() -> None:
    network = SSCL2DNN(_config(hidden_sizes=(2, 3)))
    assert isinstance(network.layers, ConvLSTM)
    bias = network.layers.layers[1].gates.bias
    assert bias.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_a_pixel_is_judged_alone() -> None:
    torch.manual_seed(4)
    network = SSCL2DNN(_config()).eval()
    patches = _patches(3)
    torch.testing.assert_close(network(patches)[1], network(patches[1:2])[0])


# ---------------------------------------------------------------------------------------- learning


@pytest.mark.parametrize("kind", [SSCL2DNN, SaCL2DNN])
def test_every_parameter_receives_a_gradient(kind: type[SSCL2DNN]) -> None:
    torch.manual_seed(5)
    network = kind(_config(hidden_sizes=(4, 3)))
    network.loss({"patches": _patches(4), "labels": torch.tensor([0, 1, 2, 0])}).backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


class _Fixed:
    """Six patches of three classes, without a pattern."""

    def __len__(self) -> int:
        return 6

    def batch(self, rows: Any, *, seed: int, epoch: int) -> dict[str, Any]:
        del seed, epoch
        picked = torch.tensor(rows)
        return {
            "patches": _patches(6, window=3)[picked],
            "labels": torch.tensor([0, 1, 2, 2, 1, 0])[picked],
            "n_targets": len(rows),
        }


def test_it_learns_a_batch_by_heart() -> None:
    torch.manual_seed(6)
    network = SSCL2DNN(_config(dropout=0.0))
    how = FitSettings(
        steps=40, batch_size=6, lr=0.03, warmup_steps=2, weight_decay=0.0, device="cpu"
    )
    losses = [e.loss for e in fit(network, _Fixed(), None, how) if isinstance(e, Step)]
    assert losses[0] > 0.8
    assert losses[-1] < 0.02


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_classes": 1}, "n_classes=1"),
        ({"n_bands": 0}, "n_bands=0"),
        ({"group": 11}, r"group=11 must be from 1 to n_bands=10"),
        ({"stride": 5}, r"stride=5 must be from 1 to group=4"),
        ({"dropout": 1.0}, r"dropout=1\.0"),
    ],
)
def test_a_shape_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _config(**changes)


@pytest.mark.parametrize("shape", [(2, 9, 5, 5), (2, 10, 4, 5), (2, 10, 4, 4), (10, 5, 5)])
def test_patches_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 10, H, W\), H and W odd"):
        SSCL2DNN(_config())(torch.zeros(shape))
