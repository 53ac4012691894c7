"""A vendor that costs next to nothing: prepared answers in the shape of OpenAI's Images API, to whatever is asked.

In a process of its own, so that the CPU it burns is not counted as the caller's. The first folder of an address says
how long the answer is, and whether it makes callers wait: `/2.6MB/v1/images/generations`, `/waiting/v1/…`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

PICTURES = {"1.2KB": 0, "2.6MB": 1_950_000, "13MB": 9_750_000}
"""Folder -> at least so many bytes of picture; the answer is a third longer, for base64."""
WAITING, WAITING_SECONDS = "waiting", 10.0
STREAM_PAUSE_SECONDS = 0.2
"""Between a preview and the picture."""
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 0},
    "output_tokens": 1056,
    "total_tokens": 1076,
}


def picture(size: int) -> bytes:
    """A PNG of 1024x1024 pixels, with `size` bytes of noise in a chunk that readers pass over."""
    row = b"\0" + bytes(1024 // 8)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1024, 1024, 1, 0, 0, 0, 0)),
        (b"noIs", random.Random(1).randbytes(size)),
        (b"IDAT", zlib.compress(row * 1024)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def body(size: int) -> bytes:
    encoded = base64.b64encode(picture(size)).decode()
    return json.dumps(
        {
            "created": 1_795_000_000,
            "size": "1024x1024",
            "quality": "medium",
            "data": [{"b64_json": encoded}],
            "usage": USAGE,
        }
    ).encode()


def answer(size: int) -> bytes:
    content = body(size)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def events(size: int) -> tuple[bytes, bytes]:
    """The head with a preview, and the picture with the end."""
    encoded = base64.b64encode(picture(size)).decode()
    common = {"created_at": 1_795_000_000, "size": "1024x1024", "quality": "medium", "background": "opaque"}
    about: dict[str, object] = {**common, "output_format": "png", "b64_json": encoded}
    preview = _event({**about, "type": "image_generation.partial_image", "partial_image_index": 0})
    last = _event({**about, "type": "image_generation.completed", "usage": USAGE})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + _chunk(preview), _chunk(last) + _chunk(b"")


def _event(about: dict[str, object]) -> bytes:
    return f"event: {about['type']}\ndata: {json.dumps(about)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Answering(asyncio.Protocol):
    """One connection. Every request is answered by its folder; `"stream":true` in its body asks for events."""

    def __init__(self, whole: dict[str, bytes], streamed: dict[str, tuple[bytes, bytes]]) -> None:
        self._whole = whole
        self._streamed = streamed
        self._pending = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) < self._needed:
            return
        head_end = self._pending.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._pending[:head_end])
        self._needed = head_end + 4 + _length(head)
        if len(self._pending) < self._needed:
            return
        streams = b'"stream":true' in self._pending[head_end:].replace(b" ", b"")
        self._pending, self._needed = bytearray(), 0
        self._answer(head.split(b"/", 2)[1].decode(), streams=streams)

    def _answer(self, folder: str, *, streams: bool) -> None:
        loop = asyncio.get_running_loop()
        if streams:
            first, last = self._streamed[folder]
            self._transport.write(first)
            loop.call_later(STREAM_PAUSE_SECONDS, self._transport.write, last)
        elif folder == WAITING:
            loop.call_later(WAITING_SECONDS, self._transport.write, self._whole["1.2KB"])
        else:
            self._transport.write(self._whole.get(folder, NOT_FOUND))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve() -> None:
    whole = {name: answer(size) for name, size in PICTURES.items()}
    streamed = {name: events(min(size, 1_950_000)) for name, size in PICTURES.items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(whole, streamed), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running() -> Generator[str]:
    """Its address, for the time of the block."""
    with subprocess.Popen([sys.executable, "-m", "bench.vendor"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve())
