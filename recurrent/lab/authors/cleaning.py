"""From a printed letter book to the letter writer's own sentences, without what names them.

An edition gives its author away without any style: by headings and signatures, by the names of
friends and places, by how its typist wrote a dash. All of that is taken out here, alike for every
book and for every text the voice meter is asked about. The rules are simple, so an editor's
introduction now and then slips through; docs/lab/authors.md says how often.
"""

from __future__ import annotations

import re
import unicodedata

NAME = "@"  # stands for one or more capitalised words
SHORTEST = 60  # characters; shorter paragraphs are headings, dates, greetings, signatures, verse
FIRST_PERSON = 3.0  # words I, me, my per 1,000 characters; an editor seldom says I

_OWN = re.compile(r"\b(?:I|[Mm]e|[Mm]y)\b")
_NOT_A_LETTER = re.compile(r"[\[({*_\d]|Footnote|Note\b|NOTE|Illustration|LETTER|CHAPTER|P\.\s?\d")
_BRACKETS = re.compile(r"\[[^\[\]]{0,400}\]|\(\d[^()]{0,400}\)|\{\d+[^{}]{0,20}\}")
_DASHES = re.compile(r"\s*(?:--+|[—–―]|\s-\s)\s*")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "`": "'", "…": "...", "_": None})
_SINGLE = re.compile(r"(?<![A-Za-z])'|'(?![A-Za-z])")
_DOTS = re.compile(r"(?:\.\s?){2,}\.|\*(?:\s?\*)*")
_LOOSE = re.compile(r"\s+([;:!?,.])")
_DIGITS = re.compile(r"\d[\d,.]*\d|\d")
_WORD = re.compile(r"[A-Za-z][A-Za-z']*")
_CAPITAL = re.compile(r"[A-Z][A-Za-z']*")
_RUN = re.compile(r"@(?:\.?(?:\s|-|, )?@)+")  # Mr. Walter Landor, of London: one name
_NEVER = frozenset(("I", "I'm", "I'll", "I've", "I'd", "O"))
_SENTENCE_ENDS = '.!?"'


def plain_typography(text: str) -> str:
    """One way of writing quotes, dashes, dots, digits and accents, whatever the edition's was.

    >>> plain_typography("“Oh—it’s _my_ café, No. 12 …”")
    '"Oh - it\\'s my cafe, No. 0..."'
    """
    text = _BRACKETS.sub(" ", _DASHES.sub(" - ", text.translate(_QUOTES)))
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    text = _DOTS.sub("...", text)
    text = _DIGITS.sub("0", _SINGLE.sub('"', text))
    return " ".join(_LOOSE.sub(r"\1", text).split())


def without_names(text: str) -> str:
    """Capitalised words within a sentence, and several at its start, as one `@`.

    A single capitalised word that begins a sentence stays, since it is seldom a name; so does I.

    >>> without_names("When I left London, and my dear Mrs. Hunt, she laughed. Yes, John Keats!")
    'When I left @, and my dear @, she laughed. Yes, @!'
    """
    out, end, opens = [], 0, True
    words = list(_WORD.finditer(text))
    for place, match in enumerate(words):
        between = text[end : match.start()]
        out.append(between)
        word, end = match[0], match.end()
        stripped = between.strip()
        if place and stripped:
            # A dot after a masked or a very short capitalised word abbreviates: Mrs. Hunt.
            last = words[place - 1][0]
            short = last[0].isupper() and len(last) <= 3 and stripped == "."
            opens = stripped[-1] in _SENTENCE_ENDS and not short
        elif place:
            opens = False
        out.append(_shown(word, opens, _follower(text, words, place)))
    out.append(text[end:])
    return _RUN.sub(NAME, "".join(out))


def _follower(text: str, words: list[re.Match[str]], place: int) -> str:
    """The next word, where nothing but a blank or an abbreviating dot stands before it."""
    if place + 1 == len(words):
        return ""
    between = text[words[place].end() : words[place + 1].start()]
    return words[place + 1][0] if between in (" ", ". ") and len(between) <= 2 else ""


def _shown(word: str, opens: bool, follower: str) -> str:
    if not _CAPITAL.fullmatch(word) or word in _NEVER:
        return word
    named = follower[:1].isupper() and follower not in _NEVER
    shouted = len(word) > 1 and word.isupper()
    return word if opens and not named and not shouted else NAME


def is_letter_prose(paragraph: str) -> bool:
    """Whether a paragraph of a letter book is the letter writer's own prose.

    Parameters
    ----------
    paragraph : str
        As printed. Kept is what is long enough, does not begin as a footnote or a heading does,
        and speaks in the first person.
    """
    if len(paragraph) < SHORTEST or _NOT_A_LETTER.match(paragraph):
        return False
    own = len(_OWN.findall(paragraph))
    return own >= FIRST_PERSON * len(paragraph) / 1000


def clean(text: str, *, names: str = "masked") -> str:
    """A text as the classifier reads it: plain typography, and no names if they are masked."""
    text = plain_typography(text)
    return without_names(text) if names == "masked" else text


def cut(text: str, length: int) -> list[str]:
    """Cut a text between words into passages of about `length` characters.

    Returns
    -------
    list of str
        Each at most `length` long; a remainder shorter than three quarters of that is left out.
    """
    if length < 1:
        raise ValueError(f"length={length} must be at least 1")
    passages, start = [], 0
    while len(text) - start >= length * 3 // 4:
        end = start + length
        if end < len(text):
            end = max(text.rfind(" ", start, end + 1), start + length // 2)
        passages.append(text[start:end].strip())
        start = end
    return passages
