"""The notebooks are what their scripts make, and each script runs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"
EXPERIMENTS = ("adder", "authors", "frames", "hyperspectral", "sine", "weather")


def _make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_notebooks", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _make()


def test_each_experiment_has_a_notebook_as_its_script_makes_it() -> None:
    scripts = {path.stem: path for path in make.scripts()}
    assert set(scripts) == set(EXPERIMENTS)
    for path in scripts.values():
        made = make.notebook(path.read_text("utf-8"))
        assert path.with_suffix(".ipynb").read_text("utf-8") == made, (
            f"{path.stem}.ipynb is stale: run python docs/notebooks/make.py"
        )


def test_a_script_becomes_cells() -> None:
    script = "# %% [markdown]\n# # Title\n#\n# Text é.\n\n# %%\nx = 1\n\n\nprint(x)\n\n# %%\n\n"
    made = json.loads(make.notebook(script))
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "code"]
    assert made["cells"][0]["source"] == ["# Title\n", "\n", "Text é."]
    assert made["cells"][1]["source"] == ["x = 1\n", "\n", "\n", "print(x)"]
    assert made["cells"][1]["outputs"] == []
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in made["cells"]]
    assert len(set(ids)) == 2
    assert make.notebook(script) == make.notebook(script)


@pytest.mark.parametrize("script", ["x = 1\n# %%\n", "# %% [markdown]\nx = 1\n"])
def test_a_script_that_is_none_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        make.notebook(script)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_script_runs(name: str, data: Path, tmp_path: Path) -> None:
    script = FOLDER / f"{name}.py"
    assert len(script.read_text("utf-8").splitlines()) < 60
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(script)],
        cwd=tmp_path, capture_output=True, text=True, timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LETTERPRESS_DATA": str(data)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
