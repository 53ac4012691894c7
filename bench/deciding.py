"""What a decision costs: from a caller's words to the first candidate, and the whole explanation.

A hundred models (the catalogue's living ones under further names), and up to ten thousand rules of which one matches:
the others are for other callers, which is how rules grow where many teams share one router.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import count, cycle, islice

from easel.providers.base.capabilities import Model
from easel.providers.base.clock import DateClock
from easel.providers.base.response import Decision
from easel.router import loading, pipeline
from easel.router.catalog import load_catalog
from easel.router.deployments import Deployment, Deployments
from easel.router.ledger import MemoryLedger
from easel.router.pipeline import House
from easel.router.rules import Rules
from easel.router.settings import By, DeploymentRow, Range, RouteRow, SizeIs, When
from easel.router.steps.route import decide

from .measure import Figure, Group, Work, in_turn, scaled

TODAY = date(2026, 11, 23)
MODELS = 100
RULES = 1_000
GROWTH = (10, 100, 1_000, 10_000)
ROUNDS = 200
MOST_DECISION_MICROSECONDS = 300
MOST_EXPLAIN_MILLISECONDS = 2
SIZES = ("1024x1024", "1536x1024", "1024x1536", "2048x2048", "1920x1080")
QUALITIES = ("draft", "standard", "high")

Given = Mapping[str, object]


def usual() -> Iterator[Given]:
    """Requests as they come: every prompt another, the sizes and qualities that people ask for."""
    for number, size, quality in zip(count(), cycle(SIZES), cycle(QUALITIES), strict=False):
        yield {"prompt": prompt(number), "size": size, "quality": quality, "caller": "the-atelier"}


def bare() -> Iterator[Given]:
    for number in count():
        yield {"prompt": prompt(number)}


def unlike() -> Iterator[Given]:
    """Requests of which nothing can be remembered: every size is a new one too."""
    for number in count():
        size = f"{1024 + 16 * (number % 97)}x{1024 + 16 * (number // 97 % 97)}"
        yield {"prompt": prompt(number), "size": size, "quality": "high", "caller": "the-atelier"}


def prompt(number: int) -> str:
    return f"a heron at dawn, number {number}, mist over the reeds" + ", far hills" * (number % 7)


def models() -> list[Model]:
    alive = [
        model
        for model in load_catalog().models.values()
        if "generate" in model.operations.value
        and (model.lifecycle.shutdown.value is None or model.lifecycle.shutdown.value > TODAY)
        and (model.lifecycle.launched.value is None or model.lifecycle.launched.value <= TODAY)
    ]
    return [
        model.model_copy(update={"id": f"{model.id}-{number}"})
        for number, model in enumerate(islice(cycle(alive), MODELS))
    ]


def for_another_caller(number: int, prefer: str) -> RouteRow:
    return RouteRow(name=f"team-{number}", when=When(caller=(f"team-{number}",)), prefer=(prefer,))


def for_a_huge_picture(number: int, prefer: str) -> RouteRow:
    """A condition that no index can pass over: it has to be asked."""
    pixels = Range.model_validate({"at_least": 10**9 + number})
    return RouteRow(name=f"huge-{number}", when=When(size=SizeIs(pixels=pixels)), prefer=(prefer,))


def house(*, rules: int = RULES, by_price: bool = False, asked: bool = False) -> House:
    """`asked`: the rules that do not match are of the kind that has to be asked."""
    ways = {
        model.key: Deployment(model.key, model.provider, model, DeploymentRow(provider=model.provider))
        for model in models()
    }
    first = next(iter(ways))
    other = for_a_huge_picture if asked else for_another_caller
    last = RouteRow(name="everything-else", prefer=By(by=("price",)) if by_price else tuple(ways))
    found = loading.load(None, environment={}, today=TODAY)
    found = replace(
        found,
        deployments=Deployments(ways),
        rules=Rules([*(other(number, first) for number in range(rules - 1)), last]),
    )
    return loading.house(found, ledger=MemoryLedger(), clock=DateClock(TODAY))


def deciding(house: House, requests: Iterator[Given]) -> Work:
    """What `pipeline.run` does before it sends."""

    async def work() -> Decision:
        request = await pipeline._understood(house, next(requests))
        plan, _ = pipeline._planned(house, request, keys=True)
        next(iter(plan))
        return decide(plan, request, rules_hash=house.rules_hash)

    return work


def explaining(house: House, requests: Iterator[Given]) -> Work:
    return lambda: pipeline.explain(house, next(requests))


async def run() -> list[Group]:
    in_order, by_price = house(), house(by_price=True)
    decisions: dict[str, Work] = {
        "in the rule's order": deciding(in_order, usual()),
        "in the rule's order, a prompt alone": deciding(in_order, bare()),
        "by price": deciding(by_price, usual()),
        "by price, a prompt alone": deciding(by_price, bare()),
    }
    at_worst: dict[str, Work] = {
        "in the rule's order, every size a new one": deciding(in_order, unlike()),
        "in the rule's order, every rule has to be asked": deciding(house(asked=True), usual()),
        "by price, every size a new one": deciding(by_price, unlike()),
    }
    explanations: dict[str, Work] = {
        "in the rule's order": explaining(in_order, usual()),
        "by price": explaining(by_price, usual()),
        "by price, every size a new one": explaining(by_price, unlike()),
    }
    growth = {f"{rules:,} rules": deciding(house(rules=rules), usual()) for rules in GROWTH}
    size = f"{MODELS} models, {RULES:,} rules"
    return [
        Group(
            "Deciding",
            "µs",
            f"{size} of which the last matches; from a mapping to the first candidate; in turn, {ROUNDS} rounds",
            await _figures(decisions, 1e6, MOST_DECISION_MICROSECONDS),
        ),
        Group(
            "Deciding, at worst",
            "µs",
            f"{size}; in turn, {ROUNDS} rounds",
            await _figures(at_worst, 1e6, None),
        ),
        Group(
            "Deciding, as rules for other callers grow",
            "µs",
            f"{MODELS} models, in the rule's order; in turn, {ROUNDS} rounds",
            await _figures(growth, 1e6, MOST_DECISION_MICROSECONDS),
        ),
        Group(
            "Explaining",
            "ms",
            f"{size}; every model worked out; in turn, {ROUNDS} rounds",
            await _figures(explanations, 1e3, MOST_EXPLAIN_MILLISECONDS),
        ),
    ]


async def _figures(works: Mapping[str, Work], scale: float, most: float | None) -> list[Figure]:
    found = await in_turn(works, rounds=ROUNDS)
    return [Figure(name, scaled(wall, scale), most) for name, (wall, _) in found.items()]
