"""OpenRouter: a twin of the images endpoint, of its models and of the key's limits.

Sources, read 2026-11-23: OpenRouterTeam/docs of 2026-08-22 (image generation, provider selection, errors); openrouter
1.3.84. What a model costs here is the price of the vendor behind it, where OpenRouter's own is not published. A comment
says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt" are refused by OpenRouter's moderation, "forbidden-output" by the provider, and
"too-few" makes the provider return fewer pictures than were asked for. Keys begin with sk-or-sim or sim-;
sim-no-credits has none.
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from . import _hosting, painting
from . import _openai_tokens as tokens
from ._fields import Fields, Invalid, Picture, read_fields
from .painting import Painting
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .faults import Fault
    from .world import World

API = "/api/v1/"
FIRST_CREDIT = Decimal(100)
MILLION = 1_000_000
RATIOS = (
    "1:1",
    "1:2",
    "1:4",
    "1:8",
    "2:1",
    "2:3",
    "2.35:1",
    "3:2",
    "3:4",
    "4:1",
    "4:3",
    "4:5",
    "5:2",
    "5:4",
    "5:7",
    "7:5",
    "8:1",
    "9:16",
    "16:9",
    "9:19.5",
    "19.5:9",
    "9:20",
    "20:9",
    "9:21",
    "21:9",
    "auto",
)
RESOLUTIONS = ("512", "768", "1K", "1.5K", "2K", "4K")
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
FORMATS = ("png", "jpeg", "webp", "svg")
MAX_GROUPING = 256
"""Characters of session_id."""
GPT_PIXELS = 1152 * 1152
"""At 1K: 1536x864, 16:9, is what the documents show of gpt-image-2."""


@dataclass(frozen=True, slots=True)
class Model:
    provider: str
    """The one provider's slug."""
    provider_name: str
    resolutions: tuple[str, ...] = ("1K", "2K", "4K")
    """The default first."""
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("png",)
    references: int = 0
    many: int = 1
    seed: bool = False
    backgrounds: bool = False
    streams: bool = False
    grid: Mapping[str, int] = field(default_factory=dict[str, int])
    """OpenAI's: cells along the longer side, by quality. Empty: no tokens are counted."""
    image: str = "0"
    """US dollars a picture."""
    tiers: Mapping[str, str] = field(default_factory=dict[str, str])
    """US dollars a picture, where its resolution makes another price."""
    megapixel: str = "0"
    """US dollars for each megapixel begun, of pictures in and out."""
    passthrough: tuple[str, ...] = ()

    def pricing(self) -> list[dict[str, str | float]]:
        if self.grid:
            entries = (("input_text", "5"), ("input_image", "8"), ("output_image", "30"))
            return [{"billable": what, "unit": "token", "cost_usd": float(cost) / MILLION} for what, cost in entries]
        if self.megapixel != "0":
            billables = ("output_image", "input_image")
            return [{"billable": what, "unit": "megapixel", "cost_usd": float(self.megapixel)} for what in billables]
        entry: dict[str, str | float] = {"billable": "output_image", "unit": "image"}
        tiers = [entry | {"cost_usd": float(cost), "variant": tier.lower()} for tier, cost in self.tiers.items()]
        return [entry | {"cost_usd": float(self.image)}, *tiers]

    def parameters(self) -> dict[str, object]:
        found: dict[str, object] = {
            "resolution": listed(self.resolutions),
            "aspect_ratio": listed(RATIOS),
            "output_format": listed(self.formats),
            "n": {"type": "range", "min": 1, "max": self.many},
        }
        if self.qualities:
            found["quality"] = listed(self.qualities)
        if self.backgrounds:
            found["background"] = listed(("auto", "transparent", "opaque"))
        if self.references:
            found["input_references"] = {"type": "range", "min": 0, "max": self.references}
        if self.seed:
            found["seed"] = {"type": "boolean"}
        return found


def listed(values: tuple[str, ...] | list[str]) -> dict[str, object]:
    return {"type": "enum", "values": list(values)}


GPT_2 = Model(
    "openai",
    "OpenAI",
    qualities=QUALITIES[:4],
    formats=("png", "jpeg", "webp"),
    references=16,
    many=10,
    backgrounds=True,
    streams=True,
    grid={**tokens.GRID_2, "auto": tokens.GRID_2["high"]},
)
GPT_2_5 = replace(GPT_2, qualities=QUALITIES, grid={**tokens.GRID_2_5, "auto": tokens.GRID_2_5["high"]})
FLUX_2 = Model(
    "black-forest-labs",
    "Black Forest Labs",
    resolutions=("1K", "2K"),
    formats=("png", "jpeg"),
    references=8,
    seed=True,
    megapixel="0.015",  # unconfirmed: of the vendor's prices, the one for every megapixel after the first
    passthrough=("steps", "guidance", "safety_tolerance"),
)

# unconfirmed: prices but Seedream 4.5's, which the documents show; formats, and resolutions but its
MODELS: Mapping[str, Model] = {
    "openai/gpt-image-2": GPT_2,
    "openai/gpt-image-2.5-flare": GPT_2_5,
    "openai/gpt-image-2.5-sunburst": GPT_2_5,
    "google/gemini-3.1-flash-image": Model(
        "google-ai-studio",
        "Google AI Studio",
        resolutions=("1K", "512", "2K", "4K"),
        references=14,
        image="0.067",
        tiers={"512": "0.045", "2K": "0.101", "4K": "0.151"},
    ),
    "google/gemini-2.5-flash-image": Model(
        "google-ai-studio", "Google AI Studio", resolutions=("1K",), references=3, image="0.039"
    ),
    "black-forest-labs/flux.2-pro": FLUX_2,
    "black-forest-labs/flux.2-max": replace(FLUX_2, megapixel="0.03"),
    "bytedance-seed/seedream-4.5": Model(
        "bytedance", "Bytedance", formats=("jpeg", "png"), references=10, many=10, seed=True, image="0.05"
    ),
    "recraft/recraft-v4-svg": Model("recraft", "Recraft", resolutions=("1K",), formats=("svg",), image="0.08"),
}


class Failure(Exception):
    def __init__(self, status: int, message: str, error_type: str = "", **metadata: object) -> None:
        super().__init__(message)
        self.status = status
        told = ({"error_type": error_type} if error_type else {}) | metadata
        self.body = {"error": {"code": status, "message": message, **({"metadata": told} if told else {})}}


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    name: str
    model: Model
    wanted: Painting
    n: int
    quality: str
    resolution: str
    sources: tuple[Picture, ...]

    def counted(self) -> tuple[int, int, int]:
        """Tokens of the prompt, of the pictures in, and of the pictures out."""
        if not self.model.grid:
            return 0, 0, 0
        given = sum(tokens.patch_tokens(*source.size) for source in self.sources)
        made = tokens.grid_tokens(self.model.grid[self.quality], *self.wanted.size)
        return tokens.prompt_tokens(self.wanted.prompt), given, made * self.n

    def cost(self) -> Decimal:
        model = self.model
        if model.grid:
            text, given, made = self.counted()
            return Decimal(5 * text + 8 * given + 30 * made) / MILLION
        if model.megapixel != "0":
            out = self.n * begun(self.wanted.size)
            return Decimal(model.megapixel) * (out + sum(begun(source.size) for source in self.sources))
        return self.n * Decimal(model.tiers.get(self.resolution, model.image))

    def usage(self, fault: Fault | None) -> dict[str, object]:
        text, given, made = self.counted()
        cost = self.cost() * (2 if fault == "duplicate_bill" else 1)
        return {
            "prompt_tokens": text + given,
            "completion_tokens": made,
            "total_tokens": text + given + made,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"image_tokens": made, "reasoning_tokens": 0},
            "cost": float(cost),
            "cost_details": {"upstream_inference_cost": None},
            "is_byok": False,
        }


def begun(size: tuple[int, int]) -> int:
    return math.ceil(size[0] * size[1] / 1024**2)


class Openrouter:
    name = "openrouter"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /api/v1/images, GET /api/v1/images/models[/{author}/{slug}/endpoints] and GET /api/v1/key."""
        try:
            return self.serve(request, world)
        except Failure as failure:
            return Answer.json(failure.body, failure.status)
        except Invalid as problem:  # unconfirmed: the words
            return Answer.json(Failure(400, str(problem), "invalid_request").body, 400)

    def serve(self, request: Request, world: World) -> Answer:
        path = request.path.removeprefix(API)
        if request.method == "GET" and path == "images/models":  # no key is asked for
            return Answer.json({"data": [describe(name) for name in MODELS]})
        found = re.fullmatch(r"images/models/([^/]+/[^/]+)/endpoints", path)
        if request.method == "GET" and found:
            return Answer.json({"id": found[1], "endpoints": [endpoint(find_model(found[1]))]})
        key = check_key(request)
        check_service(world.fault)
        match request.method, path:
            case "POST", "images":
                return self.generate(read_fields(request), key, world)
            case "GET", "key":
                return Answer.json({"data": self.limits(key, world)})
            case "GET", "credits":
                credit = {"total_credits": float(FIRST_CREDIT), "total_usage": float(spent(key, world))}
                return Answer.json({"data": credit})
            case _:
                raise Failure(404, "Not Found")

    def limits(self, key: str, world: World) -> dict[str, object]:
        usage = spent(key, world)
        return {
            "label": f"{key[:6]}...",
            "limit": float(FIRST_CREDIT),
            "usage": float(usage),
            "limit_remaining": float(FIRST_CREDIT - usage),
            "is_free_tier": False,
        }

    def generate(self, fields: Fields, key: str, world: World) -> Answer:
        """All or nothing: what fails costs nothing."""
        order = read(fields, world)
        check_routing(fields, order.model)
        check_prompt(order, world.fault)
        if spent(key, world) + order.cost() > FIRST_CREDIT:
            raise no_credits()
        headers = {"x-generation-id": f"gen-{secrets.token_hex(10)}"}
        if fields.flag("stream") and order.model.streams:
            return Answer.events(self.stream(order, key, world), headers)
        data = [
            {"b64_json": encoded(order, index, world.fault), "media_type": order.wanted.media_type}
            for index in range(order.n)
        ]
        spend(key, order.cost(), world)
        return Answer.json({"created": created(world), "data": data, "usage": order.usage(world.fault)}, 200, headers)

    def stream(self, order: Order, key: str, world: World) -> Iterator[bytes]:
        """One partial picture, the first half-ready one, and the last, of the first picture only: unconfirmed."""
        draft = replace(order.wanted, size=painting.fitted(order.wanted.size[0] / order.wanted.size[1], 256**2))
        partial = base64.b64encode(draft.paint(world.fault)).decode()
        yield event({"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": partial})
        if "stream-error" in order.wanted.prompt:
            yield event({"type": "error", "error": {"message": "Generation failed", "code": "server_error"}})
        else:
            completed: dict[str, object] = {
                "type": "image_generation.completed",
                "b64_json": encoded(order, 0, world.fault),
                "media_type": order.wanted.media_type,
                "created": created(world),
                "usage": order.usage(world.fault),
            }
            spend(key, order.cost(), world)
            yield event(completed)
        yield b"data: [DONE]\n\n"


def event(message: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(message)}\n\n".encode()


def encoded(order: Order, index: int, fault: Fault | None) -> str:
    return base64.b64encode(order.wanted.paint(fault, index)).decode()


def created(world: World) -> int:
    return int(world.now.timestamp())


# Who may call


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Failure(401, "No cookie auth credentials found")
    if not key.startswith(("sim-", "sk-or-sim")):
        raise bad_key()
    if key.endswith("sim-no-credits") and request.method == "POST":
        raise no_credits()
    return key


def bad_key() -> Failure:
    return Failure(401, "User not found.")  # unconfirmed: the words, as are those of the missing key


def no_credits() -> Failure:
    """unconfirmed: the words behind the first sentence."""
    return Failure(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits")


def check_service(fault: Fault | None) -> None:
    """unconfirmed: the words; the statuses and the types are documented."""
    if fault == "bad_key":
        raise bad_key()
    if fault == "quota":
        raise no_credits()
    if fault == "rate_limit":
        raise Failure(429, "Rate limit exceeded", "rate_limit_exceeded", limit_source="openrouter")
    if fault == "server_error":
        raise Failure(500, "Internal Server Error", "server")
    if fault == "unavailable":
        raise Failure(529, "Provider is overloaded", "provider_overloaded")


def spent(key: str, world: World) -> Decimal:
    return Decimal(world.counters[f"openrouter {key}"]) / MILLION


def spend(key: str, cost: Decimal, world: World) -> None:
    """Counted in millionths of a dollar."""
    with world.lock:
        world.counters[f"openrouter {key}"] += round(cost * MILLION)


# What was asked for


def find_model(name: str) -> Model:
    model = MODELS.get(name.partition(":")[0])  # :nitro and :floor choose among providers
    if model is None:
        raise Failure(404, f"No endpoints found for {name}.")  # unconfirmed: the words
    return model


def read(fields: Fields, world: World) -> Order:
    name = fields.needed("model")
    model = find_model(name)
    prompt = fields.needed("prompt")
    fields.text("session_id", most=MAX_GROUPING)
    fields.text("user")
    n = fields.integer("n", 1, 10) or 1
    if n > model.many:
        raise Invalid("n", f"{name} makes at most {model.many} images")
    quality = fields.choice("quality", QUALITIES) or "auto"
    if model.qualities and quality not in model.qualities:
        quality = model.qualities[-1]  # unconfirmed: that a word of another model means the best of this one
    output_format = fields.choice("output_format", FORMATS) or model.formats[0]
    if output_format not in model.formats:
        raise Invalid("output_format", f"{name} makes {', '.join(model.formats)}")  # unconfirmed: that it is refused
    background = fields.choice("background", ("auto", "transparent", "opaque"))
    if background == "transparent" and (not model.backgrounds or output_format == "jpeg"):
        raise Invalid("background", "transparent needs a model with alpha, and png or webp")
    sources = read_references(fields, model, world)
    resolution, size = size_of(fields, model, sources)
    wanted = Painting(
        prompt,
        size,
        painting.output_format(output_format),
        [source.content for source in sources],
        transparent=background == "transparent" or output_format == "svg",
        seed=fields.integer("seed", -(2**53), 2**53) if model.seed else None,
        compression=fields.integer("output_compression", 0, 100),
    )
    return Order(name, model, wanted, n, quality, resolution, sources)


def read_references(fields: Fields, model: Model, world: World) -> tuple[Picture, ...]:
    given = fields.items("input_references")
    if len(given) > model.references:
        raise Invalid("input_references", f"at most {model.references} are accepted by this model")
    pictures: list[Picture] = []
    for reference in given:
        part = Fields(cast("dict[str, object]", reference) if isinstance(reference, dict) else {}, {}, is_form=False)
        part.choice("type", ("image_url",))
        image = part.given("image_url")
        url = cast("dict[str, object]", image).get("url") if isinstance(image, dict) else None
        pictures.append(_hosting.read_image(url, "input_references", world))
    return tuple(pictures)


def size_of(fields: Fields, model: Model, sources: tuple[Picture, ...]) -> tuple[str, tuple[int, int]]:
    """The resolution and the pixels, which are each provider's own: unconfirmed but for gpt-image-2 in 16:9. A tier
    the provider does not have becomes its nearest."""
    tier = fields.choice("resolution", RESOLUTIONS)
    ratio = fields.choice("aspect_ratio", RATIOS)
    ratio = None if ratio == "auto" else ratio
    size = fields.text("size")
    if size is not None and size not in RESOLUTIONS:
        return explicit(size, tier, ratio, model)
    if size is not None and tier not in {None, size}:
        raise Invalid("size", "conflicts with resolution")
    tier = clamped(size or tier, model)
    shape = sources[0].width / sources[0].height if sources else 1.0
    if ratio is not None:
        shape = painting.ratio_of(ratio)
    pixels = painting.TIERS[tier.lower()] ** 2
    if model.grid and tier == "1K" and shape != 1:
        pixels = GPT_PIXELS
    return tier, painting.fitted(shape, pixels)


def explicit(size: str, tier: str | None, ratio: str | None, model: Model) -> tuple[str, tuple[int, int]]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    if found is None:
        raise Invalid("size", "must be a tier such as 2K, or WIDTHxHEIGHT")
    width, height = int(found[1]), int(found[2])
    nearest = min(RESOLUTIONS, key=lambda each: abs(painting.TIERS[each.lower()] ** 2 - width * height))
    if tier not in {None, nearest}:
        raise Invalid("size", "conflicts with resolution")
    if ratio is not None and abs(painting.ratio_of(ratio) - width / height) > 0.02 * width / height:
        raise Invalid("size", "conflicts with aspect_ratio")
    return clamped(nearest, model), (width, height)


def clamped(tier: str | None, model: Model) -> str:
    if tier is None:
        return model.resolutions[0]
    return min(model.resolutions, key=lambda each: abs(painting.TIERS[each.lower()] - painting.TIERS[tier.lower()]))


def check_routing(fields: Fields, model: Model) -> None:
    """Each model has one provider here. unconfirmed: that a passthrough key not listed is refused."""
    given = fields.given("provider")
    wishes = Fields(cast("dict[str, object]", given) if isinstance(given, dict) else {}, {}, is_form=False)
    only, ignored = wishes.items("only"), wishes.items("ignore")
    if (only and model.provider not in only) or model.provider in ignored:
        raise Failure(404, "No allowed providers are available for the selected model.")
    options = wishes.given("options")
    own = cast("dict[str, object]", options).get(model.provider) if isinstance(options, dict) else None
    for name in cast("dict[str, object]", own) if isinstance(own, dict) else {}:
        if name not in model.passthrough:
            raise Invalid(f"provider.options.{model.provider}.{name}", "is not accepted")


def check_prompt(order: Order, fault: Fault | None) -> None:
    """unconfirmed: the words, and which of the two types comes with which refusal."""
    prompt, model = order.wanted.prompt, order.model
    if "forbidden-prompt" in prompt or fault == "moderation_prompt":
        raise Failure(
            403,
            "Your chosen model requires moderation and your input was flagged.",
            "content_policy_violation",
            reasons=["violence"],
            flagged_input=prompt[:100],
            provider_name=model.provider_name,
            model_slug=order.name,
        )
    if "forbidden-output" in prompt or fault == "moderation_output":
        raise Failure(
            400,
            "The provider refused to make this image.",
            "refusal",
            provider_name=model.provider_name,
            provider_code="moderation_blocked",
        )
    if "too-few" in prompt:
        raise Failure(502, "Provider returned fewer images than requested", provider_name=model.provider_name)


# What there is


def describe(name: str) -> dict[str, object]:
    model = MODELS[name]
    return {
        "id": name,
        "name": name.partition("/")[2],
        "description": "",
        "created": 1767225600,
        "architecture": {
            "input_modalities": ["text", "image"] if model.references else ["text"],
            "output_modalities": ["image"],
        },
        "supported_parameters": model.parameters(),
        "supports_streaming": model.streams,
        "endpoints": f"{API}images/models/{name}/endpoints",
    }


def endpoint(model: Model) -> dict[str, object]:
    return {
        "provider_name": model.provider_name,
        "provider_slug": model.provider,
        "provider_tag": model.provider,
        "supported_parameters": model.parameters(),
        "allowed_passthrough_parameters": list(model.passthrough),
        "supports_streaming": model.streams,
        "pricing": model.pricing(),
    }


TWIN = Openrouter
