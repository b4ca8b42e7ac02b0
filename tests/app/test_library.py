from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from app.home import folder
from app.library import Library
from corpora.errors import ModelError
from engine.checkpoint import RunFolder
from lm.voice import Voice, load_voice


class Shelf:
    """Loads real models and writes down which."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, name: str, device: str) -> Voice:
        self.loaded.append(Path(name).name)
        return load_voice(name, device)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def _copies(model: str, into: Path, *names: str) -> list[str]:
    return [str(shutil.copytree(model, into / name)) for name in names]


def test_a_model_used_again_is_warm_and_the_oldest_is_let_go(
    shelf: Shelf, model: str, tmp_path: Path
) -> None:
    a, b, c = _copies(model, tmp_path, "a", "b", "c")
    library = Library(2, shelf)
    first = library.borrow(a, "cpu")
    assert library.borrow(a, "cpu") is first
    library.borrow(b, "cpu")
    library.borrow(a, "cpu")  # now b is the one used longest ago
    library.borrow(c, "cpu")
    assert library.borrow(a, "cpu") is first
    assert shelf.loaded == ["a", "b", "c"]
    library.borrow(b, "cpu")
    assert shelf.loaded == ["a", "b", "c", "b"]


def test_many_who_ask_at_once_load_it_once(shelf: Shelf, model: str) -> None:
    library = Library(2, shelf)
    threads = [threading.Thread(target=library.borrow, args=(model, "cpu")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.loaded) == 1


def _publish(run: Path, step: int, model: str) -> None:
    def write(checkpoint: Path) -> None:
        shutil.copytree(model, checkpoint, dirs_exist_ok=True)
        (checkpoint / "state.json").write_text('{"valid_loss": null}')

    RunFolder(run).publish(step, write)


def test_a_run_has_a_name_and_goes_stale_when_it_is_trained_on(shelf: Shelf, model: str) -> None:
    run = folder("runs") / "my-darwin"
    run.mkdir()  # not yet a model: nothing was saved
    assert Library().models() == [m for m in Library().models() if m.kind == "starter"]
    _publish(run, 10, model)
    library = Library(2, shelf)
    info = library.find("my-darwin")
    assert (info.kind, info.path, info.checkpoints) == ("run", run, 1)
    assert info.size is not None
    assert info.size > 1000
    warm = library.borrow("my-darwin", "cpu")
    assert warm.voice is not None
    assert warm.voice.name == "my-darwin"
    assert library.borrow("my-darwin", "cpu") is warm
    _publish(run, 20, model)
    assert library.borrow("my-darwin", "cpu") is not warm


def test_hub_ids_are_taken_at_their_word() -> None:
    library = Library()
    for name in ("openai-community/gpt2", "distilgpt2", "gpt2"):
        assert library.find(name).kind == "hub"


@pytest.mark.parametrize(
    "name", ["", "  ", "my-darvin", "../../no/such", "/no/such/folder", "a/b/c"]
)
def test_an_unknown_name_says_which_there_are(name: str, model: str) -> None:
    shutil.copytree(model, folder("runs") / "my-darwin" / "step-00000010")
    with pytest.raises(ModelError, match=r"Models here: .*my-darwin") as caught:
        Library().find(name)
    assert ("Did you mean my-darwin?" in str(caught.value)) == (name == "my-darvin")


def test_a_file_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="is a file; give the model's folder"):
        Library().find(str(file))


def test_a_model_that_cannot_be_read_is_tried_again(tmp_path: Path, model: str) -> None:
    library = Library()
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        library.borrow(str(broken), "cpu")
    shutil.copytree(model, broken, dirs_exist_ok=True)
    assert library.borrow(str(broken), "cpu").voice is not None
