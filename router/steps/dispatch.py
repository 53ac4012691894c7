"""Dispatch: send to one candidate after another until one has delivered. The only step that spends money.

Every attempt is in the ledger before it is sent. What failed for a moment is sent again to the same deployment, with
full jitter and no earlier than the vendor asks; what failed for good goes to the next candidate, if that is still
within the deadline and the price ceiling. A refusal ends the chain unless the rule says otherwise. A call whose outcome
is unknown is never sent again to the same deployment. Paid pictures are kept when their siblings fail.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ...providers.base.adapter import Done
from ...providers.base.clock import Clock
from ...providers.base.errors import (
    AllAttemptsFailed,
    AuthenticationFailed,
    BadReply,
    LedgerFailed,
    ModerationBlocked,
    OutcomeUnknown,
    PassedOver,
    ProofFailed,
    ProviderError,
    TooLate,
)
from ...providers.base.request import ImageRequest
from ...providers.base.response import Attempt, Estimate, OutputImage, Usage, Verification
from ...providers.base.transport import Finished, OnPartial, Painting, Transport
from .. import hygiene, ids, pricing
from ..delivery import NOT_SENT, Delivery, Proof, Spending
from ..deployments import Deployment
from ..health import Health, Turn
from ..keyring import Picked
from ..ledger import DONE, AttemptRow, Ledger
from ..limits import Limits
from ..offers import Offer, Plan, Planned
from ..pricing import Basis
from ..settings import PolicySection
from ..telemetry import UNWATCHED, Trace

Prove = Callable[[Offer, int, Sequence[Painting]], Awaitable[Proof]]
"""Holds the pictures of one call, and how many were asked of it, against the offer."""

CANCELLED = "cancelled by the caller"
EARLY_SECONDS = 0.1
"""Timers of event loops count in milliseconds, and may end a call before its deadline is there."""
FAIR_SECONDS = 30.0
"""A deployment that has had so long, and twice its usual time, and has not answered, is slow by any deadline."""


@dataclass(frozen=True, slots=True)
class Means:
    """What dispatch works with; one Router holds one."""

    transport: Transport
    health: Health
    limits: Limits
    ledger: Ledger
    policy: PolicySection
    clock: Clock


async def dispatch(
    plan: Plan,
    request: ImageRequest,
    means: Means,
    *,
    prove: Prove,
    deadline: float,
    attempts_before: int = 0,
    rules_hash: str | None = None,
    on_partial: OnPartial | None = None,
    trace: Trace = UNWATCHED,
) -> Delivery:
    """Walk the plan. `deadline` is a time of the clock's `monotonic`; `rules_hash` is written down with each attempt.

    Raises ModerationBlocked or AllAttemptsFailed; either carries every attempt.
    """
    tour = _Tour(request, means, prove, deadline, attempts_before, rules_hash, on_partial, trace)
    first: ProviderError | None = None
    unproven = 0
    for planned in plan:
        result = await tour.visit(planned)
        if isinstance(result, Delivery):
            return result
        if first is None or isinstance(first, PassedOver):
            first = result
        if not _falls_back(result, planned):
            if isinstance(result, ModerationBlocked):
                result.attempts = tuple(tour.attempts)
                raise result
            raise tour.failed(f"stopped after {planned.name}: {result}") from first
        unproven += isinstance(result, ProofFailed)
        if unproven >= means.policy.max_unproven:
            reason = f"{unproven} candidates were paid for pictures that are not what was asked for"
            raise tour.failed(reason) from first
        if tour.remaining() <= 0:
            raise tour.failed("the deadline has passed") from first
    if isinstance(first, ModerationBlocked) and not tour.came:
        first.attempts = tuple(tour.attempts)
        raise first
    raise tour.failed("every attempt failed") from first


def _gravity(error: ProviderError | LedgerFailed) -> int:
    """Of the errors of one candidate's calls, which one stands for all? The lowest, and of equals the first."""
    return 0 if isinstance(error, LedgerFailed) else 1 if isinstance(error, ModerationBlocked) else 2


def _falls_back(error: ProviderError, planned: Planned) -> bool:
    if isinstance(error, ModerationBlocked):
        return planned.on_refusal == "fall_back"
    if isinstance(error, OutcomeUnknown):
        return planned.on_unknown == "fall_back"
    return error.fall_back


@dataclass(frozen=True, slots=True)
class _Call:
    """One of the calls that a candidate takes, with its retries."""

    planned: Planned
    request: ImageRequest
    """The offer's, with its pictures made smaller where they are to be."""
    n: int
    part: int
    """Its place among them: the caller sees the previews of the first, 0."""
    id: str = field(default_factory=lambda: ids.new("call"))


@dataclass(frozen=True, slots=True)
class _Returned:
    """One call that came to an end with pictures."""

    done: Done
    proof: Proof
    lost: int


_Result = _Returned | ProviderError | LedgerFailed


class _Tour:
    """One walk over a plan, and what it has cost so far."""

    def __init__(
        self,
        request: ImageRequest,
        means: Means,
        prove: Prove,
        deadline: float,
        attempts_before: int,
        rules_hash: str | None,
        on_partial: OnPartial | None,
        trace: Trace,
    ) -> None:
        self._request = request
        self._trace = trace
        self._means = means
        self._prove = prove
        self._deadline = deadline
        self._number = attempts_before
        self._rules_hash = rules_hash
        self._candidates: list[str] = []
        """Those that were sent to, in their order."""
        self._on_partial = on_partial
        self.attempts: list[Attempt] = []
        self.spending: Spending = Spending()
        self.came: list[OutputImage] = []
        """Pictures that are paid for and not what was asked for."""
        self._warnings: list[str] = []

    def remaining(self) -> float:
        return self._deadline - self._means.clock.monotonic()

    def failed(self, reason: str) -> AllAttemptsFailed:
        return AllAttemptsFailed(
            tuple(self.attempts),
            reason,
            images=tuple(self.came),
            spent_usd=self.spending.known_usd,
            at_risk_usd=self.spending.at_risk_usd,
        )

    async def visit(self, planned: Planned) -> Delivery | ProviderError:
        """Have one candidate make all pictures: as many calls as it takes, side by side."""
        if refusal := self._too_dear_by_now(planned):
            return self._pass_over(planned, refusal)
        results = await self._results(planned)
        returned = [each for each in results if isinstance(each, _Returned)]
        errors = [each for each in results if not isinstance(each, _Returned)]
        images = tuple(image for each in returned for image in each.proof.accepted)
        self.came += [image for each in returned for image in each.proof.rejected]
        if images:
            return self._delivery(planned, returned, errors, images)
        gravest = min(errors, key=_gravity)
        if isinstance(gravest, LedgerFailed):
            raise gravest
        return gravest

    async def _results(self, planned: Planned) -> list[_Result]:
        """All calls side by side. After a cooldown one goes ahead, to see whether the others may follow."""
        offer = planned.offer
        request = offer.fitted.request
        if offer.shrinks:
            request = await asyncio.to_thread(hygiene.made_smaller, request, offer.shrinks)
        calls = [_Call(planned, request, n, part) for part, n in enumerate(offer.fitted.calls)]
        ahead = 0 if self._means.health.cooling_until(planned.name) is None else 1
        tried = [await self._call(each) for each in calls[:ahead]]
        if any(not isinstance(each, _Returned) for each in tried):
            return tried
        if len(calls) == 1:
            return tried or [await self._call(calls[0])]
        # All are awaited whatever happens: a call that nobody waits for would be paid for and never written down.
        rest = await asyncio.gather(*(self._call(each) for each in calls[ahead:]), return_exceptions=True)
        for each in rest:
            if isinstance(each, BaseException) and not isinstance(each, ProviderError | LedgerFailed):
                raise each
            tried.append(each)
        return tried

    def _delivery(
        self,
        planned: Planned,
        returned: list[_Returned],
        errors: list[ProviderError | LedgerFailed],
        images: tuple[OutputImage, ...],
    ) -> Delivery:
        asked = sum(planned.offer.fitted.calls)
        done = returned[0].done
        for each in returned[1:]:
            done = done.plus(each.done)
        warnings = [*self._warnings, *done.warnings]
        if len(images) < asked:
            reasons = [str(error) for error in errors] + [each.proof.failure for each in returned if each.proof.failure]
            reasons += [f"{each.lost} could not be fetched" for each in returned if each.lost]
            said = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
            warnings.append(f"{len(images)} of {asked} pictures came" + (f": {said}" if said else ""))
        findings = tuple(dict.fromkeys(found for each in returned for found in each.proof.verification.findings))
        return Delivery(
            planned=planned,
            images=images,
            done=done,
            verification=Verification(returned[0].proof.verification.checked, findings),
            attempts=tuple(self.attempts),
            spending=self.spending,
            warnings=tuple(warnings),
        )

    # One call

    async def _call(self, call: _Call) -> _Result:
        """One call and its retries. Nothing is raised but cancellation: siblings must not end because one fails."""
        name, means = call.planned.name, self._means
        failed: ProviderError | None = None
        retry = 0
        while True:
            if self.remaining() <= 0:
                return failed or self._pass_over(call.planned, "the deadline has passed", TooLate)
            turn = means.health.admit(name, means.clock.monotonic())
            if turn is None:
                return failed or self._pass_over(call.planned, self._why_set_aside(name))
            result = await self._in_a_free_place(call, turn, retry)
            if not isinstance(result, ProviderError):
                return result
            pause = self._pause(result, call.planned, retry)
            if pause is None:
                return result
            if pause:
                await means.clock.sleep(pause)
            failed, retry = result, retry + 1

    def _pause(self, error: ProviderError, planned: Planned, retry: int) -> float | None:
        """Seconds until the call is sent again; None when it is not."""
        if isinstance(error, AuthenticationFailed) and error.retry:
            return 0.0
        means, asked = self._means, error.retry_after_seconds or 0
        retries = means.policy.retries
        safe = isinstance(error, OutcomeUnknown) and planned.offer.deployment.adapter.honours_idempotency_keys
        last = retry + 1 >= retries.attempts
        if last or asked > retries.max_retry_after_seconds or not (error.retry or safe):
            return None
        jitter = random.uniform(0, min(retries.max_seconds, retries.initial_seconds * 2**retry))  # noqa: S311 (jitter, not a secret)
        pause = max(jitter, asked)
        again = means.clock.monotonic() + pause
        set_aside = again < (means.health.cooling_until(planned.name) or again)
        return None if set_aside or again >= self._deadline else pause

    async def _in_a_free_place(self, call: _Call, turn: Turn, retry: int) -> _Result:
        deployment, means = call.planned.offer.deployment, self._means
        try:
            place = await means.limits.take(deployment, timeout_seconds=max(0.0, self.remaining()))
        except TimeoutError:
            means.health.released(turn)
            why = f"no free place within the deadline ({deployment.row.concurrency} at once)"
            return self._pass_over(call.planned, why)
        except BaseException:
            means.health.released(turn)
            raise
        try:
            return await self._attempt(call, turn, retry)
        except LedgerFailed as error:
            means.health.released(turn)
            return error
        except BaseException:
            means.health.released(turn)
            raise
        finally:
            place.release()

    async def _attempt(self, call: _Call, turn: Turn, retry: int) -> _Returned | ProviderError:
        """Write it down, send it, prove what came, write down what became of it."""
        means, offer = self._means, call.planned.offer
        deployment = offer.deployment
        sent = call.request if call.request.n == call.n else replace(call.request, n=call.n)
        row = self._opened(call, sent, retry)
        started = means.clock.monotonic()
        picked = deployment.keyring.pick(started)
        await means.ledger.open_attempt(row)
        self._trace.sent(row)
        finished, proof = Finished(Done([]), ()), Proof(())
        error: ProviderError | None = None
        try:
            timeout = deployment.timeout_seconds or means.policy.attempt_timeout(sent.operation)
            finished = await means.transport.run(
                deployment.adapter,
                sent,
                deployment.model,
                key=picked.value if picked is not None else None,
                deadline=min(self._deadline, started + timeout),
                headers=self._headers(call),
                on_partial=self._on_partial if call.part == 0 else None,
            )
            proof = await self._prove(offer, call.n, finished.paintings)
            error = self._shortfall(finished, proof)
        except ProviderError as caught:
            error = caught
        except asyncio.CancelledError:
            row = replace(row, error=CANCELLED, latency_seconds=means.clock.monotonic() - started)
            await asyncio.shield(self._write(row))
            raise
        latency = means.clock.monotonic() - started
        if picked is not None:
            self._note_key(deployment, picked, error)
        self._note_health(turn, error, latency)
        await self._write(self._closed(row, offer, sent, finished, proof, error, latency))
        if error is not None and not proof.accepted:
            self.came += proof.rejected
            return error
        return _Returned(finished.done, proof, len(finished.lost))

    def _opened(self, call: _Call, sent: ImageRequest, retry: int) -> AttemptRow:
        self._number += 1
        means, planned, deployment = self._means, call.planned, call.planned.offer.deployment
        if deployment.name not in self._candidates:
            self._candidates.append(deployment.name)
        estimate = self._estimate(planned, sent)
        pictures = sent.input_images if sent.mask is None else (*sent.input_images, sent.mask)
        return AttemptRow(
            id=ids.new("att"),
            request_id=self._request.request_id or "",
            number=self._number,
            retry=retry,
            deployment=deployment.name,
            model=deployment.model.key,
            started_at=means.clock.now(),
            n=sent.n,
            size=str(sent.size) if sent.size else None,
            quality=sent.quality,
            estimate_low_usd=estimate.low,
            estimate_expected_usd=estimate.expected,
            estimate_worst_usd=estimate.worst,
            candidate=self._candidates.index(deployment.name),
            part=call.part,
            input_images=len(pictures),
            input_bytes=sum(len(each.data) for each in pictures),
            input_pixels=sum(each.size.pixels for each in pictures),
            rule=planned.rule,
            rules_hash=self._rules_hash,
            prices_hash=pricing.facts_hash(deployment.model),
        )

    @staticmethod
    def _estimate(planned: Planned, sent: ImageRequest) -> Estimate:
        """What one call will cost; the offer has it already where the candidate takes a single one."""
        offer = planned.offer
        whole = sent.n == offer.fitted.request.n and len(offer.fitted.calls) == 1
        return offer.estimate if whole else pricing.estimate(sent, offer.deployment.model)

    @staticmethod
    def _headers(call: _Call) -> Mapping[str, str]:
        deployment = call.planned.offer.deployment
        if deployment.adapter.honours_idempotency_keys:
            return {**deployment.row.headers, "idempotency-key": call.id}
        return deployment.row.headers

    @staticmethod
    def _shortfall(finished: Finished, proof: Proof) -> ProviderError | None:
        """Why a call that ended well has no picture to show for it."""
        if proof.accepted:
            return None
        if proof.rejected:
            return ProofFailed(proof.failure or "not what was asked for", request_id=finished.request_id)
        if finished.lost:
            return finished.lost[0]
        return BadReply("the answer holds no picture", request_id=finished.request_id)

    def _note_key(self, deployment: Deployment, picked: Picked, error: ProviderError | None) -> None:
        """A key that is refused says nothing of the deployment as long as another one may be taken."""
        if error is None:
            deployment.keyring.taken(picked)
        elif isinstance(error, AuthenticationFailed):
            another = deployment.keyring.refused(picked, self._means.clock.monotonic())
            error.retry, error.cooldown = another, not another
            self._trace.key_refused(deployment.row.prefix, picked.key.secret.label)

    def _note_health(self, turn: Turn, error: ProviderError | None, latency: float) -> None:
        health = self._means.health
        if error is None or isinstance(error, ProofFailed):
            health.succeeded(turn, latency)
        else:
            now = self._means.clock.monotonic()
            counts = error.cooldown and not self._was_hurried(turn, latency)
            health.failed(turn, now, counts=counts, retry_after_seconds=error.retry_after_seconds)

    def _was_hurried(self, turn: Turn, latency: float) -> bool:
        """Was it the caller's own deadline that ended the call, and too soon to say anything about the deployment?

        Else a caller with no patience could have every deployment set aside, for everybody.
        """
        if self._request.deadline_seconds is None or self.remaining() > EARLY_SECONDS:
            return False
        usual = self._means.health.latency_seconds(turn.deployment) or 0.0
        return latency < max(FAIR_SECONDS, 2 * usual)

    def _closed(
        self,
        row: AttemptRow,
        offer: Offer,
        sent: ImageRequest,
        finished: Finished,
        proof: Proof,
        error: ProviderError | None,
        latency: float,
    ) -> AttemptRow:
        """The attempt at its end; adds it to what the request has cost."""
        pictures = (*proof.accepted, *proof.rejected)
        paid = bool(pictures) or bool(finished.lost)
        billed = True if paid else error.billed if error is not None else True
        cost, basis = self._cost(offer, sent, finished, pictures)
        if not paid and cost is None:
            basis = "unknown"
        worst = row.estimate_worst_usd
        self._spend(billed, cost, basis, worst)
        if cost is not None and worst is not None and cost > worst and not offer.estimate.unpriced:
            self._warnings.append(f"{row.deployment} counts ${cost:f} for a call that was to cost ${worst:f} at most")
        outcome = error.outcome if error is not None else DONE
        refusal = error if isinstance(error, ModerationBlocked) else None
        row = replace(
            row,
            outcome=outcome,
            latency_seconds=latency,
            billed=billed,
            status=error.status if error is not None else None,
            vendor_request_id=finished.request_id or (error.request_id if error is not None else None),
            model_snapshot=finished.done.model_snapshot,
            usage=finished.done.usage,
            cost_usd=cost,
            cost_basis=basis,
            images=len(proof.accepted),
            first_byte_seconds=finished.first_byte_seconds,
            moderation=" ".join((refusal.stage, *refusal.categories)) if refusal else finished.done.moderation,
            error=str(error) if error is not None else None,
        )
        self.attempts.append(
            Attempt(
                deployment=row.deployment,
                outcome=outcome,
                latency_seconds=latency,
                billed=billed,
                number=row.retry + 1,
                vendor_request_id=row.vendor_request_id,
                error=row.error,
                status=row.status,
                cost_usd=cost,
            )
        )
        return row

    @staticmethod
    def _cost(
        offer: Offer, sent: ImageRequest, finished: Finished, pictures: Sequence[OutputImage]
    ) -> tuple[Decimal | None, Basis]:
        if finished.done.usage == Usage() and not pictures:
            return None, "unknown"
        sizes = [each.size for each in pictures]
        sizes += [offer.fitted.paints or sizes[0]] * len(finished.lost) if sizes or offer.fitted.paints else []
        return pricing.actual(finished.done.usage, offer.deployment.model, sent, sizes)

    def _spend(self, billed: bool | None, cost: Decimal | None, basis: Basis, worst: Decimal | None) -> None:
        spending = self.spending
        known, at_risk, unknown = spending.known_usd, spending.at_risk_usd, spending.unknown
        if billed is None:
            at_risk += worst or Decimal(0)
        elif billed and cost is None:
            at_risk, unknown = at_risk + (worst or Decimal(0)), True
        elif billed and cost is not None:
            known += cost
        counted = basis if billed and cost is not None else spending.basis
        self.spending = Spending(known_usd=known, basis=counted, at_risk_usd=at_risk, unknown=unknown)

    async def _write(self, row: AttemptRow) -> None:
        """The call is over and perhaps paid for: a ledger that fails now must not cost the picture too."""
        means = self._means
        until = means.health.cooling_until(row.deployment)
        left = None if until is None else max(0.0, until - means.clock.monotonic())
        self._trace.returned(row, cooling_seconds=left)
        try:
            await means.ledger.close_attempt(row)
        except LedgerFailed as error:
            self._warnings.append(f"the ledger keeps this attempt as unknown: {error}")

    # Candidates that are passed over

    def _too_dear_by_now(self, planned: Planned) -> str | None:
        """Earlier attempts may have been billed: is there enough left for the worst case of this one?"""
        most, worst = self._request.max_cost_usd, planned.offer.estimate.worst
        if most is None or worst is None or self.spending.most_usd + worst <= most:
            return None
        return f"may cost ${worst:f}, and ${self.spending.most_usd:f} of ${most:f} may be spent already"

    def _why_set_aside(self, name: str) -> str:
        until = self._means.health.cooling_until(name)
        seconds = max(0.0, (until or 0.0) - self._means.clock.monotonic())
        return f"set aside after failures, for another {seconds:.0f} s" if seconds else "being tried by another request"

    def _pass_over(self, planned: Planned, why: str, kind: type[PassedOver] = PassedOver) -> PassedOver:
        error = kind(why)
        self.attempts.append(Attempt(planned.name, NOT_SENT, 0.0, billed=False, error=why))
        return error
