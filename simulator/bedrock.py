"""Amazon Bedrock: a twin of InvokeModel for the image models that live there, Stability's.

Sources, read 2026-11-23: docs.aws.amazon.com/bedrock/latest/userguide model-parameters-stability-diffusion,
stable-image-services and model-lifecycle; botocore's model of bedrock-runtime; the signing process of AWS APIs,
docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. What the API says, as public threads
quote it: a field it does not know https://github.com/aws-samples/amazon-bedrock-client-for-mac/issues/121 and
https://github.com/BerriAI/litellm/issues/6826, a model at its end
https://github.com/aws-samples/amazon-bedrock-ai-karaoke/issues/21, an id without its profile
https://github.com/cline/cline/issues/2482, unknown keys https://github.com/Aider-AI/aider/issues/1986. A comment says
"unconfirmed" where no source was found; that sizes and styles are those of Stability's own API is unconfirmed too.

A call carries a Bedrock API key that begins with `sim-`, or a signature (Version 4), which is computed again and
compared, made with a key of CREDENTIALS. The signature names the region, which a host name does in reality; an API key
is that of us-west-2. Prompts holding "forbidden-prompt", "forbidden-image", "forbidden-output" or "inference-error" end
in a finish reason; "model-timeout", "model-error" and "model-not-ready" in an exception.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, unquote

from PIL import Image, ImageDraw

from . import drawing, retouching
from ._fields import Fields, Invalid, Picture, read_fields, read_picture
from .server import Answer, Request
from .stability import MAX_PROMPT, MAX_SEED, SIZES, STYLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Fault
    from .world import World

CREDENTIALS = {"AKIASIMULATED": ("sim-secret", None), "ASIASIMULATED": ("sim-secret", "sim-session")}
"""Secret key, and session token where the key is temporary, by access key."""
SERVICE = "bedrock"
CLOCK_SKEW = timedelta(minutes=5)
IMAGE_REGIONS = frozenset({"us-west-2"})
SERVICE_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-2"})
MAX_BODY_BYTES = 25 * 1024 * 1024
"""unconfirmed."""
MEGAPIXEL = 1_048_576
TRANSFER = ("style_strength", "composition_fidelity", "change_strength")
ENDED = frozenset(
    {
        "amazon.nova-canvas-v1:0",
        "amazon.titan-image-generator-v1",
        "amazon.titan-image-generator-v2:0",
        "stability.stable-diffusion-xl-v0",
        "stability.stable-diffusion-xl-v1",
    }
)
"""Past their end on every day: what they did is no part of this twin."""

Paint: TypeAlias = "Callable[[Order, Fault | None], bytes]"


class Failure(Exception):
    """An exception of the service, by its name."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message


def invalid(message: str) -> Failure:
    return Failure(400, "ValidationException", message)


def detailed(message: str) -> Failure:
    """What the model, not the service, refuses: the model's own JSON inside the message."""
    return invalid(json.dumps({"detail": message}))


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    prompt: str
    width: int
    height: int
    output_format: drawing.Format
    seed: int
    images: tuple[Picture, ...]
    mask: bytes | None
    """White where to paint, grown already."""
    offset: tuple[int, int]
    """Of the picture on its larger canvas."""
    paint: Paint


@dataclass(frozen=True, slots=True)
class Model:
    read: Callable[[Fields], Order]
    fields: tuple[str, ...]
    regions: frozenset[str]
    name: str | None = None
    """Of an image service, as its refusals have it: unconfirmed, but for control-sketch."""


# What each model reads, and how it paints


def generate(fields: Fields) -> Order:
    """Ultra and Core, and SD3 when it is not given an image."""
    fields.choice("mode", ("text-to-image",))
    return order(fields, *SIZES[fields.choice("aspect_ratio", SIZES) or "1:1"], prompt=needed_prompt(fields))


def generate_or_edit(fields: Fields) -> Order:
    if fields.choice("mode", ("text-to-image", "image-to-image")) != "image-to-image":
        return generate(fields)
    if fields.number("strength", 0, 1) is None:
        raise Invalid("strength", "required")
    image = needed(fields, "image")
    return order(fields, *nearest(image), image, prompt=needed_prompt(fields))


def inpaint(fields: Fields) -> Order:
    image = needed(fields, "image")
    return order(fields, *image.size, image, prompt=needed_prompt(fields), mask=marked(fields, image))


def erase(fields: Fields) -> Order:
    image = needed(fields, "image")
    return order(fields, *image.size, image, prompt="the scene behind", mask=marked(fields, image))


def search(what: str) -> Callable[[Fields], Order]:
    """Replaces or recolours what it finds, which is always in the middle here."""

    def read(fields: Fields) -> Order:
        fields.needed(what, MAX_PROMPT)
        fields.integer("grow_mask", 0, 20)
        image = needed(fields, "image")
        middle = retouching.encode(ellipse(image.size, 0.25), "png")
        return order(fields, *image.size, image, prompt=needed_prompt(fields), mask=middle)

    return read


def remove_background(fields: Fields) -> Order:
    image = needed(fields, "image")
    fields.choice("output_format", ("png", "webp"))
    return order(fields, *image.size, image, prompt="", paint=cut_out)


def control(fields: Fields) -> Order:
    fields.number("control_strength", 0, 1)
    image = needed(fields, "image")
    return order(fields, *image.size, image, prompt=needed_prompt(fields))


def style_guide(fields: Fields) -> Order:
    fields.number("fidelity", 0, 1)
    image = needed(fields, "image")
    ratio = fields.choice("aspect_ratio", SIZES) or "1:1"
    return order(fields, *SIZES[ratio], image, prompt=needed_prompt(fields))


def style_transfer(fields: Fields) -> Order:
    for name in TRANSFER:
        fields.number(name, 0, 1)
    image, style = needed(fields, "init_image"), needed(fields, "style_image")
    return order(fields, *image.size, image, style, prompt=prompt_of(fields))


def outpaint(fields: Fields) -> Order:
    left, right, up, down = (fields.integer(name, 0, 2000) or 0 for name in ("left", "right", "up", "down"))
    if not left + right + up + down:
        raise Invalid("left", "at least one of left, right, up, down must be positive")  # unconfirmed: the words
    fields.number("creativity", 0, 1)
    image = needed(fields, "image")
    size = (image.width + left + right, image.height + up + down)
    return order(fields, *size, image, prompt=prompt_of(fields), offset=(left, up), paint=extend)


def fast_upscale(fields: Fields) -> Order:
    """Four times each side: unconfirmed, as Stability's own documents say it of the sides and of the pixels."""
    image = needed(fields, "image")
    if min(image.size) < 32 or max(image.size) > 1536 or image.pixels > MEGAPIXEL:
        raise Invalid("image", "must have sides of 32 to 1536 pixels and at most 1 megapixel")
    return order(fields, image.width * 4, image.height * 4, image, prompt="", paint=enlarge)


def upscale(max_pixels: int | None) -> Callable[[Fields], Order]:
    """To four megapixels: unconfirmed."""

    def read(fields: Fields) -> Order:
        fields.number("creativity", 0.1, 0.5)
        image = needed(fields, "image")
        if max_pixels is not None and image.pixels > max_pixels:
            raise Invalid("image", "must have at most 1 megapixel")
        scale = max(1.0, (4 * MEGAPIXEL / image.pixels) ** 0.5)
        size = (round(image.width * scale), round(image.height * scale))
        return order(fields, *size, image, prompt=needed_prompt(fields), paint=enlarge)

    return read


def prompted(*more: str, images: tuple[str, ...] = ("image",)) -> tuple[str, ...]:
    """The fields of control-sketch, with others in the place of its own: unconfirmed for the other services."""
    return (*images, "prompt", *more, "negative_prompt", "seed", "output_format", "style_preset")


def generator(read: Callable[[Fields], Order]) -> Model:
    names = ("prompt", "negative_prompt", "mode", "strength", "seed", "output_format", "image", "aspect_ratio")
    return Model(read, names, IMAGE_REGIONS)


def service(name: str, read: Callable[[Fields], Order], fields: tuple[str, ...]) -> tuple[str, Model]:
    return f"stability.stable-{name}-v1:0", Model(read, fields, SERVICE_REGIONS, name.removeprefix("image-"))


GENERATORS = {
    "stability.stable-image-ultra-v1:1": generator(generate),
    "stability.stable-image-core-v1:1": generator(generate),
    "stability.sd3-5-large-v1:0": generator(generate_or_edit),
    # superseded, and alive
    "stability.stable-image-ultra-v1:0": generator(generate),
    "stability.stable-image-core-v1:0": generator(generate),
    "stability.sd3-large-v1:0": generator(generate_or_edit),
}
SERVICES = dict(
    (
        service("image-inpaint", inpaint, prompted("mask", "grow_mask")),
        service("image-erase-object", erase, ("image", "mask", "grow_mask", "seed", "output_format")),
        service("image-remove-background", remove_background, ("image", "output_format")),
        service("image-search-replace", search("search_prompt"), prompted("search_prompt", "grow_mask")),
        service("image-search-recolor", search("select_prompt"), prompted("select_prompt", "grow_mask")),
        service("image-control-sketch", control, prompted("control_strength")),
        service("image-control-structure", control, prompted("control_strength")),
        service("image-style-guide", style_guide, prompted("fidelity", "aspect_ratio")),
        service("style-transfer", style_transfer, prompted(*TRANSFER, images=("init_image", "style_image"))),
        service("outpaint", outpaint, prompted("left", "right", "up", "down", "creativity")),
        service("fast-upscale", fast_upscale, ("image", "seed", "output_format")),
        service("conservative-upscale", upscale(None), prompted("creativity")),
        service("creative-upscale", upscale(MEGAPIXEL), prompted("creativity")),
    )
)
"""Reached by their US profile only, `us.` before the id."""


# Fields that several models share


def order(
    fields: Fields,
    width: int,
    height: int,
    *images: Picture,
    prompt: str,
    mask: bytes | None = None,
    offset: tuple[int, int] = (0, 0),
    paint: Paint | None = None,
) -> Order:
    fields.text("negative_prompt", most=MAX_PROMPT)
    fields.choice("style_preset", STYLES)
    allowed: tuple[drawing.Format, ...] = ("png", "jpeg", "webp") if images else ("png", "jpeg")
    asked = fields.choice("output_format", allowed)
    output_format = allowed[allowed.index(asked)] if asked else "png"
    seed = fields.integer("seed", 0, MAX_SEED) or secrets.randbelow(MAX_SEED) + 1
    return Order(prompt, width, height, output_format, seed, images, mask, offset, paint or draw)


def prompt_of(fields: Fields) -> str:
    return fields.text("prompt", most=MAX_PROMPT) or ""


def needed_prompt(fields: Fields) -> str:
    return fields.needed("prompt", MAX_PROMPT)


def needed(fields: Fields, name: str) -> Picture:
    try:
        content = base64.b64decode(fields.needed(name), validate=True)
    except binascii.Error as error:
        raise Invalid(name, "is not valid base64") from error
    return read_picture(content, name)


def marked(fields: Fields, image: Picture) -> bytes:
    """White where to paint: the mask, or else where the picture is transparent; grown by 5 pixels if not told."""
    growth = fields.integer("grow_mask", 0, 20)
    if fields.given("mask") is not None:
        white = needed(fields, "mask").content
    elif image.has_alpha:
        white = retouching.transparency(image.content)
    else:
        raise Invalid("mask", "required")
    return retouching.grow(white, 5 if growth is None else growth)


def nearest(image: Picture) -> tuple[int, int]:
    return min(SIZES.values(), key=lambda size: abs(size[0] / size[1] - image.width / image.height))


# Painting


def draw(order: Order, fault: Fault | None) -> bytes:
    if not order.images:
        return drawing.draw(order.prompt, order.width, order.height, order.output_format, seed=order.seed, fault=fault)
    return drawing.edit(
        [image.content for image in order.images],
        order.prompt,
        order.width,
        order.height,
        mask=order.mask,
        repaint="white",
        output_format=order.output_format,
        seed=order.seed,
        fault=fault,
    )


def extend(order: Order, fault: Fault | None) -> bytes:
    size = (order.width, order.height)
    around = order.prompt or "the scene beyond"
    picture = retouching.extend(order.images[0].content, around, size, order.offset, order.seed)
    return retouching.spoilt(size, order.output_format, fault) or reencode(picture, order.output_format)


def enlarge(order: Order, fault: Fault | None) -> bytes:
    size = (order.width, order.height)
    spoilt = retouching.spoilt(size, order.output_format, fault)
    return spoilt or retouching.resize(order.images[0].content, size, order.output_format)


def cut_out(order: Order, fault: Fault | None) -> bytes:
    """What is round the middle goes; the colours stay."""
    spoilt = retouching.spoilt((order.width, order.height), order.output_format, fault)
    picture = retouching.open_picture(order.images[0].content)
    picture.putalpha(ellipse(picture.size, 0.04))
    return spoilt or retouching.encode(picture, order.output_format)


def ellipse(size: tuple[int, int], margin: float) -> Image.Image:
    """White on black, with that share of each side free around it."""
    mask = Image.new("L", size, 0)
    box = (size[0] * margin, size[1] * margin, size[0] * (1 - margin), size[1] * (1 - margin))
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def reencode(content: bytes, output_format: drawing.Format) -> bytes:
    with Image.open(BytesIO(content)) as picture:
        return retouching.encode(picture.convert("RGB"), output_format)


# The wire


class Bedrock:
    name = "bedrock"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /model/{id, percent-encoded}/invoke."""
        began = time.monotonic()
        headers = {"x-amzn-requestid": str(uuid.uuid4())}
        try:
            body = serve(request, world)
        except Failure as error:
            failure = error
        except Invalid as error:
            failure = detailed(str(error))  # unconfirmed: the words
        else:
            headers["x-amzn-bedrock-invocation-latency"] = str(int((time.monotonic() - began) * 1000))
            return Answer.json(body, headers=headers)
        headers["x-amzn-errortype"] = f"{failure.name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        return Answer.json({"message": failure.message}, failure.status, headers)


def serve(request: Request, world: World) -> dict[str, object]:
    found = re.fullmatch(r"/model/([^/]+)/invoke", request.path)
    if found is None or request.method != "POST":
        raise Failure(404, "UnknownOperationException", "")  # unconfirmed
    region = authenticate(request)
    check_service(world.fault)
    if len(request.body) > MAX_BODY_BYTES:
        raise Failure(413, "RequestEntityTooLargeException", "Request body exceeded the limit.")  # unconfirmed
    model = find_model(unquote(found[1]), region)
    try:
        fields = read_fields(request)
    except Invalid as error:
        raise invalid("Malformed input request, please reformat your input and try again.") from error
    check_fields(fields, model)
    ordered = model.read(fields)
    reason = refused(ordered, world.fault)
    if reason is not None:
        return {"finish_reasons": [reason]}
    picture = base64.b64encode(ordered.paint(ordered, world.fault)).decode()
    return {"seeds": [ordered.seed], "finish_reasons": [None], "images": [picture]}


def find_model(model_id: str, region: str) -> Model:
    if model_id in ENDED:
        raise Failure(
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS documentation for more "
            "details.",
        )
    if model_id in SERVICES:
        raise invalid(
            f"Invocation of model ID {model_id} with on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t "
            "supported. Retry your request with the ID or ARN of an inference profile that contains this model."
        )
    model = GENERATORS.get(model_id)
    if model_id.startswith("us."):
        model = SERVICES.get(model_id.removeprefix("us."))
    if model is None or region not in model.regions:
        raise invalid("The provided model identifier is invalid.")
    return model


def check_fields(fields: Fields, model: Model) -> None:
    for name in fields.names():
        if name in model.fields:
            continue
        if model.name is None:
            raise detailed(f"Invalid field in request. Available fields: {list(model.fields)}")
        available = ", ".join(model.fields)
        raise detailed(f"Invalid field '{name}' in request. Available fields for {model.name} are: {available}")


def refused(ordered: Order, fault: Fault | None) -> str | None:
    """Why no picture is made; a 200 all the same. Raises Failure for the model's own exceptions."""
    prompt = ordered.prompt
    if "model-timeout" in prompt:
        message = "The request took too long to process. Processing time exceeded the model timeout length."
        raise Failure(408, "ModelTimeoutException", message)
    if "model-error" in prompt:
        raise Failure(424, "ModelErrorException", "The request failed due to an error while processing the model.")
    if "model-not-ready" in prompt:
        raise Failure(429, "ModelNotReadyException", "The model specified in the request is not ready to serve.")
    if "forbidden-prompt" in prompt or fault == "moderation_prompt":
        return "Filter reason: prompt"
    if "forbidden-image" in prompt and ordered.images:
        return "Filter reason: input image"
    if "forbidden-output" in prompt or fault == "moderation_output":
        return "Filter reason: output image"
    return "Inference error" if "inference-error" in prompt else None


def check_service(fault: Fault | None) -> None:
    """The words are those of the exceptions' documentation."""
    if fault == "bad_key":
        raise unknown_token()
    if fault == "rate_limit":
        message = "Too many requests, please wait before trying again."
        raise Failure(429, "ThrottlingException", message)
    if fault == "quota":
        message = "Your request exceeds the service quota for your account."
        raise Failure(400, "ServiceQuotaExceededException", message)
    if fault == "server_error":
        raise Failure(500, "InternalServerException", "An internal server error occurred. Retry your request.")
    if fault == "unavailable":
        message = "The service isn't currently available. Try again later."
        raise Failure(503, "ServiceUnavailableException", message)


# Who may call


def authenticate(request: Request) -> str:
    """The region called."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise Failure(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    scheme, _, rest = authorization.partition(" ")
    if scheme == "AWS4-HMAC-SHA256":
        return verify(request, rest)
    if scheme.lower() != "bearer" or not rest.startswith("sim-"):
        message = "Authentication failed: Please make sure your API Key is valid."
        raise Failure(403, "AccessDeniedException", message)
    return "us-west-2"


def verify(request: Request, parameters: str) -> str:
    """The region of the signature's scope; raises Failure unless the signature is the one computed here."""
    parts = dict(re.findall(r"(\w+)=([^,\s]+)", parameters))
    found = re.fullmatch(r"([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request", parts.get("Credential", ""))
    stamp = request.headers.get("x-amz-date", "")
    if found is None or "SignedHeaders" not in parts or "Signature" not in parts or not stamp:
        message = "Authorization header requires 'Credential', 'Signature', 'SignedHeaders' and a date."
        raise Failure(403, "IncompleteSignatureException", message)
    access_key, day, region, service_name = found.groups()
    secret, session_token = CREDENTIALS.get(access_key, (None, None))
    if secret is None or request.headers.get("x-amz-security-token") != session_token:
        raise unknown_token()
    if service_name != SERVICE:
        raise bad_signature(f"Credential should be scoped to correct service: '{SERVICE}'.")
    check_date(stamp, day)
    signed = parts["SignedHeaders"].split(";")
    if "host" not in signed:
        raise bad_signature("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    scope = f"{day}/{region}/{service_name}/aws4_request"
    canonical = hashlib.sha256(canonical_request(request, signed).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.encode(), parts["Signature"].encode()):
        raise bad_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    return region


def canonical_request(request: Request, signed: list[str]) -> str:
    """The path is encoded once more than it was sent, as everywhere but at S3, and begins with the twin's folder."""
    path = quote(f"/{request.twin}{request.path}", safe="/-_.~")
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(request.query.items())
    )
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    payload = hashlib.sha256(request.body).hexdigest()
    return "\n".join((request.method, path, query, headers, ";".join(signed), payload))


def check_date(stamp: str, day: str) -> None:
    """Against the real clock and not the simulated day: clients sign with theirs."""
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise bad_signature("Date must be in ISO-8601 'basic format'.") from error
    if not stamp.startswith(day):
        raise bad_signature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    now = datetime.now(UTC)
    if abs(now - signed_at) > CLOCK_SKEW:
        word = "expired" if signed_at < now else "not yet current"
        raise bad_signature(f"Signature {word}: {stamp} is more than 5 min. from {now:%Y%m%dT%H%M%SZ}")


def unknown_token() -> Failure:
    message = "The security token included in the request is invalid."
    return Failure(403, "UnrecognizedClientException", message)


def bad_signature(message: str) -> Failure:
    return Failure(403, "InvalidSignatureException", message)


TWIN = Bedrock
