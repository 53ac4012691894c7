"""The xAI twin over a real socket, by hand and with the openai client."""

from __future__ import annotations

import base64
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import openai
import pytest
from PIL import Image

from easel.simulator import server

from .calling import Reply, call, data_url, gradient, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"authorization": "Bearer xai-sim-1"}
NEWEST = "grok-imagine-image-2.0"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def post(simulator: server.Simulator, path: str = "generations", /, headers: Any = KEY, **body: object) -> Reply:
    given = {"model": NEWEST, "prompt": "a red bicycle", "response_format": "b64_json"} | body
    return post_json(f"{simulator.base_url}/xai/v1/images/{path}", given, headers)


def pictures(reply: Reply) -> list[Image.Image]:
    assert reply.status == 200, reply.content
    return [Image.open(BytesIO(base64.b64decode(item["b64_json"]))) for item in reply.json()["data"]]


def test_the_openai_client_generates(simulator: server.Simulator) -> None:
    client = openai.OpenAI(api_key="xai-sim-1", base_url=f"{simulator.base_url}/xai/v1", max_retries=0)
    answer = client.images.generate(
        model=NEWEST, prompt="a red bicycle", n=2, extra_body={"aspect_ratio": "16:9", "resolution": "1k"}
    )

    assert answer.data is not None
    assert len(answer.data) == 2
    url = answer.data[0].url
    assert url is not None
    assert call(url).picture().size == (1360, 768)
    with pytest.raises(openai.NotFoundError, match="does not exist or your team"):
        client.images.generate(model="grok-2-image", prompt="a red bicycle")
    with pytest.raises(openai.APIStatusError) as refused:  # the client sends a form
        client.images.edit(model=NEWEST, prompt="a red bicycle", image=b"\x89PNG")
    assert refused.value.status_code == 415


def test_an_answer_says_what_it_cost(simulator: server.Simulator) -> None:
    reply = post(simulator)

    assert reply.json()["usage"] == {"cost_in_usd_ticks": 600_000_000}
    assert reply.json()["model"] == NEWEST
    assert set(reply.json()["data"][0]) == {
        "url",
        "b64_json",
        "mime_type",
        "revised_prompt",
        "respect_moderation",
        "file_output",
        "storage_error",
    }
    (picture,) = pictures(reply)
    assert (picture.format, picture.size) == ("JPEG", (1024, 1024))
    assert reply.headers["x-zero-data-retention"] == "false"
    assert "x-request-id" in reply.headers


@pytest.mark.parametrize(
    ("body", "ticks"),
    [
        ({"quality": "low"}, 400_000_000),
        ({"quality": "low", "resolution": "2k"}, 600_000_000),
        ({"resolution": "2k", "n": 2}, 1_600_000_000),
        ({"model": "grok-imagine-image"}, 200_000_000),
        ({"model": "grok-imagine-image-2026-03-02", "resolution": "2k"}, 200_000_000),
    ],
)
def test_costs(simulator: server.Simulator, body: dict[str, object], ticks: int) -> None:
    assert post(simulator, **body).json()["usage"]["cost_in_usd_ticks"] == ticks


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"aspect_ratio": "9:19.5"}, (688, 1504)),
        ({"aspect_ratio": "2:1"}, (1456, 720)),
        ({"aspect_ratio": "auto"}, (1024, 1024)),
        ({"resolution": "2k"}, (2048, 2048)),
    ],
)
def test_sizes(simulator: server.Simulator, body: dict[str, object], size: tuple[int, int]) -> None:
    assert pictures(post(simulator, **body))[0].size == size


def test_an_edit_keeps_the_ratio_of_its_one_picture(simulator: server.Simulator) -> None:
    image = {"url": data_url(gradient(400, 200)), "type": "image_url"}
    reply = post(simulator, "edits", model="grok-imagine-image", image=image, aspect_ratio="1:1")

    assert pictures(reply)[0].size == (1456, 720)
    assert reply.json()["usage"]["cost_in_usd_ticks"] == 220_000_000


def test_an_edit_of_several_pictures(simulator: server.Simulator) -> None:
    link = post(simulator, response_format="url").json()["data"][0]["url"]
    images = [{"url": data_url(gradient(400, 200))}, {"url": link}]

    assert pictures(post(simulator, "edits", images=images, aspect_ratio="3:4"))[0].size == (880, 1184)
    assert pictures(post(simulator, "edits", images=images))[0].size == (1456, 720)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "image"),
        ({"image": {"url": "x"}, "images": [{"url": "x"}]}, "image"),
        ({"images": [{"url": data_url(gradient(8, 8))}] * 4}, "images"),
        ({"image": {"url": "https://example.com/a.png"}}, "image"),
        ({"image": {"url": "data:image/png;base64,AAAA"}}, "image"),
        ({"image": {}}, "url"),
        ({"image": {"url": data_url(gradient(8, 8))}, "aspect_ratio": "auto"}, "aspect_ratio"),
    ],
)
def test_edits_refused(simulator: server.Simulator, body: dict[str, object], param: str) -> None:
    reply = post(simulator, "edits", **body)

    assert (reply.status, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 11}, "n"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 8001}, "prompt"),
        ({"aspect_ratio": "21:9"}, "aspect_ratio"),
        ({"resolution": "4k"}, "resolution"),
        ({"quality": "high"}, "quality"),
        ({"model": "grok-imagine-image", "quality": "low"}, "quality"),
        ({"response_format": "png"}, "response_format"),
        ({"storage_options": {"filename": "a.jpg", "expires_after": 60}}, "expires_after"),
    ],
)
def test_values_refused(simulator: server.Simulator, body: dict[str, object], param: str) -> None:
    reply = post(simulator, **body)

    assert (reply.status, reply.json()["error"]["param"]) == (400, param)


def test_size_is_refused_and_unknown_fields_are_ignored(simulator: server.Simulator) -> None:
    assert post(simulator, size="1024x1024").json()["error"]["message"] == "Argument not supported: size"
    assert post(simulator, seed=7, negative_prompt="rain").status == 200


def test_the_body_is_looked_at_before_the_key(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/xai/v1/images/generations"
    syntax = call(url, b"{", {"content-type": "application/json"})
    missing = call(url, b'{"model":"a"}', {"content-type": "application/json"})
    form = call(url, b"a=b", {"content-type": "application/x-www-form-urlencoded"})

    assert (syntax.status, syntax.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert missing.status == 422
    assert missing.content.endswith(b"missing field `prompt` at line 1 column 13")
    assert form.status == 415
    assert post(simulator, n="two").status == 422
    assert post(simulator, headers={}, model="none").status == 404


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("Bearer wrong-key", 400, "invalid-argument"),
        ("", 401, "unauthenticated"),
        ("Bearer xai-sim-no-credits", 403, "permission-denied"),
        ("Bearer sim-blocked", 403, "permission-denied"),
    ],
)
def test_keys(simulator: server.Simulator, key: str, status: int, code: str) -> None:
    reply = post(simulator, headers={"authorization": key})

    assert (reply.status, reply.json()["code"]) == (status, code)


def test_a_wrong_key_is_quoted_by_its_ends(simulator: server.Simulator) -> None:
    error = post(simulator, headers={"authorization": "Bearer wrong-key"}).json()["error"]

    assert error == "Incorrect API key provided: wr***ey. You can obtain an API key from https://console.x.ai."


def test_refusals(simulator: server.Simulator) -> None:
    prompt = post(simulator, prompt="forbidden-prompt")
    output = post(simulator, prompt="forbidden-output", n=2)
    one = post(simulator, prompt="forbidden-one", n=2)

    assert (prompt.status, prompt.json()["code"]) == (400, "invalid-argument")
    assert output.status == 200
    assert [(item["respect_moderation"], item["b64_json"]) for item in output.json()["data"]] == [(False, None)] * 2
    assert [item["respect_moderation"] for item in one.json()["data"]] == [False, True]
    assert one.json()["data"][1]["b64_json"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit", 429, "resource-exhausted"),
        ("quota", 403, "permission-denied"),
        ("bad_key", 400, "invalid-argument"),
        ("server_error", 500, "internal"),
        ("unavailable", 503, "unavailable"),
    ],
)
def test_faults(simulator: server.Simulator, fault: str, status: int, code: str) -> None:
    reply = post(simulator, headers=KEY | {"x-simulate-fault": fault})

    assert (reply.status, reply.json()["code"]) == (status, code)


def test_a_bill_can_be_doubled(simulator: server.Simulator) -> None:
    reply = post(simulator, headers=KEY | {"x-simulate-fault": "duplicate_bill"})

    assert reply.json()["usage"]["cost_in_usd_ticks"] == 1_200_000_000


def test_links_need_no_key_and_expire(simulator: server.Simulator) -> None:
    link = post(simulator, response_format="url").json()["data"][0]["url"]

    assert call(link).picture().format == "JPEG"
    assert call(link, headers={"x-simulate-date": "2026-11-24"}).status == 403
    assert call(link + "x").status == 403


def test_models_live_and_end(simulator: server.Simulator) -> None:
    def quality(model: str, day: str) -> Reply:
        return post(simulator, headers=KEY | {"x-simulate-date": day}, model=model)

    assert quality("grok-imagine-image-quality", "2026-11-01").status == 200
    assert quality("grok-imagine-image-pro", "2026-11-01").json()["model"] == "grok-imagine-image-quality"
    ended = quality("grok-imagine-image-quality", "2026-11-02")
    assert (ended.status, ended.json()["error"]["code"]) == (404, "model_unavailable")
    assert quality(NEWEST, "2026-07-31").status == 404


def test_the_models_are_listed(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/xai/v1/image-generation-models"
    listed = call(url, headers=KEY).json()["models"]

    assert [model["id"] for model in listed] == [NEWEST, "grok-imagine-image"]
    assert call(f"{url}/{NEWEST}", headers=KEY).json() == listed[0]
    assert call(f"{url}/grok-2", headers=KEY).status == 404
    assert call(url).status == 401
