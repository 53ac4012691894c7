"""Stability AI's stable-image endpoints (v2beta): a twin of all of them, of results and of the balance.

Sources, read 2026-11-23: platform.stability.ai/docs/api-reference and /pricing; stability.ai/api-pricing-update-25.
Error texts are those public clients quote from the live API: no form
https://github.com/jezs00/pycasso/issues/86, a flagged prompt
https://github.com/ZHO-ZHO-ZHO/ComfyUI-StableDiffusion3-API/issues/2; a bad key, no credits, a body or a picture too
large likewise. A comment says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt" are refused, "forbidden-output" gives a blurred picture, "never-ready" never ends.
The header x-simulate-polls sets how many polls are answered before a result is there. Keys begin with sk-sim- or
sim-; sim-no-credits has none.
"""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from . import drawing, retouching
from ._fields import Fields, Invalid, Picture, read_fields
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Fault
    from .world import World

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 9_437_184
FOUR_MEGAPIXELS = 4_194_304
MAX_PROMPT = 10_000
MAX_SEED = 4_294_967_294
RESULT_LIFETIME = timedelta(hours=24)
POLLS = 2
"""Answered with 202 before a result is there."""
FIRST_BALANCE = Decimal(1000)
SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "5:4": (1088, 896),
    "4:5": (896, 1088),
    "2:3": (832, 1216),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
"""One megapixel. That core makes each side half as long again is documented for 1:1 only; the rest is unconfirmed."""
STYLES = (
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
)
SD3_CREDITS = {
    "sd3.5-large": Decimal("6.5"),
    "sd3.5-large-turbo": Decimal(4),
    "sd3.5-medium": Decimal("3.5"),
    "sd3.5-flash": Decimal("2.5"),
    # answered by their successors since 2025-04-17
    "sd3-large": Decimal("6.5"),
    "sd3-large-turbo": Decimal(4),
    "sd3-medium": Decimal("3.5"),
}
FORMATS: tuple[drawing.Format, ...] = ("png", "jpeg", "webp")
Paint: TypeAlias = "Callable[[int, Fault | None], bytes]"
"""Makes the picture from its seed."""


class Failure(Exception):
    def __init__(self, status: int, name: str, *errors: str) -> None:
        super().__init__(name)
        self.status = status
        self.body = {"id": secrets.token_hex(16), "name": name, "errors": list(errors)}


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    price: Decimal
    """In credits."""
    prompt: str
    output_format: drawing.Format
    paint: Paint
    seed: int


@dataclass(slots=True)
class Job:
    """One of the two endpoints that answer later."""

    order: Order
    key: str
    fault: Fault | None
    submitted: datetime
    polls_left: int
    picture: bytes | None = None


# The endpoints: each reads its fields and says how to paint


def ultra(fields: Fields) -> Order:
    """With an image it needs a strength; then a picture of its ratio: unconfirmed."""
    image = source(fields) if "image" in fields.files else None
    if image is not None:
        ranged(fields, "strength", 0, 1)
    style(fields)
    return painting(fields, Decimal(8), aspect(fields, image), image)


def core(fields: Fields) -> Order:
    style(fields)
    width, height = aspect(fields)
    return painting(fields, Decimal(3), (width * 3 // 2, height * 3 // 2))


def sd3(fields: Fields) -> Order:
    model = fields.choice("model", SD3_CREDITS) or "sd3.5-large"
    image = None
    if fields.choice("mode", ("text-to-image", "image-to-image")) == "image-to-image":
        image = source(fields)
        ranged(fields, "strength", 0, 1)
    fields.number("cfg_scale", 1, 10)
    style(fields)
    return painting(fields, SD3_CREDITS[model], aspect(fields, image), image)


def erase(fields: Fields) -> Order:
    image = source(fields)
    mask = marked(fields, image, fields.integer("grow_mask", 0, 20))
    return painting(fields, Decimal(5), image.size, image, prompt="the scene behind", mask=mask)


def inpaint(fields: Fields) -> Order:
    image = source(fields)
    style(fields)
    mask = marked(fields, image, fields.integer("grow_mask", 0, 100))
    return painting(fields, Decimal(5), image.size, image, mask=mask)


def outpaint(fields: Fields) -> Order:
    image = source(fields)
    left, right, up, down = (fields.integer(side, 0, 2000) or 0 for side in ("left", "right", "up", "down"))
    if not (left or right or up or down):
        # unconfirmed: the text
        raise Invalid("", "at least one of left, right, up or down must be greater than 0")
    fields.number("creativity", 0, 1)
    style(fields)
    prompt = fields.text("prompt", most=MAX_PROMPT) or ""
    size = (image.width + left + right, image.height + up + down)
    output_format = formatted(fields)

    def paint(seed: int, fault: Fault | None) -> bytes:
        extended = retouching.extend(image.content, prompt or "the scene beyond", size, (left, up), seed)
        return retouched(extended, size, output_format, fault)

    return Order(Decimal(4), prompt, output_format, paint, seeded(fields))


def search_and_replace(fields: Fields, what: str = "search_prompt") -> Order:
    fields.needed(what, MAX_PROMPT)
    fields.integer("grow_mask", 0, 20)
    style(fields)
    image = source(fields)
    return painting(fields, Decimal(5), image.size, image)


def search_and_recolor(fields: Fields) -> Order:
    return search_and_replace(fields, "select_prompt")


def remove_background(fields: Fields) -> Order:
    image = source(fields, most=FOUR_MEGAPIXELS)
    ordered = painting(fields, Decimal(5), image.size, image, prompt="", transparent=True)
    if ordered.output_format == "jpeg":
        raise Invalid("output_format", "must be one of 'png', 'webp'")
    return ordered


def replace_background(fields: Fields) -> Order:
    """Which of its fields exclude each other is unconfirmed; that one of the two backgrounds is needed is not."""
    image = source(fields, "subject_image")
    prompt = fields.text("background_prompt", most=MAX_PROMPT) or ""
    references = [source(fields, name) for name in ("background_reference", "light_reference") if name in fields.files]
    if not prompt and "background_reference" not in fields.files:
        raise Invalid("background_prompt", "required when background_reference is absent")  # unconfirmed: the text
    fields.text("foreground_prompt", most=MAX_PROMPT)
    for name in ("preserve_original_subject", "original_background_depth", "light_source_strength"):
        fields.number(name, 0, 1)
    fields.choice("keep_original_background", ("true", "false"))
    fields.choice("light_source_direction", ("left", "right", "above", "below"))
    return painting(fields, Decimal(8), image.size, image, *references, prompt=prompt)


def control(fields: Fields) -> Order:
    """Sketch and structure."""
    fields.number("control_strength", 0, 1)
    style(fields)
    image = source(fields)
    return painting(fields, Decimal(5), image.size, image)


def style_guide(fields: Fields) -> Order:
    fields.number("fidelity", 0, 1)
    style(fields)
    image = source(fields)
    return painting(fields, Decimal(5), aspect(fields), image)


def style_transfer(fields: Fields) -> Order:
    image, guide = source(fields, "init_image"), source(fields, "style_image")
    for name in ("style_strength", "composition_fidelity", "change_strength"):
        fields.number(name, 0, 1)
    prompt = fields.text("prompt", most=MAX_PROMPT) or ""
    return painting(fields, Decimal(8), nearest(image), image, guide, prompt=prompt)


def fast(fields: Fields) -> Order:
    """Each side doubled: the documents say 4 times the pixels in one place and 4 times the side in another."""
    image = source(fields, most=1536 * 1536, sides=(32, 1536))
    return enlarging(fields, 2, image, (image.width * 2, image.height * 2), "")


def conservative(fields: Fields) -> Order:
    image = source(fields)
    fields.number("creativity", 0.2, 0.5)
    return enlarging(fields, 40, image, fitted(image, FOUR_MEGAPIXELS), prompted(fields))


def creative(fields: Fields) -> Order:
    """To 4K, read here as 3840 pixels for the longer side: unconfirmed."""
    image = source(fields, most=1_048_576)
    fields.number("creativity", 0.1, 0.5)
    style(fields)
    scale = 3840 / max(image.size)
    return enlarging(fields, 60, image, (round(image.width * scale), round(image.height * scale)), prompted(fields))


ENDPOINTS: dict[str, Callable[[Fields], Order]] = {
    "generate/ultra": ultra,
    "generate/core": core,
    "generate/sd3": sd3,
    "edit/erase": erase,
    "edit/inpaint": inpaint,
    "edit/outpaint": outpaint,
    "edit/search-and-replace": search_and_replace,
    "edit/search-and-recolor": search_and_recolor,
    "edit/remove-background": remove_background,
    "edit/replace-background-and-relight": replace_background,
    "control/sketch": control,
    "control/structure": control,
    "control/style": style_guide,
    "control/style-transfer": style_transfer,
    "upscale/fast": fast,
    "upscale/conservative": conservative,
    "upscale/creative": creative,
}
LATER = {"edit/replace-background-and-relight", "upscale/creative"}


# Fields that several endpoints share


def prompted(fields: Fields) -> str:
    prompt = fields.needed("prompt", MAX_PROMPT)
    fields.text("negative_prompt", most=MAX_PROMPT)
    return prompt


def formatted(fields: Fields) -> drawing.Format:
    asked = fields.choice("output_format", FORMATS)
    return FORMATS[FORMATS.index(asked)] if asked else "png"


def style(fields: Fields) -> None:
    fields.choice("style_preset", STYLES)


def seeded(fields: Fields) -> int:
    return fields.integer("seed", 0, MAX_SEED) or secrets.randbelow(MAX_SEED) + 1


def ranged(fields: Fields, name: str, least: float, most: float) -> None:
    if fields.number(name, least, most) is None:
        raise Invalid(name, "required")


def aspect(fields: Fields, image: Picture | None = None) -> tuple[int, int]:
    ratio = fields.choice("aspect_ratio", SIZES)
    return nearest(image) if image and ratio is None else SIZES[ratio or "1:1"]


def nearest(image: Picture) -> tuple[int, int]:
    """The size of one megapixel whose ratio is nearest to the picture's: unconfirmed."""
    ratio = image.width / image.height
    return min(SIZES.values(), key=lambda size: abs(size[0] / size[1] - ratio))


def fitted(image: Picture, pixels: int) -> tuple[int, int]:
    scale = (pixels / image.pixels) ** 0.5
    return int(image.width * scale), int(image.height * scale)


def source(
    fields: Fields, name: str = "image", *, most: int = MAX_PIXELS, sides: tuple[int, int] = (64, MAX_PIXELS)
) -> Picture:
    """A picture within the documented limits; the text for a side or a ratio is unconfirmed."""
    image = fields.picture(name)
    if image is None:
        raise Invalid(name, "required")
    if image.format not in FORMATS:
        raise Invalid(name, "must be an image in one of these formats: image/jpeg, image/png, image/webp")
    if min(image.size) < sides[0] or max(image.size) > sides[1]:
        raise Invalid(name, f"unsupported dimensions - each side must be between {sides[0]} and {sides[1]} pixels")
    if image.pixels > most:
        raise Invalid(
            name, f"unsupported dimensions - must be at most {most:,} pixels, received {image.pixels:,} pixels"
        )
    if sides[0] == 64 and not 1 / 2.5 <= image.width / image.height <= 2.5:
        raise Invalid(name, "unsupported aspect ratio - must be between 1:2.5 and 2.5:1")
    return image


def marked(fields: Fields, image: Picture, growth: int | None) -> bytes:
    """White where to paint, grown: the mask file, or else where the image is transparent."""
    mask = fields.picture("mask")
    if mask is None and not image.has_alpha:
        raise Invalid("mask", "required when the image has no alpha channel")  # unconfirmed: that and the text
    white = mask.content if mask else retouching.transparency(image.content)
    return retouching.grow(white, 5 if growth is None else growth)


def painting(
    fields: Fields,
    price: Decimal,
    size: tuple[int, int],
    *images: Picture | None,
    prompt: str | None = None,
    mask: bytes | None = None,
    transparent: bool = False,
) -> Order:
    """A picture from the prompt, or the first image changed: where the mask is white, if there is one."""
    asked = prompted(fields) if prompt is None else prompt
    output_format = formatted(fields)
    sources = [image.content for image in images if image is not None]

    def paint(seed: int, fault: Fault | None) -> bytes:
        if not sources:
            return drawing.draw(asked, *size, output_format, seed=seed, fault=fault)
        return drawing.edit(
            sources,
            asked,
            *size,
            mask=mask,
            repaint="white",
            output_format=output_format,
            transparent=transparent,
            seed=seed,
            fault=fault,
        )

    return Order(price, asked, output_format, paint, seeded(fields))


def enlarging(fields: Fields, price: int, image: Picture, size: tuple[int, int], prompt: str) -> Order:
    output_format = formatted(fields)

    def paint(seed: int, fault: Fault | None) -> bytes:
        return retouched(image.content, size, output_format, fault)

    return Order(Decimal(price), prompt, output_format, paint, seeded(fields))


def retouched(picture: bytes, size: tuple[int, int], output_format: drawing.Format, fault: Fault | None) -> bytes:
    return retouching.spoilt(size, output_format, fault) or retouching.resize(picture, size, output_format)


# The wire


class Stability:
    name = "stability"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v2beta/stable-image/…, GET /v2beta/results/{id} and GET /v1/user/balance."""
        try:
            key = check_key(request)
            check_service(world.fault)
            if request.path == "/v1/user/balance":
                return Answer.json({"credits": float(balance(key, world))})
            found = re.fullmatch(r"/v2beta/results/(\w+)", request.path)
            if found:
                return poll(found[1], key, request, world)
            return order(key, request, world)
        except Failure as failure:
            return Answer.json(failure.body, status=failure.status)
        except Invalid as invalid:
            return Answer.json(Failure(400, "bad_request", str(invalid)).body, status=400)


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(("sim-", "sk-sim-")):
        raise unauthorized()
    return key


def check_service(fault: Fault | None) -> None:
    if fault == "bad_key":
        raise unauthorized()
    if fault == "quota":
        raise no_credits()
    if fault == "rate_limit":
        raise Failure(
            429,
            "rate_limit_exceeded",
            "You have exceeded the rate limit of 150 requests within a 10 second period, and have been timed out for "
            "60 seconds.",
        )
    if fault == "server_error":
        raise Failure(500, "internal_error", "An unexpected server error has occurred, please try again later.")
    if fault == "unavailable":
        raise Failure(503, "service_unavailable", "The service is unavailable, please try again later.")  # unconfirmed


def unauthorized() -> Failure:
    return Failure(401, "unauthorized", "authorization: invalid or missing header value")


def no_credits() -> Failure:
    return Failure(
        402,
        "payment_required",
        "You lack sufficient credits to make this request. Please purchase more credits at "
        "https://platform.stability.ai/account/credits and try again.",
    )


def not_found(what: str) -> Failure:
    return Failure(404, "not_found", what)  # unconfirmed: the text; the name and the status are documented


def order(key: str, request: Request, world: World) -> Answer:
    endpoint = request.path.removeprefix("/v2beta/stable-image/")
    read = ENDPOINTS.get(endpoint)
    if read is None or request.method != "POST" or endpoint == request.path:
        raise not_found(f"{request.method} {request.path} does not exist")
    if len(request.body) > MAX_BODY_BYTES:
        raise Failure(413, "payload_too_large", "body: payloads cannot be larger than 10MiB in size")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Invalid("content-type", "must be multipart/form-data")
    accepted(request)
    ordered = read(read_fields(request))
    check_prompt(ordered.prompt, world.fault)
    if balance(key, world) < ordered.price:
        raise no_credits()
    if endpoint in LATER:
        return submit(ordered, key, request, world)
    return finish(ordered, paint(ordered, world.fault), key, request, world)


def accepted(request: Request) -> bool:
    """Whether JSON is wanted; raises Invalid for a format that is not offered. unconfirmed: the text."""
    accept = request.headers.get("accept", "*/*").lower()
    if "application/json" in accept:
        return True
    if "image/*" not in accept and "*/*" not in accept:
        raise Invalid("accept", "must be one of 'image/*', 'application/json'")
    return False


def check_prompt(prompt: str, fault: Fault | None) -> None:
    """Any letter that is not Latin counts as another language here; how the API tells is unconfirmed."""
    if "forbidden-prompt" in prompt or fault == "moderation_prompt":
        raise Failure(
            403,
            "content_moderation",
            "Your request was flagged by our content moderation system, as a result your request was denied and you "
            "were not charged.",
        )
    if any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "") for letter in prompt):
        raise Failure(422, "invalid_language", "English is the only supported language for this service.")


def submit(ordered: Order, key: str, request: Request, world: World) -> Answer:
    job_id = secrets.token_hex(32)
    polls = request.headers.get("x-simulate-polls", "")
    polls_left = int(polls) if polls.isdigit() else POLLS
    world.keep(job_id, Job(ordered, key, world.fault, world.now, polls_left))
    return Answer.json({"id": job_id})


def poll(job_id: str, key: str, request: Request, world: World) -> Answer:
    """unconfirmed: that a result is charged when it is first fetched, and not when it is submitted."""
    job = world.jobs.get(job_id)
    if not isinstance(job, Job) or job.key != key or world.now - job.submitted > RESULT_LIFETIME:
        raise not_found("the requested generation does not exist or has expired")
    accepted(request)
    with world.lock:
        waiting = job.polls_left > 0 or "never-ready" in job.order.prompt
        job.polls_left -= 1
        if waiting:
            return Answer.json({"id": job_id, "status": "in-progress"}, status=202)
        charged, job.picture = job.picture is not None, job.picture or paint(job.order, job.fault)
    return finish(job.order, job.picture, "" if charged else key, request, world, job.fault)


def paint(ordered: Order, fault: Fault | None) -> bytes:
    picture = ordered.paint(ordered.seed, fault)
    return retouching.blur(picture, ordered.output_format) if is_filtered(ordered, fault) else picture


def is_filtered(ordered: Order, fault: Fault | None) -> bool:
    return "forbidden-output" in ordered.prompt or fault == "moderation_output"


def finish(
    ordered: Order, picture: bytes, key: str, request: Request, world: World, fault: Fault | None = None
) -> Answer:
    """Charges the key, if one is given. That a filtered picture is not charged is unconfirmed."""
    fault = fault or world.fault
    filtered = is_filtered(ordered, fault)
    if key and not filtered:
        spend(key, ordered.price * (2 if fault == "duplicate_bill" else 1), world)
    reason = "CONTENT_FILTERED" if filtered else "SUCCESS"
    headers = {"x-request-id": secrets.token_hex(16)}
    if accepted(request):
        encoded = base64.b64encode(picture).decode()
        return Answer.json({"image": encoded, "seed": ordered.seed, "finish_reason": reason}, headers=headers)
    if fault == "truncated_base64":  # there is none here: the picture itself is cut
        picture = picture[: len(picture) // 2]
    headers |= {"finish-reason": reason, "seed": str(ordered.seed)}
    return Answer(200, picture, f"image/{ordered.output_format}", headers)


def balance(key: str, world: World) -> Decimal:
    spent = Decimal(world.counters[f"stability {key}"]) / 10
    return Decimal(0) if key.endswith("sim-no-credits") else FIRST_BALANCE - spent


def spend(key: str, price: Decimal, world: World) -> None:
    """Counted in tenths of a credit."""
    with world.lock:
        world.counters[f"stability {key}"] += int(price * 10)


TWIN = Stability
