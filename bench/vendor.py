"""A vendor that costs next to nothing: one prepared answer, in the OpenAI Images shape, to whatever is asked.

In a process of its own, so that the CPU it burns is not counted as the caller's.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

PICTURE_BYTES = 1_950_000
"""2.6 MB as base64."""


def answer() -> bytes:
    picture = base64.b64encode(random.Random(1).randbytes(PICTURE_BYTES)).decode()
    usage = {"input_tokens": 20, "output_tokens": 1056, "total_tokens": 1076}
    body = json.dumps({"created": 1_795_000_000, "data": [{"b64_json": picture}], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class _Answering(asyncio.Protocol):
    def __init__(self, prepared: bytes) -> None:
        self._prepared = prepared
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (head_end := self._pending.find(b"\r\n\r\n")) >= 0:
            end = head_end + 4 + _length(self._pending[:head_end])
            if len(self._pending) < end:
                return
            self._pending = self._pending[end:]
            self._transport.write(self._prepared)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve() -> None:
    prepared = answer()
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(prepared), "127.0.0.1", 0)
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
    asyncio.run(serve())
