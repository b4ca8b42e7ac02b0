"""`letterpress sample`: plain text from any model, streamed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.console import Paper, out, print_json, say, visible

if TYPE_CHECKING:
    from app.generating import Generation


def sample(
    model: Annotated[
        str, typer.Argument(help="A name of `letterpress models`, a model folder or a hub id.")
    ] = "starter",
    prompt: Annotated[str, typer.Option(help="What the text goes on from.")] = "",
    chars: Annotated[int, typer.Option(help="Length of a text in characters.")] = 400,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Give it several times for several texts; else drawn by chance."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Divides the logits; 0 always takes the likeliest token.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Keep the k likeliest tokens; 0 keeps all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Keep the likeliest tokens that reach this probability.")
    ] = 0.95,
    min_p: Annotated[
        float, typer.Option(help="Keep tokens with this share of the likeliest one's probability.")
    ] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1, tokens already used become less likely.")
    ] = 1.0,
    guard: Annotated[
        bool, typer.Option("--guard", help="Let no copy of the training text get long.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the spans that are copied.")
    ] = False,
) -> None:
    """Have a model write on from a prompt, with every sampling setting.

    Lines are broken on a terminal only. Ctrl-C keeps what there is.
    """
    if json:
        say("Starting...")
    from app.actions import library  # brings the model in: seconds
    from app.generating import Generation
    from app.sampling import sampling_settings, seeds_from

    settings = sampling_settings(temperature, top_k, top_p, min_p, repetition_penalty)
    seeds = [s for given in seed for s in seeds_from(str(given), 1)] if seed else seeds_from("", 1)
    texts = [
        Generation(library(), model, prompt, settings, each, chars, guard, device) for each in seeds
    ]
    done: list[Generation] = []
    try:
        for number, text in enumerate(texts):
            done.append(text)
            if json:
                for _ in text:
                    pass
            else:
                _print(text, first=number == 0)
    except KeyboardInterrupt:
        if json:
            print_json([_as_json(text) for text in done])
        say("\nStopped; what there is is kept.")
        raise typer.Exit(130) from None
    if json:
        print_json([_as_json(text) for text in done])


def _print(text: Generation, *, first: bool) -> None:
    """One text as it comes, its prompt first; what is said about it goes to stderr."""
    console = out()
    paper = Paper(console)
    if not first:
        console.print()
    if console.is_terminal:
        paper.write(text.prompt, "dim")
        for piece in text:
            paper.write(piece)
    else:  # blanks at a line's end too
        sys.stdout.write(visible(text.prompt))
        for piece in text:
            sys.stdout.write(visible(piece))
            sys.stdout.flush()
    console.print()
    rate = f", {len(text.text) / text.seconds:.0f} characters/s" if text.seconds else ""
    say(f"Seed {text.seed}{rate}.", style="dim")


def _as_json(text: Generation) -> dict[str, Any]:
    from app.compare.measuring import copied
    from app.training_text import described

    spans = copied(text.library, text.model, text.text)
    return {
        "model": text.model,
        "prompt": text.prompt,
        "seed": text.seed,
        "settings": asdict(text.settings),
        "guard": text.guard,
        "text": text.text,
        "tokens": text.n_tokens,
        "seconds": round(text.seconds, 4),
        "copied_in": described(text.library.find(text.model)),
        "copied": [
            {"start": span.start, "stop": span.stop, "text": text.text[span.start : span.stop]}
            for span in spans
        ],
    }
