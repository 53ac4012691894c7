"""The doctor: what is found of keys and models, against a vendor on a real socket, and nothing is painted."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Protocol

import pytest

from easel.router import Router
from easel.router.account import Proven, note, read
from easel.router.doctor import Finding

from ..providers.vendor import Scripted, Vendor
from .conftest import SkippingClock

ROW = (
    "{{provider: openai, base_url: '{}', models: [gpt-image-2, gpt-image-1.5], "
    "keys: [{{env: FIRST}}, {{env: SECOND}}]}}"
)
KEYS = {"FIRST": "sim-first"}


class Examined(Protocol):
    def __call__(
        self, *script: Scripted, row: str = ROW, keys: Mapping[str, str] = KEYS
    ) -> AbstractAsyncContextManager[tuple[Router, Vendor]]: ...


@pytest.fixture
def opened(tmp_path: Path) -> Examined:
    @asynccontextmanager
    async def open_router(
        *script: Scripted, row: str = ROW, keys: Mapping[str, str] = KEYS
    ) -> AsyncGenerator[tuple[Router, Vendor]]:
        async with Vendor(script) as vendor:
            path = tmp_path / "easel.yaml"
            path.write_text(
                f"version: 1\ndeployments: [{row.format(vendor.origin)}]\n"
                "routes: [{name: all, prefer: {by: [price]}}]\n"
            )
            async with Router(path, environment=keys, clock=SkippingClock()) as router:
                yield router, vendor

    return open_router


def models(*listed: tuple[str, str | None], status: int = 200) -> Scripted:
    data = [{"id": name, "object": "model", "shutdown_date": ends} for name, ends in listed]
    return Scripted("GET", "/models", status, body=json.dumps({"data": data}).encode(), for_ever=True)


def refusal(status: int, code: str, message: str) -> Scripted:
    body = json.dumps({"error": {"message": message, "code": code, "type": "x"}}).encode()
    return Scripted("GET", "/models", status, body=body, for_ever=True)


ALL = ("gpt-image-2", None), ("gpt-image-1.5", "2026-12-01")


def told(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.name, each.status) for each in found]


async def test_all_is_well(opened: Examined) -> None:
    async with opened(models(*ALL)) as (router, vendor):
        found = await router.examine()
        assert told(found) == [("openai", "ok"), ("openai/gpt-image-1.5", "note")]
        assert found[0].key == "env:FIRST"
        assert found[0].deployments == ("openai/gpt-image-2", "openai/gpt-image-1.5")
        assert "verified organization" in (found[0].advice or "")
        assert found[1].said == "it ends on 2026-12-01"
        assert [(each.method, each.path) for each in vendor.received] == [("GET", "/models")]
        assert vendor.received[0].headers["authorization"] == "Bearer sim-first"


async def test_each_key_is_asked(opened: Examined) -> None:
    async with opened(models(*ALL), keys={"FIRST": "sim-first", "SECOND": "sim-second"}) as (router, vendor):
        found = await router.examine()
        assert [each.key for each in found if each.status == "ok"] == ["env:FIRST", "env:SECOND"]
        assert len(vendor.received) == 2


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        (refusal(401, "invalid_api_key", "Incorrect API key provided: sim-first"), "problem", "is refused"),
        (refusal(403, "x", "no access"), "problem", "may not"),
        (refusal(429, "insufficient_quota", "no money"), "problem", "no credit is left"),
        (refusal(429, "rate_limit_exceeded", "slow"), "ok", "the key is good; the vendor limits calls now"),
        (refusal(404, "x", "where?"), "unchecked", "does not answer this question"),
        (refusal(500, "x", "oops"), "problem", "the vendor fails"),
        (Scripted("GET", "/models", body=b"<html>"), "unchecked", "does not answer this question"),
        (Scripted("GET", "/models", 302, {"location": "http://127.0.0.1/"}), "unchecked", "is base_url right?"),
        (Scripted("GET", "/models", fault="drop"), "problem", "no answer"),
    ],
)
async def test_what_can_be_wrong(opened: Examined, script: Scripted, status: str, words: str) -> None:
    async with opened(script) as (router, _):
        (found,) = [each for each in await router.examine() if each.name == "openai"]
        assert found.status == status
        assert words in f"{found.said} {found.advice}"
        assert "sim-first" not in f"{found}"


async def test_a_bad_key_beside_a_good_one(opened: Examined) -> None:
    bad = refusal(401, "invalid_api_key", "no")
    once = Scripted(bad.method, bad.path, bad.status, body=bad.body)
    async with opened(once, models(*ALL), keys={"FIRST": "sim-first", "SECOND": "sim-second"}) as (router, _):
        found = await router.examine()
        assert [(each.key, each.status) for each in found if each.key] == [
            ("env:FIRST", "problem"),
            ("env:SECOND", "ok"),
        ]
        assert found[0].advice == "put a good one there; no restart is needed"


async def test_a_model_that_the_account_lacks(opened: Examined) -> None:
    async with opened(models(ALL[1])) as (router, _):
        found = await router.examine()
        assert ("openai/gpt-image-2", "problem") in told(found)


async def test_another_end_than_the_catalogue_knows(opened: Examined) -> None:
    async with opened(models(("gpt-image-2", "2027-03-01"), ALL[1])) as (router, _):
        (found,) = [each for each in await router.examine() if each.status == "problem"]
        assert found.said == "the vendor ends it on 2027-03-01; the catalogue says nothing of it"


async def test_models_that_the_catalogue_does_not_know(opened: Examined) -> None:
    async with opened(models(*ALL, ("gpt-image-9", None), ("gpt-9", None))) as (router, _):
        (found,) = [each for each in await router.examine() if "also has" in each.said]
        assert (found.status, found.said) == ("note", "the vendor also has gpt-image-9")


async def test_a_key_that_is_not_set(opened: Examined) -> None:
    async with opened(models(*ALL), keys={}) as (router, vendor):
        (found,) = await router.examine()
        assert found.status == "unset"
        assert found.said == "none is set of environment variable FIRST, environment variable SECOND"
        assert vendor.received == []


async def test_a_vendor_without_such_a_call(opened: Examined) -> None:
    row = "{{provider: bfl, base_url: '{}', key: {{env: FIRST}}}}"
    async with opened(row=row) as (router, vendor):
        (found,) = [each for each in await router.examine() if each.name == "bfl"]
        assert (found.status, vendor.received) == ("unchecked", [])
        assert "easel probe" in found.said


async def test_a_server_of_ones_own_needs_no_key(opened: Examined) -> None:
    row = "{{provider: openai_compatible, name: gpu, base_url: '{}', models: [my-model]}}"
    async with opened(models(("my-model", None)), row=row, keys={}) as (router, vendor):
        (found,) = await router.examine()
        assert (found.name, found.status, found.said) == ("gpu", "ok", "it answers")
        assert "authorization" not in vendor.received[0].headers


# What was seen when a deployment was tried


async def test_what_was_seen_is_told(opened: Examined) -> None:
    day = date(2026, 11, 20)
    works = Proven(works=True, outcome="done", as_of=day, costs_usd={"generate low": None, "generate high": "0.1"})  # pyright: ignore[reportArgumentType] (as it is read)
    fails = Proven(works=False, outcome="permission_denied", as_of=day)
    async with opened(models(*ALL)) as (router, _):
        found = await router.examine({"openai/gpt-image-2": works, "openai/gpt-image-1.5": fails})
        said = {each.said for each in found}
        assert "it painted on 2026-11-20; generate high cost $0.1" in said
        assert "it did not paint when it was tried on 2026-11-20: permission_denied" in said


def test_what_was_seen_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "account" / "probes.yaml"
    assert read(path) == {}
    first = Proven(works=True, outcome="done", as_of=date(2026, 11, 20), sizes={"1x1": "1x1"}, costs_usd={"a": "0.10"})  # pyright: ignore[reportArgumentType] (as it is read)
    note(path, "openai/b", first)
    note(path, "openai/a", first)
    note(path, "openai/b", Proven(works=False, outcome="refused", as_of=date(2026, 11, 21), sizes={"2x2": "3x3"}))
    found = read(path)
    assert list(found) == ["openai/a", "openai/b"]
    assert found["openai/a"] == first
    assert str(found["openai/a"].costs_usd["a"]) == "0.10"
    assert (found["openai/b"].works, found["openai/b"].sizes) == (False, {"1x1": "1x1", "2x2": "3x3"})
    assert list(path.parent.iterdir()) == [path]
