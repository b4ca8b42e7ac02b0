"""A letter to somebody whose book was fetched: quoted where and when it may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import actions
from app.cli import app
from app.home import folder
from corpora.catalog import get
from corpora.quoting import quotable
from lm.proof import Mark

ASKED = (
    "Dear Madam,\n\nPray, did the sailors point out the lighthouse, and with what anxiety did you "
    "watch two long hours for a boat to emancipate you?"
)


@pytest.fixture
def fetched(data: Path) -> None:
    list(get("wollstonecraft-sweden", folder("corpora")))


@pytest.mark.usefixtures("fetched")
def test_a_fetched_book_is_quoted_word_for_word(model: str) -> None:
    writing = actions.reply(ASKED, "wollstonecraft", model=model, seed=0, save=False, device="cpu")
    quoted = [s for s in writing if s.mark is Mark.QUOTED]
    (book,) = quotable("wollstonecraft", folder("corpora"))
    assert quoted
    flat = " ".join(book.text.split())
    for sentence in quoted:
        assert sentence.text.strip("“”") in flat
        assert sentence.source is not None
        assert sentence.source.title == book.title
        assert sentence.source.date == "1796"


@pytest.mark.usefixtures("fetched")
def test_before_it_was_written_it_is_not_quoted(model: str) -> None:
    writing = actions.reply(
        ASKED, "wollstonecraft", date="1795-03", model=model, seed=0, save=False, device="cpu"
    )
    assert not [s for s in writing if s.mark is Mark.QUOTED]


def test_without_the_book_nothing_is_quoted(model: str) -> None:
    writing = actions.reply(ASKED, "wollstonecraft", model=model, seed=0, save=False, device="cpu")
    assert writing.request.texts == ()
    assert not [s for s in writing if s.mark is Mark.QUOTED]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wollstonecraft-sweden", "replies of wollstonecraft dated 1796 or later"),
        ("darwin-autobiography", "Not quoted from"),
    ],
)
def test_show_tells_whether_it_is_quoted_from(name: str, says: str) -> None:
    done = CliRunner().invoke(app, ["corpora", "show", name])
    assert done.exit_code == 0
    assert says in " ".join(done.output.split())
