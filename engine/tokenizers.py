"""Character, byte and byte-level BPE tokenizers, all as `PreTrainedTokenizerFast`.

Every tokenizer here can encode every text and decode it back exactly: a character tokenizer falls
back to bytes for characters it has not met, so no model built on it gives a text probability zero.
A person's text is encoded by `encode_text`, which never reads it as a special token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from corpora.errors import ModelError

END_OF_TEXT = "<|endoftext|>"


def _wrap(tokenizer: Tokenizer, special: Sequence[str]) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        bos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        extra_special_tokens=[token for token in special if token != END_OF_TEXT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    wrapped.model_max_length = int(1e30)  # the model, not the tokenizer, knows its window
    return wrapped


def train_bpe(
    texts: Iterable[str], vocab_size: int, special: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2, Radford et al. 2019).

    Parameters
    ----------
    texts : iterable of str
        Training texts; read once.
    vocab_size : int
        Size with the special tokens, at least 256 more than their number.
    special : sequence of str
        Tokens of ours that no text can produce, besides the end of text.
    """
    reserved = [END_OF_TEXT, *special]
    if vocab_size < 256 + len(reserved):
        raise ValueError(
            f"vocab_size={vocab_size} cannot hold 256 bytes and {len(reserved)} tokens"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=reserved,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrap(tokenizer, reserved)


def byte_tokenizer(special: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """One id for each of the 256 bytes."""
    reserved = [END_OF_TEXT, *special]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*reserved, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrap(tokenizer, reserved)


def character_tokenizer(
    text: Iterable[str], special: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """One id for each character of `text`, and 256 byte ids through which any other is escaped."""
    characters: set[str] = set()
    for piece in text:
        characters.update(piece)
    reserved = [END_OF_TEXT, *special]
    escapes = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*reserved, *escapes, *sorted(characters)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(tokens)}, merges=[], byte_fallback=True
        )
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return _wrap(tokenizer, reserved)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of a person's text, in which `<|endoftext|>` is thirteen ordinary characters."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that never stand for text."""
    return frozenset(int(i) for i in tokenizer.all_special_ids)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Read a tokenizer from a model folder, without the network.

    Raises
    ------
    ModelError
        If the folder holds no `tokenizer.json`, or a damaged one.
    """
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(
            f"{folder} holds no tokenizer.json; expected a model folder saved by letterpress or "
            "transformers. Check the path."
        )
    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
            str(folder), local_files_only=True
        )
    except Exception as problem:  # the tokenizers library raises no kind narrower than this
        raise ModelError(
            f"The tokenizer in {folder} cannot be read ({problem}). Fetch or train the model again."
        ) from problem
    return tokenizer
