"""Dispatch: what follows from each thing that can go wrong, against the real twins."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import pytest
from typing_extensions import override

from easel.providers.base.errors import (
    BadReply,
    JobNeverEnded,
    LedgerFailed,
    OutcomeUnknown,
    PictureLost,
    ProofFailed,
    ProviderUnavailable,
    RateLimited,
    TooLate,
)
from easel.router import AllAttemptsFailed, MemoryLedger, ModerationBlocked, NoModelCan, OverBudget
from easel.router.health import Turn
from easel.router.ledger import AttemptRow
from easel.simulator.faults import FaultRule

from .conftest import PAIR, Opening, World, outcomes

OPENAI, GOOGLE, BFL = "openai/gpt-image-2", "google/gemini-nano-banana-2.1", "bfl/flux-2-pro"
AZURE = "azure/gpt-image-2"
TWINS = (OPENAI, AZURE, GOOGLE, BFL)
STAND_IN = "openai/gpt-image-2.5-sunburst"
ONE = "version: 1\nroutes: [{{name: one, prefer: [{}]}}]\n"
TWO = "version: 1\nroutes: [{{name: pair, prefer: [{}, {}]}}]\n"
SEE_THROUGH = """
version: 1
routes:
  - name: badges
    prefer: [openai/gpt-image-1.5, openai/gpt-image-2.5-sunburst, openai/gpt-image-2, openai/gpt-image-2.5-flare]
"""


def twin_of(deployment: str) -> str:
    return deployment.partition("/")[0]


def with_policy(config: str, policy: str) -> str:
    return f"{config}policy: {policy}\n"


# One vendor fails, another serves


class Follows(NamedTuple):
    """What must follow from a fault."""

    outcome: str
    sent: int = 1
    """Calls to the deployment that fails."""
    billed: bool | None = False
    at_risk: bool = False


FALLS_BACK = {
    "rate_limit": Follows("rate_limited", sent=3),
    "unavailable": Follows("unavailable", sent=3),
    "server_error": Follows("unavailable", sent=3),
    "html_error": Follows("unavailable", sent=3),
    "quota": Follows("quota_exhausted"),
    "bad_key": Follows("authentication_failed"),
    "disconnect": Follows("unknown", billed=None, at_risk=True),
    "cut_body": Follows("unknown", billed=None, at_risk=True),
    "truncated_base64": Follows("picture_lost", billed=True),
    "not_a_picture": Follows("proof_failed", billed=True),
}


@pytest.mark.parametrize("deployment", TWINS)
@pytest.mark.parametrize("fault", FALLS_BACK)
async def test_the_next_one_serves(world: Opening, deployment: str, fault: str) -> None:
    follows = FALLS_BACK[fault]
    outcome = follows.outcome
    if deployment == BFL:  # its pictures are files at an address
        outcome = {"truncated_base64": "proof_failed", "not_a_picture": "picture_lost"}.get(fault, outcome)
    async with world(f"{deployment}={fault}", config=TWO.format(deployment, STAND_IN)) as at:
        answer = await at.router.generate("a red kite", model="pair", request_id="one", quality="standard")
        assert answer.route.deployment == STAND_IN
        assert outcomes(answer.attempts) == [(deployment, outcome)] * follows.sent + [(STAND_IN, "done")]
        assert [each.billed for each in answer.attempts] == [follows.billed] * follows.sent + [True]
        assert sum(at.sent().values()) == follows.sent + 1
        assert (answer.cost.at_risk_usd > 0) is follows.at_risk
        rows = await at.attempts("one")
        assert outcomes(rows) == outcomes(answer.attempts)
        assert [(each.number, each.retry) for each in rows] == [
            *((place + 1, place) for place in range(follows.sent)),
            (follows.sent + 1, 0),
        ]
        assert all(each.error for each in rows[:-1])
        paid = [each.cost_usd for each in rows if each.billed]
        assert None not in paid
        assert answer.cost.actual_usd == sum(each for each in paid if each is not None)


@pytest.mark.parametrize("deployment", TWINS)
async def test_a_double_bill_is_believed_and_said(world: Opening, deployment: str) -> None:
    fault = f"{deployment}=duplicate_bill"
    async with world(fault, config=ONE.format(deployment)) as at, world(config=ONE.format(deployment)) as fair:
        double = await at.router.generate("a red kite", model="one")
        single = await fair.router.generate("a red kite", model="one")
        assert double.cost.actual_usd == 2 * (single.cost.actual_usd or 0)
        priced = not double.cost.estimate.unpriced
        assert any("was to cost" in each for each in double.warnings) is priced
        assert single.warnings == ()


async def test_misspelled_words_are_not_seen(world: Opening) -> None:
    """Nobody reads the picture, and the answer does not say that somebody did."""
    async with world("openai=misspelled") as at:
        answer = await at.router.generate("a sign", text="OPEN LATE", model="pair")
        assert answer.route.deployment == OPENAI
        assert "text" not in answer.verification.checked


# Again, at the same deployment


@pytest.mark.parametrize(
    ("deployment", "fault", "asked"),
    [
        (OPENAI, "rate_limit", 1),
        (OPENAI, "unavailable", 1),
        (AZURE, "rate_limit", 12),
        (GOOGLE, "rate_limit", 2),
        (BFL, "rate_limit", 2),
    ],
)
async def test_a_wait_that_is_asked_for_is_kept(world: Opening, deployment: str, fault: str, asked: float) -> None:
    async with world(f"{deployment}={fault}:2", config=TWO.format(deployment, STAND_IN)) as at:
        answer = await at.router.generate("a red kite", model="pair", quality="standard")
        assert answer.route.deployment == deployment
        assert [each.number for each in answer.attempts] == [1, 2, 3]
        assert at.clock.slept[:2] == [asked, asked] if asked > 1 else all(each >= asked for each in at.clock.slept[:2])
        assert answer.cost.at_risk_usd == 0


async def test_a_wait_too_long_is_left_for_the_next(world: Opening) -> None:
    config = with_policy(TWO.format(AZURE, STAND_IN), "{retries: {max_retry_after_seconds: 11}}")
    async with world("azure=rate_limit", config=config) as at:
        answer = await at.router.generate("a red kite", model="pair")
        assert outcomes(answer.attempts) == [(AZURE, "rate_limited"), (STAND_IN, "done")]
        assert at.clock.slept == []


async def test_a_wait_beyond_the_deadline_is_left_for_the_next(world: Opening) -> None:
    async with world("azure=rate_limit", config=TWO.format(AZURE, STAND_IN)) as at:
        answer = await at.router.generate("a red kite", model="pair", deadline_seconds=11.5)
        assert outcomes(answer.attempts) == [(AZURE, "rate_limited"), (STAND_IN, "done")]
        assert at.clock.slept == []


async def test_two_outages_and_then_a_picture(world: Opening) -> None:
    async with world("openai=server_error:2") as at:
        answer = await at.router.generate("a red kite", model="pair")
        assert outcomes(answer.attempts) == [(OPENAI, "unavailable"), (OPENAI, "unavailable"), (OPENAI, "done")]
        assert len(at.clock.slept) == 2
        assert at.clock.slept[0] <= 0.5
        assert at.clock.slept[1] <= 1.0


async def test_polls_that_fail_do_not_order_again(world: Opening) -> None:
    async with world(config=ONE.format(BFL)) as at:
        at.simulator.faults.add(FaultRule("bfl", "html_error", count=3, method="GET"))
        answer = await at.router.generate("a red kite", model="one")
        assert outcomes(answer.attempts) == [(BFL, "done")]
        assert at.sent() == {"bfl": 1}


# Nobody knows what became of it


@pytest.mark.parametrize("deployment", TWINS)
@pytest.mark.parametrize("fault", ["disconnect", "cut_body", "hang"])
async def test_an_unknown_outcome_can_end_it(world: Opening, deployment: str, fault: str) -> None:
    config = with_policy(TWO.format(deployment, STAND_IN), "{on_unknown: stop, attempt_timeout_seconds: 0.5}")
    async with world(f"{deployment}={fault}", config=config) as at:
        with pytest.raises(AllAttemptsFailed, match="stopped after") as caught:
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        assert outcomes(caught.value.attempts) == [(deployment, "unknown")]
        assert at.sent() == {twin_of(deployment): 1}
        row = await at.request("one")
        assert caught.value.at_risk_usd == row.at_risk_usd > 0
        assert caught.value.spent_usd == row.cost_usd == 0
        assert (row.outcome, row.attempts, row.images) == ("failed", 1, 0)


async def test_a_route_says_what_follows_from_an_unknown_outcome(world: Opening) -> None:
    config = with_policy(PAIR.rstrip() + "\n    on_unknown: stop\n", "{on_unknown: fall_back}")
    async with world("openai=disconnect", config=config) as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", model="pair")
        assert at.sent() == {"openai": 1}


async def test_a_hanging_vendor_is_left_after_its_time(world: Opening) -> None:
    async with world("openai=hang", config=with_policy(PAIR, "{attempt_timeout_seconds: 0.3}")) as at:
        answer = await at.router.generate("a red kite", model="pair")
        assert outcomes(answer.attempts) == [(OPENAI, "unknown"), (GOOGLE, "done")]
        assert at.sent() == {"openai": 1, "google": 1}


# What came is not what was asked for


async def test_a_wrong_size_is_said(world: Opening) -> None:
    async with world("openai=wrong_size") as at:
        answer = await at.router.generate("a red kite", model="pair", size="1024x1024")
        assert answer.route.deployment == OPENAI
        assert answer.warnings == ("1024x1024 was asked for and 512x512 came",)
        assert str(answer.images[0].size) == "512x512"


async def test_a_wrong_size_is_a_failure_when_it_has_to_be_exact(world: Opening) -> None:
    async with world("openai=wrong_size", config=TWO.format(OPENAI, BFL)) as at:
        answer = await at.router.generate("a kite", model="pair", size="1024x1024", policy={"size": "strict"})
        assert outcomes(answer.attempts) == [(OPENAI, "proof_failed"), (BFL, "done")]
        assert str(answer.images[0].size) == "1024x1024"
        assert answer.attempts[0].billed


async def test_an_opaque_picture_is_not_transparent(world: Opening) -> None:
    async with world("openai/gpt-image-1.5=opaque", config=SEE_THROUGH) as at:
        answer = await at.router.generate("a badge", model="badges", background="transparent")
        assert outcomes(answer.attempts) == [("openai/gpt-image-1.5", "proof_failed"), (STAND_IN, "done")]
        assert "no alpha" in (answer.attempts[0].error or "") or "no pixel" in (answer.attempts[0].error or "")
        assert answer.images[0].has_alpha
        assert answer.cost.actual_usd == sum(each.cost_usd or 0 for each in answer.attempts)


@pytest.mark.parametrize(("most", "paid"), [(1, 1), (2, 2), (3, 3)])
async def test_unproven_pictures_are_paid_for_a_few_times_only(world: Opening, most: int, paid: int) -> None:
    config = with_policy(SEE_THROUGH, f"{{max_unproven: {most}}}")
    async with world("openai=opaque", config=config) as at:
        with pytest.raises(AllAttemptsFailed, match="paid for pictures that are not what was asked for") as caught:
            await at.router.generate("a badge", model="badges", background="transparent", request_id="one")
        assert [each.outcome for each in caught.value.attempts] == ["proof_failed"] * paid
        assert len(caught.value.images) == paid
        assert at.sent() == {"openai": paid}
        row = await at.request("one")
        assert row.cost_usd == caught.value.spent_usd > 0
        assert isinstance(caught.value.__cause__, ProofFailed)


async def test_when_every_picture_is_wrong_they_come_with_the_error(world: Opening) -> None:
    async with world("openai=opaque", config=with_policy(SEE_THROUGH, "{max_unproven: 10}")) as at:
        with pytest.raises(AllAttemptsFailed, match="every attempt failed") as caught:
            await at.router.generate("a badge", model="badges", background="transparent")
        assert len(caught.value.images) == len(caught.value.attempts) == 4
        assert all(each.data for each in caught.value.images)


# Refusals


@pytest.mark.parametrize("deployment", TWINS)
@pytest.mark.parametrize("stage", ["prompt", "output"])
async def test_a_refusal_ends_the_chain(world: Opening, deployment: str, stage: str) -> None:
    async with world(f"{deployment}=moderation_{stage}", config=TWO.format(deployment, STAND_IN)) as at:
        with pytest.raises(ModerationBlocked) as caught:
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert outcomes(caught.value.attempts) == [(deployment, "refused")]
        assert at.sent() == {twin_of(deployment): 1}
        request, (attempt,) = await at.request("one"), await at.attempts("one")
        assert (request.outcome, request.attempts, attempt.outcome) == ("refused", 1, "refused")
        expected = (
            "unknown" if deployment == AZURE else {"prompt": "input", "output": "output"}[stage]
        )  # Azure says less
        assert caught.value.stage == expected
        assert (attempt.moderation or "").startswith(expected)


async def test_a_rule_can_ask_another_vendor_after_a_refusal(world: Opening) -> None:
    async with world("openai=moderation_prompt", config=PAIR.rstrip() + "\n    on_refusal: fall_back\n") as at:
        answer = await at.router.generate("a red kite", model="pair", request_id="one")
        assert outcomes(answer.attempts) == [(OPENAI, "refused"), (GOOGLE, "done")]
        assert outcomes(await at.attempts("one")) == [(OPENAI, "refused"), (GOOGLE, "done")]
        assert answer.cost.at_risk_usd > 0  # whether a refusal is billed, OpenAI does not say


async def test_when_all_refuse_the_first_refusal_is_the_answer(world: Opening) -> None:
    config = PAIR.rstrip() + "\n    on_refusal: fall_back\n"
    async with world("openai=moderation_prompt", "google=moderation_output", config=config) as at:
        with pytest.raises(ModerationBlocked) as caught:
            await at.router.generate("a red kite", model="pair")
        assert outcomes(caught.value.attempts) == [(OPENAI, "refused"), (GOOGLE, "refused")]
        assert caught.value.stage == "input"


async def test_a_refused_prompt_of_this_house_is_sent_nowhere(world: Opening) -> None:
    async with world(config=with_policy(PAIR, "{refuse_terms: [dragon]}")) as at:
        with pytest.raises(ModerationBlocked):
            await at.router.generate("a red Dragon", model="pair")
        assert not at.sent()
        await at.router.generate("a red dragonfly", model="pair")


# Several pictures


async def test_pictures_that_came_are_kept_when_one_fails(world: Opening) -> None:
    async with world("bfl=quota:1", config=TWO.format(BFL, OPENAI)) as at:
        answer = await at.router.generate("a red kite", model="pair", n=4, request_id="one")
        assert len(answer.images) == 3
        assert any(each.startswith("3 of 4 pictures came: ") for each in answer.warnings)
        assert sorted(each.outcome for each in answer.attempts) == ["done", "done", "done", "quota_exhausted"]
        assert at.sent() == {"bfl": 4}
        row = await at.request("one")
        assert (row.outcome, row.images, row.attempts) == ("done", 3, 4)
        assert row.cost_usd == answer.cost.actual_usd == Decimal("0.09")
        assert [each.number for each in await at.attempts("one")] == [1, 2, 3, 4]


PATIENT = "{cooldown: {failures: 10}}"
"""The calls of one request may fail one after another, and then a deployment is set aside among them."""


async def test_when_all_pictures_fail_the_next_one_makes_all(world: Opening) -> None:
    async with world("bfl=quota", config=with_policy(TWO.format(BFL, OPENAI), PATIENT)) as at:
        answer = await at.router.generate("a red kite", model="pair", n=4)
        assert len(answer.images) == 4
        assert at.sent() == {"bfl": 4, "openai": 1}


async def test_one_refusal_among_several_failures_is_the_answer(world: Opening) -> None:
    config = with_policy(TWO.format(BFL, OPENAI), PATIENT)
    async with world("bfl=quota:3", "bfl=moderation_prompt", config=config) as at:
        with pytest.raises(ModerationBlocked):
            await at.router.generate("a red kite", model="pair", n=4)
        assert at.sent() == {"bfl": 4}


class FailsOnce(MemoryLedger):
    """A ledger that cannot write one attempt: the one that is this many of all."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self._left = place

    @override
    async def open_attempt(self, row: AttemptRow) -> None:
        self._left -= 1
        if self._left == 0:
            raise LedgerFailed("the disk is full")
        await super().open_attempt(row)


async def test_pictures_are_kept_when_a_sibling_could_not_be_written_down(world: Opening) -> None:
    async with world(config=ONE.format(BFL), ledger=FailsOnce(2)) as at:
        answer = await at.router.generate("a red kite", model="one", n=3)
        assert len(answer.images) == 2
        assert any("the disk is full" in each for each in answer.warnings)
        assert at.sent() == {"bfl": 2}


class Breaks(MemoryLedger):
    """A ledger with a fault of its own, at the second attempt."""

    @override
    async def open_attempt(self, row: AttemptRow) -> None:
        if row.number == 2:
            raise RuntimeError("a fault in the ledger")
        await super().open_attempt(row)


async def test_an_unforeseen_fault_leaves_no_call_behind(world: Opening) -> None:
    """What was sent beside it is waited for and written down."""
    async with world(config=ONE.format(BFL), ledger=Breaks()) as at:
        with pytest.raises(RuntimeError, match="a fault in the ledger"):
            await at.router.generate("a red kite", model="one", n=3, request_id="one")
        assert [each.outcome for each in await at.attempts("one")] == ["done", "done"]
        row = await at.request("one")
        assert (row.outcome, row.cost_usd, row.at_risk_usd) == ("failed", Decimal("0.06"), 0)


async def test_what_cannot_be_written_down_is_not_sent(world: Opening) -> None:
    async with world(ledger=FailsOnce(1)) as at:
        with pytest.raises(LedgerFailed):
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert not at.sent()
        assert (await at.request("one")).outcome == "failed"
        assert (await at.router.generate("a red kite", model="pair", request_id="two")).images


# Time


async def test_the_deadline_holds_for_all_attempts_together(world: Opening) -> None:
    config = with_policy(TWO.format(OPENAI, GOOGLE), "{attempt_timeout_seconds: 0.4}")
    async with world("openai=hang", "google=hang", config=config) as at:
        started = time.monotonic()
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="pair", deadline_seconds=0.6)
        assert time.monotonic() - started < 5
        assert outcomes(caught.value.attempts) == [(OPENAI, "unknown"), (GOOGLE, "unknown")]
        assert caught.value.attempts[1].latency_seconds < 0.4


async def test_after_the_deadline_nobody_is_asked(world: Opening) -> None:
    async with world("openai=hang") as at:
        with pytest.raises(AllAttemptsFailed, match="the deadline has passed"):
            await at.router.generate("a red kite", model="pair", deadline_seconds=0.2)
        assert at.sent() == {"openai": 1}


async def test_a_deadline_that_has_passed_at_once_sends_nothing(world: Opening) -> None:
    async with world() as at:
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="pair", deadline_seconds=1e-12)
        assert isinstance(caught.value.__cause__, TooLate)
        assert caught.value.at_risk_usd == 0
        assert not at.sent()


async def test_a_caller_without_patience_sets_nobody_aside(world: Opening) -> None:
    config = with_policy(ONE.format(OPENAI), "{cooldown: {failures: 1}}")
    async with world("openai=hang", config=config) as at:
        for _ in range(3):
            with pytest.raises(AllAttemptsFailed):
                await at.router.generate("a red kite", model="one", deadline_seconds=0.05)
        assert at.router.cooldowns() == {}
        at.simulator.faults.clear()
        assert (await at.router.generate("a red kite", model="one")).images


@pytest.mark.parametrize("patience", [{}, {"deadline_seconds": 40.0}])
async def test_a_vendor_that_had_its_time_is_set_aside(world: Opening, patience: dict[str, float]) -> None:
    """Whoever's deadline it was, after half a minute."""
    policy = "{cooldown: {failures: 1}, attempt_timeout_seconds: 40, deadline_seconds: 40}"
    async with world(config=with_policy(ONE.format(BFL), policy)) as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.run({"prompt": "never-ready", "model": "one", **patience})
        assert list(at.router.cooldowns()) == [BFL]


async def test_what_stands_for_all_is_of_one_that_was_sent(world: Opening) -> None:
    config = with_policy(TWO.format(OPENAI, GOOGLE), "{cooldown: {failures: 1}, retries: {attempts: 1}}")
    async with world("openai=down", config=config) as at:
        assert (await at.router.generate("a red kite", model="pair")).route.deployment == GOOGLE
        at.simulator.faults.add("google=rate_limit")
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="pair")
        assert outcomes(caught.value.attempts) == [(OPENAI, "not_sent"), (GOOGLE, "rate_limited")]
        assert isinstance(caught.value.__cause__, RateLimited)


async def test_a_job_that_never_ends_ends_at_the_deadline(world: Opening) -> None:
    async with world(config=ONE.format(BFL)) as at:
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("never-ready", model="one", deadline_seconds=20, request_id="one")
        assert isinstance(caught.value.__cause__, JobNeverEnded)
        assert at.sent() == {"bfl": 1}
        assert 10 < sum(at.clock.slept) <= 20
        (attempt,) = await at.attempts("one")
        assert (attempt.outcome, attempt.billed) == ("unknown", None)
        assert caught.value.at_risk_usd == attempt.estimate_worst_usd


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in the simulator's thread)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("ledger", ["memory", "file"])
async def test_a_cancelled_caller_leaves_the_truth_behind(
    world: Opening, ledger: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("ledger") / "easel.db" if ledger == "file" else None
    config = """
version: 1
deployments: [{provider: openai, key: {env: OPENAI_API_KEY}, concurrency: 1}]
routes: [{name: one, prefer: [openai/gpt-image-2]}]
policy: {engine: httpx}
"""
    async with world("openai=hang:1", config=config, ledger=place) as at:
        work = asyncio.create_task(at.router.generate("a red kite", model="one", request_id="one"))
        await until(lambda: at.sent()["openai"] == 1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        request, (attempt,) = await at.request("one"), await at.attempts("one")
        assert (request.outcome, request.attempts) == ("cancelled", 1)
        assert request.at_risk_usd == attempt.estimate_worst_usd
        assert (attempt.outcome, attempt.billed, attempt.error) == ("unknown", None, "cancelled by the caller")
        # Its place is free again: there is only one.
        async with asyncio.timeout(10):
            assert (await at.router.generate("a red kite", model="one")).images


async def test_the_connection_of_a_cancelled_call_is_closed(world: Opening) -> None:
    """With the portable engine at once; the other one holds on to it until the call's own time is up."""
    async with world("openai=hang:1", config=with_policy(ONE.format(OPENAI), "{engine: httpx}")) as at:
        work = asyncio.create_task(at.router.generate("a red kite", model="one"))
        await until(lambda: at.sent()["openai"] == 1)
        door = at.simulator._door
        assert len(door._connections) == 1
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await until(lambda: not door._connections)


async def test_a_cancelled_caller_frees_the_place_that_it_waited_for(world: Opening) -> None:
    config = """
version: 1
deployments: [{provider: openai, key: {env: OPENAI_API_KEY}, concurrency: 1}]
routes: [{name: one, prefer: [openai/gpt-image-2]}]
"""
    async with world(config=config, latency_seconds=0.2) as at:
        first = asyncio.create_task(at.router.generate("a red kite", model="one"))
        await until(lambda: at.sent()["openai"] == 1)
        second = asyncio.create_task(at.router.generate("a red kite", model="one", request_id="two"))
        await until(lambda: "two" in at.router.ledger._requests)  # pyright: ignore[reportAttributeAccessIssue] (MemoryLedger's)
        await asyncio.sleep(0.01)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert (await first).images
        assert (await at.router.generate("a red kite", model="one")).images
        assert at.sent() == {"openai": 2}
        assert await at.attempts("two") == ()


# Deployments that keep failing


BREAKER = "{retries: {attempts: 1}, cooldown: {failures: 2, seconds: 30, max_seconds: 100}}"


async def kite(at: World) -> list[tuple[str, str]]:
    return outcomes((await at.router.generate("a red kite", model="pair")).attempts)


async def test_a_failing_deployment_is_set_aside_and_tried_again(world: Opening) -> None:
    async with world("openai=unavailable", config=with_policy(PAIR, BREAKER)) as at:
        failed, set_aside, served = (OPENAI, "unavailable"), (OPENAI, "not_sent"), (GOOGLE, "done")
        assert await kite(at) == [failed, served]
        assert await kite(at) == [failed, served]
        assert await kite(at) == [set_aside, served]
        assert at.sent()["openai"] == 2
        at.clock.advance(31)
        assert await kite(at) == [failed, served]  # the probe
        assert await kite(at) == [set_aside, served]
        at.clock.advance(31)
        assert await kite(at) == [set_aside, served]  # twice as long as before
        at.clock.advance(30)
        assert await kite(at) == [failed, served]
        at.clock.advance(101)  # at most
        at.simulator.faults.clear()
        assert await kite(at) == [(OPENAI, "done")]
        assert await kite(at) == [(OPENAI, "done")]


async def test_only_one_probe_is_sent(world: Opening) -> None:
    async with world("openai=server_error:2", config=with_policy(PAIR, BREAKER)) as at:
        for _ in range(2):
            await kite(at)
        at.clock.advance(31)
        at.simulator.latency_seconds = 0.2
        found = await asyncio.gather(*(kite(at) for _ in range(5)))
        assert sorted(found) == [[(OPENAI, "done")], *[[(OPENAI, "not_sent"), (GOOGLE, "done")]] * 4]
        assert at.sent()["openai"] == 3
        assert await kite(at) == [(OPENAI, "done")]


async def test_a_probe_that_is_cancelled_leaves_room_for_another(world: Opening) -> None:
    async with world("openai=server_error:2", "openai=hang:1", config=with_policy(PAIR, BREAKER)) as at:
        for _ in range(2):
            await kite(at)
        at.clock.advance(31)
        probe = asyncio.create_task(kite(at))
        await until(lambda: at.sent()["openai"] == 3)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert await kite(at) == [(OPENAI, "done")]


async def test_a_probe_that_could_not_be_written_down_leaves_room_for_another(world: Opening) -> None:
    config = with_policy(PAIR, BREAKER)
    async with world("openai=server_error:2", config=config, ledger=FailsOnce(5)) as at:
        for _ in range(2):
            await kite(at)
        at.clock.advance(31)
        with pytest.raises(LedgerFailed):
            await kite(at)
        assert await kite(at) == [(OPENAI, "done")]


async def test_after_a_cooldown_several_pictures_come_all_the_same(world: Opening) -> None:
    config = with_policy(ONE.format(BFL), BREAKER)
    async with world("bfl=server_error:2", config=config) as at:
        for _ in range(2):
            with pytest.raises(AllAttemptsFailed):
                await at.router.generate("a red kite", model="one")
        at.clock.advance(31)
        answer = await at.router.generate("a red kite", model="one", n=4)
        assert len(answer.images) == 4
        assert answer.warnings == ()


async def test_a_failed_probe_of_several_pictures_is_one_call(world: Opening) -> None:
    config = with_policy(TWO.format(BFL, OPENAI), BREAKER)
    async with world("bfl=server_error", config=config) as at:
        for _ in range(2):
            await at.router.generate("a red kite", model="pair")
        at.clock.advance(31)
        assert len((await at.router.generate("a red kite", model="pair", n=4)).images) == 4
        assert at.sent()["bfl"] == 3


async def test_the_first_error_is_not_hidden_by_setting_aside(world: Opening) -> None:
    config = with_policy(ONE.format(OPENAI), "{cooldown: {failures: 1}}")
    async with world("openai=unavailable", config=config) as at:
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="one")
        assert isinstance(caught.value.__cause__, ProviderUnavailable)
        assert outcomes(caught.value.attempts) == [(OPENAI, "unavailable")]
        assert at.clock.slept == []  # nobody waits for a deployment that will be set aside for longer


async def test_nor_by_what_others_found_out_meanwhile(world: Opening) -> None:
    async with world("openai=unavailable", config=ONE.format(OPENAI)) as at:
        health = at.router._house.means.health

        def others_fail() -> None:
            for _ in range(3):
                health.failed(Turn(OPENAI), at.clock.monotonic(), counts=True)

        at.clock.meanwhile = others_fail
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="one")
        assert isinstance(caught.value.__cause__, ProviderUnavailable)
        assert len(at.clock.slept) == at.sent()["openai"] == 1


async def test_bad_keys_set_aside_too_and_refusals_do_not(world: Opening) -> None:
    async with world("openai=bad_key", config=with_policy(PAIR, BREAKER)) as at:
        for _ in range(2):
            await kite(at)
        assert await kite(at) == [(OPENAI, "not_sent"), (GOOGLE, "done")]
    async with world("openai=moderation_prompt:5", config=with_policy(PAIR, BREAKER)) as at:
        for _ in range(5):
            with pytest.raises(ModerationBlocked):
                await kite(at)
        assert await kite(at) == [(OPENAI, "done")]


# Many at once


async def test_no_more_calls_than_allowed_are_under_way(world: Opening) -> None:
    config = """
version: 1
deployments: [{provider: openai, key: {env: OPENAI_API_KEY}, concurrency: 3}]
routes: [{name: one, prefer: [openai/gpt-image-2]}]
"""
    async with world(config=config, latency_seconds=0.1) as at:
        most = 0
        work = [asyncio.create_task(at.router.generate("a kite", model="one", quality="low")) for _ in range(10)]
        while not all(each.done() for each in work):
            most = max(most, at.sent()["openai"] - sum(each.done() for each in work))
            await asyncio.sleep(0.01)
        assert most == 3
        assert at.sent() == {"openai": 10}


async def test_no_free_place_in_time(world: Opening) -> None:
    config = """
version: 1
deployments:
  - {provider: openai, key: {env: OPENAI_API_KEY}, concurrency: 1}
  - {provider: google, key: {env: GEMINI_API_KEY}}
routes: [{name: pair, prefer: [openai/gpt-image-2, google/gemini-nano-banana-2.1]}]
"""
    async with world("openai=hang", config=config) as at:
        blocking = asyncio.create_task(at.router.generate("a red kite", model="pair"))
        await until(lambda: at.sent()["openai"] == 1)
        with pytest.raises(AllAttemptsFailed, match="no free place within the deadline"):
            await at.router.generate("a red kite", model="pair", deadline_seconds=0.2)
        blocking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocking


# Money


async def test_a_ceiling_drops_what_may_cost_more(world: Opening) -> None:
    async with world() as at:
        # GPT Image 2 may cost $0.21 when it chooses the quality itself, Nano Banana $0.034.
        answer = await at.router.generate("a red kite", model="pair", max_cost_usd="0.05")
        assert answer.route.deployment == GOOGLE
        dropped = next(each for each in answer.decision.dropped if each.deployment == OPENAI)
        assert dropped.requirement == "max_cost_usd"
        assert at.sent() == {"google": 1}


async def test_a_ceiling_below_every_price(world: Opening) -> None:
    async with world(config=ONE.format(OPENAI)) as at:
        with pytest.raises(OverBudget) as caught:
            await at.router.generate("a red kite", model="one", max_cost_usd="0.001")
        assert isinstance(caught.value, NoModelCan)
        assert "max_cost_usd" in [each.field for each in caught.value.relaxations]
        assert not at.simulator.received


async def test_what_may_be_spent_already_counts(world: Opening) -> None:
    async with world("openai=disconnect") as at:
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="pair", quality="standard", max_cost_usd="0.07")
        assert outcomes(caught.value.attempts) == [(OPENAI, "unknown"), (GOOGLE, "not_sent")]
        assert "may be spent already" in (caught.value.attempts[1].error or "")
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        assert at.sent() == {"openai": 1}
    async with world("openai=disconnect") as at:
        answer = await at.router.generate("a red kite", model="pair", quality="standard", max_cost_usd="0.1")
        assert answer.route.deployment == GOOGLE


async def test_an_attempt_that_is_not_billed_leaves_the_budget_whole(world: Opening) -> None:
    async with world("openai=quota") as at:
        answer = await at.router.generate("a red kite", model="pair", quality="standard", max_cost_usd="0.07")
        assert answer.route.deployment == GOOGLE


# All fail


async def test_the_first_error_is_the_cause(world: Opening) -> None:
    async with world("openai=rate_limit", "google=truncated_base64") as at:
        with pytest.raises(AllAttemptsFailed) as caught:
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert isinstance(caught.value.__cause__, RateLimited)
        assert not isinstance(caught.value.__cause__, PictureLost | BadReply)
        assert [each.outcome for each in caught.value.attempts] == [*["rate_limited"] * 3, "picture_lost"]
        row = await at.request("one")
        assert (row.outcome, row.attempts, row.images) == ("failed", 4, 0)
        assert row.cost_usd == caught.value.spent_usd > 0
        assert row.at_risk_usd == 0
