"""TOML tables read field by field, so that an error names the file, the table and the field.

People, letters and the catalog are all TOML files written by hand; each says here what a field must
be, and a field nobody asked for is reported as a slip of the pen.
"""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Mapping
from typing import Any

from corpora.dates import LetterDate
from corpora.errors import DateError, InputError


class Table:
    """One table of a TOML file, whose fields are taken by kind and counted off.

    Parameters
    ----------
    values : Mapping
        The table as `tomllib` gives it.
    where : str
        File and table, for the messages: "newton.toml, passage 3".
    error : type of InputError
        What to raise.
    """

    def __init__(self, values: Mapping[str, Any], where: str, error: type[InputError]) -> None:
        self._values = values
        self._asked: list[str] = []
        self.where = where
        self._error = error

    def fail(self, field: str, message: str) -> InputError:
        """The error to raise for a field."""
        return self._error(f"{self.where}: the field {field!r} {message}")

    def _take(self, field: str, default: Any, kind: type, wanted: str) -> Any:
        self._asked.append(field)
        value = self._values.get(field, default)
        if value is None:
            raise self.fail(field, f"is missing; expected {wanted}.")
        # A bool is an int to Python, never to the person who wrote the file.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(field, f"is {value!r}; expected {wanted}.")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        """A text without white space around it; not empty unless the default is."""
        value: str = self._take(field, default, str, "a text in quotation marks").strip()
        if not value and default != "":
            raise self.fail(field, "is empty; expected a text.")
        return value

    def texts(self, field: str, *, at_least: int = 1) -> tuple[str, ...]:
        """A list of texts, none empty and none twice."""
        default: list[str] | None = [] if at_least == 0 else None
        values = self._take(field, default, list, 'a list of texts, ["one", "two"]')
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.fail(field, f"holds {value!r}; expected texts that are not empty.")
        stripped = tuple(value.strip() for value in values)
        if len(stripped) < at_least:
            raise self.fail(field, f"has {len(stripped)} entries; expected at least {at_least}.")
        if twice := next((value for value in stripped if stripped.count(value) > 1), None):
            raise self.fail(field, f"holds {twice!r} twice; write each entry once.")
        return stripped

    def number(self, field: str, default: int | None = None) -> int:
        """A whole number."""
        value: int = self._take(field, default, int, "a whole number without quotation marks")
        return value

    def flag(self, field: str) -> bool:
        """true or false; false where the field is left out."""
        value: bool = self._take(field, False, bool, "true or false")
        return value

    def date(self, field: str) -> LetterDate:
        """A date; quoted as the format has it, or bare as TOML allows."""
        wanted = 'a date such as "1687", "1687-07" or "1687-07-05"'
        value = self._take(field, None, object, wanted)
        if not isinstance(value, str | int | datetime.date) or isinstance(value, bool):
            raise self.fail(field, f"is {value!r}; expected {wanted}.")
        try:
            return LetterDate.parse(str(value))
        except DateError as problem:
            raise self.fail(field, f"is wrong: {problem}") from None

    def table(self, field: str) -> Table:
        """A table inside this one."""
        values = self._take(field, None, dict, f"a table [{field}]")
        return Table(values, f"{self.where}, {field}", self._error)

    def tables(self, field: str, *, at_least: int = 1) -> list[Table]:
        """A list of tables, `[[field]]`, counted from 1 in the messages."""
        default: list[Any] | None = [] if at_least == 0 else None
        values = self._take(field, default, list, f"one or more tables [[{field}]]")
        if not all(isinstance(value, dict) for value in values):
            raise self.fail(field, f"is a plain list; expected tables [[{field}]].")
        if len(values) < at_least:
            raise self.fail(field, f"is empty; expected at least {at_least} table [[{field}]].")
        return [
            Table(value, f"{self.where}, {field} {i}", self._error)
            for i, value in enumerate(values, 1)
        ]

    def done(self) -> None:
        """Raise if the table holds a field that was never asked for."""
        for field in self._values:
            if field not in self._asked:
                near = difflib.get_close_matches(field, self._asked, n=1)
                advice = (
                    f"perhaps {near[0]!r} was meant"
                    if near
                    else "known fields are " + ", ".join(self._asked)
                )
                raise self.fail(field, f"is not a field here; {advice}.")


def read_table(text: str, where: str, error: type[InputError]) -> Table:
    """Parse a whole TOML file.

    Raises
    ------
    InputError
        Of the type `error`, naming `where` and the line, if the text is not TOML.
    """
    try:
        return Table(tomllib.loads(text), where, error)
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{where} is not valid TOML: {problem}. Correct that line.") from None
