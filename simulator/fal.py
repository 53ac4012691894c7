"""fal.ai: a twin of the queue, of synchronous runs, of uploads and of signed webhooks.

fal spreads over hosts; here each is a folder. The queue (queue.fal.run) is the twin's root, synchronous runs (fal.run)
are under /run, the REST host (rest.fal.ai) is under /rest and the files (v3.fal.media) are under /cdn.

Sources, read 2026-11-23: fal-client 1.0.3; fal.ai/docs (inference-api, model-apis/errors, request errors, webhooks);
fal.ai/models/*/llms.txt. A bad key and an empty balance are worded as public threads quote them. A comment says
"unconfirmed" where no source was found.

Marks in a prompt steer a request: "forbidden-prompt" and "forbidden-output" are refused (Flux models answer the latter
with a black picture), "task-error" fails, "never-ready" stays in progress, "unknown-status" gives a status nobody
documents. The header x-simulate-polls on submit sets how many polls are answered before the end. Keys begin with sim-;
sim-no-credits is locked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import secrets
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, cast

from PIL import Image

from . import _ed25519, _hosting, _webhooks, painting, retouching
from ._fields import Fields, Invalid, Picture, read_fields
from .painting import Painting
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .faults import Fault
    from .world import World

STATES = ("IN_QUEUE", "IN_PROGRESS")
SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""unconfirmed: that every endpoint paints a preset at these pixels, even one below its least number of pixels."""
AUTO = {"auto_2K": 2048, "auto_3K": 3072, "auto_4K": 4096}
RATIOS = ("auto", "1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1")
RESOLUTIONS = ("1K", "2K", "4K")
TOKEN_LIFETIME = timedelta(hours=1)
LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
FLAGGED = "The content was flagged by a content checker."
DOCS = "https://docs.fal.ai/errors#"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What it does not list, it ignores: unconfirmed."""

    by: Literal["image_size", "aspect_ratio"] = "image_size"
    formats: tuple[painting.Format, ...] = ("png", "jpeg", "webp")
    """The default first."""
    size: str = "landscape_4_3"
    """The default."""
    autos: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    """The only sizes there are, the default first."""
    resolutions: tuple[str, ...] = RESOLUTIONS
    step: int = 1
    sides: tuple[int, int] = (64, 4096)
    pixels: tuple[int, int] = (1, 2**24)
    max_ratio: float = math.inf
    qualities: tuple[str, ...] = ()
    many: int = 4
    """The most `num_images`."""
    images: int = 0
    """The most sources of an edit; 0: it does not edit."""
    mask: str = ""
    """The field of the mask; empty: there is none."""
    mask_needed: bool = False
    one_image: bool = False
    """The source is `image_url` and not a list `image_urls`."""
    seed: bool = True
    negative_prompt: int | None = None
    """The most characters; None: there is none."""
    backgrounds: bool = False
    checker: bool = False
    """A refused picture is answered with a black one."""


GPT_2 = Endpoint(
    step=16,
    sides=(16, 3840),
    pixels=(655_360, 8_294_400),
    max_ratio=3,
    qualities=("auto", "low", "medium", "high"),
    seed=False,
)
GPT_2_5 = replace(GPT_2, qualities=(*GPT_2.qualities, "xhigh", "max"))
GPT_1_5 = replace(GPT_2, fixed=("1024x1024", "1536x1024", "1024x1536"), backgrounds=True)
BANANA = Endpoint("aspect_ratio")
SEEDREAM = Endpoint(
    formats=("png", "jpeg"), size="auto_2K", autos=("auto_2K",), pixels=(921_600, 4_624_220), max_ratio=16, many=6
)
SEEDREAM_4_5 = replace(SEEDREAM, autos=tuple(AUTO), pixels=(921_600, 2**24))  # unconfirmed: its pixels
FLUX_2 = Endpoint(formats=("jpeg", "png"), many=1, checker=True)
ULTRA = replace(FLUX_2, by="aspect_ratio", resolutions=("2K",))  # unconfirmed: its pixels
QWEN_2 = Endpoint(sides=(512, 2048), pixels=(262_144, 4_194_304), size="square_hd", negative_prompt=500)
GROK = Endpoint("aspect_ratio", resolutions=("1K",), seed=False)
IDEOGRAM = Endpoint(formats=("png",), size="square_hd", many=8, negative_prompt=5000)

ENDPOINTS: Mapping[str, Endpoint] = {
    "openai/gpt-image-2": GPT_2,
    "openai/gpt-image-2/edit": replace(GPT_2, images=16, mask="mask_url"),
    "openai/gpt-image-2.5/flare/text-to-image": GPT_2_5,
    "openai/gpt-image-2.5/sunburst/text-to-image": GPT_2_5,
    "openai/gpt-image-2.5/flare/edit": replace(GPT_2_5, images=16, mask="mask_url"),
    "openai/gpt-image-2.5/sunburst/edit": replace(GPT_2_5, images=16, mask="mask_url"),
    "fal-ai/gpt-image-1.5": GPT_1_5,
    "fal-ai/gpt-image-1.5/edit": replace(GPT_1_5, images=16, mask="mask_image_url"),
    "google/nano-banana-2.1": BANANA,
    "google/nano-banana-2.1/edit": replace(BANANA, images=14),
    "fal-ai/nano-banana-2": replace(BANANA, resolutions=("1K", "0.5K", "2K", "4K")),
    "fal-ai/nano-banana-2/edit": replace(BANANA, resolutions=("1K", "0.5K", "2K", "4K"), images=14),
    "fal-ai/nano-banana-pro": replace(BANANA, seed=False),
    "fal-ai/nano-banana-pro/edit": replace(BANANA, seed=False, images=14),
    "bytedance/seedream/v5/pro/text-to-image": SEEDREAM,
    "bytedance/seedream/v5/pro/us/text-to-image": SEEDREAM,
    "bytedance/seedream/v5/pro/edit": replace(SEEDREAM, images=10),
    "fal-ai/bytedance/seedream/v4.5/text-to-image": SEEDREAM_4_5,
    "fal-ai/bytedance/seedream/v4.5/edit": replace(SEEDREAM_4_5, images=10),
    "fal-ai/bytedance/seedream/v5/lite/edit": replace(SEEDREAM_4_5, images=10),
    "fal-ai/flux-2-pro": FLUX_2,
    "fal-ai/flux-2-pro/edit": replace(FLUX_2, images=8),
    "fal-ai/flux-2-max": FLUX_2,
    "fal-ai/flux-2": replace(FLUX_2, formats=("png", "jpeg", "webp"), many=4),
    "fal-ai/flux-2/edit": replace(FLUX_2, formats=("png", "jpeg", "webp"), many=4, images=4),
    "fal-ai/flux-2/klein/9b": replace(FLUX_2, formats=("png", "jpeg", "webp"), many=4),
    "fal-ai/flux-1/dev": replace(FLUX_2, many=4),
    "fal-ai/flux-pro/v1.1": replace(FLUX_2, many=4),
    "fal-ai/flux-pro/v1.1-ultra": replace(ULTRA, many=4),
    "fal-ai/flux/dev": replace(FLUX_2, many=4),
    "fal-ai/flux/schnell": replace(FLUX_2, many=4),
    "fal-ai/z-image/turbo": replace(FLUX_2, formats=("png", "jpeg", "webp"), many=4),
    "fal-ai/qwen-image-2/text-to-image": QWEN_2,
    "fal-ai/qwen-image-2/edit": replace(QWEN_2, images=3),
    "fal-ai/qwen-image-2/pro/text-to-image": QWEN_2,
    "fal-ai/qwen-image-2/pro/edit": replace(QWEN_2, images=3),
    "alibaba/qwen-image-3/text-to-image": QWEN_2,
    "fal-ai/recraft/v4/text-to-image": Endpoint(size="square_hd", many=1, seed=False),
    "xai/grok-imagine-image": GROK,
    "xai/grok-imagine-image/edit": replace(GROK, images=5),
    "fal-ai/recraft/v4/text-to-vector": Endpoint(formats=("svg",), size="square_hd", many=1, seed=False),
    "fal-ai/ideogram/v3": IDEOGRAM,
    "fal-ai/ideogram/v3/edit": replace(IDEOGRAM, images=1, one_image=True, mask="mask_url", mask_needed=True),
}


class Failure(Exception):
    """`detail` is a text for what the platform refuses, and a list for what a model does."""

    def __init__(
        self,
        status: int,
        detail: str | Sequence[Mapping[str, object]],
        kind: str = "",
        *,
        retryable: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail if isinstance(detail, str) else detail[0]["msg"])
        self.status = status
        self.body = {"detail": detail}
        self.kind = kind
        """What the queue calls `error_type`."""
        self.headers = {"x-fal-retryable": str(retryable).lower(), **(headers or {})}
        if kind:
            self.headers["x-fal-error-type"] = kind

    def answer(self) -> Answer:
        return Answer.json(self.body, self.status, self.headers)


def unprocessable(kind: str, message: str, *loc: str | int, given: object = None, **more: object) -> Failure:
    problem = {"loc": ["body", *loc], "msg": message, "type": kind, "url": DOCS + kind, "input": given, **more}
    return Failure(422, [problem], kind)


def refused(problem: Invalid, given: object) -> Failure:
    """unconfirmed: which of the documented types each of these problems has, and the words of all but a missing
    field."""
    kind, message = "value_error", problem.problem
    if message == "required":
        kind, message = "missing", "Field required"
    elif message.startswith("could not be downloaded"):
        kind = "file_download_error"
    elif message.startswith(("is not an image", "is not valid base64")):
        kind = "image_load_error"
    return unprocessable(kind, message, *([problem.field] if problem.field else []), given=given)


@dataclass(slots=True)
class Job:
    """A request in the queue."""

    id: str
    key: str
    app: str
    """What status, result and cancel are found under: the first two segments."""
    endpoint: str
    body: bytes
    states: tuple[str, ...]
    fault: Fault | None
    lifetime: timedelta | None
    polls: int = 0
    outcome: Mapping[str, object] | Failure | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Fal:
    name = "fal"

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)

    def answer(self, request: Request, world: World) -> Answer:
        """POST /{endpoint}, its /requests/{id}…, /run/{endpoint}, and what /rest and /cdn have."""
        request_id = str(uuid.uuid4())
        try:
            answer = self.serve(request, request_id, world)
        except Failure as failure:
            answer = failure.answer()
        return replace(answer, headers={"x-fal-request-id": request_id} | dict(answer.headers))

    def serve(self, request: Request, request_id: str, world: World) -> Answer:
        folder, _, rest = request.path.removeprefix("/").partition("/")
        if folder == "cdn":
            return self.cdn(rest, request, world)
        if folder == "rest" and rest == ".well-known/jwks.json":
            return Answer.json({"keys": [self.jwk()]})
        key = check_key(request)
        check_service(world.fault)
        if folder == "rest":
            return self.rest(rest, request, world)
        if folder == "run":
            return self.run(rest, request, world)
        found = re.fullmatch(
            r"/((?:(?:workflows|comfy)/)?[^/]+/[^/]+)/requests/([\w-]+)(/status|/cancel)?", request.path
        )
        if found:
            job = self.job(found[2], found[1], key, world)
            return self.poll(job, (found[3] or "").removeprefix("/"), request, world)
        if request.method != "POST":
            raise Failure(405, "Method Not Allowed")
        return self.submit(request.path.removeprefix("/"), key, request_id, request, world)

    # The queue

    def submit(self, endpoint: str, key: str, request_id: str, request: Request, world: World) -> Answer:
        """The body is not looked at yet: what is wrong with it is told by the result."""
        find_endpoint(endpoint)
        webhook = request.query.get("fal_webhook")
        if webhook is not None and not _webhooks.is_allowed(webhook):
            raise Failure(422, "The simulator calls http:// loopback addresses only")
        polls = request.headers.get("x-simulate-polls", "")
        states = STATES if not polls.isdigit() else (STATES[:1] + STATES[1:] * int(polls))[: int(polls)]
        app = "/".join(endpoint.split("/")[:2])
        job = Job(request_id, key, app, endpoint, request.body, states, world.fault, lifetime(request))
        world.keep(job.id, job)
        if webhook is not None:
            _webhooks.send(webhook, self.notices(job, world))
        waiting = {"status": "IN_QUEUE", "request_id": job.id, "gateway_request_id": job.id, "queue_position": 0}
        return Answer.json(waiting | links(job, world))

    def job(self, request_id: str, app: str, key: str, world: World) -> Job:
        job = world.jobs.get(request_id)
        if not isinstance(job, Job) or job.app != app or job.key != key:
            raise Failure(404, "Request not found", "not_found")  # unconfirmed: the words
        return job

    def poll(self, job: Job, what: str, request: Request, world: World) -> Answer:
        match request.method, what:
            case "GET", "status":
                return self.status(job, world, logs=request.query.get("logs", "").lower() in {"1", "true"})
            case "GET", "":
                return self.result(job)
            case "PUT", "cancel":
                return cancel(job)
            case _:
                raise Failure(405, "Method Not Allowed")

    def status(self, job: Job, world: World, *, logs: bool) -> Answer:
        state = self.advance(job, world)
        message = {"message": "painting", "level": "INFO", "source": "USER", "timestamp": world.now.isoformat()}
        body: dict[str, object] = {"status": state, "request_id": job.id} | links(job, world)
        if state == "IN_QUEUE":
            return Answer.json(body | {"queue_position": 0}, 202)
        body["logs"] = [message] if logs else None
        if state != "COMPLETED":
            return Answer.json(body, 202)
        body["metrics"] = {"inference_time": 1.0}
        if isinstance(job.outcome, Failure):
            body |= {"error": str(job.outcome), "error_type": job.outcome.kind}
        return Answer.json(body)

    def advance(self, job: Job, world: World) -> str:
        """One poll further: the state it is in then."""
        with job.lock:
            if job.outcome is not None:
                return "COMPLETED"
            job.polls += 1
            if b"never-ready" in job.body:
                return STATES[min(job.polls - 1, 1)]
            if b"unknown-status" in job.body:
                return "SIMMERING"
            if job.polls <= len(job.states):
                return job.states[job.polls - 1]
            self.finish(job, world)
            return "COMPLETED"

    def finish(self, job: Job, world: World) -> None:
        try:
            painted = replace(world, fault=job.fault)
            job.outcome = self.paint(job.endpoint, Request("POST", "", {}, {}, job.body), painted, job.lifetime)
        except Failure as failure:
            job.outcome = failure

    def result(self, job: Job) -> Answer:
        if job.outcome is None:
            raise Failure(400, "Request is still in progress")  # unconfirmed
        if isinstance(job.outcome, Failure):
            return job.outcome.answer()
        return Answer.json(job.outcome)

    def run(self, endpoint: str, request: Request, world: World) -> Answer:
        """The whole of it in one call, or the same as the one event of a stream."""
        if request.method != "POST":
            raise Failure(405, "Method Not Allowed")
        streams = endpoint not in ENDPOINTS and endpoint.endswith("/stream")
        endpoint = endpoint.removesuffix("/stream") if streams else endpoint
        find_endpoint(endpoint)
        if b"never-ready" in request.body:
            asked = {"x-fal-request-timeout-type": "user"} if "x-fal-request-timeout" in request.headers else {}
            raise Failure(504, "Request timed out", "request_timeout", retryable=True, headers=asked)
        output = self.paint(endpoint, request, world, lifetime(request))
        if streams:
            return Answer.events([f"data: {json.dumps(output)}\n\n".encode()])
        return Answer.json(output)

    # Painting

    def paint(self, name: str, request: Request, world: World, lifetime: timedelta | None) -> Mapping[str, object]:
        endpoint = ENDPOINTS[name]
        given: Mapping[str, object] = {}
        try:
            fields = read_fields(request)
            given = fields.values
            wanted = read(fields, endpoint, world)
            many = fields.integer("num_images", 1, endpoint.many) or 1
            inline = fields.flag("sync_mode") or False
        except Invalid as problem:
            raise refused(problem, given.get(problem.field, dict(given))) from problem
        check_prompt(wanted.prompt, world.fault)
        blocked = "forbidden-output" in wanted.prompt or world.fault == "moderation_output"
        if blocked and not endpoint.checker:
            raise unprocessable(
                "content_policy_violation",
                FLAGGED,
                "prompt",
                given=wanted.prompt,
                ctx={"categories": ["model_moderated"]},
            )
        images: list[dict[str, object]] = []
        for index in range(many):
            content = black(wanted) if blocked else wanted.paint(world.fault, index)
            images.append(self.image(content, wanted, world, lifetime, inline=inline))
        output: dict[str, object] = {"images": images}
        if endpoint.seed:
            output["seed"] = wanted.seed
        if endpoint.checker:
            output |= {"has_nsfw_concepts": [blocked] * many, "prompt": wanted.prompt, "timings": {"inference": 1.0}}
        if "nano-banana" in name:
            output["description"] = ""
        return output

    def image(
        self, content: bytes, wanted: Painting, world: World, lifetime: timedelta | None, *, inline: bool
    ) -> dict[str, object]:
        """Inline, nothing is stored. unconfirmed: what is told of a picture in that case."""
        width, height = wanted.size
        told: dict[str, object] = {"content_type": wanted.media_type, "width": width, "height": height}
        if inline:
            return told | {"url": f"data:{wanted.media_type};base64,{base64.b64encode(content).decode()}"}
        content = _hosting.cut(content, world.fault)
        file_id = _hosting.host(content, wanted.media_type, world, lifetime)
        name = f"{file_id}.{wanted.extension}"
        url = f"{world.base_url}/{self.name}/cdn/files/b/{name}"
        return told | {"url": url, "file_name": name, "file_size": len(content)}

    # Webhooks

    def jwk(self) -> dict[str, str]:
        public = base64.urlsafe_b64encode(_ed25519.public_key(self.secret)).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "x": public}

    def notices(self, job: Job, world: World) -> Iterator[tuple[bytes, Mapping[str, str]]]:
        """One, when the request has ended."""
        job.states = ()
        if self.advance(job, world) != "COMPLETED":
            return
        message: dict[str, object] = {"request_id": job.id, "gateway_request_id": job.id}
        if isinstance(job.outcome, Failure):
            # unconfirmed: the words of `error`
            error = f"Unexpected status code: {job.outcome.status}"
            message |= {"status": "ERROR", "error": error, "payload": job.outcome.body}
        else:
            message |= {"status": "OK", "payload": job.outcome}
        body = json.dumps(message).encode()
        user, timestamp = "user_simulated", str(int(world.now.timestamp()))
        signed = "\n".join((job.id, user, timestamp, hashlib.sha256(body).hexdigest()))
        yield (
            body,
            {
                "x-fal-webhook-request-id": job.id,
                "x-fal-webhook-user-id": user,
                "x-fal-webhook-timestamp": timestamp,
                "x-fal-webhook-signature": _ed25519.sign(self.secret, signed.encode()).hex(),
            },
        )

    # Files

    def rest(self, path: str, request: Request, world: World) -> Answer:
        if request.method == "POST" and path == "storage/upload/initiate":
            media_type, name = self.initiate(request)
            file_id = _hosting.host(b"", media_type, world, lifetime(request))
            url = f"{world.base_url}/{self.name}/cdn/files/b/{file_id}/{name}"
            return Answer.json({"upload_url": url, "file_url": url})
        if request.method == "POST" and path == "storage/auth/token":
            token = {
                "token": f"sim-cdn-{secrets.token_hex(8)}",
                "token_type": "Bearer",
                "base_url": f"{world.base_url}/{self.name}/cdn",
                "expires_at": (world.now + TOKEN_LIFETIME).isoformat(),
            }
            return Answer.json(token)
        raise Failure(404, "Not Found")

    def initiate(self, request: Request) -> tuple[str, str]:
        """The type and the name of a file to come, the latter without what would make another path of it."""
        try:
            fields = read_fields(request)
            return fields.needed("content_type"), re.sub(r"[^\w.-]", "_", fields.needed("file_name"))
        except Invalid as problem:
            raise refused(problem, None) from problem

    def cdn(self, path: str, request: Request, world: World) -> Answer:
        """Anyone may fetch a file. It is put where a ticket says, or sent with a token or a key."""
        if request.method == "POST" and path == "files/upload":
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            if scheme not in {"Bearer", "Key"} or not key.startswith("sim-"):
                raise unauthorized()
            media_type = request.headers.get("content-type", "application/octet-stream")
            file_id = _hosting.host(request.body, media_type, world, lifetime(request))
            return Answer.json({"access_url": f"{world.base_url}/{self.name}/cdn/files/b/{file_id}"})
        file_id = path.removeprefix("files/b/").partition("/")[0].partition(".")[0]
        if request.method == "PUT":
            waiting = _hosting.find(file_id, world)
            if waiting is None or waiting.content:
                return Answer(403, b"", "application/xml")
            world.keep(file_id, replace(waiting, content=request.body))
            return Answer(200, b"", "")
        return _hosting.deliver(file_id, world)


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "key" or not key:
        # unconfirmed: the words
        raise Failure(401, "Authentication is required to access this application. Check your API key.")
    if not key.startswith("sim-"):
        raise unauthorized()
    if key.endswith("sim-no-credits"):
        raise Failure(403, LOCKED)
    return key


def unauthorized() -> Failure:
    return Failure(401, "No user found for Key ID and Secret")


def check_service(fault: Fault | None) -> None:
    """unconfirmed: the words of the last three."""
    if fault == "bad_key":
        raise unauthorized()
    if fault == "quota":
        raise Failure(403, LOCKED)
    if fault == "rate_limit":
        raise Failure(429, "Too many concurrent requests. You can have at most 2.", "concurrency_limit", retryable=True)
    if fault == "server_error":
        raise Failure(500, "Internal Server Error", "internal_error", retryable=True)
    if fault == "unavailable":
        raise Failure(503, "Service Unavailable", "runner_connection_error", retryable=True)


def find_endpoint(name: str) -> None:
    """unconfirmed: the words."""
    if name in ENDPOINTS:
        return
    owner, _, rest = name.partition("/")
    app = rest.partition("/")[0]
    if any(known.startswith(f"{owner}/{app}/") or known == f"{owner}/{app}" for known in ENDPOINTS):
        raise Failure(404, f"Path /{rest.partition('/')[2]} not found")
    raise Failure(404, f"Application '{app}' not found")


def links(job: Job, world: World) -> dict[str, object]:
    """The sub-path of the endpoint is not part of them."""
    url = f"{world.base_url}/fal/{job.app}/requests/{job.id}"
    return {"response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}


def cancel(job: Job) -> Answer:
    """The words are documented, the status of the second is unconfirmed, as is what becomes of the request."""
    with job.lock:
        if job.outcome is not None:
            return Answer.json({"status": "ALREADY_COMPLETED"}, 400)
        job.outcome = Failure(499, "Request was cancelled", "client_cancelled")
    return Answer.json({"status": "CANCELLATION_REQUESTED"}, 202)


def lifetime(request: Request) -> timedelta | None:
    """Of the files this request leaves; None, the default here, for ever."""
    wanted = request.headers.get("x-fal-object-lifecycle-preference")
    if wanted is None:
        return None
    try:
        asked: object = json.loads(wanted)
    except ValueError as error:
        raise Failure(400, "X-Fal-Object-Lifecycle-Preference is not valid JSON") from error  # unconfirmed
    seconds = cast("dict[str, object]", asked).get("expiration_duration_seconds") if isinstance(asked, dict) else None
    return timedelta(seconds=seconds) if isinstance(seconds, int) else None


# What was asked for


def read(fields: Fields, endpoint: Endpoint, world: World) -> Painting:
    prompt = fields.needed("prompt")
    if endpoint.negative_prompt is not None:
        fields.text("negative_prompt", most=endpoint.negative_prompt)
    if endpoint.qualities:
        fields.choice("quality", endpoint.qualities)
    named = fields.choice("output_format", endpoint.formats)
    output_format = endpoint.formats[0] if named is None else painting.output_format(named)
    sources = read_sources(fields, endpoint, world)
    background = fields.choice("background", ("auto", "transparent", "opaque")) if endpoint.backgrounds else None
    if background == "transparent" and output_format == "jpeg":
        raise Invalid("background", "transparent needs png or webp")  # unconfirmed
    mask = read_mask(fields, endpoint, sources, world)
    seed = fields.integer("seed", 0, 2**32 - 1) if endpoint.seed else None
    if endpoint.seed and seed is None:
        seed = secrets.randbelow(2**32)
    return Painting(
        prompt,
        size_of(fields, endpoint, sources),
        output_format,
        [source.content for source in sources],
        mask,
        # OpenAI's masks are transparent where they are painted anew, Ideogram's black; unconfirmed through fal
        "transparent" if endpoint.qualities else "black",
        transparent=background == "transparent" or output_format == "svg",
        seed=seed,
    )


def read_sources(fields: Fields, endpoint: Endpoint, world: World) -> list[Picture]:
    if not endpoint.images:
        return []
    name = "image_url" if endpoint.one_image else "image_urls"
    given = fields.items(name)
    if not given:
        raise Invalid(name, "required")
    if len(given) > endpoint.images:
        raise Invalid(name, f"List should have at most {endpoint.images} items after validation, not {len(given)}")
    return [_hosting.read_image(image, name, world) for image in given]


def read_mask(fields: Fields, endpoint: Endpoint, sources: list[Picture], world: World) -> bytes | None:
    if not endpoint.mask:
        return None
    given = fields.given(endpoint.mask)
    if given is None and endpoint.mask_needed:
        raise Invalid(endpoint.mask, "required")
    if given is None:
        return None
    mask = _hosting.read_image(given, endpoint.mask, world)
    if mask.size != sources[0].size:
        raise Invalid(endpoint.mask, "must have the size of the image")  # unconfirmed
    return mask.content


def size_of(fields: Fields, endpoint: Endpoint, sources: list[Picture]) -> tuple[int, int]:
    """An edit without a size keeps that of its first picture, as near as the endpoint can: unconfirmed."""
    if endpoint.by == "aspect_ratio":
        ratio = fields.choice("aspect_ratio", RATIOS) or "auto"
        tier = fields.choice("resolution", endpoint.resolutions) or endpoint.resolutions[0]
        if ratio == "auto" and sources:
            return painting.fitted(sources[0].width / sources[0].height, painting.TIERS[tier.lower()] ** 2)
        return painting.tiered("1:1" if ratio == "auto" else ratio, tier)
    if endpoint.fixed:
        width, _, height = (fields.choice("image_size", endpoint.fixed) or endpoint.fixed[0]).partition("x")
        return int(width), int(height)
    given = fields.given("image_size")
    if isinstance(given, dict):
        return custom(Fields(cast("dict[str, object]", given), {}, is_form=False), endpoint)
    named = fields.choice("image_size", (*SIZES, *endpoint.autos, *(("auto",) if sources else ())))
    if (named is None or named == "auto") and sources:
        return near(sources[0], endpoint)
    named = named or endpoint.size
    return (AUTO[named], AUTO[named]) if named in AUTO else SIZES[named]


def near(source: Picture, endpoint: Endpoint) -> tuple[int, int]:
    pixels = min(max(source.pixels, endpoint.pixels[0]), endpoint.pixels[1])
    return source.size if pixels == source.pixels else painting.fitted(source.width / source.height, pixels)


def custom(size: Fields, endpoint: Endpoint) -> tuple[int, int]:
    width, height = (size.integer(side, *endpoint.sides) for side in ("width", "height"))
    if width is None or height is None:
        raise Invalid("image_size", "width and height are needed")
    if width % endpoint.step or height % endpoint.step:
        raise Invalid("image_size", f"width and height must be multiples of {endpoint.step}")
    if max(width, height) > endpoint.max_ratio * min(width, height):
        raise Invalid("image_size", f"the aspect ratio must be at most {endpoint.max_ratio}:1")
    if not endpoint.pixels[0] <= width * height <= endpoint.pixels[1]:
        raise Invalid("image_size", f"total pixels must be from {endpoint.pixels[0]} to {endpoint.pixels[1]}")
    return width, height


def check_prompt(prompt: str, fault: Fault | None) -> None:
    if "forbidden-prompt" in prompt or fault == "moderation_prompt":
        raise unprocessable(
            "content_policy_violation", FLAGGED, "prompt", given=prompt, ctx={"categories": ["violence"]}
        )
    if "task-error" in prompt:
        problem = {"loc": ["body"], "msg": "Internal server error", "type": "internal_server_error"}
        raise Failure(500, [problem | {"url": f"{DOCS}internal_server_error"}], "internal_server_error", retryable=True)


def black(wanted: Painting) -> bytes:
    output_format = "png" if wanted.output_format == "svg" else wanted.output_format
    return retouching.encode(Image.new("RGB", wanted.size, "black"), output_format)


TWIN = Fal
