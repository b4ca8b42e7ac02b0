"""Scenes: from public files, from a person's own, and made by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from corpora.errors import InputError
from recurrent.lab.hyperspectral import files
from recurrent.lab.hyperspectral.baseline import mean_spectra
from recurrent.lab.hyperspectral.files import list_arrays, read_array
from recurrent.lab.hyperspectral.own import inspect_scene, load_scene
from recurrent.lab.hyperspectral.scenes import Scene, load_jasper, load_published, load_truth
from recurrent.lab.hyperspectral.synthetic import spatial_scene, spectral_scene

# ------------------------------------------------------------------------------------ public files


def test_jasper_ridge_as_published(data: Path) -> None:
    scene = load_jasper(data / "hyperspectral" / "jasperRidge2_R198.mat")
    assert scene.cube.shape == (100, 100, 198)
    assert scene.names == ("tree", "water", "soil", "road")
    # Counted once from the abundances of the file.
    assert np.bincount(scene.labels.ravel()).tolist() == [0, 3493, 3326, 2428, 753]
    # The river runs through the middle; only in MATLAB's order is it of one piece.
    assert (scene.labels[:50, 28:46] == 2).mean() > 0.9


def test_pixels_are_in_the_order_of_columns(tmp_path: Path) -> None:
    light = np.arange(2 * 6).reshape(2, 6)  # 2 bands of a scene of 3 rows and 2 columns
    abundance = np.eye(3)[[0, 1, 2, 0, 1, 2]].T
    path = tmp_path / "tiny.mat"
    savemat(path, {"Y": light, "A": abundance, "nRow": 3, "nCol": 2})
    scene = load_jasper(path)
    assert scene.cube[..., 0].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert scene.cube[1, 1].tolist() == [4, 10]
    assert scene.labels.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert scene.names == ("material 1", "material 2", "material 3")
    assert np.array_equal(load_scene(path).cube, scene.cube)
    savemat(path, {"Y": light[:, :5], "A": abundance, "nRow": 3, "nCol": 2})
    with pytest.raises(InputError, match=r"Y has shape \(2, 5\); expected .* 6\) for 3 rows and 2"):
        load_jasper(path)


def test_the_labels_of_indian_pines(data: Path) -> None:
    labels = load_truth("indian-pines", data / "hyperspectral")
    assert labels.shape == (145, 145)
    # The class sizes everybody reports for this scene.
    sizes = [46, 1428, 830, 237, 483, 730, 28, 478, 20, 972, 2455, 593, 205, 1265, 386, 93]
    assert np.bincount(labels.ravel())[1:].tolist() == sizes
    assert (labels > 0).sum() == 10_249


def test_a_public_scene_under_its_published_names(tmp_path: Path) -> None:
    cube, truth = np.zeros((610, 340, 103), dtype=np.uint8), np.zeros((610, 340), dtype=np.uint8)
    truth[:3, :3] = np.arange(1, 10).reshape(3, 3)
    cube[2, 1, 7] = 5
    savemat(tmp_path / "PaviaU.mat", {"paviaU": cube}, do_compression=True)
    savemat(tmp_path / "PaviaU_gt.mat", {"paviaU_gt": truth})
    scene = load_published("pavia", tmp_path)
    assert (scene.n_bands, scene.n_classes, scene.name) == (103, 9, "Pavia University")
    assert (scene.cube[2, 1, 7], scene.labels[2, 1], scene.names[7]) == (
        5,
        8,
        "self-blocking bricks",
    )
    with pytest.raises(InputError, match=r"Salinas_corrected\.mat is not there"):
        load_published("salinas", tmp_path)
    savemat(tmp_path / "PaviaU.mat", {"paviaU": cube[:5]}, do_compression=True)
    with pytest.raises(InputError, match=r"shape \(5, 340, 103\); expected \(610, 340, 103\)"):
        load_published("pavia", tmp_path)
    savemat(tmp_path / "PaviaU_gt.mat", {"paviaU_gt": truth * 2})
    with pytest.raises(InputError, match="classes up to 18; Pavia University has 9"):
        load_truth("pavia", tmp_path)
    with pytest.raises(ValueError, match="name='mars' must be one of indian-pines"):
        load_truth("mars", tmp_path)


# ------------------------------------------------------------------------------- a person's own


def _pair(folder: Path, cube: Any, labels: Any) -> tuple[Path, Path]:
    paths = folder / "cube.npy", folder / "labels.npy"
    np.save(paths[0], cube, allow_pickle=True)
    np.save(paths[1], labels)
    return paths


def test_a_pair_of_npy_files(tmp_path: Path) -> None:
    labels = np.array([[0, 7, 7], [3, 3, 9]])
    cube = np.arange(24.0).reshape(2, 3, 4)
    scene = load_scene(*_pair(tmp_path, cube, labels))
    assert scene.labels.tolist() == [[0, 2, 2], [1, 1, 3]]
    assert scene.names == ("class 3", "class 7", "class 9")
    assert scene.cube.dtype == np.float32
    assert np.array_equal(scene.cube, cube)
    turned = load_scene(*_pair(tmp_path, cube.transpose(2, 0, 1), labels))
    assert np.array_equal(turned.cube, cube)


def test_one_mat_file_with_both(tmp_path: Path) -> None:
    path = tmp_path / "field.mat"
    labels = np.array([[1, 2, 1], [2, 2, 1]])
    savemat(path, {"light": np.ones((2, 3, 5)), "crop": labels.astype(float), "note": "wheat"})
    inside = inspect_scene(path)
    assert (inside.cubes, inside.maps, inside.is_unmixing) == (("light",), ("crop",), False)
    assert {a.key: a.is_numbers for a in inside.arrays} == {
        "light": True,
        "crop": True,
        "note": False,
    }
    assert load_scene(path).labels.tolist() == labels.tolist()
    savemat(path, {"light": np.ones((2, 3, 5)), "dark": np.ones((2, 3, 5)), "crop": labels})
    with pytest.raises(InputError, match=r"2 arrays that could be the cube \(light, dark\)"):
        load_scene(path)
    assert load_scene(path, cube_key="dark", label_key="crop").n_bands == 5
    with pytest.raises(InputError, match="no single array 'bright'; it holds light, dark, crop"):
        load_scene(path, cube_key="bright")


CUBE, LABELS = np.ones((4, 5, 3)), np.tile([1, 2, 1, 0, 2], (4, 1))


@pytest.mark.parametrize(
    ("cube", "labels", "message"),
    [
        (CUBE, LABELS[:3], r"cube of shape \(4, 5, 3\), its labels are \(3, 5\)"),
        (CUBE, LABELS * 0.5, "not of whole numbers"),
        (CUBE, LABELS - 1, "labels from -1 to 1; expected 0 for unlabelled"),
        (CUBE, LABELS * 0, "labels from 0 to 0"),
        (CUBE, np.minimum(LABELS, 1), "1 classes; expected 2 to 64"),
        (CUBE, CUBE, r"0 arrays that could be the map"),
        (np.where(CUBE, np.nan, 0), LABELS, "60 values of the array are no finite numbers"),
        (CUBE + 1j, LABELS, r"0 arrays that could be the cube"),
        (np.full((4, 5, 3), None), LABELS, "cannot be read .*Python objects"),
        (np.zeros((0, 5, 3)), LABELS, "0 arrays that could be the cube"),
    ],
)
def test_files_that_do_not_fit_are_told_apart(
    tmp_path: Path, cube: Any, labels: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_scene(*_pair(tmp_path, cube, labels))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        list_arrays(tmp_path / "nothing.mat")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(InputError, match=r"ends in '\.csv'; expected a \.mat or \.npy"):
        list_arrays(tmp_path / "a.csv")
    for name in ("bad.mat", "bad.npy"):
        (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00nonsense" * 9)
        with pytest.raises(InputError, match=r"cannot be read \(.*save it again"):
            list_arrays(tmp_path / name)
    (tmp_path / "new.mat").write_bytes(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400)
    )
    with pytest.raises(InputError, match=r"MATLAB 7\.3 file; expected version 7.*-v7"):
        list_arrays(tmp_path / "new.mat")


def test_a_mat_file_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.mat"
    savemat(path, {"light": np.random.default_rng(0).random((9, 9, 9))}, do_compression=True)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"cut\.mat cannot be read"):
        read_array(path, "light")


def test_what_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    savemat(tmp_path / "zeros.mat", {"light": np.zeros((50, 50, 50))}, do_compression=True)
    assert (tmp_path / "zeros.mat").stat().st_size < 5_000
    monkeypatch.setattr(files, "LARGEST_ARRAY", 100_000)
    monkeypatch.setattr(files, "loadmat", None)  # anything that reads the data fails otherwise
    with pytest.raises(InputError, match=r"shape \(50, 50, 50\); expected .*at most 100,000"):
        read_array(tmp_path / "zeros.mat")
    monkeypatch.setattr(files, "LARGEST_FILE", 100)
    with pytest.raises(InputError, match="at most 100 are read"):
        list_arrays(tmp_path / "zeros.mat")


def test_labels_alone_need_a_second_file(tmp_path: Path) -> None:
    cube, _ = _pair(tmp_path, CUBE, LABELS)
    with pytest.raises(InputError, match="expected a second file with its labels"):
        load_scene(cube)


def test_a_scene_must_be_of_one_piece() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        Scene("x", CUBE.astype(np.float32), LABELS[:2], ("a", "b"))
    with pytest.raises(ValueError, match="labels run from 0 to 2"):
        Scene("x", CUBE.astype(np.float32), LABELS, ("a",))


# -------------------------------------------------------------------------------- made by chance


def test_by_context_a_pixel_and_a_mean_say_nothing() -> None:
    scene = spatial_scene(90, seed=1, noise=0.0)
    bright = scene.cube.mean(2) > scene.cube.mean()
    means = mean_spectra(scene.cube, 5).mean(2)
    inner = np.zeros_like(bright)  # windows that lie in one field
    for top in range(2, 90, 18):
        for left in range(2, 90, 18):
            inner[top : top + 14, left : left + 14] = True
    for c in (1, 2, 3):
        here = scene.labels == c
        assert 0.45 < bright[here].mean() < 0.55
        off = np.abs(means[here & inner] - means[inner].mean())
        # 1/25 of a cell, whose brightness is the mean spectrum.
        assert off.max() < 1.3 * off.min()
    # The arrangement does: how often two neighbours differ.
    differ = bright[:, 1:] != bright[:, :-1]
    rates = [differ[(scene.labels[:, 1:] == c) & inner[:, 1:]].mean() for c in (1, 2, 3)]
    assert rates[0] == 1
    assert 0.4 < rates[1] < 0.6
    assert 0.6 < rates[2] < 0.9


def test_by_spectrum_brightness_says_nothing() -> None:
    scene = spectral_scene(90, seed=1, noise=0.0)
    means = [scene.cube[scene.labels == c].mean() for c in (1, 2, 3)]
    deviation = scene.cube.mean(2).std()
    assert max(means) - min(means) < 0.2 * deviation
    shapes = scene.cube - scene.cube.mean(2, keepdims=True)
    assert [int(shapes[scene.labels == c].mean(0).argmin()) for c in (1, 2, 3)] == [5, 12, 19]


@pytest.mark.parametrize("make", [spatial_scene, spectral_scene])
def test_a_made_scene_is_fixed_by_its_seed(make: Any) -> None:
    one, same, other = make(30, seed=2), make(30, seed=2), make(30, seed=3)
    assert np.array_equal(one.cube, same.cube)
    assert not np.array_equal(one.cube, other.cube)
    assert set(one.labels.ravel()) == {1, 2, 3}
    with pytest.raises(ValueError, match="size=23"):
        make(23)
