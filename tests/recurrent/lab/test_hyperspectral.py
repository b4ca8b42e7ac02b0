"""The experiment as a whole, on scenes made by chance, and what it leaves behind."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from corpora.errors import InputError, ModelError
from recurrent.lab import load as load_experiment
from recurrent.lab.hyperspectral import Settings, classify_map, open_scene, run
from recurrent.lab.hyperspectral.maps import ClassMap, colours_of, draw_map
from recurrent.lab.hyperspectral.networks import KINDS, load, make_network
from recurrent.lab.hyperspectral.patches import Bands, Patches, TrainingPixels
from recurrent.lab.hyperspectral.scores import Scores
from recurrent.lab.hyperspectral.summary import GAIN, MACHINES, rows_of
from recurrent.lab.hyperspectral.synthetic import spectral_scene
from recurrent.lab.report import Done, Point, Progress, Report, read_report

QUICK = Settings(
    scene="synthetic-spectral",
    size=36,
    baseline=False,
    share=0.1,
    steps=8,
    hidden_size=6,
    lr=1e-2,
    device="cpu",
)


def _report(settings: Settings, out: Path, **more: Any) -> Report:
    events = list(run(settings, out, **more))
    done = events[-1]
    assert isinstance(done, Done)
    shares = [e.share for e in events if isinstance(e, Progress)]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    return done.report


def _overall(report: Report) -> dict[str, float]:
    return {r.system: r.value for r in report.rows if r.metric == "overall accuracy"}


# -------------------------------------------------------------------------- what a network is given


def test_bands_are_learnt_from_training_pixels_alone() -> None:
    spectra = np.array([[1, 5, 2], [3, 5, 8]], dtype=np.float32)
    bands = Bands.learn(spectra)
    assert bands.apply(spectra).tolist() == [[-1, 0, -1], [1, 0, 1]]
    assert bands.apply(np.array([[[5, 6, 5]]], dtype=np.float32)).tolist() == [[[3, 1, 0]]]
    with pytest.raises(ValueError, match="cube has 2 bands; expected 3"):
        bands.apply(spectra[:, :2])


def test_the_first_component_is_one_plane_of_deviation_one() -> None:
    chance = np.random.default_rng(0)
    common = chance.standard_normal((200, 1))
    spectra = (common * [3, 2, 1] + 0.1 * chance.standard_normal((200, 3))).astype(np.float32)
    bands = Bands.learn(spectra, one_plane=True)
    plane = bands.apply(spectra)
    assert plane.shape == (200, 1)
    assert plane.std() == pytest.approx(1, abs=1e-4)
    assert abs(np.corrcoef(plane[:, 0], common[:, 0])[0, 1]) > 0.99


def test_whitened_bands_vary_alike_and_stay_in_their_places() -> None:
    chance = np.random.default_rng(1)
    common = chance.standard_normal((400, 1))
    spectra = (common + 0.1 * chance.standard_normal((400, 4))).astype(np.float32)
    plain, white = (Bands.learn(spectra, whiten=w).apply(spectra) for w in (0.0, 1e-3))
    assert np.linalg.eigvalsh(np.cov(plain.T)).min() < 0.02
    spans = np.linalg.eigvalsh(np.cov(white.T))
    # Variance v becomes v / (v + 0.001); the least here is about 0.01.
    assert 0.85 < spans.min() < spans.max() < 1.01
    assert np.corrcoef(white.T, spectra.T)[:4, 4:].argmax(1).tolist() == [0, 1, 2, 3]
    # Two pixels span one direction; across it the gain is that of a variance of 0.
    few = Bands.learn(np.array([[0, 0], [2, 2]], dtype=np.float32), whiten=0.25)
    assert few.apply(np.array([[2, 0]], dtype=np.float32))[0] == pytest.approx([2, -2])
    assert few.apply(np.array([[2, 2]], dtype=np.float32))[0] == pytest.approx([2 / 3, 2 / 3])


def test_a_patch_is_the_window_around_its_pixel_in_a_mirror() -> None:
    cube = np.arange(20, dtype=np.float32).reshape(4, 5, 1)
    cut = Patches(cube, 3).cut(np.array([[1, 2], [0, 0]]))
    assert cut[0, 0].tolist() == [[1, 2, 3], [6, 7, 8], [11, 12, 13]]
    assert cut[1, 0].tolist() == [[6, 5, 6], [1, 0, 1], [6, 5, 6]]
    for window in (2, 5):
        with pytest.raises(ValueError, match=f"window={window} must be odd and fit"):
            Patches(cube, window)


def test_only_patches_of_one_class_are_mixed() -> None:
    cube = np.array([0, 1, 10, 11, 12], dtype=np.float32).reshape(1, 5, 1)
    places, labels = np.array([[0, c] for c in range(5)]), np.array([0, 0, 1, 1, 1])
    data = TrainingPixels(Patches(cube, 1), places, labels, mix=1.0)
    seen = np.stack([
        data.batch(np.arange(5), seed=0, epoch=e)["patches"][:, 0, 0, 0] for e in range(60)
    ])  # fmt: skip
    assert seen[:, :2].min() >= 0
    assert seen[:, :2].max() <= 1
    assert seen[:, 2:].min() >= 10
    assert seen[:, 2:].max() <= 12
    assert all(len(set(column)) > 20 for column in seen.T)
    unmixed = TrainingPixels(Patches(cube, 1), places, labels, mix=0.5)
    parts = np.stack([
        unmixed.batch(np.arange(5), seed=0, epoch=e)["patches"][:, 0, 0, 0] for e in range(60)
    ])  # fmt: skip
    left = (parts == cube.ravel()).mean()
    assert 0.5 < left < 0.85  # half of them, and those mixed with themselves


def test_training_pixels_are_seen_in_eight_positions() -> None:
    cube = np.arange(9, dtype=np.float32).reshape(3, 3, 1)
    places, labels = np.array([[1, 1]]), np.array([2])
    data = TrainingPixels(Patches(cube, 3), places, labels)
    rows = np.array([0])
    seen = {tuple(data.batch(rows, seed=0, epoch=e)["patches"].ravel().tolist()) for e in range(80)}
    assert len(seen) == 8
    assert all(position[4] == 4 and sorted(position) == list(range(9)) for position in seen)
    one, again = (data.batch(rows, seed=0, epoch=5) for _ in range(2))
    assert torch.equal(one["patches"], again["patches"])
    assert (one["labels"].tolist(), one["n_targets"]) == ([2], 1)
    plain = TrainingPixels(Patches(cube, 3), places, labels, turn=False, noise=0.5)
    noise = plain.batch(rows, seed=1, epoch=0)["patches"].ravel().numpy() - np.arange(9)
    assert 0.1 < noise.std() < 1.2


@pytest.mark.parametrize(
    ("kind", "n_bands", "shape"),
    [
        ("sscl2dnn", 198, (198, 6, 33, 3, 5)),
        ("sscl2dnn", 24, (24, 2, 12, 3, 5)),
        ("sscl2dnn", 1, (1, 1, 1, 3, 5)),
        ("sacl2dnn", 198, (198, 1, 198, 3, 5)),
        ("pixel", 198, (198, 6, 33, 1, 1)),
        ("plane", 198, (1, 1, 1, 3, 5)),
    ],
)
def test_each_kind_is_given_what_its_name_says(
    kind: str, n_bands: int, shape: tuple[int, ...]
) -> None:
    scene = spectral_scene(24)
    scene = replace(scene, cube=np.ones((24, 24, n_bands), dtype=np.float32))
    network, window = make_network(kind, scene, Settings())
    config = network.config
    found = config.n_bands, config.group, len(config.starts), config.kernel_size, window
    assert found == shape
    asked, _ = make_network("sscl2dnn", scene, Settings(group=9, stride=4))
    assert (asked.config.group, asked.config.stride) == (min(9, n_bands), min(4, n_bands))


# -------------------------------------------------------------------------------------- the whole


def test_a_run_scores_draws_and_can_be_used_again(tmp_path: Path) -> None:
    settings = replace(QUICK, steps=60, baseline=True)
    events = list(run(settings, tmp_path))
    report = events[-1].report
    assert read_report(tmp_path).rows == list(report.rows)
    assert not report.stopped
    overall = _overall(report)
    assert set(overall) == {*MACHINES, "SSCL2DNN"}
    assert all(value > 0.9 for value in overall.values())
    assert {r.kind for r in report.rows if r.system in MACHINES} == {"baseline"}
    assert ("SSCL2DNN", GAIN) in {(r.system, r.metric) for r in report.rows}
    images = {name for figure in report.figures for _, name in figure.images}
    assert images == {p.name for p in tmp_path.glob("*.png")}
    assert len(images) == 7
    for name in images:
        Image.open(tmp_path / name).verify()
    curves = {e.curve for e in events if isinstance(e, Point)}
    assert "SSCL2DNN, seed 0: loss" in curves
    assert report.facts["splits"][0]["left_out"] == []

    scene = open_scene(settings)
    kept, anew = classify_map(tmp_path), classify_map(tmp_path, "sscl2dnn", scene)
    assert kept.names == scene.names
    assert len(kept.colours) == 3
    # Kept from bf16 where the machine has it; made anew in fp32.
    assert (kept.ids == anew.ids).mean() > 0.98
    assert (anew.ids == scene.labels).mean() > 0.9
    other = classify_map(tmp_path, scene=spectral_scene(30, seed=9))
    assert other.ids.shape == (30, 30)


def test_one_seed_gives_the_same_rows_twice(tmp_path: Path) -> None:
    reports = [_report(QUICK, tmp_path / name) for name in "ab"]
    assert reports[0].rows == reports[1].rows
    weights = [load_file(tmp_path / n / "sscl2dnn" / "network.safetensors") for n in "ab"]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_several_seeds_are_told_with_their_spread(tmp_path: Path) -> None:
    report = _report(replace(QUICK, n_seeds=2, network="pixel", steps=3), tmp_path)
    rows = {(r.system, r.metric): r for r in report.rows}
    row = rows[KINDS["pixel"].title, "overall accuracy"]
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.value < row.high
    assert row.note.startswith("Deviation over 2 seeds 0.")
    assert len(report.facts["splits"]) == 2


def test_the_gain_is_seed_by_seed_over_the_better_machine() -> None:
    def scores(*overall: float) -> list[Scores]:
        return [Scores(value, value, value, (value,)) for value in overall]

    rows = rows_of(
        {MACHINES[0]: scores(0.5, 0.9), MACHINES[1]: scores(0.6, 0.7), "new": scores(0.65, 0.95)},
        leaks=True,
    )
    gain = next(r for r in rows if r.metric == GAIN)
    assert (gain.low, gain.value, gain.high) == pytest.approx((5, 10, 15))
    assert MACHINES[0] in gain.note
    assert "overlap" in rows[0].note


def test_each_network_succeeds_only_where_its_input_carries_the_signal(tmp_path: Path) -> None:
    """With few updates; the documentation has the figures of the whole experiment."""
    for scene, network, sees in (
        ("synthetic-spatial", "plane", True),
        ("synthetic-spatial", "pixel", False),
        ("synthetic-spectral", "plane", False),
        ("synthetic-spectral", "pixel", True),
    ):
        settings = replace(QUICK, scene=scene, network=network, size=48, steps=100, hidden_size=12)
        overall = _overall(_report(settings, tmp_path / scene / network))[KINDS[network].title]
        # Three classes; windows across two fields keep any network from 1 by context.
        assert overall > 0.65 if sees else overall < 0.45, (scene, network, overall)


@pytest.mark.parametrize("after", [0, 1, 8, 30])
def test_it_stops_soon_and_tells_what_there_is(tmp_path: Path, after: int) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    report = _report(replace(QUICK, n_seeds=9), tmp_path, stopped=stopped)
    assert report.stopped
    assert asked <= after + 8
    assert len(report.facts["splits"]) < 9
    assert read_report(tmp_path).stopped


def test_the_lab_knows_it() -> None:
    experiment = load_experiment("hyperspectral")
    assert experiment.Settings is Settings
    assert all(f.metadata["help"] for f in fields(Settings))
    assert Settings(network="pixel, sscl2dnn").kinds == ("sscl2dnn", "pixel")
    assert Settings(network="all").kinds == tuple(KINDS)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "cnn"}, "network='cnn' must be all, or some of sscl2dnn, sacl2dnn"),
        ({"network": " , "}, "network=' , ' must be all"),
        ({"split": "fair"}, "split='fair'"),
        ({"device": "tpu"}, "device='tpu' must be one of auto, cpu"),
        ({"window": 4}, "window=4 must be odd"),
        ({"share": 0.4}, r"share=0\.4"),
        ({"area": 0.01}, r"area=0\.01 must be at least share=0\.05"),
        ({"steps": 0}, "steps=0"),
        ({"seed": -1}, "seed=-1"),
        ({"size": 20}, "size=20"),
        ({"mix": 1.5}, r"mix=1\.5"),
        ({"dropout": 1.0}, r"dropout=1\.0"),
        ({"lr": 0.0}, r"lr=0\.0"),
        ({"scene": ""}, "scene='' is empty"),
    ],
)
def test_settings_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changes)


def test_a_scene_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no scene 'mars'; expected jasper, synthetic-spatial"):
        open_scene(Settings(scene="mars"))
    with pytest.raises(InputError, match=r"mars\.npy is not there"):
        open_scene(Settings(scene=str(tmp_path / "mars.npy")))
    (tmp_path / "hyperspectral").mkdir()
    monkeypatch.setenv("LETTERPRESS_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"jasperRidge2_R198\.mat is not there"):
        open_scene(Settings())


def test_a_run_without_a_whole_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no network; expected one"):
        classify_map(tmp_path)
    _report(replace(QUICK, steps=1), tmp_path)
    with pytest.raises(ModelError, match="holds sscl2dnn; expected plane"):
        classify_map(tmp_path, "plane")
    scene = spectral_scene(30)
    with pytest.raises(InputError, match="24 bands and 5 pixels each way"):
        classify_map(tmp_path, scene=replace(scene, cube=scene.cube[..., :20]))
    weights = tmp_path / "sscl2dnn" / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    with pytest.raises(ModelError, match="no whole network"):
        load(tmp_path, "sscl2dnn")


def test_colours_differ_and_a_map_is_drawn_in_them(tmp_path: Path) -> None:
    colours = colours_of([f"class {i}" for i in range(16)])
    assert len(set(colours)) == 16
    assert colours_of(["water"]) == ((60, 130, 200),)
    ids = np.array([[0, 1], [2, 2]])
    image = Image.open(draw_map(ClassMap(ids, ("a", "b"), colours[:2]), tmp_path / "map.png"))
    assert image.size == (400, 400)
    assert image.getpixel((250, 10)) == colours[0]
    assert image.getpixel((10, 390)) == image.getpixel((390, 390)) == colours[1]
