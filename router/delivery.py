"""Deliveries: what came of a plan, on its way from `dispatch` to the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from ..providers.base.adapter import Done
from ..providers.base.errors import PassedOver
from ..providers.base.response import Attempt, OutputImage, Verification
from .offers import Planned
from .pricing import Basis

NOT_SENT = PassedOver.outcome
"""The outcome of a candidate that was passed over."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The pictures of one call, held against what was asked for."""

    accepted: tuple[OutputImage, ...]
    rejected: tuple[OutputImage, ...] = ()
    """They came, they are paid for, and they are not what was asked for."""
    failure: str | None = None
    """Why those were rejected."""
    verification: Verification = field(default_factory=lambda: Verification(()))


@dataclass(frozen=True, slots=True)
class Spending:
    """What the attempts of a request have cost, as far as it is known."""

    known_usd: Decimal = Decimal(0)
    unknown: bool = False
    """An attempt was billed, and nobody knows how much."""
    at_risk_usd: Decimal = Decimal(0)
    """The most that attempts may have cost of which it is not known whether they were billed."""
    basis: Basis = "unknown"
    """Of the newest part."""

    @property
    def most_usd(self) -> Decimal:
        return self.known_usd + self.at_risk_usd


@dataclass(frozen=True, slots=True)
class Delivery:
    """The pictures of the candidate that served, and what it took."""

    planned: Planned
    images: tuple[OutputImage, ...]
    done: Done
    """What the vendor said, over all calls; its pictures are in `images`."""
    verification: Verification
    attempts: tuple[Attempt, ...]
    spending: Spending
    warnings: tuple[str, ...] = ()
