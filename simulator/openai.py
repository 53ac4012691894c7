"""OpenAI: a twin of the Images API, with models, moderations and files beside it.

Sources, read 2026-11-23: the types of openai-python 3.54.0; developers.openai.com/api/docs/guides/image-generation,
/deprecations, /error-codes, /rate-limits; and what `_openai_orders` names. A comment says "unconfirmed" where no source
was found.

Keys begin with `sim-`, and some of them belong to accounts in trouble: sim-unverified (organization not verified),
sim-no-credit, sim-slow-down, sim-no-preview (no transparency on gpt-image-2). Prompts holding "forbidden-prompt" or
"forbidden-output" are refused. GIF and SVG, Responses and Batch are not served.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from . import _openai_images as images
from . import _openai_models as models
from . import _openai_orders as orders
from ._openai_forms import Part
from ._openai_orders import Refusal, missing, unknown, wrong_type
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._openai_models import Model
    from .world import World

ROSTER: Final = models.roster(models.MODELS)
ORGANIZATION: Final = "org-simulated"
PROJECT: Final = "proj_simulated"
REQUESTS_PER_MINUTE: Final = 250
TOKENS_PER_MINUTE: Final = 8_000_000
"""gpt-image-2 at the highest tier, as read from its page on 2026-05-05."""

MODERATION_MODELS: Final = {
    "omni-moderation-latest": "omni-moderation-2024-09-26",
    "omni-moderation-2024-09-26": "omni-moderation-2024-09-26",
}
CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
IMAGE_CATEGORIES: Final = {
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "violence",
    "violence/graphic",
}
PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
METHODS: Final = {
    "/v1/images/generations": {"POST"},
    "/v1/images/edits": {"POST"},
    "/v1/models": {"GET"},
    "/v1/moderations": {"POST"},
    "/v1/files": {"POST"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request with what every part of its answer needs."""

    request: Request
    world: World
    id: str
    key: str
    """Empty when none was sent."""


class OpenAI:
    name = "openai"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/images/generations, /v1/images/edits, /v1/moderations and /v1/files; GET /v1/models and one of them,
        and GET or DELETE of one file."""
        started = time.monotonic()
        key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        call = Call(request, world, str(uuid.uuid4()), key)
        try:
            answer = route(call)
        except Refusal as refusal:
            answer = Answer.json({"error": refusal.error()}, status=refusal.status, headers=refusal.headers)
        milliseconds = round((time.monotonic() - started) * 1000)
        return replace(answer, headers=headers(call, milliseconds) | dict(answer.headers))


def headers(call: Call, milliseconds: int) -> dict[str, str]:
    """Those of every answer. Whether a path nobody knows has them all is unconfirmed."""
    limited = call.world.fault == "rate_limit"
    return {
        "x-request-id": call.id,
        "openai-organization": ORGANIZATION,
        "openai-project": PROJECT,
        "openai-processing-ms": str(milliseconds),
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": str(REQUESTS_PER_MINUTE),
        "x-ratelimit-remaining-requests": "0" if limited else str(REQUESTS_PER_MINUTE - 1),
        "x-ratelimit-reset-requests": "1s" if limited else "240ms",
        "x-ratelimit-limit-tokens": str(TOKENS_PER_MINUTE),
        "x-ratelimit-remaining-tokens": str(TOKENS_PER_MINUTE),
        "x-ratelimit-reset-tokens": "0s",
        "x-content-type-options": "nosniff",
    }


def route(call: Call) -> Answer:
    path, method = unquote(call.request.path), call.request.method
    folder, _, name = path.rpartition("/")
    allowed = METHODS.get(path) or {"/v1/models": {"GET"}, "/v1/files": {"GET", "DELETE"}}.get(folder)
    if not allowed or not name:
        # /v1/images/variations ends here too, whatever the method
        return Answer(404, b"", "", {})
    check_key(call)
    if method not in allowed:
        # unconfirmed for these paths; the text is the one quoted for others
        raise Refusal(
            f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)",
            status=405,
            code="method_not_supported",
        )
    match path:
        case "/v1/images/generations":
            return order(call, "generation")
        case "/v1/images/edits":
            return order(call, "edit")
        case _:
            check_account(call, None)
    match path:
        case "/v1/models":
            live = [model for model in ROSTER.values() if model.is_live(call.world.today)]
            return Answer.json({"object": "list", "data": [describe(model) for model in live]})
        case "/v1/moderations":
            return moderate(call)
        case "/v1/files":
            return take_file(call)
        case _ if folder == "/v1/models":
            return show_model(name, call.world.today)
        case _:
            return show_file(name, call)


def check_key(call: Call) -> None:
    """The code of a bad key is documented; the texts are unconfirmed."""
    if not call.key:
        raise Refusal(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
            "accessing the API from your browser and are prompted for a username and password. You can obtain an API "
            "key from https://platform.openai.com/account/api-keys.",
            status=401,
        )
    if not call.key.startswith("sim-") or call.world.fault == "bad_key":
        shown = call.key if len(call.key) < 12 else f"{call.key[:4]}{'*' * (len(call.key) - 8)}{call.key[-4:]}"
        raise Refusal(
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            status=401,
            code="invalid_api_key",
        )


def check_account(call: Call, model: Model | None) -> None:
    """What stands in the way of a good request: verification, money, limits, an outage. `type` of 429 and 503 is
    unconfirmed, as are the texts of slow_down and of an empty balance."""
    wait = {"retry-after": "1", "retry-after-ms": "1000"}
    name = "this model" if model is None else model.id
    if call.key == "sim-unverified" and model is not None:
        raise Refusal(
            f"Your organization must be verified to use the model `{name}`. Please go to: "
            "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
            "verified, it can take up to 15 minutes for access to propagate.",
            status=403,
        )
    if (call.key == "sim-no-credit" and model is not None) or call.world.fault == "quota":
        raise Refusal(
            "You exceeded your current quota, please check your plan and billing details. For more information on "
            "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            status=429,
            kind="insufficient_quota",
            code="credit_balance_exhausted",
        )
    if call.key == "sim-slow-down":
        raise Refusal(
            "Your request rate increased too quickly. Please slow down and ramp up gradually.",
            status=429,
            kind="requests",
            code="slow_down",
            headers=wait,
        )
    match call.world.fault:
        case "rate_limit":
            raise Refusal(
                f"Rate limit reached for {name} (for limit gpt-image) in organization {ORGANIZATION} on input-images "
                f"per min: Limit {REQUESTS_PER_MINUTE}, Used {REQUESTS_PER_MINUTE}, Requested 1. Please try again in "
                "1s. Visit https://platform.openai.com/account/rate-limits to learn more.",
                status=429,
                kind="input-images",
                code="rate_limit_exceeded",
                headers=wait,
            )
        case "unavailable":
            raise Refusal(
                "Our servers are currently overloaded. Please try again later.",
                status=503,
                kind="service_unavailable_error",
                code="server_is_overloaded",
                headers=wait,
            )
        case "server_error":
            raise Refusal(
                "The server had an error while processing your request. Sorry about that! You can retry your request, "
                f"or contact us through our help center at help.openai.com if you keep seeing this error. (Please "
                f"include the request ID {call.id} in your email.)",
                status=500,
                kind="server_error",
            )
        case _:
            return


def order(call: Call, operation: orders.Operation) -> Answer:
    def choose(body: Mapping[str, object]) -> Model:
        model = find(body, call.world.today)
        check_account(call, model)
        if call.key == "sim-no-preview" and model.transparent_preview:
            return replace(model, transparent_since=date.max)
        return model

    sent = orders.read_body(call.request, operation)
    return images.fulfil(orders.read_order(sent, operation, choose, call.world), call.world, call.id)


def find(body: Mapping[str, object], today: date) -> Model:
    """The model a body names; raises Refusal for one that is unknown, retired or not launched yet."""
    if "model" not in body:
        raise missing("model")
    name = body["model"]
    if not isinstance(name, str):
        raise wrong_type("model", "a string", name)
    model = ROSTER.get(name)
    if model is None or not model.is_live(today):
        raise no_such_model(name)
    return model


def no_such_model(name: str) -> Refusal:
    return orders.user_error(f"The model '{name}' does not exist.", "model")


def describe(model: Model) -> dict[str, object]:
    launched = datetime(model.launched.year, model.launched.month, model.launched.day, tzinfo=UTC)
    return {
        "id": model.id,
        "object": "model",
        "created": int(launched.timestamp()),
        "owned_by": "system",
        "shutdown_date": None if model.shutdown is None else model.shutdown.isoformat(),
    }


def show_model(name: str, today: date) -> Answer:
    model = ROSTER.get(name)
    if model is None or not model.is_live(today):
        # unconfirmed for image models; the text is the one long given for others
        raise Refusal(
            f"The model '{name}' does not exist or you do not have access to it.",
            status=404,
            param="model",
            code="model_not_found",
        )
    return Answer.json(describe(model))


def moderate(call: Call) -> Answer:
    body = orders.read_json(call.request.body)
    for key in body:
        if key not in {"model", "input"}:
            raise unknown(key)
    model = orders.Fields(body, form=False).word("model", tuple(MODERATION_MODELS)) or "omni-moderation-latest"
    if "input" not in body:
        raise missing("input")
    return Answer.json(
        {
            "id": f"modr-{secrets.token_hex(12)}",
            "model": MODERATION_MODELS[model],
            "results": [judge(text, with_image=with_image) for text, with_image in subjects(body["input"])],
        }
    )


def subjects(given: object) -> list[tuple[str, bool]]:
    """What is judged together: each string on its own, or all parts as one, with whether a picture is among them."""
    if isinstance(given, str):
        return [(given, False)]
    if not isinstance(given, list):
        raise wrong_type("input", "one of a string, an array of strings, or an array of objects", given)
    items = cast("list[object]", given)
    if not items:
        raise Refusal(
            "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="input",
            code="empty_array",
        )
    if all(isinstance(item, str) for item in items):
        return [(str(item), False) for item in items]
    texts: list[str] = []
    with_image = False
    for index, item in enumerate(items):
        match item:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str()}}:
                with_image = True
            case _:
                raise wrong_type(f"input[{index}]", "a text or image_url object", item)
    return [(" ".join(texts), with_image)]


def judge(text: str, *, with_image: bool) -> dict[str, object]:
    """Flags what the Images API of this twin would refuse. It sees no pictures: they are always found harmless."""
    flagged = {"violence"} if "forbidden-prompt" in text else set[str]()
    return {
        "flagged": bool(flagged),
        "categories": {category: category in flagged for category in CATEGORIES},
        "category_scores": {category: 0.97 if category in flagged else 0.0001 for category in CATEGORIES},
        "category_applied_input_types": {
            category: ["text"] * bool(text) + ["image"] * (with_image and category in IMAGE_CATEGORIES)
            for category in CATEGORIES
        },
    }


def take_file(call: Call) -> Answer:
    content_type = call.request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise orders.unsupported_content_type(media_type, content_type, "multipart/form-data")
    sent = orders.read_parts(content_type, call.request.body)
    file: Part | None = next((part for part in sent.files if part.name == "file"), None)
    if file is None:
        raise missing("file")
    purpose = sent.fields.word("purpose", PURPOSES)
    if purpose is None:
        raise missing("purpose")
    stored = orders.StoredFile(file.filename or "upload", file.content, purpose, int(time.time()))
    file_id = f"file-{secrets.token_hex(12)}"
    call.world.keep(file_id, stored)
    return Answer.json(describe_file(file_id, stored))


def describe_file(file_id: str, stored: orders.StoredFile) -> dict[str, object]:
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(stored.content),
        "created_at": stored.created,
        "filename": stored.filename,
        "purpose": stored.purpose,
        "status": "processed",
        "expires_at": None,
    }


def show_file(file_id: str, call: Call) -> Answer:
    with call.world.lock:
        stored = call.world.jobs.get(file_id)
        if not isinstance(stored, orders.StoredFile):
            raise Refusal(f"No such File object: {file_id}", status=404, param="id")  # unconfirmed: the text
        if call.request.method == "DELETE":
            del call.world.jobs[file_id]
            return Answer.json({"id": file_id, "object": "file", "deleted": True})
    return Answer.json(describe_file(file_id, stored))


TWIN = OpenAI
