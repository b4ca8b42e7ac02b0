from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.generation import generate, generate_ids
from engine.sampling import SamplingSettings, generator
from engine.tokenizers import character_tokenizer, encode_text
from recurrent.charlm import CharLM, CharLMConfig
from recurrent.decoding import _ONE_CORE, ModuleStepper, RecurrentStepper, _product, stepper

V = 11
EVERY_CELL = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
GREEDY = SamplingSettings(temperature=0.0)
WILD = SamplingSettings(temperature=0.8, top_p=1.0)
TEXT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]


def _model(cell: str = "lstm", **shape: Any) -> CharLM:
    """A model whose weights are large enough for every gate to open and close."""
    usual = {"vocab_size": V, "hidden_size": 7, "num_hidden_layers": 2, "embedding_size": 5}
    model: CharLM = CharLM(CharLMConfig(cell=cell, **{**usual, **shape})).eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(std=0.7)
    return model


def _all_logits(model: CharLM, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids])).logits[0]  # (T, V)
    return logits


SHAPES: dict[str, dict[str, Any]] = {
    "two layers": {},
    "one layer": {"num_hidden_layers": 1},
    "one-hot": {"embedding_size": 0},
    "residual": {"residual": True, "num_hidden_layers": 3},
    "tied": {"tie_word_embeddings": True, "embedding_size": 7},
}


@EVERY_CELL
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_each_step_gives_the_logits_of_the_whole_model(cell: str, shape: dict[str, Any]) -> None:
    model = _model(cell, **shape)
    fast, expected = RecurrentStepper(model), _all_logits(model, TEXT)
    logits, state = fast.start(TEXT[:1])
    assert logits.shape == (V,)
    torch.testing.assert_close(logits, expected[0], rtol=1e-5, atol=1e-5)
    for place, token in enumerate(TEXT[1:], start=1):
        logits, state = fast.step(token, state)
        torch.testing.assert_close(logits, expected[place], rtol=1e-5, atol=1e-5)


@EVERY_CELL
@pytest.mark.parametrize("residual", [False, True])
def test_a_long_prompt_read_at_once_equals_one_read_in_steps(cell: str, residual: bool) -> None:
    model = _model(cell, residual=residual)
    fast, long = RecurrentStepper(model), TEXT * 8
    at_once, after = fast.start(long)
    _, state = fast.start(long[:1])
    for token in long[1:]:
        in_steps, state = fast.step(token, state)
    torch.testing.assert_close(at_once, in_steps, rtol=1e-5, atol=1e-5)
    # And what comes after it: the state is whole, too.
    for token in TEXT:
        one, after = fast.step(token, after)
        other, state = fast.step(token, state)
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@EVERY_CELL
@settings(max_examples=25, deadline=None)
@given(ids=st.lists(st.integers(0, V - 1), min_size=2, max_size=80), data=st.data())
def test_a_prompt_may_be_read_in_two_parts(cell: str, ids: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(ids) - 1))
    for kind in (RecurrentStepper, ModuleStepper):
        model: Any = kind(_model(cell))
        whole, _ = model.start(ids)
        _, state = model.start(ids[:cut])
        parts, _ = model.start(ids[cut:], state)
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


@EVERY_CELL
@pytest.mark.parametrize("kind", [RecurrentStepper, ModuleStepper])
@pytest.mark.parametrize("residual", [False, True])
def test_a_state_is_a_value(cell: str, kind: Any, residual: bool) -> None:
    fast = kind(_model(cell, residual=residual))
    _, state = fast.start(TEXT)
    first, later = fast.step(1, state)
    kept = first.clone()
    for token in TEXT:
        logits, later = fast.step(token, later)
    with torch.inference_mode():  # a caller may do as it likes with its logits
        fast.start(TEXT, state)[0].zero_()
        logits.zero_()
    again, after = fast.step(1, state)
    assert torch.equal(again, kept)
    assert torch.equal(first, kept)
    assert torch.equal(fast.step(2, after)[0], fast.step(2, fast.step(1, state)[1])[0])


@EVERY_CELL
def test_threads_may_share_a_stepper(cell: str) -> None:
    fast = RecurrentStepper(_model(cell, hidden_size=96, residual=True))

    def write(seed: int) -> list[int]:
        logits, state = fast.start([seed])
        ids = generate_ids(fast, logits, state, WILD, generator(seed))
        return [next(ids)[0] for _ in range(150)]

    alone = [write(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == alone
    assert alone[0] != alone[1]


@EVERY_CELL
@pytest.mark.parametrize("kind", [RecurrentStepper, ModuleStepper])
def test_greedy_text_is_that_of_transformers(cell: str, kind: Any) -> None:
    tokenizer = character_tokenizer(["Dear Sir, pray write."])
    model = _model(cell, vocab_size=len(tokenizer), hidden_size=16)
    with torch.no_grad():
        model.head.bias[:257] -= 99  # the end of text and the bytes, which may form no character
    prompt = encode_text(tokenizer, "Sir")
    expected = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=40, pad_token_id=0
    )[0, len(prompt) :].tolist()
    text = "".join(generate(kind(model), tokenizer, prompt, GREEDY, seed=0, max_tokens=40))
    assert text == tokenizer.decode(expected)
    assert len(set(text)) > 1


@pytest.mark.parametrize("shape", [(1, 3), (40, 50), (1501, 700), (2, _ONE_CORE + 1)])
def test_a_product_in_slices_is_the_product(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    # Small whole numbers: their sums are exact in any order.
    matrix = rng.integers(-3, 4, shape).astype(np.float64)
    vector = rng.integers(-3, 4, shape[1]).astype(np.float32)
    said = _product(torch.from_numpy(matrix))(vector)
    assert said.dtype == np.float32
    assert np.array_equal(said, matrix @ vector)


def test_a_model_in_bf16_is_stepped_in_float32() -> None:
    rough = _model().bfloat16()
    fast = RecurrentStepper(rough)
    logits, _ = fast.start(TEXT * 8)
    assert logits.dtype == torch.float32
    expected = _all_logits(rough.float(), TEXT * 8)[-1]  # the same weights, now multiplied exactly
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_the_faster_stepper_is_taken() -> None:
    assert isinstance(stepper(_model()), RecurrentStepper)
    assert isinstance(stepper(_model().to("meta")), ModuleStepper)


@pytest.mark.gpu
@EVERY_CELL
def test_a_gpu_gives_the_logits_of_the_cpu(cell: str) -> None:
    expected, _ = RecurrentStepper(_model(cell)).start(TEXT)
    fast = stepper(_model(cell).to("cuda"))
    logits, state = fast.start(TEXT[:5])
    for token in TEXT[5:]:
        logits, state = fast.step(token, state)
    torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-3)  # cuDNN may use TF32


@pytest.mark.parametrize("kind", [RecurrentStepper, ModuleStepper])
def test_ids_that_cannot_be_read_are_refused(kind: Any) -> None:
    fast = kind(_model())
    with pytest.raises(ValueError, match="ids is empty"):
        fast.start([])
    with pytest.raises(ValueError, match=r"ids go from -1 to 3; expected 0 to 10"):
        fast.start([3, -1])
    with pytest.raises(ValueError, match=r"ids go from 3 to 11; expected 0 to 10"):
        fast.start([3, 11])
