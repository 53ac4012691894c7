"""The two engines that move bytes: pyreqwest, and httpx for where it has no wheel. One seam, held to the same tests.

Nothing else in Easel opens a connection to a vendor. Neither engine retries, follows redirects or keeps cookies.
"""

from __future__ import annotations

import asyncio
import atexit
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, cast
from urllib.parse import urlsplit

from .errors import ConnectFailed, OutcomeUnknown

if TYPE_CHECKING:
    import httpx
    from pyreqwest.client import Client
    from pyreqwest.exceptions import PyreqwestError

CONNECT_SECONDS = 10.0
SETTLE_SECONDS = 0.05
EngineName = Literal["pyreqwest", "httpx"]
MOST_DIGITS = 19
PLACE = re.compile(r"(?:[A-Za-z0-9._\-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?")
CONNECTING = "client error (Connect)"
"""hyper's word for a connection that was never made. pyreqwest 0.15 also says ConnectError when the vendor hangs up on
a call that was sent, or when the call's own time is up: those may have been billed."""
FOR_URL = re.compile(r"\s*for url \(.*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer; its body comes in pieces."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    chunks: AsyncIterator[bytes]
    """As they arrive: for answers that are events."""
    read: Callable[[int], Awaitable[bytes | memoryview]]
    """So many bytes, fewer only at the end; none when it is over. Instead of `chunks`."""

    @property
    def length(self) -> int | None:
        """What it is said to be; None when that is not said."""
        said = "" if "content-encoding" in self.headers else self.headers.get("content-length", "")
        return int(said) if said.isdecimal() and len(said) < MOST_DIGITS else None


class Engine(Protocol):
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Answer]:
        """Raises ConnectFailed when nothing was sent, OutcomeUnknown when it was and the answer broke off.

        Neither says more of the address than its host: the rest may be a secret. After `timeout_seconds`, which the
        caller's own deadline should come before, the connection is closed whatever has become of the caller.
        """
        ...

    async def close(self) -> None: ...


class Pyreqwest:
    """reqwest, in Rust: a third of the CPU of the portable engine.

    Cancelled between sending and the first byte of the answer, it gives the caller back at once, but holds on to the
    connection until `timeout_seconds` (0.15.1: the Rust task outlives its Python coroutine). Once the answer has begun,
    cancelling closes the connection.
    """

    _unfinished: ClassVar[int] = 0
    """Answers of this process that were not read to their end."""

    def __init__(self) -> None:
        self._client: Client | None = None

    @classmethod
    def _settle(cls) -> None:
        """At exit: time for Rust's threads to let go of an answer that was cut short.

        Without it one such process in thirty was aborted while the interpreter ended (0.15.1: "PyGILState_Release").
        """
        if cls._unfinished:
            threading.Event().wait(SETTLE_SECONDS)

    def _open(self) -> Client:
        if self._client is None:
            atexit.unregister(Pyreqwest._settle)
            atexit.register(Pyreqwest._settle)
            from pyreqwest.client import ClientBuilder

            self._client = (
                ClientBuilder()
                .connect_timeout(timedelta(seconds=CONNECT_SECONDS))
                .follow_redirects(False)
                .error_for_status(False)
                .build()
            )
        return self._client

    @asynccontextmanager
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout_seconds: float
    ) -> AsyncGenerator[Answer]:
        from pyreqwest.exceptions import BuilderError, ConnectError, ConnectTimeoutError, PyreqwestError

        _check(url, headers)
        try:
            builder = self._open().request(method, url).headers(headers if isinstance(headers, dict) else dict(headers))
            # By default the head is held back until 64 KB of body are there: events would come late, or never.
            builder = builder.streamed_read_buffer_limit(0).timeout(timedelta(seconds=timeout_seconds))
            request = (builder if body is None else builder.body_bytes(body)).build_streamed()
        except (BuilderError, ValueError) as error:
            raise _unsendable("the address or a header is not usable") from error
        Pyreqwest._unfinished += 1
        try:
            async with request as response:
                reader = response.body_reader

                async def chunks() -> AsyncIterator[bytes]:
                    while (chunk := await reader.read_chunk()) is not None:
                        yield bytes(chunk)

                async def read(size: int) -> memoryview:
                    return memoryview(await reader.read(size) or b"")

                names = {name.lower(): value for name, value in response.headers.items()}
                yield Answer(response.status, names, chunks(), read)
            Pyreqwest._unfinished -= 1
        except PyreqwestError as error:
            Pyreqwest._unfinished -= 1
            if isinstance(error, ConnectError | ConnectTimeoutError) and CONNECTING in _causes(error):
                raise ConnectFailed(f"cannot connect: {_root_cause(error)}") from error
            raise OutcomeUnknown(f"the connection broke off: {_root_cause(error)}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


class Httpx:
    """httpx, in Python: runs anywhere."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            from http.cookiejar import CookieJar, DefaultCookiePolicy

            import httpx

            self._client = httpx.AsyncClient(
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
                follow_redirects=False,
            )
        return self._client

    @asynccontextmanager
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout_seconds: float
    ) -> AsyncGenerator[Answer]:
        import httpx

        _check(url, headers)
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._open().stream(method, url, headers=dict(headers), content=body) as response,
            ):
                pieces = response.aiter_bytes()
                pending = bytearray()

                async def read(size: int) -> bytes:
                    while len(pending) < size and (piece := await anext(pieces, None)) is not None:
                        pending.extend(piece)
                    found = bytes(pending[:size])
                    del pending[:size]
                    return found

                names = {name.lower(): value for name, value in response.headers.items()}
                yield Answer(response.status_code, names, pieces, read)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ConnectFailed(f"cannot connect: {_reason(error)}") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"the connection broke off: {_reason(error)}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"the connection broke off: nothing within {timeout_seconds:g} s") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _check(url: str, headers: Mapping[str, str]) -> None:
    """What the engines would refuse each in its own way, or read each in its own way. Raises ConnectFailed."""
    if (wrong := _wrong_with(url)) is not None:
        raise _unsendable(wrong)
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise _unsendable(f"header {name!r} has a character that cannot be sent; was the key copied whole?")


@lru_cache(maxsize=256)
def _wrong_with(url: str) -> str | None:
    """Why it is no address to send to; the same few are asked about again and again."""
    try:
        scheme, host, _ = origin(url)
    except ValueError as error:
        return f"not an address: {error}"
    if scheme not in {"http", "https"} or not host:
        return f"not an http address: {scheme or 'no scheme'}, {host or 'no host'}"
    return None


def _unsendable(message: str) -> ConnectFailed:
    """Nothing was sent, and trying again would not help."""
    failed = ConnectFailed(message)
    failed.retry = False
    return failed


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for two addresses to be the same place.

    Raises ValueError for an address that two readers could take for two places: `http://a\\@b/` is on b for one, on a
    for another. Names beyond ASCII are refused in their own letters; their encoded form (xn--…) is fine.
    """
    parts = urlsplit(url)
    place = url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    if not PLACE.fullmatch(place):
        raise ValueError("its host is not plain")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _causes(error: PyreqwestError) -> tuple[str, ...]:
    """From the outermost to the innermost."""
    details: object = error.args[1] if len(error.args) > 1 else None
    causes: object = cast("dict[str, object]", details).get("causes") if isinstance(details, dict) else None
    found = cast("list[dict[str, object]]", causes) if isinstance(causes, list) else []
    return tuple(str(each.get("message", "")) for each in found)


def _root_cause(error: PyreqwestError) -> str:
    """Its innermost cause: the outer ones repeat the whole address."""
    message = (*(str(each) for each in error.args[:1]), *_causes(error))[-1:]
    return FOR_URL.sub("", "".join(message)) or type(error).__name__


def make(name: EngineName) -> Engine:
    return Pyreqwest() if name == "pyreqwest" else Httpx()
