"""The Seedream twin over a real socket."""

from __future__ import annotations

import base64
import json
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from easel.simulator import server

from .calling import Reply, call, changed_box, data_url, gradient, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"authorization": "Bearer sim-1"}
NEWEST, PRO, LITE = "dola-seedream-5-5-261028", "dola-seedream-5-0-pro-260628", "seedream-5-0-260128"
V4, V45, V3 = "seedream-4-0-250828", "seedream-4-5-251128", "seedream-3-0-t2i-250415"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def post(simulator: server.Simulator, model: str = V4, /, headers: Any = KEY, **body: object) -> Reply:
    given = {"model": model, "prompt": "a red bicycle", "size": "1K", "response_format": "b64_json"} | body
    return post_json(f"{simulator.base_url}/seedream/api/v3/images/generations", given, headers)


def pictures(reply: Reply) -> list[Image.Image]:
    assert reply.status == 200, reply.content
    return [Image.open(BytesIO(base64.b64decode(item["b64_json"]))) for item in reply.json()["data"]]


def test_an_answer_has_its_size_and_usage(simulator: server.Simulator) -> None:
    reply = post(simulator)

    (picture,) = pictures(reply)
    assert (picture.format, picture.size) == ("JPEG", (1024, 1024))
    assert reply.json()["data"][0]["size"] == "1024x1024"
    assert reply.json()["usage"] == {"generated_images": 1, "output_tokens": 4096, "total_tokens": 4096}
    assert "output_format" not in reply.json()["data"][0]


def test_links_live_a_day(simulator: server.Simulator) -> None:
    link = post(simulator, response_format="url").json()["data"][0]["url"]

    assert call(link).picture().size == (1024, 1024)
    assert b"Request has expired." in call(link, headers={"x-simulate-date": "2026-11-25"}).content


@pytest.mark.parametrize(
    ("model", "body", "size"),
    [
        (V4, {"size": "1k"}, (1024, 1024)),
        (V4, {"prompt": "a wide valley"}, (1360, 768)),
        (V4, {"prompt": "a poster"}, (880, 1168)),
        (V4, {"size": "1280x720"}, (1280, 720)),
        (NEWEST, {"size": None}, (2048, 2048)),
        (NEWEST, {"size": "1.5K"}, (1536, 1536)),
        (LITE, {"size": "1920x1920"}, (1920, 1920)),
        (V3, {"size": "512x2048"}, (512, 2048)),
    ],
)
def test_sizes(simulator: server.Simulator, model: str, body: dict[str, object], size: tuple[int, int]) -> None:
    assert pictures(post(simulator, model, **body))[0].size == size


@pytest.mark.parametrize(
    ("model", "size", "words"),
    [
        (V45, "1K", "the specified size is not supported"),
        (NEWEST, "4K", "the specified size is not supported"),
        (LITE, "1024x1024", "image size must be at least 3686400 pixels"),
        (PRO, "4096x4096", "image size must be at most 4624220 pixels"),
        (V4, "adaptive", "size must be one of 'WIDTHxHEIGHT', '1k', '2k', '4k'"),
        (V4, "6000x300", "expected the aspect ratio to be between"),
    ],
)
def test_sizes_refused(simulator: server.Simulator, model: str, size: str, words: str) -> None:
    error = post(simulator, model, size=size).json()["error"]

    assert (error["code"], error["param"]) == ("InvalidParameter", "size")
    assert words in error["message"]
    assert "Request id: " in error["message"]


def test_transparency_is_real(simulator: server.Simulator) -> None:
    reply = post(simulator, NEWEST, background="transparent")

    (picture,) = pictures(reply)
    assert (picture.format, picture.mode) == ("PNG", "RGBA")
    assert picture.getchannel("A").getpixel((0, 0)) == 0
    assert reply.json()["data"][0]["background"] == "transparent"
    assert reply.json()["data"][0]["output_format"] == "png"


def test_formats(simulator: server.Simulator) -> None:
    assert pictures(post(simulator, NEWEST))[0].format == "PNG"
    assert pictures(post(simulator, NEWEST, output_format="jpeg"))[0].format == "JPEG"
    assert pictures(post(simulator, PRO))[0].format == "JPEG"
    assert post(simulator, NEWEST, output_format="jpeg", background="transparent").status == 400


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (V4, {"output_format": "png"}),
        (LITE, {"size": "2K", "background": "transparent"}),
        (V4, {"layer_decomposition": True, "image": data_url(gradient(64, 64))}),
        (NEWEST, {"sequential_image_generation": "auto"}),
        (V4, {"tools": [{"type": "web_search"}]}),
        (V4, {"seed": 7}),
        (V3, {"size": "512x512", "image": data_url(gradient(64, 64))}),
    ],
)
def test_what_a_model_does_not_know(simulator: server.Simulator, model: str, body: dict[str, object]) -> None:
    error = post(simulator, model, **body).json()["error"]

    assert "is not supported by the current model" in error["message"]


def test_an_edit_takes_the_ratio_of_its_first_picture(simulator: server.Simulator) -> None:
    link = post(simulator, response_format="url").json()["data"][0]["url"]
    reply = post(simulator, image=[data_url(gradient(400, 200)), link])

    assert pictures(reply)[0].size == (1440, 720)
    assert reply.json()["usage"]["input_images"] == 2


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("https://example.com/a.png", "InvalidImageURL"),
        (data_url(gradient(64, 64)).replace("png", "PNG", 1), "InvalidParameter"),
        (data_url(gradient(64, 14)), "InvalidParameter"),
        (data_url(gradient(680, 40)), "InvalidParameter"),
        ([data_url(gradient(64, 64))] * 15, "InvalidParameter"),
        ("data:image/png;base64,AAAA", "InvalidParameter"),
        (7, "InvalidParameter"),
    ],
)
def test_pictures_refused(simulator: server.Simulator, image: object, code: str) -> None:
    reply = post(simulator, image=image)

    assert (reply.status, reply.json()["error"]["code"]) == (400, code)


def test_a_series(simulator: server.Simulator) -> None:
    options = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    reply = post(simulator, **options)

    assert len(pictures(reply)) == 2
    assert reply.json()["usage"]["generated_images"] == 2
    too_many = {"sequential_image_generation_options": {"max_images": 15}, "image": data_url(gradient(64, 64))}
    assert post(simulator, **(options | too_many)).json()["error"]["param"].endswith("max_images")


def test_a_series_may_fail_in_part_or_as_a_whole(simulator: server.Simulator) -> None:
    options = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    part = post(simulator, prompt="forbidden-one", **options).json()
    whole = post(simulator, prompt="forbidden-output", **options)

    assert part["data"][0]["error"]["code"] == "OutputImageSensitiveContentDetected"
    assert part["data"][1]["b64_json"]
    assert part["usage"]["generated_images"] == 1
    assert whole.status == 200
    assert set(whole.json()) == {"model", "created", "error"}


def test_a_stream(simulator: server.Simulator) -> None:
    options = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    reply = post(simulator, prompt="forbidden-one", stream=True, **options)

    assert reply.headers["content-type"] == "text/event-stream"
    *frames, end, _ = reply.content.decode().split("\n\n")
    events = [json.loads(frame.partition("data: ")[2]) for frame in frames]
    assert [event["type"].removeprefix("image_generation.") for event in events] == [
        "partial_failed",
        "partial_succeeded",
        "completed",
    ]
    assert [event.get("image_index") for event in events] == [0, 1, None]
    assert events[2]["usage"]["generated_images"] == 1
    assert end == "data: [DONE]"


def test_layers(simulator: server.Simulator) -> None:
    image = data_url(gradient(64, 64))
    reply = post(simulator, NEWEST, layer_decomposition=True, image=image)

    layers = pictures(reply)
    assert [layer.mode for layer in layers] == ["RGB", "RGBA", "RGBA"]
    base, subject, _ = reply.json()["data"]
    assert (base["z_index"], "bounding_box" in base, subject["z_index"], subject["name"]) == (0, False, 1, "subject")
    assert subject["bounding_box"]["absolute"] == [0, 0, *layers[1].size]
    assert subject["bounding_box"]["normalized"] == [0, 0, 1000, 1000]
    assert post(simulator, NEWEST, layer_decomposition=True).status == 400
    both = post(simulator, NEWEST, layer_decomposition=True, image=image, background="opaque")
    assert both.json()["error"]["param"] == "background"


def test_the_watermark_is_in_the_corner_unless_refused(simulator: server.Simulator) -> None:
    (marked,) = pictures(post(simulator, V3, size="512x512", seed=7))
    (plain,) = pictures(post(simulator, V3, size="512x512", seed=7, watermark=False))
    (again,) = pictures(post(simulator, V3, size="512x512", seed=7, watermark=False))

    box = changed_box(plain, marked)
    assert box is not None
    assert box[2] > 480
    assert changed_box(plain, again) is None


def test_a_search_is_counted(simulator: server.Simulator) -> None:
    reply = post(simulator, LITE, size="2K", tools=[{"type": "web_search"}])

    assert reply.json()["usage"]["tool_usage"] == {"web_search": 1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"prompt": "forbidden-prompt"}, "InputTextSensitiveContentDetected"),
        ({"prompt": "forbidden-image", "image": data_url(gradient(64, 64))}, "InputImageSensitiveContentDetected"),
        ({"prompt": "forbidden-output"}, "OutputImageSensitiveContentDetected"),
        ({"prompt": None}, "MissingParameter"),
        ({"response_format": "png"}, "InvalidParameter"),
        ({"optimize_prompt_options": {"mode": "slow"}}, "InvalidParameter"),
    ],
)
def test_refusals(simulator: server.Simulator, body: dict[str, object], code: str) -> None:
    reply = post(simulator, **body)

    assert (reply.status, reply.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("model", "headers", "status", "code"),
    [
        (V4, {}, 401, "AuthenticationError"),
        (V4, {"authorization": "Bearer sim-no-credits"}, 403, "AccountOverdueError"),
        (V4, {"authorization": "Bearer sim-not-open"}, 404, "ModelNotOpen"),
        ("doubao-seedream-4-0-250828", KEY, 404, "InvalidEndpointOrModel.NotFound"),
        (NEWEST, KEY | {"x-simulate-date": "2026-11-11"}, 404, "InvalidEndpointOrModel.NotFound"),
        (V4, KEY | {"x-simulate-fault": "bad_key"}, 401, "AuthenticationError"),
        (V4, KEY | {"x-simulate-fault": "quota"}, 403, "AccountOverdueError"),
        (V4, KEY | {"x-simulate-fault": "rate_limit"}, 429, "ModelAccountIpmRateLimitExceeded"),
        (V4, KEY | {"x-simulate-fault": "unavailable"}, 429, "ServerOverloaded"),
        (V4, KEY | {"x-simulate-fault": "server_error"}, 500, "InternalServiceError"),
    ],
)
def test_keys_models_and_faults(
    simulator: server.Simulator, model: str, headers: dict[str, str], status: int, code: str
) -> None:
    reply = post(simulator, model, headers=headers)

    assert (reply.status, reply.json()["error"]["code"]) == (status, code)


def test_a_bill_can_be_doubled(simulator: server.Simulator) -> None:
    reply = post(simulator, headers=KEY | {"x-simulate-fault": "duplicate_bill"})

    assert reply.json()["usage"]["generated_images"] == 2
