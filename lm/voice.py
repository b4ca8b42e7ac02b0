"""A voice: a language model ready to write letters, with its tokenizer and its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from corpora.errors import ModelError
from engine.checkpoint import MANIFEST, RunFolder, file_hash, verify
from engine.devices import choose_device
from engine.stepper import Stepper, TransformerStepper
from engine.tokenizers import encode_text, special_ids
from lm.gpt2 import LETTER_TOKENS, is_folder, load

STARTER = "starter"
Ranker = Callable[[str, str], float]


@dataclass(frozen=True, slots=True)
class Voice:
    """What `correspondence` writes with.

    Attributes
    ----------
    name : str
        As asked for: "starter", a folder or a hub id.
    hash : str
        SHA-256 of the weights, or empty for a model without a file of its own.
    knows_letters : bool
        Whether the model was taught the tokens of a letter; if not, the prompt is plain text.
    """

    name: str
    hash: str
    stepper: Stepper[Any]
    tokenizer: PreTrainedTokenizerFast
    knows_letters: bool
    device: str = "cpu"
    _ids: dict[str, int] = field(default_factory=dict, repr=False)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, never a special one."""
        return encode_text(self.tokenizer, text)

    def token(self, name: str) -> int:
        """The id of one of our tokens."""
        if name not in self._ids:
            self._ids[name] = int(self.tokenizer.convert_tokens_to_ids(name))
        return self._ids[name]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    @property
    def special(self) -> frozenset[int]:
        """Ids that never stand for text."""
        return special_ids(self.tokenizer)


def starter_folder() -> Path:
    """Where the starter's weights lie in the installed package."""
    return Path(str(files("lm") / "starter"))


def resolve(name: str) -> str:
    """The model folder behind a name: starter, a run's best checkpoint, a folder; else the hub id.

    Raises
    ------
    ModelError
        If a run holds no complete checkpoint, or a checkpoint is damaged.
    """
    if name == STARTER:
        return str(starter_folder())
    if not is_folder(name):
        return name
    folder = Path(name).expanduser()
    if not (folder / "config.json").exists() and any(folder.glob("step-*")):
        best = RunFolder(folder).best()
        if best is None:
            raise ModelError(
                f"{folder} holds no complete checkpoint; train it first, or resume it."
            )
        return str(best)
    if (folder / MANIFEST).is_file():
        verify(folder)
    return str(folder)


def load_voice(name: str = STARTER, device: str = "auto") -> Voice:
    """Load a model to write letters with.

    Parameters
    ----------
    name : str
        "starter", a run folder, a model folder, or a hub id such as "openai-community/gpt2".
    device : str
        "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    ModelError, DeviceError
        With what to do.
    """
    chosen = choose_device(device)
    where = resolve(name)
    model, tokenizer = load(where)
    model.to(chosen).eval()
    weights = Path(where) / "model.safetensors"
    known = set(tokenizer.get_vocab())
    return Voice(
        name=name,
        hash=file_hash(weights) if weights.is_file() else "",
        stepper=TransformerStepper(model),
        tokenizer=tokenizer,
        knows_letters=all(token in known for token in LETTER_TOKENS),
        device=str(chosen),
    )
