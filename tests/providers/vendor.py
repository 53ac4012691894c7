"""A vendor's end of the wire: an HTTP server on a real socket that gives scripted answers and keeps what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

Fault = Literal["cut", "drop", "hang"]


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer, given to the first call for its method and path that it has not been given to."""

    method: str
    path: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    fault: Fault | None = None
    """cut: the connection breaks half-way through the body; drop: before the answer; hang: no answer ever comes."""
    for_ever: bool = False
    """Given to every further call as well."""


@dataclass(frozen=True, slots=True)
class Received:
    """A call as it came in. Header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    answered_with: int | None
    """The place in the script; None: the script has nothing for it."""


class Vendor:
    """`async with Vendor(script) as vendor:` listens at `vendor.origin`."""

    def __init__(self, script: Sequence[Scripted] = ()) -> None:
        self.script = list(script)
        self.received: list[Received] = []
        self.holding = asyncio.Event()
        """A call has come that is never answered."""
        self.hung_up = asyncio.Event()
        """The client has closed the connection of that call."""
        self._given: set[int] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.origin = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (call := await _read_call(reader)) is not None:
                place = self._place(call[0], call[1])
                self.received.append(Received(*call, place))
                await self._answer(None if place is None else self.script[place], reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client hung up: nothing left to serve
        finally:
            writer.close()

    def _place(self, method: str, path: str) -> int | None:
        for place, each in enumerate(self.script):
            if (each.method, each.path) == (method, path) and (each.for_ever or place not in self._given):
                self._given.add(place)
                return place
        return None

    async def _answer(
        self, scripted: Scripted | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        scripted = scripted or Scripted("", "", 501, {}, b"the script has no answer to this")
        if scripted.fault == "hang":
            self.holding.set()
            await reader.read()
            self.hung_up.set()
            raise ConnectionError
        if scripted.fault == "drop":
            raise ConnectionError
        headers = {**scripted.headers, "content-length": str(len(scripted.body))}
        head = f"HTTP/1.1 {scripted.status} Scripted\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        body = scripted.body[: len(scripted.body) // 2] if scripted.fault == "cut" else scripted.body
        writer.write(head.encode() + body)
        await writer.drain()
        if scripted.fault == "cut":
            raise ConnectionError


async def _read_call(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes] | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
