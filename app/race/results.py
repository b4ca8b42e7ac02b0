"""What a race is judged by: bits per byte, floors on the same bytes, and a sample of each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from engine.floors import floors, kneser_ney, unigram
from engine.generation import generate
from engine.overlap import copied_ink, copied_spans
from engine.sampling import SamplingSettings
from engine.scoring import bits_per_byte
from engine.stepper import stepper_of
from engine.text_model import NextToken
from engine.tokenizers import encode_text, special_ids

WATCHED = 16_000  # bytes on which the curves are drawn
HELD_OUT = 500_000  # bytes scored at the end, at most
FLOORED = 8_000_000  # bytes of training text the floors know, at most
SAMPLE = 300  # characters
_WATCHED_PAGE = 2_000  # characters
_PROMPT = 60


def spread(texts: Sequence[str], n_bytes: int, longest: int | None = None) -> list[str]:
    """About that many bytes of some texts, taken evenly from first to last; at least one text.

    Parameters
    ----------
    longest : int, optional
        Characters of a text that are taken at most, from its beginning.
    """
    pages = [text[:longest] for text in texts if text.strip()]
    total = sum(len(page.encode("utf-8")) for page in pages)
    n = max(1, min(len(pages), len(pages) * n_bytes // max(1, total)))
    return [pages[i * len(pages) // n] for i in range(n)]


def watched(held_out: Sequence[str]) -> list[str]:
    """The held-out bytes on which the curves are drawn, the same for every model."""
    return spread(held_out, WATCHED, _WATCHED_PAGE)


def watched_floors(train: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """The floors drawn beside the curves, on the bytes of the curves."""
    known = spread(train, FLOORED)
    return [asdict(floor) for floor in (unigram(known, texts), kneser_ney(known, texts))]


def all_floors(train: Sequence[str], held_out: Sequence[str]) -> list[dict[str, Any]]:
    """Every floor on all that is scored at the end."""
    return [asdict(floor) for floor in floors(spread(train, FLOORED), held_out)]


def scored(
    task: NextToken, texts: Sequence[str], progress: Callable[[float], None]
) -> dict[str, Any]:
    """Bits per byte with its interval, as plain data."""
    return asdict(bits_per_byte(task.model, task.tokenizer, texts, progress=progress))


def prompt_of(held_out: Sequence[str]) -> str:
    """How every sample begins: the first words of the held-out part."""
    first = " ".join(next(text for text in held_out if text.strip()).split())
    begun = first[:_PROMPT]
    return begun if len(begun) == len(first) else begun.rpartition(" ")[0] or begun


def sampled(task: NextToken, prompt: str, train: Sequence[str], seed: int) -> dict[str, Any]:
    """A sample after the prompt, and what of it is copied from the training part.

    Returns
    -------
    dict
        "sample", "spans" (where copied parts start and stop in it) and "copied" (their share).
    """
    task.model.eval()
    tokenizer: Any = task.tokenizer
    end = int(tokenizer.eos_token_id)
    pieces = generate(
        stepper_of(task.model),
        tokenizer,
        [end, *encode_text(tokenizer, prompt)],
        SamplingSettings(),
        seed=seed,
        max_tokens=4 * SAMPLE,  # a character is at most four bytes
        banned=special_ids(tokenizer),  # a text that ends early could not be compared
    )
    text = ""
    for piece in pieces:
        text += piece
        if len(text) >= SAMPLE:
            break
    text = text[:SAMPLE]
    spans = copied_spans(text, train)
    return {
        "sample": text,
        "spans": [[span.start, span.stop] for span in spans],
        "copied": copied_ink(text, train) if spans else 0.0,
    }
