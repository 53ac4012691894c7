"""Replicate: a twin of predictions (waited for, polled, cancelled), models, files and webhooks.

Sources, read 2026-11-23: replicate 1.0.7 and 2.0.0b4; replicate.com/docs and its HTTP reference; the input schemas of
the model pages as far as they could be read. The text of a refusal (E005) and of an empty account are worded as public
threads quote them. A comment says "unconfirmed" where no source was found.

Marks in a prompt steer a prediction: "forbidden-prompt" and "forbidden-output" fail it, "task-error" fails it
otherwise, "never-ready" keeps it running, "unknown-status" gives a status nobody documents. The header x-simulate-polls
on create sets how many polls are answered before the end, and then `Prefer: wait` runs out of time. Keys begin with
r8_sim or sim-; sim-no-credits has none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from . import _hosting, _webhooks, painting
from ._fields import Fields, Invalid, Picture
from ._openai_forms import read_form
from .painting import Painting
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .faults import Fault
    from .world import World

API = "/v1/"
DELIVERY = "/delivery/"
POLLS = 2
LIFETIME = timedelta(hours=1)
"""Of what went in and what came out of a prediction made through the API."""
FILE_LIFETIME = timedelta(hours=24)
MAX_DATA_URL = 256 * 1024
"""Bytes of a data URL; what is larger is to be given by address. unconfirmed: that the server refuses it."""
TERMINAL = {"succeeded", "failed", "canceled", "aborted"}
EVENTS = ("start", "output", "logs", "completed")
DEADLINE = re.compile(r"(\d+)(s|m|h)?")
SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
SECRET = "whsec_" + base64.b64encode(b"simulated signing secret").decode()

Schema = dict[str, object]


def text(**more: object) -> Schema:
    return {"type": "string", **more}


def choice(*values: str, default: str | None = None) -> Schema:
    return {"type": "string", "enum": list(values), "default": default or values[0]}


def integer(least: int, most: int, **more: object) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def uris(most: int) -> Schema:
    return {"type": "array", "items": {"type": "string", "format": "uri"}, "default": [], "maxItems": most}


URI = text(format="uri")
SEED: Schema = {"type": "integer"}
RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9")
RATIOS_OF_IDEOGRAM = (
    *("1:3", "3:1", "1:2", "2:1", "9:16", "16:9", "10:16", "16:10", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4"),
)
JPG_PNG = choice("jpg", "png")
WEBP_JPG_PNG = choice("webp", "jpg", "png")


@dataclass(frozen=True, slots=True)
class Model:
    """What a model takes, as its schema tells it; what it does not list, it ignores."""

    inputs: Mapping[str, Schema]
    listed: bool = False
    """Whether the output is a list, even of one."""
    images: str = ""
    """The input that holds the sources; other pictures only guide, and are read and no more."""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """By aspect ratio, where it is not as many pixels as a tier has."""
    many: str = ""
    """The input that holds the number of pictures."""
    svg: bool = False
    default_format: painting.Format = "png"
    """Where the schema has no `output_format`."""


BANANA: Mapping[str, Schema] = {
    "prompt": text(),
    "image_input": uris(14),
    "aspect_ratio": choice("match_input_image", *RATIOS),
    "resolution": choice("1K", "2K", "4K"),
    "output_format": JPG_PNG,
}
SEEDREAM: dict[str, Schema] = {
    "prompt": text(),
    "image_input": uris(14),
    "size": choice("2K", "3K", "4K", "custom"),
    "aspect_ratio": choice("match_input_image", *RATIOS),
    "width": integer(1024, 4096),
    "height": integer(1024, 4096),
    "sequential_image_generation": choice("disabled", "auto"),
    "max_images": integer(1, 15, default=1),
    "output_format": JPG_PNG,
}
IDEOGRAM: Mapping[str, Schema] = {
    "prompt": text(),
    "image": URI,
    "mask": URI,
    "aspect_ratio": choice("1:1", *RATIOS_OF_IDEOGRAM),
    "seed": SEED,
}
RECRAFTS_LONGER = {
    "1:1": 1024,
    "2:1": 2048,
    "3:2": 1536,
    "4:3": 1365,
    "5:4": 1280,
    "7:5": 1434,
    "16:9": 1820,
    "5:3": 1707,
}
"""The longer edge by its ratio; the shorter has 1024 pixels."""
RECRAFTS_SIZES = {ratio: (longer, 1024) for ratio, longer in RECRAFTS_LONGER.items()} | {
    ":".join(reversed(ratio.split(":"))): (1024, longer) for ratio, longer in RECRAFTS_LONGER.items()
}
RECRAFT: Mapping[str, Schema] = {
    "prompt": text(maxLength=1000),
    "aspect_ratio": choice("Not set", *RECRAFTS_SIZES),
    "size": choice(*(f"{width}x{height}" for width, height in RECRAFTS_SIZES.values())),
    "style": text(),
}
DIFFUSION: dict[str, Schema] = {
    "prompt": text(),
    "aspect_ratio": choice(*RATIOS),
    "seed": SEED,
    "output_format": WEBP_JPG_PNG,
    "output_quality": integer(0, 100, default=80),
}
FLUX_2: Mapping[str, Schema] = {
    "prompt": text(),
    "input_images": uris(8),
    "aspect_ratio": choice("match_input_image", "custom", *RATIOS, default="1:1"),
    "resolution": choice("match_input_image", "0.5 MP", "1 MP", "2 MP", "4 MP", default="1 MP"),
    "width": integer(256, 2048),
    "height": integer(256, 2048),
    "safety_tolerance": integer(1, 5, default=2),
    "seed": SEED,
    "output_format": WEBP_JPG_PNG,
    "output_quality": integer(0, 100, default=80),
}

# unconfirmed: most names and defaults; each model's own page has its schema
MODELS: Mapping[str, Model] = {
    "openai/gpt-image-2": Model(
        {
            "prompt": text(),
            "aspect_ratio": choice("1:1", "3:2", "2:3"),
            "quality": choice("low", "medium", "high", "auto", default="auto"),
            "input_images": uris(16),
            "background": choice("auto", "transparent", "opaque"),
            "output_format": choice("webp", "png", "jpeg"),
            "output_compression": integer(0, 100, default=90),
            "moderation": choice("auto", "low"),
            "number_of_images": integer(1, 10, default=1),
        },
        listed=True,
        images="input_images",
        many="number_of_images",
        sizes={"1:1": (1024, 1024), "3:2": (1536, 1024), "2:3": (1024, 1536)},
    ),
    "google/nano-banana-pro": Model(BANANA, images="image_input"),
    "google/nano-banana-2": Model({**BANANA, "resolution": choice("512px", "1K", "2K", "4K")}, images="image_input"),
    "black-forest-labs/flux-2-pro": Model(FLUX_2, images="input_images"),
    "black-forest-labs/flux-2-flex": Model(
        {
            **FLUX_2,
            "input_images": uris(10),
            "steps": integer(1, 50, default=30),
            "guidance": {"type": "number", "minimum": 1.5, "maximum": 10},
        },
        images="input_images",
    ),
    "black-forest-labs/flux-1.1-pro": Model(
        {
            "prompt": text(),
            "image_prompt": URI,
            "aspect_ratio": choice("custom", *RATIOS, default="1:1"),
            "width": integer(256, 1440),
            "height": integer(256, 1440),
            "prompt_upsampling": {"type": "boolean", "default": False},
            "safety_tolerance": integer(1, 6, default=2),
            "seed": SEED,
            "output_format": WEBP_JPG_PNG,
            "output_quality": integer(0, 100, default=80),
        },
    ),
    "black-forest-labs/flux-schnell": Model(
        {
            "prompt": text(),
            "aspect_ratio": choice(*RATIOS),
            "num_outputs": integer(1, 4, default=1),
            "num_inference_steps": integer(1, 4, default=4),
            "megapixels": choice("1", "0.25"),
            "seed": SEED,
            "output_format": WEBP_JPG_PNG,
            "output_quality": integer(0, 100, default=80),
            "disable_safety_checker": {"type": "boolean", "default": False},
        },
        listed=True,
        many="num_outputs",
    ),
    "black-forest-labs/flux-dev": Model(
        DIFFUSION | {"num_outputs": integer(1, 4, default=1)}, listed=True, many="num_outputs"
    ),
    "bytedance/seedream-5-lite": Model(SEEDREAM, listed=True, images="image_input", many="max_images"),
    "bytedance/seedream-4.5": Model(
        SEEDREAM | {"size": choice("2K", "4K", "custom")}, listed=True, images="image_input", many="max_images"
    ),
    "ideogram-ai/ideogram-v3-quality": Model(IDEOGRAM, images="image"),
    "ideogram-ai/ideogram-v3-balanced": Model(IDEOGRAM, images="image"),
    "ideogram-ai/ideogram-v3-turbo": Model(IDEOGRAM, images="image"),
    "tencent/hunyuan-image-3": Model(DIFFUSION, listed=True),
    "stability-ai/stable-diffusion-3.5-large": Model(DIFFUSION, listed=True),
    "stability-ai/stable-diffusion-3.5-large-turbo": Model(DIFFUSION, listed=True),
    "recraft-ai/recraft-v3": Model(RECRAFT, sizes=RECRAFTS_SIZES, default_format="webp"),
    "recraft-ai/recraft-v3-svg": Model(RECRAFT, sizes=RECRAFTS_SIZES, svg=True),
    "minimax/image-01": Model(
        {
            "prompt": text(maxLength=1500),
            "aspect_ratio": choice("1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"),
            "number_of_images": integer(1, 9, default=1),
            "subject_reference": URI,
            "prompt_optimizer": {"type": "boolean", "default": True},
        },
        listed=True,
        images="subject_reference",
        many="number_of_images",
        default_format="jpeg",
    ),
}


def version_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


VERSIONS = {version_of(name): name for name in MODELS}


class Failure(Exception):
    def __init__(self, status: int, title: str, detail: str, problems: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.body: dict[str, object] = {"title": title, "detail": detail, "status": status}
        if problems:
            self.body["invalid_fields"] = list(problems)


def invalid_input(name: str, problem: str) -> Failure:
    """unconfirmed: the words in `type`; what is missing is told of the input as a whole."""
    missing = problem == "required"
    where, told = ("input", f"{name} is required") if missing else (f"input.{name}", problem)
    described = {"type": "required" if missing else "invalid", "field": where, "description": told}
    return Failure(422, "Input validation failed", f"- {where}: {told}\n", [described])


def not_found() -> Failure:
    return Failure(404, "Not Found", "The requested resource could not be found.")  # unconfirmed: the words


@dataclass(slots=True)
class Prediction:
    id: str
    key: str
    model: str
    version: str
    input: Mapping[str, object]
    wanted: Painting
    many: int
    listed: bool
    created: datetime
    deadline: datetime | None
    """Of Cancel-After."""
    waits: int
    """Polls that are answered before the end."""
    fault: Fault | None
    polls: int = 0
    status: str = "starting"
    error: str | None = None
    output: list[str] | None = None
    started: datetime | None = None
    completed: datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    key: str
    name: str
    metadata: object
    created: datetime


class Replicate:
    name = "replicate"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/…/predictions, GET /v1/predictions/{id}, POST …/cancel, /v1/models, /v1/files and the rest."""
        if request.path.startswith(DELIVERY):
            return _hosting.deliver(request.path.removeprefix(DELIVERY).partition("/")[0], world)
        try:
            return self.serve(request, world)
        except Failure as failure:
            return Answer.json(failure.body, failure.status)
        except Invalid as invalid:
            return Answer.json(invalid_input(invalid.field, invalid.problem).body, 422)

    def serve(self, request: Request, world: World) -> Answer:
        if not request.path.startswith(API):
            raise not_found()
        key = check_key(request)
        check_service(world.fault)
        match request.method, request.path.removeprefix(API).split("/"):
            case "POST", ["predictions"]:
                return self.create(read_body(request), None, key, request, world)
            case "POST", ["models", owner, name, "predictions"]:
                return self.create(read_body(request), f"{owner}/{name}", key, request, world)
            case "POST", ["deployments", _, name, "predictions"]:
                return self.create(read_body(request), deployed(name), key, request, world)
            case "GET", ["predictions"]:
                results = [view(each, world) for each in reversed(self.predictions(key, world))]
                return Answer.json({"previous": None, "next": None, "results": results})
            case "GET", ["predictions", prediction_id]:
                return Answer.json(self.progress(self.prediction(prediction_id, key, world), world))
            case "POST", ["predictions", prediction_id, "cancel"]:
                return self.cancel(self.prediction(prediction_id, key, world), world)
            case "GET", ["models"]:
                return Answer.json({"previous": None, "next": None, "results": [describe(name) for name in MODELS]})
            case "GET", ["models", owner, name]:
                return Answer.json(describe(known(f"{owner}/{name}")))
            case "GET", ["models", owner, name, "versions"]:
                results = [version(known(f"{owner}/{name}"))]
                return Answer.json({"previous": None, "next": None, "results": results})
            case "GET", ["models", owner, name, "versions", version_id]:
                if VERSIONS.get(version_id) != f"{owner}/{name}":
                    raise not_found()
                return Answer.json(version(f"{owner}/{name}"))
            case "GET", ["account"]:
                account = {"type": "organization", "username": "simulated", "name": "Simulated", "github_url": None}
                return Answer.json(account)
            case "GET", ["webhooks", "default", "secret"]:
                return Answer.json({"key": SECRET})
            case _, ["files", *rest]:
                return self.files(rest, key, request, world)
            case _:
                raise not_found()

    # Predictions

    def create(self, body: Fields, name: str | None, key: str, request: Request, world: World) -> Answer:
        model_name = name if name is not None else find_version(body.needed("version"))
        known(model_name)
        given = body.given("input")
        if not isinstance(given, dict):
            raise Failure(
                422, "Input validation failed", "- input is required\n", [{"type": "required", "field": "input"}]
            )
        fields = Fields(cast("dict[str, object]", given), {}, is_form=False)
        webhook, events = read_webhook(body)
        seconds = preferred(request)
        polls = request.headers.get("x-simulate-polls", "")
        made = self.order(model_name, fields, key, request, world, int(polls) if polls.isdigit() else POLLS)
        if name is None and body.needed("version") in VERSIONS:
            made.version = body.needed("version")
        world.keep(made.id, made)
        if webhook is not None:
            _webhooks.send(webhook, notices(self, made, events, world))
        if seconds is None:
            return Answer.json(view(made, world), 201)
        if polls.isdigit() or "never-ready" in made.wanted.prompt:  # time runs out: clients then expect `starting`
            return Answer.json(view(made, world), 202)
        made.waits = 0
        return Answer.json(self.progress(made, world), 201)

    def order(self, name: str, fields: Fields, key: str, request: Request, world: World, polls: int) -> Prediction:
        model = MODELS[name]
        check(fields, model)
        wanted = read(fields, model, world)
        return Prediction(
            secrets.token_hex(13),
            key,
            name,
            "hidden",
            fields.values,
            wanted,
            (fields.integer(model.many, 1, 15) or 1) if model.many else 1,
            model.listed,
            world.now,
            deadline(request, world),
            polls,
            world.fault,
        )

    def predictions(self, key: str, world: World) -> list[Prediction]:
        with world.lock:
            return [each for each in world.jobs.values() if isinstance(each, Prediction) and each.key == key]

    def prediction(self, prediction_id: str, key: str, world: World) -> Prediction:
        found = world.jobs.get(prediction_id)
        if not isinstance(found, Prediction) or found.key != key:
            raise not_found()
        return found

    def progress(self, made: Prediction, world: World) -> dict[str, object]:
        """One poll further: the next state, or the end."""
        with made.lock:
            if made.status not in TERMINAL:
                self.advance(made, world)
            return view(made, world)

    def advance(self, made: Prediction, world: World) -> None:
        prompt = made.wanted.prompt
        made.polls += 1
        if made.deadline is not None and world.now >= made.deadline:
            self.end(made, "aborted" if made.started is None else "canceled", world)
        elif made.polls <= made.waits or "never-ready" in prompt:
            if made.polls > 1:
                made.status, made.started = "processing", made.started or world.now
        elif "unknown-status" in prompt:
            made.status = "simmering"
        elif is_refused(made):
            self.end(made, "failed", world, SENSITIVE)
        elif "task-error" in prompt:
            self.end(made, "failed", world, "Prediction failed for an unknown reason")
        else:
            made.output = [self.deliver(made, index, world) for index in range(made.many)]
            self.end(made, "succeeded", world)

    def end(self, made: Prediction, status: str, world: World, error: str | None = None) -> None:
        made.status, made.error, made.completed = status, error, world.now

    def deliver(self, made: Prediction, index: int, world: World) -> str:
        content = _hosting.cut(made.wanted.paint(made.fault, index), made.fault)
        file_id = _hosting.host(content, made.wanted.media_type, world, LIFETIME)
        return f"{world.base_url}/{self.name}{DELIVERY}{file_id}/out-{index}.{made.wanted.extension}"

    def cancel(self, made: Prediction, world: World) -> Answer:
        with made.lock:
            if made.status not in TERMINAL:
                self.end(made, "canceled", world)
            return Answer.json(view(made, world))

    # Files

    def files(self, rest: list[str], key: str, request: Request, world: World) -> Answer:
        match request.method, rest:
            case "POST", []:
                return Answer.json(describe_file(self.upload(key, request, world), world), 201)
            case "GET", []:
                with world.lock:
                    mine = [each for each in world.jobs.values() if isinstance(each, Upload) and each.key == key]
                results = [describe_file(each, world) for each in mine if _hosting.find(each.id, world)]
                return Answer.json({"previous": None, "next": None, "results": results})
            case ("GET" | "DELETE") as method, [file_id]:
                kept = world.jobs.get(f"replicate file {file_id}")
                if not isinstance(kept, Upload) or kept.key != key or _hosting.find(file_id, world) is None:
                    raise not_found()
                if method == "GET":
                    return Answer.json(describe_file(kept, world))
                with world.lock:
                    world.jobs.pop(file_id, None)
                    world.jobs.pop(f"replicate file {file_id}", None)
                return Answer(204, b"", "")
            case _:
                raise not_found()

    def upload(self, key: str, request: Request, world: World) -> Upload:
        try:
            parts = {part.name: part for part in read_form(request.headers.get("content-type", ""), request.body)}
            metadata: object = json.loads(parts["metadata"].content) if "metadata" in parts else {}
        except ValueError as error:
            raise Failure(400, "Bad Request", f"The form cannot be read: {error}") from error
        if "content" not in parts:
            raise Failure(400, "Bad Request", "Missing content")  # unconfirmed: the words
        content = parts["content"]
        media_type = content.media_type or "application/octet-stream"
        file_id = _hosting.host(content.content, media_type, world, FILE_LIFETIME)
        kept = Upload(file_id, key, content.filename or "file", metadata, world.now)
        world.keep(f"replicate file {file_id}", kept)
        return kept


def check_key(request: Request) -> str:
    """`Token` is the scheme of older clients. unconfirmed: the words."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in {"bearer", "token"} or not key:
        raise Failure(401, "Unauthenticated", "You did not pass an authentication token")
    if not key.startswith(("sim-", "r8_sim")):
        raise Failure(401, "Unauthenticated", "You did not pass a valid authentication token")
    if key.endswith("sim-no-credits") and request.method == "POST":
        raise no_credit()
    return key


def no_credit() -> Failure:
    return Failure(
        402,
        "Insufficient credit",
        "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to "
        "purchase credit.",
    )


def check_service(fault: Fault | None) -> None:
    """unconfirmed: the words of the last two."""
    if fault == "bad_key":
        raise Failure(401, "Unauthenticated", "You did not pass a valid authentication token")
    if fault == "quota":
        raise no_credit()
    if fault == "rate_limit":
        detail = "Request was throttled. Your rate limit resets in ~30s."
        raise Failure(429, "Too Many Requests", detail)
    if fault == "server_error":
        raise Failure(500, "Internal Server Error", "An unexpected error occurred.")
    if fault == "unavailable":
        raise Failure(503, "Service Unavailable", "The service is temporarily unavailable.")


def known(name: str) -> str:
    if name not in MODELS:
        raise not_found()
    return name


def deployed(name: str) -> str:
    """Every model is deployed here under its own name, whoever owns the deployment."""
    for model in MODELS:
        if model.partition("/")[2] == name:
            return model
    raise not_found()


def find_version(reference: str) -> str:
    """The model of a version id, of `owner/name:id` or of `owner/name`."""
    name, _, version_id = reference.rpartition(":") if ":" in reference else (reference, "", "")
    model = VERSIONS.get(version_id or reference, name)
    if model not in MODELS or (version_id and name != model):
        raise Failure(422, "Invalid version or not permitted", "The specified version does not exist.")
    return model


def read_body(request: Request) -> Fields:
    try:
        body: object = json.loads(request.body)
    except ValueError as error:
        raise Failure(400, "Bad Request", "The request body is not valid JSON") from error  # unconfirmed: the words
    if not isinstance(body, dict):
        raise Failure(400, "Bad Request", "The request body must be an object")
    return Fields(cast("dict[str, object]", body), {}, is_form=False)


def read_webhook(body: Fields) -> tuple[str | None, set[str]]:
    webhook = body.text("webhook")
    if webhook is not None and not _webhooks.is_allowed(webhook):
        raise Failure(422, "Invalid webhook", "The simulator calls http:// loopback addresses only")
    events = {str(event) for event in body.items("webhook_events_filter")} or set(EVENTS)
    if not events <= set(EVENTS):
        raise Failure(422, "Invalid webhook_events_filter", f"Events are {', '.join(EVENTS)}")
    return webhook, events


def preferred(request: Request) -> int | None:
    """The seconds of `Prefer: wait`, which are not waited here; None where nothing is to be waited for."""
    found = re.search(r"\bwait(?:=(\d+))?", request.headers.get("prefer", ""))
    if found is None:
        return None
    seconds = int(found[1] or 60)
    if not 1 <= seconds <= 60:
        raise Failure(400, "Bad Request", "Prefer: wait must be from 1 to 60 seconds")  # unconfirmed
    return seconds


def is_refused(made: Prediction) -> bool:
    marked = "forbidden-prompt" in made.wanted.prompt or "forbidden-output" in made.wanted.prompt
    return marked or made.fault in {"moderation_prompt", "moderation_output"}


def deadline(request: Request, world: World) -> datetime | None:
    after = request.headers.get("cancel-after")
    if after is None:
        return None
    found = DEADLINE.fullmatch(after)
    if found is None:
        raise Failure(400, "Bad Request", "Cancel-After must be a duration such as 30s or 1m")  # unconfirmed
    return world.now + timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"])


def stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def view(made: Prediction, world: World) -> dict[str, object]:
    """An hour after its end, what went in and what came out is gone."""
    removed = made.completed is not None and world.now - made.completed >= LIFETIME
    url = f"{world.base_url}/replicate{API}predictions/{made.id}"
    output: object = made.output
    if made.output is not None and not made.listed:
        output = made.output[0]
    metrics: dict[str, float] = {}
    if made.completed is not None:
        metrics = {"predict_time": 1.0 if made.started or made.output else 0.0, "total_time": 1.5}
    return {
        "id": made.id,
        "model": made.model,
        "version": made.version,
        "input": {} if removed else made.input,
        "output": None if removed else output,
        "logs": "",
        "error": made.error,
        "status": made.status,
        "metrics": metrics,
        "created_at": stamp(made.created),
        "started_at": stamp(made.started),
        "completed_at": stamp(made.completed),
        "data_removed": removed,
        "deadline": stamp(made.deadline),
        "source": "api",
        "urls": {"get": url, "cancel": f"{url}/cancel", "web": f"https://replicate.com/p/{made.id}"},
    }


def notices(
    twin: Replicate, made: Prediction, events: set[str], world: World
) -> Iterator[tuple[bytes, Mapping[str, str]]]:
    """`start` and `completed`; these models write no logs and have no output before the last."""
    if "never-ready" in made.wanted.prompt:
        return
    with made.lock:
        if made.status == "starting":
            made.status, made.started = "processing", world.now
        started = view(made, world)
    if "start" in events:
        yield signed(started, world)
    made.waits = 0
    completed = twin.progress(made, world)
    if "completed" in events and completed["status"] in TERMINAL:
        yield signed(completed, world)


def signed(message: Mapping[str, object], world: World) -> tuple[bytes, Mapping[str, str]]:
    body = json.dumps(message).encode()
    webhook_id, timestamp = f"msg_{secrets.token_hex(12)}", str(int(world.now.timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return body, {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def describe_file(kept: Upload, world: World) -> dict[str, object]:
    file = _hosting.find(kept.id, world)
    content, media_type = (b"", "") if file is None else (file.content, file.media_type)
    digest = hashlib.sha256(content).hexdigest()
    return {
        "id": kept.id,
        "name": kept.name,
        "content_type": media_type,
        "size": len(content),
        "etag": digest[:32],
        "checksums": {"sha256": digest},
        "metadata": kept.metadata,
        "created_at": stamp(kept.created),
        "expires_at": stamp(kept.created + FILE_LIFETIME),
        "urls": {"get": f"{world.base_url}/replicate{API}files/{kept.id}"},
    }


# Models


def schema(model: Model) -> dict[str, object]:
    """An OpenAPI description, of which clients read the input and the output."""
    image = {"type": "string", "format": "uri"}
    properties = {
        name: {**described, "title": name, "x-order": order}
        for order, (name, described) in enumerate(model.inputs.items())
    }
    schemas = {
        "Input": {"type": "object", "title": "Input", "required": ["prompt"], "properties": properties},
        "Output": {"type": "array", "items": image, "title": "Output"}
        if model.listed
        else {**image, "title": "Output"},
    }
    return {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"}, "components": {"schemas": schemas}}


def version(name: str) -> dict[str, object]:
    return {
        "id": version_of(name),
        "created_at": stamp(datetime(2026, 6, 1, tzinfo=UTC)),
        "cog_version": "0.16.0",
        "openapi_schema": schema(MODELS[name]),
    }


def describe(name: str) -> dict[str, object]:
    owner, _, short = name.partition("/")
    return {
        "url": f"https://replicate.com/{name}",
        "owner": owner,
        "name": short,
        "description": "",
        "visibility": "public",
        "is_official": True,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 1,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version(name),
    }


# What was asked for


def check(fields: Fields, model: Model) -> None:
    """Against the schema of the model, and a prompt there must be."""
    if fields.given("prompt") is None:
        raise Invalid("prompt", "required")
    for name, described in model.inputs.items():
        match described:
            case {"enum": _}:
                fields.choice(name, cast("list[str]", described["enum"]))
            case {"type": "integer", "minimum": int(least), "maximum": int(most)}:
                fields.integer(name, least, most)
            case {"type": "number", "minimum": float(least), "maximum": int(most)}:
                fields.number(name, least, most)
            case {"type": "boolean"}:
                fields.flag(name)
            case {"type": "integer"}:
                fields.integer(name, -(2**63), 2**63 - 1)
            case {"type": "array", "maxItems": int(most)}:
                if len(fields.items(name)) > most:
                    raise Invalid(name, f"must have at most {most} items")
            case {"maxLength": int(most)}:
                fields.text(name, most=most)
            case _:
                fields.text(name)


def read(fields: Fields, model: Model, world: World) -> Painting:
    pictures = {
        name: [read_image(each, name, world) for each in fields.items(name)]
        for name, described in model.inputs.items()
        if described.get("format") == "uri" or described["type"] == "array"
    }
    sources = pictures.get(model.images, [])
    masks = pictures.get("mask", [])
    if "mask" in model.inputs and bool(masks) != bool(sources):
        raise Invalid("mask", "You must also use a mask")  # the words are the schema's; unconfirmed as an answer
    named = asked(fields, model, "output_format")
    output_format = "svg" if model.svg else painting.output_format(named) if named else model.default_format
    return Painting(
        fields.needed("prompt"),
        size_of(fields, model, sources),
        output_format,
        [source.content for source in sources],
        masks[0].content if masks else None,
        "black",
        transparent=model.svg or asked(fields, model, "background") == "transparent",
        seed=fields.integer("seed", -(2**63), 2**63 - 1) if "seed" in model.inputs else None,
        compression=fields.integer("output_quality", 0, 100) if "output_quality" in model.inputs else None,
    )


def asked(fields: Fields, model: Model, name: str) -> str:
    """What was given, or else the schema's default; empty where neither is there."""
    described = model.inputs.get(name)
    return "" if described is None else fields.text(name) or str(described.get("default", ""))


def size_of(fields: Fields, model: Model, sources: list[Picture]) -> tuple[int, int]:
    """unconfirmed: the pixels of a tier and a ratio, where they are not written out. An inpainted picture keeps its."""
    if "mask" in model.inputs and sources:
        return sources[0].size
    ratio, size = asked(fields, model, "aspect_ratio"), asked(fields, model, "size")
    if "custom" in {ratio, size}:
        sides = [fields.given(side) for side in ("width", "height")]
        if not all(isinstance(side, int) for side in sides):
            raise Invalid("width", "required")
        return cast("tuple[int, int]", tuple(sides))
    if ratio in model.sizes:
        return model.sizes[ratio]
    if written := re.fullmatch(r"(\d+)x(\d+)", size):
        return int(written[1]), int(written[2])
    shape = sources[0].width / sources[0].height if sources else 1.0
    if ratio not in {"", "match_input_image"}:
        shape = painting.ratio_of(ratio)
    return painting.fitted(shape, pixels_of(fields, model, sources))


def pixels_of(fields: Fields, model: Model, sources: list[Picture]) -> float:
    tier = asked(fields, model, "resolution") or asked(fields, model, "size")
    if tier == "match_input_image":
        return sources[0].pixels if sources else 1024**2
    megapixels = asked(fields, model, "megapixels") or (tier.removesuffix(" MP") if tier.endswith("MP") else "")
    return float(megapixels) * 1024**2 if megapixels else painting.TIERS[tier.lower().removesuffix("px") or "1k"] ** 2


def read_image(given: object, name: str, world: World) -> Picture:
    """A data URL, an address, or the address of an uploaded file, whose content is used without asking for a key."""
    own = f"{world.base_url}/replicate{API}files/"
    if isinstance(given, str) and given.startswith(own):
        given = f"{world.base_url}/replicate{DELIVERY}{given.removeprefix(own)}/file"
    if isinstance(given, str) and given.startswith("data:") and len(given) > MAX_DATA_URL * 4 / 3 + 64:
        raise Invalid(name, "is larger than 256 kB: give it by address")
    return _hosting.read_image(given, name, world)


TWIN = Replicate
