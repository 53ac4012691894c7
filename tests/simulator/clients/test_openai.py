"""The openai client at OpenAI's twin, Azure's, and those of the vendors whose documents tell to use it.

xAI's edits and Recraft's other endpoints are called by `client.post`, as this client has no method for them.
"""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from ..calling import box_mask, call, changed_box, data_url, gradient, png

if TYPE_CHECKING:
    from easel.simulator import server

PROMPT = "a red kite over dunes"
NEWEST = "gpt-image-2.6-sunburst"
SIZE = (1280, 512)


class Vendor(NamedTuple):
    path: str
    model: str
    key: str = "sim-1"
    extra: dict[str, object] | None = None
    bad_key: type[openai.APIStatusError] = openai.AuthenticationError


VENDORS = {
    "openai": Vendor("openai/v1", "gpt-image-2", extra={"quality": "low"}),
    "azure": Vendor("azure/openai/v1", "gpt-image-2", extra={"quality": "low"}),
    "xai": Vendor("xai/v1", "grok-imagine-image-2.0", "xai-sim-1", {"aspect_ratio": "3:2"}, openai.BadRequestError),
    "seedream": Vendor("seedream/api/v3", "seedream-4-0-250828", extra={"size": "1K", "watermark": False}),
    "recraft": Vendor("recraft/v1", "recraftv4_1", extra={"image_format": "png"}),
    "dashscope": Vendor("dashscope/compatible-mode/v1", "qwen-image-3.0", "sk-sim-1", {"prompt_extend": False}),
}


def connect(simulator: server.Simulator, name: str, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(api_key=key or VENDORS[name].key, base_url=f"{simulator.base_url}/{VENDORS[name].path}")


def picture(answer: ImagesResponse) -> Image.Image:
    (item,) = answer.data or []
    content = base64.b64decode(item.b64_json) if item.b64_json else call(item.url or "").content
    return Image.open(BytesIO(content))


@pytest.mark.parametrize("name", VENDORS)
def test_generate(simulator: server.Simulator, name: str) -> None:
    vendor = VENDORS[name]
    answer = connect(simulator, name).images.generate(model=vendor.model, prompt=PROMPT, extra_body=vendor.extra)

    assert min(picture(answer).size) >= 512


@pytest.mark.parametrize("name", VENDORS)
def test_a_refused_prompt(simulator: server.Simulator, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        connect(simulator, name).images.generate(model=VENDORS[name].model, prompt="forbidden-prompt")

    assert refused.value.body


@pytest.mark.parametrize("name", VENDORS)
def test_a_bad_key(simulator: server.Simulator, name: str) -> None:
    with pytest.raises(VENDORS[name].bad_key):
        connect(simulator, name, "nobody").images.generate(model=VENDORS[name].model, prompt=PROMPT)


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_an_edit_with_a_mask(simulator: server.Simulator, name: str) -> None:
    before, mask = gradient(*SIZE), gradient(*SIZE).convert("RGBA")
    mask.putalpha(box_mask(SIZE, (100, 100, 300, 300), inside=0))
    answer = connect(simulator, name).images.edit(
        model="gpt-image-2", image=("a.png", png(before)), mask=("m.png", png(mask)), prompt="a lamp", quality="low"
    )

    box = changed_box(before, picture(answer))
    assert box is not None
    assert (box[0] >= 100, box[1] >= 100, box[2] <= 300, box[3] <= 300) == (True, True, True, True)


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_stream_of_previews(simulator: server.Simulator, name: str) -> None:
    stream = connect(simulator, name).images.generate(
        model="gpt-image-2", prompt=PROMPT, quality="low", stream=True, partial_images=1
    )

    assert [event.type for event in stream] == ["image_generation.partial_image", "image_generation.completed"]


def test_azure_by_deployment(simulator: server.Simulator) -> None:
    def connect(key: str) -> openai.AzureOpenAI:
        endpoint = f"{simulator.base_url}/azure"
        return openai.AzureOpenAI(api_key=key, azure_endpoint=endpoint, api_version="2025-04-01-preview")

    answer = connect("sim-1").images.generate(model="gpt-image-2", prompt=PROMPT, quality="low")

    assert picture(answer).size == (1024, 1024)
    with pytest.raises(openai.BadRequestError) as refused:
        connect("sim-1").images.generate(model="gpt-image-2", prompt="forbidden-prompt")
    assert refused.value.code
    with pytest.raises(openai.AuthenticationError):
        connect("nobody").images.generate(model="gpt-image-2", prompt=PROMPT)


async def test_openai_asynchronously(simulator: server.Simulator) -> None:
    async with openai.AsyncOpenAI(api_key="sim-1", base_url=f"{simulator.base_url}/openai/v1") as client:
        answer = await client.images.generate(model=NEWEST, prompt=PROMPT, quality="low")
        models = [model.id async for model in client.models.list()]

    assert picture(answer).size == (1024, 1024)
    assert NEWEST in models


def test_openai_waits_after_a_rate_limit(simulator: server.Simulator) -> None:
    headers = {"x-simulate-fault": "rate_limit"}
    client = connect(simulator, "openai").with_options(max_retries=0)
    with pytest.raises(openai.RateLimitError) as limited:
        client.images.generate(model=NEWEST, prompt=PROMPT, extra_headers=headers)

    assert limited.value.response.headers["retry-after"]


def test_an_edit_at_xai(simulator: server.Simulator) -> None:
    body = {
        "model": "grok-imagine-image-2.0",
        "prompt": "a hat",
        "image": {"type": "image_url", "url": data_url(gradient(400, 200))},
    }
    answer = connect(simulator, "xai").post("/images/edits", cast_to=ImagesResponse, body=body)

    assert picture(answer).size == (1456, 720)


def test_an_edit_at_seedream(simulator: server.Simulator) -> None:
    source = {"image": data_url(gradient(400, 200)), "watermark": False}
    answer = connect(simulator, "seedream").images.generate(
        model="seedream-4-0-250828",
        prompt="a hat",
        size="1K",  # pyright: ignore[reportArgumentType], a tier of this vendor
        response_format="b64_json",
        extra_body=source,
    )

    wide = picture(answer)
    assert wide.width == pytest.approx(2 * wide.height, rel=0.02)


def test_a_series_streamed_by_seedream(simulator: server.Simulator) -> None:
    series = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    stream = connect(simulator, "seedream").images.generate(
        model="seedream-4-0-250828", prompt=PROMPT, stream=True, extra_body=series
    )

    events: list[Any] = list(stream)
    assert [event.type for event in events] == [
        *["image_generation.partial_succeeded"] * 2,
        "image_generation.completed",
    ]
    assert events[-1].usage.model_dump()["generated_images"] == 2


def test_tools_of_recraft(simulator: server.Simulator) -> None:
    answer = connect(simulator, "recraft").post(
        "/images/removeBackground",
        cast_to=dict[str, Any],
        body={"response_format": "url"},
        files={"file": ("a.png", png(gradient(300, 256)))},
        options={"headers": {"content-type": "multipart/form-data"}},
    )

    assert call(answer["image"]["url"]).picture().has_transparency_data


def test_an_edit_at_dashscope(simulator: server.Simulator) -> None:
    answer = connect(simulator, "dashscope").images.generate(
        model="qwen-image-3.0", prompt="a hat", extra_body={"image": [data_url(gradient(400, 200))]}
    )

    wide = picture(answer)
    assert wide.width == pytest.approx(2 * wide.height, rel=0.02)
