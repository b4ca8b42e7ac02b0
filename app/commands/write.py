"""`letterpress write`: a letter in, a reply out, sentence by sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from app.console import Paper, err, out, print_json, say, visible
from app.incoming import read_letter
from corpora.errors import PersonError
from corpora.people import Person, find_person, load_people

if TYPE_CHECKING:
    from app.writing import Writing
    from lm.proof import Sentence


def write(
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE|-]",
            help="The file that holds your letter; - or nothing reads standard input.",
            show_default=False,
        ),
    ] = "",
    to: Annotated[
        str, typer.Option(help="To whom: newton, or a name. `letterpress people` lists them.")
    ] = "",
    writer: Annotated[
        str, typer.Option("--from", help="Your name; else the signature of the letter is taken.")
    ] = "",
    date: Annotated[
        str, typer.Option(help="The date of the letter, 1689 or 1689-06-10, within their life.")
    ] = "",
    place: Annotated[str, typer.Option(help="The place of the letter.")] = "",
    thread: Annotated[
        str, typer.Option(help="Go on with a correspondence: its id, or how that begins.")
    ] = "",
    model: Annotated[
        str, typer.Option(help="A name of `letterpress models`, a model folder or a hub id.")
    ] = "starter",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed and letter give the same reply; else drawn by chance."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="How boldly the model chooses its words, 0 to 2.", show_default="0.5"),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the reply as JSON, with each sentence's source.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep letter and reply in `threads`.")
    ] = True,
) -> None:
    """Write a letter and get a reply.

    Each sentence carries its mark: a number leads to a source, [own] are the model's own words.
    """
    reader = _reader(to, thread)
    text = read_letter(file, reader.name if reader else "them")
    with _waiting("Opening the letter..."):
        from app import actions  # brings the model in: seconds

        writing = actions.reply(
            text,
            to=to,
            writer=writer,
            date=date,
            place=place,
            model=model,
            seed=seed,
            temperature=temperature,
            device=device,
            thread=thread or None,
            save=save,
        )
    try:
        with writing:
            if json:
                for _ in _sentences(writing):
                    pass
                print_json(writing.reply.as_json())
            else:
                _print_letter(writing)
    except KeyboardInterrupt:
        say("\nStopped. " + _kept(writing))
        raise typer.Exit(130) from None
    say(_kept(writing), style="dim")


def _print_letter(writing: Writing) -> None:
    """The label, the letter as it comes, and below it what its marks mean."""
    from app.pages import note_of
    from lm.proof import EXPLAINED, LABEL, Mark

    styles = {Mark.SOURCED: "bold", Mark.QUOTED: "bold", Mark.OWN: "italic", Mark.FORM: ""}
    console, notes, seen = out(), list[str](), set[Mark]()
    # First, so that a letter cut short carries it too.
    console.print(Text(LABEL.format(name=writing.request.person.name), style="reverse"))
    console.print()
    paper = Paper(console)
    for sentence in _sentences(writing):
        paper.write(sentence.lead + sentence.text, styles.get(sentence.mark, ""))
        if sentence.source is not None:
            note = note_of(sentence.source, sentence.mark)
            if note not in notes:
                notes.append(note)
            paper.write(f" [{notes.index(note) + 1}]", "cyan")
        elif sentence.mark is not Mark.FORM:
            seen.add(sentence.mark)
            paper.write(f" [{sentence.mark}]", "cyan")
    console.print("\n")
    legend = [f"[{number}] {note}" for number, note in enumerate(notes, 1)]
    legend += [f"[{mark}] {EXPLAINED[mark]}" for mark in Mark if mark in seen]
    for line in legend:
        console.print(Text(visible(line), style="dim"), soft_wrap=not console.is_terminal)


def _sentences(writing: Writing) -> Iterator[Sentence]:
    """The sentences, with a sign of life until the first is there."""
    with _waiting("Waking the model..."):
        first = next(writing, None)
    if first is not None:
        yield first
        yield from writing


def _waiting(message: str) -> contextlib.AbstractContextManager[object]:
    console = err()
    if not console.is_terminal:
        return contextlib.nullcontext()
    return console.status(message, spinner="line")


def _kept(writing: Writing) -> str:
    said = f"Seed {writing.seed}."
    if writing.thread_id is None:
        return said + " Not saved, as you asked."
    short = writing.thread_id[:8]
    return f"{said} Saved; go on with `letterpress write --thread {short}`."


def _reader(to: str, thread: str) -> Person | None:
    if to.strip():
        return find_person(to)
    if thread:
        return None
    names = ", ".join(f"{p.slug} ({p.name})" for p in load_people().values())
    raise PersonError(f"Say to whom you write, for example --to newton. There are: {names}.")
