from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from corpora.errors import ModelError
from engine.fit import FitSettings, Step, fit
from recurrent.forecasting import (
    KINDS,
    RECURRENT,
    Forecaster,
    ForecasterConfig,
    MaskedGRU,
    load_forecaster,
)


def _model(kind: str, seed: int = 0, **changes: object) -> Forecaster:
    torch.manual_seed(seed)
    shape = ForecasterConfig(kind, n_inputs=3, window=5, horizon=2, hidden_size=6)
    return Forecaster(replace(shape, **changes))  # type: ignore[arg-type]


def _batch(n: int = 4) -> dict[str, object]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, 3, generator=generator)
    return {"x": x, "y": torch.randn(n, 2, generator=generator), "n_targets": n * 2}


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind: str) -> None:
    assert _model(kind)(torch.zeros(4, 5, 3)).shape == (4, 2, 1)
    three = _model(kind, n_quantiles=3, loss="pinball")
    assert three(torch.zeros(4, 5, 3)).shape == (4, 2, 3)


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_kinds_read_any_number_of_steps(kind: str) -> None:
    assert _model(kind)(torch.zeros(4, 17, 3)).shape == (4, 2, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["mse", "mae", "pinball"])
def test_every_parameter_gets_a_gradient(kind: str, loss: str) -> None:
    model = _model(kind, loss=loss, n_quantiles=3 if loss == "pinball" else 1, dropout=0.1)
    model.loss(_batch()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kind", ["gru", "stacked", "bidirectional"])
def test_every_parameter_gets_a_gradient_through_a_mask(kind: str) -> None:
    model = _model(kind, recurrent_dropout=0.3)
    model.loss(_batch()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


class _Rows:
    def __init__(self, batch: dict[str, object]) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return 4

    def batch(self, rows: NDArray[np.int64], *, seed: int, epoch: int) -> dict[str, object]:
        return {
            k: v[torch.tensor(rows)] if isinstance(v, torch.Tensor) else len(rows) * 2
            for k, v in self._batch.items()
        }


@pytest.mark.parametrize("kind", KINDS)
def test_overfits_a_tiny_batch(kind: str) -> None:
    model = _model(kind, hidden_size=12)
    settings = FitSettings(
        steps=80, batch_size=4, lr=0.03, weight_decay=0, precision="no", device="cpu"
    )
    losses = [e.loss for e in fit(model, _Rows(_batch()), None, settings) if isinstance(e, Step)]
    assert losses[-1] < 0.05 * losses[0]


def test_losses_by_hand() -> None:
    batch = {"x": torch.zeros(1, 5, 3), "y": torch.tensor([[3.0, -1.0]]), "n_targets": 2}
    for loss, expected in (("mse", 5.0), ("mae", 2.0), ("pinball", 1.0)):
        model = _model("linear", loss=loss)
        nn.init.zeros_(model.head.weight)
        assert float(model.loss(batch).detach()) == pytest.approx(expected)
    # At level 0.9 an error of 3 above costs 0.9 * 3, one of 1 below 0.1 * 1.
    model = _model("linear", loss="pinball", quantiles=(0.9,))
    nn.init.zeros_(model.head.weight)
    assert float(model.loss(batch).detach()) == pytest.approx((2.7 + 0.1) / 2)


def test_quantiles_never_cross() -> None:
    model = _model("gru", n_quantiles=3, loss="pinball", horizon=1)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([2.0, 0.0, 1.0]))
    y = model(torch.zeros(2, 5, 3))
    assert (y.diff(dim=-1) > 0).all()
    assert y[0, 0].tolist() == pytest.approx([0.0, 1.0, 2.0], abs=0.2)


def test_pinball_loss_finds_the_quantiles() -> None:
    """A model that sees nothing must learn the quantiles of its targets: here of 0, 1, ..., 10."""
    model = _model("linear", n_quantiles=3, loss="pinball", horizon=1)
    batch = {"x": torch.zeros(11, 5, 3), "y": torch.arange(11.0)[:, None], "n_targets": 11}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(250):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    assert model(batch["x"])[0, 0].tolist() == pytest.approx([2, 5, 8], abs=0.5)  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS)
def test_anchor_adds_the_last_value_of_its_variable(kind: str) -> None:
    plain, anchored = _model(kind), _model(kind, anchor=1)
    anchored.load_state_dict(plain.state_dict())
    x = torch.randn(4, 5, 3)
    difference = anchored(x) - plain(x)
    assert torch.allclose(difference, x[:, -1, 1, None, None].expand(4, 2, 1), atol=1e-6)


def test_masked_gru_without_a_mask_is_torchs() -> None:
    torch.manual_seed(0)
    ours = MaskedGRU(3, 6, recurrent_dropout=0.5)
    theirs = nn.GRU(3, 6, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x, hidden = torch.randn(4, 7, 3), torch.randn(1, 4, 6)
    y, last = ours.read_masked(x, hidden[0], torch.ones(4, 6))
    expected, expected_last = theirs(x, hidden)
    assert torch.allclose(y, expected, atol=1e-6)
    assert torch.allclose(last, expected_last, atol=1e-6)
    assert torch.equal(ours.eval()(x, hidden)[0], expected)  # dropout sleeps outside training


def test_masked_units_reach_no_gate_of_any_step() -> None:
    """With a unit masked, what the weights say of it cannot matter, except through itself."""
    torch.manual_seed(0)
    layer = MaskedGRU(3, 6, recurrent_dropout=0.5)
    x, mask = torch.randn(4, 7, 3), torch.ones(4, 6)
    mask[:, 2] = 0
    before = layer.read_masked(x, torch.zeros(4, 6), mask)[0]
    with torch.no_grad():
        layer.weight_hh_l0[:, 2] += 1.0  # what every gate reads from unit 2
    assert torch.equal(layer.read_masked(x, torch.zeros(4, 6), mask)[0], before)
    assert not torch.equal(layer.read_masked(x, torch.zeros(4, 6), torch.ones(4, 6))[0], before)


def test_recurrent_dropout_draws_anew_each_time_and_only_in_training() -> None:
    model, x = _model("gru", recurrent_dropout=0.5), torch.randn(4, 5, 3)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_dropout_leaves_out_the_same_units_at_every_step() -> None:
    model = _model("stacked", dropout=0.5)
    seen: list[torch.Tensor] = []
    model.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.randn(4, 5, 3))
    gone = seen[0] == 0  # (B, T, H)
    assert gone.any()
    assert not gone.all()
    assert torch.equal(gone, gone[:, :1].expand_as(gone))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_is_the_same_to_the_bit(kind: str, tmp_path: Path) -> None:
    model = _model(kind, n_quantiles=2, loss="pinball", quantiles=(0.05, 0.95)).eval()
    model.save(tmp_path)
    loaded = load_forecaster(tmp_path)
    assert loaded.config == model.config
    assert torch.equal(loaded(_batch()["x"]), model(_batch()["x"]))  # type: ignore[arg-type]


def test_loading_what_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train it again"):
        load_forecaster(tmp_path / "nowhere")
    _model("gru").save(tmp_path)
    config = json.loads((tmp_path / "forecaster.json").read_text("utf-8"))
    (tmp_path / "forecaster.json").write_text(json.dumps({**config, "hidden_size": 7}), "utf-8")
    with pytest.raises(ModelError, match="size mismatch"):
        load_forecaster(tmp_path)
    (tmp_path / "forecaster.json").write_text("[]", "utf-8")
    with pytest.raises(ModelError, match="holds no forecaster"):
        load_forecaster(tmp_path)


@pytest.mark.parametrize("horizon", [1, 3])
def test_forecast_feeds_predictions_back(horizon: int) -> None:
    """A linear model that halves the last value must halve it again and again."""
    torch.manual_seed(0)
    model = Forecaster(ForecasterConfig("linear", n_inputs=1, window=2, horizon=horizon))
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.weight[:, -1] = 0.5 ** torch.arange(1, horizon + 1)
    past = torch.tensor([9.0, 9.0, 16.0, 8.0]).reshape(1, 4, 1)
    assert model.forecast(past, 5).flatten().tolist() == [4.0, 2.0, 1.0, 0.5, 0.25]
    assert model.forecast(past, 1).shape == (1, 1, 1)
    assert model.training


def test_forecast_refuses_what_it_cannot_feed_back() -> None:
    with pytest.raises(ValueError, match="n_inputs=3 must be 1"):
        _model("gru").forecast(torch.zeros(1, 5, 3), 2)
    single = _model("gru", n_inputs=1)
    with pytest.raises(ValueError, match="horizon=0"):
        single.forecast(torch.zeros(1, 5, 1), 0)
    with pytest.raises(ValueError, match="past has 4 steps; expected at least 5"):
        single.forecast(torch.zeros(1, 4, 1), 2)
    with pytest.raises(ValueError, match=r"\(1, 5, 3\); expected \(B, T, 1\)"):
        single.forecast(torch.zeros(1, 5, 3), 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "tcn"}, "kind='tcn'"),
        ({"loss": "huber"}, "loss='huber'"),
        ({"window": 0}, "window=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"kind": "lstm", "recurrent_dropout": 0.1}, "recurrent_dropout=0.1 needs a kind"),
        ({"n_quantiles": 3}, "n_quantiles=3 must be 1"),
        ({"loss": "pinball", "n_quantiles": 2, "quantiles": (0.9, 0.1)}, "rising levels"),
        ({"loss": "pinball", "n_quantiles": 2, "quantiles": (0.1,)}, "must be 2 rising"),
        ({"anchor": 3}, "anchor=3"),
    ],
)
def test_wrong_configurations_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ForecasterConfig("gru", n_inputs=3, window=5), **changes)  # type: ignore[arg-type]


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(4, 6, 3\); expected \(B, 5, 3\)"):
        _model("dense")(torch.zeros(4, 6, 3))
    with pytest.raises(ValueError, match=r"\(4, 5, 2\); expected \(B, T, 3\)"):
        _model("gru")(torch.zeros(4, 5, 2))
    with pytest.raises(ValueError, match="y has shape"):
        _model("gru").loss({"x": torch.zeros(4, 5, 3), "y": torch.zeros(4, 1), "n_targets": 4})
