"""The Images API: OpenAI's three endpoints, from the head of a call to the end of its answer.

Plain ASGI: a frame of a web framework costs more here than everything else that happens to a small request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ...providers.base.response import ImageResponse
from ...providers.base.transport import COMING
from ..steps.parse import new_request_id
from ..steps.validate import REQUEST_ID
from . import body as bodies
from . import events, links
from .answer import Pieces, easel_headers, write
from .body import FORM, JSON, Content, Left, Place, Receive, Scope, Send
from .errors import Failure, Headers, Refused, answer
from .order import Endpoint, Order, understood
from .pictures import FILES

if TYPE_CHECKING:
    from ..router import Router
    from .app import Gateway

AT_ONCE_BYTES = 256_000
SMALL_BYTES = 16_384
"""Pieces up to this are sent together with their neighbours."""
VERSION = (b"openai-version", b"2020-10-01")


@dataclass(frozen=True, slots=True)
class Served:
    """One call at its end, for logs and metrics. Never holds a prompt that is to be written down."""

    request_id: str
    endpoint: Endpoint
    caller: str | None
    status: int
    """0: the client left before there was an answer."""
    order: Order | None
    response: ImageResponse | None
    error: BaseException | None
    bytes_in: int
    bytes_out: int


@dataclass(slots=True)
class Visit:
    """One call on its way through the door."""

    gateway: Gateway
    endpoint: Endpoint
    headers: Mapping[bytes, bytes]
    receive: Receive
    send: Send
    scope: Scope
    request_id: str = field(default_factory=new_request_id)
    caller: str | None = None
    key_id: str | None = None
    order: Order | None = None
    response: ImageResponse | None = None
    error: BaseException | None = None
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def owner(self) -> str:
        """Whose pictures and files are found: without keys everybody's are one."""
        return self.caller or ""

    @property
    def started(self) -> bool:
        return self.status != 0

    async def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes | memoryview, *, more: bool = False) -> None:
        self.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, headers: Headers, pieces: Pieces) -> None:
        size = sum(map(len, pieces))
        await self.head(
            status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % size),
                (b"x-request-id", self.request_id.encode()),
                VERSION,
                *headers,
            ],
        )
        if size <= AT_ONCE_BYTES:
            await self.body(b"".join(pieces))
            return
        await self.pieces(pieces[:-1])
        await self.body(pieces[-1])  # waits until the client has taken most: until then it counts as under way

    async def pieces(self, pieces: Pieces) -> None:
        """Part of a body; more follows. Small pieces go together, pictures are not copied."""
        small: list[bytes | memoryview] = []
        for piece in pieces:
            if len(piece) <= SMALL_BYTES:
                small.append(piece)
                continue
            if small:
                await self.body(b"".join(small), more=True)
            await self.body(piece, more=True)
            small = []
        if small:
            await self.body(b"".join(small), more=True)


Work = Callable[[Visit, "Router", Place], Awaitable[None]]
"""Reads a call's body and answers it. What it raises becomes an envelope."""


async def serve(
    gateway: Gateway, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, work: Work | None = None
) -> None:
    """One call, from its head to the end of its answer. `work` None is that of the Images API."""
    visit = Visit(gateway, endpoint, dict(scope["headers"]), receive, send, scope)
    place: Place | None = None
    try:
        if (key := gateway.key(visit.headers.get(b"authorization"))) is not None:
            visit.caller, visit.key_id = key.name, key.id
        place = gateway.load.admit()
        COMING.set(place.receive)
        with gateway.using() as router:
            await (work or _serve)(visit, router, place)
    except Left:
        visit.error = Left()
    except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an envelope, and what watches gets the error)
        visit.error = error
        if place is not None:
            place.leave()  # what a client is still sending is let pass, and not kept
        await _fail(visit, error)
    finally:
        if place is not None:
            place.leave()
        gateway.note(
            Served(
                visit.request_id,
                endpoint,
                visit.caller,
                visit.status,
                visit.order,
                visit.response,
                visit.error,
                visit.bytes_in,
                visit.bytes_out,
            )
        )


async def _serve(visit: Visit, router: Router, place: Place) -> None:
    raw = await bodies.read(visit.receive, visit.headers.get(b"content-length"), place)
    visit.bytes_in = len(raw)
    content = _content(visit, raw)
    del raw  # the parts of a form are copies
    order = await understood(content, visit.endpoint, router, visit.gateway, place, owner=visit.owner)
    del content
    visit.order = order
    called(visit, order)
    async with WhileConnected(visit.receive):
        if order.stream:
            visit.response = await events.stream(visit, order, router, place)
        else:
            visit.response = response = await router.run(order.fields)
            urls = await links.linked(visit.gateway, visit.scope, order, response, place)
            pieces = write(order, response, urls)
            place.answers(sum(map(len, pieces)))
            await visit.whole(200, easel_headers(order, response), pieces)


def called(visit: Visit, order: Order) -> None:
    """Give the request its id, the caller's own if there is one, and the name of who asks. Raises Refused."""
    fields = order.fields
    given = fields.setdefault("request_id", visit.headers.get(b"idempotency-key", b"").decode("latin-1") or None)
    if given is not None:
        if not isinstance(given, str) or not REQUEST_ID.fullmatch(given):
            raise Refused("the request id must be 1 to 200 letters, digits, . - : or _", field="easel.request_id")
        visit.request_id = given
    fields["request_id"] = visit.request_id
    fields["caller"], fields["key_id"] = visit.caller, visit.key_id


class WhileConnected:
    """Cancels what happens within when the client leaves, and then raises Left.

    Cancelling closes the connection to the vendor. Whether that stops the bill nobody knows: the ledger keeps the
    attempt as unknown, with the most that it may cost.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> None:
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._watch = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._watch.cancel()
        if not self._left:
            return
        if not isinstance(error, asyncio.CancelledError):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)  # the cancellation is still on its way: it ends here
        self._task.uncancel()
        if error is not None:
            raise Left from None


async def _fail(visit: Visit, error: Exception) -> None:
    """The envelope, as an answer or, in a stream that has begun, as its last event."""
    failure = answer(error, wire_name=visit.order.wire_name if visit.order is not None else str)
    if not visit.started:
        visit.status = failure.status
        await refuse(visit.send, visit.receive, failure, visit.request_id)
    elif visit.order is not None and visit.order.stream:
        await visit.body(events.failed(failure))


async def refuse(send: Send, receive: Receive, failure: Failure, request_id: str) -> None:
    """Send an error. Where the body was not read to its end, what still comes of it is let pass."""
    closes = bodies.CLOSE[0] in failure.headers
    name = request_id.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(failure.body)),
        (b"x-request-id", name),
        (b"x-easel-request-id", name),
        VERSION,
        *failure.headers,
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": failure.body, "more_body": closes})
    if closes:
        await bodies.linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _content(visit: Visit, raw: bytes) -> Content:
    kind, parameters = bodies.content_type(visit.headers.get(b"content-type"))
    if kind == FORM and visit.endpoint != "generations":
        return bodies.parse_form(raw, parameters, visit.gateway.limits, files=FILES)
    if kind == JSON or kind.endswith("+json"):
        return bodies.parse_json(raw)
    accepted = JSON if visit.endpoint == "generations" else f"{JSON} or {FORM}"
    raise Refused(
        f"Unsupported content type: {kind[:100]!r}. This endpoint takes {accepted}.",
        status=415,
        code="unsupported_content_type",
    )
