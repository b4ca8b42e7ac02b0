from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from corpora.letters import load_pairs
from engine.stepper import TransformerStepper
from engine.tokenizers import encode_text, load_tokenizer
from lm.agreement import agreement
from lm.decoding import GPT2Stepper, Precision, precision_for, stepper_for, supports
from lm.gpt2 import GELU
from lm.voice import starter_folder

V, WINDOW = 40, 200
IDS = [5, 9, 2, 30, 7, 7, 11, 1]
VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "scores as they are": {"scale_attn_weights": False},
    "scores by layer": {"scale_attn_by_inverse_layer_idx": True},
    "another inner width": {"n_inner": 48},
    "a head of its own": {"tie_word_embeddings": False},
    "another epsilon": {"layer_norm_epsilon": 0.1},
    "the activation by its other name": {"activation_function": GELU},
}


def _model(**changed: Any) -> GPT2LMHeadModel:
    """A GPT-2 of two layers in which nothing is zero or one, biases and gains included."""
    usual = {"vocab_size": V, "n_positions": WINDOW, "n_embd": 16, "n_layer": 2, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**{**usual, **changed}))
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.4)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    return _model()


@pytest.fixture(scope="module")
def stepper(model: GPT2LMHeadModel) -> GPT2Stepper:
    return GPT2Stepper(model, "fp32")


@pytest.fixture(scope="module")
def starter() -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(starter_folder(), dtype=torch.float32).eval()


def _uncached(model: GPT2LMHeadModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits
    return logits[0].float()  # (T, V)


def _off(logits: torch.Tensor, expected: torch.Tensor) -> float:
    return float((logits - expected).norm() / expected.norm())


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_transformers(variant: str) -> None:
    model = _model(**VARIANTS[variant])
    expected = _uncached(model, IDS)
    stepper = GPT2Stepper(model, "fp32")
    for n_prompt in (1, 2, 7):
        logits, state = stepper.start(IDS[:n_prompt])
        for place, token in enumerate(IDS[n_prompt:], n_prompt):
            assert logits.shape == (V,)
            assert _off(logits, expected[place - 1]) < 1e-5
            logits, state = stepper.step(token, state)
        assert _off(logits, expected[-1]) < 1e-5
        assert state.length == len(IDS)


def test_a_prompt_can_be_read_in_parts(model: GPT2LMHeadModel, stepper: GPT2Stepper) -> None:
    _, state = stepper.start(IDS[:3])
    logits, later = stepper.start(IDS[3:], state)
    assert _off(logits, _uncached(model, IDS)[-1]) < 1e-5
    assert (state.length, later.length) == (3, 8)


def test_a_long_text_outgrows_its_first_cache(model: GPT2LMHeadModel, stepper: GPT2Stepper) -> None:
    ids = [(7 * i) % V for i in range(WINDOW)]
    expected = _uncached(model, ids)
    logits, state = stepper.start(ids[:10])
    rows = [logits]
    for token in ids[10:]:
        logits, state = stepper.step(token, state)
        rows.append(logits)
    assert _off(torch.stack(rows), expected[9:]) < 1e-5


TREE_MODEL = _model(n_layer=1)
TREE = GPT2Stepper(TREE_MODEL, "fp32")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, V - 1)), min_size=1, max_size=12))
def test_a_state_is_a_value(grown: list[tuple[int, int]]) -> None:
    """However a tree of texts branches, each is read as if it were the only one."""
    texts = [IDS[:2]]
    states = [TREE.start(IDS[:2])[1]]
    for choice, token in grown:
        parent = choice % len(texts)
        logits, state = TREE.step(token, states[parent])
        texts.append([*texts[parent], token])
        states.append(state)
        assert _off(logits, _uncached(TREE_MODEL, texts[-1])[-1]) < 1e-5


def test_the_same_step_twice_gives_the_same_bits(stepper: GPT2Stepper) -> None:
    _, state = stepper.start(IDS)
    first, after = stepper.step(3, state)
    kept = first.clone()
    stepper.step(8, state)
    stepper.start([4, 4, 4], state)
    stepper.step(5, after)
    again, _ = stepper.step(3, state)
    assert torch.equal(first, kept)
    assert torch.equal(first, again)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_two_threads_do_not_disturb_each_other(
    model: GPT2LMHeadModel, precision: Precision
) -> None:
    stepper = GPT2Stepper(model, precision)
    _, common = stepper.start(IDS)

    def write(token: int) -> list[torch.Tensor]:
        state, rows = common, []
        for _ in range(60):
            logits, state = stepper.step(token, state)
            rows.append(logits)
        return rows

    alone = {token: write(token) for token in (3, 8)}
    together: dict[int, list[torch.Tensor]] = {}
    threads = [
        threading.Thread(target=lambda t=token: together.update({t: write(t)})) for token in alone
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for token, rows in alone.items():
        assert torch.equal(torch.stack(together[token]), torch.stack(rows))


def test_int8_is_close_in_a_model_of_any_weights() -> None:
    wide = _model(n_embd=64, vocab_size=300)
    logits, state = GPT2Stepper(wide, "int8").start(IDS)
    # Weights drawn so large multiply the rounding; in fp32 it would be below 1e-5.
    assert 1e-3 < _off(logits, _uncached(wide, IDS)[-1]) < 0.1
    assert state.length == len(IDS)


def test_the_starter_in_int8_stands_for_the_starter(starter: GPT2LMHeadModel) -> None:
    tokenizer = load_tokenizer(starter_folder())
    texts = [encode_text(tokenizer, pair.reply.text) for pair in load_pairs()[::100]]
    found = agreement(starter, GPT2Stepper(starter, "int8"), texts)
    assert found.n_steps > 1000
    assert found.close, found


def test_greedy_text_is_that_of_generate(starter: GPT2LMHeadModel) -> None:
    tokenizer = load_tokenizer(starter_folder())
    ids = encode_text(tokenizer, load_pairs()[0].letter.text)[:60]
    prompt = torch.tensor([ids])
    expected = starter.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=40, min_new_tokens=40,
        do_sample=False, pad_token_id=0,
    )[0, 60:].tolist()  # fmt: skip
    stepper = GPT2Stepper(starter, "fp32")
    logits, state = stepper.start(ids)
    got = []
    for _ in range(40):
        # Never the end of text, as `min_new_tokens` has it.
        got.append(1 + int(logits[1:].argmax()))
        logits, state = stepper.step(got[-1], state)
    assert got == expected


def test_a_bf16_model_is_read_as_it_is() -> None:
    model = _model().to(torch.bfloat16)
    logits, _ = GPT2Stepper(model, "fp32").start(IDS)
    assert logits.dtype == torch.float32
    assert _off(logits, _uncached(model.float(), IDS)[-1]) < 0.02  # the prompt is read in bf16


def test_weights_are_read_at_the_first_start() -> None:
    model = _model()
    stepper = GPT2Stepper(model, "fp32")
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.weight.mul_(2)
    assert _off(stepper.start(IDS)[0], _uncached(model, IDS)[-1]) < 1e-5


def test_dropout_is_off_however_the_model_comes() -> None:
    model = _model(resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5).train()
    stepper = GPT2Stepper(model, "fp32")
    assert torch.equal(stepper.start(IDS)[0], stepper.start(IDS)[0])


def test_more_ids_than_the_window_are_refused() -> None:
    stepper = GPT2Stepper(_model(n_positions=12), "fp32")
    assert stepper.window == 12
    with pytest.raises(ValueError, match="13 ids do not fit a window of 12"):
        stepper.start([1] * 13)
    _, state = stepper.start([1] * 12)
    with pytest.raises(ValueError, match="13 ids do not fit a window of 12"):
        stepper.step(1, state)
    with pytest.raises(ValueError, match="13 ids"):
        stepper.start([1], state)
    with pytest.raises(ValueError, match="ids is empty"):
        stepper.start([])


def test_an_unknown_id_is_refused_and_harms_nothing(stepper: GPT2Stepper) -> None:
    _, state = stepper.start(IDS)
    expected, _ = stepper.step(1, state)
    for token in (-1, V):
        with pytest.raises(ValueError, match=f"token={token} must be one of the model's 40 ids"):
            stepper.step(token, state)
    assert torch.equal(stepper.step(1, state)[0], expected)


def test_int8_is_for_large_models_on_processors_that_have_it(
    model: GPT2LMHeadModel, starter: GPT2LMHeadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert precision_for(model) == "fp32"  # too small
    assert precision_for(starter) == "int8"
    monkeypatch.setattr("lm.decoding.INT8_FROM", 0)
    assert precision_for(model) == "int8"
    assert precision_for(_model(n_embd=24)) == "fp32"  # no multiple of 16
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert precision_for(starter) == "fp32"


def test_other_models_keep_the_common_stepper(model: GPT2LMHeadModel) -> None:
    assert isinstance(stepper_for(model), GPT2Stepper)
    others = [
        _model(activation_function="relu"),
        _model(add_cross_attention=True),
        _model().to("meta"),
    ]
    for other in others:
        assert not supports(other)
        assert isinstance(stepper_for(other), TransformerStepper)
    with pytest.raises(ValueError, match="model is a GPT2LMHeadModel on meta"):
        GPT2Stepper(others[2])
    with pytest.raises(ValueError, match="precision='int4' must be 'fp32' or 'int8'"):
        GPT2Stepper(model, "int4")  # type: ignore[arg-type]
