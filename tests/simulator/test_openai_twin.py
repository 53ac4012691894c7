"""The OpenAI twin over a real socket: OpenAI's own client drives it, and raw HTTP where that client would not."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
import pytest
from PIL import Image, ImageChops

from easel.simulator import _openai_models as models
from easel.simulator import _openai_tokens as tokens
from easel.simulator import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IMAGE_1_5 = "gpt-image-1.5"
IMAGE_2 = "gpt-image-2"
SUNBURST = "gpt-image-2.5-sunburst"
NEWEST = "gpt-image-2.6-sunburst"
WIDE = "1280x512"  # the fewest pixels the flexible rule allows
TODAY = "2026-11-23"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running() as running:
        yield running


@pytest.fixture(scope="module")
def client(simulator: server.Simulator) -> openai.OpenAI:
    return connect(simulator)


def connect(simulator: server.Simulator, key: str = "sim-1", **headers: str) -> openai.OpenAI:
    named = {"x-simulate-date": TODAY} | {name.replace("_", "-"): value for name, value in headers.items()}
    return openai.OpenAI(api_key=key, base_url=simulator.base_url + "/openai/v1", max_retries=0, default_headers=named)


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


def send(
    simulator: server.Simulator,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    key: str = "Bearer sim-1",
    **headers: str,
) -> Reply:
    named = {"authorization": key, "content-type": "application/json", "x-simulate-date": TODAY}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{simulator.base_url}/openai{path}",
        content,
        {name: value for name, value in named.items() if value},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def form(*parts: tuple[str, str | tuple[str, bytes, str]]) -> tuple[bytes, str]:
    """A multipart body and its content type; a file is (name, bytes, media type)."""
    lines: list[bytes] = []
    for name, value in parts:
        if isinstance(value, str):
            lines += [b"--cut", f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
        else:
            filename, content, media_type = value
            head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
            lines += [b"--cut", head.encode(), f"Content-Type: {media_type}".encode(), b"", content]
    return b"\r\n".join([*lines, b"--cut--", b""]), "multipart/form-data; boundary=cut"


def post_form(simulator: server.Simulator, *parts: tuple[str, str | tuple[str, bytes, str]], **headers: str) -> Reply:
    body, content_type = form(*parts)
    return send(simulator, "/v1/images/edits", body, content_type=content_type, **headers)


def picture(
    width: int = 64, height: int = 64, color: str | tuple[int, ...] = "teal", mode: str = "RGB", kind: str = "PNG"
) -> bytes:
    buffer = BytesIO()
    Image.new(mode, (width, height), color).save(buffer, kind)
    return buffer.getvalue()


def hole(width: int, height: int, box: tuple[int, int, int, int]) -> bytes:
    """A mask that is transparent in the box."""
    mask = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    buffer = BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def decode(text: str | None) -> Image.Image:
    assert text
    image = Image.open(BytesIO(base64.b64decode(text, validate=True)))
    image.load()
    return image


def asking(**more: object) -> dict[str, object]:
    return {"model": IMAGE_2, "prompt": "a red kite over dunes", "size": WIDE, "quality": "low"} | more


# Generations


def test_a_prompt_gives_a_picture_of_the_size_and_format_asked_for_and_its_tokens(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model=IMAGE_2, prompt="a red kite over dunes", size=WIDE, quality="low", output_format="jpeg", user="u_5f2c"
    )

    assert answer.data is not None
    [made] = answer.data
    image = decode(made.b64_json)
    assert (image.size, image.format) == ((1280, 512), "JPEG")
    assert (made.url, made.revised_prompt) == (None, None)
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (WIDE, "low", "opaque", "jpeg")
    assert answer.safety_identifier == "u_5f2c"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.to_dict() == {"text_tokens": 12, "image_tokens": 0}
    expected = tokens.grid_tokens(16, 1280, 512)
    assert answer.usage.output_tokens == expected
    assert answer.usage.total_tokens == 12 + expected


def test_several_pictures_differ_and_are_all_counted(client: openai.OpenAI) -> None:
    answer = client.images.generate(model=SUNBURST, prompt="a tram", size=WIDE, quality="low", n=3)

    assert len({made.b64_json for made in answer.data or []}) == 3
    assert answer.usage is not None
    assert answer.usage.output_tokens == 3 * tokens.grid_tokens(16, 1280, 512)


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_a_transparent_background_has_alpha(client: openai.OpenAI, output_format: Any) -> None:
    answer = client.images.generate(
        model=IMAGE_1_5,
        prompt="a badge",
        size="1024x1024",
        quality="low",
        background="transparent",
        output_format=output_format,
    )

    image = decode((answer.data or [])[0].b64_json)
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 255)
    assert answer.background == "transparent"
    assert answer.usage is not None
    assert answer.usage.output_tokens_details is not None
    assert answer.usage.output_tokens_details.image_tokens == 272
    assert answer.usage.output_tokens_details.text_tokens > 0, "gpt-image-1.5 counts text too"
    assert answer.usage.output_tokens == 272 + answer.usage.output_tokens_details.text_tokens


def test_auto_is_resolved_in_the_answer(simulator: server.Simulator) -> None:
    answer = send(simulator, "/v1/images/generations", {"model": "gpt-image-1-mini", "prompt": " ", "size": None}).json

    assert (answer["size"], answer["quality"], answer["background"]) == ("1024x1024", "medium", "opaque")
    assert answer["usage"]["output_tokens"] == 1056
    assert set(answer["data"][0]) == {"b64_json"}


def test_compression_makes_a_smaller_file(simulator: server.Simulator) -> None:
    def length(compression: int) -> int:
        body = asking(output_format="webp", output_compression=compression)
        return len(send(simulator, "/v1/images/generations", body).content)

    assert length(10) < length(90)


@pytest.mark.parametrize("snapshot", list(models.SNAPSHOTS))
def test_dated_snapshots_are_models(simulator: server.Simulator, snapshot: str) -> None:
    size = "1024x1024" if snapshot.startswith(IMAGE_1_5) else WIDE

    assert send(simulator, "/v1/images/generations", asking(model=snapshot, size=size)).status == 200


# Edits


def test_an_edit_keeps_every_pixel_outside_the_mask(client: openai.OpenAI) -> None:
    source = picture(1280, 512, "teal")
    box = (200, 100, 600, 300)
    answer = client.images.edit(
        model=IMAGE_2,
        image=("room.png", source, "image/png"),
        mask=("mask.png", hole(1280, 512, box), "image/png"),
        prompt="a window",
        size=WIDE,
        quality="low",
    )

    edited = decode((answer.data or [])[0].b64_json).convert("RGB")
    changed = ImageChops.difference(edited, Image.open(BytesIO(source)).convert("RGB")).getbbox()
    assert changed is not None
    assert box[0] <= changed[0]
    assert box[1] <= changed[1]
    assert changed[2] <= box[2]
    assert changed[3] <= box[3]


def test_an_edit_takes_several_pictures_and_counts_them(client: openai.OpenAI) -> None:
    answer = client.images.edit(
        model=IMAGE_2,
        image=[
            ("a.png", picture(512, 512), "image/png"),
            ("b.jpg", picture(1024, 1024, kind="JPEG"), "image/jpeg"),
            ("c.webp", picture(1024, 1536, kind="WEBP"), "image/webp"),
        ],
        prompt="put them together",
        size=WIDE,
        quality="low",
        output_format="jpeg",
    )

    assert decode((answer.data or [])[0].b64_json).size == (1280, 512)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 1024 + 1024 + 1536
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens + 3584


@pytest.mark.parametrize("names", [("image", "image"), ("image[]",), ("image[]", "image[]")])
def test_pictures_may_come_under_each_documented_name(simulator: server.Simulator, names: tuple[str, ...]) -> None:
    files = [(name, ("a.png", picture(), "image/png")) for name in names]
    reply = post_form(simulator, ("model", IMAGE_2), ("prompt", "a"), ("size", WIDE), ("n", "1"), *files)

    assert reply.status == 200
    assert reply.json["usage"]["input_tokens_details"]["image_tokens"] == len(names) * tokens.patch_tokens(64, 64)


@pytest.mark.parametrize(("fidelity", "expected"), [("low", 194), ("high", 4354)])
def test_input_fidelity_is_counted_where_it_is_taken(client: openai.OpenAI, fidelity: Any, expected: int) -> None:
    answer = client.images.edit(
        model=IMAGE_1_5,
        image=("a.png", picture(1024, 1024), "image/png"),
        prompt="warmer",
        size="1024x1024",
        quality="low",
        input_fidelity=fidelity,
        output_format="jpeg",
    )

    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == expected


def test_a_json_edit_takes_data_urls_and_files(simulator: server.Simulator, client: openai.OpenAI) -> None:
    source = picture(1280, 512)
    stored = client.files.create(file=("a.png", source, "image/png"), purpose="vision")
    mask = client.files.create(file=("m.png", hole(1280, 512, (0, 0, 99, 99)), "image/png"), purpose="vision")
    references = [{"file_id": stored.id}, {"image_url": data_url(picture(1024, 1024))}]
    reply = send(simulator, "/v1/images/edits", asking(images=references, mask={"file_id": mask.id}))

    assert reply.status == 200
    edited = decode(reply.json["data"][0]["b64_json"]).convert("RGB")
    assert ImageChops.difference(edited, Image.new("RGB", (1280, 512), "teal")).getbbox() is not None
    assert edited.crop((100, 0, 1280, 512)).getcolors() == [(1180 * 512, (0, 128, 128))]
    assert reply.json["usage"]["input_tokens_details"]["image_tokens"] == tokens.patch_tokens(1280, 512) + 1024


def test_files_can_be_shown_and_deleted(client: openai.OpenAI) -> None:
    stored = client.files.create(file=("a.png", b"1234", "image/png"), purpose="vision")

    assert client.files.retrieve(stored.id).bytes == 4
    assert client.files.delete(stored.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(stored.id)


def test_a_markup_repaints_where_it_is_drawn_on(simulator: server.Simulator) -> None:
    markup = Image.new("RGBA", (1280, 512), (0, 0, 0, 0))
    markup.paste((255, 0, 0, 255), (0, 0, 100, 100))
    buffer = BytesIO()
    markup.save(buffer, "PNG")
    parts = (
        ("prompt", "a lamp here"),
        ("size", WIDE),
        ("image", ("a.png", picture(1280, 512), "image/png")),
        ("markup", ("m.png", buffer.getvalue(), "image/png")),
    )
    reply = post_form(simulator, ("model", SUNBURST), *parts)

    edited = decode(reply.json["data"][0]["b64_json"]).convert("RGB")
    changed = ImageChops.difference(edited, Image.new("RGB", (1280, 512), "teal")).getbbox()
    assert changed is not None
    assert changed[2] <= 100
    assert changed[3] <= 100
    assert post_form(simulator, ("model", IMAGE_2), *parts).error["param"] == "markup"
    with_mask = post_form(simulator, ("model", SUNBURST), *parts, ("mask", ("k.png", picture(), "image/png")))
    assert "combined" in with_mask.error["message"]


def test_an_edit_left_to_itself_keeps_the_size_and_the_alpha_of_its_picture(simulator: server.Simulator) -> None:
    source = picture(1280, 512, (0, 128, 128, 90), "RGBA")
    answer = post_form(simulator, ("model", SUNBURST), ("prompt", "a"), ("image", ("a.png", source, "image/png"))).json

    assert (answer["size"], answer["background"]) == (WIDE, "transparent")
    assert decode(answer["data"][0]["b64_json"]).getchannel("A").getextrema() == (90, 90)


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 64), "1024x1024"), ((90, 60), "1536x1024"), ((60, 90), "1024x1536")]
)
def test_an_edit_of_a_picture_too_small_gets_the_nearest_shape(
    simulator: server.Simulator, size: tuple[int, int], expected: str
) -> None:
    source = ("image", ("a.png", picture(*size), "image/png"))

    assert post_form(simulator, ("model", IMAGE_2), ("prompt", "a"), source).json["size"] == expected


# Streams


@pytest.mark.parametrize("partials", [0, 2])
def test_a_stream_shows_previews_then_the_picture(client: openai.OpenAI, partials: int) -> None:
    stream = client.images.generate(
        model=IMAGE_2, prompt="a tram", size=WIDE, quality="low", stream=True, partial_images=partials
    )
    *previews, final = list(stream)

    indexes = [event.partial_image_index for event in previews if event.type == "image_generation.partial_image"]
    assert indexes == [*range(partials)]
    assert len(previews) == partials
    assert final.type == "image_generation.completed"
    assert (final.size, final.quality, final.background, final.output_format) == (WIDE, "low", "opaque", "png")
    for event in (*previews, final):
        assert decode(event.b64_json).size == (1280, 512)
    assert len({event.b64_json for event in (*previews, final)}) == partials + 1
    assert final.usage.output_tokens == tokens.grid_tokens(16, 1280, 512) + 100 * partials
    assert final.usage.total_tokens == final.usage.input_tokens + final.usage.output_tokens


def test_an_edit_streams_under_its_own_names(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        model=IMAGE_2,
        image=("a.png", picture(), "image/png"),
        prompt="a tram",
        size=WIDE,
        quality="low",
        stream=True,
        partial_images=1,
    )

    assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


def test_the_events_are_named_and_none_says_done(simulator: server.Simulator) -> None:
    reply = send(simulator, "/v1/images/generations", asking(stream=True, partial_images=1, n=2))

    assert reply.headers["content-type"] == "text/event-stream"
    frames = [frame.split("\n") for frame in reply.content.decode().removesuffix("\n\n").split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in frames]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert names == ["image_generation.partial_image", "image_generation.completed"] * 2
    assert [event["type"] for event in events] == names
    assert set(events[0]) == {
        *("type", "b64_json", "created_at", "size", "quality", "background", "output_format", "partial_image_index")
    }
    assert sum(event["usage"]["input_tokens"] for event in events if "usage" in event) == 12


def test_a_picture_refused_in_a_stream_ends_it_with_an_error(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        model=IMAGE_2, prompt="a forbidden-output", size=WIDE, stream=True, partial_images=1, quality="low"
    )

    assert next(iter(stream)).type == "image_generation.partial_image"
    with pytest.raises(openai.APIError) as refusal:
        next(iter(stream))
    assert refusal.value.code == "moderation_blocked"


def test_a_prompt_refused_before_a_stream_is_an_ordinary_answer(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model=IMAGE_2, prompt="a forbidden-prompt", size=WIDE, stream=True)


# Refusals, row by row

INTEGER = "Invalid type for 'n': expected an integer, but got"
BELOW = "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."
ABOVE = "integer above maximum value. Expected a value <="


def schema(param: str, code: str, message: str) -> tuple[str, str, str, str]:
    return "invalid_request_error", param, code, message


def user(param: str | None, message: str, code: str = "invalid_value") -> tuple[str, str | None, str, str]:
    return "image_generation_user_error", param, code, message


def unknown(param: str) -> tuple[str, str, str, str]:
    return schema(param, "unknown_parameter", f"Unknown parameter: '{param}'.")


ABSENT = object()
SMALL = "Requested resolution is below the current minimum pixel budget."
GENERATION_ROWS: list[tuple[Mapping[str, object], tuple[str, str | None, str, str]]] = [
    ({"model": ABSENT}, schema("model", "missing_required_parameter", "Missing required parameter: 'model'.")),
    (
        {"model": None},
        schema("model", "invalid_type", "Invalid type for 'model': expected a string, but got null instead."),
    ),
    (
        {"model": 123},
        schema("model", "invalid_type", "Invalid type for 'model': expected a string, but got an integer instead."),
    ),
    ({"model": "dall-e-3"}, user("model", "The model 'dall-e-3' does not exist.")),
    ({"model": "gpt-image-1"}, user("model", "The model 'gpt-image-1' does not exist.")),
    ({"model": ""}, user("model", "The model '' does not exist.")),
    ({"prompt": ABSENT}, schema("prompt", "missing_required_parameter", "Missing required parameter: 'prompt'.")),
    (
        {"prompt": None},
        schema("prompt", "invalid_type", "Invalid type for 'prompt': expected a string, but got null instead."),
    ),
    (
        {"prompt": ""},
        schema(
            "prompt",
            "empty_string",
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        ),
    ),
    (
        {"prompt": "a" * 32_001},
        schema(
            "prompt",
            "string_above_max_length",
            "Invalid 'prompt': string too long. Expected a string with maximum length 32000, but got a string with "
            "length 32001 instead.",
        ),
    ),
    ({"n": 0}, schema("n", "integer_below_min_value", BELOW)),
    ({"n": 11}, schema("n", "integer_above_max_value", f"Invalid 'n': {ABOVE} 10, but got 11 instead.")),
    ({"n": 1.5}, schema("n", "invalid_type", f"{INTEGER} a decimal number instead.")),
    ({"n": "2"}, schema("n", "invalid_type", f"{INTEGER} a string instead.")),
    ({"n": True}, schema("n", "invalid_type", f"{INTEGER} a boolean instead.")),
    (
        {"output_compression": 101},
        schema(
            "output_compression",
            "integer_above_max_value",
            f"Invalid 'output_compression': {ABOVE} 100, but got 101 instead.",
        ),
    ),
    (
        {"partial_images": 4},
        schema("partial_images", "integer_above_max_value", f"Invalid 'partial_images': {ABOVE} 3, but got 4 instead."),
    ),
    *(
        (
            {"quality": quality},
            schema(
                "quality",
                "invalid_value",
                f"Invalid value: '{quality}'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
            ),
        )
        for quality in ("ultra", "standard", "hd", "", "max", "xhigh")
    ),
    (
        {"quality": "ultra", "model": SUNBURST},
        schema(
            "quality",
            "invalid_value",
            "Invalid value: 'ultra'. Supported values are: 'low', 'medium', 'high', 'xhigh', 'max', and 'auto'.",
        ),
    ),
    (
        {"quality": 1},
        schema(
            "quality",
            "invalid_type",
            "Invalid type for 'quality': expected one of 'low', 'medium', 'high', or 'auto', but got an integer "
            "instead.",
        ),
    ),
    (
        {"output_format": "gif"},
        schema(
            "output_format",
            "invalid_value",
            "Invalid value: 'gif'. Supported values are: 'png', 'webp', and 'jpeg'.",
        ),
    ),
    (
        {"moderation": "off"},
        schema("moderation", "invalid_value", "Invalid value: 'off'. Supported values are: 'auto' and 'low'."),
    ),
    (
        {"background": "none"},
        schema(
            "background",
            "invalid_value",
            "Invalid value: 'none'. Supported values are: 'transparent', 'opaque', and 'auto'.",
        ),
    ),
    ({"size": "bogus"}, user("size", "Invalid size 'bogus'. Expected WIDTHxHEIGHT, for example '1824x1024'.")),
    ({"size": "0x0"}, user("size", "Invalid size '0x0'. Expected WIDTHxHEIGHT, for example '1824x1024'.")),
    ({"size": "1792x936"}, user("size", "Invalid size '1792x936'. Width and height must both be divisible by 16.")),
    ({"size": "1920x1080"}, user("size", "Invalid size '1920x1080'. Width and height must both be divisible by 16.")),
    ({"size": "512x512"}, user("size", f"Invalid size '512x512'. {SMALL}")),
    ({"size": "800x800"}, user("size", f"Invalid size '800x800'. {SMALL}")),
    ({"size": "768x768"}, user("size", f"Invalid size '768x768'. {SMALL}")),
    (
        {"size": "4096x2048"},
        user("size", "Invalid size '4096x2048'. The longest edge must be less than or equal to 3840."),
    ),
    (
        {"size": "3840x3840"},
        user("size", "Invalid size '3840x3840'. Requested resolution exceeds the current pixel budget."),
    ),
    ({"size": "3840x1024"}, user("size", "Invalid size '3840x1024'. The aspect ratio must be between 1:3 and 3:1.")),
    (
        {"size": 1024},
        schema("size", "invalid_type", "Invalid type for 'size': expected a string, but got an integer instead."),
    ),
    (
        {"size": "1536x864", "model": IMAGE_1_5},
        schema(
            "size",
            "invalid_value",
            "Invalid value: '1536x864'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.",
        ),
    ),
    (
        {"stream": "yes"},
        schema("stream", "invalid_type", "Invalid type for 'stream': expected a boolean, but got a string instead."),
    ),
    ({"response_format": None}, unknown("response_format")),
    ({"response_format": "b64_json"}, unknown("response_format")),
    ({"style": "vivid"}, unknown("style")),
    ({"seed": 7}, unknown("seed")),
    ({"mask": None}, unknown("mask")),
    ({"images": []}, unknown("images")),
    ({"input_fidelity": "high"}, unknown("input_fidelity")),
    (
        {"background": "transparent", "output_format": "jpeg"},
        user("background", "Transparent background is not supported for JPEG output format"),
    ),
    (
        {"output_compression": 80},
        user(
            None, "Compression less than 100 is not supported for PNG output format", "invalid_png_output_compression"
        ),
    ),
    (
        {"model": NEWEST, "output_format": "gif"},
        user("output_format", "The output format 'gif' is in preview and not enabled for this project."),
    ),
    (
        {"model": NEWEST, "output_format": "svg"},
        user("output_format", "The output format 'svg' is in preview and not enabled for this project."),
    ),
    ({"frame_count": 4}, user("frame_count", "'frame_count' is only supported with output_format='gif'.")),
]


def check(reply: Reply, row: tuple[str, str | None, str, str]) -> None:
    kind, param, code, message = row
    assert reply.status == 400
    assert reply.json == {"error": {"message": message, "type": kind, "param": param, "code": code}}


def label(value: object) -> str:
    return json.dumps(value, default=lambda _: "absent")[:60] if isinstance(value, dict) else ""


@pytest.mark.parametrize(("change", "row"), GENERATION_ROWS, ids=label)
def test_a_generation_is_refused_in_the_vendors_words(
    simulator: server.Simulator, change: Mapping[str, object], row: tuple[str, str | None, str, str]
) -> None:
    body = {key: value for key, value in asking(**change).items() if value is not ABSENT}

    check(send(simulator, "/v1/images/generations", body), row)


FILE = ("a.png", picture(), "image/png")
IMAGES = {"images": [{"image_url": data_url(picture())}]}
JSON_ROWS: list[tuple[Mapping[str, object], tuple[str, str | None, str, str]]] = [
    (
        {"image": "x"},
        schema(
            "image",
            "invalid_value",
            "Unknown parameter: 'image'. For application/json on /v1/images/edits, use 'images' (array).",
        ),
    ),
    (
        {"image[]": ["x"]},
        schema(
            "image",
            "invalid_value",
            "Unknown parameter: 'image'. For application/json on /v1/images/edits, use 'images' (array).",
        ),
    ),
    ({}, schema("images", "missing_required_parameter", "Missing required parameter: 'images'.")),
    (
        {"images": {}},
        schema(
            "images",
            "invalid_type",
            "Invalid type for 'images': expected an array of objects, but got an object instead.",
        ),
    ),
    (
        {"images": ["x"]},
        schema(
            "images[0]", "invalid_type", "Invalid type for 'images[0]': expected an object, but got a string instead."
        ),
    ),
    (
        {"images": []},
        schema(
            "images",
            "empty_array",
            "Invalid 'images': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
    ),
    (
        {"images": [{"file_id": "f"}] * 17},
        schema(
            "images",
            "array_above_max_length",
            "Invalid 'images': array too long. Expected an array with maximum length 16, but got an array with length "
            "17 instead.",
        ),
    ),
    ({"images": [{"file_id": "file-none", "detail": "high"}]}, unknown("images[0].detail")),
    (
        {"images": [{}]},
        schema(
            "images[0]", "invalid_value", "Invalid 'images[0]': exactly one of 'image_url' and 'file_id' must be given."
        ),
    ),
    (
        {"images": [{"file_id": "file-none"}]},
        schema("images[0].file_id", "image_file_not_found", "File 'file-none' was not found."),
    ),
    (
        {"images": [{"image_url": "https://example.com/a.png"}]},
        schema(
            "images[0].image_url",
            "failed_to_download_image",
            "Error while downloading https://example.com/a.png.",
        ),
    ),
    (
        IMAGES | {"input_fidelity": "high"},
        user(
            "input_fidelity",
            "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.",
            "invalid_input_fidelity_model",
        ),
    ),
    (
        IMAGES | {"input_fidelity": "high", "model": NEWEST},
        user(
            "input_fidelity",
            f"The model '{NEWEST}' does not support the 'input_fidelity' parameter.",
            "invalid_input_fidelity_model",
        ),
    ),
    (
        IMAGES | {"input_fidelity": "high", "model": "gpt-image-1-mini", "size": "auto"},
        schema("input_fidelity", "invalid_value", "Invalid value: 'high'. Supported values are: 'low'."),
    ),
    (
        {"images": [{"image_url": "data:image/png;base64,\u00e9"}]},
        schema("images[0].image_url", "invalid_base64_image", "Invalid 'images[0].image_url': not base64."),
    ),
    (
        {"images": [{"image_url": data_url(b"no picture")}]},
        user("image", "Invalid image file or mode for image 0, please check your image file.", "invalid_image_file"),
    ),
]


@pytest.mark.parametrize(("change", "row"), JSON_ROWS, ids=label)
def test_a_json_edit_is_refused_in_the_vendors_words(
    simulator: server.Simulator, change: Mapping[str, object], row: tuple[str, str | None, str, str]
) -> None:
    check(send(simulator, "/v1/images/edits", asking(**change)), row)


FormParts = list[tuple[str, "str | tuple[str, bytes, str]"]]
MASK = "Invalid mask image format - mask"
FORM_ROWS: list[tuple[FormParts, tuple[str, str | None, str, str]]] = [
    ([], schema("image", "missing_required_parameter", "Missing required parameter: 'image'.")),
    (
        [("images", FILE)],
        schema(
            "images", "invalid_value", "Unknown parameter: 'images'. For multipart/form-data use 'image' or 'image[]'."
        ),
    ),
    (
        [("image", "a text")],
        schema(
            "image",
            "invalid_type",
            "Invalid type for 'image': expected one of an array of files or file, but got a string instead.",
        ),
    ),
    (
        [("image", FILE), ("n", "abc")],
        schema(
            "n",
            "invalid_type",
            "Invalid type for 'n': expected an integer, but got a string value that could not be converted into an "
            "integer.",
        ),
    ),
    (
        [("image", FILE), ("n", "11")],
        schema("n", "integer_above_max_value", f"Invalid 'n': {ABOVE} 10, but got 11 instead."),
    ),
    ([("image", FILE), ("style", "vivid")], unknown("style")),
    (
        [("image", ("a.png", picture(), "application/octet-stream"))],
        schema(
            "image",
            "unsupported_file_mimetype",
            "Invalid file 'image': unsupported mimetype ('application/octet-stream'). Supported file formats are "
            "'image/jpeg', 'image/png', and 'image/webp'.",
        ),
    ),
    (
        [("image[]", FILE)] * 17,
        schema(
            "image",
            "array_above_max_length",
            "Invalid 'image': array too long. Expected an array with maximum length 16, but got an array with length "
            "17 instead.",
        ),
    ),
    (
        [("image[]", FILE), ("image[]", ("b.png", picture()[:60], "image/png"))],
        user("image", "Invalid image file or mode for image 1, please check your image file.", "invalid_image_file"),
    ),
    (
        [("image", ("a.png", picture(kind="GIF"), "image/png"))],
        user("image", "Invalid image file or mode for image 0, please check your image file.", "invalid_image_file"),
    ),
    (
        [("image", FILE), ("mask", ("m.png", hole(32, 32, (0, 0, 9, 9)), "image/png"))],
        user("mask", f"{MASK} size does not match image size", "invalid_mask_image_format"),
    ),
    (
        [("image", FILE), ("mask", FILE)],
        user("mask", f"{MASK} image missing alpha channel", "invalid_mask_image_format"),
    ),
    (
        [("image", FILE), ("mask", ("m.png", b"\0" * 4_000_000, "image/png"))],
        schema("mask", "image_file_too_large", "Invalid file 'mask': the file must be smaller than 4 MB."),
    ),
]


@pytest.mark.parametrize(
    ("parts", "row"), FORM_ROWS, ids=lambda value: "+".join(p[0] for p in value) if isinstance(value, list) else ""
)
def test_a_form_edit_is_refused_in_the_vendors_words(
    simulator: server.Simulator, parts: FormParts, row: tuple[str, str | None, str, str]
) -> None:
    check(post_form(simulator, ("model", IMAGE_2), ("prompt", "a"), ("size", WIDE), *parts), row)


@pytest.mark.parametrize(
    ("wrong", "first"),
    [
        ({"model": "none", "style": 1, "prompt": "", "n": 0, "quality": 1, "size": "1x1"}, "model"),
        ({"style": 1, "prompt": "", "n": 0, "quality": 1, "size": "1x1"}, "style"),
        ({"prompt": "", "images": [], "n": 0, "quality": 1, "size": "1x1"}, "prompt"),
        ({"images": [], "n": 0, "quality": 1, "size": "1x1"}, "images"),
        (IMAGES | {"n": 0, "quality": 1, "size": "1x1"}, "n"),
        (IMAGES | {"output_compression": 101, "quality": 1, "size": "1x1"}, "quality"),
        (IMAGES | {"output_compression": 101, "size": "1x1"}, "output_compression"),
        (IMAGES | {"size": "1x1"}, "size"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_fault_in_the_vendors_order_is_the_one_named(
    simulator: server.Simulator, wrong: dict[str, object], first: str
) -> None:
    assert send(simulator, "/v1/images/edits", asking(**wrong)).error["param"] == first


@pytest.mark.parametrize(
    "fine",
    [
        {"size": "816x816"},
        {"user": 123},
        {"n": None, "quality": None, "background": None, "output_format": None, "stream": None, "user": None},
        {"prompt": "   "},
        {"prompt": "a lone \ud800 surrogate"},
        {"partial_images": 3},
        {"moderation": "low", "complexity": "high", "background": "opaque", "output_compression": 100},
        {"model": SUNBURST, "quality": "max"},
        {"background": "transparent"},
    ],
    ids=label,
)
def test_what_the_vendor_takes_is_taken(simulator: server.Simulator, fine: dict[str, object]) -> None:
    assert send(simulator, "/v1/images/generations", asking(**fine)).status == 200


def test_nulls_on_a_json_edit_are_absent(simulator: server.Simulator) -> None:
    nulls = {"mask": None, "markup": None, "input_fidelity": None, "n": None}

    assert send(simulator, "/v1/images/edits", asking(**IMAGES, **nulls)).status == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(simulator: server.Simulator, body: bytes) -> None:
    reply = send(simulator, "/v1/images/generations", body, method="POST")

    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--cut", "multipart/form-data"),
        (b"--cut\r\nno end", "multipart/form-data; boundary=cut"),
        (b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n--cut--", "multipart/form-data; boundary=cut"),
        (b"prompt=a", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused(simulator: server.Simulator, body: bytes, content_type: str) -> None:
    reply = send(simulator, "/v1/images/edits", body, content_type=content_type)

    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")


def test_generations_take_json_only(simulator: server.Simulator) -> None:
    body, content_type = form(("model", IMAGE_2), ("prompt", "a"))
    reply = send(simulator, "/v1/images/generations", body, content_type=content_type)

    assert reply.error["code"] == "unsupported_content_type"


# Models and dates


@pytest.mark.parametrize(
    ("model", "day", "lives"),
    [
        (IMAGE_1_5, "2026-11-30", True),
        (IMAGE_1_5, "2026-12-01", False),
        ("gpt-image-1.5-2025-12-16", "2026-12-01", False),
        ("gpt-image-1-mini", "2026-12-01", False),
        ("chatgpt-image-latest", "2026-12-01", False),
        ("gpt-image-1", "2026-10-22", True),
        ("gpt-image-1", "2026-10-23", False),
        (IMAGE_2, "2026-04-20", False),
        (IMAGE_2, "2026-04-21", True),
        (SUNBURST, "2026-09-07", False),
        (SUNBURST, "2026-09-08", True),
        (NEWEST, "2026-11-03", False),
        ("gpt-image-2.6-flare", "2026-11-04", True),
    ],
)
def test_models_live_from_launch_to_shutdown(
    simulator: server.Simulator, client: openai.OpenAI, model: str, day: str, lives: bool
) -> None:
    """Without a prompt, so that a model that lives gives the next refusal."""
    reply = send(simulator, "/v1/images/generations", {"model": model}, x_simulate_date=day)
    listed = [one.id for one in connect(simulator, x_simulate_date=day).models.list()]

    assert reply.error["param"] == ("prompt" if lives else "model")
    assert lives == (model in listed)
    if not lives:
        assert reply.error["message"] == f"The model '{model}' does not exist."


def test_the_list_names_the_day_a_model_ends(client: openai.OpenAI) -> None:
    ending = {model.id for model in client.models.list() if model.shutdown_date == "2026-12-01"}

    assert ending == {IMAGE_1_5, "gpt-image-1-mini", "chatgpt-image-latest", "gpt-image-1.5-2025-12-16"}
    assert client.models.retrieve(IMAGE_2).shutdown_date is None
    with pytest.raises(openai.NotFoundError) as refusal:
        client.models.retrieve("gpt-image-9")
    assert refusal.value.code == "model_not_found"


def test_transparency_came_to_gpt_image_2_on_a_day_and_not_to_every_project(simulator: server.Simulator) -> None:
    body = asking(background="transparent")
    early = send(simulator, "/v1/images/generations", body, x_simulate_date="2026-08-19")
    row = user("background", "Transparent background is not supported for this model.")

    check(early, row)
    check(send(simulator, "/v1/images/generations", body, key="Bearer sim-no-preview"), row)
    assert send(simulator, "/v1/images/generations", body, x_simulate_date="2026-08-20").status == 200


# Keys, paths, headers


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("Bearer sk-live-abcdefgh", "invalid_api_key", "Incorrect API key provided: sk-l********efgh."),
        ("Bearer short", "invalid_api_key", "Incorrect API key provided: short."),
        ("", None, "You didn't provide an API key."),
    ],
)
def test_keys(simulator: server.Simulator, key: str, code: str | None, words: str) -> None:
    reply = send(simulator, "/v1/images/generations", asking(), key=key)

    assert reply.status == 401
    assert (reply.error["type"], reply.error["param"], reply.error["code"]) == ("invalid_request_error", None, code)
    assert reply.error["message"].startswith(words)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/images/variations"),
        ("GET", "/v1/images/variations"),
        ("GET", "/v1/nowhere"),
        ("GET", "/"),
        ("GET", "/v1/models/"),
        ("POST", "/images/generations"),
    ],
)
def test_unknown_paths_get_a_bare_404(simulator: server.Simulator, method: str, path: str) -> None:
    reply = send(simulator, path, b"" if method == "POST" else None, method=method)

    assert (reply.status, reply.content) == (404, b"")
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_variations_are_gone_for_the_client_too(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError), pytest.warns(DeprecationWarning, match="deprecated"):
        client.images.create_variation(image=picture())  # pyright: ignore[reportDeprecated]  # that is the point


def test_a_wrong_method_is_refused(simulator: server.Simulator) -> None:
    assert send(simulator, "/v1/images/generations").status == 405


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/images/generations", asking()), ("/v1/images/generations", {}), ("/v1/models", None), ("/v1/none", None)],
)
def test_every_answer_has_the_vendors_headers(simulator: server.Simulator, path: str, body: object) -> None:
    reply = send(simulator, path, body)

    assert reply.headers["openai-version"] == "2020-10-01"
    for name in ("x-request-id", "openai-organization", "openai-project", "openai-processing-ms"):
        assert reply.headers[name]
    for what in ("requests", "tokens"):
        for of in ("limit", "remaining", "reset"):
            assert reply.headers[f"x-ratelimit-{of}-{what}"]


# Refusals by the safety system, accounts and outages


@pytest.mark.parametrize(("stage", "word"), [("input", "forbidden-prompt"), ("output", "forbidden-output")])
def test_the_safety_system_refuses_marked_prompts(client: openai.OpenAI, stage: str, word: str) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.images.generate(model=IMAGE_2, prompt=f"a {word}", size=WIDE)

    body: Any = refusal.value.body
    assert (refusal.value.type, refusal.value.code) == ("image_generation_user_error", "moderation_blocked")
    assert body["moderation_details"] == {"moderation_stage": stage, "categories": ["violence"]}
    assert refusal.value.request_id is not None
    assert refusal.value.request_id in body["message"]


@pytest.mark.parametrize(("fault", "stage"), [("moderation_prompt", "input"), ("moderation_output", "output")])
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str, stage: str) -> None:
    error = send(simulator, "/v1/images/generations", asking(), x_simulate_fault=fault).error

    assert (error["code"], error["moderation_details"]["moderation_stage"]) == ("moderation_blocked", stage)


FAILURES: list[tuple[dict[str, str], type[openai.APIStatusError], str | None, str | None]] = [
    ({"x_simulate_fault": "bad_key"}, openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
    ({"key": "sim-unverified"}, openai.PermissionDeniedError, "invalid_request_error", None),
    ({"key": "sim-no-credit"}, openai.RateLimitError, "insufficient_quota", "credit_balance_exhausted"),
    ({"x_simulate_fault": "quota"}, openai.RateLimitError, "insufficient_quota", "credit_balance_exhausted"),
    ({"key": "sim-slow-down"}, openai.RateLimitError, "requests", "slow_down"),
    ({"x_simulate_fault": "rate_limit"}, openai.RateLimitError, "input-images", "rate_limit_exceeded"),
    ({"x_simulate_fault": "server_error"}, openai.InternalServerError, "server_error", None),
    (
        {"x_simulate_fault": "unavailable"},
        openai.InternalServerError,
        "service_unavailable_error",
        "server_is_overloaded",
    ),
]


@pytest.mark.parametrize(("trouble", "kind", "error_type", "code"), FAILURES)
def test_accounts_in_trouble_and_outages(
    simulator: server.Simulator,
    trouble: dict[str, str],
    kind: type[openai.APIStatusError],
    error_type: str,
    code: str | None,
) -> None:
    with pytest.raises(kind) as failure:
        connect(simulator, **trouble).images.generate(model=IMAGE_2, prompt="a tram", size=WIDE)

    assert (failure.value.type, failure.value.code) == (error_type, code)
    waits = code in {"slow_down", "rate_limit_exceeded", "server_is_overloaded"}
    assert ("retry-after" in failure.value.response.headers) == waits


def test_an_unverified_organization_is_told_which_model(simulator: server.Simulator) -> None:
    reply = send(simulator, "/v1/images/generations", asking(), key="Bearer sim-unverified")

    assert reply.status == 403
    assert "must be verified to use the model `gpt-image-2`" in reply.error["message"]
    assert send(simulator, "/v1/models", key="Bearer sim-unverified").status == 200


def test_a_bill_can_be_doubled(simulator: server.Simulator) -> None:
    once = send(simulator, "/v1/images/generations", asking()).json["usage"]
    twice = send(simulator, "/v1/images/generations", asking(), x_simulate_fault="duplicate_bill").json["usage"]

    assert twice["total_tokens"] == 2 * once["total_tokens"]
    assert twice["total_tokens"] == twice["input_tokens"] + twice["output_tokens"]


def test_pictures_can_be_spoilt(simulator: server.Simulator) -> None:
    def made(fault: str, **more: object) -> str:
        body = asking(**more)
        return send(simulator, "/v1/images/generations", body, x_simulate_fault=fault).json["data"][0]["b64_json"]

    assert decode(made("wrong_size")).size != (1280, 512)
    assert decode(made("opaque", background="transparent")).convert("RGBA").getchannel("A").getextrema() == (255, 255)
    assert made("misspelled", prompt='a sign "OPEN LATE"') != made("duplicate_bill", prompt='a sign "OPEN LATE"')
    with pytest.raises(ValueError, match=r"base64|padding|characters"):
        base64.b64decode(made("truncated_base64"), validate=True)
    with pytest.raises(OSError, match="cannot identify"):
        decode(made("not_a_picture"))


def test_a_stream_of_what_is_no_picture_still_ends(simulator: server.Simulator) -> None:
    body = asking(stream=True, partial_images=1)
    reply = send(simulator, "/v1/images/generations", body, x_simulate_fault="not_a_picture")

    assert reply.content.count(b"event: ") == 2


# Moderations


def test_moderations_flag_what_the_images_api_would_refuse(client: openai.OpenAI) -> None:
    fine, bad = client.moderations.create(input=["a red kite", "a forbidden-prompt"]).results

    assert (fine.flagged, bad.flagged) == (False, True)
    assert bad.categories.violence
    assert bad.category_scores.violence > 0.5 > fine.category_scores.violence


def test_moderations_take_parts_and_name_what_was_looked_at(client: openai.OpenAI) -> None:
    answer = client.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": "a forbidden-prompt"},
            {"type": "image_url", "image_url": {"url": data_url(picture())}},
        ],
    )

    [result] = answer.results
    assert result.flagged
    assert result.category_applied_input_types.violence == ["text", "image"]
    assert result.category_applied_input_types.hate == ["text"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "empty_array"),
        ({"input": 3}, "input", "invalid_type"),
        ({"input": [{"type": "audio"}]}, "input[0]", "invalid_type"),
        ({"input": "a", "model": "text-moderation-stable"}, "model", "invalid_value"),
        ({"input": "a", "seed": 1}, "seed", "unknown_parameter"),
    ],
)
def test_moderations_refuse(simulator: server.Simulator, body: object, param: str, code: str) -> None:
    error = send(simulator, "/v1/moderations", body).error

    assert (error["param"], error["code"]) == (param, code)


# Tokens, by the published figures


@pytest.mark.parametrize(
    ("model", "size", "quality", "expected"),
    [
        (models.IMAGE_2, (1024, 1024), "low", 196),
        (models.IMAGE_2, (1024, 1024), "medium", 1756),
        (models.IMAGE_2, (1024, 1024), "high", 7024),
        (models.IMAGE_2, (1536, 1024), "low", 158),
        (models.IMAGE_2, (1024, 1536), "medium", 1372),
        (models.IMAGE_2, (1536, 1024), "high", 5488),
        (models.IMAGE_2, (1792, 1024), "high", 5063),
        (models.IMAGE_2, (3584, 2048), "high", 12329),
        (models.IMAGE_2, (3840, 2160), "high", 13342),
        (models.SUNBURST_2_5, (2048, 1152), "low", 157),
        (models.SUNBURST_2_5, (2048, 1152), "medium", 367),
        (models.SUNBURST_2_5, (2048, 1152), "high", 1413),
        (models.SUNBURST_2_5, (2048, 1152), "xhigh", 2511),
        (models.SUNBURST_2_5, (2048, 1152), "max", 5650),
        (models.FLARE_2_5, (1024, 1536), "medium", 343),
        (models.FLARE_2_5, (1024, 1024), "xhigh", 3122),
        (models.SUNBURST_2_6, (1024, 1024), "low", 824),
        (models.SUNBURST_2_6, (1536, 1024), "low", 664),
        (models.FLARE_2_6, (1024, 1536), "medium", 1372),
        (models.FLARE_2_6, (1024, 1024), "max", 7024),
        (models.IMAGE_1_5, (1024, 1024), "low", 272),
        (models.IMAGE_1_5, (1536, 1024), "medium", 1568),
        (models.IMAGE_1_MINI, (1024, 1536), "high", 6240),
    ],
    ids=lambda value: value.id if isinstance(value, models.Model) else str(value),
)
def test_output_tokens(model: models.Model, size: tuple[int, int], quality: str, expected: int) -> None:
    assert model.output_tokens(quality, *size) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), 1024),
        ((1024, 1024), 1024),
        ((1024, 1536), 1536),
        ((1800, 2400), 1452),
        ((2048, 2048), 1521),
        ((4000, 4000), 1521),
        ((3840, 2160), 1508),
    ],
)
def test_patch_tokens(size: tuple[int, int], expected: int) -> None:
    assert tokens.patch_tokens(*size) == expected


@pytest.mark.parametrize(
    ("size", "fidelity", "expected"),
    [
        ((1024, 1024), "low", 194),
        ((1024, 1024), "high", 4354),
        ((1024, 1536), "low", 323),
        ((1024, 1536), "high", 6563),
    ],
)
def test_tile_tokens(size: tuple[int, int], fidelity: str, expected: int) -> None:
    assert tokens.tile_tokens(*size, fidelity) == expected
