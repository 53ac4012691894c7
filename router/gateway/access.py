"""Access: what stands in front of the gateway on a port. One log line a request, and its counts.

Of a request the log has what it was, where it went, what became of it, how long it took, what it cost and how many
bytes it was: never the prompt, a picture or a key. Probes are answered here, and not logged: they would be most of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast
from urllib.parse import urlsplit

from ...providers.base.clock import Clock
from ...providers.base.errors import RequestError
from .. import ids
from ..telemetry import FACTS, FIELDS, Facts, Metrics, kind
from .app import PATHS, Application
from .body import Receive, Scope, Send
from .errors import INVALID, NO_RETRY, SERVER_ERROR, envelope
from .hosts import is_loopback
from .images import Served
from .links import PATH as ASSETS
from .log import Log
from .standing import HEALTHZ, READYZ, Standing, probe

Headers = Iterable[tuple[bytes, bytes]]
ENDPOINTS: Mapping[str, str] = {
    path: path
    for path in (
        *PATHS,
        "/v1/responses",
        "/v1/moderations",
        "/v1/models",
        "/v1/files",
        "/v1/easel/explain",
        "/v1/easel/estimate",
        "/metrics",
        "/openapi.json",
        "/docs",
    )
}
BELOW = {"/v1/models/": "/v1/models/{id}", "/v1/files/": "/v1/files/{id}", ASSETS: f"{ASSETS}{{name}}"}
OTHER = "other"
CUT_OFF = "cut_off"
"""The outcome of a request that was still being read when the time to drain was over."""
LEFT = "left"
"""The outcome of a request whose client went away before there was an answer."""


class Access:
    """Wraps an ASGI application."""

    def __init__(
        self,
        application: Application,
        *,
        standing: Standing,
        metrics: Metrics,
        log: Log,
        clock: Clock,
        loopback_only: bool = False,
        continuing: Callable[[Headers], AbstractContextManager[None]] | None = None,
    ) -> None:
        """`loopback_only`: nobody needs a key, so web pages that a browser brings here are turned away.

        `continuing`: joins a request to the trace that its headers name.
        """
        self._application = application
        self._standing = standing
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._loopback_only = loopback_only
        self._continuing = continuing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        path = cast("str", scope["path"])
        if path in (HEALTHZ, READYZ) and scope["method"] in ("GET", "HEAD"):
            await _answer(send, *probe(self._standing, path))
            return
        await self._watched(scope, receive, send)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        facts, endpoint = Facts(), endpoint_of(scope["path"])
        started = self._clock.monotonic()
        status, received, sent = 0, 0, 0

        async def counted_receive() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: MutableMapping[str, Any]) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                if endpoint not in PATHS:
                    message["headers"] = _named(message["headers"], facts)
            else:
                sent += len(message.get("body", b""))
            await send(message)

        token = FACTS.set(facts)
        self._metrics.came()
        try:
            with self._continuing(scope["headers"]) if self._continuing is not None else nullcontext():
                if self._loopback_only and not _from_here(scope["headers"]):
                    await _answer(counted_send, 403, ELSEWHERE)
                else:
                    await self._application(scope, counted_receive, counted_send)
        except asyncio.CancelledError:
            if status or not self._standing.draining:
                raise
            # At the end of a drain: the task ends here in any case, and the client is told why.
            facts.outcome = facts.outcome or CUT_OFF
            await _answer(counted_send, 503, ENDED, *NO_RETRY)
        finally:
            FACTS.reset(token)
            seconds = self._clock.monotonic() - started
            self._metrics.went(endpoint, status, facts, seconds=seconds, received_bytes=received, sent_bytes=sent)
            if not status:
                facts.outcome = facts.outcome or LEFT
            self._log.info(
                "request",
                method=_method(scope["method"]),
                endpoint=endpoint,
                status=status or None,
                seconds=round(seconds, 6),
                received_bytes=received,
                sent_bytes=sent,
                **facts.known(),
            )


def note(served: Served) -> None:
    """What the Images API knows of a request that the router may never have seen. For `Gateway.observers`."""
    facts = FACTS.get()
    if facts is None:
        return
    facts.request_id, facts.caller = served.request_id, served.caller
    if served.error is not None and facts.outcome is None:
        facts.outcome = kind(served.error)
        if isinstance(served.error, RequestError) and served.error.field in FIELDS:
            facts.field = served.error.field


def endpoint_of(path: str) -> str:
    """One of the door's own names for its paths: what a client writes is not for a label."""
    found = ENDPOINTS.get(path)
    if found is not None:
        return found
    return next((label for prefix, label in BELOW.items() if path.startswith(prefix)), OTHER)


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _method(method: str) -> str:
    return method if method in METHODS else OTHER


def _named(headers: Headers, facts: Facts) -> list[tuple[bytes, bytes]]:
    """With a request id, where there is none."""
    found = list(headers)
    known = next((value for name, value in found if name.lower() == b"x-request-id"), None)
    if known is None:
        facts.request_id = facts.request_id or ids.new("req")
        found.append((b"x-request-id", facts.request_id.encode("latin-1", "replace")))
    else:
        facts.request_id = known.decode("latin-1")
    return found


ENDED = envelope(
    "the gateway ended before the answer came; what was sent to a vendor may be billed all the same",
    SERVER_ERROR,
    "gateway_ended",
)


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})


# Without keys, whoever can reach the port may paint. A web page in a browser on this machine can: by a form that needs
# no leave, or by a name of its own that it lets point here. Browsers say where a page is from, and which name they
# asked for.

ELSEWHERE = envelope(
    "without keys only this machine itself is served, under a name such as localhost, and no web page from elsewhere",
    INVALID,
    "not_from_here",
)


def _from_here(headers: Headers) -> bool:
    found = dict(headers)
    host, origin = found.get(b"host", b"").decode("latin-1"), found.get(b"origin")
    return is_loopback(_host(f"//{host}")) and (origin is None or is_loopback(_host(origin.decode("latin-1"))))


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
