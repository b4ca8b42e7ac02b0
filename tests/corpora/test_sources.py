from __future__ import annotations

from pathlib import Path

from corpora.sources import as_markdown


def test_the_page_of_sources_is_that_of_the_person_files() -> None:
    page = Path(__file__).parents[2] / "corpora" / "letters" / "SOURCES.md"
    assert page.read_text("utf-8") == as_markdown(), "run python -m corpora.sources > " + str(page)
