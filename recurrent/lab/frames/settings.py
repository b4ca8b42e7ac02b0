"""How the experiment is run, what suits each film, and the recipe for a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from engine.devices import NAMES
from engine.fit_settings import FitSettings
from recurrent.lab.frames.model import ModelShape
from recurrent.lab.frames.movies import FILMS, Film

_BY_TIME = 10**6  # updates no run by the clock gets to


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run; a size of 0 takes what suits the film, see `SUITED`."""

    film: str = _setting("squares", "squares (the lecture's) or mnist (two moving digits)")
    given: int = _setting(0, "frames shown before the forecast begins; 0: 7 squares, 10 digits")
    n_movies: int = _setting(1000, "training movies in an epoch; each epoch draws new ones")
    n_test: int = _setting(200, "test movies; the same in every run")
    n_layer: int = _setting(0, "ConvLSTM layers; 0: what suits the film")
    hidden_size: int = _setting(0, "channels of each layer; 0: what suits the film")
    kernel_size: int = _setting(0, "side of the convolutions, odd; 0: what suits the film")
    patch: int = _setting(0, "side of the squares of pixels read as one place; 0: what suits")
    forecaster: bool = _setting(False, "the paper's encoder-forecaster in place of one stack")
    steps: int = _setting(0, "updates; 0: what suits the film")
    minutes: float = _setting(0.0, "train by the clock instead, for so long; 0: by updates")
    batch_size: int = _setting(0, "movies in an update; 0: what suits the film")
    lr: float = _setting(0.0, "peak learning rate; 0: what suits the film")
    rival: bool = _setting(True, "train the rival too: the lecture's network, or an FC-LSTM")
    precision: str = _setting("auto", "auto, bf16 or no")
    device: str = _setting("auto", "auto, cpu, cuda or mps")
    seed: int = _setting(0, "fixes first weights and training movies")

    def __post_init__(self) -> None:
        if self.film not in FILMS:
            raise ValueError(f"film={self.film!r} must be one of {', '.join(FILMS)}")
        for name in ("n_movies", "n_test"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        sizes = (
            "given",
            "n_layer",
            "hidden_size",
            "kernel_size",
            "patch",
            "steps",
            "batch_size",
            "seed",
        )
        for name in (*sizes, "minutes", "lr"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        if self.kernel_size and self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={self.kernel_size} must be odd")
        film = FILMS[self.film]
        if self.given >= film.n_frames:
            raise ValueError(
                f"given={self.given} must be below the {film.n_frames} frames there are"
            )
        if self.patch and film.size % self.patch:
            raise ValueError(f"patch={self.patch} must divide the side of a frame, {film.size}")
        if self.precision not in ("auto", "bf16", "no"):
            raise ValueError(f"precision={self.precision!r} must be auto, bf16 or no")
        if self.device not in NAMES:
            raise ValueError(f"device={self.device!r} must be one of {', '.join(NAMES)}")

    def suited(self) -> Settings:
        """These settings with the film's own in place of each 0 that stands for them."""
        own = SUITED[self.film]
        given = {name: value for name, value in own.items() if not getattr(self, name)}
        return replace(self, **given)

    def kind(self) -> Film:
        """The film, with as many frames given as these settings say."""
        film = FILMS[self.film]
        return replace(film, given=self.given or film.given)

    def shape(self) -> ModelShape:
        """The network these settings ask for."""
        own = self.suited()
        hidden_sizes = (own.hidden_size,) * own.n_layer
        return ModelShape(
            self.film, self.kind().given, hidden_sizes, own.kernel_size, own.patch, own.forecaster
        )

    def fit(self) -> FitSettings:
        """How it is trained."""
        own = self.suited()
        return FitSettings(
            steps=_BY_TIME if own.minutes else own.steps,
            batch_size=own.batch_size,
            lr=own.lr,
            min_lr_fraction=0.02,
            weight_decay=0.0,
            beta2=0.99,
            eval_every=50 if self.film == "squares" else 25,
            eval_rows=16,
            minutes=own.minutes,
            schedule="minutes" if own.minutes else "steps",
            precision=own.precision,
            device=own.device,
            seed=own.seed,
        )


SUITED: dict[str, dict[str, Any]] = {
    "squares": {
        "n_layer": 1, "hidden_size": 27, "kernel_size": 3, "patch": 1, "steps": 2500,
        "batch_size": 2, "lr": 3e-3,
    },
    "mnist": {
        "n_layer": 2, "hidden_size": 64, "kernel_size": 3, "patch": 4, "steps": 700,
        "batch_size": 4, "lr": 2e-3,
    },
}  # fmt: skip

# ConvLSTM-S of the public benchmark OpenSTL (Tan et al. 2023): 4 layers of 128, 5x5, patches of 4,
# 200 epochs of 10,000 movies in batches of 16. Days on a CPU; meant for a GPU, where it runs as is.
GPU_RECIPE = Settings(
    film="mnist", n_movies=10_000, n_test=3_000, n_layer=4, hidden_size=128, kernel_size=5,
    patch=4, steps=125_000, batch_size=16, lr=5e-4, rival=False,
)  # fmt: skip
