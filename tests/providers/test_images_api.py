"""The OpenAI family: what no exchange shows."""

from __future__ import annotations

from datetime import date

import pytest

from easel.providers.azure_openai import AzureOpenAI
from easel.providers.base import ImageRequest, InputImage, Size
from easel.providers.base.errors import ConfigError
from easel.providers.openai import OpenAI
from easel.providers.openai_compatible import OpenAICompatible
from easel.router.catalog import unknown_model

MODEL = unknown_model("openai", "gpt-image-2", as_of=date(2026, 11, 23), source="this test")
LONGEST_IN_JSON = (20_971_520 - len("data:image/png;base64,")) // 4 * 3


@pytest.mark.parametrize(("size", "kind"), [(LONGEST_IN_JSON, "application/json"), (LONGEST_IN_JSON + 1, "multipart")])
def test_an_edit_with_a_moderation_level_is_json_as_long_as_its_pictures_fit(size: int, kind: str) -> None:
    picture = InputImage(bytes(size), "image/png", Size(4096, 4096), has_alpha=False)
    request = ImageRequest(operation="edit", prompt="at night", images=(picture,), moderation="low")
    call = OpenAI().call(request, MODEL)
    assert call.headers["content-type"].startswith(kind)
    assert call.body is not None
    assert b"moderation" in call.body


@pytest.mark.parametrize(
    "base_url", ["https://a.openai.azure.com", "https://a.openai.azure.com/", "https://a.openai.azure.com/openai/v1/"]
)
def test_an_azure_resource_may_be_given_with_its_path(base_url: str) -> None:
    adapter = AzureOpenAI(base_url=base_url)
    assert adapter.base_url + adapter.call(ImageRequest(prompt="a kite"), MODEL).url == (
        "https://a.openai.azure.com/openai/v1/images/generations"
    )


def test_an_azure_api_version_is_a_date_or_one_of_three_words() -> None:
    with pytest.raises(ConfigError, match=r"'2025-04' is neither a date such as 2025-04-01-preview nor v1"):
        AzureOpenAI(base_url="https://a.openai.azure.com", settings={"api_version": "2025-04"})


def test_a_compatible_server_needs_an_address_and_known_settings() -> None:
    with pytest.raises(ConfigError, match="needs a base_url"):
        OpenAICompatible()
    with pytest.raises(ConfigError) as caught:
        OpenAICompatible(base_url="http://gpu-1:8000/v1", settings={"engine": "vllm", "response_format": "file"})
    assert [each.message for each in caught.value.problems] == [
        "engine 'vllm' is none of vllm_omni, sglang, localai, xinference, stable_diffusion_cpp",
        "response_format 'file' is none of b64_json, url, none",
    ]
