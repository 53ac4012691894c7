"""Estimate: each deployment's offer for a request, with its price, or the first condition that it does not meet."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import count

from ...providers.base.capabilities import Model
from ...providers.base.errors import Dropped
from ...providers.base.request import ImageRequest, Policy
from ...providers.base.response import Estimate
from .. import contract, hygiene, pricing
from ..contract import Changes, Fitted, Policies, Question, Unmet
from ..deployments import Deployment
from ..hygiene import Shrink
from ..memo import MOST_KEPT, Memo
from ..offers import Offer
from ..orders import shape
from ..settings import PolicySection

RuleFields = Mapping[str, Policy]
Estimator = Callable[[Deployment, RuleFields], Offer | Dropped]
"""Asked for one deployment under one rule's policies, it answers at once."""


_CHANGES = Memo[Changes]()
_NUMBERS: dict[Hashable, int] = {}
_NEXT = count()
OF_ONE_REQUEST = ("text", "style", "negative_prompt", "seed", "user")
"""Fields whose own words stand in what is changed, so that no other request shares it."""


def estimate(request: ImageRequest, *, policy: PolicySection, today: date, keys: bool = True) -> Estimator:
    """Offers for `request`, each worked out when it is asked for. `keys`: a deployment without its key cannot serve."""
    fitting = _Fitting(request, policy, today)
    asked = hygiene.questions(request, policy.hygiene)

    def offer(deployment: Deployment, rule_fields: RuleFields) -> Offer | Dropped:
        model = deployment.model
        under = fitting.under(frozenset(rule_fields.items()))
        unmet = _unusable(request, deployment, keys=keys) or contract.check(
            request, model, under.policies, today, asked=under.questions
        )
        if unmet is not None:
            return unmet.dropped(deployment)
        fitted = fitting.fit(model, under)
        found = price(fitted, model)
        shrinks: tuple[Shrink, ...] = ()
        if asked:
            tidied = hygiene.tidied(
                request,
                model,
                fitted,
                found,
                asked,
                policies=under.policies,
                hygiene=policy.hygiene,
                price=lambda fitted: price(fitted, model),
            )
            fitted, found, shrinks = tidied.fitted, tidied.estimate, tidied.shrinks
        unmet = _too_dear(request, model, found)
        return unmet.dropped(deployment) if unmet is not None else Offer(deployment, fitted, found, shrinks)

    return offer


@dataclass(frozen=True, slots=True)
class _Under:
    """What holds for the request under one rule."""

    policies: Policies
    questions: tuple[Question, ...]
    number: int | None
    """Of its shape under this rule; None for a request that shares with no other."""


class _Fitting:
    """Fits one request to many models. What requests of its shape share is worked out once for all of them."""

    def __init__(self, request: ImageRequest, policy: PolicySection, today: date) -> None:
        self._request = request
        self._policy = policy
        self._today = today
        own = any(getattr(request, name) for name in OF_ONE_REQUEST)
        self._shape = None if own else shape(request)
        self._under: dict[frozenset[tuple[str, Policy]], _Under] = {}
        self._changed: dict[tuple[tuple[str, object], ...], ImageRequest] = {}

    def under(self, rule_fields: frozenset[tuple[str, Policy]]) -> _Under:
        found = self._under.get(rule_fields)
        if found is None:
            policies = Policies.of(self._policy.fields, dict(rule_fields), self._request.policy)
            days = self._policy.warn_days_before_shutdown
            number = None if self._shape is None else _number((self._shape, policies.key, self._today, days))
            found = _Under(policies, contract.questions(self._request, policies), number)
            self._under[rule_fields] = found
        return found

    def fit(self, model: Model, under: _Under) -> Fitted:
        days = self._policy.warn_days_before_shutdown

        def make() -> Changes:
            return contract.changes(self._request, model, under.policies, self._today, warn_days=days)

        found = make() if under.number is None else _CHANGES.of(model, under.number, make)
        request = self._changed.get(found.fields)
        if request is None:
            request = self._changed[found.fields] = contract.changed(self._request, found)
        return found.fitted(request)


def _number(shape: Hashable) -> int:
    """A number for a shape, so that it is hashed once and not for every model."""
    if len(_NUMBERS) >= MOST_KEPT:
        _NUMBERS.clear()
    return _NUMBERS.setdefault(shape, next(_NEXT))


def price(fitted: Fitted, model: Model) -> Estimate:
    """Of all calls that it takes."""
    most = fitted.calls[0]
    whole = pricing.estimate(fitted.request, model, calls=fitted.calls.count(most))
    if fitted.calls[-1] == most:
        return whole
    return whole.plus(pricing.estimate(replace(fitted.request, n=fitted.calls[-1]), model))


def _unusable(request: ImageRequest, deployment: Deployment, *, keys: bool) -> Unmet | None:
    if keys and deployment.lacking is not None:
        return Unmet("key", deployment.lacking)
    if request.region is not None and deployment.row.region != request.region:
        where = f"is in {deployment.row.region}" if deployment.row.region else "names no region"
        return Unmet("region", f"{where}, not in {request.region}")
    return None


def _too_dear(request: ImageRequest, model: Model, found: Estimate) -> Unmet | None:
    """A ceiling holds for the worst case; what has no price cannot be held to one."""
    most = request.max_cost_usd
    if most is None:
        return None
    if found.worst is None:
        reason = found.unpriced[0] if found.unpriced else "no price is known"
        return Unmet("max_cost_usd", f"cannot be held to a price ceiling: {reason}", model.price)
    if found.worst > most:
        return Unmet("max_cost_usd", f"may cost ${found.worst:f}, above the ceiling of ${most:f}", model.price)
    return None
