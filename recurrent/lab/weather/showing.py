"""What the page shows live: a file's columns before a run, and forecasts of a model after it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from corpora.errors import CorpusError, ModelError
from recurrent.forecasting import Forecaster
from recurrent.lab.weather.reading import (
    RawTable,
    Times,
    find_time,
    is_missing,
    numbers,
    read_csv,
    times,
)
from recurrent.lab.weather.residual import load_network
from recurrent.lab.weather.tables import is_compass, is_direction, regularise
from recurrent.lab.weather.windows import Plan

SETUP, RECENT, MODEL = "setup.json", "recent.safetensors", "interval"
KEPT_DAYS = 90  # of the series' end, for `forecast`


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a person's file.

    Attributes
    ----------
    kind : str
        "number", "direction" (degrees of a circle), "compass" (points such as NW), "text", or
        "empty".
    n_missing, longest_gap : int
        Rows without a value, and the most of them in a row.
    low, high : float, optional
        Of a column of numbers.
    """

    name: str
    kind: str
    n_missing: int
    longest_gap: int
    low: float | None = None
    high: float | None = None

    @property
    def can_be_target(self) -> bool:
        """Whether a forecast of it makes sense: a number that changes and is mostly there."""
        return self.kind == "number" and self.low != self.high


@dataclass(frozen=True, slots=True)
class Inspection:
    """A person's file as it was found, to choose from before training."""

    path: str
    n_rows: int
    time_column: str
    first: str
    last: str
    step_minutes: int
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def inspect_csv(path: Path) -> Inspection:
    """Look at a CSV file: its times, and each column's kind and gaps.

    Raises
    ------
    CorpusError
        If it cannot be read, or has no times or no numbers.
    """
    raw = read_csv(path)
    where = find_time(raw)
    at = times(raw, where)
    columns = tuple(_look(raw, name) for name in raw.columns if name not in where)
    first = next((c.name for c in columns if c.kind in ("number", "direction")), None)
    if first is None:
        raise CorpusError(
            f"{raw.name} has no column of numbers beside its times; expected one to forecast."
        )
    table = regularise(raw.name, at, (first,), numbers(raw, first)[:, None])
    return Inspection(
        path=str(path),
        n_rows=raw.n_rows,
        time_column=" ".join(where),
        first=str(at.min()),
        last=str(at.max()),
        step_minutes=table.step_minutes,
        columns=columns,
        notes=tuple(note for note in table.notes if "interpolated" not in note),
    )


def _look(raw: RawTable, name: str) -> Column:
    cells = raw.columns[name]
    missing = np.array([is_missing(cell) for cell in cells])
    if missing.all():
        return Column(name, "empty", len(cells), len(cells))
    if is_compass(cells):
        return Column(name, "compass", int(missing.sum()), _longest(missing))
    try:
        values = numbers(raw, name)
    except CorpusError:
        return Column(name, "text", int(missing.sum()), _longest(missing))
    missing = np.isnan(values)
    if missing.all():
        return Column(name, "empty", len(cells), len(cells))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    kind = "direction" if is_direction(name, cells) else "number"
    return Column(name, kind, int(missing.sum()), _longest(missing), low, high)


def _longest(missing: np.ndarray) -> int:
    edges = np.diff(np.concatenate(([0], missing.astype(np.int8), [0])))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max(initial=0))


# --------------------------------------------------------------------------------------- forecasts


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasts made one after the other, each `horizon_hours` ahead, in the target's units.

    `history` are the values that the last window read, oldest first; `truth` is None where it is
    not known.
    """

    series: str
    target: str
    unit: str
    horizon_hours: float
    coverage: float
    history_times: list[str]
    history: list[float]
    times: list[str]
    low: list[float]
    middle: list[float]
    high: list[float]
    truth: list[float | None]


def save_setup(
    out: Path, plan: Plan, model: Forecaster, unit: str, coverage: float, widening: float
) -> None:
    """Keep what `forecast` needs: the quantile network, its scaling, and the end of the series."""
    model.save(out / MODEL)
    first = max(0, len(plan.truth) - KEPT_DAYS * 1440 // plan.step_minutes - plan.span)
    ends = plan.ends[plan.ends - plan.span + 1 >= first] - first
    save_file(
        {
            "inputs": np.ascontiguousarray(plan.inputs[first:]),
            "truth": np.ascontiguousarray(plan.truth[first:]),
            "seconds": plan.times[first:].astype(np.int64),
            "ends": ends.astype(np.int64),
            "mean": plan.scaler.mean,
            "std": plan.scaler.std,
        },
        out / RECENT,
    )
    setup = {
        "series": plan.name, "target": plan.target, "unit": unit, "column": plan.column,
        "window": plan.window, "stride": plan.stride, "horizon": plan.horizon,
        "step_minutes": plan.step_minutes, "coverage": coverage, "widening": widening,
    }  # fmt: skip
    (out / SETUP).write_text(json.dumps(setup, indent=1) + "\n", encoding="utf-8")


def forecast(folder: Path, n: int | None = None, *, back: int = 0) -> Forecast:
    """Forecast from the latest windows of the folder of a run.

    Parameters
    ----------
    folder : Path
        Where `run` wrote.
    n : int, optional
        How many windows, the last of them the newest; by default as many as there are steps in the
        horizon, so that the forecasts reach from the series' end to the horizon.
    back : int
        Pretend that it is so many steps earlier, where the truth is known.

    Raises
    ------
    ModelError
        If the folder holds no finished run.
    ValueError
        If there are no windows that far back.
    """
    try:
        setup = json.loads((folder / SETUP).read_text(encoding="utf-8"))
        kept = load_file(folder / RECENT)
        window, stride, horizon = setup["window"], setup["stride"], setup["horizon"]
        at, mean, std = setup["column"], kept["mean"], kept["std"]
        ends = kept["ends"]
    except (OSError, ValueError, KeyError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no finished weather run ({problem}). Run the experiment to its end."
        ) from problem
    n = horizon if n is None else n
    if n < 1 or not 0 <= back < len(ends):
        raise ValueError(f"n={n} must be at least 1 and back={back} at least 0, below {len(ends)}")
    model = load_network(folder / MODEL)
    chosen = ends[: len(ends) - back][-n:]
    scaled = ((kept["inputs"] - mean) / std).astype(np.float32)
    places = chosen[:, None] + np.arange(1 - window, 1) * stride  # (n, T)
    with torch.inference_mode():
        low, middle, high = model(torch.from_numpy(scaled[places]))[:, 0].double().numpy().T
    low, high = low - setup["widening"], high + setup["widening"]
    read = places[-1]
    step = np.timedelta64(setup["step_minutes"] * 60, "s")
    grid: Times = kept["seconds"].astype("datetime64[s]")
    truth = np.concatenate([kept["truth"], np.full(horizon, np.nan)])[chosen + horizon]

    def units(z: np.ndarray) -> list[float]:
        return [float(value) for value in z * std[at] + mean[at]]

    return Forecast(
        series=setup["series"],
        target=setup["target"],
        unit=setup["unit"],
        horizon_hours=horizon * setup["step_minutes"] / 60,
        coverage=setup["coverage"],
        history_times=[str(time) for time in grid[read]],
        history=[float(value) for value in kept["inputs"][read, at]],
        times=[str(time) for time in grid[chosen] + horizon * step],
        low=units(low),
        middle=units(middle),
        high=units(high),
        truth=[None if np.isnan(value) else float(value) for value in truth],
    )
