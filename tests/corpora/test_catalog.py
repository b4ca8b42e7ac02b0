"""The catalog, against a server on this machine that serves the real files of the mirror."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpora import catalog
from corpora.catalog import Fetched, find_collection, get, load_catalog
from corpora.download import CHUNK, Progress, download
from corpora.errors import CorpusError, DownloadError, StorageError
from corpora.mirror import read_index, read_text
from corpora.people import load_people


class Server(http.server.ThreadingHTTPServer):
    """Serves bytes by path, with ranges; closes the line after `cut_after` bytes if that is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.sends_etag = True
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        start = 0
        if asked and self.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.server.sends_etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.cut_after])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def finish(events: Iterator[Progress | Fetched]) -> tuple[list[Progress], Fetched]:
    *progress, last = events
    assert isinstance(last, Fetched)
    return [event for event in progress if isinstance(event, Progress)], last


# ---------------------------------------------------------------------------------------- the list


def test_the_list_is_long_and_whole() -> None:
    collections = load_catalog()
    books = [c for c in collections if c.kind == "letters"]
    assert len(books) >= 25
    assert {c.kind for c in collections} == set(catalog.KINDS)
    for book in books:
        (file,) = book.files
        assert (
            file.url
            == f"https://www.gutenberg.org/cache/epub/{book.gutenberg}/pg{book.gutenberg}.txt"
        )
        assert book.licence == "public domain in the USA"
        assert book.until is not None
    people = load_people()
    for book in books:
        if book.person in people:
            person = people[book.person]
            assert person.born.year < (book.until or 0) <= person.died.year, book.name


def test_the_list_agrees_with_the_mirror(data: Path) -> None:
    rows = {f"letters/{r['file']}": r for r in read_index(data / "letters" / "letters_index.jsonl")}
    for book in load_catalog():
        if book.kind == "letters":
            row = rows[book.files[0].path]
            assert (book.files[0].sha256, book.gutenberg) == (
                row["sha256_txt"],
                row["gutenberg_id"],
            )
        for file in book.files:
            assert (data / file.path).is_file()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(CorpusError, match=r"Did you mean austen-letters\?.*corpora list"):
        find_collection("austin-letters")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "letters"', 'kind = "novel"', "'kind'"),
        ('sha256 = "', 'sha256 = "0', "65 characters"),
        ("until = 1727", 'until = "1727"', "'until'.*whole number"),
        ('licence = "public domain in the USA"', "", "'licence' is missing"),
    ],
)
def test_a_wrong_entry_is_named(old: str, new: str, says: str) -> None:
    text = Path(catalog.__file__).with_name("catalog.toml").read_text("utf-8")
    with pytest.raises(CorpusError, match=f"catalog.toml, collection 2.*{says}"):
        catalog.parse_catalog(text.replace(old, new, 1))


# -------------------------------------------------------------------------------------- the mirror


def test_from_the_mirror(data: Path, tmp_path: Path) -> None:
    progress, last = finish(get("tinyshakespeare", tmp_path))
    assert progress[-1].received == progress[-1].total
    assert last.folder == tmp_path / "tinyshakespeare"
    (document,) = catalog.documents("tinyshakespeare", tmp_path)
    assert len(document.text) == 1_115_394
    _, again = finish(get("tinyshakespeare", tmp_path))
    assert "here already" in again.notes[0]


def test_a_damaged_mirror_is_not_taken(data: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "char"
    mirror.mkdir(parents=True)
    whole = (data / "char" / "tinyshakespeare.txt.gz").read_bytes()
    (mirror / "tinyshakespeare.txt.gz").write_bytes(whole[:-5_000])
    with pytest.raises(CorpusError, match="cannot be read"):
        list(get("tinyshakespeare", tmp_path, mirror=mirror.parent))
    shutil.copy(data / "char" / "war_and_peace.txt.gz", mirror / "tinyshakespeare.txt.gz")
    with pytest.raises(CorpusError, match="expected 86c4e6aa"):
        list(get("tinyshakespeare", tmp_path, mirror=mirror.parent))
    assert not (tmp_path / "tinyshakespeare").exists()


def test_a_damaged_copy_is_fetched_again(data: Path, tmp_path: Path) -> None:
    finish(get("tinyshakespeare", tmp_path))
    (tmp_path / "tinyshakespeare" / "tinyshakespeare.txt").write_text("gone")
    with pytest.raises(CorpusError, match="damaged"):
        list(catalog.documents("tinyshakespeare", tmp_path))
    finish(get("tinyshakespeare", tmp_path))
    assert len(next(catalog.documents("tinyshakespeare", tmp_path)).text) == 1_115_394


def test_without_mirror_or_home_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETTERPRESS_DATA", raising=False)
    with pytest.raises(CorpusError, match="Set LETTERPRESS_DATA"):
        list(get("prose", tmp_path))
    monkeypatch.setenv("LETTERPRESS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(CorpusError, match="not a folder"):
        list(get("prose", tmp_path))


def test_the_bundled_letters_need_no_fetching(tmp_path: Path) -> None:
    (only,) = get("letters", tmp_path)
    assert isinstance(only, Fetched)
    assert "part of letterpress" in only.notes[0]


# ---------------------------------------------------------------------------------------- the home


@pytest.fixture
def shakespeare(data: Path, server: Server) -> str:
    text = read_text(data / "char" / "tinyshakespeare.txt.gz")
    server.files["/input.txt"] = text.encode("utf-8")
    return server.url("/input.txt")


def test_from_home_with_progress(shakespeare: str, tmp_path: Path) -> None:
    progress, last = finish(get("tinyshakespeare", tmp_path, url=shakespeare))
    received = [event.received for event in progress]
    assert received == sorted(received)
    assert (received[0], received[-1]) == (0, 1_115_394)
    assert all(event.total == 1_115_394 for event in progress)
    assert last.notes == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tinyshakespeare"]


def test_a_cut_connection_is_resumed(shakespeare: str, server: Server, tmp_path: Path) -> None:
    server.cut_after = 300_000
    with pytest.raises(DownloadError, match=r"cut after 300,000 of 1,115,394.*go on from there"):
        list(get("tinyshakespeare", tmp_path, url=shakespeare))
    assert not (tmp_path / "tinyshakespeare").exists()
    server.cut_after = None
    progress, _ = finish(get("tinyshakespeare", tmp_path, url=shakespeare))
    assert progress[0].received == 300_000
    assert server.asked == ["", "bytes=300000-"]
    assert len(next(catalog.documents("tinyshakespeare", tmp_path)).text) == 1_115_394


def test_a_caller_who_stops_listening_can_go_on(
    shakespeare: str, server: Server, tmp_path: Path
) -> None:
    events = download(shakespeare, tmp_path / "input.txt")
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert not (tmp_path / "input.txt").exists()
    first = next(iter(list(download(shakespeare, tmp_path / "input.txt"))))
    assert first.received == CHUNK
    assert (tmp_path / "input.txt").read_bytes() == server.files["/input.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["input.txt"]


def test_a_file_changed_in_between_begins_again(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.cut_after = b"old" * 50_000, 1_000
    with pytest.raises(DownloadError, match="cut"):
        list(download(server.url("/a"), tmp_path / "a"))
    server.files["/a"], server.cut_after = b"new" * 40_000, None
    list(download(server.url("/a"), tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"new" * 40_000


def test_without_a_validator_it_begins_again(server: Server, tmp_path: Path) -> None:
    server.sends_etag = False
    server.files["/a"], server.cut_after = b"x" * 50_000, 1_000
    with pytest.raises(DownloadError, match="cut"):
        list(download(server.url("/a"), tmp_path / "a"))
    server.cut_after = None
    list(download(server.url("/a"), tmp_path / "a"))
    assert server.asked == ["", ""]
    assert (tmp_path / "a").read_bytes() == b"x" * 50_000


def test_a_part_longer_than_the_file_begins_again(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.cut_after = b"x" * 50_000, 1_000
    with pytest.raises(DownloadError, match="cut"):
        list(download(server.url("/a"), tmp_path / "a"))
    server.cut_after = None
    (tmp_path / "a.part").write_bytes(b"y" * 50_000)
    list(download(server.url("/a"), tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"x" * 50_000


def test_a_wrong_checksum_is_removed(shakespeare: str, server: Server, tmp_path: Path) -> None:
    server.files["/input.txt"] = server.files["/input.txt"].replace(b"Citizen", b"citizen", 1)
    with pytest.raises(DownloadError, match=r"expected 86c4e6aa.*removed"):
        list(get("tinyshakespeare", tmp_path, url=shakespeare))
    left = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert left == []


def _as_gutenberg(text: str) -> bytes:
    """A mirror's text dressed as its home would serve it."""
    head = "The Project Gutenberg eBook\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
    tail = "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nSection 1. Terms of Use\n"
    return b"\xef\xbb\xbf" + (head + text + tail).replace("\n", "\r\n").encode("utf-8")


def test_a_letter_book_from_home_is_cleaned_and_compared(
    data: Path, server: Server, tmp_path: Path
) -> None:
    name = "wollstonecraft-imlay"
    text = read_text(data / find_collection(name).files[0].path)
    server.files["/pg.txt"] = _as_gutenberg(text)
    _, last = finish(get(name, tmp_path / "same", url=server.url("/pg.txt")))
    assert last.notes == ()
    assert next(catalog.documents(name, tmp_path / "same")).text == text

    server.files["/pg.txt"] = _as_gutenberg(text.replace("Gothenburg", "Gothenborg"))
    _, last = finish(get(name, tmp_path / "other", url=server.url("/pg.txt")))
    assert "another edition" in last.notes[0]
    raw_sum = hashlib.sha256(server.files["/pg.txt"]).hexdigest()
    assert raw_sum in (last.folder / catalog.RECORD).read_text("utf-8")


def test_a_page_instead_of_the_text_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/pg.txt"] = b"\n<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(DownloadError, match="web page"):
        list(get("austen-letters", tmp_path, url=server.url("/pg.txt")))


def test_a_missing_file_and_no_network_are_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="answered 404"):
        list(get("austen-letters", tmp_path, url=server.url("/nothing")))
    with pytest.raises(DownloadError, match=r"cannot be reached.*LETTERPRESS_DATA"):
        list(get("austen-letters", tmp_path, url="http://192.0.2.1/pg.txt"))


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        list(get("austen-letters", tmp_path / "file", url="http://127.0.0.1:9/x"))


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http"):
        list(download("file:///etc/hostname", tmp_path / "x"))
