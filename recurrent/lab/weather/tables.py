"""A weather table on a regular grid of times: what every window is cut from.

Readings out of order are sorted, those of one time averaged, those off the grid moved to the
nearest place, and each of these is noted. Short gaps are interpolated; a longer one stays a gap,
and no window crosses it. Whether a value was measured or filled in is kept, so that no window ends
and no target lies on a filled-in value: it would have been made from what came later.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora.errors import CorpusError
from recurrent.lab.weather.reading import (
    Floats,
    RawTable,
    Times,
    find_time,
    is_missing,
    is_number,
    numbers,
    read_csv,
    times,
    to_number,
)

Bools = NDArray[np.bool_]
EMPTIEST = 0.5  # a grid emptier than this was no grid
LONGEST = 2_000_000
COMPASS = {
    point: 22.5 * i
    for i, point in enumerate("n nne ne ene e ese se sse s ssw sw wsw w wnw nw nnw".split())
}
CALM = frozenset({"cv", "calm", "vrb", "var", "variable", "c"})
_STEPS_MIN = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)


@dataclass(frozen=True)
class Table:
    """Readings on a regular grid.

    Attributes
    ----------
    name : str
        Where they are from.
    times : datetime64[s], shape (N,)
        Regular, oldest first.
    names : tuple of str
        The columns.
    values : float64, shape (N, C)
        In their own units; NaN inside gaps longer than the limit.
    measured : bool, shape (N, C)
        False where a value was filled in or is missing.
    step_minutes : int
        Between rows.
    notes : tuple of str
        What was found and done.
    """

    name: str
    times: Times
    names: tuple[str, ...]
    values: Floats
    measured: Bools
    step_minutes: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def index(self, name: str) -> int:
        """The place of a column; CorpusError if there is none of that name."""
        if name not in self.names:
            raise CorpusError(
                f"{self.name} has no column {name!r}; it has {', '.join(self.names)}. "
                "Choose one of those."
            )
        return self.names.index(name)

    def stretches(self) -> list[tuple[int, int]]:
        """The runs of rows without a gap in any column: (first, one past the last)."""
        whole = np.isfinite(self.values).all(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], whole, [False])).astype(np.int8)))
        return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def load_csv(
    path: Path,
    *,
    columns: tuple[str, ...] = (),
    time_column: str = "",
    directions: tuple[str, ...] = (),
    max_gap_hours: float = 3.0,
) -> Table:
    """Read a person's own CSV file as a table.

    Parameters
    ----------
    path : Path
        A CSV file with a header; .gz and .zip are opened.
    columns : tuple of str
        Those to use; by default every column of numbers or compass points.
    time_column : str
        By default the first column that holds times, or year, month, day and hour.
    directions : tuple of str
        Columns of degrees, which become a sine and a cosine: 359 lies next to 1. By default those
        that `is_direction` finds; columns of compass points always do.
    max_gap_hours : float
        The longest gap that is interpolated.

    Raises
    ------
    CorpusError
        If a column is not there or holds something else, or the times are no grid.
    """
    raw = read_csv(path)
    where = (time_column,) if time_column else find_time(raw)
    at = times(raw, where)
    chosen = columns or tuple(usable_columns(raw, where))
    for name in directions:
        raw.column(name)
    if not directions:
        directions = tuple(name for name in chosen if is_direction(name, raw.column(name)))
    names, values = encode(raw, chosen, directions)
    if not names:
        raise CorpusError(f"{raw.name} has no column of numbers beside its times. Give one.")
    return regularise(raw.name, at, names, values, max_gap_hours=max_gap_hours)


def usable_columns(raw: RawTable, where: tuple[str, ...]) -> list[str]:
    """The columns that hold numbers or compass points and are not all missing."""
    found = []
    for name, cells in raw.columns.items():
        if name in where or all(is_missing(cell) for cell in cells):
            continue
        if is_compass(cells):
            found.append(name)
            continue
        try:
            numbers(raw, name)
        except CorpusError:
            continue
        found.append(name)
    return found


def is_compass(cells: list[str]) -> bool:
    """Whether a column holds compass points such as NW, and words for a calm."""
    said = {cell.lower() for cell in set(cells) if not is_missing(cell)}
    return bool(said & COMPASS.keys()) and said <= COMPASS.keys() | CALM


def is_direction(name: str, cells: list[str]) -> bool:
    """Whether a column holds degrees of a circle, by its name (a "dir", "wd") and its range."""
    words = name.lower().replace("_", " ").split()
    if not any(word.startswith("dir") or word in ("wd", "winddir") for word in words):
        return False
    if not all(is_number(cell) for cell in cells if not is_missing(cell)):
        return False
    values = [value for cell in cells if not np.isnan(value := to_number(cell))]
    return bool(values) and min(values) >= 0 and 180 < max(values) <= 360


def encode(
    raw: RawTable, chosen: tuple[str, ...], directions: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], Floats]:
    """The chosen columns as numbers, (N, C), directions as sine and cosine."""
    names: list[str] = []
    parts: list[Floats] = []
    for name in chosen:
        cells = raw.column(name)
        if is_compass(cells):
            # Neither north nor south: a calm lies in the middle of the circle.
            angle = np.deg2rad([COMPASS.get(cell.lower(), np.nan) for cell in cells])
            known = np.array([not is_missing(cell) for cell in cells])
            pair = np.nan_to_num(np.stack([np.sin(angle), np.cos(angle)], axis=1))
            pair[~known] = np.nan
        elif name in directions:
            angle = np.deg2rad(numbers(raw, name))
            pair = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        else:
            names.append(name)
            parts.append(numbers(raw, name)[:, None])
            continue
        names += [f"{name} sine", f"{name} cosine"]
        parts.append(pair)
    if not parts:
        return (), np.empty((raw.n_rows, 0))
    values = np.concatenate(parts, axis=1)
    for i, name in enumerate(names):
        if name.removesuffix(" sine").removesuffix(" cosine") in directions:
            # Stations leave the direction out where the wind has none, and give all else.
            others = np.isfinite(np.delete(values, i, axis=1)).any(axis=1)
            values[others & np.isnan(values[:, i]), i] = 0.0
    return tuple(names), values


def regularise(
    name: str,
    at: Times,
    names: tuple[str, ...],
    values: Floats,
    *,
    max_gap_hours: float = 3.0,
) -> Table:
    """Put readings onto a regular grid and fill short gaps.

    Parameters
    ----------
    at : datetime64[s], shape (N,)
        In any order, perhaps with repetitions.
    values : float64, shape (N, C)
        NaN where nothing was measured.
    max_gap_hours : float
        The longest gap that is interpolated, not negative.

    Raises
    ------
    CorpusError
        If there are fewer than three times, or most places of the grid would be empty.
    ValueError
        If `max_gap_hours` is negative.
    """
    if not max_gap_hours >= 0:
        raise ValueError(f"max_gap_hours={max_gap_hours} must not be negative")
    notes: list[str] = []
    seconds = at.astype(np.int64)
    if (np.diff(seconds) < 0).any():
        notes.append(f"{int((np.diff(seconds) < 0).sum()):,} readings were out of order: sorted")
    order = np.argsort(seconds, kind="stable")
    seconds, values = seconds[order], values[order]
    step = _step_seconds(name, seconds)
    start = (
        seconds[0]
        if (seconds[0] % step == seconds % step).mean() > 0.5
        else (seconds[0] - seconds[0] % step)
    )
    places = np.rint((seconds - start) / step).astype(np.int64)
    n = int(places[-1]) + 1
    taken = len(np.unique(places))
    if n > LONGEST or taken < EMPTIEST * n:
        raise CorpusError(
            f"{name} has readings for {taken:,} of {n:,} times {step // 60} minutes apart: its "
            "times are too irregular for windows. Give one reading for each hour, or a stretch "
            "without long holes."
        )
    moved = int((seconds != start + places * step).sum())
    if moved:
        notes.append(f"{moved:,} readings lay off the grid: moved to the nearest time")
    if taken < len(places):
        notes.append(f"{len(places) - taken:,} readings shared a time with another: averaged")
    if taken < n:
        notes.append(f"{n - taken:,} of {n:,} times have no reading")
    grid = _average(places, values, n)
    measured = np.isfinite(grid)
    limit = int(max_gap_hours * 3600 // step)
    for c in range(grid.shape[1]):
        fill_short_gaps(grid[:, c], limit)
    filled = int((np.isfinite(grid) & ~measured).sum())
    if filled:
        notes.append(f"{filled:,} values in gaps of up to {max_gap_hours:g} h interpolated")
    left = int((~np.isfinite(grid)).any(axis=1).sum())
    if left:
        notes.append(f"{left:,} times lie in longer gaps: no window crosses them")
    regular = (start + step * np.arange(n)).astype("datetime64[s]")
    return Table(name, regular, names, grid, measured, step // 60, tuple(notes))


def _step_seconds(name: str, seconds: NDArray[np.int64]) -> int:
    """The step of the grid: the commonest difference, or a round one near the middle of them."""
    differences = np.diff(np.unique(seconds))
    if len(differences) < 2:
        raise CorpusError(f"{name} has fewer than three different times. Give a longer table.")
    found, counts = np.unique(differences, return_counts=True)
    commonest = int(found[counts.argmax()])
    if commonest % 60 == 0 and counts.max() >= 0.5 * len(differences):
        return commonest
    middle = max(float(np.median(differences)) / 60, 1.0)
    return 60 * min(_STEPS_MIN, key=lambda step: abs(np.log(step / middle)))


def _average(places: NDArray[np.int64], values: Floats, n: int) -> Floats:
    """The mean reading of each place, NaN where there is none."""
    known = np.isfinite(values)
    total, count = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    np.add.at(total, places, np.where(known, values, 0.0))
    np.add.at(count, places, known)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def fill_short_gaps(column: Floats, limit: int) -> None:
    """Interpolate, in place, the runs of at most `limit` NaN between two numbers."""
    known = np.flatnonzero(np.isfinite(column))
    steps = np.diff(known)
    for i in np.flatnonzero((steps > 1) & (steps <= limit + 1)):
        before, after = known[i], known[i + 1]
        inside = np.arange(before + 1, after)
        column[inside] = np.interp(inside, [before, after], column[[before, after]])
