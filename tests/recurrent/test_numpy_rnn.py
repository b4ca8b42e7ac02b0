from __future__ import annotations

import ast
import itertools
import math
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.errors import CorpusError
from recurrent import numpy_rnn
from recurrent.numpy_rnn import NumpyRNN

SENTENCE = "Dear friend, I am well, and hope that you are too.\n"
ALPHABET = "".join(sorted(set(SENTENCE)))


def _batch(model: NumpyRNN, batch: int, time: int) -> tuple[numpy_rnn.Ids, numpy_rnn.Ids]:
    rng = np.random.default_rng(5)
    ids = rng.integers(0, len(model.vocabulary), (batch, time + 1))
    return ids[:, :-1], ids[:, 1:]


def _state(model: NumpyRNN, batch: int) -> numpy_rnn.Floats:
    return np.random.default_rng(6).uniform(-1, 1, (batch, model.hidden_size))


# The readable file itself.


def test_it_is_at_most_150_lines_and_numpy_alone() -> None:
    text = Path(numpy_rnn.__file__).read_text("utf-8")
    assert len(text.splitlines()) <= 150
    modules = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [node.names[0].name])
        if name
    }
    assert modules - sys.stdlib_module_names == {"numpy", "corpora"}


# The loss and its gradients.


def test_the_loss_worked_by_hand() -> None:
    model = NumpyRNN("ab", hidden_size=1)
    model.weights["input"][:] = [[0.5], [-0.5]]
    model.weights["recurrent"][:] = 2.0
    model.weights["output"][:] = [[1.0, 0.0]]
    model.weights["output_bias"][:] = [0.0, 0.25]
    loss, _, hidden = model.loss_and_gradients(
        np.array([[0, 1]]), np.array([[1, 0]]), np.array([[0.1]])
    )
    first = math.tanh(0.5 + 2 * 0.1)
    second = math.tanh(-0.5 + 2 * first)
    # Of two logits h and 1/4, the probability of the first is the logistic function of h - 1/4.
    nats = [math.log1p(math.exp(first - 0.25)), math.log1p(math.exp(0.25 - second))]
    assert loss == pytest.approx(sum(nats) / 2)
    assert hidden.tolist() == [[pytest.approx(second)]]


def test_a_model_that_knows_nothing_needs_log_v_nats() -> None:
    model = NumpyRNN("abcde", hidden_size=3)
    model.weights["output"][:] = 0
    loss, _, _ = model.loss_and_gradients(*_batch(model, 2, 7), _state(model, 2))
    assert loss == pytest.approx(math.log(5))


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (1, 12), (3, 8)])
def test_gradients_are_those_of_central_differences(batch: int, time: int) -> None:
    model = NumpyRNN("abcde", hidden_size=4, seed=1)
    model.weights["output_bias"][:] = [0.3, -0.2, 0.1, 0.0, -0.4]
    (ids, targets), hidden = _batch(model, batch, time), _state(model, batch)
    _, gradients, _ = model.loss_and_gradients(ids, targets, hidden)
    assert gradients.keys() == model.weights.keys()
    for name, weight in model.weights.items():
        assert gradients[name].shape == weight.shape
        assert np.abs(gradients[name]).max() > 0
        for place in np.ndindex(weight.shape):
            kept, h, losses = weight[place], 1e-3, {}
            for k in (-2, -1, 1, 2):
                weight[place] = kept + k * h
                losses[k], _, _ = model.loss_and_gradients(ids, targets, hidden)
            weight[place] = kept
            # The five-point rule: its own error is of the order of h to the fourth.
            slope = (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * h)
            assert gradients[name][place] == pytest.approx(slope, rel=1e-6, abs=1e-11)


def test_large_weights_overflow_nothing() -> None:
    model = NumpyRNN("abc", hidden_size=4)
    model.weights["output"] *= 1e4
    loss, gradients, _ = model.loss_and_gradients(*_batch(model, 2, 9), _state(model, 2))
    assert math.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


@given(cut=st.integers(1, 11), seed=st.integers(0, 99))
def test_a_state_carried_over_is_reading_on(cut: int, seed: int) -> None:
    model = NumpyRNN("abcde", hidden_size=4, seed=seed)
    (ids, _), hidden = _batch(model, 2, 12), _state(model, 2)
    whole = model.read(ids, hidden)
    assert whole.shape == (2, 13, 4)
    first = model.read(ids[:, :cut], hidden)
    second = model.read(ids[:, cut:], first[:, -1])
    np.testing.assert_allclose(np.concatenate([first, second[:, 1:]], axis=1), whole, atol=1e-14)


# Learning.


class _Torch(nn.Module):
    """The same model, written with torch's layers."""

    def __init__(self, model: NumpyRNN) -> None:
        super().__init__()
        self.rnn = nn.RNN(len(model.vocabulary), model.hidden_size, bias=False, batch_first=True)
        self.head = nn.Linear(model.hidden_size, len(model.vocabulary))
        self.double()
        self.load_state_dict(
            {
                "rnn.weight_ih_l0": torch.tensor(model.weights["input"].T),
                "rnn.weight_hh_l0": torch.tensor(model.weights["recurrent"].T),
                "head.weight": torch.tensor(model.weights["output"].T),
                "head.bias": torch.tensor(model.weights["output_bias"]),
            }
        )

    def loss(self, ids: Tensor, targets: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        one_hot = F.one_hot(ids, self.rnn.input_size).double()  # (B, T, V)
        outputs, hidden = self.rnn(one_hot, hidden)
        return F.cross_entropy(self.head(outputs).flatten(0, 1), targets.flatten()), hidden.detach()


@pytest.mark.parametrize(
    ("max_norm", "any_clipped", "all_clipped"),
    [(0.05, True, True), (1.0, True, False), (1e9, False, False)],
)
def test_100_steps_are_those_of_torch(
    max_norm: float, any_clipped: bool, all_clipped: bool
) -> None:
    model = NumpyRNN(ALPHABET, hidden_size=24, seed=2)
    peer = _Torch(model)
    adam = torch.optim.Adam(peer.parameters(), lr=5e-3)
    hidden, theirs = np.zeros((3, 24)), torch.zeros(1, 3, 24, dtype=torch.double)
    rng = np.random.default_rng(7)
    clipped = []
    for _ in range(100):
        window = rng.integers(0, len(ALPHABET), (3, 11))
        loss, hidden = model.step(window[:, :-1], window[:, 1:], hidden, 5e-3, max_norm)
        ids = torch.tensor(window)
        expected, theirs = peer.loss(ids[:, :-1], ids[:, 1:], theirs)
        adam.zero_grad()
        expected.backward()
        norm = nn.utils.clip_grad_norm_(peer.parameters(), max_norm)
        clipped.append(norm.item() > max_norm)
        adam.step()
        assert loss == pytest.approx(expected.item(), abs=1e-5)
        np.testing.assert_allclose(hidden, theirs[0].numpy(), atol=1e-5)
    assert (any(clipped), all(clipped)) == (any_clipped, all_clipped)
    for name, other in zip(
        ("input", "recurrent", "output"),
        (peer.rnn.weight_ih_l0, peer.rnn.weight_hh_l0, peer.head.weight),
        strict=True,
    ):
        np.testing.assert_allclose(model.weights[name], other.detach().numpy().T, atol=1e-5)
    bias = peer.head.bias.detach().numpy()
    np.testing.assert_allclose(model.weights["output_bias"], bias, atol=1e-5)


def test_training_reads_streams_side_by_side_and_carries_their_states() -> None:
    text, batch_size, block_size = SENTENCE * 2, 3, 8
    trained, stepped = (NumpyRNN(ALPHABET, hidden_size=8, seed=3) for _ in range(2))
    seen = list(
        itertools.islice(trained.train(text, batch_size, block_size, learning_rate=0.01), 12)
    )
    length = (len(text) - 1) // batch_size  # 33: four whole windows, and a fifth of one character
    assert length == 33
    expected = []
    for _ in range(3):  # passes; the last is cut short below
        hidden = np.zeros((batch_size, 8))
        for start in range(0, length, block_size):
            stop = min(start + block_size, length)
            rows = [text[s * length + start : s * length + stop + 1] for s in range(batch_size)]
            if len(expected) < 12:
                ids = np.stack([stepped.encode(row) for row in rows])
                loss, hidden = stepped.step(ids[:, :-1], ids[:, 1:], hidden, 0.01)
                expected.append((len(expected) + 1, loss))
    assert seen == expected


def test_it_learns_a_sentence_by_heart() -> None:
    model = NumpyRNN(ALPHABET, hidden_size=32, seed=0)
    text = SENTENCE * 3
    learning = model.train(text, batch_size=1, block_size=51, learning_rate=0.01)
    losses = [loss for _, loss in itertools.islice(learning, 400)]
    assert losses[0] > 2
    assert losses[-1] < 0.05
    written = model.sample(SENTENCE[0], len(SENTENCE) - 1, temperature=0)
    assert SENTENCE[0] + written == SENTENCE


def test_the_seed_fixes_the_first_weights() -> None:
    one, same, other = (NumpyRNN("abc", 4, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one.weights[name], same.weights[name]) for name in one.weights)
    assert not np.array_equal(one.weights["recurrent"], other.weights["recurrent"])


# Writing.


def test_a_seed_fixes_a_sample() -> None:
    model = NumpyRNN(ALPHABET, hidden_size=8)
    texts = [model.sample("Dear", 40, seed=seed) for seed in (1, 1, 2, 3)]
    assert all(len(text) == 40 and set(text) <= set(ALPHABET) for text in texts)
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_without_temperature_the_likeliest_character_is_written() -> None:
    model = NumpyRNN(ALPHABET, hidden_size=8, seed=1)
    written = model.sample("Dear", 30, temperature=0, seed=1)
    assert written == model.sample("Dear", 30, temperature=0, seed=2)
    state = model.read(model.encode("Dear" + written)[None], np.zeros((1, 8)))[0]  # (T + 1, H)
    logits = state[4:-1] @ model.weights["output"] + model.weights["output_bias"]
    assert written == "".join(ALPHABET[i] for i in logits.argmax(axis=-1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_softmax_at_a_temperature(temperature: float) -> None:
    model, n = NumpyRNN("abcd", hidden_size=2), 3000
    model.weights["output"][:] = 0
    model.weights["output_bias"][:] = np.log([0.5, 0.25, 0.125, 0.125])
    written = model.sample("a", n, temperature, seed=4)
    raised = np.array([0.5, 0.25, 0.125, 0.125]) ** (1 / temperature)
    for character, p in zip("abcd", raised / raised.sum(), strict=True):
        assert abs(written.count(character) / n - p) < 4 * math.sqrt(p * (1 - p) / n)


# Mistakes.


def test_a_character_it_has_not_learned_is_named() -> None:
    model = NumpyRNN("abc", hidden_size=4)
    message = r"holds 'é' \(U\+00E9\), not one of the model's 3 characters. Leave it out or train"
    with pytest.raises(CorpusError, match=message):
        model.encode("cabéλ")
    with pytest.raises(CorpusError, match=message):
        model.sample("é", 3)
    with pytest.raises(CorpusError, match=message):
        next(model.train("abcé" * 9))


@given(text=st.text(min_size=1))
def test_every_text_is_encoded_by_its_own_characters(text: str) -> None:
    model = NumpyRNN("".join(sorted(set(text))), hidden_size=1)
    ids = model.encode(text)
    assert ids.shape == (len(text),)
    assert "".join(model.vocabulary[i] for i in ids) == text


def test_a_text_too_short_for_its_streams_is_refused() -> None:
    model = NumpyRNN("ab", hidden_size=4)
    with pytest.raises(CorpusError, match="Only 16 characters in all; give 17 or more"):
        next(model.train("ab" * 8))
    assert next(model.train("ab" * 8 + "a"))[0] == 1


@pytest.mark.parametrize(("vocabulary", "hidden_size"), [("", 4), ("aba", 4), ("ab", 0)])
def test_a_model_that_cannot_be_is_refused(vocabulary: str, hidden_size: int) -> None:
    message = f"vocabulary='{vocabulary}' must hold.*hidden_size={hidden_size} above 0"
    with pytest.raises(ValueError, match=message):
        NumpyRNN(vocabulary, hidden_size)


def test_settings_out_of_range_are_refused() -> None:
    model = NumpyRNN("ab", hidden_size=4)
    with pytest.raises(ValueError, match="batch_size=0 and block_size=64 must be at least 1"):
        next(model.train("abab", batch_size=0))
    with pytest.raises(ValueError, match="block_size=-1 must be at least 1"):
        next(model.train("abab", batch_size=1, block_size=-1))
    for prompt, temperature in (("", 1.0), ("a", -0.1), ("a", math.inf), ("a", math.nan)):
        with pytest.raises(ValueError, match=f"prompt='{prompt}' must.*={temperature} 0 or more"):
            model.sample(prompt, 3, temperature)


# From the command line.


def test_a_file_is_learned_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "letters.txt"
    file.write_text(SENTENCE * 2, "utf-8")
    write, written = NumpyRNN.sample, []

    def write_thrice(self: NumpyRNN, prompt: str, length: int, **settings: float) -> str:
        if len(written) == 2:
            signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends
        written.append(write(self, prompt, length, **settings))  # type: ignore[arg-type]
        return written[-1]

    monkeypatch.setattr(NumpyRNN, "sample", write_thrice)
    monkeypatch.setattr(sys, "argv", ["numpy_rnn", str(file)])
    numpy_rnn.main()
    out = capsys.readouterr().out
    assert out.count("bits per character") == 2
    assert "--- step 1, " in out
    assert "--- step 201, " in out
    assert written[0] in out
    assert written[1] in out
    assert len(written[0]) == 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"caf\xe9 au lait", "can't decode byte 0xe9 in position 3"),
        (b"", "Only 0 characters in all; give 17 or more"),
    ],
)
def test_a_file_that_cannot_be_learned_is_a_message(
    content: bytes | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "letters.txt"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["numpy_rnn", str(file)])
    with pytest.raises(SystemExit) as stopped:
        numpy_rnn.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "error: expected a text in UTF-8: " in error
    assert message in error
