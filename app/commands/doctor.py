"""`letterpress doctor`: whether everything that letters need is here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from app.checkup import check_up
from app.console import out, print_json, say, visible


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check this installation. Ends with 3 if something essential is missing."""
    console, findings = out(), []
    for finding in check_up():
        findings.append(finding)
        if not json:
            sign, style = ("ok ", "green") if finding.ok else ("-- ", "dim")
            if finding.essential and not finding.ok:
                sign, style = ("NO ", "bold red")
            line = Text(sign, style=style).append(f"{finding.name}: {visible(finding.found)}", "")
            console.print(line, soft_wrap=True)
    missing = [finding.name for finding in findings if finding.essential and not finding.ok]
    if json:
        print_json({"ok": not missing, "findings": [asdict(finding) for finding in findings]})
    if missing:
        say(f"Letters cannot be written until this is put right: {', '.join(missing)}.")
        raise typer.Exit(3)
