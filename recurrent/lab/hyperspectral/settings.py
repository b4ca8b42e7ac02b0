"""What can be set of the experiment, and which scene it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.errors import InputError
from corpora.mirror import require_mirror
from recurrent.lab.hyperspectral.own import load_scene
from recurrent.lab.hyperspectral.scenes import (
    FOLDER,
    PUBLISHED,
    Scene,
    load_jasper,
    load_published,
)
from recurrent.lab.hyperspectral.synthetic import spatial_scene, spectral_scene

NETWORKS = ("sscl2dnn", "sacl2dnn", "pixel", "plane")
MADE = {"synthetic-spatial": spatial_scene, "synthetic-spectral": spectral_scene}
SCENES = ("jasper", *MADE, *PUBLISHED)
SPLITS = ("blocks", "random")
PRECISIONS = ("auto", "bf16", "no")
DEVICES = ("auto", "cpu", "cuda", "mps")
JASPER_FILE = "jasperRidge2_R198.mat"


def _f(default: Any, text: str, *choices: str) -> Any:
    return field(
        default=default, metadata={"help": text} | ({"choices": choices} if choices else {})
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the experiment; the defaults are Jasper Ridge at 5 % in minutes of one core."""

    scene: str = _f("jasper", f"{', '.join(SCENES)}; or the path of a cube, .mat or .npy.")
    labels: str = _f("", "For a path: the file with its labels; empty if they are in the same.")
    cube_key: str = _f("", "For a path: the cube's name in a .mat file with several.")
    label_key: str = _f("", "For a path: the labels' name in a .mat file with several.")
    size: int = _f(72, "Rows and columns of a synthetic scene, at least 24.")
    network: str = _f(
        "sscl2dnn",
        "sscl2dnn; sacl2dnn (one band a step, slow); pixel (SSCL2DNN without surroundings); plane "
        "(SaCL2DNN on the first principal component, no spectrum); several with commas; or all.",
    )
    baseline: bool = _f(True, "Train the support vector machines, too.")
    share: float = _f(0.05, "Training pixels, as a share of each class; above 0, at most 0.25.")
    split: str = _f(
        "blocks", "blocks (no training patch holds a test pixel) or random (it leaks).", *SPLITS
    )
    block: int = _f(10, "Side of a block in pixels.")
    area: float = _f(0.25, "Share of the blocks that training pixels come from, at most 0.5.")
    window: int = _f(5, "Side of the patch around a pixel, odd.")
    group: int = _f(0, "K, neighbouring bands in one step; 0 takes 2, or what makes 33 steps.")
    stride: int = _f(0, "tau, bands from one step to the next, at most K; 0 takes K.")
    hidden_size: int = _f(24, "Channels of the ConvLSTM.")
    n_layers: int = _f(1, "ConvLSTM layers.")
    dropout: float = _f(0.2, "Share of the features dropped while training.")
    turn: bool = _f(True, "Show patches turned and mirrored at random while training.")
    noise: float = _f(0.0, "Noise on the bands while training, in deviations of each.")
    mix: float = _f(0.7, "Share of the patches mixed with another of their class while training.")
    whiten: float = _f(
        0.0, "Variance up to which rare directions of a spectrum are stretched; 0 off."
    )
    steps: int = _f(300, "Updates of the network.")
    batch_size: int = _f(64, "Pixels in an update.")
    lr: float = _f(1e-2, "Peak learning rate.")
    n_seeds: int = _f(1, "Splits and trainings; the proof takes 5.")
    seed: int = _f(0, "The first seed; it also makes the synthetic scenes.")
    precision: str = _f("auto", "auto, bf16 or no.", *PRECISIONS)
    device: str = _f("auto", "auto, cpu, cuda or mps.", *DEVICES)

    def __post_init__(self) -> None:
        if not self.kinds or not set(self.kinds) <= set(NETWORKS):
            raise ValueError(
                f"network={self.network!r} must be all, or some of {', '.join(NETWORKS)}"
            )
        for name, allowed in (
            ("split", SPLITS),
            ("precision", PRECISIONS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} must be one of {', '.join(allowed)}"
                )
        for name in ("block", "hidden_size", "n_layers", "steps", "batch_size", "n_seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("group", "stride", "noise", "whiten", "seed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        if self.size < 24:
            raise ValueError(f"size={self.size} must be at least 24")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window={self.window} must be odd, so that a pixel is in its middle")
        if not 0 < self.share <= 0.25:
            raise ValueError(f"share={self.share} must be above 0 and at most 0.25")
        if not self.share <= self.area <= 0.5:
            raise ValueError(f"area={self.area} must be at least share={self.share}, at most 0.5")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix={self.mix} must be at least 0 and at most 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1")
        if not 0 < self.lr < 1:
            raise ValueError(f"lr={self.lr} must be above 0 and below 1")
        if not self.scene:
            raise ValueError("scene='' is empty; expected the name of a scene or a path")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The networks that are meant, in the order of `NETWORKS`."""
        asked = [each.strip() for each in self.network.split(",") if each.strip()]
        if asked == ["all"]:
            return NETWORKS
        known = tuple(kind for kind in NETWORKS if kind in asked)
        return known + tuple(each for each in asked if each not in NETWORKS)


def open_scene(settings: Settings) -> Scene:
    """The scene the settings mean.

    Raises
    ------
    InputError
        If its files are missing or unfit.
    """
    if settings.scene in MADE:
        return MADE[settings.scene](settings.size, seed=settings.seed)
    if settings.scene == "jasper":
        return load_jasper(require_mirror() / FOLDER / JASPER_FILE)
    if settings.scene in PUBLISHED:
        return load_published(settings.scene, require_mirror() / FOLDER)
    path = Path(settings.scene).expanduser()
    if not path.suffix:
        raise InputError(
            f"There is no scene {settings.scene!r}; expected {', '.join(SCENES)}, or the path of a "
            ".mat or .npy file."
        )
    labels = Path(settings.labels).expanduser() if settings.labels else None
    return load_scene(path, labels, cube_key=settings.cube_key, label_key=settings.label_key)
