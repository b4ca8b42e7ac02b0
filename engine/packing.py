"""Texts -> token files: one for training, one held out, ready to be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from engine.batching import TokenWriter

_CHUNK = 64  # texts encoded at a time; `encode_batch` uses every core


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    walk = iter(texts)
    while chunk := list(islice(walk, _CHUNK)):
        yield chunk


def pack(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, path: Path) -> int:
    """Encode texts one after another into `path`, an end-of-text id after each.

    Returns
    -------
    int
        The number of ids written.

    Raises
    ------
    ValueError
        If the tokenizer has no end-of-text id.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError("tokenizer has no eos_token; texts could not be told apart")
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True  # a text can never produce a token of ours
    with TokenWriter(path, len(tokenizer)) as writer:
        for chunk in _chunks(texts):
            encoded = backend.encode_batch_fast(chunk, add_special_tokens=False)
            for text, encoding in zip(chunk, encoded, strict=True):
                writer.add([*encoding.ids, end], len(text.encode("utf-8")))
    return writer.n_tokens
