"""What the packages may import and must never call, read from their syntax trees.

app  ---->  lm  --------+
 |                      +---->  engine  ---->  corpora
 +------->  recurrent --+
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_USE = {
    "corpora": set(),
    "engine": {"corpora"},
    "lm": {"engine", "corpora"},
    "recurrent": {"engine", "corpora"},
    "app": {"lm", "recurrent", "engine", "corpora"},
}
PACKAGES = tuple(MAY_USE)
# Third parties. `lm` takes from outside what `engine` may take; `recurrent` also what its lab needs
# for the baselines (scikit-learn), for MATLAB's files (scipy) and for images.
MODELS = {"torch", "numpy", "transformers", "tokenizers", "safetensors", "accelerate"}
LAB = {"sklearn", "scipy", "PIL"}
READERS = {"charset_normalizer", "ftfy", "zstandard"}
OUTSIDE = {"corpora": READERS, "engine": MODELS, "lm": MODELS, "recurrent": MODELS | LAB}
CONVERTERS = {"datasets"}  # in `corpora`, and only inside the functions that convert
LONGEST = 400


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


FILES = [file for package in PACKAGES for file in _files(package)]


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def _imported(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """The full names of the modules that one statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        return [".".join([*base, *([node.module] if node.module else [])])]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        in ("import_module", "__import__")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return [str(node.args[0].value)]
    return []


def _imports(file: Path, root: Path = ROOT) -> Iterator[tuple[str, str, bool]]:
    """Each import: where it stands, the full module name, whether it is inside a function."""
    package = file.relative_to(root).parent.parts

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, str, bool]]:
        for child in ast.iter_child_nodes(node):
            for name in _imported(child, package):
                where = f"{file.relative_to(root)}:{getattr(child, 'lineno', 0)} imports {name}"
                yield where, name, inside
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, inside or function)

    yield from walk(_tree(file), False)


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_down_only(package: str) -> None:
    wrong = [
        where
        for file in _files(package)
        for where, name, _ in _imports(file)
        if (top := name.partition(".")[0]) in PACKAGES
        and top != package
        and top not in MAY_USE[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", [p for p in PACKAGES if p in OUTSIDE])
def test_each_package_takes_from_outside_only_what_it_may(package: str) -> None:
    wrong = []
    for file in _files(package):
        for where, name, inside in _imports(file):
            top = name.partition(".")[0]
            if top in PACKAGES or top in sys.stdlib_module_names or top in OUTSIDE[package]:
                continue
            if package == "corpora" and top in CONVERTERS and inside:
                continue
            wrong.append(where)
    assert wrong == []


def test_only_the_page_imports_gradio() -> None:
    page = ROOT / "app" / "ui"
    wrong = [
        where
        for file in FILES
        if not file.is_relative_to(page)
        for where, name, _ in _imports(file)
        if name.partition(".")[0] == "gradio"
    ]
    assert wrong == []


def test_no_product_code_imports_the_tests() -> None:
    assert [w for f in FILES for w, name, _ in _imports(f) if name.startswith("tests")] == []


# Anything that could run code out of data, or hand words to a shell.
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
NEVER_CALLED = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "yaml.load",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
NEVER_TRUE = {"shell", "trust_remote_code", "allow_pickle"}


def _dangers(file: Path, root: Path = ROOT) -> Iterator[str]:
    for where, name, _ in _imports(file, root):
        if name.partition(".")[0] in NEVER_IMPORTED:
            yield where
    for node in ast.walk(_tree(file)):
        where = f"{file.relative_to(root)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in NEVER_CALLED:
            yield f"{where} calls {ast.unparse(node.func)}"
        if (
            isinstance(node, ast.keyword)
            and node.arg in NEVER_TRUE
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ):
            yield f"{where} sets {ast.unparse(node.value)} for {node.arg}"
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and key.value in NEVER_TRUE
                    and not (isinstance(value, ast.Constant) and value.value is False)
                ):
                    yield f"{where} sets {ast.unparse(value)} for {key.value}"


def test_nothing_runs_code_out_of_data() -> None:
    assert [danger for file in FILES for danger in _dangers(file)] == []


def test_files_stay_short_enough_to_read_whole() -> None:
    lengths = {file: len(file.read_text("utf-8").splitlines()) for file in FILES}
    long = [f"{file.relative_to(ROOT)}: {n}" for file, n in lengths.items() if n > LONGEST]
    assert long == []


def test_the_checks_find_what_they_look_for(tmp_path: Path) -> None:
    file = tmp_path / "corpora" / "bad.py"
    file.parent.mkdir()
    file.write_text(
        "from . import dates\n"
        "def convert():\n"
        "    import datasets\n"
        "    from importlib import import_module\n"
        "    import_module('app.cli')\n"
        "    torch.load('x'); eval('1'); run(shell=flag); load(**{'trust_remote_code': True})\n"
        "import pickle\n",
        "utf-8",
    )
    assert [(name, inside) for _, name, inside in _imports(file, tmp_path)] == [
        ("corpora", False),
        ("datasets", True),
        ("importlib", True),
        ("app.cli", True),
        ("pickle", False),
    ]
    assert [danger.partition(" ")[2] for danger in _dangers(file, tmp_path)] == [
        "imports pickle",
        "calls torch.load",
        "calls eval",
        "sets flag for shell",
        "sets True for trust_remote_code",
    ]


def test_the_command_line_starts_without_a_model_or_a_page() -> None:
    code = (
        "import sys, app.cli;"
        "heavy = {'torch', 'gradio', 'transformers', 'datasets', 'accelerate'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
