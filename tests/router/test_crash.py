"""A process that dies between sending and recording: the ledger keeps the truth, and nothing is paid for twice."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from easel.router import AlreadySent, Router
from easel.router.ledger import DONE, UNDER_WAY, UNKNOWN, open_ledger
from easel.simulator.server import Simulator, running

from .conftest import PAIR, TODAY, SkippingClock

SENDS = """
import asyncio, sys
from datetime import date
from easel.providers.base.clock import DateClock
from easel.router import Router

async def main() -> None:
    config, ledger, url = sys.argv[1:]
    async with Router(config, ledger=ledger, simulator_url=url, clock=DateClock(date(2026, 11, 23))) as router:
        await router.generate("a red kite", model="pair", n=2, request_id="one")

asyncio.run(main())
"""


def sends_and_is_killed(simulator: Simulator, config: Path, ledger: str) -> None:
    arguments = [sys.executable, "-c", SENDS, str(config), ledger, simulator.base_url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        end = time.monotonic() + 30
        while not simulator.received:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("where", ["file", "postgres"])
def test_a_killed_process_leaves_unknown_and_its_request_is_not_sent_again(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = tmp_path / "easel.yaml"
    place = str(tmp_path / "easel.db") if where == "file" else request.getfixturevalue("postgres_address")
    config.write_text(PAIR)
    with running(today=TODAY, faults=["openai=hang"]) as simulator:
        sends_and_is_killed(simulator, config, place)
        simulator.faults.clear()

        async def afterwards() -> None:
            ledger = open_ledger(place)
            (attempt,) = await ledger.unknown_attempts()
            assert (attempt.request_id, attempt.deployment, attempt.n) == ("one", "openai/gpt-image-2", 2)
            assert (attempt.outcome, attempt.billed, attempt.cost_usd) == (UNKNOWN, None, None)
            assert attempt.estimate_worst_usd is not None
            row = await ledger.request("one")
            assert row is not None
            assert row.outcome == UNDER_WAY
            async with Router(
                config, ledger=ledger, simulator_url=simulator.base_url, clock=SkippingClock(), environment={}
            ) as router:
                for _ in range(2):
                    with pytest.raises(AlreadySent, match="openai/gpt-image-2: unknown"):
                        await router.generate("a red kite", model="pair", n=2, request_id="one")
                assert len(simulator.received) == 1
                answer = await router.generate("a red kite", model="pair", n=2, request_id="another")
                assert len(answer.images) == 2
                rows = {each.id: each.outcome for each in await ledger.requests()}
                assert rows == {"one": UNDER_WAY, "another": DONE}

        asyncio.run(afterwards())
        assert len(simulator.received) == 2
