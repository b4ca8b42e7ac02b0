"""What may be chosen for the weather experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recurrent.lab.weather.models import FAMILIES
from recurrent.lab.weather.sources import STATIONS
from recurrent.lab.weather.windows import LEAKS

SOURCES = ("nyc", "beijing", "jena", "jena-excerpt")
PROTOCOLS = ("honest", "lecture", "lecture-24h")
CALIBRATIONS = ("rolling", "split")


def _field(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run; each field's metadata holds its help."""

    source: str = _field("beijing", "nyc, beijing, jena, jena-excerpt, or the path of a CSV file")
    path: str = _field("", "where the whole Jena file lies; by default LETTERPRESS_DATA")
    station: str = _field("JFK", "New York's airport: EWR, JFK or LGA")
    target: str = _field("", "the column to forecast; a known source has its temperature")
    columns: str = _field("", "of a CSV file, the columns to read, comma-separated; empty: all")
    time_column: str = _field("", "of a CSV file, the column of times; empty: it is found")
    directions: str = _field("", "of a CSV file, columns in degrees of a circle, comma-separated")
    horizon_hours: float = _field(24.0, "how far ahead, in hours")
    window_hours: float = _field(72.0, "how much of the past is read, in hours")
    max_gap_hours: float = _field(6.0, "the longest gap that is interpolated, in hours")
    protocol: str = _field("honest", "honest, or for Jena also lecture or lecture-24h")
    models: str = _field("dense,gru,lstm", f"networks, comma-separated: {', '.join(FAMILIES)}")
    n_seeds: int = _field(1, "trainings of each network, from seeds that follow each other")
    n_trials: int = _field(2, "settings tried for each network and each baseline that has any")
    steps: int = _field(500, "updates of a network at most")
    batch_size: int = _field(128, "windows in one update")
    eval_every: int = _field(50, "updates between looks at the validation part")
    patience: int = _field(4, "looks without a better one before training ends")
    coverage: float = _field(0.9, "the share of truths that intervals are to hold")
    calibration: str = _field("rolling", "rolling: intervals learn as time goes on; or split")
    memory_days: float = _field(60.0, "days that a rolling calibration looks back")
    n_origins: int = _field(3, "origins of the rolling backtest; 0 leaves it out")
    leak: str = _field("", "make a mistake on purpose: scaler, target or shuffle")
    seed: int = _field(0, "of everything drawn by chance")
    device: str = _field("auto", "auto, cpu, cuda or mps")
    precision: str = _field("no", "no, bf16 or auto; so small a network gains nothing from bf16")

    def __post_init__(self) -> None:
        for name in ("n_seeds", "n_trials", "steps", "batch_size", "eval_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "n_origins", "max_gap_hours"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        for name in ("horizon_hours", "window_hours", "memory_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if not 0.5 <= self.coverage < 1:
            raise ValueError(f"coverage={self.coverage} must be at least 0.5 and below 1")
        for name, allowed in (
            ("protocol", PROTOCOLS),
            ("calibration", CALIBRATIONS),
            ("leak", LEAKS),
            ("station", STATIONS),
            ("precision", ("auto", "bf16", "no")),
            ("device", ("auto", "cpu", "cuda", "mps")),
        ):
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(repr, allowed))
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {listed}")
        if unknown := [name for name in self.network_names if name not in FAMILIES]:
            raise ValueError(f"models={unknown[0]!r} must be some of {', '.join(FAMILIES)}")
        if not self.source:
            raise ValueError(f"source={self.source!r} must be {', '.join(SOURCES)} or a path")
        if self.protocol != "honest" and not self.is_jena:
            raise ValueError(f"protocol={self.protocol!r} is for Jena; source={self.source!r}")
        if self.protocol != "honest" and self.leak:
            raise ValueError(f"leak={self.leak!r} needs protocol='honest'")

    @property
    def network_names(self) -> tuple[str, ...]:
        """The networks to train, in order."""
        return split_names(self.models)

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


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, without those that are empty or come again."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
