"""The Together twin over a real socket: pictures by address and in base64, references, refusals, models."""

from __future__ import annotations

import base64
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from easel.simulator import server, together

from .calling import NONE, Reply, call, changed_box, data_url, gradient, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sim-1"}
TURBO = "Tongyi-MAI/Z-Image-Turbo"
FLUX_2 = "black-forest-labs/FLUX.2-pro"
SMALL = {"prompt": "a hill", "width": 256, "height": 320}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def generate(simulator: server.Simulator, model: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    body = {"model": model, **SMALL, **fields}
    return post_json(f"{simulator.base_url}/together/v1/images/generations", body, KEY | dict(headers))


def made(simulator: server.Simulator, model: str, /, **fields: object) -> Image.Image:
    reply = generate(simulator, model, response_format="base64", **fields)
    assert reply.status == 200, reply.json()
    return Image.open(BytesIO(base64.b64decode(reply.json()["data"][0]["b64_json"])))


def test_a_picture_comes_by_address(simulator: server.Simulator) -> None:
    answer = generate(simulator, TURBO).json()

    assert (answer["model"], answer["object"], set(answer)) == (TURBO, "list", {"id", "model", "object", "data"})
    assert (answer["data"][0]["index"], answer["data"][0]["type"]) == (0, "url")
    picture = call(answer["data"][0]["url"]).picture()
    assert (picture.format, picture.size) == ("JPEG", (256, 320))
    assert call(answer["data"][0]["url"], headers={"x-simulate-date": "2026-11-24"}).status == 404


def test_a_picture_comes_in_base64(simulator: server.Simulator) -> None:
    answer = generate(simulator, TURBO, response_format="base64", output_format="png", n=2).json()

    assert [set(item) for item in answer["data"]] == [{"index", "type", "b64_json"}] * 2
    assert answer["data"][0]["b64_json"] != answer["data"][1]["b64_json"]
    assert made(simulator, TURBO, output_format="png").format == "PNG"


def test_the_default_size(simulator: server.Simulator) -> None:
    assert made(simulator, TURBO, width=None, height=None).size == (1024, 1024)


def test_a_seed_repeats_the_pictures(simulator: server.Simulator) -> None:
    pictures = [made(simulator, TURBO, seed=seed).tobytes() for seed in (3, 3, 4)]

    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize(
    ("model", "field"),
    [(FLUX_2, "reference_images"), ("black-forest-labs/FLUX.1-kontext-pro", "image_url")],
)
def test_a_reference_changes_the_whole_picture(simulator: server.Simulator, model: str, field: str) -> None:
    source = gradient(256, 320)
    url = data_url(source)

    picture = made(simulator, model, output_format="png", **{field: [url, url] if field != "image_url" else url})
    assert changed_box(source, picture) == (0, 0, 256, 320)


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        (TURBO, {"prompt": None}, "prompt"),
        (TURBO, {"n": 5}, "n"),
        (TURBO, {"width": 32}, "width"),
        (TURBO, {"height": "a"}, "height"),
        (TURBO, {"response_format": "b64_json"}, "response_format"),
        (TURBO, {"output_format": "webp"}, "output_format"),
        (TURBO, {"reference_images": ["data:,"]}, "reference_images"),
        (FLUX_2, {"image_url": "data:,"}, "image_url"),
        (FLUX_2, {"reference_images": ["data:image/png;base64,AAAA"]}, "reference_images"),
        (FLUX_2, {"reference_images": ["https://example.com/a.png"]}, "reference_images"),
    ],
)
def test_what_cannot_be_taken(simulator: server.Simulator, model: str, fields: dict[str, object], param: str) -> None:
    reply = generate(simulator, model, **fields)

    assert reply.status == 400
    error = reply.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert set(error) == {"message", "type", "param", "code"}


def test_refusals(simulator: server.Simulator) -> None:
    for prompt in ("forbidden-prompt", "forbidden-output"):
        reply = generate(simulator, TURBO, prompt=prompt)
        assert reply.status == 422
        assert "NSFW" in reply.json()["error"]["message"]
        assert generate(simulator, TURBO, prompt=prompt, disable_safety_checker=True).status == 200
    for fault in ("moderation_prompt", "moderation_output"):
        assert generate(simulator, TURBO, {"x-simulate-fault": fault}).status == 422


@pytest.mark.parametrize(("key", "status"), [("", 401), ("Bearer nonsense", 401), ("Bearer sim-no-credits", 402)])
def test_keys(simulator: server.Simulator, key: str, status: int) -> None:
    assert generate(simulator, TURBO, {"authorization": key}).status == status


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limit", 429), ("quota", 402), ("bad_key", 401), ("server_error", 500), ("unavailable", 503)],
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    reply = generate(simulator, TURBO, {"x-simulate-fault": fault})

    assert (reply.status, set(reply.json())) == (status, {"error"})


def test_a_picture_can_be_cut(simulator: server.Simulator) -> None:
    fault = {"x-simulate-fault": "truncated_base64"}
    url = generate(simulator, TURBO, fault).json()["data"][0]["url"]

    with pytest.raises(OSError, match="truncated"):
        call(url).picture().load()
    text = generate(simulator, TURBO, fault, response_format="base64").json()["data"][0]["b64_json"]
    assert len(text) % 4 == 1


def test_models_and_what_does_not_exist(simulator: server.Simulator) -> None:
    models = call(f"{simulator.base_url}/together/v1/models", headers=KEY).json()

    assert [model["id"] for model in models] == list(together.MODELS)
    assert {model["type"] for model in models} == {"image"}
    reply = generate(simulator, "nobody/nothing")
    assert (reply.status, reply.json()["error"]["code"]) == (404, "model_not_available")
    assert generate(simulator, "openai/gpt-image-1.5").status == 200
    assert generate(simulator, "openai/gpt-image-1.5", {"x-simulate-date": "2026-12-01"}).status == 404
    assert call(f"{simulator.base_url}/together/v1/nothing", headers=KEY).status == 404
