"""Figures as SVG: where things stand, what is told by more than colour, and what is no number."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.charts import DASHES, NARROW, WIDE, figure_html, figure_svg, legend_html, short, ticks
from app.lab.bars import bars_html, bars_svg, metrics_of
from app.lab.drawn import bytes_uri, facts_html, figures_html, image_uri, table_html
from app.lab.table import number
from recurrent.lab.report import Figure, Report, Row, Series

HOSTILE = "<script>alert(1)</script>"


def figure(*series: Series, title: str = "A title") -> Figure:
    return Figure("name", title, "steps", "°C", series)


def points(svg: str, which: int = 0) -> list[tuple[float, float]]:
    found = re.findall(r'<polyline[^>]* points="([^"]*)"', svg)[which]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found.split())]


@given(
    st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 8)
)  # fmt: skip
def test_ticks_are_round_equally_far_apart_and_reach_over_all(
    low: float, span: float, n: int
) -> None:
    found = ticks(low, low + span, n)
    step = found[1] - found[0]
    assert found[0] <= low + step * 1e-6
    assert found[-1] >= low + span - step * 1e-6
    assert np.allclose(np.diff(found), step)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6
    assert len(found) <= n + 3


def test_larger_is_further_right_and_higher() -> None:
    (x0, y0), (x1, y1), (x2, y2) = points(
        figure_svg(figure(Series("a", [0, 1, 2], [5.0, 6.0, 8.0])))
    )
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 > y1 > y2
    assert (y0 - y1) * 2 == pytest.approx(y1 - y2, abs=0.2)


def test_series_differ_by_dash_as_well_as_by_colour() -> None:
    svg = figure_svg(figure(*(Series(f"s{i}", [0, 1], [i, i + 1]) for i in range(8))))
    dashes = re.findall(r'lp-chart-line lp-chart-(\d)" stroke-dasharray="([^"]*)"', svg)
    assert [int(colour) for colour, _ in dashes] == list(range(8))
    assert [dash for _, dash in dashes] == list(DASHES)
    assert len(set(DASHES)) == len(DASHES) == 8


def test_names_stand_at_the_ends_where_they_fit_and_never_over_each_other() -> None:
    close = figure(*(Series(f"line {i}", [0, 1], [0.0, 1 + i / 1000]) for i in range(5)))
    wide = figure_svg(close, WIDE)
    placed = re.findall(r'lp-chart-name[^"]*" x="[\d.]+" y="([\d.]+)"', wide)
    heights = sorted(float(y) for y in placed)
    assert len(heights) == 5
    assert min(b - a for a, b in pairwise(heights)) >= 15.9
    assert "lp-chart-name" not in figure_svg(close, NARROW)
    assert legend_html(close).count("</li>") == 5
    long = figure(Series("a" * 40, [0, 1], [0, 1]), Series("b", [0, 1], [1, 0]))
    assert "lp-chart-name" not in figure_svg(long, WIDE)


def test_what_is_missing_cuts_the_line_and_is_not_drawn() -> None:
    series = Series("a", [0, 1, 2, 3, 4], [1.0, 2.0, None, 4.0, math.nan])  # type: ignore[list-item]
    svg = figure_svg(figure(series))
    assert svg.count("<polyline") == 1
    assert svg.count("<circle") == 1
    assert "nan" not in svg.lower()
    assert figure_svg(figure(Series("a", [0.0], [math.inf]))) == ""
    assert figure_html(figure()) == ""


def test_a_band_is_in_sight_and_dots_are_dots() -> None:
    band = Series("a", [0, 1], [1.0, 1.0], low=[-9.0, 0.0], high=[9.0, 2.0])
    dots = Series("b", [0, 1, 2], [1.0, 2.0, 3.0], points=True)
    svg = figure_svg(figure(band, dots))
    ElementTree.fromstring(svg)
    assert svg.count("<polygon") == 1
    assert svg.count("lp-chart-dot") == 3
    assert svg.count("<polyline") == 1
    heights = [float(y) for y in re.findall(r"<polygon[^>]*points=\"([^\"]*)\"", svg)[0]
               .replace(",", " ").split()[1::2]]  # fmt: skip
    assert min(heights) >= 13
    assert max(heights) <= 340 - 46 + 1


def test_a_long_series_keeps_its_peak_in_few_points() -> None:
    y = np.zeros(50_000)
    y[33_333] = 7.0
    svg = figure_svg(figure(Series("a", list(range(50_000)), y.tolist())))
    drawn = points(svg)
    assert len(drawn) <= 402
    peak = min(drawn, key=lambda p: p[1])
    other = sorted({p[1] for p in drawn})[1]
    assert peak[1] < other


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_texts_are_escaped_and_the_drawing_is_described(width: int) -> None:
    hostile = figure(Series(HOSTILE, [0, 1], [0, 1]), Series("b", [0, 1], [1, 3]), title=HOSTILE)
    svg = figure_svg(hostile, width)
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"].startswith(f"0 0 {width} ")
    assert root.attrib["role"] == "img"
    assert "b: 1 to 3." in root.attrib["aria-label"]
    html = figure_html(hostile)
    assert "<script" not in html
    assert "lp-chart-wide" in html
    assert "lp-chart-narrow" in html


# ---------------------------------------------------------------------------------- bars and tables

ROWS = [
    Row("gru", "MSE", 0.02, 0.01, 0.03, lecture=0.04, note="Scaled otherwise."),
    Row(HOSTILE, "MSE", 0.08, kind="baseline"),
    Row("noise", "MSE", 0.01, kind="bound"),
    Row("gru", "accuracy", 16384.0),
    Row("nothing", "MAE", math.nan),
]


def test_bars_are_as_long_as_their_values_and_marked_by_kind() -> None:
    svg = bars_svg(metrics_of(ROWS)["MSE"])
    ElementTree.fromstring(svg)
    widths = {
        kind: float(width)
        for kind, width in re.findall(r'lp-bars-(\w+)" x="[\d.]+" y="\d+" width="([\d.]+)"', svg)
    }
    assert widths["ours"] == pytest.approx(2 * widths["bound"], abs=0.3)
    assert widths["baseline"] == pytest.approx(8 * widths["bound"], abs=0.8)
    assert svg.count("lp-bars-lecture") == 1
    assert svg.count("lp-bars-spread") == 1
    assert svg.count("url(#lp-hatch") == 1
    assert "<script" not in svg


def test_hatches_have_ids_of_their_own_and_the_first_metric_is_open() -> None:
    html = bars_html(ROWS)
    ids = re.findall(r'id="(lp-hatch-\d+)"', html)
    assert len(ids) == len(set(ids)) == 4  # two metrics, two widths
    assert html.count("<details") == 2
    assert html.count('<details class="lp-figure" open>') == 1
    for said in ("a bound: nothing can beat it", "the lecture’s own figure", "least to greatest"):
        assert said in html
    assert bars_svg([ROWS[4]]) == ""


def test_a_value_below_nothing_goes_the_other_way() -> None:
    svg = bars_svg([Row("a", "change", -2.0), Row("b", "change", 1.0)])
    (xa, wa), (xb, wb) = (
        (float(x), float(w))
        for x, w in re.findall(r'lp-bars-ours" x="([\d.]+)" y="\d+" width="([\d.]+)"', svg)
    )
    assert xa + wa == pytest.approx(xb, abs=0.2)
    assert wa == pytest.approx(2 * wb, abs=0.3)


def test_the_table_says_all_and_escapes() -> None:
    html = table_html(ROWS)
    for said in ("0.0200", "0.0100 to 0.0300",
                 "0.0400", "16,384", "baseline", "Scaled otherwise."):  # fmt: skip
        assert said in html
    assert "<script" not in html


def test_numbers_are_told_with_enough_places() -> None:
    assert [number(v) for v in (0.0238, 16384.0, 2.5700, 1e-7, 0.0, -3.0, 123.44, 12345.6)] == [
        "0.0238", "16,384", "2.57", "1e-07", "0", "-3", "123.4", "12,346",
    ]  # fmt: skip
    assert number(None) == number(math.inf) == "–"
    assert short(-1200.0) == "-1.2k"


# ------------------------------------------------------------------------------------------- images


def test_images_come_as_data_and_only_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    Image.new("RGB", (4, 4)).save(folder / "map.png")
    Image.new("P", (4, 4)).save(folder / "film.gif")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (folder / "page.png").write_text(HOSTILE)
    images = [
        ("a map", "map.png"),
        (HOSTILE, "film.gif"),
        ("x", "../secret.png"),
        ("y", "page.png"),
    ]
    report = Report("adder", {}, [], [Figure("maps", "Maps", images=images)])
    html = figures_html(report, folder)
    assert html.count("data:image/png;base64,") == 1
    assert html.count("data:image/gif;base64,") == 1
    assert html.count("missing or too large") == 2
    assert "<script" not in html
    assert image_uri(folder / "map.png", most=10) == ""
    assert image_uri(tmp_path / "none.png") == ""
    assert bytes_uri(b"<svg/>") == ""


def test_facts_are_flat_and_escaped() -> None:
    report = Report("adder", {"seed": 3}, [], [], {"split": {"train": [1, 2]}, "by": HOSTILE})
    html = facts_html(report)
    assert "<dt>split train</dt><dd>[1, 2]</dd>" in html
    assert "<dt>setting seed</dt><dd>3</dd>" in html
    assert "<script" not in html
