"""A CSV file as columns of text, and those columns as numbers and times.

Nothing is decided here about gaps, steps or targets: see `tables`. A cell that is neither a number
nor a known word for "missing" is a mistake, and the message names its line.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora.errors import CorpusError
from corpora.mirror import open_text

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "missing"})
SENTINEL = -9999.0  # what weather stations write where an instrument said nothing
MOST_ROWS = 2_000_000
CLOCK = ("year", "month", "day", "hour")  # a time in four columns
_TIME = r"(?:[T ]+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?"
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)" + _TIME)
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + _TIME)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})" + _TIME)


@dataclass(frozen=True)
class RawTable:
    """The cells of a CSV file by column, as text, and the line each row stands on."""

    name: str
    columns: dict[str, list[str]]
    lines: Sequence[int]

    @property
    def n_rows(self) -> int:
        """Rows below the header."""
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """The cells of one column.

        Raises
        ------
        CorpusError
            If there is none of that name.
        """
        if name not in self.columns:
            raise CorpusError(
                f"{self.name} has no column {name!r}; it has {', '.join(self.columns)}. "
                "Choose one of those."
            )
        return self.columns[name]


def read_csv(path: Path) -> RawTable:
    """Read a CSV file (plain, .gz, or a .zip of one file) with a header.

    Fields may be separated by commas, semicolons or tabs: whichever the header has most of.

    Raises
    ------
    CorpusError
        If the file is missing or unreadable, has no header or no rows, names a column twice, or
        has a row of another length, naming the line.
    """
    if not path.is_file():
        raise CorpusError(f"There is no file {path}. Give the path of a CSV file.")
    with _opened(path) as file:
        # A byte order mark at the front would become part of the first column's name.
        header_line = file.readline().removeprefix("\ufeff")
        marks = max(",;\t", key=header_line.count)
        names = [cell.strip() for cell in next(csv.reader([header_line], delimiter=marks), [])]
        _check_header(path, names)
        columns: list[list[str]] = [[] for _ in names]
        lines: list[int] = []
        reader = csv.reader(file, delimiter=marks)
        try:
            for cells in reader:
                line = reader.line_num + 1
                if not cells or not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(names):
                    raise CorpusError(
                        f"{path.name} line {line} has {len(cells)} columns; expected {len(names)} "
                        f"({', '.join(names)}). Quote fields that contain the separator {marks!r}."
                    )
                if len(lines) == MOST_ROWS:
                    raise CorpusError(
                        f"{path.name} has more than {MOST_ROWS:,} rows. Give a shorter stretch, "
                        "or one reading where it has many."
                    )
                lines.append(line)
                for column, cell in zip(columns, cells, strict=True):
                    column.append(cell.strip())
        except csv.Error as problem:
            raise CorpusError(
                f"{path.name} line {reader.line_num + 1} cannot be read as CSV ({problem}). "
                "Save the table as CSV in UTF-8 and try again."
            ) from None
    if not lines:
        raise CorpusError(f"{path.name} has a header and no rows. Give a table with readings.")
    return RawTable(path.name, dict(zip(names, columns, strict=True)), lines)


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    if path.suffix != ".zip":
        with open_text(path) as file:
            yield file
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = [n for n in archive.namelist() if n.lower().endswith(".csv")]
            members = [n for n in members if not n.startswith("__MACOSX")]
            if len(members) != 1:
                raise CorpusError(
                    f"{path.name} holds {len(members)} CSV files; expected one. Unpack it and give "
                    "the path of the file."
                )
            with archive.open(members[0]) as binary, io.TextIOWrapper(binary, "utf-8") as text:
                yield text
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as problem:
        raise CorpusError(
            f"{path} cannot be read: {problem}. Fetch it again, or unpack it yourself."
        ) from None


def _check_header(path: Path, names: list[str]) -> None:
    if len(names) < 2:
        raise CorpusError(
            f"{path.name} has {len(names)} column in its first line; expected a header of at least "
            "two, a time and a value, separated by commas, semicolons or tabs."
        )
    if all(is_number(name) for name in names if name):
        raise CorpusError(
            f"{path.name} begins with numbers ({', '.join(names[:4])}); expected a header. Put a "
            "line with the names of the columns on top."
        )
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CorpusError(
                f"{path.name} names the column {name!r} twice. Give each column its own name."
            )
        seen.add(name)


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing was measured."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a number, missing words not counted."""
    try:
        to_number(cell)
    except ValueError:
        return False
    return not is_missing(cell)


def to_number(cell: str) -> float:
    """A cell as a number, NaN where it says "missing"; ValueError where it is neither.

    A decimal comma is understood, as tables separated by semicolons have it.
    """
    try:
        value = float(cell)
    except ValueError:
        if is_missing(cell):
            return float("nan")
        value = float(cell.replace(",", ".", 1))
    if value in (float("inf"), float("-inf")):
        raise ValueError(cell)
    return float("nan") if value == SENTINEL else value


def numbers(raw: RawTable, name: str) -> Floats:
    """A column as numbers, (N,), NaN where nothing was measured.

    Raises
    ------
    CorpusError
        If a cell is neither a number nor a word for "missing", naming its line.
    """
    cells = raw.column(name)
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            values[i] = to_number(cell)
        except ValueError:
            raise CorpusError(
                f"{raw.name} line {raw.lines[i]}: column {name!r} holds {cell!r}; expected a "
                "number, or NA where nothing was measured. Correct the cell or leave the column "
                "out."
            ) from None
    return values


# ------------------------------------------------------------------------------------------- times


def find_time(raw: RawTable) -> tuple[str, ...]:
    """The column that holds the time, or the four that hold year, month, day and hour.

    Raises
    ------
    CorpusError
        If no column does.
    """
    by_name = {name.lower(): name for name in raw.columns}
    for name, cells in raw.columns.items():
        seen = [cell for cell in cells[:50] if not is_missing(cell)]
        if seen and all(_pattern(cell) for cell in seen):
            return (name,)
    if all(part in by_name for part in CLOCK):
        return tuple(by_name[part] for part in CLOCK)
    raise CorpusError(
        f"{raw.name} has no column of times; it has {', '.join(raw.columns)}. Expected one such as "
        "2013-01-31 14:00, or columns year, month, day and hour."
    )


def times(raw: RawTable, where: tuple[str, ...]) -> Times:
    """The time of each row, (N,), to the second; an offset from UTC is taken off.

    Raises
    ------
    CorpusError
        If a cell is no time, naming its line, or if day and month cannot be told apart.
    """
    if len(where) == len(CLOCK):
        parts = [numbers(raw, name) for name in where]
        cells = [
            f"{y:04.0f}-{m:02.0f}-{d:02.0f}T{h:02.0f}:00:00"
            for y, m, d, h in zip(*parts, strict=True)
        ]
        return _as_times(raw, " ".join(where), cells)
    (name,) = where
    cells = raw.column(name)
    month_first = _month_first(raw, name, cells)
    offsets = np.zeros(len(cells), dtype="timedelta64[s]")
    texts = []
    for i, cell in enumerate(cells):
        match = _pattern(cell)
        if match is None:
            raise _not_a_time(raw, name, i, cell)
        first, second, third, hour, minute, second_of, zone = match.groups()
        year, month, day = (
            (first, second, third)
            if match.re is _ISO
            else (third, first, second)
            if match.re is _SLASHED and month_first
            else (third, second, first)
        )
        texts.append(
            f"{year}-{int(month):02}-{int(day):02}"
            f"T{int(hour or 0):02}:{minute or '00'}:{second_of or '00'}"
        )
        if zone and zone != "Z":
            offset = 3600 * int(zone[1:3]) + 60 * int(zone[-2:])
            offsets[i] = np.timedelta64(offset if zone[0] == "+" else -offset, "s")
    return _as_times(raw, name, texts) - offsets


def _pattern(cell: str) -> re.Match[str] | None:
    for pattern in (_ISO, _DOTTED, _SLASHED):
        if match := pattern.fullmatch(cell):
            return match
    return None


def _month_first(raw: RawTable, name: str, cells: list[str]) -> bool:
    """Whether slashed dates put the month first, as only a day above 12 can tell."""
    slashed = [m.groups() for cell in cells if (m := _SLASHED.fullmatch(cell))]
    if not slashed:
        return False
    first = max(int(parts[0]) for parts in slashed)
    second = max(int(parts[1]) for parts in slashed)
    if (first > 12) == (second > 12):
        raise CorpusError(
            f"{raw.name}: column {name!r} has dates such as {cells[0]!r}, in which day and month "
            "cannot be told apart. Write them as 2013-01-31."
        )
    return second > 12


def _as_times(raw: RawTable, name: str, texts: list[str]) -> Times:
    try:
        return np.array(texts, dtype="datetime64[s]")
    except ValueError:
        for i, text in enumerate(texts):
            try:
                np.datetime64(text, "s")
            except ValueError:
                raise _not_a_time(raw, name, i, text) from None
        raise


def _not_a_time(raw: RawTable, name: str, i: int, cell: str) -> CorpusError:
    return CorpusError(
        f"{raw.name} line {raw.lines[i]}: column {name!r} holds {cell!r}; expected a time such as "
        "2013-01-31 14:00. Correct the cell or take out the line."
    )
