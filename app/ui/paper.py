"""Letters as HTML: your letters and the replies on paper, with the marks in the margin.

Everything a person or a model wrote goes through `html.escape` here, and the page shows what is
made here by the constant template `${value}`. Gradio's other way, `{{value.x}}`, would not do: it
evaluates what Handlebars gives as a JavaScript template, so a letter holding `${...}` would be run.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from app.saved import saved_sentences
from app.store import SavedLetter, Thread
from corpora.dates import LetterDate
from corpora.people import Person
from lm.proof import EXPLAINED, LABEL, Mark, Sentence, Source

GLYPHS = {
    Mark.FORM: "·",
    Mark.SOURCED: "†",
    Mark.QUOTED: "“",
    Mark.REMEMBERED: "§",
    Mark.REFUSAL: "×",
    Mark.OWN: "~",
}
NAMED = {
    Mark.FORM: "Form",
    Mark.SOURCED: "Sourced",
    Mark.QUOTED: "Quoted",
    Mark.REMEMBERED: "Remembered",
    Mark.REFUSAL: "Declined",
    Mark.OWN: "Own words",
}
_CHECKED = {
    "opened": "The source was opened and read for this.",
    "recalled": "Recalled from memory of the source, which was not opened.",
}


def thread_html(
    thread: Thread, person: Person | None, writing: Sequence[Sentence] | None = None
) -> str:
    """A correspondence, each letter beside its reply.

    Parameters
    ----------
    thread : Thread
        With its letters, oldest first.
    person : Person or None
        The one it is with, None where their file is gone.
    writing : sequence of Sentence, optional
        The reply to the last letter as far as it is written; None where none is being written.
    """
    name = person.name if person is not None else thread.person
    rows, number = [], 0
    letters = list(thread.letters)
    for letter, following in pairwise([*letters, None]):
        assert letter is not None
        if letter.direction == "received":
            continue
        number += 1
        sent = _sent_html(letter, number)
        if following is not None and following.direction == "received":
            received = _received_html(following, number, name)
        elif following is None and writing is not None:
            received = _paper(name, number, _body(writing, number), "", busy=True)
        else:
            received = (
                '<section class="lp-paper lp-blank"><p>Not answered yet. '
                "Send it again below for a reply.</p></section>"
            )
        rows.append(f'<div class="lp-exchange">{sent}{received}</div>')
    return (
        f'<div class="lp-thread"><h2>Your correspondence with {escape(name)}</h2>'
        f"{''.join(rows)}</div>"
    )


def legend_html() -> str:
    """What the marks mean, in words."""
    items = "".join(
        f'<li><span class="lp-key" aria-hidden="true">{GLYPHS[mark]}</span>'
        f'<span class="lp-s lp-{mark}"><span class="lp-t">{NAMED[mark]}</span></span> '
        f"{escape(EXPLAINED[mark])}</li>"
        for mark in Mark
    )
    return (
        '<aside class="lp-legend" aria-label="What the marks mean"><h3>In the margin</h3>'
        f"<ul>{items}</ul></aside>"
    )


def card_html(person: Person) -> str:
    """Who a person is, and from where and when they write."""
    home = person.writes_from
    return (
        f'<div class="lp-card"><h2>{escape(person.name)} '
        f"<span>{escape(person.lifespan)}</span></h2>"
        f"<p>{escape(person.line)}</p>"
        f"<p>Undated letters reach them at {escape(home.place)}, {escape(home.date.long)}. "
        f"You may date yours from {escape(person.born.long)} to {escape(person.died.long)}; they "
        "know nothing of what came later.</p></div>"
    )


def notice_html(message: str) -> str:
    """A message at a field; an empty one for none."""
    return f'<p class="lp-notice" role="alert">{escape(message)}</p>' if message else ""


def status_html(message: str) -> str:
    """The line that screen readers hear when it changes."""
    return f'<p class="lp-status" role="status" aria-live="polite">{escape(message)}</p>'


def _sent_html(letter: SavedLetter, number: int) -> str:
    head = ", ".join(part for part in (letter.place, _long(letter.date)) if part)
    return (
        f'<section class="lp-paper lp-sent"><h3 class="lp-hidden">Your letter {number}</h3>'
        f'<p class="lp-date">{escape(head)}</p>'
        f'<div class="lp-words" lang="en">{escape(letter.text.strip())}</div></section>'
    )


def _received_html(letter: SavedLetter, number: int, name: str) -> str:
    assert letter.reply is not None
    sentences = saved_sentences(letter.reply)
    words = [(len(s.text.split()), s.mark is Mark.OWN) for s in sentences]
    share = sum(n for n, own in words if own) / max(1, sum(n for n, _ in words))
    foot = f"Model {letter.reply['model']}, seed {letter.reply['seed']}. "
    foot += f"{share:.0%} of the words are the model’s own."
    if not letter.complete:
        foot = "Stopped before its end. " + foot
    return _paper(name, number, _body(sentences, number), foot, busy=False)


def _paper(name: str, number: int, body: str, foot: str, busy: bool) -> str:
    pen = '<p class="lp-pen" aria-hidden="true"><span>✒</span></p>' if busy else ""
    foot = f'<p class="lp-foot">{escape(foot)}</p>' if foot else ""
    return (
        f'<section class="lp-paper lp-received" aria-busy="{str(busy).lower()}">'
        f'<h3 class="lp-hidden">Reply {number} from {escape(name)}</h3>'
        f'<p class="lp-label">{escape(LABEL.format(name=name))}</p>'
        f'<div class="lp-body" lang="en">{body}</div>{pen}{foot}</section>'
    )


def _body(sentences: Sequence[Sentence], number: int) -> str:
    """The sentences in paragraphs: date line to the right, close set in, the rest as prose."""
    paragraphs: list[list[Sentence]] = []
    for sentence in sentences:
        if not paragraphs or "\n\n" in sentence.lead:
            paragraphs.append([])
        paragraphs[-1].append(sentence)
    parts, count, begun = [], 0, False
    for position, paragraph in enumerate(paragraphs):
        spans = []
        for i, sentence in enumerate(paragraph):
            count += 1
            between = "<br>" if "\n" in sentence.lead else " "
            spans.append((between if i else "") + _sentence(sentence, f"{number}-{count}"))
        form = all(s.mark is Mark.FORM for s in paragraph)
        kind = "lp-close" if form and begun else "lp-date" if form and position == 0 else ""
        begun = begun or not form
        parts.append(f'<p class="{kind}">{"".join(spans)}</p>')
    return "".join(parts)


def _sentence(sentence: Sentence, key: str) -> str:
    mark, glyph = sentence.mark, GLYPHS[sentence.mark]
    text = f'<span class="lp-t">{escape(sentence.text)}</span>'
    if sentence.source is None:
        said = escape(f"{NAMED[mark]}. {EXPLAINED[mark]}", quote=True)
        hidden = f'<span class="lp-hidden">{NAMED[mark]}: </span>' if mark is not Mark.FORM else ""
        return (
            f'<span class="lp-s lp-{mark}" title="{said}">'
            f'<span class="lp-glyph" aria-hidden="true">{glyph}</span>{hidden}{text}</span>'
        )
    note = f"lp-note-{key}"
    return (
        f'<span class="lp-s lp-{mark} lp-has-note">'
        f'<button type="button" class="lp-glyph" aria-label="{NAMED[mark]}: show the source" '
        f'aria-describedby="{note}">{glyph}</button>{text}'
        f'<span class="lp-note" role="note" id="{note}">{_note(sentence.source, mark)}</span>'
        "</span>"
    )


def _note(source: Source, mark: Mark) -> str:
    lines = [
        f"<b>{escape(source.title)}</b>",
        f"Held or written by {escape(_long(source.date))}." if source.date else "",
        escape(EXPLAINED[mark]),
        _CHECKED.get(source.checked, ""),
    ]
    return " ".join(f"<span>{line}</span>" for line in lines if line)


def _long(date: str) -> str:
    return LetterDate.parse(date).long if date else ""
