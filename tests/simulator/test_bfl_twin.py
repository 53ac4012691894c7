"""The Black Forest Labs twin over a real socket: submit, poll, fetch, webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from easel.simulator import bfl, server

from .listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"x-key": "sim-1"}
NONE: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def call(url: str, body: object = None, headers: Mapping[str, str] = KEY) -> Reply:
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, dict(headers) | {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Reply(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def submit(simulator: server.Simulator, model: str, headers: Mapping[str, str] = NONE, /, **body: object) -> Reply:
    return call(f"{simulator.base_url}/bfl/v1/{model}", body, KEY | dict(headers))


def wait(reply: Reply) -> list[dict[str, Any]]:
    """Every poll's answer, the last one ending the task."""
    assert reply.status == 200, reply.content
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1]["status"] in {"Pending", "Reasoning", "Generating"}:
        answers.append(call(reply.json()["polling_url"]).json())
        assert len(answers) < 20
    return answers


def fetch(answers: list[dict[str, Any]]) -> Image.Image:
    assert answers[-1]["status"] == "Ready", answers[-1]
    return Image.open(BytesIO(call(answers[-1]["result"]["sample"], headers={}).content))


def made(simulator: server.Simulator, model: str, **body: object) -> Image.Image:
    return fetch(wait(submit(simulator, model, **body)))


def png(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def plain(width: int, height: int, color: str = "teal") -> str:
    return png(Image.new("RGB", (width, height), color))


def gradient(width: int, height: int) -> Image.Image:
    across = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, across.rotate(180), across.point([200] * 256)))


def test_a_task_is_submitted_polled_and_fetched_without_the_key(simulator: server.Simulator) -> None:
    reply = submit(simulator, "flux-2-pro", prompt="a red bicycle", width=768, height=512, seed=7)
    task = reply.json()
    answers = wait(reply)

    assert task["polling_url"] == f"{simulator.base_url}/bfl/v1/get_result?id={task['id']}"
    assert (task["cost"], task["input_mp"], task["output_mp"]) == (3.0, 0, 1)
    assert [answer["status"] for answer in answers] == ["Pending", "Pending", "Ready"]
    assert [answer["result"] is None for answer in answers] == [True, True, False]
    result = answers[-1]["result"]
    assert (result["prompt"], result["seed"]) == ("a red bicycle", 7)
    assert result["end_time"] >= result["start_time"]
    picture = fetch(answers)
    assert (picture.format, picture.size) == ("JPEG", (768, 512))


def test_flux_3_passes_through_its_own_states_and_tells_no_seed(simulator: server.Simulator) -> None:
    answers = wait(submit(simulator, "flux-3-image", prompt="a tram", aspect_ratio="16:9"))

    assert [answer["status"] for answer in answers] == ["Pending", "Reasoning", "Generating", "Ready"]
    assert "seed" not in answers[-1]["result"]
    assert fetch(answers).size == (1360, 768)


@pytest.mark.parametrize(
    ("body", "cost", "size"),
    [
        ({"resolution": "768sq"}, 4.1, (768, 768)),
        ({}, 4.8, (1024, 1024)),
        ({"resolution": "1.5k", "aspect_ratio": "2:1"}, None, (2176, 1088)),
        ({"resolution": "2k", "images": [plain(900, 300)]}, 10.0, (3136, 1344)),
        ({"images": plain(300, 600)}, 4.8, (720, 1456)),
        ({"resolution": "4k", "aspect_ratio": "1:1"}, 60.7, (4096, 4096)),
    ],
)
def test_flux_3_resolutions(
    simulator: server.Simulator, body: dict[str, object], cost: float | None, size: tuple[int, int]
) -> None:
    reply = submit(simulator, "flux-3-image", prompt="a tram", **body)

    assert reply.json()["cost"] == cost
    assert fetch(wait(reply)).size == size


@pytest.mark.parametrize("name", ["seed", "width", "height", "input_image", "mask", "output_format", "n"])
def test_flux_3_refuses_what_it_does_not_know(simulator: server.Simulator, name: str) -> None:
    reply = submit(simulator, "flux-3-image", prompt="a tram", **{name: 1})

    assert reply.status == 422
    (problem,) = reply.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("extra_forbidden", ["body", name])


@pytest.mark.parametrize(
    ("model", "body", "cost"),
    [
        ("flux-2-klein-4b", {"width": 1024, "height": 1024}, 1.4),
        ("flux-2-klein-9b", {"width": 1040, "height": 1024}, 1.7),
        ("flux-2-klein-9b-preview", {}, 1.5),
        ("flux-2-pro", {"width": 2048, "height": 2048}, 7.5),
        ("flux-2-pro-preview", {"input_image": plain(1024, 1024)}, 4.5),
        ("flux-2-flex", {"input_image": plain(64, 64)}, 10.0),
        ("flux-2-max", {"input_image": plain(1200, 1024), "input_image_2": plain(64, 64)}, 19.0),
        ("flux-kontext-pro", {}, 4.0),
        ("flux-kontext-max", {}, 8.0),
        ("flux-pro-1.1", {}, 4.0),
        ("flux-pro-1.1-ultra", {}, 6.0),
        ("flux-pro-1.1-ultra-finetuned", {"finetune_id": "mine"}, None),
        ("flux-dev", {}, 2.5),
        ("flux-pro-1.0-fill", {"image": plain(64, 64), "mask": plain(64, 64, "white")}, 5.0),
        ("flux-pro-1.0-expand", {"image": plain(64, 64), "left": 10}, 5.0),
        ("flux-tools/erase-v1", {"image": plain(1040, 1024), "mask": plain(1040, 1024, "black")}, 4.2),
        ("flux-tools/outpainting-v1", {"input_image": plain(64, 64), "width": 100, "height": 100}, None),
        ("flux-tools/deblur-v1", {"image": plain(64, 64)}, None),
        ("flux-tools/vto-v2", {"person": plain(64, 64), "garment": plain(64, 64)}, None),
    ],
)
def test_cost_in_credits(simulator: server.Simulator, model: str, body: dict[str, object], cost: float | None) -> None:
    reply = submit(simulator, model, prompt="a kite", **body)

    assert reply.status == 200, reply.content
    assert reply.json()["cost"] == cost


@pytest.mark.parametrize(
    ("model", "body", "form", "size"),
    [
        ("flux-2-klein-4b", {}, "JPEG", (1024, 1024)),
        ("flux-2-flex", {"input_image": plain(650, 333), "output_format": "webp"}, "WEBP", (640, 320)),
        ("flux-2-max", {"input_image": plain(3000, 3000), "height": 512}, "JPEG", (2048, 512)),
        ("flux-kontext-pro", {"aspect_ratio": "21:9"}, "PNG", (1568, 672)),
        ("flux-kontext-max", {"input_image": plain(400, 300), "output_format": "jpeg"}, "JPEG", (1184, 880)),
        ("flux-pro-1.1", {}, "JPEG", (1024, 768)),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "1:1", "image_prompt": plain(64, 64)}, "JPEG", (2048, 2048)),
        ("flux-dev", {"width": 256, "height": 1440, "output_format": "png"}, "PNG", (256, 1440)),
        ("flux-tools/vto-v1", {"person": plain(320, 480), "garment": plain(64, 64)}, "JPEG", (320, 480)),
        ("flux-tools/deblur-v1", {"image": plain(99, 77)}, "PNG", (99, 77)),
    ],
)
def test_size_and_format(
    simulator: server.Simulator, model: str, body: dict[str, object], form: str, size: tuple[int, int]
) -> None:
    picture = made(simulator, model, prompt="a kite", **body)

    assert (picture.format, picture.size) == (form, size)
    assert not picture.has_transparency_data


def test_fill_repaints_only_where_the_mask_is_white(simulator: server.Simulator) -> None:
    source = gradient(200, 120)
    mask = Image.new("L", source.size, 0)
    mask.paste(255, (50, 20, 150, 100))
    picture = made(
        simulator, "flux-pro-1.0-fill", image=png(source), mask=png(mask), prompt="a boat", output_format="png"
    )

    changed = (
        ImageChops.difference(picture.convert("RGB"), source).convert("L").point(lambda value: 255 if value else 0)
    )
    assert picture.size == source.size
    assert ImageChops.subtract(changed, mask).getbbox() is None
    assert changed.getbbox() is not None


def test_fill_takes_the_mask_from_the_alpha_of_the_image(simulator: server.Simulator) -> None:
    source = gradient(160, 160)
    hole = Image.new("L", source.size, 255)
    hole.paste(0, (40, 40, 120, 120))
    source.putalpha(hole)
    picture = made(simulator, "flux-pro-1.0-fill", image=png(source), prompt="a boat", output_format="png")

    kept = (0, 0, 160, 40)
    difference = ImageChops.difference(picture.convert("RGB"), source.convert("RGB"))
    assert difference.crop(kept).getbbox() is None
    assert difference.crop((40, 40, 120, 120)).getbbox() is not None
    assert not picture.has_transparency_data


def test_erase_reaches_a_little_over_the_edge_of_the_mask(simulator: server.Simulator) -> None:
    source = gradient(200, 200)
    mask = Image.new("L", source.size, 0)
    mask.paste(255, (80, 80, 120, 120))
    picture = made(simulator, "flux-tools/erase-v1", image=png(source), mask=png(mask), dilate_pixels=10)

    difference = ImageChops.difference(picture.convert("RGB"), source)
    left, top, right, bottom = difference.getbbox() or (0, 0, 0, 0)
    assert (left, top) >= (70, 70)
    assert right <= 130
    assert bottom <= 130
    assert right - left > 40 or bottom - top > 40


def test_expand_and_outpaint_leave_the_source_where_it_is_put(simulator: server.Simulator) -> None:
    source = gradient(120, 80)
    expanded = made(
        simulator,
        "flux-pro-1.0-expand",
        image=png(source),
        left=30,
        top=10,
        bottom=5,
        prompt="more",
        output_format="png",
    )
    placed = made(
        simulator, "flux-tools/outpainting-v1", image=png(source), width=300, height=200, reference_offset_x=20
    )

    assert expanded.size == (150, 95)
    assert ImageChops.difference(expanded.convert("RGB").crop((30, 10, 150, 90)), source).getbbox() is None
    assert placed.size == (300, 200)
    assert ImageChops.difference(placed.convert("RGB").crop((20, 60, 140, 140)), source).getbbox() is None


@pytest.mark.parametrize(
    ("model", "body", "kind", "loc"),
    [
        ("flux-2-pro", {}, "missing", ["body", "prompt"]),
        ("flux-2-pro", {"prompt": "a", "width": 1000}, "multiple_of", ["body", "width"]),
        ("flux-2-pro", {"prompt": "a", "width": 48}, "greater_than_equal", ["body", "width"]),
        ("flux-2-pro", {"prompt": "a", "width": 2064, "height": 2048}, "value_error", ["body"]),
        ("flux-2-pro", {"prompt": "a", "output_format": "gif"}, "literal_error", ["body", "output_format"]),
        ("flux-2-pro", {"prompt": "a", "safety_tolerance": 6}, "less_than_equal", ["body", "safety_tolerance"]),
        ("flux-2-pro", {"prompt": "a", "input_image": "***"}, "value_error", ["body", "input_image"]),
        ("flux-2-pro", {"prompt": "a", "input_image": "AAAA"}, "value_error", ["body", "input_image"]),
        (
            "flux-2-pro",
            {"prompt": "a", "input_image": "https://example.com/a.png"},
            "value_error",
            ["body", "input_image"],
        ),
        ("flux-2-pro", {"prompt": "a", "input_image_9": plain(64, 64)}, "value_error", ["body"]),
        ("flux-2-klein-4b", {"prompt": "a", "input_image_5": plain(64, 64)}, "value_error", ["body"]),
        ("flux-2-flex", {"prompt": "a", "steps": 51}, "less_than_equal", ["body", "steps"]),
        ("flux-2-flex", {"prompt": "a", "guidance": 1}, "greater_than_equal", ["body", "guidance"]),
        ("flux-3-image", {"prompt": "a", "safety_tolerance": 5}, "less_than_equal", ["body", "safety_tolerance"]),
        ("flux-3-image", {"prompt": "a", "resolution": "1K"}, "literal_error", ["body", "resolution"]),
        (
            "flux-3-image",
            {"prompt": "a", "images": [plain(300, 300), plain(255, 300)]},
            "value_error",
            ["body", "images", 1],
        ),
        ("flux-3-image", {"prompt": "a", "images": plain(300, 255)}, "value_error", ["body", "images"]),
        ("flux-pro-1.1", {"prompt": "a", "width": 1472}, "less_than_equal", ["body", "width"]),
        ("flux-pro-1.1", {"prompt": "a", "height": 260}, "multiple_of", ["body", "height"]),
        ("flux-dev", {"prompt": "a", "guidance": 6}, "less_than_equal", ["body", "guidance"]),
        ("flux-kontext-pro", {"prompt": "a", "aspect_ratio": "3:1"}, "value_error", ["body", "aspect_ratio"]),
        ("flux-kontext-pro", {"prompt": "a", "aspect_ratio": "wide"}, "value_error", ["body", "aspect_ratio"]),
        ("flux-pro-1.0-fill", {"image": plain(64, 64)}, "value_error", ["body", "mask"]),
        ("flux-pro-1.0-fill", {"image": plain(64, 64), "mask": plain(32, 64)}, "value_error", ["body", "mask"]),
        ("flux-pro-1.0-fill", {"image": plain(64, 64), "steps": 14}, "greater_than_equal", ["body", "steps"]),
        ("flux-pro-1.0-expand", {"image": plain(64, 64), "top": 2049}, "less_than_equal", ["body", "top"]),
        ("flux-tools/erase-v1", {"image": plain(64, 64)}, "missing", ["body", "mask"]),
        ("flux-tools/outpainting-v1", {"width": 64, "height": 64}, "missing", ["body", "input_image"]),
        ("flux-tools/outpainting-v1", {"image": plain(64, 64), "width": 64, "height": 65540}, "value_error", ["body"]),
    ],
)
def test_validation_is_a_422_with_a_list(
    simulator: server.Simulator, model: str, body: dict[str, object], kind: str, loc: list[str | int]
) -> None:
    reply = submit(simulator, model, **body)

    assert reply.status == 422, reply.content
    problem = reply.json()["detail"][0]
    assert (problem["type"], problem["loc"]) == (kind, loc)
    assert problem["msg"]


def test_eleven_images_are_too_many_for_flux_3(simulator: server.Simulator) -> None:
    reply = submit(simulator, "flux-3-image", prompt="a", images=[plain(256, 256)] * 11)

    assert reply.status == 422
    assert "too_long" in {problem["type"] for problem in reply.json()["detail"]}


def test_the_pro_budget_counts_pictures_in_and_out(simulator: server.Simulator) -> None:
    sources = {"input_image": plain(2048, 2048), "input_image_2": plain(2048, 1024)}
    assert submit(simulator, "flux-2-pro", prompt="a", width=1024, height=1024, **sources).status == 200
    assert submit(simulator, "flux-2-pro", prompt="a", width=2048, height=2048, **sources).status == 422
    assert submit(simulator, "flux-2-max", prompt="a", width=2048, height=2048, **sources).status == 200


def test_images_come_as_data_urls_and_from_earlier_answers(simulator: server.Simulator) -> None:
    first = wait(submit(simulator, "flux-2-klein-4b", prompt="a hill", width=320, height=320))
    data_url = f"data:image/png;base64,{plain(64, 64)}"
    reply = submit(
        simulator, "flux-2-klein-4b", prompt="merge", input_image=first[-1]["result"]["sample"], input_image_2=data_url
    )

    assert reply.json()["input_mp"] == 2
    assert fetch(wait(reply)).size == (320, 320)


def test_a_link_of_the_simulator_that_gives_nothing_is_refused(simulator: server.Simulator) -> None:
    reply = submit(simulator, "flux-2-pro", prompt="a", input_image=f"{simulator.base_url}/bfl/delivery/results/x/y")

    assert reply.status == 422
    assert "403" in reply.json()["detail"][0]["msg"]


def test_not_json_is_a_422_too(simulator: server.Simulator) -> None:
    reply = call(f"{simulator.base_url}/bfl/v1/flux-2-pro", b"{")

    assert (reply.status, reply.json()["detail"][0]["type"]) == (422, "json_invalid")


@pytest.mark.parametrize(
    ("prompt", "status", "polls"),
    [
        ("forbidden-prompt", "Request Moderated", 1),
        ("forbidden-output", "Content Moderated", 3),
        ("task-error", "Error", 3),
        ("task-lost", "Task not found", 1),
        ("unknown-status", "Simmering", 1),
    ],
)
def test_every_end_a_task_can_have(simulator: server.Simulator, prompt: str, status: str, polls: int) -> None:
    answers = wait(submit(simulator, "flux-2-pro", prompt=prompt))

    assert [answer["status"] for answer in answers] == ["Pending"] * (polls - 1) + [status]
    assert answers[-1]["result"] is None


@pytest.mark.parametrize(
    ("fault", "status"), [("moderation_prompt", "Request Moderated"), ("moderation_output", "Content Moderated")]
)
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str, status: str) -> None:
    answers = wait(submit(simulator, "flux-2-pro", {"x-simulate-fault": fault}, prompt="a tram"))

    assert answers[-1]["status"] == status
    assert answers[-1]["details"]["Moderation Reasons"]


def test_a_task_can_stay_pending_and_the_polls_can_be_set(simulator: server.Simulator) -> None:
    url = submit(simulator, "flux-2-pro", prompt="never-ready").json()["polling_url"]
    assert {call(url).json()["status"] for _ in range(9)} == {"Pending"}
    at_once = wait(submit(simulator, "flux-2-pro", {"x-simulate-polls": "0"}, prompt="a"))
    assert [answer["status"] for answer in at_once] == ["Ready"]
    late = wait(submit(simulator, "flux-3-image", {"x-simulate-polls": "5"}, prompt="a"))
    assert [answer["status"] for answer in late[:5]] == ["Pending", "Reasoning", *["Generating"] * 3]


def test_a_task_nobody_submitted_is_not_found(simulator: server.Simulator) -> None:
    reply = call(f"{simulator.base_url}/bfl/v1/get_result?id=nothing")
    assert (reply.status, reply.json()["status"]) == (404, "Task not found")
    assert call(f"{simulator.base_url}/bfl/v1/get_result").status == 422
    assert submit(simulator, "flux-9", prompt="a").status == 404
    assert call(f"{simulator.base_url}/bfl/v1/flux-2-pro").status == 405


@pytest.mark.parametrize(
    ("headers", "status", "detail"),
    [
        ({}, 403, "Not authenticated"),
        ({"x-key": "wrong"}, 403, "Not authenticated - Invalid Authentication"),
        ({"x-key": "sim-no-credits"}, 402, "Insufficient credits"),
    ],
)
def test_keys(simulator: server.Simulator, headers: dict[str, str], status: int, detail: str) -> None:
    reply = call(f"{simulator.base_url}/bfl/v1/flux-2-pro", {"prompt": "a"}, headers)

    assert (reply.status, reply.json()) == (status, {"detail": detail})


@pytest.mark.parametrize(
    ("fault", "status"), [("rate_limit", 429), ("server_error", 500), ("unavailable", 503), ("bad_key", 403)]
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    reply = submit(simulator, "flux-2-pro", {"x-simulate-fault": fault}, prompt="a")

    assert reply.status == status
    assert reply.json()["detail"]
    if status == 429:
        assert int(reply.headers["retry-after"]) > 0
        assert reply.headers["x-ratelimit-remaining"] == "0"


def test_a_sample_is_fetched_by_its_signature_and_for_ten_minutes(simulator: server.Simulator) -> None:
    url = wait(submit(simulator, "flux-2-pro", prompt="a tram"))[-1]["result"]["sample"]

    assert url.startswith(f"{simulator.base_url}/bfl/delivery/")
    assert call(url, headers={}).status == 200
    today = simulator.world.today
    tomorrow = today.replace(year=today.year + 1).isoformat()
    for refused in (
        call(url, headers={"x-simulate-date": tomorrow}),
        call(url.replace("sig=", "sig=x"), headers={}),
        call(url.partition("?")[0], headers={}),
    ):
        assert refused.status == 403
        assert b"AuthenticationFailed" in refused.content


def test_a_webhook_is_signed_over_its_raw_body(simulator: server.Simulator) -> None:
    with listening() as listener:
        reply = submit(simulator, "flux-2-pro", prompt="a tram", webhook_url=listener.url, webhook_secret="hush")
        headers, content = listener.take()
        refused = submit(simulator, "flux-2-pro", prompt="a forbidden-output", webhook_url=listener.url)
        plain_headers, plain_content = listener.take()

    signature = hmac.new(b"hush", content, hashlib.sha256).hexdigest()
    assert headers["x-bfl-signature"] == f"sha256={signature}"
    message = json.loads(content)
    assert (message["id"], message["status"]) == (reply.json()["id"], "Ready")
    assert call(message["result"]["sample"], headers={}).status == 200
    assert "x-bfl-signature" not in plain_headers
    assert json.loads(plain_content)["id"] == refused.json()["id"]
    assert json.loads(plain_content)["status"] == "Content Moderated"


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "https://127.0.0.1/hook", "http://10.0.0.1/hook", "nonsense"]
)
def test_webhooks_leave_the_machine_never(simulator: server.Simulator, url: str) -> None:
    reply = submit(simulator, "flux-2-pro", prompt="a tram", webhook_url=url)

    assert (reply.status, reply.json()["detail"][0]["loc"]) == (422, ["body", "webhook_url"])


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    def paint() -> bytes:
        return made(simulator, "flux-2-klein-4b", prompt="a", width=256, height=256, seed=3).tobytes()

    assert paint() == paint()


def test_every_price_is_for_an_endpoint_that_exists() -> None:
    assert all(endpoint.states for endpoint in bfl.ENDPOINTS.values())
    assert bfl.credits_for(bfl.PRO, bfl.Flux2Pro(prompt="a"), 2, 4) == 10.5
