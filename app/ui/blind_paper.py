"""A blind pair, its progress and the rating as HTML.

Before the vote the two sheets differ in their words and the letters A and B alone. As in `paper`,
all that a person or a model wrote goes through `html.escape`.
"""

from __future__ import annotations

from html import escape

from app.compare.blind import ends_whole
from app.compare.standings import Standing, Standings, signed
from app.compare.votes import Choice, Pair, Vote

CHOICES: dict[Choice, str] = {
    "a": "A is better",
    "b": "B is better",
    "tie": "A tie",
    "bad": "Both bad",
}


def pair_html(pair: Pair, vote: Vote | None = None) -> str:
    """Both texts after their prompt; the names only where there is a vote for them."""
    texts = pair.a.text, pair.b.text
    # Alike on both sheets: what is cut in a sentence says nothing about who wrote it.
    more = "" if all(map(ends_whole, texts)) else " …"
    sheets = []
    for side, written in (("a", pair.a), ("b", pair.b)):
        foot = chosen = ""
        if vote is not None:
            foot = f'<p class="lp-foot">Written by <b>{escape(written.model)}</b>.</p>'
            if vote.choice == side:
                chosen = '<span class="lp-blind-choice">your choice</span>'
        sheets.append(
            f'<section class="lp-paper lp-blind-sheet" aria-label="Text {side.upper()}">'
            f"<h3>{side.upper()}{chosen}</h3>"
            f'<div class="lp-words" lang="en"><span class="lp-blind-prompt">{escape(pair.prompt)}'
            f"</span>{escape(written.text)}{more}</div>{foot}</section>"
        )
    return f'<div class="lp-blind-pair">{"".join(sheets)}</div>'


def vote_said(vote: Vote) -> str:
    """What a vote came to, in a sentence."""
    a, b = vote.pair.a.model, vote.pair.b.model
    said = {
        "a": f"You liked A better. A is {a}, B is {b}.",
        "b": f"You liked B better. B is {b}, A is {a}.",
        "tie": f"You called it a tie. A is {a}, B is {b}.",
        "bad": f"You liked neither. A is {a}, B is {b}.",
    }
    return said[vote.choice] + " Your vote is counted."


def progress_html(fraction: float, seconds_left: float | None) -> str:
    """How far both texts are, together."""
    said = "Getting the models ready …" if not fraction else f"{fraction:.0%} written"
    if fraction and seconds_left is not None:
        said += f", about {max(1, round(seconds_left))} s left"
    return (
        f'<div class="lp-blind-progress"><progress max="1" value="{fraction:.3f}" '
        f'aria-label="Both texts"></progress><span>{said}</span></div>'
    )


def rating_html(found: Standings) -> str:
    """The rating so far as a table with intervals, and what is still to be told."""
    if not found.rows:
        return (
            '<div class="lp-blind-rating"><h3>Rating</h3><p>No votes yet. After the first one, '
            "this shows how the models rate, and how many more votes would tell them apart.</p>"
            "</div>"
        )
    reach = max(1.0, *(max(-row.low, row.high) for row in found.rows))
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("Model", "Rating", "Won", "Lost", "Tied", "Both bad")
    )
    rows = "".join(_row(row, reach) for row in found.rows)
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.sentences)
    votes = "1 vote" if found.n_votes == 1 else f"{found.n_votes:,} votes"
    level, power = f"{found.settings.level:.0%}", f"{found.settings.power:.0%}"
    return (
        f'<div class="lp-blind-rating"><h3>Rating after {votes}</h3>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><ul>{told}</ul>"
        f"<p>Points as in chess, 0 being the mean: 100 more is liked better in 64 of 100 pairs "
        f"that are no tie. In brackets the {level} interval. Ties and “both bad” prefer neither. "
        f"The votes said to be needed tell two models apart with a chance of {power}, if they "
        "differ as they seem to now and pairs are drawn as before.</p></div>"
    )


def _row(row: Standing, reach: float) -> str:
    left, width = (50 * (1 + row.low / reach), 50 * (row.high - row.low) / reach)
    dot = 50 * (1 + row.points / reach)
    bar = (
        '<span class="lp-blind-bar" aria-hidden="true">'
        f'<i style="left:{left:.1f}%;width:{width:.1f}%"></i><b style="left:{dot:.1f}%"></b></span>'
    )
    counts = "".join(f"<td>{n}</td>" for n in (row.won, row.lost, row.tied, row.bad))
    return (
        f'<tr><th scope="row">{escape(row.model)}</th><td><span class="lp-blind-points">'
        f"{signed(row.points)} <small>({signed(row.low)} to {signed(row.high)})</small></span>"
        f"{bar}</td>{counts}</tr>"
    )
