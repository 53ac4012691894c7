"""A Router and the simulator it talks to, over real sockets."""

import io
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import pytest
from PIL import Image
from typing_extensions import override

from easel.providers.base.clock import DateClock
from easel.providers.base.response import Attempt
from easel.router import Ledger, Router
from easel.router.ledger import AttemptRow, RequestRow
from easel.simulator.server import Simulator, running

TODAY = date(2026, 11, 23)
PAIR = """
version: 1
routes:
  - name: pair
    prefer: [openai/gpt-image-2, google/gemini-nano-banana-2.1]
"""


class SkippingClock(DateClock):
    """Real time on a fixed day, but sleeping only moves it forward. It keeps how long each sleep would have been."""

    def __init__(self, today: date = TODAY) -> None:
        super().__init__(today)
        self._skipped = 0.0
        self.slept: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while somebody sleeps."""

    @override
    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    @override
    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._skipped += seconds


@dataclass(frozen=True)
class World:
    """What a test looks at."""

    router: Router
    simulator: Simulator
    clock: SkippingClock

    def sent(self) -> Counter[str]:
        """Orders that the simulator got, by twin: polls and downloads are none."""
        return Counter(each.twin for each in self.simulator.received if each.method == "POST")

    async def request(self, request_id: str) -> RequestRow:
        row = await self.router.ledger.request(request_id)
        assert row is not None
        return row

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        return await self.router.ledger.attempts(request_id)


class Opening(Protocol):
    """`config` is YAML for one file; sections that it leaves out are those that ship."""

    def __call__(
        self,
        *faults: str,
        config: str = PAIR,
        ledger: str | Path | Ledger | None = None,
        latency_seconds: float = 0.0,
        today: date = TODAY,
        environment: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[World]: ...


@pytest.fixture
def world(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def open_world(
        *faults: str,
        config: str = PAIR,
        ledger: str | Path | Ledger | None = None,
        latency_seconds: float = 0.0,
        today: date = TODAY,
        environment: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[World]:
        path = tmp_path / "easel.yaml"
        path.write_text(config)
        clock = SkippingClock(today)
        with running(today=today, faults=faults, latency_seconds=latency_seconds) as simulator:
            async with Router(
                path, simulator_url=simulator.base_url, clock=clock, ledger=ledger, environment=environment or {}
            ) as router:
                yield World(router, simulator, clock)

    return open_world


def outcomes(attempts: Sequence[Attempt] | Sequence[AttemptRow]) -> list[tuple[str, str]]:
    """Deployment and outcome of each, in order."""
    return [(each.deployment, each.outcome) for each in attempts]


def png(width: int = 64, height: int = 64, color: str | tuple[int, ...] = "red", mode: str = "RGB") -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()
