"""What stands behind the people and the bundled letters, as one page: `corpora/letters/SOURCES.md`.

    python -m corpora.sources > corpora/letters/SOURCES.md

The page is made from the person files, so that it cannot say something else than the margin does.
"""

from __future__ import annotations

from corpora.people import load_people

_HEAD = """\
# Sources

The letters in this folder, and the replies to them, are letterpress's own writing, under its
licence (Apache-2.0). The correspondents are invented. No sentence is taken from an edition, a
translation or a biography.

A reply holds facts only in the passages that are set into it, and each passage is our paraphrase of
what the person is documented to have held or done. Here is each one with its source. *Opened* means
that the writer of the passage read the source while writing, *recalled* that they wrote from memory
of it. `docs/results.md` tells how many were found wrong when others checked them.

This page is made by `python -m corpora.sources` from `corpora/people/*.toml`.
"""


def as_markdown() -> str:
    """The page."""
    parts = [_HEAD]
    for person in load_people().values():
        opened = sum(p.checked == "opened" for p in person.passages)
        parts.append(
            f"\n## {person.name} ({person.lifespan})\n\n"
            f"{len(person.passages)} passages, {opened} with the source open.\n\n"
        )
        parts += [
            f"- `{p.id}` ({p.date}): {p.source}. *{p.checked.capitalize()}.*\n"
            for p in person.passages
        ]
    return "".join(parts)


if __name__ == "__main__":
    print(as_markdown(), end="")
