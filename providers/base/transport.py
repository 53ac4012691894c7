"""The only sender: takes an adapter's `Call` to its end within a deadline.

Here, once for all vendors: the key goes to the deployment's own host and nowhere else, bodies have a limit, polls end
with the deadline, an answer that broke off is `OutcomeUnknown`, and pictures at addresses are fetched without the key.
Cancelling the caller's task cancels the call. Nothing is retried here but polls, which cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import reduce
from urllib.parse import urljoin, urlsplit

from . import images
from .adapter import Adapter, AnyAdapter, Call, Done, ImageBase64, ImageBytes, ImageUrl, LocalAdapter, Token, Wait
from .capabilities import Model
from .clock import Clock
from .content import Content
from .engine import Answer, EngineName, make, origin
from .errors import (
    BadReply,
    ConnectFailed,
    JobNeverEnded,
    ModelNotFound,
    ModerationBlocked,
    OutcomeUnknown,
    PictureLost,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    job_ended,
)
from .fetch import Fetcher
from .redact import redact
from .reply import Event, Reply
from .request import ImageRequest
from .response import USAGE_FIELDS, PartialImage, Usage

MAX_BODY_BYTES = 300_000_000
"""Of an answer, and of a file at an address in it: videos are larger than pictures."""
MAX_ERROR_BYTES = 1_000_000
AT_ONCE_BYTES = 100_000
"""Base64 of a picture up to this is decoded when it comes; larger ones when somebody needs the bytes."""
STEP_BYTES = 1_000_000
"""What is read at once of an answer that does not say how long it is."""
LONGEST_POLL_SECONDS = 10.0
LAST_RESORT_SECONDS = 1.0
"""After the deadline the engine closes by itself what cancelling has not closed."""
TOKEN_SHARE = 0.9
"""Of its life, after which a token is exchanged anew."""
DONE = b"[DONE]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
USER_AGENT = "easel-images"

NOTHING_COUNTED = Usage()
OnPartial = Callable[[PartialImage], None]
Download = Callable[[str], Awaitable[bytes]]
COMING: ContextVar[Callable[[int], None] | None] = ContextVar("COMING", default=None)
"""Told of the bytes of answers that come within its context, before they are read where their number is known."""


@dataclass(frozen=True, slots=True)
class Painting:
    """A picture, with what the vendor said of it."""

    content: Content
    revised_prompt: str | None = None
    seed: int | None = None

    @property
    def data(self) -> bytes:
        return self.content.data


@dataclass(frozen=True, slots=True)
class Finished:
    """A call at its end."""

    done: Done
    paintings: tuple[Painting, ...]
    lost: tuple[PictureLost, ...] = ()
    """Pictures that were made and could not be had."""
    request_id: str | None = None
    polls: int = 0
    first_byte_seconds: float | None = None
    """From sending to the beginning of the vendor's first answer."""


class Transport:
    """Owns the connections. One for each Router; `close` it."""

    def __init__(
        self, *, engine: EngineName = "pyreqwest", clock: Clock | None = None, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self.engine = make(engine)
        self._fetcher = Fetcher(self.engine)
        self.tokens: dict[tuple[AnyAdapter, str], tuple[Token, float]] = {}
        """What keys were exchanged for, each with the `monotonic` of its end."""
        self.clock = clock or Clock()
        self.max_body_bytes = max_body_bytes

    async def close(self) -> None:
        await self._fetcher.close()
        await self.engine.close()

    async def run(
        self,
        adapter: AnyAdapter,
        request: ImageRequest,
        model: Model,
        *,
        key: str | None,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        on_partial: OnPartial | None = None,
    ) -> Finished:
        """Send `request`, wait for its end and fetch its pictures. `deadline` is a time of the clock's `monotonic`.

        Raises a ProviderError, redacted.
        """
        secrets = tuple(each for each in (key, request.prompt) if each)
        try:
            if isinstance(adapter, LocalAdapter):
                return await self._perform(adapter, request, model, key=key, deadline=deadline)
            journey = _Journey(
                self, adapter, model, key=key, deadline=deadline, headers=headers or {}, on_partial=on_partial
            )
            # Encoding pictures takes milliseconds each, which is too long for an event loop.
            pictured = bool(request.input_images) or request.mask is not None
            call = await asyncio.to_thread(adapter.call, request, model) if pictured else adapter.call(request, model)
            return await journey.run(call)
        except ProviderError as error:
            error.args = (redact(str(error), secrets=secrets),)
            raise

    async def ask(
        self,
        adapter: Adapter,
        call: Call,
        model: Model,
        *,
        key: str | None,
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The answer to a call that costs nothing. Raises a ProviderError, redacted, for any over 299."""
        journey = _Journey(self, adapter, model, key=key, deadline=deadline, headers=headers or {}, on_partial=None)
        try:
            return await journey.ask(call)
        except ProviderError as error:
            error.args = (redact(str(error), secrets=(key,) if key else ()),)
            raise

    async def fetch(self, url: str) -> bytes:
        """A picture at an address that a caller gave. Raises PictureLost."""
        return await self._fetcher.fetch(url)

    async def _perform(
        self, adapter: LocalAdapter, request: ImageRequest, model: Model, *, key: str | None, deadline: float
    ) -> Finished:
        remaining = max(0.0, deadline - self.clock.monotonic())
        work = asyncio.to_thread(adapter.perform, request, model, key=key, timeout_seconds=remaining)
        try:
            async with asyncio.timeout(remaining):
                done = await work
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer within {remaining:.0f} s") from error
        paintings, lost = await self.paintings(done, adapter.base_url, deadline)
        return Finished(done, paintings, lost)

    async def paintings(
        self, done: Done, own_origin: str | None, deadline: float, *, keyed: Download | None = None
    ) -> tuple[tuple[Painting, ...], tuple[PictureLost, ...]]:
        """Every picture's bytes, fetched at the same time; those that cannot be had are told apart, not raised.

        `keyed` fetches what only the key opens.
        """

        async def painting(picture: ImageBase64 | ImageBytes | ImageUrl) -> Painting | PictureLost:
            try:
                match picture:
                    case ImageBytes():
                        images.probe(picture.data)  # a page in its place is no picture, as with one that is fetched
                        content = Content.raw(picture.data)
                    case ImageBase64():
                        content = Content.encoded(picture.text)
                        if content.size <= AT_ONCE_BYTES:
                            content = Content.raw(content.data)
                    case ImageUrl():
                        async with asyncio.timeout(max(1.0, deadline - self.clock.monotonic())):
                            if picture.keyed and keyed is not None:
                                content = Content.raw(await keyed(picture.url))
                            else:
                                content = Content.raw(await self.download(picture.url, own_origin))
                            _coming(content.size)
            except images.NotAPicture as error:
                return PictureLost(f"the picture in the reply is {error}")
            except TimeoutError:
                return PictureLost("the picture did not arrive before the deadline")
            except PictureLost as error:
                return error
            return Painting(content, picture.revised_prompt, picture.seed)

        if len(done.images) == 1:
            found = [await painting(done.images[0])]
        else:
            found = await asyncio.gather(*(painting(each) for each in done.images))
        return (
            tuple(each for each in found if isinstance(each, Painting)),
            tuple(each for each in found if isinstance(each, PictureLost)),
        )

    async def download(self, url: str, own_origin: str | None) -> bytes:
        """A file at an address in a reply, without the key. Raises PictureLost."""
        return await self._fetcher.fetch(url, own_origin=own_origin, max_bytes=MAX_BODY_BYTES)

    async def collect(self, answer: Answer) -> bytes | memoryview:
        """The whole body, up to the limit."""
        limit = self.max_body_bytes if answer.status < 400 else MAX_ERROR_BYTES
        length = answer.length
        if length is not None and length <= limit:
            return await answer.read(length) if length else b""
        pieces: list[bytes | memoryview] = []
        left = limit
        while left >= 0 and (piece := await answer.read(STEP_BYTES)):
            left -= len(piece)
            pieces.append(piece)
        if left < 0:
            raise BadReply(f"the body is longer than {limit:,} bytes")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Journey:
    """One call on its way: submit, poll or stream, fetch."""

    def __init__(
        self,
        transport: Transport,
        adapter: Adapter,
        model: Model,
        *,
        key: str | None,
        deadline: float,
        headers: Mapping[str, str],
        on_partial: OnPartial | None,
    ) -> None:
        self._transport = transport
        self._adapter = adapter
        self._model = model
        self._key = key
        self._credential = key
        """The key, or what it was exchanged for."""
        self._deadline = deadline
        self._headers = headers
        self._on_partial = on_partial
        self._request_id: str | None = None
        self._first_byte_seconds: float | None = None

    async def run(self, call: Call) -> Finished:
        try:
            async with asyncio.timeout(self._remaining()):
                call = await self._prepared(call)
                step = await self._submit(call)
        except TimeoutError as error:
            raise self._named(OutcomeUnknown("no answer before the deadline")) from error
        except ProviderError as error:
            raise self._named(error) from error.__cause__
        polls = 0
        usage = call.usage
        while isinstance(step, Wait):
            usage = step.usage if step.usage != NOTHING_COUNTED else usage
            polls += 1
            step = await self._poll(step, polls)
        if step.usage.cost_usd is None and usage != NOTHING_COUNTED:
            step = replace(step, usage=_filled(step.usage, usage))
        paintings, lost = await self._transport.paintings(
            step, self._adapter.base_url, self._deadline, keyed=self._download
        )
        name = step.request_id or self._request_id
        return Finished(step, paintings, lost, name, polls, self._first_byte_seconds)

    async def ask(self, call: Call) -> Reply:
        try:
            async with asyncio.timeout(self._remaining()):
                await self._log_in()
                return await self._prepare(call, self._headers_for(self._address(call.url), call))
        except TimeoutError as error:
            raise ConnectFailed("no answer in time") from error

    async def _prepared(self, call: Call) -> Call:
        """Log in where the vendor wants it, and send what comes before the call that is paid for."""
        await self._log_in()
        while call.then is not None:
            reply = await self._prepare(call, self._headers_for(self._address(call.url), call))
            call = call.then(reply)
        return call

    async def _log_in(self) -> None:
        """Have a token that is good for this call, if this vendor wants one in place of the key."""
        now = self._transport.clock.monotonic()
        call = self._adapter.login(self._key, self._transport.clock.now()) if self._key else None
        if call is None or self._key is None:
            return
        place = self._adapter, self._key
        token, ends = self._transport.tokens.get(place, (None, now))
        if token is None or ends <= now:
            reply = await self._prepare(call, {"user-agent": USER_AGENT, **call.headers})
            token = self._adapter.token(reply, self._key)
            self._transport.tokens[place] = token, now + token.seconds * TOKEN_SHARE
        self._credential = token.value

    async def _prepare(self, call: Call, headers: Mapping[str, str]) -> Reply:
        """A call that costs nothing. Broken off, it is a ConnectFailed: no picture has been asked for yet."""
        url = self._address(call.url)
        try:
            async with self._send(call, url, headers) as answer:
                reply = Reply(answer.status, answer.headers, await self._transport.collect(answer), url)
        except OutcomeUnknown as error:
            raise ConnectFailed(f"before the picture was asked for, {error}") from error
        if reply.status >= 300:
            error = self._adapter.error(reply)
            raise ConnectFailed(str(error)) if isinstance(error, OutcomeUnknown) else error
        return reply

    def _send(self, call: Call, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
        return self._transport.engine.send(
            call.method, url, headers, call.body, timeout_seconds=self._remaining() + LAST_RESORT_SECONDS
        )

    async def _submit(self, call: Call) -> Done | Wait:
        url = self._address(call.url)
        finished: list[Done] = []
        reply: Reply | None = None
        now = self._transport.clock.monotonic
        sent_at = now()
        try:
            async with self._send(call, url, self._headers_for(url, call)) as answer:
                if self._first_byte_seconds is None:
                    self._first_byte_seconds = now() - sent_at
                self._note_request_id(answer)
                if call.stream and _is_stream(answer):
                    await self._stream(answer, finished)
                else:
                    declared = min(answer.length or 0, self._transport.max_body_bytes)
                    _coming(declared)
                    reply = Reply(answer.status, answer.headers, await self._transport.collect(answer), url)
                    _coming(len(reply.content) - declared)
        except ProviderError as error:
            if not finished:
                raise
            # What came before the stream failed is paid for; how many came is for the caller to check.
            finished.append(Done([], warnings=(f"the stream ended early: {error.outcome}",)))
        return reduce(Done.plus, finished) if reply is None else self._read(reply)

    async def _stream(self, answer: Answer, finished: list[Done]) -> None:
        async for event in events(answer.chunks, max_bytes=self._transport.max_body_bytes):
            match self._adapter.read_event(event, self._model):
                case PartialImage() as partial:
                    if self._on_partial is not None:
                        self._on_partial(partial)
                case Done() as part:
                    _coming(len(event.data))
                    finished.append(part)
                case None:
                    continue
        if not finished:
            raise OutcomeUnknown("the stream ended without a finished picture")

    async def _poll(self, wait: Wait, number: int) -> Done | Wait:
        """One poll. What fails for a moment is asked again: asking costs nothing, and the job is paid for."""
        pause = min(LONGEST_POLL_SECONDS, wait.seconds * (1 if number < 20 else 2))
        if self._remaining() <= pause:
            raise self._named(JobNeverEnded("the job was still running at the deadline"))
        await self._transport.clock.sleep(pause)
        try:
            async with asyncio.timeout(self._remaining()):
                return await self._submit(wait.call)
        except TimeoutError as error:
            raise self._named(JobNeverEnded("the job was still running at the deadline")) from error
        except (ConnectFailed, RateLimited) as error:
            return replace(wait, seconds=error.retry_after_seconds or wait.seconds * 2)
        except JobNeverEnded:
            raise
        except OutcomeUnknown:
            return replace(wait, seconds=wait.seconds * 2)
        except ProviderUnavailable as error:
            if error.status is None:  # the job itself failed; a status means that only the poll did
                raise self._named(error) from error.__cause__
            return replace(wait, seconds=error.retry_after_seconds or wait.seconds * 2)
        except ProviderError as error:
            raise self._named(_of_a_taken_job(error)) from error.__cause__

    async def _download(self, url: str) -> bytes:
        """A file that the key opens; where it leads on elsewhere, that is fetched without. Raises PictureLost."""
        call = Call.get(url)
        try:
            address = self._address(url)
            async with self._send(call, address, self._headers_for(address, call)) as answer:
                elsewhere = answer.headers.get("location") if 300 <= answer.status < 400 else None
                if answer.status != 200 and elsewhere is None:
                    raise PictureLost(f"its address answered {answer.status}", status=answer.status)
                data = bytes(await self._transport.collect(answer))
        except PictureLost:
            raise
        except ProviderError as error:
            raise PictureLost(f"it could not be fetched: {error}") from error
        if elsewhere is not None:
            return await self._transport.download(urljoin(address, elsewhere), self._adapter.base_url)
        images.probe(data)  # a page in its place is no picture
        return data

    def _read(self, reply: Reply) -> Done | Wait:
        if reply.status >= 400:
            if reply.status == 401 and self._key is not None:
                self._transport.tokens.pop((self._adapter, self._key), None)
            raise self._adapter.error(reply)
        if reply.status >= 300:
            raise BadReply(f"a redirect ({reply.status}), which is not followed with a key")
        return self._adapter.read(reply, self._model)

    def _address(self, url: str) -> str:
        """A path goes below the base URL. A whole URL must be a place that may be sent the key."""
        if url.startswith("/") and not url.startswith("//"):
            return self._adapter.base_url + url
        try:
            parts, place = urlsplit(url), origin(url)
        except ValueError as error:
            raise BadReply("the reply points to something that is not an address") from error
        host = parts.hostname or ""
        trusted = parts.scheme == "https" and any(
            host.endswith(each) if each.startswith(".") else host == each for each in self._adapter.key_hosts
        )
        if place != origin(self._adapter.base_url) and not trusted:
            raise BadReply(
                f"the reply points to {parts.hostname}, which is not the vendor's; the key is not sent there"
            )
        return url

    def _headers_for(self, url: str, call: Call) -> dict[str, str]:
        now = self._transport.clock.now()
        auth = self._adapter.sign(call, url, self._credential, now) if self._credential else {}
        return {"user-agent": USER_AGENT, **self._headers, **call.headers, **auth}

    def _remaining(self) -> float:
        return max(0.0, self._deadline - self._transport.clock.monotonic())

    def _note_request_id(self, answer: Answer) -> None:
        for name in self._adapter.request_id_headers:
            if self._request_id is None and name in answer.headers:
                self._request_id = answer.headers[name]

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._request_id
        return error


def _of_a_taken_job(error: ProviderError) -> ProviderError:
    """What the status of a poll says is not what became of the job, which may be painted, and billed, all the same."""
    if isinstance(error, ModelNotFound) and error.status is not None:
        return job_ended("the job that was submitted is not known any more", code="not_found")
    if error.status is not None and error.billed is False and not isinstance(error, ModerationBlocked):
        error.retry, error.billed = False, None
    return error


def _coming(count: int) -> None:
    if (tell := COMING.get()) is not None:
        tell(count)


def _is_stream(answer: Answer) -> bool:
    """Errors, and servers that do not know `stream`, answer whole."""
    return answer.status < 300 and "json" not in answer.headers.get("content-type", "")


def _filled(usage: Usage, earlier: Usage) -> Usage:
    """What the last reply says, and for the rest what an earlier one said."""
    known = {name: value for name in USAGE_FIELDS if (value := getattr(usage, name)) is not None}
    return replace(earlier, **known)


async def events(chunks: AsyncIterator[bytes], *, max_bytes: int = MAX_BODY_BYTES) -> AsyncIterator[Event]:
    """Server-sent events out of a body's pieces (html.spec.whatwg.org, 9.2.6). `[DONE]` and comments are passed over.

    `max_bytes` is for one event. Lines are put together once they are whole, so a picture that comes in many pieces is
    not copied for each. A line ends with LF or CRLF; a lone CR, which no vendor sends, does not end one.
    """
    name, data, size = "", list[memoryview](), 0
    async for line in _lines(chunks, max_bytes):
        if not line:
            if data and data != [DONE]:
                yield Event(name or "message", data[0] if len(data) == 1 else b"\n".join(data))
            name, data, size = "", [], 0
            continue
        if line.startswith(b"data:"):
            value = memoryview(line)[6 if line.startswith(b"data: ") else 5 :]  # a picture is not copied
            size += len(value)
            if size > max_bytes:
                raise BadReply(f"one event is longer than {max_bytes:,} bytes")
            data.append(value)
        elif line == b"data":
            data.append(memoryview(b""))
        elif line.startswith(b"event:"):
            name = line[6:].decode("utf-8", "replace").strip()
    if data and data != [DONE]:
        raise OutcomeUnknown("the stream broke off within an event")


async def _lines(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Each without its end. Put together once it is whole: a picture comes in many pieces, and is one line."""
    pending: list[bytes | memoryview] = []
    size = 0
    first = True

    def whole() -> bytes:
        nonlocal first, size
        line = b"".join(pending)
        pending.clear()
        size = 0
        if line.endswith(b"\r"):
            line = line[:-1]
        if first:
            line, first = line.removeprefix(BYTE_ORDER_MARK), False
        return line

    async for chunk in chunks:
        view, start = memoryview(chunk), 0
        while (end := chunk.find(b"\n", start)) >= 0:
            pending.append(view[start:end])
            yield whole()
            start = end + 1
        pending.append(view[start:])
        size += len(chunk) - start
        if size > max_bytes:
            raise BadReply(f"one event is longer than {max_bytes:,} bytes")
    if any(pending):
        yield whole()
