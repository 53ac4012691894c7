"""Parse: what a caller wrote becomes an `ImageRequest`. The only step that reads text, files and pictures.

Loose input (a mapping from JSON or YAML, keywords in a script) may write a size as "1024x1024", words to spell as one
string, and a picture as bytes, a path, a data URL or an `InputImage`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ...providers.base import images
from ...providers.base.errors import RequestError
from ...providers.base.request import AspectRatio, ImageRequest, InputImage, Size
from .. import ids
from ..document import did_you_mean
from ..ids import NewId

Loose = Mapping[str, object]
"""Fields of a request by name, not yet checked. None means: not given."""

FIELDS = tuple(each.name for each in fields(ImageRequest))
ALIASES = {"image": "images", "reference": "references", "max_cost": "max_cost_usd", "deadline": "deadline_seconds"}
LISTS = ("text", "needs", "tags")
PICTURES = ("images", "references", "mask")
AT_ONCE_BYTES = 200_000
"""Pictures up to this are checked on the event loop, larger ones in a worker thread."""
MOST_SAID = 60
"""Characters of a wrong value in a message: it may be a picture."""
LONGEST_PATH = 1_000
"""Characters: what is longer is a picture in base64, without its `data:`."""
WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
}


def new_request_id() -> NewId:
    return ids.new("img")


async def parse(given: ImageRequest | Loose) -> ImageRequest:
    """A request with an id. Raises RequestError naming the field, its value and what would work."""
    if isinstance(given, ImageRequest):
        request = given
    elif any(_is_heavy(given.get(name)) for name in (*PICTURES, *ALIASES)):
        request = await asyncio.to_thread(read, given)
    else:
        request = read(given)
    return request if request.request_id is not None else replace(request, request_id=new_request_id())


def read(given: Loose) -> ImageRequest:
    """The same without an event loop, and without giving an id."""
    named: dict[str, object] = {}
    for name, value in given.items():
        field = ALIASES.get(name, name)
        if field not in FIELDS:
            name = _brief(str(name))
            raise RequestError(f"unknown field {name!r}{did_you_mean(name, FIELDS)}", field=name)
        if field in named:
            raise RequestError(f"{field} is given twice; give it once", field=field)
        if isinstance(value, bool) and field != "stream":  # to Python, true is a number
            raise RequestError(f"{field} is {value}; only stream is true or false", field=field)
        if value is not None:
            named[field] = value
    for name in LISTS:
        if isinstance(named.get(name), str):
            named[name] = (named[name],)
    if "size" in named:
        named["size"] = _parsed("size", named["size"], Size, "WIDTHxHEIGHT, such as 1024x1024")
    if "aspect_ratio" in named:
        named["aspect_ratio"] = _parsed(
            "aspect_ratio", named["aspect_ratio"], AspectRatio, "WIDTH:HEIGHT, such as 16:9"
        )
    for name in PICTURES:
        if name in named:
            found = tuple(_picture(name, each, place) for place, each in enumerate(_each(named[name])))
            if name == "mask" and len(found) != 1:
                raise RequestError(f"mask: give one picture, not {len(found)}", field="mask")
            named[name] = found[0] if name == "mask" else found
    if named.get("images") and "operation" not in named:
        named["operation"] = "edit"
    try:
        return _adapter().validate_python(named)
    except ValidationError as error:
        raise _problem(error) from error


@cache
def _adapter() -> TypeAdapter[ImageRequest]:
    return TypeAdapter(ImageRequest)


def _parsed(name: str, value: object, kind: type[Size | AspectRatio], form: str) -> object:
    if isinstance(value, kind):
        return value
    if value == "auto":
        return None
    try:
        return kind.parse(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise RequestError(f"{name} is {_brief(repr(value))}; give {form}", field=name) from error


def _brief(text: str) -> str:
    return text if len(text) <= MOST_SAID else f"{text[: MOST_SAID - 1]}…"


def _problem(error: ValidationError) -> RequestError:
    """Pydantic's first finding, in a caller's words."""
    detail = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in detail["loc"])
    field = str(detail["loc"][0])
    value = _brief(repr(detail["input"]))
    if detail["type"] == "literal_error":
        options = [str(each) for each in get_args(_literal(field))]
        hint = did_you_mean(_brief(str(detail["input"])), options)
        return RequestError(f"{name} is {value}{hint or ''}", field=field)
    return RequestError(f"{name} {WORDS.get(detail['type'], detail['msg'])}, not {value}", field=field)


def _literal(field: str) -> object:
    """The Literal within a field's type: `Literal[…]`, `Literal[…] | None`, `tuple[Literal[…], …]`."""
    found: object = get_type_hints(ImageRequest)[field]
    while get_args(found) and not isinstance(get_args(found)[0], str):
        found = get_args(found)[-1 if field == "policy" else 0]
    return found


# Pictures


def _each(value: object) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, list | tuple) else (value,)


def _is_heavy(value: object) -> bool:
    """Is there so much to check that the event loop would stall?"""
    return value is not None and any(
        isinstance(each, Path) or (isinstance(each, str | bytes) and len(each) > AT_ONCE_BYTES) or isinstance(each, str)
        for each in _each(value)
        if not isinstance(each, InputImage)
    )


def _picture(field: str, value: object, place: int) -> InputImage:
    if isinstance(value, InputImage):
        return value
    name = f"{field}[{place}]" if field != "mask" else "mask"
    claimed: str | None = None
    try:
        match value:
            case bytes() | bytearray() | memoryview():
                data = bytes(cast("bytes", value))
            case str() if value.startswith(images.DATA_URL_PREFIX):
                data = images.from_data_url(value)
                claimed = value[len(images.DATA_URL_PREFIX) :].partition(";")[0] or None
            case str() if len(value) > LONGEST_PATH:
                message = f"{field}: {name} is no path; give base64 as data:image/png;base64,…"
                raise RequestError(message, field=field)
            case str() | Path():
                name = str(value)
                data = Path(value).read_bytes()
            case _:
                kind = type(value).__name__
                raise RequestError(f"{field}: give bytes, a path, a data URL or an InputImage, not {kind}", field=field)
    except images.NotAPicture as error:
        raise RequestError(f"{field}: {name} is {error}", field=field) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RequestError(f"{field}: {name!r} cannot be read: {reason}", field=field) from error
    return images.input_image(data, field=field, claimed_media_type=claimed, name=name)
