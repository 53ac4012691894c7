"""Values of a body, each read as what it must be. In forms, and from careless clients, numbers and truth are text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import Refused

MAX_TEXT_CHARACTERS = 4_000
"""Of any text but the prompt."""
MAX_DIGITS = 100
MAX_INTEGER = 2**53
NUMBER = re.compile(r"[+-]?\d{1,18}")
FLAGS = {"true": True, "1": True, "false": False, "0": False}
KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def text(
    given: Mapping[str, object], name: str, *, most: int = MAX_TEXT_CHARACTERS, default: object = None
) -> str | None:
    value = given.get(name, default)
    if value is None:
        return None
    if name == "user" and isinstance(value, int):
        return str(value)[:MAX_DIGITS]
    if not isinstance(value, str):
        raise Refused(
            f"Invalid type for '{name}': expected a string, but got {kind(value)} instead.",
            field=name,
            code="invalid_type",
        )
    if len(value) > most:
        raise Refused(
            f"Invalid '{name}': string too long, with {len(value):,} characters; at most {most:,} are taken.",
            field=name,
            code="string_above_max_length",
        )
    return value


def whole(given: Mapping[str, object], name: str) -> int | None:
    """A whole number, in a form or from a careless client as text. Its range is for the router to judge."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(
            f"Invalid type for '{name}': expected an integer, but got {kind(value)} instead.",
            field=name,
            code="invalid_type",
        )
    if abs(value) > MAX_INTEGER:
        raise Refused(f"Invalid '{name}': far out of range.", field=name, code="integer_above_max_value")
    return value


def flag(given: Mapping[str, object], name: str, *, within: str = "") -> bool:
    value = given.get(name, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := FLAGS.get(value.strip().lower())) is not None:
        return found
    raise Refused(
        f"Invalid type for '{within}{name}': expected a boolean, but got {kind(value)} instead.",
        field=f"{within}{name}",
        code="invalid_type",
    )


def kind(value: object) -> str:
    for kind, name in KINDS:
        if isinstance(value, kind):
            return name
    return "null"
