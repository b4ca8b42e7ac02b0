"""Which models exist, and the few that are kept warm.

A name means, in this order: a starter, a run trained here, a folder, a model of the Hugging Face
hub. How a model is read is left to `engine.loading`; both families are made known to it here.
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
    from engine.loading import Loaded
    from lm.voice import Voice

STARTER = "starter"
_ALIASES = {"gpt2": STARTER}  # its family's name, beside the three recurrent ones
# The models that are shipped: in which package, in which folder.
_SHIPPED = {
    STARTER: ("lm", "starter"),
    "lstm": ("recurrent", "starter/lstm"),
    "gru": ("recurrent", "starter/gru"),
    "rnn": ("recurrent", "starter/rnn"),
}
Kind = Literal["starter", "run", "folder", "hub"]
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*\Z")
_RUN_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}\Z", re.ASCII)
# Models of the hub from before every one had an owner in its name.
_HUB_SHORT = ("gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")


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
    """A model in memory. Hold `lock` while it computes, so that a letter has the machine."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    loaded: Loaded | None = None

    @property
    def model(self) -> Loaded:
        """The model, which `Library.borrow` has read."""
        assert self.loaded is not None
        return self.loaded

    @property
    def voice(self) -> Voice:
        """The model as a writer of letters."""
        from lm.voice import voice_of

        return voice_of(self.model)


class Library:
    """Finds models by name and keeps the ones used last in memory.

    Parameters
    ----------
    capacity : int
        How many models stay in memory, at least 1.
    load : callable, optional
        Reads a model from a folder or hub id and a device; by default `engine.loading.load_ready`.
    """

    def __init__(self, capacity: int = 4, load: Callable[[str, str], Loaded] | None = None) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity!r}; expected at least 1")
        self._capacity = capacity
        self._load = load or _load_ready
        self._guard = threading.Lock()
        self._warm: OrderedDict[tuple[str, str, int], Warm] = OrderedDict()

    def models(self) -> list[ModelInfo]:
        """The starters that are installed, and the runs that have a checkpoint."""
        found = [
            ModelInfo(name, "starter", path, _size(path))
            for name in _SHIPPED
            if (path := starter_folder(name)) is not None
        ]
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
        name = _ALIASES.get(name.strip(), name.strip())
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
        source = info.name if info.path is None else str(info.path)
        key = (source, device, _stamp(info.path))
        with self._guard:
            warm = self._warm.setdefault(key, Warm())
            self._warm.move_to_end(key)
            while len(self._warm) > self._capacity:
                self._warm.popitem(last=False)
        with warm.lock:
            if warm.loaded is None:
                # A run is called by its name in what is saved, not by where it lies.
                warm.loaded = replace(self._load(source, device), name=info.name)
        return warm


def starter_folder(name: str = STARTER) -> Path | None:
    """The folder of a starter model in this installation, or None where it was left out."""
    package, inside = _SHIPPED[name]
    spec = importlib.util.find_spec(package)  # finds without importing: a list needs no torch
    places = spec.submodule_search_locations if spec is not None else None
    found = [Path(place) / inside for place in places or ()]
    return next((path for path in found if path.is_dir()), None)


def run_folder(name: str) -> Path:
    """Where a run of this name is kept, or will be.

    Raises
    ------
    InputError
        If the name would be another model's, or no file can have it.
    """
    first, *others = _SHIPPED
    taken = [first, *_ALIASES, *others]
    if name in taken or not _RUN_NAME.match(name):
        raise InputError(
            f"A run cannot be called {name[:60]!r}; expected letters, digits, hyphens, underscores "
            f"and full stops, beginning with a letter or digit, at most 64, and none of "
            f"{', '.join(taken)}."
        )
    return folder("runs") / name


def _load_ready(source: str, device: str) -> Loaded:
    import recurrent  # noqa: F401
    from engine.loading import load_ready

    return load_ready(source, device)


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
