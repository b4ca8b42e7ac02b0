"""One run of an experiment, in a folder of its own; also `python -m app.lab.run DIR` for the page.

The command line runs `perform` in its own process and shows its events; the page begins a process
and reads the folder.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import running
from app.console import say, set_up_streams
from app.lab.folder import SETTINGS, RunFolder
from app.lab.names import experiment
from app.lab.settings import make, plain
from corpora.errors import InputError, LetterpressError

if TYPE_CHECKING:
    from recurrent.lab.report import Event

BUG = "Something went wrong inside the program; output.log in the run's folder has what."


def perform(
    name: str, settings: Any, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Run an experiment, yielding its events and keeping them in its folder.

    Parameters
    ----------
    name : str
        One of `app.lab.names.experiments`.
    settings
        The experiment's `Settings`.
    out : Path
        A folder that holds no run yet, or one where `app.lab.jobs.begin` has written the settings.
    stopped : callable
        Asked often; True ends the run with what there is, as does a file `stop` in the folder.

    Raises
    ------
    LetterpressError
        If the data cannot be used; the run is then marked as failed, with the reason.
    """
    folder = RunFolder(out)
    if not (out / SETTINGS).exists():
        folder.begin(name, plain(settings))
    folder.tell("running")
    with running.Heartbeat(folder):
        try:
            yield from _kept(
                experiment(name).run(
                    settings, out, stopped=lambda: stopped() or running.asked_to_stop(out)
                ),
                folder,
            )
        except LetterpressError as problem:
            folder.tell("failed", str(problem))
            raise
        except Exception:
            folder.tell("failed", BUG)
            raise


def _kept(events: Iterator[Event], folder: RunFolder) -> Iterator[Event]:
    """Pass events on, and write them down."""
    from recurrent.lab.report import REPORT, Done, Point, Progress

    stage = ""
    for event in events:
        match event:
            case Progress():
                running.tell_progress(folder.path, event.stage, event.share, event.seconds_left)
                if event.stage != stage:
                    stage = event.stage
                    folder.event(stage=stage, share=event.share)
            case Point() if math.isfinite(event.x) and math.isfinite(event.y):
                folder.event(curve=event.curve, x=event.x, y=event.y)
            case Done():
                if not (folder.path / REPORT).is_file():
                    event.report.save(folder.path)
                folder.tell("stopped" if event.report.stopped else "finished")
        yield event


def main(arguments: list[str]) -> int:
    """Run what `app.lab.jobs.begin` wrote down in a folder; the exit code."""
    set_up_streams()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    out = Path(arguments[0])
    try:
        facts = json.loads((out / SETTINGS).read_text("utf-8"))
        settings = make(experiment(facts["experiment"]).Settings, facts["settings"])
        for _ in perform(facts["experiment"], settings, out):
            pass
    except LetterpressError as problem:
        RunFolder(out).tell("failed", str(problem))
        say(str(problem))
        return problem.exit_code
    except (OSError, KeyError, IndexError) as problem:
        raise InputError(f"{out} holds no settings that can be read: {problem}.") from problem
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
