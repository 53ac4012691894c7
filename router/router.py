"""The Router: configuration loaded and checked once, connections held open, one request after another.

async with Router() as router:
    response = await router.generate("a badge", background="transparent")

with Router.sync() as router:
    response = router.generate("a poster", text=["OPEN LATE"])
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from copy import copy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from ..providers.base.clock import Clock, DateClock
from ..providers.base.errors import ConfigError
from ..providers.base.request import (
    AspectRatio,
    Background,
    InputImage,
    Moderation,
    Need,
    Operation,
    OutputFormat,
    Policy,
    Size,
)
from ..providers.base.response import Decision, ImageResponse
from .ledger import Ledger
from .telemetry import UNWATCHED, Observer

if TYPE_CHECKING:
    from .account import Proven
    from .checks import Findings
    from .client import AsyncOpenAI, OpenAI
    from .deployments import Deployment, Deployments
    from .doctor import Finding
    from .pipeline import Given, House, OnPartial
    from .relay import Relayed
    from .secrets import Store

Picture = InputImage | bytes | Path | str
"""Bytes, a path, a data URL, or a picture that has been checked."""
Result = TypeVar("Result")


class Fields(TypedDict, total=False):
    """The fields of a request in their loose forms; `ImageRequest` says what each one means."""

    operation: Operation
    negative_prompt: str | None
    text: str | list[str] | tuple[str, ...]
    needs: Need | list[Need] | tuple[Need, ...]
    images: Picture | list[Picture] | tuple[Picture, ...]
    references: Picture | list[Picture] | tuple[Picture, ...]
    mask: Picture | None
    n: int
    size: str | Size | None
    aspect_ratio: str | AspectRatio | None
    resolution: str | None
    seconds: float | None
    quality: str | None
    background: Background
    output_format: OutputFormat | None
    output_compression: int | None
    seed: int | None
    style: str | None
    moderation: Moderation | None
    stream: bool
    partial_images: int | None
    user: str | None
    metadata: Mapping[str, str]
    max_cost_usd: Decimal | str | float | None
    deadline_seconds: float | None
    model: str
    region: str | None
    provider_options: Mapping[str, Mapping[str, object]]
    policy: Mapping[str, Policy]
    caller: str | None
    key_id: str | None
    team: str | None
    project: str | None
    tags: str | list[str] | tuple[str, ...]
    request_id: str | None


class Router:
    """Routes image requests. Use it as an async context manager, or `close` it.

    `config` is a file or a folder of YAML; None takes the configuration that ships. `ledger` is a path for SQLite
    or an address of Postgres (`postgresql://USER@HOST/NAME`; both: extra `ledger`), an open `Ledger`, or None to keep
    rows in memory. `simulator_url` sends everything to a running simulator in place of the vendors. `environment` is
    where keys are looked up; None means this process's. `secrets` is where `{secret: NAME}` is looked up; None means
    the folder that `secrets.py` tells of. `observer` is told of every request, step and attempt, see `telemetry`.

    Raises ConfigError, with file, line and column of every problem.
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        ledger: str | Path | Ledger | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Store | None = None,
        simulator_url: str | None = None,
        observer: Observer | None = None,
    ) -> None:
        from . import loading, pipeline  # pydantic and the catalogue: only who routes pays for them

        clock = clock or Clock()
        loaded = loading.load(
            Path(config) if config is not None else None,
            environment=environment,
            secrets=secrets,
            simulator_url=simulator_url,
            today=clock.today(),
        )
        if loaded.findings.problems:
            raise ConfigError(list(loaded.findings.problems))
        self.catalog = loaded.catalog
        self.settings = loaded.settings
        self.findings = loaded.findings
        self.ledger = loading.ledger_at(ledger)
        self._pipeline = pipeline
        self._house: House = loading.house(loaded, ledger=self.ledger, clock=clock, observer=observer or UNWATCHED)
        self._loaded = loaded

    @property
    def deployments(self) -> Deployments:
        return self._house.known.deployments

    @property
    def rules_hash(self) -> str:
        return self._house.rules_hash

    async def run(self, given: Given, *, on_partial: OnPartial | None = None) -> ImageResponse:
        """Paint what a request asks for. `on_partial` gets the previews of a streamed one.

        Raises RequestError (mend the request), ModerationBlocked (refused), AlreadySent (its id was used),
        AllAttemptsFailed (with every attempt): all are EaselError.
        """
        return await self._pipeline.run(self._house, given, on_partial=on_partial)

    async def generate(self, prompt: str, **fields: Unpack[Fields]) -> ImageResponse:
        """Paint a picture from words. Raises as `run` does."""
        return await self.run({"prompt": prompt, **fields})

    async def edit(self, prompt: str, image: Picture | list[Picture], **fields: Unpack[Fields]) -> ImageResponse:
        """Change a picture, or compose several. `mask`: its transparent pixels are repainted. Raises as `run` does."""
        return await self.run({"prompt": prompt, "operation": "edit", "images": image, **fields})

    async def explain(self, given: Given, *, on: date | None = None, keys: bool = False) -> Decision:
        """What `run` would do and why; nothing is sent. `on`: as of another day. `keys`: leave out deployments without.

        Raises RequestError. That no model can serve is an empty plan, with what would help.
        """
        house = self._house
        if on is not None:
            house = replace(house, known=replace(house.known, clock=DateClock(on)))
        return await self._pipeline.explain(house, given, keys=keys)

    def knows(self, model: str) -> bool:
        """Can a request have this as its `model`: auto, a route, a deployment or a model?"""
        routes = (route.name for route in self.settings.routes)
        return (
            model == "auto" or model in routes or bool(self.deployments.named(model, today=self._house.clock.today()))
        )

    def ways_to(self, name: str) -> tuple[Deployment, ...]:
        """The deployment of this name, or all whose model is called so; empty when there is none."""
        return self.deployments.named(name, today=self.today())

    def today(self) -> date:
        """The day on which models live and prices hold."""
        return self._house.clock.today()

    async def relay(self, path: str, body: bytes, *, provider: str, timeout_seconds: float) -> Relayed:
        """Hand a call that asks for no picture on to a provider's deployments, as `relay.relay` says."""
        from . import relay

        return await relay.relay(
            path,
            body,
            provider=provider,
            deployments=self.deployments,
            transport=self._house.means.transport,
            timeout_seconds=timeout_seconds,
        )

    def openai_client(self) -> OpenAI:
        """An `openai.OpenAI` with Easel behind it, in this process: no port, no key. Close it, or use it with `with`.

        For use from any thread, also while this Router runs in an event loop: it has a thread of its own, with a Router
        as `beside` makes it. Raises ImportError, naming the extra, when `openai` or `gateway` is not installed.
        """
        from . import client

        return client.client(self.beside())

    def async_openai_client(self) -> AsyncOpenAI:
        """An `openai.AsyncOpenAI` with this Router behind it, for the event loop in which the Router is used.

        Closing it leaves the Router open. Raises ImportError as `openai_client` does.
        """
        from . import client

        return client.async_client(self, owned=False)

    def beside(self) -> Self:
        """A second Router for another event loop: the same configuration, and the same ledger.

        Its connections are its own, and so are its limits on calls under way and what it knows of who is down.
        """
        from . import loading

        other = copy(self)
        other.ledger = self.ledger.beside()
        other._house = loading.house(
            self._loaded, ledger=other.ledger, clock=self._house.clock, observer=self._house.observer
        )
        return other

    def go_on_from(self, earlier: Router) -> None:
        """Know what a Router that this one replaces knows of deployments that are still there.

        Cooldowns, latencies and the calls under way at each are one from now on, for both of them.
        """
        means, before = self._house.means, earlier._house.means
        today = self._house.clock.today()
        names = dict.fromkeys((*self.deployments.by_name, *before.health.known()))
        now = (self.deployments.exactly(name, today=today) for name in names)
        then = (earlier.deployments.exactly(name, today=today) for name in names)
        same = [new for new, old in zip(now, then, strict=True) if new and old and new.is_same_way_as(old)]
        self.deployments.go_on_from(earlier.deployments)
        means.health.share(before.health, (each.name for each in same))
        means.limits.share(before.limits, same)

    async def fetch(self, url: str) -> bytes:
        """A picture at a public https address that a caller gives. Raises PictureLost, saying why."""
        return await self._house.means.transport.fetch(url)

    async def run_route_tests(self) -> Findings:
        """The `tests` of the configuration, each against the rules and the catalogue on its own day."""
        from . import checks

        async def explain(given: Mapping[str, object], on: date | None) -> Decision:
            return await self.explain(given, on=on)

        return checks.Findings(await checks.run_tests(self.settings, explain), self.findings.notes)

    async def examine(self, proven: Mapping[str, Proven] | None = None) -> tuple[Finding, ...]:
        """Every configured way to a vendor, asked what costs nothing. `proven` as `account.read` gives it."""
        from . import doctor

        known = doctor.Known(self.catalog, self.today(), proven or {})
        return await doctor.examine(self.deployments, self._house.means.transport, known)

    def cooldowns(self) -> dict[str, float]:
        """Deployments that are set aside after failures, and for how many seconds more; 0: one request may try it."""
        means = self._house.means
        now = means.clock.monotonic()
        ends = {each.name: means.health.cooling_until(each.name) for each in self.deployments}
        return {name: max(0.0, until - now) for name, until in ends.items() if until is not None}

    async def close(self, *, keep_ledger: bool = False) -> None:
        """`keep_ledger`: leave the ledger open, for another Router that writes to it."""
        await self._house.means.transport.close()
        if not keep_ledger:
            await self.ledger.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @staticmethod
    def sync(
        config: str | Path | None = None,
        *,
        ledger: str | Path | Ledger | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Store | None = None,
        simulator_url: str | None = None,
    ) -> SyncRouter:
        """A Router for scripts: the same, without `await`. Not for use within a running event loop."""
        return SyncRouter(
            Router(
                config,
                ledger=ledger,
                clock=clock,
                environment=environment,
                secrets=secrets,
                simulator_url=simulator_url,
            )
        )


class SyncRouter:
    """A Router with an event loop of its own. Use it as a context manager, or `close` it."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self._runner = asyncio.Runner()

    def run(self, given: Given, *, on_partial: OnPartial | None = None) -> ImageResponse:
        """As `Router.run`."""
        return self._wait(self.router.run(given, on_partial=on_partial))

    def generate(self, prompt: str, **fields: Unpack[Fields]) -> ImageResponse:
        """As `Router.generate`."""
        return self._wait(self.router.generate(prompt, **fields))

    def edit(self, prompt: str, image: Picture | list[Picture], **fields: Unpack[Fields]) -> ImageResponse:
        """As `Router.edit`."""
        return self._wait(self.router.edit(prompt, image, **fields))

    def explain(self, given: Given, *, on: date | None = None, keys: bool = False) -> Decision:
        """As `Router.explain`."""
        return self._wait(self.router.explain(given, on=on, keys=keys))

    def openai_client(self) -> OpenAI:
        """As `Router.openai_client`."""
        return self.router.openai_client()

    def async_openai_client(self) -> AsyncOpenAI:
        """An `openai.AsyncOpenAI` for one event loop, which is not this Router's: with a Router as `beside` makes it.

        Raises ImportError as `Router.openai_client` does.
        """
        from . import client

        return client.async_client(self.router.beside(), owned=True)

    def close(self) -> None:
        self._wait(self.router.close())
        self._runner.close()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
