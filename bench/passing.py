"""A plain proxy: uvicorn and pyreqwest, the whole body taken and handed on. What any gateway costs.

python -m bench.passing PORT UPSTREAM
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from pyreqwest.client import Client, ClientBuilder

from easel.router.gateway.serve import keep_freed_memory

Message = MutableMapping[str, Any]


class Passing:
    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client: Client | None = None

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if self._client is None:
            self._client = ClientBuilder().build()
        pieces: list[bytes] = []
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        kind = dict(scope["headers"])[b"content-type"].decode()
        request = self._client.post(self._upstream + scope["path"]).headers({"content-type": kind})
        answer = await request.body_bytes(b"".join(pieces)).build().send()
        body = await answer.bytes()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": memoryview(body)})


if __name__ == "__main__":
    keep_freed_memory()
    uvicorn.run(
        Passing(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        lifespan="off",
    )
