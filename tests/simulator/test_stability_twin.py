"""The Stability twin over a real socket: pictures as bytes and as JSON, every endpoint, results, refusals, credits."""

from __future__ import annotations

import base64
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from easel.simulator import server

from .calling import NONE, Reply, box_mask, call, changed_box, gradient, png, post_form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sk-sim-1"}
IMAGE = {"accept": "image/*"}
JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def order(simulator: server.Simulator, endpoint: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    url = f"{simulator.base_url}/stability/v2beta/stable-image/{endpoint}"
    return post_form(url, fields, KEY | IMAGE | dict(headers))


def results(simulator: server.Simulator, job_id: str, headers: Mapping[str, str] = NONE) -> Reply:
    return call(f"{simulator.base_url}/stability/v2beta/results/{job_id}", headers=KEY | IMAGE | dict(headers))


def credits_left(simulator: server.Simulator, key: Mapping[str, str] = KEY) -> float:
    return call(f"{simulator.base_url}/stability/v1/user/balance", headers=key).json()["credits"]


def test_a_picture_comes_as_bytes_with_its_seed_in_the_headers(simulator: server.Simulator) -> None:
    reply = order(simulator, "generate/core", prompt="a lighthouse", seed=7)

    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert (reply.headers["seed"], reply.headers["finish-reason"]) == ("7", "SUCCESS")
    assert reply.headers["x-request-id"]
    assert (reply.picture().format, reply.picture().size) == ("PNG", (1536, 1536))


def test_a_picture_comes_as_json_when_asked_for(simulator: server.Simulator) -> None:
    reply = order(simulator, "generate/sd3", JSON, prompt="a lighthouse", seed=0, output_format="jpeg")

    answer = reply.json()
    assert set(answer) == {"image", "seed", "finish_reason"}
    assert answer["finish_reason"] == "SUCCESS"
    assert 0 < answer["seed"] <= 4294967294
    assert Image.open(BytesIO(base64.b64decode(answer["image"]))).format == "JPEG"


@pytest.mark.parametrize(
    ("endpoint", "ratio", "size"),
    [
        ("generate/ultra", "1:1", (1024, 1024)),
        ("generate/ultra", "21:9", (1536, 640)),
        ("generate/sd3", "9:16", (768, 1344)),
        ("generate/core", "16:9", (2016, 1152)),
    ],
)
def test_sizes_follow_the_aspect_ratio(
    simulator: server.Simulator, endpoint: str, ratio: str, size: tuple[int, int]
) -> None:
    reply = order(simulator, endpoint, prompt="hills", aspect_ratio=ratio, output_format="webp")

    assert (reply.picture().format, reply.picture().size) == ("WEBP", size)


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    first, second = (order(simulator, "generate/ultra", prompt="hills", seed=3).content for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("endpoint", "fields", "size"),
    [
        ("generate/ultra", {"prompt": "a boat", "image": gradient(300, 200), "strength": 0.4}, (1216, 832)),
        (
            "generate/sd3",
            {"prompt": "a boat", "mode": "image-to-image", "image": gradient(200, 200), "strength": 1},
            (1024, 1024),
        ),
        ("edit/outpaint", {"image": gradient(120, 80), "left": 30, "down": 10}, (150, 90)),
        ("edit/search-and-replace", {"image": gradient(90, 90), "prompt": "a cat", "search_prompt": "dog"}, (90, 90)),
        ("edit/search-and-recolor", {"image": gradient(90, 90), "prompt": "red", "select_prompt": "hat"}, (90, 90)),
        ("control/sketch", {"image": gradient(90, 70), "prompt": "a house", "control_strength": 0.7}, (90, 70)),
        ("control/structure", {"image": gradient(90, 70), "prompt": "a house"}, (90, 70)),
        ("control/style", {"image": gradient(90, 70), "prompt": "a house", "aspect_ratio": "3:2"}, (1216, 832)),
        ("control/style-transfer", {"init_image": gradient(90, 90), "style_image": gradient(80, 80)}, (1024, 1024)),
        ("upscale/fast", {"image": gradient(90, 70)}, (180, 140)),
        ("upscale/conservative", {"image": gradient(200, 100), "prompt": "a boat"}, (2896, 1448)),
    ],
)
def test_every_endpoint_that_answers_at_once(
    simulator: server.Simulator, endpoint: str, fields: dict[str, object], size: tuple[int, int]
) -> None:
    reply = order(simulator, endpoint, **fields)

    assert reply.status == 200, reply.content
    assert reply.picture().size == size


def test_outpainting_leaves_the_source_where_it_is(simulator: server.Simulator) -> None:
    source = gradient(120, 80)
    picture = order(simulator, "edit/outpaint", image=source, left=30, up=20, right=10).picture()

    assert picture.size == (160, 100)
    assert changed_box(source, picture.crop((30, 20, 150, 100))) is None


@pytest.mark.parametrize("growth", [0, 12])
def test_inpainting_repaints_where_the_mask_is_white_and_grown(simulator: server.Simulator, growth: int) -> None:
    source = gradient(200, 160)
    mask = box_mask(source.size, (80, 60, 120, 100), inside=255)
    reply = order(simulator, "edit/inpaint", image=source, mask=mask, prompt="a boat", grow_mask=growth, seed=1)

    left, top, right, bottom = changed_box(source, reply.picture()) or (0, 0, 0, 0)
    assert (left, top, right, bottom) == (80 - growth, 60 - growth, 120 + growth, 100 + growth)


def test_erasing_without_a_mask_follows_the_alpha(simulator: server.Simulator) -> None:
    source = gradient(160, 160)
    holed = source.copy()
    holed.putalpha(box_mask(source.size, (40, 40, 120, 120), inside=0))
    picture = order(simulator, "edit/erase", image=holed, grow_mask=0).picture()

    assert changed_box(source.crop((0, 0, 160, 40)), picture.crop((0, 0, 160, 40))) is None
    assert changed_box(source, picture) is not None
    assert not picture.has_transparency_data


def test_the_background_is_removed(simulator: server.Simulator) -> None:
    picture = order(simulator, "edit/remove-background", image=gradient(120, 90), output_format="webp").picture()

    assert (picture.format, picture.size, picture.has_transparency_data) == ("WEBP", (120, 90), True)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("upscale/creative", {"image": gradient(100, 100), "prompt": "a boat", "creativity": 0.3}),
        (
            "edit/replace-background-and-relight",
            {"subject_image": gradient(100, 100), "background_prompt": "a beach", "light_source_direction": "left"},
        ),
    ],
)
def test_two_endpoints_answer_later(simulator: server.Simulator, endpoint: str, fields: dict[str, object]) -> None:
    submitted = order(simulator, endpoint, output_format="jpeg", **fields)
    job_id = submitted.json()["id"]
    answers = [results(simulator, job_id) for _ in range(4)]

    assert len(job_id) == 64
    assert [answer.status for answer in answers] == [202, 202, 200, 200]
    assert answers[0].json() == {"id": job_id, "status": "in-progress"}
    assert answers[2].picture().size == ((3840, 3840) if "upscale" in endpoint else (100, 100))
    assert results(simulator, job_id, JSON).json()["finish_reason"] == "SUCCESS"


def test_results_are_for_their_key_and_for_a_day(simulator: server.Simulator) -> None:
    image = {"image": gradient(64, 64), "prompt": "a boat"}
    job_id = order(simulator, "upscale/creative", {"x-simulate-polls": "0"}, **image).json()["id"]

    assert results(simulator, job_id, {"authorization": "Bearer sim-2"}).status == 404
    assert results(simulator, job_id, {"x-simulate-date": "2026-11-26"}).status == 404
    assert results(simulator, job_id).status == 200
    assert results(simulator, "nothing").json()["name"] == "not_found"


def test_a_result_may_never_come(simulator: server.Simulator) -> None:
    job_id = order(simulator, "upscale/creative", image=gradient(64, 64), prompt="never-ready").json()["id"]

    assert {results(simulator, job_id).status for _ in range(6)} == {202}


@pytest.mark.parametrize(
    ("endpoint", "fields", "error"),
    [
        ("generate/core", {}, "prompt: required"),
        ("generate/core", {"prompt": "a" * 10_001}, "prompt: must be at most 10000 characters long"),
        ("generate/core", {"prompt": "a", "aspect_ratio": "4:3"}, "aspect_ratio: must be one of"),
        ("generate/core", {"prompt": "a", "seed": 4294967295}, "seed: must be between"),
        ("generate/core", {"prompt": "a", "seed": 1.5}, "seed: must be an integer"),
        ("generate/core", {"prompt": "a", "output_format": "gif"}, "output_format: must be one of"),
        ("generate/core", {"prompt": "a", "style_preset": "dada"}, "style_preset: must be one of"),
        ("generate/sd3", {"prompt": "a", "model": "sd2"}, "model: must be one of"),
        ("generate/sd3", {"prompt": "a", "cfg_scale": 11}, "cfg_scale: must be between"),
        ("generate/sd3", {"prompt": "a", "mode": "image-to-image"}, "image: required"),
        ("generate/ultra", {"prompt": "a", "image": gradient(64, 64)}, "strength: required"),
        ("generate/ultra", {"prompt": "a", "image": b"text"}, "image: is not an image"),
        ("edit/inpaint", {"prompt": "a", "image": gradient(64, 64)}, "mask: required"),
        ("edit/inpaint", {"prompt": "a", "image": gradient(63, 64)}, "image: unsupported dimensions"),
        ("edit/inpaint", {"prompt": "a", "image": gradient(300, 100)}, "image: unsupported aspect ratio"),
        ("edit/erase", {"image": gradient(64, 64), "mask": gradient(64, 64), "grow_mask": 21}, "grow_mask: must be"),
        ("edit/outpaint", {"image": gradient(64, 64)}, "at least one of left"),
        ("edit/outpaint", {"image": gradient(64, 64), "up": 2001}, "up: must be between"),
        ("edit/search-and-replace", {"image": gradient(64, 64), "prompt": "a"}, "search_prompt: required"),
        ("edit/search-and-recolor", {"image": gradient(64, 64), "prompt": "a"}, "select_prompt: required"),
        ("edit/remove-background", {"image": gradient(64, 64), "output_format": "jpeg"}, "output_format: must be one"),
        ("edit/replace-background-and-relight", {"subject_image": gradient(64, 64)}, "background_prompt: required"),
        ("upscale/fast", {"image": gradient(31, 64)}, "image: unsupported dimensions"),
        ("upscale/conservative", {"image": gradient(64, 64), "prompt": "a", "creativity": 0.6}, "creativity: must be"),
        (
            "upscale/creative",
            {"image": png(Image.new("L", (1025, 1024))), "prompt": "a"},
            "image: unsupported dimensions - must be at most 1,048,576 pixels, received 1,049,600 pixels",
        ),
    ],
)
def test_bad_requests(simulator: server.Simulator, endpoint: str, fields: dict[str, object], error: str) -> None:
    reply = order(simulator, endpoint, **fields)

    assert reply.status == 400, reply.content
    assert reply.json()["name"] == "bad_request"
    assert reply.json()["id"]
    assert reply.json()["errors"][0].startswith(error)


def test_only_forms_are_taken_and_only_small_ones(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/stability/v2beta/stable-image/generate/core"
    as_json = call(url, b'{"prompt": "a"}', KEY | {"content-type": "application/json"})
    too_large = order(simulator, "generate/core", prompt="a", image=b"0" * 10_485_760)

    assert (as_json.status, as_json.json()["errors"]) == (400, ["content-type: must be multipart/form-data"])
    assert (too_large.status, too_large.json()["name"]) == (413, "payload_too_large")
    assert order(simulator, "generate/core", {"accept": "text/html"}, prompt="a").status == 400
    assert order(simulator, "generate/sd1", prompt="a").status == 404


def test_keys(simulator: server.Simulator) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": "Basic sim-1"}):
        reply = order(simulator, "generate/core", headers, prompt="a")
        assert (reply.status, reply.json()["name"]) == (401, "unauthorized")
    broke = order(simulator, "generate/core", {"authorization": "Bearer sim-no-credits"}, prompt="a")
    assert (broke.status, broke.json()["name"]) == (402, "payment_required")


@pytest.mark.parametrize(
    ("prompt", "fault", "status", "name"),
    [
        ("a forbidden-prompt", None, 403, "content_moderation"),
        ("a tram", "moderation_prompt", 403, "content_moderation"),
        ("ein Straßenbahn über Wasser", None, 200, ""),
        ("трамвай", None, 422, "invalid_language"),
        ("a tram", "rate_limit", 429, "rate_limit_exceeded"),
        ("a tram", "quota", 402, "payment_required"),
        ("a tram", "bad_key", 401, "unauthorized"),
        ("a tram", "server_error", 500, "internal_error"),
        ("a tram", "unavailable", 503, "service_unavailable"),
    ],
)
def test_refusals_and_failures(
    simulator: server.Simulator, prompt: str, fault: str | None, status: int, name: str
) -> None:
    reply = order(simulator, "generate/core", {"x-simulate-fault": fault} if fault else {}, prompt=prompt)

    assert reply.status == status
    if name:
        assert (reply.json()["name"], len(reply.json()["errors"])) == (name, 1)


@pytest.mark.parametrize(
    ("prompt", "fault"), [("a forbidden-output", {}), ("a", {"x-simulate-fault": "moderation_output"})]
)
def test_a_filtered_picture_comes_blurred_and_free(
    simulator: server.Simulator, prompt: str, fault: dict[str, str]
) -> None:
    before = credits_left(simulator)
    reply = order(simulator, "generate/ultra", fault, prompt=prompt)
    told = order(simulator, "generate/ultra", JSON | fault, prompt=prompt).json()

    assert (reply.status, reply.headers["finish-reason"]) == (200, "CONTENT_FILTERED")
    assert reply.picture().size == (1024, 1024)
    assert told["finish_reason"] == "CONTENT_FILTERED"
    assert credits_left(simulator) == before


@pytest.mark.parametrize(
    ("endpoint", "fields", "price"),
    [
        ("generate/ultra", {"prompt": "a"}, 8),
        ("generate/core", {"prompt": "a"}, 3),
        ("generate/sd3", {"prompt": "a"}, 6.5),
        ("generate/sd3", {"prompt": "a", "model": "sd3.5-large-turbo"}, 4),
        ("generate/sd3", {"prompt": "a", "model": "sd3.5-medium"}, 3.5),
        ("generate/sd3", {"prompt": "a", "model": "sd3.5-flash"}, 2.5),
        ("generate/sd3", {"prompt": "a", "model": "sd3-medium"}, 3.5),
        ("edit/remove-background", {"image": gradient(64, 64)}, 5),
        ("edit/outpaint", {"image": gradient(64, 64), "up": 1}, 4),
        ("upscale/fast", {"image": gradient(64, 64)}, 2),
    ],
)
def test_credits_are_taken_from_the_balance(
    simulator: server.Simulator, endpoint: str, fields: dict[str, object], price: float
) -> None:
    key = {"authorization": f"Bearer sim-{endpoint}-{fields.get('model')}"}
    order(simulator, endpoint, key | {"x-simulate-fault": "duplicate_bill"}, **fields)
    order(simulator, endpoint, key, **fields)

    assert credits_left(simulator, key) == 1000 - 3 * price


def test_what_breaks_a_picture(simulator: server.Simulator) -> None:
    for fault in ("truncated_base64", "not_a_picture"):
        broken = order(simulator, "upscale/fast", {"x-simulate-fault": fault}, image=gradient(64, 64))
        with pytest.raises(OSError, match="image"):
            broken.picture().load()
    smaller = order(simulator, "upscale/fast", {"x-simulate-fault": "wrong_size"}, image=gradient(64, 64))
    assert smaller.picture().size == (64, 64)
