"""What a vendor answered, read so that a surprise is a `BadReply` with its path, never a KeyError."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import cast

from .clock import now
from .errors import BadReply

Buffer = bytes | memoryview
WINDOW_BYTES = 65_536
MOST_ESCAPES = 2_000
LONG_TEXT_BYTES = 16_384
"""A text of this length in an answer is a picture, and is not worth a place in a tree."""
NOTHING_SPARED: Mapping[str, memoryview] = MappingProxyType({})
LARGEST_POWER = 30
"""Of ten, that any number in an answer has: 1e999999 is seven letters, and as a whole number a megabyte."""
SEED_DIGITS = 20
STANDS_FOR = f"easel-{secrets.token_hex(8)}-"
"""Begins the words that stand for a spared text; no vendor can know it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value within a JSON answer that knows where it stands."""

    value: object
    path: str = "$"
    spared: Mapping[str, memoryview] = field(default_factory=lambda: NOTHING_SPARED, repr=False)
    """Long texts that were left where they are in the body, by the words that stand for them."""

    def __getitem__(self, key: str | int) -> Node:
        """The member that must be there."""
        found = self.get(key)
        if found is None:
            raise BadReply("missing", path=self._below(key))
        return found

    def get(self, key: str | int) -> Node | None:
        """The member, or None when it is absent or null."""
        value: object = None
        if isinstance(key, str):
            if not isinstance(self.value, dict):
                raise BadReply(f"expected an object, got {_kind(self.value)}", path=self.path)
            value = cast("dict[str, object]", self.value).get(key)
        else:
            members = self._list()
            if key < len(members):
                value = members[key]
        return None if value is None else Node(value, self._below(key), self.spared)

    def find(self, *keys: str | int) -> Node | None:
        """The member at the end of a path, or None when any part of it is absent."""
        node: Node | None = self
        for key in keys:
            node = node.get(key) if node is not None else None
        return node

    def at(self, *keys: str | int) -> Node | None:
        """As `find`, but None also where something of another shape stands: for what may be left unread."""
        try:
            return self.find(*keys)
        except BadReply:
            return None

    def text_at(self, *keys: str | int) -> str | None:
        """The text at the end of a path, or None when there is anything else."""
        node = self.at(*keys)
        return node.text if node is not None and isinstance(node.value, str) else None

    def characters_at(self, *keys: str | int) -> bytes | memoryview | None:
        """The same, as `characters`."""
        node = self.at(*keys)
        return node.characters if node is not None and isinstance(node.value, str) else None

    def items(self) -> Iterator[Node]:
        """The members of a list."""
        for index, value in enumerate(self._list()):
            yield Node(value, self._below(index), self.spared)

    def keys(self) -> tuple[str, ...]:
        if not isinstance(self.value, dict):
            raise BadReply(f"expected an object, got {_kind(self.value)}", path=self.path)
        return tuple(cast("dict[str, object]", self.value))

    @property
    def text(self) -> str:
        if not isinstance(self.value, str):
            raise BadReply(f"expected text, got {_kind(self.value)}", path=self.path)
        if self.value in self.spared:
            return str(self.spared[self.value], "utf-8", "replace")
        return self.value if self.value.isascii() else _whole(self.value)

    @property
    def characters(self) -> bytes | memoryview:
        """A text's characters, not copied where it is long: for pictures in base64."""
        found = self.spared.get(self.value) if isinstance(self.value, str) else None
        return found if found is not None else self.text.encode()

    @property
    def integer(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise BadReply(f"expected a whole number, got {_kind(self.value)}", path=self.path)
        return self.value

    @property
    def decimal(self) -> Decimal:
        """A number, to the digit as the vendor wrote it."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | str | Decimal):
            raise BadReply(f"expected a number, got {_kind(self.value)}", path=self.path)
        try:
            number = Decimal(str(self.value))
        except InvalidOperation as error:
            raise BadReply(f"expected a number, got {self.value!r}", path=self.path) from error
        if not number.is_finite() or number.adjusted() > LARGEST_POWER:
            raise BadReply(f"expected a number of a sensible size, got {str(self.value)[:40]!r}", path=self.path)
        return number

    def _list(self) -> list[object]:
        if not isinstance(self.value, list):
            raise BadReply(f"expected a list, got {_kind(self.value)}", path=self.path)
        return cast("list[object]", self.value)

    def _below(self, key: str | int) -> str:
        return f"{self.path}.{key}" if isinstance(key, str) else f"{self.path}[{key}]"


def _kind(value: object) -> str:
    for kind, name in ((dict, "an object"), (list, "a list"), (str, "text"), (bool, "true or false")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "a number"


def seed_in(text: str | None) -> int | None:
    """A seed that is written as text; None for all else."""
    return int(text) if text is not None and text.isdecimal() and len(text) <= SEED_DIGITS else None


def _whole(text: str) -> str:
    """Without halves of characters: JSON can escape one alone (`\\ud83d`), and nothing else can say it."""
    return text.encode("utf-8", "replace").decode()


def tree(body: Buffer) -> Node:
    """JSON as a tree whose long texts stay in `body`: parsing megabytes of base64 costs ten times what finding it does.

    Raises ValueError and RecursionError, as json.loads does.
    """
    if len(body) < 2 * LONG_TEXT_BYTES:
        return Node(json.loads(bytes(body)))
    view = memoryview(body)
    pieces: list[Buffer] = []
    spared: dict[str, memoryview] = {}
    kept = 0
    for start, end in _long_texts(view):
        words = f"{STANDS_FOR}{len(spared)}"
        spared[words] = view[start:end]
        pieces += view[kept:start], words.encode()
        kept = end
    return Node(json.loads(b"".join([*pieces, view[kept:]])), spared=spared)


def _long_texts(view: memoryview) -> Iterator[tuple[int, int]]:
    """Where the long texts without an escape begin and end. After many escapes nothing more is looked for."""
    inside, start, escapes, plain = False, 0, 0, True
    for place, is_quote in _marks(view):
        if not is_quote:
            escapes, plain = escapes + 1, False
            if escapes > MOST_ESCAPES:
                return
        elif not inside:
            inside, start, plain = True, place + 1, True
        else:
            inside = False
            if plain and place - start > LONG_TEXT_BYTES:
                yield start, place


def _marks(view: memoryview) -> Iterator[tuple[int, bool]]:
    """Every quote (True) and backslash (False) in turn, without what a backslash escapes.

    Looks at a window at a time, so that the body, which is not Python's, need not be copied whole.
    """
    base, size = 0, len(view)
    skip = 0
    while base < size:
        window = bytes(view[base : base + WINDOW_BYTES])
        at = skip
        quote, slash = window.find(b'"', at), window.find(b"\\", at)
        while quote >= 0 or slash >= 0:
            if slash < 0 or 0 <= quote < slash:
                yield base + quote, True
                at = quote + 1
                quote = window.find(b'"', at)
            else:
                yield base + slash, False
                at = slash + 2
                slash = window.find(b"\\", at)
                if 0 <= quote < at:
                    quote = window.find(b'"', at)
        skip = max(0, at - len(window))
        base += len(window)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    content: Buffer = field(repr=False)
    """As the engine gave it."""
    url: str = ""

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else bytes(self.content)

    def json(self) -> Node:
        try:
            return tree(self.content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            raise BadReply(f"not JSON ({kind}, {len(self.content)} bytes)", path="$") from error

    def error_json(self) -> Node | None:
        """The body of an error, when it is a JSON object; an error page is None."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return Node(cast("object", value)) if isinstance(value, dict) else None

    def retry_after_seconds(self) -> float | None:
        """`retry-after-ms`, or `retry-after` in seconds or as a date; None when absent or unreadable."""
        milliseconds = _number(self.headers.get("retry-after-ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        text = self.headers.get("retry-after")
        seconds = _number(text)
        if seconds is not None or text is None:
            return seconds
        try:
            return max(0.0, (parsedate_to_datetime(text) - now()).total_seconds())
        except (ValueError, TypeError):
            return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 86_400 else None


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: Buffer = field(repr=False)

    def json(self) -> Node:
        try:
            return tree(self.data)
        except (ValueError, RecursionError) as error:
            raise BadReply(f"event {self.name!r} is not JSON", path="$") from error
