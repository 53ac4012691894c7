"""The OpenRouter twin over a real socket: pictures with their cost, streams, routing, refusals, models and prices."""

from __future__ import annotations

import base64
import json
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from easel.simulator import openrouter, server

from .calling import NONE, Reply, call, changed_box, data_url, gradient, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sk-or-sim1"}
FLUX = "black-forest-labs/flux.2-pro"
GPT = "openai/gpt-image-2"
SEEDREAM = "bytedance-seed/seedream-4.5"
SMALL = {"prompt": "a hill", "size": "256x320"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def api(simulator: server.Simulator, path: str) -> str:
    return f"{simulator.base_url}/openrouter/api/v1/{path}"


def generate(simulator: server.Simulator, model: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    return post_json(api(simulator, "images"), {"model": model, **fields}, KEY | dict(headers))


def picture(item: Mapping[str, Any]) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(item["b64_json"])))


def made(simulator: server.Simulator, model: str, /, **fields: object) -> Image.Image:
    reply = generate(simulator, model, **fields)
    assert reply.status == 200, reply.json()
    return picture(reply.json()["data"][0])


def reference(image: Image.Image) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": data_url(image)}}


def test_pictures_come_in_base64_with_their_cost(simulator: server.Simulator) -> None:
    reply = generate(simulator, SEEDREAM, n=2, seed=3, **SMALL)
    answer = reply.json()

    assert (reply.status, set(answer)) == (200, {"created", "data", "usage"})
    assert [item["media_type"] for item in answer["data"]] == ["image/jpeg"] * 2
    assert picture(answer["data"][0]).size == (256, 320)
    assert answer["data"][0] != answer["data"][1]
    assert (answer["usage"]["cost"], answer["usage"]["completion_tokens"]) == (0.1, 0)
    assert reply.headers["x-generation-id"]


def test_the_example_of_the_documents(simulator: server.Simulator) -> None:
    """gpt-image-2, high, 16:9: 1536x864 for about $0.13."""
    answer = generate(simulator, GPT, prompt="a storefront", quality="high", aspect_ratio="16:9").json()

    assert picture(answer["data"][0]).size == (1536, 864)
    assert answer["usage"]["cost"] == pytest.approx(0.13, abs=0.005)
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    ("model", "fields", "size", "cost"),
    [
        (FLUX, {}, (1024, 1024), 0.015),
        (FLUX, {"resolution": "2K", "aspect_ratio": "2:1"}, (2896, 1456), 0.075),
        (FLUX, {"size": "4K"}, (2048, 2048), 0.06),
        (SEEDREAM, {"size": "2K", "aspect_ratio": "1:1"}, (2048, 2048), 0.05),
        ("google/gemini-3.1-flash-image", {"resolution": "512"}, (512, 512), 0.045),
    ],
)
def test_sizes_and_prices(
    simulator: server.Simulator, model: str, fields: dict[str, object], size: tuple[int, int], cost: float
) -> None:
    answer = generate(simulator, model, prompt="a", **fields).json()

    assert picture(answer["data"][0]).size == size
    assert answer["usage"]["cost"] == cost


def test_references_are_used_and_paid_for(simulator: server.Simulator) -> None:
    source = gradient(256, 320)
    answer = generate(simulator, FLUX, input_references=[reference(source)] * 2, output_format="png", **SMALL).json()

    assert changed_box(source, picture(answer["data"][0])) == (0, 0, 256, 320)
    assert answer["usage"]["cost"] == 0.045


def test_transparency_and_svg(simulator: server.Simulator) -> None:
    badge = made(simulator, GPT, prompt="a badge", background="transparent", quality="low")
    assert badge.getchannel("A").getextrema() == (0, 255)
    item = generate(simulator, "recraft/recraft-v4-svg", prompt="a hill").json()["data"][0]
    assert (item["media_type"], base64.b64decode(item["b64_json"])[:4]) == ("image/svg+xml", b"<svg")


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    pictures = [made(simulator, FLUX, seed=seed, **SMALL).tobytes() for seed in (3, 3, 4)]

    assert pictures[0] == pictures[1] != pictures[2]


def test_a_stream_ends_with_the_picture_and_its_cost(simulator: server.Simulator) -> None:
    reply = generate(simulator, GPT, stream=True, quality="low", **SMALL)
    *events, done = [part.removeprefix("data: ") for part in reply.content.decode().strip().split("\n\n")]
    partial, completed = (json.loads(event) for event in events)

    assert (reply.headers["content-type"], done) == ("text/event-stream", "[DONE]")
    assert (partial["type"], partial["partial_image_index"]) == ("image_generation.partial_image", 0)
    assert completed["type"] == "image_generation.completed"
    assert picture(completed).size == (256, 320)
    assert completed["usage"]["cost"] > 0
    failed = generate(simulator, GPT, stream=True, prompt="stream-error", size="256x320").content.decode()
    assert '"type": "error"' in failed
    assert failed.endswith("data: [DONE]\n\n")


def test_who_cannot_stream_answers_at_once(simulator: server.Simulator) -> None:
    assert len(generate(simulator, FLUX, stream=True, **SMALL).json()["data"]) == 1


@pytest.mark.parametrize(
    ("model", "fields", "text"),
    [
        (FLUX, {"prompt": None}, "prompt"),
        (FLUX, {"n": 2}, "n:"),
        (GPT, {"n": 11}, "n:"),
        (FLUX, {"resolution": "8K"}, "resolution"),
        (FLUX, {"aspect_ratio": "6:1"}, "aspect_ratio"),
        (FLUX, {"size": "big"}, "size"),
        (FLUX, {"size": "2K", "resolution": "1K"}, "size: conflicts"),
        (FLUX, {"size": "2048x2048", "resolution": "1K"}, "size: conflicts"),
        (FLUX, {"size": "2048x2048", "aspect_ratio": "16:9"}, "size: conflicts"),
        (FLUX, {"quality": "best"}, "quality"),
        (FLUX, {"output_format": "svg"}, "output_format"),
        (FLUX, {"background": "transparent"}, "background"),
        (GPT, {"background": "transparent", "output_format": "jpeg"}, "background"),
        (FLUX, {"input_references": ["x"]}, "input_references"),
        (FLUX, {"input_references": [{}] * 9}, "input_references"),
        (FLUX, {"session_id": "a" * 257}, "session_id"),
        (FLUX, {"provider": {"options": {"black-forest-labs": {"magic": 1}}}}, "magic"),
    ],
)
def test_what_cannot_be_taken(simulator: server.Simulator, model: str, fields: dict[str, object], text: str) -> None:
    reply = generate(simulator, model, **{"prompt": "a"} | fields)

    assert (reply.status, reply.json()["error"]["code"]) == (400, 400)
    assert text in reply.json()["error"]["message"]


def test_routing_among_providers(simulator: server.Simulator) -> None:
    def status(**provider: object) -> int:
        return generate(simulator, FLUX, provider=provider, **SMALL).status

    assert status(only=["black-forest-labs"], order=["openai"], allow_fallbacks=False) == 200
    assert status(options={"black-forest-labs": {"steps": 40}, "openai": {"magic": 1}}) == 200
    assert status(only=["openai"]) == 404
    assert status(ignore=["black-forest-labs"]) == 404


def test_refusals(simulator: server.Simulator) -> None:
    flagged = generate(simulator, FLUX, prompt="forbidden-prompt")
    assert flagged.status == 403
    metadata = flagged.json()["error"]["metadata"]
    assert (metadata["error_type"], metadata["reasons"]) == ("content_policy_violation", ["violence"])
    refused = generate(simulator, FLUX, prompt="forbidden-output")
    assert (refused.status, refused.json()["error"]["metadata"]["error_type"]) == (400, "refusal")
    for fault, status in (("moderation_prompt", 403), ("moderation_output", 400)):
        assert generate(simulator, FLUX, {"x-simulate-fault": fault}, **SMALL).status == status


def test_what_fails_costs_nothing(simulator: server.Simulator) -> None:
    key = {"authorization": "Bearer sim-spender"}

    def usage() -> float:
        return call(api(simulator, "key"), headers=key).json()["data"]["usage"]

    assert generate(simulator, FLUX, key, prompt="too-few").status == 502
    assert usage() == 0
    assert generate(simulator, FLUX, key, **SMALL).status == 200
    assert usage() == 0.015
    assert call(api(simulator, "credits"), headers=key).json()["data"]["total_usage"] == 0.015


@pytest.mark.parametrize(("key", "status"), [("", 401), ("Bearer nonsense", 401), ("Bearer sim-no-credits", 402)])
def test_keys(simulator: server.Simulator, key: str, status: int) -> None:
    reply = generate(simulator, FLUX, {"authorization": key}, **SMALL)

    assert (reply.status, reply.json()["error"]["code"]) == (status, status)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limit", 429), ("quota", 402), ("bad_key", 401), ("server_error", 500), ("unavailable", 529)],
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    assert generate(simulator, FLUX, {"x-simulate-fault": fault}, **SMALL).json()["error"]["code"] == status


def test_a_bill_can_come_twice_and_a_picture_be_cut(simulator: server.Simulator) -> None:
    twice = generate(simulator, FLUX, {"x-simulate-fault": "duplicate_bill"}, **SMALL).json()
    assert twice["usage"]["cost"] == 0.03
    cut = generate(simulator, FLUX, {"x-simulate-fault": "truncated_base64"}, **SMALL).json()
    assert len(cut["data"][0]["b64_json"]) % 4 == 1


def test_models_tell_what_they_take_and_cost(simulator: server.Simulator) -> None:
    models = call(api(simulator, "images/models")).json()["data"]
    seedream = next(model for model in models if model["id"] == SEEDREAM)
    found = call(f"{simulator.base_url}/openrouter{seedream['endpoints']}").json()

    assert len(models) == len(openrouter.MODELS)
    assert seedream["supported_parameters"]["resolution"] == {"type": "enum", "values": ["1K", "2K", "4K"]}
    assert found["id"] == SEEDREAM
    assert found["endpoints"][0]["pricing"] == [{"billable": "output_image", "unit": "image", "cost_usd": 0.05}]
    assert call(api(simulator, "images/models/nobody/nothing/endpoints")).status == 404
    assert generate(simulator, "nobody/nothing", **SMALL).status == 404
    assert generate(simulator, f"{FLUX}:floor", **SMALL).status == 200
    assert call(api(simulator, "nothing"), headers=KEY).status == 404
