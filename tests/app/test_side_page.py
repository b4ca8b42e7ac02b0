"""The views Side by side, Surprise and Generate without a browser: their handlers, and Stop."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.library import Library
from app.ui.fields import NONE
from app.ui.generate import GenerateView
from app.ui.ink import ink_html, ink_share
from app.ui.side import SideView
from app.ui.streaming import FAILED, Rounds, Watched, in_words, paced, time_left
from app.ui.surprise import SurpriseView
from corpora.errors import InputError
from engine.overlap import Place, Span
from tests.fakes import tiny_model, tiny_recurrent

HOSTILE = "<script>alert(1)</script> ${alert(2)} {{value}} \" ' & <img src=x>"
USUAL = (0.8, 0, 0.95)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [str(tiny_recurrent(folder / cell, cell)) for cell in ("lstm", "gru")]


def built(view: Callable[[gr.Blocks], Any]) -> Any:
    async def build() -> Any:
        with gr.Blocks(analytics_enabled=False) as page:
            return view(page)

    return asyncio.run(build())  # outside a loop Gradio makes several, and closes none


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def value(news: Any) -> str:
    """What a component was given, as itself or as an update."""
    return str(news["value"] if isinstance(news, dict) else getattr(news, "value", news))


def last(stream: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    """Everything a stream said, the latest of each."""
    told: dict[Any, Any] = {}
    for news in stream:
        told |= news
    return told


# ------------------------------------------------------------------------------------ side by side


def go(view: SideView, *models: str, prompt: str = "dear sir", n: float = 80) -> dict[Any, Any]:
    chosen = [*models, *[NONE] * (4 - len(models))]
    return view.on_go(prompt, n, "5", False, *USUAL, *chosen)


def test_columns_write_at_once_and_are_then_measured(models: list[str]) -> None:
    view = built(SideView)
    begun = go(view, *models)
    key = begun[view.key]
    told: list[dict[Any, Any]] = [{} for _ in range(4)]

    def write(k: int) -> None:
        told[k] = last(view.on_write(k, key))

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    measured = last(view.on_measure(key))
    for thread in threads:
        thread.join()
    for k in (0, 1):
        written = view.rounds.get(key).texts[k]
        assert len(written.text) == 80
        assert written.text in text_of(told[k][view.bodies[k]])
        facts = text_of(measured[view.about[k]])
        for name in ("Bits per byte", "Speed alone", "Copied ink", "Parameters", "Training"):
            assert name in facts
    assert "Ready." in measured[view.status]
    assert "5-gram Kneser-Ney 1." in measured[view.notes]
    again = go(view, *models)
    last(view.on_write(0, again[view.key]))
    assert (
        view.rounds.get(again[view.key]).texts[0].text == view.rounds.get(key).texts[0].text
    )  # the same seed


def test_models_can_be_opened_at_once(tmp_path: Path) -> None:
    """Columns that are the first to use their models open them together."""
    names = [str(tiny_recurrent(tmp_path / f"lstm-{k}")) for k in range(3)]
    names += [str(tiny_model(tmp_path / f"gpt2-{k}")) for k in range(3)]
    library = Library(6)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda name: library.borrow(name, "cpu").model, names))
    for one in opened:
        assert not any(weight.is_meta for weight in one.model.parameters())
    for one in opened[3:]:
        assert one.model.lm_head.weight is one.model.transformer.wte.weight


def test_what_was_asked_wrongly_is_said_at_the_field(models: list[str]) -> None:
    view = built(SideView)
    for news, said in (
        (go(view), "No model is chosen"),
        (go(view, "no-such-model"), "There is no model"),
        (go(view, *models, prompt="a" * 20_001), "at most 20,000"),
        (view.on_go("a", 80, "seven", False, *USUAL, *models, NONE, NONE), "The seed is"),
        (view.on_go("a", 80, "5", False, None, 0, 1, *models, NONE, NONE), "A setting is empty"),
    ):
        assert said in text_of(value(news[view.notice]))
        assert news[view.key] == ""
    assert last(view.on_write(0, ""))[view.bodies[0]] is not None
    assert view.status not in last(view.on_measure(""))


def test_one_model_that_fails_leaves_the_others(models: list[str], tmp_path: Path) -> None:
    view = built(SideView)
    (tmp_path / "empty").mkdir()
    key = go(view, str(tmp_path / "empty"), models[0])[view.key]
    failed, fine = (last(view.on_write(k, key)) for k in (0, 1))
    assert "is not a model folder" in text_of(failed[view.about[0]])
    measured = last(view.on_measure(key))
    assert view.about[0] not in measured  # what was said there stays
    assert "Speed alone" in measured[view.about[1]]
    assert "characters" in fine[view.about[1]]


def test_stop_keeps_what_there_is(models: list[str]) -> None:
    view = built(SideView)
    key = go(view, models[0], n=2000)[view.key]
    stream = view.on_write(0, key)
    next(stream)
    view.on_stop(key)
    last(stream)
    text = view.rounds.get(key).texts[0].text
    assert 0 < len(text) < 2000
    measured = last(view.on_measure(key))
    assert "Stopped. What there is is kept." in measured[view.status]
    assert "Speed alone" not in measured[view.about[0]]


def test_a_tab_that_is_closed_holds_nobody_up(models: list[str]) -> None:
    view = built(SideView)
    key = go(view, models[0], n=2000)[view.key]
    stream = view.on_write(0, key)
    next(stream)
    stream.close()
    assert view.rounds.get(key).wait(5)


# ---------------------------------------------------------------------------------------- surprise


def test_each_model_is_shown_and_where_they_differ(models: list[str]) -> None:
    view = built(SurpriseView)
    text = f"dear sir, {HOSTILE}"
    key = view.on_go(text, models)[view.key]
    told = last(view.on_read(key, text, models))
    html = value(told[view.shown])
    assert html.count("lp-surprise-block") == 2
    assert "Where they differ most" in html
    assert "<script" not in html
    assert "<img" not in html
    assert "Ready." in told[view.status]


def test_surprise_wants_a_text_and_one_to_four_models(models: list[str]) -> None:
    view = built(SurpriseView)
    for text, chosen, said in (
        (" ", models, "The text is empty"),
        ("a" * 4001, models, "colours at most 4,000"),
        ("a", [], "0 models are chosen"),
        ("a", models * 3, "6 models are chosen"),
        ("a", ["no-such-model"], "There is no model"),
    ):
        news = view.on_go(text, chosen)
        assert said in text_of(value(news[view.notice]))
        assert news[view.key] == ""


def test_surprise_stops_between_models(models: list[str]) -> None:
    view = built(SurpriseView)
    key = view.on_go("dear sir", models)[view.key]
    view.on_stop(key)
    told = last(view.on_read(key, "dear sir", models))
    assert "Stopped." in told[view.status]


# ---------------------------------------------------------------------------------------- generate


def generate(view: GenerateView, model: str, prompt: str, n_texts: int, n: int) -> dict[Any, Any]:
    return view.on_go(model, prompt, n_texts, n, "3", False, *USUAL, 0.0, 1.0)


def test_several_texts_with_their_seeds(models: list[str]) -> None:
    view = built(GenerateView)
    key = generate(view, models[0], HOSTILE, 3, 60)[view.key]
    told = last(view.on_write(key))
    texts = view.rounds.get(key).texts
    assert [text.seed for text in texts] == [3, 4, 5]
    assert len({text.text for text in texts}) == 3
    html = value(told[view.shown])
    assert html.count("<section") == 3
    assert "<script" not in html
    for text in texts:
        assert HOSTILE + text.text in text_of(html)
        assert HOSTILE + text.text in told[view.plain]
    assert "Ready." in told[view.status]
    saved = view.on_save(told[view.plain])
    assert saved["name"].endswith(".txt")


def test_generate_says_what_cannot_be(models: list[str], tmp_path: Path) -> None:
    view = built(GenerateView)
    news = generate(view, "", "a", 1, 60)
    assert "There is no model" in text_of(value(news[view.notice]))
    key = generate(view, str(tmp_path), "a", 1, 60)[view.key]
    told = last(view.on_write(key))
    assert "is not a model folder" in text_of(value(told[view.notice]))
    assert told[view.plain] == ""


def test_generate_stops(models: list[str]) -> None:
    view = built(GenerateView)
    key = generate(view, models[0], "dear sir", 4, 5000)[view.key]
    stream = view.on_write(key)
    next(stream)
    view.on_stop(key)
    told = last(stream)
    round_ = view.rounds.get(key)
    assert len(round_.begun) == 1
    assert told[view.plain] == f"dear sir{round_.begun[0].text}\n"
    assert "Stopped. What there is is kept." in told[view.status]


# ---------------------------------------------------------------------------- what they are made of


def test_ink_is_marked_and_escaped() -> None:
    text = f"a {HOSTILE} z"
    spans = [Span(2, len(text) - 2, Place(0, 0))]
    html = ink_html(text, spans)
    assert html.startswith('a <mark class="lp-ink"')
    assert html.endswith("</mark> z")
    assert text_of(html) == text
    assert "<script" not in html
    assert ink_share("abcd", [Span(1, 3, Place(0, 0))]) == 0.5
    assert ink_share("", []) == 0


def test_a_pace_shows_the_first_and_the_last() -> None:
    assert len(list(paced(range(1000), every_s=60))) == 2
    assert len(list(paced(range(5), every_s=0))) == 5
    assert list(paced([])) == []


def test_time_left_is_said_where_it_is_known() -> None:
    assert time_left(10, 0.25) == ", about 30 s left"
    assert time_left(10, 0) == time_left(10, 1) == time_left(0.1, 0.5) == ""


def test_old_rounds_are_forgotten() -> None:
    rounds: Rounds[str] = Rounds(2)
    first, second, third = (rounds.begin(name) for name in "abc")
    assert rounds.get(first) is None
    assert (rounds.get(second), rounds.get(third)) == ("b", "c")
    assert rounds.get("") is rounds.get(None) is None


def test_watched_work_tells_fails_and_stops() -> None:
    go_on, stop = threading.Event(), threading.Event()

    def work(tell: Callable[[str, float], None]) -> None:
        tell("counting", 0.5)
        go_on.wait(30)
        tell("counting", 1.0)

    watching = iter(Watched(work, stop.is_set))
    assert next(watching).startswith("counting 50%")
    go_on.set()
    assert list(watching)[-1].startswith("counting 100%")

    def fail(tell: Callable[[str, float], None]) -> None:
        raise InputError("no such thing")

    with pytest.raises(InputError, match="no such thing"):
        list(Watched(fail, stop.is_set))

    stop.set()
    reached: list[int] = []

    def ended(tell: Callable[[str, float], None]) -> None:
        tell("counting", 0.0)
        reached.append(1)

    list(Watched(ended, stop.is_set))
    assert reached == []


def test_a_bug_is_told_in_words_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert in_words(InputError("found, expected, do")) == "found, expected, do"
    assert in_words(KeyError("inner")) == FAILED
    assert "KeyError" in caplog.text
