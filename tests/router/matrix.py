"""Where requests go that few can serve, and why: `python -m tests.router.matrix` prints it as a table.

The requests are in `matrix.yaml`; they go through the configuration that ships, with every key set. Nothing is sent.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from easel.providers.base import images
from easel.providers.base.clock import DateClock
from easel.providers.base.request import InputImage, Size
from easel.providers.base.response import Decision
from easel.router import Router, document, settings
from easel.router.settings import Named

FILE = Path(__file__).with_name("matrix.yaml")
ADDRESS = "https://operator.example"
"""In place of addresses that an operator has to give."""


@dataclass(frozen=True)
class Row:
    title: str
    given: Mapping[str, Any]
    on: date
    rule: str
    first: str | None = None
    only: tuple[str, ...] | None = None
    nobody: str | None = None
    decides: Mapping[str, str] = field(default_factory=dict[str, str])
    answer: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.title

    @property
    def request(self) -> dict[str, Any]:
        """With its pictures painted and its long prompt written."""
        request = dict(self.given)
        for name in ("images", "references"):
            if name in request:
                request[name] = pictures(request[name])
        if "mask" in request:
            request["mask"] = picture(Size.parse(request["mask"]), hole=True)
        count, _, unit = str(request.get("prompt", "")).partition(" ")
        if unit == "characters":
            request["prompt"] = ("a lighthouse in the rain, " * int(count))[: int(count)]
        return request


@cache
def rows() -> tuple[Row, ...]:
    content: Any = document.read(FILE).data
    return tuple(Row(**{"on": content["usual_day"], **row}) for row in content["requests"])


def pictures(said: str) -> list[InputImage]:
    """`512x512`, or `14 of 512x512`."""
    count, _, size = said.rpartition(" of ")
    return [picture(Size.parse(size))] * int(count or 1)


@cache
def picture(size: Size, *, hole: bool = False) -> InputImage:
    drawn = Image.new("RGBA" if hole else "RGB", (size.width, size.height), "teal")
    if hole:
        drawn.paste((0, 0, 0, 0), (size.width // 8, size.height // 8, size.width // 2, size.height // 2))
    content = BytesIO()
    drawn.save(content, "PNG")
    return images.input_image(content.getvalue(), field="mask" if hole else "images")


def environment() -> dict[str, str]:
    """A value for every variable that the configuration names."""
    named = [each for row in settings.load().deployments for each in (row.key, row.base_url, *row.settings.values())]
    names = [each.env for each in named if isinstance(each, Named) and each.env is not None]
    return {name: ADDRESS if "ENDPOINT" in name else "key" for name in names}


@cache
def deployments() -> tuple[str, ...]:
    """All that are configured."""
    return tuple(Router(clock=DateClock(rows()[0].on), environment=environment()).deployments.by_name)


async def decided() -> list[tuple[Row, Decision]]:
    async with Router(clock=DateClock(rows()[0].on), environment=environment()) as router:
        return [(row, await router.explain(row.request, on=row.on, keys=True)) for row in rows()]


# In words


def table(found: list[tuple[Row, Decision]]) -> Iterator[str]:
    for place, (row, decision) in enumerate(found, 1):
        yield f"{place:2}. {row.title}, on {row.on}"
        yield f"    {whom(decision)}"
        yield f"    {others(row, decision)}"


def whom(decision: Decision) -> str:
    if not decision.plan:
        helps = "; ".join(f"{each.change}: {len(each.deployments)}" for each in decision.relaxations[:2])
        return f"-> nobody by {decision.rule}. What would help: {helps or 'nothing'}"
    first, *rest = decision.plan
    behind = f"{len(rest)} behind it" if rest else "nobody else can"
    return f"-> {first.deployment} by {decision.rule}: {first.why}; {behind}"


def others(row: Row, decision: Decision) -> str:
    """What keeps the rivals from it, in their own words; and all that keeps the rest."""
    unmet = {each.deployment: each.unmet for each in decision.dropped}
    rivals = [f"{name} {unmet.get(name, 'is in the plan')}" for name in row.decides]
    counts = Counter(each.requirement for each in decision.dropped)
    rest = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return "; ".join([*rivals, f"not: {rest}"])


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table(asyncio.run(decided())))
