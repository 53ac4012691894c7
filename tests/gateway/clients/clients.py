"""LangChain and LiteLLM as clients of a running gateway: only the address and the key are changed.

Runs in an environment of its own, see `__main__`.
"""

import os
import warnings
from base64 import b64decode
from collections.abc import Callable
from importlib import import_module
from typing import Any

BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ.get("API_KEY", "not-needed")
PROMPT = "a red kite over dunes"
PNG = b"\x89PNG"

os.environ |= {"OPENAI_API_KEY": API_KEY, "OPENAI_API_BASE": BASE_URL, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def package(name: str) -> Any:
    """Without its types: not all of them are installed where these files are checked."""
    return import_module(name)


def langchain_tool() -> None:
    """It still asks for dall-e-2 or dall-e-3, and wants an address. The gateway's it finds in OPENAI_API_BASE."""
    tools = package("langchain_community.tools.openai_dalle_image_generation")
    utilities = package("langchain_community.utilities.dalle_image_generator")
    for model in ("dall-e-2", "dall-e-3"):
        wrapper = utilities.DallEAPIWrapper(model=model, size="1024x1024")
        address = tools.OpenAIDALLEImageGenerationTool(api_wrapper=wrapper).run(PROMPT)
        assert address.startswith(("http", "data:image/")), address[:80]


def langchain_chat_model() -> None:
    painter = package("langchain_openai").ChatOpenAI(
        model="gpt-5.6", base_url=BASE_URL, api_key=API_KEY, use_responses_api=True, max_retries=0
    )
    bound = painter.bind_tools([{"type": "image_generation", "model": "gpt-image-2", "quality": "low"}])
    first = bound.invoke(PROMPT)
    (picture,) = [block for block in first.content_blocks if block["type"] == "image"]
    assert b64decode(picture["base64"]).startswith(PNG)
    second = bound.invoke("now at night", previous_response_id=first.response_metadata["id"])
    assert any(block["type"] == "image" for block in second.content_blocks)
    streamed = list(bound.stream(PROMPT))
    assert any(block["type"] == "image" for chunk in streamed for block in chunk.content_blocks)


def litellm_images() -> None:
    litellm = package("litellm")
    answer = litellm.image_generation(
        prompt=PROMPT, model="openai/gpt-image-2", api_base=BASE_URL, api_key=API_KEY, size="1024x1024"
    )
    picture = b64decode(answer.data[0].b64_json)
    assert picture.startswith(PNG)
    edited = litellm.image_edit(
        image=[picture, picture], prompt=PROMPT, model="openai/gpt-image-2", api_base=BASE_URL, api_key=API_KEY
    )
    assert b64decode(edited.data[0].b64_json).startswith(PNG)


def litellm_error() -> None:
    litellm = package("litellm")
    said = ""
    try:
        litellm.image_generation(
            prompt=PROMPT, model="openai/gpt-image-2", api_base=BASE_URL, api_key=API_KEY, size="tiny", num_retries=0
        )
    except litellm.BadRequestError as error:
        said = str(error)
    assert "tiny" in said


def litellm_responses() -> None:
    litellm = package("litellm")
    answer = litellm.responses(
        model="openai/gpt-5",
        input=PROMPT,
        tools=[{"type": "image_generation", "model": "gpt-image-2", "quality": "low"}],
        api_base=BASE_URL,
        api_key=API_KEY,
    )
    assert b64decode(answer.output[0].result).startswith(PNG)


SCENES: dict[str, Callable[[], None]] = {
    "langchain: the image tool": langchain_tool,
    "langchain: a chat model with the image tool": langchain_chat_model,
    "litellm: images": litellm_images,
    "litellm: an error it can tell": litellm_error,
    "litellm: responses": litellm_responses,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name, scene in SCENES.items():
        scene()
        print(f"ok  {name}", flush=True)
