"""Reading bodies: within limits, as JSON or as a form, with the oddities that real clients send.

A body is refused by the length that it declares, or as soon as it is longer than it may be. What is refused is then
read on to its end for a moment, unseen: a client that is still sending would otherwise never read the answer.
Forms: RFC 7578, and leniently: unquoted names, parts with a blank content type or none, bare `image`, `image[]` or
`image[0]`, objects as `easel[policy][size]`, fields that are empty or given twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import from_json

from .errors import Busy, Headers, Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
FORM = "multipart/form-data"
LINGER_SECONDS = 2.0
LINGER_BYTES = 300_000_000
MAX_BOUNDARY_BYTES = 200
MAX_PART_HEADER_BYTES = 8_000
MAX_DEPTH = 4
CLOSE: Headers = ((b"connection", b"close"),)
PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;"\s]*)')
BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class Left(Exception):
    """The client went away before its body was whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may be, and what all of them may be together."""

    body_bytes: int = 100_000_000
    parts: int = 64
    """Of a form."""
    field_bytes: int = 1_000_000
    """One part of a form that is no file."""
    pictures: int = 32
    """Sources, references and a mask together."""
    pixels: int = 150_000_000
    """Of all pictures of one request together; for each one `images.MAX_INPUT_PIXELS` holds as well."""
    read_seconds: float = 60.0
    """From the head of a request to the end of its body."""
    fetch_seconds: float = 30.0
    """For each picture at an address."""
    requests_at_once: int = 1_000
    bytes_at_once: int = 768_000_000
    """Bodies being read and pictures under way. Beyond it new requests wait outside: 503, with Retry-After."""
    keep_alive_seconds: float = 10.0
    """Between the comments that keep a stream open while its vendor paints."""
    write_seconds: float = 60.0
    """A client that takes nothing of its answer for so long is cut off: see `connection`."""


@dataclass(slots=True)
class Load:
    """What is under way in this process."""

    limits: Limits
    requests: int = 0
    bytes: int = 0

    def admit(self) -> Place:
        """Room for one request. Raises Busy."""
        if self.requests >= self.limits.requests_at_once or self.bytes >= self.limits.bytes_at_once:
            raise Busy("as many requests are under way as this gateway takes at once; try again in a moment")
        self.requests += 1
        return Place(self)


@dataclass(slots=True)
class Place:
    """The part of one request in the load. `leave` it; leaving twice is leaving once."""

    load: Load
    held: int = 0
    came: int = 0
    """Of those, bytes that came from vendors."""
    left: bool = False

    def expect(self, count: int) -> None:
        """Before so many bytes are read. Raises Busy."""
        if self.load.bytes + count > self.load.limits.bytes_at_once:
            raise Busy("as many bytes are under way as this gateway takes at once; try again in a moment")

    def hold(self, count: int) -> None:
        self.held += count
        self.load.bytes += count

    def receive(self, count: int) -> None:
        """So many bytes come from a vendor: they are counted before they are read, where their number is known."""
        if not self.left:
            self.hold(count)
            self.came += count

    def answers(self, count: int) -> None:
        """The answer has so many bytes; what came from a vendor for it is counted already."""
        self.hold(max(0, count - self.came))

    def release(self, count: int) -> None:
        self.hold(-count)

    def leave(self) -> None:
        if self.left:
            return
        self.load.bytes -= self.held
        self.load.requests -= 1
        self.held, self.left = 0, True


async def read(receive: Receive, declared: bytes | None, place: Place) -> bytes:
    """The whole body. Raises Refused (413, 408, 400), Busy or Left."""
    limit = place.load.limits.body_bytes
    if declared is not None:
        if not declared.isdigit():
            raise Refused("the content-length is no number", code="invalid_content_length", headers=CLOSE)
        if len(declared) > 18 or int(declared) > limit:
            raise _too_large(limit)
        place.expect(int(declared))
    pieces: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(place.load.limits.read_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Left
                piece = cast("bytes", message.get("body", b""))
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                place.expect(len(piece))
                place.hold(len(piece))
                pieces.append(piece)
                more = message.get("more_body", False)
        return b"".join(pieces)
    except TimeoutError:
        raise _too_slow(place) from None
    finally:
        pieces.clear()  # an error that is raised here would keep them alive


def _too_large(limit: int) -> Refused:
    return Refused(
        f"the body is larger than {limit:,} bytes, the most that is taken here",
        status=413,
        code="request_too_large",
        headers=CLOSE,
    )


def _too_slow(place: Place) -> Refused:
    return Refused(
        f"the body did not arrive within {place.load.limits.read_seconds:.0f} s",
        status=408,
        code="request_timeout",
        headers=CLOSE,
    )


async def linger(receive: Receive) -> None:
    """Read on, and forget, what the client is still sending."""
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


# What is in them


@dataclass(frozen=True, slots=True)
class File:
    """A part of a form that is a file, or could be one."""

    name: str
    """With its brackets, as sent."""
    data: bytes = field(repr=False)
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a body says."""

    fields: Mapping[str, object]
    files: tuple[File, ...] = ()
    form: bool = False
    """Then every plain value is text."""


def content_type(header: bytes | None) -> tuple[str, str]:
    """The media type, in lower case, and its parameters. A body without one is taken for JSON."""
    text = (header or b"").decode("latin-1").strip()
    kind, semicolon, rest = text.partition(";")
    return kind.strip().lower() or JSON, semicolon + rest


def parse_json(body: bytes) -> Content:
    """Raises Refused."""
    try:
        found: object = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(f"the body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(found, dict):
        raise Refused('the body must be a JSON object, such as {"prompt": "a red kite"}', code="invalid_json")
    return Content(cast("dict[str, object]", found))


def parse_form(body: bytes, parameters: str, limits: Limits, *, files: frozenset[str]) -> Content:
    """`files` are the names, without brackets, of parts that are files. Raises Refused."""
    plain: dict[str, object] = {}
    found: list[File] = []
    for name, filename, data in _parts(body, _boundary(parameters), limits):
        base = name.partition("[")[0]
        if base in files:
            if data or filename is not None:
                found.append(File(name, bytes(data), filename))
        elif len(data) > limits.field_bytes:
            raise Refused(f"{base} has {len(data):,} bytes; at most {limits.field_bytes:,} are taken", field=base)
        elif data:
            _put(plain, name, _text(base, data))
    return Content(plain, tuple(found), form=True)


def _text(name: str, data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is not UTF-8 text", field=name) from error


def _put(into: dict[str, object], name: str, value: str) -> None:
    """`a`, `a[]`, `a[b]`, `a[b][]`; of a plain field given twice the last one counts."""
    whole = BRACKETS.fullmatch(name)
    if whole is None:
        raise Refused(f"{name[:60]!r} is no name of a field", field=name[:60], code="unknown_parameter")
    base, brackets = whole[1], whole[2]
    keys = brackets[1:-1].split("][") if brackets else []
    if len(keys) > MAX_DEPTH:
        raise Refused(f"{base} is nested too deeply", field=base)
    where: dict[str, object] = into
    path = [base, *keys]
    as_list = bool(keys) and (not keys[-1] or keys[-1].isdigit())
    if as_list:
        path.pop()
    for key in path[:-1]:
        inner = where.setdefault(key, dict[str, object]())
        if not isinstance(inner, dict):
            raise Refused(f"{base} is given both as a value and in parts", field=base)
        where = cast("dict[str, object]", inner)
    last = path[-1]
    if not as_list:
        where[last] = value
        return
    members = where.setdefault(last, list[object]())
    if not isinstance(members, list):
        raise Refused(f"{base} is given both as a value and in parts", field=base)
    cast("list[object]", members).append(value)


def _boundary(parameters: str) -> bytes:
    for name, value in PARAMETER.findall(parameters):
        if name.lower() == "boundary":
            boundary = _unquoted(value)
            if 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
                return boundary.encode("latin-1", "replace")
    raise Refused("the content type of the form names no boundary", code="invalid_form")


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _parts(body: bytes, boundary: bytes, limits: Limits) -> Iterator[tuple[str, str | None, memoryview]]:
    """Name, the name of the file if it is one, and content of each part; nothing is copied."""
    view = memoryview(body)
    delimiter = b"--" + boundary
    start = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if start == 1:
        raise _broken("its boundary is not in the body")
    position = start + len(delimiter)
    count = 0
    while True:
        line_end = body.find(b"\r\n", position)
        rest = body[position : line_end if line_end >= 0 else position + 2]
        if rest.startswith(b"--"):
            return
        if line_end < 0 or rest.strip(b" \t"):
            raise _broken("a boundary is followed by something else than a line's end")
        count += 1
        if count > limits.parts:
            raise _broken(f"it has more than {limits.parts} parts", code="too_many_parts")
        begin = line_end + 2
        if body.startswith(b"\r\n", begin):
            name, filename, begin = "", None, begin + 2
        else:
            head_end = body.find(b"\r\n\r\n", begin, begin + MAX_PART_HEADER_BYTES)
            if head_end < 0:
                raise _broken("the head of a part does not end")
            name, filename = _named(body[begin:head_end])
            begin = head_end + 4
        end = _end(body, delimiter, begin)
        if not name:
            raise _broken("a part has no name")
        yield name, filename, view[begin:end]
        position = end + 2 + len(delimiter)


def _end(body: bytes, delimiter: bytes, begin: int) -> int:
    """Where a part ends: a longer line that only begins like the boundary is content."""
    search = max(0, begin - 2)  # an empty part ends with the line that ends its head
    while True:
        end = body.find(b"\r\n" + delimiter, search)
        if end < 0:
            raise _broken("it ends before its last boundary")
        after = body[end + 2 + len(delimiter) : end + 4 + len(delimiter)]
        if after in {b"--", b"\r\n"} or after[:1] in {b" ", b"\t"}:
            return max(end, begin)
        search = end + 2


def _named(head: bytes) -> tuple[str, str | None]:
    """The name in `content-disposition`, and the file name beside it, if there is one."""
    for line in head.split(b"\r\n"):
        title, colon, value = line.partition(b":")
        if colon and title.strip().lower() == b"content-disposition":
            text = value.decode("utf-8", "replace")
            kind, semicolon, rest = text.partition(";")
            given = {key.lower(): _unquoted(each) for key, each in PARAMETER.findall(semicolon + rest)}
            if kind.strip().lower() != "form-data":
                raise _broken("a part is no form-data")
            return given.get("name", ""), given.get("filename") or given.get("filename*") or None
    raise _broken("a part does not say what it is")


def _broken(why: str, *, code: str = "invalid_form") -> Refused:
    return Refused(f"the form cannot be read: {why}", code=code)
