from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import CorpusError
from recurrent.lab.weather import inspect_csv
from recurrent.lab.weather.reading import find_time, read_csv, times
from recurrent.lab.weather.sources import (
    JENA_VARIABLES,
    load_beijing,
    load_jena,
    load_jena_rows,
    load_nyc,
    read_jena,
)
from recurrent.lab.weather.tables import Table, fill_short_gaps, load_csv, regularise


def _write(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _csv(*cells: str, header: str = "time,temp") -> str:
    """A line for each hour of 1 January 2020."""
    return "\n".join([header, *(f"2020-01-01 {i:02}:00,{c}" for i, c in enumerate(cells))]) + "\n"


# ------------------------------------------------------------------------------------------ reading


def test_every_word_for_missing_is_a_gap_and_short_gaps_are_interpolated(tmp_path: Path) -> None:
    cells = ("1", "NA", "3", "", "-9999", "-9999.0", "7", "n/a", "9")
    table = load_csv(_write(tmp_path, _csv(*cells)), max_gap_hours=3)
    assert table.values[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert table.measured[:, 0].tolist() == [c in ("1", "3", "7", "9") for c in cells]


def test_a_longer_gap_splits_the_series(tmp_path: Path) -> None:
    path = _write(tmp_path, _csv("1", "2", "", "", "", "6", "7"))
    assert load_csv(path, max_gap_hours=2).stretches() == [(0, 2), (5, 7)]
    assert load_csv(path, max_gap_hours=3).stretches() == [(0, 7)]


def test_a_gap_at_the_edge_is_never_filled() -> None:
    column = np.array([np.nan, 1.0, np.nan, 3.0, np.nan])
    fill_short_gaps(column, 5)
    np.testing.assert_array_equal(column, [np.nan, 1, 2, 3, np.nan])


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-50, 50)), min_size=2, max_size=30), st.integers(0, 4)
)
def test_filling_keeps_what_was_measured_and_only_fills_short_runs(
    cells: list[float | None], limit: int
) -> None:
    column = np.array([np.nan if cell is None else cell for cell in cells])
    before = column.copy()
    fill_short_gaps(column, limit)
    known = np.isfinite(before)
    np.testing.assert_array_equal(column[known], before[known])
    runs = "".join("x" if k else "." for k in known).strip(".").replace("x", " ").split()
    assert np.isfinite(column).sum() == known.sum() + sum(len(r) for r in runs if len(r) <= limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 column"),
        ("time\n2020-01-01\n", "1 column"),
        ("time,temp\n", "no rows"),
        ("1,2\n3,4\n", "expected a header"),
        ("time,temp,temp\n2020-01-01,1,2\n", "twice"),
        ("time,temp\n2020-01-01 00:00,1\n2020-01-01 01:00\n", "line 3 has 1 columns; expected 2"),
        ("time,temp\n2020-01-01 00:00,1\n2020-01-41 01:00,2\n", "line 3.*2020-01-41"),
        ("a,temp\nx,1\ny,2\n", "no column of times"),
        ("time,temp\n02/03/2020 00:00,1\n03/04/2020 00:00,2\n", "cannot be told apart"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_csv(_write(tmp_path, text))


def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = _write(tmp_path, _csv("1", "2", "warm", "4"))
    with pytest.raises(CorpusError, match=r"line 4: column 'temp' holds 'warm'; expected a number"):
        load_csv(path, columns=("temp",))


def test_a_missing_file_and_a_missing_column_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no file"):
        load_csv(tmp_path / "none.csv")
    with pytest.raises(CorpusError, match="no column 'rain'; it has time, temp"):
        load_csv(_write(tmp_path, _csv("1", "2", "3")), columns=("rain",))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2013-01-31T06:00:00Z", "2013-01-31T06:00:00"),
        ("2013-01-31 06:00:30", "2013-01-31T06:00:30"),
        ("2013-01-31 06:00+02:00", "2013-01-31T04:00:00"),
        ("31.01.2013 06:00:00", "2013-01-31T06:00:00"),
        ("31/01/2013 06:00", "2013-01-31T06:00:00"),
        ("01/31/2013 06:00", "2013-01-31T06:00:00"),
        ("2013-01-31", "2013-01-31T00:00:00"),
    ],
)
def test_times_are_understood_as_people_write_them(
    tmp_path: Path, cell: str, expected: str
) -> None:
    raw = read_csv(_write(tmp_path, f"when,temp\n{cell},1\n"))
    assert find_time(raw) == ("when",)
    assert times(raw, ("when",)).tolist() == [np.datetime64(expected, "s").item()]


def test_semicolons_decimal_commas_marks_and_compression(tmp_path: Path) -> None:
    text = "\ufefftime;temp\n" + "".join(f"2020-01-01 0{i}:00;{i},5\n" for i in range(4))
    plain = _write(tmp_path, text)
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.write(plain, "mine.csv")
    for name in ("mine.csv", "mine.csv.gz", "mine.zip"):
        assert load_csv(tmp_path / name).values[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5]


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"not a zip")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_csv(tmp_path / "mine.zip")


# --------------------------------------------------------------------------------------- directions


def test_directions_become_sine_and_cosine_and_a_calm_lies_between(tmp_path: Path) -> None:
    text = _csv("1,N,90", "2,cv,NA", "3,SE,360", header="time,temp,compass,degrees")
    table = load_csv(_write(tmp_path, text), directions=("degrees",))
    named = text.replace("degrees", "wind_dir")
    found = load_csv(_write(tmp_path, named))
    np.testing.assert_array_equal(found.values, table.values)
    assert found.names[-1] == "wind_dir cosine"
    assert table.names == (
        "temp",
        "compass sine",
        "compass cosine",
        "degrees sine",
        "degrees cosine",
    )
    half = np.sqrt(0.5)
    expected = [[1, 0, 1, 1, 0], [2, 0, 0, 0, 0], [3, half, -half, 0, 1]]
    np.testing.assert_allclose(table.values, expected, atol=1e-12)


# ------------------------------------------------------------------------------------ regular grid


def _regular(minutes: list[float], values: list[float]) -> Table:
    at = np.datetime64("2020-01-01T00:00:00", "s") + (60 * np.array(minutes)).astype(
        "timedelta64[s]"
    )
    return regularise("t", at, ("temp",), np.array(values)[:, None])


def test_readings_out_of_order_and_repeated_are_sorted_and_averaged() -> None:
    table = _regular([60, 0, 120, 120, 180], [2, 1, 3, 5, 6])
    assert table.values[:, 0].tolist() == [1, 2, 4, 6]
    assert any("out of order" in note for note in table.notes)
    assert any("averaged" in note for note in table.notes)


def test_readings_off_the_grid_are_moved_and_told() -> None:
    table = _regular([0, 58, 123, 180, 240], [1, 2, 3, 4, 5])
    assert table.step_minutes == 60
    assert table.values[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert any("2 readings lay off the grid" in note for note in table.notes)


def test_times_without_a_grid_are_refused() -> None:
    with pytest.raises(CorpusError, match="too irregular"):
        _regular([0, 10, 20, 30, 9000, 20000], [1, 2, 3, 4, 5, 6])
    with pytest.raises(CorpusError, match="fewer than three"):
        _regular([0, 0, 60], [1, 2, 3])


def test_a_negative_limit_is_a_mistake_in_code() -> None:
    with pytest.raises(ValueError, match="max_gap_hours=-1"):
        regularise("t", np.array([], "datetime64[s]"), (), np.empty((0, 0)), max_gap_hours=-1)


# ----------------------------------------------------------------------------------- known sources


def test_new_york(data: Path) -> None:
    table = load_nyc(data, station="LGA")
    assert (len(table), table.step_minutes, str(table.times[0])) == (
        8730,
        60,
        "2013-01-01T06:00:00",
    )
    # LGA's first hour reads 39.92 F.
    assert table.values[0, 0] == pytest.approx((39.92 - 32) / 1.8)
    with pytest.raises(ValueError, match="station='LAX'"):
        load_nyc(data, station="LAX")


def test_beijing(data: Path) -> None:
    table = load_beijing(data)
    assert (len(table), table.stretches()) == (35_064, [(0, 35_064)])
    assert table.values[0, :3].tolist() == [-11, -21, 1021]
    assert table.values[0, 5] == pytest.approx(np.log(2.79))


def test_the_jena_excerpt_has_eleven_variables_and_is_not_the_whole(data: Path) -> None:
    rows = load_jena_rows(excerpt=True)
    assert rows.values.shape == (4_000, 11)
    assert rows.values[0, 1] == -8.02
    assert (len(load_jena(excerpt=True)), load_jena(excerpt=True).step_minutes) == (4_000, 10)
    held = data / "timeseries" / "jena_climate_2009-01_first4000.csv.gz"
    with pytest.raises(CorpusError, match=r"12 columns, expected 15.*wv \(m/s\)"):
        read_jena(held)


def test_the_whole_jena_file_is_checked_by_rows_and_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ",".join(["01.01.2009 00:10:00", *["1.5"] * 14])
    path = _write(tmp_path, ",".join(["Date Time", *JENA_VARIABLES]) + "\n" + line + "\n")
    with pytest.raises(CorpusError, match="has 1 rows; expected 420,551"):
        read_jena(path)
    monkeypatch.setenv("LETTERPRESS_DATA", str(tmp_path))
    with pytest.raises(CorpusError, match=r"no jena_climate_2009_2016.csv.*fetch https://"):
        read_jena()
    path.rename(tmp_path / "jena_climate_2009_2016.csv")
    with pytest.raises(CorpusError, match="has 1 rows"):
        read_jena()


# --------------------------------------------------------------------------------------- inspecting


def test_inspecting_tells_each_columns_kind_and_gaps(tmp_path: Path) -> None:
    lines = ["5,NE,350,x,", ",N,10,y,", ",N,20,x,", "8,cv,0,x,"]
    path = _write(tmp_path, _csv(*lines, header="time,temp,wind,wind_dir,note,gone"))
    found = inspect_csv(path)
    assert (found.n_rows, found.time_column, found.step_minutes) == (4, "time", 60)
    kinds = {column.name: column.kind for column in found.columns}
    assert kinds == {
        "temp": "number",
        "wind": "compass",
        "wind_dir": "direction",
        "note": "text",
        "gone": "empty",
    }
    temp = found.columns[0]
    assert (temp.n_missing, temp.longest_gap, temp.low, temp.high) == (2, 2, 5.0, 8.0)
    assert [column.name for column in found.columns if column.can_be_target] == ["temp"]


def test_inspecting_a_table_of_words_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no column of numbers"):
        inspect_csv(_write(tmp_path, _csv("a", "b", "c")))
