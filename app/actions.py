"""What a person can do: write a letter and get a reply, keep correspondences, export them.

The command line and the page both call these and add only their own way of showing. Each action
says whose letters it is about by `owner`; on a machine of one's own that is "local". What needs a
model is imported by the action that needs it, so that the others answer at once.
"""

from __future__ import annotations

import atexit
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.home import folder, home, store_path
from app.library import Library, ModelInfo
from app.store import Sent, Store, Thread, ThreadRow
from corpora.dates import LetterDate
from corpora.errors import InputError, PersonError
from corpora.people import Person, find_person, load_people
from corpora.quoting import quotable

if TYPE_CHECKING:
    from app.export import Format
    from app.writing import Writing
    from lm.request import LetterRequest

LOCAL = "local"
MAX_SEED = 2**31 - 1
_stores: dict[Path, Store] = {}
_library = Library()


def store() -> Store:
    """The store of this home, opened once per process."""
    path = store_path()
    if path not in _stores:
        _stores[path] = Store(path)
    return _stores[path]


@atexit.register
def close_stores() -> None:
    """Close the stores this process has open."""
    while _stores:
        _stores.popitem()[1].close()


def people() -> Mapping[str, Person]:
    """Everybody one can write to, by short name."""
    return load_people()


def library() -> Library:
    """The models of this process, the ones used last kept in memory."""
    return _library


def models() -> list[ModelInfo]:
    """The models that are on this machine."""
    return _library.models()


def reply(
    text: str,
    to: str = "",
    writer: str = "",
    date: LetterDate | str | None = None,
    place: str = "",
    model: str = "starter",
    seed: int | None = None,
    temperature: float | None = None,
    device: str = "auto",
    thread: str | None = None,
    owner: str = LOCAL,
    save: bool = True,
) -> Writing:
    """Check a letter, save it, and begin the reply.

    Parameters
    ----------
    text : str
        The letter.
    to : str
        The person's short name, name or alias; with a `thread`, may be left empty.
    writer : str
        Who writes; empty for the signature of the letter, or the thread's writer.
    date : LetterDate, str or None
        The date of the letter; None for the date of the thread's last letter, else the one from the
        person's file.
    place : str
        The place of the letter.
    model, device : str
        A name that `Library.find` knows; "auto", "cpu", "cuda" or "mps".
    seed : int, optional
        0 to 2**31 - 1; the same seed and letter give the same reply. Drawn by chance where missing.
    temperature : float, optional
        How boldly the model chooses its words, 0 to 2.
    thread : str, optional
        The id of a correspondence to go on with.
    owner : str
        Whose correspondence it is.
    save : bool
        Whether letter and reply are kept.

    Returns
    -------
    Writing
        An iterator of sentences. The letter is saved when this function returns; the reply when the
        iterator ends, however it ends.

    Raises
    ------
    LetterpressError
        If anything given cannot be used; nothing has been saved then.
    """
    from app.writing import Writing, exchanges_of, settings_of
    from lm.request import LetterRequest

    seed = _checked_seed(seed)
    settings = settings_of(temperature)
    before = store().thread(_full_id(thread, owner), owner) if thread else None
    person = _addressee(to, before)
    if isinstance(date, str):
        date = LetterDate.parse(date) if date.strip() else None
    if date is None and before is not None and before.letters:
        date = LetterDate.parse(before.letters[-1].date)
    request = LetterRequest(
        text=text,
        person=person,
        writer=writer.strip() or (before.writer if before else ""),
        date=date,
        place=place.strip(),
        thread=exchanges_of(before) if before else (),
        texts=quotable(person.slug, home() / "corpora"),
    )
    _library.find(model)
    saving = (store(), _save_letter(request, before, owner), owner) if save else None
    return Writing(request, settings, seed, _library, model, device, saving)


def threads(owner: str = LOCAL) -> list[ThreadRow]:
    """An owner's correspondences, the latest first."""
    return store().threads(owner)


def thread(thread_id: str, owner: str = LOCAL) -> Thread:
    """One correspondence with its letters.

    `thread_id` may be the beginning of an id, at least four digits, where only one begins so.

    Raises
    ------
    InputError
        If there is none, or several begin so.
    """
    return store().thread(_full_id(thread_id, owner), owner)


def export_thread(
    thread_id: str,
    format: Format = "md",
    owner: str = LOCAL,
    to: Path | None = None,
) -> Path:
    """Write a correspondence as Markdown, plain text or PDF.

    Parameters
    ----------
    thread_id : str
        As for `thread`.
    format : "md", "txt" or "pdf"
        The kind of file.
    owner : str
        Whose correspondence it is.
    to : Path, optional
        The file; by default one in the home's `exports`, which goes when the thread is deleted.

    Returns
    -------
    Path
        The file that was written.
    """
    from app.export import write_export

    kept = thread(thread_id, owner)
    path = to or folder("exports") / f"{kept.person}-{kept.id}.{format}"
    write_export(kept, people().get(kept.person), format, path)
    return path


def delete_thread(thread_id: str, owner: str = LOCAL) -> ThreadRow:
    """Delete a correspondence and its exports; returns what was deleted."""
    kept = thread(thread_id, owner)
    store().delete_thread(kept.id, owner)
    for path in folder("exports").glob(f"*-{kept.id}.*"):
        path.unlink(missing_ok=True)
    return kept


def delete_everything(owner: str = LOCAL) -> int:
    """Delete all correspondences of an owner and their exports; returns how many there were."""
    ids = [row.id for row in threads(owner)]
    deleted = store().delete_everything(owner)
    for path in folder("exports").iterdir():
        if any(thread_id in path.name for thread_id in ids):
            path.unlink(missing_ok=True)
    return deleted


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(MAX_SEED + 1)
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"The seed is {seed}; expected a whole number from 0 to {MAX_SEED}.")
    return seed


def _addressee(to: str, before: Thread | None) -> Person:
    if not to.strip():
        if before is None:
            listed = ", ".join(people())
            raise PersonError(f"To whom is the letter? Name one of: {listed}.")
        return find_person(before.person)
    person = find_person(to)
    if before is not None and person.slug != before.person:
        raise PersonError(
            f"This correspondence is with {before.person}, not {person.slug}. "
            "Leave the name out, or begin a new one."
        )
    return person


def _save_letter(request: LetterRequest, before: Thread | None, owner: str) -> str:
    letter = Sent(request.text, str(request.resolved_date), request.place)
    if before is not None:
        store().add_letter(before.id, owner, letter)
        return before.id
    who, title = request.writer_name, _title(request.text)
    return store().new_thread(owner, request.person.slug, who, title, letter)


def _title(text: str) -> str:
    """The first words of a letter, after a salutation that stands on a line of its own."""
    first, _, rest = text.strip().partition("\n")
    words = rest.split() if rest.strip() and first.rstrip().endswith((",", ":")) else text.split()
    title = " ".join(words)
    return title if len(title) <= 80 else title[:79].rstrip() + "…"


def _full_id(thread_id: str, owner: str) -> str:
    begun = thread_id.strip().lower()
    if 4 <= len(begun) < 32:
        ids = [row.id for row in threads(owner) if row.id.startswith(begun)]
        if len(ids) > 1:
            raise InputError(f"{len(ids)} correspondences begin with {begun}; give more of the id.")
        return ids[0] if ids else begun
    return begun
