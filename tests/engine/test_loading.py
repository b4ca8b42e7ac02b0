from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from corpora.errors import DeviceError, ModelError
from engine.checkpoint import RunFolder, write_manifest
from engine.loading import is_folder, load, load_ready, resolve
from engine.stepper import TransformerStepper
from engine.tokenizers import byte_tokenizer
from tests.engine.tiny import SPECIAL, gpt2


def _save(folder: Path, seed: int = 1) -> Path:
    tokenizer = byte_tokenizer(SPECIAL)
    gpt2(len(tokenizer), seed=seed).save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 over bytes with fresh weights."""
    return _save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of a model folder, to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def test_a_folder_is_read_by_transformers_itself(model_folder: Path) -> None:
    model, tokenizer = load(str(model_folder))
    assert isinstance(model, GPT2LMHeadModel)
    saved = GPT2LMHeadModel.from_pretrained(model_folder)
    assert torch.equal(model.transformer.wte.weight, saved.transformer.wte.weight)
    assert tokenizer.decode(tokenizer.encode("York, Zoë")) == "York, Zoë"
    assert tokenizer.pad_token == tokenizer.eos_token


def test_weights_come_in_the_precision_asked_for(model_folder: Path) -> None:
    assert load(str(model_folder))[0].dtype == torch.float32
    assert load(str(model_folder), dtype=torch.bfloat16)[0].dtype == torch.bfloat16


def test_a_tokenizer_without_padding_is_given_one(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({k: v for k, v in config.items() if k != "pad_token"}), "utf-8")
    assert AutoTokenizer.from_pretrained(folder).pad_token is None
    assert load(str(folder))[1].pad_token == "<|endoftext|>"


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
    with pytest.raises(ModelError, match="cannot be read"):
        load(str(folder))


def test_another_kind_of_model_is_said(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "no-such-model"}))
    with pytest.raises(ModelError, match="of a kind that is not known here"):
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


# ------------------------------------------------------------------------------------------- names


def test_what_means_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert all(map(is_folder, ("here", "./not-yet", "/no/such", "~/models", str(tmp_path))))
    assert not any(map(is_folder, ("distilgpt2", "openai-community/gpt2", "there")))


def test_names_that_are_no_folders_are_left_as_they_are(tmp_path: Path) -> None:
    assert resolve("distilgpt2") == "distilgpt2"
    assert resolve(str(tmp_path)) == str(tmp_path)


def test_a_folder_is_found_from_the_home(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model_folder, tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/mine") == str(tmp_path / "mine")
    assert load_ready("~/mine", "cpu").hash == load_ready(str(model_folder), "cpu").hash


def _publish(run: RunFolder, step: int, loss: float) -> Path:
    def write(folder: Path) -> None:
        _save(folder, seed=step)
        counters = {"step": step, "valid_loss": loss, "settings": {}}
        (folder / "state.json").write_text(json.dumps(counters))

    return run.publish(step, write)


def test_a_run_means_its_best_checkpoint(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    first, best, last = (_publish(run, s, loss) for s, loss in ((1, 3.0), (2, 1.0), (3, 2.0)))
    assert resolve(str(run.path)) == str(best)
    loaded = load_ready(str(run.path), "cpu")
    assert torch.equal(
        loaded.model.transformer.wte.weight, gpt2(259, seed=2).transformer.wte.weight
    )
    (best / "model.safetensors").write_bytes(b"gone")
    assert resolve(str(run.path)) == str(last)
    with pytest.raises(ModelError, match="does not match its SHA-256"):
        load_ready(str(best), "cpu")
    for checkpoint in (first, last):
        (checkpoint / "manifest.json").unlink()
    with pytest.raises(ModelError, match="no complete checkpoint; train it first"):
        resolve(str(run.path))


# ------------------------------------------------------------------------------------ ready to use


def test_a_model_comes_with_all_that_runs_it(model_folder: Path) -> None:
    loaded = load_ready(str(model_folder), "cpu")
    weights = (model_folder / "model.safetensors").read_bytes()
    assert (loaded.name, loaded.device) == (str(model_folder), "cpu")
    assert loaded.hash == hashlib.sha256(weights).hexdigest()
    assert not loaded.model.training
    assert loaded.stepper.window == 32
    logits, _ = loaded.stepper.start(loaded.tokenizer.encode("York"))
    expected, _ = TransformerStepper(loaded.model).start(loaded.tokenizer.encode("York"))
    torch.testing.assert_close(logits, expected)


def test_a_folder_with_a_manifest_is_verified(folder: Path) -> None:
    write_manifest(folder)
    assert load_ready(str(folder), "cpu").hash
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="does not match its SHA-256"):
        load_ready(str(folder), "cpu")


def test_a_device_that_is_not_here_is_said(model_folder: Path) -> None:
    with pytest.raises(DeviceError):
        load_ready(str(model_folder), "abacus")


def test_a_model_in_several_files_has_no_hash(folder: Path) -> None:
    model: Any = GPT2LMHeadModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    loaded = load_ready(str(folder), "cpu")
    assert loaded.hash == ""
    assert torch.equal(loaded.model.transformer.wte.weight, model.transformer.wte.weight)
