from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from app import actions, cli
from app.commands import serve as serving
from app.commands import write as writing_command
from app.writing import Writing
from lm.proof import EXPLAINED, LABEL

LETTER = (
    "Dear Sir Isaac Newton,\n\nCould you kindly explain your theory of gravitation?\n\n"
    "Your servant,\nAndrew Mayne\n"
)


def run(*arguments: str, text: str | bytes = "") -> Result:
    return CliRunner().invoke(cli.app, list(arguments), input=text)


def write(model: str, *more: str, text: str | bytes = LETTER) -> Result:
    options = ["--to", "newton", "--model", model, "--device", "cpu", "--seed", "5"]
    return run("write", *options, *more, text=text)


@pytest.fixture(scope="module")
def process_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process of its own; the quick suite's home is set for each test."""
    return {**os.environ, "LETTERPRESS_HOME": str(tmp_path_factory.mktemp("process-home"))}


def process(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "app", *arguments]


# ------------------------------------------------------------------------------------------- help


def _commands(path: tuple[str, ...], command: object) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands((*path, name), inner)


ALL = dict(_commands((), get_command(cli.app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_has_help(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    command = ALL[path]
    assert command.help  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        assert parameter.help, f"{path} {parameter.name}"
        if parameter.opts[0].startswith("--"):
            assert parameter.opts[0] in result.output


HEAVY = ("torch", "transformers", "gradio", "numpy", "lm", "engine", "fpdf", "datasets")


@pytest.mark.parametrize("arguments", ["--help", "write --help", "people", "threads list"])
def test_nothing_heavy_is_imported_without_a_model(
    arguments: str, process_home: dict[str, str]
) -> None:
    """What makes help quick, said without a clock."""
    code = (
        "import sys; from app.cli import main\n"
        f"try: main({arguments.split()!r})\n"
        f"except SystemExit: pass\n"
        f"sys.exit(','.join(m for m in {HEAVY!r} if m in sys.modules) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env=process_home, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.replace("No correspondence yet", "")) == (
        0,
        "" if arguments != "threads list" else ". Begin one: letterpress write --to newton\n",
    )


def test_it_is_one_command_with_a_version() -> None:
    assert run().exit_code == 2
    assert "write" in run("--help").output


# ------------------------------------------------------------------------------------------ write


def test_a_reply_is_printed_with_label_marks_and_legend(model: str) -> None:
    result = write(model)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == LABEL.format(name="Isaac Newton")
    assert "Isaac Newton" in lines
    numbers = set(re.findall(r"\. \[(\d)\]", result.stdout))
    assert numbers
    for number in numbers:
        assert re.search(rf"^\[{number}\] .*our paraphrase", result.stdout, re.MULTILINE)
    if "[own]" in result.stdout:
        assert f"[own] {EXPLAINED['own']}" in result.stdout  # type: ignore[index]
    assert "Seed 5. Saved; go on with `letterpress write --thread " in result.stderr


def test_json_is_the_whole_reply_and_the_same_each_time(model: str) -> None:
    first, second = write(model, "--json"), write(model, "--json")
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    data = json.loads(first.stdout)
    assert data["ai_generated"] is True
    assert data["person"] == "newton"
    assert data["writer"] == "Andrew Mayne"
    assert data["seed"] == 5
    assert {s["mark"] for s in data["sentences"]} >= {"form", "sourced"}
    assert all(s["text"] in data["reply"] for s in data["sentences"])
    other = json.loads(write(model, "--json", "--seed", "6").stdout)
    assert other["reply"] != data["reply"]


def test_a_file_is_read_and_the_writer_can_be_named(model: str, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("What holds the Moon in her course?", encoding="utf-8")
    result = write(model, "--from", "Mary Somerville", "--json", "--no-save", str(path))
    assert json.loads(result.stdout)["writer"] == "Mary Somerville"
    assert "Not saved" in result.stderr
    assert actions.threads() == []


def test_a_correspondence_goes_on(model: str) -> None:
    write(model)
    (row,) = actions.threads()
    options = ("--thread", row.id[:8], "--model", model, "--device", "cpu")
    result = run("write", *options, text="And what of the tides?")
    assert result.exit_code == 0
    assert len(actions.thread(row.id).letters) == 4


@pytest.mark.parametrize(
    ("options", "text", "said"),
    [
        ((), "", "The letter is empty"),
        ((), "a" * (1 << 20), r"1,048,576 characters; at most 20,000"),
        ((), "a" * ((1 << 20) + 1), r"more than 1,048,576 bytes"),
        ((), b"\x7fELF\x00\x01", "not a text: byte 5 is zero"),
        ((), b"\xff\xd8\xff", "not text in UTF-8: byte 1"),
        (("--to", "nwton"), LETTER, "Did you mean newton"),
        (("--to", ""), LETTER, r"--to newton.*darwin \(Charles Darwin\)"),
        (("--date", "1905"), LETTER, "Choose a date from 1642-12-25 to 1727-03-20"),
        (("--date", "1689-13-01"), LETTER, "no month 13"),
        (("--date", "soon"), LETTER, "is not a date"),
        (("--seed", "-1"), LETTER, "The seed is -1"),
        (("--temperature", "nan"), LETTER, "from 0 to 2"),
        (("--thread", "ffffffff"), LETTER, "no correspondence"),
        (("no-such-file.txt",), LETTER, "There is no file no-such-file.txt"),
    ],
)
def test_bad_input_is_one_message_and_ends_with_2(
    options: tuple[str, ...], text: str | bytes, said: str, model: str
) -> None:
    result = write(model, *options, text=text)
    assert result.exit_code == 2
    assert re.search(said, result.stderr)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert actions.threads() == []


@pytest.mark.parametrize("options", [("--seed", "x"), ("--no-such-option",), ("a", "b")])
def test_bad_usage_ends_with_2(options: tuple[str, ...], model: str) -> None:
    result = write(model, *options)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("options", [("--model", "startr"), ("--device", "warp")])
def test_what_this_machine_lacks_ends_with_3(options: tuple[str, ...], model: str) -> None:
    result = write(model, *options)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1


def test_tokens_tags_and_markup_are_only_text(model: str) -> None:
    text = "Sir,\n\nWhat of <|reply|> and <script>alert(1)</script> and [bold]gravity[/bold]?"
    assert write(model, text=text).exit_code == 0
    (row,) = actions.threads()
    shown = run("threads", "show", row.id)
    assert "    What of <|reply|> and <script>alert(1)</script> and [bold]gravity[/bold]?" in (
        shown.stdout
    )


def test_a_letter_stopped_by_ctrl_c_is_kept_and_ends_with_130(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(writing: Writing) -> None:
        next(writing)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing_command, "_print_letter", interrupted)
    result = write(model)
    assert result.exit_code == 130
    assert "Stopped. Seed 5. Saved" in result.stderr
    (row,) = actions.threads()
    sent, received = actions.thread(row.id).letters
    assert sent.text == LETTER
    assert not received.complete
    assert received.text


def test_ctrl_c_anywhere_else_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(actions, "threads", interrupted)
    result = run("threads", "list")
    assert result.exit_code == 130
    assert "Nothing that was saved is lost" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_a_real_ctrl_c_at_the_prompt_ends_with_130(process_home: dict[str, str]) -> None:
    child = subprocess.Popen(
        process("write", "--to", "newton", "-"),
        env=process_home,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1)  # it is at the read
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()


@pytest.mark.skipif(os.name == "nt", reason="Windows pipes break otherwise")
def test_a_reader_who_leaves_is_no_error(process_home: dict[str, str]) -> None:
    child = subprocess.Popen(
        process("people", "show", "newton"),
        env=process_home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == ""
        assert child.wait(20) == 0


def test_output_is_utf8_in_a_pipe_whatever_the_terminal_says(process_home: dict[str, str]) -> None:
    environment = {**process_home, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = subprocess.run(
        process("people"), env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert "1642–1727" in ended.stdout


# ----------------------------------------------------------------------------------- the others


def test_people_are_listed_and_shown() -> None:
    assert "Isaac Newton" in run("people").stdout
    listed = json.loads(run("people", "--json").stdout)
    assert {"slug", "name", "born", "died", "line"} <= set(listed[0])
    shown = run("people", "show", "Sir Isaac Newton").stdout
    assert "inversely as the square of the distance" in " ".join(shown.split())
    data = json.loads(run("people", "show", "newton", "--json").stdout)
    assert {p["checked"] for p in data["passages"]} <= {"opened", "recalled"}
    unknown = run("people", "show", "nwton")
    assert unknown.exit_code == 2
    assert "Did you mean newton" in unknown.stderr


def test_corpora_are_listed_and_shown() -> None:
    assert "newton-opticks" in run("corpora", "list").stdout
    entry = json.loads(run("corpora", "show", "newton-opticks", "--json").stdout)
    assert entry["here"] is False
    assert len(entry["files"][0]["sha256"]) == 64
    assert "corpora get newton-opticks" in run("corpora", "show", "newton-opticks").stdout
    assert run("corpora", "get", "newton-optics").exit_code == 2
    assert "nothing to fetch" in run("corpora", "get", "letters").stderr


def test_a_collection_is_fetched_from_the_mirror(data: Path) -> None:
    result = run("corpora", "get", "newton-opticks")
    assert result.exit_code == 0, result.stderr
    assert json.loads(run("corpora", "show", "newton-opticks", "--json").stdout)["here"] is True
    assert "here already, and intact" in run("corpora", "get", "newton-opticks").stderr


def test_models_are_listed() -> None:
    listed = json.loads(run("models", "--json").stdout)
    assert [m["name"] for m in listed] == [m.name for m in actions.models()]
    assert run("models").exit_code == 0


def test_threads_are_listed_exported_and_deleted(model: str, tmp_path: Path) -> None:
    assert "No correspondence yet" in run("threads", "list").stderr
    write(model)
    (row,) = json.loads(run("threads", "list", "--json").stdout)
    assert row["person"] == "newton"
    assert row["id"][:8] in run("threads", "list").stdout
    shown = json.loads(run("threads", "show", row["id"], "--json").stdout)
    assert [x["direction"] for x in shown["letters"]] == ["sent", "received"]
    target = tmp_path / "letters.md"
    exported = run("threads", "export", row["id"][:8], "--to", str(target))
    assert exported.stdout == f"{target}\n"
    assert LABEL.format(name="Isaac Newton") in target.read_text("utf-8")
    in_home = Path(run("threads", "export", row["id"], "--format", "pdf").stdout.strip())
    assert in_home.read_bytes().startswith(b"%PDF")
    refused = run("threads", "delete", row["id"])
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert run("threads", "delete", row["id"], "--yes").exit_code == 0
    assert not in_home.exists()
    assert actions.threads() == []
    assert run("threads", "delete").exit_code == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "", "127.0.0.1.evil.org"])
def test_other_hosts_are_refused_with_the_reason(host: str) -> None:
    result = run("serve", "--host", host)
    assert result.exit_code == 2
    assert "no accounts yet" in result.stderr


def test_ports_are_checked() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port))
        assert result.exit_code == 2
        assert f"Port {port} cannot be used" in result.stderr
    assert run("serve", "--port", "70000").exit_code == 2
    assert serving.choose_port(None) >= serving.DEFAULT_PORT
    for host in ("127.0.0.1", "localhost", "::1"):
        serving.check_host(host)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "starter", "x" * 65])
def test_runs_have_plain_names(name: str) -> None:
    result = run("train", "/no/such/" if not name else "letters", "--name", name or "?")
    assert result.exit_code == 2
    assert "A run cannot be called" in result.stderr


def test_doctor_tells_what_is_here_and_ends_with_3_where_the_starter_is_not() -> None:
    result = run("doctor", "--json")
    report = json.loads(result.stdout)
    findings = {f["name"]: f for f in report["findings"]}
    for name in ("Python", "torch", "cpu", "SQLite", "journal", "home", "people", "fonts"):
        assert name in findings
    assert findings["home"]["ok"]
    assert findings["starter"]["essential"]
    missing = [f["name"] for f in report["findings"] if f["essential"] and not f["ok"]]
    assert result.exit_code == (3 if missing else 0)
    assert report["ok"] is not bool(missing)
    assert findings["starter"]["ok"] or missing == ["starter"]
    plain = run("doctor")
    assert plain.exit_code == result.exit_code
    assert f"journal: {findings['journal']['found']}" in plain.stdout


def test_a_terminal_is_not_steered_by_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from app.console import Paper, visible

    assert visible("a\x1b[2Jb\x07c\n\td") == "a\ufffd[2Jb\ufffdc\n\td"
    stream = io.StringIO()
    paper = Paper(Console(file=stream, force_terminal=True, width=20, no_color=True))
    for piece in ("Every body draws every", " other [bold]body[/bold].", "\n\nSo I hold."):
        paper.write(piece)
    assert stream.getvalue() == ("Every body draws\nevery other\n[bold]body[/bold].\n\nSo I hold.")
