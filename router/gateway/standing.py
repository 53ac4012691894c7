"""How a gateway stands: whether it may be sent requests, and what its operator should know."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ...providers.base.errors import Problem

if TYPE_CHECKING:
    from ..telemetry import Metrics

HEALTHZ = "/healthz"
READYZ = "/readyz"


@dataclass(slots=True)
class Standing:
    """Held by one gateway. What nobody sets stays as it is: a gateway in-process is ready, and counts nothing."""

    metrics: Metrics | None = None
    draining: bool = False
    """It ends: what is under way is finished, and nothing new is to come."""
    problems: tuple[Problem, ...] = ()
    """Why the newest configuration is not in use, and the last good one is."""
    loaded_at: datetime | None = None
    """Since when the configuration in use is."""
    reload: Callable[[], Awaitable[tuple[Problem, ...]]] | None = None
    """Reads the configuration again; returns what is wrong with it."""

    def readiness(self) -> tuple[int, dict[str, str | int]]:
        """The answer of `/readyz`: its status and what it says. Names no file and no rule: everybody may ask."""
        if self.draining:
            return 503, {"status": "draining"}
        if self.problems:
            return 200, {"status": "ready", "configuration": "stale", "problems": len(self.problems)}
        return 200, {"status": "ready", "configuration": "current"}


def probe(standing: Standing, path: str) -> tuple[int, bytes]:
    """The answer of `/healthz` or `/readyz`, as JSON."""
    status, said = standing.readiness() if path == READYZ else (200, {"status": "ok"})
    return status, json.dumps(said).encode()
