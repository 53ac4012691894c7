"""Pictures at addresses found in replies, and addresses that callers give.

An address from outside is never trusted: https, public hosts only (checked when the connection is made, so a redirect
or a name that changes its answer does not help), few redirects, a size limit, and what comes must be a picture. No key
is ever sent. The one exception is the deployment's own origin, which its operator configured: a self-hosted engine or
the simulator may hand out addresses on itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM
from ssl import SSLContext
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import images
from .engine import Engine, origin
from .errors import ConnectFailed, OutcomeUnknown, PictureLost

if TYPE_CHECKING:
    import httpx

MAX_PICTURE_BYTES = 100_000_000
MAX_REDIRECTS = 3
OWN_ORIGIN_SECONDS = 600.0
"""The last resort; callers have deadlines of their own."""
NAT64 = IPv6Network("64:ff9b::/96")
MayReach = Callable[[IPv4Address | IPv6Address, int], bool]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """May anybody's address lead there? Also asked of the older address that an IPv6 one may hold."""
    if isinstance(address, IPv6Address):
        held = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            held = IPv4Address(address.packed[-4:])
        if address.is_site_local or (held is not None and not is_public(held)):
            return False
    return address.is_global and not address.is_multicast


def _is_public_at_any_port(address: IPv4Address | IPv6Address, _port: int) -> bool:
    return is_public(address)


class Fetcher:
    """Fetches pictures. `engine` serves the deployment's own origin; a guarded client everything else."""

    def __init__(
        self,
        engine: Engine,
        *,
        max_bytes: int = MAX_PICTURE_BYTES,
        may_reach: MayReach | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        """`may_reach` answers for an address and a port; None: public ones. `tls` None trusts the usual roots."""
        self._engine = engine
        self._max_bytes = max_bytes
        self._may_reach: MayReach = may_reach or _is_public_at_any_port
        self._tls = tls
        self._guarded: httpx.AsyncClient | None = None

    async def fetch(self, url: str, *, own_origin: str | None = None, max_bytes: int | None = None) -> bytes:
        """The picture's bytes, up to `max_bytes`; None: as many as pictures have. Raises PictureLost, saying why."""
        most = max_bytes or self._max_bytes
        try:
            if own_origin is not None and origin(url) == origin(own_origin):
                data = await self._from_own_origin(url, most)
            else:
                data = await self._from_public_host(url, most)
        except ValueError as error:
            raise PictureLost(f"not an address: {error}") from error
        try:
            images.probe(data)
        except images.NotAPicture as error:
            raise PictureLost(f"{_where(url)} answered with something that is {error}") from error
        return data

    async def _from_own_origin(self, url: str, most: int) -> bytes:
        try:
            async with self._engine.send("GET", url, {}, None, timeout_seconds=OWN_ORIGIN_SECONDS) as answer:
                if answer.status != 200:
                    raise PictureLost(f"{_where(url)} answered {answer.status}", status=answer.status)
                return await self._collect(url, answer.chunks.__aiter__(), most)
        except (ConnectFailed, OutcomeUnknown) as error:
            raise PictureLost(f"{_where(url)}: {error}") from error

    async def _from_public_host(self, url: str, most: int) -> bytes:
        if origin(url)[0] != "https":
            raise PictureLost(f"{_where(url)}: only https addresses are fetched")
        import httpx

        try:
            async with self._client().stream("GET", url) as response:
                if response.status_code != 200:
                    raise PictureLost(f"{_where(url)} answered {response.status_code}", status=response.status_code)
                return await self._collect(url, response.aiter_bytes().__aiter__(), most)
        except httpx.HTTPError as error:  # SSRFProtectionError is one of these
            raise PictureLost(f"{_where(url)}: {str(error) or type(error).__name__}") from error
        except httpx.InvalidURL as error:
            raise PictureLost(f"{_where(url)}: not an address") from error

    async def _collect(self, url: str, chunks: AsyncIterator[bytes], most: int) -> bytes:
        whole = bytearray()
        async for chunk in chunks:
            whole += chunk
            if len(whole) > most:
                raise PictureLost(f"{_where(url)}: more than {most:,} bytes")
        return bytes(whole)

    def _client(self) -> httpx.AsyncClient:
        if self._guarded is None:
            import httpx
            from httpx_secure import httpx_ssrf_protection

            async def check(request: httpx.Request) -> None:
                """Asked before each request, redirected ones included."""
                if request.url.scheme != "https":
                    raise httpx.UnsupportedProtocol("it redirects away from https")
                await self._look_up(request.url.host, request.url.port or 443)

            client = httpx.AsyncClient(
                event_hooks={"request": [check]},
                timeout=httpx.Timeout(60, connect=10),
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                trust_env=False,
                verify=self._tls or True,
            )
            may_reach = self._may_reach
            self._guarded = httpx_ssrf_protection(
                client,
                check_globally_reachable=False,
                custom_validator=lambda _, address, port: may_reach(address, port),
            )
        return self._guarded

    async def _look_up(self, host: str, port: int) -> None:
        """Raises ConnectError where a name leads inward.

        The guard itself holds the address that it has connected to against the rule, so a name that changes its
        answer is of no use. But it connects: without this, whether there is somebody at a private address could be
        told from how it is refused.
        """
        import httpx

        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("its name is not known") from error
        if not all(self._may_reach(ip_address(str(each[4][0]).partition("%")[0]), port) for each in found):
            raise httpx.ConnectError("it is not at a public address")

    async def close(self) -> None:
        if self._guarded is not None:
            await self._guarded.aclose()
            self._guarded = None


def _where(url: str) -> str:
    """The host only: the rest of a delivery address is a secret while it lives."""
    return urlsplit(url).hostname or "the address"
