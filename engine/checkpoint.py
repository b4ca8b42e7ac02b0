"""A run folder: checkpoints published whole or not at all, verified before they are read.

    RUN/run.json                      what is trained, on what, with which settings
    RUN/log.jsonl                     one line for each event
    RUN/step-00000120/                one checkpoint: a model folder that transformers can load,
        manifest.json                 with the SHA-256 and size of each other file
        state.json, state.safetensors optimizer, random state, step, best score

A checkpoint is written beside its place, synced, and takes its name by one rename; a killed process
leaves a `.tmp-` folder that the next one removes. Which is latest and which is best is read from
the folders, never stored twice. safetensors and JSON only: nothing here can run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from corpora.errors import ModelError, StorageError

MANIFEST = "manifest.json"
SCHEMA = 1


def _sync(path: Path) -> None:
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) if path.is_dir() else os.O_RDONLY
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder to sync it
        return
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """List every file of the folder with its size and hash."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    listed = {
        p.relative_to(folder).as_posix(): {"sha256": file_hash(p), "bytes": p.stat().st_size}
        for p in files
    }
    text = json.dumps({"schema": SCHEMA, "files": listed}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def verify(folder: Path) -> None:
    """Check every file of a checkpoint against its manifest, before anything is read from it.

    Raises
    ------
    ModelError
        If the manifest is missing, or a file is missing, altered or not listed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        schema = manifest["schema"]
        listed = {n: (e["sha256"], e["bytes"]) for n, e in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ModelError(
            f"{folder} has no readable {MANIFEST}; the checkpoint is incomplete. "
            "Use an earlier one."
        ) from problem
    if schema != SCHEMA:
        raise ModelError(
            f"{folder} was written with checkpoint schema {schema}; this version reads {SCHEMA}. "
            "Use the version of letterpress that wrote it."
        )
    found = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST
    }
    for name in sorted(found ^ set(listed)):
        what = "is not in its manifest" if name in found else "is missing"
        raise ModelError(f"{folder}: {name} {what}; the checkpoint is damaged. Use an earlier one.")
    for name, expected in listed.items():
        path = folder / name
        try:
            measured = (file_hash(path), path.stat().st_size)
        except OSError as problem:
            raise ModelError(
                f"{folder}: {name} cannot be read ({problem.strerror}). Use an earlier one."
            ) from problem
        if measured != expected:
            raise ModelError(
                f"{folder}: {name} does not match its SHA-256; the checkpoint is damaged. "
                "Use an earlier one."
            )


class RunFolder:
    """The folder of one training run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise StorageError(f"Cannot write to {path}: {problem.strerror}.") from problem

    def clear_unfinished(self) -> None:
        """Remove what a killed process left half written."""
        for left in self.path.glob(".tmp-*"):
            shutil.rmtree(left)

    def checkpoints(self) -> list[Path]:
        """The published checkpoints, oldest first."""
        return sorted(p for p in self.path.glob("step-*") if p.is_dir())

    def publish(self, step: int, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a folder, then publish it as the checkpoint of this step.

        Raises
        ------
        StorageError
            If the disk refuses; earlier checkpoints are untouched.
        """
        final = self.path / f"step-{step:08d}"
        temporary = self.path / f".tmp-{uuid.uuid4().hex}"
        try:
            temporary.mkdir()
            write(temporary)
            write_manifest(temporary)
            for file in temporary.rglob("*"):
                file.chmod(0o755 if file.is_dir() else 0o644)  # save_pretrained writes 0600
                _sync(file)
            _sync(temporary)
            if final.exists():
                _remove(final)
            temporary.rename(final)
            _sync(self.path)
        except BaseException as problem:
            shutil.rmtree(temporary, ignore_errors=True)
            if not _refused_by_disk(problem):
                raise
            reason = getattr(problem, "strerror", None) or problem
            raise StorageError(
                f"Could not save step {step} to {self.path}: {reason}. "
                "Earlier checkpoints are intact; free some space and resume."
            ) from problem
        return final

    def latest(self) -> Path | None:
        """The newest checkpoint that verifies, or None."""
        for folder in reversed(self.checkpoints()):
            try:
                verify(folder)
            except ModelError:
                continue
            return folder
        return None

    def best(self) -> Path | None:
        """The verified checkpoint with the lowest held-out loss, else the newest."""
        scored = []
        for folder in self.checkpoints():
            try:
                loss = read_counters(folder)["valid_loss"]
            except ModelError:
                continue
            if loss is not None:
                scored.append((loss, folder))
        for _, folder in sorted(scored):
            try:
                verify(folder)
            except ModelError:
                continue
            return folder
        return self.latest()

    def prune(self, keep: int = 2) -> None:
        """Remove all but the newest `keep` checkpoints and the best."""
        checkpoints = self.checkpoints()
        kept = {*checkpoints[-keep:], self.best()}
        for folder in checkpoints:
            if folder not in kept:
                _remove(folder)

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `log.jsonl`."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _refused_by_disk(problem: BaseException) -> bool:
    # safetensors and tokenizers report the system's errors as kinds of their own, in these words.
    return isinstance(problem, OSError) or "(os error " in str(problem)


def _remove(folder: Path) -> None:
    # Renamed first: a kill in the middle must not leave a checkpoint that looks whole.
    doomed = folder.with_name(f".tmp-{uuid.uuid4().hex}")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def save_state(folder: Path, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write optimizer moments, random state and counters beside the weights, without pickle."""
    tensors: dict[str, torch.Tensor] = {"rng.cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for i, device_state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"rng.cuda.{i:03d}"] = device_state
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).contiguous().cpu()
    save_file(tensors, folder / "state.safetensors")
    text = json.dumps(state, indent=1, sort_keys=True)
    (folder / "state.json").write_text(text + "\n", encoding="utf-8")


def read_counters(folder: Path) -> dict[str, Any]:
    """The counters of a checkpoint: step, best score, settings.

    Raises
    ------
    ModelError
        If there are none to read.
    """
    try:
        text = (folder / "state.json").read_text(encoding="utf-8")
        counters: dict[str, Any] = json.loads(text)
        if not {"step", "valid_loss", "settings"} <= counters.keys():
            raise ValueError("it lacks a counter")
    except (OSError, ValueError, AttributeError) as problem:
        raise ModelError(
            f"{folder} has no readable state.json ({problem}). Use an earlier checkpoint."
        ) from problem
    return counters


def load_state(folder: Path, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put optimizer and random state back as they were; returns the counters.

    Raises
    ------
    ModelError
        If the state does not fit this optimizer.
    """
    counters = read_counters(folder)
    try:
        tensors = load_file(folder / "state.safetensors")
    except (OSError, SafetensorError) as problem:
        raise ModelError(f"{folder} holds no readable optimizer state: {problem}") from problem
    random_state = tensors.pop("rng.cpu")
    cuda = [tensors.pop(n) for n in sorted(n for n in tensors if n.startswith("rng.cuda."))]
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        _, index, name = key.split(".", 2)
        states.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    shapes = [p.shape for group in optimizer.param_groups for p in group["params"]]
    # A parameter that was never used has no moments, so there may be fewer states than parameters.
    for index, moments in states.items():
        fits = index < len(shapes) and all(
            value.shape in ((), shapes[index]) for value in moments.values()
        )
        if not fits:
            raise ModelError(
                f"{folder} holds the optimizer of another model; it cannot be resumed here."
            )
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    torch.set_rng_state(random_state)
    if cuda and torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    return counters
