"""ByteDance Seedream on BytePlus ModelArk: a twin of the images endpoint, which generates, edits and splits in layers.

Sources, read 2026-11-23: docs.byteplus.com ModelArk 1541523 (images), 1299023 (errors), 1330310 (models);
byteplus-python-sdk-v2 3.0.63; Seedream 5.5 docs.laozhang.ai (2026-11-13). Error texts are those public threads quote:
a size https://github.com/CherryHQ/cherry-studio-app/issues/408 and https://github.com/AceDataCloud/Nexior/pull/657, a
key https://github.com/can1357/oh-my-pi/issues/3440, an error inside a 200
https://github.com/zquestz/dream-prompter/issues/5. A comment says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt", "forbidden-image" or "forbidden-output" are refused; "forbidden-one" fails the
first picture of a series. Keys begin with `sim-`; sim-no-credits is overdue, sim-not-open has activated no model.
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, cast

from . import drawing
from ._fields import Fields, Invalid, Picture, download, read_data_url, read_fields, read_picture
from .delivery import Links, size_of, stamp
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .faults import Fault
    from .world import World

TIERS = {"1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096}
"""Side of the square of that tier. Pixels of its other ratios are unconfirmed, but for their order of size."""
MAX_PICTURES = 15
"""In and out together, for a series."""
LAYERS = ("background", "subject", "lettering")
MAX_IMAGE_BYTES = 30 * 1024 * 1024
MAX_IMAGE_PIXELS = 36_000_000
IMAGE_FORMATS = {"jpeg", "png", "webp", "bmp", "tiff", "gif"}
"""Of heic and heif too; Pillow alone does not read those."""
PIXELS_PER_TOKEN = 256
LINK_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Model:
    tiers: tuple[str, ...]
    min_pixels: int
    max_pixels: int
    max_images: int
    launched: date
    formats: tuple[drawing.Format, ...] = ()
    """output_format values, the default first; empty for a model that makes jpeg and does not know the field."""
    background: bool = False
    """Knows `background`, and `layer_decomposition`."""
    series: bool = False
    """Makes several pictures of one request."""
    searches: bool = False
    seeded: bool = False


LITE = Model(("2K", "3K", "4K"), 3_686_400, 16_777_216, 14, date(2026, 1, 28), ("jpeg", "png"), False, True, True)
MODELS = {
    # its pixel window is unconfirmed: that of 5.0 pro
    "dola-seedream-5-5-261028": Model(
        ("1K", "1.5K", "2K"), 921_600, 4_624_220, 10, date(2026, 11, 12), ("png", "jpeg"), True
    ),
    # that a transparent background is real alpha here is unconfirmed
    "dola-seedream-5-0-pro-260628": Model(
        ("1K", "1.5K", "2K"), 921_600, 4_624_220, 10, date(2026, 6, 28), ("jpeg", "png"), True
    ),
    "seedream-5-0-260128": LITE,
    "seedream-5-0-lite-260128": LITE,
    "seedream-4-5-251128": Model(("2K", "4K"), 3_686_400, 16_777_216, 14, date(2025, 11, 28), series=True),
    "seedream-4-0-250828": Model(("1K", "2K", "4K"), 921_600, 16_777_216, 14, date(2025, 8, 28), series=True),
    "seedream-3-0-t2i-250415": Model((), 512 * 512, 2048 * 2048, 0, date(2025, 4, 15), seeded=True),
}


class Failure(Exception):
    def __init__(self, status: int, code: str, message: str, param: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": told(message), "param": param, "type": kind}


def told(message: str) -> str:
    """Every message ends with the request's id."""
    return f"{message} Request id: 0217{secrets.token_hex(27)[:50]}"


def invalid(name: str, problem: str) -> Failure:
    return Failure(
        400, "InvalidParameter", f"The parameter `{name}` specified in the request is not valid: {problem}.", name
    )


def unsupported(name: str) -> Failure:
    return invalid(name, f"the parameter `{name}` is not supported by the current model")


def sensitive(what: str) -> dict[str, str]:
    """unconfirmed: the code's words for an image are those of a text."""
    code = {"input text": "InputText", "input image": "InputImage", "generated image": "OutputImage"}[what]
    message = f"The request failed because the {what} may contain sensitive information."
    return {"code": f"{code}SensitiveContentDetected", "message": message}


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    prompt: str
    model: str
    width: int
    height: int
    count: int
    """Of a series; one otherwise, or as many as there are layers."""
    series: bool
    layered: bool
    output_format: drawing.Format
    tells_format: bool
    background: str | None
    watermark: bool
    as_url: bool
    searches: bool
    seed: int | None
    sources: tuple[Picture, ...]


class Seedream:
    name = "seedream"

    def __init__(self) -> None:
        self.links = Links(self.name, LINK_LIFETIME)

    def answer(self, request: Request, world: World) -> Answer:
        """POST /api/v3/images/generations, and the pictures made."""
        delivered = self.links.answer(request, world)
        if delivered is not None:
            return delivered
        try:
            return self.serve(request, world)
        except Failure as failure:
            return Answer.json({"error": failure.error}, status=failure.status)
        except Invalid as problem:
            if problem.problem == "required":
                missing = f"The request failed because it is missing `{problem.field}` parameter."
                error = Failure(400, "MissingParameter", missing, problem.field).error
            else:
                error = invalid(problem.field or "body", problem.problem).error
            return Answer.json({"error": error}, status=400)

    def serve(self, request: Request, world: World) -> Answer:
        key = check_key(request)
        check_service(world.fault)
        if (request.method, request.path) != ("POST", "/api/v3/images/generations"):
            raise Failure(404, "InvalidEndpoint.NotFound", "The specified endpoint does not exist.")  # unconfirmed
        fields = read_fields(request)
        order = read(fields, key, world)
        if "forbidden-prompt" in order.prompt or world.fault == "moderation_prompt":
            raise Failure(400, *sensitive("input text").values())
        if "forbidden-image" in order.prompt and order.sources:
            raise Failure(400, *sensitive("input image").values(), param="image")
        if fields.flag("stream"):
            return Answer.events(self.events(order, world))
        items = list(self.items(order, world))
        if not order.series and "error" in items[0]:
            raise Failure(400, *sensitive("generated image").values())
        head: dict[str, object] = {"model": order.model, "created": int(world.now.timestamp())}
        if all("error" in item for item in items):
            return Answer.json(head | {"error": items[0]["error"]})
        return Answer.json(head | {"data": items, "usage": usage(order, items, world.fault)})

    def items(self, order: Order, world: World) -> Iterator[dict[str, object]]:
        """Pictures, and errors in the place of those that failed."""
        refused = order.count if "forbidden-output" in order.prompt or world.fault == "moderation_output" else 0
        refused = max(refused, 1 if order.series and "forbidden-one" in order.prompt else 0)
        for index in range(order.count):
            if index < refused:
                error = sensitive("generated image")
                yield {"error": error | {"message": told(error["message"])}}
                continue
            content = draw(order, index, world.fault)
            width, height = size_of(content, (order.width, order.height))
            item: dict[str, object] = {"size": f"{width}x{height}"}
            if order.as_url:
                item["url"] = self.links.give(content, order.output_format, world, world.fault)
            else:
                item["b64_json"] = base64.b64encode(content).decode()
            if order.tells_format:
                item["output_format"] = order.output_format
            if order.background is not None:
                item["background"] = order.background
            yield item | (layer(index, width, height) if order.layered else {})

    def events(self, order: Order, world: World) -> Iterator[bytes]:
        items: list[dict[str, object]] = []
        head: dict[str, object] = {"model": order.model, "created": int(world.now.timestamp())}
        for index, item in enumerate(self.items(order, world)):
            items.append(item)
            name = "image_generation.partial_failed" if "error" in item else "image_generation.partial_succeeded"
            yield frame(name, head | {"image_index": index} | item)
        yield frame("image_generation.completed", head | {"usage": usage(order, items, world.fault)})
        yield b"data: [DONE]\n\n"


def frame(name: str, data: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | dict(data))}\n\n".encode()


def layer(index: int, width: int, height: int) -> dict[str, object]:
    """Its place in the pile, the base picture being 0. That a box is left, top, right, bottom is unconfirmed."""
    if index == 0:
        return {"z_index": 0}
    box = {"absolute": [0, 0, width, height], "normalized": [0, 0, 1000, 1000]}
    name = LAYERS[index]
    return {"z_index": index, "bounding_box": box, "name": name, "description": f"The {name} of the picture"}


def usage(order: Order, items: list[dict[str, object]], fault: Fault | None) -> dict[str, object]:
    """Only what was made is counted. A token is 256 pixels, as the documents' example of 2496x1664 has it."""
    made = [str(item["size"]).split("x") for item in items if "size" in item]
    times = 2 if fault == "duplicate_bill" else 1
    tokens = times * sum(int(width) * int(height) // PIXELS_PER_TOKEN for width, height in made)
    counted: dict[str, object] = {
        "generated_images": times * len(made),
        "output_tokens": tokens,
        "total_tokens": tokens,
    }
    if order.sources:
        counted["input_images"] = times * len(order.sources)
    if order.searches:
        counted["tool_usage"] = {"web_search": times}
    return counted


# Who may call


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sim-"):
        raise bad_key()
    if key == "sim-no-credits":
        raise overdue()
    return key


def check_service(fault: Fault | None) -> None:
    if fault == "bad_key":
        raise bad_key()
    if fault == "quota":
        raise overdue()
    if fault == "rate_limit":
        message = "Requests have exceeded the Images Per Minute (IPM) limit of the account for this model."
        raise Failure(
            429, "ModelAccountIpmRateLimitExceeded", message, kind="TooManyRequests"
        )  # unconfirmed: the words
    if fault == "server_error":
        message = "The service encountered an unexpected internal error."
        raise Failure(500, "InternalServiceError", message, kind="InternalServerError")
    if fault == "unavailable":  # a 429: no 503 is documented
        message = "The service is currently unable to handle additional requests due to server overload."
        raise Failure(429, "ServerOverloaded", message, kind="TooManyRequests")


def bad_key() -> Failure:
    message = "The API key or AK/SK in the request is missing or invalid."
    return Failure(401, "AuthenticationError", message, kind="Unauthorized")


def overdue() -> Failure:
    message = "The request failed because your account has an overdue balance."  # unconfirmed: the words
    return Failure(403, "AccountOverdueError", message, kind="Forbidden")


# What was asked for


def read(fields: Fields, key: str, world: World) -> Order:
    name, model = find_model(fields, key, world)
    prompt = fields.needed("prompt")
    images = fields.items("image")
    if images and not model.max_images:
        raise unsupported("image")
    if len(images) > model.max_images:
        raise invalid("image", f"the number of images must be at most {model.max_images}")
    sources = tuple(read_image(image, world) for image in images)
    layered = read_layers(fields, model, sources)
    count = 1 if not layered else len(LAYERS)
    series = fields.choice("sequential_image_generation", ("auto", "disabled")) == "auto"
    if series and not model.series:
        raise unsupported("sequential_image_generation")
    if series:
        count = read_series(fields, len(sources))
    output_format, background = read_look(fields, model, layered=layered)
    width, height = read_size(fields, model, prompt, sources)
    read_options(fields)
    searches = bool(fields.items("tools"))
    if searches and not model.searches:
        raise unsupported("tools")
    if fields.number("guidance_scale", 1, 10) is not None and not model.seeded:
        raise unsupported("guidance_scale")  # unconfirmed: that 4.x and 5.x refuse it, and the seed
    seed = fields.integer("seed", -1, 2_147_483_647)
    if seed is not None and not model.seeded:
        raise unsupported("seed")
    return Order(
        prompt=prompt,
        model=name,
        width=width,
        height=height,
        count=count,
        series=series,
        layered=layered,
        output_format=output_format,
        tells_format=bool(model.formats),
        background=background,
        watermark=fields.flag("watermark") is not False,
        as_url=fields.choice("response_format", ("url", "b64_json")) != "b64_json",
        searches=searches,
        seed=None if seed == -1 else seed,
        sources=sources,
    )


def find_model(fields: Fields, key: str, world: World) -> tuple[str, Model]:
    name = fields.needed("model")
    model = MODELS.get(name)
    if model is None or world.today < model.launched:
        message = f"The model or endpoint {name} does not exist or you do not have access to it."
        raise Failure(404, "InvalidEndpointOrModel.NotFound", message, kind="NotFound")
    if key == "sim-not-open":
        message = (
            f"Your account 3000000001 has not activated the model {name}. Please activate the model service in the Ark "
            "Console."
        )
        raise Failure(404, "ModelNotOpen", message, kind="NotFound")
    return name, model


def read_layers(fields: Fields, model: Model, sources: tuple[Picture, ...]) -> bool:
    """Layers are told as the SDK has them; that each but the first is a picture with alpha is unconfirmed."""
    if not fields.flag("layer_decomposition"):
        return False
    if not model.background:
        raise unsupported("layer_decomposition")
    if len(sources) != 1:
        raise invalid("layer_decomposition", "exactly one image is required")
    if fields.given("background") is not None:
        raise invalid("background", "it cannot be used with layer_decomposition")
    return True


def read_series(fields: Fields, inputs: int) -> int:
    """As many as are allowed; where nothing is said the model chooses, here three."""
    given = fields.given("sequential_image_generation_options")
    options = Fields(cast("dict[str, object]", given) if isinstance(given, dict) else {}, {}, is_form=False)
    most = options.integer("max_images", 1, MAX_PICTURES)
    if most is not None and inputs + most > MAX_PICTURES:
        problem = f"the total number of input and generated images must be at most {MAX_PICTURES}"
        raise invalid("sequential_image_generation_options.max_images", problem)
    return most or min(3, MAX_PICTURES - inputs)


def read_look(fields: Fields, model: Model, *, layered: bool) -> tuple[drawing.Format, str | None]:
    """The format and the background; a transparent one needs png."""
    asked = fields.text("output_format")
    if asked is not None and not model.formats:
        raise unsupported("output_format")
    asked = fields.choice("output_format", model.formats)
    background = fields.choice("background", ("auto", "transparent", "opaque"))
    if background is not None and not model.background:
        raise unsupported("background")
    if background == "transparent" and asked == "jpeg":
        raise invalid("output_format", "jpeg does not support a transparent background")
    if background == "transparent" or layered or asked == "png":
        return "png", background
    return ("jpeg" if asked == "jpeg" or not model.formats else model.formats[0]), background


def read_size(fields: Fields, model: Model, prompt: str, sources: tuple[Picture, ...]) -> tuple[int, int]:
    """A tier, whose ratio is the source's or is chosen from the prompt, or pixels within the model's window."""
    size = fields.text("size") or (f"{TIERS['2K']}x{TIERS['2K']}" if not model.tiers else "2K")
    if size.upper() in model.tiers:
        return fit(ratio_of(prompt, sources), TIERS[size.upper()])
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if found is None:
        if size.upper() in TIERS:
            raise invalid("size", "the specified size is not supported for the model")
        known = ["WIDTHxHEIGHT", *(tier.lower() for tier in model.tiers)]
        raise invalid("size", f"size must be one of {', '.join(repr(value) for value in known)}")
    width, height = int(found[1]), int(found[2])
    if width * height < model.min_pixels:
        raise invalid("size", f"image size must be at least {model.min_pixels} pixels")
    if width * height > model.max_pixels:
        raise invalid("size", f"image size must be at most {model.max_pixels} pixels")
    if not 1 / 16 <= width / height <= 16:
        raise invalid("size", f"expected the aspect ratio to be between 0.06 and 16.00, but received {width / height}")
    return width, height


def ratio_of(prompt: str, sources: tuple[Picture, ...]) -> float:
    """Which words decide is made up."""
    if sources:
        return sources[0].width / sources[0].height
    if re.search(r"\b(?:wide|landscape|banner|panorama|cinematic)\b", prompt, re.IGNORECASE):
        return 16 / 9
    if re.search(r"\b(?:tall|portrait|poster|vertical|phone)\b", prompt, re.IGNORECASE):
        return 3 / 4
    return 1.0


def fit(ratio: float, side: int) -> tuple[int, int]:
    """As many pixels as the square, rounded down to multiples of 16."""
    return int(side * math.sqrt(ratio)) // 16 * 16, int(side / math.sqrt(ratio)) // 16 * 16


def read_options(fields: Fields) -> None:
    given = fields.given("optimize_prompt_options")
    if given is None:
        return
    if not isinstance(given, dict):
        raise Invalid("optimize_prompt_options", "must be an object")
    Fields(cast("dict[str, object]", given), {}, is_form=False).choice("mode", ("standard", "fast"))


def read_image(given: object, world: World) -> Picture:
    """The texts are unconfirmed, the limits are not."""
    if not isinstance(given, str):
        raise Invalid("image", "must be a string or a list of strings")
    if not given.startswith("data:"):
        try:
            content = download(given, "image", world)
        except Invalid as error:
            raise Failure(400, "InvalidImageURL", f"The image URL is invalid: it {error.problem}.", "image") from error
    elif re.match(r"data:image/[a-z]+;base64,", given):
        content = read_data_url(given, "image")
    else:
        raise invalid("image", "expected data:image/<format>;base64,<data> with the format in lower case")
    picture = read_picture(content, "image", MAX_IMAGE_BYTES)
    ratio = picture.width / picture.height
    if picture.format not in IMAGE_FORMATS:
        raise invalid("image", f"the format {picture.format} is not supported")
    if picture.pixels > MAX_IMAGE_PIXELS or min(picture.size) <= 14:
        raise invalid("image", f"the image of {picture.width}x{picture.height} pixels is too large or too small")
    if not 1 / 16 <= ratio <= 16:
        problem = (
            f"expected the aspect ratio to be between 0.06 and 16.00, but received image with aspect ratio: {ratio:.2f}"
        )
        raise invalid("image", f"{problem} instead")
    return picture


# What comes back


def draw(order: Order, index: int, fault: Fault | None) -> bytes:
    transparent = order.background == "transparent" or (order.layered and index > 0)
    prompt = f"{LAYERS[index]} of {order.prompt}" if order.layered else order.prompt
    if order.sources:
        content = drawing.edit(
            [source.content for source in order.sources],
            prompt,
            order.width,
            order.height,
            mask=None,
            repaint="white",
            output_format=order.output_format,
            transparent=transparent,
            seed=order.seed,
            fault=fault,
        )
    else:
        content = drawing.draw(
            prompt,
            order.width,
            order.height,
            order.output_format,
            transparent=transparent,
            seed=order.seed,
            fault=fault,
        )
    return stamp(content, "AI generated", order.output_format) if order.watermark else content


TWIN = Seedream
