"""Logits -> the next id: temperature, top-k, top-p, min-p and a repetition penalty.

Each request draws from a generator of its own, so a seed fixes its text whatever else is running.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How the next token is drawn.

    Attributes
    ----------
    temperature : float
        Divides the logits; 0 always takes the likeliest.
    top_k : int
        Keep the k likeliest; 0 keeps all.
    top_p : float
        Keep the smallest set whose probability reaches p (Holtzman et al. 2020); 1 keeps all.
    min_p : float
        Keep tokens with at least this share of the likeliest one's probability (Nguyen et al.
        2024).
    repetition_penalty : float
        Divides positive and multiplies negative logits of tokens already used (Keskar et al. 2019,
        section 4.1); 1 does nothing.

    Each filter looks at the whole distribution, and a token stays if all of them keep it. (In
    transformers, top-p looks at what top-k has left.)
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature={self.temperature} must be finite and not negative")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be above 0 and at most 1")
        if not 0 <= self.min_p < 1:
            raise ValueError(f"min_p={self.min_p} must be at least 0 and below 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise ValueError(f"repetition_penalty={self.repetition_penalty} must be above 0")


def generator(seed: int) -> torch.Generator:
    """A random generator of one request, on the CPU."""
    return torch.Generator().manual_seed(seed)


def penalise(logits: torch.Tensor, used: Sequence[int], penalty: float) -> torch.Tensor:
    """Make ids already used less likely; logits have shape (V,)."""
    if penalty == 1.0 or not used:
        return logits
    logits = logits.clone()
    ids = torch.tensor(sorted(set(used)))
    values = logits[ids]
    logits[ids] = torch.where(values > 0, values / penalty, values * penalty)
    return logits


def probabilities(logits: torch.Tensor, settings: SamplingSettings) -> torch.Tensor:
    """The distribution that is drawn from, shape (V,), after every filter; it sums to 1."""
    if settings.temperature == 0:
        one = torch.zeros_like(logits)
        one[logits.argmax()] = 1.0
        return one
    # Relative to the largest, so that a temperature near 0 divides nothing into infinity.
    probs = torch.softmax((logits - logits.max()) / settings.temperature, dim=-1)
    keep = torch.ones_like(probs, dtype=torch.bool)
    ranked, order = probs.sort(descending=True, stable=True)
    if settings.top_k:
        keep[order[settings.top_k :]] = False
    if settings.top_p < 1:
        before = ranked.cumsum(-1) - ranked  # probability of all likelier tokens
        keep[order[before >= settings.top_p]] = False
    if settings.min_p:
        keep &= probs >= settings.min_p * ranked[0]
    probs = probs * keep
    return probs / probs.sum()


def choose(
    logits: torch.Tensor,
    settings: SamplingSettings,
    rng: torch.Generator,
    *,
    used: Sequence[int] = (),
    banned: Collection[int] = (),
) -> int:
    """Draw the next id.

    Parameters
    ----------
    logits : Tensor, shape (V,)
    settings : SamplingSettings
    rng : torch.Generator
        The request's own, on the CPU.
    used : sequence of int
        Ids the repetition penalty looks at.
    banned : collection of int
        Ids that must not be drawn, such as special tokens.

    Raises
    ------
    ValueError
        If every id is banned.
    """
    logits = logits.float().cpu()
    logits = penalise(logits, used, settings.repetition_penalty)
    if banned:
        logits = logits.index_fill(0, torch.tensor(sorted(banned)), float("-inf"))
        if logits.max() == float("-inf"):
            raise ValueError(f"banned holds all {len(logits)} ids; none is left to draw")
    probs = probabilities(logits, settings)
    if settings.temperature == 0:
        return int(probs.argmax())
    return int(torch.multinomial(probs, 1, generator=rng))
