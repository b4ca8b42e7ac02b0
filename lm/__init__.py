"""A small GPT-2 for correspondence: letter in, letter back, every sentence with its mark.

Heavy modules load on first use: `letterpress --help` must not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm.correspondence import WritingSettings, finish, write, write_letter
    from lm.request import Exchange, LetterRequest
    from lm.voice import Voice, load_voice

_WHERE = {
    "WritingSettings": "lm.correspondence",
    "finish": "lm.correspondence",
    "write": "lm.correspondence",
    "write_letter": "lm.correspondence",
    "Exchange": "lm.request",
    "LetterRequest": "lm.request",
    "Voice": "lm.voice",
    "load_voice": "lm.voice",
}
__all__ = [
    "Exchange",
    "LetterRequest",
    "Voice",
    "WritingSettings",
    "finish",
    "load_voice",
    "write",
    "write_letter",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'lm' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
