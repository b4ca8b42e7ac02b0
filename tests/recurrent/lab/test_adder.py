from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError, ModelError
from recurrent.lab import load
from recurrent.lab.adder import Settings, add, carry_units, run
from recurrent.lab.adder import neuron as one
from recurrent.lab.adder.bit_adder import CELLS, BitAdder, load_bit_adder
from recurrent.lab.adder.bits import (
    PairData,
    all_pairs,
    carries,
    columns,
    random_pairs,
    share_exact,
    sums,
    to_bits,
    to_number,
)
from recurrent.lab.adder.numpy_adder import LECTURE, OURS, NumpyAdder, load_numpy_adder, train
from recurrent.lab.adder.score import baseline_row
from recurrent.lab.report import Done, Point, Progress, Report, read_report

TINY = Settings(n_seeds=1, n_updates=30, n_pairs=32, epochs=5, hidden_size=4, n_long=5)


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_columns_and_sums_are_those_of_whole_numbers(a: int, b: int) -> None:
    pair = columns(a, b)
    assert (to_number(pair[:, 0]), to_number(pair[:, 1])) == (a, b)
    assert to_number(sums(pair[None])[0]) == a + b


def test_three_plus_one_by_hand() -> None:
    pair = columns(3, 1, 4)
    assert pair.tolist() == [[1, 1], [1, 0], [0, 0], [0, 0]]
    assert carries(pair[None]).tolist() == [[1, 1, 0, 0]]
    assert sums(pair[None]).tolist() == [[0, 0, 1, 0]]


def test_all_pairs_are_all_and_in_order() -> None:
    pairs = all_pairs()
    assert pairs.shape == (16_384, 8, 2)
    assert (to_number(pairs[93 * 128 + 62, :, 0]), to_number(pairs[93 * 128 + 62, :, 1])) == (
        93,
        62,
    )
    assert len({pair.tobytes() for pair in pairs}) == 16_384


def test_random_pairs_fit_and_reach_the_top() -> None:
    pairs = random_pairs(200, 64, np.random.default_rng(0))
    assert pairs.shape == (200, 64, 2)
    tops = [max(to_number(p[:, 0]), to_number(p[:, 1])) for p in pairs]
    assert 2**62 <= max(tops) < 2**63


def test_one_wrong_bit_spoils_a_sum() -> None:
    targets = np.array([[1.0, 0], [0, 1]])
    assert share_exact(np.array([[0.9, 0.1], [0.6, 0.7]]), targets) == 0.5


def test_without_carrying_3_to_the_7_pairs_are_right() -> None:
    assert baseline_row().value == 3**7 / 4**7


@pytest.mark.parametrize("recipe", [OURS, LECTURE])
def test_numpy_gradient_is_the_slope_of_the_error(recipe: object) -> None:
    """Every weight, against differences of the error."""
    adder = NumpyAdder(3, recipe, seed=1)  # type: ignore[arg-type]
    pairs = random_pairs(4, 6, np.random.default_rng(2))
    _, gradient = adder.error_and_gradient(pairs)
    slopes = np.zeros_like(gradient)
    trained = len(gradient) if adder.recipe.biases else len(gradient) - 4
    for i in range(trained):
        ends = []
        for step in (1e-5, -1e-5):
            adder.vector[i] += step
            ends.append(adder.error_and_gradient(pairs)[0])
            adder.vector[i] -= step
        slopes[i] = (ends[0] - ends[1]) / 2e-5
    assert np.allclose(gradient, slopes, atol=1e-7)


def test_numpy_adder_reads_as_torch_does() -> None:
    """Sigmoid units from a torch cell by hand: the same states, gradients by autograd."""
    adder = NumpyAdder(5, OURS, seed=3)
    pairs = random_pairs(2, 8, np.random.default_rng(4))
    vector = torch.tensor(adder.vector, requires_grad=True)
    parts = vector.split([10, 25, 5, 5, 1])
    hidden, total = torch.zeros(2, 5, dtype=torch.double), torch.zeros(())
    for t, x in enumerate(torch.tensor(pairs).unbind(1)):
        hidden = torch.sigmoid(x @ parts[0].view(2, 5) + hidden @ parts[1].view(5, 5) + parts[3])
        logit = hidden @ parts[2] + parts[4]
        y = torch.tensor(sums(pairs)[:, t])
        total = total + torch.nn.functional.binary_cross_entropy_with_logits(logit, y)
    total.backward()  # type: ignore[no-untyped-call]
    error, gradient = adder.error_and_gradient(pairs)
    assert error == pytest.approx(float(total.detach()))
    assert vector.grad is not None
    assert np.allclose(gradient, vector.grad.numpy())
    assert np.allclose(adder.read(pairs)[0][:, -1], hidden.detach().numpy())


def test_lecture_recipe_has_the_lectures_304_weights() -> None:
    adder = NumpyAdder(16, LECTURE)
    before = adder.vector.copy()
    list(train(adder, 20, 0, set()))
    assert (adder.vector != before).sum() == 304


def test_numpy_adder_learns_two_bits() -> None:
    pairs = np.stack([columns(a, b, 3) for a in range(4) for b in range(4)])
    adder = NumpyAdder(8, OURS, seed=0)
    for _ in range(300):
        adder.update(pairs, 0.05)
    assert share_exact(adder.read(pairs)[1], sums(pairs)) == 1


def test_training_says_which_pairs_it_saw() -> None:
    seen: set[int] = set()
    assert len(list(train(NumpyAdder(2), 20, 5, seen))) == 20
    assert 15 <= len(seen) <= 20
    assert max(seen) < 16_384


def test_numpy_adder_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    adder = NumpyAdder(5, LECTURE, seed=1)
    adder.save(tmp_path)
    loaded = load_numpy_adder(tmp_path)
    assert loaded.recipe == LECTURE
    assert np.array_equal(loaded.read(all_pairs()[:9])[1], adder.read(all_pairs()[:9])[1])
    with pytest.raises(ModelError, match="Run the adder again"):
        load_numpy_adder(tmp_path / "nowhere")


def test_neuron_gradient_is_the_slope_of_its_loss() -> None:
    weights, pairs = np.array([1.0, 0.5, 2.0, -1.0]), random_pairs(5, 6, np.random.default_rng(0))
    _, gradient = one.loss_and_gradient(weights, pairs)
    for i, step in enumerate(np.eye(4) * 1e-5):
        ends = [one.loss_and_gradient(weights + sign * step, pairs)[0] for sign in (1, -1)]
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_one_neuron_learns_to_carry() -> None:
    weights = one.train(0, n_updates=800)
    pairs = all_pairs()
    assert share_exact(one.read(weights, pairs)[:, 1:], carries(pairs)) == 1
    steps = one.unroll(weights, columns(3, 1))
    assert [round(s.output) for s in steps[:4]] == [1, 1, 0, 0]
    assert steps[1].before == steps[0].output


@pytest.mark.parametrize("cell", CELLS)
def test_torch_adders(cell: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BitAdder(cell, 5)
    batch = PairData(all_pairs()[:7]).batch(np.arange(7), seed=0, epoch=0)
    assert model(batch["x"]).shape == batch["y"].shape == (7, 8)
    model.loss(batch).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    model.save(tmp_path)
    hidden, probabilities = load_bit_adder(tmp_path).read(all_pairs()[:7])
    assert hidden.shape == (7, 8, 5)
    assert np.array_equal(probabilities, model.read(all_pairs()[:7])[1])
    with pytest.raises(ModelError, match="Run the adder again"):
        load_bit_adder(tmp_path / "nowhere")


def _report(events: list[object]) -> Report:
    assert isinstance(events[-1], Done)
    return events[-1].report


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    out = tmp_path_factory.mktemp("adder")
    return out, list(load("adder").run(TINY, out))


def test_run_reports_every_system_and_saves_it(finished: tuple[Path, list[object]]) -> None:
    out, events = finished
    report = _report(events)
    assert {row.system for row in report.rows} == {
        "one recurrent neuron",
        "adding without carrying",
        "NumPy RNN, ours",
        "NumPy RNN, as in the lecture",
        "torch RNN",
        "torch LSTM",
        "torch GRU",
    }
    assert not report.stopped
    assert read_report(out).plain() == report.plain()
    shares = [e.share for e in events if isinstance(e, Progress)]
    assert shares == sorted(shares)
    assert any(isinstance(e, Point) for e in events)
    assert [f.name for f in report.figures] == ["neuron", "updates", "epochs", "lengths"]


def test_two_runs_of_one_seed_agree(finished: tuple[Path, list[object]], tmp_path: Path) -> None:
    again = _report(list(run(TINY, tmp_path)))
    assert again.rows == _report(finished[1]).rows


@pytest.mark.parametrize("model", ["numpy", "rnn", "lstm", "gru"])
def test_add_shows_every_step(finished: tuple[Path, list[object]], model: str) -> None:
    shown = add(finished[0], 93, 62, model)
    assert shown.expected == 155
    assert shown.predicted == to_number(shown.bits)
    assert shown.hidden.shape == (8, 4)
    assert shown.inputs[:, 0].tolist() == to_bits(93, 8).tolist()
    assert add(finished[0], 2**40, 2**40, model).hidden.shape == (42, 4)


def test_a_unit_that_is_the_carry_is_found(tmp_path: Path) -> None:
    """A neuron set by hand to carry, one that repeats the first number's bit, one that is stuck."""
    adder = NumpyAdder(3, OURS)
    adder.vector[:] = 0
    adder.input[:] = [[40, 40, 0], [40, 0, 0]]
    adder.recurrent[0, 0] = 40
    adder.hidden_bias[:] = [-60, -20, 0]
    adder.save(tmp_path / "numpy")
    carry, bit, stuck = carry_units(tmp_path)
    assert carry == pytest.approx(1)
    assert 0.3 < bit < 0.7  # a one makes a carry likelier
    assert stuck == 0


def test_add_refuses_with_words(finished: tuple[Path, list[object]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found -1"):
        add(finished[0], -1, 2)
    with pytest.raises(InputError, match="1,101 binary digits"):
        add(finished[0], 2**1100, 2)
    with pytest.raises(InputError, match="no adder 'tcn'"):
        add(finished[0], 1, 2, "tcn")
    with pytest.raises(ModelError, match="Run the adder again"):
        add(tmp_path, 1, 2)


def test_stopping_ends_soon_with_what_there_is(tmp_path: Path) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 40  # within the second network

    report = _report(list(run(TINY, tmp_path, stopped=stopped)))
    assert report.stopped
    assert {row.system for row in report.rows} >= {"NumPy RNN, ours", "adding without carrying"}
    assert "torch GRU" not in {row.system for row in report.rows}
    assert read_report(tmp_path).stopped


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="epochs=0"):
        Settings(epochs=0)
    with pytest.raises(ValueError, match="n_pairs=16300"):
        Settings(n_pairs=16_300)
    with pytest.raises(ValueError, match="device='tpu'"):
        Settings(device="tpu")
