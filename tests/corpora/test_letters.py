"""The loader, and every rule of docs/people-and-letters.md that a program can check."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import corpora
from corpora.document import Pair
from corpora.errors import CorpusError
from corpora.letters import load_pairs, parse_pairs
from corpora.people import Person, load_people, load_person

DOC = Path(__file__).resolve().parents[2] / "docs" / "people-and-letters.md"
EVERYBODY = {
    *("newton", "lovelace", "darwin", "franklin", "austen", "curie", "galileo", "copernicus"),
    *("lincoln", "wollstonecraft", "mozart", "nightingale"),
}
PEOPLE = sorted(p.stem for p in (Path(corpora.__file__).parent / "people").glob("*.toml"))
LETTERS = sorted(p.stem for p in (Path(corpora.__file__).parent / "letters").glob("*.toml"))
SENTENCE = re.compile(r"(?<=[.!?])[\"”’']?\s+")


def sentences(text: str) -> list[str]:
    return [s for s in SENTENCE.split(" ".join(text.split())) if s]


def prose(pair: Pair) -> str:
    return "\n\n".join(part.text for part in pair.parts if not part.passage)


# -------------------------------------------------------------------------------------- the loader


@pytest.fixture(scope="module")
def wren() -> Person:
    return load_person(Path(corpora.__file__).parent / "people" / f"{PEOPLE[0]}.toml")


def pair_of(person: Person, **changes: str) -> str:
    date = str(person.passages[-1].date.year)
    fields = {
        "id": "x-001",
        "author": "Ann Wickham",
        "date": date,
        "place": "Bath",
        "reply_date": date,
        "reply_place": "Home",
        "after": "",
        "letter": "Sir,\n\nI ask.\n\nYours,\nAnn Wickham",
        "reply": f"You ask\nwell.\n[{person.passages[-1].id}]\nDo write again.",
    } | changes
    return "[[pair]]\n" + "".join(f'{k} = """{v}"""\n' for k, v in fields.items())


def test_a_reply_is_woven_of_prose_and_passages(wren: Person) -> None:
    (pair,) = parse_pairs(pair_of(wren), wren, "x.toml")
    passage = wren.passages[-1]
    assert [p.passage for p in pair.parts] == ["", passage.id, ""]
    assert pair.reply.text == f"You ask well.\n\n{passage.text}\n\nDo write again."
    assert pair.letter.text == "Sir,\n\nI ask.\n\nYours,\nAnn Wickham"
    assert (pair.reply.author, pair.reply.recipient) == (wren.name, "Ann Wickham")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reply": "Well.\n\n[no-such-passage]"}, "no-such-passage.*does not have"),
        ({"reply": "Well, [in-line] so."}, "alone on its line"),
        ({"reply_date": "0900", "date": "0900"}, "'reply_date' is wrong"),
        ({"date": "2020"}, "'date' is 2020, after 'reply_date'"),
        ({"after": "x-000"}, "'after' is 'x-000'"),
        ({"author": " "}, "'author' is empty"),
        ({"auther": "Ann"}, "'auther' is not a field.*'author'"),
    ],
)
def test_a_wrong_pair_is_named(wren: Person, changes: dict[str, str], says: str) -> None:
    with pytest.raises(CorpusError, match=f"x.toml, pair 1.*{says}"):
        parse_pairs(pair_of(wren, **changes), wren, "x.toml")


def test_an_id_serves_once(wren: Person) -> None:
    with pytest.raises(CorpusError, match="used above"):
        parse_pairs(pair_of(wren) * 2, wren, "x.toml")


def test_nobody_has_no_letters() -> None:
    with pytest.raises(ValueError, match="slug='nobody'"):
        load_pairs("nobody")


# ------------------------------------------------------------------------------------- the content


@pytest.mark.parametrize("slug", PEOPLE)
def test_a_person_keeps_the_rules(slug: str) -> None:
    person = load_people()[slug]
    assert len(person.passages) >= 25
    for passage in person.passages:
        n_words = len(passage.text.split())
        assert 15 <= n_words <= 80, f"{passage.id} has {n_words} words"
        assert passage.text[-1] in ".!?”\"’'", passage.id
        assert len(passage.topics) >= 2, passage.id
    voice = person.voice
    for refusals in (voice.later, voice.unknown):
        assert len(refusals) >= 5
        assert not [r for r in refusals if any(c.isdigit() for c in r)]
    assert not set(voice.later) & set(voice.unknown)
    assert person.place_at(person.writes_from.date)


@pytest.mark.parametrize("slug", LETTERS)
def test_the_letters_keep_the_rules(slug: str) -> None:
    wrong: list[str] = []
    for pair in load_pairs(slug):
        own = prose(pair)
        named = [part.passage for part in pair.parts if part.passage]
        closing = " ".join(pair.letter.text.splitlines()[-6:])
        n_letter, n_reply = len(pair.letter.text.split()), len(pair.reply.text.split())
        rules = {
            "its id is not slug-NNN": re.fullmatch(rf"{slug}-\d{{3}}", pair.id),
            "a number in the joining prose": not re.search(r"\d", own),
            "neither a passage nor 20 words": named or len(own.split()) >= 20,
            f"a letter of {n_letter} words": 20 <= n_letter <= 400,
            f"a reply of {n_reply} words": 35 <= n_reply <= 500,
            "a passage twice": len(named) == len(set(named)),
            f"not signed by {pair.letter.author}": _signs(pair.letter.author, closing),
        }
        wrong += [f"{pair.id}: {what}" for what, kept in rules.items() if not kept]
    assert not wrong, "\n".join(wrong)


def _signs(author: str, closing: str) -> bool:
    """By any of their names, or among friends by initials."""
    names = re.findall(r"\w+", author)
    initials = re.compile(r"\s?".join(rf"{name[0]}\." for name in names))
    return bool(set(names) & set(re.findall(r"\w+", closing)) or initials.search(closing))


@pytest.mark.parametrize("slug", LETTERS)
def test_a_correspondence_goes_forward(slug: str) -> None:
    pairs = {pair.id: pair for pair in load_pairs(slug)}
    for pair in pairs.values():
        if pair.after:
            earlier = pairs[pair.after]
            assert earlier.letter.author == pair.letter.author, pair.id
            assert earlier.reply.date.first_day <= pair.letter.date.last_day, pair.id


# Words written large that name nobody a letter would have to mention first.
LARGE = set(
    """
    I O Oh God Providence Heaven Lord Almighty Creator Nature Church Scripture Christmas Easter Lent
    Advent Martinmas Epiphany Whitsun
    Sunday Sundays Saturday Sir Madam Mr Mrs Miss Dr Doctor Lady Master Reverend Father Mother
    Mistress Monsieur Madame Mademoiselle Papa Mamma Signor Signora Herr Frau Fraulein Reverence
    Excellency Lordship Prince Majesty Christian English French Italian German Polish Latin Greek
    Sun Moon Earth North South State Bible Mass Skipper Monday Tuesday Wednesday Thursday Friday
    January February March April May June July August September October November December
    """.split()
)


@pytest.mark.parametrize("slug", LETTERS)
def test_joining_prose_names_only_what_is_in_the_letter(slug: str) -> None:
    """A capital inside a sentence is a name; it comes from this correspondence or a passage."""
    pairs = {pair.id: pair for pair in load_pairs(slug)}
    person = load_people()[slug]
    own = [person.name, *person.aliases, *person.knows, *(p.name for p in person.places)]
    strange: list[str] = []
    for pair in pairs.values():
        given = [*own, pair.letter.text, pair.letter.author, pair.letter.place, pair.reply.place]
        given += [part.text for part in pair.parts if part.passage]
        earlier = pair
        while earlier.after:
            earlier = pairs[earlier.after]
            given += [earlier.letter.text, earlier.reply.text]
        known = set(re.findall(r"\w+", " ".join(given))) | LARGE
        for sentence in sentences(prose(pair)):
            inner = re.findall(r"(?<![.!?:;“\"‘(—-])\s[“\"‘(]?([A-Z][a-z]\w+)", sentence)
            strange += [
                f"{pair.id}: {word} in {sentence!r}"
                for word in inner
                if not any(other.startswith(word.removesuffix("s")[:6]) for other in known)
            ]
    assert not strange, "\n".join(strange)


def test_no_sentence_is_written_twice() -> None:
    """Passages aside, nothing of five words or more repeats anywhere in the collection."""
    seen: Counter[str] = Counter()
    for pair in load_pairs():
        for sentence in sentences(prose(pair)) + sentences(pair.letter.text):
            words = re.findall(r"\w+", sentence.lower())
            if len(words) >= 5:
                seen[" ".join(words)] += 1
    twice = [sentence for sentence, n in seen.items() if n > 1]
    assert not twice, "\n".join(twice)


def test_no_passage_or_refusal_is_written_twice() -> None:
    people = load_people().values()
    texts = Counter(p.text for person in people for p in person.passages)
    texts.update(r for person in people for r in (*person.voice.later, *person.voice.unknown))
    assert not [text for text, n in texts.items() if n > 1]


def test_there_are_at_least_300_pairs() -> None:
    assert set(LETTERS) >= EVERYBODY
    assert set(load_people()) >= EVERYBODY
    assert len(load_pairs()) >= 300


def test_the_documented_example_loads() -> None:
    person_toml, letters_toml = re.findall(r"```toml\n(.*?)```", DOC.read_text("utf-8"), re.S)
    newton = load_person(person_toml, "the example")
    (pair,) = parse_pairs(letters_toml, newton, "the example")
    assert pair.parts[1].passage == "inverse-square"
