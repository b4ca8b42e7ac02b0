"""The command `letterpress`: its groups of commands, and how each way of ending is told.

The commands are in `app.commands`, each a few lines around an action. Nothing heavy is imported
until a command needs it, so help and errors come at once.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.commands import (
    cells,
    compare,
    corpora,
    doctor,
    lab,
    models,
    people,
    race,
    sample,
    serve,
    threads,
    train,
    votes,
    write,
)
from app.console import say, set_up_streams, silence_stdout
from corpora.errors import LetterpressError

INTERRUPTED = 130  # as shells count a program ended by Ctrl-C


class Letterpress(TyperGroup):
    """The top command, which tells a person's errors in one message and never as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except LetterpressError as problem:
            say(str(problem))
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt:
            say("\nStopped. Nothing that was saved is lost.")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as problem:
            if problem.errno != errno.EPIPE:
                raise
            silence_stdout()
            raise typer.Exit(0) from None


app = typer.Typer(
    cls=Letterpress,
    name="letterpress",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it would print letters into tracebacks
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"letterpress {version('letterpress')}")
        raise typer.Exit


@app.callback()
def letterpress(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Write a letter to a historical figure and get one back, offline.

    Replies are written by a model, not by the person; each sentence says where it comes from.
    """


app.command("write")(write.write)
app.add_typer(people.app, name="people")
app.add_typer(threads.app, name="threads")
app.add_typer(corpora.app, name="corpora")
app.command("cells")(cells.cells)
app.command("models")(models.models)
app.command("compare")(compare.compare)
app.command("sample")(sample.sample)
app.command("train")(train.train)
app.command("race")(race.race)
app.add_typer(lab.app, name="lab")
app.command("votes")(votes.votes)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for bad input, 3 for the environment, 130 on Ctrl-C."""
    set_up_streams()
    app(args=arguments, prog_name="letterpress")


if __name__ == "__main__":
    main(sys.argv[1:])
