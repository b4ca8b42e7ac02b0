"""A guard against recitation: while a text is drawn, no copy of the training texts gets too long.

Before each draw it names the ids that would carry a verbatim copy past its limit. Generation bans
them, and the model goes on in another way. It works on characters, whatever the tokenizer: an id
may stand for a part of a character or for several words.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerFast

from engine.overlap import DEPTH, InkIndex
from engine.tokenizers import encode_text, special_ids

_ESCAPE = re.compile(r"<0x([0-9A-F]{2})>")
_Utf8 = codecs.getincrementaldecoder("utf-8")


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary (Radford et al. 2019).

    Bytes that print as one letter in Latin-1 are that letter; the others follow from U+0100 on.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {
        chr(256 + i): byte for i, byte in enumerate(others)
    }


def token_bytes(tokenizer: PreTrainedTokenizerFast) -> dict[int, bytes]:
    """The UTF-8 bytes each id adds to a text that has begun; none for a special token."""
    backend = tokenizer.backend_tokenizer
    decoder = str(backend.decoder)
    letters = _byte_letters() if "ByteLevel" in decoder else {}
    begun = encode_text(tokenizer, "a")  # some decoders leave out a space where a text begins
    n_begun = len(backend.decode(begun))
    special = special_ids(tokenizer)
    said: dict[int, bytes] = {}
    for token, i in backend.get_vocab(with_added_tokens=True).items():
        if i in special:
            said[i] = b""
        elif letters and all(letter in letters for letter in token):
            said[i] = bytes(letters[letter] for letter in token)
        elif letters:  # a token added later, in plain text
            said[i] = token.encode("utf-8")
        elif "ByteFallback" in decoder and (escape := _ESCAPE.fullmatch(token)):
            said[i] = bytes([int(escape[1], 16)])
        else:
            said[i] = backend.decode([*begun, i])[n_begun:].encode("utf-8")
    return said


@dataclass(frozen=True, slots=True)
class _Choices:
    """What ids say. `reaching[j - 1]` holds those of at least j characters: their sorted texts,
    and the ids beside them. `always` holds ids that are a copy too long by themselves."""

    reaching: tuple[tuple[list[str], list[int]], ...]
    always: frozenset[int]


class CopyGuard:
    """Bans the ids that would make a verbatim copy longer than `longest` characters.

    So if the model's own text was guarded from its beginning, no longer run of it stands in the
    training texts. Its prompt is not counted: a person may quote. Bytes that form no character are
    left out of the text that is looked at, as `generate` leaves them out.

    Parameters
    ----------
    index : InkIndex
        The training texts.
    tokenizer : PreTrainedTokenizerFast
        The model's.
    longest : int
        Characters a copy may have, at least 1 and less than `DEPTH`. A model that may copy very few
        can hardly write a word.

    Raises
    ------
    ValueError
        If `longest` is outside its range.
    """

    def __init__(
        self, index: InkIndex, tokenizer: PreTrainedTokenizerFast, longest: int = 40
    ) -> None:
        if not 1 <= longest < DEPTH:
            raise ValueError(f"longest={longest} must be at least 1 and less than {DEPTH}")
        self.index = index
        self.longest = longest
        self._bytes = token_bytes(tokenizer)
        # What an id says depends on the bytes before it only if it begins inside a character.
        self._inside = {i: said for i, said in self._bytes.items() if b"\x80" <= said[:1] < b"\xc0"}
        self._whole = self._choices(
            (said.decode("utf-8", "ignore"), i)
            for i, said in self._bytes.items()
            if i not in self._inside
        )
        self._completing = lru_cache(maxsize=256)(self._complete)

    def banned(self, written: Sequence[int]) -> frozenset[int]:
        """The ids that must not come next.

        Parameters
        ----------
        written : sequence of int
            The ids of the model's own text so far.

        Returns
        -------
        frozenset of int
            Mostly empty. It never holds a special token.
        """
        text, begun = self._text(written)
        found: set[int] = set()
        for choices in (self._whole, self._completing(begun)):
            found |= choices.always
            # A copy that is too long by one ends with the first j characters of what an id says.
            # Those of many characters first: they follow on a short context, and where that is
            # nowhere in the training texts, a longer one is not either.
            for j in range(len(choices.reaching), 0, -1):
                n = self.longest + 1 - j
                if n > len(text):
                    continue
                context = text[-n:]
                if not self.index.holds(context):
                    break
                found.update(*self._following(context, j, *choices.reaching[j - 1]))
        return frozenset(found)

    def _text(self, written: Sequence[int]) -> tuple[str, bytes]:
        """The end of the text, at least `longest` characters if it has them, and the bytes of a
        character that has begun."""
        n = self.longest + 4
        while True:
            decoder = _Utf8("ignore")
            text = decoder.decode(b"".join([self._bytes.get(i, b"") for i in written[-n:]]))
            if len(text) >= self.longest or n >= len(written):
                return text, decoder.getstate()[0]
            n *= 2

    def _complete(self, begun: bytes) -> _Choices:
        """What the ids that begin inside a character say after its first bytes."""
        return self._choices(
            ((begun + said).decode("utf-8", "ignore"), i) for i, said in self._inside.items()
        )

    def _choices(self, said: Iterable[tuple[str, int]]) -> _Choices:
        pairs = sorted(said)
        too_long = self.longest + 1
        always = frozenset(
            i
            for text, i in pairs
            if any(
                self.index.holds(text[at : at + too_long]) for at in range(len(text) - self.longest)
            )
        )
        reaching: list[tuple[list[str], list[int]]] = []
        for j in range(1, self.longest + 1):
            pairs = [(text, i) for text, i in pairs if len(text) >= j]
            if not pairs:
                break
            reaching.append(([text for text, _ in pairs], [i for _, i in pairs]))
        return _Choices(tuple(reaching), always)

    def _following(
        self, context: str, j: int, texts: list[str], ids: list[int]
    ) -> Iterator[list[int]]:
        """The ids whose first j characters follow a context somewhere in the training texts.

        Both what ids say and what follows are sorted, so each leaps over what the other lacks.
        """
        at = 0
        while at < len(texts):
            found = self.index.following(context, texts[at][:j])
            if found is None:
                return
            at = bisect_left(texts, found, at)
            stop = bisect_right(texts, found, at, key=lambda text: text[:j])
            yield ids[at:stop]
            at = stop
