"""Windows cut from a table: what is read, what is forecast, and which windows are held out.

A `Plan` holds all that is decided before training, so that `alarms` can look at it. Rows are those
of the series; a window is named by its *end*, the last row it reads. Two ways to make a plan:
`honest_plan`, and `lecture_plan`, which repeats the lecture's split of Jena to the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from corpora.errors import CorpusError
from engine.batching import Batch
from recurrent.lab.weather.reading import Floats, Times
from recurrent.lab.weather.sources import JENA_TARGET, JenaRows
from recurrent.lab.weather.tables import Table

Ends = NDArray[np.int64]
Singles = NDArray[np.float32]
SHARES = (0.5, 0.25)  # of the rows, to train and to choose; the rest tests
FEWEST = 30  # windows of a part: of fewer, no interval could be calibrated
LEAKS = ("none", "scaler", "target", "shuffle")
_DAY_S, _YEAR_S = 86_400.0, 365.2425 * 86_400


@dataclass(frozen=True)
class Scaler:
    """Mean and spread of each column over the rows `first` to before `last`."""

    mean: Floats  # (C,)
    std: Floats  # (C,)
    first: int
    last: int

    @classmethod
    def fit(cls, inputs: Floats, first: int, last: int) -> Scaler:
        """Measure the rows of inputs (N, C) from `first` to before `last`; NaN is left out."""
        part = inputs[first:last]
        std = np.nanstd(part, axis=0)
        # A column that never changes says nothing, and must not be divided by nothing.
        return cls(np.nanmean(part, axis=0), np.where(std > 1e-9, std, 1.0), first, last)


@dataclass(frozen=True)
class Plan:
    """What is read, what is forecast, and when.

    Attributes
    ----------
    name, target : str
        The series, and which of its columns is forecast.
    names : tuple of str
        The columns read, of which the target's past is one.
    inputs : float64, shape (N, C)
        In their own units.
    truth : float64, shape (N,)
        The target in its own units, NaN where it was not measured.
    times : datetime64[s], shape (N,)
    window, stride, horizon : int
        Steps read, T; rows between them; rows from the last of them to the target.
    train, valid, test : int64
        The ends of the windows of each part.
    ends : int64
        Every end a forecast may be made from, whether or not its truth is known.
    scaler : Scaler
        Its figures for the target also turn forecasts back into the target's units.
    step_minutes : int
        Between rows.
    notes : tuple of str
        What a reader of the results should know.
    """

    name: str
    target: str
    names: tuple[str, ...]
    inputs: Floats
    truth: Floats
    times: Times
    window: int
    stride: int
    horizon: int
    train: Ends
    valid: Ends
    test: Ends
    ends: Ends
    scaler: Scaler
    step_minutes: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("window", "stride", "horizon"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")

    @property
    def span(self) -> int:
        """The rows from a window's first to its last, both counted."""
        return (self.window - 1) * self.stride + 1

    @property
    def horizon_hours(self) -> float:
        """Hours from the last row read to the target."""
        return self.horizon * self.step_minutes / 60

    @property
    def column(self) -> int:
        """The target's place among the inputs."""
        return self.names.index(self.target)

    @property
    def unit_scale(self) -> float:
        """The target's units in one z-unit."""
        return float(self.scaler.std[self.column])

    def scaled(self) -> Singles:
        """The inputs in z-units, (N, C)."""
        return ((self.inputs - self.scaler.mean) / self.scaler.std).astype(np.float32)

    def targets(self, ends: Ends) -> Floats:
        """What is to be forecast from these ends, (n,), in z-units; NaN where it is not known."""
        rows = ends + self.horizon
        known = rows < len(self.truth)
        found = np.full(len(ends), np.nan)
        found[known] = self.truth[rows[known]]
        return self.to_z(found)

    def to_z(self, values: Floats) -> Floats:
        """The target's units -> z-units."""
        z: Floats = (values - self.scaler.mean[self.column]) / self.unit_scale
        return z

    def to_units(self, z: Floats) -> Floats:
        """z-units -> the target's units."""
        values: Floats = z * self.unit_scale + self.scaler.mean[self.column]
        return values


class Windows:
    """Windows of a plan as `engine.fit` wants them.

    Parameters
    ----------
    plan : Plan
    ends : int64, shape (n,)
        Which windows.
    """

    def __init__(self, plan: Plan, ends: Ends) -> None:
        self.plan, self.ends = plan, ends
        self._series = torch.from_numpy(plan.scaled())  # (N, C)
        self._back = torch.arange(1 - plan.window, 1) * plan.stride  # (T,)
        self._targets = plan.targets(ends).astype(np.float32)

    def __len__(self) -> int:
        return len(self.ends)

    def batch(self, rows: NDArray[np.int64], *, seed: int, epoch: int) -> Batch:
        """`x` (B, T, C) and `y` (B, 1), in z-units."""
        y = torch.from_numpy(self._targets[rows])[:, None]
        return {"x": self.read(self.ends[rows]), "y": y, "n_targets": len(rows)}

    def read(self, ends: Ends) -> torch.Tensor:
        """The windows that end there, (B, T, C), in z-units."""
        places = torch.from_numpy(np.asarray(ends))[:, None] + self._back  # (B, T)
        return self._series[places]


# ------------------------------------------------------------------------------------- the honest


def honest_plan(
    table: Table,
    target: str,
    *,
    window_hours: float = 48,
    horizon_hours: float = 24,
    every_hours: float = 1,
    leak: str = "none",
    seed: int = 0,
) -> Plan:
    """Split 50/25/25 in time, with a gap of window and horizon between the parts' targets.

    No window reaches back into the part before its own, and the scaler has seen the first part
    alone.

    Parameters
    ----------
    table : Table
    target : str
        A column of the table.
    window_hours, horizon_hours : float
        Read, and ahead; whole numbers of what is read and of the table's steps.
    every_hours : float
        Between the rows a window reads, a whole number of the table's steps; a table with rarer
        rows is read row by row.
    leak : str
        Make this mistake on purpose, to see what it does: "scaler", "target" or "shuffle".
    seed : int
        Of the shuffle.

    Raises
    ------
    CorpusError
        If the target is not there, the hours are no whole steps, or a part has no window.
    ValueError
        If there is no such leak.
    """
    if leak not in LEAKS:
        raise ValueError(f"leak={leak!r} must be one of {', '.join(LEAKS)}")
    stride = 1
    if every_hours * 60 > table.step_minutes:
        stride = _steps(table, "time between the rows read", every_hours, 1)
    window = _steps(table, "window", window_hours, stride)
    horizon = _steps(table, "horizon", horizon_hours, 1)
    at = table.index(target)
    truth = np.where(table.measured[:, at], table.values[:, at], np.nan)
    n, (train_share, valid_share) = len(table), SHARES
    borders = (0, int(n * train_share), int(n * (train_share + valid_share)), n)
    whole_year = (borders[1] * table.step_minutes) * 60 >= _YEAR_S
    names, inputs = _with_clock(table, whole_year)
    notes = list(table.notes)
    if not whole_year:
        notes.append("The training part is shorter than a year: the time of year is left out")
    if leak == "target":
        ahead = np.full((n, 1), np.nan)
        ahead[:-horizon, 0] = table.values[horizon:, at]
        names, inputs = (*names, f"{target} in {horizon_hours:g} h"), np.hstack([inputs, ahead])
    span = (window - 1) * stride + 1
    whole = whole_windows(np.asarray(np.isfinite(inputs).all(axis=1)), span)
    # What was filled in was made from what came later: a window must not end on it.
    every = np.flatnonzero(whole & table.measured.all(axis=1))
    ends = every[every + horizon < n]
    ends = ends[np.isfinite(truth[ends + horizon])]
    if leak == "shuffle":
        order = np.random.default_rng(seed).permutation(ends)
        cuts = [int(len(ends) * train_share), int(len(ends) * (train_share + valid_share))]
        parts = [np.sort(part) for part in np.split(order, cuts)]
    else:
        parts = [
            ends[(ends - span + 1 >= first) & (ends + horizon < last)]
            for first, last in pairwise(borders)
        ]
    for part, what in zip(parts, ("train", "choose", "test"), strict=True):
        if len(part) < FEWEST:
            raise CorpusError(
                f"{table.name} has {n:,} rows, which give {len(part)} whole windows to {what} on; "
                f"expected at least {FEWEST} in each part. A window and its target span "
                f"{span + horizon:,} rows without a long gap. Give a longer table, a shorter "
                "window, or fewer columns."
            )
    scaler = Scaler.fit(inputs, 0, n if leak == "scaler" else borders[1])
    return Plan(
        table.name, target, names, inputs, truth, table.times, window, stride, horizon,
        parts[0], parts[1], parts[2], every, scaler, table.step_minutes, tuple(notes),
    )  # fmt: skip


def whole_windows(whole: NDArray[np.bool_], span: int) -> NDArray[np.bool_]:
    """For each row, whether the `span` rows that end there are all whole, (N,)."""
    runs = np.concatenate(([0], np.cumsum(whole)))
    found = np.zeros(len(whole), dtype=np.bool_)
    found[span - 1 :] = runs[span:] - runs[:-span] == span
    return found


def _steps(table: Table, what: str, hours: float, stride: int) -> int:
    minutes = table.step_minutes * stride
    steps = hours * 60 / minutes
    if steps < 1 or abs(steps - round(steps)) > 1e-9:
        raise CorpusError(
            f"A {what} of {hours:g} h does not fit {table.name}, which is read every {minutes} "
            f"minutes; expected a multiple of {minutes / 60:g} h."
        )
    return round(steps)


def _with_clock(table: Table, year: bool) -> tuple[tuple[str, ...], Floats]:
    """The table's columns and the time of day, and of year, as sine and cosine."""
    turns = [("time of day", clock(table.times, _DAY_S))]
    if year:
        turns.append(("time of year", clock(table.times, _YEAR_S)))
    names = [f"{name} {part}" for name, _ in turns for part in ("sine", "cosine")]
    columns = [table.values, *(pair for _, pair in turns)]
    return (*table.names, *names), np.concatenate(columns, axis=1)


def clock(at: Times, period_s: float) -> Floats:
    """Where in a period each time lies, as sine and cosine, (N, 2): midnight lies next to 23:59."""
    angle = at.astype("datetime64[s]").astype(np.float64) * (2 * np.pi / period_s)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


# ------------------------------------------------------------------------------------ the lecture


@dataclass(frozen=True, slots=True)
class LectureSplit:
    """The lecture's numbers, in rows of ten minutes.

    `train`, `valid` and `test` bound the row a sample is drawn at; None is the end of the file. The
    sample drawn at row r reads rows r - lookback to r - step, every `step`-th, and forecasts row
    r + delay: 25 hours after the last row it has read, not 24. `ends_early=False` reads on to row
    r, which makes it 24.
    """

    lookback: int = 1440
    step: int = 6
    delay: int = 144
    batch_size: int = 128
    train: tuple[int, int] = (0, 200_000)
    valid: tuple[int, int] = (200_001, 300_000)
    test: tuple[int, int | None] = (300_001, None)
    scaled_rows: int = 200_000
    ends_early: bool = True

    def draws(self, part: str, n_rows: int) -> Ends:
        """The rows r at which samples of a part are drawn, whole batches but in training."""
        first, last = getattr(self, part)
        stop = n_rows - self.delay - 1
        stop = stop if last is None else min(last, stop)
        drawn = np.arange(first + self.lookback, stop)
        if part == "train":
            return drawn
        whole = len(drawn) // self.batch_size * self.batch_size
        return drawn[:whole]


def lecture_plan(rows: JenaRows, split: LectureSplit | None = None) -> Plan:
    """The lecture's own split, window and scaling of Jena, to the row.

    Every variable as it stands in the file: the wind's direction in degrees, sentinels left in,
    rows counted and not their times. The last targets of each part lie in the next:
    `alarms` says so.

    Raises
    ------
    CorpusError
        If a part has no sample: the excerpt is too short for the whole file's split.
    """
    split = split or LectureSplit()
    n = len(rows.values)
    parts = {part: split.draws(part, n) for part in ("train", "valid", "test")}
    if short := [part for part, drawn in parts.items() if not len(drawn)]:
        raise CorpusError(
            f"Jena with {n:,} rows gives the lecture's split no sample in {' and '.join(short)}; "
            "expected the whole file of 420,551 rows."
        )
    early = split.step if split.ends_early else 0
    at = rows.names.index(JENA_TARGET)
    return Plan(
        name=f"Jena, the lecture's split{'' if split.ends_early else ', 24 h'}",
        target=JENA_TARGET,
        names=rows.names,
        inputs=rows.values,
        truth=rows.values[:, at],
        times=rows.at,
        window=split.lookback // split.step,
        stride=split.step,
        horizon=split.delay + early,
        train=parts["train"] - early,
        valid=parts["valid"] - early,
        test=parts["test"] - early,
        ends=np.arange(split.lookback - early, n),
        scaler=Scaler.fit(rows.values, 0, split.scaled_rows),
        step_minutes=10,
        notes=("Rows are counted, not hours: the file leaves out some times and repeats others",),
    )
