from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoConfig

from recurrent.charlm import CharLM, CharLMConfig, RecurrentState
from tests.recurrent.tiny import EVERY_CELL, EVERY_SHAPE, V, charlm, parts_of

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 10, 0]])  # (2, 8)
KINDS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


# ----------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cell": "ltsm"}, "cell='ltsm' must be one of rnn, lstm, gru"),
        ({"vocab_size": 0}, "vocab_size=0 must be at least 1"),
        ({"hidden_size": -3}, "hidden_size=-3 must be at least 1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers=0 must be at least 1"),
        ({"embedding_size": -1}, "embedding_size=-1 must be at least 0"),
        ({"dropout": 1.0}, r"dropout=1\.0 must be at least 0 and below 1"),
        (
            {"tie_word_embeddings": True, "embedding_size": 8, "hidden_size": 9},
            "embedding_size=8 must equal hidden_size=9",
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CharLMConfig(**wrong)


def test_a_configuration_comes_back_from_its_file(tmp_path: Any) -> None:
    shape = CharLMConfig("gru", 30, 12, 3, 12, 0.25, residual=True, tie_word_embeddings=True)
    shape.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is CharLMConfig
    kept = ("cell", "vocab_size", "hidden_size", "num_hidden_layers", "embedding_size", "dropout")
    for name in (*kept, "residual", "tie_word_embeddings"):
        assert getattr(again, name) == getattr(shape, name)


# ----------------------------------------------------------------------------------------- forward


def _by_torch(model: CharLM, ids: Tensor) -> Tensor:
    """The logits (B, T, V) by torch's own layers and nothing of ours."""
    config = model.config
    x = (
        model.embedding.weight[ids]
        if model.embedding is not None
        else torch.eye(config.vocab_size)[ids]
    )
    for number, layer in enumerate(model.layers):
        twin = KINDS[config.cell](layer.input_size, config.hidden_size, batch_first=True)
        twin.load_state_dict(layer.state_dict())
        y = twin(x)[0]
        x = x + y if config.residual and number > 0 else y
    return x @ model.head.weight.T + model.head.bias


@EVERY_CELL
@EVERY_SHAPE
def test_the_logits_are_those_of_torchs_layers(cell: str, shape: dict[str, Any]) -> None:
    model = charlm(cell, **shape)
    with torch.inference_mode():
        out = model(IDS)
        torch.testing.assert_close(out.logits, _by_torch(model, IDS))
        last = model(IDS, logits_to_keep=1)
    assert out.logits.shape == (2, 8, V)
    torch.testing.assert_close(last.logits, out.logits[:, -1:])
    n_parts = (2 if cell == "lstm" else 1) * model.config.num_hidden_layers
    assert [part.shape for part in parts_of(out.past_key_values.layers)] == [(2, 7)] * n_parts
    assert out.past_key_values.get_seq_length() == 8


def test_a_stack_of_layers_is_that_of_torch() -> None:
    # torch's own stack, not layers one by one: the order of the layers and their names agree.
    model = charlm("lstm", num_hidden_layers=3)
    stack = nn.LSTM(5, 7, num_layers=3, batch_first=True)
    weights = {
        f"{name.removesuffix('0')}{number}": value
        for number, layer in enumerate(model.layers)
        for name, value in layer.state_dict().items()
    }
    stack.load_state_dict(weights)
    with torch.inference_mode():
        embedded = model.embedding(IDS)  # type: ignore[misc]
        y, (hidden, cell) = stack(embedded)
        out = model(IDS)
    torch.testing.assert_close(out.logits, model.head(y))
    for number, (ours, cells) in enumerate(out.past_key_values.layers):
        torch.testing.assert_close(ours, hidden[number])
        torch.testing.assert_close(cells, cell[number])


def test_the_loss_is_that_of_the_next_character() -> None:
    model = charlm()
    labels = IDS.clone()
    labels[0, :3] = -100
    with torch.inference_mode():
        out = model(IDS, labels=labels)
    nats = -torch.log_softmax(out.logits, -1)
    each = [
        float(nats[row, place, IDS[row, place + 1]])
        for row in range(2)
        for place in range(7)
        if labels[row, place + 1] != -100
    ]
    assert len(each) == 12
    assert out.loss.item() == pytest.approx(math.fsum(each) / 12, rel=1e-5)


@EVERY_CELL
@EVERY_SHAPE
def test_every_parameter_receives_a_gradient(cell: str, shape: dict[str, Any]) -> None:
    model = charlm(cell, **shape).train()
    model(torch.arange(V).reshape(1, V), labels=torch.arange(V).reshape(1, V)).loss.backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().max() > 0, name


def test_dropout_is_on_in_training_only() -> None:
    model = charlm(dropout=0.5)
    plain = charlm()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, plain(IDS).logits)
        assert torch.equal(plain.train()(IDS).logits, plain.eval()(IDS).logits)
        model.train()
        torch.manual_seed(0)
        first, second = model(IDS).logits, model(IDS).logits
        torch.manual_seed(0)
        again = model(IDS).logits
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.mark.parametrize("n_silent", [0, 1, 2], ids=["embedding", "between layers", "head"])
def test_dropout_stands_before_each_layer_and_before_the_head(n_silent: int) -> None:
    model = charlm("rnn", dropout=0.5).train()
    with torch.no_grad():
        for layer in model.layers[:n_silent]:
            layer.weight_ih_l0.zero_()  # reads nothing, so no dropout below it is seen above it
        torch.manual_seed(0)
        one, other = model(IDS), model(IDS)
    states = zip(one.past_key_values.layers, other.past_key_values.layers, strict=True)
    assert [torch.equal(a, b) for a, b in states] == [i < n_silent for i in range(2)]
    assert not torch.equal(one.logits, other.logits)


# --------------------------------------------------------------------------------- initialisation


@EVERY_CELL
def test_recurrent_weights_begin_orthogonal_and_a_forget_gate_open(cell: str) -> None:
    torch.manual_seed(0)
    model = CharLM(CharLMConfig(cell, V, hidden_size=12, embedding_size=5, num_hidden_layers=2))
    for layer in model.layers:
        for gate in layer.weight_hh_l0.split(12):
            torch.testing.assert_close(gate @ gate.T, torch.eye(12), atol=1e-5, rtol=0)
        bias = layer.bias_ih_l0 + layer.bias_hh_l0
        expected = torch.zeros_like(bias)
        if cell == "lstm":
            expected[12:24] = 1  # torch's order: input, forget, cell, output
        assert torch.equal(bias, expected)
        assert layer.weight_ih_l0.abs().max() > 0
    assert model.head.bias.abs().max() == 0
    # Rows of length about 1, so that logits begin neither large nor small; but numbers of about 1
    # in the embedding, or an LSTM above it hears next to nothing.
    assert 0.5 < model.head.weight.norm(dim=1).mean() < 1.5
    assert 0.5 < model.embedding.weight.std() < 1.5  # type: ignore[union-attr]


def test_layers_that_a_file_holds_are_not_begun_anew(tmp_path: Any) -> None:
    # A head that is missing gets fresh weights; the rest is what the file says, biases too.
    model = charlm("lstm")
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("head")}
    model.save_pretrained(tmp_path, state_dict=weights)
    again, report = CharLM.from_pretrained(tmp_path, output_loading_info=True)
    assert report["missing_keys"] == {"head.weight", "head.bias"}
    for name, value in weights.items():
        assert torch.equal(again.state_dict()[name], value), name
    assert again.head.weight.isfinite().all()


# ------------------------------------------------------------------------------------------- state


@EVERY_CELL
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_reading_in_pieces_equals_reading_at_once(cell: str, data: st.DataObject) -> None:
    model = charlm(cell, residual=True).double()
    n = data.draw(st.integers(2, 24))
    ids = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(0, V - 1), min_size=n, max_size=n), min_size=1))
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), min_size=1)))
    with torch.inference_mode():
        whole = model(ids)
        state, logits = None, []
        for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
            out = model(ids[:, start:stop], past_key_values=state)
            state = out.past_key_values
            logits.append(out.logits)
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits)
    assert state is not None
    assert state.length == n
    for ours, theirs in zip(
        parts_of(state.layers), parts_of(whole.past_key_values.layers), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@EVERY_CELL
def test_the_state_does_not_grow_with_the_text(cell: str) -> None:
    model = charlm(cell)
    sizes = []
    with torch.inference_mode():
        for n in (1, 10, 2_000):
            state = model(torch.arange(n).reshape(1, n) % V).past_key_values
            state = model(torch.tensor([[1]]), past_key_values=state).past_key_values
            # What is kept in memory, not only what is seen of it.
            kept = sum(part.untyped_storage().nbytes() for part in parts_of(state.layers))
            sizes.append((state.length, kept))
    assert [length for length, _ in sizes] == [2, 11, 2_001]
    assert {size for _, size in sizes} == {2 * 7 * 4 * (2 if cell == "lstm" else 1)}


def test_a_given_state_stays_as_it_was() -> None:
    model = charlm()
    with torch.inference_mode():
        state = model(IDS[:, :4]).past_key_values
        kept = [part.clone() for part in parts_of(state.layers)]
        for _ in range(2):
            model(IDS[:, 4:], past_key_values=state)
            model(IDS[:, 4:5], past_key_values=state)
    assert state.length == 4
    assert all(map(torch.equal, parts_of(state.layers), kept))


def test_beams_reorder_and_training_lets_go_of_the_past() -> None:
    hidden, cell = torch.arange(6.0).reshape(3, 2), torch.arange(6.0, 12.0).reshape(3, 2)
    state = RecurrentState(((hidden, cell),), 5)
    state.reorder_cache(torch.tensor([2, 0, 0]))
    assert state.layers[0][0].tolist() == [[4, 5], [0, 1], [0, 1]]
    assert state.layers[0][1].tolist() == [[10, 11], [6, 7], [6, 7]]
    past = charlm()(IDS).past_key_values
    assert all(part.requires_grad for part in parts_of(past.layers))
    free = past.detached()
    assert not any(part.requires_grad for part in parts_of(free.layers))
    assert all(map(torch.equal, parts_of(past.layers), parts_of(free.layers)))
    assert free.length == past.length
