"""From settings to a plan: which table, which target, which unit, and the alarms asked."""

from __future__ import annotations

from pathlib import Path

from corpora.errors import InputError
from recurrent.lab.weather.settings import Settings
from recurrent.lab.weather.sources import (
    JENA_EXCERPT_ROWS,
    JENA_ROWS,
    JENA_TARGET,
    load_beijing,
    load_jena,
    load_jena_rows,
    load_nyc,
)
from recurrent.lab.weather.tables import Table, load_csv
from recurrent.lab.weather.windows import LectureSplit, Plan, honest_plan, lecture_plan

TARGETS = {"nyc": "temp", "beijing": "TEMP", "jena": JENA_TARGET, "jena-excerpt": JENA_TARGET}
EXCERPT_NOTE = "Only four weeks of one January: this shows that the code runs, and no result"


def load_table(settings: Settings) -> tuple[Table, str]:
    """The table of the source and the column to forecast.

    Raises
    ------
    CorpusError
        If the source is not there or cannot be used.
    InputError
        If a CSV file was given without a target.
    """
    gap = settings.max_gap_hours
    if settings.source == "nyc":
        table = load_nyc(station=settings.station, max_gap_hours=gap)
    elif settings.source == "beijing":
        table = load_beijing(max_gap_hours=gap)
    elif settings.is_jena:
        path = Path(settings.path).expanduser() if settings.path else None
        table = load_jena(path, max_gap_hours=gap, excerpt=settings.source == "jena-excerpt")
    else:
        table = _own_table(settings)
    target = settings.target or TARGETS.get(settings.source, "")
    table.index(target)  # says so now, if there is none
    return table, target


def _own_table(settings: Settings) -> Table:
    path = Path(settings.source).expanduser()
    if not settings.target:
        raise InputError(
            f"{path.name} was given without a column to forecast; expected the name of one as "
            "target. Choose it."
        )
    columns = settings.columns
    if columns and settings.target not in columns:
        columns = (settings.target, *columns)
    return load_csv(
        path,
        columns=columns,
        time_column=settings.time_column,
        directions=settings.directions,
        max_gap_hours=settings.max_gap_hours,
    )


def make_plan(settings: Settings) -> Plan:
    """Everything decided before training; see `windows`.

    Raises
    ------
    CorpusError, InputError
        As `load_table`, and if there are too few rows.
    """
    if settings.protocol != "honest":
        path = Path(settings.path).expanduser() if settings.path else None
        excerpt = settings.source == "jena-excerpt"
        rows = load_jena_rows(path, excerpt=excerpt)
        early = settings.protocol == "lecture"
        return lecture_plan(
            rows, excerpt_split(early) if excerpt else LectureSplit(ends_early=early)
        )
    table, target = load_table(settings)
    return honest_plan(
        table,
        target,
        window_hours=settings.window_hours,
        horizon_hours=settings.horizon_hours,
        every_hours=settings.every_hours,
        leak=settings.leak,
        seed=settings.seed,
    )


def excerpt_split(ends_early: bool = True) -> LectureSplit:
    """The lecture's split shrunk to the excerpt's rows, one day read in place of ten, for tests."""

    def shrunk(row: int) -> int:
        return row * JENA_EXCERPT_ROWS // JENA_ROWS

    return LectureSplit(
        lookback=144,
        train=(0, shrunk(200_000)),
        valid=(shrunk(200_000) + 1, shrunk(300_000)),
        test=(shrunk(300_000) + 1, None),
        scaled_rows=shrunk(200_000),
        ends_early=ends_early,
    )


def unit_of(settings: Settings, target: str) -> str:
    """The unit of the target, for tables and axes: °C, or the column's own."""
    if settings.source in TARGETS and target in (TARGETS[settings.source], "dewp", "DEWP"):
        return "°C"
    inside = target.rpartition("(")[2].partition(")")[0] if "(" in target else ""
    return {"degC": "°C"}.get(inside, inside) or f"units of {target}"
