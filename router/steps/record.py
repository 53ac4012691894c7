"""Record: the request's row in the ledger, opened before anything is sent and closed whatever came of it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

from ...providers.base.clock import Clock
from ...providers.base.errors import AlreadySent, EaselError, LedgerFailed, ModerationBlocked
from ...providers.base.request import ImageRequest
from ...providers.base.response import Decision, ImageResponse
from ..delivery import NOT_SENT
from ..ids import NewId
from ..ledger import DONE, REFUSED, UNDER_WAY, Ledger, RequestRow, fallbacks, retries, spent

FAILED = "failed"
CANCELLED = "cancelled"


async def open_request(
    request: ImageRequest, decision: Decision, ledger: Ledger, clock: Clock, *, is_new: bool, deadline_seconds: float
) -> RequestRow:
    """The row of a request about to be sent. Raises AlreadySent when its id was used and might be paid for twice.

    `is_new`: its id was made for it, and nobody can have used it. `deadline_seconds`: how long a request that is under
    way may take; after that its process has died. A request of this id that failed without being billed may be sent
    again, and so may one that was refused without word of a bill; its attempts stay, and count on.
    """
    row = _row(request, decision, clock, NewId(request.request_id) if is_new else request.request_id or "")
    known = await ledger.open_request(row)
    if known is None:
        return row
    attempts = await ledger.attempts(row.id)
    described = tuple(f"{each.deployment}: {each.outcome}" for each in attempts)
    if known.outcome == DONE:
        raise AlreadySent(row.id, described, "was answered, and its pictures are not kept here")
    if any(each.billed is None and each.outcome != REFUSED for each in attempts):
        raise AlreadySent(row.id, described)
    if any(each.billed for each in attempts):
        raise AlreadySent(row.id, described, "was paid for, and its pictures are not kept here")
    if known.outcome == UNDER_WAY and clock.now() < known.created_at + timedelta(seconds=deadline_seconds):
        raise AlreadySent(row.id, described, "is under way")
    row = replace(row, attempts=len(attempts), retries=retries(attempts), fallbacks=fallbacks(attempts))
    if not await ledger.reopen_request(row, known):
        raise AlreadySent(row.id, described, "is under way")
    return row


def _row(request: ImageRequest, decision: Decision, clock: Clock, name: str) -> RequestRow:
    estimate = decision.estimate
    return RequestRow(
        id=name,
        created_at=clock.now(),
        operation=request.operation,
        model=request.model,
        n=request.n,
        prompt_characters=len(request.prompt),
        prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
        size=str(request.size) if request.size else None,
        quality=request.quality,
        background=request.background,
        caller=request.caller,
        metadata=request.metadata,
        key_id=request.key_id,
        team=request.team,
        project=request.project,
        tags=request.tags,
        end_user=request.user,
        rules_hash=decision.rules_hash,
        rule=decision.rule,
        estimate_low_usd=estimate.low,
        estimate_expected_usd=estimate.expected,
        estimate_worst_usd=estimate.worst,
    )


async def close_answered(row: RequestRow, response: ImageResponse, ledger: Ledger) -> str | None:
    """Write down an answer. Returns a warning instead of raising: the pictures are paid for and must get through."""
    cost = response.cost
    sent = [each for each in response.attempts if each.outcome != NOT_SENT]
    closed = replace(
        row,
        outcome=DONE,
        rule=response.route.rule,
        deployment=response.route.deployment,
        cost_usd=cost.actual_usd,
        cost_basis=cost.basis,
        at_risk_usd=cost.at_risk_usd,
        images=len(response.images),
        attempts=row.attempts + len(sent),
        retries=row.retries + sum(each.number > 1 for each in sent),
        fallbacks=row.fallbacks + len({each.deployment for each in sent}) - 1,
        adaptations=len(response.adaptations),
        latency_seconds=response.timings.get("total"),
    )
    try:
        await ledger.close_request(closed)
    except LedgerFailed as error:
        return f"the ledger does not know that this request was answered: {error}"
    return None


async def close_failed(row: RequestRow, error: BaseException, ledger: Ledger, *, latency_seconds: float) -> None:
    """Write down a failure. `error` is on its way to the caller: a ledger that fails too is only noted on it."""
    try:
        await asyncio.shield(_close_failed(row, error, ledger, latency_seconds))
    except LedgerFailed as failed:
        error.add_note(f"the ledger could not be told: {failed}")


async def _close_failed(row: RequestRow, error: BaseException, ledger: Ledger, latency_seconds: float) -> None:
    """What it took is read from its attempts: not every error knows."""
    attempts = await ledger.attempts(row.id)
    known, at_risk = spent(attempts)
    closed = replace(
        row,
        outcome=_outcome(error),
        cost_usd=known,
        at_risk_usd=at_risk,
        attempts=len(attempts),
        retries=retries(attempts),
        fallbacks=fallbacks(attempts),
        latency_seconds=latency_seconds,
        error=type(error).__name__ if not isinstance(error, EaselError) else str(error)[:500],
    )
    await ledger.close_request(closed)


def _outcome(error: BaseException) -> str:
    if isinstance(error, ModerationBlocked):
        return REFUSED
    return CANCELLED if isinstance(error, asyncio.CancelledError) else FAILED
