"""Estimate: each deployment's offer for a request, with its price, or the first condition that it does not meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache

from ...providers.base.capabilities import Model
from ...providers.base.errors import Dropped
from ...providers.base.request import ImageRequest, Policy
from ...providers.base.response import Estimate
from .. import contract, pricing
from ..contract import Fitted, Policies, Unmet
from ..deployments import Deployment
from ..offers import Offer
from ..settings import PolicySection

RuleFields = Mapping[str, Policy]
Estimator = Callable[[Deployment, RuleFields], Offer | Dropped]
"""Asked for one deployment under one rule's policies, it answers at once."""


def estimate(request: ImageRequest, *, policy: PolicySection, today: date, keys: bool = True) -> Estimator:
    """Offers for `request`, each worked out when it is asked for. `keys`: a deployment without its key cannot serve."""

    @cache
    def policies_of(rule_fields: frozenset[tuple[str, Policy]]) -> Policies:
        return Policies.of(policy.fields, dict(rule_fields), request.policy)

    def offer(deployment: Deployment, rule_fields: RuleFields) -> Offer | Dropped:
        model = deployment.model
        policies = policies_of(frozenset(rule_fields.items()))
        unmet = _unusable(request, deployment, keys=keys) or contract.check(request, model, policies, today)
        if unmet is not None:
            return unmet.dropped(deployment)
        days = policy.warn_days_before_shutdown
        fitted = contract.fit(request, deployment, policies, today, warn_days=days)
        found = price(fitted, model)
        unmet = _too_dear(request, model, found)
        return unmet.dropped(deployment) if unmet is not None else Offer(deployment, fitted, found)

    return offer


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
