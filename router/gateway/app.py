"""The gateway: one ASGI application. The Images API is served here directly; everything else by the control plane.

gateway = create(lambda: Router("easel.yaml"), keys=keys)
uvicorn.run(gateway)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...providers.base.clock import Clock
from . import images, links, moderations, responses
from .body import Limits, Load, Receive, Scope, Send
from .errors import Failure, envelope
from .images import Served
from .order import Endpoint
from .standing import Standing
from .turns import Turns

if TYPE_CHECKING:
    from ..router import Router
    from .assets import Assets

logger = logging.getLogger(__name__)
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
PICTURE_WORKERS = 2
"""Threads that decode callers' pictures: each may hold one of 200 MB."""
PATHS: dict[str, Endpoint] = {
    "/v1/images/generations": "generations",
    "/v1/images/edits": "edits",
    "/v1/images/variations": "variations",
    "/v1/responses": "responses",
    "/v1/moderations": "moderations",
}
WORK: dict[Endpoint, images.Work] = {"responses": responses.respond, "moderations": moderations.moderate}
"""What is not the Images API, and is answered at the same door."""


class Caller(Protocol):
    """Who asks."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


class Keys(Protocol):
    """Who may ask."""

    def authenticate(self, authorization: bytes | None, /) -> Caller:
        """Raises NotAuthenticated."""
        ...


@dataclass(slots=True)
class _Held:
    """A Router, and how many requests still need it."""

    router: Router
    users: int = 0
    replaced: bool = False


class Gateway:
    """An ASGI application. `keys` None lets everybody in: for tests, and for a loopback address."""

    def __init__(
        self,
        router_factory: Callable[[], Router],
        *,
        keys: Keys | None,
        limits: Limits,
        assets: Assets | None = None,
        public_url: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises ConfigError."""
        self.clock = clock or Clock()
        self.assets = assets
        """None: pictures are only ever in answers, and no files are taken."""
        self.public_url = public_url
        """Where callers reach this gateway; None: where their requests arrive."""
        self._make = router_factory
        self._held = _Held(router_factory())
        self.keys = keys
        self.limits = limits
        self.load = Load(limits)
        self.pool = ThreadPoolExecutor(PICTURE_WORKERS, "easel-pictures")
        self.observers: list[Callable[[Served], None]] = []
        """Told of every call of the Images API, at its end."""
        self.turns = Turns(self.clock)
        """The pictures that a conversation can go on from."""
        self.standing = Standing()
        self._control: Application | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def router(self) -> Router:
        return self._held.router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = PATHS.get(scope["path"])
            if endpoint is not None:
                if scope["method"] == "POST":
                    await images.serve(self, endpoint, scope, receive, send, WORK.get(endpoint))
                else:
                    await images.refuse(send, receive, NOT_ALLOWED, images.new_request_id())
                return
            if scope["path"].startswith(links.PATH):
                await links.hand_out(self, scope, send)
                return
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self.control(scope, receive, send)

    @property
    def control(self) -> Application:
        """Everything but the Images API. Made when it is first asked for: it brings a web framework."""
        if self._control is None:
            from . import control

            self._control = control.application(self)
        return self._control

    def key(self, authorization: bytes | None) -> Caller | None:
        """Whose key it is. Raises NotAuthenticated."""
        return self.keys.authenticate(authorization) if self.keys is not None else None

    def caller(self, authorization: bytes | None) -> str | None:
        """The name of who asks. Raises NotAuthenticated."""
        key = self.key(authorization)
        return key.name if key is not None else None

    @contextmanager
    def using(self) -> Generator[Router]:
        """The Router in force, kept open for the block even when it is replaced meanwhile."""
        held = self._held
        held.users += 1
        try:
            yield held.router
        finally:
            held.users -= 1
            if held.replaced and not held.users:
                self._close_soon(held.router)

    async def reload(self) -> None:
        """Read the configuration again. Requests under way end with the one they began with.

        What is known of deployments that are still there is known on: who is set aside, and what is under way.
        Raises ConfigError, and then everything stays as it is.
        """
        fresh = _Held(await asyncio.to_thread(self._make))
        fresh.router.go_on_from(self.router)
        old, self._held = self._held, fresh
        old.replaced = True
        if not old.users:
            await self._close_old(old.router)

    def note(self, served: Served) -> None:
        """Tell who watches. What watches must not cost the caller the picture."""
        if served.error is not None and served.status == 500:
            logger.error("request %s failed", served.request_id, exc_info=served.error)
        for observe in self.observers:
            try:
                observe(served)
            except Exception:
                logger.exception("an observer failed at request %s", served.request_id)

    async def close(self) -> None:
        for task in self._closing:
            await task
        await self.router.close()
        self.pool.shutdown(wait=False, cancel_futures=True)

    async def _close_old(self, router: Router) -> None:
        """The ledger stays open where the Router in force writes to the same one."""
        await router.close(keep_ledger=router.ledger is self.router.ledger)

    def _close_soon(self, router: Router) -> None:
        task = asyncio.ensure_future(self._close_old(router))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


NOT_ALLOWED = Failure(
    405, ((b"allow", b"POST"),), envelope("this address takes POST only", "invalid_request_error", "method_not_allowed")
)


def create(
    router_factory: Callable[[], Router],
    *,
    keys: Keys | None = None,
    limits: Limits | None = None,
    assets: Assets | None = None,
    public_url: str | None = None,
    clock: Clock | None = None,
) -> Gateway:
    """A gateway. `router_factory` is called now, and again at each reload. Raises ConfigError."""
    return Gateway(
        router_factory, keys=keys, limits=limits or Limits(), assets=assets, public_url=public_url, clock=clock
    )
