"""Train a model on one's own texts, or on letters: the recipe behind `letterpress train`.

It runs in the process that calls it and gives events; how they are shown is for the command line or
the page to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.home import home
from corpora.catalog import documents, find_collection, is_intact
from corpora.cleaning import clean_bytes
from corpora.errors import CorpusError, InputError, ModelError
from corpora.letters import load_pairs
from corpora.splitting import split_pairs
from engine.checkpoint import RunFolder
from engine.fit import Event, FitSettings
from engine.loading import load, resolve
from engine.text_model import NextToken
from lm.finetune import teach_letters
from lm.gpt2 import SIZES, from_scratch
from lm.pretrain import prepare, read_texts, read_tokenizer, share_out

LETTERS = "letters"  # the bundled letters and replies
_KINDS = (".txt", ".md")
_FROM_SCRATCH = 1_000  # updates where the person names neither steps nor minutes
_CONTINUED = 300


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What to train on what.

    Attributes
    ----------
    corpus : str
        "letters", a collection that was fetched, a text file or a folder of them.
    model : str
        "gpt2" or "gpt2-nano", "gpt2-tiny", "gpt2-small" from scratch; else a model to go on from.
    out : Path
        The run folder.
    steps, minutes
        The length; 0 where not given.
    seed, device, resume
        As in `engine.fit`.
    """

    corpus: str
    model: str
    out: Path
    steps: int = 0
    minutes: float = 0.0
    seed: int = 0
    device: str = "auto"
    resume: bool = False

    def __post_init__(self) -> None:
        if self.steps < 0 or self.minutes < 0:
            raise InputError("Steps and minutes must be above 0.")


def corpus_texts(name: str) -> Iterator[str]:
    """The texts of a corpus, cleaned, one at a time.

    Raises
    ------
    CorpusError
        If there is no such file, folder or fetched collection.
    """
    path = Path(name).expanduser()
    if path.exists():
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        used = [f for f in files if f.suffix.lower() in _KINDS]
        if not used:
            raise CorpusError(
                f"{path} holds no text to train on: of {len(files)} files none ends in "
                f"{' or '.join(_KINDS)}. Save the text as UTF-8 .txt."
            )
        for file in used:
            yield clean_bytes(file.read_bytes())[0]
        return
    find_collection(name)  # says what is near where there is none
    folder = home() / "corpora"
    if not is_intact(folder / name):
        raise CorpusError(
            f"{name} is not here yet; fetch it with `letterpress corpora get {name}`."
        )
    for document in documents(name, folder):
        yield document.text


def _fresh_size(model: str) -> str:
    """The size of a model from scratch, or an empty string where one is gone on from."""
    kind, _, size = model.partition("-")
    size = size or "tiny"
    return size if kind == "gpt2" and size in SIZES else ""


def _existing(request: TrainingRequest) -> NextToken:
    """The model to go on from."""
    return NextToken(*load(resolve(request.model)))


def train(request: TrainingRequest) -> Iterator[Event]:
    """Train, yielding events; ceasing to iterate stops, and what was saved can be resumed.

    Raises
    ------
    LetterpressError
        If corpus or model cannot be used, or the run folder belongs to another run.
    """
    run = RunFolder(request.out)
    if run.checkpoints() and not request.resume:
        raise ModelError(
            f"{request.out} already holds a run; add --resume to go on with it, "
            "or name another --out."
        )
    size = _fresh_size(request.model)
    if request.corpus == LETTERS:
        yield from _train_letters(request, run, fresh=bool(size))
        return
    work = request.out / "data"
    task = None if size else _existing(request)
    if not (request.resume and (work / "train.bin").is_file()):
        parts = share_out(corpus_texts(request.corpus))
        prepare(*parts, work, tokenizer=task.tokenizer if task else None, sample=parts[0])
    if task is None:
        tokenizer = read_tokenizer(work)
        task = NextToken(from_scratch(tokenizer, size, seed=request.seed), tokenizer)
    window = min(256, int(task.model.config.n_positions))
    settings = FitSettings(
        steps=_steps(request, _FROM_SCRATCH if size else _CONTINUED),
        minutes=request.minutes,
        lr=2e-3 if size else 3e-4,
        seed=request.seed,
        device=request.device,
        eval_every=50,
        save_every=50,
    )
    yield from read_texts(task, work, run, settings, window=window, resume=request.resume)


def _steps(request: TrainingRequest, usual: int) -> int:
    if request.steps:
        return request.steps
    # With a time limit the schedule must span it; a trial of this machine's speed comes with the
    # corpus doctor, until then a minute is taken for sixty updates.
    return max(1, round(request.minutes * 60)) if request.minutes else usual


def _train_letters(request: TrainingRequest, run: RunFolder, *, fresh: bool) -> Iterator[Event]:
    if fresh:
        raise InputError(
            "A model from scratch cannot learn letters from the bundled ones alone; they are few. "
            "Train it on texts first, or go on from the starter: --model starter."
        )
    pairs = split_pairs(load_pairs())
    settings = FitSettings(
        steps=_steps(request, _CONTINUED),
        minutes=request.minutes,
        lr=3e-4,
        seed=request.seed,
        device=request.device,
        eval_every=25,
        save_every=25,
        patience=4,
    )
    task = _existing(request)
    yield from teach_letters(
        task, pairs["train"], pairs["valid"], settings, run, resume=request.resume
    )
