"""The way of a request, from the caller's words to the answer. Start reading here.

    parse -> validate -> moderate -> estimate -> route -> dispatch -> verify -> record -> respond

Each step is a file of `steps/`. They meet only here, by the values they return.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from ..providers.base.clock import Clock
from ..providers.base.request import ImageRequest
from ..providers.base.response import Decision, ImageResponse
from ..providers.base.transport import OnPartial
from .offers import Plan
from .orders import Orders
from .settings import PolicySection
from .steps import dispatch as sending
from .steps import estimate as estimating
from .steps import record as recording
from .steps import route as routing
from .steps.dispatch import Means
from .steps.estimate import Estimator
from .steps.moderate import moderate
from .steps.parse import parse
from .steps.respond import respond
from .steps.route import Knowledge
from .steps.validate import validate
from .steps.verify import verify


@dataclass(frozen=True, slots=True)
class House:
    """What a Router holds: what it knows, and the means to send. Replaced as one when reloaded."""

    known: Knowledge
    means: Means
    rules_hash: str
    providers: Collection[str]

    @property
    def clock(self) -> Clock:
        return self.known.clock

    @property
    def policy(self) -> PolicySection:
        return self.known.policy


Given = ImageRequest | Mapping[str, object]


async def run(house: House, given: Given, *, on_partial: OnPartial | None = None) -> ImageResponse:
    """Paint. Raises an EaselError: RequestError, ModerationBlocked, AlreadySent or AllAttemptsFailed."""
    watch = Stopwatch(house.clock)
    request = await _understood(house, given)
    watch.mark("parse")
    plan, offering = _planned(house, request, keys=True)
    if next(iter(plan), None) is None:
        raise routing.nothing(plan, request, offering, house.known)
    decision = routing.decide(plan, request, rules_hash=house.rules_hash)
    watch.mark("route")
    seconds = request.deadline_seconds or house.policy.deadline_seconds
    row = await recording.open_request(request, decision, house.means.ledger, house.clock, deadline_seconds=seconds)
    try:
        delivery = await sending.dispatch(
            plan,
            request,
            house.means,
            prove=verify,
            deadline=watch.started + seconds,
            attempts_before=row.attempts,
            on_partial=on_partial,
        )
        watch.mark("dispatch")
        response = await respond(
            delivery,
            routing.decide(plan, request, rules_hash=house.rules_hash),
            compression=request.output_compression,
            rule=delivery.planned.rule,
            timings=watch.seconds,
        )
    except BaseException as error:
        await recording.close_failed(row, error, house.means.ledger, latency_seconds=watch.total())
        raise
    watch.mark("respond")
    response = replace(response, timings={**watch.seconds, "total": watch.total()})
    warning = await recording.close_answered(row, response, house.means.ledger)
    return replace(response, warnings=(*response.warnings, warning)) if warning else response


async def explain(house: House, given: Given, *, keys: bool = False) -> Decision:
    """What `run` would do, every candidate worked out, nothing sent and nothing recorded.

    `keys`: leave out deployments without their key, as `run` does. Raises RequestError; NoModelCan is for `run`: here
    an empty plan says it.
    """
    house = replace(house, known=replace(house.known, orders=Orders()))  # every price anew
    request = await _understood(house, given)
    plan, offering = _planned(house, request, keys=keys)
    if list(plan):
        return routing.decide(plan, request, rules_hash=house.rules_hash)
    nobody = routing.nothing(plan, request, offering, house.known)
    decision = routing.decide(plan, request, rules_hash=house.rules_hash, relaxations=nobody.relaxations)
    return replace(decision, dropped=nobody.dropped)


async def _understood(house: House, given: Given) -> ImageRequest:
    request = await validate(await parse(given), providers=house.providers)
    return moderate(request, refuse_terms=house.policy.refuse_terms)


def _planned(house: House, request: ImageRequest, *, keys: bool) -> tuple[Plan, Estimator]:
    offering = estimating.estimate(request, policy=house.policy, today=house.clock.today(), keys=keys)
    return routing.route(request, offering, house.known), offering


@dataclass(slots=True)
class Stopwatch:
    """Seconds per step."""

    clock: Clock
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    started: float = 0.0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self.started = self._last = self.clock.monotonic()

    def mark(self, step: str) -> None:
        now = self.clock.monotonic()
        self.seconds[step], self._last = now - self._last, now

    def total(self) -> float:
        return self.clock.monotonic() - self.started
