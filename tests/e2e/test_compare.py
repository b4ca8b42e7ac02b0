"""Compare and Generate in a browser: side by side, surprise, plain text; stopped, refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import typed, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}} `${alert(4)}`"
)


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def _open(page: Any, *tabs: str) -> None:
    for tab in tabs:
        page.get_by_role("tab", name=tab, exact=True).click()


def _button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def _choose(page: Any, elem_id: str, model: str) -> None:
    page.locator(f"#{elem_id} input").click()
    page.locator(f"#{elem_id}").get_by_role("option", name=model, exact=True).click()
    _expect(page.locator(f"#{elem_id} input")).to_have_value(model)


def _columns(page: Any, *models: str) -> None:
    for k in range(4):
        _choose(page, f"lp-side-model-{k + 1}", models[k] if k < len(models) else "none")


def _fits(page: Any) -> bool:
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits


def _characters(page: Any, view: str, n: int) -> None:
    page.locator(f"#lp-{view}-settings").get_by_role("button", name="Settings").click()
    field = page.locator(f"#lp-{view}-characters input[type=number]")
    typed(field, str(n))
    field.press("Tab")


def test_side_by_side(page: Any, size: str, axe: str) -> None:
    _open(page, "Compare", "Side by side")
    _columns(page, "tiny", "tiny-lstm", "tiny-gru")
    assert violations(page, axe) == []
    _button(page, "Write side by side").click()
    _expect(page.locator(".lp-side-text")).to_have_count(3)
    _expect(page.get_by_text("Ready.", exact=True)).to_be_visible()
    facts = page.locator(".lp-side-facts")
    _expect(facts).to_have_count(3)
    for k in range(3):
        for name in ("Bits per byte", "Speed alone", "Copied ink", "Parameters", "Training"):
            _expect(facts.nth(k)).to_contain_text(name)
    _expect(page.locator(".lp-side-notes")).to_contain_text("Kneser-Ney")
    for text in page.locator(".lp-side-words").all_inner_texts()[1:]:
        assert len(text) > 300
    if size == "phone":  # one below the other, none higher than half a screen
        boxes = [box.bounding_box() for box in page.locator(".lp-side-text").all()]
        assert all(box["height"] < 422 for box in boxes)
        assert boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]
    assert _fits(page)
    assert violations(page, axe) == []
    _shoot(page, f"{size}-side")
    page.emulate_media(color_scheme="dark")
    page.reload()
    _open(page, "Compare", "Side by side")
    _expect(_button(page, "Write side by side")).to_be_visible()
    assert violations(page, axe) == []


def test_side_by_side_is_stopped_and_refused(page: Any) -> None:
    _open(page, "Compare", "Side by side")
    _columns(page)
    _button(page, "Write side by side").click()
    _expect(page.get_by_role("alert")).to_contain_text("No model is chosen")
    _columns(page, "slow", "tiny-lstm")
    typed(page.locator("#lp-side-prompt textarea"), HOSTILE)
    _characters(page, "side", 2000)
    _button(page, "Write side by side").click()
    _expect(page.locator(".lp-side-line").first).to_contain_text("of 2000 characters")
    _button(page, "Stop").click()
    _expect(page.get_by_text("Stopped. What there is is kept.")).to_be_visible()
    _expect(_button(page, "Write side by side")).to_be_visible()
    _expect(page.get_by_role("alert")).to_have_count(0)
    _expect(page.locator(".lp-side-text")).to_have_count(2)


def test_surprise(page: Any, size: str, axe: str) -> None:
    _open(page, "Compare", "Surprise")
    text = f"Dear Sir,\n\nIt snows in 京都: 雪。 {HOSTILE}"
    typed(page.locator("#lp-surprise-text textarea"), text)
    models = page.locator("#lp-surprise-models")
    for box in models.get_by_role("checkbox").all():
        box.uncheck()
    _button(page, "Show the surprise").click()
    _expect(page.get_by_role("alert")).to_contain_text("0 models are chosen")
    for name in ("tiny", "tiny-lstm"):
        models.get_by_label(name, exact=True).check()
    _button(page, "Show the surprise").click()
    _expect(page.get_by_text("Ready.", exact=True)).to_be_visible()
    words = page.locator(".lp-surprise-words")
    _expect(words).to_have_count(2)
    assert words.all_inner_texts() == [text, text]
    assert page.locator("#lp-surprise-shown script, #lp-surprise-shown img").count() == 0
    _expect(page.locator(".lp-surprise-block").nth(1)).to_contain_text("bits per byte")
    most = page.locator(".lp-surprise-most tbody tr")
    _expect(most).to_have_count(12)
    page.get_by_text("All words with their bits").click()
    rows = page.locator(".lp-surprise-all tbody tr")
    _expect(rows.first).to_contain_text("Dear")
    assert re.fullmatch(r"[\d.]+", rows.first.locator("td").first.inner_text())
    assert _fits(page)
    assert violations(page, axe) == []
    _shoot(page, f"{size}-surprise")


def test_surprise_in_the_dark(page: Any, axe: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.reload()
    _open(page, "Compare", "Surprise")
    models = page.locator("#lp-surprise-models")
    for box in models.get_by_role("checkbox").all():
        box.uncheck()
    models.get_by_label("tiny-gru", exact=True).check()
    _button(page, "Show the surprise").click()
    _expect(page.get_by_text("What surprised it most")).to_be_visible()
    _expect(page.get_by_text("Ready.", exact=True)).to_be_visible()
    assert violations(page, axe) == []
    _shoot(page, "desk-surprise-dark")


def test_generate(page: Any, size: str, axe: str) -> None:
    _open(page, "Generate")
    _choose(page, "lp-generate-model", "tiny-lstm")
    prompt = f"dear sir, {HOSTILE}"
    typed(page.locator("#lp-generate-prompt textarea"), prompt)
    page.locator("#lp-generate-texts input[type=number]").fill("2")
    page.locator("#lp-generate-settings").get_by_role("button", name="Settings").click()
    typed(page.locator("#lp-generate-seed input"), "7")
    page.locator("#lp-generate-guard").get_by_role("checkbox").check()
    assert violations(page, axe) == []
    _button(page, "Generate").click()
    _expect(page.get_by_text("Ready.", exact=True)).to_be_visible()
    texts = page.locator(".lp-generate-words")
    _expect(texts).to_have_count(2)
    first, second = texts.all_inner_texts()
    assert first != second
    assert first.startswith(prompt)
    assert len(first) == len(second) == len(prompt) + 400
    foot = page.locator(".lp-generate-foot")
    _expect(foot.first).to_contain_text("tiny-lstm, seed 7; 400 characters")
    _expect(foot.nth(1)).to_contain_text("seed 8")
    _expect(foot.nth(1)).to_contain_text("copied ink")
    with page.expect_download() as download:
        _button(page, "Save as text").click()
    saved = Path(download.value.path()).read_text("utf-8")
    assert saved == f"{first}\n\n* * *\n\n{second}\n"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _button(page, "Copy").click()
    _expect(page.get_by_text("Copied.", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == saved
    assert _fits(page)
    assert violations(page, axe) == []
    _shoot(page, f"{size}-generate")


def test_generate_is_stopped_and_refused(page: Any) -> None:
    _open(page, "Generate")
    _choose(page, "lp-generate-model", "slow")
    _characters(page, "generate", 5000)
    typed(page.locator("#lp-generate-seed input"), "seven")
    _button(page, "Generate").click()
    _expect(page.get_by_role("alert")).to_contain_text("The seed is 'seven'")
    typed(page.locator("#lp-generate-seed input"), "7")
    _button(page, "Generate").click()
    _expect(page.locator(".lp-generate-words")).to_be_visible()
    _expect(page.get_by_text("Text 1 of 1:")).to_be_visible()
    _button(page, "Stop").click()
    _expect(page.get_by_text("Stopped. What there is is kept.")).to_be_visible()
    _expect(_button(page, "Save as text")).to_be_visible()
    assert len(page.locator(".lp-generate-words").inner_text()) > 60
