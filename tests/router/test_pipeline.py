"""The way of a request: names, choices, ids, and what the ledger says afterwards. Over real sockets, by real rules."""

import asyncio
import base64
import io
import json
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typing_extensions import override

from easel.providers.base import images
from easel.providers.base.clock import DateClock
from easel.router import (
    AllAttemptsFailed,
    AlreadySent,
    MemoryLedger,
    ModerationBlocked,
    NoModelCan,
    PartialImage,
    RequestError,
    Router,
)
from easel.router.health import Health, Turn
from easel.router.ledger import DONE, UNDER_WAY, AttemptRow, RequestRow, open_ledger
from easel.router.settings import Cooldown
from easel.simulator.server import running

from .conftest import PAIR, TODAY, Opening, World, outcomes, png

OPENAI, GOOGLE = "openai/gpt-image-2", "google/gemini-nano-banana-2.1"


# What the ledger says


def told(row: RequestRow | AttemptRow) -> set[str]:
    """The fields that say something: not what a new row says of them by itself."""
    silent = {each.name: each.default for each in fields(row)}
    return {name for name, value in silent.items() if getattr(row, name) != value}


ASKED = frozenset(
    {
        "size",
        "quality",
        "background",
        "caller",
        "metadata",
        "rule",
        "rules_hash",
        "attempts",
        "latency_seconds",
        "outcome",
    }
    | {"estimate_low_usd", "estimate_expected_usd", "estimate_worst_usd", "cost_usd"}
)
SENT = frozenset({"size", "quality", "estimate_worst_usd", "latency_seconds"})


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize(
    ("fault", "request_tells", "attempt_tells"),
    [
        (
            None,
            {"deployment", "images", "cost_basis", "adaptations"},
            {"outcome", "billed", "vendor_request_id", "cost_usd", "cost_basis", "images"},
        ),
        ("quota", {"error"}, {"outcome", "billed", "vendor_request_id", "status", "error"}),
        ("server_error:1", {"deployment", "images", "cost_basis", "adaptations"}, {"outcome", "billed", "error"}),
        ("moderation_output", {"error", "at_risk_usd"}, {"outcome", "moderation", "error", "status"}),
        ("disconnect", {"error", "at_risk_usd"}, {"error"}),
    ],
)
async def test_the_rows_are_complete(
    world: Opening,
    tmp_path: Path,
    kind: str,
    fault: str | None,
    request_tells: set[str],
    attempt_tells: set[str],
) -> None:
    config = "version: 1\nroutes: [{name: one, prefer: [openai/gpt-image-2]}]\n"
    place = tmp_path / "easel.db" if kind == "file" else None
    async with world(*([f"openai={fault}"] if fault else []), config=config, ledger=place) as at:
        try:
            await at.router.generate(
                "a red kite",
                model="one",
                size="1024x1024",
                quality="standard",
                background="opaque",
                caller="shop",
                metadata={"order": "7"},
                request_id="one",
            )
        except (AllAttemptsFailed, ModerationBlocked):
            assert fault is not None
        row, attempts = await at.request("one"), await at.attempts("one")
        assert ASKED | request_tells <= told(row)
        assert (row.model, row.rule, row.caller, row.metadata) == ("one", "one", "shop", {"order": "7"})
        assert (row.size, row.quality, row.background) == ("1024x1024", "standard", "opaque")
        assert row.prompt_characters == len("a red kite")
        assert row.rules_hash == at.router.rules_hash
        assert row.attempts == len(attempts)
        first = attempts[0]
        assert SENT | attempt_tells <= told(first)
        assert (first.size, first.quality, first.deployment) == ("1024x1024", "medium", OPENAI)
        assert "kite" not in repr(row) + repr(attempts)


async def test_a_file_tells_what_the_answer_told(world: Opening, tmp_path: Path) -> None:
    async with world("openai=server_error:1", ledger=tmp_path / "easel.db") as at:
        answer = await at.router.generate("a red kite", model="pair", request_id="one")
    ledger = open_ledger(tmp_path / "easel.db")
    row, attempts = await ledger.request("one"), await ledger.attempts("one")
    await ledger.close()
    assert row is not None
    assert (row.outcome, row.cost_usd, row.images, row.deployment) == (DONE, answer.cost.actual_usd, 1, OPENAI)
    assert [each.cost_usd for each in attempts] == [each.cost_usd for each in answer.attempts]
    assert [each.vendor_request_id for each in attempts] == [each.vendor_request_id for each in answer.attempts]
    assert attempts[1].usage == answer.usage
    assert attempts[1].model_snapshot == answer.route.model_snapshot


# Request ids


async def test_a_request_that_was_answered_is_not_sent_again(world: Opening) -> None:
    async with world() as at:
        await at.router.generate("a red kite", model="pair", request_id="one")
        with pytest.raises(AlreadySent, match="was answered") as caught:
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert caught.value.request_id == "one"
        assert at.sent() == {"openai": 1}


async def test_a_request_that_may_have_been_billed_is_not_sent_again(world: Opening) -> None:
    async with world("openai=disconnect:1", "google=quota:1") as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", model="pair", request_id="one")
        with pytest.raises(AlreadySent, match="outcome is unknown") as caught:
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert caught.value.attempts == (f"{OPENAI}: unknown", f"{GOOGLE}: quota_exhausted")
        assert sum(at.sent().values()) == 2


async def test_a_request_that_was_paid_for_in_vain_is_not_sent_again(world: Opening) -> None:
    async with world("openai=not_a_picture:1", "google=quota:1") as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", model="pair", request_id="one")
        with pytest.raises(AlreadySent, match="was paid for"):
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert sum(at.sent().values()) == 2


async def test_a_request_that_failed_for_nothing_may_be_sent_again(world: Opening) -> None:
    async with world("openai=quota:1", "google=bad_key:1") as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", model="pair", request_id="one")
        answer = await at.router.generate("a red kite", model="pair", request_id="one")
        assert outcomes(answer.attempts) == [(OPENAI, "done")]
        attempts = await at.attempts("one")
        assert [each.number for each in attempts] == [1, 2, 3]
        assert [each.outcome for each in attempts] == ["quota_exhausted", "authentication_failed", "done"]
        row = await at.request("one")
        assert (row.outcome, row.attempts) == (DONE, 3)


async def test_a_refused_request_may_be_sent_again(world: Opening) -> None:
    async with world("openai=moderation_prompt:1") as at:
        with pytest.raises(ModerationBlocked):
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert (await at.router.generate("a red kite", model="pair", request_id="one")).images


@pytest.mark.parametrize("outcome", [DONE, "unknown"])
async def test_what_a_process_left_behind_when_it_died_is_not_sent_again(world: Opening, outcome: str) -> None:
    """It died after the vendor had answered, or before, and in either case before it could say what became of it."""
    async with world() as at:
        ledger, long_ago = at.router.ledger, at.clock.now() - timedelta(days=2)
        row = RequestRow(
            id="one",
            created_at=long_ago,
            operation="generate",
            model="pair",
            n=1,
            prompt_characters=3,
            prompt_sha256="0" * 64,
        )
        await ledger.open_request(row)
        attempt = AttemptRow(
            id="a", request_id="one", number=1, retry=0, deployment=OPENAI, model=OPENAI, started_at=long_ago, n=1
        )
        await ledger.open_attempt(attempt)
        if outcome == DONE:
            await ledger.close_attempt(replace(attempt, outcome=DONE, billed=True, cost_usd=Decimal("0.2"), images=1))
        with pytest.raises(AlreadySent):
            await at.router.generate("a red kite", model="pair", request_id="one")
        assert not at.sent()
        assert (await at.request("one")).outcome == UNDER_WAY


async def test_what_a_process_left_behind_before_it_sent_anything_may_be_sent(world: Opening) -> None:
    async with world() as at:
        row = RequestRow(
            id="one",
            created_at=at.clock.now() - timedelta(days=2),
            operation="generate",
            model="pair",
            n=1,
            prompt_characters=3,
            prompt_sha256="0" * 64,
        )
        await at.router.ledger.open_request(row)
        assert (await at.router.generate("a red kite", model="pair", request_id="one")).images


async def test_a_hurried_caller_does_not_overtake_one_that_has_time(world: Opening) -> None:
    """The first one may be waiting to try again: it has sent nothing that could be billed, and is not dead."""
    async with world() as at:
        row = RequestRow(
            id="one",
            created_at=at.clock.now() - timedelta(seconds=60),
            operation="generate",
            model="pair",
            n=1,
            prompt_characters=3,
            prompt_sha256="0" * 64,
        )
        await at.router.ledger.open_request(row)
        with pytest.raises(AlreadySent, match="is under way"):
            await at.router.generate("a red kite", model="pair", request_id="one", deadline_seconds=5)
        assert not at.sent()


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_of_many_at_once_with_one_id_one_is_sent(world: Opening, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "easel.db" if kind == "file" else None
    async with world(ledger=place, latency_seconds=0.1) as at:
        work = [at.router.generate("a red kite", model="pair", request_id="one") for _ in range(8)]
        found = await asyncio.gather(*work, return_exceptions=True)
        assert sum(isinstance(each, AlreadySent) for each in found) == 7
        assert at.sent() == {"openai": 1}
        assert {str(each).partition(";")[0] for each in found if isinstance(each, AlreadySent)} <= {
            "request 'one' is under way",
            f"request 'one' is under way ({OPENAI}: unknown)",
            f"request 'one' was sent, and its outcome is unknown ({OPENAI}: unknown)",
        }


async def test_of_many_tries_again_at_once_one_is_sent(world: Opening, tmp_path: Path) -> None:
    """Two processes on one file, after a failure that cost nothing."""
    config = "version: 1\nroutes: [{name: pair, prefer: [openai/gpt-image-2]}]\n"
    path = tmp_path / "easel.db"
    async with world("openai=quota:1", config=config, ledger=path, latency_seconds=0.1) as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", model="pair", request_id="one")
        async with Router(
            tmp_path / "easel.yaml", simulator_url=at.simulator.base_url, clock=at.clock, ledger=path, environment={}
        ) as other:
            work = [
                router.generate("a red kite", model="pair", request_id="one")
                for router in (at.router, other, at.router, other)
            ]
            found = await asyncio.gather(*work, return_exceptions=True)
        assert sum(isinstance(each, AlreadySent) for each in found) == 3
        assert at.sent() == {"openai": 2}


# Names


async def planned(at: World, model: str, **given: object) -> list[str]:
    decision = await at.router.explain({"prompt": "a red kite", "model": model, **given})
    return [each.deployment for each in decision.plan]


async def test_a_model_may_be_named_in_many_ways(world: Opening) -> None:
    async with world() as at:
        assert await planned(at, "pair") == [OPENAI, GOOGLE]
        assert await planned(at, "auto") == [OPENAI, GOOGLE]
        assert await planned(at, "azure/gpt-image-2") == ["azure/gpt-image-2"]
        assert await planned(at, "gpt-image-2") == [OPENAI, "azure/gpt-image-2"]
        assert await planned(at, "gpt-image-2-2026-04-21") == [OPENAI]


@pytest.mark.parametrize(
    ("model", "hint"),
    [("gpt-image-22", "'gpt-image-2'"), ("pear", "'pair'"), ("openai/gpt-image-two", "'openai/gpt-image-2'")],
)
async def test_an_unknown_name_is_said_with_what_was_meant(world: Opening, model: str, hint: str) -> None:
    async with world() as at:
        with pytest.raises(RequestError, match="is no route, deployment or model here") as caught:
            await at.router.generate("a red kite", model=model)
        assert caught.value.field == "model"
        assert f"did you mean {hint}" in str(caught.value)
        assert not at.simulator.received


async def test_a_snapshot_is_sent_as_named(world: Opening) -> None:
    async with world() as at:
        await at.router.generate("a red kite", model="gpt-image-2-2026-04-21")
        assert json.loads(at.simulator.received[0].body)["model"] == "gpt-image-2-2026-04-21"


async def test_any_model_of_an_open_row(world: Opening) -> None:
    """Nothing is known of it, and it has no twin."""
    model = "litellm/bedrock/amazon.nova-canvas-v1:0"
    async with Router(clock=DateClock(TODAY), environment={}) as router:
        decision = await router.explain({"prompt": "a red kite", "model": model})
        assert [each.deployment for each in decision.plan] == [model]
        assert decision.estimate.worst is None
        with pytest.raises(NoModelCan, match="cannot be held to a price ceiling"):
            await router.generate("a red kite", model=model, max_cost_usd="1")
    async with world() as at:
        with pytest.raises(RequestError, match="is no route, deployment or model"):
            await at.router.generate("a red kite", model=model)


# Choices


SHARES = """
version: 1
routes:
  - name: canary
    prefer: [openai/gpt-image-2]
    canary: {deployment: bfl/flux-2-pro, percent: 10}
  - name: weighted
    prefer:
      weights:
        openai/gpt-image-2: 60
        google/gemini-nano-banana-2.1: 30
        bfl/flux-2-pro: 10
        azure/gpt-image-2: 0
"""


async def test_shares_are_kept_and_steady(world: Opening) -> None:
    count = 2000
    async with world(config=SHARES) as at:

        async def first(model: str, request: str) -> str:
            return (await planned(at, model, request_id=request))[0]

        canary = Counter([await first("canary", f"r{each}") for each in range(count)])
        weighted = [await first("weighted", f"r{each}") for each in range(count)]
        shares = Counter(weighted)
        print(dict(canary), dict(shares))
        # Four standard deviations; which ids go where is fixed, so this never changes by itself.
        for found, share in (
            (canary["bfl/flux-2-pro"], 0.1),
            (shares[OPENAI], 0.6),
            (shares[GOOGLE], 0.3),
            (shares["bfl/flux-2-pro"], 0.1),
        ):
            assert abs(found - share * count) <= 4 * (count * share * (1 - share)) ** 0.5
        assert shares["azure/gpt-image-2"] == 0
        again = [await first("weighted", f"r{each}") for each in range(100)]
        assert again == weighted[:100]


async def test_the_others_follow_by_weight(world: Opening) -> None:
    async with world(config=SHARES) as at:
        for each in range(20):
            plan = await planned(at, "weighted", request_id=f"r{each}")
            order = [OPENAI, GOOGLE, "bfl/flux-2-pro", "azure/gpt-image-2"]
            order.remove(plan[0])
            assert plan[1:] == order


async def test_the_cheapest_leads(world: Opening) -> None:
    config = "version: 1\nroutes: [{name: cheap, prefer: {by: [price], among: {providers: [openai, google]}}}]\n"
    async with world(config=config) as at:
        decision = await at.router.explain({"prompt": "a red kite", "quality": "standard"})
        prices = [each.estimate.expected for each in decision.plan]
        assert len(prices) > 4
        known = [each for each in prices if each is not None]
        assert known == sorted(known)
        assert prices[: len(known)] == known
        assert {each.deployment.partition("/")[0] for each in decision.plan} == {"openai", "google"}


async def test_the_quickest_as_seen_here_leads(world: Opening) -> None:
    config = f"""
version: 1
routes:
  - name: quick
    prefer: {{by: [latency], among: {{deployments: [{OPENAI}, {GOOGLE}]}}}}
"""
    async with world(config=config) as at:
        health = at.router._house.means.health
        await at.router.generate("a red kite", model=OPENAI)
        assert (health.latency_seconds(OPENAI) or 0) > 0
        for name, seconds, leads in ((OPENAI, 100, OPENAI), (GOOGLE, 20, GOOGLE), (GOOGLE, 900, OPENAI)):
            for _ in range(3):
                health.succeeded(Turn(name), seconds)
            at.clock.advance(10)  # an order is kept for a moment
            assert (await planned(at, "quick"))[0] == leads


ONLY = f"""
version: 1
routes:
  - name: careful
    when: {{tags: careful}}
    prefer: [{OPENAI}]
    only: true
  - name: asks
    when: {{caller: shop}}
    prefer: [{OPENAI}]
    missing: %s
  - name: rest
    prefer: [{GOOGLE}]
"""


async def test_only_means_no_other(world: Opening) -> None:
    async with world("openai=quota", config=ONLY % "no_match") as at:
        assert await planned(at, "auto", tags=["careful"]) == [OPENAI]
        assert await planned(at, "auto") == [GOOGLE]
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite", tags="careful")
        assert at.sent() == {"openai": 1}


async def test_what_a_missing_value_means(world: Opening) -> None:
    async with world(config=ONLY % "no_match") as at:
        assert await planned(at, "auto") == [GOOGLE]
        assert await planned(at, "auto", caller="shop") == [OPENAI, GOOGLE]
    async with world(config=ONLY % "match") as at:
        assert await planned(at, "auto") == [OPENAI, GOOGLE]
        assert await planned(at, "auto", caller="other") == [GOOGLE]
    async with world(config=ONLY % "refuse") as at:
        with pytest.raises(RequestError, match="'asks' asks about something"):
            await at.router.generate("a red kite")
        assert await planned(at, "auto", caller="other") == [GOOGLE]
        assert not at.simulator.received


REFUSES_LATE = f"""
version: 1
routes:
  - name: leads
    prefer: [{OPENAI}]
  - name: asks
    when: {{caller: shop}}
    prefer: [{GOOGLE}]
    missing: refuse
"""


async def test_a_rule_behind_the_one_that_leads_does_not_refuse(world: Opening) -> None:
    """By then something may have been sent: a failure must not look like a request that was never taken."""
    async with world("openai=quota", config=REFUSES_LATE) as at:
        assert await planned(at, "auto") == [OPENAI]
        with pytest.raises(AllAttemptsFailed):
            await at.router.generate("a red kite")
        assert (await at.router.generate("a red kite", caller="shop")).route.deployment == GOOGLE


async def test_no_rule_matches(world: Opening) -> None:
    config = f"version: 1\nroutes: [{{name: one, when: {{caller: shop}}, prefer: [{OPENAI}]}}]\n"
    async with world(config=config) as at:
        with pytest.raises(NoModelCan, match="no route matches"):
            await at.router.generate("a red kite")
        assert not at.simulator.received


async def test_an_expression_decides(world: Opening) -> None:
    config = f"""
version: 1
routes:
  - name: big
    expr: size.width * size.height > 2000000 && "print" in tags
    prefer: [{OPENAI}]
  - name: rest
    prefer: [{GOOGLE}]
"""
    async with world(config=config) as at:
        assert (await planned(at, "auto", size="2048x2048", tags=["print"]))[0] == OPENAI
        assert (await planned(at, "auto", size="2048x2048"))[0] == GOOGLE
        assert (await planned(at, "auto", tags=["print"]))[0] == GOOGLE  # without a size it has no answer


# Places and keys


WAYS = """
version: 1
deployments:
  - {{provider: openai, name: us, base_url: "{url}/openai/v1", key: {{env: US_KEY}}, region: us, models: [gpt-image-2]}}
  - {{provider: openai, name: eu, base_url: "{url}/openai/v1", key: {{env: EU_KEY}}, region: eu, models: [gpt-image-2]}}
  - {{provider: openai, name: any, base_url: "{url}/openai/v1", key: {{env: ANY_KEY}}, models: [gpt-image-2]}}
routes: [{{name: all, prefer: [us/gpt-image-2, eu/gpt-image-2, any/gpt-image-2]}}]
"""


async def test_a_missing_key_is_named_and_the_others_serve(tmp_path: Path) -> None:
    with running(today=TODAY) as simulator:
        path = tmp_path / "easel.yaml"
        path.write_text(WAYS.format(url=simulator.base_url))
        async with Router(path, clock=DateClock(TODAY), environment={"EU_KEY": "sim-eu"}) as router:
            answer = await router.generate("a red kite")
            assert answer.route.deployment == "eu/gpt-image-2"
            assert simulator.received[0].headers["authorization"] == "Bearer sim-eu"
            (dropped,) = answer.decision.dropped
            assert (dropped.deployment, dropped.requirement) == ("us/gpt-image-2", "key")
            assert dropped.unmet == "environment variable US_KEY is not set"
        async with Router(path, clock=DateClock(TODAY), environment={"US_KEY": " "}) as router:
            with pytest.raises(NoModelCan) as caught:
                await router.generate("a red kite")
            for name in ("US_KEY", "EU_KEY", "ANY_KEY"):
                assert f"environment variable {name} is not set" in str(caught.value)
            assert len(simulator.received) == 1


async def test_a_region_holds(tmp_path: Path) -> None:
    keys: Mapping[str, str] = {"US_KEY": "sim-us", "EU_KEY": "sim-eu", "ANY_KEY": "sim-any"}
    with running(today=TODAY, faults=["openai=quota:1"]) as simulator:
        path = tmp_path / "easel.yaml"
        path.write_text(WAYS.format(url=simulator.base_url))
        async with Router(path, clock=DateClock(TODAY), environment=keys) as router:
            decision = await router.explain({"prompt": "a red kite", "region": "eu"})
            assert [each.deployment for each in decision.plan] == ["eu/gpt-image-2"]
            assert {each.deployment: each.unmet for each in decision.dropped} == {
                "us/gpt-image-2": "is in us, not in eu",
                "any/gpt-image-2": "names no region, not in eu",
            }
            with pytest.raises(AllAttemptsFailed):  # a fallback into another region is none
                await router.generate("a red kite", region="eu")
            assert len(simulator.received) == 1
            with pytest.raises(NoModelCan) as caught:
                await router.generate("a red kite", region="mars")
            assert "allow any region" in str(caught.value)


# Pictures


async def test_an_edit_with_a_mask_goes_all_the_way(world: Opening) -> None:
    mask = png(64, 64, (0, 0, 0, 0), "RGBA")
    async with world() as at:
        answer = await at.router.edit("a hat", png(64, 64), mask=mask, model="pair")
        assert answer.route.deployment == OPENAI
        assert at.sent() == {"openai": 1}
        assert at.simulator.received[0].path == "/v1/images/edits"


async def test_a_fallback_meets_the_same_contract(world: Opening) -> None:
    """Nano Banana takes no mask: it is no fallback for a request with one."""
    mask = png(64, 64, (0, 0, 0, 0), "RGBA")
    async with world("openai=quota") as at:
        with pytest.raises(AllAttemptsFailed):
            await at.router.edit("a hat", png(64, 64), mask=mask, model="pair")
        assert at.sent() == {"openai": 1}


async def test_previews_come_while_it_paints(world: Opening) -> None:
    async with world() as at:
        seen: list[int] = []
        given = {"prompt": "a red kite", "model": "pair", "stream": True, "partial_images": 2}
        answer = await at.router.run(given, on_partial=lambda partial: seen.append(partial.index))
        assert seen == [0, 1]
        assert len(answer.images) == 1


async def test_a_caller_that_fails_at_a_preview_gets_its_own_error(world: Opening) -> None:
    def fail(partial: PartialImage) -> None:
        raise ValueError(f"no room for preview {partial.index}")

    async with world() as at:
        given = {"prompt": "a red kite", "model": "pair", "stream": True, "partial_images": 1, "request_id": "one"}
        with pytest.raises(ValueError, match="no room for preview 0"):
            await at.router.run(given, on_partial=fail)
        row, (attempt,) = await at.request("one"), await at.attempts("one")
        assert (row.outcome, attempt.outcome) == ("failed", "unknown")
        assert row.at_risk_usd == attempt.estimate_worst_usd
        assert at.sent() == {"openai": 1}


async def test_a_picture_comes_in_the_format_asked_for(world: Opening) -> None:
    """Google chooses the format itself; here it is made into the one that was asked for, and that is said."""
    async with world() as at:
        answer = await at.router.generate("a red kite", model=GOOGLE, output_format="webp", output_compression=50)
        assert answer.images[0].media_type == images.probe(answer.images[0].data).media_type == "image/webp"
        assert any(each.field == "output_format" and each.kind == "emulated" for each in answer.adaptations)


# Health, by itself


@given(st.lists(st.sampled_from(["admit", "succeeded", "failed", "unrelated", "released", "wait"]), max_size=60))
@settings(max_examples=200, deadline=None)
def test_of_a_deployment_set_aside_one_call_is_a_probe(steps: list[str]) -> None:
    """However calls begin and end, from before the cooldown or within it: never two probes at once."""
    health, now = Health(Cooldown(failures=2, seconds=10, max_seconds=40)), 0.0
    under_way: list[Turn] = []
    probes: list[Turn] = []
    for step in steps:
        if step == "wait":
            now += 7
        elif step == "admit":
            until = health.cooling_until("one")
            turn = health.admit("one", now)
            if until is None:
                assert turn is not None
            elif now < until:
                assert turn is None
            else:
                assert (turn is None) is bool(probes)
            if turn is not None:
                under_way.append(turn)
                probes += [turn] if until is not None else []
        elif under_way:
            turn = under_way.pop(0)
            if step == "succeeded":
                health.succeeded(turn, 1.0)
                probes.clear()
            elif step == "released":
                health.released(turn)
            else:
                health.failed(turn, now, counts=step == "failed")
            probes = [each for each in probes if each is not turn]
        until = health.cooling_until("one")
        assert until is None or until <= now + 40


def test_a_cooldown_doubles_up_to_its_limit() -> None:
    health, now = Health(Cooldown(failures=1, seconds=10, max_seconds=35)), 0.0
    waits: list[float] = []
    for _ in range(40):
        turn = health.admit("one", now)
        assert turn is not None
        health.failed(turn, now, counts=True)
        until = health.cooling_until("one")
        assert until is not None
        waits.append(until - now)
        now = until
    assert waits == [10, 20, *[35] * 38]


def test_a_long_wait_asked_for_by_the_vendor_is_kept() -> None:
    health = Health(Cooldown(failures=1, seconds=10, max_seconds=35))
    turn, late = health.admit("one", 0), health.admit("one", 0)
    assert turn is not None
    assert late is not None
    health.failed(turn, 0, counts=True, retry_after_seconds=100)
    assert health.cooling_until("one") == 100
    health.failed(late, 50, counts=True, retry_after_seconds=100)
    assert health.cooling_until("one") == 150


# Its memory


async def test_a_memory_ledger_forgets_the_oldest(world: Opening) -> None:
    async with world(ledger=MemoryLedger(most_requests=2)) as at:
        for each in ("one", "two", "three"):
            await at.router.generate("a red kite", model="pair", request_id=each, quality="low")
        assert await at.router.ledger.request("one") is None
        assert await at.attempts("one") == ()
        assert len(await at.router.ledger.requests()) == 2


async def test_a_day_is_the_clocks(world: Opening) -> None:
    async with world(today=date(2026, 12, 2), config=PAIR.replace(OPENAI, "openai/gpt-image-1.5")) as at:
        answer = await at.router.generate("a red kite", model="pair")
        assert answer.route.deployment == GOOGLE
        (dropped,) = answer.decision.dropped
        assert (dropped.deployment, dropped.requirement) == ("openai/gpt-image-1.5", "retired")
        assert at.sent() == {"google": 1}


# A vendor that answers with what is no whole picture


def damaged(data: bytes) -> bytes:
    """A PNG from its first byte to its end, whose pixels nobody can read."""
    start = data.index(b"IDAT") + 4
    return data[:start] + b"\xff" * 20 + data[start + 20 :]


LOCAL = """
version: 1
deployments:
  - {{provider: openai_compatible, name: local, base_url: "{url}", models: [painter]}}
routes: [{{name: one, prefer: [local/painter]}}]
"""


@contextmanager
def painter(picture: bytes) -> Generator[str]:
    """A server of the Images API that answers with these bytes, whatever is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"data": [{"b64_json": base64.b64encode(picture).decode()}]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is to be said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


async def test_a_picture_that_cannot_be_converted_comes_as_it_is(tmp_path: Path) -> None:
    """It is paid for."""
    picture, path = damaged(png(64, 64)), tmp_path / "easel.yaml"
    with painter(picture) as url:
        path.write_text(LOCAL.format(url=url))
        async with Router(path, clock=DateClock(TODAY), environment={}) as router:
            answer = await router.generate("a red kite", output_format="webp")
            assert [each.data for each in answer.images] == [picture]
            assert answer.images[0].media_type == "image/png"
            assert any("could not be made into webp and stays image/png" in each for each in answer.warnings)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_a_picture_that_ends_early_is_none(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, kind)
    whole, path = buffer.getvalue(), tmp_path / "easel.yaml"
    for picture, good in ((whole, True), (whole[: len(whole) // 2], False), (whole[:-4], False)):
        with painter(picture) as url:
            path.write_text(LOCAL.format(url=url))
            async with Router(path, clock=DateClock(TODAY), environment={}) as router:
                if good:
                    assert (await router.generate("a red kite")).images[0].data == picture
                    continue
                with pytest.raises(AllAttemptsFailed) as caught:
                    await router.generate("a red kite")
                assert outcomes(caught.value.attempts) == [("local/painter", "proof_failed")]
                assert caught.value.images[0].data == picture
