"""The OpenAI client with Easel behind it: its requests go to the gateway's application in this process, with no port.

openai 2 speaks httpx and openai 3 httpx2, which have the same interface; the client's own is used, so that answers and
errors are what a caller of that client expects. A request meets the application as it would over a socket: the answer
comes in the pieces that the application sends, and who goes away early is a disconnected client.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from typing_extensions import override

try:
    import openai
    from openai import AsyncOpenAI, OpenAI
except ImportError as error:
    raise ImportError(
        f"the OpenAI client needs the extra `openai` ({error.name} is missing): pip install "
        "'easel-images[openai,gateway]'"
    ) from error
if find_spec("fastapi") is None:  # looked for and not imported: only the control plane needs it, and it is slow
    raise ImportError(
        "the OpenAI client needs the extra `gateway` (fastapi is missing): pip install 'easel-images[openai,gateway]'"
    )

from .gateway import app

if TYPE_CHECKING:
    import httpx2 as http

    from .router import Router
else:
    http = import_module("httpx" if openai.__version__.startswith("2.") else "httpx2")

BASE_URL = "http://easel.invalid/v1"
"""A name that leads nowhere (RFC 2606), should anything ever try to connect to it."""
NO_KEY = "not-needed"
CLOSING_SECONDS = 10.0

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
Result = TypeVar("Result")


def client(router: Router) -> OpenAI:
    """A client that waits. `router` is its own: it runs in the client's thread, and is closed with the client.

    `max_retries` is 0: the Router retries by itself, and knows what was paid for.
    """
    transport = _WaitingTransport(router)
    http_client = openai.DefaultHttpxClient(transport=transport)
    return OpenAI(base_url=BASE_URL, api_key=NO_KEY, max_retries=0, http_client=http_client)


def async_client(router: Router, *, owned: bool) -> AsyncOpenAI:
    """A client for the running event loop. `owned`: the Router is closed with it."""
    transport = _Transport(router, owned=owned)
    http_client = openai.DefaultAsyncHttpxClient(transport=transport)
    return AsyncOpenAI(base_url=BASE_URL, api_key=NO_KEY, max_retries=0, http_client=http_client)


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    headers: list[tuple[bytes, bytes]]


Part = _Head | bytes | Exception | None
"""A piece of an answer: its head, some of its body, what the application raised, or its end."""


class _Exchange:
    """One request on its way through the application. Lives in the application's loop."""

    def __init__(self, request: http.Request, body: list[bytes], put: Callable[[Part], None]) -> None:
        self._scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (request.url.host, request.url.port or 80),
            "client": ("127.0.0.1", 0),
        }
        self._body = deque(body or [b""])
        self._put = put
        self.left = asyncio.Event()
        """Set when nobody waits for the answer any more."""

    async def run(self, application: Application) -> None:
        """Whatever becomes of it, the end is put last."""
        try:
            await application(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 (it is raised where the caller waits)
            self._put(error)
        finally:
            self._put(None)

    async def _receive(self) -> Message:
        if self._body:
            return {"type": "http.request", "body": self._body.popleft(), "more_body": bool(self._body)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._put(_Head(message["status"], list(message.get("headers", ()))))
        elif message["type"] == "http.response.body":
            if piece := message.get("body", b""):
                self._put(bytes(piece))  # of bytes no copy
            if not message.get("more_body", False):
                self.left.set()
                self._put(None)


def _head(part: Part, request: http.Request) -> _Head:
    if isinstance(part, _Head):
        return part
    if isinstance(part, Exception):
        raise part
    raise http.RemoteProtocolError("the gateway ended without an answer", request=request)


def _piece(part: Part, request: http.Request) -> bytes | None:
    """None at the end."""
    if isinstance(part, Exception):
        raise part
    if isinstance(part, _Head):
        raise http.RemoteProtocolError("the gateway began to answer twice", request=request)
    return part


def _patience(request: http.Request) -> float | None:
    """Seconds without a sign of life before the client gives up; None: it waits."""
    timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read")


# Waiting in the caller's thread, for an application in a thread of its own


class _WaitingTransport(http.BaseTransport):
    def __init__(self, router: Router) -> None:
        self._gateway = app.create(lambda: router)
        self._loop = _LoopThread()
        weakref.finalize(self, self._loop.stop)  # for who forgets to close it

    @override
    def handle_request(self, request: http.Request) -> http.Response:
        parts = SimpleQueue[Part]()
        exchange = _Exchange(request, list(cast("http.SyncByteStream", request.stream)), parts.put)
        self._loop.start(exchange.run(self._gateway))
        body = _WaitingBody(request, parts, lambda: self._loop.call(exchange.left.set))
        try:
            head = _head(body.next(), request)
        except BaseException:
            body.close()
            raise
        return http.Response(head.status, headers=head.headers, stream=body)

    @override
    def close(self) -> None:
        self._loop.close(self._gateway.close())


class _WaitingBody(http.SyncByteStream):
    def __init__(self, request: http.Request, parts: SimpleQueue[Part], leave: Callable[[], None]) -> None:
        self._request = request
        self._parts = parts
        self._leave = leave
        self._seconds = _patience(request)

    def next(self) -> Part:
        try:
            return self._parts.get(timeout=self._seconds)
        except Empty as error:
            raise http.ReadTimeout(f"nothing within {self._seconds:g} s", request=self._request) from error

    @override
    def __iter__(self) -> Iterator[bytes]:
        while (piece := _piece(self.next(), self._request)) is not None:
            yield piece

    @override
    def close(self) -> None:
        self._leave()


class _LoopThread:
    """An event loop in a thread of its own, which ends with the process if nothing ends it before."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="easel-openai-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        def begin() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self.call(begin)

    def call(self, function: Callable[[], object]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        self.call(self._loop.stop)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """What is under way is cancelled, then `last` is done."""

        async def end() -> None:
            await _cancelled(self._tasks)
            await last

        if self._loop.is_closed():
            last.close()
            return
        asyncio.run_coroutine_threadsafe(end(), self._loop).result(CLOSING_SECONDS)
        self.stop()
        self._thread.join(CLOSING_SECONDS)


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    under_way = list(tasks)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)


# In the caller's own loop


class _Transport(http.AsyncBaseTransport):
    def __init__(self, router: Router, *, owned: bool) -> None:
        self._gateway = app.create(lambda: router)
        self._owned = owned
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    async def handle_async_request(self, request: http.Request) -> http.Response:
        parts = asyncio.Queue[Part]()
        given = [piece async for piece in cast("http.AsyncByteStream", request.stream)]
        exchange = _Exchange(request, given, parts.put_nowait)
        task = asyncio.create_task(exchange.run(self._gateway))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        body = _Body(request, parts, exchange.left.set)
        try:
            head = _head(await body.next(), request)
        except BaseException:
            await body.aclose()
            raise
        return http.Response(head.status, headers=head.headers, stream=body)

    @override
    async def aclose(self) -> None:
        await _cancelled(self._tasks)
        if self._owned:
            await self._gateway.close()


class _Body(http.AsyncByteStream):
    def __init__(self, request: http.Request, parts: asyncio.Queue[Part], leave: Callable[[], None]) -> None:
        self._request = request
        self._parts = parts
        self._leave = leave
        self._seconds = _patience(request)

    async def next(self) -> Part:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._parts.get()
        except TimeoutError as error:
            raise http.ReadTimeout(f"nothing within {self._seconds:g} s", request=self._request) from error

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := _piece(await self.next(), self._request)) is not None:
            yield piece

    @override
    async def aclose(self) -> None:
        self._leave()
