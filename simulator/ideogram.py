"""Ideogram: a twin of API v2 (images, vectors, generations, price quotes, webhooks) and of what is left of v1.

Sources, read 2026-11-23: developer.ideogram.ai (openapi.json, copy of 2026-10-07 in github qmediat/ideogram-mcp,
whose docs/API-REFERENCE.md and docs/PRICES-2026-10-10.md list fields, rules and quotes; ideogram-api/errors and
/rate-limits; api-reference/vectors); ideogram.ai/blog/ideogram-api-pricing; resellers for 4.6. The bodies of 400, 401,
403 and 404 are untyped: their texts are unconfirmed, and so is that a field an operation does not list is refused.
A comment says "unconfirmed" where no source was found for more.

Prompts holding "forbidden-prompt" are refused, "forbidden-output" has every picture withheld, "forbidden-one" the
first; asynchronously "never-ready" stays pending, "task-error" fails and "unknown-status" says what nobody documents.
The header x-simulate-polls sets how many polls are pending. Keys begin with sim-; sim-no-credits has no money.
Not here: resold models, describe, layerize, custom models, collections, the account, and paths without a version.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode

from . import _ed25519, _webhooks, drawing, retouching
from ._fields import Fields, Invalid, Picture, read_fields
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from .faults import Fault
    from .world import World

MAX_IMAGE_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 4_194_304
"""Of 2K; what 4.5 can paint at most."""
MAX_SEED = 2**31 - 1
MAX_IN_FLIGHT = 10
LINK_LIFETIME = timedelta(hours=24)
POLLS = 2
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 30), date(2026, 10, 22), date(2026, 11, 19)
"""When 4.5, vectors and 4.6 came."""
PRESETS = (
    "2048x2048 1792x2240 2240x1792 1728x2304 2304x1728 1664x2496 2496x1664 1440x2560 2560x1440 1600x2560 2560x1600 "
    "1440x2880 2880x1440 1280x3072 3072x1280 1248x3328 3328x1248 1152x2944 2944x1152 1296x3168 3168x1296 1024x3072 "
    "3072x1024 1024x1024 896x1120 1120x896 864x1152 1152x864 832x1248 1248x832 800x1280 1280x800 720x1280 1280x720 "
    "720x1440 1440x720"
)
SIZES = set(PRESETS.split())
V4_SIZES = SIZES | {"512x1536", "1536x512"}  # these two are unconfirmed
V3_TALL = (
    "512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280 704x1344 "
    "704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024 832x1088 832x1152 "
    "832x1216 832x1248 864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x1024 960x1088"
)
V3_SIZES = {"1024x1024", *V3_TALL.split(), *("x".join(reversed(size.split("x"))) for size in V3_TALL.split())}
NAMED_RATIOS = "1x3 3x1 1x2 2x1 9x16 16x9 10x16 16x10 2x3 3x2 3x4 4x3 4x5 5x4 1x1"
RATIOS = ["auto", *NAMED_RATIOS.split()]
WIDER_RATIOS = [*RATIOS, "1x4", "4x1"]
SPEEDS = ("turbo", "default", "quality")
QUALITIES = ("very_low", "low", "medium", "high")
COMMON = "prompt num_images seed magic_prompt enable_copyright_detection private async webhook_url target_collection_id"
STYLED = (
    "style_type style_preset style_codes style_reference_images style_reference_asset_identifiers "
    "style_reference_collection_id style_reference_collection_version_id color_palette"
)
SOURCE = "image image_asset_identifier"
CHARACTER = (
    "character_reference_images character_reference_asset_identifiers character_reference_collection_id "
    "character_reference_collection_version_id character_reference_mask"
)
NEWEST = f"{COMMON} size quality images image_asset_identifiers mask"
PRECISE = f"{COMMON} {SOURCE} reference_images reference_image_asset_identifiers mask context_window quality"
THIRD = f"{COMMON} {STYLED} rendering_speed aspect_ratio resolution negative_prompt"
INPAINT = f"{COMMON} {STYLED} {SOURCE} mask mask_asset_identifier rendering_speed"
UPSCALE = (
    f"{SOURCE} upscale_factor seed async private webhook_url target_collection_id prompt creativity denoise sharpen "
    "strength fix_compression face_enhancement subject_detection enhancement_strength"
)
"""Of all upscalers together: which of the last ones each takes is not told apart here."""
Size: TypeAlias = tuple[int, int]
Paint: TypeAlias = "Callable[[int, Fault | None], bytes]"
"""A picture from its seed."""


class Failure(Exception):
    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message} | more
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Work:
    """What an operation read: how to paint, and what one picture costs in millionths of a dollar."""

    paint: Paint
    size: Size
    micros: int
    tells_size: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    read: Callable[[Fields, Operation], Work]
    product: str
    """As a price quote calls it."""
    fields: str
    prices: tuple[int, ...] = ()
    """In thousandths of a dollar, by rendering speed, by quality, or one for all; of an upscaler, per megapixel."""
    launched: date = date(2026, 1, 1)
    json_only: bool = False
    later_only: bool = False
    vector: bool = False
    prompted: bool = True

    def takes(self, name: str) -> bool:
        return name in self.fields.split()


@dataclass(slots=True)
class Generation:
    id: str
    operation: Operation
    work: Work
    prompt: str
    seed: int
    count: int
    created: datetime
    fault: Fault | None
    polls_left: int
    data: list[dict[str, object]] | None = None


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str


# Operations: each reads its fields


def newest(fields: Fields, operation: Operation) -> Work:
    """4.5 and 4.6: from text, or from the first image, with a mask if wanted. `auto` keeps an image's size:
    unconfirmed.
    """
    is_46 = operation.takes("background")
    images = fields.pictures("images", MAX_IMAGE_BYTES)
    check_ratios(images, "images")
    mask = fields.picture("mask", MAX_IMAGE_BYTES)
    if len(images) > (4 if mask else 5):
        raise Invalid("images", f"at most {4 if mask else 5} images are accepted{' with a mask' if mask else ''}")
    quality = fields.choice("quality", QUALITIES) or ("medium" if images else "high")
    if quality == "very_low" and not images and not is_46:
        raise Invalid("quality", "very_low needs images")
    transparent = fields.choice("background", ("transparent", "opaque")) == "transparent"
    if images and fields.given("background") is not None:
        raise Invalid("background", "is accepted without images only")
    asked = fields.text("size")
    if mask is not None:
        if not images:
            raise Invalid("mask", "needs an image")
        if asked is not None:
            raise Invalid("size", "cannot be combined with mask")
        check_mask(mask, images[0])
    size = newest_size(asked or "auto", images, is_46=is_46)
    large = size[0] * size[1] > MAX_PIXELS
    if large and quality == "very_low":
        raise Invalid("quality", "very_low is not available above 2K")
    priced = operation.prices[bool(images) * 8 + large * 4 :][:4] if is_46 else operation.prices[bool(images) * 4 :][:4]
    paint = painter(fields, size, images, mask.content if mask else None, transparent=transparent)
    return Work(paint, size, priced[QUALITIES.index(quality)] * 1000)


def newest_size(asked: str, images: list[Picture], *, is_46: bool) -> Size:
    if asked == "source" and not images:
        raise Invalid("size", "source needs images")
    if asked in {"auto", "source"}:
        return images[0].size if images else (2048, 2048)
    width, height = read_size(asked, "size")
    if not images and not is_46:
        if asked not in SIZES:
            raise Invalid("size", f"{asked} is not one of the preset sizes")
        return width, height
    most = 4096 * 4096 if is_46 else MAX_PIXELS
    if (
        width % 32
        or height % 32
        or min(width, height) < 256
        or width * height > most
        or (is_46 and max(width, height) > 4096)
    ):
        raise Invalid("size", f"sides must be multiples of 32, at least 256, and at most {most} pixels together")
    if not 1 / 6 <= width / height <= 6:
        raise Invalid("size", "the aspect ratio must be between 1:6 and 6:1")
    return width, height


def precise_edit(fields: Fields, operation: Operation) -> Work:
    """Keeps the size; above 2K, without a window, the picture comes back at 2K."""
    image = source(fields)
    check_ratios([image], "image")
    references = fields.pictures("reference_images", MAX_IMAGE_BYTES)
    mask = fields.picture("mask", MAX_IMAGE_BYTES)
    if len(references) > (3 if mask else 4):
        raise Invalid("reference_images", "at most 4 are accepted, 3 with a mask")
    if mask is not None:
        check_mask(mask, image)
    window = fields.text("context_window")
    if window == "auto" and mask is None:
        raise Invalid("context_window", "auto needs a mask")
    if window not in {None, "auto", *(("none",) if operation.product.startswith("ideogram_4_6") else ())}:
        check_window(window or "", image)
    size = image.size
    if image.pixels > MAX_PIXELS and window is None:
        shrink = math.sqrt(MAX_PIXELS / image.pixels)
        size = int(image.width * shrink), int(image.height * shrink)
    quality = fields.choice("quality", QUALITIES) or "medium"
    prices = operation.prices[4:] if len(operation.prices) > 4 and size[0] * size[1] > MAX_PIXELS else operation.prices
    paint = painter(fields, size, [image, *references], mask.content if mask else None)
    return Work(paint, size, prices[QUALITIES.index(quality)] * 1000)


def check_window(window: str, image: Picture) -> None:
    found = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", window)
    if found is None:
        raise Invalid("context_window", "must be auto or y_min,x_min,y_max,x_max")
    top, left, bottom, right = map(int, found.groups())
    if not (top < bottom <= image.height and left < right <= image.width and min(bottom - top, right - left) >= 256):
        raise Invalid("context_window", "must lie in the image and have sides of at least 256 pixels")


def by_resolution(fields: Fields, operation: Operation) -> Work:
    """4.0. Without a resolution the prompt decides, here always on a square."""
    images = [source(fields)] if operation.takes("image") else []
    fields.integer("image_weight", 1, 100)
    size = read_size(fields.choice("resolution", V4_SIZES) or "2048x2048", "resolution")
    return Work(painter(fields, size, images), size, by_speed(fields, operation))


def transparent(fields: Fields, operation: Operation) -> Work:
    """4.0: a budget of pixels in a ratio. Pixels and the prices other than the default's at 1k are unconfirmed."""
    side = {"1k": 1024, "2k": 2048, "4k": 4096, "8k": 8192}[
        fields.choice("output_resolution", ("1k", "2k", "4k", "8k")) or "1k"
    ]
    size = in_ratio(fields.choice("aspect_ratio", WIDER_RATIOS), side * side, 16)
    return Work(painter(fields, size, transparent=True), size, by_speed(fields, operation))


def third(fields: Fields, operation: Operation) -> Work:
    """3.0 and older: by ratio or resolution, with styles; also remix and reframe, which start from an image."""
    images = [source(fields)] if operation.takes("image") else []
    ratio, resolution = fields.choice("aspect_ratio", RATIOS), fields.choice("resolution", V3_SIZES)
    if ratio is not None and resolution is not None:
        raise Invalid("resolution", "cannot be combined with aspect_ratio")
    if operation.product.endswith("_reframe") and resolution is None:
        raise Invalid("resolution", "required")
    fields.integer("image_weight", 1, 100)
    check_style(fields)
    check_character(fields, operation)
    size = read_size(resolution, "resolution") if resolution else third_size(ratio)
    factor = fields.choice("upscale_factor", ("x1", "x2", "x4")) or "x1"
    prices = operation.prices[("x1", "x2", "x4").index(factor) * 3 :][:3]
    size = size[0] * int(factor[1]), size[1] * int(factor[1])
    paint = painter(fields, size, images, transparent=operation.takes("upscale_factor"))
    return Work(paint, size, by_speed(fields, replace(operation, prices=prices)))


def third_size(ratio: str | None) -> Size:
    """The largest resolution of those nearest to the ratio."""
    if ratio is None or ratio == "auto":
        return 1024, 1024
    across, down = map(int, ratio.split("x"))

    def rank(size: Size) -> tuple[float, int]:
        return round(abs(math.log(size[0] / size[1] * down / across)), 2), -size[0] * size[1]

    return min((read_size(size, "") for size in V3_SIZES), key=rank)


def inpaint(fields: Fields, operation: Operation) -> Work:
    image = source(fields)
    mask = fields.picture("mask", MAX_IMAGE_BYTES)
    if mask is None:
        raise Invalid("mask", "required")
    check_mask(mask, image)
    check_style(fields)
    check_character(fields, operation)
    paint = painter(fields, image.size, [image], mask.content)
    return Work(paint, image.size, by_speed(fields, operation), tells_size=True)


def replace_background(fields: Fields, operation: Operation) -> Work:
    """Repaints what removing the background would take away."""
    image = source(fields)
    cut = painter(fields, image.size, [image], transparent=True)(0, None)
    mask = retouching.transparency(cut)
    return Work(painter(fields, image.size, [image], mask, "white"), image.size, by_speed(fields, operation))


def remove_background(fields: Fields, operation: Operation) -> Work:
    image = source(fields)
    return Work(painter(fields, image.size, [image], transparent=True), image.size, operation.prices[0] * 1000)


def remove_object(fields: Fields, operation: Operation) -> Work:
    """White is what goes, unlike every other mask here."""
    image = source(fields)
    mask = fields.picture("mask", MAX_IMAGE_BYTES)
    if mask is None:
        raise Invalid("mask", "required")
    check_mask(mask, image)
    return Work(painter(fields, image.size, [image], mask.content, "white"), image.size, operation.prices[0] * 1000)


def upscale(fields: Fields, operation: Operation) -> Work:
    """Priced by the megapixel made; that x2 is the default follows from the quotes."""
    image = source(fields)
    factor = int((fields.choice("upscale_factor", ("x2", "x4", "x8")) or "x2")[1])
    size = image.width * factor, image.height * factor

    def paint(_seed: int, fault: Fault | None) -> bytes:
        return retouching.spoilt(size, "png", fault) or retouching.resize(image.content, size, "png")

    return Work(paint, size, math.ceil(size[0] * size[1] * operation.prices[0] / 1000))


def small(fields: Fields, operation: Operation) -> Work:
    """P-Image. Prices other than medium at 1k are unconfirmed."""
    fields.choice("quality", (*QUALITIES, "very_high"))
    width, height = fields.integer("custom_width", 16, 4096), fields.integer("custom_height", 16, 4096)
    ratio, tier = fields.choice("aspect_ratio", RATIOS[1:]), fields.choice("resolution", ("1k", "2k"))
    if width is None and height is None:
        size = in_ratio(ratio, MAX_PIXELS if tier == "2k" else 1024 * 1024, 16)
    elif width is None or height is None or ratio or tier:
        raise Invalid("custom_width", "needs custom_height, and neither resolution nor aspect_ratio")
    elif width % 16 or height % 16 or width * height > MAX_PIXELS:
        raise Invalid("custom_width", f"sides must be multiples of 16, and at most {MAX_PIXELS} pixels together")
    else:
        size = width, height
    return Work(painter(fields, size), size, operation.prices[0] * 1000)


def vector(fields: Fields, operation: Operation) -> Work:
    """The name of its images is unconfirmed."""
    images = fields.pictures("images", MAX_IMAGE_BYTES)
    check_ratios(images, "images")
    if len(images) > 5:
        raise Invalid("images", "at most 5 images are accepted")
    quality = fields.choice("quality", QUALITIES[1:]) or "medium"
    prices = operation.prices[3:] if images else operation.prices
    size = in_ratio(fields.choice("aspect_ratio", RATIOS), 1024 * 1024, 1)
    paint = painter(fields, size, images)
    return Work(
        lambda seed, fault: retouching.trace(paint(seed, fault), size),
        size,
        prices[QUALITIES.index(quality) - 1] * 1000,
    )


def vectorize(fields: Fields, operation: Operation) -> Work:
    image = source(fields)
    fields.choice("mode", ("simple", "detailed", "auto"))

    def paint(_seed: int, fault: Fault | None) -> bytes:
        return retouching.trace(retouching.spoilt(image.size, "png", fault) or image.content, image.size)

    return Work(paint, image.size, operation.prices[0] * 1000)


# The names of the products of 4.6 and of vectors are unconfirmed, as are the path of precise-edit/ideogram-4-6 and that
# the two oldest models cost the same at every speed.
GENERATE, EDIT_46 = "image/generate/ideogram", (8, 30, 60, 220, 0, 60, 200, 600)
OPERATIONS = {
    f"{GENERATE}-4-6": Operation(
        newest, "ideogram_4_6_generate", f"{NEWEST} background", (8, 30, 60, 100, 0, 60, 120, 200, *EDIT_46), NOVEMBER
    ),
    f"{GENERATE}-4-5": Operation(newest, "ideogram_4_5_generate", NEWEST, (0, 30, 60, 100, 8, 30, 60, 220), SEPTEMBER),
    "image/precise-edit/ideogram-4-6": Operation(precise_edit, "ideogram_4_6_precise_edit", PRECISE, EDIT_46, NOVEMBER),
    "image/precise-edit/ideogram-4-5": Operation(
        precise_edit, "ideogram_4_5_precise_edit", PRECISE, (8, 30, 60, 220), SEPTEMBER
    ),
    f"{GENERATE}-4": Operation(
        by_resolution, "ideogram_v4_generation", f"{COMMON} rendering_speed resolution", (30, 60, 100), json_only=True
    ),
    "image/remix/ideogram-4": Operation(
        by_resolution, "ideogram_v4_remix", f"{COMMON} {SOURCE} image_weight rendering_speed resolution", (30, 60, 100)
    ),
    f"{GENERATE}-4-transparent": Operation(
        transparent,
        "v4_transparent_generation",
        f"{COMMON} rendering_speed output_resolution aspect_ratio",
        (30, 60, 100),
        json_only=True,
    ),
    f"{GENERATE}-3": Operation(third, "ideogram_v3_generation", THIRD, (30, 60, 90)),
    f"{GENERATE}-3-character": Operation(
        third, "ideogram_v3_character_generation", f"{THIRD} {CHARACTER}", (100, 150, 200)
    ),
    f"{GENERATE}-3-transparent": Operation(
        third,
        "ideogram_v3_transparent_generation",
        f"{COMMON} rendering_speed aspect_ratio negative_prompt upscale_factor",
        (40, 70, 100, 160, 190, 220, 200, 230, 260),
        json_only=True,
    ),
    "image/inpaint/ideogram-3": Operation(inpaint, "ideogram_v3_inpaint", INPAINT, (30, 60, 90)),
    "image/inpaint/ideogram-3-character": Operation(
        inpaint, "ideogram_v3_character_inpaint", f"{INPAINT} {CHARACTER}", (100, 150, 200)
    ),
    "image/remix/ideogram-3": Operation(third, "ideogram_v3_remix", f"{THIRD} {SOURCE} image_weight", (30, 60, 90)),
    "image/remix/ideogram-3-character": Operation(
        third, "ideogram_v3_character_remix", f"{THIRD} {SOURCE} image_weight {CHARACTER}", (100, 150, 200)
    ),
    "image/reframe/ideogram-3": Operation(
        third,
        "ideogram_v3_reframe",
        f"num_images seed async {STYLED} {SOURCE} rendering_speed resolution",
        (30, 60, 90),
        prompted=False,
    ),
    "image/replace-background/ideogram-3": Operation(
        replace_background,
        "replace_background_ideogram_3_usage",
        f"prompt num_images private webhook_url {SOURCE} rendering_speed",
        (30, 60, 90),
        later_only=True,
    ),
    f"{GENERATE}-2": Operation(
        third,
        "ideogram_v2_generation",
        f"{COMMON} rendering_speed aspect_ratio style_type negative_prompt",
        (80, 80, 80),
        json_only=True,
    ),
    f"{GENERATE}-2a": Operation(
        third,
        "ideogram_v2a_generation",
        f"{COMMON} rendering_speed aspect_ratio style_type",
        (40, 40, 40),
        json_only=True,
    ),
    "image/generate/p-image-ideogram": Operation(
        small,
        "p_image_ideogram_generation",
        f"{COMMON} quality resolution aspect_ratio custom_width custom_height",
        (10,),
        json_only=True,
    ),
    "image/remove-background/ideogram-1": Operation(
        remove_background,
        "api_remove_background",
        f"{SOURCE} async private target_collection_id",
        (10,),
        prompted=False,
    ),
    "image/remove-object/ideogram-1": Operation(
        remove_object,
        "object_removal_usage_v2",
        f"{SOURCE} mask mask_asset_identifier seed store_assets target_collection_id",
        (30,),
        later_only=True,
        prompted=False,
    ),
    "svg/generate/ideogram-vector-1": Operation(
        vector,
        "ideogram_vector_1_generate",
        f"{COMMON} images quality aspect_ratio",
        (130, 160, 200, 130, 160, 320),
        OCTOBER,
        vector=True,
    ),
    "svg/vectorize/ideogram-vector-1": Operation(
        vectorize,
        "ideogram_vector_1_vectorize",
        f"{SOURCE} mode private webhook_url target_collection_id",
        (100,),
        OCTOBER,
        later_only=True,
        vector=True,
        prompted=False,
    ),
    "image/upscale/auto": Operation(upscale, "upscale_auto", UPSCALE, (60,), prompted=False),
    "image/upscale/topaz-standard-2": Operation(upscale, "topaz_standard_v2_upscale", UPSCALE, (30,), prompted=False),
    "image/upscale/topaz-text-refine": Operation(upscale, "topaz_text_refine_upscale", UPSCALE, (30,), prompted=False),
    "image/upscale/topaz-redefine": Operation(upscale, "topaz_redefine_upscale", UPSCALE, (60,), prompted=False),
    "image/upscale/topaz-wonder-3-5": Operation(upscale, "topaz_wonder_3_5_upscale", UPSCALE, (60,), prompted=False),
    "image/upscale/topaz-bloom-2": Operation(upscale, "topaz_bloom_2_upscale", UPSCALE, (90,), prompted=False),
    # unconfirmed: that it is priced by the megapixel as the others are; 0.134 was quoted for 1024x1024
    "image/upscale/nano-banana-pro": Operation(upscale, "nano_banana_pro_upscale", UPSCALE, (32,), prompted=False),
}
LEGACY = {
    "/v1/ideogram-v4/generate": "image/generate/ideogram-4",
    "/v1/ideogram-v4/generate-transparent": "image/generate/ideogram-4-transparent",
    "/v1/ideogram-v4/async/generate": "image/generate/ideogram-4",
    "/v1/ideogram-v4/remix": "image/remix/ideogram-4",
    "/v1/ideogram-v3/generate": "image/generate/ideogram-3",
    "/v1/ideogram-v3/generate-transparent": "image/generate/ideogram-3-transparent",
    "/v1/ideogram-v3/inpaint": "image/inpaint/ideogram-3",
    "/v1/ideogram-v3/edit": "image/inpaint/ideogram-3",
    "/v1/ideogram-v3/remix": "image/remix/ideogram-3",
    "/v1/ideogram-v3/reframe": "image/reframe/ideogram-3",
    "/v1/ideogram-v3/replace-background": "image/replace-background/ideogram-3",
    "/v1/remove-background": "image/remove-background/ideogram-1",
}
"""What v1 calls the same work. Its words are upper-case where those of v2 are lower-case."""
V1_WORDS = ("rendering_speed", "magic_prompt", "style_type", "style_preset", "upscale_factor")


# Fields


def source(fields: Fields) -> Picture:
    """Assets are those of an account, which this twin has not: none is found."""
    if fields.given("image_asset_identifier") is not None:
        if "image" in fields.files:
            raise Invalid("image", "cannot be combined with image_asset_identifier")
        raise Failure(404, "Asset not found")
    image = fields.picture("image", MAX_IMAGE_BYTES)
    if image is None:
        raise Invalid("image", "required")
    check_format(image, "image")
    return image


def check_format(image: Picture, field: str) -> None:
    if image.format not in {"jpeg", "png", "webp"}:
        raise Invalid(field, "must be JPEG, PNG or WEBP")


def check_ratios(images: Collection[Picture], field: str) -> None:
    for image in images:
        check_format(image, field)
        if not 1 / 6 <= image.width / image.height <= 6:
            raise Invalid(field, "the aspect ratio must be between 1:6 and 6:1")


def check_mask(mask: Picture, image: Picture) -> None:
    if mask.size != image.size:
        raise Invalid("mask", "must have the size of the image")
    if not retouching.has_both(mask.content):
        raise Invalid("mask", "must contain black and white")


def check_style(fields: Fields) -> None:
    codes = fields.items("style_codes")
    if not all(isinstance(code, str) and re.fullmatch(r"[0-9A-Fa-f]{8}", code) for code in codes):
        raise Invalid("style_codes", "must be 8 hexadecimal digits each")
    references = fields.pictures("style_reference_images", MAX_IMAGE_BYTES)
    if len(references) > 10:
        raise Invalid("style_reference_images", "at most 10 are accepted")
    if fields.given("style_preset") is not None and (codes or references):
        raise Invalid("style_preset", "cannot be combined with style codes or style references")
    fields.text("negative_prompt", most=10_000)


def check_character(fields: Fields, operation: Operation) -> None:
    images = fields.pictures("character_reference_images", MAX_IMAGE_BYTES)
    if len(images) > 1:
        raise Invalid("character_reference_images", "at most 1 is accepted")
    named = {"character_reference_asset_identifiers", "character_reference_collection_id"} & fields.values.keys()
    if "character" in operation.product and not images and not named:
        raise Invalid("character_reference_images", "a character reference is required")
    if "character_reference_mask" in fields.files and not images:
        raise Invalid("character_reference_mask", "needs character_reference_images")


def read_size(asked: str, field: str) -> Size:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", asked)
    if found is None:
        raise Invalid(field, f"{asked} is not of the form WIDTHxHEIGHT")
    return int(found[1]), int(found[2])


def in_ratio(ratio: str | None, pixels: int, step: int) -> Size:
    across, down = (1, 1) if ratio is None or ratio == "auto" else map(int, ratio.split("x"))
    side = math.sqrt(pixels / (across * down))
    return int(side * across) // step * step, int(side * down) // step * step


def by_speed(fields: Fields, operation: Operation) -> int:
    return operation.prices[SPEEDS.index(fields.choice("rendering_speed", SPEEDS) or "default")] * 1000


def painter(
    fields: Fields,
    size: Size,
    images: Collection[Picture] = (),
    mask: bytes | None = None,
    repaint: drawing.Repaint = "black",
    *,
    transparent: bool = False,
) -> Paint:
    prompt, sources = fields.text("prompt") or "", [image.content for image in images]

    def paint(seed: int, fault: Fault | None) -> bytes:
        if not sources:
            return drawing.draw(prompt, *size, "png", transparent=transparent, seed=seed, fault=fault)
        return drawing.edit(
            sources,
            prompt,
            *size,
            mask=mask,
            repaint=repaint,
            output_format="png",
            transparent=transparent,
            seed=seed,
            fault=fault,
        )

    return paint


# The wire


class Ideogram:
    name = "ideogram"

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v2/…/{action}/{model} (?dry_run=true), GET /v2/generations/{id}, v1, pictures and the webhooks' key."""
        if request.path.startswith("/api/images/"):
            return self.deliver(request, world)
        if request.path == "/v1/.well-known/jwks.json":
            return Answer.json({"keys": [self.key()]})
        try:
            key = check_key(request)
            check_service(world.fault, request)
            found = re.fullmatch(r"/v[12]/generations/([\w-]+)", request.path)
            if found and request.method == "GET":
                return self.poll(found[1], world)
            return self.order(key, request, world)
        except Invalid as invalid:
            return Answer.json({"error": str(invalid)}, status=400)
        except Failure as failure:
            return Answer.json(failure.body, status=failure.status, headers=failure.headers)

    def order(self, key: str, request: Request, world: World) -> Answer:
        is_v1 = request.path in LEGACY
        operation = OPERATIONS.get(LEGACY.get(request.path) or request.path.removeprefix("/v2/"))
        if operation is None or request.method != "POST" or operation.launched > world.today:
            raise Failure(404, "Not found")
        fields = read_fields(request)
        if is_v1:
            fields, operation = from_v1(fields, operation, request)
        for name in fields.names():
            if not operation.takes(name):
                raise Invalid(name, "is not a field of this endpoint")
        if operation.json_only and fields.is_form:
            raise Invalid("", "this endpoint takes application/json only")
        prompt = fields.needed("prompt", 10_000) if operation.prompted else fields.text("prompt", most=10_000) or ""
        fields.choice("magic_prompt", ("auto", "on", "off"))
        for name in ("enable_copyright_detection", "private"):
            fields.flag(name)
        hook = fields.text("webhook_url", most=2048)
        if hook is not None and not _webhooks.is_allowed(hook):
            raise Invalid("webhook_url", "the simulator calls http:// addresses of this machine only")
        count, seed = fields.integer("num_images", 1, 8) or 1, fields.integer("seed", 0, MAX_SEED)
        check_assets(fields)
        work = operation.read(fields, operation)
        if request.query.get("dry_run") == "true":
            return Answer.json(quote(operation, work, count))
        if key == "sim-no-credits":
            raise no_funds()
        later = fields.flag("async") or hook is not None or (operation.later_only and not is_v1)
        polls = request.headers.get("x-simulate-polls", "")
        generation = Generation(
            secrets.token_urlsafe(16),
            operation,
            work,
            prompt,
            secrets.randbelow(MAX_SEED) if seed is None else seed,
            count,
            world.now,
            world.fault,
            int(polls) if polls.isdigit() else POLLS,
        )
        world.keep(generation.id, generation)
        refused = is_refused(generation)
        if later or request.path == "/v1/ideogram-v4/async/generate":
            if hook is not None and not refused:
                _webhooks.send(hook, self.notice(generation, world))
            return Answer.json({"generation_id": generation.id} | ({} if is_v1 else {"seed": generation.seed}))
        if refused:
            raise Failure(422, "Prompt or provided image failed the safety checks")
        return Answer.json(self.told(generation, world, is_v1=is_v1))

    def told(self, generation: Generation, world: World, *, is_v1: bool = False) -> dict[str, object]:
        data = self.finish(generation, world)
        if is_v1:
            return {"created": generation.created.isoformat(), "data": data}
        kind = {"generation_kind": "sampling"} if generation.operation.read in {newest, precise_edit} else {}
        return {"generation_id": generation.id, **kind, "seed": generation.seed, "data": data}

    def finish(self, generation: Generation, world: World) -> list[dict[str, object]]:
        """Painted once; withheld pictures have no address and are billed like the others."""
        with world.lock:
            if generation.data is None:
                count = generation.count * (2 if generation.fault == "duplicate_bill" else 1)
                world.counters["ideogram billed"] += count
                generation.data = [self.entry(generation, index, world) for index in range(generation.count)]
            return generation.data

    def entry(self, generation: Generation, index: int, world: World) -> dict[str, object]:
        work, seed = generation.work, generation.seed + index
        withheld = "forbidden-output" in generation.prompt or generation.fault == "moderation_output"
        withheld = withheld or (index == 0 and "forbidden-one" in generation.prompt)
        url = None if withheld else self.keep(generation, work.paint(seed, generation.fault), world)
        entry: dict[str, object] = {"url": url, "is_image_safe": not withheld}
        width, height = work.size
        if generation.operation.vector:
            told = {"object_type": "svg.generation", "asset_id": secrets.token_urlsafe(16)}
            return entry | told | {"mime_type": "image/svg+xml", "width": width, "height": height}
        entry |= {"prompt": generation.prompt, "resolution": f"{width}x{height}", "seed": seed}
        return entry | ({"width": width, "height": height} if work.tells_size else {})

    def keep(self, generation: Generation, content: bytes, world: World) -> str:
        if generation.fault == "truncated_base64":  # there is none here: the file itself is cut
            content = content[: len(content) // 2]
        ending, media_type = ("svg", "image/svg+xml") if generation.operation.vector else ("png", "image/png")
        path = f"/api/images/ephemeral/{secrets.token_urlsafe(12)}.{ending}"
        world.keep(f"ideogram {path}", File(content, media_type))
        expiry = str(int((world.now + LINK_LIFETIME).timestamp()))
        return f"{world.base_url}/ideogram{path}?{urlencode({'exp': expiry, 'sig': self.sign(path, expiry)})}"

    def sign(self, path: str, expiry: str) -> str:
        return hmac.new(self.secret, f"{path}\n{expiry}".encode(), hashlib.sha256).hexdigest()

    def deliver(self, request: Request, world: World) -> Answer:
        """Needs no key; what a wrong or old address answers is unconfirmed."""
        expiry = request.query.get("exp", "")
        signed = hmac.compare_digest(request.query.get("sig", "").encode(), self.sign(request.path, expiry).encode())
        if not signed or world.now.timestamp() > int(expiry):
            return Answer(403, b"Forbidden", "text/plain")
        file = world.jobs.get(f"ideogram {request.path}")
        if not isinstance(file, File):
            return Answer(404, b"Not Found", "text/plain")
        return Answer(200, file.content, file.media_type)

    def poll(self, generation_id: str, world: World) -> Answer:
        generation = world.jobs.get(generation_id)
        if not isinstance(generation, Generation):
            raise Failure(404, "Generation not found")
        with world.lock:
            waiting = generation.data is None and (generation.polls_left > 0 or "never-ready" in generation.prompt)
            generation.polls_left -= 1
        told: dict[str, object] = {"generation_id": generation.id, "created": generation.created.isoformat()}
        if "unknown-status" in generation.prompt:
            return Answer.json(told | {"status": "simmering"})
        if waiting:
            return Answer.json(told | {"status": "pending"})
        if is_refused(generation):
            return Answer.json(told | {"status": "failed", "failure_reason": "content_policy_violation"})
        if "task-error" in generation.prompt:
            return Answer.json(
                told | {"status": "failed", "failure_reason": "generation_failed"}
            )  # unconfirmed: the word
        told |= {"status": "completed", "response_type": "url", "data": self.finish(generation, world)}
        if "usage" in generation.operation.product:  # which products are priced by usage is unconfirmed
            told["usage_cost_usd_micros"] = generation.work.micros * generation.count
        return Answer.json(told)

    def notice(self, generation: Generation, world: World) -> Iterator[tuple[bytes, Mapping[str, str]]]:
        """The synchronous answer, signed over its bytes."""
        data = self.finish(generation, world)
        body = {"request_id": generation.id, "created": generation.created.isoformat(), "data": data}
        message = json.dumps(body).encode()
        stamp = str(int(world.now.timestamp()))
        signed = "\n".join([generation.id, "sim-user", stamp, hashlib.sha256(message).hexdigest()])
        headers = {
            "x-ideogram-webhook-generation-id": generation.id,
            "x-ideogram-webhook-user-id": "sim-user",
            "x-ideogram-webhook-timestamp": stamp,
            "x-ideogram-webhook-key-id": "sim-key",
            "x-ideogram-webhook-signature": _ed25519.sign(self.secret, signed.encode()).hex(),
        }
        yield message, headers

    def key(self) -> dict[str, str]:
        """What webhooks are checked with, as a JSON web key."""
        public = base64url(_ed25519.public_key(self.secret))
        return {"kty": "OKP", "crv": "Ed25519", "kid": "sim-key", "use": "sig", "alg": "EdDSA", "x": public}


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_v1(fields: Fields, operation: Operation, request: Request) -> tuple[Fields, Operation]:
    """The same request in the words of v2. FLASH costs what TURBO does, and 4.0 refuses it."""
    values = dict(fields.values)
    if "/ideogram-v4/" in request.path:
        prompts = [name for name in ("text_prompt", "json_prompt") if fields.given(name) is not None]
        if len(prompts) != 1:
            raise Invalid("text_prompt", "exactly one of text_prompt and json_prompt is needed")
        if {"seed", "num_images", "prompt"} & values.keys():
            raise Invalid("seed", "neither seed, num_images nor prompt are fields of this endpoint")
        prompt = values.pop(prompts[0])
        values["prompt"] = prompt if isinstance(prompt, str) else json.dumps(prompt)
        if "webhook_url" in request.query:
            values["webhook_url"] = request.query["webhook_url"]
    elif values.get("rendering_speed") == "FLASH" and "transparent" not in request.path:
        values["rendering_speed"] = "TURBO"
    for name in V1_WORDS:
        word = values.get(name)
        if isinstance(word, str):
            if word != word.upper():
                raise Invalid(name, f"{word} is not one of its values")
            values[name] = word.lower()
    if fields.files.get("character_reference_images"):
        operation = OPERATIONS["image/generate/ideogram-3-character"]
    return replace(fields, values=values), replace(operation, json_only=False, later_only=False)


def check_key(request: Request) -> str:
    key = request.headers.get("api-key", "")
    if not key.startswith("sim-"):
        raise Failure(401, "Invalid API key")
    return key


def check_service(fault: Fault | None, request: Request) -> None:
    if fault == "bad_key":
        raise Failure(401, "Invalid API key")
    if fault == "quota":
        raise no_funds()
    if fault == "rate_limit" and request.method == "GET":
        raise Failure(429, "Too many requests", {"retry-after": "2"})
    if fault == "rate_limit":
        raise Failure(
            429,
            f"Too many requests in progress; the limit is {MAX_IN_FLIGHT}",
            reject_reason="inflight_limit",
            max_inflight_requests=MAX_IN_FLIGHT,
            task_completion_speed="fast",
        )
    if fault == "server_error":
        raise Failure(500, "Internal server error")
    if fault == "unavailable":
        raise Failure(503, "Service temporarily unavailable")


def no_funds() -> Failure:
    return Failure(402, "Insufficient funds", reject_reason="insufficient_funds")


def check_assets(fields: Fields) -> None:
    if any(name.endswith(("_asset_identifier", "_asset_identifiers")) and fields.given(name) for name in fields.values):
        raise Failure(404, "Asset not found")


def is_refused(generation: Generation) -> bool:
    return "forbidden-prompt" in generation.prompt or generation.fault == "moderation_prompt"


def quote(operation: Operation, work: Work, count: int) -> dict[str, object]:
    """Priced and validated, neither painted nor reviewed."""
    return {
        "object": "price_quote",
        "billing_identifier": operation.product,
        "quantity": count,
        "usd_micros": work.micros * count,
        "credit_millis": work.micros * count // 10,
        "qualifier": "exact",
    }


TWIN = Ideogram
