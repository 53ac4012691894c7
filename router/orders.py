"""Orders: what a strategy made of requests of one shape, kept for a moment.

Ranking by price means an offer from every deployment, and requests that differ in their words alone rank them alike. So
the order is kept for requests of one shape; the candidates themselves are still held against each request, exactly.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from operator import attrgetter

from ..providers.base.request import ImageRequest

KEPT_SECONDS = 2.0
"""Latencies that are seen meanwhile count after this."""
MOST_KEPT = 2_000
PROMPT_STEP_BYTES = 200
"""Prompts within one step cost the same to a twentieth of a cent."""

SHAPE = (
    "model",
    "operation",
    "needs",
    "n",
    "size",
    "aspect_ratio",
    "resolution",
    "seconds",
    "quality",
    "background",
    "output_format",
    "output_compression",
    "style",
    "negative_prompt",
    "moderation",
    "stream",
    "partial_images",
    "max_cost_usd",
    "region",
)
_shared = attrgetter(*SHAPE)


def shape(request: ImageRequest) -> Hashable | None:
    """What an order can depend on. None: requests with pictures or a vendor's options are ranked each time."""
    if request.images or request.references or request.mask is not None or request.provider_options:
        return None
    return (
        _shared(request),
        request.seed is None,
        request.user is None,
        tuple(sorted(request.policy.items())) if request.policy else (),
        len(request.prompt.encode()) // PROMPT_STEP_BYTES,
        request.text,
    )


@dataclass(frozen=True, slots=True)
class Order:
    names: tuple[str, ...]
    """Of deployments: first those that could serve, then those that could not."""
    able: int
    """How many could."""


class Orders:
    """Held by one Router. Times are the clock's `monotonic`."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Order]] = {}

    def get(self, key: Hashable, now: float) -> Order | None:
        found = self._kept.get(key)
        return found[1] if found is not None and now < found[0] else None

    def keep(self, key: Hashable, order: Order, now: float) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = now + KEPT_SECONDS, order
