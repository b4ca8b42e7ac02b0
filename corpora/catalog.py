"""Named collections: what there is, where it comes from, and fetching it.

catalog.toml is the list. A collection comes from the local mirror LETTERPRESS_DATA where that has
it, verified by its SHA-256, else from its public home. Project Gutenberg regenerates its files, so
for those the catalog knows only the sum of the mirror's cleaned text: after a download from home,
the sum of the file is recorded beside it, the text is cleaned, and where it differs from the
mirror's, that is told, not hidden and not refused.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.resources
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from corpora.cleaning import clean_bytes
from corpora.document import Document
from corpora.download import Progress, download
from corpora.errors import CorpusError, DownloadError, StorageError
from corpora.mirror import mirror_folder, open_bytes, read_text, split_stream
from corpora.tables import Table, read_table

KINDS = ("bundled", "letters", "characters", "prose")
RECORD = "collection.json"


@dataclass(frozen=True, slots=True)
class CollectionFile:
    """One text: its path in a mirror, the SHA-256 of that text, and its public home, if it has one.

    `verbatim` says that the home serves exactly that text.
    """

    path: str
    sha256: str
    url: str = ""
    verbatim: bool = False

    @property
    def name(self) -> str:
        """Its name once fetched: plain text, without the compression's ending."""
        return PurePosixPath(self.path).name.removesuffix(".zst").removesuffix(".gz")


@dataclass(frozen=True, slots=True)
class Collection:
    """A named collection; catalog.toml explains each field.

    `until` is the last year in which the person wrote anything in it, or `None`. `quote_from` and
    `quote_to` bound what `corpora.quoting` may quote; where the former is empty, nothing.
    """

    name: str
    kind: str
    title: str
    author: str
    licence: str
    files: tuple[CollectionFile, ...]
    person: str = ""
    until: int | None = None
    mixed: bool = False
    gutenberg: int | None = None
    quote_from: str = ""
    quote_to: str = ""
    quote_until: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The end of `get`: where the collection is, and what a person should know about it."""

    collection: Collection
    folder: Path
    notes: tuple[str, ...] = ()


def _read_file(table: Table) -> CollectionFile:
    file = CollectionFile(
        table.text("path"), table.text("sha256"), table.text("url", ""), table.flag("verbatim")
    )
    if len(file.sha256) != 64:
        raise table.fail("sha256", f"has {len(file.sha256)} characters; expected 64 hex digits.")
    table.done()
    return file


def parse_catalog(text: str, where: str = "catalog.toml") -> dict[str, Collection]:
    """Read and check a catalog.

    Raises
    ------
    CorpusError
        Naming the entry and the field that is wrong.
    """
    root = read_table(text, where, CorpusError)
    found: dict[str, Collection] = {}
    for table in root.tables("collection"):
        collection = Collection(
            name=table.text("name"),
            kind=table.text("kind"),
            title=table.text("title"),
            author=table.text("author"),
            licence=table.text("licence"),
            files=tuple(_read_file(t) for t in table.tables("file", at_least=0)),
            person=table.text("person", ""),
            until=table.number("until", 0) or None,
            mixed=table.flag("mixed"),
            gutenberg=table.number("gutenberg", 0) or None,
            quote_from=table.text("quote_from", ""),
            quote_to=table.text("quote_to", ""),
            quote_until=table.number("quote_until", 0) or None,
        )
        if collection.kind not in KINDS:
            raise table.fail("kind", f"is {collection.kind!r}; expected one of {', '.join(KINDS)}.")
        if bool(collection.files) == (collection.kind == "bundled"):
            raise table.fail("file", "must be there for every kind but 'bundled'.")
        if collection.quote_from and not (collection.person and collection.until):
            raise table.fail("quote_from", "needs 'person' and 'until' beside it.")
        if (collection.quote_to or collection.quote_until) and not collection.quote_from:
            raise table.fail("quote_from", "is missing beside 'quote_to' or 'quote_until'.")
        if collection.name in found:
            raise table.fail("name", f"is {collection.name!r}, used above.")
        table.done()
        found[collection.name] = collection
    root.done()
    return found


@functools.cache
def load_catalog() -> tuple[Collection, ...]:
    """All collections of catalog.toml, in its order."""
    text = (importlib.resources.files("corpora") / "catalog.toml").read_text("utf-8")
    return tuple(parse_catalog(text).values())


def find_collection(name: str) -> Collection:
    """The collection of a name.

    Raises
    ------
    CorpusError
        If there is none; the message suggests the nearest and how to see them all.
    """
    named = {collection.name: collection for collection in load_catalog()}
    wanted = name.strip().lower()
    if wanted in named:
        return named[wanted]
    near = difflib.get_close_matches(wanted, named, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]}? " if near else ""
    raise CorpusError(
        f"There is no collection called {name!r}. {advice}`letterpress corpora list` lists them."
    )


# --------------------------------------------------------------------------------------- fetching


def get(
    name: str, into: Path, *, mirror: Path | None = None, url: str | None = None
) -> Iterator[Progress | Fetched]:
    """Fetch a collection into the folder `into / name`, which appears when it is whole.

    Parameters
    ----------
    name : str
        Of the catalog.
    into : Path
        Where collections are kept; made if need be.
    mirror : Path, optional
        A local mirror; by default the folder LETTERPRESS_DATA, if that is set.
    url : str, optional
        Fetch from here, whatever the mirror holds; for collections of one file.

    Yields
    ------
    Progress or Fetched
        Bytes as they come; last, one `Fetched`. A collection that is there and intact is not
        fetched again; a damaged one is.

    Raises
    ------
    CorpusError
        If there is no such collection, or the mirror's file is not the one the catalog knows.
    DownloadError
        If the home cannot be reached, the connection was cut (what arrived is kept and resumed by
        the next call), or the file has the wrong checksum (it is removed).
    StorageError
        If the folder cannot be written.
    """
    collection = find_collection(name)
    if collection.kind == "bundled":
        yield Fetched(collection, into, ("It is part of letterpress; there is nothing to fetch.",))
        return
    if url is not None and len(collection.files) != 1:
        raise ValueError(f"url={url!r} fits a collection of one file, and {name} has more")
    folder, work = into / collection.name, into / f".{collection.name}.part"
    if is_intact(folder):
        yield Fetched(collection, folder, ("It is here already, and intact.",))
        return
    mirror = mirror or mirror_folder()
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageError(f"{work} cannot be made: {problem.strerror}.") from None
    notes: list[str] = []
    record = asdict(collection) | {"fetched": []}
    for file in collection.files:
        held = mirror / file.path if mirror and url is None else None
        home = url or file.url
        if held is not None and held.is_file():
            yield from _from_mirror(file, held, work)
            origin = {"from": "mirror"}
        elif home:
            yield from download(home, work / (file.name + ".raw"))
            origin = _take_in(file, home, work, notes)
        else:
            raise CorpusError(
                f"{collection.name} has no public home as one file; it comes from a local mirror. "
                f"Set LETTERPRESS_DATA to a folder that holds {file.path}."
            )
        record["fetched"].append({"name": file.name, "sha256": _sum_of(work / file.name), **origin})
    (work / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if folder.exists():
        shutil.rmtree(folder)  # not intact, as found above
    work.rename(folder)
    yield Fetched(collection, folder, tuple(notes))


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_mirror(file: CollectionFile, held: Path, work: Path) -> Iterator[Progress]:
    digest, target = hashlib.sha256(), work / file.name
    total = held.stat().st_size
    with open_bytes(held) as (source, raw), target.open("wb") as out:
        while piece := source.read(1 << 20):
            digest.update(piece)
            out.write(piece)
            yield Progress(file.name, min(raw.tell(), total), total)
    if digest.hexdigest() != file.sha256:
        target.unlink()
        raise CorpusError(
            f"{held} has the SHA-256 {digest.hexdigest()[:16]}..., expected {file.sha256[:16]}...; "
            "it is damaged or another edition. Replace it, or unset LETTERPRESS_DATA to fetch it "
            "from its public home."
        )


def _take_in(file: CollectionFile, home: str, work: Path, notes: list[str]) -> dict[str, Any]:
    """Check and clean a downloaded file, and say what its record should hold."""
    raw_path = work / (file.name + ".raw")
    raw = raw_path.read_bytes()
    raw_sum = hashlib.sha256(raw).hexdigest()
    raw_path.unlink()
    if raw[:2_000].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DownloadError(
            f"{home} answered with a web page instead of the text; a sign-in page of the network "
            "may be in between, or the server is busy. What came was removed; try again later."
        )
    if file.verbatim:
        if raw_sum != file.sha256:
            raise DownloadError(
                f"{home} has the SHA-256 {raw_sum[:16]}..., expected {file.sha256[:16]}...; "
                "what came was removed. Try again; if it stays so, its home has another edition."
            )
        (work / file.name).write_bytes(raw)
        return {"from": home, "raw_sha256": raw_sum}
    text, encoding = clean_bytes(raw)
    clean = text.encode("utf-8")
    (work / file.name).write_bytes(clean)
    if hashlib.sha256(clean).hexdigest() != file.sha256:
        notes.append(
            f"The text from {home} is not, to the byte, the one the catalog's checksum is of: "
            f"another edition of the file. The sum of what came was recorded: {raw_sum[:16]}..."
        )
    return {"from": home, "raw_sha256": raw_sum, "encoding": encoding}


# ---------------------------------------------------------------------------------------- reading


def is_intact(folder: Path) -> bool:
    """Whether a fetched collection is whole: every file has the sum that was recorded with it."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        return all(_sum_of(folder / f["name"]) == f["sha256"] for f in record["fetched"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def documents(name: str, into: Path) -> Iterator[Document]:
    """The documents of a fetched collection; `source` is the collection's name.

    Raises
    ------
    CorpusError
        If it has not been fetched, or is damaged.
    """
    collection = find_collection(name)
    folder = into / collection.name
    if not is_intact(folder):
        raise CorpusError(
            f"{collection.name} is not in {into}, or is damaged; "
            f"fetch it with `letterpress corpora get {collection.name}`."
        )
    for file in collection.files:
        path = folder / file.name
        for text in split_stream(path) if collection.kind == "prose" else [read_text(path)]:
            yield Document(
                text=text,
                title=collection.title,
                author=collection.author,
                source=collection.name,
                licence=collection.licence,
            )
