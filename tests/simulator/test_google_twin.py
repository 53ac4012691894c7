"""The Google twin, driven by Google's own client over a real socket."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

from easel.simulator import google, server

if TYPE_CHECKING:
    from collections.abc import Iterator

BANANA = "gemini-nano-banana-2.1"
PRO = "gemini-3-pro-image"
LITE = "gemini-3.1-flash-lite-image"
FIRST = "gemini-2.5-flash-image"
SECOND = "gemini-3.1-flash-image"
SECOND_STILL_LIVES = "2026-10-28"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


@pytest.fixture(scope="module")
def client(simulator: server.Simulator) -> genai.Client:
    return connect(simulator)


def connect(simulator: server.Simulator, key: str = "sim-1", **headers: str) -> genai.Client:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    options = types.HttpOptions(base_url=simulator.base_url + "/google", headers=named)
    return genai.Client(api_key=key, http_options=options)


def images_only(**more: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(response_modalities=["IMAGE"], **more)


def pictures(response: types.GenerateContentResponse) -> list[Image.Image]:
    return [open_picture(part) for part in response.parts or [] if part.inline_data and not part.thought]


def open_picture(part: types.Part) -> Image.Image:
    assert part.inline_data is not None
    assert part.inline_data.data is not None
    picture = Image.open(BytesIO(part.inline_data.data))
    assert part.inline_data.mime_type == Image.MIME[picture.format or ""]
    return picture


def png(width: int, height: int, color: str = "teal", mode: str = "RGB") -> bytes:
    buffer = BytesIO()
    Image.new(mode, (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


def post(simulator: server.Simulator, body: object, model: str = BANANA, **headers: str) -> tuple[int, dict[str, Any]]:
    url = f"{simulator.base_url}/google/v1beta/models/{model}:generateContent"
    named = {"x-goog-api-key": "sim-1", "content-type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {name: value for name, value in named.items() if value})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def asking(prompt: str = "a red bicycle", **config: object) -> dict[str, object]:
    return {
        "contents": [{"parts": [{"text": prompt}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }


def test_a_prompt_gives_one_opaque_picture_and_its_tokens(client: genai.Client) -> None:
    response = client.models.generate_content(model=BANANA, contents="a red bicycle", config=images_only())

    (picture,) = pictures(response)
    assert picture.size == (1024, 1024)
    assert not picture.has_transparency_data
    assert response.text is None
    assert response.model_version == BANANA
    assert response.response_id
    assert response.candidates is not None
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    usage = response.usage_metadata
    assert usage is not None
    assert usage.candidates_token_count == 1120
    assert usage.candidates_tokens_details is not None
    assert usage.candidates_tokens_details[0].modality == types.MediaModality.IMAGE
    assert usage.total_token_count == (
        (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    )


@pytest.mark.parametrize("ratio", list(google.SIZES | google.EXTREME_SIZES))
def test_every_ratio_has_its_pixels(simulator: server.Simulator, ratio: str) -> None:
    client = connect(simulator, x_simulate_date=SECOND_STILL_LIVES)
    config = images_only(image_config=types.ImageConfig(aspect_ratio=ratio, image_size="512"))
    response = client.models.generate_content(model=SECOND, contents="a kite", config=config)

    (picture,) = pictures(response)
    width, height = (google.SIZES | google.EXTREME_SIZES)[ratio]
    assert picture.size == (width // 2, height // 2)
    assert response.usage_metadata is not None
    assert response.usage_metadata.candidates_token_count == 747


@pytest.mark.parametrize(
    ("model", "ratio", "image_size", "size", "tokens"),
    [
        (BANANA, "16:9", "2K", (2752, 1536), 1680),
        (BANANA, "8:1", "1K", (3072, 384), 1120),
        (BANANA, "9:16", "4K", (3072, 5504), 3780),
        (PRO, "3:4", "2K", (1792, 2400), 1120),
        (PRO, None, "4K", (4096, 4096), 2000),
        (LITE, "4:5", "1K", (928, 1152), 1120),
        (FIRST, "21:9", None, (1536, 672), 1290),
        (FIRST, "2:3", None, (832, 1248), 1290),
    ],
)
def test_size_and_tokens_by_model(
    client: genai.Client, model: str, ratio: str | None, image_size: str | None, size: tuple[int, int], tokens: int
) -> None:
    config = images_only(image_config=types.ImageConfig(aspect_ratio=ratio, image_size=image_size))
    response = client.models.generate_content(model=model, contents="a lighthouse", config=config)

    assert [picture.size for picture in pictures(response)] == [size]
    assert response.usage_metadata is not None
    assert response.usage_metadata.candidates_token_count == tokens


@pytest.mark.parametrize(
    ("model", "image_config", "words"),
    [
        (BANANA, {"imageSize": "512"}, "image_size must be one of '1K', '2K', or '4K'"),
        (BANANA, {"imageSize": "1k"}, "image_size must be"),
        (LITE, {"imageSize": "2K"}, "image_size must be '1K'"),
        (FIRST, {"imageSize": "1K"}, "Image size is not supported"),
        (PRO, {"aspectRatio": "1:4"}, "aspect_ratio must be one of '1:1', '2:3'"),
        (BANANA, {"aspectRatio": "7:3"}, "'16:9', or '21:9'"),
        (BANANA, {"aspectRatio": 1}, "(TYPE_STRING), 1"),
    ],
)
def test_sizes_a_model_does_not_have_are_refused(
    simulator: server.Simulator, model: str, image_config: dict[str, object], words: str
) -> None:
    status, body = post(simulator, asking(imageConfig=image_config), model)

    assert (status, body["error"]["code"], body["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert words in body["error"]["message"]


def test_names_it_does_not_know_are_named_with_their_place(simulator: server.Simulator) -> None:
    status, body = post(
        simulator, asking(imageConfig={"imageOutputOptions": {"mimeType": "image/png"}}) | {"size": "1"}
    )

    assert status == 400
    lines = body["error"]["message"].splitlines()
    place = "'generation_config.image_config'"
    assert f'Invalid JSON payload received. Unknown name "imageOutputOptions" at {place}: Cannot find field.' in lines
    assert 'Invalid JSON payload received. Unknown name "size": Cannot find field.' in lines
    (details,) = body["error"]["details"]
    assert {"generation_config.image_config"} <= {problem.get("field") for problem in details["fieldViolations"]}


def test_snake_case_is_read_like_camel_case(simulator: server.Simulator) -> None:
    image = {"inline_data": {"mime_type": "image/png", "data": base64.b64encode(png(300, 200)).decode()}}
    body = {
        "contents": [{"parts": [image, {"text": "in winter"}]}],
        "generation_config": {"response_modalities": ["IMAGE"], "image_config": {"aspect_ratio": "1:1"}},
    }
    status, answer = post(simulator, body)

    assert status == 200
    (part,) = answer["candidates"][0]["content"]["parts"]
    assert Image.open(BytesIO(base64.b64decode(part["inlineData"]["data"]))).size == (1024, 1024)


def test_an_edit_keeps_the_nearest_ratio_and_counts_the_pictures(client: genai.Client) -> None:
    sources = [types.Part.from_bytes(data=png(800, 450, color), mime_type="image/png") for color in ("teal", "gold")]
    response = client.models.generate_content(model=PRO, contents=[*sources, "merge them"], config=images_only())

    (picture,) = pictures(response)
    assert (picture.size, picture.format) == ((1376, 768), "JPEG")
    assert response.usage_metadata is not None
    tokens = {detail.modality: detail.token_count for detail in response.usage_metadata.prompt_tokens_details or []}
    assert tokens[types.MediaModality.IMAGE] == 2 * 560


def test_an_edit_of_a_transparent_picture_comes_back_opaque(client: genai.Client) -> None:
    buffer = BytesIO()
    Image.new("RGBA", (256, 256), (200, 40, 40, 0)).save(buffer, "PNG")
    source = types.Part.from_bytes(data=buffer.getvalue(), mime_type="image/png")
    response = client.models.generate_content(model=BANANA, contents=[source, "brighter"], config=images_only())

    assert not pictures(response)[0].has_transparency_data


def test_a_transparent_background_is_a_painted_checkerboard(client: genai.Client) -> None:
    prompt = "a badge on a transparent background"
    response = client.models.generate_content(model=BANANA, contents=prompt, config=images_only())

    (picture,) = pictures(response)
    assert not picture.has_transparency_data
    edge = [picture.convert("L").getpixel((x, 2)) for x in range(0, 1024, 8)]
    assert len(set(edge)) == 2


def test_text_and_thoughts_come_when_asked_for(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.HIGH),
        image_config=types.ImageConfig(image_size="2K"),
    )
    response = client.models.generate_content(model=BANANA, contents="a tram", config=config)

    parts = response.parts or []
    thoughts = [part for part in parts if part.thought]
    assert [open_picture(part).size for part in thoughts if part.inline_data] == [(1024, 1024)]
    assert [picture.size for picture in pictures(response)] == [(2048, 2048)]
    assert response.text
    assert parts[-1].thought_signature
    usage = response.usage_metadata
    assert usage is not None
    assert usage.thoughts_token_count == google.THINKING_TOKENS["high"]
    assert (usage.candidates_token_count or 0) > 1680


def test_earlier_turns_are_read_and_the_last_one_is_the_prompt(client: genai.Client) -> None:
    chat = client.chats.create(model=BANANA, config=images_only())
    chat.send_message("a forest")
    response = chat.send_message("at night")

    assert len(pictures(response)) == 1
    assert response.usage_metadata is not None
    tokens = {detail.modality: detail.token_count for detail in response.usage_metadata.prompt_tokens_details or []}
    assert tokens[types.MediaModality.IMAGE] == 1120


def test_search_grounding_is_for_the_models_that_have_it(client: genai.Client) -> None:
    tools = [types.Tool(google_search=types.GoogleSearch())]
    response = client.models.generate_content(model=BANANA, contents="today's weather", config=images_only(tools=tools))

    assert response.candidates is not None
    assert response.candidates[0].grounding_metadata is not None
    with pytest.raises(errors.ClientError, match="Search Grounding is not supported"):
        client.models.generate_content(model=LITE, contents="today's weather", config=images_only(tools=tools))


def test_a_refused_prompt_is_a_200_without_candidates(client: genai.Client) -> None:
    response = client.models.generate_content(model=BANANA, contents="a forbidden-prompt", config=images_only())

    assert not response.candidates
    assert response.prompt_feedback is not None
    assert response.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_a_refused_picture_is_a_200_with_a_reason_and_no_part(client: genai.Client) -> None:
    response = client.models.generate_content(model=BANANA, contents="a forbidden-output", config=images_only())

    assert response.candidates is not None
    assert response.candidates[0].finish_reason == types.FinishReason.IMAGE_SAFETY
    assert not pictures(response)


def test_a_refused_picture_says_why(simulator: server.Simulator) -> None:
    _, body = post(simulator, asking("a forbidden-output"))

    assert "Unable to show" in body["candidates"][0]["finishMessage"]  # the client reads this field for Vertex only


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_of_the_api_answer(simulator: server.Simulator, version: str) -> None:
    def get(model: str) -> tuple[int, Any]:
        url = f"{simulator.base_url}/google/{version}/models/{model}?key=sim-2"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    assert get(PRO)[0] == 200
    status, body = get("gemini-9-image")
    assert status == 404
    assert f"for API version {version}," in body["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("moderation_prompt", {"promptFeedback"}), ("moderation_output", {"candidates"})],
)
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str, seen: set[str]) -> None:
    status, body = post(simulator, asking(), x_simulate_fault=fault)

    assert status == 200
    assert set(body) - {"usageMetadata", "modelVersion", "responseId"} == seen


@pytest.mark.parametrize(
    ("model", "day", "status"),
    [
        (SECOND, "2026-10-28", 200),
        (SECOND, "2026-10-29", 404),
        (BANANA, "2026-10-05", 404),
        (BANANA, "2026-10-06", 200),
        (FIRST, "2027-03-14", 200),
        (FIRST, "2027-03-15", 404),
        ("gemini-3-pro-image-preview", "2026-06-24", 200),
        ("gemini-3-pro-image-preview", "2026-06-25", 404),
        ("imagen-4.0-generate-001", "2026-11-23", 404),
        ("gemini-9-image", "2026-11-23", 404),
    ],
)
def test_models_live_from_launch_to_shutdown(simulator: server.Simulator, model: str, day: str, status: int) -> None:
    given, body = post(simulator, asking(), model, x_simulate_date=day)

    assert given == status
    if status == 404:
        assert body["error"]["status"] == "NOT_FOUND"
        assert body["error"]["message"].startswith(f"models/{model} is not found for API version v1beta")


def test_the_list_holds_the_models_of_the_day(simulator: server.Simulator, client: genai.Client) -> None:
    assert {model.name for model in client.models.list()} == {f"models/{name}" for name in (BANANA, PRO, LITE, FIRST)}
    before = connect(simulator, x_simulate_date="2026-06-01")
    assert f"models/{SECOND}" in {model.name for model in before.models.list(config={"page_size": 2})}
    one = client.models.get(model=PRO)
    assert (one.display_name, one.thinking) == ("Nano Banana Pro", True)
    with pytest.raises(errors.ClientError) as refusal:
        client.models.get(model=SECOND)
    assert refusal.value.code == 404


@pytest.mark.parametrize(
    ("key", "status", "name", "reason"),
    [
        ("wrong", 400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
        ("", 403, "PERMISSION_DENIED", None),
    ],
)
def test_keys(simulator: server.Simulator, key: str, status: int, name: str, reason: str | None) -> None:
    given, body = post(simulator, asking(), x_goog_api_key=key)

    assert (given, body["error"]["status"]) == (status, name)
    assert body["error"].get("details", [{}])[0].get("reason") == reason


def test_a_token_in_place_of_a_key_is_unauthenticated(simulator: server.Simulator) -> None:
    status, body = post(simulator, asking(), x_goog_api_key="", authorization="Bearer abc")

    assert (status, body["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_the_key_may_stand_in_the_query(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/google/v1beta/models/{PRO}?key=sim-2"
    with urllib.request.urlopen(url, timeout=30) as response:
        assert json.load(response)["name"] == f"models/{PRO}"


def test_a_quota_names_the_wait(simulator: server.Simulator) -> None:
    client = connect(simulator, x_simulate_fault="rate_limit")
    with pytest.raises(errors.ClientError) as refusal:
        client.models.generate_content(model=BANANA, contents="a tram", config=images_only())

    assert (refusal.value.code, refusal.value.status) == (429, "RESOURCE_EXHAUSTED")
    body: Any = refusal.value.details
    details = {detail["@type"].rpartition(".")[2]: detail for detail in body["error"]["details"]}
    assert details["RetryInfo"]["retryDelay"].endswith("s")
    assert details["QuotaFailure"]["violations"]


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [("server_error", 500, "INTERNAL"), ("unavailable", 503, "UNAVAILABLE"), ("bad_key", 400, "INVALID_ARGUMENT")],
)
def test_failures_wear_the_error_envelope(simulator: server.Simulator, fault: str, code: int, status: str) -> None:
    given, body = post(simulator, asking(), x_simulate_fault=fault)

    assert (given, body["error"]["code"], body["error"]["status"]) == (code, code, status)


IMAGE = {"mimeType": "image/png", "data": base64.b64encode(png(64, 64)).decode()}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Invalid JSON payload received."),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"parts": []}]}, "parts"),
        ({"contents": [{"parts": [{}]}]}, "required oneof field 'data'"),
        ({"contents": [{"role": "system", "parts": [{"text": "a"}]}]}, "valid role"),
        (asking(candidateCount=2), "Multiple candidates is not enabled"),
        (asking(responseModalities=["TEXT"]), "response modalities"),
        (asking(responseModalities=["AUDIO", "IMAGE"]), "response modalities"),
        (asking(responseMimeType="image/png"), "allowed mimetypes"),
        (asking(thinkingConfig={"thinkingLevel": "low"}), "Thinking level LOW"),
        (asking(seed="seven"), "(TYPE_INT32)"),
        (asking(temperature=3), "temperature"),
        (asking() | {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "NEVER"}]}, '"NEVER"'),
        ({"contents": [{"parts": [{"inlineData": IMAGE}] * 15}]}, "exceeds the limit of 14"),
        ({"contents": [{"parts": [{"inlineData": IMAGE | {"mimeType": "application/pdf"}}]}]}, "Unsupported MIME type"),
        ({"contents": [{"parts": [{"inlineData": IMAGE | {"data": "***"}}]}]}, "Base64 decoding failed"),
        ({"contents": [{"parts": [{"inlineData": IMAGE | {"data": "AAAA"}}]}]}, "Unable to process input image"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "https://example.com/a.png"}}]}]}, "Cannot fetch content"),
    ],
)
def test_bad_requests_are_refused(simulator: server.Simulator, body: object, words: str) -> None:
    status, answer = post(simulator, body)

    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in answer["error"]["message"]


def test_a_file_nobody_uploaded_is_not_permitted(simulator: server.Simulator) -> None:
    uri = "https://generativelanguage.googleapis.com/v1beta/files/abc-1"
    status, body = post(simulator, {"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]})

    assert (status, body["error"]["status"]) == (403, "PERMISSION_DENIED")


def begin(simulator: server.Simulator, file: object = None, **headers: str) -> urllib.request.Request:
    named = {"x-goog-api-key": "sim-1", "x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{simulator.base_url}/google/upload/v1beta/files"
    return urllib.request.Request(url, json.dumps({"file": file or {}}).encode(), named)


def ask(request: urllib.request.Request) -> tuple[int, dict[str, str], Any]:
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return (
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                json.load(response),
            )
    except urllib.error.HTTPError as error:
        return error.code, {}, json.load(error)


def test_a_file_comes_in_pieces_and_lives_two_days(simulator: server.Simulator) -> None:
    content = png(64, 32)
    _, started, _ = ask(begin(simulator, {"display_name": "A"}, x_goog_upload_header_content_type="image/png"))

    def send(piece: bytes, offset: int, command: str) -> tuple[int, dict[str, str], Any]:
        named = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
        return ask(urllib.request.Request(started["x-goog-upload-url"], piece, named))

    assert started["x-goog-upload-status"] == "active"
    assert send(content[:50], 0, "upload")[1]["x-goog-upload-status"] == "active"
    assert send(content[50:], 0, "upload, finalize")[0] == 400
    assert send(b"", 0, "query")[1]["x-goog-upload-size-received"] == "50"
    assert send(b"", 0, "dance")[0] == 400
    status, ended, body = send(content[50:], 50, "upload, finalize")
    assert (status, ended["x-goog-upload-status"]) == (200, "final")
    assert send(b"", 0, "query")[0] == 403
    file = body["file"]
    assert (file["displayName"], file["mimeType"], file["sizeBytes"]) == ("A", "image/png", str(len(content)))
    edit = {"contents": [{"parts": [{"fileData": {"fileUri": file["uri"]}}, {"text": "a hat"}]}]}
    assert post(simulator, edit)[0] == 200
    assert post(simulator, edit, x_goog_api_key="sim-2")[0] == 403
    assert post(simulator, edit, x_simulate_date="2026-11-26")[0] == 403


def test_what_is_no_picture_is_uploaded_but_not_edited(simulator: server.Simulator) -> None:
    _, started, _ = ask(begin(simulator))
    named = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    _, _, body = ask(urllib.request.Request(started["x-goog-upload-url"], b"words", named))
    status, answer = post(simulator, {"contents": [{"parts": [{"fileData": {"fileUri": body["file"]["uri"]}}]}]})

    assert (status, "Unable to process input image" in answer["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("file", "headers", "words"),
    [
        ({}, {"x_goog_upload_protocol": "raw"}, "resumable"),
        ({}, {"x_goog_upload_header_content_length": str(2**32)}, "at most"),
        ({"name": "files/-a"}, {}, "dashes"),
        ({"name": 7}, {}, "string"),
    ],
)
def test_uploads_refused(simulator: server.Simulator, file: object, headers: dict[str, str], words: str) -> None:
    status, _, body = ask(begin(simulator, file, **headers))

    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in body["error"]["message"]


def test_a_stream_that_is_no_event_stream_is_a_list(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/google/v1beta/models/{BANANA}:streamGenerateContent?key=sim-1"
    body = json.dumps({"contents": [{"parts": [{"text": "a kite"}]}]}).encode()
    _, _, chunks = ask(urllib.request.Request(url, body))
    _, _, refused = ask(urllib.request.Request(url, body.replace(b"a kite", b"forbidden-output")))

    assert [list(chunk["candidates"][0]["content"]["parts"][0]) for chunk in chunks] == [
        ["text"],
        ["inlineData", "thoughtSignature"],
    ]
    assert ["usageMetadata" in chunk for chunk in chunks] == [False, True]
    assert refused[0]["candidates"][0]["finishReason"] == "IMAGE_SAFETY"


def test_tokens_are_counted_before(simulator: server.Simulator) -> None:
    url = f"{simulator.base_url}/google/v1beta/models/{PRO}:countTokens?key=sim-1"
    contents = {"contents": [{"parts": [{"text": "eight ch"}, {"inlineData": IMAGE}]}]}
    _, _, alone = ask(urllib.request.Request(url, json.dumps(contents).encode()))
    whole = {"generateContentRequest": contents | {"systemInstruction": {"parts": [{"text": "four"}]}}}
    _, _, within = ask(urllib.request.Request(url, json.dumps(whole).encode()))

    assert (alone["totalTokens"], within["totalTokens"]) == (562, 563)
    assert [each["modality"] for each in alone["promptTokensDetails"]] == ["TEXT", "IMAGE"]


def test_a_model_that_does_not_think_refuses_a_level(simulator: server.Simulator) -> None:
    status, body = post(simulator, asking(thinkingConfig={"includeThoughts": True}), FIRST)

    assert status == 400
    assert "Thinking is not enabled" in body["error"]["message"]


def test_the_same_seed_paints_the_same_picture(simulator: server.Simulator) -> None:
    def paint(seed: int) -> str:
        _, body = post(simulator, asking(seed=seed))
        return body["candidates"][0]["content"]["parts"][0]["inlineData"]["data"]

    assert paint(7) == paint(7)
