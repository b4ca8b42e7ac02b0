"""Compare, Cells in a browser: a unit along a text, the telling units, one switched off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import typed, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")
HOSTILE = (
    'Dear <script>alert(1)</script>,\n\n<img src=x onerror=alert(2)> ${alert(3)} {{value}} "&lt;"'
)


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"cells-{name}.png"), full_page=True)


def _open(page: Any) -> Any:
    """The view, which lies beside others on the page."""
    page.get_by_role("tab", name="Compare", exact=True).click()
    page.get_by_role("tab", name="Cells", exact=True).click()
    view = page.locator("#lp-cells")
    _expect(_button(view, "Show the unit")).to_be_visible()
    return view


def _button(view: Any, name: str) -> Any:
    return view.get_by_role("button", name=name, exact=True)


def _choose(view: Any, model: str) -> None:
    view.get_by_label("Model").click()
    view.get_by_role("option", name=model, exact=True).click()


def test_find_a_unit_see_it_and_switch_it_off(page: Any, size: str, axe: str) -> None:
    view = _open(page)
    _choose(view, "tiny-gru")
    _expect(view.get_by_label("Unit, 0 to 15")).to_have_value("0")
    assert violations(page, axe) == []

    _button(view, "Find telling units").click()
    _expect(view.get_by_role("table")).to_contain_text("Inside the salutation")
    _expect(view.get_by_role("status").nth(1)).to_have_text("16 of 16 units tried.")
    picked = view.get_by_role("radio", name="At a capital letter")
    named = picked.locator("xpath=ancestor::label").inner_text()
    picked.check()
    unit = named.split(": ")[1].split(" ")[0]
    shown = view.locator(".lp-cells-unit")
    _expect(shown.get_by_role("heading")).to_have_text(f"Hidden value of unit {unit}")
    _expect(view.get_by_label("Unit, 0 to 15")).to_have_value(unit.split(":")[1])
    text = view.get_by_label("Text to read").input_value()
    assert shown.locator("i").count() == len(text)
    assert shown.locator("i").first.inner_text() == text[0]
    assert -1 <= float(shown.locator("i").first.get_attribute("title")) <= 1
    _expect(shown.get_by_role("img")).to_have_accessible_name(
        shown.get_by_role("img").get_attribute("aria-label")
    )
    shown.get_by_text("The numbers, word by word").click()
    _expect(shown.get_by_role("rowheader").first).to_have_text(text.split()[0])

    view.get_by_label("Value", exact=True).click()
    view.get_by_role("option", name="update", exact=True).click()
    _expect(shown.get_by_role("heading")).to_have_text(f"Update value of unit {unit}")

    view.get_by_role("radio", name="its mean along the text").check()
    _button(view, "Switch it off").click()
    _expect(view.locator(".lp-cells-sample")).to_have_count(2)
    _expect(view.locator(".lp-cells-bits")).to_contain_text("Difference")
    view.get_by_text("Where it is missed").click()
    _expect(view.get_by_role("region", name="Bits that each character costs more")).to_be_visible()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    _shoot(page, size)
    page.emulate_media(color_scheme="dark")
    page.reload()
    view = _open(page)
    _choose(view, "tiny-gru")
    _expect(view.get_by_label("Unit, 0 to 15")).to_be_visible()
    _button(view, "Show the unit").click()
    _expect(view.locator(".lp-cells-unit")).to_be_visible()
    _shoot(page, f"{size}-dark")
    assert violations(page, axe) == []


def test_a_search_tells_how_far_it_is_and_is_stopped(page: Any) -> None:
    view = _open(page)
    _choose(view, "lstm")
    _expect(view.get_by_label("Unit, 0 to 4")).to_have_value("0")
    said = view.get_by_role("status").nth(1)
    _button(view, "Find telling units").click()
    _expect(said).to_contain_text("s left.")
    _button(view, "Stop").click()
    _expect(said).to_contain_text("Stopped: ")
    _expect(_button(view, "Find telling units")).to_be_visible()
    _expect(_button(view, "Stop")).to_be_hidden()


def test_mistakes_are_said_at_their_button_and_nothing_is_run(page: Any) -> None:
    view = _open(page)
    _choose(view, "starter")
    alert = view.get_by_role("alert")
    _expect(alert).to_contain_text("starter is not a recurrent network: it has no cells")
    for button in ("Find telling units", "Switch it off"):
        _button(view, button).click()
        _expect(alert).to_have_count(2 if button.startswith("Find") else 3)
        _expect(alert.last).to_contain_text("starter is not a recurrent network")
    _choose(view, "tiny-lstm")
    view.get_by_label("Unit, 0 to 15").fill("16")
    _button(view, "Show the unit").click()
    _expect(alert.first).to_contain_text("no unit 0:16; its layers go from 0 to 0")
    view.get_by_label("Unit, 0 to 15").fill("")
    _button(view, "Show the unit").click()
    _expect(alert.first).to_contain_text("The unit is no whole number")
    view.get_by_label("Unit, 0 to 15").fill("3")
    typed(view.get_by_label("Text to read"), "a" * 5001)
    _button(view, "Show the unit").click()
    _expect(alert.first).to_contain_text("5,001 characters; at most 5,000")

    typed(view.get_by_label("Text to read"), HOSTILE)
    typed(view.get_by_label("The samples begin with"), HOSTILE)
    _button(view, "Show the unit").click()
    _expect(view.locator(".lp-cells-unit i")).to_have_count(len(HOSTILE))
    _button(view, "Switch it off").click()
    _expect(view.locator(".lp-cells-sample")).to_have_count(2)
    _expect(view.locator(".lp-cells-sample").first).to_contain_text("${alert(3)} {{value}}")
    assert view.locator("script, img[src]").count() == 0
