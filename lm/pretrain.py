"""Texts -> a GPT-2 that has read them: tokenizer, token files, windows, training.

For letters with replies see `finetune`; a model is usually given texts first and letters after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from corpora.document import content_hash
from corpora.errors import CorpusError
from corpora.splitting import split_of, without_frozen
from engine.batching import Windows
from engine.checkpoint import RunFolder
from engine.fit import Event, FitSettings, fit
from engine.packing import pack
from engine.text_model import NextToken
from engine.tokenizers import load_tokenizer, train_bpe
from lm.gpt2 import LETTER_TOKENS

VOCABULARY = 4096
_HELD_OUT = 0.05


def prepare(
    train: Iterable[str],
    valid: Iterable[str],
    work: Path,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    sample: Iterable[str] = (),
    vocab_size: int = VOCABULARY,
) -> dict[str, int]:
    """Write `tokenizer/`, `train.bin` and `valid.bin` into a folder.

    Parameters
    ----------
    train, valid : iterables of str
        Read once each, streaming.
    tokenizer : PreTrainedTokenizerFast, optional
        Another model's, to go on from it; else one is learnt from `sample`.

    Returns
    -------
    dict
        The number of tokens in "train" and "valid".
    """
    work.mkdir(parents=True, exist_ok=True)
    if tokenizer is None:
        tokenizer = train_bpe(sample, vocab_size, LETTER_TOKENS)
    tokenizer.save_pretrained(str(work / "tokenizer"))
    return {
        name: pack(texts, tokenizer, work / f"{name}.bin")
        for name, texts in (("train", train), ("valid", valid))
    }


def read_tokenizer(work: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a prepared folder."""
    return load_tokenizer(work / "tokenizer")


def share_out(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """A person's texts as (train, valid), shared out by the hash of each stretch of 4,000 signs.

    Nothing of the frozen test letters is in either.

    Raises
    ------
    CorpusError
        If there is too little to hold anything out.
    """
    pieces: list[str] = []
    for text in texts:
        kept = without_frozen(text)
        paragraphs = kept.split("\n\n")
        page: list[str] = []
        for paragraph in paragraphs:
            page.append(paragraph)
            if sum(map(len, page)) > 4_000:
                pieces.append("\n\n".join(page))
                page = []
        if page:
            pieces.append("\n\n".join(page))
    parts: dict[bool, list[str]] = {True: [], False: []}
    for piece in pieces:
        held = split_of(content_hash(piece), valid=_HELD_OUT, test=0.0) == "valid"
        parts[held].append(piece)
    if not parts[True] and len(parts[False]) > 1:
        parts[True].append(parts[False].pop())
    if not parts[True] or not any(p.strip() for p in parts[False]):
        size = sum(len(p) for p in pieces)
        raise CorpusError(
            f"The corpus has {size:,} characters in {len(pieces)} pages of 4,000; at least two "
            "pages are needed, one to train on and one to hold out. Add text."
        )
    return parts[False], parts[True]


def read_texts(
    task: NextToken,
    work: Path,
    run: RunFolder,
    settings: FitSettings,
    *,
    window: int,
    resume: bool = False,
) -> Iterator[Event]:
    """Train on a prepared folder; events as `engine.fit.fit` gives them.

    Parameters
    ----------
    window : int
        Ids in a row, no more than the model reads.
    """
    train, valid = (Windows(work / f"{part}.bin", window) for part in ("train", "valid"))
    yield from fit(
        task, train, valid, settings, run=run, save=task.save, load=task.load, resume=resume
    )
