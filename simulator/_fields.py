"""The fields of a request, sent as JSON or as a form, read one by one against their limits.

What is wrong is told as Invalid, which each twin words in its vendor's way.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from PIL import Image

from ._openai_forms import read_form

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .server import Request
    from .world import World


class Invalid(ValueError):
    """A field (empty: the body) that cannot be taken, and why not."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the request, found readable."""

    content: bytes
    width: int
    height: int
    format: str
    """Pillow's name for it, in lower case: png, jpeg, webp, …"""
    has_alpha: bool

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Fields:
    values: Mapping[str, object]
    """The members of the JSON object, or the plain parts of the form: lists where a name came more than once."""
    files: Mapping[str, Sequence[bytes]]
    """The parts with a filename and something in them, in the order sent."""
    is_form: bool

    def names(self) -> set[str]:
        return {*self.values, *self.files}

    def given(self, name: str) -> object:
        """The value; None when it is absent, null, or empty in a form."""
        value = self.values.get(name)
        return None if self.is_form and value == "" else value

    def text(self, name: str, least: int = 0, most: int | None = None) -> str | None:
        """`least` and `most` characters."""
        value = self.given(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise Invalid(name, "must be a string")
        if len(value) < least:
            raise Invalid(name, f"must be at least {least} characters long")
        if most is not None and len(value) > most:
            raise Invalid(name, f"must be at most {most} characters long")
        return value

    def needed(self, name: str, most: int | None = None) -> str:
        value = self.text(name, 1, most)
        if value is None:
            raise Invalid(name, "required")
        return value

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise Invalid(name, f"must be one of {', '.join(repr(choice) for choice in choices)}")
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        value = self.given(name)
        if value is None:
            return None
        if self.is_form and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid(name, "must be a number")
        if not least <= value <= most:
            raise Invalid(name, f"must be between {least} and {most}")
        return value

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self.number(name, least, most)
        if value is None:
            return None
        if value != int(value):
            raise Invalid(name, "must be an integer")
        return int(value)

    def flag(self, name: str) -> bool | None:
        value = self.given(name)
        if self.is_form and value in {"true", "false"}:
            return value == "true"
        if value is None or isinstance(value, bool):
            return value
        raise Invalid(name, "must be a boolean")

    def items(self, name: str) -> list[object]:
        """A list; one value alone counts as a list of one."""
        value = self.given(name)
        if value is None:
            return []
        return cast("list[object]", value) if isinstance(value, list) else [value]

    def pictures(self, name: str, max_bytes: int | None = None) -> list[Picture]:
        return [read_picture(content, name, max_bytes) for content in self.files.get(name, ())]

    def picture(self, name: str, max_bytes: int | None = None) -> Picture | None:
        found = self.pictures(name, max_bytes)
        return found[0] if found else None


def read_fields(request: Request) -> Fields:
    """The body by its content type; raises Invalid when it is neither a form nor a JSON object."""
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return _read_form(content_type, request.body)
    try:
        body: object = json.loads(request.body)
    except ValueError as error:
        raise Invalid("", "the body is not valid JSON") from error
    if not isinstance(body, dict):
        raise Invalid("", "the body must be a JSON object")
    return Fields(cast("dict[str, object]", body), {}, is_form=False)


def _read_form(content_type: str, body: bytes) -> Fields:
    try:
        parts = read_form(content_type, body)
    except ValueError as error:
        raise Invalid("", f"the form cannot be read: {error}") from error
    values: dict[str, list[object]] = {}
    files: dict[str, list[bytes]] = {}
    for part in parts:
        name = part.name.removesuffix("[]")
        if part.filename is not None:
            if part.content:  # an empty one is how clients force a form
                files.setdefault(name, []).append(part.content)
            continue
        try:
            text = part.content.decode()
            value: object = json.loads(text) if part.media_type == "application/json" else text
        except ValueError as error:
            raise Invalid(name, "cannot be read") from error
        values.setdefault(name, []).append(value)
    return Fields({name: list_ if len(list_) > 1 else list_[0] for name, list_ in values.items()}, files, is_form=True)


def read_picture(content: bytes, field: str, max_bytes: int | None = None) -> Picture:
    if max_bytes is not None and len(content) > max_bytes:
        raise Invalid(field, f"must be at most {max_bytes} bytes")
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            return Picture(
                content, image.width, image.height, (image.format or "").lower(), image.has_transparency_data
            )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Invalid(field, "is not an image that can be read") from error


def read_data_url(url: str, field: str) -> bytes:
    _, comma, data = url.partition(",")
    try:
        return base64.b64decode(data if comma else url, validate=True)
    except binascii.Error as error:
        raise Invalid(field, "is not valid base64") from error


def download(url: str, field: str, world: World) -> bytes:
    """What the simulator itself holds at that address; no other address is ever called."""
    own, target = urlsplit(world.base_url), urlsplit(url)
    if (target.scheme, target.netloc) != (own.scheme, own.netloc):
        raise Invalid(field, "could not be downloaded")
    connection = http.client.HTTPConnection(own.hostname or "", own.port, timeout=10)
    try:
        connection.request("GET", target._replace(scheme="", netloc="").geturl())
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Invalid(field, "could not be downloaded") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Invalid(field, f"could not be downloaded: HTTP {response.status}")
    return content
