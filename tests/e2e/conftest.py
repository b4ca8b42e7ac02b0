"""A served page, a browser, and a watch on where the browser turns."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch

from engine.checkpoint import RunFolder
from engine.tokenizers import byte_tokenizer
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch
from tests.fakes import tiny_model, tiny_recurrent

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
PATIENCE_MS = int(os.environ.get("LETTERPRESS_PATIENCE_S", "60")) * 1000
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _slow_model(folder: Path) -> None:
    """Fresh weights again, but so many that a text takes long enough to be stopped.

    It never ends a text by itself, as one with fresh weights soon would: the logit of the end is a
    product with the last layer norm's bias, made large and negative here.
    """
    tokenizer = byte_tokenizer(LETTER_TOKENS)
    size = Size(n_layer=12, n_embd=768, n_head=12, block_size=2048)
    model = from_scratch(tokenizer, size, seed=2)
    with torch.no_grad():
        model.transformer.ln_f.bias.fill_(1.0)
        model.transformer.wte.weight[tokenizer.eos_token_id] = -1.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tiny_model(folder: Path) -> None:
    tiny_model(folder)


def _tiny_lstm(folder: Path) -> None:
    tiny_recurrent(folder, "lstm")


def _tiny_gru(folder: Path) -> None:
    tiny_recurrent(folder, "gru")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `letterpress serve`, with models of fresh weights in its home."""
    home = tmp_path_factory.mktemp("served")
    tiny = (("tiny", _tiny_model), ("tiny-lstm", _tiny_lstm), ("tiny-gru", _tiny_gru))
    for name, make in (*tiny, ("slow", _slow_model)):
        RunFolder(home / "runs" / name).publish(1, make)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = home / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--no-browser", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "LETTERPRESS_HOME": str(home)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text("utf-8")


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 4 * PATIENCE_MS / 1000
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text("utf-8")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no page at {address} in time; it said: {log.read_text('utf-8')}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = os.environ.get("LETTERPRESS_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("NO BROWSER: install chromium, or set LETTERPRESS_CHROMIUM, for the page tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Any, server: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened; at the end no other host was asked for anything and no script failed."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    named = request.getfixturevalue("size") if "size" in request.fixturenames else "desk"
    width, height = SIZES[named]
    # Without the fade-in of new sentences: their contrast is judged as they stay.
    context = browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    hosts: set[str] = set()
    failures: list[str] = []

    def refuse(dialog: Any) -> None:
        failures.append(dialog.message)
        dialog.dismiss()

    opened.on("request", lambda asked: hosts.add(urlsplit(asked.url).netloc))
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("dialog", refuse)
    opened.goto(server, wait_until="commit")
    expect(opened.get_by_role("button", name="Send", exact=True)).to_be_visible()
    yield opened
    context.close()
    assert hosts - {"", urlsplit(server).netloc} == set()  # "" are blob: and data: addresses
    assert failures == []


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The accessibility checker's source, fetched once by npm into pytest's cache."""
    folder = request.config.cache.mkdir("axe")
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("NO NPM: axe-core could not be fetched; accessibility was not checked")
        command = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run([*command, "axe-core@4"], capture_output=True, text=True, timeout=120)
        if not script.is_file():
            pytest.skip(f"NO AXE: npm could not fetch axe-core: {done.stderr[-300:]}")
    return script.read_text("utf-8")


def typed(box: Any, text: str) -> None:
    """Fill a box that may just have appeared.

    Gradio gives a component its first value in the frame after it is shown, over what a script, if
    nobody's fingers, can have put there by then.
    """
    frames = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    for _ in range(50):
        box.fill(text)
        box.evaluate(frames)
        if box.input_value() == text:
            return
    pytest.fail(f"{text[:40]!r} does not stay in the box; it holds {box.input_value()[:40]!r}")


def violations(page: Any, axe: str) -> list[str]:
    """What axe-core finds on the page once its colours stand still, in a line each."""
    page.evaluate(
        "() => Promise.allSettled(document.getAnimations()"
        ".filter((moving) => moving instanceof CSSTransition).map((moving) => moving.finished))"
    )
    page.evaluate(axe)
    found = page.evaluate("axe.run(document)")["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {json.dumps(node['any'])[:200]}"
        for rule in found
        for node in rule["nodes"]
    ]
