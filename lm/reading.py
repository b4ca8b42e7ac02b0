"""Reading a letter: its sentences, what it asks, who signed it, which names and years it names.

Rules, not a model: they are the same for every model, and a reader can see why a reply took its
turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words after which a full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr st sig sigr mme mlle m messrs esq rev hon gen col capt lt prof vol fig
    viz etc e.g i.e cf p pp ch bk prop jr sr inst ult ye wm chas geo jas jno thos
    """.split()
)
_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s|\Z)")
_NUMBER = re.compile(r"\b[Nn]os?\.\Z")
_LAST_WORD = re.compile(r"([^\W\d_]+(?:\.[^\W\d_]+)*)\.?[\"'”’)\]]*\Z")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_YEAR = re.compile(r"(?<!\d)(?<!\d[,.])(1[0-9]{3}|20[0-9]{2})(?!\d|[,.]\d)")
_ASKS = re.compile(
    r"\?|\b(?:tell me|explain|describe|instruct me|advise me|let me know|your opinion|wish to know|"
    r"like to know|beg to know|beg you|pray (?:tell|say|explain)|"
    r"wonder (?:if|whether|how|why|what)|ask you|ask (?:how|why|what|whether|if)|"
    r"hear (?:how|what|why|of)|learn (?:how|what|why)|"
    r"curious (?:to|about|how|whether)|grateful (?:if|for)|oblige me)\b",
    re.I,
)
_CLOSINGS = frozenset(
    """
    yours sincerely faithfully truly respectfully obediently humbly servant friend regards wishes
    affectionately adieu farewell gratefully cordially love thanks thank you obliged obedient
    humble pupil admirer ever most very your with and the best kind kindest warm warmest
    """.split()
)
_GREETING = re.compile(
    r"\A(?:(?:my\s+)?(?:dear|dearest|honou?red|esteemed|worthy|good|most\b.{0,20})\b.*|"
    r"(?:sir|madam|madame|monsieur|sirs?|signor\w*|your\s+\w+)\b.{0,40}|to\b.{1,60}|hello\b.*|"
    r"hi\b.*)[,:;.!—-]*\Z",
    re.I,
)
_SIGNATURE = re.compile(
    r"(?:(?:Mr|Mrs|Ms|Miss|Dr|Sir|Lady|Lord|Rev|Captain|Capt|Colonel|Col|Major|General|Gen|Lieutenant|Lt|"
    r"Madame|Mme|Mlle|Fr[aä]u(?:lein)?|Herr|Signora?|Prof|Professor)\.?\s+)?"
    r"(?:[^\W\d_a-z][^\W\d_]*\.?(?:[-'’][^\W\d_]+)*)"
    r"(?:\s+(?:(?:de|von|van|of|da|di|du|le|la|der|den|y|al|el|ibn|bint|zu)\s+)*"
    r"(?:[^\W\d_a-z][^\W\d_]*\.?(?:[-'’][^\W\d_]+)*)){0,3}"
)
# Where a last line falls into a close and a name; the full stop of "Mrs." parts nothing.
_PARTS = re.compile(
    r"[,—–]\s*|\s-\s|(?<=[a-z])(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bRev)(?<!\bCapt)(?<!\bProf)"
    r"(?<!\bMme)(?<!\bMlle)(?<!\bSt)\.\s+"
)
TITLES = ("Mr", "Mrs", "Ms", "Miss", "Dr", "Captain", "Capt", "Colonel", "Col", "Major",
          "General", "Gen", "Lieutenant", "Lt", "Rev", "Madame", "Mme", "Mlle",
          "Herr", "Frau", "Fräulein", "Signor", "Signora", "Prof", "Professor", "Lord")  # fmt: skip

STOPWORDS = frozenset(
    """
    a about above after again against ago all almost alone along already also although always am
    among an and another any anybody anyone anything are as ask asked asking at away back be
    became because been before beg began behind being below best better between both but by call
    called came can cannot certain come comes could dear dearest did do does doing done down
    during each either else end enough even ever every everything explain far few find first for
    forgive found friend from full further gave get give given go goes going good got grateful
    great had half hand happy has have having he hear heard help hence her here herself him
    himself his hope how however humble i if in indeed instead into is it its itself just keep
    kind kindly know known last later least left less let letter letters like little long look
    made make makes many matter may me mean men might mine more most much must my myself name near
    need never new next no nor not nothing now obedient obliged of off often old on once one only
    or other others our ours ourselves out over own part people perhaps person place please pray
    put quite rather read really reply respect said same saw say says see seem seems seen self
    send sent servant shall she should since sir madam so some somebody someone something
    sometimes soon still such take taken tell than thank thanks that the their theirs them
    themselves then there therefore these they thing things think this those though thought thus
    till time to together told too took toward truly try two under until up upon us use used very
    want was way we well went were what whatever when where whether which while who whole whom
    whose why will wish with within without wonder word words work would write writes writing
    written wrote year years yes yet you young your yours yourself account affair answer believe
    day days describe different does'nt don't fact feel felt hear idea ideas interest life live
    lived man mind moment opinion question questions reason right sort story subject sure suppose
    true truth understand view views woman world able
    """.split()
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; line ends inside a paragraph count as blanks.

    A paragraph border always ends a sentence, with or without a stop.
    """
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        begin = 0
        for match in _END.finditer(flat):
            if _NUMBER.search(flat, begin, match.end()) and flat[match.end() + 1 :][:1].isdigit():
                continue  # "No. 7", where "I say no. Seven..." is an end
            if ends_sentence(flat[begin : match.end()]):
                found.append(flat[begin : match.end()].strip())
                begin = match.end()
        if rest := flat[begin:].strip():
            found.append(rest)
    return found


def ends_sentence(text: str) -> bool:
    """Whether a text ends with a stop that ends a sentence, not one after "Mr" or an initial."""
    stripped = text.rstrip("\"'”’)] ")
    if not stripped or stripped[-1] not in ".!?":
        return False
    if stripped[-1] in "!?":
        return True
    word = _LAST_WORD.search(stripped)
    if word is None:
        return True
    last = word.group(1)
    single = len(last) == 1 and last.isupper() and last != "I"
    return not (single or last.lower() in _ABBREVIATIONS)


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [w.lower().replace("’", "'") for w in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words that carry its matter: no stopwords, none under three letters, none twice."""
    kept = (w.removesuffix("'s") for w in words(text))
    return list(dict.fromkeys(w for w in kept if len(w) > 2 and w not in STOPWORDS))


def signature(text: str) -> str:
    """The writer's name as signed, or an empty string.

    "Regards, Andrew Mayne", a last line "Thomas Wickham" and "Your servant, M. Hale" are such.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    last = lines[-1].rstrip(" ,!;")
    parts = [p.strip() for p in _PARTS.split(last) if p.strip()]
    candidates = [last] if len(parts) < 2 else [parts[-1]]
    # "Thomas Wickham, schoolmaster" is signed in the first part.
    candidates += parts[:1]
    for candidate in candidates:
        candidate = re.sub(r"\A(?:from|signed)\s+", "", candidate, flags=re.I).rstrip()
        if not candidate.endswith(("Jr.", "Esq.")) and not re.search(r"\b[A-Z]\.\Z", candidate):
            candidate = candidate.rstrip(".")
        if not _SIGNATURE.fullmatch(candidate) or _GREETING.match(candidate):
            continue
        if any(w in _CLOSINGS for w in words(candidate)) or words(candidate)[0] in STOPWORDS:
            continue
        if len(lines) == 1 and len(parts) < 2:
            continue  # a letter of one line is not a name
        return candidate
    return ""


def form_of_name(name: str) -> str:
    """How a reply greets a writer: the title and surname if a title is given, else the first name.

    "Mrs. Ann Hale" is Mrs. Hale, "Sir Thomas More" Sir Thomas, "Andrew Mayne" Andrew.
    """
    parts = name.split()
    if len(parts) < 2:
        return name
    title = parts[0].rstrip(".")
    if title in ("Sir", "Lady", "Dame", "Brother", "Sister", "Father", "Don", "Donna"):
        return f"{parts[0]} {parts[1]}"
    if title in TITLES:
        return f"{parts[0]} {parts[-1]}"
    return parts[0]


@dataclass(frozen=True, slots=True)
class Question:
    """A sentence that asks or brings something up.

    `words` are its content words, `context` those of the two sentences before it, `rest` those of
    the whole letter: "Do you mind it?" is about what was said before.
    """

    text: str
    words: tuple[str, ...]
    context: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it asks, rather than tells."""
        return bool(_ASKS.search(self.text))

    @property
    def weights(self) -> dict[str, float]:
        """How much each word counts in a search: 1 where asked, less the farther away it stands."""
        weighed = dict.fromkeys(self.rest, 0.5)
        weighed.update(dict.fromkeys(self.context, 0.8))
        weighed.update(dict.fromkeys(self.words, 1.0))
        return weighed


def body(text: str) -> list[str]:
    """The letter's sentences without its greeting, closing and signature."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    name = signature(text)
    while len(lines) > 1 and len(lines[0].split()) <= 8 and _GREETING.match(lines[0].strip()):
        lines.pop(0)
    while len(lines) > 1 and (
        (name and name in lines[-1] and len(lines[-1].split()) <= 8)
        or (len(lines[-1].split()) <= 8 and not _ASKS.search(lines[-1])
            and sum(w in _CLOSINGS for w in words(lines[-1])) * 2 >= len(words(lines[-1])))
    ):  # fmt: skip
        lines.pop()
    # A greeting on the same line as the text may be left: "Dear Sir, ..."
    text = "\n".join(lines)
    text = re.sub(r"\A\s*(?:my\s+)?dear(?:est)?\s+[^,.!?\n]{1,40}[,:!]\s*", "", text, flags=re.I)
    return sentences(text)


def questions(text: str) -> list[Question]:
    """What a letter asks, in order; where nothing asks, everything it says."""
    said = body(text)
    rest = tuple(content_words(" ".join(said)))
    found = []
    for i, sentence in enumerate(said):
        context = content_words(" ".join(said[max(0, i - 2) : i]))
        found.append(Question(sentence, tuple(content_words(sentence)), tuple(context), rest))
    return [q for q in found if q.asks] or found


def years(text: str) -> list[int]:
    """The years a text names, from 1000 on."""
    return [int(y) for y in _YEAR.findall(text)]


_NAME = re.compile(
    r"(?<![.!?:\"“‘']\s)(?<!\A)(?<!\n)\b([A-Z][^\W\d_]+(?:['’-][^\W\d_]+)*"
    r"(?:\s+(?:(?:de|von|van|of|da|di|du|le|la)\s+)?[A-Z][^\W\d_]+(?:['’-][^\W\d_]+)*)*)"
)


def names(text: str) -> list[str]:
    """Runs of capitalised words that do not merely begin a sentence."""
    return [m.group(1) for m in _NAME.finditer(text)]


# Names that anybody in any of these centuries and countries may have heard.
_COMMON_NAMES = frozenset(
    """
    God Lord Christ Jesus Bible Scripture Gospel Heaven Providence Nature Moses Adam Eve Noah
    Solomon Christmas Easter Sunday Monday Tuesday Wednesday Thursday Friday Saturday January
    February March April May June July August September October November December Latin Greek
    Hebrew English French German Italian Spanish Dutch Polish Russian Irish Scottish Welsh
    Christian Jew Catholic Protestant Roman Europe Asia Africa England France Germany Italy
    Spain Holland Poland Russia Scotland Ireland Wales Greece Rome Egypt India China Turkey
    London Paris Vienna Venice Florence Berlin Oxford Cambridge Edinburgh Dublin Jerusalem
    Athens Atlantic Mediterranean Earth Moon Sun Venus Mars Jupiter Saturn Mercury Homer Virgil
    Plato Aristotle Euclid Caesar Alexander Sir Madam Mr Mrs Miss Dr King Queen Prince Emperor
    Pope Church Parliament
    """.split()
)


def is_common(name: str) -> bool:
    """Whether each word of a name is one that anybody knew."""
    return all(word in _COMMON_NAMES for word in name.split())
