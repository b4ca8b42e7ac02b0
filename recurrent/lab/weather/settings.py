"""What may be chosen for the weather experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recurrent.lab.weather.models import FAMILIES
from recurrent.lab.weather.sources import STATIONS
from recurrent.lab.weather.windows import LEAKS

SOURCES = ("nyc", "beijing", "jena", "jena-excerpt")
CHOICES: dict[str, tuple[str, ...]] = {
    "station": STATIONS,
    "protocol": ("honest", "lecture", "lecture-24h"),
    "models": tuple(FAMILIES),
    "calibration": ("rolling", "split"),
    "leak": LEAKS,
    "device": ("auto", "cpu", "cuda", "mps"),
    "precision": ("no", "bf16", "auto"),
}


def _field(default: Any, text: str, choices: str = "") -> Any:
    of = {"choices": CHOICES[choices]} if choices else {}
    return field(default=default, metadata={"help": text, **of})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run; each field's metadata holds its help."""

    source: str = _field("beijing", "nyc, beijing, jena, jena-excerpt, or the path of a CSV file")
    path: str = _field("", "where the whole Jena file lies; by default LETTERPRESS_DATA")
    station: str = _field("JFK", "New York's airport", "station")
    target: str = _field("", "the column to forecast; a known source has its temperature")
    columns: tuple[str, ...] = _field((), "of a CSV file, the columns to read; none named: all")
    time_column: str = _field("", "of a CSV file, the column of times; empty: it is found")
    directions: tuple[str, ...] = _field((), "of a CSV file, columns in degrees of a circle")
    horizon_hours: float = _field(24.0, "how far ahead, in hours")
    window_hours: float = _field(48.0, "how much of the past is read, in hours")
    every_hours: float = _field(3.0, "hours from one of the rows read to the next")
    max_gap_hours: float = _field(6.0, "the longest gap that is interpolated, in hours")
    protocol: str = _field("honest", "how to split; the lecture's ways are for Jena", "protocol")
    models: tuple[str, ...] = _field(
        ("dense", "gru", "lstm", "gru_over_ridge"), "the networks to train", "models"
    )
    n_seeds: int = _field(1, "trainings of each network, from seeds that follow each other")
    n_trials: int = _field(2, "settings tried for each network and each baseline that has any")
    steps: int = _field(400, "updates of a network at most")
    batch_size: int = _field(256, "windows in one update")
    eval_every: int = _field(50, "updates between looks at the validation part")
    patience: int = _field(4, "looks without a better one before training ends")
    coverage: float = _field(0.9, "the share of truths that intervals are to hold")
    calibration: str = _field(
        "rolling", "whether intervals go on learning from their errors, or not", "calibration"
    )
    memory_days: float = _field(60.0, "days that a rolling calibration looks back")
    n_origins: int = _field(3, "origins of the rolling backtest; 0 leaves it out")
    leak: str = _field("none", "make a mistake on purpose, to see what it does", "leak")
    seed: int = _field(0, "of everything drawn by chance")
    device: str = _field("auto", "where to train", "device")
    precision: str = _field(
        "no", "no is fp32: so small a network gains nothing from bf16", "precision"
    )

    def __post_init__(self) -> None:
        for name in ("models", "columns", "directions"):  # JSON gives lists
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        for name in ("n_seeds", "n_trials", "steps", "batch_size", "eval_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "n_origins", "max_gap_hours"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        for name in ("horizon_hours", "window_hours", "every_hours", "memory_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if not 0.5 <= self.coverage < 1:
            raise ValueError(f"coverage={self.coverage} must be at least 0.5 and below 1")
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if one not in allowed:
                    raise ValueError(f"{name}={one!r} must be of {', '.join(allowed)}")
        if not self.models:
            raise ValueError(f"models={self.models!r} must name one at least")
        if not self.source:
            raise ValueError(f"source={self.source!r} must be {', '.join(SOURCES)} or a path")
        if self.protocol != "honest" and not self.is_jena:
            raise ValueError(f"protocol={self.protocol!r} is for Jena; source={self.source!r}")
        if self.protocol != "honest" and self.leak != "none":
            raise ValueError(f"leak={self.leak!r} needs protocol='honest'")

    @property
    def is_jena(self) -> bool:
        """Whether the source is Jena, whole or not."""
        return self.source in ("jena", "jena-excerpt")

    @property
    def allowed_alarms(self) -> tuple[str, ...]:
        """The alarms that may ring, because the leak was asked for by name."""
        if self.protocol != "honest":
            return ("shuffle",)  # the last targets of each of the lecture's parts lie in the next
        # A scaler fitted on the first half of shuffled windows' time has seen held-out ones.
        return ("shuffle", "scaler") if self.leak == "shuffle" else (self.leak,)
