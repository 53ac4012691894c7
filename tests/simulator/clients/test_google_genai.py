"""google-genai at the Google twin: single answers, streams, conversations and files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ..calling import gradient, png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google import genai

    from easel.simulator import server

MODEL = "gemini-nano-banana-2.1"


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[[str], genai.Client]:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=f"{simulator.base_url}/google")
    return lambda key: genai.Client(api_key=key, http_options=options)


@pytest.fixture(scope="module")
def client(connect: Callable[[str], genai.Client]) -> Iterator[genai.Client]:
    with connect("sim-1") as client:
        yield client


def pictures(*answers: genai.types.GenerateContentResponse) -> list[Image.Image]:
    blobs = [part.inline_data for answer in answers for part in answer.parts or []]
    return [Image.open(BytesIO(blob.data or b"")) for blob in blobs if blob]


def test_generate(client: genai.Client) -> None:
    answer = client.models.generate_content(
        model=MODEL,
        contents="a red kite",
        config={"response_modalities": ["IMAGE"], "image_config": {"aspect_ratio": "16:9", "image_size": "1K"}},
    )

    assert [picture.size for picture in pictures(answer)] == [(1376, 768)]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.candidates_token_count == 1120


async def test_generate_asynchronously(client: genai.Client) -> None:
    answer = await client.aio.models.generate_content(model=MODEL, contents="a red kite")

    assert len(pictures(answer)) == 1


def test_a_stream_has_words_first_and_the_count_last(client: genai.Client) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="a red kite"))

    assert [len(pictures(chunk)) for chunk in chunks] == [0, 1]
    assert chunks[0].text
    assert chunks[0].usage_metadata is None
    assert chunks[1].usage_metadata is not None
    assert chunks[1].candidates is not None
    assert chunks[1].candidates[0].finish_reason == "STOP"


def test_an_edit_of_a_picture_sent_along(client: genai.Client) -> None:
    answer = client.models.generate_content(model=MODEL, contents=[gradient(400, 200), "add a hat"])

    assert pictures(answer)[0].size == (1376, 768)


def test_an_edit_of_a_picture_uploaded(client: genai.Client) -> None:
    file = client.files.upload(file=BytesIO(png(gradient(200, 400))), config={"mime_type": "image/png"})
    answer = client.models.generate_content(model=MODEL, contents=[file, "add a hat"])
    counted = client.models.count_tokens(model=MODEL, contents=[file, "add a hat"])

    tall = pictures(answer)[0]
    assert tall.height > tall.width
    assert (counted.total_tokens or 0) > 1120
    assert file.name in {each.name for each in client.files.list()}
    assert client.files.get(name=file.name or "").state == "ACTIVE"
    client.files.delete(name=file.name or "")
    assert file.name not in {each.name for each in client.files.list()}


def test_a_file_of_another_key(connect: Callable[[str], genai.Client], client: genai.Client) -> None:
    from google.genai import errors

    file = client.files.upload(file=BytesIO(png(gradient(8, 8))), config={"mime_type": "image/png", "name": "mine"})
    with connect("sim-2") as other, pytest.raises(errors.ClientError) as refused:
        other.models.generate_content(model=MODEL, contents=[file, "add a hat"])

    assert (file.name, refused.value.code, refused.value.status) == ("files/mine", 403, "PERMISSION_DENIED")


def test_a_conversation_sends_its_pictures_back(client: genai.Client) -> None:
    chat = client.chats.create(model=MODEL)
    chat.send_message("a fox")
    answer = chat.send_message("now in snow")

    assert len(pictures(answer)) == 1
    assert len(chat.get_history()) == 4
    assert answer.usage_metadata is not None
    details = answer.usage_metadata.prompt_tokens_details or []
    assert [detail.modality for detail in details] == ["TEXT", "IMAGE"]


def test_the_models(client: genai.Client) -> None:
    assert f"models/{MODEL}" in {model.name for model in client.models.list()}
    assert client.models.get(model=MODEL).display_name == "Nano Banana 2.1"


def test_refusals(client: genai.Client) -> None:
    prompt = client.models.generate_content(model=MODEL, contents="forbidden-prompt")
    output = client.models.generate_content(model=MODEL, contents="forbidden-output")
    streamed = list(client.models.generate_content_stream(model=MODEL, contents="forbidden-prompt"))

    assert prompt.prompt_feedback is not None
    assert prompt.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
    assert output.candidates is not None
    assert output.candidates[0].finish_reason == "IMAGE_SAFETY"
    assert [chunk.candidates for chunk in streamed] == [None]


def test_errors(connect: Callable[[str], genai.Client], client: genai.Client) -> None:
    from google.genai import errors

    with connect("nobody") as stranger, pytest.raises(errors.ClientError) as bad_key:
        stranger.models.generate_content(model=MODEL, contents="a red kite")
    with pytest.raises(errors.ClientError) as unknown:
        client.models.generate_content(model="gemini-0", contents="a red kite")

    assert (bad_key.value.code, bad_key.value.status) == (400, "INVALID_ARGUMENT")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
