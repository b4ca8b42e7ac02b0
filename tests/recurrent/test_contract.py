"""A character model is a transformers model like any other: it loads, writes, batches and saves."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from engine.generation import generate, generate_ids
from engine.sampling import SamplingSettings, generator
from engine.stepper import stepper_of
from engine.tokenizers import encode_text
from recurrent.charlm import CharLM
from recurrent.decoding import RecurrentStepper
from tests.recurrent.tiny import EVERY_CELL, EVERY_SHAPE, SHAPES, V, charlm, parts_of, tokenizer

PROMPTS = ("I", "comet")
GREEDY = SamplingSettings(temperature=0.0)
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 10, 0]])  # (2, 8)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()


def _folder(into: Path, cell: str, **shape: Any) -> Path:
    """A model that writes whole characters, and its tokenizer, as a model folder."""
    known = tokenizer()
    model = charlm(cell, vocab_size=len(known), hidden_size=16, **shape)
    with torch.no_grad():
        model.head.bias[:257] -= 99  # the end of text and the bytes, which may form no character
    model.config.eos_token_id = model.config.pad_token_id = known.eos_token_id
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = 0
    model.save_pretrained(into)
    known.save_pretrained(str(into))
    return into


# ------------------------------------------------------------------------------- loading and saving


@EVERY_CELL
@EVERY_SHAPE
def test_a_model_comes_back_bit_for_bit(cell: str, shape: dict[str, Any], tmp_path: Path) -> None:
    model = charlm(cell, **shape)
    model.save_pretrained(tmp_path / "first")
    again, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "first", output_loading_info=True
    )
    assert type(again) is CharLM
    assert not any(report.values())
    assert not again.training
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, weights in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name
    with torch.inference_mode():
        assert torch.equal(again(IDS).logits, model(IDS).logits)
    again.save_pretrained(tmp_path / "second")
    names = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "second").iterdir())
    for name in names:
        first, second = (tmp_path / which / name for which in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), name


def test_a_tied_head_is_saved_once_and_stays_tied(tmp_path: Path) -> None:
    model = charlm(**SHAPES["tied"])
    assert model.head.weight is model.embedding.weight  # type: ignore[union-attr]
    model.save_pretrained(tmp_path)
    assert "head.weight" not in load_file(tmp_path / "model.safetensors")
    again = CharLM.from_pretrained(tmp_path)
    assert again.head.weight is again.embedding.weight


@EVERY_CELL
@pytest.mark.parametrize("n", [V + 3, V - 4])
@pytest.mark.parametrize("shape", ["two layers", "tied"])
def test_the_vocabulary_can_grow_and_shrink(cell: str, n: int, shape: str) -> None:
    model = charlm(cell, **SHAPES[shape])
    ids, kept = IDS % (V - 4), min(n, V)
    with torch.inference_mode():
        before = model(ids).logits
    model.resize_token_embeddings(n, mean_resizing=False)
    with torch.inference_mode():
        after = model(ids).logits
        model(torch.tensor([[n - 1]]))
    assert (after.shape[-1], model.config.vocab_size) == (n, n)
    torch.testing.assert_close(after[..., :kept], before[..., :kept])
    assert (model.head.weight is model.embedding.weight) == (shape == "tied")  # type: ignore[union-attr]


def test_one_hot_characters_have_no_embedding_to_resize() -> None:
    with pytest.raises(NotImplementedError, match="one-hot characters have no embedding"):
        charlm(embedding_size=0).resize_token_embeddings(V + 1)


# --------------------------------------------------------------------------------------- generating


@EVERY_CELL
def test_a_pipeline_writes_what_our_own_loop_writes(
    cell: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _folder(tmp_path, cell)
    with caplog.at_level(logging.WARNING):
        logging.getLogger("transformers").addHandler(caplog.handler)
        try:
            write = pipeline("text-generation", model=str(folder), device="cpu")
            how = {"max_new_tokens": 30, "do_sample": False, "return_full_text": False}
            alone = [write(prompt, **how)[0]["generated_text"] for prompt in PROMPTS]
            batch = write(list(PROMPTS), **how, batch_size=2)
        finally:
            logging.getLogger("transformers").removeHandler(caplog.handler)
    assert "not supported" not in caplog.text
    assert [texts[0]["generated_text"] for texts in batch] == alone
    model = AutoModelForCausalLM.from_pretrained(folder)
    known = AutoTokenizer.from_pretrained(folder)
    for prompt, text in zip(PROMPTS, alone, strict=True):
        pieces = generate(
            stepper_of(model), known, encode_text(known, prompt), GREEDY, seed=0, max_tokens=30
        )
        assert "".join(pieces) == text
        assert len(text) == 30
    assert len(set(alone[0] + alone[1])) > 6  # not merely one character for ever


@EVERY_CELL
@EVERY_SHAPE
def test_our_loop_takes_the_ids_that_generate_takes(cell: str, shape: dict[str, Any]) -> None:
    model = charlm(cell, **shape)
    stepper = stepper_of(model)
    assert isinstance(stepper, RecurrentStepper)
    used: set[int] = set()
    for n_prompt in (1, 2, 8, 40):
        prompt = [i * 7 % V for i in range(1, n_prompt + 1)]
        expected = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=40)
        logits, state = stepper.start(prompt)
        ids = generate_ids(stepper, logits, state, GREEDY, generator(0))
        written = [next(ids)[0] for _ in range(40)]
        assert written == expected[0, n_prompt:].tolist()
        used.update(written)
    assert len(used) > 2  # not merely one id for ever


HOW: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 0.8, "top_p": 0.95},
    "several": {"do_sample": True, "num_return_sequences": 3},
    "beams": {"num_beams": 4, "num_return_sequences": 2},
    "sampling beams": {"num_beams": 3, "do_sample": True},
    "penalty": {"do_sample": False, "repetition_penalty": 1.3},
}


@EVERY_CELL
@pytest.mark.parametrize("how", HOW.values(), ids=HOW.keys())
def test_cached_and_uncached_generation_agree(cell: str, how: dict[str, Any]) -> None:
    model = charlm(cell, residual=True)
    written = []
    for use_cache in (True, False):
        torch.manual_seed(5)
        written.append(model.generate(IDS, max_new_tokens=12, use_cache=use_cache, **how))
    n_rows = 2 * how.get("num_return_sequences", 1)
    assert written[0].shape == (n_rows, 8 + 12)
    assert torch.equal(written[0], written[1])
    if n_rows > 2:
        assert len({tuple(row.tolist()) for row in written[0][: n_rows // 2]}) == n_rows // 2


@EVERY_CELL
def test_a_beam_wide_enough_finds_the_likeliest_continuation(cell: str) -> None:
    v, n = 4, 4
    model = charlm(cell, vocab_size=v)
    prompt = torch.tensor([[1, 3, 2]])
    endings = torch.tensor(list(itertools.product(range(v), repeat=n)))  # (v^n, n)
    with torch.inference_mode():
        rows = torch.cat([prompt.expand(len(endings), -1), endings], 1)
        logs = model(rows).logits.log_softmax(-1)[:, 2:-1]  # (v^n, n, v)
        best = endings[logs.gather(2, endings[..., None]).sum((1, 2)).argmax()]
    found = model.generate(prompt, num_beams=v ** (n - 1), max_new_tokens=n)[0, 3:]
    assert found.tolist() == best.tolist()


def test_a_kept_state_is_a_place_to_go_on_from() -> None:
    model = charlm()
    whole = model.generate(IDS, do_sample=False, max_new_tokens=10)
    first = model.generate(IDS, do_sample=False, max_new_tokens=4, return_dict_in_generate=True)
    rest = model.generate(
        first.sequences,
        past_key_values=first.past_key_values,
        do_sample=False,
        max_new_tokens=6,
    )
    assert torch.equal(rest, whole)
    assert first.past_key_values.length == 8 + 4 - 1  # what was written last was not yet read


def test_guessing_ahead_is_refused_because_a_state_cannot_go_back() -> None:
    with pytest.raises(ValueError, match="assisted generation is not supported with stateful"):
        charlm().generate(IDS[:1], prompt_lookup_num_tokens=2, max_new_tokens=4)


# ------------------------------------------------------------------------------------------ padding


def _padded(rows: list[list[int]], pad: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


ROWS = [[5, 9, 2], [1, 7, 7, 3, 10, 2], [4], [6, 6, 1]]


@EVERY_CELL
@EVERY_SHAPE
def test_padded_rows_give_what_they_give_alone(cell: str, shape: dict[str, Any]) -> None:
    model = charlm(cell, **shape)
    ids, mask = _padded(ROWS)
    other, _ = _padded(ROWS, pad=V - 1)
    with torch.inference_mode():
        out = model(ids, attention_mask=mask)
        assert torch.equal(model(other, attention_mask=mask).logits[mask > 0], out.logits[mask > 0])
        for row, alone in enumerate(ROWS):
            expected = model(torch.tensor([alone]))
            torch.testing.assert_close(out.logits[row, -len(alone) :], expected.logits[0])
            for part, whole in zip(
                parts_of(out.past_key_values.layers),
                parts_of(expected.past_key_values.layers),
                strict=True,
            ):
                torch.testing.assert_close(part[row], whole[0])


@EVERY_CELL
@pytest.mark.parametrize("how", [HOW["greedy"], HOW["beams"]], ids=["greedy", "beams"])
@EVERY_SHAPE
def test_a_padded_batch_writes_what_its_rows_write_alone(
    cell: str, shape: dict[str, Any], how: dict[str, Any]
) -> None:
    model = charlm(cell, **shape)
    ids, mask = _padded(ROWS)
    together = model.generate(ids, attention_mask=mask, max_new_tokens=12, pad_token_id=0, **how)
    alone = [
        model.generate(torch.tensor([row]), max_new_tokens=12, pad_token_id=0, **how)[:, len(row) :]
        for row in ROWS
    ]
    assert torch.equal(together[:, ids.shape[1] :], torch.cat(alone))


@EVERY_CELL
@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=9), min_size=1, max_size=5),
    later=st.integers(1, 4),
)
def test_a_padded_batch_can_be_read_on(cell: str, rows: list[list[int]], later: int) -> None:
    model = charlm(cell).double()
    ids, mask = _padded(rows)
    more = torch.arange(later).repeat(len(rows), 1) % V
    grown = torch.cat([mask, torch.ones_like(more)], 1)
    with torch.inference_mode():
        at_once = model(torch.cat([ids, more], 1), attention_mask=grown).logits
        state = model(ids, attention_mask=mask).past_key_values
        assert state.length == ids.shape[1]
        # The whole mask, as `generate` gives it, though only the last places are read.
        after = model(more, attention_mask=grown, past_key_values=state).logits
    torch.testing.assert_close(after, at_once[:, -later:])


@EVERY_CELL
def test_a_row_that_begins_later_begins_without_a_past(cell: str) -> None:
    model = charlm(cell)
    with torch.inference_mode():
        state = model(IDS).past_key_values
        mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
        out = model(IDS[:, :4], attention_mask=mask, past_key_values=state).logits
        gone_on = model(IDS[:, :4], past_key_values=state).logits
        alone = model(IDS[1:, 2:4]).logits
    torch.testing.assert_close(out[0], gone_on[0])
    torch.testing.assert_close(out[1, 2:], alone[0])


@pytest.mark.parametrize(
    "mask", [[[1, 1, 0, 1]], [[0, 1, 0, 1]], [[1, 1, 1, 0]], [[0, 0, 0, 0]]], ids=str
)
def test_a_mask_with_zeros_elsewhere_than_on_the_left_is_refused(mask: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"attention_mask has zeros elsewhere.*pad on the left"):
        charlm()(IDS[:1, :4], attention_mask=torch.tensor(mask))


def test_a_mask_shorter_than_the_ids_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attention_mask has 3 places; .* input_ids, 8"):
        charlm()(IDS, attention_mask=torch.ones(2, 3))


def test_the_loss_of_padded_rows_is_that_of_the_rows() -> None:
    model = charlm(residual=True).train()
    ids, mask = _padded([list(range(V)), [4, 1, 9]])
    # The first id of a row is predicted from nothing, here as in every row.
    labels = ids.masked_fill(mask.cumsum(1) < 2, -100)
    loss = model(ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    assert all(w.grad is not None and w.grad.abs().max() > 0 for w in model.parameters())
    alone = [torch.arange(V)[None], torch.tensor([[4, 1, 9]])]
    with torch.inference_mode():
        first, second = (model(row, labels=row).loss.item() for row in alone)
    assert loss.item() == pytest.approx((first * 10 + second * 2) / 12, rel=1e-5)
