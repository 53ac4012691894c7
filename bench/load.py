"""Callers of an HTTP service, in a process of their own: each sends its next request when its last one is answered.

They read into one buffer and keep nothing, so that what is measured is the service. Reads a `Job` as JSON from
standard input and prints what it found as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast
from urllib.parse import urlsplit

BUFFER_BYTES = 1 << 20
AGAIN_SECONDS = 0.05
FIRST_MARK = b"partial_image"


@dataclass(frozen=True)
class Job:
    url: str
    body: str
    """Latin-1."""
    content_type: str
    key: str
    callers: int
    seconds: float
    """Requests that are under way then are waited for, and counted."""
    each: int = 0
    """Requests of each caller, at most; 0: as many as the time allows."""


@dataclass(frozen=True)
class Found:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    first_ms: float
    """To the first bytes of a preview, or, where nothing streams, of the body. The median."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Caller(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(
        self, request: bytes, buffer: bytearray, job: Job, end: float, taken: list[tuple[float, float]]
    ) -> None:
        self._request = request
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._each = job.each
        self._end = end
        self._taken = taken
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._ask()

    def _ask(self) -> None:
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self._first = 0.0
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if self._left is None and not self._chunked:
            self._head += bytes(self._view[:nbytes])
            head, separator, rest = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            lines = head.lower().split(b"\r\n")
            if b" 503 " in lines[0] and b"retry-after:" in head.lower():
                # More bytes are under way than are taken at once: ask again, as a client does. The wait counts.
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._ask)
                return
            if b" 200 " not in lines[0]:
                self.ended.set_exception(RuntimeError(self._head[:800].decode(errors="replace")))
                self._transport.close()
                return
            lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
            self._chunked = not lengths
            self._left = lengths[0] - len(rest) if lengths else 0
            tail = rest
        else:
            tail = bytes(self._view[max(0, nbytes - 7) : nbytes]) if self._chunked else b""
            if self._chunked and not self._first:
                tail = bytes(self._view[:nbytes])
            if not self._chunked:
                self._left = (self._left or 0) - nbytes
        if not self._first and (FIRST_MARK in tail if self._chunked else True):
            self._first = time.perf_counter()
        if self._left == 0 and (not self._chunked or tail.endswith(b"0\r\n\r\n")):
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self._taken.append((now - self._began, (self._first or now) - self._began))
        self._each -= 1
        if now >= self._end or self._each == 0:
            self._transport.close()
            self.ended.set_result(None)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the service closed the connection"))


async def run(job: Job) -> Found:
    parts = urlsplit(job.url)
    body = job.body.encode("latin-1")
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {job.key}\r\n"
        f"content-type: {job.content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    loop = asyncio.get_running_loop()
    taken: list[tuple[float, float]] = []
    began = time.perf_counter()
    buffer = bytearray(BUFFER_BYTES)
    callers: list[_Caller] = []
    for _ in range(job.callers):
        _, caller = await loop.create_connection(
            lambda: _Caller(request, buffer, job, began + job.seconds, taken), parts.hostname or "", parts.port or 80
        )
        callers.append(caller)
    await asyncio.gather(*(each.ended for each in callers))
    seconds = time.perf_counter() - began
    whole = sorted(each[0] for each in taken)
    first = sorted(each[1] for each in taken)
    return Found(
        requests=len(taken),
        seconds=seconds,
        p50_ms=whole[len(whole) // 2] * 1e3,
        p99_ms=whole[min(len(whole) - 1, int(len(whole) * 0.99))] * 1e3,
        first_ms=first[len(first) // 2] * 1e3,
    )


def measured(job: Job) -> Found:
    """In a process of its own."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(
        command, input=json.dumps(asdict(job)), capture_output=True, text=True, check=False, timeout=job.seconds + 20
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Found(**json.loads(done.stdout))


if __name__ == "__main__":
    import uvloop

    print(json.dumps(asdict(uvloop.run(run(Job(**json.load(sys.stdin)))))))
