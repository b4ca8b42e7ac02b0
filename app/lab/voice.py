"""The voice meter as bars: which of the authors a letter sounds like."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from pathlib import Path

from app.console import visible
from app.store import SavedLetter, Thread
from corpora.errors import LetterError

SHOWN = 6


def meter_folder(run: Path | None = None) -> Path | None:
    """Where a classifier lies: in a run's folder, else the one that comes with letterpress."""
    from recurrent.lab.authors.meter import ABOUT, STARTER

    for folder in (run, STARTER):
        if folder is not None and (folder / ABOUT).is_file():
            return folder
    return None


def can_be_told(thread: Thread) -> bool:
    """Whether there is a reply, and a classifier that comes with letterpress; quick to say."""
    found = find_spec("recurrent")  # looked for without being imported
    starter = (
        Path(found.origin or "").parent / "lab/authors/starter/authors.json" if found else None
    )
    return starter is not None and starter.is_file() and _last_reply(thread) is not None


def reply_voice_html(thread: Thread, person: str) -> str:
    """Whose voice the last reply of a correspondence has.

    Raises
    ------
    LetterpressError
        If there is no reply, or no classifier.
    """
    reply = _last_reply(thread)
    if reply is None:
        raise LetterError("There is no reply yet. Send the letter first.")
    return voices_html(reply.text, None, person)


def _last_reply(thread: Thread) -> SavedLetter | None:
    return next((one for one in reversed(thread.letters) if one.direction == "received"), None)


def voices_html(letter: str, folder: Path | None, person: str | None = None) -> str:
    """The likeliest authors as bars, under a sentence about them; `person` is named if known.

    Raises
    ------
    LetterpressError
        If the letter holds no words, or there is no classifier.
    """
    from recurrent.lab.authors import verdict

    found = verdict(letter, person, folder)
    shown = list(found.voices[:SHOWN])
    if found.rank > SHOWN:
        shown.append(found.voices[found.rank - 1])
    rows = "".join(
        f'<div class="lp-voice-row{" lp-voice-asked" if name == found.person else ""}"><dt>'
        f"{escape(visible(name))}</dt><dd>"
        f'<span class="lp-voice-bar" style="width:{share:.1%}"></span><span>{share:.0%}</span>'
        "</dd></div>"
        for name, share in shown
    )
    return (
        f'<div class="lp-voice"><p>{escape(visible(found.words))}</p><dl>{rows}</dl>'
        f'<p class="lp-lab-note">From the style alone; a guess among {len(found.voices)} '
        "letter writers.</p></div>"
    )
