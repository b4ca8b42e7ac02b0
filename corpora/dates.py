"""Dates as letters carry them: a year, perhaps a month, perhaps a day.

`datetime.date` cannot say "1687" or a year before Christ, and both occur in letters. Order and
comparison are on the calendar as written; no conversion between Old and New Style is attempted.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass

from corpora.errors import DateError

MONTHS = tuple(calendar.month_name)[1:]
_ISO = re.compile(r"(-?\d{1,4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?\Z")
_WORDS = re.compile(r"(?:(\d{1,2})(?:st|nd|rd|th)?\s+)?([A-Za-z]{3,9})\.?,?\s+(-?\d{1,4})\Z")
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{1,4})\Z")


def _days_in(year: int, month: int) -> int:
    # The Julian calendar has 29 February in years such as 1700, so every fourth year may.
    return 29 if month == 2 and year % 4 == 0 else calendar.monthrange(2001, month)[1]


@dataclass(frozen=True, slots=True)
class LetterDate:
    """A date of a letter, an event or a life; a missing month or day is `None`.

    Year 0 is 1 BC, as astronomers count.
    """

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if self.day is not None and self.month is None:
            raise ValueError(f"day={self.day!r} without a month")
        if self.month is not None and not 1 <= self.month <= 12:
            raise DateError(f"There is no month {self.month}; months run from 1 to 12.")
        if self.day is not None:
            assert self.month is not None
            last = _days_in(self.year, self.month)
            if not 1 <= self.day <= last:
                raise DateError(
                    f"{MONTHS[self.month - 1]} {self.year} has no day {self.day}; "
                    f"its days run from 1 to {last}."
                )

    @classmethod
    def parse(cls, text: str) -> LetterDate:
        """Read "1687", "1687-07", "1687-07-05", "5 July 1687" or "July 5, 1687".

        Raises
        ------
        DateError
            If the text is none of these, or names a day that does not exist.
        """
        text = text.strip()
        if match := _ISO.match(text):
            year, month, day = match.groups()
            return cls(int(year), int(month) if month else None, int(day) if day else None)
        if match := _WORDS.match(text):
            day, name, year = match.groups()
        elif match := _MONTH_FIRST.match(text):
            name, day, year = match.groups()
        else:
            raise DateError(
                f"{text!r} is not a date; write a year, 1689, or a day, 1689-06-10 or 10 June 1689."
            )
        months = [i for i, full in enumerate(MONTHS, 1) if full.lower().startswith(name.lower())]
        if len(months) != 1:
            raise DateError(f"{name!r} is not the name of a month in {text!r}; write it as June.")
        return cls(int(year), months[0], int(day) if day else None)

    @property
    def first_day(self) -> tuple[int, int, int]:
        """The earliest day this date can mean."""
        return (self.year, self.month or 1, self.day or 1)

    @property
    def last_day(self) -> tuple[int, int, int]:
        """The latest day this date can mean."""
        month = self.month or 12
        return (self.year, month, self.day or _days_in(self.year, month))

    def not_after(self, other: LetterDate) -> bool:
        """Whether this date, read as late as it can be, is no later than `other` so read."""
        return self.last_day <= other.last_day

    def __str__(self) -> str:
        parts = [str(self.year)]
        if self.month is not None:
            parts.append(f"{self.month:02d}")
        if self.day is not None:
            parts.append(f"{self.day:02d}")
        return "-".join(parts)

    @property
    def long(self) -> str:
        """As written at the head of a letter: "10 June 1689", "June 1689", "1689"."""
        year = str(self.year) if self.year > 0 else f"{1 - self.year} BC"
        if self.month is None:
            return year
        month = MONTHS[self.month - 1]
        return f"{month} {year}" if self.day is None else f"{self.day} {month} {year}"
