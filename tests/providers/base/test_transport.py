"""Transport: a call brought to its end over real sockets, by either engine, and every way in which it breaks."""

import asyncio
import base64
import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from easel.providers.base import ImageRequest, PartialImage
from easel.providers.base.engine import EngineName, origin
from easel.providers.base.errors import (
    BadReply,
    ConnectFailed,
    InvalidRequest,
    JobNeverEnded,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
)
from easel.providers.base.reply import Event
from easel.providers.base.transport import Finished, Transport, events

from .wire import MODEL, PIXEL, Answer, Plain, Received, Wire, saying, serving, whole

KEY = "sk-test-0123456789"
PICTURE = base64.b64encode(PIXEL).decode()
PAINTED = whole(json.dumps({"images": [PICTURE]}).encode(), content_type="application/json", x_request_id="req_7")
LONG = 30.0
"""Seconds; nothing here waits for them."""


@pytest.fixture(params=["pyreqwest", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    engine: EngineName = request.param
    made = Transport(engine=engine, max_body_bytes=100_000)
    yield made
    await made.close()


async def paint(
    transport: Transport,
    base_url: str,
    *,
    seconds: float = LONG,
    stream: bool = False,
    on_partial: Callable[[PartialImage], None] | None = None,
    key: str = KEY,
) -> Finished:
    return await transport.run(
        Plain(base_url=base_url),
        ImageRequest(prompt="a heron at dawn", stream=stream),
        MODEL,
        key=key,
        deadline=transport.clock.monotonic() + seconds,
        on_partial=on_partial,
    )


async def fails(transport: Transport, answer: Answer, kind: type[ProviderError], says: str, **how: float) -> Wire:
    async with serving(answer) as wire:
        with pytest.raises(kind, match=says) as raised:
            await paint(transport, wire.url, **how)  # pyright: ignore[reportArgumentType] (seconds only)
    assert type(raised.value) is kind
    return wire


async def test_a_call_and_its_answer(transport: Transport) -> None:
    async with serving(saying(PAINTED)) as wire:
        finished = await paint(transport, wire.url)
    assert [each.data for each in finished.paintings] == [PIXEL]
    assert finished.request_id == "req_7"
    (call,) = wire.received
    assert call.line == "POST /paint HTTP/1.1"
    assert json.loads(call.body) == {"prompt": "a heron at dawn"}
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["user-agent"] == "easel-images"


async def test_a_compressed_answer_is_read(transport: Transport) -> None:
    body = gzip.compress(json.dumps({"images": [PICTURE]}).encode())
    async with serving(saying(whole(body, content_encoding="gzip"))) as wire:
        finished = await paint(transport, wire.url)
    assert [each.data for each in finished.paintings] == [PIXEL]


async def test_no_cookie_is_kept(transport: Transport) -> None:
    async with serving(saying(whole(b"{}", set_cookie="session=1; Path=/"))) as wire:
        await paint(transport, wire.url)
        await paint(transport, wire.url)
    assert ["cookie" in call.headers for call in wire.received] == [False, False]


# Broken connections


async def test_refused_means_that_nothing_was_sent(transport: Transport) -> None:
    async with serving(saying(PAINTED)) as wire:
        closed = wire.url
    with pytest.raises(ConnectFailed, match="cannot connect") as raised:
        await paint(transport, closed)
    assert raised.value.billed is False
    assert raised.value.retry
    assert "/paint" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"images": ["',
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}   \r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_an_answer_that_breaks_off_is_unknown(transport: Transport, answer: bytes) -> None:
    await fails(transport, saying(answer), OutcomeUnknown, "broke off")


async def test_the_deadline_ends_a_call_without_an_answer(transport: Transport) -> None:
    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(LONG)

    wire = await fails(transport, silent, OutcomeUnknown, "no answer before the deadline", seconds=0.5)
    await asyncio.wait_for(wire.hung_up.wait(), LONG)


async def test_the_deadline_ends_a_body_that_drips(transport: Transport) -> None:
    async def drip(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    wire = await fails(transport, drip, OutcomeUnknown, "no answer before the deadline", seconds=0.5)
    await asyncio.wait_for(wire.hung_up.wait(), LONG)


async def test_cancelling_within_a_body_closes_the_connection(transport: Transport) -> None:
    begun = asyncio.Event()

    async def half(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(stream(b"event: partial\ndata: x\n\n", end=b""))
        await writer.drain()
        await asyncio.sleep(LONG)

    async with serving(half) as wire:
        call = asyncio.create_task(paint(transport, wire.url, stream=True, on_partial=lambda _: begun.set()))
        await asyncio.wait_for(begun.wait(), LONG)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(wire.hung_up.wait(), LONG)


async def test_cancelling_before_the_answer_frees_the_caller_and_by_the_deadline_the_connection(
    transport: Transport,
) -> None:
    begun = asyncio.Event()

    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.sleep(LONG)

    async with serving(silent) as wire:
        call = asyncio.create_task(paint(transport, wire.url, seconds=1.5))
        await asyncio.wait_for(begun.wait(), LONG)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(wire.hung_up.wait(), LONG)


# Bodies


async def test_a_body_has_a_limit(transport: Transport) -> None:
    body = b" " * 100_001
    await fails(transport, saying(whole(body)), BadReply, "longer than 100,000 bytes")
    await fails(
        transport, saying(whole(gzip.compress(body), content_encoding="gzip")), BadReply, "longer than 100,000 bytes"
    )


async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    async with serving(saying(PAINTED)) as elsewhere:
        answer = whole(b"", status="307 Temporary Redirect", location=elsewhere.url + "/paint")
        await fails(transport, saying(answer), BadReply, "redirect")
    assert elsewhere.received == []


async def test_an_error_page_is_an_error_and_not_repeated(transport: Transport) -> None:
    page = b"<html>" + KEY.encode() + b"</html>"
    await fails(transport, saying(whole(page, status="400 Bad Request")), InvalidRequest, "^HTTP 400$")


async def test_neither_key_nor_prompt_comes_back_in_an_error(transport: Transport) -> None:
    body = json.dumps({"error": {"message": f"key {KEY} may not paint 'a heron at dawn'", "code": "x"}}).encode()
    async with serving(saying(whole(body, status="429 Too Many", retry_after="7"))) as wire:
        with pytest.raises(RateLimited) as raised:
            await paint(transport, wire.url)
    assert str(raised.value) == "key [redacted] may not paint '[redacted]'"
    assert raised.value.retry_after_seconds == 7


@pytest.mark.parametrize("key", ["sk-…", "sk-1\n", "sk-1\r\nx-evil: 1", "ключ"])
async def test_a_key_that_cannot_be_sent_is_said_to_be_so(transport: Transport, key: str) -> None:
    async with serving(saying(PAINTED)) as wire:
        with pytest.raises(ConnectFailed, match="'authorization' has a character that cannot be sent") as raised:
            await paint(transport, wire.url, key=key)
    assert wire.received == []
    assert not raised.value.retry
    assert key not in str(raised.value)


# Polling


async def test_a_job_is_asked_after_until_it_is_done(transport: Transport) -> None:
    states = iter([b'{"ask": "/job"}', b'{"ask": "/job"}', json.dumps({"images": [PICTURE]}).encode()])

    async def job(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(next(states)))

    async with serving(job) as wire:
        finished = await paint(transport, wire.url)
    assert finished.polls == 2
    assert [call.line for call in wire.received] == [
        "POST /paint HTTP/1.1",
        "GET /job HTTP/1.1",
        "GET /job HTTP/1.1",
    ]


async def test_a_poll_that_fails_for_a_moment_is_asked_again(transport: Transport) -> None:
    broken = [
        whole(b"", status="503 Busy"),
        whole(b"", status="429 Slow down"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
    ]
    async with serving(saying(whole(b'{"ask": "/job"}'), *broken, PAINTED)) as wire:
        finished = await paint(transport, wire.url)
    assert finished.polls == 4
    assert len(finished.paintings) == 1


async def test_a_job_that_never_ends_ends_at_the_deadline(transport: Transport) -> None:
    await fails(transport, saying(whole(b'{"ask": "/job"}')), JobNeverEnded, "still running", seconds=0.5)


@pytest.mark.parametrize(
    "trick", ["{other}/job", "{bare_other}\\@{bare}/job", "http://{key}@{bare}/job", "job", "[", ""]
)
async def test_the_key_goes_to_no_other_place(transport: Transport, trick: str) -> None:
    """The second is on one host for Python, and on the other for the engine that would send the key there."""
    async with serving(saying(PAINTED)) as other:
        tricked: list[str] = []

        async def lure(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(whole(json.dumps({"ask": tricked[0]}).encode()))

        async with serving(lure) as wire:
            bare = wire.url.removeprefix("http://")
            tricked.append(trick.format(other=other.url, bare_other=other.url, bare=bare, key=KEY))
            with pytest.raises(BadReply):
                await paint(transport, wire.url)
    assert other.received == []
    assert len(wire.received) == 1


def test_an_origin_is_read_one_way_only() -> None:
    assert origin("https://API.Example/v1") == origin("https://api.example:443/?q=@")
    assert origin("http://[::1]:8080/x") == ("http", "::1", 8080)
    for bad in (
        "http://a\\@b/",
        "http://user@b/",
        "http://b\t.example/",
        "http://b .example",
        "https://ⓔxample.com/",
        "http://b:99999/",
        "http://[b/",
        "http://b%2ec/",
    ):
        with pytest.raises(ValueError, match=r".+"):
            origin(bad)


# Streams


def stream(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + end


async def test_previews_and_the_picture_come_as_events(transport: Transport) -> None:
    seen: list[PartialImage] = []
    body = stream(b"event: partial\ndata: one\n\n: still here\n\nevent: par", f"tial\ndata: two\n\n{DONE}".encode())
    async with serving(saying(body)) as wire:
        finished = await paint(transport, wire.url, stream=True, on_partial=seen.append)
    assert [each.data for each in seen] == [b"one", b"two"]
    assert [each.data for each in finished.paintings] == [PIXEL]


DONE = f"event: done\ndata: {PICTURE}\n\n"


async def test_a_stream_without_its_picture_is_unknown(transport: Transport) -> None:
    for body in (stream(b"event: partial\ndata: x\n\n"), stream(b"event: done\ndata: AAAA"), stream(end=b"")):
        async with serving(saying(body)) as wire:
            with pytest.raises(OutcomeUnknown):
                await paint(transport, wire.url, stream=True)


async def test_a_picture_that_came_before_the_stream_broke_is_kept(transport: Transport) -> None:
    async with serving(saying(stream(DONE.encode(), end=b""))) as wire:
        finished = await paint(transport, wire.url, stream=True)
    assert [each.data for each in finished.paintings] == [PIXEL]
    assert finished.done.warnings == ("the stream ended early: unknown",)


async def test_an_event_has_a_limit(transport: Transport) -> None:
    for flood in (b"data: " + b"x" * 100_001, b"data: xxxxxxxx\n" * 20_000):
        async with serving(saying(stream(flood))) as wire:
            with pytest.raises(BadReply, match="longer than 100,000 bytes"):
                await paint(transport, wire.url, stream=True)


SOUP = (
    "\ufeff: a comment\r\n\r\n"
    "data: plain\n\n"
    "event: named\r\ndata: first\r\ndata:second\r\ndata\r\nid: 7\r\nretry: 10\r\n\r\n"
    "event: empty\n\n"
    "data:  two spaces, ünïcödé, and: a colon\n\n\n"
    'event: json\ndata: {"a":\ndata: 1}\n\n'
    "data: [DONE]\n\n"
).encode()
READ = [
    Event("message", b"plain"),
    Event("named", b"first\nsecond\n"),
    Event("message", " two spaces, ünïcödé, and: a colon".encode()),
    Event("json", b'{"a":\n1}'),
]


async def read(*chunks: bytes) -> list[Event]:
    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in events(pieces())]


async def test_events_are_the_same_wherever_their_bytes_are_split() -> None:
    assert await read(SOUP) == READ
    assert await read(*(SOUP[at : at + 1] for at in range(len(SOUP)))) == READ
    for at in range(len(SOUP) + 1):
        assert await read(SOUP[:at], b"", SOUP[at:]) == READ, at


async def test_a_stream_cut_anywhere_gives_whole_events_only() -> None:
    for at in range(len(SOUP)):
        found: list[Event] = []
        try:
            found = await read(SOUP[:at])
        except OutcomeUnknown:
            continue
        assert found == READ[: len(found)], at


async def test_many_short_lines_in_one_piece_are_read() -> None:
    assert await read(b":\n" * 500_000 + b"data: x\n\n") == [Event("message", b"x")]


# The end of the process

ENDING = """
import asyncio, sys
from easel.providers.base.engine import make
engine = make(sys.argv[1])
async def main():
    answer = engine.send("GET", sys.argv[2], {}, None, timeout_seconds=600)
    try:
        async with asyncio.timeout(0.3):
            head = await answer.__aenter__()
            if sys.argv[3] == "body":
                await anext(aiter(head.chunks))
    except TimeoutError:
        pass
    print("left", flush=True)
asyncio.run(main())
print("ended")
"""


@pytest.mark.parametrize("engine", ["pyreqwest", "httpx"])
@pytest.mark.parametrize("left", ["waiting", "head", "body"])
async def test_a_process_ends_with_an_answer_half_read(engine: str, left: str) -> None:
    async def half(_: Received, writer: asyncio.StreamWriter) -> None:
        if left != "waiting":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it")
            await writer.drain()
        await asyncio.sleep(LONG)

    async with serving(half) as wire:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ENDING, engine, wire.url, left),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), LONG)
    assert (process.returncode, out.split()) == (0, [b"left", b"ended"]), err.decode()
