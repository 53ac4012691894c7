"""The WaveSpeed twin over a real socket: submit, poll, sync mode, quotes and charges, webhooks, uploads, refusals."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from easel.simulator import server, wavespeed

from .calling import NONE, Reply, box_mask, call, changed_box, data_url, gradient, png, post_form, post_json
from .listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sim-1"}
TURBO = "wavespeed-ai/z-image/turbo"
SMALL = {"prompt": "a hill", "size": "256*320"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def api(simulator: server.Simulator, path: str) -> str:
    return f"{simulator.base_url}/wavespeed/api/v3/{path}"


def submit(simulator: server.Simulator, model: str, headers: Mapping[str, str] = NONE, /, **inputs: object) -> Reply:
    return post_json(api(simulator, model), inputs, KEY | dict(headers))


def ask(simulator: server.Simulator, path: str, **fields: object) -> Any:
    return post_json(api(simulator, path), fields, KEY).json()["data"]


def wait(reply: Reply) -> list[dict[str, Any]]:
    """Every poll up to the end."""
    url = reply.json()["data"]["urls"]["get"]
    polls: list[dict[str, Any]] = []
    while len(polls) < 10 and (not polls or polls[-1]["status"] in {"created", "processing"}):
        polls.append(call(url, headers=KEY).json()["data"])
    return polls


def made(simulator: server.Simulator, model: str, /, **inputs: object) -> Image.Image:
    end = submit(simulator, model, enable_sync_mode=True, **inputs).json()["data"]
    assert end["status"] == "completed", end
    return call(end["outputs"][0]).picture()


def test_a_task_is_submitted_and_polled(simulator: server.Simulator) -> None:
    reply = submit(simulator, TURBO, **SMALL)
    first = reply.json()

    assert (reply.status, first["code"], first["message"]) == (200, 200, "success")
    assert first["data"]["status"] == "created"
    assert first["data"]["model"] == TURBO
    assert first["data"]["outputs"] == []
    polls = wait(reply)
    assert [poll["status"] for poll in polls] == ["processing", "processing", "completed"]
    picture = call(polls[-1]["outputs"][0]).picture()
    assert (picture.format, picture.size) == ("JPEG", (256, 320))
    assert polls[-1]["error"] == ""
    assert call(api(simulator, f"predictions/{polls[-1]['id']}"), headers=KEY).json()["data"]["status"] == "completed"


def test_polls_can_be_set(simulator: server.Simulator) -> None:
    assert len(wait(submit(simulator, TURBO, {"x-simulate-polls": "0"}, **SMALL))) == 1
    assert len(wait(submit(simulator, TURBO, {"x-simulate-polls": "4"}, **SMALL))) == 5


def test_sync_mode_answers_with_the_end(simulator: server.Simulator) -> None:
    end = submit(simulator, TURBO, enable_sync_mode=True, enable_base64_output=True, **SMALL).json()["data"]

    assert end["status"] == "completed"
    assert Image.open(BytesIO(base64.b64decode(end["outputs"][0]))).size == (256, 320)


def test_sync_mode_that_waits_too_long_is_still_processing(simulator: server.Simulator) -> None:
    reply = submit(simulator, TURBO, prompt="never-ready", enable_sync_mode=True)
    end = reply.json()["data"]

    assert (reply.status, end["status"], end["code"]) == (200, "processing", 5004)
    assert end["error"].startswith("Sync mode timed out")
    assert {poll["status"] for poll in wait(reply)} == {"processing"}


def test_ratio_and_tier_make_the_size_and_a_size_is_ignored(simulator: server.Simulator) -> None:
    model = "openai/gpt-image-2/text-to-image"

    assert made(simulator, model, prompt="a", size="256*256").size == (1024, 1024)
    wide = made(simulator, model, prompt="a", aspect_ratio="16:9", output_format="jpeg")
    assert (wide.size, wide.format) == ((1360, 768), "JPEG")
    assert made(simulator, "bytedance/seedream-v5.0-pro", prompt="a", resolution="1.5k").size == (1536, 1536)


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    pictures = [made(simulator, TURBO, seed=seed, **SMALL).tobytes() for seed in (3, 3, 4)]

    assert pictures[0] == pictures[1] != pictures[2]


def test_several_pictures_of_one_call(simulator: server.Simulator) -> None:
    end = submit(simulator, "wavespeed-ai/flux-dev", enable_sync_mode=True, num_images=3, **SMALL).json()["data"]

    assert len({call(url).content for url in end["outputs"]}) == 3


def test_an_edit_keeps_the_ratio_of_its_first_picture(simulator: server.Simulator) -> None:
    images = [data_url(gradient(300, 200)), data_url(gradient(100, 100))]

    assert made(simulator, "google/nano-banana-2.1/edit", prompt="merge", images=images).size == (1248, 832)


def test_a_mask_is_honoured_where_there_is_one(simulator: server.Simulator) -> None:
    source = gradient(1024, 1024)
    mask = Image.new("RGBA", source.size, "black")
    mask.putalpha(box_mask(source.size, (128, 128, 512, 512), inside=0))
    inputs = {"prompt": "a door", "images": [data_url(source)], "mask_image": data_url(mask)}

    assert changed_box(source, made(simulator, "openai/gpt-image-2.6-flare/edit", **inputs)) == (128, 128, 512, 512)
    assert changed_box(source, made(simulator, "openai/gpt-image-2/edit", **inputs)) == (0, 0, 1024, 1024)


def test_svg_is_svg(simulator: server.Simulator) -> None:
    end = submit(simulator, "recraft-ai/recraft-20b-svg", enable_sync_mode=True, **SMALL).json()["data"]
    reply = call(end["outputs"][0])

    assert (reply.headers["content-type"], reply.content[:4]) == ("image/svg+xml", b"<svg")


@pytest.mark.parametrize(
    ("model", "inputs", "price", "discounted"),
    [
        ("openai/gpt-image-2/text-to-image", {}, 0.06, 0.057),
        ("openai/gpt-image-2/text-to-image", {"quality": "low", "resolution": "1k"}, 0.01, 0.0095),
        ("openai/gpt-image-2.5-flare/text-to-image", {"quality": "max", "resolution": "4k"}, 1.0, 1.0),
        ("openai/gpt-image-2.5-flare/edit", {"images": ["a", "b", "c"]}, 0.063, 0.063),
        ("bytedance/seedream-v5.0-pro", {"resolution": "2k", "size": "1*1"}, 0.09, 0.081),
        ("wavespeed-ai/flux-dev", {"num_images": 4}, 0.048, 0.048),
    ],
)
def test_quotes(
    simulator: server.Simulator, model: str, inputs: dict[str, object], price: float, discounted: float
) -> None:
    quotes = [ask(simulator, path, model_id=model, inputs=inputs) for path in ("model/price", "model/pricing")]

    assert quotes[0] == quotes[1]
    assert (quotes[0]["price"], quotes[0]["discounted_price"]) == (price, discounted)
    assert (quotes[0]["model_id"], quotes[0]["currency"]) == (model, "USD")


def test_what_was_charged_is_what_was_quoted_and_failures_cost_nothing(simulator: server.Simulator) -> None:
    key = {"authorization": "Bearer sim-buyer"}

    def balance() -> float:
        return call(api(simulator, "balance"), headers=key).json()["data"]["balance"]

    before = balance()
    inputs = {"prompt": "a", "quality": "low"}
    paid = post_json(api(simulator, "openai/gpt-image-2/text-to-image"), inputs, key).json()["data"]["id"]
    free = post_json(api(simulator, TURBO), {"prompt": "forbidden-prompt", "enable_sync_mode": True}, key).json()[
        "data"
    ]["id"]
    found = post_json(api(simulator, "billings/search"), {"prediction_uuids": [paid, free]}, key).json()["data"]

    assert [(item["prediction"]["uuid"], item["price"]) for item in found["items"]] == [(paid, 0.0095)]
    assert round(before - balance(), 6) == 0.0095


@pytest.mark.parametrize(
    ("prompt", "status", "code", "text"),
    [
        ("forbidden-prompt", "failed", 1200, "sensitive"),
        ("forbidden-output", "failed", 1200, "sensitive"),
        ("task-error", "failed", 1405, "HTTP 503"),
        ("task-timeout", "timeout", 5004, "timed out"),
    ],
)
def test_every_bad_end(simulator: server.Simulator, prompt: str, status: str, code: int, text: str) -> None:
    end = wait(submit(simulator, TURBO, prompt=prompt))[-1]

    assert (end["status"], end["code"], end["outputs"]) == (status, code, [])
    assert text in end["error"]


@pytest.mark.parametrize("fault", ["moderation_prompt", "moderation_output"])
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str) -> None:
    assert wait(submit(simulator, TURBO, {"x-simulate-fault": fault}, **SMALL))[-1]["code"] == 1200


def test_a_picture_that_cannot_be_fetched_fails_the_task(simulator: server.Simulator) -> None:
    images = ["https://example.com/a.png"]
    end = wait(submit(simulator, "openai/gpt-image-2/edit", prompt="a", images=images))[-1]

    assert (end["status"], end["code"]) == ("failed", 1402)


def test_an_unknown_status(simulator: server.Simulator) -> None:
    assert wait(submit(simulator, TURBO, prompt="unknown-status"))[-1]["status"] == "simmering"


@pytest.mark.parametrize(
    ("model", "inputs", "named"),
    [
        (TURBO, {}, "prompt"),
        (TURBO, {"prompt": ""}, "prompt"),
        (TURBO, {"prompt": "a", "size": "1024x1024"}, "size"),
        (TURBO, {"prompt": "a", "size": "64*64"}, "size"),
        ("openai/gpt-image-2/text-to-image", {"prompt": "a", "quality": "max"}, "quality"),
        ("openai/gpt-image-2/text-to-image", {"prompt": "a", "aspect_ratio": "1:2"}, "aspect_ratio"),
        ("openai/gpt-image-2/edit", {"prompt": "a"}, "images"),
        ("openai/gpt-image-2/edit", {"prompt": "a", "images": ["data:image/png;base64,AAAA"]}, "images[0]"),
        ("openai/gpt-image-2/edit", {"prompt": "a", "images": ["x"] * 17}, "images"),
    ],
)
def test_what_cannot_be_taken(simulator: server.Simulator, model: str, inputs: dict[str, object], named: str) -> None:
    reply = submit(simulator, model, **inputs)

    assert (reply.status, reply.json()["code"]) == (400, 400)
    assert reply.json()["message"].startswith(f"{named}:")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "sim-1"}, 401),
        ({"authorization": "Bearer nonsense"}, 401),
        ({"authorization": "Bearer sim-no-credits"}, 402),
    ],
)
def test_keys(simulator: server.Simulator, headers: dict[str, str], status: int) -> None:
    reply = post_json(api(simulator, TURBO), SMALL, headers)

    assert (reply.status, reply.json()["code"]) == (status, status)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limit", 429), ("quota", 402), ("bad_key", 401), ("server_error", 500), ("unavailable", 503)],
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    reply = submit(simulator, TURBO, {"x-simulate-fault": fault}, **SMALL)

    assert (reply.status, reply.json()["code"]) == (status, status)


@pytest.mark.parametrize("as_base64", [False, True])
def test_a_picture_can_be_cut(simulator: server.Simulator, as_base64: bool) -> None:
    fault = {"x-simulate-fault": "truncated_base64", "x-simulate-polls": "0"}
    output = wait(submit(simulator, TURBO, fault, enable_base64_output=as_base64, **SMALL))[-1]["outputs"][0]

    if as_base64:
        assert len(output) % 4 == 1
    else:
        with pytest.raises(OSError, match="truncated"):
            call(output).picture().load()


def test_models_unknown_or_gone(simulator: server.Simulator) -> None:
    old = "openai/gpt-image-1.5/text-to-image"
    listed = call(api(simulator, "models"), headers=KEY).json()["data"]

    assert submit(simulator, "nobody/nothing", prompt="a").status == 404
    assert submit(simulator, old, prompt="a").status == 200
    assert submit(simulator, old, {"x-simulate-date": "2026-12-01"}, prompt="a").status == 404
    assert old in {model["model_id"] for model in listed}
    schema = next(model for model in listed if model["model_id"] == old)["api_schema"]["api_schemas"][0]
    assert (schema["api_path"], schema["method"]) == (f"/api/v3/{old}", "POST")


def test_predictions_are_listed_and_deleted(simulator: server.Simulator) -> None:
    key = {"authorization": "Bearer sim-keeper"}
    ids = [post_json(api(simulator, TURBO), SMALL, key).json()["data"]["id"] for _ in range(3)]

    def listed(**fields: object) -> list[dict[str, Any]]:
        return post_json(api(simulator, "predictions"), fields, key).json()["data"]["items"]

    assert [item["id"] for item in listed()] == ids[::-1]
    assert [item["id"] for item in listed(page=2, page_size=2)] == ids[:1]
    assert listed(include_inputs=True)[0]["inputs"] == SMALL
    assert listed(status="completed") == []
    deleted = post_json(api(simulator, "predictions/delete"), {"ids": ids[:2]}, key).json()["data"]
    assert deleted == {"deleted_count": 2}
    assert [item["id"] for item in listed()] == ids[2:]
    assert call(api(simulator, f"predictions/{ids[0]}/result"), headers=key).status == 404
    assert call(api(simulator, f"predictions/{ids[2]}/result"), headers=KEY).status == 404


def test_a_webhook_is_signed_over_its_raw_body(simulator: server.Simulator) -> None:
    secret: str = call(api(simulator, "webhook/secret"), headers=KEY).json()["data"]
    with listening() as listener:
        reply = submit(simulator, f"{TURBO}?webhook={listener.url}", **SMALL)
        headers, body = listener.take()

    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
    assert headers["webhook-signature"] == f"v3,{expected}"
    message = json.loads(body)
    assert (message["id"], message["status"]) == (reply.json()["data"]["id"], "completed")
    assert message["input"] == SMALL
    assert call(message["outputs"][0]).picture().size == (256, 320)


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://10.0.0.1/hook", "nonsense"])
def test_webhooks_leave_the_machine_never(simulator: server.Simulator, url: str) -> None:
    assert submit(simulator, f"{TURBO}?webhook={url}", **SMALL).status == 400


def test_a_file_is_uploaded_with_a_ticket_and_used(simulator: server.Simulator) -> None:
    content = png(gradient(64, 96))
    ticket = ask(simulator, "media/uploads", filename="a.png", size=len(content), content_type="image/png")
    assert ticket["upload"]["method"] == "PUT"
    assert call(ticket["upload"]["url"], content, ticket["upload"]["headers"], "PUT").status == 200
    assert call(ticket["upload"]["url"], b"another", {}, "PUT").status == 403
    assert call(ticket["download_url"]).content == content
    edited = made(simulator, "bytedance/seedream-v4.5/edit", prompt="a", images=[ticket["download_url"]])
    assert edited.width / edited.height == pytest.approx(64 / 96, abs=0.01)
    too_large = post_json(api(simulator, "media/uploads"), {"filename": "a", "size": 2**28}, KEY)
    assert too_large.status == 400


@pytest.mark.parametrize("path", ["upload", "media/upload/binary"])
def test_a_file_is_uploaded_in_one_call(simulator: server.Simulator, path: str) -> None:
    reply = post_form(api(simulator, path), {"file": gradient(64, 64)}, KEY)

    assert call(reply.json()["data"]["url"]).picture().size == (64, 64)


def test_every_default_has_a_price() -> None:
    for name, model in wavespeed.MODELS.items():
        assert float(model.base_price) > 0, name
        assert not model.cells or set(model.cells) <= {
            " ".join(filter(None, (quality, tier))) for quality in (*model.qualities, "") for tier in model.tiers
        }
