"""What a model was trained on, as far as it is here: the texts that copies are looked for in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.library import Library, ModelInfo
from corpora.letters import load_pairs
from corpora.splitting import split_pairs

if TYPE_CHECKING:
    from engine.overlap import InkIndex

LETTERS_ONLY = "the bundled letters it learnt from; the old books it read are not shipped"
OWN = "the text it was trained on"
UNKNOWN = "the bundled letters; what else it was trained on is not here"
_LARGEST = 30_000_000  # characters that are indexed
_PORTION = 1_000_000  # ids decoded at a time


def described(info: ModelInfo) -> str:
    """In which texts copies are looked for."""
    if info.kind == "starter":
        return LETTERS_ONLY
    return OWN if _token_file(info) is not None else UNKNOWN


def training_texts(info: ModelInfo) -> Iterator[str]:
    """The texts, from the beginning, up to thirty million characters."""
    yield from _texts(_token_file(info))


def _texts(path: Path | None) -> Iterator[str]:
    """The texts of a token file; without one, the bundled letters."""
    if path is None:
        for pair in split_pairs(load_pairs())["train"]:
            yield pair.letter.text
            yield pair.reply.text
        return
    import numpy as np

    from engine.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(path.parent / "tokenizer")
    meta = json.loads(path.with_suffix(".json").read_text("utf-8"))
    ids = np.memmap(path, dtype=np.dtype(meta["dtype"]), mode="r")
    ends = np.flatnonzero(ids == tokenizer.eos_token_id)
    room = _LARGEST
    for start, stop in zip([0, *(ends + 1)], [*ends, len(ids)], strict=True):
        while start < stop and room:
            text, start = _decoded(tokenizer, ids, start, stop)
            yield text[:room]
            room -= len(text[:room])


def _decoded(tokenizer: Any, ids: Any, start: int, stop: int) -> tuple[str, int]:
    """The text of at most a million ids, and where the next begin: not inside a character."""
    end = min(stop, start + _PORTION)
    for back in range(4 if end < stop else 1):
        text: str = tokenizer.decode(ids[start : end - back].tolist())
        if not text.endswith("\ufffd"):
            return text, end - back
    return text, end - back


def _token_file(info: ModelInfo) -> Path | None:
    """The training part of a run's corpus, where it was trained on texts."""
    if info.path is None or info.kind != "run":
        return None
    path = info.path / "data" / "train.bin"
    return path if path.is_file() else None


def ink_index(library: Library, model: str) -> InkIndex:
    """The index of a model's training texts; the last few are kept."""
    path = _token_file(library.find(model))
    return _index(path, path.stat().st_mtime_ns if path else 0)


@lru_cache(maxsize=4)  # by the texts, since several models may have read the same
def _index(path: Path | None, _changed: int) -> InkIndex:
    from engine.overlap import InkIndex

    return InkIndex(_texts(path))
