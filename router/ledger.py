"""The ledger: one row a request, one row an attempt, so that any bill can be explained.

An attempt is written *before* it is sent, with the outcome `unknown`, and written again when its outcome is known. A
process that dies in between leaves the truth behind: it may have been billed. No prompt and no picture is kept, only
their length and hash.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol, TypeGuard, get_args, overload

from ..providers.base.response import Usage

UNKNOWN = "unknown"
UNDER_WAY = "under_way"
DONE = "done"
SETTLED = "settled"
"""Of an attempt: a person has said whether it was billed."""
REFUSED = "refused"
POSTGRES = frozenset({"postgresql", "postgres"})
"""The schemes of its addresses."""


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
    candidate: int = 0
    """0 for the first candidate of the request that was sent to, then counting up."""
    part: int = 0
    """Which of the calls that the candidate takes side by side: 0 for the first."""
    estimate_low_usd: Decimal | None = None
    estimate_expected_usd: Decimal | None = None
    input_images: int | None = None
    """Pictures that were sent along, the mask too. None: it was not written down in those days."""
    input_bytes: int | None = None
    """Of their files, as they were given."""
    input_pixels: int | None = None
    first_byte_seconds: float | None = None
    """From sending to the beginning of the vendor's first answer; None: the call failed, or a library sent it."""
    rule: str | None = None
    """By which the deployment became a candidate."""
    rules_hash: str | None = None
    prices_hash: str | None = None
    """Of the catalogue's facts about this model's price, as they were then."""


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
    key_id: str | None = None
    """Of the gateway's key that it came with; `caller` is that key's name."""
    team: str | None = None
    project: str | None = None
    tags: tuple[str, ...] = ()
    end_user: str | None = None
    """The request's `user`: whose rows are deleted when that person asks for it."""
    retries: int = 0
    """Calls that were sent again to the same deployment."""
    fallbacks: int = 0
    """Candidates that were sent to after the first."""


# What a ledger adds up to

By = Literal["model", "deployment", "route", "team", "project", "key", "day", "operation", "outcome"]
WAYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a report."""

    name: str | None
    """The model, the route, the day (UTC), …; None: what has none, such as a request without a team."""
    requests: int
    """That were asked; of a model or deployment, that it was sent a call for."""
    images: int
    cost_usd: Decimal
    """What is known of the bills."""
    at_risk_usd: Decimal
    """On top: the most that calls of unknown outcome or price may have cost."""
    latency_p50_seconds: float | None
    """Of what was answered with pictures; of a model or deployment, of its calls. None: nothing was."""
    latency_p95_seconds: float | None
    fallbacks: int
    """Requests that more than one candidate was sent; of a model or deployment, those that came from another."""
    refusals: int
    failures: int
    """Whatever is neither answered nor refused nor under way."""
    retries: int
    """Calls that were sent again to the same deployment."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came in from `since` on and before `until`, added up."""

    by: By
    since: datetime | None
    until: datetime | None
    lines: tuple[Line, ...]
    """The dearest first; by day the oldest first."""


# Ledgers


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
        team: str | None = None,
        rule: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
        model: str | None = None,
    ) -> tuple[RequestRow, ...]:
        """The newest first, those of one moment by their ids.

        `since` belongs to it; `deployment` answered the request, or was tried for it; `model` was tried for it.
        """
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


Story = tuple[RequestRow, tuple[AttemptRow, ...]]
"""A request, and its attempts in the order in which they were sent."""


class LastingLedger(Ledger, Protocol):
    """One in a database. It can be added up, given out, and put right by a person."""

    async def report(self, by: By, *, since: datetime | None = None, until: datetime | None = None) -> Report: ...

    def stories(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Sequence[Story]]:
        """All of them, some hundreds at a time, the oldest first."""
        ...

    async def settle(self, attempt_id: str, *, billed: bool, cost_usd: Decimal | None) -> AttemptRow | None:
        """Say what became of an attempt whose outcome is unknown; its request's cost follows.

        `cost_usd`: of one that was billed; None: it is not known. None is returned when there is no such attempt, or
        its outcome is known.
        """
        ...

    async def delete(self, *, end_user: str | None = None, team: str | None = None) -> int:
        """Delete an end user's or a team's requests and their attempts; how many requests that were.

        Those that are under way stay.
        """
        ...


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
        team: str | None = None,
        rule: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
        model: str | None = None,
    ) -> tuple[RequestRow, ...]:
        def wanted(row: RequestRow) -> bool:
            attempts = self._attempts.get(row.id, {}).values()
            tried = {each.deployment for each in attempts}
            return (
                (caller is None or row.caller == caller)
                and (team is None or row.team == team)
                and (rule is None or row.rule == rule)
                and (model is None or model in {each.model for each in attempts})
                and (since is None or row.created_at >= since)
                and (outcome is None or row.outcome == outcome)
                and (deployment is None or deployment in {row.deployment, *tried})
            )

        rows = filter(wanted, list(self._requests.values()))
        return tuple(sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)[: max(0, limit)])

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        rows = self._attempts.get(request_id, {}).values()
        return tuple(sorted(rows, key=lambda row: (row.number, row.id)))

    async def unknown_attempts(self, *, limit: int = 50) -> tuple[AttemptRow, ...]:
        rows = [row for rows in list(self._attempts.values()) for row in list(rows.values()) if row.outcome == UNKNOWN]
        return tuple(sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)[: max(0, limit)])

    def beside(self) -> MemoryLedger:
        return self

    async def close(self) -> None:
        """Nothing is held open."""


def spent(attempts: Iterable[AttemptRow]) -> tuple[Decimal, Decimal]:
    """What they are known to have cost, and what they may have cost on top of it at most."""
    known = at_risk = Decimal(0)
    for each in attempts:
        if each.billed and each.cost_usd is not None:
            known += each.cost_usd
        elif each.billed is not False and each.cost_usd is None:
            at_risk += each.estimate_worst_usd or Decimal(0)
    return known, at_risk


def retries(attempts: Iterable[AttemptRow]) -> int:
    """How many of them were sent again to the same deployment."""
    return sum(each.retry > 0 for each in attempts)


def fallbacks(attempts: Iterable[AttemptRow]) -> int:
    """How many candidates they were sent to after a first one had failed."""
    return sum(each.candidate > 0 and not each.retry and not each.part for each in attempts)


def is_address(place: str | Path) -> TypeGuard[str]:
    """Does it name a Postgres, and not a file?"""
    return isinstance(place, str) and place.partition("://")[0] in POSTGRES


def name_of(place: str | Path) -> str:
    """For messages: a path as it is, an address without its password and what follows the database."""
    if not is_address(place):
        return str(place)
    scheme, _, rest = place.partition("?")[0].partition("://")
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}{':***' if colon else ''}{at}{host}"


@overload
def open_ledger(place: str | Path) -> LastingLedger: ...


@overload
def open_ledger(place: None) -> MemoryLedger: ...


@overload
def open_ledger(place: str | Path | None) -> Ledger: ...


def open_ledger(place: str | Path | None) -> Ledger:
    """A file for a path, a Postgres for its address (`postgresql://USER@HOST/NAME`), memory for None.

    Raises ImportError, naming the extra, when a library for it is not installed, and ConfigError when the folder is
    missing or the address is none.
    """
    if place is None:
        return MemoryLedger()
    try:
        from .ledger_sql import SqlLedger

        return SqlLedger(place)
    except ImportError as error:
        missing = error.name or error
        message = f"the ledger needs the extra `ledger`: pip install 'easel-images[ledger]' ({missing} is missing)"
        raise ImportError(message) from error
