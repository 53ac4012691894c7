"""Google image models: a twin of the Gemini API's generateContent, streamed or not, countTokens, models and files.

Sources, read 2026-11-23: ai.google.dev/gemini-api/docs/image-generation, /pricing, /deprecations; the types of
google-genai 3.4.0 (https://github.com/googleapis/python-genai). Error texts are those public issue threads quote:
a bad key https://github.com/cequence-io/openai-scala-client/issues/109, no key
https://github.com/UnityGameStudio/Gemini-Unity-Package/issues/1, a field it does not know
https://github.com/yym68686/uni-api/issues/129, an aspect ratio outside the list
https://github.com/muyouzhi6/astrbot_plugin_gitee_aiimg/issues/37, a quota
https://github.com/google-gemini/gemini-cli/issues/8437. A comment says "unconfirmed" where no source was found.

Prompts holding "forbidden-prompt" or "forbidden-output" are refused. No answer ever has an alpha channel.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import secrets
from dataclasses import dataclass, replace
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias, cast
from urllib.parse import unquote

from PIL import Image, ImageDraw

from . import _google_files, drawing
from ._fields import Invalid
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .faults import Fault
    from .world import World

SIZES = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
"""Pixels at 1K; 2K doubles both sides, 4K quadruples them, 512 halves them."""
EXTREME_SIZES = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
FIRST_SIZES = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
"""gemini-2.5-flash-image has one resolution and other pixels."""
TIERS = {"512": 1, "1K": 2, "2K": 4, "4K": 8}
"""imageSize as written on the wire (the K is upper-case), with the number of half-1K steps it stands for."""


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    name: str
    launched: date
    ended: date | None
    """The first day it no longer answers; None when no date is published."""
    sizes: Mapping[str, tuple[int, int]]
    image_tokens: Mapping[str, int]
    """Tokens billed for the picture, by imageSize."""
    image_sizes: tuple[str, ...]
    """The values imageSize may have; empty when the field must not be sent."""
    input_image_tokens: int
    max_images: int
    thinking: tuple[str, ...]
    """thinkingLevel values, the default first; empty for a model that does not think."""
    output_format: drawing.Format
    search: bool


BANANA = Model(
    id="gemini-2.5-flash-image",
    name="Nano Banana",
    launched=date(2025, 10, 2),
    # unconfirmed: Google's table said 2026-10-02, but the model was seen answering after that day; the later date is
    # LiteLLM's.
    ended=date(2027, 3, 15),
    sizes=FIRST_SIZES,
    image_tokens={"1K": 1290},
    image_sizes=(),
    input_image_tokens=258,  # unconfirmed for images in; the number Gemini's token guide gives for a small picture
    max_images=3,  # the page recommends three; that a fourth is refused is unconfirmed
    thinking=(),
    output_format="png",  # seen live on 2026-07-30, as is the jpeg of the two below, by a public client
    search=False,
)
BANANA_2 = Model(
    id="gemini-3.1-flash-image",
    name="Nano Banana 2",
    launched=date(2026, 5, 28),
    ended=date(2026, 10, 29),  # unconfirmed to the day
    sizes=SIZES | EXTREME_SIZES,
    image_tokens={"512": 747, "1K": 1120, "2K": 1680, "4K": 2520},
    image_sizes=("512", "1K", "2K", "4K"),
    input_image_tokens=1120,  # unconfirmed
    max_images=14,
    thinking=("minimal", "high"),
    output_format="jpeg",
    search=True,
)
BANANA_PRO = Model(
    id="gemini-3-pro-image",
    name="Nano Banana Pro",
    launched=date(2026, 5, 28),
    ended=None,
    sizes=SIZES,
    image_tokens={"1K": 1120, "2K": 1120, "4K": 2000},
    image_sizes=("1K", "2K", "4K"),
    input_image_tokens=560,
    max_images=14,
    thinking=("high", "low"),  # which of the two is the default is unconfirmed
    output_format="jpeg",
    search=True,
)
BANANA_2_LITE = Model(
    id="gemini-3.1-flash-lite-image",
    name="Nano Banana 2 Lite",
    launched=date(2026, 6, 30),
    ended=None,
    sizes=SIZES,  # the cloud model card lists the four extreme ratios too: unconfirmed
    image_tokens={"1K": 1120},
    image_sizes=("1K",),
    input_image_tokens=1120,  # unconfirmed
    max_images=14,
    thinking=("minimal", "high"),
    output_format="png",  # unconfirmed
    search=False,
)
BANANA_2_1 = Model(
    id="gemini-nano-banana-2.1",
    name="Nano Banana 2.1",
    launched=date(2026, 10, 6),
    ended=None,
    sizes=SIZES | EXTREME_SIZES,
    image_tokens={"1K": 1120, "2K": 1680, "4K": 3780},
    image_sizes=("1K", "2K", "4K"),
    input_image_tokens=1120,
    max_images=14,
    thinking=("medium", "minimal", "high"),
    output_format="png",  # unconfirmed
    search=True,
)
PRO_PREVIEW = replace(
    BANANA_PRO,
    id="gemini-3-pro-image-preview",
    name="Nano Banana Pro preview",
    launched=date(2025, 11, 20),
    ended=date(2026, 6, 25),
)
MODELS = {
    model.id: model
    for model in (
        BANANA_2_1,
        BANANA_PRO,
        BANANA_2_LITE,
        BANANA_2,
        BANANA,
        PRO_PREVIEW,
        # still in the client library's list; that it ended with the model it names is unconfirmed
        replace(PRO_PREVIEW, id="nano-banana-pro-preview"),
        replace(
            BANANA_2,
            id="gemini-3.1-flash-image-preview",
            name="Nano Banana 2 preview",
            launched=date(2026, 2, 26),
            ended=date(2026, 6, 25),
        ),
    )
}
THINKING_TOKENS = {"minimal": 60, "low": 110, "medium": 150, "high": 420}
"""Invented, but for the 150 of the documented example."""

MAX_REQUEST_BYTES = 100 * 1024 * 1024
IMAGE_TYPES = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}
THRESHOLDS = {
    "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
}
SQUARE = 16
"""Pixels of one square of a painted checkerboard."""
RPC = "type.googleapis.com/google.rpc"
SERVICE = "generativelanguage.googleapis.com"

# Message shapes: the field names a request may hold, in camelCase; None where what is inside is not looked at.
Shape: TypeAlias = "Mapping[str, Shape | None]"
BLOB: Shape = {"mimeType": None, "data": None, "displayName": None}
FILE: Shape = {"mimeType": None, "fileUri": None, "displayName": None}
PART: Shape = {
    "text": None,
    "inlineData": BLOB,
    "fileData": FILE,
    "thought": None,
    "thoughtSignature": None,
    "mediaResolution": None,
    "partMetadata": None,
}
CONTENT: Shape = {"role": None, "parts": PART}
GENERATION_CONFIG: Shape = {
    "responseModalities": None,
    "imageConfig": {"aspectRatio": None, "imageSize": None},
    "thinkingConfig": {"thinkingLevel": None, "includeThoughts": None, "thinkingBudget": None},
    "candidateCount": None,
    "seed": None,
    "temperature": None,
    "topP": None,
    "topK": None,
    "maxOutputTokens": None,
    "stopSequences": None,
    "presencePenalty": None,
    "frequencyPenalty": None,
    "responseMimeType": None,
    "mediaResolution": None,
}
REQUEST: Shape = {
    "model": None,
    "contents": CONTENT,
    "systemInstruction": CONTENT,
    "safetySettings": {"category": None, "threshold": None, "method": None},
    "tools": {"googleSearch": None},
    "toolConfig": None,
    "generationConfig": GENERATION_CONFIG,
    "cachedContent": None,
    "serviceTier": None,
    "store": None,
}


class Failure(Exception):
    """An answer in Google's error envelope."""

    def __init__(self, code: int, status: str, message: str, details: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(message)
        error: dict[str, object] = {"code": code, "message": message, "status": status}
        if details:
            error["details"] = list(details)
        self.code = code
        self.body = {"error": error}


def invalid(message: str, details: Sequence[Mapping[str, object]] = ()) -> Failure:
    return Failure(400, "INVALID_ARGUMENT", message, details)


def bad_key() -> Failure:
    """A wrong key is a 400 here, not a 401: only the reason in the details tells it from a bad request."""
    message = "API key not valid. Please pass a valid API key."
    info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": SERVICE}}
    return invalid(
        message,
        [
            {"@type": f"{RPC}.ErrorInfo", **info},
            {"@type": f"{RPC}.LocalizedMessage", "locale": "en-US", "message": message},
        ],
    )


def over_quota(model: str, retry_after_seconds: int = 2, violation: Mapping[str, object] | None = None) -> Failure:
    """Too many requests this minute, unless another violation is told. The wait stands in the body, not in a header."""
    violation = violation or {
        "quotaMetric": f"{SERVICE}/generate_requests_per_model",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "10",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return Failure(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\nPlease retry in {retry_after_seconds}s.",
        [
            {"@type": f"{RPC}.QuotaFailure", "violations": [violation]},
            {"@type": f"{RPC}.Help", "links": [link]},
            {"@type": f"{RPC}.RetryInfo", "retryDelay": f"{retry_after_seconds}s"},
        ],
    )


def out_of_quota(model: str) -> Failure:
    """A daily limit: the same answer, with another metric and hours to wait. The metric's name is unconfirmed."""
    violation = {
        "quotaMetric": f"{SERVICE}/generate_requests_per_model_per_day",
        "quotaId": "GenerateRequestsPerDayPerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "250",
    }
    return over_quota(model, retry_after_seconds=6 * 60 * 60, violation=violation)


def not_found(model: str, version: str) -> Failure:
    return Failure(
        404,
        "NOT_FOUND",
        f"models/{model} is not found for API version {version}, or is not supported for generateContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


OpenFile: TypeAlias = "Callable[[str], bytes]"
"""The picture at an address of the Files API; raises Failure, or Missing."""
REPEATED = {"contents", "parts", "safetySettings", "tools"}


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    prompt: str
    text_tokens: int
    sources: tuple[bytes, ...]
    width: int
    height: int
    image_size: str
    with_text: bool
    with_thoughts: bool
    thinking: str | None
    seed: int | None
    grounded: bool


class Google:
    name = "google"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1beta/models/{model}:{verb}, GET /v1beta/models and /v1beta/models/{model}, and the files.

        The same at /v1, which google-genai calls by default since 3.6; that nothing differs there is unconfirmed.
        """
        try:
            if world.fault == "bad_key":
                raise bad_key()
            if _google_files.is_piece(request):
                return _google_files.take(request, world)
            key = check_key(request)
            check_service(world.fault, request.path)
            return _google_files.answer(request, key, world) or route(request, key, world)
        except _google_files.Missing as missing:
            failure = no_such_file(missing.file_id)
        except Invalid as problem:
            failure = invalid(str(problem))
        except Failure as refused:
            failure = refused
        return Answer.json(failure.body, status=failure.code)


def check_key(request: Request) -> str:
    key = request.headers.get("x-goog-api-key") or request.query.get("key")
    if not key and "authorization" in request.headers:
        raise Failure(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            "valid authentication credential.",
        )
    if not key:
        raise Failure(
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
        )
    if not key.startswith("sim-"):
        raise bad_key()
    return key


def check_service(fault: Fault | None, path: str) -> None:
    """The failures of the service itself; their texts are those seen in public issue threads."""
    model = re.sub(r".*/models/([^/:]*).*", r"\1", unquote(path))
    if fault == "rate_limit":
        raise over_quota(model)
    if fault == "quota":
        raise out_of_quota(model)
    if fault == "server_error":
        raise Failure(
            500,
            "INTERNAL",
            "An internal error has occurred. Please retry or report in "
            "https://developers.generativeai.google/guide/troubleshooting",
        )
    if fault == "unavailable":
        raise Failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def route(request: Request, key: str, world: World) -> Answer:
    path = unquote(request.path)
    live = {model.id: model for model in MODELS.values() if is_live(model, world.today)}
    if path in {"/v1beta/models", "/v1/models"} and request.method == "GET":
        return list_models(list(live.values()), request.query)
    match = re.fullmatch(r"/(v1|v1beta)/models/([^/:]+)(?::(\w+))?", path)
    if match is None:
        raise Failure(404, "NOT_FOUND", f"Requested entity was not found: {request.method} {path}")
    version, model_id, verb = match[1], match[2], match[3]
    model = live.get(model_id)
    if model is None:
        raise not_found(model_id, version)
    if request.method == "GET" and verb is None:
        return Answer.json(describe(model))
    if request.method != "POST":
        raise not_found(model_id, version)

    def open_file(uri: str) -> bytes:
        return read_file(uri, key, world)

    match verb:
        case "generateContent":
            return Answer.json(generate(read(request.body, model, open_file), model, world.fault))
        case "streamGenerateContent":
            chunks = list(cut_in_parts(generate(read(request.body, model, open_file), model, world.fault)))
            if request.query.get("alt") != "sse":
                return Answer.json(chunks)
            return Answer.events(f"data: {json.dumps(chunk)}\r\n\r\n".encode() for chunk in chunks)
        case "countTokens":
            return Answer.json(count_tokens(request.body, model, open_file))
        case _:
            raise not_found(model_id, version)


def is_live(model: Model, today: date) -> bool:
    return model.launched <= today and (model.ended is None or today < model.ended)


def list_models(models: Sequence[Model], query: Mapping[str, str]) -> Answer:
    try:
        start = int(query.get("pageToken") or 0)
        size = int(query.get("pageSize") or 50)
    except ValueError as error:
        raise invalid("Request contains an invalid argument.") from error
    body: dict[str, object] = {"models": [describe(model) for model in models[start : start + size]]}
    if start + size < len(models):
        body["nextPageToken"] = str(start + size)
    return Answer.json(body)


def describe(model: Model) -> dict[str, object]:
    """The token limits and sampling defaults are unconfirmed."""
    return {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.name,
        "description": f"{model.name}: generates and edits images",
        "inputTokenLimit": 65536,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": bool(model.thinking),
    }


def read_message(body: bytes, shape: Shape) -> dict[str, object]:
    if len(body) > MAX_REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {MAX_REQUEST_BYTES} bytes.")
    try:
        raw: object = json.loads(body)
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    unknown: list[tuple[str, str]] = []
    fields = fields_of(raw, shape, "", unknown)
    if unknown:
        raise unknown_names(unknown)
    return fields


def read(body: bytes, model: Model, open_file: OpenFile) -> Order:
    """Raises Failure for everything the API would refuse before it paints."""
    fields = read_message(body, REQUEST)
    check_safety_settings(messages(fields, "safetySettings"))
    config = message(fields, "generationConfig")
    check_config(config, model)
    prompt, texts, sources = read_contents(messages(fields, "contents"), open_file)
    if len(sources) > model.max_images:
        # unconfirmed: the text; that there is a limit is documented
        raise invalid(
            f"The number of input images ({len(sources)}) exceeds the limit of {model.max_images} "
            f"for models/{model.id}."
        )
    system = [
        string(part, "text", "system_instruction.parts.text") or "" for part in parts_of(fields, "systemInstruction")
    ]
    tools = messages(fields, "tools")
    if tools and not model.search:
        raise invalid("Search Grounding is not supported.")  # unconfirmed: the text
    width, height, image_size = read_size(message(config, "imageConfig"), model, sources)
    thinking = message(config, "thinkingConfig")
    return Order(
        prompt=prompt,
        text_tokens=text_tokens([*texts, *system]),
        sources=tuple(sources),
        width=width,
        height=height,
        image_size=image_size,
        with_text=read_modalities(config, model),
        with_thoughts=bool(model.thinking) and thinking.get("includeThoughts") is True,
        thinking=read_thinking(thinking, model),
        seed=integer(config, "seed", "generation_config.seed"),
        grounded=bool(tools),
    )


def text_tokens(texts: Sequence[str]) -> int:
    return sum(max(1, math.ceil(len(text) / 4)) for text in texts if text)


def count_tokens(body: bytes, model: Model, open_file: OpenFile) -> dict[str, object]:
    """Of contents alone, or of a whole request, whose other fields count for nothing here but its instruction."""
    fields = read_message(body, {"contents": CONTENT, "generateContentRequest": REQUEST})
    whole = message(fields, "generateContentRequest") or fields
    _, texts, sources = read_contents(messages(whole, "contents"), open_file)
    texts += [
        string(part, "text", "system_instruction.parts.text") or "" for part in parts_of(whole, "systemInstruction")
    ]
    details: list[dict[str, object]] = [{"modality": "TEXT", "tokenCount": text_tokens(texts)}]
    if sources:
        details.append({"modality": "IMAGE", "tokenCount": len(sources) * model.input_image_tokens})
    return {"totalTokens": sum(cast("int", each["tokenCount"]) for each in details), "promptTokensDetails": details}


def fields_of(value: object, shape: Shape, path: str, unknown: list[tuple[str, str]]) -> dict[str, object]:
    """The message with camelCase names, as deep as the shape goes; nulls count as absent, as in protobuf's JSON."""
    if not isinstance(value, dict):
        raise invalid(f"Invalid value at '{path}', {json.dumps(value)}")
    fields: dict[str, object] = {}
    for given, inner in cast("dict[str, object]", value).items():
        name = camel_case(given)
        if name not in shape:
            unknown.append((given, path))
            continue
        if inner is None:
            continue
        inner_shape = shape[name]
        inner_path = f"{path}.{snake_case(name)}" if path else snake_case(name)
        if inner_shape is None:
            fields[name] = inner
        elif name in REPEATED:
            items = cast("list[object]", inner) if isinstance(inner, list) else [inner]
            fields[name] = [
                fields_of(item, inner_shape, f"{inner_path}[{index}]", unknown) for index, item in enumerate(items)
            ]
        else:
            fields[name] = fields_of(inner, inner_shape, inner_path, unknown)
    return fields


def camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def unknown_names(names: Sequence[tuple[str, str]]) -> Failure:
    violations: list[dict[str, str]] = []
    for name, path in names:
        place = f" at '{path}'" if path else ""
        line = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
        violations.append({"field": path, "description": line} if path else {"description": line})
    text = "\n".join(violation["description"] for violation in violations)
    return invalid(text, [{"@type": f"{RPC}.BadRequest", "fieldViolations": violations}])


def message(parent: Mapping[str, object], name: str) -> dict[str, object]:
    return cast("dict[str, object]", parent.get(name, {}))


def messages(parent: Mapping[str, object], name: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", parent.get(name, []))


def parts_of(parent: Mapping[str, object], name: str) -> list[dict[str, object]]:
    return messages(message(parent, name), "parts")


def string(fields: Mapping[str, object], name: str, path: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid value at '{path}' (TYPE_STRING), {json.dumps(value)}")
    return value


def integer(fields: Mapping[str, object], name: str, path: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise invalid(f"Invalid value at '{path}' (TYPE_INT32), {json.dumps(value)}")
    return value


def one_of(values: Sequence[str]) -> str:
    quoted = [f"'{value}'" for value in values]
    return quoted[0] if len(quoted) == 1 else f"one of {', '.join(quoted[:-1])}, or {quoted[-1]}"


def check_safety_settings(settings: Sequence[Mapping[str, object]]) -> None:
    for index, setting in enumerate(settings):
        path = f"safety_settings[{index}].threshold"
        threshold = string(setting, "threshold", path)
        if threshold is not None and threshold not in THRESHOLDS:
            kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.SafetySetting.HarmBlockThreshold"
            raise invalid(f"Invalid value at '{path}' ({kind}), \"{threshold}\"")


def check_config(config: Mapping[str, object], model: Model) -> None:
    if (integer(config, "candidateCount", "generation_config.candidate_count") or 1) > 1:
        # unconfirmed by Google's pages; the text is the one several clients quote
        raise invalid("Multiple candidates is not enabled for this model")
    mime_type = string(config, "responseMimeType", "generation_config.response_mime_type") or ""
    if mime_type.startswith("image/"):
        # unconfirmed: the text. Format is the model's own choice and cannot be asked for.
        raise invalid(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, "
            "`application/json`, `application/xml`, `application/yaml` and `text/x.enum`.\n"
        )
    temperature = config.get("temperature")
    if isinstance(temperature, int | float) and not 0 <= temperature <= 2:
        raise invalid(
            f"* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0] "
            f"for models/{model.id}.\n"  # unconfirmed: the text
        )


def read_modalities(config: Mapping[str, object], model: Model) -> bool:
    """Whether text comes with the picture. Without the field both come: unconfirmed."""
    given = config.get("responseModalities")
    if given is None:
        return True
    values = cast("list[object]", given) if isinstance(given, list) else [given]
    modalities = {str(value).upper() for value in values}
    if "IMAGE" not in modalities or modalities - {"TEXT", "IMAGE"}:
        # unconfirmed: the text
        raise invalid(
            f"The requested combination of response modalities ({', '.join(sorted(modalities))}) is not supported by "
            f"the model. models/{model.id} accepts the following combination of response modalities:\n* IMAGE\n"
            "* TEXT, IMAGE\n"
        )
    return "TEXT" in modalities


def read_thinking(thinking: Mapping[str, object], model: Model) -> str | None:
    if thinking and not model.thinking:
        raise invalid("Thinking is not enabled for this model")  # unconfirmed: the text
    level = (string(thinking, "thinkingLevel", "generation_config.thinking_config.thinking_level") or "").lower()
    if level in {"", "thinking_level_unspecified"}:
        return model.thinking[0] if model.thinking else None
    if level not in model.thinking:
        raise invalid(f"Thinking level {level.upper()} is not supported for this model.")  # unconfirmed: the text
    return level


def read_size(config: Mapping[str, object], model: Model, sources: Sequence[bytes]) -> tuple[int, int, str]:
    path = "generation_config.image_config"
    ratio = string(config, "aspectRatio", f"{path}.aspect_ratio")
    if ratio and ratio not in model.sizes:
        known = sorted(model.sizes, key=lambda value: [int(side) for side in value.split(":")])
        raise invalid(f"* GenerateContentRequest.{path}.aspect_ratio: aspect_ratio must be {one_of(known)}.\n")
    image_size = string(config, "imageSize", f"{path}.image_size")
    if image_size and not model.image_sizes:
        raise invalid(
            f"Image size is not supported for models/{model.id}."
        )  # unconfirmed: text, and that it is refused
    if image_size and image_size not in model.image_sizes:
        # the status is documented for 512 on 2.1; the text is modelled on the one for aspect_ratio
        raise invalid(f"* GenerateContentRequest.{path}.image_size: image_size must be {one_of(model.image_sizes)}.\n")
    width, height = model.sizes[ratio or nearest_ratio(model, sources)]
    steps = TIERS[image_size or "1K"]
    return width * steps // 2, height * steps // 2, image_size or "1K"


def nearest_ratio(model: Model, sources: Sequence[bytes]) -> str:
    """Without a ratio an edit keeps that of its first picture, as near as the list allows."""
    if not sources:
        return "1:1"
    with Image.open(BytesIO(sources[0])) as source:
        wanted = math.log(source.width / source.height)
    return min(model.sizes, key=lambda ratio: abs(math.log(model.sizes[ratio][0] / model.sizes[ratio][1]) - wanted))


def read_contents(contents: Sequence[Mapping[str, object]], open_file: OpenFile) -> tuple[str, list[str], list[bytes]]:
    """The text of the last turn, every text, and every picture in order."""
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    last: list[str] = []
    texts: list[str] = []
    sources: list[bytes] = []
    for turn, content in enumerate(contents):
        role = string(content, "role", f"contents[{turn}].role")
        if role not in {None, "", "user", "model"}:
            raise invalid("Please use a valid role: user, model.")
        parts = messages(content, "parts")
        if not parts:
            raise invalid(f"* GenerateContentRequest.contents[{turn}].parts: contents.parts must not be empty.\n")
        last = []
        for index, part in enumerate(parts):
            path = f"contents[{turn}].parts[{index}]"
            text = string(part, "text", f"{path}.text")
            if text is not None:
                last.append(text)
            elif "inlineData" in part:
                sources.append(read_image(message(part, "inlineData"), f"{path}.inline_data"))
            elif "fileData" in part:
                uri = string(message(part, "fileData"), "fileUri", f"{path}.file_data.file_uri")
                sources.append(open_file(uri or ""))
            else:
                raise invalid(
                    f"* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized "
                    "field\n"
                )
        texts += last
    return "\n".join(last), texts, sources


def read_file(uri: str, key: str, world: World) -> bytes:
    """A picture of the Files API. This twin fetches nothing, so every other address is one it cannot read."""
    found = re.search(r"/files/([\w-]+)$", uri)
    if found is None:
        raise invalid("Cannot fetch content from the provided URL.")  # unconfirmed: the text
    content = _google_files.find(found[1], key, world).content
    check_image(content)
    return content


def no_such_file(file_id: str) -> Failure:
    text = f"You do not have permission to access the File {file_id} or it may not exist."
    return Failure(403, "PERMISSION_DENIED", text)


def read_image(blob: Mapping[str, object], path: str) -> bytes:
    mime_type = string(blob, "mimeType", f"{path}.mime_type") or ""
    if mime_type not in IMAGE_TYPES:
        raise invalid(f"Unsupported MIME type: {mime_type}")
    data = string(blob, "data", f"{path}.data") or ""
    try:
        # Google's own client sends the URL-safe alphabet, others the standard one: protobuf's JSON takes both.
        decoded = base64.b64decode(data.translate(str.maketrans("-_", "+/")) + "=" * (-len(data) % 4), validate=True)
    except binascii.Error as error:
        raise invalid(f"Invalid value at '{path}.data' (TYPE_BYTES), Base64 decoding failed") from error
    check_image(decoded)
    return decoded


def check_image(content: bytes) -> None:
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # HEIC and HEIF end here too: the vendor reads them, Pillow alone does not.
        raise invalid(
            "Unable to process input image. Please retry or report in "
            "https://developers.generativeai.google/guide/troubleshooting"
        ) from error


def generate(order: Order, model: Model, fault: Fault | None) -> dict[str, object]:
    if "forbidden-prompt" in order.prompt or fault == "moderation_prompt":
        return blocked_prompt(order, model)
    if "forbidden-output" in order.prompt or fault == "moderation_output":
        return blocked_picture(order, model)
    times = 2 if fault == "duplicate_bill" else 1
    parts: list[dict[str, object]] = []
    if order.with_thoughts:
        parts.append({"text": f"Planning the picture: {order.prompt}", "thought": True})
        parts.append(picture_part(paint(order, model, "1K"), model) | {"thought": True})
    if order.with_text:
        parts.append({"text": "Here is your picture."})
    parts.append(picture_part(paint(order, model, order.image_size, fault), model))
    if model.thinking:
        parts[-1]["thoughtSignature"] = base64.b64encode(secrets.token_bytes(48)).decode()
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    if order.grounded:
        candidate["groundingMetadata"] = {"webSearchQueries": [order.prompt], "groundingChunks": []}
    return envelope(model) | {"candidates": [candidate], "usageMetadata": usage(order, model, times)}


def cut_in_parts(body: dict[str, object]) -> Iterator[dict[str, object]]:
    """What is streamed: the same answer, part by part. Which fields come before the last one is unconfirmed."""
    for candidate in messages(body, "candidates"):
        for part in parts_of(candidate, "content")[:-1]:
            shown = {"content": {"role": "model", "parts": [part]}, "index": 0}
            yield {name: value for name, value in body.items() if name != "usageMetadata"} | {"candidates": [shown]}
        content = message(candidate, "content")
        last = (
            {**candidate, "content": {**content, "parts": parts_of(candidate, "content")[-1:]}}
            if content
            else candidate
        )
        yield {**body, "candidates": [last]}
    if "candidates" not in body:
        yield body


def envelope(model: Model) -> dict[str, object]:
    return {"modelVersion": model.id, "responseId": secrets.token_urlsafe(16)}


def blocked_prompt(order: Order, model: Model) -> dict[str, object]:
    """HTTP 200 without candidates. That only the prompt is counted then is unconfirmed."""
    prompt_tokens = prompt_usage(order, model)
    return envelope(model) | {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": prompt_tokens | {"totalTokenCount": prompt_tokens["promptTokenCount"]},
    }


def blocked_picture(order: Order, model: Model) -> dict[str, object]:
    """HTTP 200 and a candidate without parts. That the picture is not counted then is unconfirmed."""
    prompt_tokens = prompt_usage(order, model)
    candidate: dict[str, object] = {
        "content": {},
        "finishReason": "IMAGE_SAFETY",
        "finishMessage": "Unable to show the generated image. The image was filtered out because it violated Google's "
        "Generative AI Prohibited Use policy. You will not be charged for blocked images. Try rephrasing the prompt.",
        "index": 0,
    }
    return envelope(model) | {
        "candidates": [candidate],
        "usageMetadata": prompt_tokens | {"totalTokenCount": prompt_tokens["promptTokenCount"]},
    }


def prompt_usage(order: Order, model: Model, times: int = 1) -> dict[str, object]:
    text_tokens = order.text_tokens * times
    image_tokens = len(order.sources) * model.input_image_tokens * times
    details = [{"modality": "TEXT", "tokenCount": text_tokens}]
    if image_tokens:
        details.append({"modality": "IMAGE", "tokenCount": image_tokens})
    return {"promptTokenCount": text_tokens + image_tokens, "promptTokensDetails": details}


def usage(order: Order, model: Model, times: int) -> dict[str, object]:
    """The details name the picture's tokens only; text in the answer is the rest of candidatesTokenCount.

    `times` is how often everything is counted: once, unless the bill is to be wrong.
    """
    prompt = (order.text_tokens + len(order.sources) * model.input_image_tokens) * times
    picture = model.image_tokens[order.image_size] * times
    candidates = picture + (6 * times if order.with_text else 0)
    thoughts = THINKING_TOKENS[order.thinking] * times if order.thinking else 0
    counts: dict[str, object] = {
        "candidatesTokenCount": candidates,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": picture}],
        "totalTokenCount": prompt + candidates + thoughts,
    }
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    return prompt_usage(order, model, times) | counts


def picture_part(content: bytes, model: Model) -> dict[str, object]:
    data = base64.b64encode(content).decode()
    return {"inlineData": {"mimeType": f"image/{model.output_format}", "data": data}}


def paint(order: Order, model: Model, image_size: str, fault: Fault | None = None) -> bytes:
    width = order.width * TIERS[image_size] // TIERS[order.image_size]
    height = order.height * TIERS[image_size] // TIERS[order.image_size]
    see_through = "transparent" in order.prompt.lower() and fault != "not_a_picture"
    output_format: drawing.Format = "png" if see_through else model.output_format
    if order.sources:
        content = drawing.edit(
            sources=order.sources,
            prompt=order.prompt,
            width=width,
            height=height,
            mask=None,
            repaint="white",
            output_format=output_format,
            transparent=see_through,
            seed=order.seed,
            fault=fault,
        )
    else:
        content = drawing.draw(
            prompt=order.prompt,
            width=width,
            height=height,
            output_format=output_format,
            transparent=see_through,
            seed=order.seed,
            fault=fault,
        )
    return on_checkerboard(content, model) if see_through else content


def on_checkerboard(content: bytes, model: Model) -> bytes:
    """What these models paint when asked for transparency: the grey and white squares of an editor, opaque."""
    with Image.open(BytesIO(content)) as image:
        painted = image.convert("RGBA")
    board = Image.new("RGB", painted.size, "white")
    squares = ImageDraw.Draw(board)
    for y in range(0, painted.height, SQUARE):
        for x in range(y // SQUARE % 2 * SQUARE, painted.width, 2 * SQUARE):
            squares.rectangle((x, y, x + SQUARE - 1, y + SQUARE - 1), fill="#cccccc")
    board.paste(painted, mask=painted)
    buffer = BytesIO()
    board.save(buffer, model.output_format)
    return buffer.getvalue()


TWIN = Google
