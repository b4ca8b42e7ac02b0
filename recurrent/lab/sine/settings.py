"""The settings of the noisy sine."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.devices import NAMES


@dataclass(frozen=True, slots=True)
class Settings:
    """How large a run is. The draws learn side by side, so few cost little less than many."""

    seed: int = field(default=0, metadata={"help": "the first draw; further ones count up from it"})
    n_draws: int = field(default=20, metadata={"help": "draws of the noise"})
    n_members: int = field(default=4, metadata={"help": "networks whose forecasts are averaged"})
    hidden_size: int = field(default=12, metadata={"help": "units of each network"})
    n_updates: int = field(default=400, metadata={"help": "updates of each network"})
    lecture_epochs: int = field(
        default=70, metadata={"help": "epochs of the lecture's network, 70 in the lecture"}
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps"})

    def __post_init__(self) -> None:
        for name in ("n_draws", "n_members", "hidden_size", "n_updates", "lecture_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed} must not be negative")
        if self.device not in NAMES:
            raise ValueError(f"device={self.device!r} must be one of {', '.join(NAMES)}")
