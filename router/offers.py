"""Offers: what a deployment would do with a request, and for how much. Plans are made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..providers.base.errors import Dropped
from ..providers.base.response import Candidate, Estimate
from .contract import Fitted
from .deployments import Deployment
from .hygiene import Shrink
from .settings import Outcome


@dataclass(frozen=True, slots=True)
class Offer:
    """A deployment that can serve a request: the request as its model gets it, and the price."""

    deployment: Deployment
    fitted: Fitted
    estimate: Estimate
    shrinks: tuple[Shrink, ...] = ()
    """Pictures of `fitted.request` that are made smaller before it is sent. The estimate is for the smaller ones."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An offer in its place in a plan, with what the rule says of failures."""

    offer: Offer
    rule: str
    why: str
    on_refusal: Outcome
    on_unknown: Outcome

    @property
    def name(self) -> str:
        return self.offer.deployment.name

    def candidate(self) -> Candidate:
        """What `explain` shows of it."""
        offer = self.offer
        return Candidate(
            deployment=offer.deployment.name,
            model=offer.deployment.model.key,
            rule=self.rule,
            why=self.why,
            estimate=offer.estimate,
            calls=len(offer.fitted.calls),
            adaptations=offer.fitted.adaptations,
            warnings=offer.fitted.warnings,
        )


class Plan:
    """The ordered choice, worked out as far as somebody looks: mostly the first candidate is the only one needed."""

    def __init__(self, rule: str, steps: Iterator[Planned | Dropped]) -> None:
        self.rule = rule
        """The first rule that matched, or the name that the caller gave."""
        self._steps = steps
        self.candidates: list[Planned] = []
        """Those found so far."""
        self.dropped: list[Dropped] = []
        """Those passed over so far."""

    def __iter__(self) -> Iterator[Planned]:
        """Every candidate, in order."""
        place = 0
        while place < len(self.candidates) or self._advance():
            yield self.candidates[place]
            place += 1

    def _advance(self) -> bool:
        """Look for one candidate more."""
        for step in self._steps:
            if isinstance(step, Planned):
                self.candidates.append(step)
                return True
            self.dropped.append(step)
        return False
