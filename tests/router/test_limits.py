"""Limits: no more calls at once than a deployment may have, and no place is ever lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import date

import pytest

from easel.router.catalog import unknown_model
from easel.router.deployments import Deployment
from easel.router.limits import Limits
from easel.router.settings import DeploymentRow

LONG = 30.0


@asynccontextmanager
async def slot(limits: Limits, of: Deployment, *, timeout_seconds: float) -> AsyncGenerator[None]:
    place = await limits.take(of, timeout_seconds=timeout_seconds)
    try:
        yield
    finally:
        place.release()


def deployment(name: str = "a", concurrency: int = 2) -> Deployment:
    row = DeploymentRow(name=name, provider="openai_compatible", concurrency=concurrency)
    model = unknown_model("openai_compatible", "m", as_of=date(2026, 11, 23), source="this file")
    return Deployment(f"{name}/m", "openai_compatible", model, row)


async def test_no_more_than_allowed_are_under_way() -> None:
    limits, busy, most = Limits(), 0, 0

    async def call() -> None:
        nonlocal busy, most
        async with slot(limits, deployment(), timeout_seconds=LONG):
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0)
            busy -= 1

    await asyncio.gather(*(call() for _ in range(50)))
    assert (busy, most) == (0, 2)


async def test_deployments_do_not_wait_for_each_other() -> None:
    limits = Limits()
    async with slot(limits, deployment("a", 1), timeout_seconds=LONG):
        async with slot(limits, deployment("b", 1), timeout_seconds=0.01):
            pass
        with pytest.raises(TimeoutError):
            async with slot(limits, deployment("a", 1), timeout_seconds=0.01):
                pytest.fail("there was no place")


async def test_a_free_place_is_had_without_any_time() -> None:
    async with slot(Limits(), deployment(), timeout_seconds=0):
        pass


async def test_a_place_is_given_back_whatever_happens() -> None:
    limits, one = Limits(), deployment(concurrency=1)

    async def hold() -> None:
        async with slot(limits, one, timeout_seconds=LONG):
            await asyncio.sleep(LONG)

    with pytest.raises(ZeroDivisionError):
        async with slot(limits, one, timeout_seconds=LONG):
            raise ZeroDivisionError
    holder, waiter = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with slot(limits, one, timeout_seconds=LONG), slot(limits, one, timeout_seconds=0.01):
                pytest.fail("there was no place")
    async with slot(limits, one, timeout_seconds=0.01):
        pass


async def test_a_place_that_comes_free_as_the_waiter_gives_up_is_not_lost() -> None:
    limits, one = Limits(), deployment(concurrency=1)
    for turns in range(8):
        async with slot(limits, one, timeout_seconds=LONG):

            async def wait() -> None:
                async with slot(limits, one, timeout_seconds=LONG):
                    pass

            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        async with slot(limits, one, timeout_seconds=0.01):
            pass


@pytest.mark.parametrize(("before", "after"), [(2, 2), (3, 1), (1, 3), (4, 2), (4, 3)])
async def test_calls_under_way_count_on_when_the_limits_are_replaced(before: int, after: int) -> None:
    earlier, newer = Limits(), Limits()
    under_way = asyncio.Event()

    async def hold(limits: Limits) -> None:
        async with slot(limits, deployment(concurrency=before), timeout_seconds=LONG):
            await under_way.wait()

    holders = [asyncio.create_task(hold(earlier)) for _ in range(2)]
    await asyncio.sleep(0)
    newer.share(earlier, [deployment(concurrency=after)])

    async def free() -> int:
        """How many more may be under way."""
        count = 0
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                while True:
                    await stack.enter_async_context(slot(newer, deployment(), timeout_seconds=0.01))
                    count += 1
        return count

    assert await free() == max(0, after - 2)
    under_way.set()
    await asyncio.gather(*holders)
    assert await free() == after
