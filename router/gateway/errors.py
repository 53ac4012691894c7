"""Errors as OpenAI's clients know them: the envelope, its types and codes, and how long to wait.

Sources: openai/openai-python 3.54.0 (`_exceptions.py`, `_base_client.py`) and
developers.openai.com/api/docs/guides/error-codes, read 2026-11-23. Clients retry 408, 409, 429 and 5xx by themselves,
which pays twice where the first call was billed: such answers carry `x-should-retry: false`, which openai-python and
openai-node obey.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from ...providers.base.errors import (
    AllAttemptsFailed,
    AlreadySent,
    BadReply,
    ConnectFailed,
    EaselError,
    InvalidRequest,
    JobNeverEnded,
    LedgerFailed,
    ModerationBlocked,
    NoModelCan,
    OutcomeUnknown,
    OverBudget,
    PictureLost,
    ProofFailed,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestError,
    TooLate,
)
from ...providers.base.request import ImageRequest
from ...providers.base.response import Attempt
from ..delivery import NOT_SENT

Headers = tuple[tuple[bytes, bytes], ...]
INVALID = "invalid_request_error"
USER_ERROR = "image_generation_user_error"
SERVER_ERROR = "server_error"
NO_RETRY: Headers = ((b"x-should-retry", b"false"),)
SET_ASIDE_SECONDS = 5.0
"""When every deployment is set aside, and none says for how long."""
MAX_MESSAGE_CHARACTERS = 8_000
REQUEST_FIELDS = frozenset(each.name for each in fields(ImageRequest))


class Refused(RequestError):
    """The door itself turns a request away, before the router sees it."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        code: str | None = "invalid_value",
        status: int = 400,
        headers: Headers = (),
    ) -> None:
        super().__init__(message, field=field)
        self.code = code
        self.status = status
        self.headers = headers


class NotAuthenticated(EaselError):
    """No key, or one that is not known, or no longer."""


class Busy(EaselError):
    """As much is under way as this process may hold at once."""

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoRoom(EaselError):
    """It would be more than is kept here."""


class StoreFailed(EaselError):
    """What is kept here cannot be read, or nothing more can be written."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, ready to be sent."""

    status: int
    headers: Headers
    body: bytes
    """The envelope, as JSON."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the envelope says."""

    status: int
    type: str
    code: str | None
    param: str | None = None
    headers: Headers = ()
    details: dict[str, object] | None = None


def answer(error: BaseException, *, wire_name: Callable[[str], str] = str) -> Failure:
    """The answer for any error. `wire_name` gives a request field the name that the caller knows it by.

    What is not an EaselError says nothing of itself: it is ours to mend, and may hold anything.
    """
    said = _said(error, wire_name)
    message = str(error) if isinstance(error, EaselError) else "the gateway failed; its log says why"
    return Failure(said.status, said.headers, envelope(message, said.type, said.code, said.param, said.details))


def envelope(
    message: str, kind: str, code: str | None, param: str | None = None, details: dict[str, object] | None = None
) -> bytes:
    body: dict[str, object] = {
        "message": message[:MAX_MESSAGE_CHARACTERS],
        "type": kind,
        "param": param,
        "code": code,
    }
    if details is not None:
        body["moderation_details"] = details
    return json.dumps({"error": body}).encode()


def retry_after(seconds: float) -> Headers:
    """Whole seconds, upwards, at least one."""
    return ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)


def _said(error: BaseException, wire_name: Callable[[str], str]) -> _Said:
    match error:
        case Refused():
            return _Said(error.status, INVALID, error.code, error.field, error.headers)
        case NoModelCan():
            return _nobody(error, wire_name)
        case RequestError():
            param = wire_name(error.field) if error.field is not None else None
            return _Said(400, INVALID, "invalid_value", param)
        case ModerationBlocked():
            details: dict[str, object] = {"moderation_stage": error.stage, "categories": list(error.categories)}
            return _Said(400, USER_ERROR, "moderation_blocked", headers=NO_RETRY, details=details)
        case AllAttemptsFailed():
            return _all_failed(error)
        case AlreadySent():
            return _Said(409, INVALID, "already_sent", headers=NO_RETRY)
        case NotAuthenticated():
            return _Said(401, INVALID, "invalid_api_key", headers=((b"www-authenticate", b"Bearer"),))
        case Busy():
            return _Said(503, SERVER_ERROR, "server_is_overloaded", headers=retry_after(error.retry_after_seconds))
        case NoRoom():
            return _Said(413, INVALID, "no_room")
        case StoreFailed():
            return _Said(503, SERVER_ERROR, "store_failed", headers=retry_after(1))
        case LedgerFailed():
            return _Said(503, SERVER_ERROR, "ledger_failed", headers=retry_after(1))
        case _:
            return _Said(500, SERVER_ERROR, None, headers=NO_RETRY)


def _nobody(error: NoModelCan, wire_name: Callable[[str], str]) -> _Said:
    """The caller's to mend, unless all that is missing is what the operator has to set."""
    unmet = {each.requirement for each in error.dropped}
    if unmet == {"key"}:
        return _Said(503, SERVER_ERROR, "no_deployment_ready", headers=NO_RETRY)
    if isinstance(error, OverBudget):
        return _Said(400, INVALID, "over_budget", "easel.max_cost_usd")
    param = "model" if unmet == {"retired"} else None
    if len(unmet) == 1 and unmet <= REQUEST_FIELDS:
        param = wire_name(*unmet)
    return _Said(400, INVALID, "no_model_can", param)


def _all_failed(error: AllAttemptsFailed) -> _Said:
    """What stands for all attempts: if they agree, what they agree on; else that the vendors are to blame.

    A vendor's 401 is never the caller's: the key that it refuses is the operator's.
    """
    cause = error.__cause__ if isinstance(error.__cause__, ProviderError) else None
    sent = [each for each in error.attempts if each.outcome != NOT_SENT]
    wait = cause.retry_after_seconds if cause is not None else None
    outcomes = {each.outcome for each in sent}
    if isinstance(cause, TooLate):
        return _Said(504, SERVER_ERROR, "deadline_exceeded")
    if not sent:
        return _Said(503, SERVER_ERROR, "server_is_overloaded", headers=retry_after(wait or SET_ASIDE_SECONDS))
    if outcomes == {RateLimited.outcome}:
        return _Said(429, "requests", "rate_limit_exceeded", headers=retry_after(wait or SET_ASIDE_SECONDS))
    if outcomes == {InvalidRequest.outcome}:
        return _Said(400, INVALID, (cause.code if cause is not None else None) or "invalid_value")
    free = _nothing_spent(sent)
    status, code = _upstream(cause)
    headers = retry_after(wait or 1) if free and status == 503 else () if free else NO_RETRY
    return _Said(status, SERVER_ERROR, code, headers=headers)


def _nothing_spent(sent: Iterable[Attempt]) -> bool:
    """May the same request be sent again without paying twice?"""
    return all(each.billed is False for each in sent)


def _upstream(cause: ProviderError | None) -> tuple[int, str]:
    match cause:
        case RateLimited() | ProviderUnavailable() | ConnectFailed():
            return 503, "upstream_unavailable"
        case JobNeverEnded() | OutcomeUnknown():
            return 504, "upstream_outcome_unknown"
        case QuotaExhausted():
            return 502, "upstream_quota_exhausted"
        case BadReply() | PictureLost():
            return 502, "upstream_bad_reply"
        case ProofFailed():
            return 502, "not_what_was_asked_for"
        case None:
            return 502, "upstream_failed"
        case _:
            return 502, f"upstream_{cause.outcome}"
