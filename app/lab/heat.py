"""An addition as a person can follow it: the bits of each step, and what the network kept in mind.

The lowest bit comes first, as the network reads it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from corpora.errors import InputError

if TYPE_CHECKING:
    from recurrent.lab.adder import Addition

MOST_BITS = 64
_STRONG = 0.5  # from here on a cell says its sign too, not by colour alone


def read_number(text: str, what: str) -> int:
    """A number to add, in decimal or, with 0b before it, in binary.

    Raises
    ------
    InputError
        If it is none, or has more than 64 bits.
    """
    said = (text or "").strip().replace(" ", "").replace(",", "").lower()
    digits, base = (said[2:], 2) if said.startswith("0b") else (said, 10)
    try:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_BITS):
            raise ValueError
        number = int(digits, base)
        if number.bit_length() > MOST_BITS:
            raise ValueError
    except ValueError:
        raise InputError(
            f"The {what} number is {said[:40]!r}; expected a whole number of at most {MOST_BITS} "
            "bits, such as 87 or 0b1010111."
        ) from None
    return number


def addition_html(addition: Addition) -> str:
    """Sum, bits and hidden state, a column for each step."""
    right = addition.predicted == addition.expected
    verdict = "right" if right else f"wrong: it is {addition.expected:,}"
    n = len(addition.bits)
    expected = [addition.expected >> t & 1 for t in range(n)]
    rows = [
        _row("first number", [str(int(bit)) for bit in addition.inputs[:, 0]]),
        _row("second number", [str(int(bit)) for bit in addition.inputs[:, 1]]),
        _row(
            "what it says",
            [
                f"<b>{int(bit)}</b>" if bit == true else f'<mark title="wrong">{int(bit)}!</mark>'
                for bit, true in zip(addition.bits, expected, strict=True)
            ],
        ),
        _row("how sure of a 1", [f"{p:.0%}" for p in addition.probabilities]),
    ]
    rows += [
        _row(
            f"unit {unit + 1}" if unit else "hidden state: unit 1",
            [_cell(float(value)) for value in addition.hidden[:, unit]],
            "lp-heat-unit",
        )
        for unit in range(addition.hidden.shape[1])
    ]
    steps = "".join(f'<th scope="col">{t + 1}</th>' for t in range(n))
    return (
        f'<p class="lp-heat-sum">{addition.a:,} + {addition.b:,} = <b>{addition.predicted:,}</b> '
        f"({escape(verdict)})</p>"
        '<div class="lp-heat" tabindex="0" role="region" aria-label="The addition step by step">'
        "<table><caption>Step by step: the lowest bit first. Below, the state it keeps.</caption>"
        f'<thead><tr><th scope="col">step</th>{steps}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _row(name: str, cells: list[str], kind: str = "") -> str:
    inner = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    return f'<tr class="{kind}"><th scope="row">{escape(name)}</th>{inner}</tr>'


def _cell(value: float) -> str:
    """A cell as strong as the value is far from 0; warm above, cold below."""
    sign = "+" if value >= _STRONG else "−" if value <= -_STRONG else ""
    side = "lp-heat-up" if value >= 0 else "lp-heat-down"
    strength = round(min(1.0, abs(value)) * 100)
    return f'<td class="{side}" style="--h:{strength}%" title="{value:.2f}">{sign}</td>'
