"""The together client at the Together twin."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from ..calling import call, data_url, gradient

if TYPE_CHECKING:
    from collections.abc import Callable

    import together

    from easel.simulator import server

TURBO, FLUX_2 = "Tongyi-MAI/Z-Image-Turbo", "black-forest-labs/FLUX.2-pro"
SMALL: dict[str, Any] = {"prompt": "a hill", "width": 256, "height": 320}


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[[str], together.Together]:
    from together import Together

    return lambda key: Together(api_key=key, base_url=f"{simulator.base_url}/together/v1")


@pytest.fixture(scope="module")
def client(connect: Callable[[str], together.Together]) -> together.Together:
    return connect("sim-1")


def test_generate(client: together.Together) -> None:
    answer = client.images.generate(model=TURBO, seed=3, **SMALL)

    assert answer.object == "list"
    assert answer.data[0].type == "url"
    assert call(answer.data[0].url).picture().size == (256, 320)


def test_several_in_base64(client: together.Together) -> None:
    answer = client.images.generate(model=TURBO, n=2, response_format="base64", output_format="png", **SMALL)

    contents = [base64.b64decode(item.b64_json) for item in answer.data if item.type == "b64_json"]
    assert [Image.open(BytesIO(content)).format for content in contents] == ["PNG", "PNG"]


def test_an_edit(client: together.Together) -> None:
    source = data_url(gradient(320, 256))
    answer = client.images.generate(model=FLUX_2, reference_images=[source], **SMALL)

    assert answer.data[0].type == "url"
    assert call(answer.data[0].url).picture().size == (256, 320)


def test_the_models(client: together.Together) -> None:
    assert {model.type for model in client.models.list() if model.id in {TURBO, FLUX_2}} == {"image"}


def test_errors(connect: Callable[[str], together.Together], client: together.Together) -> None:
    import together

    with pytest.raises(together.AuthenticationError):
        connect("nobody").images.generate(model=TURBO, **SMALL)
    with pytest.raises(together.UnprocessableEntityError, match="NSFW"):
        client.images.generate(model=TURBO, prompt="forbidden-prompt")
    with pytest.raises(together.BadRequestError, match="width"):
        client.images.generate(model=TURBO, prompt="a hill", width=7)
    with pytest.raises(together.NotFoundError):
        client.images.generate(model="nobody/nothing", prompt="a hill")
