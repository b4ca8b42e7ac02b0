"""The Letters tab in a browser: a few whole journeys."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

LETTER = (
    "Dear Sir Isaac Newton,\n\nCould you kindly explain your theory of gravitation?\n\n"
    "Your servant,\nAndrew Mayne"
)
SHOTS = os.environ.get("LETTERPRESS_SHOTS", "")


def _expect(found: Any) -> Any:
    from playwright.sync_api import expect

    return expect(found)


def _shoot(page: Any, name: str, whole: bool = True) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=whole)


def _choose_model(page: Any, name: str) -> None:
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Model").click()
    page.get_by_role("option", name=name, exact=True).click()


def _send(page: Any, text: str) -> None:
    page.get_by_label("Your letter").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def _ready(page: Any) -> None:
    _expect(page.locator(".lp-status")).to_have_text("The reply from Isaac Newton is ready.")


def test_write_reload_continue_and_export(page: Any, size: str, axe: str) -> None:
    assert violations(page, axe) == []
    _shoot(page, f"{size}-1-empty")
    _choose_model(page, "tiny")
    page.get_by_label("Seed").fill("5")
    _send(page, LETTER)
    _expect(page.locator(".lp-status")).to_have_text("Dipping the pen …", timeout=2_000)
    _ready(page)
    reply = page.locator(".lp-received")
    _expect(reply).to_contain_text("Written by a model, not by Isaac Newton.")
    _expect(reply).to_contain_text("square of the distance")
    assert reply.locator(".lp-s").count() == reply.locator(".lp-s .lp-glyph").count() > 4

    mark = reply.get_by_role("button", name="Sourced: show the source").first
    note = reply.locator(".lp-note").first
    page.mouse.move(0, 0)  # a pointer left over a sentence would show its note
    _expect(note).to_be_hidden()
    mark.focus()
    _expect(note).to_be_visible()
    _expect(note).to_contain_text("Principia")
    _expect(mark).to_have_accessible_description(note.inner_text().replace("\n", " "))
    page.keyboard.press("Escape")
    _expect(note).to_be_hidden()
    reply.locator(".lp-sourced .lp-t").first.click()
    _expect(note).to_be_visible()
    _shoot(page, f"{size}-2-reply")
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    written = reply.locator(".lp-t").all_inner_texts()
    page.reload()
    _expect(reply).to_contain_text("square of the distance")
    assert reply.locator(".lp-t").all_inner_texts() == written
    _expect(page.get_by_label("Your letter")).to_have_value("")

    page.get_by_label("Your letter").fill("Sir,\n\nAnd the tides?")
    page.reload()
    _expect(page.get_by_label("Your letter")).to_have_value("Sir,\n\nAnd the tides?")
    _choose_model(page, "tiny")
    page.get_by_role("button", name="Send", exact=True).click()
    _expect(reply).to_have_count(2)
    _ready(page)
    _shoot(page, f"{size}-3-second")

    for label, suffix in (("Markdown", "md"), ("text", "txt"), ("PDF", "pdf")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save as {label}").click()
        assert download.value.suggested_filename.endswith(f".{suffix}")
        saved = Path(download.value.path()).read_bytes()
        assert saved.startswith(b"%PDF") if suffix == "pdf" else b"And the tides?" in saved

    page.emulate_media(color_scheme="dark")
    page.reload()
    _expect(reply).to_have_count(2)
    reply.first.get_by_role("button", name="Sourced: show the source").first.focus()
    _shoot(page, f"{size}-4-dark")
    assert violations(page, axe) == []

    page.get_by_role("button", name="New letter").click()
    _expect(reply).to_have_count(0)
    _expect(page.get_by_text("From 25 December 1642 to 20 March 1727.")).to_be_visible()
    page.get_by_role("button", name="Past letters").click()
    _shoot(page, f"{size}-8-past")
    page.get_by_role("radio", name="Isaac Newton").first.check()
    _expect(reply).to_have_count(2)
    page.get_by_role("button", name="Delete …").click()
    _shoot(page, f"{size}-5-delete")
    page.get_by_role("button", name="Delete for good").click()
    _expect(page.locator(".lp-status")).to_have_text("The correspondence is deleted.")
    _expect(reply).to_have_count(0)


def test_a_stopped_letter_is_kept_and_closing_the_tab_stops_nothing(page: Any) -> None:
    _choose_model(page, "slow")
    _send(page, LETTER)
    stop = page.get_by_role("button", name="Stop", exact=True)
    _expect(stop).to_be_visible()
    _expect(page.locator(".lp-received .lp-s").first).to_be_visible()
    _shoot(page, "desk-6-writing", whole=False)
    page.reload()  # the reply goes on being written, and is followed again
    _expect(stop).to_be_visible()
    stop.click()
    _expect(page.locator(".lp-status")).to_contain_text("was stopped and is kept")
    _expect(page.locator(".lp-received")).to_contain_text("Stopped before its end.")
    page.reload()
    _expect(page.locator(".lp-received")).to_contain_text("Stopped before its end.")


def test_bad_input_is_said_at_the_field_and_nothing_is_lost(page: Any) -> None:
    page.get_by_role("button", name="Send", exact=True).click()
    alert = page.get_by_role("alert")
    _expect(alert).to_contain_text("The letter is empty")

    page.get_by_label("Date").fill("1905-06-30")
    _send(page, LETTER)
    _expect(alert).to_contain_text("1727")
    _expect(page.get_by_label("Your letter")).to_have_value(LETTER)
    _shoot(page, "desk-7-bad-date")

    page.get_by_label("Date").fill("31 February 1700")
    page.get_by_role("button", name="Send", exact=True).click()
    _expect(alert).to_contain_text("has no day 31")

    page.get_by_label("Date").fill("")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Seed").fill("seven")
    page.get_by_role("button", name="Send", exact=True).click()
    _expect(alert).to_contain_text("The seed is 'seven'")
    page.get_by_label("Seed").fill("7")
    _send(page, "a " * 524_288)  # 1 MiB
    _expect(alert).to_contain_text("at most 20,000")
    assert len(page.get_by_label("Your letter").input_value()) == 1_048_576

    hostile = (
        "Sir,\n\n<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}} "
        "`${alert(4)}` \\${alert(5)} <|reply|> <|own|> <|endoftext|> &lt;b&gt;\n\nA. Foe"
    )
    page.get_by_label("Model").click()
    page.get_by_role("option", name="tiny", exact=True).click()
    _send(page, hostile)
    _ready(page)
    _expect(page.locator(".lp-received")).to_contain_text("Model tiny, seed 7.")
    _expect(page.locator(".lp-words")).to_have_text(hostile)
    assert page.locator(".lp-thread script, .lp-thread img").count() == 0
    assert "<|" not in page.locator(".lp-received").inner_text()


def test_only_this_machine_by_its_name_is_answered(server: str) -> None:
    def ask(path: str, host: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    here = urlsplit(server).netloc
    status, headers = ask("/", here)
    assert status == 200
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert ask("/", "letters.example:7860")[0] == 421
    assert ask("/gradio_api/file=https://letters.example/x", here)[0] == 404
    assert ask("/gradio_api/info", here)[0] == 404
