from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from corpora.errors import LetterpressError, ModelError, StorageError
from engine.checkpoint import (
    MANIFEST,
    RunFolder,
    load_state,
    read_counters,
    save_state,
    verify,
    write_manifest,
)
from tests.engine.tiny import byte_task


def _counters(step: int, loss: float | None = None) -> dict[str, object]:
    return {"step": step, "valid_loss": loss, "settings": {}}


def _writer(step: int, loss: float | None = None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(bytes(range(64)))
        (folder / "inner").mkdir()
        (folder / "inner" / "words.json").write_text('{"a": 1}', "utf-8")
        (folder / "state.json").write_text(json.dumps(_counters(step, loss)), "utf-8")

    return write


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_checkpoint_is_published_with_its_manifest(run: RunFolder) -> None:
    folder = run.publish(120, _writer(120))
    assert folder == run.path / "step-00000120"
    verify(folder)
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert set(manifest["files"]) == {"inner/words.json", "model.safetensors", "state.json"}
    assert manifest["files"]["inner/words.json"]["bytes"] == 8
    assert run.checkpoints() == [folder]


class _OddError(Exception):
    pass


@pytest.mark.parametrize(
    ("problem", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (_OddError("Error while serializing: No space left (os error 28)"), StorageError),
        (_OddError("a bug of ours"), _OddError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_save_that_fails_leaves_nothing(
    run: RunFolder, problem: BaseException, raised: type[BaseException]
) -> None:
    first = run.publish(1, _writer(1))

    def write(folder: Path) -> None:
        _writer(2)(folder)
        raise problem

    with pytest.raises(raised) as caught:
        run.publish(2, write)
    if raised is StorageError:
        assert "Could not save step 2" in str(caught.value)
        assert "No space left" in str(caught.value)
        assert "Earlier checkpoints are intact; free some space and resume." in str(caught.value)
    assert list(run.path.iterdir()) == [first]
    assert run.latest() == first


@contextmanager
def _files_no_larger_than(n_bytes: int) -> Iterator[None]:
    # The system itself refuses, as it does on a full disk or over a quota.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [100, 2_000, 20_000])
def test_a_disk_that_refuses_a_real_model_is_said(run: RunFolder, limit: int) -> None:
    # Of the files of a model folder, another one is the first not to fit at each limit.
    task = byte_task()
    with _files_no_larger_than(limit), pytest.raises(StorageError, match="Could not save step 3"):
        run.publish(3, task.save)
    assert list(run.path.iterdir()) == []
    verify(run.publish(3, task.save))


def test_what_a_killed_process_left_is_removed(run: RunFolder) -> None:
    kept = run.publish(1, _writer(1))
    left = run.path / ".tmp-0123"
    _writer(2)(_made(left))
    assert run.latest() == kept  # it was never taken for a checkpoint
    run.clear_unfinished()
    assert list(run.path.iterdir()) == [kept]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_same_step_can_be_published_again(run: RunFolder) -> None:
    run.publish(1, _writer(1, 5.0))
    folder = run.publish(1, _writer(1, 4.0))
    assert read_counters(folder)["valid_loss"] == 4.0
    assert list(run.path.iterdir()) == [folder]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RunFolder(tmp_path_factory.mktemp("published")).publish(5, _writer(5))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_is_found(
    published: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(
        st.sampled_from(["model.safetensors", "state.json", "inner/words.json", MANIFEST])
    )
    file = published / name
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    try:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with pytest.raises(ModelError):
            verify(published)
    finally:
        file.write_bytes(whole)
    verify(published)


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def _empty_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("", "utf-8")


def _schema(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, "schema": 7}), "utf-8")


def _swap(folder: Path) -> None:
    (folder / "state.json").replace(folder / "other.json")
    (folder / "model.safetensors").replace(folder / "state.json")
    (folder / "other.json").replace(folder / "model.safetensors")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (_cut, r"model\.safetensors does not match its SHA-256; the checkpoint is damaged"),
    "swapped": (_swap, "does not match its SHA-256"),
    "missing": (lambda f: (f / "state.json").unlink(), r"state\.json is missing"),
    "added": (
        lambda f: (f / "inner" / "more.py").write_text("x", "utf-8"),
        r"inner/more\.py is not in its manifest",
    ),
    "schema": (_schema, "written with checkpoint schema 7; this version reads 1"),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), r"no readable manifest\.json"),
    "empty manifest": (_empty_manifest, r"no readable manifest\.json"),
    "another's manifest": (
        lambda f: (f / MANIFEST).write_text("[1]", "utf-8"),
        r"no readable manifest\.json",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_found_and_the_one_before_taken(
    run: RunFolder, damage: Callable[[Path], object], message: str
) -> None:
    older = run.publish(10, _writer(10, 2.0))
    newer = run.publish(20, _writer(20, 1.0))
    assert run.latest() == run.best() == newer
    damage(newer)
    with pytest.raises(ModelError, match=message):
        verify(newer)
    assert run.latest() == run.best() == older
    run.prune()
    damage(older)
    assert run.latest() is None
    assert run.best() is None


def test_a_manifest_cannot_point_outside_its_folder(run: RunFolder, tmp_path: Path) -> None:
    folder = run.publish(1, _writer(1))
    (tmp_path / "secret").write_text("x", "utf-8")
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"]["../../secret"] = manifest["files"]["state.json"]
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(ModelError, match=r"\.\./\.\./secret is missing"):
        verify(folder)


def test_the_best_is_the_lowest_held_out_loss(run: RunFolder) -> None:
    assert run.best() is None
    folders = {
        step: run.publish(step, _writer(step, loss))
        for step, loss in ((1, 3.0), (2, 1.0), (3, None), (4, 2.0))
    }
    assert run.best() == folders[2]
    _cut(folders[2])
    assert run.best() == folders[4]


def test_the_best_is_the_newest_where_nothing_was_held_out(run: RunFolder) -> None:
    run.publish(1, _writer(1))
    newest = run.publish(2, _writer(2))
    assert run.best() == newest


def test_pruning_keeps_the_newest_two_and_the_best(run: RunFolder) -> None:
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0), (10, 2.5), (11, None)):
        run.publish(step, _writer(step, loss))
    run.prune()
    assert [int(f.name[5:]) for f in run.checkpoints()] == [2, 10, 11]
    run.prune(keep=1)
    assert [int(f.name[5:]) for f in run.checkpoints()] == [2, 11]
    assert len(list(run.path.iterdir())) == 2


def test_hidden_modes_are_opened_for_those_who_may_read_the_folder(run: RunFolder) -> None:
    def write(folder: Path) -> None:
        _writer(1)(folder)
        (folder / "model.safetensors").chmod(0o600)

    mode = (run.publish(1, write) / "model.safetensors").stat().st_mode
    assert mode & 0o777 == 0o644


def test_the_log_grows_a_line_at_a_time(run: RunFolder) -> None:
    run.log({"event": "Step", "step": 1})
    run.log({"event": "Step", "step": 2, "word": "été"})
    lines = (run.path / "log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_a_run_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(StorageError, match=r"Cannot write to .*file/run: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


def _stepped(n_in: int = 3) -> tuple[nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = nn.Linear(n_in, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        model(torch.randn(4, n_in)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def test_optimizer_and_random_state_come_back_to_the_bit(tmp_path: Path) -> None:
    model, optimizer = _stepped()
    save_state(tmp_path, optimizer, _counters(3, 0.1 + 0.2))
    drawn = torch.rand(5)
    fresh = torch.optim.AdamW(model.parameters(), lr=0.1)
    assert load_state(tmp_path, fresh) == _counters(3, 0.30000000000000004)
    assert torch.equal(torch.rand(5), drawn)
    before, after = optimizer.state_dict()["state"], fresh.state_dict()["state"]
    assert before.keys() == after.keys()
    for index, moments in before.items():
        assert moments.keys() == after[index].keys() == {"step", "exp_avg", "exp_avg_sq"}
        for name, value in moments.items():
            assert torch.equal(value, after[index][name])
    assert {f.name for f in tmp_path.iterdir()} == {"state.json", "state.safetensors"}


def test_an_optimizer_of_another_shape_is_refused(tmp_path: Path) -> None:
    _, optimizer = _stepped()
    save_state(tmp_path, optimizer, _counters(3))
    _, other = _stepped(n_in=4)
    with pytest.raises(ModelError, match="optimizer of another model"):
        load_state(tmp_path, other)


@pytest.mark.parametrize("text", ["", "[]", '{"step": 1}', "{"])
def test_unreadable_counters_are_said(tmp_path: Path, text: str) -> None:
    _, optimizer = _stepped()
    with pytest.raises(ModelError, match=r"no readable state\.json"):
        load_state(tmp_path, optimizer)
    (tmp_path / "state.json").write_text(text, "utf-8")
    with pytest.raises(ModelError, match=r"no readable state\.json"):
        load_state(tmp_path, optimizer)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said(run: RunFolder) -> None:
    folder = run.publish(1, _writer(1))
    (folder / "state.json").chmod(0)
    with pytest.raises(ModelError, match="cannot be read"):
        verify(folder)


def test_a_copied_checkpoint_still_verifies(run: RunFolder, tmp_path: Path) -> None:
    copy = shutil.copytree(run.publish(1, _writer(1)), tmp_path / "copy")
    verify(copy)
    (copy / "README.md").write_text("# A card", "utf-8")
    with pytest.raises(LetterpressError):
        verify(copy)
    write_manifest(copy)
    verify(copy)
