"""Every error as an answer: status, type, code, whether a client may send it again, and nothing that is not its own."""

import json

import pytest
from openai.types.shared import ErrorObject

from easel.providers.base import errors
from easel.providers.base.errors import Dropped, EaselError, Problem, ProviderError
from easel.providers.base.response import Attempt
from easel.router.gateway.errors import Busy, NotAuthenticated, Refused, answer

from .strict import strictly


def attempt(error: ProviderError, *, billed: bool | None = None) -> Attempt:
    return Attempt("openai/gpt-image-2", error.outcome, 0.1, billed=error.billed if billed is None else billed)


def all_failed(*failures: ProviderError) -> errors.AllAttemptsFailed:
    failed = errors.AllAttemptsFailed(tuple(attempt(each) for each in failures))
    failed.__cause__ = failures[0]
    return failed


def dropped(requirement: str) -> Dropped:
    return Dropped("openai/gpt-image-2", "no", requirement, "fact", "source", "2026-11-23")


LIMITED = errors.RateLimited("slow down", retry_after_seconds=17.2)
DOWN = errors.ProviderUnavailable("down", status=503)
UNKNOWN = errors.OutcomeUnknown("no answer")


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "param", "headers"),
    [
        (errors.RequestError("no", field="n"), 400, "invalid_request_error", "invalid_value", "n", {}),
        (Refused("no", field="a", code="b", status=413), 413, "invalid_request_error", "b", "a", {}),
        (errors.NoModelCan((dropped("size"),), ()), 400, "invalid_request_error", "no_model_can", "size", {}),
        (errors.NoModelCan((dropped("retired"),), ()), 400, "invalid_request_error", "no_model_can", "model", {}),
        (
            errors.NoModelCan((dropped("size"), dropped("background")), ()),
            400,
            "invalid_request_error",
            "no_model_can",
            None,
            {},
        ),
        (
            errors.NoModelCan((dropped("key"),), ()),
            503,
            "server_error",
            "no_deployment_ready",
            None,
            {"x-should-retry": "false"},
        ),
        (
            errors.OverBudget((), ()),
            400,
            "invalid_request_error",
            "over_budget",
            "easel.max_cost_usd",
            {},
        ),
        (
            errors.ModerationBlocked(stage="input"),
            400,
            "image_generation_user_error",
            "moderation_blocked",
            None,
            {"x-should-retry": "false"},
        ),
        (
            errors.AlreadySent("a", ()),
            409,
            "invalid_request_error",
            "already_sent",
            None,
            {"x-should-retry": "false"},
        ),
        (
            NotAuthenticated("no key"),
            401,
            "invalid_request_error",
            "invalid_api_key",
            None,
            {"www-authenticate": "Bearer"},
        ),
        (Busy("full"), 503, "server_error", "server_is_overloaded", None, {"retry-after": "1"}),
        (errors.LedgerFailed("locked"), 503, "server_error", "ledger_failed", None, {"retry-after": "1"}),
        (all_failed(LIMITED, LIMITED), 429, "requests", "rate_limit_exceeded", None, {"retry-after": "18"}),
        (all_failed(LIMITED, DOWN), 503, "server_error", "upstream_unavailable", None, {"retry-after": "18"}),
        (all_failed(DOWN, LIMITED), 503, "server_error", "upstream_unavailable", None, {"retry-after": "1"}),
        (
            all_failed(DOWN, UNKNOWN),
            503,
            "server_error",
            "upstream_unavailable",
            None,
            {"x-should-retry": "false"},
        ),
        (
            all_failed(errors.JobNeverEnded("late")),
            504,
            "server_error",
            "upstream_outcome_unknown",
            None,
            {"x-should-retry": "false"},
        ),
        (
            all_failed(errors.InvalidRequest("no", code="integer_above_max_value")),
            400,
            "invalid_request_error",
            "integer_above_max_value",
            None,
            {},
        ),
        (
            all_failed(errors.AuthenticationFailed("bad key")),
            502,
            "server_error",
            "upstream_authentication_failed",
            None,
            {},
        ),
        (
            all_failed(errors.PictureLost("gone")),
            502,
            "server_error",
            "upstream_bad_reply",
            None,
            {"x-should-retry": "false"},
        ),
        (
            errors.AllAttemptsFailed((Attempt("a/b", "not_sent", 0, billed=False),)),
            503,
            "server_error",
            "server_is_overloaded",
            None,
            {"retry-after": "5"},
        ),
        (
            all_failed(errors.TooLate("the deadline has passed")),
            504,
            "server_error",
            "deadline_exceeded",
            None,
            {},
        ),
        (
            errors.ConfigError([Problem("a.yaml", "no")]),
            500,
            "server_error",
            None,
            None,
            {"x-should-retry": "false"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, EaselError) else "",
)
def test_an_error(
    error: EaselError, status: int, kind: str, code: str | None, param: str | None, headers: dict[str, str]
) -> None:
    failure = answer(error)
    said = strictly(ErrorObject, json.loads(failure.body)["error"], beside=_details(error))
    assert (failure.status, said.type, said.code, said.param) == (status, kind, code, param)
    assert {name.decode(): value.decode() for name, value in failure.headers} == headers


def _details(error: EaselError) -> set[str]:
    return {"moderation_details"} if isinstance(error, errors.ModerationBlocked) else set()


def test_what_is_no_error_of_easels_says_nothing_of_itself() -> None:
    failure = answer(KeyError("sk-secret and a prompt"))
    assert failure.status == 500
    assert b"secret" not in failure.body


def test_a_field_is_called_what_the_caller_called_it() -> None:
    failure = answer(errors.RequestError("no", field="seed"), wire_name=lambda name: f"easel.{name}")
    assert json.loads(failure.body)["error"]["param"] == "easel.seed"


def test_a_message_has_an_end() -> None:
    assert len(answer(errors.RequestError("x" * 1_000_000)).body) < 10_000
