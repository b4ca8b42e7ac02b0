"""Which models exist, and the few that are kept warm.

A name means, in this order: the starter, a run trained here, a folder, a model of the Hugging Face
hub. How a model is read is left to `lm.voice`.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.home import folder, home
from corpora.errors import InputError, ModelError

if TYPE_CHECKING:
    from lm.voice import Voice

STARTER = "starter"
Kind = Literal["starter", "run", "folder", "hub"]
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*\Z")
_RUN_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}\Z", re.ASCII)
# Models of the hub from before every one had an owner in its name.
_HUB_SHORT = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model by its name. `size` is the bytes of its folder, None where that is not here."""

    name: str
    kind: Kind
    path: Path | None = None
    size: int | None = None
    checkpoints: int = 0


@dataclass(eq=False, slots=True)
class Warm:
    """A model in memory. Hold `lock` while it computes: two letters would share its state."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    voice: Voice | None = None


class Library:
    """Finds models by name and keeps the ones used last in memory.

    Parameters
    ----------
    capacity : int
        How many models stay in memory, at least 1.
    load : callable, optional
        Reads a model from a name or path and a device; by default `lm.voice.load_voice`.
    """

    def __init__(self, capacity: int = 2, load: Callable[[str, str], Voice] | None = None) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity!r}; expected at least 1")
        self._capacity = capacity
        self._load = load or _load_voice
        self._guard = threading.Lock()
        self._warm: OrderedDict[tuple[str, str, int], Warm] = OrderedDict()

    def models(self) -> list[ModelInfo]:
        """The starter, where it is installed, and the runs that have a checkpoint."""
        found = []
        if (starter := starter_folder()) is not None:
            found.append(ModelInfo(STARTER, "starter", starter, _size(starter)))
        for run in sorted((home() / "runs").glob("*")):
            if checkpoints := sorted(run.glob("step-*")):
                size = _size(checkpoints[-1])
                found.append(ModelInfo(run.name, "run", run, size, len(checkpoints)))
        return found

    def find(self, name: str) -> ModelInfo:
        """The model of a name, a folder or a hub id.

        Raises
        ------
        ModelError
            If there is none; the message lists the names there are.
        """
        name = name.strip()
        here = {model.name: model for model in self.models()}
        if name in here:
            return here[name]
        path = Path(name).expanduser()
        if name and path.is_dir():
            return ModelInfo(name, "folder", path.absolute(), _size(path))
        if name and path.is_file():
            raise ModelError(f"{name} is a file; give the model's folder, here {path.parent}.")
        if name in _HUB_SHORT or _HUB_ID.match(name):
            return ModelInfo(name, "hub")
        near = difflib.get_close_matches(name, here, n=1)
        advice = f"Did you mean {near[0]}? " if near else ""
        listed = ", ".join(here) if here else "none yet"
        raise ModelError(
            f"There is no model {name[:60]!r}. {advice}Models here: {listed}. A folder of a model "
            "or a hub id such as openai-community/gpt2 is good too."
        )

    def borrow(self, name: str, device: str = "auto") -> Warm:
        """The model in memory, read now where it is not there yet.

        Raises
        ------
        ModelError, DeviceError
            If it cannot be found or read, or the device is not here.
        """
        info = self.find(name)
        source = info.name if info.path is None or info.kind == "starter" else str(info.path)
        key = (source, device, _stamp(info.path))
        with self._guard:
            warm = self._warm.setdefault(key, Warm())
            self._warm.move_to_end(key)
            while len(self._warm) > self._capacity:
                self._warm.popitem(last=False)
        with warm.lock:
            if warm.voice is None:
                # A run is called by its name in what is saved, not by where it lies.
                warm.voice = replace(self._load(source, device), name=info.name)
        return warm


def starter_folder() -> Path | None:
    """The folder of the starter model in this installation, or None where it was left out."""
    spec = importlib.util.find_spec("lm")  # finds without importing: listing models needs no torch
    places = spec.submodule_search_locations if spec is not None else None
    found = [Path(place) / STARTER for place in places or ()]
    return next((path for path in found if path.is_dir()), None)


def run_folder(name: str) -> Path:
    """Where a run of this name is kept, or will be.

    Raises
    ------
    InputError
        If the name would be another model's, or no file can have it.
    """
    if name == STARTER or not _RUN_NAME.match(name):
        raise InputError(
            f"A run cannot be called {name[:60]!r}; expected letters, digits, hyphens, underscores "
            "and full stops, beginning with a letter or digit, at most 64, and not 'starter'."
        )
    return folder("runs") / name


def _load_voice(source: str, device: str) -> Voice:
    from lm.voice import load_voice

    return load_voice(source, device)


def _size(path: Path) -> int:
    size = 0
    for file in path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a run in progress prunes as we look
            size += file.stat().st_size if file.is_file() else 0
    return size


def _stamp(path: Path | None) -> int:
    """Changes when a run publishes a checkpoint, so that a warm model does not go stale."""
    if path is None:
        return 0
    names = sorted(p.name for p in path.glob("step-*"))
    return hash((path.stat().st_mtime_ns, *names))
