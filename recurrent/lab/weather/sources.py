"""The weather tables that are known by name: New York, Beijing and Jena, their headers checked.

New York and Beijing lie in `timeseries/` of the folder LETTERPRESS_DATA. Of Jena that folder holds
only the first 4,000 rows, without the wind: enough for tests and for no result. The whole file is
read wherever a person has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpora.errors import CorpusError
from corpora.mirror import mirror_folder, require_mirror
from recurrent.lab.weather.reading import CLOCK, Floats, RawTable, Times, read_csv, times
from recurrent.lab.weather.tables import Table, encode, regularise

NYC = "nyc_weather_2013_hourly.csv.gz"
BEIJING = "beijing_pm25_2010_2013_hourly.csv.gz"
JENA = "jena_climate_2009_2016.csv"
JENA_EXCERPT = "jena_climate_2009-01_first4000.csv.gz"
JENA_URL = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/jena_climate_2009_2016.csv.zip"
)
JENA_ROWS = 420_551
JENA_EXCERPT_ROWS = 4_000

STATIONS = ("EWR", "JFK", "LGA")
_NYC_HEADER = (
    "origin", "year", "month", "day", "hour", "temp", "dewp", "humid", "wind_dir", "wind_speed",
    "wind_gust", "precip", "pressure", "visib", "time_hour",
)  # fmt: skip
_BEIJING_HEADER = (
    "No", "year", "month", "day", "hour", "pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is",
    "Ir",
)  # fmt: skip
_JENA_DRY = (
    "p (mbar)", "T (degC)", "Tpot (K)", "Tdew (degC)", "rh (%)", "VPmax (mbar)", "VPact (mbar)",
    "VPdef (mbar)", "sh (g/kg)", "H2OC (mmol/mol)", "rho (g/m**3)",
)  # fmt: skip
_JENA_WIND = ("wv (m/s)", "max. wv (m/s)", "wd (deg)")
JENA_TARGET = "T (degC)"
JENA_VARIABLES = _JENA_DRY + _JENA_WIND
# The others follow from these: the potential temperature from T and p, the vapours from T and rh.
_JENA_USED = ("T (degC)", "p (mbar)", "Tdew (degC)", "rh (%)", "rho (g/m**3)", *_JENA_WIND)


def load_nyc(
    folder: Path | None = None, *, station: str = "JFK", max_gap_hours: float = 6
) -> Table:
    """One airport's hours of 2013, temperatures in degrees Celsius; the times are UTC.

    Parameters
    ----------
    folder : Path, optional
        Where `timeseries/` lies; by default LETTERPRESS_DATA.
    station : str
        "EWR", "JFK" or "LGA".

    Raises
    ------
    CorpusError
        If the file is not there or has another header.
    ValueError
        If there is no such station.
    """
    if station not in STATIONS:
        raise ValueError(f"station={station!r} must be one of {', '.join(STATIONS)}")
    whole = _with_header(_in_mirror(NYC, folder), _NYC_HEADER)
    raw = _rows_where(whole, "origin", station)
    chosen = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "precip", "visib")
    names, values = encode(raw, chosen, ("wind_dir",))
    values[:, :2] = (values[:, :2] - 32) / 1.8  # Fahrenheit
    _squash(names, values, "precip")
    at = times(raw, ("time_hour",))  # the other columns tell it in local time, with a summer time
    return regularise(f"New York {station} 2013", at, names, values, max_gap_hours=max_gap_hours)


def load_beijing(folder: Path | None = None, *, max_gap_hours: float = 6) -> Table:
    """The hours of 2010 to 2013 in Beijing, without the particles, which have gaps of days.

    The wind comes as compass points and as a sum over the hours it has blown from one of them; sums
    of wind, rain and snow are given as log(1 + sum).

    Raises
    ------
    CorpusError
        If the file is not there or has another header.
    """
    raw = _with_header(_in_mirror(BEIJING, folder), _BEIJING_HEADER)
    names, values = encode(raw, ("TEMP", "DEWP", "PRES", "cbwd", "Iws", "Is", "Ir"))
    for name in ("Iws", "Is", "Ir"):
        _squash(names, values, name)
    at = times(raw, CLOCK)
    return regularise("Beijing 2010-2013", at, names, values, max_gap_hours=max_gap_hours)


def load_jena(
    path: Path | None = None, *, max_gap_hours: float = 6, excerpt: bool = False
) -> Table:
    """Jena every ten minutes, on a regular grid, the wind's direction as sine and cosine.

    Parameters
    ----------
    path : Path, optional
        See `read_jena`.
    excerpt : bool
        Read the first 4,000 rows of the data folder: four weeks of one January, for tests only.

    Raises
    ------
    CorpusError
        As `read_jena`.
    """
    raw = read_jena(path, excerpt=excerpt)
    used = tuple(name for name in _JENA_USED if name in raw.columns)
    direction = tuple(name for name in ("wd (deg)",) if name in raw.columns)
    names, values = encode(raw, used, direction)
    title = "Jena, January 2009 (excerpt)" if excerpt else "Jena 2009-2016"
    at = times(raw, ("Date Time",))
    return regularise(title, at, names, values, max_gap_hours=max_gap_hours)


@dataclass(frozen=True)
class JenaRows:
    """The file as the lecture read it: row by row, every variable, sentinels and all."""

    names: tuple[str, ...]
    values: Floats  # (N, C)
    at: Times  # (N,)


def load_jena_rows(path: Path | None = None, *, excerpt: bool = False) -> JenaRows:
    """Jena without any repair, for the lecture's own split.

    Raises
    ------
    CorpusError
        As `read_jena`.
    """
    raw = read_jena(path, excerpt=excerpt)
    names = tuple(name for name in raw.columns if name != "Date Time")
    # float() and not `numbers`, which would take the sentinels out that the lecture left in.
    values = np.array([[float(cell) for cell in raw.columns[name]] for name in names]).T
    return JenaRows(names, np.ascontiguousarray(values), times(raw, ("Date Time",)))


def read_jena(path: Path | None = None, *, excerpt: bool = False) -> RawTable:
    """Read the Jena file and check its header and its number of rows.

    Parameters
    ----------
    path : Path, optional
        jena_climate_2009_2016.csv, plain, as .gz or in its .zip, or the folder it lies in; by
        default `timeseries/` of LETTERPRESS_DATA.

    Raises
    ------
    CorpusError
        If it is not there, or is not the file of 14 variables and 420,551 rows (11 and 4,000 for
        the excerpt).
    """
    if excerpt:
        raw = _with_header(path or _in_mirror(JENA_EXCERPT, None), ("Date Time", *_JENA_DRY))
        rows = JENA_EXCERPT_ROWS
    else:
        raw = _with_header(find_jena(path), ("Date Time", *JENA_VARIABLES))
        rows = JENA_ROWS
    if raw.n_rows != rows:
        raise CorpusError(
            f"{raw.name} has {raw.n_rows:,} rows; expected {rows:,}. It is cut short or another "
            f"edition: fetch it again from {JENA_URL}"
        )
    return raw


def find_jena(path: Path | None = None) -> Path:
    """The whole Jena file: the one given, or the one in a folder, plain or compressed.

    Raises
    ------
    CorpusError
        If it is not there; the message says where it comes from.
    """
    if path is not None and path.is_file():
        return path
    folder = mirror_folder() if path is None else path
    places = [] if folder is None else [folder / "timeseries", folder]
    for place in places:
        for name in (JENA, f"{JENA}.gz", f"{JENA}.zip"):
            if (place / name).is_file():
                return place / name
    where = f"in {folder}" if folder is not None else "here (LETTERPRESS_DATA is not set)"
    raise CorpusError(
        f"There is no {JENA} {where}. It is public: fetch {JENA_URL} and give its path, or put it "
        "into timeseries/ of the folder LETTERPRESS_DATA."
    )


def _in_mirror(name: str, folder: Path | None) -> Path:
    return (folder or require_mirror()) / "timeseries" / name


def _with_header(path: Path, expected: tuple[str, ...]) -> RawTable:
    raw = read_csv(path)
    if tuple(raw.columns) != expected:
        differing = sorted(set(raw.columns) ^ set(expected)) or ["their order"]
        raise CorpusError(
            f"{path.name} has {len(raw.columns)} columns, expected {len(expected)} "
            f"({', '.join(expected)}); it differs in {', '.join(differing)}. Fetch it again, or "
            "give it as a CSV of your own."
        )
    return raw


def _rows_where(raw: RawTable, name: str, value: str) -> RawTable:
    kept = [i for i, cell in enumerate(raw.columns[name]) if cell == value]
    columns = {key: [cells[i] for i in kept] for key, cells in raw.columns.items()}
    return RawTable(raw.name, columns, [raw.lines[i] for i in kept])


def _squash(names: tuple[str, ...], values: Floats, name: str) -> None:
    """Replace an amount by log(1 + amount), in place: a few downpours would rule its scale."""
    at = names.index(name)
    values[:, at] = np.log1p(values[:, at])
