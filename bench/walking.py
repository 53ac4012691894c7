"""What each step of a request takes: one walk through the whole pipeline, painted by the simulator."""

from __future__ import annotations

from easel.router import Router
from easel.simulator import server

from .deciding import TODAY
from .measure import Figure, Group

ROUNDS = 15
STEPS = ("parse", "route", "dispatch", "respond", "total")


async def run() -> list[Group]:
    taken: dict[str, list[float]] = {step: [] for step in STEPS}
    with server.running(today=TODAY) as twins:
        async with Router(simulator_url=twins.base_url) as router:
            for number in range(ROUNDS + 1):
                response = await router.generate("a badge for a bakery", background="transparent", size="1024x1024")
                if number:  # the first one opens connections
                    for step in STEPS:
                        taken[step].append(response.timings[step] * 1000)
    return [
        Group(
            "Walking: one request by its steps",
            "ms",
            "parse has validate and moderate in it, route the estimate, dispatch the ledger and the proof; "
            f"the simulator draws within this process; {ROUNDS} requests, one after another",
            [Figure(step, taken[step]) for step in STEPS],
        )
    ]
