"""What the pipeline writes down of a request and of each attempt, besides what it cost."""

import pytest

from easel.providers.base.errors import AllAttemptsFailed
from easel.router import pricing
from easel.router.ledger import DONE

from .conftest import Opening, png

POSTER = {"prompt": "a poster", "model": "pair", "request_id": "one"}


async def test_a_request_says_whose_it_is(world: Opening) -> None:
    async with world() as opened:
        whose = {"caller": "app", "key_id": "0123456789ab", "team": "shop", "project": "spring", "tags": ["a", "b"]}
        await opened.router.run({**POSTER, **whose, "user": "7f9c"})
        row = await opened.request("one")
    assert (row.caller, row.key_id, row.team, row.project) == ("app", "0123456789ab", "shop", "spring")
    assert (row.tags, row.end_user) == (("a", "b"), "7f9c")
    assert (row.retries, row.fallbacks) == (0, 0)


async def test_an_attempt_says_by_what_rules_and_prices_it_was_sent(world: Opening) -> None:
    async with world() as opened:
        response = await opened.router.run(POSTER)
        request, (attempt,) = await opened.request("one"), await opened.attempts("one")
        model = opened.router.deployments.by_name["openai/gpt-image-2"].model
    assert (attempt.rule, attempt.rules_hash) == ("pair", request.rules_hash)
    assert attempt.prices_hash == pricing.facts_hash(model)
    estimate = response.cost.estimate
    assert (attempt.estimate_low_usd, attempt.estimate_expected_usd) == (estimate.low, estimate.expected)
    assert attempt.first_byte_seconds is not None
    assert attempt.latency_seconds is not None
    assert 0 < attempt.first_byte_seconds <= attempt.latency_seconds
    assert (attempt.input_images, attempt.input_bytes, attempt.input_pixels) == (0, 0, 0)
    assert attempt.usage.output_tokens


async def test_another_price_is_another_hash(world: Opening) -> None:
    async with world() as opened:
        models = [
            opened.router.deployments.by_name[f"openai/{name}"].model for name in ("gpt-image-2", "gpt-image-1.5")
        ]
    assert len({pricing.facts_hash(model) for model in models}) == 2


async def test_pictures_that_were_sent_are_counted(world: Opening) -> None:
    source, reference = png(64, 48), png(32, 32)
    mask = png(64, 48, (0, 0, 0, 0), "RGBA")
    async with world() as opened:
        given = {**POSTER, "images": [source], "references": [reference], "mask": mask}
        await opened.router.run({**given, "model": "openai/gpt-image-2"})
        (attempt,) = await opened.attempts("one")
    assert attempt.input_images == 3
    assert attempt.input_bytes == len(source) + len(reference) + len(mask)
    assert attempt.input_pixels == 2 * 64 * 48 + 32 * 32


async def test_retries_and_fallbacks_are_counted_when_it_is_answered(world: Opening) -> None:
    async with world("openai=down") as opened:
        await opened.router.run(POSTER)
        row, attempts = await opened.request("one"), await opened.attempts("one")
    assert row.outcome == DONE
    assert (row.retries, row.fallbacks) == (len(attempts) - 2, 1)
    assert row.retries > 0
    assert [each.candidate for each in attempts] == [0] * (len(attempts) - 1) + [1]


async def test_they_are_counted_when_it_fails_and_go_on_when_it_is_sent_again(world: Opening) -> None:
    async with world("openai=bad_key:1", "google=bad_key:1") as opened:
        with pytest.raises(AllAttemptsFailed):
            await opened.router.run(POSTER)
        failed = await opened.request("one")
        opened.clock.advance(100_000)
        await opened.router.run(POSTER)
        answered = await opened.request("one")
    assert (failed.attempts, failed.retries, failed.fallbacks) == (2, 0, 1)
    assert (answered.attempts, answered.retries, answered.fallbacks) == (3, 0, 1)


async def test_calls_that_a_candidate_takes_side_by_side_are_told_apart(world: Opening) -> None:
    async with world() as opened:
        await opened.router.run({**POSTER, "model": "google/gemini-nano-banana-2.1", "n": 3})
        attempts = await opened.attempts("one")
    assert sorted(each.part for each in attempts) == list(range(len(attempts)))
    assert {each.candidate for each in attempts} == {0}
    assert len(attempts) == 3
