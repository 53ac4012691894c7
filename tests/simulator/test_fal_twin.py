"""The fal twin over a real socket: the queue, synchronous runs, uploads, signed webhooks, refusals."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

from easel.simulator import _ed25519, fal, server

from .calling import NONE, Reply, box_mask, call, changed_box, data_url, gradient, png, post_json
from .listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Key sim-id:secret"}
SCHNELL = "fal-ai/flux/schnell"
SMALL = {"prompt": "a hill", "image_size": {"width": 256, "height": 320}}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def submit(simulator: server.Simulator, endpoint: str, headers: Mapping[str, str] = NONE, /, **inputs: object) -> Reply:
    return post_json(f"{simulator.base_url}/fal/{endpoint}", inputs, KEY | dict(headers))


def run(simulator: server.Simulator, endpoint: str, headers: Mapping[str, str] = NONE, /, **inputs: object) -> Reply:
    return post_json(f"{simulator.base_url}/fal/run/{endpoint}", inputs, KEY | dict(headers))


def made(simulator: server.Simulator, endpoint: str, /, **inputs: object) -> Image.Image:
    reply = run(simulator, endpoint, **inputs)
    assert reply.status == 200, reply.json()
    return call(reply.json()["images"][0]["url"]).picture()


def wait(reply: Reply) -> list[Reply]:
    """Every poll up to the end."""
    url = reply.json()["status_url"]
    polls: list[Reply] = []
    while len(polls) < 10 and (not polls or polls[-1].json()["status"] in {"IN_QUEUE", "IN_PROGRESS"}):
        polls.append(call(url, headers=KEY))
    return polls


def result(reply: Reply) -> Reply:
    return call(reply.json()["response_url"], headers=KEY)


def problem(reply: Reply) -> dict[str, Any]:
    assert reply.status == 422, reply.json()
    return reply.json()["detail"][0]


def test_a_request_goes_through_the_queue(simulator: server.Simulator) -> None:
    reply = submit(simulator, SCHNELL, seed=3, **SMALL)
    first = reply.json()

    assert (reply.status, first["status"], first["queue_position"]) == (200, "IN_QUEUE", 0)
    assert first["response_url"].endswith(f"/fal/fal-ai/flux/requests/{first['request_id']}")
    assert result(reply).status == 400
    polls = wait(reply)
    assert [(poll.status, poll.json()["status"]) for poll in polls] == [
        (202, "IN_QUEUE"),
        (202, "IN_PROGRESS"),
        (200, "COMPLETED"),
    ]
    assert polls[-1].json()["metrics"]["inference_time"] > 0
    output = result(reply).json()
    image = output["images"][0]
    assert (image["width"], image["height"], image["content_type"]) == (256, 320, "image/jpeg")
    assert (output["seed"], output["has_nsfw_concepts"]) == (3, [False])
    content = call(image["url"]).content
    assert len(content) == image["file_size"]
    assert Image.open(BytesIO(content)).size == (256, 320)


@pytest.mark.parametrize("polls", [0, 1, 4])
def test_polls_can_be_set(simulator: server.Simulator, polls: int) -> None:
    assert len(wait(submit(simulator, SCHNELL, {"x-simulate-polls": str(polls)}, **SMALL))) == polls + 1


def test_logs_are_told_when_asked_for(simulator: server.Simulator) -> None:
    reply = submit(simulator, SCHNELL, {"x-simulate-polls": "0"}, **SMALL)
    url = reply.json()["status_url"]

    assert call(url, headers=KEY).json()["logs"] is None
    assert call(f"{url}?logs=1", headers=KEY).json()["logs"][0]["message"]


def test_what_is_wrong_with_a_queued_request_is_told_by_its_result(simulator: server.Simulator) -> None:
    reply = submit(simulator, SCHNELL, image_size="square")
    end = wait(reply)[-1].json()

    assert reply.status == 200
    assert (end["status"], end["error_type"]) == ("COMPLETED", "missing")
    told = problem(result(reply))
    assert (told["type"], told["loc"], told["msg"]) == ("missing", ["body", "prompt"], "Field required")


def test_a_request_can_stay_in_progress(simulator: server.Simulator) -> None:
    polls = wait(submit(simulator, SCHNELL, prompt="never-ready"))

    assert [poll.json()["status"] for poll in polls[:3]] == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS"]
    assert len(polls) == 10
    assert run(simulator, SCHNELL, prompt="never-ready").status == 504
    timed = run(simulator, SCHNELL, {"x-fal-request-timeout": "2"}, prompt="never-ready")
    assert timed.headers["x-fal-request-timeout-type"] == "user"


def test_an_unknown_status(simulator: server.Simulator) -> None:
    assert wait(submit(simulator, SCHNELL, prompt="unknown-status"))[-1].json()["status"] == "SIMMERING"


def test_a_request_is_cancelled_until_it_is_done(simulator: server.Simulator) -> None:
    reply = submit(simulator, SCHNELL, **SMALL)
    url = reply.json()["cancel_url"]

    assert call(url, headers=KEY, method="PUT").json() == {"status": "CANCELLATION_REQUESTED"}
    again = call(url, headers=KEY, method="PUT")
    assert (again.status, again.json()) == (400, {"status": "ALREADY_COMPLETED"})
    assert wait(reply)[-1].json()["error_type"] == "client_cancelled"
    assert result(reply).status == 499


def test_requests_are_found_by_owner_and_app_and_by_their_owner_only(simulator: server.Simulator) -> None:
    url: str = submit(simulator, SCHNELL, **SMALL).json()["status_url"]

    assert call(url.replace("/flux/", "/flux-2/"), headers=KEY).status == 404
    assert call(url, headers={"authorization": "Key sim-other"}).status == 404
    assert call(url, b"", KEY).status == 405
    assert call(f"{simulator.base_url}/fal/{SCHNELL}", headers=KEY).status == 405


def test_a_run_answers_at_once_and_a_stream_in_one_event(simulator: server.Simulator) -> None:
    assert made(simulator, SCHNELL, **SMALL).size == (256, 320)
    stream = run(simulator, f"{SCHNELL}/stream", **SMALL)
    assert stream.headers["content-type"] == "text/event-stream"
    assert len(json.loads(stream.content.removeprefix(b"data: "))["images"]) == 1


def test_in_sync_mode_the_picture_is_a_data_url(simulator: server.Simulator) -> None:
    url: str = run(simulator, SCHNELL, sync_mode=True, **SMALL).json()["images"][0]["url"]

    head, _, text = url.partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(BytesIO(base64.b64decode(text))).size == (256, 320)


@pytest.mark.parametrize(
    ("endpoint", "inputs", "size"),
    [
        ("openai/gpt-image-2", {}, (1024, 768)),
        ("openai/gpt-image-2", {"image_size": {"width": 1280, "height": 720}}, (1280, 720)),
        ("fal-ai/flux-2", {"image_size": "portrait_16_9"}, (576, 1024)),
        ("fal-ai/gpt-image-1.5", {"image_size": "1536x1024"}, (1536, 1024)),
        ("google/nano-banana-2.1", {"aspect_ratio": "21:9"}, (1568, 672)),
        ("fal-ai/nano-banana-2", {"resolution": "0.5K"}, (512, 512)),
    ],
)
def test_sizes(simulator: server.Simulator, endpoint: str, inputs: dict[str, object], size: tuple[int, int]) -> None:
    assert made(simulator, endpoint, prompt="a", **inputs).size == size


@pytest.mark.parametrize(
    ("endpoint", "inputs", "field"),
    [
        ("openai/gpt-image-2", {"image_size": {"width": 1000, "height": 1000}}, "image_size"),
        ("openai/gpt-image-2", {"image_size": {"width": 3840, "height": 1024}}, "image_size"),
        ("openai/gpt-image-2", {"image_size": {"width": 512, "height": 512}}, "image_size"),
        ("openai/gpt-image-2", {"image_size": {"width": 3856, "height": 2000}}, "width"),
        ("openai/gpt-image-2", {"image_size": {"width": 1024}}, "image_size"),
        ("openai/gpt-image-2", {"quality": "max"}, "quality"),
        ("openai/gpt-image-2", {"num_images": 5}, "num_images"),
        ("openai/gpt-image-2/edit", {}, "image_urls"),
        ("openai/gpt-image-2/edit", {"image_urls": ["x"] * 17}, "image_urls"),
        ("openai/gpt-image-2/edit", {"image_urls": ["https://example.com/a.png"]}, "image_urls"),
        ("bytedance/seedream/v5/pro/text-to-image", {"image_size": {"width": 512, "height": 512}}, "image_size"),
        ("fal-ai/qwen-image-2/text-to-image", {"negative_prompt": "a" * 501}, "negative_prompt"),
        ("fal-ai/ideogram/v3/edit", {"image_url": "x"}, "image_url"),
        ("google/nano-banana-2.1", {"resolution": "0.5K"}, "resolution"),
        ("fal-ai/gpt-image-1.5", {"background": "transparent", "output_format": "jpeg"}, "background"),
    ],
)
def test_what_cannot_be_taken(
    simulator: server.Simulator, endpoint: str, inputs: dict[str, object], field: str
) -> None:
    told = problem(run(simulator, endpoint, prompt="a", **inputs))

    assert told["loc"] == ["body", field]
    assert told["url"].endswith(told["type"])


def test_a_mask_marks_what_is_painted_anew(simulator: server.Simulator) -> None:
    source = gradient(896, 768)
    box = (128, 128, 512, 512)
    inputs = {"prompt": "a door", "image_urls": [data_url(source)]}
    clear = Image.new("RGBA", source.size, "black")
    clear.putalpha(box_mask(source.size, box, inside=0))

    assert changed_box(source, made(simulator, "openai/gpt-image-2/edit", mask_url=data_url(clear), **inputs)) == box
    assert changed_box(source, made(simulator, "openai/gpt-image-2/edit", **inputs)) == (0, 0, 896, 768)
    black = {"prompt": "a door", "image_url": data_url(source)}
    mask = data_url(box_mask(source.size, box, inside=0))
    assert changed_box(source, made(simulator, "fal-ai/ideogram/v3/edit", mask_url=mask, **black)) == box
    assert problem(run(simulator, "fal-ai/ideogram/v3/edit", **black))["type"] == "missing"
    wrong = data_url(box_mask((64, 64), (0, 0, 9, 9), inside=0))
    assert problem(run(simulator, "fal-ai/ideogram/v3/edit", mask_url=wrong, **black))["loc"][-1] == "mask_url"


def test_transparency_and_svg(simulator: server.Simulator) -> None:
    badge = made(simulator, "fal-ai/gpt-image-1.5", prompt="a badge", background="transparent")
    assert badge.getchannel("A").getextrema() == (0, 255)
    url = run(simulator, "fal-ai/recraft/v4/text-to-vector", prompt="a hill").json()["images"][0]["url"]
    assert call(url).headers["content-type"] == "image/svg+xml"


def test_several_pictures_and_a_seed(simulator: server.Simulator) -> None:
    def paint() -> list[bytes]:
        images = run(simulator, SCHNELL, num_images=2, seed=5, **SMALL).json()["images"]
        return [call(image["url"]).content for image in images]

    once = paint()
    assert once == paint()
    assert once[0] != once[1]


@pytest.mark.parametrize("queued", [False, True])
def test_a_refused_prompt(simulator: server.Simulator, queued: bool) -> None:
    if queued:
        reply = submit(simulator, "openai/gpt-image-2", prompt="forbidden-prompt")
        assert wait(reply)[-1].json()["error_type"] == "content_policy_violation"
        reply = result(reply)
    else:
        reply = run(simulator, "openai/gpt-image-2", prompt="forbidden-prompt")

    assert problem(reply)["type"] == "content_policy_violation"
    assert problem(reply)["ctx"]["categories"] == ["violence"]
    assert reply.headers["x-fal-retryable"] == "false"


def test_a_refused_picture_is_black_or_an_error(simulator: server.Simulator) -> None:
    soft = run(simulator, SCHNELL, image_size="square", prompt="forbidden-output").json()
    assert soft["has_nsfw_concepts"] == [True]
    assert call(soft["images"][0]["url"]).picture().convert("L").getextrema() == (0, 0)
    hard = problem(run(simulator, "google/nano-banana-2.1", prompt="forbidden-output"))
    assert hard["ctx"]["categories"] == ["model_moderated"]


@pytest.mark.parametrize("fault", ["moderation_prompt", "moderation_output"])
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str) -> None:
    reply = submit(simulator, "google/nano-banana-2.1", {"x-simulate-fault": fault}, prompt="a")
    wait(reply)

    assert problem(result(reply))["type"] == "content_policy_violation"


def test_an_error_of_the_model(simulator: server.Simulator) -> None:
    reply = run(simulator, SCHNELL, prompt="task-error")

    assert (reply.status, reply.headers["x-fal-retryable"]) == (500, "true")
    assert reply.json()["detail"][0]["type"] == "internal_server_error"


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 401, "Authentication"),
        ({"authorization": "Bearer sim-1"}, 401, "Authentication"),
        ({"authorization": "Key nonsense"}, 401, "No user found"),
        ({"authorization": "Key sim-no-credits"}, 403, "Exhausted balance"),
    ],
)
def test_keys(simulator: server.Simulator, headers: dict[str, str], status: int, text: str) -> None:
    reply = post_json(f"{simulator.base_url}/fal/{SCHNELL}", SMALL, headers)

    assert reply.status == status
    assert text in reply.json()["detail"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limit", 429), ("quota", 403), ("bad_key", 401), ("server_error", 500), ("unavailable", 503)],
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    reply = run(simulator, SCHNELL, {"x-simulate-fault": fault}, **SMALL)

    assert reply.status == status
    assert isinstance(reply.json()["detail"], str)
    assert reply.headers["x-fal-request-id"]


def test_a_file_can_be_cut(simulator: server.Simulator) -> None:
    reply = submit(simulator, SCHNELL, {"x-simulate-fault": "truncated_base64"}, **SMALL)
    wait(reply)

    with pytest.raises(OSError, match="truncated"):
        call(result(reply).json()["images"][0]["url"]).picture().load()


@pytest.mark.parametrize("endpoint", ["fal-ai/nothing", "fal-ai/flux/nothing", "nobody/flux/schnell"])
def test_what_does_not_exist(simulator: server.Simulator, endpoint: str) -> None:
    assert submit(simulator, endpoint, **SMALL).status == 404
    assert run(simulator, endpoint, **SMALL).status == 404


def test_a_file_goes_when_its_lifetime_ends(simulator: server.Simulator) -> None:
    for preference, status in (
        ('{"expiration_duration_seconds": 3600}', 404),
        ('{"expiration_duration_seconds": null}', 200),
    ):
        headers = {"x-fal-object-lifecycle-preference": preference}
        url = run(simulator, SCHNELL, headers, **SMALL).json()["images"][0]["url"]
        assert call(url).status == 200
        assert call(url, headers={"x-simulate-date": "2026-11-24"}).status == status


def test_uploads(simulator: server.Simulator) -> None:
    content = png(gradient(64, 96))
    named = {"file_name": "../a b.png", "content_type": "image/png"}
    ticket = post_json(f"{simulator.base_url}/fal/rest/storage/upload/initiate?storage_type=gcs", named, KEY).json()
    assert call(ticket["upload_url"], content, {"content-type": "image/png"}, "PUT").status == 200
    assert call(ticket["upload_url"], content, {}, "PUT").status == 403
    assert call(ticket["file_url"]).content == content
    token = post_json(f"{simulator.base_url}/fal/rest/storage/auth/token?storage_type=fal-cdn-v3", {}, KEY).json()
    headers = {"authorization": f"{token['token_type']} {token['token']}", "content-type": "image/png"}
    sent = call(f"{token['base_url']}/files/upload", content, headers).json()["access_url"]
    assert call(sent).headers["content-type"] == "image/png"
    assert call(f"{token['base_url']}/files/upload", content, {}).status == 401
    images = [ticket["file_url"], sent]
    assert made(simulator, "fal-ai/flux-2-pro/edit", prompt="merge", image_urls=images).size == (64, 96)


@pytest.mark.parametrize(("prompt", "status"), [("a hill", "OK"), ("forbidden-prompt", "ERROR")])
def test_a_webhook_is_signed(simulator: server.Simulator, prompt: str, status: str) -> None:
    jwk = call(f"{simulator.base_url}/fal/rest/.well-known/jwks.json").json()["keys"][0]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))
    with listening() as listener:
        reply = submit(simulator, f"{SCHNELL}?fal_webhook={listener.url}", **SMALL | {"prompt": prompt})
        headers, body = listener.take()

    names = ("request-id", "user-id", "timestamp")
    parts = [headers[f"x-fal-webhook-{name}"] for name in names] + [hashlib.sha256(body).hexdigest()]
    signature = bytes.fromhex(headers["x-fal-webhook-signature"])
    public.verify(signature, "\n".join(parts).encode())
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"another message")
    message = json.loads(body)
    assert (message["request_id"], message["status"]) == (reply.json()["request_id"], status)
    assert set(message["payload"]) >= ({"images"} if status == "OK" else {"detail"})


def test_signatures_are_those_of_the_standard() -> None:
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    expected = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )

    assert _ed25519.sign(secret, b"\x72").hex() == expected


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://10.0.0.1/hook"])
def test_webhooks_leave_the_machine_never(simulator: server.Simulator, url: str) -> None:
    assert submit(simulator, f"{SCHNELL}?fal_webhook={url}", **SMALL).status == 422


def test_no_two_endpoints_share_the_path_of_requests() -> None:
    assert not any("/requests/" in name for name in fal.ENDPOINTS)
