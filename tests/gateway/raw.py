"""Requests written by hand, byte by byte: what no tidy client would send."""

import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from openai.types.shared import ErrorObject

from .strict import strictly

BOUNDARY = b"----easel"
FORM = b"multipart/form-data; boundary=" + BOUNDARY


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's content, which has exactly OpenAI's members."""
        assert set(self.json) == {"error"}
        strictly(ErrorObject, self.json["error"])
        return self.json["error"]


def until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Returns once it holds: a client has its answer a moment before the gateway, another thread, is done with it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def read(connection: socket.socket) -> Answer:
    response = HTTPResponse(connection, method="POST")
    response.begin()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def head(path: str, length: int | None, content_type: bytes | None, *more: bytes, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: gateway", b"authorization: Bearer sk-easel-test", *more]
    if length is not None:
        lines.append(b"content-length: %d" % length)
    if content_type is not None:
        lines.append(b"content-type: " + content_type)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(
    port: int,
    path: str,
    body: bytes,
    *more: bytes,
    content_type: bytes | None = b"application/json",
    method: str = "POST",
) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head(path, len(body), content_type, *more, method=method) + body)
        return read(connection)


def generate(port: int, **fields: object) -> Answer:
    return post(port, "/v1/images/generations", json.dumps(fields).encode())


def edit(port: int, *parts: bytes, content_type: bytes = FORM) -> Answer:
    return post(port, "/v1/images/edits", form(parts), content_type=content_type)


def form(parts: Iterable[bytes], *, boundary: bytes = BOUNDARY) -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def part(disposition: bytes, content: bytes, *headers: bytes) -> bytes:
    """A part of a form; `disposition` is what follows `form-data; `."""
    lines = [b"Content-Disposition: form-data; " + disposition, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content
