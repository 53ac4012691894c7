"""Route: the rules choose, the facts decide. Gives a plan: the candidates in order, and why each one stands there.

A route's name as `model` takes that route alone; a deployment's or a model's takes those deployments. Otherwise the
first rule that matches leads, and later ones that match follow as further fallbacks, unless it says `only`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ...providers.base.clock import Clock
from ...providers.base.errors import Dropped, NoModelCan, OverBudget, Relaxation, RequestError
from ...providers.base.request import ImageRequest, Policy
from ...providers.base.response import Decision
from .. import contract, relaxing
from ..contract import Policies
from ..deployments import Deployment, Deployments
from ..document import did_you_mean
from ..health import Health
from ..offers import Offer, Plan, Planned
from ..orders import Order, Orders, shape
from ..rules import Rule, Rules, View
from ..settings import By, PolicySection, RouteRow, Weighted

Offering = Callable[[Deployment, Mapping[str, Policy]], Offer | Dropped]
NO_FIELDS: Mapping[str, Policy] = {}


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a plan is made from; one Router holds one."""

    rules: Rules
    deployments: Deployments
    policy: PolicySection
    health: Health
    orders: Orders
    clock: Clock


def route(request: ImageRequest, offering: Offering, known: Knowledge) -> Plan:
    """The plan, not yet walked. Raises RequestError for a `model` that nothing here is called."""
    way = _Way(request, offering, known)
    if request.model == "auto":
        matching = known.rules.matching(View(request))
        first = next(matching, None)
        if first is None:
            raise NoModelCan((), (), "no route matches this request; a last route without `when` takes what is left")
        return Plan(first.name, way.through(first, _fallbacks(matching)))
    rule = known.rules.named(request.model)
    if rule is not None:
        return Plan(rule.name, way.through(rule, ()))
    named = known.deployments.named(request.model, today=known.clock.today())
    if not named:
        models = (each.model.id for each in known.deployments)
        names = ["auto", *(each.name for each in known.rules.all), *known.deployments.by_name, *models]
        hint = did_you_mean(request.model, names)
        raise RequestError(f"model {request.model!r} is no route, deployment or model here{hint}", field="model")
    return Plan(request.model, way.to(named))


def _fallbacks(matching: Iterator[Rule]) -> Iterator[Rule]:
    """The rules behind the one that leads. One that refuses such requests ends them: it is too late to refuse."""
    try:
        yield from matching
    except RequestError:
        return


def decide(plan: Plan, request: ImageRequest, *, rules_hash: str, relaxations: tuple[Relaxation, ...] = ()) -> Decision:
    """The plan as far as it was looked at."""
    return Decision(
        request_id=request.request_id or "",
        rule=plan.rule,
        plan=tuple(each.candidate() for each in plan.candidates),
        dropped=tuple(plan.dropped),
        relaxations=relaxations,
        rules_hash=rules_hash,
    )


class _Way:
    """From rules to candidates, for one request."""

    def __init__(self, request: ImageRequest, offering: Offering, known: Knowledge) -> None:
        self._request = request
        self._offering = offering
        self._known = known
        self._today = known.clock.today()
        self._seen: set[str] = set()

    def to(self, named: Iterable[Deployment]) -> Iterator[Planned | Dropped]:
        """The deployments that the caller named."""
        for deployment in named:
            yield self._step(deployment, None, "the caller named it")

    def through(self, first: Rule, others: Iterable[Rule]) -> Iterator[Planned | Dropped]:
        yield from self._of(first.row)
        if not first.row.only:
            for rule in others:
                yield from self._of(rule.row)
                if rule.row.only:
                    return

    def _of(self, row: RouteRow) -> Iterator[Planned | Dropped]:
        if row.canary is not None and self._share(row.name) * 100 < row.canary.percent:
            yield from self._in_order(row, (row.canary.deployment,), f"canary: {row.canary.percent:g} % of requests")
        match row.prefer:
            case By() as by:
                yield from self._by(row, by)
            case Weighted(weights=weights):
                yield from self._weighted(row, weights)
            case names:
                yield from self._in_order(row, names)

    def _in_order(self, row: RouteRow, names: Iterable[str], why: str | None = None) -> Iterator[Planned | Dropped]:
        for place, name in enumerate(names, 1):
            for deployment in self._known.deployments.named(name, today=self._today):
                if deployment.name not in self._seen:
                    yield self._step(deployment, row, why or f"choice {place} of route {row.name!r}")

    def _weighted(self, row: RouteRow, weights: Mapping[str, int]) -> Iterator[Planned | Dropped]:
        """The first one drawn in proportion to the weights (Efraimidis and Spirakis, 2006), the others by weight."""
        drawn = max(
            (name for name in weights if weights[name]),
            key=lambda name: self._share(row.name, name) ** (1 / weights[name]),
        )
        total = sum(weights.values())
        yield from self._in_order(row, (drawn,), f"drawn with weight {weights[drawn]} of {total}")
        others = sorted((name for name in weights if name != drawn), key=lambda name: -weights[name])
        for name in others:
            yield from self._in_order(row, (name,), f"next by weight: {weights[name]} of {total}")

    def _by(self, row: RouteRow, by: By) -> Iterator[Planned | Dropped]:
        key, now = self._order_key(row), self._known.clock.monotonic()
        order = self._known.orders.get(key, now) if key is not None else None
        if order is None:
            offers, dropped = self._ranked(row, by)
            yield from dropped
            order = Order(
                (*(each.deployment.name for each in offers), *(each.deployment for each in dropped)), len(offers)
            )
            if key is not None:
                self._known.orders.keep(key, order, now)
        else:
            offers = (self._offer_again(name, row) for name in order.names)
        place, among = 0, f"of {order.able} by {' and '.join(by.by)}"
        for offer in offers:
            if isinstance(offer, Offer):
                place += 1
                yield self._planned(offer, row, f"{place} {among}: {self._figures(offer, by)}")
            elif offer is not None:
                yield offer

    def _ranked(self, row: RouteRow, by: By) -> tuple[list[Offer], list[Dropped]]:
        """Every offer, the best first, and those that there are none of."""
        found: list[Offer] = []
        dropped: list[Dropped] = []
        for deployment in self._known.deployments:
            if deployment.name in self._seen or not deployment.is_among(by.among):
                continue
            self._seen.add(deployment.name)
            answer = self._offering(deployment, row.fields)
            if isinstance(answer, Offer):
                found.append(answer)
            else:
                dropped.append(answer)
        keys = {"price": self._price, "latency": self._latency}
        found.sort(key=lambda offer: tuple(keys[name](offer) for name in by.by))
        return found, dropped

    def _order_key(self, row: RouteRow) -> Hashable | None:
        """What the order under this rule depends on; None when it has to be worked out."""
        form = shape(self._request)
        return None if form is None else (row.name, self._today, form, frozenset(self._seen))

    def _offer_again(self, name: str, row: RouteRow) -> Offer | Dropped | None:
        """The order is that of a request like this one: whether this one fits is asked anew."""
        if name in self._seen:
            return None
        self._seen.add(name)
        return self._offering(self._known.deployments.by_name[name], row.fields)

    def _price(self, offer: Offer) -> Decimal:
        """Unknown prices come last."""
        return offer.estimate.expected if offer.estimate.expected is not None else Decimal("Infinity")

    def _latency(self, offer: Offer) -> float:
        """Seconds as seen here, else as published; unknown ones come last."""
        seen = self._known.health.latency_seconds(offer.deployment.name)
        typical = offer.deployment.model.typical_seconds.value
        return seen if seen is not None else typical if typical is not None else float("inf")

    def _figures(self, offer: Offer, by: By) -> str:
        return ", ".join(self._dollars(offer) if name == "price" else self._seconds(offer) for name in by.by)

    def _dollars(self, offer: Offer) -> str:
        price = offer.estimate.expected
        return f"${price:.4f}" if price is not None else "no price is known"

    def _seconds(self, offer: Offer) -> str:
        seconds = self._latency(offer)
        return f"{seconds:.1f} s" if seconds != float("inf") else "no latency is known"

    def _step(self, deployment: Deployment, row: RouteRow | None, why: str) -> Planned | Dropped:
        self._seen.add(deployment.name)
        answer = self._offering(deployment, row.fields if row is not None else NO_FIELDS)
        return self._planned(answer, row, why) if isinstance(answer, Offer) else answer

    def _planned(self, offer: Offer, row: RouteRow | None, why: str) -> Planned:
        policy = self._known.policy
        return Planned(
            offer=offer,
            rule=row.name if row is not None else self._request.model,
            why=why,
            on_refusal=(row.on_refusal if row is not None else None) or policy.on_refusal,
            on_unknown=(row.on_unknown if row is not None else None) or policy.on_unknown,
        )

    def _share(self, *names: str) -> float:
        """A number in [0, 1), steady for this request id."""
        digest = hashlib.sha256("\n".join((self._request.request_id or "", *names)).encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


# When nobody can


def nothing(plan: Plan, request: ImageRequest, offering: Offering, known: Knowledge) -> NoModelCan:
    """Why no deployment can serve: each one's first unmet condition, and the changes that would help most."""
    everyone = list(known.deployments) if request.model == "auto" else []
    dropped = {each.deployment: each for each in plan.dropped}
    for deployment in everyone:
        if deployment.name not in dropped:
            answer = offering(deployment, NO_FIELDS)
            if isinstance(answer, Dropped):
                dropped[deployment.name] = answer
    found = tuple(dropped.values())
    helps = relaxations(request, found, known)
    dear = [each for each in found if each.requirement == "max_cost_usd"]
    if dear:
        return OverBudget(found, helps, f"no model can do this for max_cost_usd ${request.max_cost_usd}")
    return NoModelCan(found, helps)


def relaxations(request: ImageRequest, dropped: tuple[Dropped, ...], known: Knowledge) -> tuple[Relaxation, ...]:
    """The single changes to the request that would let models serve it; the one that helps most comes first."""
    today = known.clock.today()
    policies = Policies.of(known.policy.fields, request.policy)
    unmet = {each.requirement for each in dropped}
    usable = [each for each in known.deployments if each.lacking is None] or list(known.deployments)
    asked = {each.deployment for each in dropped}
    dear = {each.deployment for each in dropped if each.requirement == "max_cost_usd"}
    found: list[Relaxation] = []
    for change in relaxing.relaxations(request, policies, unmet):
        can = tuple(
            each.name
            for each in usable
            if each.name in asked
            and (change.field == "max_cost_usd" or each.name not in dear)
            and (change.field == "region" or request.region in {None, each.row.region})
            and contract.check(change.request, each.model, change.policies, today) is None
        )
        if can:
            found.append(Relaxation(change.words, change.field, can))
    if request.model != "auto":
        others = tuple(
            each.name
            for each in usable
            if each.name not in asked and contract.check(request, each.model, policies, today) is None
        )
        if others:
            found.append(Relaxation("let any model serve (model: auto)", "model", others))
    return tuple(sorted(found, key=lambda each: -len(each.deployments)))
