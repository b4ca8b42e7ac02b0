"""A voice: a language model ready to write letters, with its tokenizer and its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from engine.loading import Loaded, load_ready
from engine.stepper import Stepper, register_stepper
from engine.tokenizers import encode_text, special_ids
from lm.decoding import stepper_for
from lm.gpt2 import LETTER_TOKENS

STARTER = "starter"
_SENTENCE = (
    "I have your letter of the tenth before me, and am glad to hear that you are well again."
)
Ranker = Callable[[str, str], float]
register_stepper(GPT2LMHeadModel, stepper_for)


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
    def pace(self) -> float:
        """About how many ids a word takes: between one and two for BPE, five or six for characters.

        Measured on a sentence, once.
        """
        if "" not in self._ids:
            self._ids[""] = len(self.encode(_SENTENCE))
        return self._ids[""] / len(_SENTENCE.split())

    @property
    def special(self) -> frozenset[int]:
        """Ids that never stand for text."""
        return special_ids(self.tokenizer)


def starter_folder() -> Path:
    """Where the starter's weights lie in the installed package."""
    return Path(str(files("lm") / "starter"))


def voice_of(loaded: Loaded, name: str = "") -> Voice:
    """A loaded model as a voice, of whichever family it is."""
    known = set(loaded.tokenizer.get_vocab())
    return Voice(
        name=name or loaded.name,
        hash=loaded.hash,
        stepper=loaded.stepper,
        tokenizer=loaded.tokenizer,
        knows_letters=all(token in known for token in LETTER_TOKENS),
        device=loaded.device,
    )


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
    where = str(starter_folder()) if name == STARTER else name
    return voice_of(load_ready(where, device), name)
