from __future__ import annotations

import sys

import pytest

from tests.app.lab import line as line_experiment


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small experiment stands where the adder does."""
    monkeypatch.setitem(sys.modules, "recurrent.lab.adder", line_experiment)
