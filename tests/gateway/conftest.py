"""The gateway on a port of its own, in front of the vendors' twins. Real sockets on both sides."""

import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typing_extensions import override

from easel.providers.base.clock import Clock, DateClock
from easel.router import Router
from easel.router.gateway.app import Gateway, create
from easel.router.gateway.body import Limits
from easel.router.gateway.connection import connections
from easel.simulator.server import Simulator, running

TODAY = date(2026, 11, 23)
KEY = "sk-easel-test"


@dataclass(frozen=True)
class Served:
    """A gateway that listens, and what is behind it."""

    base_url: str
    """With `/v1`, as clients want it."""
    key: str
    simulator: Simulator
    app: Gateway
    port: int

    def sent(self) -> list[Any]:
        """What the twins got: orders only, polls and downloads are none."""
        return [each for each in self.simulator.received if each.method == "POST"]


@dataclass
class Hands(Clock):
    """A clock whose hands are moved."""

    time: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))

    @override
    def now(self) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


Opening = Callable[..., AbstractContextManager[Served]]


@contextmanager
def listening(app: Any, *, write_seconds: float = 60.0, loop: Any = "auto") -> Generator[int]:
    """Serves an ASGI application on a free port of the loopback address. `loop` is uvicorn's."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        http=connections(write_seconds),
        loop=loop,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def open_gateway(
    *,
    faults: Iterable[str] = (),
    latency_seconds: float = 0.0,
    config: str | Path | None = None,
    limits: Limits | None = None,
    keys: Any = None,
    simulator: Simulator | None = None,
    **more: Any,
) -> Generator[Served]:
    """A gateway for the time of the block; `simulator` is one that runs already, `more` goes to `create`."""
    if simulator is None:
        with (
            running(today=TODAY, faults=faults, latency_seconds=latency_seconds) as fresh,
            open_gateway(config=config, limits=limits, keys=keys, simulator=fresh, **more) as served,
        ):
            yield served
        return

    def router() -> Router:
        return Router(config, simulator_url=simulator.base_url, clock=DateClock(TODAY), environment={})

    app = create(router, keys=keys, limits=limits, **more)
    with listening(app, write_seconds=app.limits.write_seconds) as port:
        yield Served(f"http://127.0.0.1:{port}/v1", KEY, simulator, app, port)


@pytest.fixture
def opening() -> Opening:
    return open_gateway


@pytest.fixture
def no_retries(tmp_path: Path) -> Path:
    """The configuration that ships, but what fails is not sent again: tests do not wait."""
    path = tmp_path / "easel.yaml"
    path.write_text("version: 1\npolicy: {retries: {attempts: 1}}\n")
    return path


@pytest.fixture(scope="module")
def _open_door() -> Generator[Served]:
    with open_gateway(limits=Limits(read_seconds=0.5)) as served:
        yield served


@pytest.fixture
def door(_open_door: Served) -> Served:
    """One gateway for all tests of a module, in front of twins that nobody makes fail."""
    _open_door.simulator.received.clear()
    return _open_door


@pytest.fixture
def gateway(no_retries: Path) -> Generator[Served]:
    """A gateway in front of twins without faults; `gateway.simulator.faults` can be set while it runs."""
    with open_gateway(config=no_retries) as served:
        yield served
