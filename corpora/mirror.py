"""Public collections from a local mirror folder, as documents, one at a time.

LETTERPRESS_DATA names the folder. It holds `letters/` (one compressed text per book and
letters_index.jsonl), `pretrain/` (general prose, documents separated by a line <|endoftext|>) and
`char/` (single texts for character models). Nothing here downloads; that is `corpora.catalog`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from corpora.document import Document
from corpora.errors import CorpusError

VARIABLE = "LETTERPRESS_DATA"
SEPARATOR = "<|endoftext|>"
PUBLIC_DOMAIN = "public domain in the USA"


def mirror_folder() -> Path | None:
    """The folder LETTERPRESS_DATA names, or `None` where it is not set.

    Raises
    ------
    CorpusError
        If it is set and is not a folder: a slip there must not silently mean "no mirror".
    """
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise CorpusError(
            f"{VARIABLE} is {value!r}, which is not a folder; set it to the folder that holds "
            "letters/ and pretrain/, or unset it."
        )
    return folder


def require_mirror() -> Path:
    """The mirror folder.

    Raises
    ------
    CorpusError
        If LETTERPRESS_DATA is not set to a folder.
    """
    folder = mirror_folder()
    if folder is None:
        raise CorpusError(
            f"The public collections are read from a local mirror, and {VARIABLE} is not set. "
            "Set it to the folder that holds letters/ and pretrain/."
        )
    return folder


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a plain, gzip (.gz) or Zstandard (.zst) file.

    Yields
    ------
    (file, raw)
        The decompressed bytes, and the file on disk whose `tell()` says how far reading has come.

    Raises
    ------
    CorpusError
        If the file is missing, is cut short or is not what its name says, also while reading.
    """
    import zstandard  # only the readers of compressed text pay for it

    try:
        with path.open("rb") as raw:
            binary: Any = raw
            if path.suffix == ".gz":
                binary = gzip.GzipFile(fileobj=raw)
            elif path.suffix == ".zst":
                reader = zstandard.ZstdDecompressor().stream_reader(
                    raw, read_across_frames=True, closefd=False
                )
                binary = io.BufferedReader(cast(io.RawIOBase, reader), 1 << 20)
            yield binary, raw
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, zstandard.ZstdError) as problem:
        raise CorpusError(
            f"{path} cannot be read: {problem}. Expected UTF-8 text, compressed as its name says; "
            "fetch the file again."
        ) from None


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOBase]:
    """As `open_bytes`, decoded from UTF-8, for reading line by line; line ends are kept."""
    with (
        open_bytes(path) as (binary, _),
        io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def read_text(path: Path) -> str:
    """The whole text of a plain, .gz or .zst file.

    Raises
    ------
    CorpusError
        As `open_text`.
    """
    with open_text(path) as file:
        return file.read()


def read_index(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl index.

    Raises
    ------
    CorpusError
        If the file is missing or a line is not JSON, naming the line.
    """
    rows = []
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as problem:
                raise CorpusError(f"{path} line {number} is not JSON: {problem}.") from None
    return rows


def letter_books(folder: Path) -> Iterator[Document]:
    """Every letter book of the mirror, in the order of its index.

    Parameters
    ----------
    folder : Path
        The mirror folder.

    Yields
    ------
    Document
        One whole book; `source` is its path inside the mirror, `author` the letter writer.
    """
    for row in read_index(folder / "letters" / "letters_index.jsonl"):
        yield Document(
            text=read_text(folder / "letters" / row["file"]),
            title=row["title"],
            author=row["persona"],
            source=f"letters/{row['file']}",
            licence=PUBLIC_DOMAIN,
        )


def prose(folder: Path) -> Iterator[Document]:
    """The general prose of the mirror; only one document at a time is in memory.

    Parameters
    ----------
    folder : Path
        The mirror folder.

    Yields
    ------
    Document
        `source` is the shard's path and the document's number in it, from 0.
    """
    index = folder / "pretrain" / "pretrain_index.jsonl"
    known = {
        (row["shard"], row["order_in_shard"]): row
        for row in (read_index(index) if index.is_file() else [])
    }
    shards = sorted((folder / "pretrain").glob("*.txt.zst"))
    if not shards:
        raise CorpusError(f"{folder / 'pretrain'} holds no *.txt.zst; expected the prose shards.")
    for shard in shards:
        for number, text in enumerate(split_stream(shard)):
            row = known.get((shard.name, number), {})
            yield Document(
                text=text,
                title=row.get("title", ""),
                author=row.get("author", ""),
                source=f"pretrain/{shard.name}#{number}",
                licence=PUBLIC_DOMAIN,
            )


def split_stream(path: Path) -> Iterator[str]:
    """The documents of one file, which lines holding only <|endoftext|> separate."""
    lines: list[str] = []
    with open_text(path) as file:
        for line in file:
            if line.strip() == SEPARATOR:
                if text := "".join(lines).strip("\n"):
                    yield text
                lines = []
            else:
                lines.append(line)
    if text := "".join(lines).strip("\n"):
        yield text


def character_texts(folder: Path) -> Iterator[Document]:
    """The single texts for character models, in the order of their names.

    Parameters
    ----------
    folder : Path
        The mirror folder.

    Yields
    ------
    Document
        One whole text, unchanged to the byte; `title` is the file's name without its endings.
    """
    for path in sorted((folder / "char").glob("*.txt.gz")):
        yield Document(
            text=read_text(path),
            title=path.name.removesuffix(".txt.gz"),
            source=f"char/{path.name}",
            licence=PUBLIC_DOMAIN,
        )
