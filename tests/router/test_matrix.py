"""Requests that few can serve reach those few, and are painted as asked. `python -m tests.router.matrix`: the table."""

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from easel.providers.base import images
from easel.providers.base.request import AspectRatio, Size
from easel.providers.base.response import Decision, PartialImage
from easel.router.deployments import TWINS
from easel.router.router import Router
from easel.simulator.server import Simulator, running

from . import matrix
from .conftest import SkippingClock
from .matrix import Row

ROWS = matrix.rows()
NEAR = 0.02
"""How far a ratio's pixels, which are the vendor's, may be from it."""


@cache
def decisions() -> dict[str, Decision]:
    return {row.title: decision for row, decision in asyncio.run(matrix.decided())}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running() as running_simulator:
        yield running_simulator


def test_there_are_forty_at_least_and_each_is_another() -> None:
    assert len({row.title for row in ROWS}) == len(ROWS) >= 40
    assert all([row.first, row.only, row.nobody].count(None) == 2 for row in ROWS)


def test_the_table(record_property: Callable[[str, object], None]) -> None:
    """With `-s` on the terminal, and in the JUnit report in any case."""
    found = [(row, decisions()[row.title]) for row in ROWS]
    table = "\n".join(matrix.table(found))
    print(f"\n{table}")
    record_property("matrix", table)
    assert table.count("->") == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_request_reaches_those_who_can(row: Row) -> None:
    decision = decisions()[row.title]
    plan = [each.deployment for each in decision.plan]
    assert decision.rule == row.rule
    if row.nobody is not None:
        assert plan == []
        assert decision.relaxations[0].change == row.nobody
    elif row.only is not None:
        assert sorted(plan) == sorted(row.only)
    else:
        assert plan[0] == row.first
    dropped = {each.deployment: each for each in decision.dropped}
    assert {name: dropped[name].requirement if name in dropped else None for name in row.decides} == row.decides
    assert all(dropped[name].source and dropped[name].as_of for name in row.decides)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_nobody_is_passed_over(row: Row) -> None:
    """Every deployment is either in the plan or dropped for a reason."""
    if "model" in row.given:
        pytest.skip("the caller names who is asked")
    decision = decisions()[row.title]
    looked_at = [each.deployment for each in (*decision.plan, *decision.dropped)]
    assert sorted(looked_at) == sorted(set(looked_at)) == sorted(matrix.deployments())


@pytest.mark.parametrize("row", [row for row in ROWS if row.answer is not None], ids=str)
async def test_what_was_asked_for_is_painted(row: Row, simulator: Simulator) -> None:
    leader = decisions()[row.title].plan[0].deployment
    simulator.world.today = row.on
    previews: list[PartialImage] = []
    async with Router(
        clock=SkippingClock(row.on), environment=matrix.environment(), simulator_url=simulator.base_url
    ) as router:
        assert router.deployments.by_name[leader].provider in TWINS
        answer = await router.run(row.request, on_partial=previews.append)
    assert answer.route.deployment == leader
    painted = answer.images[0]
    wanted: dict[str, Any] = {"n": 1, **(row.answer or {})}
    found: dict[str, Any] = {
        "n": len(answer.images),
        "size": str(painted.size),
        "media_type": painted.media_type,
        "transparent": painted.media_type != "image/svg+xml" and images.transparent_pixels(painted.data) > 0,
        "previews": len(previews),
        "ratio": wanted.get("ratio") if "ratio" in wanted and is_of(painted.size, wanted["ratio"]) else None,
    }
    assert {name: found[name] for name in wanted} == wanted


def is_of(size: Size, ratio: str) -> bool:
    return abs(size.ratio / AspectRatio.parse(ratio).ratio - 1) < NEAR
