"""The ledger: one row a request, one row an attempt, so that any bill can be explained.

An attempt is written *before* it is sent, with the outcome `unknown`, and written again when its outcome is known. A
process that dies in between leaves the truth behind: it may have been billed. No prompt and no picture is kept, only
their length and hash.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from ..providers.base.response import Usage

UNKNOWN = "unknown"
UNDER_WAY = "under_way"
DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One call to a vendor."""

    id: str
    request_id: str
    number: int
    """1 for the first call of the request, whatever the deployment."""
    retry: int
    """0 for the first call to this deployment, then counting up."""
    deployment: str
    model: str
    started_at: datetime
    n: int
    size: str | None = None
    quality: str | None = None
    estimate_worst_usd: Decimal | None = None
    outcome: str = UNKNOWN
    latency_seconds: float | None = None
    billed: bool | None = None
    status: int | None = None
    vendor_request_id: str | None = None
    model_snapshot: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    cost_basis: str = "unknown"
    images: int = 0
    moderation: str | None = None
    """Stage and categories of a refusal, or the vendor's word on what it painted."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request, from the caller's side."""

    id: str
    created_at: datetime
    operation: str
    model: str
    """As asked for: auto, a route, a deployment, a model."""
    n: int
    prompt_characters: int
    prompt_sha256: str
    size: str | None = None
    quality: str | None = None
    background: str = "auto"
    caller: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    rules_hash: str = ""
    rule: str | None = None
    deployment: str | None = None
    """The one that answered."""
    outcome: str = UNDER_WAY
    estimate_low_usd: Decimal | None = None
    estimate_expected_usd: Decimal | None = None
    estimate_worst_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    cost_basis: str = "unknown"
    at_risk_usd: Decimal = Decimal(0)
    images: int = 0
    attempts: int = 0
    adaptations: int = 0
    latency_seconds: float | None = None
    error: str | None = None


class Ledger(Protocol):
    """Where rows are kept. Both implementations are held to the same tests."""

    async def open_request(self, row: RequestRow) -> RequestRow | None:
        """Write a new request. When its id is there already, change nothing and return the row that is.

        One whose id is a NewId is kept at the latest when its first attempt is.
        """
        ...

    async def reopen_request(self, row: RequestRow, known: RequestRow) -> bool:
        """Write a new try of a request that failed, in the place of `known`.

        False, and nothing is changed, when the row there is no longer that try: somebody else was first.
        """
        ...

    async def close_request(self, row: RequestRow) -> None:
        """Write what became of it: at once for everyone who reads, soon on the disk. What fails then is logged."""
        ...

    async def open_attempt(self, row: AttemptRow) -> None:
        """Write an attempt that is about to be sent. Returns only when it is kept."""
        ...

    async def close_attempt(self, row: AttemptRow) -> None:
        """Write its outcome, as `close_request` does."""
        ...

    async def request(self, request_id: str) -> RequestRow | None: ...

    async def requests(
        self,
        *,
        limit: int = 50,
        caller: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
    ) -> tuple[RequestRow, ...]:
        """The newest first. `since` belongs to it; `deployment` answered the request, or was tried for it."""
        ...

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        """In the order in which they were sent."""
        ...

    async def unknown_attempts(self, *, limit: int = 50) -> tuple[AttemptRow, ...]:
        """Those that may have been billed and were never heard of again, or are under way; the newest first."""
        ...

    def beside(self) -> Ledger:
        """The same rows, for another event loop in this process. Each is closed by itself."""
        ...

    async def close(self) -> None: ...


class MemoryLedger:
    """Keeps rows for as long as it lives: for tests, and for library users who want no file."""

    def __init__(self, *, most_requests: int = 10_000) -> None:
        self._most = most_requests
        self._requests: dict[str, RequestRow] = {}
        self._attempts: dict[str, dict[str, AttemptRow]] = {}
        self._lock = threading.Lock()
        """Who was first is decided once, also between threads."""

    async def open_request(self, row: RequestRow) -> RequestRow | None:
        with self._lock:
            known = self._requests.get(row.id)
            if known is not None:
                return known
            while len(self._requests) >= self._most:
                oldest = next(iter(self._requests))
                del self._requests[oldest]
                self._attempts.pop(oldest, None)
            self._requests[row.id] = row
            return None

    async def reopen_request(self, row: RequestRow, known: RequestRow) -> bool:
        with self._lock:
            current = self._requests.get(known.id)
            if current is None or (current.outcome, current.created_at) != (known.outcome, known.created_at):
                return False
            self._requests[row.id] = row
            return True

    async def close_request(self, row: RequestRow) -> None:
        self._requests[row.id] = row

    async def open_attempt(self, row: AttemptRow) -> None:
        self._attempts.setdefault(row.request_id, {})[row.id] = row

    async def close_attempt(self, row: AttemptRow) -> None:
        self._attempts.setdefault(row.request_id, {})[row.id] = row

    async def request(self, request_id: str) -> RequestRow | None:
        return self._requests.get(request_id)

    async def requests(
        self,
        *,
        limit: int = 50,
        caller: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
    ) -> tuple[RequestRow, ...]:
        def wanted(row: RequestRow) -> bool:
            tried = (each.deployment for each in self._attempts.get(row.id, {}).values())
            return (
                (caller is None or row.caller == caller)
                and (since is None or row.created_at >= since)
                and (outcome is None or row.outcome == outcome)
                and (deployment is None or deployment in {row.deployment, *tried})
            )

        rows = filter(wanted, reversed(list(self._requests.values())))
        return tuple(sorted(rows, key=lambda row: row.created_at, reverse=True)[: max(0, limit)])

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        rows = self._attempts.get(request_id, {}).values()
        return tuple(sorted(rows, key=lambda row: row.number))

    async def unknown_attempts(self, *, limit: int = 50) -> tuple[AttemptRow, ...]:
        rows = [row for rows in list(self._attempts.values()) for row in list(rows.values()) if row.outcome == UNKNOWN]
        rows.reverse()
        return tuple(sorted(rows, key=lambda row: row.started_at, reverse=True)[: max(0, limit)])

    def beside(self) -> MemoryLedger:
        return self

    async def close(self) -> None:
        """Nothing is held open."""


def open_ledger(path: str | Path | None) -> Ledger:
    """A file for a path, memory for None.

    Raises ImportError, naming the extra, when SQLAlchemy is not installed, and ConfigError when the folder is missing.
    """
    if path is None:
        return MemoryLedger()
    from .ledger_sql import SqlLedger

    return SqlLedger.at(path)
