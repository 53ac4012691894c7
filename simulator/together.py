"""Together AI: a twin of the images endpoint and of the list of models.

Sources, read 2026-11-23: together 3.1.1; togethercomputer/openapi of 2026-04-28; docs.together.ai (images,
image-to-image, error-codes). A comment says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt" or "forbidden-output" are refused, unless the safety checker is switched off. Keys
begin with sim- or tgp_sim; sim-no-credits has reached its limit.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

from . import _hosting, painting
from ._fields import Fields, Invalid, read_fields
from .painting import Painting
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .faults import Fault
    from .world import World

DELIVERY = "/delivery/"
LINK_LIFETIME = timedelta(hours=1)
"""unconfirmed: nothing is published."""
MAX_N = 4
SIDES = (64, 2048)
"""unconfirmed."""
MAX_REFERENCES = 14
"""unconfirmed: as many as Google takes, the most of those that are sold here."""
MODEL_GONE = (
    "Unable to access model {}. Please visit https://api.together.ai/models to view the list of supported models."
)


@dataclass(frozen=True, slots=True)
class Model:
    references: Literal["", "image_url", "reference_images"] = ""
    """The field of the pictures it follows; empty: it takes none."""
    ends: date | None = None
    """The first day it is not there."""
    price: float = 0
    """US dollars a megapixel, as the list of models tells it: zero for most pictures."""

    def is_there(self, world: World) -> bool:
        return self.ends is None or world.today < self.ends

    def told(self, name: str) -> dict[str, object]:
        organization, _, short = name.partition("/")
        return {
            "id": name,
            "object": "model",
            "created": 0,
            "type": "image",
            "display_name": short,
            "organization": organization,
            "link": "",
            "license": "",
            "context_length": 0,
            "pricing": {"hourly": 0, "input": 0, "output": self.price, "base": 0, "finetune": 0},
        }


MODELS: Mapping[str, Model] = {
    "black-forest-labs/FLUX.2-max": Model("reference_images"),  # unconfirmed: that it is there
    "black-forest-labs/FLUX.2-pro": Model("reference_images"),
    "black-forest-labs/FLUX.2-flex": Model("reference_images"),
    "black-forest-labs/FLUX.2-dev": Model("reference_images"),
    "black-forest-labs/FLUX.1.1-pro": Model(),
    "black-forest-labs/FLUX.1-kontext-pro": Model("image_url"),
    "black-forest-labs/FLUX.1-kontext-max": Model("image_url"),
    "black-forest-labs/FLUX.1-dev": Model(price=0.0154),
    "black-forest-labs/FLUX.1-schnell": Model(price=0.0027),  # one integrator found it gone on 2026-09-22
    "Tongyi-MAI/Z-Image-Turbo": Model(),
    "Qwen/Qwen-Image": Model(),
    "google/flash-image-2.5": Model("reference_images"),
    "google/gemini-3-pro-image": Model("reference_images"),
    "openai/gpt-image-1.5": Model(ends=date(2026, 12, 1)),  # the day OpenAI ends it
}


class Failure(Exception):
    def __init__(
        self, status: int, kind: str, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def answer(self) -> Answer:
        return Answer.json(self.body, self.status, {"x-request-id": secrets.token_hex(8)})


def invalid(message: str, param: str | None = None, status: int = 400, code: str | None = None) -> Failure:
    return Failure(status, "invalid_request_error", message, param=param, code=code)


class Together:
    name = "together"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/images/generations and GET /v1/models."""
        if request.path.startswith(DELIVERY):
            return _hosting.deliver(request.path.removeprefix(DELIVERY).partition(".")[0], world)
        try:
            return self.serve(request, world)
        except Failure as failure:
            return failure.answer()
        except Invalid as problem:  # unconfirmed: the words, and that it is a 400 and not a 422
            return invalid(str(problem), problem.field or None).answer()

    def serve(self, request: Request, world: World) -> Answer:
        check_key(request)
        check_service(world.fault)
        match request.method, request.path:
            case "POST", "/v1/images/generations":
                return self.generate(read_fields(request), world)
            case "GET", "/v1/models":
                return Answer.json([model.told(name) for name, model in MODELS.items() if model.is_there(world)])
            case _:
                raise invalid("Invalid URL", status=404)  # unconfirmed: the words

    def generate(self, fields: Fields, world: World) -> Answer:
        name = fields.needed("model")
        if name not in MODELS or not MODELS[name].is_there(world):
            raise invalid(MODEL_GONE.format(name), status=404, code="model_not_available")
        wanted = read(fields, MODELS[name], world)
        n = fields.integer("n", 1, MAX_N) or 1
        as_base64 = fields.choice("response_format", ("url", "base64")) == "base64"
        unchecked = fields.flag("disable_safety_checker") or False
        check_prompt(wanted.prompt, world.fault, unchecked=unchecked)
        data: list[dict[str, object]] = []
        for index in range(n):
            content = wanted.paint(world.fault, index)
            data.append({"index": index, **self.give(content, wanted, world, as_base64=as_base64)})
        return Answer.json({"id": secrets.token_hex(8), "model": name, "object": "list", "data": data})

    def give(self, content: bytes, wanted: Painting, world: World, *, as_base64: bool) -> dict[str, object]:
        if as_base64:
            return {"type": "b64_json", "b64_json": base64.b64encode(content).decode()}
        file_id = _hosting.host(_hosting.cut(content, world.fault), wanted.media_type, world, LINK_LIFETIME)
        return {"type": "url", "url": f"{world.base_url}/{self.name}{DELIVERY}{file_id}.{wanted.extension}"}


def check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(("sim-", "tgp_sim")):
        raise bad_key()
    if key.endswith("sim-no-credits"):
        raise no_credit()


def bad_key() -> Failure:
    return invalid(
        "Invalid API key provided. You can find your API key at https://api.together.ai/settings/api-keys.",
        status=401,
        code="invalid_api_key",
    )


def no_credit() -> Failure:
    """unconfirmed: the words and the type; the status is documented for a spending limit."""
    return Failure(402, "credit_limit", "Credit limit exceeded. Please visit https://api.together.ai/settings/billing.")


def check_service(fault: Fault | None) -> None:
    """unconfirmed: words, types and codes; the statuses and what they mean are documented."""
    if fault == "bad_key":
        raise bad_key()
    if fault == "quota":
        raise no_credit()
    if fault == "rate_limit":
        raise Failure(429, "rate_limit", "You have been rate limited. Please slow down.", code="rate_limit_exceeded")
    if fault == "server_error":
        raise Failure(500, "server_error", "Internal server error", code="internal_error")
    if fault == "unavailable":
        raise Failure(503, "service_unavailable", "The server is overloaded or not ready yet.", code="overloaded")


def check_prompt(prompt: str, fault: Fault | None, *, unchecked: bool) -> None:
    """unconfirmed: the words, and that a refused picture is told like a refused prompt."""
    marked = not unchecked and ("forbidden-prompt" in prompt or "forbidden-output" in prompt)
    if marked or fault in {"moderation_prompt", "moderation_output"}:
        raise invalid("NSFW content detected. Please change the prompt and try again.", "prompt", 422)


# What was asked for


def read(fields: Fields, model: Model, world: World) -> Painting:
    """A negative prompt, steps, guidance and LoRAs are read and change nothing."""
    prompt = fields.needed("prompt")
    fields.text("negative_prompt")
    fields.integer("steps", 1, 100)
    fields.number("guidance_scale", 0, 100)
    fields.items("image_loras")
    width, height = (fields.integer(side, *SIDES) or 1024 for side in ("width", "height"))
    return Painting(
        prompt,
        (width, height),
        painting.output_format(fields.choice("output_format", ("jpeg", "png")) or "jpeg"),
        read_sources(fields, model, world),
        seed=fields.integer("seed", 0, 2**63 - 1),
    )


def read_sources(fields: Fields, model: Model, world: World) -> list[bytes]:
    """unconfirmed: that a picture in a field the model does not take is refused and not ignored."""
    for name in ("image_url", "reference_images"):
        given = fields.items(name)
        if given and name != model.references:
            raise Invalid(name, "is not supported by this model")
        if len(given) > (1 if name == "image_url" else MAX_REFERENCES):
            raise Invalid(name, "has too many images")
    given = fields.items(model.references) if model.references else []
    return [_hosting.read_image(image, model.references, world).content for image in given]


TWIN = Together
