"""Does the search find the passages that the writers of the bundled letters chose by hand?

    python benchmarks/search.py

A passage that is found and was not chosen may fit as well; so precision is a lower bound.
"""

from __future__ import annotations

import random

from corpora.letters import load_pairs
from corpora.people import load_people
from lm.planning import make_plan
from lm.request import LetterRequest
from lm.sources import PassageIndex


def main() -> None:
    """Print recall and precision over every bundled pair."""
    chosen = hit = some = found = with_passage = 0
    without = placed_without = 0
    for slug, person in load_people().items():
        index = PassageIndex(person)
        texts = {p.text: p.id for p in person.passages}
        for pair in load_pairs(slug):
            wanted = {texts[part.text] for part in pair.parts if part.passage}
            request = LetterRequest(pair.letter.text, person, date=pair.reply.date)
            plan = make_plan(request, index, max_passages=3, draw=random.Random(0))
            got = {p.id for p in plan.passages}
            if not wanted:
                without += 1
                placed_without += bool(got)
                continue
            with_passage += 1
            chosen += len(wanted)
            hit += len(wanted & got)
            some += bool(wanted & got)
            found += len(got)
    print(
        f"{with_passage} letters answered with passages: {hit / chosen:.0%} of the chosen are "
        f"found, at least one in {some / with_passage:.0%}; {hit / found:.0%} of those placed were "
        f"chosen. Of {without} answered without any, {placed_without / without:.0%} get one."
    )


if __name__ == "__main__":
    main()
