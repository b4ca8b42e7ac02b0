"""The Race view in a browser: begun, left alone, stopped, gone on with, saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE_MS, typed, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def _open(page: Any) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Race").click()
    _expect(page.get_by_role("heading", name="An equal race")).to_be_visible()


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    lines = [f"{i}. Sir, the {i * i} sheep of parish {i} were counted.\n\n" for i in range(400)]
    path = tmp_path / "sheep <b>.txt"
    path.write_text("".join(lines), "utf-8")
    return str(path)


def test_a_race_goes_on_without_the_page_is_stopped_and_taken_up(
    page: Any, size: str, axe: str, corpus: str
) -> None:
    _open(page)
    _shoot(page, f"{size}-race-1-form")
    start = page.get_by_role("button", name="Start the race")
    typed(page.get_by_label("Corpus"), "/nowhere/at-all.txt")
    start.click()
    _expect(page.get_by_role("alert")).to_contain_text("There is no file or folder /nowhere")

    typed(page.get_by_label("Corpus"), corpus)
    page.get_by_role("checkbox", name="rnn").uncheck()
    page.get_by_role("checkbox", name="gru").uncheck()
    typed(page.get_by_label("How much"), "soon")
    start.click()
    _expect(page.get_by_role("alert")).to_contain_text("The budget is 'minutes=soon'")
    typed(page.get_by_label("How much"), "0.6")
    start.click()
    stop = page.get_by_role("button", name="Stop the race")
    _expect(stop).to_be_visible()
    _expect(page.locator(".lp-race-progress")).to_contain_text("of training left")
    page.reload()  # it runs in a process of its own
    _open(page)
    _expect(stop).to_be_visible()
    lines = page.locator(".lp-race-chart:visible .lp-race-line")
    _expect(lines).to_have_count(2)
    _shoot(page, f"{size}-race-2-running")
    stop.click()
    _expect(page.locator(".lp-status:visible")).to_have_text("Stopped; all there is is kept.")
    _expect(page.locator(".lp-race-table")).to_contain_text("so far")
    _expect(page.locator(".lp-race-sample")).to_have_count(2)
    _expect(page.get_by_text("On sheep <b>.txt: 0.6 minutes of training each")).to_be_visible()
    _shoot(page, f"{size}-race-3-stopped")
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.get_by_role("button", name="Go on with this race").click()
    _expect(stop).to_be_visible()
    _expect(page.locator(".lp-status:visible")).to_have_text(
        "The race is over.", timeout=8 * PATIENCE_MS
    )
    _expect(page.locator(".lp-race-table")).to_contain_text("5-gram Kneser-Ney")
    _expect(page.locator(".lp-race-table")).not_to_contain_text("so far")
    page.get_by_role("radio", name="Seconds of training").check()
    chart = page.locator(".lp-race-chart:visible")
    _expect(chart).to_contain_text("Seconds of training")
    page.get_by_role("button", name="What was equal").click()
    _expect(page.get_by_text("Operations are counted after Kaplan")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the report").click()
    assert download.value.suggested_filename.endswith(".html")
    report = Path(download.value.path()).read_text("utf-8")
    assert report.startswith("<!doctype html>")
    assert "sheep &lt;b&gt;.txt" in report
    _shoot(page, f"{size}-race-4-over")

    page.emulate_media(color_scheme="dark")
    page.reload()
    _open(page)
    _expect(lines).to_have_count(2)
    _shoot(page, f"{size}-race-5-dark")
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
