"""The wheel holds everything; a foreign `app.py` in the working folder does not get in its way."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
CARRIED = (
    "app/ui/letters.css",
    "corpora/catalog.toml",
    "corpora/frozen_test.json",
    "corpora/letters/newton.toml",
    "corpora/people/newton.toml",
    "corpora/timeline.toml",
    "lm/py.typed",
    "lm/starter/model.safetensors",
    "lm/starter/tokenizer.json",
)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        arguments, capture_output=True, text=True, timeout=280, **options
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(folder), str(CHECKOUT)
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("letterpress-*.whl"))


def test_the_wheel_carries_data_and_weights_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in CARRIED if name not in names] == []
    tops = {name.split("/")[0] for name in names}
    assert tops - {"lm", "recurrent", "engine", "app", "corpora"} == {
        name.split("/")[0] for name in names if ".dist-info/" in name
    }


def test_the_starter_is_small_enough_to_ship(wheel: Path) -> None:
    starter = [i for i in zipfile.ZipFile(wheel).infolist() if i.filename.startswith("lm/starter/")]
    assert sum(info.file_size for info in starter) <= 30 * 1024 * 1024


def test_letterpress_runs_where_a_foreign_app_lies(wheel: Path, tmp_path: Path) -> None:
    site, foreign = tmp_path / "site", tmp_path / "work"
    installed = run(
        sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)
    )
    assert installed.returncode == 0, installed.stderr
    foreign.mkdir()
    (foreign / "app.py").write_text("raise SystemExit('the wrong app')\n", "utf-8")
    home = str(tmp_path / "home")
    environment = {**os.environ, "PYTHONPATH": str(site), "LETTERPRESS_HOME": home}
    command = str(site / "bin" / "letterpress")
    listed = run(command, "people", cwd=foreign, env=environment)
    assert listed.returncode == 0, listed.stderr
    assert "Newton" in listed.stdout
    letter = "What keeps the Moon in her course?\n\nAndrew Mayne"
    written = run(
        command, "write", "--to", "newton", "--seed", "1", "-",
        cwd=foreign, env=environment, input=letter,
    )  # fmt: skip
    assert written.returncode == 0, written.stderr
    assert "Isaac Newton" in written.stdout
