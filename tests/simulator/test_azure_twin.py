"""The Azure twin over a real socket: both of its addresses, driven by OpenAI's own clients."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from io import BytesIO
from typing import TYPE_CHECKING, Any

import openai
import pytest
from PIL import Image, ImageChops

from easel.simulator import _openai_tokens as tokens
from easel.simulator import server

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "2025-04-01-preview"
IMAGE_1_5 = "gpt-image-1.5"
IMAGE_2 = "gpt-image-2"
WIDE = "1280x512"
TODAY = "2026-11-23"
V1 = "/openai/v1/images/generations"
DEPLOYMENT = f"/openai/deployments/{IMAGE_2}/images/generations?api-version={VERSION}"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running() as running:
        yield running


def connect(simulator: server.Simulator, kind: str, **headers: str) -> openai.OpenAI:
    named = {"x-simulate-date": TODAY} | {name.replace("_", "-"): value for name, value in headers.items()}
    base_url = simulator.base_url + "/azure"
    if kind == "v1":
        return openai.OpenAI(api_key="sim-1", base_url=f"{base_url}/openai/v1", max_retries=0, default_headers=named)
    return openai.AzureOpenAI(
        api_key="sim-1", azure_endpoint=base_url, api_version=VERSION, max_retries=0, default_headers=named
    )


@pytest.fixture(params=["v1", "deployments"])
def client(simulator: server.Simulator, request: pytest.FixtureRequest) -> openai.OpenAI:
    return connect(simulator, request.param)


def send(
    simulator: server.Simulator, path: str, body: object, method: str = "POST", **headers: str
) -> tuple[int, Any, dict[str, str]]:
    named = {"api-key": "sim-1", "content-type": "application/json", "x-simulate-date": TODAY}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        f"{simulator.base_url}/azure{path}",
        json.dumps(body).encode(),
        {name: value for name, value in named.items() if value},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response), {k.lower(): v for k, v in response.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), {k.lower(): v for k, v in error.headers.items()}


def asking(**more: object) -> dict[str, object]:
    return {"prompt": "a red kite over dunes", "size": WIDE, "quality": "low"} | more


def picture(width: int = 1280, height: int = 512, mode: str = "RGB", kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new(mode, (width, height), "teal").save(buffer, kind)
    return buffer.getvalue()


def decode(text: str | None) -> Image.Image:
    image = Image.open(BytesIO(base64.b64decode(text or "", validate=True)))
    image.load()
    return image


def test_a_deployment_paints(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model=IMAGE_2, prompt="a red kite over dunes", size=WIDE, quality="low", output_format="jpeg"
    )

    image = decode((answer.data or [])[0].b64_json)
    assert (image.size, image.format) == ((1280, 512), "JPEG")
    assert answer.usage is not None
    assert answer.usage.output_tokens == tokens.grid_tokens(16, 1280, 512)


def test_a_deployment_edits_within_the_mask(client: openai.OpenAI) -> None:
    mask = Image.new("RGBA", (1280, 512), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 200, 200))
    buffer = BytesIO()
    mask.save(buffer, "PNG")
    answer = client.images.edit(
        model=IMAGE_2,
        image=[("a.png", picture(), "image/png"), ("b.jpg", picture(kind="JPEG"), "image/jpeg")],
        mask=("m.png", buffer.getvalue(), "image/png"),
        prompt="a lamp",
        size=WIDE,
        quality="low",
    )

    edited = decode((answer.data or [])[0].b64_json).convert("RGB")
    changed = ImageChops.difference(edited, Image.new("RGB", (1280, 512), "teal")).getbbox()
    assert changed is not None
    assert changed[2] <= 200
    assert changed[3] <= 200


def test_a_deployment_streams(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        model=IMAGE_2, prompt="a tram", size=WIDE, quality="low", stream=True, partial_images=1
    )

    assert [event.type for event in stream] == ["image_generation.partial_image", "image_generation.completed"]


def test_a_token_is_as_good_as_a_key(simulator: server.Simulator) -> None:
    status, _, headers = send(simulator, V1, asking(model=IMAGE_2), api_key="", authorization="Bearer sim-token")

    assert status == 200
    assert headers["apim-request-id"]
    assert headers["apim-request-id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"api_key": "wrong"}, 401, "401"),
        ({"api_key": ""}, 401, "401"),
        ({"x_simulate_fault": "bad_key"}, 401, "401"),
        ({"api_key": "sim-blocked"}, 403, "Forbidden"),
    ],
)
def test_keys(simulator: server.Simulator, headers: dict[str, str], status: int, code: str) -> None:
    given, body, _ = send(simulator, V1, asking(model=IMAGE_2), **headers)

    assert (given, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (V1, 200, None),
        (f"{V1}?api-version=preview", 200, None),
        (f"{V1}?api-version=latest", 200, None),
        (f"{V1}?api-version=v1", 200, None),
        (f"{V1}?api-version={VERSION}", 400, "BadRequest"),
        (DEPLOYMENT, 200, None),
        (DEPLOYMENT.replace(VERSION, "2026-02-01"), 200, None),
        (DEPLOYMENT.replace(VERSION, "2024-02-01"), 400, "BadRequest"),
        (DEPLOYMENT.replace(VERSION, "2025-13-99"), 404, "404"),
        (DEPLOYMENT.replace(VERSION, "preview"), 404, "404"),
        (DEPLOYMENT.partition("?")[0], 404, "404"),
        ("/openai/deployments/gpt-image-2/images/variations?api-version=v1", 404, "404"),
        ("/v1/images/generations", 404, "404"),
    ],
)
def test_addresses_and_versions(simulator: server.Simulator, path: str, status: int, code: str | None) -> None:
    given, body, _ = send(simulator, path, asking(model=IMAGE_2))

    assert given == status, body
    assert body.get("error", {}).get("code") == code


def test_a_picture_cannot_be_got(simulator: server.Simulator) -> None:
    assert send(simulator, V1, {}, method="GET")[0] == 404


@pytest.mark.parametrize(
    ("model", "day", "lives"),
    [
        (IMAGE_1_5, "2026-12-02", True),
        (IMAGE_1_5, "2026-12-16", False),
        ("gpt-image-1-mini", "2027-04-06", True),
        ("gpt-image-1-mini", "2027-04-07", False),
        ("gpt-image-1", "2026-10-23", False),
        (IMAGE_2, "2027-04-20", True),
        (IMAGE_2, "2027-04-21", False),
        ("gpt-image-2.5-flare", "2027-09-08", True),
        ("gpt-image-2.6-flare", TODAY, False),
        ("chatgpt-image-latest", TODAY, False),
        ("dall-e-3", TODAY, False),
    ],
)
def test_models_retire_on_azures_own_days(simulator: server.Simulator, model: str, day: str, lives: bool) -> None:
    """Without a prompt, so that a deployment that lives gives the next refusal."""
    in_path = DEPLOYMENT.replace(IMAGE_2, model)
    for path, body in ((V1, {"model": model}), (in_path, {})):
        status, answer, _ = send(simulator, path, body, x_simulate_date=day)
        if lives:
            assert answer["error"]["param"] == "prompt"
        else:
            assert (status, answer["error"]["code"]) == (404, "DeploymentNotFound")


def test_a_deployment_without_a_model_is_not_found_by_the_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(model="posters", prompt="a tram")
    assert missing.value.code == "DeploymentNotFound"


def test_a_deployments_own_name_in_the_body_of_its_address_does_not_exist(simulator: server.Simulator) -> None:
    name = f"{IMAGE_2}--posters"
    path = DEPLOYMENT.replace(IMAGE_2, name)

    assert send(simulator, V1, asking(model=name))[0] == 200
    assert send(simulator, path, asking())[0] == 200
    status, body, _ = send(simulator, path, asking(model=name))
    assert status == 400
    assert body["error"] == {
        "message": f"The model '{name}' does not exist.",
        "type": "image_generation_user_error",
        "param": "model",
        "code": "invalid_value",
    }


@pytest.mark.parametrize("path", [V1, DEPLOYMENT])
@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": 3}, "model", "invalid_type"),
        ({"prompt": ""}, "prompt", "empty_string"),
        ({"response_format": "b64_json"}, "response_format", "unknown_parameter"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"output_format": "webp"}, "output_format", "invalid_value"),
        ({"size": "512x512"}, "size", "invalid_value"),
    ],
)
def test_requests_are_checked_as_openai_checks_them(
    simulator: server.Simulator, path: str, change: dict[str, object], param: str, code: str
) -> None:
    status, body, _ = send(simulator, path, asking(model=IMAGE_2) | change)

    assert (status, body["error"]["param"], body["error"]["code"]) == (400, param, code)


def test_webp_is_neither_made_nor_taken(simulator: server.Simulator, client: openai.OpenAI) -> None:
    _, body, _ = send(simulator, V1, asking(model=IMAGE_2, output_format="webp"))
    assert body["error"]["message"] == "Invalid value: 'webp'. Supported values are: 'png' and 'jpeg'."

    with pytest.raises(openai.BadRequestError, match="Supported file formats are 'image/jpeg' and 'image/png'"):
        client.images.edit(model=IMAGE_2, image=("a.webp", picture(kind="WEBP"), "image/webp"), prompt="a")


def test_edits_take_forms_only(simulator: server.Simulator) -> None:
    path = V1.replace("generations", "edits")
    status, body, _ = send(simulator, path, asking(model=IMAGE_2, images=[{"file_id": "file-1"}]))

    assert (status, body["error"]["code"]) == (400, "unsupported_content_type")


@pytest.mark.parametrize(("model", "quality"), [(IMAGE_2, "high"), ("gpt-image-1-mini", "medium")])
def test_the_quality_nobody_asked_for(simulator: server.Simulator, model: str, quality: str) -> None:
    _, body, _ = send(simulator, V1, {"model": model, "prompt": "a", "output_format": "jpeg"})

    assert body["quality"] == quality


@pytest.mark.parametrize(
    ("headers", "prompt", "words"),
    [
        ({}, "a forbidden-prompt", "Your task failed"),
        ({}, "a forbidden-output", "Generated image was filtered"),
        ({"x_simulate_fault": "moderation_prompt"}, "a", "Your task failed"),
        ({"x_simulate_fault": "moderation_output"}, "a", "Generated image was filtered"),
    ],
)
def test_the_content_filter_at_the_v1_address(
    simulator: server.Simulator, headers: dict[str, str], prompt: str, words: str
) -> None:
    status, body, _ = send(simulator, V1, asking(model=IMAGE_2, prompt=prompt), **headers)

    assert status == 400
    assert set(body) == {"created", "error"}
    assert body["error"] == {
        "code": "contentFilter",
        "message": f"{words} as a result of our safety system.",
    }


def test_the_content_filter_at_the_deployments_address(simulator: server.Simulator) -> None:
    status, body, _ = send(simulator, DEPLOYMENT, asking(prompt="a forbidden-prompt"))

    assert (status, body["error"]["code"]) == (400, "content_policy_violation")
    inner = body["error"]["inner_error"]
    assert inner["code"] == "ResponsibleAIPolicyViolation"
    assert inner["content_filter_results"]["violence"]["filtered"]
    assert not inner["content_filter_results"]["hate"]["filtered"]


def test_the_client_knows_a_refusal_by_its_code(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.images.generate(model=IMAGE_2, prompt="a forbidden-prompt", size=WIDE)
    assert refusal.value.code in {"contentFilter", "content_policy_violation"}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("rate_limit", openai.RateLimitError, "RateLimitReached"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("unavailable", openai.InternalServerError, "ServiceUnavailable"),
        ("server_error", openai.InternalServerError, "InternalServerError"),
    ],
)
def test_limits_and_outages(
    simulator: server.Simulator, fault: str, kind: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(kind) as failure:
        connect(simulator, "v1", x_simulate_fault=fault).images.generate(model=IMAGE_2, prompt="a", size=WIDE)

    assert failure.value.code == code
    assert ("retry-after" in failure.value.response.headers) == (fault == "rate_limit")
