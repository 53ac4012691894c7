"""Parse and validate: what is wrong with a request is said before anything is sent, with the field and what helps."""

import base64
import io
import random
import struct
import zlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.providers.base import images
from easel.router import AspectRatio, ImageRequest, InputImage, NoModelCan, RequestError, Size
from easel.router.steps import parse, validate

from .conftest import Opening, png

PROVIDERS = ("openai", "azure_openai", "google", "bfl", "litellm")
MASK = png(64, 64, (0, 0, 0, 0), "RGBA")


def noise(output_format: str, size: int = 64) -> bytes:
    """A picture with something to cut off."""
    pixels = random.Random(0).randbytes(size * size * 3)  # noqa: S311 (a picture, not a secret)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (size, size), pixels).save(buffer, output_format)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more than its few bytes hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


Wrong = tuple[Mapping[Any, object], str, str]
"""A request, the field that is named, and what is said."""

PROMPTS: list[Wrong] = [
    ({}, "prompt", "is empty"),
    ({"prompt": ""}, "prompt", "is empty"),
    ({"prompt": " \n\t"}, "prompt", "is empty"),
    ({"prompt": None}, "prompt", "is empty"),
    ({"prompt": "x" * 100_001}, "prompt", "100,001 characters; at most 100,000"),
    ({"prompt": 7}, "prompt", "must be text, not 7"),
    ({"prompt": ["a"]}, "prompt", "must be text"),
    ({"prompt": "a\0b"}, "prompt", "U+0000) at position 1"),
    ({"prompt": "\x1b[2J"}, "prompt", "U+001B) at position 0"),
    ({"prompt": "a\x7f"}, "prompt", "U+007F"),
    ({"prompt": "a\ud800"}, "prompt", "U+D800"),
    ({"negative_prompt": "\0"}, "negative_prompt", "U+0000"),
    ({"style": "\0"}, "style", "U+0000"),
    ({"quality": "\0"}, "quality", "U+0000"),
    ({"user": "a\0"}, "user", "U+0000"),
    ({"caller": "\0"}, "caller", "U+0000"),
    ({"region": "\0"}, "region", "U+0000"),
    ({"model": "gpt\0"}, "model", "U+0000"),
    ({"tags": ["a", "\0"]}, "tags", "U+0000"),
    ({"metadata": {"a": "\0"}}, "metadata", "U+0000"),
    ({"metadata": {"a\udfff": "b"}}, "metadata", "U+DFFF"),
    ({"text": ["OPEN", "\x07"]}, "text", "U+0007"),
    ({"text": ["OPEN", " "]}, "text", "[1] is empty"),
    ({"text": "x" * 2001}, "text", "[0] has 2,001 characters; at most 2,000"),
    ({"text": [1]}, "text", "text.0 must be text, not 1"),
    ({"text": 5}, "text", "must be a list, not 5"),
    ({"quality": "x" * 2001}, "quality", "2,001 characters"),
    ({"model": "x" * 100_000}, "model", "100,000 characters"),
]
NUMBERS: list[Wrong] = [
    ({"n": 0}, "n", "n is 0; it must be 1 to 100"),
    ({"n": -1}, "n", "n is -1; it must be 1 to 100"),
    ({"n": 101}, "n", "n is 101; it must be 1 to 100"),
    ({"n": 10**30}, "n", "it must be 1 to 100"),
    ({"n": 1.5}, "n", "must be a whole number, not 1.5"),
    ({"n": True}, "n", "is True"),
    ({"n": False}, "n", "is False"),
    ({"n": "two"}, "n", "must be a whole number, not 'two'"),
    ({"n": float("nan")}, "n", "not nan"),
    ({"n": [1]}, "n", "must be a whole number, not [1]"),
    ({"seed": -1}, "seed", "is -1"),
    ({"seed": 2**63}, "seed", "is 9223372036854775808"),
    ({"seed": True}, "seed", "is True"),
    ({"partial_images": 4, "stream": True}, "partial_images", "is 4; it must be 0 to 3"),
    ({"output_compression": 101}, "output_compression", "is 101; it must be 0 to 100"),
    ({"output_compression": -1}, "output_compression", "is -1"),
    ({"stream": "maybe"}, "stream", "must be true or false, not 'maybe'"),
    ({"max_cost_usd": 0}, "max_cost_usd", "is 0; give an amount above 0"),
    ({"max_cost_usd": "-0.5"}, "max_cost_usd", "is -0.5"),
    ({"max_cost_usd": "cheap"}, "max_cost_usd", "must be a number, not 'cheap'"),
    ({"max_cost_usd": "NaN"}, "max_cost_usd", "not 'NaN'"),
    ({"max_cost_usd": float("inf")}, "max_cost_usd", "not inf"),
    ({"max_cost_usd": True}, "max_cost_usd", "is True"),
    ({"deadline_seconds": 0}, "deadline_seconds", "is 0.0"),
    ({"deadline_seconds": -1}, "deadline_seconds", "is -1.0"),
    ({"deadline_seconds": 86_401}, "deadline_seconds", "up to a day"),
    ({"deadline_seconds": float("nan")}, "deadline_seconds", "is nan"),
    ({"deadline_seconds": float("inf")}, "deadline_seconds", "is inf"),
]
SIZES: list[Wrong] = [
    ({"size": "0x0"}, "size", "is 0x0; each edge must be 1 to 30,000 pixels"),
    ({"size": "-1x5"}, "size", "is '-1x5'; give WIDTHxHEIGHT, such as 1024x1024"),
    ({"size": "99999999x1"}, "size", "is '99999999x1'; give WIDTHxHEIGHT"),
    ({"size": "30001x1"}, "size", "is 30001x1"),
    ({"size": "1024"}, "size", "is '1024'; give WIDTHxHEIGHT"),
    ({"size": "1024x1024\0"}, "size", "give WIDTHxHEIGHT"),
    ({"size": ""}, "size", "is ''"),
    ({"size": 1024}, "size", "is 1024; give WIDTHxHEIGHT"),
    ({"size": [1024, 1024]}, "size", "is [1024, 1024]"),
    ({"size": Size(-1, 5)}, "size", "is -1x5"),
    ({"size": Size(10**9, 1)}, "size", "is 1000000000x1"),
    ({"aspect_ratio": "16/9"}, "aspect_ratio", "is '16/9'; give WIDTH:HEIGHT, such as 16:9"),
    ({"aspect_ratio": "1:0"}, "aspect_ratio", "is '1:0'"),
    ({"aspect_ratio": "1000:1"}, "aspect_ratio", "is 1000:1; the edges may differ by 100:1"),
    ({"aspect_ratio": 1.78}, "aspect_ratio", "is 1.78"),
    ({"aspect_ratio": AspectRatio(1, 0)}, "aspect_ratio", "is 1:0"),
    ({"aspect_ratio": AspectRatio(-1, -1)}, "aspect_ratio", "is -1:-1"),
    ({"size": "1024x1024", "aspect_ratio": "16:9"}, "aspect_ratio", "is 16:9, but the size is 1024x1024"),
    ({"size": "1024x1024", "resolution": "1K"}, "resolution", "is 1K, but the size is 1024x1024"),
    ({"resolution": "1k"}, "resolution", "is '1k'; did you mean '1K'?"),
    ({"resolution": "8K"}, "resolution", "is '8K'"),
]
WORDS: list[Wrong] = [
    ({"promt": "a"}, "promt", "unknown field 'promt'; did you mean 'prompt'?"),
    ({"sise": "1x1"}, "sise", "did you mean 'size'?"),
    ({1: 2}, "1", "unknown field '1'"),
    ({"image": png(), "images": png()}, "images", "is given twice"),
    ({"background": "transparant"}, "background", "is 'transparant'; did you mean 'transparent'?"),
    ({"output_format": "jpg"}, "output_format", "is 'jpg'; did you mean 'jpeg'?"),
    ({"output_format": "bmp"}, "output_format", "is 'bmp'"),
    ({"needs": ["typographie"]}, "needs", "did you mean 'typography'?"),
    ({"operation": "paint"}, "operation", "is 'paint'"),
    ({"moderation": "none"}, "moderation", "is 'none'"),
    ({"policy": {"size": "strikt"}}, "policy", "is 'strikt'; did you mean 'strict'?"),
    ({"policy": "strict"}, "policy", "must be a mapping, not 'strict'"),
    ({"background": "transparent", "output_format": "jpeg"}, "output_format", "is jpeg, which has no transparency"),
    ({"output_format": "svg", "output_compression": 50}, "output_compression", "not for svg"),
    ({"provider_options": {"opanai": {}}}, "provider_options", "unknown provider; did you mean 'openai'?"),
    ({"provider_options": {"openai": 5}}, "provider_options", "provider_options.openai must be a mapping, not 5"),
    ({"provider_options": [1]}, "provider_options", "must be a mapping"),
    ({"provider_options": {"openai": {"x": object()}}}, "provider_options", "cannot be said in JSON: object"),
    ({"provider_options": {"openai": {"x": float("nan")}}}, "provider_options", "cannot be said in JSON: float"),
    ({"provider_options": {"bfl": {"x": ["\ud800"]}}}, "provider_options", "cannot be said in JSON: list"),
    ({"model": ""}, "model", "is empty"),
    ({"model": 5}, "model", "must be text, not 5"),
    ({"request_id": ""}, "request_id", "must be 1 to 200 letters"),
    ({"request_id": "x" * 201}, "request_id", "must be 1 to 200 letters"),
    ({"request_id": "../x"}, "request_id", "must be 1 to 200 letters"),
    ({"request_id": "one\n"}, "request_id", "must be 1 to 200 letters"),
    ({"metadata": {str(each): "" for each in range(65)}}, "metadata", "has 65 members; at most 64"),
    ({"metadata": {"a": "x" * 2000}}, "metadata", "is longer than 2,000 characters"),
    ({"metadata": {"a": 5}}, "metadata", "metadata.a must be text, not 5"),
    ({"tags": 5}, "tags", "must be a list, not 5"),
]
PICTURES: list[Wrong] = [
    ({"images": b""}, "images", "images[0] is empty"),
    ({"images": [png(), b"hello"]}, "images", "images[1] is not a PNG, JPEG, WebP, GIF or SVG picture"),
    ({"images": noise("PNG")[:3000]}, "images", "is damaged"),
    ({"images": noise("JPEG")[:1500]}, "images", "is damaged"),
    ({"images": noise("WEBP")[:1500]}, "images", "is damaged"),
    ({"images": noise("PNG")[:20]}, "images", "ends within its header"),
    ({"images": noise("PNG")[:200] + b"\0" * 500 + noise("PNG")[700:]}, "images", "is damaged"),
    ({"references": bomb(60_000, 60_000)}, "references", "is 60000x60000, 3,600,000,000 pixels; the limit is"),
    ({"images": bomb(2**31 - 1, 2**31 - 1)}, "images", "pixels; the limit is"),
    ({"images": bomb(7000, 7000)}, "images", "is damaged"),
    ({"images": bomb(0, 64)}, "images", "is 0x64"),
    ({"images": b"\x89PNG\r\n\x1a\n" + b"\0" * 50_000_001}, "images", "bytes; the limit is 50,000,000"),
    ({"images": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, "images", "is SVG"),
    ({"images": data_url(png(), "image/jpeg")}, "images", "labelled image/jpeg but its bytes are image/png"),
    ({"images": data_url(noise("JPEG"), "image/png")}, "images", "labelled image/png but its bytes are image/jpeg"),
    ({"images": "data:image/png,abc"}, "images", "not a base64 data URL"),
    ({"images": "data:image/png;base64,@@"}, "images", "not valid base64"),
    ({"images": "data:image/png;base64," + base64.b64encode(png()).decode()[:-3]}, "images", "not valid base64"),
    ({"images": base64.b64encode(noise("PNG")).decode()}, "images", "is no path; give base64 as data:image/png"),
    ({"images": "nowhere.png"}, "images", "'nowhere.png' cannot be read: No such file"),
    ({"images": "a\0.png"}, "images", "cannot be read"),
    ({"images": Path("/")}, "images", "cannot be read: Is a directory"),
    ({"images": 5}, "images", "not int"),
    ({"images": [None]}, "images", "not NoneType"),
    ({"operation": "edit"}, "images", "is empty; to edit a picture, give one"),
    ({"operation": "upscale"}, "images", "is empty; to upscale a picture"),
    ({"operation": "generate", "images": png()}, "operation", "is generate, but there are source images"),
    ({"images": png(), "mask": png(32, 32, (0, 0, 0, 0), "RGBA")}, "mask", "is 32x32, but the source image is 64x64"),
    ({"images": png(), "mask": png()}, "mask", "has no alpha channel"),
    ({"images": png(), "mask": png(64, 64, (0, 0, 0, 255), "RGBA")}, "mask", "has no transparent pixel"),
    ({"mask": MASK}, "mask", "give that image too"),
    ({"images": png(), "mask": []}, "mask", "give one picture, not 0"),
    ({"images": png(), "mask": [MASK, MASK]}, "mask", "give one picture, not 2"),
    ({"images": png(), "mask": b"mask"}, "mask", "mask is not a PNG"),
]


@pytest.mark.parametrize("wrong", [PROMPTS, NUMBERS, SIZES, WORDS, PICTURES], ids=lambda each: each[-1][1])
async def test_bad_input_is_refused_before_anything_is_sent(world: Opening, wrong: list[Wrong]) -> None:
    """Each in the caller's words: the field, what it had, what would do. Nothing is sent, nothing is written down."""
    async with world() as at:
        for given, field, says in wrong:
            request = {"prompt": "a red kite", **given} if "prompt" not in given and given else given
            with pytest.raises(RequestError) as caught:
                await at.router.run(request)
            message = str(caught.value)
            assert caught.value.field == field, message
            assert says in message
            assert field in message
            assert len(message) < 400
        assert not at.simulator.received
        assert await at.router.ledger.requests() == ()


async def test_a_file_is_read_and_a_wrong_one_is_named(world: Opening, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png())
    bad.write_bytes(b"GIF89a")
    async with world() as at:
        answer = await at.router.edit("a hat", str(good), model="pair")
        assert len(answer.images) == 1
        with pytest.raises(RequestError, match=r"bad\.png is the picture ends within its header"):
            await at.router.edit("a hat", [good, bad], model="pair")
        assert at.sent() == {"openai": 1}


async def test_a_prompt_too_long_for_every_model(world: Opening) -> None:
    async with world() as at:
        with pytest.raises(NoModelCan) as caught:
            await at.router.generate("x" * 40_000, model="openai/gpt-image-2")
        assert "takes at most 32,000 characters, not 40,000" in str(caught.value)
        assert "shorten the prompt" in str(caught.value)
        assert not at.simulator.received


async def test_an_option_that_the_request_says_by_itself(world: Opening) -> None:
    async with world() as at:
        with pytest.raises(NoModelCan, match="takes 'n' as the request's own n, not as an option"):
            await at.router.generate("a kite", model="openai/gpt-image-2", provider_options={"openai": {"n": 9}})
        assert not at.simulator.received


async def test_too_many_pictures_for_a_model(world: Opening) -> None:
    async with world() as at:
        with pytest.raises(NoModelCan, match="takes at most 16 input images, not 17"):
            await at.router.edit("a collage", [*[png()] * 17], model="openai/gpt-image-2")
        assert not at.simulator.received


# Values in, values out


def test_loose_forms_mean_the_same() -> None:
    data = png(48, 32)
    loose = parse.read(
        {
            "prompt": "a hat",
            "text": "OPEN",
            "needs": "typography",
            "tags": "print",
            "size": "1024x1536",
            "image": data,
            "mask": data_url(png(48, 32, (0, 0, 0, 0), "RGBA"), "image/png"),
            "reference": [data],
            "max_cost": "0.10",
            "deadline": 30,
            "aspect_ratio": "auto",
            "seed": None,
        }
    )
    picture = InputImage(data, "image/png", Size(48, 32), has_alpha=False, name="images[0]")
    assert loose.mask is not None
    assert loose == ImageRequest(
        prompt="a hat",
        operation="edit",
        text=("OPEN",),
        needs=("typography",),
        tags=("print",),
        size=Size(1024, 1536),
        images=(picture,),
        references=(InputImage(data, "image/png", Size(48, 32), has_alpha=False, name="references[0]"),),
        mask=loose.mask,
        max_cost_usd=Decimal("0.10"),
        deadline_seconds=30,
    )


async def test_a_request_gets_an_id_once() -> None:
    given = await parse.parse({"prompt": "a"})
    assert given.request_id is not None
    assert await parse.parse(given) is given
    assert (await parse.parse({"prompt": "a"})).request_id != given.request_id


FIELDS = st.sampled_from(sorted(parse.FIELDS))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.sampled_from(["auto", "1024x1024", "16:9", "strict", "png", "edit"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(FIELDS | st.text(max_size=8), VALUES, max_size=5))
@settings(max_examples=300, deadline=None)
def test_whatever_is_given_is_a_request_or_a_request_error(given_fields: dict[str, object]) -> None:
    try:
        request = parse.read({"prompt": "a", **given_fields})
        validate.check(request, providers=PROVIDERS)
    except RequestError as error:
        assert error.field is not None and len(str(error)) < 500  # noqa: PT017, PT018 (both ways are right)
    else:
        assert 1 <= request.n <= 100
        assert (request.prompt + "".join(request.text) + request.model).encode()


@given(st.builds(Size, st.integers() | st.floats(), st.integers() | st.floats()) | st.none(), st.data())
@settings(max_examples=100, deadline=None)
def test_sizes_of_callers_without_a_type_checker(size: Size | None, data: st.DataObject) -> None:
    edges = st.integers() | st.floats()
    ratio = data.draw(st.none() | st.builds(AspectRatio, edges, edges))
    try:
        validate.check(ImageRequest(prompt="a", size=size, aspect_ratio=ratio), providers=PROVIDERS)
    except RequestError as error:
        assert error.field in {"size", "aspect_ratio"}  # noqa: PT017 (both ways are right)
    else:
        for each in (size, ratio):
            assert each is None or (each.width > 0 < each.height and isinstance(each.width, int))


WHOLE = {name: noise(name) for name in ("PNG", "JPEG", "WEBP", "GIF")}


@given(st.sampled_from(sorted(WHOLE)), st.floats(0.05, 0.97))
@settings(max_examples=60, deadline=None)
def test_a_picture_that_was_cut_is_refused(kind: str, share: float) -> None:
    """Wherever it was cut."""
    whole = WHOLE[kind]
    assert images.input_image(whole, field="images")
    with pytest.raises(RequestError):
        images.input_image(whole[: int(len(whole) * share)], field="images")
