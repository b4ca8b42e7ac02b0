"""The voice meter on letterpress's own bundled replies: our writing, in the voices of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from corpora.document import Pair
from corpora.people import load_people
from recurrent.lab.authors.meter import Meter
from recurrent.lab.report import Row

SYSTEM = "voice meter on the bundled replies"


def ask_replies(meter: Meter, pairs: Sequence[Pair]) -> tuple[list[Row], dict[str, Any]]:
    """How often a reply sounds like the person it is written as.

    Returns
    -------
    rows : list of Row
        Over the people who are among the meter's authors, and the others; empty without pairs.
    facts : dict
        By person: replies, the share at first place, whom they were taken for most.
    """
    people = load_people()
    by_person: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_person.setdefault(pair.person, []).append(pair)
    facts: dict[str, Any] = {}
    ranks: list[int] = []
    unlike: dict[bool, list[bool]] = {True: [], False: []}
    for slug, theirs in by_person.items():
        found = meter.probabilities([pair.reply.text for pair in theirs])
        best = found.argmax(axis=1)
        place = meter.place_of(people[slug].name)
        low = found.max(axis=1) < meter.calibration.threshold
        unlike[place is not None] += low.tolist()
        names, counts = np.unique(best, return_counts=True)
        facts[slug] = {
            "replies": len(theirs),
            "unlike any": round(float(low.mean()), 3),
            "most often": meter.classes[int(names[counts.argmax()])],
        }
        if place is not None:
            rank = 1 + (found > found[:, [place]]).sum(axis=1)
            ranks += rank.tolist()
            facts[slug]["first"] = round(float((rank == 1).mean()), 3)
    rows = []
    if ranks:
        placed = np.array(ranks)
        note = f"{len(placed)} replies of people among the authors"
        rows += [
            Row(SYSTEM, "the person first", float((placed == 1).mean()), note=note),
            Row(SYSTEM, "the person among the first 3", float((placed <= 3).mean()), note=note),
            Row(SYSTEM, "called unlike any", float(np.mean(unlike[True])), note=note),
        ]
    if unlike[False]:
        note = f"{len(unlike[False])} replies of people who are not among the authors"
        share = float(np.mean(unlike[False]))
        rows.append(Row(SYSTEM, "a person not among them, called unlike any", share, note=note))
    return rows, facts
