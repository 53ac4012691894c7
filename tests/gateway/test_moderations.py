"""POST /v1/moderations: handed on to OpenAI, with every configured account as a fallback."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import openai
import pytest

from easel.providers.base.clock import DateClock
from easel.router import Router
from easel.router.gateway.app import create
from easel.simulator.server import Simulator, running

from .conftest import TODAY, Served, listening

TWO = """
version: 1
deployments:
  - {{provider: openai, name: first, key: {{env: FIRST_KEY}}, base_url: "{url}/openai/v1"}}
  - {{provider: openai, name: second, key: {{env: SECOND_KEY}}, base_url: "{url}/openai/v1"}}
  - {{provider: google, key: {{env: GEMINI_API_KEY}}}}
routes: [{{name: any, prefer: [first/gpt-image-2, second/gpt-image-2]}}]
"""

GOOGLE = """
version: 1
deployments: [{{provider: google, key: {{env: GEMINI_API_KEY}}}}]
routes: [{{name: any, prefer: [google/gemini-3-pro-image]}}]
"""


def door(simulator: Simulator, folder: Path, keys: Mapping[str, str], config: str = TWO) -> Router:
    file = folder / "easel.yaml"
    file.write_text(config.format(url=simulator.base_url))
    return Router(file, clock=DateClock(TODAY), environment=keys)


def test_words_are_judged(gateway: Served) -> None:
    with openai.OpenAI(base_url=gateway.base_url, api_key=gateway.key) as client:
        calm = client.moderations.create(input="a red kite over dunes")
        assert [each.flagged for each in calm.results] == [False]
        both = client.moderations.create(
            model="omni-moderation-latest",
            input=[
                {"type": "text", "text": "forbidden-prompt"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        )
        assert both.model.startswith("omni-moderation")
        assert both.results[0].flagged
        assert both.results[0].categories.violence


def test_what_the_vendor_finds_wrong_is_the_callers(gateway: Served) -> None:
    with openai.OpenAI(base_url=gateway.base_url, api_key=gateway.key) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.moderations.create(input=[])
        assert (caught.value.param, caught.value.code) == ("input", "empty_array")
    assert len(gateway.sent()) == 1


def test_a_model_that_the_vendor_does_not_know_is_the_callers(gateway: Served) -> None:
    client = openai.OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0)
    with client, pytest.raises(openai.APIStatusError) as caught:
        client.moderations.create(input="a kite", model="no-such-model")
    assert 400 <= caught.value.status_code < 500
    assert "no-such-model" in str(caught.value)


def test_the_next_account_is_asked(tmp_path: Path) -> None:
    keys = {"FIRST_KEY": "no-such-key-1", "SECOND_KEY": "sim-second"}
    with running(today=TODAY) as simulator:
        app = create(lambda: door(simulator, tmp_path, keys))
        with listening(app) as port:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/moderations", json={"input": "a kite"})
    assert answer.status_code == 200
    assert answer.headers["x-easel-deployment"] == "second"
    assert [each.headers["authorization"] for each in simulator.received] == [
        "Bearer no-such-key-1",
        "Bearer sim-second",
    ]


def test_when_all_fail(tmp_path: Path) -> None:
    keys = {"FIRST_KEY": "no-such-key-1", "SECOND_KEY": "no-such-key-2"}
    with running(today=TODAY) as simulator:
        app = create(lambda: door(simulator, tmp_path, keys))
        with listening(app) as port:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/moderations", json={"input": "a kite"})
    assert answer.status_code == 502
    error = answer.json()["error"]
    assert error["code"] == "upstream_authentication_failed"
    assert "no-such-key" not in error["message"]


def test_when_they_are_overloaded(tmp_path: Path) -> None:
    keys = {"FIRST_KEY": "sim-first", "SECOND_KEY": "sim-second"}
    with running(today=TODAY, faults=["openai=rate_limit"]) as simulator:
        app = create(lambda: door(simulator, tmp_path, keys))
        with (
            listening(app) as port,
            openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0) as client,
        ):
            with pytest.raises(openai.RateLimitError) as caught:
                client.moderations.create(input="a kite")
            assert caught.value.response.headers["retry-after"] == "1"


def test_one_account_is_asked_once(gateway: Served) -> None:
    """The configuration that ships has one deployment for each of OpenAI's models, all with the same key."""
    gateway.simulator.faults.add("openai=server_error")
    answer = httpx.post(f"{gateway.base_url}/moderations", json={"input": "a kite"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unavailable")
    assert len(gateway.sent()) == 1


@pytest.mark.parametrize(
    ("config", "status", "code"),
    [
        (TWO, 503, "no_deployment_ready"),
        (GOOGLE, 400, "no_model_can"),
    ],
)
def test_when_there_is_nobody_to_ask(tmp_path: Path, config: str, status: int, code: str) -> None:
    with running(today=TODAY) as simulator:
        app = create(lambda: door(simulator, tmp_path, {}, config))
        with listening(app) as port:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/moderations", json={"input": "a kite"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "no deployment of openai is ready" in answer.json()["error"]["message"]
