"""An experiment's settings as fields that a person fills in: on the command line or in the page.

The fields are read from the frozen dataclass of the experiment; what each is for stands in its
metadata under `help`, and under `choices` what it may be where that is a short list.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from corpora.errors import InputError

Kind = Literal["whole", "number", "text", "texts", "switch", "path"]
_WORDS = {"lr": "learning rate", "csv": "CSV"}
_EXPECTED = {
    "whole": "a whole number",
    "number": "a number",
    "texts": "words with commas between",
    "switch": "yes or no",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: what it is called, what kind of value it has, and what that usually is."""

    name: str
    kind: Kind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    item: type = str  # of what the tuple is, where it is one

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def label(self) -> str:
        """Its name for people."""
        words = _WORDS.get(self.name) or self.name.removeprefix("n_").replace("_", " ")
        return words[:1].upper() + words[1:]

    @property
    def shown(self) -> str:
        """The usual value as a person would write it."""
        return as_text(self.default)


def fields_of(settings: type[Any]) -> tuple[Field, ...]:
    """The fields of a settings class, in its order.

    Raises
    ------
    ValueError
        If a field is of a kind that nobody can fill in.
    """
    hints = get_type_hints(settings)
    found = []
    for one in fields(settings):
        kind, optional, item = _kind(hints[one.name], one.name)
        default = one.default
        if default is MISSING:
            if one.default_factory is MISSING:
                raise ValueError(f"{settings.__name__}.{one.name} has no default")
            default = one.default_factory()
        literal = _choices(hints[one.name])
        found.append(
            Field(
                one.name, kind, default, str(one.metadata.get("help", "")),
                tuple(str(c) for c in one.metadata.get("choices", literal)), optional, item,
            )
        )  # fmt: skip
    return tuple(found)


def make(settings: type[Any], given: Mapping[str, object]) -> Any:
    """Settings from what a person gave for some of the fields, as text or as values.

    Raises
    ------
    InputError
        If a value is not of its field's kind, or the experiment refuses it.
    """
    known = {one.name: one for one in fields_of(settings)}
    if unknown := set(given) - set(known):
        raise ValueError(f"given={sorted(unknown)} are no settings of {settings.__qualname__}")
    values = {name: read(known[name], value) for name, value in given.items()}
    try:
        return settings(**values)
    except (ValueError, TypeError) as problem:
        raise InputError(f"The settings do not go together: {problem}.") from problem


def plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON's own types, of which `make` makes the same ones."""
    values = {one.name: getattr(settings, one.name) for one in fields_of(type(settings))}
    return {
        name: list(value) if isinstance(value, tuple)
        else str(value) if isinstance(value, Path)
        else value
        for name, value in values.items()
    }  # fmt: skip


def as_text(value: Any) -> str:
    """A value as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return ",".join(as_text(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(field: Field, value: object) -> Any:
    """The value of a field from what a person gave.

    Raises
    ------
    InputError
        Saying what was expected.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        if field.optional:
            return None
        if field.kind in ("text", "texts") and value is not None:
            return () if field.kind == "texts" else ""
        return field.default
    try:
        found = _read(field, value)
    except (ValueError, OverflowError):
        expected = _EXPECTED.get(field.kind, "another value")
        raise InputError(
            f"{field.label} is {as_text(value)[:60]!r}; expected {expected}, such as "
            f"{field.shown or 'none'}."
        ) from None
    chosen = found if isinstance(found, tuple) else (found,)
    if field.choices and any(as_text(one) not in field.choices for one in chosen):
        raise InputError(
            f"{field.label} is {as_text(found)[:60]!r}; expected "
            f"{'some' if field.kind == 'texts' else 'one'} of {', '.join(field.choices)}."
        )
    return found


def _read(field: Field, value: object) -> Any:
    match field.kind:
        case "whole":
            number = float(value) if isinstance(value, str | int | float) else math.nan
            if number != int(number):
                raise ValueError
            return int(str(value)) if isinstance(value, str) and _digits(value) else int(number)
        case "number":
            number = float(str(value))
            if not math.isfinite(number):
                raise ValueError
            return number
        case "switch":
            said = str(value).strip().lower()
            if said not in ("true", "false", "yes", "no", "1", "0"):
                raise ValueError
            return said in ("true", "yes", "1")
        case "texts":
            parts = value if isinstance(value, list | tuple) else str(value).split(",")
            return tuple(field.item(str(part).strip()) for part in parts if str(part).strip())
        case "path":
            return Path(str(value).strip()).expanduser()
        case _:
            return str(value).strip()


def _digits(text: str) -> bool:
    return text.strip().lstrip("-").isdigit()


def _kind(hint: Any, name: str) -> tuple[Kind, bool, type]:
    """The kind of an annotation, whether it may be None, and what a tuple holds."""
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        inner = [one for one in get_args(hint) if one is not type(None)]
        optional = len(inner) < len(get_args(hint))
        hint = inner[0] if len(inner) == 1 else hint
    simple: dict[Any, Kind] = {
        bool: "switch", int: "whole", float: "number", str: "text", Path: "path"
    }  # fmt: skip
    if hint in simple:
        return simple[hint], optional, str
    if get_origin(hint) is Literal:
        return "text", optional, str
    if get_origin(hint) is tuple and get_args(hint)[0] in (str, int, float):
        return "texts", optional, get_args(hint)[0]
    raise ValueError(f"the setting {name} is {hint}, which has no field")


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()
