"""Any causal language model by its name, ready to use: its weights, its tokenizer, its stepper.

A name is a model folder, a run folder (its best checkpoint) or a hub id. Which short names stand
for which folders is the application's to say.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as hf_logging

from corpora.errors import ModelError
from engine.checkpoint import MANIFEST, RunFolder, file_hash, verify
from engine.devices import choose_device
from engine.stepper import Stepper, stepper_of
from engine.tokenizers import END_OF_TEXT

# While transformers reads weights it changes how the whole process makes modules and tensors; two
# at once leave some of a model's weights without data.
_reading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory.

    Attributes
    ----------
    name : str
        As it was asked for.
    hash : str
        SHA-256 of the weights, or empty for a model without a file of its own.
    """

    name: str
    hash: str
    device: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    stepper: Stepper[Any]


def is_folder(name: str) -> bool:
    """Whether `name` means a folder on this machine rather than a hub id."""
    return Path(name).expanduser().is_dir() or name.startswith((".", "/", "~"))


def load(name: str, *, dtype: torch.dtype = torch.float32) -> tuple[PreTrainedModel, Any]:
    """A causal language model and its tokenizer, from a folder or a hub id.

    Only safetensors are read and no code from the model's folder is run. A hub id is the one thing
    here that may use the network, and only because a person named it.

    Raises
    ------
    ModelError
        If the folder is missing, damaged or not a causal model; or if the hub cannot be reached.
    """
    hf_logging.disable_progress_bar()
    local = is_folder(name)
    where = str(Path(name).expanduser()) if local else name
    if local and not (Path(where) / "config.json").is_file():
        raise ModelError(
            f"{where} is not a model folder: it holds no config.json. Expected a folder saved by "
            "letterpress or transformers; `letterpress models` lists those it knows."
        )
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(where, **options)
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        with _reading:
            model = AutoModelForCausalLM.from_pretrained(
                where, config=config, dtype=dtype, use_safetensors=True, **options
            )
    except Exception as problem:  # transformers raises many kinds; each means: not usable
        raise ModelError(_advice(name, where, local, problem)) from problem
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{name} has no fast tokenizer; letterpress needs a tokenizer.json.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or END_OF_TEXT
    return model, tokenizer


def _advice(name: str, where: str, local: bool, problem: Exception) -> str:
    reason = (
        str(problem).strip().splitlines()[0][:200]
        if str(problem).strip()
        else type(problem).__name__
    )
    if local and "does not recognize" in str(problem):
        return (
            f"The model in {where} is of a kind that is not known here. letterpress's own are once "
            "their package is imported (`import recurrent`); others may need a newer transformers."
        )
    if local:
        return f"The model in {where} cannot be read ({reason}). Fetch or train it again."
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    return (
        f"The model {name!r} is not on this machine and could not be fetched from the hub "
        + ("because HF_HUB_OFFLINE is set. " if offline else f"({reason}). ")
        + "Connect to the internet once, or pass a folder that holds config.json, "
        "model.safetensors and tokenizer.json; `--model starter` needs no network."
    )


def resolve(name: str) -> str:
    """The model folder behind a name: a run's best checkpoint, a folder; else the hub id.

    Raises
    ------
    ModelError
        If a run holds no complete checkpoint, or a checkpoint is damaged.
    """
    if not is_folder(name):
        return name
    folder = Path(name).expanduser()
    if not (folder / "config.json").exists() and any(folder.glob("step-*")):
        best = RunFolder(folder).best()
        if best is None:
            raise ModelError(
                f"{folder} holds no complete checkpoint; train it first, or resume it."
            )
        return str(best)
    if (folder / MANIFEST).is_file():
        verify(folder)
    return str(folder)


def load_ready(name: str, device: str = "auto") -> Loaded:
    """Load a model and all that is needed to run it.

    Parameters
    ----------
    name : str
        A run folder, a model folder, or a hub id such as "openai-community/gpt2".
    device : str
        "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    ModelError, DeviceError
        With what to do.
    """
    chosen = choose_device(device)
    where = resolve(name)
    model, tokenizer = load(where)
    model.to(chosen).eval()
    weights = Path(where) / "model.safetensors"
    digest = file_hash(weights) if weights.is_file() else ""
    return Loaded(name, digest, str(chosen), model, tokenizer, stepper_of(model))
