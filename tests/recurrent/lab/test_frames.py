"""Movies, metrics, baselines and pictures of the lab's frames, against what is worked by hand."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from corpora.errors import CorpusError
from engine.batching import rng
from recurrent.lab.frames import metrics, movies
from recurrent.lab.frames.baselines import copy_last, copy_odds, kept_velocity, linear_motion
from recurrent.lab.frames.movies import FILMS, Movies, draw_digits, draw_squares, sample_movie
from recurrent.lab.frames.pictures import beside, to_gif, to_strip

# ---------------------------------------------------------------------------------------- the films


def test_squares_are_the_lectures() -> None:
    """Figures of 200 of its movies: 6.03 % lit; overlap of frame 7 with 8 to 15."""
    lit, frozen = [], []
    for seed in range(200):
        noisy, clean = draw_squares(rng(9, seed))
        assert noisy.shape == clean.shape == (16, 40, 40)
        assert set(np.unique(clean)) <= {0.0, 1.0}
        assert noisy.max() <= 1
        assert noisy.min() >= -0.701  # seven boxes at most, 0.1 each
        lit.append(clean.mean())
        frozen.append(clean[:15])
    assert np.mean(lit) == pytest.approx(0.0603, abs=0.004)
    truth = np.stack(frozen)
    overlap = metrics.iou(copy_last(truth[:, :7], 8), truth[:, 7:])
    theirs = [0.635, 0.420, 0.284, 0.192, 0.147, 0.113, 0.112, 0.112]
    np.testing.assert_allclose(overlap, theirs, atol=0.02)


@given(st.integers(0, 2**32), st.integers(1, 15))
@settings(max_examples=20, deadline=None)
def test_noise_never_hides_a_square(seed: int, n_frames: int) -> None:
    noisy, clean = draw_squares(rng(seed), n_frames)
    assert len(clean) == n_frames + 1
    assert np.abs(noisy - clean).max() <= 0.701
    if np.abs(noisy - clean).max() < 0.45:
        np.testing.assert_array_equal(noisy > 0.5, clean > 0.5)


def test_digits_bounce_and_stay_whole() -> None:
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 10:18, 10:18] = 255
    frames = draw_digits(rng(3), dot, n_frames=40)
    assert frames.shape == (40, 64, 64)
    assert frames.dtype == np.float32
    sums = frames.sum((1, 2))
    assert sums.max() <= 128  # two dots of 64 pixels, none leaves the picture
    assert sums.min() >= 64  # and one may cover the other
    rows = np.nonzero(frames)[1]
    assert rows.min() >= 10  # the digit's own margin at the border
    assert rows.max() <= 64 - 28 + 17
    one = draw_digits(rng(3), dot, n_frames=40)
    np.testing.assert_array_equal(one, frames)
    moved = np.abs(np.diff(frames, axis=0)).sum((1, 2))
    assert (moved > 0).mean() > 0.9


def _idx(folder: Path, n: int, head: tuple[int, ...] | None = None) -> Path:
    (folder / "mnist").mkdir(parents=True)
    pixels = np.repeat(np.arange(n, dtype=np.uint8), 28 * 28).tobytes()
    content = struct.pack(">4i", *(head or (0x803, n, 28, 28))) + pixels
    (folder / "mnist" / "some-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    return folder


def test_no_digit_is_in_two_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERPRESS_DATA", str(_idx(tmp_path, 48)))
    parts = [set(movies.digits_of(part)[:, 0, 0].tolist()) for part in movies.PARTS]
    assert [len(part) for part in parts] == [42, 3, 3]
    assert set.union(*parts) == set(range(48))


def test_digits_of_the_mirror(data: Path) -> None:
    assert [len(movies.digits_of(part)) for part in movies.PARTS] == [7000, 500, 500]
    movie = sample_movie("mnist", 1)
    assert movie.frames.shape == (20, 64, 64)
    assert 0 < movie.frames.mean() < 0.2


def test_missing_and_damaged_digits_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LETTERPRESS_DATA", raising=False)
    with pytest.raises(CorpusError, match=r"LETTERPRESS_DATA is not set.*film of squares"):
        sample_movie("mnist", 0)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("LETTERPRESS_DATA", str(tmp_path / "empty"))
    with pytest.raises(CorpusError, match=r"holds no \*images-idx3-ubyte"):
        sample_movie("mnist", 0)
    for name, head in (("labels", (0x801, 5, 28, 28)), ("short", (0x803, 6, 28, 28))):
        monkeypatch.setenv("LETTERPRESS_DATA", str(_idx(tmp_path / name, 5, head)))
        with pytest.raises(CorpusError, match=r"expected an IDX file of 28x28 images"):
            sample_movie("mnist", 0)


def test_parts_and_epochs_have_movies_of_their_own() -> None:
    film, rows = FILMS["squares"], np.arange(3)

    def frames(part: str, epoch: int = 0, seed: int = 0) -> np.ndarray:
        batch = Movies(film, part, 3, seed).batch(rows, seed=0, epoch=epoch)
        assert batch["n_targets"] == 45
        assert batch["frames"].shape == batch["next"].shape == (3, 15, 40, 40)
        assert (batch["truth"][:, 1:] == batch["next"][:, :-1]).all()
        return np.asarray(batch["frames"])

    drawn = [
        frames("train"), frames("train", 1), frames("train", 0, 1), frames("valid"), frames("test"),
    ]  # fmt: skip
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert not np.array_equal(one, other)
    np.testing.assert_array_equal(frames("test"), frames("test", 5, 9))
    np.testing.assert_array_equal(frames("valid"), frames("valid", 5))
    shown = sample_movie("squares", 2)
    np.testing.assert_array_equal(shown.frames, drawn[4][2].clip(0, 1))
    assert shown.given == 7
    assert shown.truth.shape == (15, 40, 40)


# -------------------------------------------------------------------------------------- the metrics


def _movie(*frames: list[list[float]]) -> np.ndarray:
    return np.array([frames], float)


def test_metrics_worked_by_hand() -> None:
    truth = _movie([[1, 0], [0, 0]], [[1, 1], [0, 0]])
    forecast = _movie([[0.5, 0.25], [0, 0]], [[0.8, 0.4], [0.6, 0]])
    np.testing.assert_allclose(
        metrics.bce(forecast, truth),
        [-(math.log(0.5) + math.log(0.75)) / 4, -(math.log(0.8) + 2 * math.log(0.4)) / 4],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        metrics.mse(forecast, truth), [0.25 + 0.0625, 0.04 + 0.36 + 0.36], rtol=1e-12
    )
    # Above a half: nothing of one pixel; of {a, b} and {a, c} one is common, three are lit.
    np.testing.assert_allclose(metrics.iou(forecast, truth), [0, 1 / 3])
    np.testing.assert_allclose(metrics.iou(0 * truth, 0 * truth), [1, 1])
    np.testing.assert_allclose(metrics.bce(truth, truth), [1e-7, 1e-7], rtol=1e-3)


def test_ssim_worked_by_hand() -> None:
    c1, c2 = 1e-4, 9e-4
    flat = np.full((1, 1, 9, 9), 0.5)
    darker = np.full((1, 1, 9, 9), 0.2)
    alike = (2 * 0.5 * 0.2 + c1) / (0.25 + 0.04 + c1)  # both are flat: the second factor is 1
    np.testing.assert_allclose(metrics.ssim(flat, darker), [alike], rtol=1e-9)
    np.testing.assert_allclose(metrics.ssim(flat, flat), [1], rtol=1e-12)
    # One window of 7x7: a single lit pixel against two of half its light, one of them in its place.
    one, two = np.zeros((1, 1, 7, 7)), np.zeros((1, 1, 7, 7))
    one[..., 3, 3] = 1
    two[..., 3, 3] = two[..., 0, 0] = 0.5
    mean = 1 / 49  # of both
    var_one = (1 - 1 / 49) / 48
    var_two = (0.5 - 1 / 49) / 48
    cov = (0.5 - 1 / 49) / 48
    by_hand = (2 * mean**2 + c1) * (2 * cov + c2) / (2 * mean**2 + c1) / (var_one + var_two + c2)
    np.testing.assert_allclose(metrics.ssim(one, two), [by_hand], rtol=1e-9)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_nothing_is_better_than_the_truth(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random((2, 3, 8, 8)) > 0.5).astype(float)
    forecast = random.random((2, 3, 8, 8))
    for metric, sign in ((metrics.bce, -1), (metrics.mse, -1), (metrics.iou, 1), (metrics.ssim, 1)):
        assert (sign * metric(forecast, truth) <= sign * metric(truth, truth)).all()


def test_metrics_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 8, 8\) and truth \(1, 2, 8, 8\)"):
        metrics.mse(np.zeros((1, 1, 8, 8)), np.zeros((1, 2, 8, 8)))
    with pytest.raises(ValueError, match="5x8 are smaller than 7x7"):
        metrics.ssim(np.zeros((1, 1, 5, 8)), np.zeros((1, 1, 5, 8)))


# ------------------------------------------------------------------------------------ the baselines


def _going(*ways: tuple[int, int, int, int], n_frames: int = 8, size: int = 24) -> np.ndarray:
    """Squares of 4x4 as (row, column, down, right), (1, T, H, W)."""
    frames = np.zeros((1, n_frames, size, size), np.float32)
    for row, column, down, right in ways:
        for t in range(n_frames):
            top, left = row + down * t, column + right * t
            frames[0, t, max(0, top) : max(0, top + 4), max(0, left) : max(0, left + 4)] = 1
    return frames


def test_motion_goes_on() -> None:
    film = _going((2, 3, 1, 0), (16, 18, 0, -1), (12, 2, 0, 0))
    given, truth = film[:, :5], film[:, 5:]
    for forecast in (linear_motion(given, 3), kept_velocity(given, 3)):
        np.testing.assert_array_equal(forecast, truth)
    assert metrics.iou(copy_last(given, 3), truth)[-1] < 0.6


def test_squares_that_overlap_are_told_apart_by_their_pixels_only() -> None:
    film = _going((4, 4, 0, 1), (4, 12, 0, -1), n_frames=12)  # one piece of the last frame given
    given, truth = film[:, :7], film[:, 7:]
    np.testing.assert_array_equal(kept_velocity(given, 5), truth)
    assert metrics.iou(linear_motion(given, 5), truth)[-1] < 0.9


def test_faster_and_half_steps() -> None:
    film = _going((1, 1, 2, 3), n_frames=7)
    np.testing.assert_array_equal(linear_motion(film[:, :4], 2), film[:, 4:6])
    # A pixel every second step: three steps show a way of one or two pixels.
    slow = np.concatenate([_going((4, 4 + t // 2, 0, 0), n_frames=1) for t in range(12)], axis=1)
    assert metrics.iou(linear_motion(slow[:, :6], 6), slow[:, 6:]).min() >= 0.6


def test_the_odds_of_copying() -> None:
    frames = np.array([[0.9, 0.1, 0.1, 0.9]])
    following = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert copy_odds(frames, following) == (0.5, 0.5)
    with pytest.raises(ValueError, match="1 frames"):
        linear_motion(np.zeros((1, 1, 8, 8), np.float32), 2)


# ------------------------------------------------------------------------------------- the pictures


def test_pictures_show_the_frames(tmp_path: Path) -> None:
    film = _going((2, 3, 1, 0), n_frames=5, size=10)[0]
    with Image.open(to_gif(film, tmp_path / "a" / "film.gif", scale=3)) as gif:
        assert gif.info["loop"] == 0
        shown = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]
    assert [frame.shape for frame in shown] == [(30, 30)] * 5
    np.testing.assert_array_equal([frame[1::3, 1::3] for frame in shown], film * 255)

    with Image.open(to_strip([film, film[3:]], tmp_path / "strip.png", scale=1)) as strip:
        pixels = np.asarray(strip)
    assert pixels.shape == (2 * 10 + 2, 5 * 12 - 2)
    np.testing.assert_array_equal(pixels[:10, 12:22], film[1] * 255)
    np.testing.assert_array_equal(pixels[12:, 48:], film[4] * 255)
    assert (pixels[12:, :36] == 160).all()  # nothing was forecast of the given frames

    both = beside(film[:2], film[2:], 1 - film[2:])
    assert both.shape == (5, 10, 22)
    np.testing.assert_array_equal(both[:2, :, :10], both[:2, :, 12:])
    np.testing.assert_array_equal(both[2:, :, 12:], 1 - film[2:])
    with pytest.raises(ValueError, match=r"shape \(0, 4, 4\)"):
        to_gif(np.zeros((0, 4, 4)), tmp_path / "none.gif")
