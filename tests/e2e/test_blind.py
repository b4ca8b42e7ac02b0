"""Compare, Blind in a browser: two texts, a vote, the names, the rating; stopped; refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import typed, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")
STARTERS = ("starter", "lstm", "gru", "rnn")
HOSTILE = "Dear <script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}}, I am"

WITHOUT_WORDS = """shown => {
  const copy = shown.cloneNode(true);
  copy.querySelectorAll(".lp-words").forEach((words) => words.replaceChildren());
  return copy.outerHTML;
}"""


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"blind-{name}.png"), full_page=True)


def _open(page: Any) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Blind").click()
    _expect(page.get_by_role("button", name="Show me a pair")).to_be_visible()


def _button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def _texts(page: Any) -> list[str]:
    words: list[str] = page.locator(".lp-blind-sheet .lp-words").all_inner_texts()
    return words


def _fits(page: Any) -> bool:
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits


def test_two_texts_a_vote_then_the_names(page: Any, size: str, axe: str) -> None:
    _open(page)
    assert violations(page, axe) == []
    _expect(page.get_by_role("checkbox", name="starter", exact=True)).to_be_checked()
    _expect(page.get_by_role("checkbox", name="lstm", exact=True)).to_be_checked()
    _expect(page.get_by_role("checkbox", name="tiny", exact=True)).not_to_be_checked()
    typed(page.get_by_label("Or your own beginning"), HOSTILE)
    _button(page, "Show me a pair").click()
    status = page.get_by_role("status").filter(has_text=re.compile("\\S"))
    better = _button(page, "B is better")
    _expect(better).to_be_visible()
    _expect(status).to_have_text("Both texts are ready. Which is better?")
    around = page.locator("#lp-blind-sheets").evaluate(WITHOUT_WORDS)
    assert "lp-blind-sheet" in around
    assert [name for name in STARTERS if name in around] == []
    first, second = _texts(page)
    assert first.startswith(HOSTILE)
    assert second.startswith(HOSTILE)
    assert first != second
    assert abs(len(first) - len(second)) <= 16
    assert page.locator(".lp-blind-pair script, .lp-blind-pair img").count() == 0
    assert _fits(page)
    _shoot(page, f"{size}-1-pair")
    assert violations(page, axe) == []

    better.dblclick()
    _expect(status).to_contain_text("You liked B better. B is ")
    _expect(page.get_by_role("heading", name="Rating after 1 vote")).to_be_visible()
    feet = page.locator(".lp-blind-sheet .lp-foot").all_inner_texts()
    names = [re.fullmatch(r"Written by (\w+)\.", foot) for foot in feet]
    assert len(names) == 2
    assert all(name is not None and name[1] in STARTERS for name in names)
    assert _texts(page) == [first, second]
    _expect(page.get_by_text("needed to tell")).to_be_visible()
    assert _fits(page)
    _shoot(page, f"{size}-2-names")
    assert violations(page, axe) == []

    typed(page.get_by_label("Or your own beginning"), "")
    _button(page, "Next pair").click()
    _expect(_button(page, "Both bad")).to_be_visible()
    assert _texts(page) != [first, second]
    _button(page, "Both bad").click()
    _expect(page.get_by_role("heading", name="Rating after 2 votes")).to_be_visible()

    page.emulate_media(color_scheme="dark")
    page.reload()
    _open(page)
    _expect(page.get_by_role("heading", name="Rating after 2 votes")).to_be_visible()
    _shoot(page, f"{size}-3-dark")
    assert violations(page, axe) == []
    with page.expect_download() as download:
        _button(page, "Save votes as JSON").click()
    data = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert [vote["choice"] for vote in data["votes"]] == ["b", "bad"]
    assert data["votes"][0]["prompt"] == HOSTILE
    assert data["votes"][0]["b"]["text"][:20] in second

    _button(page, "Delete votes …").click()
    _button(page, "Delete for good").click()
    _expect(status).to_have_text("2 votes are deleted.")
    _expect(page.get_by_text("No votes yet.")).to_be_visible()


def test_stopping_and_one_model_alone(page: Any) -> None:
    _open(page)
    for name in STARTERS[1:]:
        box = page.get_by_role("checkbox", name=name, exact=True)
        if box.count():
            box.uncheck()
    _button(page, "Show me a pair").click()
    _expect(page.get_by_role("alert")).to_contain_text("at least two different ones")
    page.get_by_role("checkbox", name="slow", exact=True).check()
    _button(page, "Show me a pair").click()
    _expect(page.get_by_role("alert")).to_have_count(0)
    _expect(page.get_by_role("progressbar", name="Both texts")).to_be_visible()
    _shoot(page, "desk-4-writing")
    _button(page, "Stop").click()
    status = page.get_by_role("status").filter(has_text=re.compile("Stopped before|are ready"))
    _expect(status).to_be_visible()
    _expect(page.get_by_role("progressbar", name="Both texts")).to_have_count(0)
