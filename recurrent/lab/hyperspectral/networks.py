"""The networks of the experiment, by what each is given, and how one is kept and used again.

FOLDER/sscl2dnn/network.json          kind, shape, window, names of the classes
FOLDER/sscl2dnn/network.safetensors   weights, and how bands are made comparable
FOLDER/sscl2dnn/map.npy               the classes it gave to the scene it was trained on
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from corpora.errors import InputError, ModelError
from recurrent.lab.hyperspectral.files import whole_numbers
from recurrent.lab.hyperspectral.maps import ClassMap, colours_of
from recurrent.lab.hyperspectral.patches import Bands, Patches, classify
from recurrent.lab.hyperspectral.scenes import Scene
from recurrent.lab.hyperspectral.settings import Settings
from recurrent.spectral import SSCL2DNN, SaCL2DNN, SpectralConfig

JSON, WEIGHTS, MAP = "network.json", "network.safetensors", "map.npy"
Ints = npt.NDArray[np.int64]
MOST_STEPS = 33  # of the spectrum, where K is not said; fewer saw less, more took longer


@dataclass(frozen=True, slots=True)
class Kind:
    """A network by what it is given: its surroundings, its spectrum, and how many bands a step."""

    title: str
    sees_patch: bool = True
    sees_spectrum: bool = True
    one_band: bool = False


KINDS = {
    "sscl2dnn": Kind("SSCL2DNN"),
    "sacl2dnn": Kind("SaCL2DNN, all bands", one_band=True),
    "pixel": Kind("SSCL2DNN, pixel alone", sees_patch=False),
    "plane": Kind("SaCL2DNN, first component", sees_spectrum=False, one_band=True),
}


@dataclass(frozen=True, slots=True)
class Trained:
    """A network and all that is needed to classify the pixels of a scene with it."""

    kind: str
    network: SSCL2DNN
    bands: Bands
    window: int
    names: tuple[str, ...]

    def classify(self, scene: Scene, places: Ints, *, bf16: bool = False) -> Iterator[Ints]:
        """The classes of some pixels (N, 2), from 0, some at a time.

        Raises
        ------
        InputError
            If the scene has other bands than the one it was trained on, or is too small.
        """
        n = len(self.bands.mean)
        if scene.n_bands != n or min(scene.labels.shape) < self.window:
            raise InputError(
                f"{scene.name} has {scene.labels.shape} pixels and {scene.n_bands} bands; this "
                f"network needs {n} bands and {self.window} pixels each way."
            )
        return classify(
            self.network, Patches(self.bands.apply(scene.cube), self.window), places, bf16=bf16
        )


def make_network(kind: str, scene: Scene, settings: Settings) -> tuple[SSCL2DNN, int]:
    """A new network of that kind for the scene, and the side of the patches it is given."""
    made = KINDS[kind]
    n_bands = scene.n_bands if made.sees_spectrum else 1
    group = min(settings.group or max(2, -(-n_bands // MOST_STEPS)), n_bands)
    config = SpectralConfig(
        n_bands=n_bands,
        n_classes=scene.n_classes,
        group=group,
        stride=min(settings.stride, group) or group,
        hidden_sizes=(settings.hidden_size,) * settings.n_layers,
        kernel_size=3 if made.sees_patch else 1,
        dropout=settings.dropout,
    )
    return (SaCL2DNN if made.one_band else SSCL2DNN)(config), (
        settings.window if made.sees_patch else 1
    )


def save(trained: Trained, folder: Path) -> None:
    """Write a network into its own folder inside the folder of a run."""
    place = folder / trained.kind
    place.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"network.{name}": tensor.detach().cpu().contiguous()
        for name, tensor in trained.network.state_dict().items()
    }
    for name in ("mean", "deviation", "mix"):
        if (array := getattr(trained.bands, name)) is not None:
            tensors[f"bands.{name}"] = torch.tensor(array)
    save_file(tensors, place / WEIGHTS)
    shape = {
        "kind": trained.kind,
        "window": trained.window,
        "names": list(trained.names),
        "config": asdict(trained.network.config),
    }
    (place / JSON).write_text(json.dumps(shape, indent=1) + "\n", encoding="utf-8")


def save_map(kind: str, ids: Ints, folder: Path) -> None:
    """Keep the map (H, W) that a network gave, 0 where it gave none."""
    np.save(folder / kind / MAP, ids.astype(np.uint8), allow_pickle=False)


def load(folder: Path, kind: str) -> Trained:
    """Read a network back.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    place = folder / kind
    try:
        shape: dict[str, Any] = json.loads((place / JSON).read_text(encoding="utf-8"))
        network = (SaCL2DNN if KINDS[kind].one_band else SSCL2DNN)(
            SpectralConfig(**shape["config"])
        )
        tensors = load_file(place / WEIGHTS)
        network.load_state_dict({
            name.removeprefix("network."): tensor
            for name, tensor in tensors.items()
            if name.startswith("network.")
        })  # fmt: skip
        mix = tensors.get("bands.mix")
        bands = Bands(
            tensors["bands.mean"].numpy(),
            tensors["bands.deviation"].numpy(),
            None if mix is None else mix.numpy(),
        )
        return Trained(kind, network.eval(), bands, int(shape["window"]), tuple(shape["names"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as problem:
        what = str(problem).splitlines()[0] if str(problem) else repr(problem)
        raise ModelError(
            f"{place} holds no whole network ({what}). Run the experiment again."
        ) from problem


def kinds_in(folder: Path) -> tuple[str, ...]:
    """The kinds of network a run left, in the order of `KINDS`."""
    return tuple(kind for kind in KINDS if (folder / kind / JSON).is_file())


def classify_map(folder: Path, kind: str = "", scene: Scene | None = None) -> ClassMap:
    """The map of classes that a network of a run gives.

    Parameters
    ----------
    folder : Path
        Where `run` wrote.
    kind : str
        A key of `KINDS`; empty takes the first there is.
    scene : Scene, optional
        Every pixel of it is classified now. None reads the map of the scene that was trained on.

    Returns
    -------
    ClassMap
        Ids (H, W), and the names and colours of the classes from 1.

    Raises
    ------
    ModelError
        If the run left no such network.
    InputError
        If the scene does not fit the network.
    """
    found = kinds_in(folder)
    if not found or (kind and kind not in found):
        raise ModelError(
            f"{folder} holds {'no network' if not found else ', '.join(found)}; expected "
            f"{kind or 'one'}. Run the experiment with it."
        )
    trained = load(folder, kind or found[0])
    if scene is None:
        ids = whole_numbers(folder / trained.kind / MAP)
    else:
        places = np.argwhere(np.ones(scene.labels.shape, dtype=bool))
        ids = np.concatenate(list(trained.classify(scene, places))).reshape(scene.labels.shape) + 1
    if ids.ndim != 2 or ids.min() < 0 or ids.max() > len(trained.names):
        raise ModelError(f"{folder / trained.kind / MAP} is damaged. Run the experiment again.")
    return ClassMap(ids, trained.names, colours_of(trained.names))
