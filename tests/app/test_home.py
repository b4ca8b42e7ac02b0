from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.home import folder, home, store_path
from corpora.errors import StorageError


def test_home_follows_the_variable_and_asking_makes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LETTERPRESS_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    assert not home().exists()


def test_an_empty_variable_means_the_systems_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERPRESS_HOME", " ")
    assert home().is_absolute()
    assert home().name == "letterpress"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("name", ["corpora", "runs", "exports"])
def test_folders_are_private_even_where_they_were_not(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LETTERPRESS_HOME", str(tmp_path / "mine"))
    (tmp_path / "mine" / name).mkdir(parents=True, mode=0o755)
    made = folder(name)  # type: ignore[arg-type]
    assert made.stat().st_mode & 0o777 == 0o700
    assert home().stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LETTERPRESS_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="Set LETTERPRESS_HOME to a folder you can write to"):
        store_path()
