"""A race as a chart, a table and a report."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.charts import NARROW, short
from app.race.chart import AXES, chart
from app.race.folder import Point, Race, RaceFolder, read_race
from app.race.report import (
    HEADINGS,
    equality,
    report_html,
    rows,
    samples_html,
    table_html,
    write_report,
)
from app.race.settings import RaceSettings

HOSTILE = "<script>alert(1)</script><img src=x>"


@pytest.fixture
def kept(tmp_path: Path) -> Race:
    """A stopped race with one model of each fate, and a corpus with a name that is markup."""
    folder = RaceFolder(tmp_path / "race")
    folder.begin(RaceSettings(corpus=f"/home/somebody/{HOSTILE.replace('/', '')}.txt"))
    for name, n_bytes, bits in (
        ("lstm", 20_000, 2.5),
        ("gru", 10_000, 3.0),
        ("gpt2", 15_000, 2.51),
    ):
        folder.point(name, Point(1, 0.5, n_bytes / 2, 1e9, 1.0, bits + 1))
        folder.point(name, Point(2, 1.0, n_bytes, 2e9, 2.0, bits))
    shape = {
        "layers": 2, "width": 8, "vocabulary": 300, "block": 16, "batch": 4, "lr": 0.001,
        "flops_per_byte": 1e5,
    }  # fmt: skip
    floors = [
        {"name": "unigram", "bits_per_byte": 4.1, "low": 4.0, "high": 4.2, "primed_with": 5_000},
        {"name": "xz", "bits_per_byte": 2.52, "low": None, "high": None, "primed_with": 5_000},
    ]
    folder.tell(
        state="stopped",
        corpus={"hash": "ab" * 32, "train_bytes": 5_000, "held_out_bytes": 500},
        machine={"device": "cpu", "threads": 1, "precision": "no", "versions": {"torch": "2"}},
        contestants={
            "lstm": shape | {"parameters": 100_000}, "gpt2": shape | {"parameters": 102_000}
        },
        watched_floors=floors,
        prompt=HOSTILE,
        results={
            "lstm": {
                "sample": HOSTILE * 3 + "\x07", "spans": [[0, 8]], "copied": 0.25,
                "score": {"bits_per_byte": 2.5, "low": 2.4, "high": 2.6},
            },
            "gpt2": {"problem": HOSTILE},
        },
    )  # fmt: skip
    return read_race(folder.path)


class Tags(HTMLParser):
    """Counts tags, and sees that they are closed."""

    VOID = ("meta", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_file_that_needs_nothing_and_runs_nothing(
    kept: Race,
) -> None:
    html = report_html(kept)
    tags = Tags(html)
    assert tags.open == []
    assert not {"script", "img", "link"} & set(tags.seen)
    assert "<mark>&lt;script&gt;</mark>alert" in samples_html(kept)
    assert tags.seen.count("svg") == 2 * len(AXES)
    assert all(heading in html for heading in HEADINGS)
    assert "A race on &lt;script&gt;" in html
    assert str(kept.path) not in html
    assert kept.settings.corpus not in html  # its name, not where it lies
    assert write_report(kept).read_text("utf-8") == html
    assert not {"src", "href", "onerror", "onload", "onclick"} & tags.attributes
    assert "url(" not in html
    assert "@import" not in html


def test_a_chart_puts_values_where_they_belong_and_names_apart(
    kept: Race,
) -> None:
    for axis in AXES:
        svg = chart(kept, axis, NARROW)
        assert Tags(svg).seen.count("polyline") == 3
        ends = [
            float(y)
            for y in re.findall(r'class="lp-race-(?:name|floor)[^"]*" x="[\d.]+" y="([\d.]+)"', svg)
        ]
        assert len(ends) == 5
        assert all(b - a >= 15.9 for a, b in zip(sorted(ends), sorted(ends)[1:], strict=False))
        assert all(0 <= y <= 340 for y in ends)
    kept.curves.clear()
    assert "The curves begin after the first turn." in chart(kept)
    with pytest.raises(ValueError, match=r"^x='moons' must be one of share"):
        chart(kept, "moons")


def test_the_table_has_scores_where_they_are_and_says_what_is_so_far(kept: Race) -> None:
    table = {row[0]: dict(zip(HEADINGS[1:], row[1:], strict=True)) for row in rows(kept)}
    assert table["lstm"] == {
        "Bits per byte": "2.500", "95% interval": "2.400 to 2.600", "Parameters": "100,000",
        "Bytes read": "20k", "Operations": "2.00e+09", "Training time": "2.0 s",
        "Copied ink": "25%",
    }  # fmt: skip
    assert table["gru"]["Bits per byte"] == "3.000 so far"
    assert table["gpt2"]["Bits per byte"] == "diverged"
    assert table["rnn"]["Bits per byte"] == "–"
    html = table_html(kept)
    assert "4.000 to 4.200" in html
    assert html.count("<tr>") == 1 + 4 + 2


def test_what_was_equal_and_what_was_not_is_said_with_numbers(kept: Race) -> None:
    assert equality(kept) == [
        "The budget: 3 minutes of training each.",
        "Parameters: equal to within 2.0%, about 102,000.",
        "Bytes read: not equal, 10k to 20k, the most 2.0 times the least.",
        "Operations of training: equal to within 0.0%, about 2.00e+09.",
        "Training time: equal to within 0.0%, about 2.0 s.",
    ]


def test_control_characters_of_a_sample_do_not_reach_the_page(kept: Race) -> None:
    assert "\x07" in kept.facts["results"]["lstm"]["sample"]
    assert "\x07" not in samples_html(kept)


def test_a_longer_way_is_drawn_further_right_and_a_better_score_lower(tmp_path: Path) -> None:
    folder = RaceFolder(tmp_path / "race")
    folder.begin(RaceSettings(models=("lstm",)))
    folder.point("lstm", Point(1, 0.5, 10.0, 1.0, 1.0, 4.0))
    folder.point("lstm", Point(2, 1.0, 20.0, 2.0, 2.0, 3.0))
    svg = chart(read_race(folder.path))
    found = re.search(r'points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', svg)
    assert found is not None
    x0, y0, x1, y1 = map(float, found.groups())
    assert (x0 - 46) * 2 == pytest.approx(x1 - 46, abs=0.2)
    assert y0 < y1


def test_numbers_are_short() -> None:
    assert [short(n) for n in (0, 950, 1200, 3.4e6, 2e9, 4e13)] == [
        "0", "950", "1.2k", "3.4M", "2G", "4e13",
    ]  # fmt: skip
