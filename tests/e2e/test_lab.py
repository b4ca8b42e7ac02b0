"""The Lab tab in a browser: each experiment run small, looked into, stopped, given bad files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import PATIENCE_MS, typed, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")
TABS = {
    "adder": "Adder", "sine": "Sine", "weather": "Weather", "frames": "Frames",
    "hyperspectral": "Pixels", "authors": "Authors",
}  # fmt: skip
SMALL: dict[str, dict[str, str]] = {
    "adder": {"n_seeds": "1", "n_updates": "400", "n_pairs": "40", "epochs": "2", "n_long": "5"},
    "sine": {"n_draws": "1", "n_members": "1", "n_updates": "10"},
    "weather": {
        "models": "gru", "steps": "20", "n_trials": "1", "n_origins": "0", "window_hours": "12",
        "eval_every": "10",
    },
    "frames": {"n_movies": "8", "n_test": "4", "hidden_size": "4", "n_layer": "1", "steps": "3"},
    "hyperspectral": {
        "scene": "synthetic-spectral", "network": "pixel", "steps": "5", "hidden_size": "4",
    },
    "authors": {
        "n_authors": "2", "variants": "forward", "epochs": "1", "vocab_size": "300",
        "hidden_size": "8", "embedding_size": "8", "n_trials": "1", "passage": "200",
    },
}  # fmt: skip


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


class Lab:
    """One experiment's view."""

    def __init__(self, page: Any, name: str, size: str) -> None:
        self.page, self.name, self.size = page, name, size

    def open(self) -> None:
        self.page.get_by_role("tab", name="Lab", exact=True).click()
        self.page.get_by_role("tab", name=TABS[self.name], exact=True).click()
        _expect(self.start).to_be_visible()

    @property
    def start(self) -> Any:
        return self.page.locator(f"#lp-lab-{self.name}-start")

    @property
    def stop(self) -> Any:
        return self.page.get_by_role("button", name="Stop the run")

    @property
    def alert(self) -> Any:
        return self.page.locator(".lp-notice:visible").first

    def field(self, name: str) -> Any:
        return self.page.locator(f"#lp-lab-{self.name}-{name}").locator("input, textarea").first

    def settings(self, **values: str) -> None:
        """Fill the form; it is folded away at first."""
        fold = self.page.locator(f"#lp-lab-{self.name}-settings > button")
        if fold.get_attribute("class") and "open" not in str(fold.get_attribute("class")):
            fold.click()
        for name, value in values.items():
            _expect(self.field(name)).to_be_visible()
            typed(self.field(name), value)

    def over(self) -> None:
        _expect(self.page.locator(".lp-status:visible")).to_have_text(
            "The run is over.", timeout=8 * PATIENCE_MS
        )
        _expect(self.page.locator(".lp-bars:visible").first).to_be_visible()
        _expect(self.page.locator(".lp-lab-table caption:visible").last).to_have_text(
            "All figures of the run."
        )

    def shoot(self, what: str) -> None:
        _shoot(self.page, f"{self.size}-lab-{self.name}-{what}")

    def sound(self, axe: str) -> None:
        """Nothing that keeps people out, and nothing beside the screen."""
        assert violations(self.page, axe) == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _authors(folder: Path) -> str:
    """Two writers with words of their own, in folders as reviews are published."""
    rng = np.random.default_rng(0)
    words = {
        "brown": "ship sail wind harbour captain anchor",
        "green": "leaf root seed plant soil bud",
    }
    for part, n in (("train", 80), ("test", 12)):
        for name, own in words.items():
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(n):
                text = " ".join(rng.choice(own.split()) for _ in range(60))
                (place / f"{i}.txt").write_text(f"Letter {i}. {text}.", "utf-8")
    return str(folder)


def _csv(path: Path, n: int = 24 * 70) -> Path:
    rng = np.random.default_rng(0)
    hours = np.arange(n)
    air = 10 + 5 * np.sin(hours / 24 * 2 * np.pi) + rng.standard_normal(n).cumsum() * 0.1
    lines = ["time,air,wind"]
    times = np.datetime64("2020-01-01T00:00") + hours.astype("timedelta64[h]")
    lines += [f"{t},{a:.2f},{w:.2f}" for t, a, w in zip(times, air, rng.random(n), strict=True)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _pick(page: Any, selector: str, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(selector).click()
    chooser.value.set_files(str(path))


# ------------------------------------------------------------------------------- one for each view


def _try_adder(lab: Lab) -> None:
    page = lab.page
    _expect(page.locator(".lp-heat-sum")).to_contain_text("87 + 45")
    typed(page.locator("#lp-lab-adder-a input, #lp-lab-adder-a textarea"), "0b1111")
    page.get_by_role("button", name="Add them").click()
    _expect(page.locator(".lp-heat-sum")).to_contain_text("15 + 45")
    _expect(page.locator(".lp-heat-unit").first.locator("td")).to_have_count(8)
    typed(page.locator("#lp-lab-adder-b input, #lp-lab-adder-b textarea"), "<b>many</b>")
    page.get_by_role("button", name="Add them").click()
    _expect(lab.alert).to_contain_text("The second number is '<b>many</b>'")


def _try_sine(lab: Lab) -> None:
    page = lab.page
    chart = page.locator(".lp-lab-try .lp-chart:visible")
    _expect(chart).to_be_visible()
    closed = chart.inner_html()
    page.get_by_role("radio", name="Fed the truth").check()
    page.wait_for_function(
        "closed => document.querySelector('.lp-lab-try .lp-chart')?.innerHTML !== closed",
        arg=closed,
    )


def _try_weather(lab: Lab) -> None:
    page = lab.page
    chart = page.locator(".lp-lab-try .lp-chart:visible").first
    _expect(chart).to_be_visible()
    _expect(chart.locator(".lp-chart-band")).to_have_count(1)


def _try_frames(lab: Lab) -> None:
    page = lab.page
    film = page.locator(".lp-film:visible")
    _expect(film.locator(".lp-film-screen")).to_have_count(2)
    page.locator(".lp-film-scrub:visible").fill("2")
    _expect(film.locator("output")).to_have_text("Frame 3 of 15: given")
    page.get_by_role("radio", name="Squares of my own").check()
    squares = page.locator("#lp-lab-frames-squares textarea")
    _expect(squares).to_be_visible()
    typed(squares, "5 5 1 0")
    page.get_by_role("button", name="Forecast", exact=True).click()
    _expect(lab.alert).to_contain_text("Line 1 is '5 5 1 0'")
    typed(squares, "5 5 1 0 6")
    page.get_by_role("button", name="Forecast", exact=True).click()
    _expect(film.locator("output")).to_have_text("Frame 8 of 15: forecast")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as GIF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"GIF89a")


def _try_hyperspectral(lab: Lab) -> None:
    _expect(lab.page.locator(".lp-pixels img")).to_have_count(3)
    _expect(lab.page.locator(".lp-pixels-legend li").first).to_be_visible()


def _try_authors(lab: Lab) -> None:
    page = lab.page
    typed(page.locator("#lp-lab-authors-letter textarea"), "the ship and the wind and the harbour")
    page.get_by_role("button", name="Listen to it").click()
    _expect(page.locator(".lp-voice-row:visible").first).to_be_visible()
    typed(page.locator("#lp-lab-authors-letter textarea"), "12 34")
    page.get_by_role("button", name="Listen to it").click()
    _expect(lab.alert).to_contain_text("holds no words")


TRIED: dict[str, Callable[[Lab], None]] = {
    "adder": _try_adder, "sine": _try_sine, "weather": _try_weather, "frames": _try_frames,
    "hyperspectral": _try_hyperspectral, "authors": _try_authors,
}  # fmt: skip


@pytest.mark.parametrize("name", list(TABS))
def test_an_experiment_is_run_looked_into_and_deleted(
    page: Any, size: str, axe: str, name: str, tmp_path: Path
) -> None:
    lab = Lab(page, name, size)
    lab.open()
    lab.shoot("1-before")
    more = {"source": _authors(tmp_path / "reviews")} if name == "authors" else {}
    lab.settings(**SMALL[name], **more)
    if name == "frames":
        page.locator("#lp-lab-frames-rival input").uncheck()
    lab.sound(axe)
    if name == "weather":
        page.get_by_role("button", name="A CSV file of your own").click()
        _pick(page, "#lp-lab-weather-pick", _csv(tmp_path / "my weather.csv"))
        _expect(page.get_by_text("1,680 rows from 2020-01-01")).to_be_visible()
        page.get_by_role("button", name="Look for leaks").click()
        _expect(page.locator(".lp-alarm")).to_have_count(3)
        _expect(page.locator(".lp-alarm-rings")).to_have_count(0)
        lab.shoot("2-own-file")
        page.get_by_role("button", name="Train on this file").click()
    else:
        lab.start.click()
    lab.over()
    TRIED[name](lab)
    lab.shoot("3-over")
    lab.sound(axe)
    page.get_by_role("button", name="Facts and settings of this run").click()
    _expect(page.locator(".lp-lab-facts:visible")).to_contain_text("setting seed")

    page.emulate_media(color_scheme="dark")
    page.reload()
    lab.open()
    _expect(page.locator(".lp-bars:visible").first).to_be_visible()
    lab.shoot("4-dark")
    lab.sound(axe)

    page.get_by_role("button", name="Delete this run").click()
    page.get_by_role("button", name="Delete it").click()
    _expect(page.locator(".lp-status:visible")).to_have_text("The run is deleted.")
    _expect(page.locator(".lp-bars:visible")).to_have_count(0)


def test_a_run_goes_on_without_the_page_and_is_stopped_in_the_middle(page: Any, size: str) -> None:
    lab = Lab(page, "adder", size)
    lab.open()
    lab.settings(n_seeds="0")
    lab.start.click()
    _expect(lab.alert).to_contain_text("n_seeds=0 must be at least 1")
    lab.settings(n_seeds="50", n_updates="10001", epochs="3")
    lab.start.click()
    _expect(lab.stop).to_be_visible()
    _expect(page.locator(".lp-lab-progress:visible")).to_contain_text("left")
    page.reload()  # it runs in a process of its own
    lab.open()
    _expect(lab.stop).to_be_visible()
    _expect(page.locator(".lp-lab-curves .lp-chart:visible").first).to_be_visible()
    lab.shoot("5-running")
    lab.stop.click()
    _expect(page.locator(".lp-status:visible")).to_have_text(
        "Stopped; all there is is kept.", timeout=4 * PATIENCE_MS
    )
    _expect(page.locator(".lp-lab-result:visible")).to_contain_text("stopped before its end")
    page.get_by_role("button", name="Delete this run").click()
    page.get_by_role("button", name="Delete it").click()
    _expect(page.locator(".lp-status:visible")).to_have_text("The run is deleted.")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "is empty or could not be read"),
        ("note.pdf", "time,a\n", "does not end in .csv"),
        (
            "rows.csv",
            "time,air\n2020-01-01 00:00,1\n2020-01-01 01:00,2,3\n",
            "line 3 has 3 columns",
        ),
        ("words.csv", "time,air\n2020-01-01 00:00,<b>x</b>\n2020-01-01 01:00,y\n", "no column of"),
    ],
)
def test_a_bad_csv_is_told_and_nothing_begins(
    page: Any, size: str, tmp_path: Path, name: str, content: str, said: str
) -> None:
    lab = Lab(page, "weather", size)
    lab.open()
    page.get_by_role("button", name="A CSV file of your own").click()
    bad = tmp_path / name
    bad.write_text(content, "utf-8")
    _pick(page, "#lp-lab-weather-pick", bad)
    _expect(lab.alert).to_contain_text(said)
    _expect(page.get_by_role("button", name="Train on this file")).to_have_count(0)
    lab.shoot(f"6-{bad.stem}")


def test_a_bad_scene_is_told(page: Any, size: str, tmp_path: Path) -> None:
    lab = Lab(page, "hyperspectral", size)
    lab.open()
    page.get_by_role("button", name="A scene of your own").click()
    bad = tmp_path / "scene.mat"
    bad.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    _pick(page, "#lp-lab-pixels-cube", bad)
    _expect(lab.alert).to_contain_text("scene")
    flat = tmp_path / "flat.npy"
    np.save(flat, np.zeros((4, 4)))
    _pick(page, "#lp-lab-pixels-cube", flat)
    _expect(page.get_by_text("4 × 4")).to_be_visible()
    page.get_by_role("button", name="Train on this scene").click()
    _expect(lab.alert).to_contain_text("expected")
