"""The Ideogram twin over a real socket: every operation of v2, quotes, polls, webhooks, withheld pictures, and v1."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

from easel.simulator import ideogram, server

from .calling import NONE, Reply, box_mask, call, changed_box, gradient, post_form, post_json
from .listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"api-key": "sim-1"}
SOURCE = gradient(320, 256)
BOX = (80, 64, 160, 128)
BLACK_BOX = box_mask(SOURCE.size, BOX, inside=0)
WHITE_BOX = box_mask(SOURCE.size, BOX, inside=255)


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def order(simulator: server.Simulator, path: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    """As JSON, or as a form when there are pictures in it."""
    post = post_form if any(isinstance(value, Image.Image | list) for value in fields.values()) else post_json
    return post(f"{simulator.base_url}/ideogram/{path}", fields, KEY | dict(headers))


def made(simulator: server.Simulator, path: str, **fields: object) -> tuple[dict[str, Any], Image.Image]:
    """The first entry, fetched without the key; a generation is polled to its end."""
    reply = order(simulator, path, **fields)
    assert reply.status == 200, reply.content
    answer = reply.json()
    entry = (answer if "data" in answer else wait(simulator, answer["generation_id"])[-1])["data"][0]
    return entry, call(entry["url"]).picture()


def poll(simulator: server.Simulator, generation_id: str, headers: Mapping[str, str] = NONE) -> Reply:
    return call(f"{simulator.base_url}/ideogram/v2/generations/{generation_id}", headers=KEY | dict(headers))


def wait(simulator: server.Simulator, generation_id: str) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1]["status"] == "pending":
        answers.append(poll(simulator, generation_id).json())
        assert len(answers) < 9
    return answers


def quoted(simulator: server.Simulator, path: str, **fields: object) -> dict[str, Any]:
    reply = order(simulator, f"{path}?dry_run=true", **fields)
    assert reply.status == 200, reply.content
    return reply.json()


def test_an_answer_has_its_pictures_and_their_seeds(simulator: server.Simulator) -> None:
    answer = order(simulator, "v2/image/generate/ideogram-4-5", prompt="a fox", num_images=2, seed=7).json()

    assert set(answer) == {"generation_id", "generation_kind", "seed", "data"}
    assert (answer["generation_kind"], answer["seed"]) == ("sampling", 7)
    assert set(answer["data"][0]) == {"url", "prompt", "resolution", "seed", "is_image_safe"}
    assert [entry["seed"] for entry in answer["data"]] == [7, 8]
    assert "?exp=" in answer["data"][0]["url"]
    assert "&sig=" in answer["data"][0]["url"]
    picture = call(answer["data"][0]["url"]).picture()
    assert (picture.format, picture.size, answer["data"][0]["resolution"]) == ("PNG", (2048, 2048), "2048x2048")


def test_links_end_after_a_day_and_are_signed(simulator: server.Simulator) -> None:
    url = order(simulator, "v2/image/generate/ideogram-3", prompt="a fox").json()["data"][0]["url"]

    assert call(url).status == 200
    assert call(url, headers={"x-simulate-date": "2026-11-25"}).status == 403
    assert call(url.replace("sig=", "sig=0")).status == 403


@pytest.mark.parametrize(
    ("path", "fields", "size"),
    [
        ("image/generate/ideogram-4-5", {"size": "1664x2496"}, (1664, 2496)),
        ("image/generate/ideogram-4-6", {"size": "1024x256", "background": "opaque"}, (1024, 256)),
        ("image/generate/ideogram-4", {"resolution": "720x1440", "rendering_speed": "turbo"}, (720, 1440)),
        ("image/generate/ideogram-3", {"aspect_ratio": "16x9", "negative_prompt": "rain"}, (1312, 736)),
        ("image/generate/ideogram-3", {"resolution": "1536x512"}, (1536, 512)),
        ("image/generate/ideogram-2", {"aspect_ratio": "1x1"}, (1024, 1024)),
        ("image/generate/p-image-ideogram", {"custom_width": 640, "custom_height": 480}, (640, 480)),
        ("image/generate/p-image-ideogram", {"aspect_ratio": "2x1"}, (1440, 720)),
    ],
)
def test_sizes(simulator: server.Simulator, path: str, fields: dict[str, object], size: tuple[int, int]) -> None:
    entry, picture = made(simulator, f"v2/{path}", prompt="a fox", **fields)

    assert (picture.size, entry["resolution"]) == (size, f"{size[0]}x{size[1]}")
    assert not picture.has_transparency_data


@pytest.mark.parametrize(
    ("path", "fields", "size"),
    [
        ("image/generate/ideogram-4-6", {"background": "transparent", "size": "1024x1024"}, (1024, 1024)),
        ("image/generate/ideogram-4-transparent", {"aspect_ratio": "1x4"}, (512, 2048)),
        ("image/generate/ideogram-3-transparent", {"upscale_factor": "x2"}, (2048, 2048)),
    ],
)
def test_transparent_backgrounds(
    simulator: server.Simulator, path: str, fields: dict[str, object], size: tuple[int, int]
) -> None:
    _, picture = made(simulator, f"v2/{path}", prompt="a badge", **fields)

    assert (picture.size, picture.has_transparency_data) == (size, True)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("image/generate/ideogram-4-5", {"images": [SOURCE, SOURCE], "mask": BLACK_BOX}),
        ("image/generate/ideogram-4-6", {"images": SOURCE, "mask": BLACK_BOX}),
        ("image/precise-edit/ideogram-4-5", {"image": SOURCE, "mask": BLACK_BOX, "context_window": "auto"}),
        ("image/inpaint/ideogram-3", {"image": SOURCE, "mask": BLACK_BOX}),
        (
            "image/inpaint/ideogram-3-character",
            {"image": SOURCE, "mask": BLACK_BOX, "character_reference_images": SOURCE},
        ),
    ],
)
def test_what_is_black_in_the_mask_is_repainted(
    simulator: server.Simulator, path: str, fields: dict[str, object]
) -> None:
    _, picture = made(simulator, f"v2/{path}", prompt="a boat", **fields)

    assert changed_box(SOURCE, picture) == BOX


def test_an_object_is_removed_where_the_mask_is_white(simulator: server.Simulator) -> None:
    _, picture = made(simulator, "v2/image/remove-object/ideogram-1", image=SOURCE, mask=WHITE_BOX)

    assert changed_box(SOURCE, picture) == BOX


@pytest.mark.parametrize(
    ("path", "fields", "size"),
    [
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": [SOURCE, SOURCE], "size": "source"}, (320, 256)),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "size": "512x256"}, (512, 256)),
        (
            "image/precise-edit/ideogram-4-5",
            {"prompt": "a", "image": SOURCE, "context_window": "0,0,256,256", "reference_images": [SOURCE] * 2},
            (320, 256),
        ),
        ("image/precise-edit/ideogram-4-6", {"prompt": "a", "image": SOURCE, "context_window": "none"}, (320, 256)),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a", "image": gradient(4096, 2048)}, (2896, 1448)),
        ("image/remix/ideogram-4", {"prompt": "a", "image": SOURCE, "image_weight": 30}, (2048, 2048)),
        ("image/remix/ideogram-3", {"prompt": "a", "image": SOURCE, "aspect_ratio": "4x5"}, (896, 1120)),
        ("image/reframe/ideogram-3", {"image": SOURCE, "resolution": "1408x576"}, (1408, 576)),
        ("image/replace-background/ideogram-3", {"prompt": "a beach", "image": SOURCE}, (320, 256)),
        ("image/upscale/topaz-standard-2", {"image": SOURCE, "upscale_factor": "x4"}, (1280, 1024)),
    ],
)
def test_other_edits(simulator: server.Simulator, path: str, fields: dict[str, object], size: tuple[int, int]) -> None:
    assert made(simulator, f"v2/{path}", **fields)[1].size == size


def test_the_background_is_removed(simulator: server.Simulator) -> None:
    _, picture = made(simulator, "v2/image/remove-background/ideogram-1", image=SOURCE)

    assert (picture.size, picture.has_transparency_data) == (SOURCE.size, True)


def test_vectors(simulator: server.Simulator) -> None:
    drawn = order(simulator, "v2/svg/generate/ideogram-vector-1", prompt="a logo", aspect_ratio="2x1").json()["data"][0]
    generation = order(simulator, "v2/svg/vectorize/ideogram-vector-1", image=SOURCE, mode="simple").json()
    traced = wait(simulator, generation["generation_id"])[-1]["data"][0]

    for entry in (drawn, traced):
        assert (entry["object_type"], entry["mime_type"]) == ("svg.generation", "image/svg+xml")
        assert entry["asset_id"]
        reply = call(entry["url"])
        assert reply.headers["content-type"] == "image/svg+xml"
        assert reply.svg().get("width") == str(entry["width"])
    assert (traced["width"], traced["height"]) == SOURCE.size


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    first, second = (made(simulator, "v2/image/generate/ideogram-3", prompt="a", seed=3)[1].tobytes() for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("path", "fields", "micros"),
    [
        ("image/generate/ideogram-4-6", {"quality": "very_low"}, 8_000),
        ("image/generate/ideogram-4-6", {}, 100_000),
        ("image/generate/ideogram-4-6", {"size": "4096x4096", "quality": "medium"}, 120_000),
        ("image/generate/ideogram-4-6", {"images": SOURCE, "quality": "high"}, 220_000),
        ("image/generate/ideogram-4-6", {"images": SOURCE, "quality": "high", "size": "4096x2048"}, 600_000),
        ("image/generate/ideogram-4-5", {}, 100_000),
        ("image/generate/ideogram-4-5", {"images": SOURCE}, 60_000),
        ("image/precise-edit/ideogram-4-5", {"image": SOURCE}, 60_000),
        ("image/generate/ideogram-4", {}, 60_000),
        ("image/generate/ideogram-4-transparent", {}, 60_000),
        ("image/generate/ideogram-3", {"rendering_speed": "quality"}, 90_000),
        ("image/generate/ideogram-3-transparent", {"upscale_factor": "x4", "rendering_speed": "turbo"}, 200_000),
        ("image/generate/ideogram-3-character", {"character_reference_images": SOURCE}, 150_000),
        ("image/inpaint/ideogram-3", {"image": SOURCE, "mask": BLACK_BOX}, 60_000),
        ("image/generate/p-image-ideogram", {}, 10_000),
        ("image/generate/ideogram-2", {}, 80_000),
        ("image/generate/ideogram-2a", {}, 40_000),
        ("image/upscale/auto", {"image": gradient(1024, 1024)}, 251_659),
        ("image/upscale/topaz-standard-2", {"image": gradient(1024, 1024)}, 125_830),
        ("image/upscale/topaz-bloom-2", {"image": gradient(1024, 1024)}, 377_488),
        ("svg/generate/ideogram-vector-1", {"quality": "high"}, 200_000),
        ("svg/generate/ideogram-vector-1", {"quality": "high", "images": SOURCE}, 320_000),
    ],
)
def test_quotes(simulator: server.Simulator, path: str, fields: dict[str, object], micros: int) -> None:
    quote = quoted(simulator, f"v2/{path}", prompt="a forbidden-prompt", **fields)

    assert (quote["object"], quote["qualifier"], quote["quantity"]) == ("price_quote", "exact", 1)
    assert (quote["usd_micros"], quote["credit_millis"]) == (micros, micros // 10)


def test_a_quote_is_for_all_pictures(simulator: server.Simulator) -> None:
    quote = quoted(simulator, "v2/image/generate/ideogram-4-5", prompt="a", num_images=3, quality="low")

    assert quote["billing_identifier"] == "ideogram_4_5_generate"
    assert (quote["quantity"], quote["usd_micros"]) == (3, 90_000)


def test_asynchronous_orders_are_polled(simulator: server.Simulator) -> None:
    path = "v2/image/generate/ideogram-3"
    submitted = order(simulator, path, prompt="a", **{"async": True}).json()
    answers = wait(simulator, submitted["generation_id"])

    assert "data" not in submitted
    assert [answer["status"] for answer in answers] == ["pending", "pending", "completed"]
    assert ["data" in answer for answer in answers] == [False, False, True]
    assert "usage_cost_usd_micros" not in answers[-1]
    assert call(answers[-1]["data"][0]["url"]).picture().size == (1024, 1024)
    at_once = order(simulator, path, {"x-simulate-polls": "0"}, prompt="a", **{"async": True}).json()
    assert poll(simulator, at_once["generation_id"]).json()["status"] == "completed"


def test_work_priced_by_usage_tells_its_cost(simulator: server.Simulator) -> None:
    submitted = order(simulator, "v2/image/remove-object/ideogram-1", image=SOURCE, mask=WHITE_BOX).json()

    assert wait(simulator, submitted["generation_id"])[-1]["usage_cost_usd_micros"] == 30_000


@pytest.mark.parametrize(
    ("prompt", "status", "reason"),
    [
        ("a forbidden-prompt", "failed", "content_policy_violation"),
        ("a task-error", "failed", "generation_failed"),
        ("an unknown-status", "simmering", None),
    ],
)
def test_ends_of_a_generation(simulator: server.Simulator, prompt: str, status: str, reason: str | None) -> None:
    submitted = order(simulator, "v2/image/generate/ideogram-3", prompt=prompt, **{"async": True}).json()
    last = wait(simulator, submitted["generation_id"])[-1]

    assert (last["status"], last.get("failure_reason"), "data" in last) == (status, reason, False)


def test_a_generation_can_stay_pending_or_be_unknown(simulator: server.Simulator) -> None:
    submitted = order(simulator, "v2/image/generate/ideogram-3", prompt="never-ready", **{"async": True}).json()

    assert {poll(simulator, submitted["generation_id"]).json()["status"] for _ in range(5)} == {"pending"}
    assert poll(simulator, "nothing").status == 404


def test_pictures_are_withheld_one_by_one(simulator: server.Simulator) -> None:
    def safe(**fields: object) -> list[tuple[bool, bool]]:
        answer = order(simulator, "v2/image/generate/ideogram-3", num_images=2, **fields).json()
        return [(entry["is_image_safe"], entry["url"] is not None) for entry in answer["data"]]

    assert safe(prompt="a forbidden-one") == [(False, False), (True, True)]
    assert safe(prompt="a forbidden-output") == [(False, False)] * 2


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("image/generate/ideogram-4-5", {}),
        ("image/generate/ideogram-4-5", {"prompt": ""}),
        ("image/generate/ideogram-4-5", {"prompt": "a" * 10_001}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "num_images": 9}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "seed": 2**31}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "magic_prompt": "AUTO"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "aspect_ratio": "1x1"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "background": "transparent"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "size": "source"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "size": "1000x1000"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "size": "large"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "quality": "very_low"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "mask": BLACK_BOX}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": [SOURCE] * 6}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": [SOURCE] * 5, "mask": BLACK_BOX}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "mask": BLACK_BOX, "size": "source"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "mask": gradient(64, 64)}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "mask": Image.new("L", SOURCE.size)}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "size": "1000x1000"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": SOURCE, "size": "2048x2080"}),
        ("image/generate/ideogram-4-5", {"prompt": "a", "images": gradient(700, 100)}),
        ("image/generate/ideogram-4-6", {"prompt": "a", "images": SOURCE, "background": "transparent"}),
        ("image/generate/ideogram-4-6", {"prompt": "a", "size": "4096x4096", "quality": "very_low"}),
        ("image/generate/ideogram-4-6", {"prompt": "a", "size": "4128x1024"}),
        ("image/generate/ideogram-4-6", {"prompt": "a", "size": "2048x256"}),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a"}),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a", "image": SOURCE, "reference_images": [SOURCE] * 5}),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a", "image": SOURCE, "context_window": "auto"}),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a", "image": SOURCE, "context_window": "none"}),
        ("image/precise-edit/ideogram-4-5", {"prompt": "a", "image": SOURCE, "context_window": "0,0,100,300"}),
        ("image/generate/ideogram-4", {"prompt": "a", "resolution": "1000x1000"}),
        ("image/generate/ideogram-4", {"prompt": "a", "rendering_speed": "flash"}),
        ("image/generate/ideogram-4", {"prompt": "a", "resolution": [1, 2]}),
        ("image/generate/ideogram-4-transparent", {"prompt": "a", "output_resolution": "3k"}),
        ("image/generate/ideogram-3", {"prompt": "a", "aspect_ratio": "1x1", "resolution": "1024x1024"}),
        ("image/generate/ideogram-3", {"prompt": "a", "style_codes": "xyz"}),
        ("image/generate/ideogram-3", {"prompt": "a", "style_codes": "0011aaff", "style_preset": "art_deco"}),
        ("image/generate/ideogram-3-character", {"prompt": "a"}),
        ("image/generate/ideogram-3-character", {"prompt": "a", "character_reference_images": [SOURCE] * 2}),
        ("image/inpaint/ideogram-3", {"prompt": "a", "image": SOURCE}),
        ("image/remix/ideogram-4", {"prompt": "a", "image": SOURCE, "image_weight": 101}),
        ("image/reframe/ideogram-3", {"image": SOURCE}),
        ("image/generate/p-image-ideogram", {"prompt": "a", "custom_width": 640}),
        ("image/generate/p-image-ideogram", {"prompt": "a", "custom_width": 650, "custom_height": 640}),
        ("image/upscale/auto", {"image": SOURCE, "upscale_factor": "x3"}),
        ("svg/generate/ideogram-vector-1", {"prompt": "a", "quality": "very_low"}),
        ("svg/vectorize/ideogram-vector-1", {"image": SOURCE, "mode": "coarse"}),
        ("image/generate/ideogram-3", {"prompt": "a", "webhook_url": "https://example.com/hook"}),
    ],
)
def test_bad_requests(simulator: server.Simulator, path: str, fields: dict[str, object]) -> None:
    reply = order(simulator, f"v2/{path}", **fields)

    assert reply.status == 400, reply.content
    assert reply.json()["error"]


def test_some_endpoints_take_json_only(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/ideogram/v2/image/generate/ideogram-4"

    assert post_form(url, {"prompt": "a"}, KEY).status == 400
    assert call(url, b"[]", KEY | {"content-type": "application/json"}).status == 400


def test_assets_and_paths_that_do_not_exist(simulator: server.Simulator) -> None:
    asset = {"image_asset_identifier": {"asset_type": "UPLOAD", "asset_id": "x"}}

    assert order(simulator, "v2/image/remove-background/ideogram-1", **asset).status == 404
    assert order(simulator, "v2/image/generate/ideogram-9", prompt="a").status == 404
    before = {"x-simulate-date": "2026-11-18"}
    assert order(simulator, "v2/image/generate/ideogram-4-6", before, prompt="a").status == 404
    assert order(simulator, "v2/image/generate/ideogram-4-5", before, prompt="a").status == 200


@pytest.mark.parametrize("headers", [{"api-key": ""}, {"api-key": "wrong"}, {"x-simulate-fault": "bad_key"}])
def test_keys(simulator: server.Simulator, headers: dict[str, str]) -> None:
    assert order(simulator, "v2/image/generate/ideogram-3", headers, prompt="a").status == 401


def test_no_money(simulator: server.Simulator) -> None:
    for headers in ({"api-key": "sim-no-credits"}, {"x-simulate-fault": "quota"}):
        reply = order(simulator, "v2/image/generate/ideogram-3", headers, prompt="a")
        assert (reply.status, reply.json()["reject_reason"]) == (402, "insufficient_funds")


@pytest.mark.parametrize(
    ("prompt", "fault", "status"),
    [
        ("a forbidden-prompt", None, 422),
        ("a", "moderation_prompt", 422),
        ("a", "server_error", 500),
        ("a", "unavailable", 503),
    ],
)
def test_refusals_and_failures(simulator: server.Simulator, prompt: str, fault: str | None, status: int) -> None:
    reply = order(
        simulator, "v2/image/generate/ideogram-3", {"x-simulate-fault": fault} if fault else {}, prompt=prompt
    )

    assert (reply.status, list(reply.json())) == (status, ["error"])


def test_too_much_at_once(simulator: server.Simulator) -> None:
    limited = {"x-simulate-fault": "rate_limit"}
    reply = order(simulator, "v2/image/generate/ideogram-3", limited, prompt="a")
    polled = poll(simulator, "any", limited)

    assert (reply.status, reply.json()["reject_reason"]) == (429, "inflight_limit")
    assert (reply.json()["max_inflight_requests"], reply.json()["task_completion_speed"]) == (10, "fast")
    assert "retry-after" not in reply.headers
    assert (polled.status, polled.headers["retry-after"]) == (429, "2")


def test_a_webhook_is_signed_with_the_published_key(simulator: server.Simulator) -> None:
    with listening() as listener:
        submitted = order(simulator, "v2/image/generate/ideogram-3", prompt="a tram", webhook_url=listener.url).json()
        headers, content = listener.take()
    (key,) = call(f"{simulator.base_url}/ideogram/v1/.well-known/jwks.json").json()["keys"]
    named = [headers[f"x-ideogram-webhook-{part}"] for part in ("generation-id", "user-id", "timestamp")]
    signed = "\n".join([*named, hashlib.sha256(content).hexdigest()])
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))

    assert "data" not in submitted
    assert headers["x-ideogram-webhook-key-id"] == key["kid"]
    public.verify(bytes.fromhex(headers["x-ideogram-webhook-signature"]), signed.encode())
    message = json.loads(content)
    assert (message["request_id"], named[0]) == (submitted["generation_id"], submitted["generation_id"])
    assert call(message["data"][0]["url"]).picture().size == (1024, 1024)


def test_the_first_version_speaks_in_capitals(simulator: server.Simulator) -> None:
    answer = order(
        simulator, "v1/ideogram-v3/generate", prompt="a", rendering_speed="FLASH", magic_prompt="OFF", num_images=2
    ).json()
    small = order(simulator, "v1/ideogram-v3/generate", prompt="a", rendering_speed="turbo")

    assert set(answer) == {"created", "data"}
    assert len(answer["data"]) == 2
    assert small.status == 400


@pytest.mark.parametrize(
    ("path", "fields", "size", "has_alpha"),
    [
        ("ideogram-v4/generate", {"text_prompt": "a"}, (2048, 2048), False),
        (
            "ideogram-v4/generate-transparent",
            {"json_prompt": {"high_level_description": "a"}, "output_resolution": "1k"},
            (1024, 1024),
            True,
        ),
        ("ideogram-v4/remix", {"text_prompt": "a", "image": SOURCE, "resolution": "1024x1024"}, (1024, 1024), False),
        ("ideogram-v3/generate-transparent", {"prompt": "a", "upscale_factor": "X1"}, (1024, 1024), True),
        ("ideogram-v3/replace-background", {"prompt": "a", "image": SOURCE}, (320, 256), False),
        ("remove-background", {"image": SOURCE}, (320, 256), True),
    ],
)
def test_the_first_version_does_the_same_work(
    simulator: server.Simulator, path: str, fields: dict[str, object], size: tuple[int, int], has_alpha: bool
) -> None:
    _, picture = made(simulator, f"v1/{path}", **fields)

    assert (picture.size, picture.has_transparency_data) == (size, has_alpha)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text_prompt": "a", "json_prompt": "{}"},
        {"text_prompt": "a", "seed": 1},
        {"text_prompt": "a", "num_images": 2},
        {"text_prompt": "a", "rendering_speed": "FLASH"},
    ],
)
def test_what_the_first_version_of_4_refuses(simulator: server.Simulator, fields: dict[str, object]) -> None:
    assert order(simulator, "v1/ideogram-v4/generate", **fields).status == 400


def test_a_mask_of_the_first_version_is_black_too(simulator: server.Simulator) -> None:
    _, picture = made(simulator, "v1/ideogram-v3/inpaint", prompt="a boat", image=SOURCE, mask=BLACK_BOX)
    submitted = order(simulator, "v1/ideogram-v4/async/generate", text_prompt="a").json()

    assert changed_box(SOURCE, picture) == BOX
    assert list(submitted) == ["generation_id"]
    assert wait(simulator, submitted["generation_id"])[-1]["status"] == "completed"


def test_every_operation_has_prices() -> None:
    assert all(operation.prices for operation in ideogram.OPERATIONS.values())
