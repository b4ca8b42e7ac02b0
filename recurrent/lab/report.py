"""What an experiment of the lab tells while it runs and when it is done, as plain data.

Nothing is drawn here: the command prints rows, the page and the notebooks draw figures. An
experiment is a generator of `Progress` and `Point`, whose last event is `Done`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from corpora.errors import InputError

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done, the share of the whole that is done, and about how long is left."""

    stage: str
    share: float
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve that grows while the experiment runs, such as a held-out loss."""

    curve: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the result table.

    Attributes
    ----------
    system, metric : str
        What was measured of what; the unit belongs to the metric.
    value : float
        The mean, where several seeds or draws were made.
    low, high : float, optional
        The least and the greatest of them.
    kind : str
        "ours", "baseline", or "bound" for what nothing can beat.
    lecture : float, optional
        What the lecture's own system printed, on its own data; `note` says if that differs.
    """

    system: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: Literal["ours", "baseline", "bound"] = "ours"
    lecture: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Values by place, with a band around them where `low` and `high` are given."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    points: bool = False  # dots instead of a line


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of series over one axis, or a table of images beside each other.

    Attributes
    ----------
    images : sequence of (label, path)
        PNG or GIF files in the folder of the run, by name.
    """

    name: str
    title: str
    x_label: str = ""
    y_label: str = ""
    series: Sequence[Series] = ()
    images: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an experiment."""

    experiment: str
    settings: dict[str, Any]
    rows: Sequence[Row]
    figures: Sequence[Figure] = ()
    facts: dict[str, Any] = field(default_factory=dict)  # sizes, splits, seconds, versions
    stopped: bool = False  # whether it ended before all was done

    def plain(self) -> dict[str, Any]:
        """JSON's own types; what is not a finite number is null."""
        plain: dict[str, Any] = _finite(asdict(self))
        return plain

    def save(self, folder: Path) -> Path:
        """Write it into a folder of a run, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{REPORT}.part"
        unfinished.write_text(json.dumps(self.plain(), indent=1) + "\n", encoding="utf-8")
        return unfinished.replace(folder / REPORT)


@dataclass(frozen=True, slots=True)
class Done:
    """The end."""

    report: Report


Event = Progress | Point | Done


class Experiment(Protocol):
    """What each module of the lab offers: see `recurrent.lab.EXPERIMENTS`."""

    Settings: type[Any]  # a frozen dataclass; each field's metadata holds its `help`

    def run(
        self, settings: Any, out: Path, *, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Event]:
        """Do it: models and images go into `out`; `stopped` is asked often."""
        ...


def read_report(folder: Path) -> Report:
    """Read what `Report.save` wrote.

    Raises
    ------
    InputError
        If there is no report, or it is damaged.
    """
    try:
        plain = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        plain["rows"] = [Row(**row) for row in plain["rows"]]
        plain["figures"] = [
            Figure(**{
                **figure,
                "series": [Series(**series) for series in figure["series"]],
                "images": [(label, name) for label, name in figure["images"]],
            })
            for figure in plain["figures"]
        ]  # fmt: skip
        return Report(**plain)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"{folder} holds no whole report ({problem}). Run the experiment again."
        ) from problem


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
