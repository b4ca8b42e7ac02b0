"""The page without a browser: what is escaped, what is refused, how a reply is followed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app import actions
from app.ui.desk import Desk
from app.ui.guard import POLICY, Guard
from app.ui.page import REFUSED, check_environment, launch
from app.ui.paper import GLYPHS, NAMED, legend_html, notice_html, thread_html
from corpora.errors import EnvironmentProblem, InputError
from lm.proof import EXPLAINED, Mark, Sentence, Source

HOSTILE = "<script>alert(1)</script> \" ' & <img src=x>"


def test_every_mark_has_a_glyph_a_name_and_an_explanation() -> None:
    assert set(GLYPHS) == set(NAMED) == set(EXPLAINED) == set(Mark)
    assert len(set(GLYPHS.values())) == len(Mark)
    assert all(NAMED[mark] in legend_html() for mark in Mark)


def test_nothing_that_was_written_becomes_markup(model: str) -> None:
    writing = actions.reply(
        f"{HOSTILE}\n\n{HOSTILE}", to="newton", model=model, writer=HOSTILE[:70], place=HOSTILE[:70]
    )
    assert writing.thread_id is not None
    source = Source("x", HOSTILE, "1687", "recalled")
    sentences = [Sentence(HOSTILE, mark, source, "\n\n") for mark in Mark]
    html = thread_html(actions.thread(writing.thread_id), actions.people()["newton"], sentences)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") >= 2 + 2 * len(Mark)
    assert "<script" not in notice_html(HOSTILE)
    assert "Written by a model, not by Isaac Newton." in html


def test_the_desk_writes_on_its_own_and_saves(model: str) -> None:
    desk = Desk()
    writing = actions.reply("Sir,\n\nWhat is light?", to="newton", model=model, seed=1)
    job = desk.begin(writing)
    assert writing.thread_id is not None
    assert desk.job(writing.thread_id) is job
    job.join(60)
    assert job.over
    assert job.problem == ""
    kept = actions.thread(writing.thread_id)
    assert kept.letters[-1].text == writing.reply.text


def test_a_model_that_fails_is_told_and_the_letter_kept(
    model: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("no model here")
    writing = actions.reply("Sir,\n\nWhat is light?", to="newton", model=str(empty), seed=1)
    job = Desk().begin(writing)
    job.join(60)
    assert job.over
    assert job.problem
    assert writing.thread_id is not None
    assert actions.thread(writing.thread_id).unanswered is not None


def test_only_this_machine() -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1 only"):
        launch(7860, open_browser=False, host="0.0.0.0")


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_would_open_the_page_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(EnvironmentProblem, match=name):
        check_environment()


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("127.0.0.1:7860", "/", 200),
        ("localhost", "/gradio_api/queue/data", 200),
        ("evil.example", "/", 421),
        ("127.0.0.1.evil.example", "/", 421),
        ("", "/", 421),
        ("127.0.0.1:7860", "/gradio_api/file=http://evil.example/x", 404),
        ("127.0.0.1:7860", "/gradio_api/upload", 404),
        ("127.0.0.1:7860", "/gradio_api/proxy=http://evil.example", 404),
        ("127.0.0.1:7860", "/monitoring/summary", 404),
    ],
)
def test_the_guard(host: str, path: str, status: int) -> None:
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(Guard(page)(scope, receive, send))
    assert sent[0]["status"] == status
    assert (b"content-security-policy", POLICY.encode()) in sent[0]["headers"]
