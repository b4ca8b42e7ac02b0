"""One file from the web: resumable, with progress, published by a rename when it is whole.

What arrives is kept in NAME.part until the last byte. A later call goes on from there, but only if
the server still has the same file (If-Range with its ETag or Last-Modified); else it begins again.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from corpora.errors import DownloadError, StorageError

CHUNK = 1 << 16  # bytes
_AGENT = "letterpress/0.1 (fetches one named public-domain file at a time)"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has come, in bytes; `total` is `None` where the server does not say."""

    file: str
    received: int
    total: int | None


def _validator(headers: http.client.HTTPMessage) -> str:
    """What If-Range may name: a strong ETag, else the date of change, else nothing."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _resume_from(part: Path, note: Path, url: str) -> tuple[int, str]:
    """The bytes already here and the validator they were served with."""
    try:
        kept = json.loads(note.read_text("utf-8"))
        if kept["url"] == url and kept["validator"]:
            return part.stat().st_size, str(kept["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing usable is here: begin at the first byte
    return 0, ""


def _open(url: str, offset: int, validator: str, timeout_s: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    host = urlsplit(url).netloc
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout_s
        )
    except urllib.error.HTTPError as problem:
        with problem:
            if problem.code == 416 and offset:
                return _open(url, 0, "", timeout_s)
        raise DownloadError(
            f"{host} answered {problem.code} ({problem.reason}) for {url}. The file may have moved "
            "or the server may be busy; try later, or set LETTERPRESS_DATA to a local mirror."
        ) from None
    except (OSError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", problem)
        raise DownloadError(
            f"{host} cannot be reached ({reason}). Connect this machine to the internet and try "
            "again, or set LETTERPRESS_DATA to a folder that holds a local mirror. "
            "The bundled letters and models need no network."
        ) from None
    return response


def _storage(problem: OSError, path: Path) -> StorageError:
    full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
    return StorageError(
        f"{path} cannot be written: {problem.strerror}. "
        + ("Free some space and run the same command again." if full else "Check the folder.")
    )


def download(url: str, target: Path, *, timeout_s: float = 30.0) -> Iterator[Progress]:
    """Fetch a file over HTTP or HTTPS.

    Parameters
    ----------
    url : str
        Where it is.
    target : Path
        Where it goes; its folder must exist. It appears there only when it is whole.
    timeout_s : float
        The longest silence of the server, in seconds.

    Yields
    ------
    Progress
        At the start, after each piece and at the end.

    Raises
    ------
    DownloadError
        If there is no network, the server refuses, or the connection is cut: what has arrived is
        kept, and the message says so.
    StorageError
        If the disk is full or the folder cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"url={url!r} must begin with http:// or https://")
    part = target.with_name(target.name + ".part")
    note = target.with_name(target.name + ".part.json")
    offset, validator = _resume_from(part, note, url)
    with _open(url, offset, validator, timeout_s) as response:
        if response.status != 206:
            offset = 0
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdigit() else None
        received = offset
        try:
            note.write_text(json.dumps({"url": url, "validator": _validator(response.headers)}))
            file = part.open("r+b" if offset else "wb")
        except OSError as problem:
            raise _storage(problem, part) from None
        with file:
            file.seek(offset)
            yield Progress(target.name, received, total)
            while True:
                try:
                    piece = response.read(CHUNK)
                except (OSError, http.client.HTTPException) as problem:
                    raise _cut(url, received, total, str(problem)) from None
                if not piece:
                    break
                try:
                    file.write(piece)
                except OSError as problem:
                    raise _storage(problem, part) from None
                received += len(piece)
                yield Progress(target.name, received, total)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    # http.client reports a connection that ends early as an ordinary end when it reads in pieces.
    if total is not None and received < total:
        raise _cut(url, received, total, "the connection was closed")
    part.replace(target)
    note.unlink(missing_ok=True)


def _cut(url: str, received: int, total: int | None, reason: str) -> DownloadError:
    of = f" of {total:,}" if total is not None else ""
    return DownloadError(
        f"The download of {url} was cut after {received:,}{of} bytes ({reason}). "
        "What has arrived is kept; run the same command again to go on from there."
    )
