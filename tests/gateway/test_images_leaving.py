"""Clients that leave, configurations that change, and what is told of a call at its end."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from openai import AuthenticationError, OpenAI

from easel.router.gateway.images import Served as Told
from easel.router.gateway.keys import Keys

from .conftest import Opening, Served
from .raw import generate, head, read, until

GENERATIONS = "/v1/images/generations"
GPT = "openai/gpt-image-2"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_call_to_the_vendor(gateway: Served, stream: bool) -> None:
    gateway.simulator.faults.add("openai=hang:1")
    told: list[Told] = []
    gateway.app.observers.append(told.append)
    fields = {"prompt": "a red kite", "model": GPT, "stream": stream, "easel": {"request_id": "left-1"}}
    body = json.dumps(fields).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(head(GENERATIONS, len(body), b"application/json") + body)
        until(lambda: bool(gateway.sent()))
    until(lambda: bool(told))
    (attempt,) = asyncio.run(gateway.app.router.ledger.attempts("left-1"))
    assert (attempt.outcome, attempt.billed, attempt.error) == ("unknown", None, "cancelled by the caller")
    row = asyncio.run(gateway.app.router.ledger.request("left-1"))
    assert row is not None
    assert row.outcome == "cancelled"
    assert [each.status for each in told] == [0]
    assert generate(gateway.port, model=GPT, prompt="a red kite", quality="low").status == 200


def test_what_watches_is_told_once_and_cannot_do_harm(gateway: Served) -> None:
    told: list[Told] = []

    def broken(served: Told) -> None:
        raise RuntimeError(served.request_id)

    gateway.app.observers += [broken, told.append]
    answer = generate(gateway.port, model=GPT, prompt="a red kite", quality="low")
    generate(gateway.port, prompt="")
    until(lambda: len(told) == 2)
    assert [each.status for each in told] == [200, 400]
    assert told[0].bytes_out == len(answer.body)
    assert told[0].request_id == answer.headers["x-request-id"]
    assert told[0].response is not None
    assert told[1].error is not None


def test_a_new_configuration_takes_over_while_the_old_one_finishes(opening: Opening, tmp_path: Path) -> None:
    config = tmp_path / "easel.yaml"
    config.write_text("version: 1\nroutes: [{name: house, prefer: [openai/gpt-image-2]}]\n")
    with opening(config=config, latency_seconds=0.3) as gateway:
        body = json.dumps({"prompt": "a red kite", "model": "house", "quality": "low"}).encode()
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
            client.sendall(head(GENERATIONS, len(body), b"application/json") + body)
            until(lambda: bool(gateway.sent()))
            config.write_text("version: 1\nroutes: [{name: house, prefer: [bfl/flux-2-pro]}]\n")
            asyncio.run(gateway.app.reload())
            gateway.simulator.latency_seconds = 0
            new = generate(gateway.port, prompt="a red kite", model="house")
            assert new.headers["x-easel-deployment"] == "bfl/flux-2-pro"
            assert read(client).headers["x-easel-deployment"] == GPT


PAIR = """
version: 1
routes: [{name: pair, prefer: [openai/gpt-image-2, bfl/flux-2-pro]}]
policy: {retries: {attempts: 1}, cooldown: {failures: 1, seconds: 300}}
"""
ANOTHER_WAY = PAIR + "deployments: [{provider: openai, key: {env: K}, models: {gpt-image-2: gpt-image-2-2026-04-21}}]"


def test_who_is_set_aside_stays_so_when_the_configuration_changes(opening: Opening, tmp_path: Path) -> None:
    config = tmp_path / "easel.yaml"
    config.write_text(PAIR)
    with opening(config=config, faults=["openai=down"]) as gateway:

        def twins_asked() -> set[str]:
            gateway.simulator.received.clear()
            assert generate(gateway.port, prompt="a red kite", model="pair").status == 200
            return {each.twin for each in gateway.sent()}

        assert twins_asked() == {"openai", "bfl"}
        gateway.simulator.faults.clear()
        config.write_text(PAIR.replace("name: pair", "name: pair, on_refusal: fall_back"))
        asyncio.run(gateway.app.reload())
        assert list(gateway.app.router.cooldowns()) == [GPT]
        assert twins_asked() == {"bfl"}
        config.write_text(ANOTHER_WAY.replace(", bfl/flux-2-pro", ""))
        asyncio.run(gateway.app.reload())
        assert gateway.app.router.cooldowns() == {}
        assert twins_asked() == {"openai"}


def test_a_key_is_asked_for(opening: Opening, no_retries: Path, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json", environment={"EASEL_KEY_PEPPER": "p" * 64})
    made = keys.create("shop")
    with opening(config=no_retries, keys=keys) as gateway:
        for key in ("", "sk-wrong"):
            with OpenAI(base_url=gateway.base_url, api_key=key or "x", max_retries=0) as client:
                with pytest.raises(AuthenticationError) as refused:
                    client.images.generate(model=GPT, prompt="a red kite")
                assert refused.value.code == "invalid_api_key"
                assert "sk-wrong" not in refused.value.message
        with OpenAI(base_url=gateway.base_url, api_key=made.secret, max_retries=0) as client:
            raw = client.images.with_raw_response.generate(model=GPT, prompt="a red kite", quality="low")
        row = asyncio.run(gateway.app.router.ledger.request(raw.headers["x-easel-request-id"]))
        assert row is not None
        assert (row.caller, row.key_id) == ("shop", made.key.id)
