"""Sampling settings and seeds from what a person typed, refused in words where they cannot be."""

from __future__ import annotations

import secrets

from app.actions import MAX_SEED
from corpora.errors import InputError
from engine.sampling import SamplingSettings


def sampling_settings(
    temperature: float = 0.8,
    top_k: float = 0,
    top_p: float = 0.95,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
) -> SamplingSettings:
    """The settings, checked; what each means is told by `engine.sampling.SamplingSettings`.

    Parameters
    ----------
    top_k : float
        A whole number; fields of a page give it as a float.

    Raises
    ------
    InputError
        If a number is missing or outside its range.
    """
    numbers = (temperature, top_k, top_p, min_p, repetition_penalty)
    if any(number is None for number in numbers):  # an emptied field of the page
        raise InputError("A setting is empty; expected a number. Fill it in, or reload the page.")
    if top_k != int(top_k):
        raise InputError(f"Top-k is {top_k}; expected a whole number, 0 to keep all.")
    try:
        return SamplingSettings(
            float(temperature), int(top_k), float(top_p), float(min_p), float(repetition_penalty)
        )
    except ValueError as problem:
        raise InputError(f"This setting cannot be used: {problem}. Choose another.") from None


def seeds_from(text: str | None, n: int) -> list[int]:
    """The seeds of `n` texts: a first one, drawn by chance where none is given, and those after it.

    Raises
    ------
    InputError
        If the text is not a whole number in range.
    """
    text = (text or "").strip()
    if not text:
        first = secrets.randbelow(MAX_SEED + 1)
    elif text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_SEED:
        first = int(text)
    else:
        raise InputError(
            f"The seed is {text[:30]!r}; expected a whole number from 0 to {MAX_SEED}, or nothing."
        )
    return [(first + i) % (MAX_SEED + 1) for i in range(n)]
