"""A correspondence as token ids: the header, what is known, the letter, the reply.

    <|to|>Isaac Newton<|from|>Andrew<|date|>10 June 1689<|place|>London
    <|passage|>...<|passage|>...<|earlier|>...<|letter|>...<|reply|>
    <|form|>date line, salutation<|own|>prose<|set|>passage<|own|>prose
    <|form|>close, signature<|endoftext|>

Only the program writes our tokens; a person's text that spells one is ordinary characters. Training
and writing build the ids here, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpora.document import Pair
from corpora.people import Person, load_people
from engine.batching import Example
from lm.gpt2 import DATE, EARLIER, FORM, FROM, LETTER, OWN, PASSAGE, PLACE, REPLY, SET, TO
from lm.reading import form_of_name
from lm.voice import Voice

LETTER_TOKENS_MAX = 260
EARLIER_TOKENS_MAX = 160


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above a reply, as texts."""

    person: str
    writer: str
    date: str
    place: str
    passages: tuple[str, ...]
    letter: str
    earlier: tuple[str, ...] = ()


def _clip(voice: Voice, text: str, limit: int) -> list[int]:
    """At most `limit` ids: the beginning and, where most letters ask, the end.

    A model without a window reads the whole.
    """
    ids = voice.encode(text)
    if len(ids) <= limit or not voice.stepper.window:
        return ids
    head = limit * 2 // 3
    return ids[:head] + ids[-(limit - head) :]


def prompt_ids(voice: Voice, header: Header) -> list[int]:
    """The ids up to the place where the reply begins."""
    if not voice.knows_letters:
        return _plain(voice, header)
    ids: list[int] = [int(voice.tokenizer.eos_token_id)]
    for token, text in (
        (TO, header.person),
        (FROM, header.writer),
        (DATE, header.date),
        (PLACE, header.place),
    ):
        ids += [voice.token(token), *voice.encode(text)]
    for passage in header.passages:
        ids += [voice.token(PASSAGE), *voice.encode(passage)]
    for text in header.earlier[-2:]:
        ids += [voice.token(EARLIER), *_clip(voice, text, EARLIER_TOKENS_MAX)]
    ids += [voice.token(LETTER), *_clip(voice, header.letter, LETTER_TOKENS_MAX)]
    return [*ids, voice.token(REPLY)]


def _plain(voice: Voice, header: Header) -> list[int]:
    """The same for a model never taught our tokens: an anthology of letters in plain text."""
    known = "".join(f"{p}\n\n" for p in header.passages)
    text = (
        f"LETTERS OF {header.person.upper()}\n\n"
        f"{known}To {header.person}, from {header.writer or 'a friend'}:\n\n"
    )
    letter = _clip(voice, header.letter, LETTER_TOKENS_MAX)
    reply = (
        f"\n\n{header.person} to {header.writer or 'a friend'}, {header.place}, {header.date}:\n\n"
    )
    return [*voice.encode(text), *letter, *voice.encode(reply)]


def part_ids(voice: Voice, token: str, text: str) -> list[int]:
    """A part of the reply: its token and its text; for plain models the text and a blank."""
    if not voice.knows_letters:
        return voice.encode(text + ("\n\n" if token == FORM else " ")) if text else []
    return [voice.token(token), *voice.encode(text)]


def date_line(place: str, date: str) -> str:
    """The line at the head of a letter."""
    return f"{place}, {date}." if place else f"{date}."


def examples(pairs: Iterable[Pair], voice: Voice) -> list[Example]:
    """Pairs as training examples; the loss is on the words the model will have to write.

    Those that are longer than the model's window are left out. Passages, date line, salutation and
    close are the program's at writing time, so they are read but not learnt; the token that ends
    the model's own prose is.
    """
    people = load_people()
    pairs = list(pairs)
    window = voice.stepper.window
    by_id = {p.id: p for p in pairs}
    made = []
    for number, pair in enumerate(pairs):
        person = people[pair.person]
        earlier = by_id.get(pair.after)
        header = Header(
            person=person.name,
            writer=pair.letter.author,
            date=pair.reply.date.long,
            place=pair.reply.place,
            passages=tuple(part.text for part in pair.parts if part.passage),
            letter=pair.letter.text,
            earlier=(earlier.letter.text, earlier.reply.text) if earlier else (),
        )
        ids = prompt_ids(voice, header)
        learn = [False] * len(ids)
        after_own = False
        for part, taught in _reply_parts(pair, person, number):
            new = part_ids(voice, part[0], part[1])
            ids += new
            # The token that opens a set passage or the close is what ends the model's own prose.
            learn += [after_own, *([taught] * (len(new) - 1))]
            after_own = taught
        ids.append(int(voice.tokenizer.eos_token_id))
        learn.append(False)
        if not window or len(ids) <= window + 1:
            made.append(Example(tuple(ids), tuple(learn)))
    return made


def _reply_parts(pair: Pair, person: Person, number: int) -> Sequence[tuple[tuple[str, str], bool]]:
    """(token, text) of each part of a reply in order, and whether its text is learnt."""
    voice = person.voice
    name = form_of_name(pair.letter.author)
    salutation = voice.salutations[number % len(voice.salutations)].format(name=name)
    subscription = voice.subscriptions[number % len(voice.subscriptions)].format(name=name)
    head = f"{date_line(pair.reply.place, pair.reply.date.long)}\n{salutation}"
    parts: list[tuple[tuple[str, str], bool]] = [((FORM, head), False)]
    own: list[str] = []
    for part in pair.parts:
        if part.passage:
            if own:
                parts.append(((OWN, " ".join(own)), True))
                own = []
            parts.append(((SET, part.text), False))
        else:
            own.append(" ".join(part.text.split()))
    if own:
        parts.append(((OWN, " ".join(own)), True))
    parts.append(((FORM, f"{subscription}\n{person.name}"), False))
    return parts
