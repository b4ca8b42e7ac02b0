"""Sixty letters, five to each of twelve people: is the form right, how are sentences marked?

    python benchmarks/sixty_letters.py [--model NAME] --out FILE

Prints a line of counts and writes every reply with its marks, to be read: nothing here judges
prose.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tomllib
from collections import Counter
from pathlib import Path

from app.library import Library
from corpora.people import load_people
from lm import write_letter
from lm.proof import Mark, Reply
from lm.reading import form_of_name, signature
from lm.request import LetterRequest

LETTERS = Path(__file__).with_suffix(".toml")


def faults(reply: Reply, letter: str, special: list[str]) -> list[str]:
    """What is wrong with the form of a reply; nothing about its prose."""
    person = reply.person
    found = []
    marks = [s.mark for s in reply.sentences]
    if marks[:2] != [Mark.FORM, Mark.FORM] or marks[-2:] != [Mark.FORM, Mark.FORM]:
        found.append("does not begin and end with the form of a letter")
    head, greeting = reply.sentences[0].text, reply.sentences[1].text
    if reply.date.long not in head:
        found.append("no date line")
    name = signature(letter)
    if (name and form_of_name(name) not in greeting) or (
        not name and greeting != person.voice.friend
    ):
        found.append(f"greets {greeting!r}, signed {name!r}")
    if reply.sentences[-1].text != person.name:
        found.append("no signature")
    if any(token in reply.text for token in special):
        found.append("a raw special token")
    if len(reply.sentences) < 5:
        found.append("empty between greeting and close")
    for sentence in reply.sentences:
        sourced = sentence.mark in (Mark.SOURCED, Mark.QUOTED, Mark.REMEMBERED)
        if sourced != (sentence.source is not None):
            found.append(f"mark and source do not agree: {sentence.text[:40]!r}")
    return found


def main() -> None:
    """Write the sixty replies."""
    parser = argparse.ArgumentParser(description="Write sixty replies and check their form.")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path, required=True, help="where the replies go")
    chosen = parser.parse_args()
    voice = Library().borrow(chosen.model).voice
    special = list(voice.tokenizer.all_special_tokens)
    asked = tomllib.loads(LETTERS.read_text("utf-8"))
    right, seconds, share, marks = 0, [], [], Counter[str]()
    lines = []
    for slug, person in load_people().items():
        for number, letter in enumerate(asked.get(slug, {}).get("letters", [])):
            LetterRequest(letter, person)
            began = time.perf_counter()
            reply = write_letter(slug, letter, model=voice, seed=number)
            seconds.append(time.perf_counter() - began)
            share.append(reply.own_share)
            marks.update(str(s.mark) for s in reply.sentences)
            wrong = faults(reply, letter, special)
            right += not wrong
            lines.append(f"## {slug} {number + 1}\n\n{letter}\n")
            lines += [f"- `{s.mark}` {s.text}" for s in reply.sentences]
            lines += ["", *(f"**{fault}**" for fault in wrong), ""]
    chosen.out.write_text("\n".join(lines), "utf-8")
    print(
        f"{voice.name}: form right in {right} of {len(seconds)}; own words "
        f"{statistics.mean(share):.0%}; median {statistics.median(seconds):.1f} s, "
        f"slowest {max(seconds):.1f} s; sentences by mark {dict(marks)}"
    )


if __name__ == "__main__":
    main()
