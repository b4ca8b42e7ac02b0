from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from corpora.errors import CorpusError, InputError, ModelError
from recurrent.lab import load
from recurrent.lab.report import Done, Event, Point, Progress, Report, read_report
from recurrent.lab.weather import Settings, forecast, run


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days of hours whose temperature follows the wind of the day before."""
    rng = np.random.default_rng(0)
    hours = np.arange(960)
    wind = np.cumsum(rng.normal(0, 0.3, 960))
    temp = 10 + 4 * np.sin(hours * 2 * np.pi / 24) + 2 * np.roll(wind, 6) + rng.normal(0, 0.3, 960)
    lines = ["time,temp (degC),wind,note"]
    for i in hours:
        when = str(np.datetime64("2021-01-01T00", "h") + i).replace("T", " ")
        lines.append(f"{when}:00,{temp[i]:.2f},{wind[i]:.2f},fine")
    path = tmp_path_factory.mktemp("weather") / "mine.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _settings(path: Path, **changes: object) -> Settings:
    tiny = Settings(
        source=str(path),
        target="temp (degC)",
        horizon_hours=6,
        window_hours=12,
        every_hours=1,
        models=("dense", "gru", "gru_over_ridge"),
        n_trials=2,
        n_seeds=2,
        steps=6,
        batch_size=16,
        eval_every=3,
        n_origins=2,
    )
    return replace(tiny, **changes)  # type: ignore[arg-type]


def _report(events: Iterator[Event]) -> Report:
    *_, last = events
    assert isinstance(last, Done)
    return last.report


@pytest.fixture(scope="module")
def done(csv_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("out")
    return list(run(_settings(csv_file), out)), out


def test_a_run_tells_its_progress_and_ends_with_a_saved_report(
    done: tuple[list[Event], Path],
) -> None:
    events, out = done
    assert isinstance(events[-1], Done)
    report = events[-1].report
    assert read_report(out).plain() == report.plain()
    shares = [event.share for event in events if isinstance(event, Progress)]
    assert shares[0] == 0
    assert max(shares) <= 1
    told = [event.stage for event in events if isinstance(event, Progress)]
    assert sum("Leak alarm" in stage for stage in told) == 3
    curves = {event.curve for event in events if isinstance(event, Point)}
    assert "GRU, setting 1: validation MAE (°C)" in curves
    assert not report.stopped
    json.dumps(report.plain(), allow_nan=False)


def test_the_table_holds_every_system_with_its_spread(done: tuple[list[Event], Path]) -> None:
    report = done[0][-1].report  # type: ignore[union-attr]
    systems = {row.system for row in report.rows if row.metric == "test MAE (°C)"}
    assert systems == {
        "Naive",
        "Seasonal naive",
        "Climatology",
        "Ridge",
        "Dense",
        "GRU",
        "GRU over ridge",
        "Dense, mean of 2 networks' forecasts",
        "GRU, mean of 2 networks' forecasts",
        "GRU over ridge, mean of 2 networks' forecasts",
    }
    by = {(row.system, row.metric): row for row in report.rows}
    gru = by["GRU", "test MAE (°C)"]
    assert gru.low is not None
    assert gru.high is not None
    assert gru.low <= gru.value <= gru.high
    assert gru.kind == "ours"
    scale = report.facts["degrees_in_one_z"]
    assert by["GRU", "test MAE (z)"].value * scale == pytest.approx(gru.value)
    assert by["GRU", "validation MAE (z)"].lecture == 0.2636
    assert by["Naive", "validation MAE (z)"].lecture == 0.28974
    assert len([row for row in report.rows if row.metric == "share held by 90% intervals"]) == 3
    name = next(
        r.system for r in report.rows if "over ridge, c" in r.system or "GRU, c" in r.system
    )
    backtest = by[name.split(",")[0], "backtest MAE (°C)"]
    assert backtest.low is not None
    assert backtest.low <= backtest.value
    # Every network tried as many settings as ridge and its like.
    assert {len(tried) for tried in report.facts["settings_tried"].values()} == {2}


def test_the_figures_have_series_of_equal_lengths(done: tuple[list[Event], Path]) -> None:
    report = done[0][-1].report  # type: ignore[union-attr]
    assert [figure.name for figure in report.figures] == ["forecast", "coverage", "backtest"]
    for figure in report.figures:
        for series in figure.series:
            assert len(series.x) == len(series.y) > 0
            assert len(series.low) in (0, len(series.x))
    assert len(report.figures[2].series[0].x) == 2


def test_one_seed_gives_the_same_rows_twice(
    csv_file: Path, done: tuple[list[Event], Path], tmp_path: Path
) -> None:
    again = _report(run(_settings(csv_file), tmp_path))
    assert again.rows == done[0][-1].report.rows  # type: ignore[union-attr]


def test_forecasts_reach_from_the_series_end_to_the_horizon(
    done: tuple[list[Event], Path],
) -> None:
    _, out = done
    found = forecast(out)
    assert (len(found.history), len(found.middle)) == (12, 6)
    assert found.history_times[-1] == "2021-02-09T23:00:00"
    assert found.times[0] == "2021-02-10T00:00:00"
    assert found.truth == [None] * 6
    assert all(a <= b <= c for a, b, c in zip(found.low, found.middle, found.high, strict=True))
    assert found.unit == "°C"


def test_forecasts_from_the_past_know_the_truth(
    csv_file: Path, done: tuple[list[Event], Path]
) -> None:
    found = forecast(done[1], 48, back=100)
    lines = dict(line.split(",")[:2] for line in csv_file.read_text("utf-8").splitlines())
    for time, truth in zip(found.times, found.truth, strict=True):
        assert truth == float(lines[time.replace("T", " ")[:16]])
    with pytest.raises(ValueError, match="back=100000"):
        forecast(done[1], back=100_000)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no finished weather run"):
        forecast(tmp_path)


def test_no_model_is_pickled(done: tuple[list[Event], Path]) -> None:
    kinds = {path.suffix for path in done[1].rglob("*") if path.is_file()}
    assert kinds == {".json", ".safetensors"}


def test_a_run_ends_soon_when_it_is_told_to(csv_file: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    settings = _settings(csv_file, steps=10_000)

    def stopped() -> bool:
        return any(isinstance(event, Point) for event in seen)

    for event in run(settings, tmp_path, stopped=stopped):
        seen.append(event)  # noqa: PERF402 - `stopped` looks at what was seen until now
    report = _report(iter(seen))
    assert report.stopped
    assert {"Naive", "Ridge", "Dense"} <= {row.system for row in report.rows}
    assert read_report(tmp_path).stopped


def test_leaks_are_refused_unless_asked_for_and_then_said(csv_file: Path, tmp_path: Path) -> None:
    lines = csv_file.read_text("utf-8").splitlines()
    later = [line.split(",")[1] for line in lines[7:]] + ["0"] * 6
    leaking = [lines[0] + ",later"]
    leaking += [f"{line},{cell}" for line, cell in zip(lines[1:], later, strict=True)]
    path = tmp_path / "leaking.csv"
    path.write_text("\n".join(leaking) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'later' all but gives 'temp \(degC\)'"):
        list(run(_settings(path), tmp_path / "out"))
    asked = _settings(csv_file, leak="target", models=("dense",), n_origins=0, n_seeds=1)
    report = _report(run(asked, tmp_path / "out"))
    assert any("THE SET-UP LEAKS on purpose (target)" in note for note in report.facts["notes"])
    by = {row.system: row.value for row in report.rows if row.metric == "test MAE (°C)"}
    assert by["Ridge"] < 0.2 * by["Naive"]  # what a leak does


def test_the_lectures_protocol_runs_on_the_excerpt(data: Path, tmp_path: Path) -> None:
    settings = Settings(
        source="jena-excerpt", protocol="lecture", models=("gru",), n_trials=1, steps=2, n_origins=2
    )
    report = _report(run(settings, tmp_path))
    assert report.facts["horizon_hours"] == 25
    assert report.facts["steps_read"] == 24
    assert any("no result" in note for note in report.facts["notes"])
    assert not [row for row in report.rows if "backtest" in row.metric]


def test_a_csv_file_needs_a_target_and_a_source_must_exist(csv_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without a column to forecast"):
        list(run(_settings(csv_file, target=""), tmp_path))
    with pytest.raises(CorpusError, match="There is no file"):
        list(run(_settings(tmp_path / "none.csv"), tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("gru", "cnn")}, "models='cnn'"),
        ({"n_seeds": 0}, "n_seeds=0"),
        ({"coverage": 1.0}, "coverage=1.0"),
        ({"protocol": "lecture"}, "protocol='lecture' is for Jena"),
        ({"leak": "sieve"}, "leak='sieve'"),
        ({"horizon_hours": 0}, "horizon_hours=0"),
        ({"source": ""}, "source=''"),
        ({"station": "LAX"}, "station='LAX'"),
    ],
)
def test_settings_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changes)  # type: ignore[arg-type]


def test_the_experiment_keeps_the_labs_contract() -> None:
    weather = load("weather")
    assert all(field.metadata["help"] for field in fields(weather.Settings))
    assert weather.Settings().seed == 0
