from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app import library as shipping
from app.home import folder
from app.library import Library, run_folder, starter_folder
from corpora.errors import InputError, ModelError
from engine.checkpoint import RunFolder
from engine.loading import Loaded, load_ready
from recurrent.decoding import RecurrentStepper
from tests.fakes import tiny_model, tiny_recurrent


class Shelf:
    """Loads real models and writes down which."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, name: str, device: str) -> Loaded:
        self.loaded.append(Path(name).name)
        return load_ready(name, device)


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
    assert (warm.model.name, warm.voice.name) == ("my-darwin", "my-darwin")
    assert library.borrow("my-darwin", "cpu") is warm
    _publish(run, 20, model)
    assert library.borrow("my-darwin", "cpu") is not warm


def test_hub_ids_are_taken_at_their_word() -> None:
    library = Library()
    for name in ("openai-community/gpt2", "distilgpt2", "gpt2-xl"):
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
    assert library.borrow(str(broken), "cpu").model.name == str(broken)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_recurrent_model_is_read_like_any_other(cell: str, tmp_path: Path) -> None:
    name = str(tiny_recurrent(tmp_path / "model", cell))
    warm = Library().borrow(name, "cpu")
    assert warm.model.model.config.cell == cell
    assert isinstance(warm.model.stepper, RecurrentStepper)
    assert not warm.voice.knows_letters
    assert warm.voice.stepper is warm.model.stepper
    assert (warm.voice.name, warm.voice.hash) == (name, warm.model.hash)


@pytest.mark.slow
def test_a_fresh_process_knows_both_families(model: str, tmp_path: Path) -> None:
    code = (
        "import sys; from app.library import Library;"
        "print([type(Library().borrow(name, 'cpu').model.model).__name__ for name in sys.argv[1:]])"
    )
    names = [str(tiny_recurrent(tmp_path / "gru", "gru")), model]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *names],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "['CharLM', 'GPT2LMHeadModel']", done.stderr


# ---------------------------------------------------------------------------------- what is shipped


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, with a transformer and one recurrent model."""
    for package in ("shop_lm", "shop_recurrent"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('it was imported')")
    tiny_model(tmp_path / "shop_lm" / "starter")
    tiny_recurrent(tmp_path / "shop_recurrent" / "starter" / "lstm")
    monkeypatch.syspath_prepend(tmp_path)
    elsewhere = {
        name: (f"shop_{package}", inside) for name, (package, inside) in shipping._SHIPPED.items()
    }
    monkeypatch.setattr(shipping, "_SHIPPED", elsewhere)
    return tmp_path


def test_starters_are_those_that_are_installed(shop: Path) -> None:
    library = Library()
    assert [(m.name, m.kind, m.path) for m in library.models()] == [
        ("starter", "starter", shop / "shop_lm" / "starter"),
        ("lstm", "starter", shop / "shop_recurrent" / "starter" / "lstm"),
    ]
    assert all(model.size and model.size > 1000 for model in library.models())
    assert starter_folder("gru") is None
    with pytest.raises(ModelError, match=r"no model 'gru'.* Models here: starter, lstm"):
        library.find("gru")


def test_gpt2_means_the_starter(shop: Path, shelf: Shelf) -> None:
    library = Library(2, shelf)
    assert library.find("gpt2") == library.find("starter")
    warm = library.borrow("gpt2", "cpu")
    assert warm.model.name == "starter"
    assert library.borrow("starter", "cpu") is warm
    assert shelf.loaded == ["starter"]
    assert library.borrow("lstm", "cpu").model.name == "lstm"


def test_a_folder_does_not_hide_what_is_shipped(
    shop: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lstm", "gpt2", "starter"):
        shutil.copytree(model, shop / "here" / name)
    monkeypatch.chdir(shop / "here")
    library = Library()
    assert [library.find(name).kind for name in ("lstm", "gpt2", "starter")] == ["starter"] * 3
    assert library.find("./lstm").kind == "folder"


@pytest.mark.parametrize("name", ["starter", "gpt2", "lstm", "gru", "rnn", "", "../mine", "a b"])
def test_a_run_cannot_take_a_name_that_is_taken(name: str) -> None:
    with pytest.raises(InputError, match=r"A run cannot be called .*starter, gpt2, lstm, gru, rnn"):
        run_folder(name)


def test_this_installation_has_its_starter() -> None:
    info = Library().find("starter")
    assert (info.kind, info.path) == ("starter", starter_folder())
    assert info.path is not None
    assert (info.path / "model.safetensors").is_file()
