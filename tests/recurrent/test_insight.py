from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.errors import InputError
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.scoring import text_bits
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text
from recurrent.cells import Weights, gru_cell, gru_gates, lstm_gates, rnn_cell
from recurrent.charlm import CharLM, CharLMConfig
from recurrent.decoding import stepper
from recurrent.insight import GATES, PARTS, Unit, switched_off, trace

TEXT = "Dear Sir, I am well; and so is the cat."
TOKENIZER = character_tokenizer([TEXT])
EVERY_CELL = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
RESIDUAL = pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])


def _model(cell: str = "lstm", tokenizer: Any = TOKENIZER, **shape: Any) -> CharLM:
    """A model whose weights are large enough for every gate to open and close."""
    usual = {"hidden_size": 6, "num_hidden_layers": 3, "embedding_size": 5}
    config = CharLMConfig(
        cell=cell, vocab_size=len(tokenizer), eos_token_id=0, **{**usual, **shape}
    )
    model: CharLM = CharLM(config).eval()
    torch.manual_seed(3)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(std=0.6)
    return model


def _ids(text: str) -> Tensor:
    return torch.tensor([0, *encode_text(TOKENIZER, text)])


# ---------------------------------------------------------------------------------------- traces


@EVERY_CELL
@RESIDUAL
@torch.inference_mode()
def test_a_trace_is_what_the_cells_give_step_by_step(cell: str, residual: bool) -> None:
    model = _model(cell, residual=residual)
    x = model._embed(_ids(TEXT))
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, nn.RNNBase)
        weights, steps = Weights.of(layer), []
        hidden = memory = torch.zeros(1, 6)
        for now in x:
            if cell == "lstm":
                values: Any = lstm_gates(now[None], (hidden, memory), weights)
                hidden, memory = values.hidden, values.cell
            elif cell == "gru":
                values = gru_gates(now[None], hidden, weights)
                hidden = values.hidden
            else:
                hidden = rnn_cell(now[None], hidden, weights)
                values = SimpleNamespace(hidden=hidden)
            steps.append(values)
        for part in PARTS[cell]:
            expected = torch.cat([getattr(step, part) for step in steps])[1:]  # (T, H)
            found = trace(model, TOKENIZER, TEXT, part)[:, number]
            np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)
            assert part not in GATES or 0 <= found.min() <= found.max() <= 1
        outputs = torch.cat([step.hidden for step in steps])
        x = outputs + x if residual and number else outputs
    np.testing.assert_allclose(
        model.head(x).numpy(), model(_ids(TEXT)[None]).logits[0].numpy(), atol=2e-5
    )


def test_a_characters_row_is_the_value_after_it_whatever_the_tokenizer() -> None:
    model = _model("gru")
    before = trace(model, TOKENIZER, "Dea")
    np.testing.assert_allclose(trace(model, TOKENIZER, "Dear")[:3], before, atol=1e-6)
    # é is not in the vocabulary: two byte ids, of which the last one's value counts.
    assert len(encode_text(TOKENIZER, "aé ")) == 4
    escaped = trace(model, TOKENIZER, "aé ")
    with torch.inference_mode():
        hidden = model._run(_ids("aé ")[None], None)[0][0].numpy()
    np.testing.assert_allclose(escaped[:, -1], hidden[[1, 3, 4]], atol=1e-6)
    byte_ids = byte_tokenizer()
    assert trace(_model(tokenizer=byte_ids), byte_ids, "naïve 😀").shape == (7, 3, 6)


def test_a_special_token_in_a_text_is_ordinary_characters() -> None:
    assert trace(_model(), TOKENIZER, "<|endoftext|>").shape == (13, 3, 6)


def test_an_empty_text_has_no_row_and_the_mode_of_the_model_stays() -> None:
    model = _model(dropout=0.5).train()
    assert trace(model, TOKENIZER, "").shape == (0, 3, 6)
    np.testing.assert_array_equal(trace(model, TOKENIZER, TEXT), trace(model, TOKENIZER, TEXT))
    assert model.training


@pytest.mark.parametrize(("cell", "part"), [("rnn", "cell"), ("gru", "forget"), ("lstm", "reset")])
def test_a_part_of_another_cell_is_refused(cell: str, part: str) -> None:
    with pytest.raises(ValueError, match=rf"part='{part}' must be one of hidden.* cell='{cell}'"):
        trace(_model(cell), TOKENIZER, TEXT, part)


# ----------------------------------------------------------------------------------------- units


@given(st.integers(0, 9999), st.integers(0, 999_999))
def test_a_unit_is_read_as_it_is_written(layer: int, n: int) -> None:
    assert Unit.parse(str(Unit(layer, n))) == Unit(layer, n)


@pytest.mark.parametrize("text", ["", "3", "1:", "a:b", "-1:2", "1:2:3", "1.5:2", "٣:1", "1:2\n3"])
def test_what_is_no_unit_is_told(text: str) -> None:
    with pytest.raises(InputError, match=r"expected a layer and a number.*1:217"):
        Unit.parse(text)


def test_a_unit_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="layer=-1 must be at least 0"):
        Unit(-1, 0)
    for unit in (Unit(3, 0), Unit(0, 6)):
        with pytest.raises(InputError, match=rf"no unit {unit}; .* 0 to 2 .* 0 to 5"):
            switched_off(_model(), unit)


# ----------------------------------------------------------------------------------- switched off


def _masked(model: CharLM, ids: Tensor, unit: Unit, value: float) -> Tensor:
    """The logits (T, V) with the unit overwritten in every step, cell by cell."""
    x = model._embed(ids)
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, nn.RNNBase)
        weights, outputs = Weights.of(layer), []
        hidden, memory = x.new_zeros(1, 6), x.new_zeros(1, 6)
        if number == unit.layer:
            hidden[0, unit.n] = value
        for now in x:
            if model.config.cell == "lstm":
                gates = lstm_gates(now[None], (hidden, memory), weights)
                hidden, memory = gates.hidden, gates.cell
            else:
                step = gru_cell if model.config.cell == "gru" else rnn_cell
                hidden = step(now[None], hidden, weights)
            if number == unit.layer:
                hidden[0, unit.n] = value
            outputs.append(hidden.clone())
        y = torch.cat(outputs)
        x = y + x if model.config.residual and number else y
    logits: Tensor = model.head(x)
    return logits


@EVERY_CELL
@RESIDUAL
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("value", [0.0, -0.35, 0.95])
@torch.inference_mode()
def test_a_switched_off_unit_is_the_same_as_a_mask(
    cell: str, residual: bool, layer: int, value: float
) -> None:
    model, unit = _model(cell, residual=residual).double(), Unit(layer, 4)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    ids = _ids(TEXT)
    off = switched_off(model, unit, value)
    np.testing.assert_allclose(
        off(ids[None]).logits[0].numpy(), _masked(model, ids, unit, value).numpy(), atol=1e-10
    )
    assert not torch.allclose(off(ids[None]).logits, model(ids[None]).logits, atol=1e-3)
    assert not trace(off, TOKENIZER, TEXT)[:, layer, 4].any()  # what it says is in the biases
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, before[name])


def test_a_tied_head_stays_tied() -> None:
    off = switched_off(_model(embedding_size=6, tie_word_embeddings=True), Unit(2, 1), 0.5)
    assert off.head.weight is off.get_input_embeddings().weight


@EVERY_CELL
def test_scoring_and_generation_run_on_it_unchanged(cell: str) -> None:
    model, unit = _model(cell), Unit(2, 0)
    off = switched_off(model, unit, 0.4)
    with torch.inference_mode():
        nats = torch.nn.functional.cross_entropy(
            _masked(model, _ids(TEXT)[:-1], unit, 0.4), _ids(TEXT)[1:], reduction="sum"
        )
    bits = text_bits(off, TOKENIZER, TEXT)
    assert bits == pytest.approx(float(nats) / np.log(2), rel=1e-5)
    assert abs(bits - text_bits(model, TOKENIZER, TEXT)) > 0.1
    prompt, greedy = [0, *encode_text(TOKENIZER, "Dear")], SamplingSettings(temperature=0.0)
    written = "".join(
        generate(stepper(off), TOKENIZER, prompt, greedy, seed=0, max_tokens=12, banned=range(257))
    )
    with torch.inference_mode():
        for _ in range(12):
            logits = _masked(model, torch.tensor(prompt), unit, 0.4)[-1]
            logits[:257] = -torch.inf
            prompt.append(int(logits.argmax()))
    assert written == TOKENIZER.decode(prompt)[len("<|endoftext|>Dear") :]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match=r"value=.* must be finite"):
        switched_off(_model(), Unit(0, 0), value)


MODEL = _model("gru")


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=30))
def test_every_text_has_a_row_for_each_character(text: str) -> None:
    values = trace(MODEL, TOKENIZER, text)
    assert values.shape == (len(text), 3, 6)
    assert np.isfinite(values).all()
