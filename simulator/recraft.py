"""Recraft: a twin of its image endpoints, raster and SVG, of styles, prompt enhancement and the balance.

Sources, read 2026-11-23: recraft.ai/docs/api-reference (models, pricing, error-handling, image-inputs-and-results,
tools/erase-region); github api-evangelist/recraft-ai openapi/_original. Only the bodies of 401 and of an unknown path
are published: the other errors' status, code and text are unconfirmed, each of them. A comment says "unconfirmed"
where no source was found for more.

Prompts holding "forbidden-prompt" or "forbidden-output" are refused. Keys begin with sim-; sim-no-credits has no units.
Not here: explore, refineDetails and remix, whose fields or prices are unpublished.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from . import drawing, retouching
from ._fields import Fields, Invalid, Picture, download, read_data_url, read_fields, read_picture
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Fault
    from .world import World

RATIOS = "1:1 2:1 1:2 3:2 2:3 4:3 3:4 5:4 4:5 6:10 14:10 10:14 16:9 9:16"
SIZES = (
    "1024x1024 1536x768 768x1536 1280x832 832x1280 1216x896 896x1216 1152x896 896x1152 832x1344 1280x896 896x1280 "
    "1344x768 768x1344"
)
OLDER_SIZES = (
    "1024x1024 2048x1024 1024x2048 1536x1024 1024x1536 1365x1024 1024x1365 1280x1024 1024x1280 1024x1707 1434x1024 "
    "1024x1434 1820x1024 1024x1820"
)
"""In the order of the ratios."""
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_STYLE_BYTES = 64 * 1024 * 1024
MAX_IMAGE_PIXELS = 16_000_000
LINK_LIFETIME = timedelta(hours=24)
FIRST_UNITS = 100_000
STYLE_UNITS, ENHANCE_UNITS, VARIATE_UNITS = 5, 10, 40
TOOL_UNITS = {"vectorize": 10, "removeBackground": 10, "crispUpscale": 4, "creativeUpscale": 250, "eraseRegion": 2}
"""1,000 units are one US dollar."""
ImageFormat = Literal["png", "webp", "svg"]
Paint: TypeAlias = "Callable[[int, Fault | None], bytes]"
"""The n-th picture."""


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    units: int
    launched: date
    scale: int = 1
    older: bool = False
    """V2 and V3: another table of sizes, shorter prompts, negative prompts and styles by name."""
    vector: bool = False
    edits: bool = True
    """Image to image."""
    needs_style: bool = False
    takes_style: bool = False

    @property
    def max_prompt(self) -> int:
        return 1_000 if self.older else 10_000

    def size(self, asked: str | None) -> tuple[int, int]:
        """In pixels, of `WxH` from the model's table or a ratio. Without one it is square; really the prompt decides.

        That vector models take pixels too is unconfirmed.
        """
        ratios, sizes = RATIOS.split(), (OLDER_SIZES if self.older else SIZES).split()
        sizes = ["x".join(str(int(side) * self.scale) for side in size.split("x")) for size in sizes]
        if asked in ratios:
            asked = sizes[ratios.index(asked)]
        if asked is not None and asked not in sizes:
            raise Invalid("size", f"{asked} is not supported by {self.id}")
        width, _, height = (asked or sizes[0]).partition("x")
        return int(width), int(height)


V4 = Model("recraftv4", 40, date(2026, 2, 1))
V41 = Model("recraftv4_1", 35, date(2026, 5, 15))
STYLES = Model("recraftv4_styles", 35, date(2026, 5, 15), edits=False, needs_style=True, takes_style=True)
FLASH = Model("recraftv4_1_flash", 7, date(2026, 9, 1), edits=False)
V3 = Model("recraftv3", 40, date(2024, 10, 1), older=True, takes_style=True)
V2 = Model("recraftv2", 22, date(2024, 2, 1), older=True, takes_style=True, edits=False)
MODELS = {
    model.id: model
    for model in (
        FLASH,
        replace(FLASH, id="recraftv4_1_flash_v2", launched=date(2026, 11, 1)),
        V41,
        replace(V41, id="recraftv4_1_utility"),
        replace(V41, id="recraftv4_1_pro", units=210, scale=2),
        replace(V41, id="recraftv4_1_utility_pro", units=210, scale=2),
        replace(V41, id="recraftv4_1_vector", units=80, vector=True),
        replace(V41, id="recraftv4_1_utility_vector", units=80, vector=True),
        replace(V41, id="recraftv4_1_pro_vector", units=300, vector=True),
        replace(V41, id="recraftv4_1_utility_pro_vector", units=300, vector=True),
        STYLES,  # that they came with V4.1 is unconfirmed
        replace(STYLES, id="recraftv4_styles_pro", units=100, scale=2),
        replace(STYLES, id="recraftv4_styles_vector", units=50, vector=True),
        replace(STYLES, id="recraftv4_styles_pro_vector", units=120, vector=True),
        V4,
        replace(V4, id="recraftv4_vector", units=80, vector=True),
        replace(V4, id="recraftv4_pro", units=250, scale=2),
        replace(V4, id="recraftv4_pro_vector", units=300, vector=True),
        V3,
        replace(V3, id="recraftv3_vector", units=80, vector=True),
        V2,
        replace(V2, id="recraftv2_vector", units=44, vector=True),
    )
}


class Failure(Exception):
    """An error as text, as those that are published; with a code, as JSON."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = message.encode() if code is None else json.dumps({"code": code, "message": message}).encode()
        self.media_type = "text/plain; charset=utf-8" if code is None else "application/json"


@dataclass(frozen=True, slots=True)
class Style:
    """A style of one's own, as `style_id` names it."""


@dataclass(frozen=True, slots=True)
class File:
    """What a link of an answer leads to."""

    content: bytes
    media_type: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """What one call makes."""

    paint: Paint
    count: int
    units: int
    """Of all pictures together."""
    image_format: ImageFormat
    is_tool: bool = False
    """One picture, told as `image` and not as `data`."""
    style_id: str | None = None


# Generating


def generate(fields: Fields, world: World, family: str = "") -> Work:
    model = find_model(fields, world, family)
    prompt = prompted(fields, model, world)
    style_id, style_units = styled(fields, model, world)
    words = read_text_layout(fields, model)
    check_controls(fields, model)
    width, height = model.size(fields.text("size"))
    image_format, count, seed = formatted(fields, model), counted(fields), seeded(fields)

    def paint(index: int, fault: Fault | None) -> bytes:
        drawn = drawing.draw(
            prompt, width, height, pixels_in(image_format), seed=seed + index, words=words, fault=fault
        )
        return retouching.trace(drawn, (width, height)) if image_format == "svg" else drawn

    return Work(paint, count, model.units * count + style_units, image_format, style_id=style_id)


def image_to_image(fields: Fields, world: World) -> Work:
    model = find_model(fields, world)
    if not model.edits:
        raise Invalid("model", f"{model.id} does not support image to image")
    if fields.number("strength", 0, 1) is None:
        raise Invalid("strength", "required")
    styled(fields, model, world)
    check_controls(fields, model)
    image = given(fields, "image", world)
    return changing(fields, model, image, prompted(fields, model, world), None)


def inpaint(fields: Fields, world: World) -> Work:
    model = editor(fields, world)
    image = given(fields, "image", world)
    return changing(fields, model, image, prompted(fields, model, world), masked(fields, image, world))


def generate_background(fields: Fields, world: World) -> Work:
    """The mask is white where the background goes."""
    return inpaint(fields, world)


def replace_background(fields: Fields, world: World) -> Work:
    model = editor(fields, world)
    image = given(fields, "image", world)
    return changing(fields, model, image, prompted(fields, model, world), surroundings(image))


def outpaint(fields: Fields, world: World) -> Work:
    """With zoom the source is made smaller first; on a canvas of a given size it is centred: unconfirmed, both."""
    model = editor(fields, world)
    image = given(fields, "image", world)
    prompt = prompted(fields, model, world)
    left, right, top, bottom = (fields.integer(f"expand_{side}", 0, 4096) or 0 for side in SIDES)
    canvas = None if fields.given("size") is None else model.size(fields.text("size"))
    zoom = fields.number("zoom_out_percentage", 0, 99.99) or 0
    if (canvas is None) == (not any((left, right, top, bottom))):
        raise Invalid("size", "exactly one of size and expand_left, expand_right, expand_top, expand_bottom is needed")
    size = canvas or (image.width + left + right, image.height + top + bottom)
    shrink = min(1.0, *(side / own for side, own in zip(size, image.size, strict=True))) * (1 - zoom / 100)
    inner = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
    at = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2) if canvas else (left, top)
    image_format, count, seed = formatted(fields, model), counted(fields), seeded(fields)

    def paint(index: int, fault: Fault | None) -> bytes:
        source = image.content if inner == image.size else retouching.resize(image.content, inner, "png")
        extended = retouching.extend(source, prompt, size, at, seed + index)
        return finished(extended, size, image_format, fault)

    return Work(paint, count, model.units * count, image_format)


SIDES = ("left", "right", "top", "bottom")


def variate(fields: Fields, world: World) -> Work:
    """A variation has a size of its own and no prompt; which models' sizes it takes is unconfirmed."""
    image = given(fields, "image", world)
    size = V41.size(fields.text("size")) if fields.given("size") is not None else image.size
    return replace(changing(fields, V41, image, "a variation", None, size), units=VARIATE_UNITS * counted(fields))


def changing(
    fields: Fields, model: Model, image: Picture, prompt: str, mask: bytes | None, size: tuple[int, int] | None = None
) -> Work:
    """The image painted anew, where the mask is white. That it keeps its size is unconfirmed."""
    width, height = size or image.size
    image_format, count, seed = formatted(fields, model), counted(fields), seeded(fields)

    def paint(index: int, fault: Fault | None) -> bytes:
        painted = drawing.edit(
            [image.content],
            prompt,
            width,
            height,
            mask=mask,
            repaint="white",
            output_format=pixels_in(image_format),
            seed=seed + index,
            fault=fault,
        )
        return retouching.trace(painted, (width, height)) if image_format == "svg" else painted

    return Work(paint, count, model.units * count, image_format)


# Tools: one picture in, one out


def vectorize(fields: Fields, world: World) -> Work:
    image = given(fields, "file", world)
    return tool("vectorize", "svg", lambda _, fault: finished(image.content, image.size, "svg", fault))


def remove_background(fields: Fields, world: World) -> Work:
    """SVG gives SVG, pixels give pixels with alpha."""
    content = raw(fields, "file", world)
    if b"<svg" in content[:1000]:
        return tool("removeBackground", "svg", lambda _index, _fault: retouching.without_ground(content))
    image, output_format = checked(content, "file"), raster_format(fields)

    def paint(index: int, fault: Fault | None) -> bytes:
        return drawing.edit(
            [image.content],
            "",
            *image.size,
            mask=None,
            repaint="white",
            output_format=output_format,
            transparent=True,
            seed=index,
            fault=fault,
        )

    return tool("removeBackground", output_format, paint)


def upscale(name: str) -> Callable[[Fields, World], Work]:
    """Twice the sides, 4096 pixels at most: unconfirmed."""

    def read(fields: Fields, world: World) -> Work:
        image, output_format = given(fields, "file", world), raster_format(fields)
        scale = min(2.0, 4096 / max(image.size))
        size = round(image.width * scale), round(image.height * scale)
        return tool(name, output_format, lambda _, fault: finished(image.content, size, output_format, fault))

    return read


def erase_region(fields: Fields, world: World) -> Work:
    image = given(fields, "image", world)
    mask = masked(fields, image, world)
    work = changing(fields, V3, image, "the scene behind", mask)
    return replace(work, units=TOOL_UNITS["eraseRegion"], count=1, is_tool=True)


def tool(name: str, image_format: ImageFormat, paint: Paint) -> Work:
    return Work(paint, 1, TOOL_UNITS[name], image_format, is_tool=True)


ENDPOINTS: dict[str, Callable[[Fields, World], Work]] = {
    "generations": generate,
    "generations/raster": lambda fields, world: generate(fields, world, "raster"),
    "generations/vector": lambda fields, world: generate(fields, world, "vector"),
    "imageToImage": image_to_image,
    "inpaint": inpaint,
    "outpaint": outpaint,
    "replaceBackground": replace_background,
    "generateBackground": generate_background,
    "variateImage": variate,
    "vectorize": vectorize,
    "removeBackground": remove_background,
    "crispUpscale": upscale("crispUpscale"),
    "creativeUpscale": upscale("creativeUpscale"),
    "eraseRegion": erase_region,
}


# Fields


def find_model(fields: Fields, world: World, family: str = "", default: str = "recraftv4_1") -> Model:
    """The vector endpoint's default is unconfirmed."""
    if fields.given("style_reference_urls") or "style_references" in fields.files:
        default = "recraftv4_styles"
    if family == "vector":
        default += "_vector"
    name = fields.text("model") or default
    model = MODELS.get(name) or MODELS.get(name.removesuffix("_raster"))
    if model is None or model.launched > world.today or (model.vector and name.endswith("_raster")):
        raise Invalid("model", f"{name} is not a known model")
    if family and model.vector != (family == "vector"):
        raise Invalid("model", f"{name} is not a {family} model")
    return model


def editor(fields: Fields, world: World) -> Model:
    model = find_model(fields, world, default="recraftv3")
    if model.id not in {"recraftv3", "recraftv3_vector"}:
        raise Invalid("model", f"{model.id} does not support this operation")
    styled(fields, model, world)
    return model


def prompted(fields: Fields, model: Model, world: World) -> str:
    prompt = fields.needed("prompt", model.max_prompt)
    if fields.text("negative_prompt") is not None and not model.older:
        raise Invalid("negative_prompt", f"not supported by {model.id}")
    check_moderation(prompt, world)
    return prompt


def check_moderation(prompt: str, world: World) -> None:
    marked = "forbidden-prompt" in prompt or "forbidden-output" in prompt
    if marked or world.fault in {"moderation_prompt", "moderation_output"}:
        raise Failure(400, "The request was rejected by content moderation.", "content_moderation")


def styled(fields: Fields, model: Model, world: World) -> tuple[str | None, int]:
    """The id of the style made for this call, and what making it costs."""
    names = {"style", "style_id", "style_references", "style_reference_urls"} & fields.names()
    given_names = {name for name in names if name in fields.files or fields.given(name) is not None}
    if {"style", "style_id"} <= given_names:
        raise Invalid("style_id", "cannot be combined with style")
    if given_names and not model.takes_style:
        raise Invalid(min(given_names), f"not supported by {model.id}")
    if model.needs_style and not given_names - {"style"}:
        raise Invalid("style_id", f"{model.id} needs a style_id or style references")
    fields.choice("style_match", ("regular",) if model.older else ("flexible", "precise"))
    style_id = fields.text("style_id")
    if style_id is not None and not isinstance(world.jobs.get(style_id), Style):
        raise Invalid("style_id", f"style {style_id} does not exist")
    if not given_names & {"style_references", "style_reference_urls"}:
        return None, 0
    if not model.needs_style:
        raise Invalid("style_references", f"not supported by {model.id}")
    references = [
        read_data_or_url(str(url), "style_reference_urls", world) for url in fields.items("style_reference_urls")
    ]
    return make_style([*fields.files.get("style_references", ()), *references], "style_references", world), STYLE_UNITS


def make_style(images: list[bytes], field: str, world: World) -> str:
    if not 1 <= len(images) <= 10:
        raise Invalid(field, "between 1 and 10 images are needed")
    if sum(map(len, images)) > MAX_STYLE_BYTES:
        raise Invalid(field, "the images are larger than 64 MB together")
    for image in images:
        read_picture(image, field, MAX_IMAGE_BYTES)
    style_id = str(uuid.uuid4())
    world.keep(style_id, Style())
    return style_id


def read_text_layout(fields: Fields, model: Model) -> list[str] | None:
    """The words to be lettered; None without a layout, when the prompt decides."""
    entries = fields.items("text_layout")
    if not entries:
        return None
    if model.id not in {"recraftv3", "recraftv3_vector"}:
        raise Invalid("text_layout", f"not supported by {model.id}")
    words: list[str] = []
    for entry in entries:
        members = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        word, bbox = members.get("text"), members.get("bbox")
        if not isinstance(word, str) or len(word.split()) != 1:
            raise Invalid("text_layout", "text must be one word")
        if not isinstance(bbox, list) or len(cast("list[object]", bbox)) != 4:
            raise Invalid("text_layout", "bbox must have four points")
        words.append(word)
    return words


def check_controls(fields: Fields, model: Model) -> None:
    controls = fields.given("controls")
    if controls is None:
        return
    members = Fields(cast("dict[str, object]", controls) if isinstance(controls, dict) else {}, {}, is_form=False)
    for color in [*members.items("colors"), *members.items("background_color")]:
        rgb = cast("dict[str, object]", color).get("rgb") if isinstance(color, dict) else None
        levels = cast("list[object]", rgb) if isinstance(rgb, list) else []
        if len(levels) != 3 or not all(isinstance(level, int) and 0 <= level <= 255 for level in levels):
            raise Invalid("controls", "rgb must be three numbers from 0 to 255")
    if members.integer("artistic_level", 0, 5) is not None and model.id not in {"recraftv3", "recraftv3_vector"}:
        raise Invalid("controls", f"artistic_level is not supported by {model.id}")
    members.flag("no_text")


def formatted(fields: Fields, model: Model) -> ImageFormat:
    return "svg" if model.vector else raster_format(fields)


def raster_format(fields: Fields) -> Literal["png", "webp"]:
    """That webp is the default is unconfirmed."""
    return "png" if fields.choice("image_format", ("png", "webp")) == "png" else "webp"


def pixels_in(image_format: ImageFormat) -> drawing.Format:
    return "png" if image_format == "svg" else image_format


def counted(fields: Fields) -> int:
    return fields.integer("n", 1, 6) or 1


def seeded(fields: Fields) -> int:
    asked = fields.integer("random_seed", 0, 2**64 - 1)
    return secrets.randbits(32) if asked is None else asked


def given(fields: Fields, name: str, world: World) -> Picture:
    return checked(raw(fields, name, world), name)


def raw(fields: Fields, name: str, world: World) -> bytes:
    """A part of the form (`image` and `file` pass for each other), or what the JSON names by a URL."""
    for part in (name, "image", "file") if name != "mask" else (name,):
        if part in fields.files:
            return fields.files[part][0]
    url = fields.text("mask_url" if name == "mask" else "image_url")
    if url is None:
        raise Invalid(name, "required")
    return read_data_or_url(url, name, world)


def read_data_or_url(url: str, field: str, world: World) -> bytes:
    return read_data_url(url, field) if url.startswith("data:") else download(url, field, world)


def checked(content: bytes, name: str) -> Picture:
    image = read_picture(content, name, MAX_IMAGE_BYTES)
    if image.format not in {"png", "jpeg", "webp"}:
        raise Invalid(name, f"{image.format} is not supported: use PNG, JPG or WEBP")
    if min(image.size) < 256 or max(image.size) > 4096 or image.pixels > MAX_IMAGE_PIXELS:
        raise Invalid(name, "sides must be from 256 to 4096 pixels, and 16 MP at most")
    return image


def masked(fields: Fields, image: Picture, world: World) -> bytes:
    mask = given(fields, "mask", world)
    if mask.size != image.size:
        raise Invalid("mask", "must have the size of the image")
    return mask.content


def surroundings(image: Picture) -> bytes:
    """A mask of what removing the background would take away."""
    cut = drawing.edit(
        [image.content], "", *image.size, mask=None, repaint="white", output_format="png", transparent=True, seed=0
    )
    return retouching.transparency(cut)


def finished(picture: bytes, size: tuple[int, int], image_format: ImageFormat, fault: Fault | None) -> bytes:
    pixels = retouching.spoilt(size, pixels_in(image_format), fault) or retouching.resize(
        picture, size, pixels_in(image_format)
    )
    return retouching.trace(pixels, size) if image_format == "svg" else pixels


# The wire


class Recraft:
    name = "recraft"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/images/…, /v1/styles and /v1/prompts/enhance, GET /v1/users/me; links need no key."""
        headers = {"x-recraft-requestid": str(uuid.uuid4())}
        try:
            if request.path.startswith("/img/"):
                return deliver(request.path, world)
            key = check_key(request)
            check_service(world.fault)
            return route(key, request, world, headers)
        except Invalid as invalid:
            failure = Failure(400, str(invalid), "invalid_request")
        except Failure as refused:
            failure = refused
        return Answer(failure.status, failure.body, failure.media_type, headers)


def route(key: str, request: Request, world: World, headers: dict[str, str]) -> Answer:
    endpoint = request.path.removeprefix("/v1/images/")
    if request.method == "GET" and request.path == "/v1/users/me":
        user = {"id": "sim-user", "email": "user@example.com", "name": "Simulated", "credits": units_left(key, world)}
        return Answer.json(user, headers=headers)
    if request.method != "POST":
        raise not_found()
    if request.path == "/v1/styles":
        images = [content for contents in read_fields(request).files.values() for content in contents]
        style_id = make_style(images, "files", world)
        return Answer.json({"id": style_id, "credits": spend(key, STYLE_UNITS, world)}, headers=headers)
    if request.path == "/v1/prompts/enhance":
        prompt = read_fields(request).needed("prompt", 2_000)
        check_moderation(prompt, world)
        enhanced = f"{prompt}, in soft morning light, carefully composed"
        answer = {"enhanced_prompt": enhanced, "credits": spend(key, ENHANCE_UNITS, world)}
        return Answer.json(answer, headers=headers)
    read = ENDPOINTS.get(endpoint)
    if read is None or endpoint == request.path:
        raise not_found()
    fields = read_fields(request)
    response_format = fields.choice("response_format", ("url", "b64_json", "multipart")) or "url"
    work = read(fields, world)
    spent = spend(key, work.units, world)
    return told(work, spent, response_format, world, headers)


def told(work: Work, spent: int, response_format: str, world: World, headers: dict[str, str]) -> Answer:
    """The pictures by link, as base64, or as parts of a form whose first part is the JSON."""
    media_type = "image/svg+xml" if work.image_format == "svg" else f"image/{work.image_format}"
    files: dict[str, bytes] = {}
    entries: list[dict[str, str]] = []
    for index in range(work.count):
        image_id, content = str(uuid.uuid4()), work.paint(index, world.fault)
        entry = {"image_id": image_id}
        if response_format == "b64_json":
            entry["b64_json"] = base64.b64encode(content).decode()
        elif world.fault == "truncated_base64":  # there is none here: the file itself is cut
            content = content[: len(content) // 2]
        if response_format == "url":
            world.keep(f"recraft {image_id}", File(content, media_type, world.now))
            entry["url"] = f"{world.base_url}/recraft/img/{image_id}"
        files[image_id] = content
        entries.append(entry)
    body: dict[str, object] = {"created": int(world.now.timestamp()), "credits": spent}
    body |= {"image": entries[0]} if work.is_tool else {"data": entries}
    if work.style_id is not None:
        body["style_id"] = work.style_id
    if response_format != "multipart":
        return Answer.json(body, headers=headers)
    boundary = secrets.token_hex(16)
    parts = [form_part("response", "application/json", json.dumps(body).encode())]
    parts += [form_part(image_id, media_type, content) for image_id, content in files.items()]
    form = b"".join(f"--{boundary}\r\n".encode() + part for part in parts) + f"--{boundary}--\r\n".encode()
    return Answer(200, form, f"multipart/form-data; boundary={boundary}", headers)


def form_part(name: str, media_type: str, content: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"\r\nContent-Type: {media_type}\r\nContent-ID: {name}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def deliver(path: str, world: World) -> Answer:
    """What an old link answers is unconfirmed."""
    file = world.jobs.get(f"recraft {path.removeprefix('/img/')}")
    if not isinstance(file, File) or world.now - file.made > LINK_LIFETIME:
        raise not_found()
    return Answer(200, file.content, file.media_type)


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sim-"):
        raise unauthorized()
    return key


def check_service(fault: Fault | None) -> None:
    if fault == "bad_key":
        raise unauthorized()
    if fault == "quota":
        raise no_units()
    if fault == "rate_limit":
        raise Failure(429, "Too many requests", "rate_limit_exceeded")
    if fault == "server_error":
        raise Failure(500, "Internal server error", "internal_error")
    if fault == "unavailable":
        raise Failure(503, "service unavailable")


def unauthorized() -> Failure:
    return Failure(401, "request unauthorized")


def not_found() -> Failure:
    return Failure(404, "404 page not found")


def no_units() -> Failure:
    return Failure(402, "Not enough credits", "not_enough_credits")


def units_left(key: str, world: World) -> int:
    return 0 if key == "sim-no-credits" else FIRST_UNITS - world.counters[f"recraft {key}"]


def spend(key: str, units: int, world: World) -> int:
    """What the answer tells as `credits`. Raises Failure when there is not as much left."""
    with world.lock:
        if units_left(key, world) < units:
            raise no_units()
        units *= 2 if world.fault == "duplicate_bill" else 1
        world.counters[f"recraft {key}"] += units
    return units


TWIN = Recraft
