"""What is known of a model without running it: its family, its size, what its training cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.library import Library, ModelInfo
from engine.checkpoint import RunFolder
from engine.loading import Loaded


@dataclass(frozen=True, slots=True)
class Training:
    """What a model cost: minutes, None where not known, and the budget in words."""

    minutes: float | None = None
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model without running it. `family` is rnn, lstm, gru, gpt2 or other."""

    name: str
    family: str
    parameters: int
    hash: str
    device: str
    upper_bound: bool
    training: Training


def facts_of(library: Library, name: str, device: str = "auto") -> Facts:
    """What is known of a model; it is read into memory where it is not there yet."""
    loaded = library.borrow(name, device).model
    config = loaded.model.config
    return Facts(
        name=loaded.name,
        family=getattr(config, "cell", "") or ("gpt2" if config.model_type == "gpt2" else "other"),
        parameters=sum(p.numel() for p in loaded.model.parameters()),
        hash=loaded.hash,
        device=loaded.device,
        upper_bound=_cuts_in_several_ways(loaded),
        training=training_of(library.find(name)),
    )


def _cuts_in_several_ways(loaded: Loaded) -> bool:
    """Whether the tokenizer has tokens that are made of others."""
    model = json.loads(loaded.tokenizer.backend_tokenizer.to_str())["model"]
    return bool(model["type"] != "BPE" or model.get("merges"))


def training_of(info: ModelInfo) -> Training:
    """What a model's folder tells of its training; nothing, where it has no such records."""
    if info.path is None:
        return Training()
    folder = info.path
    if any(folder.glob("step-*")):
        folder = RunFolder(folder).best() or folder
    scores, state = _record(folder / "scores.json"), _record(folder / "state.json")
    minutes, read = _number(scores, "training_minutes"), _number(scores, "bytes_read")
    if minutes is None and (spent := _number(state, "spent")) is not None:
        minutes = spent / 60
    if read is not None:
        return Training(minutes, f"{read:,.0f} bytes read")
    settings = state.get("settings")
    rows = _number(settings if isinstance(settings, dict) else {}, "batch_size")
    steps = _number(state, "step")
    return Training(minutes, f"{steps:,.0f} updates of {rows:,.0f} rows" if steps and rows else "")


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # a folder from elsewhere need not have it
        return {}
    return found if isinstance(found, dict) else {}


def _number(record: dict[str, Any], key: str) -> float | None:
    value = record.get(key)
    return float(value) if isinstance(value, int | float) else None
