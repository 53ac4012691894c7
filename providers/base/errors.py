"""What can go wrong, and what follows from it.

EaselError
├── ConfigError              a file that cannot be used: file, line, column, what would be right
├── RequestError             the caller mends it; nothing was sent
│   ├── NoModelCan           every model is dropped: why, and the nearest relaxations
│   └── OverBudget           the price ceiling is below every price
├── AlreadySent              this request id was sent before and its outcome is unknown
├── AllAttemptsFailed        every attempt, the first error first
├── LedgerFailed             it could not be written down, so it was not sent
└── ProviderError            one failed attempt          retry  fall back  cooldown  billed
    ├── ConnectFailed        nothing left this machine    yes     yes        yes      no
    ├── RateLimited          after retry_after            yes     yes        yes      no
    ├── ProviderUnavailable  500, 503, a failed job       yes     yes        yes      no
    ├── QuotaExhausted       no credit left               no      yes        yes      no
    ├── AuthenticationFailed a bad or missing key         no      yes        yes      no
    ├── PermissionDenied     key good, model not allowed  no      yes        yes      no
    ├── ModelNotFound        unknown or retired there     no      yes        yes      no
    ├── InvalidRequest       the vendor refused a field   no      yes        no       no
    ├── ModerationBlocked    a refusal is an answer       no      by rule    no       unknown
    ├── OutcomeUnknown       sent, no answer came; 504    no      by policy  yes      unknown
    │   └── JobNeverEnded    still running at deadline    no      by policy  yes      unknown
    ├── BadReply             does not match its documents no      yes        yes      unknown
    ├── PictureLost          made, but not to be fetched  no      yes        yes      yes
    ├── ProofFailed          not what was asked for       no      yes        no       yes
    └── PassedOver           nothing was sent             no      yes        no       no
        └── TooLate          the deadline had passed      no      yes        no       no
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .response import Attempt, OutputImage


class EaselError(Exception):
    """The root: catch this to catch everything Easel raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file. Line and column count from 1; None when the file has no such place."""

    file: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.message}"


class ConfigError(EaselError):
    """Configuration that cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class RequestError(EaselError):
    """The caller can mend this: names the field, the value it had and what would work."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A deployment that cannot serve a request: the first unmet condition and the fact behind it."""

    deployment: str
    unmet: str
    """What does not hold, for a reader: "cannot return a transparent background"."""
    requirement: str
    """The request field that asks for it: "background", or "lifecycle", "key", "region"."""
    fact: str
    source: str
    as_of: str
    status: str = "confirmed"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One change to the request that would let models serve it."""

    change: str
    """In words: "drop transparency"."""
    field: str
    deployments: tuple[str, ...]
    """Those that could then serve."""

    def __str__(self) -> str:
        count = len(self.deployments)
        return f"{self.change}: {count} model{'' if count == 1 else 's'}"


class NoModelCan(RequestError):
    """No configured model meets the contract. Nothing was sent, nothing was paid."""

    def __init__(self, dropped: tuple[Dropped, ...], relaxations: tuple[Relaxation, ...], message: str = "") -> None:
        self.dropped = dropped
        self.relaxations = relaxations
        lines = [message or "no configured model can serve this request"]
        lines += [f"  {each.deployment}: {each.unmet}" for each in dropped]
        if relaxations:
            lines.append("what would help:")
            lines += [f"  {each}" for each in relaxations]
        super().__init__("\n".join(lines))


class OverBudget(NoModelCan):
    """The contract can be met, but not for `max_cost_usd`."""


class AlreadySent(EaselError):
    """This request id was used before, and sending it again could pay twice."""

    def __init__(
        self, request_id: str, attempts: tuple[str, ...], why: str = "was sent, and its outcome is unknown"
    ) -> None:
        self.request_id = request_id
        self.attempts = attempts
        tried = f" ({', '.join(attempts)})" if attempts else ""
        super().__init__(
            f"request {request_id!r} {why}{tried}; it is not sent again. To paint once more, use a new request id; "
            "what an unknown attempt cost is in the vendor's own log."
        )


class LedgerFailed(EaselError):
    """The ledger could not be read or written. Nothing is sent that cannot be written down first."""


class AllAttemptsFailed(EaselError):
    """Every attempt failed. The cause (`__cause__`) is the error of the first that was sent."""

    def __init__(
        self,
        attempts: tuple[Attempt, ...],
        reason: str = "every attempt failed",
        *,
        images: tuple[OutputImage, ...] = (),
        spent_usd: Decimal = Decimal(0),
        at_risk_usd: Decimal = Decimal(0),
    ) -> None:
        self.attempts = attempts
        self.images = images
        """Pictures that came and were paid for, but are not what was asked for."""
        self.spent_usd = spent_usd
        """What the attempts are known to have cost, in US dollars."""
        self.at_risk_usd = at_risk_usd
        """The most that attempts may have cost of which that is not known."""
        lines = [reason]
        lines += [f"  {each.deployment}: {each.outcome}: {each.error or ''}".rstrip(": ") for each in attempts]
        super().__init__("\n".join(lines))


class ProviderError(EaselError):
    """One failed attempt. The class attributes answer what to do next; an instance may know better."""

    outcome: ClassVar[str] = "failed"
    """The word for it in attempts and in the ledger."""
    retry: bool = False
    """Send the same call to the same deployment again?"""
    fall_back: bool = True
    """Try the next candidate?"""
    cooldown: bool = False
    """Count towards setting this deployment aside?"""
    billed: bool | None = False
    """Did the vendor charge for it? None when that cannot be known."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class ConnectFailed(ProviderError):
    """The connection was never made, so nothing can have been billed."""

    outcome = "connect_failed"
    retry = True
    cooldown = True


class RateLimited(ProviderError):
    """Too many calls, for now."""

    outcome = "rate_limited"
    retry = True
    cooldown = True


class ProviderUnavailable(ProviderError):
    """The vendor says that it failed: an error status, or a job that ended in failure."""

    outcome = "unavailable"
    retry = True
    cooldown = True


class QuotaExhausted(ProviderError):
    """The account has no credit or has reached its spend limit; waiting does not help."""

    outcome = "quota_exhausted"
    cooldown = True


class AuthenticationFailed(ProviderError):
    """The key is missing or not accepted."""

    outcome = "authentication_failed"
    cooldown = True


class PermissionDenied(ProviderError):
    """The key is good, but the account may not use this model."""

    outcome = "permission_denied"
    cooldown = True


class ModelNotFound(ProviderError):
    """The vendor does not know the model: retired, misspelled, or not enabled for the account."""

    outcome = "model_not_found"
    cooldown = True


class InvalidRequest(ProviderError):
    """The vendor refused a field that the catalogue thought it would accept."""

    outcome = "invalid_request"


class ModerationBlocked(ProviderError):
    """The vendor, or the local policy, refused the prompt, an input picture or the painted result."""

    outcome = "refused"
    fall_back = False
    billed = None

    def __init__(
        self,
        message: str = "refused by moderation",
        *,
        stage: str = "unknown",
        categories: tuple[str, ...] = (),
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        billed: bool | None = None,
    ) -> None:
        self.stage = stage
        """input, output, or unknown."""
        self.attempts: tuple[Attempt, ...] = ()
        """Every attempt until then, when it was a vendor that refused."""
        self.categories = categories
        self.billed = billed
        super().__init__(message, status=status, code=code, request_id=request_id)


class OutcomeUnknown(ProviderError):
    """The call left this machine and no usable answer came back: it may have been billed."""

    outcome = "unknown"
    cooldown = True
    billed = None


class JobNeverEnded(OutcomeUnknown):
    """The vendor accepted the job, and it was still running at the deadline."""


class BadReply(ProviderError):
    """An answer that does not match the vendor's documents. `path` says where in it."""

    outcome = "bad_reply"
    cooldown = True
    billed = None

    def __init__(self, message: str, *, path: str | None = None, request_id: str | None = None) -> None:
        self.path = path
        super().__init__(f"{path}: {message}" if path else message, request_id=request_id)


class PictureLost(ProviderError):
    """The picture was made, and paid for, but could not be fetched."""

    outcome = "picture_lost"
    cooldown = True
    billed = True


class ProofFailed(ProviderError):
    """The picture came, and is not what was asked for."""

    outcome = "proof_failed"
    billed = True


class PassedOver(ProviderError):
    """Nothing was sent: the deployment is set aside, too dear by now, or has no free place."""

    outcome = "not_sent"


class TooLate(PassedOver):
    """Nothing was sent: the deadline had passed when it was this one's turn."""


BY_STATUS: Mapping[int, type[ProviderError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: ModelNotFound,
    405: InvalidRequest,
    408: ProviderUnavailable,
    409: ProviderUnavailable,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    504: OutcomeUnknown,
    524: OutcomeUnknown,
}
"""What a status means when the vendor's own code says no more. From 500 on: ProviderUnavailable, but for a gateway that
gave up waiting (504, and Cloudflare's 524): what stands behind it may be painting still, and bill it."""


def for_status(status: int) -> type[ProviderError]:
    return BY_STATUS.get(status, ProviderUnavailable if status >= 500 else InvalidRequest)


def job_ended(message: str, *, code: str | None = None, billed: bool | None = None) -> ProviderUnavailable:
    """A job that was taken and ends without a picture. It may have been paid for, so it is not submitted again here."""
    error = ProviderUnavailable(message, code=code)
    error.retry, error.billed = False, billed
    return error
