from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel

from corpora.errors import DeviceError, ModelError
from engine.checkpoint import RunFolder
from engine.tokenizers import byte_tokenizer
from lm.gpt2 import LETTER_TOKENS, SIZES, Size, add_letter_tokens, from_scratch, load
from lm.voice import load_voice, resolve
from tests.fakes import tiny_model


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of a model folder, to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.mark.parametrize("name", list(SIZES))
def test_sizes(name: str) -> None:
    with torch.device("meta"):
        model = from_scratch(byte_tokenizer(LETTER_TOKENS), name)
    size = SIZES[name]
    config = model.config
    assert (config.n_layer, config.n_embd, config.n_head) == (
        size.n_layer,
        size.n_embd,
        size.n_head,
    )
    assert config.n_positions == size.block_size
    assert config.vocab_size == 256 + 1 + len(LETTER_TOKENS)


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(ValueError, match="size='huge' must be one of nano, tiny, small"):
        from_scratch(byte_tokenizer(), "huge")


def test_fresh_weights_hang_on_the_seed_alone() -> None:
    size = Size(n_layer=1, n_embd=16, n_head=2, block_size=32)
    one, same, other = (from_scratch(byte_tokenizer(), size, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.transformer.wte.weight, same.transformer.wte.weight)
    assert not torch.equal(one.transformer.wte.weight, other.transformer.wte.weight)


def test_a_folder_is_read_by_transformers_itself(model_folder: Path) -> None:
    model, tokenizer = load(str(model_folder))
    assert isinstance(model, GPT2LMHeadModel)
    saved = GPT2LMHeadModel.from_pretrained(model_folder)
    assert torch.equal(model.transformer.wte.weight, saved.transformer.wte.weight)
    assert tokenizer.decode(tokenizer.encode("York, Zoë")) == "York, Zoë"
    assert tokenizer.pad_token == tokenizer.eos_token


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    for name in (str(tmp_path), str(tmp_path / "nowhere")):
        with pytest.raises(ModelError, match=r"holds no config\.json.*letterpress models"):
            load(name)


def test_damaged_weights_are_said(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"cannot be read.*Fetch or train it again"):
        load(str(folder))


def test_a_pickle_is_not_taken_for_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        load(str(folder))


def test_a_missing_tokenizer_is_said(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError):
        load(str(folder))


def test_another_kind_of_model_is_said(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "no-such-model"}))
    with pytest.raises(ModelError, match="cannot be read"):
        load(str(folder))


@pytest.mark.parametrize(
    "planted",
    [
        {"auto_map": {"AutoConfig": "canary.Config", "AutoModelForCausalLM": "canary.Model"}},
        {"auto_map": {"AutoTokenizer": ["canary.Tokenizer", None]}},
        {"custom_generate": "canary.py"},
        {"model_type": "canary", "auto_map": {"AutoConfig": "canary.Config"}},
    ],
)
def test_code_in_a_folder_is_not_run(folder: Path, planted: dict[str, object]) -> None:
    sung = folder / "sung"
    code = f"open({str(sung)!r}, 'w').write('the canary sang')\nclass Config: pass\n"
    for name in ("canary.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    for file in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(settings | planted))
    with suppress(ModelError):
        load(str(folder))
    assert not sung.exists()


def test_a_hub_id_without_a_network_gets_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE is set.*--model starter") as caught:
        load("openai-community/a-model-that-is-not-here")
    assert "tokenizer.json" in str(caught.value)


def test_a_foreign_model_is_given_our_tokens() -> None:
    tokenizer = byte_tokenizer()
    model = from_scratch(tokenizer, Size(n_layer=1, n_embd=16, n_head=2, block_size=32))
    assert add_letter_tokens(model, tokenizer) == len(LETTER_TOKENS)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert add_letter_tokens(model, tokenizer) == 0


# ----------------------------------------------------------------------------------------- voices


def test_a_voice_from_a_folder(model_folder: Path) -> None:
    voice = load_voice(str(model_folder), "cpu")
    assert voice.knows_letters
    assert (len(voice.hash), voice.device) == (64, "cpu")
    assert not set(voice.encode("<|letter|>Sir<|endoftext|>")) & voice.special
    assert voice.decode(voice.encode("Ännchen’s clock")) == "Ännchen’s clock"


def test_a_voice_that_never_saw_a_letter(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    from_scratch(tokenizer, Size(1, 16, 2, 64)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert not load_voice(str(tmp_path), "cpu").knows_letters


def test_a_device_that_is_not_here_is_said(model_folder: Path) -> None:
    with pytest.raises(DeviceError):
        load_voice(str(model_folder), "abacus")


def _publish(run: RunFolder, step: int, loss: float) -> Path:
    def write(folder: Path) -> None:
        tiny_model(folder)
        counters = {"step": step, "valid_loss": loss, "settings": {}}
        (folder / "state.json").write_text(json.dumps(counters))

    return run.publish(step, write)


def test_a_run_means_its_best_checkpoint(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    first, best, last = (_publish(run, s, loss) for s, loss in ((1, 3.0), (2, 1.0), (3, 2.0)))
    assert resolve(str(run.path)) == str(best)
    (best / "model.safetensors").write_bytes(b"gone")
    assert resolve(str(run.path)) == str(last)
    with pytest.raises(ModelError, match="does not match its SHA-256"):
        load_voice(str(best), "cpu")
    for checkpoint in (first, last):
        (checkpoint / "manifest.json").unlink()
    with pytest.raises(ModelError, match="no complete checkpoint; train it first"):
        resolve(str(run.path))


def test_names_that_are_no_folders_are_left_as_they_are() -> None:
    assert resolve("distilgpt2") == "distilgpt2"
    assert resolve("starter").endswith("starter")
