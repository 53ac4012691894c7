"""Fetch: what is got from an address that somebody else wrote, and what is never asked for."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from easel.providers.base.engine import EngineName, make
from easel.providers.base.errors import PictureLost
from easel.providers.base.fetch import Fetcher, is_public

from .wire import PIXEL, Received, certificates, saying, serving, whole

PICTURE = whole(PIXEL, content_type="text/plain")  # a label is not believed, so neither is a wrong one
SECRET = "/out.png?sig=very-secret"


@pytest.fixture(params=["pyreqwest", "httpx"])
async def fetcher(request: pytest.FixtureRequest) -> AsyncIterator[Fetcher]:
    name: EngineName = request.param
    engine = make(name)
    made = Fetcher(engine, max_bytes=10_000)
    yield made
    await made.close()
    await engine.close()


async def lost(fetcher: Fetcher, url: str, *, own_origin: str | None = None) -> str:
    with pytest.raises(PictureLost) as raised:
        await fetcher.fetch(url, own_origin=own_origin)
    assert "very-secret" not in str(raised.value)
    return str(raised.value)


# One's own origin


async def test_the_own_origin_may_be_anywhere(fetcher: Fetcher) -> None:
    async with serving(saying(PICTURE)) as wire:
        assert await fetcher.fetch(wire.url + SECRET, own_origin=wire.url + "/v1") == PIXEL
    assert "authorization" not in wire.received[0].headers


async def test_another_port_is_another_origin(fetcher: Fetcher) -> None:
    async with serving(saying(PICTURE)) as own, serving(saying(PICTURE)) as other:
        assert "only https" in await lost(fetcher, other.url + SECRET, own_origin=own.url)
        bare = own.url.removeprefix("http://")
        for trick in (f"{other.url}\\@{bare}/x", f"http://{bare}@{other.url.removeprefix('http://')}/x"):
            assert "not an address" in await lost(fetcher, trick, own_origin=own.url)
    assert own.received == other.received == []


async def test_the_own_origin_does_not_lead_elsewhere(fetcher: Fetcher) -> None:
    async with serving(saying(PICTURE)) as other:
        redirect = whole(b"", status="302 Found", location=other.url + SECRET)
        async with serving(saying(redirect)) as own:
            assert await lost(fetcher, own.url + SECRET, own_origin=own.url) == "127.0.0.1 answered 302"
    assert other.received == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (whole(b"gone", status="404 Not Found"), "answered 404"),
        (whole(b"<html>sign in</html>"), "answered with something that is not a PNG"),
        (whole(b""), "starts with nothing"),
        (whole(PIXEL[:20]), "ends within its header"),
        (whole(b"x" * 10_001), "more than 10,000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + PIXEL, "broke off"),
        (b"", "broke off"),
    ],
)
async def test_what_is_no_picture_is_a_lost_one(fetcher: Fetcher, answer: bytes, why: str) -> None:
    async with serving(saying(answer)) as wire:
        assert why in await lost(fetcher, wire.url + SECRET, own_origin=wire.url)


# Other people's


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com" + SECRET,
        "file:///etc/passwd",
        "ftp://example.com/x",
        "data:image/png;base64,AAAA",
        "//example.com/x",
        "example.com/x",
        "",
        "https://",
        "https://[",
        "https://example.com:99999/",
        "https://user:word@example.com/",
        "https://example.com\t/",
        "https://example.com/\x00",
    ],
)
async def test_only_plain_https_addresses_are_asked(fetcher: Fetcher, url: str) -> None:
    await lost(fetcher, url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (nothing is bound)
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f.1",
        "127.1",
    ],
)
async def test_private_hosts_are_not_asked(fetcher: Fetcher, host: str) -> None:
    async with serving(saying(PICTURE)) as wire:
        port = wire.url.rpartition(":")[2]
        await lost(fetcher, f"https://{host}:{port}{SECRET}")
    assert wire.received == []


def test_public_is_what_anybody_can_reach() -> None:
    for public in ("1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"):
        assert is_public(ip_address(public)), public
    for private in ("::ffff:10.0.0.1", "2001:0:7f00:1::", "64:ff9b::7f00:1", "239.1.1.1", "198.18.0.1"):
        assert not is_public(ip_address(private)), private


# Behind a public door. One port of this machine stands for a public host; every other is as private as ever.


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server at 127.0.0.1, and for a client that trusts it."""
    return certificates(tmp_path_factory.mktemp("tls"))


def anywhere(_address: IPv4Address | IPv6Address, _port: int) -> bool:
    return True


async def test_a_public_host_is_asked_without_a_key(certified: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(saying(PICTURE), tls=certified[0]) as wire:
        fetcher = Fetcher(make("pyreqwest"), may_reach=anywhere, tls=certified[1])
        assert await fetcher.fetch(wire.url + SECRET) == PIXEL
        await fetcher.close()
    assert not {"authorization", "cookie"} & wire.received[0].headers.keys()


async def test_a_public_host_does_not_lead_to_a_private_one(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving(saying(PICTURE), tls=certified[0]) as private, serving(saying(PICTURE)) as plain:
        places = iter([private.url + SECRET, plain.url + SECRET, "https://localhost" + SECRET, "file:///etc/passwd"])

        async def lead(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(whole(b"", status="302 Found", location=next(places)))

        async with serving(lead, tls=certified[0]) as public:
            port = int(public.url.rpartition(":")[2])

            def may_reach(_: IPv4Address | IPv6Address, asked: int) -> bool:
                return asked == port

            fetcher = Fetcher(make("pyreqwest"), may_reach=may_reach, tls=certified[1])
            for _ in range(4):
                await lost(fetcher, public.url + SECRET)
            await fetcher.close()
        assert len(public.received) == 4
    assert private.received == plain.received == []


async def test_a_public_host_does_not_lead_away_from_https_or_in_circles(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving(saying(PICTURE)) as plain:
        places = [plain.url]

        async def lead(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(whole(b"", status="302 Found", location=places[0]))

        async with serving(lead, tls=certified[0]) as public:
            fetcher = Fetcher(make("pyreqwest"), may_reach=anywhere, tls=certified[1])
            assert "away from https" in await lost(fetcher, public.url + SECRET)
            places[0] = public.url
            assert "redirects" in await lost(fetcher, public.url + SECRET)
            await fetcher.close()
    assert plain.received == []
