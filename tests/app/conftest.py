from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import actions
from tests.fakes import tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model with fresh weights: real, quick, and no stylist."""
    return str(tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True)
def _closed_stores() -> Iterator[None]:
    yield
    actions.close_stores()


@pytest.fixture
def home_folder() -> Path:
    from app.home import home

    return home()
