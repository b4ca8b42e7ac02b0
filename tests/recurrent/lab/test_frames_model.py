from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from corpora.errors import InputError, ModelError
from engine.batching import Batch
from recurrent.convlstm import ConvLSTMCell
from recurrent.lab.frames import GPU_RECIPE, Settings, predict
from recurrent.lab.frames.model import (
    FlatLSTM,
    Forecaster,
    FrameModel,
    Lecture,
    ModelShape,
    NextFrame,
    build,
    count,
    load,
    save,
    start_moving,
)
from recurrent.lab.frames.movies import FILMS, Movies

SMALL = ModelShape("squares", 7, (4, 3))
PATCHED = ModelShape("mnist", 3, (5,), 3, 4, forecaster=True)


def _squares(n: int = 2) -> Batch:
    return Movies(FILMS["squares"], "train", n).batch(np.arange(n), seed=0, epoch=0)


def _digits(n: int = 2) -> Batch:
    film = (torch.rand(n, 6, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.9).float()
    return {"frames": film, "truth": film, "n_targets": n * 6}


def _new(name: str) -> tuple[FrameModel, Batch]:
    torch.manual_seed(3)
    models: dict[str, tuple[FrameModel, Batch]] = {
        "next": (NextFrame(SMALL), _squares()),
        "patches": (NextFrame(ModelShape("squares", 7, (4,), 3, 2)), _squares()),
        "forecaster": (Forecaster(PATCHED), _digits()),
        "flat": (FlatLSTM(3, 16, 8), _digits()),
        "lecture": (Lecture(7), _squares()),
    }
    return models[name]


KINDS = ["next", "patches", "forecaster", "flat", "lecture"]


@pytest.mark.parametrize("name", KINDS)
def test_forecasts_are_frames_in_0_to_1(name: str) -> None:
    model, batch = _new(name)
    given = batch["frames"][:, :3]
    with torch.inference_mode():
        future = model.forecast(given, 4)
        assert future.shape == (len(given), 4, *given.shape[2:])
        assert future.min() >= 0
        assert future.max() <= 1
        torch.testing.assert_close(model.forecast(given, 2), future[:, :2])


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_learns(name: str) -> None:
    model, batch = _new(name)
    loss = model.loss(batch)
    assert loss.shape == ()
    loss.backward()
    silent = [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()]
    assert silent == []


@pytest.mark.parametrize("name", KINDS)
def test_one_batch_is_learnt(name: str) -> None:
    model, batch = _new(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(12):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_the_lectures_network_has_its_76_weights() -> None:
    assert count(Lecture(7)) == 76


def test_the_rival_without_neighbourhood_has_more_weights() -> None:
    film = FILMS["mnist"]
    assert count(FlatLSTM(film.given, film.size, 512)) > count(
        build(Settings(film="mnist").shape())
    )


def _by_steps(model: NextFrame, frames: Tensor, shown: int) -> Tensor:
    """The loss's logits the long way: truth for `shown` frames, then what was said."""
    state, said = None, []
    for t in range(frames.shape[1]):
        frame = frames[:, t] if t < shown else said[-1].sigmoid()
        logits, state = model.step(frame, state)
        said.append(logits)
    return torch.stack(said, 1)


def test_the_loss_lives_on_what_it_said() -> None:
    model, batch = _new("next")
    assert isinstance(model, NextFrame)
    model.eval()
    frames, following = batch["frames"], batch["next"]
    with torch.inference_mode():
        alone = model.loss(batch)
        logits = _by_steps(model, frames, 7)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, following)
        torch.testing.assert_close(alone, expected)
        # and so does the forecast: its first frame is what followed the seventh.
        torch.testing.assert_close(model.forecast(frames[:, :7], 8), logits[:, 6:14].sigmoid())
        torch.testing.assert_close(model.one_step(frames), _by_steps(model, frames, 99).sigmoid())


def test_layers_begin_by_moving_what_they_remember() -> None:
    layer = ConvLSTMCell(1, 9)
    torch.nn.init.zeros_(layer.gates.weight)
    torch.nn.init.zeros_(layer.get_parameter("gates.bias"))
    start_moving(layer)
    hidden, cell = torch.zeros(1, 9, 9, 9), torch.zeros(1, 9, 9, 9)
    hidden[..., 4, 4] = 1
    for _ in range(2):
        hidden, cell = layer(torch.zeros(1, 1, 9, 9), (hidden, cell))
    at = [divmod(int(picture.argmax()), 9) for picture in hidden[0]]
    assert at == [(4 + 2 * down, 4 + 2 * right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    peaks = hidden[0].amax((1, 2))
    assert (peaks > 0.3).all()  # it does not fade at once,
    assert (peaks < 1).all()  # nor grow


def test_films_that_are_shown_the_truth_are_learnt_from_it() -> None:
    _, batch = _new("next")
    torch.manual_seed(3)
    model = NextFrame(SMALL, shown=1.0)
    with torch.inference_mode():
        expected = torch.nn.functional.binary_cross_entropy_with_logits(
            _by_steps(model, batch["frames"], 99), batch["next"]
        )
        torch.testing.assert_close(model.loss(batch), expected)


def test_patches_cut_and_join_without_loss() -> None:
    """With a head that passes one hidden channel on, a patch comes back to its own place."""
    torch.manual_seed(0)
    model = Forecaster(PATCHED)
    with torch.no_grad():
        model.net.head.weight.zero_()
        model.net.head.bias.copy_(torch.arange(16.0))
    logits = model.logits(torch.zeros(1, 3, 8, 8), 1)[0, 0]
    np.testing.assert_array_equal(logits[:4, :4].detach().numpy(), np.arange(16.0).reshape(4, 4))
    np.testing.assert_array_equal(logits[4:, :4].detach().numpy(), np.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize("shape", [SMALL, PATCHED])
def test_what_is_saved_comes_back(shape: ModelShape, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(shape).eval()
    save(model, shape, tmp_path)
    movie = np.random.default_rng(0).random((5, 16, 16)).astype(np.float32)
    future = predict(tmp_path, movie, 3)
    with torch.inference_mode():
        expected = model.forecast(torch.from_numpy(movie)[None], 3)[0].numpy()
    np.testing.assert_array_equal(future, expected)
    assert count(load(tmp_path)) == count(model)
    torch.manual_seed(1)  # trained again: the page must see the new one
    again = build(shape)
    save(again, shape, tmp_path)
    assert not np.array_equal(predict(tmp_path, movie, 3), future)


def test_a_damaged_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json and model\.safetensors"):
        predict(tmp_path, np.zeros((2, 8, 8)), 1)
    save(build(SMALL), SMALL, tmp_path)
    plain = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**plain, "hidden_sizes": [4, 4]}))
    with pytest.raises(ModelError, match="no whole frame model"):
        predict(tmp_path, np.zeros((2, 8, 8)), 1)
    (tmp_path / "model.json").write_text("[]")
    with pytest.raises(ModelError, match="no whole frame model"):
        predict(tmp_path, np.zeros((2, 8, 8)), 1)


@pytest.mark.parametrize(
    ("movie", "words"),
    [
        (np.zeros((40, 40)), r"shape \(40, 40\)"),
        (np.zeros((0, 40, 40)), r"shape \(0, 40, 40\)"),
        (np.full((2, 40, 40), 255.0), "from 0 to 255|from 255 to 255"),
        (np.full((2, 40, 40), np.nan), "expected 0 to 1"),
        (np.zeros((2, 42, 40)), "patches of 4x4"),
        ([[[1]], [[1, 2]]], "no array of numbers"),
    ],
)
def test_a_movie_that_cannot_be_read_is_said(movie: object, words: str, tmp_path: Path) -> None:
    save(build(PATCHED), PATCHED, tmp_path)
    with pytest.raises(InputError, match=words):
        predict(tmp_path, movie, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n=0"):
        predict(tmp_path, np.zeros((2, 8, 8)), 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"film": "circles"}, "squares, mnist"),
        ({"given": 15}, "given=15 must be below"),
        ({"n_test": 0}, "n_test=0"),
        ({"kernel_size": 2}, "kernel_size=2 must be odd"),
        ({"patch": 3}, "patch=3 must divide"),
        ({"minutes": -1.0}, "minutes=-1"),
        ({"minutes": float("nan")}, "minutes=nan"),
        ({"precision": "fp8"}, "precision='fp8'"),
        ({"device": "tpu"}, "device='tpu'"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**wrong)  # type: ignore[arg-type]


def test_the_recipe_for_a_gpu_builds_the_public_network() -> None:
    with torch.device("meta"):
        model = build(GPU_RECIPE.shape())
    gates = [weight.shape for name, weight in model.named_parameters() if "gates.weight" in name]
    assert [tuple(shape[2:]) for shape in gates] == [(5, 5)] * 4
    assert [shape[0] for shape in gates] == [512] * 4
    fitting = GPU_RECIPE.fit()
    assert fitting.steps * fitting.batch_size == 200 * 10_000
