"""Accuracies and kappa against figures worked by hand, the splits, and the baseline."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from recurrent.lab.hyperspectral.baseline import Machine, choose_machine, mean_spectra
from recurrent.lab.hyperspectral.scenes import load_truth
from recurrent.lab.hyperspectral.scores import confusion, score, spread
from recurrent.lab.hyperspectral.splits import disjoint_blocks, random_pixels, reach

# ------------------------------------------------------------------------------------------ scores


def test_the_scores_of_a_table_worked_by_hand() -> None:
    # Rows are truth. OA = (20 + 15) / 50 = 0.7; by chance 25/50 * 30/50 + 25/50 * 20/50 = 0.5;
    # kappa = (0.7 - 0.5) / (1 - 0.5) = 0.4; AA = (20/25 + 15/25) / 2 = 0.7.
    found = score(np.array([[20, 5], [10, 15]]))
    assert found.overall == pytest.approx(0.7)
    assert found.average == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.by_class == pytest.approx((0.8, 0.6))


def test_average_accuracy_counts_a_rare_class_like_a_common_one() -> None:
    # 90 of 90 and 0 of 10: OA 0.9, AA 0.5; all called the first: chance 0.9 * 1, so kappa 0.
    found = score(np.array([[90, 0], [10, 0]]))
    assert (found.overall, found.average) == (0.9, 0.5)
    assert found.kappa == pytest.approx(0.0)


def test_a_class_without_pixels_takes_no_part() -> None:
    found = score(np.array([[3, 0, 1], [0, 0, 0], [0, 0, 4]]))
    assert found.average == pytest.approx((0.75 + 1) / 2)
    assert math.isnan(found.by_class[1])
    assert math.isnan(score(np.array([[4, 0], [0, 0]])).kappa)


def test_a_confusion_counts_truth_by_row() -> None:
    truth, found = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    assert confusion(truth, found, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_scores_are_in_range_and_perfect_only_for_the_truth(pairs: list[tuple[int, int]]) -> None:
    truth, found = (np.array(each) for each in zip(*pairs, strict=True))
    scores = score(confusion(truth, found, 4))
    assert 0 <= scores.overall <= 1
    assert 0 <= scores.average <= 1
    assert (scores.overall == 1) == bool((truth == found).all())
    if not math.isnan(scores.kappa):
        assert scores.kappa <= scores.overall or scores.overall == 1


def test_the_spread_over_seeds() -> None:
    of = spread([0.5, 0.75, 1.0])
    assert (of.mean, of.low, of.high, of.deviation) == (0.75, 0.5, 1.0, 0.25)
    assert spread([0.5]).deviation == 0


def test_scores_refuse_what_is_no_table() -> None:
    with pytest.raises(ValueError, match="classes run from 0 to 3; expected 0 to 2"):
        confusion(np.array([0, 3]), np.array([0, 1]), 3)
    with pytest.raises(ValueError, match=r"expected one \(N,\)"):
        confusion(np.array([0]), np.array([0, 1]), 3)
    with pytest.raises(ValueError, match="no confusion matrix"):
        score(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="holds nothing"):
        spread([])


# ------------------------------------------------------------------------------------------ splits


def _labels(seed: int, size: int = 30, n_classes: int = 3) -> np.ndarray:
    """Stripes of classes with holes of no label."""
    chance = np.random.default_rng(seed)
    labels = np.arange(size)[:, None] // 2 % n_classes + 1 + np.zeros((size, size), dtype=np.int64)
    return np.where(chance.random((size, size)) < 0.1, 0, labels)


@given(st.integers(0, 999), st.integers(0, 3), st.integers(3, 9), st.sampled_from([0.02, 0.1]))
@settings(max_examples=40, deadline=None)
def test_no_training_patch_holds_a_test_pixel(
    seed: int, radius: int, block: int, share: float
) -> None:
    labels = _labels(seed)
    try:
        split = disjoint_blocks(labels, share, radius=radius, block=block, seed=seed)
    except InputError:
        return
    for row, column in np.argwhere(split.train):
        inside = (
            slice(max(0, row - radius), row + radius + 1),
            slice(max(0, column - radius), column + radius + 1),
        )
        assert not split.test[inside].any()
    assert not (split.train & split.test).any()
    assert (labels[split.train | split.test] > 0).all()


def test_reach_is_the_union_of_the_patches() -> None:
    train = np.zeros((5, 6), dtype=bool)
    train[0, 0] = train[3, 4] = True
    assert np.argwhere(~reach(train, 1)).tolist() == [
        [0, 2], [0, 3], [0, 4], [0, 5], [1, 2], [1, 3], [1, 4], [1, 5],
        [2, 0], [2, 1], [2, 2], [3, 0], [3, 1], [3, 2], [4, 0], [4, 1], [4, 2],
    ]  # fmt: skip


def test_each_class_gives_its_share() -> None:
    labels = np.ones((40, 40), dtype=np.int64)
    labels[:, 20:] = 2
    labels[::8, ::4] = 3
    split = disjoint_blocks(labels, 0.05, radius=2, block=5, seed=4)
    counts = np.bincount(labels[split.train], minlength=4)[1:]
    of_all = np.bincount(labels.ravel(), minlength=4)[1:]
    assert counts.tolist() == [round(0.05 * n) for n in of_all[:2]] + [max(3, round(0.05 * 50))]


def test_a_smaller_share_learns_from_some_of_the_same_pixels_and_is_scored_on_all() -> None:
    labels = _labels(5)
    small, large = (
        disjoint_blocks(labels, share, radius=2, block=6, seed=1) for share in (0.02, 0.1)
    )
    assert not (small.train & ~large.train).any()
    assert small.train.sum() < large.train.sum()
    assert np.array_equal(small.test, large.test)
    other = disjoint_blocks(labels, 0.1, radius=2, block=6, seed=2)
    assert not np.array_equal(other.train, large.train)


def test_a_class_in_one_place_is_left_out_by_name_and_not_scored() -> None:
    labels = _labels(6)
    labels[3, 3] = 4
    split = disjoint_blocks(labels, 0.1, radius=2, block=6, seed=0)
    assert split.left_out == (4,)
    assert not split.train[3, 3]
    assert not split.test[3, 3]


def test_a_scene_without_room_for_a_split_is_refused() -> None:
    labels = np.ones((8, 8), dtype=np.int64)
    labels[:, 4:] = 2
    with pytest.raises(InputError, match=r"leave 0 of 2 classes in both parts.*smaller blocks"):
        disjoint_blocks(labels, 0.1, radius=7, block=8)
    with pytest.raises(ValueError, match=r"area=0\.05 must be at least share=0\.1"):
        disjoint_blocks(labels, 0.1, radius=1, area=0.05)
    with pytest.raises(ValueError, match=r"share=0 must be above 0"):
        random_pixels(labels, 0)


def test_random_pixels_say_that_they_leak() -> None:
    labels = _labels(7)
    split = random_pixels(labels, 0.1, seed=3)
    assert split.leaks
    assert np.array_equal(split.train | split.test, labels > 0)
    assert not (split.train & split.test).any()
    assert (reach(split.train, 2) & split.test).sum() > 0.5 * split.test.sum()


def test_the_real_labels_of_indian_pines_can_be_split(data: Path) -> None:
    labels = load_truth("indian-pines", data / "hyperspectral")
    split = disjoint_blocks(labels, 0.05, radius=2, block=5, seed=0)
    assert not (reach(split.train, 2) & split.test).any()
    assert 16 - len(split.left_out) >= 12
    learnt, scored = set(labels[split.train]), set(labels[split.test])
    assert learnt == scored
    assert learnt.isdisjoint(split.left_out)


# ---------------------------------------------------------------------------------------- baseline


def _choose(spectra: np.ndarray, labels: np.ndarray) -> tuple[list[float], Machine]:
    shares, search = [], choose_machine(spectra, labels)
    while True:
        try:
            shares.append(next(search))
        except StopIteration as end:
            return shares, end.value


def test_the_machine_tells_what_no_plane_can() -> None:
    chance = np.random.default_rng(0)
    spectra = chance.standard_normal((120, 2)).astype(np.float32)
    labels = (np.hypot(*spectra.T) > 1.1).astype(np.int64) + 1  # inside or outside a circle
    shares, machine = _choose(spectra[:80], labels[:80])
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert machine.accuracy > 0.85
    assert (machine.classify(spectra[80:]) == labels[80:]).mean() > 0.85


def test_nothing_is_held_out_of_a_single_pixel() -> None:
    shares, machine = _choose(np.eye(3, dtype=np.float32), np.array([1, 2, 2]))
    assert shares == []
    assert (machine.penalty, machine.gamma) == (100, pytest.approx(1 / 12))
    assert math.isnan(machine.accuracy)


def test_the_mean_over_a_patch_goes_on_beyond_the_border_as_in_a_mirror() -> None:
    cube = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    mean = mean_spectra(cube, 3)
    assert mean[1, 1, 0] == pytest.approx(5)
    # Around the corner: 5 4 5 / 1 0 1 / 5 4 5.
    assert mean[0, 0, 0] == pytest.approx(30 / 9)
