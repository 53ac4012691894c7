"""Plays recordings through the real transport, over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pytest

from easel.providers.base import PartialImage
from easel.providers.base.clock import FixedClock
from easel.providers.base.engine import EngineName
from easel.providers.base.errors import ProviderError
from easel.providers.base.transport import Transport

from .recording import JSON, Recording, told_error
from .vendor import Received, Scripted, Vendor

DEADLINE_SECONDS = 600.0
Script = Callable[[str], Sequence[Scripted]]


@dataclass(frozen=True)
class Played:
    """What went over the wire and what came of it, in the recording's own words."""

    sent: list[JSON]
    """Only of a recording's own script."""
    received: list[Received]
    outcome: JSON
    error: ProviderError | None
    clock: FixedClock


class Player:
    """Holds a transport for one test."""

    def __init__(self, engine: EngineName) -> None:
        self.engine = engine
        self.clock = FixedClock(date(2026, 11, 23))
        self.transport = Transport(engine=engine, clock=self.clock)

    async def play(self, recording: Recording, script: Script | None = None) -> Played:
        """The recording's request against its own answers, or against others made for the server's origin."""
        async with Vendor() as vendor:
            vendor.script += (script or recording.script)(vendor.origin)
            partials: list[PartialImage] = []
            error: ProviderError | None = None
            try:
                finished = await self.transport.run(
                    recording.adapter(vendor.origin),
                    recording.easel_request,
                    recording.easel_model,
                    key=recording.key,
                    deadline=DEADLINE_SECONDS,
                    on_partial=partials.append,
                )
                outcome = recording.told_done(finished, partials)
            except ProviderError as failure:
                error, outcome = failure, told_error(failure)
            sent = [] if script else [recording.told(each, vendor.origin) for each in vendor.received]
            return Played(sent, vendor.received, outcome, error, self.clock)


@pytest.fixture(params=["pyreqwest", "httpx"])
async def player(request: pytest.FixtureRequest):
    """One for each engine: what holds, holds with both."""
    found = Player(request.param)
    yield found
    await found.transport.close()
