"""WaveSpeedAI: a twin of submit, result, sync mode, webhook, quote, charges and uploads.

Sources, read 2026-11-23: the SDK wavespeed 2.0.5; wavespeed-cli 0.2.2; wavespeed.ai/docs (submit-task, error-codes,
how-to-use-webhooks, verify-webhooks, upload-files-api); model pages under wavespeed.ai/docs/docs-api; models
and prices as the catalogue and the quote endpoint gave them on 2026-09-23, in documents/price.md of
Wujidadi/image-generation-with-wavespeed-api. A comment says "unconfirmed" where no source was found.

Marks in a prompt steer a task: "forbidden-prompt" and "forbidden-output" fail it for moderation, "task-error" for an
error upstream, "task-timeout" ends it as `timeout`, "never-ready" keeps it processing (in sync mode: the documented
timeout), "unknown-status" gives a status nobody documents. The header x-simulate-polls on submit sets how many polls
are answered before the task ends. Keys begin with sim-; sim-no-credits has no balance.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from . import _hosting, _webhooks, painting
from ._fields import Fields, Invalid, Picture, read_fields
from .painting import Painting
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .faults import Fault
    from .world import World

API = "/api/v3/"
FILES = "/files/"
POLLS = 2
MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_UPLOAD_BYTES = 200 * 1024 * 1024
FIRST_BALANCE = Decimal(100)
MILLION = 1_000_000
RATIOS_2 = ("1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
RATIOS_2_5 = (*RATIOS_2, "1:2", "2:1", "1:3", "3:1", "9:21")
RATIOS_BANANA = (*RATIOS_2, "1:4", "4:1", "1:8", "8:1")
MORE_QUALITIES = ("low", "medium", "high", "xhigh", "max")
SIDES = (256, 4096)
"""Of sizes written W*H: unconfirmed."""


@dataclass(frozen=True, slots=True)
class Model:
    """What it does not list, it ignores: a `size` where ratios are meant is neither used nor refused."""

    base_price: str
    """US dollars: of the default, and of every cell nobody published."""
    cells: Mapping[str, str] = field(default_factory=dict[str, str])
    """US dollars by "quality resolution", or by resolution where there is no quality."""
    ratios: tuple[str, ...] = ()
    sized: bool = False
    """Whether it takes a size written W*H."""
    tiers: tuple[str, ...] = ("1k", "2k", "4k")
    qualities: tuple[str, ...] = ()
    formats: tuple[painting.Format, ...] = ("png", "jpeg")
    """The default first."""
    images: int = 0
    """The most sources of an edit; 0: it does not edit."""
    reference_price: str = "0"
    """Of each source after the first."""
    mask: bool = False
    seed: bool = False
    many: int = 1
    """The most `num_images`."""
    pictures: int = 1
    """Of one call that names no number."""
    discount: int = 100
    """Per cent of the price that is charged."""
    ends: date | None = None
    """The first day it is not there."""

    def price(self, fields: Fields) -> Decimal:
        """Before the discount."""
        names = [fields.text("resolution") or self.tiers[0]]
        if self.qualities:
            names.insert(0, fields.text("quality") or "medium")
        one = Decimal(self.cells.get(" ".join(names), self.base_price))
        further = max(0, len(fields.items("images")) - 1) * Decimal(self.reference_price)
        return (one + further) * (fields.integer("num_images", 1, self.many) or 1)

    def charge(self, fields: Fields) -> Decimal:
        return self.price(fields) * self.discount / 100


def cells(**tiers: str) -> dict[str, str]:
    """`low="0.01 0.02"` is the price of low at 1k and at 2k."""
    return {
        f"{quality} {tier}": price
        for quality, prices in tiers.items()
        for tier, price in zip(("1k", "2k", "4k"), prices.split(), strict=False)
    }


GPT_2 = Model("0.06", cells(low="0.01", medium="0.06", high="0.22"), RATIOS_2, qualities=("low", "medium", "high"))
GPT_2_5 = Model(
    "0.024",
    cells(
        low="0.01 0.02 0.03",
        medium="0.024 0.04 0.07",
        high="0.09 0.15 0.27",
        xhigh="0.16 0.27 0.48",
        max="0.36 0.6 1.0",
    ),
    RATIOS_2_5,
    qualities=MORE_QUALITIES,
    formats=("png", "jpeg", "webp"),
)
# unconfirmed: the catalogue says 0.039 for medium at 1k, a third party the price of a picture made and 0.010
EDIT_2_5 = replace(
    GPT_2_5,
    base_price="0.039",
    cells={cell: str(Decimal(price) + Decimal("0.01")) for cell, price in GPT_2_5.cells.items()}
    | {"medium 1k": "0.039"},
    images=16,
    reference_price="0.012",
)
GPT_2_6 = replace(GPT_2_5, base_price="0.045", cells={}, formats=("png", "jpeg", "webp", "gif", "svg"))
EDIT_2_6 = replace(GPT_2_6, formats=("png", "jpeg", "webp"), images=16, mask=True)
GPT_1_5 = replace(GPT_2, base_price="0.04", cells={}, ends=date(2026, 12, 1))  # the day OpenAI ends it
BANANA = Model("0.07", {"0.5k": "0.045", "4k": "0.14"}, RATIOS_BANANA)
BANANA_PRO = Model("0.14", {"4k": "0.24"}, RATIOS_2)
SEEDREAM = Model("0.045", {"2k": "0.09"}, RATIOS_2_5, tiers=("1k", "1.5k", "2k"), formats=("jpeg", "png"))
SEEDREAM_FLASH = replace(SEEDREAM, base_price="0.027", cells={})
SEEDREAM_4 = Model("0.04", sized=True, formats=("jpeg", "png"))
FLUX = Model("0.012", sized=True, formats=("jpeg", "png"), seed=True)
QWEN = Model("0.02", ratios=RATIOS_2_5, sized=True, tiers=("1k", "1.5k", "2k"), seed=True)
OTHER = Model("0.03", ratios=RATIOS_2_5, sized=True, formats=("png", "jpeg", "webp"), seed=True)
"""unconfirmed: all but the price of those made from it."""

MODELS: Mapping[str, Model] = {
    "openai/gpt-image-2/text-to-image": replace(GPT_2, discount=95),
    "openai/gpt-image-2/edit": replace(GPT_2, base_price="0.07", cells={"medium 1k": "0.07"}, images=16),
    "openai/gpt-image-2.5-flare/text-to-image": GPT_2_5,
    "openai/gpt-image-2.5-sunburst/text-to-image": GPT_2_5,
    "openai/gpt-image-2.5-flare/edit": EDIT_2_5,
    "openai/gpt-image-2.5-sunburst/edit": EDIT_2_5,
    "openai/gpt-image-2.6-flare/text-to-image": GPT_2_6,
    "openai/gpt-image-2.6-sunburst/text-to-image": GPT_2_6,
    "openai/gpt-image-2.6-flare/edit": EDIT_2_6,
    "openai/gpt-image-2.6-sunburst/edit": EDIT_2_6,
    "openai/gpt-image-1.5/text-to-image": GPT_1_5,
    "openai/gpt-image-1.5/edit": replace(GPT_1_5, base_price="0.10", images=16),
    "google/nano-banana-2.1/text-to-image": replace(BANANA, cells={}),  # unconfirmed: its price
    "google/nano-banana-2.1/edit": replace(BANANA, cells={}, images=14),
    "google/nano-banana-2/text-to-image": replace(BANANA, tiers=("1k", "0.5k", "2k", "4k"), discount=90),
    "google/nano-banana-2/edit": replace(BANANA, tiers=("1k", "0.5k", "2k", "4k"), images=14),
    "google/nano-banana-2/text-to-image-fast": replace(BANANA, base_price="0.045", cells={}),
    "google/nano-banana-2-lite/text-to-image": replace(BANANA, base_price="0.04", cells={}),
    "google/nano-banana-pro/text-to-image": replace(BANANA_PRO, discount=90),
    "google/nano-banana-pro/text-to-image-ultra": replace(
        BANANA_PRO, base_price="0.15", cells={"8k": "0.18"}, tiers=("4k", "8k")
    ),
    "google/nano-banana-pro/edit": replace(BANANA_PRO, images=14),
    "bytedance/seedream-v5.0-pro": replace(SEEDREAM, discount=90),
    "bytedance/seedream-v5.0-pro/edit": replace(SEEDREAM, images=10),
    "bytedance/seedream-v5.0-lite": replace(SEEDREAM_4, base_price="0.035"),
    "bytedance/seedream-v5.0-lite/edit": replace(SEEDREAM_4, base_price="0.035", images=10),
    "bytedance/seedream-v5.0-flash": SEEDREAM_FLASH,
    "bytedance/seedream-v5.0-flash/edit": replace(SEEDREAM_FLASH, images=10),
    "bytedance/seedream-v4.5": SEEDREAM_4,
    "bytedance/seedream-v4.5/edit": replace(SEEDREAM_4, images=10),
    "bytedance/seedream-v4": replace(SEEDREAM_4, base_price="0.027"),
    "bytedance/seedream-v4/edit": replace(SEEDREAM_4, base_price="0.027", images=10),
    "alibaba/qwen-image-3.0/text-to-image": replace(QWEN, base_price="0.03"),
    "alibaba/qwen-image-3.0/edit": replace(QWEN, base_price="0.03", images=3),  # unconfirmed: how many
    "alibaba/qwen-image-3.0-pro/text-to-image": replace(QWEN, base_price="0.04", cells={"2k": "0.075"}),
    "alibaba/qwen-image-3.0-pro/edit": replace(QWEN, base_price="0.04", cells={"2k": "0.075"}, images=3),
    "wavespeed-ai/qwen-image-2.1/text-to-image": replace(QWEN, cells={"1.5k": "0.04", "2k": "0.08"}),
    "wavespeed-ai/qwen-image-2.0/text-to-image": replace(QWEN, base_price="0.03"),
    "wavespeed-ai/qwen-image-2.0-pro/text-to-image": replace(QWEN, base_price="0.07"),
    "wavespeed-ai/qwen-image/text-to-image": QWEN,
    "wavespeed-ai/flux-2-max/text-to-image": replace(FLUX, base_price="0.07"),
    "wavespeed-ai/flux-2-flex/text-to-image": replace(FLUX, base_price="0.06"),
    "wavespeed-ai/flux-2-turbo/text-to-image": replace(FLUX, base_price="0.04"),
    "wavespeed-ai/flux-2-flash/text-to-image": replace(FLUX, base_price="0.025"),
    "wavespeed-ai/flux-2-dev/text-to-image": FLUX,
    "wavespeed-ai/flux-2-klein-9b/text-to-image": replace(FLUX, base_price="0.01"),
    "wavespeed-ai/flux-2-klein-base-9b/text-to-image": replace(FLUX, base_price="0.015"),
    "wavespeed-ai/flux-dev": replace(FLUX, many=4),
    "wavespeed-ai/flux-dev-ultra-fast": replace(FLUX, base_price="0.005", many=4),
    "wavespeed-ai/flux-schnell": replace(FLUX, base_price="0.003", many=4),
    "wavespeed-ai/z-image/turbo": replace(FLUX, base_price="0.005", formats=("jpeg", "png", "webp")),
    "wavespeed-ai/z-image/base": replace(FLUX, base_price="0.01", formats=("jpeg", "png", "webp")),
    "wavespeed-ai/krea-v2-large/text-to-image": replace(OTHER, base_price="0.06"),
    "wavespeed-ai/krea-v2-medium/text-to-image": OTHER,
    "wavespeed-ai/krea-v2-medium-turbo/text-to-image": replace(OTHER, base_price="0.015"),
    "wavespeed-ai/krea-v2/turbo": replace(OTHER, base_price="0.012", cells={"2k": "0.024"}),
    "wavespeed-ai/hunyuan-image-2.1": replace(OTHER, base_price="0.025"),
    "wavespeed-ai/hunyuan-image-3": replace(OTHER, base_price="0.1"),
    "wavespeed-ai/hunyuan-image-3-instruct/text-to-image": replace(OTHER, base_price="0.45"),
    "wavespeed-ai/minimax-h3/text-to-image": replace(OTHER, base_price="0.02", cells={"2k": "0.06"}),
    "alibaba/wan-2.5/text-to-image": OTHER,
    "alibaba/wan-2.6/text-to-image": OTHER,
    "alibaba/wan-2.7/text-to-image": OTHER,
    "alibaba/wan-2.7/text-to-image-pro": replace(OTHER, base_price="0.075"),
    "ideogram-ai/ideogram-v4": replace(OTHER, base_price="0.05"),
    "ideogram-ai/ideogram-v4.5": replace(OTHER, base_price="0.05"),  # unconfirmed: its price
    "kwaivgi/kling-image-v3/text-to-image": replace(OTHER, base_price="0.028", many=9),
    "nvidia/cosmos-3-super/text-to-image": replace(OTHER, base_price="0.04"),
    "x-ai/grok-imagine-image-v2.0/text-to-image": replace(OTHER, base_price="0.05"),
    # its page has neither ratio nor size; unconfirmed: its price
    "x-ai/grok-imagine-image-v2.0/edit": Model(
        "0.05", ratios=RATIOS_2, tiers=("2k", "1k"), qualities=("low", "medium"), images=1
    ),
    "z-ai/glm-image/text-to-image": replace(OTHER, base_price="0.12"),
    "recraft-ai/recraft-20b": replace(OTHER, base_price="0.022"),
    "recraft-ai/recraft-20b-svg": replace(OTHER, base_price="0.044", formats=("svg",), seed=False),
    "recraft-ai/recraft-v3": replace(OTHER, base_price="0.04"),
    "midjourney/text-to-image": replace(OTHER, base_price="0.1", pictures=4),
}


class Failure(Exception):
    """unconfirmed: the words of all of them, and the status and `error_code` of an empty balance."""

    def __init__(self, status: int, message: str, error_code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": status, "message": message} | ({"error_code": error_code} if error_code else {})


@dataclass(slots=True)
class Task:
    id: str
    key: str
    name: str
    inputs: Mapping[str, object]
    prompt: str
    paintings: list[Painting]
    """Empty when a picture of the request could not be fetched, which fails the task and not the submit."""
    as_base64: bool
    charge: Decimal
    created: datetime
    polls_left: int
    fault: Fault | None
    status: str = "created"
    error: str = ""
    code: int = 0
    outputs: list[str] = field(default_factory=list[str])
    deleted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Wavespeed:
    name = "wavespeed"

    def __init__(self) -> None:
        self.webhook_secret = f"whsec_{secrets.token_hex(32)}"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /api/v3/{model}, GET /api/v3/predictions/{id}/result, and the calls of `serve`."""
        if request.path.startswith(FILES):
            return self.files(request, world)
        try:
            return self.serve(request, world)
        except Failure as failure:
            return Answer.json(failure.body, failure.status)
        except Invalid as invalid:
            return Answer.json(Failure(400, str(invalid), "invalid_parameter").body, 400)

    def serve(self, request: Request, world: World) -> Answer:
        if not request.path.startswith(API):
            raise Failure(404, "page not found")
        key = check_key(request)
        check_service(world.fault)
        match request.method, request.path.removeprefix(API):
            case "GET", "models":
                return told([describe(name, model) for name, model in MODELS.items() if is_there(model, world)])
            case "GET", "balance":
                return told({"balance": float(balance(key, world))})
            case "GET", "webhook/secret":
                return told(self.webhook_secret)  # unconfirmed: that it is not in an object
            case "POST", "model/price" | "model/pricing":
                return told(quote(read_fields(request), world))
            case "POST", "billings/search":
                return told({"items": self.charges(key, read_fields(request), world)})
            case "POST", "predictions":
                return told(self.history(key, read_fields(request), world))
            case "POST", "predictions/delete":
                return told({"deleted_count": self.delete(key, read_fields(request), world)})
            case "POST", "media/uploads":
                return told(ticket(read_fields(request), world))
            case "POST", "upload" | "media/upload/binary":
                return told(upload(read_fields(request), world))
            case "GET", path if found := re.fullmatch(r"predictions/(\w+)(?:/result)?", path):
                return told(self.progress(self.task(found[1], key, world), world))
            case "POST", path:
                return told(self.submit(path, key, request, world))
            case _:
                raise Failure(404, "page not found")

    def files(self, request: Request, world: World) -> Answer:
        """Anyone may fetch a file; putting one takes a ticket."""
        file_id = request.path.removeprefix(FILES).partition("/")[0].partition(".")[0]
        if request.method == "PUT":
            waiting = _hosting.find(file_id, world)
            if waiting is None or waiting.content:
                return Answer(403, b"", "application/xml")
            world.keep(file_id, _hosting.File(request.body, request.headers.get("content-type", "")))
            return Answer(200, b"", "")
        return _hosting.deliver(file_id, world)

    # Tasks

    def submit(self, name: str, key: str, request: Request, world: World) -> dict[str, object]:
        model = find_model(name, world)
        webhook = request.query.get("webhook")
        if webhook is not None and not _webhooks.is_allowed(webhook):
            raise Invalid("webhook", "the simulator calls http:// loopback addresses only")
        fields = read_fields(request)
        prompt = fields.needed("prompt")
        try:
            paintings = read(prompt, fields, model, world)
        except Invalid as problem:
            if not problem.problem.startswith("could not be downloaded"):
                raise
            paintings = []
        charge = model.charge(fields) * (2 if world.fault == "duplicate_bill" else 1)
        if balance(key, world) < charge:
            raise no_balance()
        spend(key, charge, world)
        polls = request.headers.get("x-simulate-polls", "")
        task = Task(
            secrets.token_hex(16),
            key,
            name,
            fields.values,
            prompt,
            paintings,
            fields.flag("enable_base64_output") or False,
            charge,
            world.now,
            int(polls) if polls.isdigit() else POLLS,
            world.fault,
        )
        world.keep(task.id, task)
        if webhook is not None:
            _webhooks.send(webhook, self.notices(task, world))
        if fields.flag("enable_sync_mode"):
            return self.wait(task, world)
        return view(task, world)

    def wait(self, task: Task, world: World) -> dict[str, object]:
        """Sync mode: the end, or after the server's own wait, which is not waited here, the task as it runs on."""
        task.polls_left = 0
        answer = self.progress(task, world)
        if answer["status"] != "processing":
            return answer
        return answer | {"code": 5004, "error": "Sync mode timed out, please query the result later"}

    def task(self, task_id: str, key: str, world: World) -> Task:
        task = world.jobs.get(task_id)
        if not isinstance(task, Task) or task.key != key or task.deleted:
            raise Failure(404, "prediction not found")
        return task

    def progress(self, task: Task, world: World) -> dict[str, object]:
        """One poll further: the next state, or the end."""
        with task.lock:
            if task.status in {"created", "processing"}:
                self.advance(task, world)
            return view(task, world)

    def advance(self, task: Task, world: World) -> None:
        task.polls_left -= 1
        if task.polls_left >= 0 or "never-ready" in task.prompt:
            task.status = "processing"
        elif not task.paintings:
            task.status, task.code = "failed", 1402
            task.error = "Failed to download image from the provided URL."
        elif "unknown-status" in task.prompt:
            task.status = "simmering"
        elif "task-timeout" in task.prompt:
            task.status, task.code, task.error = "timeout", 5004, "The request timed out."
        elif "task-error" in task.prompt:
            task.status, task.code, task.error = "failed", 1405, "upstream request failed: HTTP 503"
        elif is_refused(task):
            # the code is documented; the words are those of its description
            task.status, task.code, task.error = "failed", 1200, "The content contains sensitive information."
        else:
            task.outputs = [self.paint(task, index, world) for index in range(len(task.paintings))]
            task.status = "completed"
        if not is_charged(task):
            spend(task.key, -task.charge, world)

    def paint(self, task: Task, index: int, world: World) -> str:
        wanted = task.paintings[index]
        content = wanted.paint(task.fault, index)
        if task.as_base64:
            text = base64.b64encode(content).decode()
            # the server cuts in answers to the call that asked for the fault; this is the answer to another
            return text[: len(text) // 8 * 4 + 1] if task.fault == "truncated_base64" else text
        file_id = _hosting.host(_hosting.cut(content, task.fault), wanted.media_type, world)
        return f"{world.base_url}/{self.name}{FILES}{file_id}.{wanted.extension}"

    def notices(self, task: Task, world: World) -> Iterator[tuple[bytes, Mapping[str, str]]]:
        """One, when the task has ended: the prediction without an envelope, with what went in."""
        task.polls_left = 0
        ended = self.progress(task, world)
        if ended["status"] == "processing":
            return
        body = json.dumps(ended | {"input": task.inputs}).encode()
        webhook_id, timestamp = secrets.token_hex(13), str(int(world.now.timestamp()))
        key = self.webhook_secret.removeprefix("whsec_").encode()
        signature = hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        yield (
            body,
            {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": f"v3,{signature}"},
        )

    def tasks(self, key: str, world: World) -> list[Task]:
        with world.lock:
            return [job for job in world.jobs.values() if isinstance(job, Task) and job.key == key]

    def history(self, key: str, fields: Fields, world: World) -> dict[str, object]:
        """The newest first. unconfirmed: the names of the members but `items`."""
        page, size = fields.integer("page", 1, 10_000) or 1, fields.integer("page_size", 1, 100) or 20
        status, model = fields.text("status"), fields.text("model")
        found = [
            task
            for task in reversed(self.tasks(key, world))
            if not task.deleted and status in {None, task.status} and model in {None, task.name}
        ]
        items = [
            view(task, world) | ({"inputs": task.inputs} if fields.flag("include_inputs") else {})
            for task in found[(page - 1) * size : page * size]
        ]
        return {"page": page, "page_size": size, "total": len(found), "items": items}

    def delete(self, key: str, fields: Fields, world: World) -> int:
        tasks = [task for task in self.tasks(key, world) if task.id in fields.items("ids") and not task.deleted]
        for task in tasks:
            task.deleted = True
        return len(tasks)

    # Money

    def charges(self, key: str, fields: Fields, world: World) -> list[dict[str, object]]:
        """Neither submit nor result says what a task cost; this does."""
        wanted = fields.items("prediction_uuids")
        return [
            {
                "uuid": hashlib.sha256(task.id.encode()).hexdigest()[:32],
                "billing_type": "deduct",  # unconfirmed: the word
                "price": float(task.charge),
                "created_at": timestamp(task.created),
                "prediction": {"uuid": task.id},
            }
            for task in self.tasks(key, world)
            if is_charged(task) and (not wanted or task.id in wanted)
        ]


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sim-"):
        raise Failure(401, "Unauthorized: invalid API key")
    return key


def check_service(fault: Fault | None) -> None:
    if fault == "bad_key":
        raise Failure(401, "Unauthorized: invalid API key")
    if fault == "quota":
        raise no_balance()
    if fault == "rate_limit":
        raise Failure(429, "Rate limit exceeded: at most 10 images per minute, please try again later")
    if fault == "server_error":
        raise Failure(500, "Internal server error")
    if fault == "unavailable":
        raise Failure(503, "Service unavailable, please try again later")


def no_balance() -> Failure:
    return Failure(402, "Insufficient balance. Please top up your account to continue.", "insufficient_balance")


def balance(key: str, world: World) -> Decimal:
    if key.endswith("sim-no-credits"):
        return Decimal(0)
    return FIRST_BALANCE - Decimal(world.counters[f"wavespeed {key}"]) / MILLION


def spend(key: str, charge: Decimal, world: World) -> None:
    """Counted in millionths of a dollar."""
    with world.lock:
        world.counters[f"wavespeed {key}"] += round(charge * MILLION)


def told(data: object) -> Answer:
    return Answer.json({"code": 200, "message": "success", "data": data})


def is_there(model: Model, world: World) -> bool:
    return model.ends is None or world.today < model.ends


def find_model(name: str, world: World) -> Model:
    model = MODELS.get(name)
    if model is None or not is_there(model, world):
        raise Failure(404, f"model {name} not found")
    return model


def is_refused(task: Task) -> bool:
    marked = "forbidden-prompt" in task.prompt or "forbidden-output" in task.prompt
    return marked or task.fault in {"moderation_prompt", "moderation_output"}


def is_charged(task: Task) -> bool:
    """From the start; what fails is refunded, here without the hours it may take. unconfirmed: that a timeout is."""
    return task.status not in {"failed", "timeout"}


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def view(task: Task, world: World) -> dict[str, object]:
    prediction: dict[str, object] = {
        "id": task.id,
        "model": task.name,
        "status": task.status,
        "outputs": task.outputs,
        "urls": {"get": f"{world.base_url}/wavespeed{API}predictions/{task.id}/result"},
        "created_at": timestamp(task.created),
        "error": task.error,
        "timings": {"inference": 1000 if task.status == "completed" else 0},
    }
    return prediction | ({"code": task.code} if task.code else {})


# What was asked for


def read(prompt: str, fields: Fields, model: Model, world: World) -> list[Painting]:
    """One painting for each picture of the call."""
    named = fields.choice("output_format", model.formats)
    output_format = model.formats[0] if named is None else painting.output_format(named)
    sources = read_sources(fields, world, model.images) if model.images else []
    mask = None
    if model.mask and sources and fields.given("mask_image") is not None:
        # unconfirmed for 2.6: the name, which is that of gpt-image-1 here, and that transparent is painted anew
        mask = read_image(fields.given("mask_image"), "mask_image", world).content
    if model.qualities:
        fields.choice("quality", model.qualities)
    seed = fields.integer("seed", -1, 2**31 - 1) if model.seed else None
    wanted = Painting(
        prompt,
        size_of(fields, model, sources),
        output_format,
        [source.content for source in sources],
        mask,
        "transparent",
        transparent=output_format == "svg",
        seed=None if seed == -1 else seed,
    )
    return [wanted] * (fields.integer("num_images", 1, model.many) or model.pictures)


def read_sources(fields: Fields, world: World, most: int) -> list[Picture]:
    given = fields.items("images")
    if not given:
        raise Invalid("images", "is required")
    if len(given) > most:
        raise Invalid("images", f"must have at most {most} items")
    return [read_image(image, f"images[{index}]", world) for index, image in enumerate(given)]


def read_image(given: object, name: str, world: World) -> Picture:
    return _hosting.read_image(given, name, world, MAX_IMAGE_BYTES)


def size_of(fields: Fields, model: Model, sources: list[Picture]) -> tuple[int, int]:
    """Without a ratio or size an edit keeps its first picture's ratio, and others are square. The pixels of a tier
    and a ratio are unconfirmed, as is that multiples of 16 are painted."""
    tier = fields.choice("resolution", model.tiers) if model.ratios else None
    ratio = fields.choice("aspect_ratio", model.ratios) if model.ratios else None
    if ratio is not None:
        return painting.tiered(ratio, tier or model.tiers[0])
    written = fields.text("size") if model.sized else None
    if written is not None:
        found = re.fullmatch(r"(\d{1,5})\*(\d{1,5})", written)
        if not found or not all(SIDES[0] <= int(side) <= SIDES[1] for side in found.groups()):
            raise Invalid("size", f"must be width*height, each from {SIDES[0]} to {SIDES[1]}")
        return int(found[1]), int(found[2])
    side = painting.TIERS[tier or model.tiers[0]]
    return painting.fitted(sources[0].width / sources[0].height if sources else 1, side**2)


def quote(fields: Fields, world: World) -> dict[str, object]:
    name = fields.needed("model_id")
    model = find_model(name, world)
    inputs = fields.given("inputs")
    if not isinstance(inputs, dict):
        raise Invalid("inputs", "must be an object")
    given = Fields(cast("dict[str, object]", inputs), {}, is_form=False)
    return {
        "model_id": name,
        "price": float(model.price(given)),
        "discounted_price": float(model.charge(given)),
        "discount_rate": model.discount,
        "currency": "USD",
    }


def describe(name: str, model: Model) -> dict[str, object]:
    """unconfirmed: how the schema lists the values of a field; `formula` is left empty."""
    properties: dict[str, object] = {"prompt": {"type": "string"}}
    for field_name, values in (
        ("aspect_ratio", model.ratios),
        ("resolution", model.tiers if model.ratios else ()),
        ("quality", model.qualities),
        ("output_format", model.formats),
    ):
        if values:
            properties[field_name] = {"type": "string", "enum": list(values)}
    if model.images:
        properties["images"] = {"type": "array", "items": {"type": "string"}, "maxItems": model.images}
    if model.sized:
        properties["size"] = {"type": "string"}
    properties |= {flag: {"type": "boolean"} for flag in ("enable_sync_mode", "enable_base64_output")}
    schema = {"properties": properties, "required": ["prompt", *(["images"] if model.images else [])]}
    run = {"type": "model_run", "method": "POST", "api_path": f"{API}{name}", "request_schema": schema}
    return {
        "model_id": name,
        "name": name,
        "description": "",
        "type": "image-to-image" if model.images else "text-to-image",
        "base_price": float(model.base_price),
        "formula": "",
        "api_schema": {"api_schemas": [run]},
    }


# Uploads


def ticket(fields: Fields, world: World) -> dict[str, object]:
    fields.needed("filename")
    if fields.integer("size", 0, MAX_UPLOAD_BYTES) is None:
        raise Invalid("size", "is required")
    media_type = fields.text("content_type") or "application/octet-stream"
    url = f"{world.base_url}/wavespeed{FILES}{_hosting.host(b'', media_type, world)}"
    return {"download_url": url, "upload": {"method": "PUT", "url": url, "headers": {"content-type": media_type}}}


def upload(fields: Fields, world: World) -> dict[str, object]:
    """unconfirmed: the members beside the address."""
    pictures = fields.pictures("file", MAX_IMAGE_BYTES)
    if not pictures:
        raise Invalid("file", "is required")
    media_type = f"image/{pictures[0].format}"
    url = f"{world.base_url}/wavespeed{FILES}{_hosting.host(pictures[0].content, media_type, world)}"
    return {"type": "image", "url": url, "download_url": url, "size": len(pictures[0].content)}


TWIN = Wavespeed
