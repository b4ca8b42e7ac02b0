"""The bundled letters and replies, read from `corpora/letters/*.toml`.

A reply is woven of the person's passages, word for word, and of joining prose of our own; the parts
are kept, so that training knows which words a model may write. docs/people-and-letters.md tells the
format; what good letters are is checked by tests/corpora/test_letters.py.
"""

from __future__ import annotations

import functools
import importlib.resources
import re

from corpora.document import Letter, Pair, ReplyPart
from corpora.errors import CorpusError, DateError
from corpora.people import Person, load_people
from corpora.tables import Table, read_table

_PASSAGE_LINE = re.compile(r"\[([a-z0-9-]+)\]\Z")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, each on one line."""
    return [" ".join(p.split()) for p in _BLANK_LINES.split(text) if p.strip()]


def parse_reply(reply: str, person: Person, where: str) -> tuple[ReplyPart, ...]:
    """Cut a reply at the lines that hold only `[passage-id]`.

    Parameters
    ----------
    reply : str
        As written in the file.
    person : Person
        Whose passages are set in.
    where : str
        File and pair, for messages.

    Returns
    -------
    tuple of ReplyPart
        In order; one part per paragraph or passage.

    Raises
    ------
    CorpusError
        If a passage does not exist, or a mark for one stands inside a line.
    """
    # A mark needs no blank lines around it in the file; it is a paragraph all the same.
    lines = [line.strip() for line in reply.splitlines()]
    spaced = "\n".join(f"\n{line}\n" if _PASSAGE_LINE.match(line) else line for line in lines)
    parts = []
    for paragraph in _paragraphs(spaced):
        match = _PASSAGE_LINE.match(paragraph)
        if match is None:
            if "[" in paragraph or "]" in paragraph:
                raise CorpusError(
                    f"{where}: a bracket inside the prose of 'reply': {paragraph[:60]!r}. "
                    "Set [passage-id] alone on its line."
                )
            parts.append(ReplyPart(paragraph))
            continue
        try:
            passage = person.passage(match[1])
        except KeyError:
            raise CorpusError(
                f"{where}: 'reply' names the passage [{match[1]}], which people/{person.slug}.toml "
                "does not have. Use an id of that file."
            ) from None
        parts.append(ReplyPart(passage.text, passage.id))
    return tuple(parts)


def _read_pair(table: Table, person: Person) -> Pair:
    pair_id = table.text("id")
    table.where = f"{table.where} ({pair_id})"
    date, reply_date = table.date("date"), table.date("reply_date")
    if reply_date.last_day < date.first_day:
        raise table.fail("date", f"is {date}, after 'reply_date', {reply_date}.")
    parts = parse_reply(table.text("reply"), person, table.where)
    author = table.text("author")
    pair = Pair(
        id=pair_id,
        person=person.slug,
        letter=Letter(
            text="\n\n".join(_lines_kept(table.text("letter"))),
            author=author,
            recipient=person.name,
            date=date,
            place=table.text("place"),
            source="letterpress",
        ),
        reply=Letter(
            text="\n\n".join(part.text for part in parts),
            author=person.name,
            recipient=author,
            date=reply_date,
            place=table.text("reply_place"),
            source="letterpress",
        ),
        parts=parts,
        after=table.text("after", ""),
    )
    try:
        person.check_date(reply_date)
    except DateError as problem:
        raise table.fail("reply_date", f"is wrong: {problem}") from None
    for part in parts:
        if part.passage and not person.passage(part.passage).date.not_after(reply_date):
            raise table.fail(
                "reply", f"of {reply_date} sets in [{part.passage}], which they knew only later."
            )
    table.done()
    return pair


def _lines_kept(letter: str) -> list[str]:
    """The paragraphs of a letter; the short lines of a closing stay on lines of their own."""
    kept = []
    for paragraph in _BLANK_LINES.split(letter):
        lines = [" ".join(line.split()) for line in paragraph.splitlines() if line.strip()]
        if lines:
            short = all(len(line) < 45 for line in lines)
            kept.append(("\n" if short else " ").join(lines))
    return kept


def parse_pairs(text: str, person: Person, where: str) -> tuple[Pair, ...]:
    """Read and check the pairs of one person from the text of their file.

    Raises
    ------
    CorpusError
        Naming the file, the pair and the field that is wrong.
    """
    root = read_table(text, where, CorpusError)
    tables = root.tables("pair")
    root.done()
    pairs = []
    seen: set[str] = set()
    for table in tables:
        pair = _read_pair(table, person)
        if pair.id in seen:
            raise table.fail("id", f"is {pair.id!r}, used above; give each pair its own.")
        if pair.after and pair.after not in seen:
            raise table.fail(
                "after", f"is {pair.after!r}; expected the id of a pair above this one."
            )
        seen.add(pair.id)
        pairs.append(pair)
    return tuple(pairs)


@functools.cache
def load_pairs(slug: str | None = None) -> tuple[Pair, ...]:
    """The bundled pairs of one person, or of all in the order of their slugs.

    Parameters
    ----------
    slug : str, optional
        A person's slug; `find_person` turns other names into one.

    Raises
    ------
    CorpusError
        Naming the file, the pair and the field that is wrong.
    """
    people = load_people()
    if slug is None:
        return tuple(pair for each in people for pair in load_pairs(each))
    if slug not in people:
        raise ValueError(f"slug={slug!r} is nobody; use find_person(name).slug")
    file = importlib.resources.files("corpora") / "letters" / f"{slug}.toml"
    if not file.is_file():
        return ()
    return parse_pairs(file.read_text("utf-8"), people[slug], f"letters/{file.name}")
