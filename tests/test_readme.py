"""The README and `.ci/run` say the same, and what the README promises is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text("utf-8")
TEST_COMMAND = 'python -m pip install -c constraints.txt -e ".[test]" && python -m pytest'
RUN_COMMAND = "python -m pip install -c constraints.txt . && letterpress serve"


def test_the_two_commands_stand_in_the_readme() -> None:
    assert f"$ {RUN_COMMAND}" in README
    assert f"$ {TEST_COMMAND}" in README


def test_ci_runs_the_readmes_test_command() -> None:
    assert TEST_COMMAND in (CHECKOUT / ".ci" / "run").read_text("utf-8")


def test_every_link_leads_somewhere() -> None:
    pages = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *CHECKOUT.glob("docs/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_has_help_and_a_mention() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "app", "--help"], capture_output=True, text=True, timeout=120,
        cwd=CHECKOUT, check=True,
    ).stdout  # fmt: skip
    listed = re.findall(r"^\s+([a-z]+)  +\S", told.split("Commands:")[1], re.M)
    assert {"write", "people", "threads", "models", "corpora", "train", "serve"} <= set(listed)
    assert [name for name in listed if f"letterpress {name}" not in README] == []


def test_the_readmes_python_is_python() -> None:
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        compile(block, "README.md", "exec")
