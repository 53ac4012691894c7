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
from .ids import NewId
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
from .telemetry import UNWATCHED, Ending, Observer, Trace


@dataclass(frozen=True, slots=True)
class House:
    """What a Router holds: what it knows, and the means to send. Replaced as one when reloaded."""

    known: Knowledge
    means: Means
    rules_hash: str
    providers: Collection[str]
    observer: Observer = UNWATCHED

    @property
    def clock(self) -> Clock:
        return self.known.clock

    @property
    def policy(self) -> PolicySection:
        return self.known.policy


Given = ImageRequest | Mapping[str, object]


async def run(house: House, given: Given, *, on_partial: OnPartial | None = None) -> ImageResponse:
    """Paint. Raises an EaselError: RequestError, ModerationBlocked, AlreadySent or AllAttemptsFailed."""
    watch = Stopwatch(house.clock, house.observer.request())
    try:
        response = await _run(house, given, watch, on_partial)
    except BaseException as error:
        watch.trace.ended(Ending(watch.total(), watch.request, watch.rule, error=error))
        raise
    watch.trace.ended(Ending(watch.total(), watch.request, watch.rule, response))
    return response


async def _run(house: House, given: Given, watch: Stopwatch, on_partial: OnPartial | None) -> ImageResponse:
    watch.begin("parse")
    request = watch.request = await _understood(house, given)
    watch.begin("route")
    plan, offering = _planned(house, request, keys=True)
    watch.rule = plan.rule
    if next(iter(plan), None) is None:
        raise routing.nothing(plan, request, offering, house.known)
    decision = routing.decide(plan, request, rules_hash=house.rules_hash)
    watch.begin("record")
    usual = house.policy.deadline(request.operation)
    seconds = request.deadline_seconds or usual
    longest = max(seconds, usual)
    row = await recording.open_request(
        request, decision, house.means.ledger, house.clock, is_new=_is_new(given), deadline_seconds=longest
    )
    try:
        watch.begin("dispatch")
        delivery = await sending.dispatch(
            plan,
            request,
            house.means,
            prove=verify,
            deadline=watch.started + seconds,
            attempts_before=row.attempts,
            rules_hash=house.rules_hash,
            on_partial=on_partial,
            trace=watch.trace,
        )
        watch.begin("respond")
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
    watch.begin("record")
    watch.seconds["total"] = watch.total()  # the answer has this very mapping
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


def _is_new(given: Given) -> bool:
    """Was the request's id made for it, here or at a door?"""
    name = given.request_id if isinstance(given, ImageRequest) else given.get("request_id")
    return name is None or isinstance(name, NewId)


async def _understood(house: House, given: Given) -> ImageRequest:
    request = await validate(await parse(given), providers=house.providers)
    return moderate(request, refuse_terms=house.policy.refuse_terms)


def _planned(house: House, request: ImageRequest, *, keys: bool) -> tuple[Plan, Estimator]:
    house.known.deployments.refresh(house.clock.monotonic())
    offering = estimating.estimate(request, policy=house.policy, today=house.clock.today(), keys=keys)
    return routing.route(request, offering, house.known), offering


@dataclass(slots=True)
class Stopwatch:
    """Seconds per step of one request, and what is known of it by then."""

    clock: Clock
    trace: Trace
    """Told as well."""
    request: ImageRequest | None = None
    rule: str | None = None
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Of the steps that have ended."""
    started: float = 0.0
    _step: str | None = None
    _last: float = 0.0

    def __post_init__(self) -> None:
        self.started = self._last = self.clock.monotonic()

    def begin(self, step: str) -> None:
        """It begins now; the one before it has ended."""
        now = self.clock.monotonic()
        if self._step is not None:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._last
        self._step, self._last = step, now
        self.trace.step(step)

    def total(self) -> float:
        return self.clock.monotonic() - self.started
