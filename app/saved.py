"""Replies as the store keeps them, and back: plain data that outlives the code that wrote it."""

from __future__ import annotations

from typing import Any

from lm.proof import Mark, Reply, Sentence, Source


def as_saved(reply: Reply) -> dict[str, Any]:
    """A reply as the store keeps it: its JSON, and the white space before each sentence."""
    saved = reply.as_json()
    for entry, sentence in zip(saved["sentences"], reply.sentences, strict=True):
        entry["lead"] = sentence.lead
    return saved


def saved_sentences(saved: dict[str, Any]) -> tuple[Sentence, ...]:
    """The sentences of a reply the store kept."""
    return tuple(
        Sentence(
            text=entry["text"],
            mark=Mark(entry["mark"]),
            source=Source(**entry["source"]) if entry["source"] else None,
            lead=entry["lead"],
        )
        for entry in saved["sentences"]
    )
