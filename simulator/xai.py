"""xAI's Grok Imagine: a twin of the images endpoints (generations, edits, models) of the REST API.

Sources, read 2026-11-23: xai-sdk 1.21.0 and its changelog; xai-proto image.proto; docs.x.ai/docs/models and
/developers/debugging. What the API says, as public threads quote it: a bad key
https://github.com/continuedev/continue/issues/11704, no credits https://github.com/Anantys-oss/koan/issues/2412, a
missing field https://github.com/CherryHQ/cherry-studio/issues/4732, a blocked picture
https://github.com/vercel/ai/issues/19168; the order of its checks, that unknown fields are ignored and that `size` is
not, is what a user measured on 2026-09-12. A comment says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt" are refused, "forbidden-output" withholds every picture and "forbidden-one" the
first. Keys begin with xai-sim- or sim-; sim-no-credits has none, sim-blocked is blocked.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from . import drawing
from ._fields import Fields, Invalid, Picture, download, read_data_url, read_picture
from .delivery import Links
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .faults import Fault
    from .world import World

TICKS = 10_000_000_000
"""To the US dollar."""
RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1")
SIDES = {"1k": 1024, "2k": 2048}
"""Of the square with as many pixels; each side is a multiple of 16. Pixels at 1k are unconfirmed."""
MAX_IMAGES = 3
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_PROMPT = 8000
"""unconfirmed: the models endpoint tells each model's number, and clients send from 800 to 8000 characters."""
TEAM = "0d5e1c5a-51f0-4a7e-9b1e-simulated000"
LINK_LIFETIME = timedelta(hours=1)
"""Documented for batches; for other pictures it is unpublished."""
TEXTS = ("model", "aspect_ratio", "resolution", "quality", "response_format", "user")
NOT_SUPPORTED = ("size", "style")
"""The OpenAI fields that are refused: `style` is unconfirmed."""


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    prices: Mapping[str, Decimal]
    """US dollars a picture, by resolution, or by resolution and quality."""
    input_price: Decimal = Decimal(0)
    """US dollars for each picture of an edit."""
    qualities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    launched: date = date(2026, 3, 2)
    ended: date | None = None
    """The first day it no longer answers."""


MODELS = (
    Model(
        "grok-imagine-image-2.0",
        {
            "1k low": Decimal("0.04"),
            "1k medium": Decimal("0.06"),
            "2k low": Decimal("0.06"),
            "2k medium": Decimal("0.08"),  # unconfirmed, as is that pictures of an edit cost nothing
        },
        qualities=("low", "medium"),
        launched=date(2026, 8, 1),
    ),
    Model(
        "grok-imagine-image",
        {"1k": Decimal("0.02"), "2k": Decimal("0.02")},
        Decimal("0.002"),
        aliases=("grok-imagine-image-2026-03-02",),
    ),
    Model(
        "grok-imagine-image-quality",
        {"1k": Decimal("0.05"), "2k": Decimal("0.07")},
        Decimal("0.01"),
        # the last one was redirected here on 2026-05-15; that it answered so before is unconfirmed
        aliases=("grok-imagine-image-quality-20260403", "grok-imagine-image-quality-latest", "grok-imagine-image-pro"),
        launched=date(2026, 4, 3),
        ended=date(2026, 11, 2),  # LiteLLM's date
    ),
)


class Failure(Exception):
    """An answer in one of the API's three forms: `{code, error}`, `{error: {...}}`, and plain text."""

    def __init__(self, status: int, body: Mapping[str, object] | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        if isinstance(self.body, str):
            return Answer(self.status, self.body.encode(), "text/plain; charset=utf-8", self.headers)
        return Answer.json(self.body, self.status, self.headers)


def plain(status: int, code: str, error: str) -> Failure:
    return Failure(status, {"code": code, "error": error})


def invalid(message: str, param: str | None = None) -> Failure:
    """unconfirmed: which refusals come in this form, and the texts but for `Argument not supported`."""
    return Failure(400, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}})


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    prompt: str
    model: Model
    n: int
    width: int
    height: int
    resolution: str
    quality: str | None
    as_url: bool
    sources: tuple[Picture, ...]

    @property
    def cost(self) -> Decimal:
        tier = f"{self.resolution} {self.quality}" if self.quality else self.resolution
        return self.n * self.model.prices[tier] + len(self.sources) * self.model.input_price


class Xai:
    name = "xai"

    def __init__(self) -> None:
        self.links = Links(self.name, LINK_LIFETIME)

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/images/generations and /edits, GET /v1/image-generation-models[/{id}]."""
        delivered = self.links.answer(request, world)
        if delivered is not None:
            return delivered
        try:
            answer = self.serve(request, world)
        except Failure as failure:
            answer = failure.answer()
        except Invalid as problem:
            answer = invalid(f"Invalid value for {problem.field}: {problem.problem}", problem.field).answer()
        headers = {"x-request-id": str(uuid.uuid4()), "x-zero-data-retention": "false"}
        return replace(answer, headers=headers | dict(answer.headers))

    def serve(self, request: Request, world: World) -> Answer:
        path = request.path.removeprefix("/v1/")
        if path.startswith("image-generation-models") and request.method == "GET":
            check_key(request)
            return list_models(path, world)
        if path not in {"images/generations", "images/edits"} or path == request.path:
            raise Failure(404, "")  # unconfirmed: that nothing is said
        if request.method != "POST":
            raise Failure(405, "", {"allow": "POST"})
        fields = read_body(request)
        model = find_model(fields, world)
        check_key(request)
        check_service(model, world.fault)
        order = read(fields, model, world, edits=path == "images/edits")
        if "forbidden-prompt" in order.prompt or world.fault == "moderation_prompt":
            # the words are those of other endpoints; that the status is 400 here is documented
            raise plain(400, "invalid-argument", "Content violates usage guidelines.")
        return self.paint(order, world)

    def paint(self, order: Order, world: World) -> Answer:
        """A withheld picture has neither url nor b64_json. That it is billed like the others is unconfirmed."""
        withheld = order.n if "forbidden-output" in order.prompt or world.fault == "moderation_output" else 0
        withheld = max(withheld, 1 if "forbidden-one" in order.prompt else 0)
        data: list[dict[str, object]] = []
        for index in range(order.n):
            item: dict[str, object] = {"url": None, "b64_json": None, "mime_type": "image/jpeg", "revised_prompt": ""}
            if index >= withheld:
                content = draw(order, world.fault)
                if order.as_url:
                    item["url"] = self.links.give(content, "jpeg", world, world.fault)
                else:
                    item["b64_json"] = base64.b64encode(content).decode()
            data.append(item | {"respect_moderation": index >= withheld, "file_output": None, "storage_error": None})
        cost = order.cost * (2 if world.fault == "duplicate_bill" else 1)
        usage = {"cost_in_usd_ticks": int(cost * TICKS)}
        return Answer.json({"data": data, "model": order.model.id, "usage": usage})


# Who may call


def check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        # unconfirmed: the words; the status is documented
        raise plain(401, "unauthenticated", "No authorization header or an invalid authorization token is provided.")
    if not key.startswith(("xai-sim-", "sim-")):
        raise bad_key(key)
    if key.endswith("sim-no-credits"):
        raise no_credits()
    if key.endswith("sim-blocked"):
        raise plain(403, "permission-denied", "Your API key is blocked.")  # unconfirmed: the words


def check_service(model: Model, fault: Fault | None) -> None:
    """The words of a 429, a 500 and a 503 are unconfirmed."""
    if fault == "bad_key":
        raise bad_key("xai-not-a-key")
    if fault == "quota":
        raise no_credits()
    if fault == "rate_limit":
        raise plain(
            429,
            "resource-exhausted",
            f"Too many requests for team {TEAM} and model {model.id}. Your team's rate limit is - Requests per Second "
            "(actual/limit): 6/5.",
        )
    if fault == "server_error":
        raise plain(500, "internal", "Internal server error")
    if fault == "unavailable":
        raise plain(503, "unavailable", "Service temporarily unavailable. The model is at capacity.")


def bad_key(key: str) -> Failure:
    """A 400, not a 401."""
    shown = f"{key[:2]}***{key[-2:]}"
    return plain(
        400,
        "invalid-argument",
        f"Incorrect API key provided: {shown}. You can obtain an API key from https://console.x.ai.",
    )


def no_credits() -> Failure:
    """A 403 in 2026; before that it was a 429."""
    return plain(
        403,
        "permission-denied",
        f"Your team {TEAM} has either used all available credits or reached its monthly spending limit. To continue "
        "making API requests, please purchase more credits or raise your spending limit.",
    )


# What was asked for


def read_body(request: Request) -> Fields:
    """Raises Failure in plain text for a body of the wrong type, which is looked at before anything else."""
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise Failure(415, "Expected request with `Content-Type: application/json`")
    try:
        body: object = json.loads(request.body)
    except ValueError as error:
        raise Failure(400, f"Failed to parse the request body as JSON: {error}") from error
    target = "Failed to deserialize the JSON body into the target type:"
    if not isinstance(body, dict):
        raise Failure(422, f"{target} expected a map")
    values = cast("dict[str, object]", body)
    if "prompt" not in values:
        lines = request.body.split(b"\n")
        raise Failure(422, f"{target} missing field `prompt` at line {len(lines)} column {len(lines[-1])}")
    for name in ("prompt", *TEXTS):
        value = values.get(name)
        if not isinstance(value, str) and not (value is None and name != "prompt"):
            raise Failure(422, f"{target} {name}: invalid type, expected a string")
    n = values.get("n")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int)):
        raise Failure(422, f"{target} n: invalid type, expected i32")
    return Fields(values, {}, is_form=False)


def find_model(fields: Fields, world: World) -> Model:
    """Without a name the default answers; that this is the newest is unconfirmed."""
    name = fields.text("model")
    for model in MODELS:
        alive = model.launched <= world.today and (model.ended is None or world.today < model.ended)
        if alive and (name is None or name == model.id or name in model.aliases):
            return model
    message = (
        f"The model {name} does not exist or your team {TEAM} does not have access to it. If you believe this is a "
        "mistake, please contact support and quote your team ID and the model name."
    )
    error = {"message": message, "type": "invalid_request_error", "param": "model", "code": "model_unavailable"}
    raise Failure(404, {"error": error})


def read(fields: Fields, model: Model, world: World, *, edits: bool) -> Order:
    for name in NOT_SUPPORTED:
        if fields.given(name) is not None:
            raise invalid(f"Argument not supported: {name}", name)
    quality = fields.choice("quality", model.qualities) if model.qualities else None
    if not model.qualities and fields.given("quality") is not None:
        raise invalid("Argument not supported: quality", "quality")  # unconfirmed: that it is refused
    check_storage(fields)
    prompt = fields.needed("prompt", MAX_PROMPT)
    sources = read_images(fields, world) if edits else ()
    ratio = fields.choice("aspect_ratio", RATIOS if edits else (*RATIOS, "auto"))
    resolution = fields.choice("resolution", SIDES) or "1k"
    width, height = pixels(ratio, resolution, sources)
    return Order(
        prompt,
        model,
        fields.integer("n", 1, 10) or 1,
        width,
        height,
        resolution,
        quality or ("medium" if model.qualities else None),
        fields.choice("response_format", ("url", "b64_json")) != "b64_json",
        sources,
    )


def pixels(ratio: str | None, resolution: str, sources: tuple[Picture, ...]) -> tuple[int, int]:
    """One picture edited keeps its own ratio, whatever is asked for; several take the first one's unless asked."""
    if len(sources) == 1 or (sources and ratio is None):
        shape = sources[0].width / sources[0].height
    else:
        width, height = (float(side) for side in (ratio or "1:1").replace("auto", "1:1").split(":"))
        shape = width / height
    side = SIDES[resolution]
    return round(side * math.sqrt(shape) / 16) * 16, round(side / math.sqrt(shape) / 16) * 16


def check_storage(fields: Fields) -> None:
    """The options of the Files API: read and checked, but nothing is stored here, and file_output stays null."""
    options = fields.given("storage_options")
    if options is None:
        return
    inside = Fields(cast("dict[str, object]", options) if isinstance(options, dict) else {}, {}, is_form=False)
    inside.needed("filename")
    inside.integer("expires_after", 3600, 2_592_000)


def read_images(fields: Fields, world: World) -> tuple[Picture, ...]:
    one, several = fields.given("image"), fields.items("images")
    if (one is None) == (not several):
        raise invalid("Exactly one of `image` or `images` must be provided", "image")
    if len(several) > MAX_IMAGES:
        raise invalid(f"At most {MAX_IMAGES} images are supported, got {len(several)}", "images")
    return tuple(read_image(image, world) for image in (several if one is None else [one]))


def read_image(given: object, world: World) -> Picture:
    """`{"url": …}`, https or data; a file_id names a file of the Files API, of which there are none here."""
    image = Fields(cast("dict[str, object]", given) if isinstance(given, dict) else {}, {}, is_form=False)
    image.choice("type", ("image_url",))
    file_id = image.text("file_id")
    if file_id is not None:
        raise Failure(404, {"code": "not-found", "error": f"File {file_id} not found."})
    url = image.needed("url")
    content = read_data_url(url, "image") if url.startswith("data:") else download(url, "image", world)
    picture = read_picture(content, "image", MAX_IMAGE_BYTES)
    if picture.format not in {"png", "jpeg", "webp"}:
        raise Invalid("image", "must be PNG, JPEG or WebP")
    return picture


# What comes back


def draw(order: Order, fault: Fault | None) -> bytes:
    """Always JPEG. There is no seed: the same request gives other pictures."""
    seed = secrets.randbelow(2**32)
    if not order.sources:
        return drawing.draw(order.prompt, order.width, order.height, "jpeg", seed=seed, fault=fault)
    return drawing.edit(
        [source.content for source in order.sources],
        order.prompt,
        order.width,
        order.height,
        mask=None,
        repaint="white",
        output_format="jpeg",
        seed=seed,
        fault=fault,
    )


def list_models(path: str, world: World) -> Answer:
    """The fields are those of the SDK's ImageGenerationModel, but for the prices: theirs is left out here."""
    models = [
        {
            "id": model.id,
            "created": int(datetime.combine(model.launched, time.min, UTC).timestamp()),
            "object": "model",
            "owned_by": "xai",
            "version": "1.0",
            "max_prompt_length": MAX_PROMPT,
            "input_modalities": ["text", "image"],
            "output_modalities": ["image"],
            "aliases": list(model.aliases),
        }
        for model in MODELS
        if model.launched <= world.today and (model.ended is None or world.today < model.ended)
    ]
    wanted = path.removeprefix("image-generation-models").removeprefix("/")
    if not wanted:
        return Answer.json({"models": models})
    for model in models:
        if wanted == model["id"]:
            return Answer.json(model)
    raise plain(404, "not-found", f"The model {wanted} does not exist or your team {TEAM} does not have access to it.")


TWIN = Xai
