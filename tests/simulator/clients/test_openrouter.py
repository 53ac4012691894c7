"""OpenRouter's own client at its twin."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from ..calling import data_url, gradient

if TYPE_CHECKING:
    from collections.abc import Callable

    import openrouter

    from easel.simulator import server

SEEDREAM, GPT = "bytedance-seed/seedream-4.5", "openai/gpt-image-2"


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[[str], openrouter.OpenRouter]:
    from openrouter import OpenRouter

    return lambda key: OpenRouter(api_key=key, server_url=f"{simulator.base_url}/openrouter/api/v1")


@pytest.fixture(scope="module")
def client(connect: Callable[[str], openrouter.OpenRouter]) -> openrouter.OpenRouter:
    return connect("sk-or-sim1")


def sizes(answer: Any) -> list[tuple[int, int]]:
    return [Image.open(BytesIO(base64.b64decode(item.b64_json))).size for item in answer.data]


def test_generate(client: openrouter.OpenRouter) -> None:
    answer: Any = client.images.generate(model=SEEDREAM, prompt="a hill", size="256x320", n=2, seed=3)

    assert sizes(answer) == [(256, 320)] * 2
    assert answer.usage.cost > 0


def test_an_edit(client: openrouter.OpenRouter) -> None:
    reference: Any = {"type": "image_url", "image_url": {"url": data_url(gradient(256, 256))}}
    answer: Any = client.images.generate(model=GPT, prompt="a hat", quality="low", input_references=[reference])

    assert len(answer.data) == 1
    assert answer.usage.prompt_tokens > 10


def test_a_stream_of_previews(client: openrouter.OpenRouter) -> None:
    stream: Any = client.images.generate(model=GPT, prompt="a hill", quality="low", stream=True)
    with stream:
        kinds = [event.type for event in stream]

    assert kinds == ["image_generation.partial_image", "image_generation.completed"]


def test_the_models_and_the_balance(client: openrouter.OpenRouter) -> None:
    assert GPT in {model.id for model in client.images.list_models().data}
    endpoints = client.images.list_model_endpoints(author="openai", slug="gpt-image-2").endpoints
    assert endpoints[0].provider_slug == "openai"
    assert client.credits.get_credits().data.total_credits > 0


def test_errors(connect: Callable[[str], openrouter.OpenRouter], client: openrouter.OpenRouter) -> None:
    from openrouter import errors

    with pytest.raises(errors.UnauthorizedResponseError):
        connect("nobody").images.generate(model=GPT, prompt="a hill")
    with pytest.raises(errors.ForbiddenResponseError, match="flagged"):
        client.images.generate(model=GPT, prompt="forbidden-prompt")
    with pytest.raises(errors.NotFoundResponseError):
        client.images.generate(model="nobody/nothing", prompt="a hill")
