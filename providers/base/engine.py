"""The two engines that move bytes: pyreqwest, and httpx for where it has no wheel. One seam, held to the same tests.

Nothing else in Easel opens a connection to a vendor. Neither engine retries, follows redirects or keeps cookies.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from .errors import ConnectFailed, OutcomeUnknown

if TYPE_CHECKING:
    import httpx
    from pyreqwest.client import Client

CONNECT_SECONDS = 10.0
EngineName = Literal["pyreqwest", "httpx"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer; its body comes in pieces."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    chunks: AsyncIterator[bytes]


class Engine(Protocol):
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Raises ConnectFailed when nothing was sent, OutcomeUnknown when it was and the answer broke off."""
        ...

    async def close(self) -> None: ...


class Pyreqwest:
    """reqwest, in Rust: a third of the CPU of the portable engine."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def _open(self) -> Client:
        if self._client is None:
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
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncGenerator[Answer]:
        from pyreqwest.exceptions import BuilderError, ConnectError, ConnectTimeoutError, PyreqwestError

        try:
            builder = self._open().request(method, url).headers(dict(headers))
            request = (builder if body is None else builder.body_bytes(body)).build_streamed()
        except BuilderError as error:
            raise ConnectFailed(f"not a usable address or header: {error}") from error
        try:
            async with request as response:
                reader = response.body_reader

                async def chunks() -> AsyncIterator[bytes]:
                    while (chunk := await reader.read_chunk()) is not None:
                        yield bytes(chunk)

                names = {name.lower(): value for name, value in response.headers.items()}
                yield Answer(response.status, names, chunks())
        except (ConnectError, ConnectTimeoutError) as error:
            raise ConnectFailed(f"cannot connect: {_reason(error)}") from error
        except PyreqwestError as error:
            raise OutcomeUnknown(f"the connection broke off: {_reason(error)}") from error

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
            import httpx

            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
                follow_redirects=False,
            )
        return self._client

    @asynccontextmanager
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncGenerator[Answer]:
        import httpx

        try:
            async with self._open().stream(method, url, headers=dict(headers), content=body) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                yield Answer(response.status_code, names, response.aiter_bytes())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ConnectFailed(f"cannot connect: {_reason(error)}") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"the connection broke off: {_reason(error)}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def make(name: EngineName) -> Engine:
    return Pyreqwest() if name == "pyreqwest" else Httpx()
