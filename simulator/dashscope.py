"""Alibaba Model Studio (DashScope), Qwen-Image and Wan: a twin of its three doors, of tasks, uploads and results.

Sources, read 2026-11-23: alibabacloud.com/help model-studio qwen-image-generation-and-editing-api-reference,
/error-code and /image-faq; dashscope 2.0.2. What the API says, as public threads quote it: a blocked prompt
https://github.com/QwenLM/Qwen/issues/938, a wrong key https://github.com/neverbiasu/ComfyUI-Image-Captioner/issues/6,
the wrong kind of call https://github.com/spring-ai-alibaba/spring-ai-extensions/pull/257. A comment says "unconfirmed"
where no source was found.

Prompts holding "forbidden-prompt" or "forbidden-output" are refused, "forbidden-one" loses the first picture of a
task, "soft-failure" fails inside a 200; "never-ready" stays RUNNING, "task-suspended" is SUSPENDED on its way,
"unknown-status" has a status nobody documents, "task-error" fails, "task-lost" is forgotten. The header
x-simulate-polls sets how many polls are answered before a task ends. Keys begin with sk-sim- or sim-; sim-no-credits
is overdue, sim-no-access may call no model.
"""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from . import _dashscope_files, drawing
from ._fields import Fields, Invalid, Picture, download, read_data_url, read_fields, read_picture
from .delivery import Links, stamp
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .faults import Fault
    from .world import World

Fetch: TypeAlias = "Callable[[str], bytes]"
"""What is at an address, one of an upload or another; raises Invalid."""
Door: TypeAlias = Literal["sync", "async", "text2image", "image2image", "compatible"]
PATHS: dict[str, Door] = {
    "/api/v1/services/aigc/multimodal-generation/generation": "sync",
    "/api/v1/services/aigc/image-generation/generation": "async",
    "/api/v1/services/aigc/text2image/image-synthesis": "text2image",
    "/api/v1/services/aigc/image2image/image-synthesis": "image2image",
    "/compatible-mode/v1/images/generations": "compatible",
}
TASK = re.compile(r"/api/v1/tasks/([\w-]+)(/cancel)?")
MIN_PIXELS, MAX_PIXELS = 512 * 512, 2048 * 2048
MAX_RATIO = 8
"""Third parties' number."""
BIG_PIXELS = 2_250_000
"""More than this is the 2K price."""
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_PROMPT, MAX_NEGATIVE_PROMPT = 800, 500
"""Of the 1.x and 2.x models; what is longer is cut without a word. unconfirmed for 3.0 and Wan, cut here as well."""
MAX_SEED = 2_147_483_647
LIFETIME = timedelta(hours=24)
"""Of results, and of tasks."""
DEFAULT_STATES = ("PENDING", "RUNNING")


@dataclass(frozen=True, slots=True)
class Model:
    doors: frozenset[Door]
    max_images: int
    n_max: int
    needs_image: bool = False
    image_sides: tuple[int, int] = (1, 100_000)
    counts_inputs: bool = False
    """Its usage has the names of the 3.0 models."""
    transparent: bool = False
    """Paints alpha when the prompt says "transparent". unconfirmed, as are the parameters for that and for masks."""
    launched: date = date(2025, 1, 1)


EVERY: frozenset[Door] = frozenset({"sync", "async", "compatible"})
BOTH: frozenset[Door] = frozenset({"sync", "async"})
QWEN_3 = Model(EVERY, max_images=3, n_max=6, counts_inputs=True, launched=date(2026, 7, 20))
QWEN_21 = Model(EVERY, max_images=10, n_max=6, transparent=True, launched=date(2026, 9, 20))  # unconfirmed: n
QWEN_2 = Model(EVERY, max_images=3, n_max=6)
QWEN_1 = Model(frozenset({"sync", "text2image"}), max_images=0, n_max=1)
QWEN_EDIT = Model(frozenset({"sync"}), 3, 1, needs_image=True, image_sides=(384, 3072))
WAN_27 = Model(BOTH, max_images=9, n_max=4)  # both numbers are unconfirmed
WAN_OLD = Model(frozenset({"text2image"}), max_images=0, n_max=4)
MODELS = {
    "qwen-image-3.0": QWEN_3,
    "qwen-image-3.0-pro": QWEN_3,
    "qwen-image-2.1": QWEN_21,
    "qwen-image-2.1-pro": QWEN_21,
    "qwen-image-2.0": QWEN_2,
    "qwen-image-2.0-pro": QWEN_2,
    "qwen-image": QWEN_1,
    "qwen-image-plus": QWEN_1,
    "qwen-image-max": QWEN_1,
    "qwen-image-edit": Model(frozenset({"sync"}), 1, 1, needs_image=True, image_sides=(384, 3072)),
    "qwen-image-edit-plus": QWEN_EDIT,
    "qwen-image-edit-max": QWEN_EDIT,
    "wan2.7-image": WAN_27,
    "wan2.7-image-pro": WAN_27,
    "wan2.6-t2i": Model(BOTH, max_images=0, n_max=4),
    "wan2.6-image": Model(BOTH, max_images=4, n_max=4),  # both numbers are unconfirmed
    "wan2.5-t2i-preview": WAN_OLD,
    "wan2.5-i2i-preview": Model(frozenset({"image2image"}), 3, 4, needs_image=True),  # unconfirmed
    "wan2.2-t2i-flash": WAN_OLD,
    "wan2.2-t2i-plus": WAN_OLD,
    "z-image-turbo": Model(frozenset({"sync"}), max_images=0, n_max=1),
}


class Failure(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> Failure:
    return Failure(400, "InvalidParameter", message)


def inappropriate(what: Literal["Input", "Output"]) -> Failure:
    return Failure(400, "DataInspectionFailed", f"{what} data may contain inappropriate content.")


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    prompt: str
    name: str
    model: Model
    width: int
    height: int
    n: int
    seed: int | None
    watermark: bool
    sources: tuple[Picture, ...]


@dataclass(slots=True)
class Task:
    id: str
    order: Order
    legacy: bool
    """Tells its results as the two older endpoints do."""
    states: tuple[str, ...]
    fault: Fault | None
    submitted: datetime
    polls: int = 0
    canceled: bool = False
    answer: dict[str, object] | None = None
    """Its end."""


class DashScope:
    name = "dashscope"

    def __init__(self) -> None:
        self.links = Links(self.name, LIFETIME)
        self.uploads = _dashscope_files.Uploads()

    def answer(self, request: Request, world: World) -> Answer:
        """POST at PATHS, GET /api/v1/tasks/{id}, POST /api/v1/tasks/{id}/cancel, uploads, and the pictures made."""
        delivered = self.links.answer(request, world)
        if delivered is not None:
            return delivered
        if (request.method, request.path) == ("POST", "/oss"):
            return self.uploads.take(request, world)
        request_id = str(uuid.uuid4())
        try:
            status, body = 200, self.serve(request, world)
        except Invalid as problem:
            told = invalid(f"{problem.field} {problem.problem}".strip())
            status, body = told.status, refusal(told, request)
        except Failure as failure:
            status, body = failure.status, refusal(failure, request)
        return Answer.json(body | {"request_id": request_id}, status, {"x-request-id": request_id})

    def serve(self, request: Request, world: World) -> dict[str, object]:
        key = check_key(request)
        check_service(world.fault)
        if (request.method, request.path) == ("GET", "/api/v1/uploads"):
            return {"data": self.uploads.policy(request, key, world)}
        task = TASK.fullmatch(request.path)
        if task and request.method == "POST" and task[2]:
            return cancel(task[1], world)
        if task and request.method == "GET" and not task[2]:
            return self.poll(task[1], world)
        door = PATHS.get(request.path)
        if door is None or request.method != "POST":
            raise Failure(404, "InvalidURL", "Invalid URL provided in your request.")  # the status is unconfirmed
        order = read(request, door, key, world)
        if door in {"async", "text2image", "image2image"}:
            return self.submit(order, request, world, legacy=door != "async")
        if "soft-failure" in order.prompt:
            return {"code": "InternalError", "message": "An internal error has occurred."}
        pictures = self.pictures(order, world.fault, world)
        failed = [picture for picture in pictures if isinstance(picture, Failure)]
        if failed:
            raise failed[0]
        links = [picture for picture in pictures if isinstance(picture, str)]
        if door == "compatible":
            return {
                "created": int(world.now.timestamp()),
                "data": [{"url": link} for link in links],
                "usage": usage(order, len(links), world.fault),
            }
        return {"output": {"choices": choices(order, links)}, "usage": usage(order, len(links), world.fault)}

    def pictures(self, order: Order, fault: Fault | None, world: World) -> list[str | Failure]:
        """Links, and why not in the place of those that failed. Raises Failure when the prompt is refused."""
        if "forbidden-prompt" in order.prompt or fault == "moderation_prompt":
            raise inappropriate("Input")
        refused = order.n if "forbidden-output" in order.prompt or fault == "moderation_output" else 0
        refused = max(refused, 1 if "forbidden-one" in order.prompt else 0)
        made: list[str | Failure] = [inappropriate("Output") for _ in range(refused)]
        painted = (draw(order, index, fault) for index in range(refused, order.n))
        return made + [self.links.give(content, "png", world, fault) for content in painted]

    # Tasks

    def submit(self, order: Order, request: Request, world: World, *, legacy: bool) -> dict[str, object]:
        states = DEFAULT_STATES
        if "task-suspended" in order.prompt:
            states = ("PENDING", "SUSPENDED", "RUNNING")
        polls = request.headers.get("x-simulate-polls", "")
        if polls.isdigit():
            states = (states[: int(polls)] + states[-1:] * int(polls))[: int(polls)]
        task = Task(str(uuid.uuid4()), order, legacy, states, world.fault, world.now)
        world.keep(task.id, task)
        return {"output": {"task_id": task.id, "task_status": "PENDING"}}

    def poll(self, task_id: str, world: World) -> dict[str, object]:
        """One poll further: the next state, or the end. A task nobody knows is a 200 of status UNKNOWN."""
        task = world.jobs.get(task_id)
        if not isinstance(task, Task) or world.now - task.submitted > LIFETIME or "task-lost" in task.order.prompt:
            return {"output": {"task_id": task_id, "task_status": "UNKNOWN"}}
        with world.lock:
            if task.canceled:
                return {"output": described(task, "CANCELED", world)}
            passed = task.polls
            task.polls += 1
            if "never-ready" in task.order.prompt:
                return {"output": described(task, "RUNNING", world)}
            if "unknown-status" in task.order.prompt:
                return {"output": described(task, "SIMMERING", world)}
            if passed < len(task.states):
                return {"output": described(task, task.states[passed], world)}
            if task.answer is None:
                task.answer = self.finish(task, world)
            return task.answer

    def finish(self, task: Task, world: World) -> dict[str, object]:
        pictures: list[str | Failure]
        try:
            if "task-error" in task.order.prompt:
                raise Failure(500, "InternalError", "An internal error has occurred.")
            pictures = self.pictures(task.order, task.fault, world)
        except Failure as failure:
            pictures = [failure] * task.order.n
        links = [picture for picture in pictures if isinstance(picture, str)]
        failed = [picture for picture in pictures if isinstance(picture, Failure)]
        output = described(task, "SUCCEEDED" if links else "FAILED", world)
        if not links:
            output |= {"code": failed[0].code, "message": failed[0].message}
        elif task.legacy:
            output["results"] = [
                {"url": picture} if isinstance(picture, str) else {"code": picture.code, "message": picture.message}
                for picture in pictures
            ]
        else:
            output["choices"] = choices(task.order, links)
        if task.legacy:
            output["task_metrics"] = {"TOTAL": len(pictures), "SUCCEEDED": len(links), "FAILED": len(failed)}
        answer: dict[str, object] = {"output": output}
        return answer | ({"usage": usage(task.order, len(links), task.fault)} if links else {})


def described(task: Task, status: str, world: World) -> dict[str, object]:
    output: dict[str, object] = {"task_id": task.id, "task_status": status, "submit_time": written(task.submitted)}
    if status != "PENDING":
        output["scheduled_time"] = written(task.submitted)
    if status in {"SUCCEEDED", "FAILED", "CANCELED"}:
        output["end_time"] = written(world.now)
    return output


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def cancel(task_id: str, world: World) -> dict[str, object]:
    """Only before it runs. A task never polled, or seen PENDING as often as it will be, runs next."""
    task = world.jobs.get(task_id)
    with world.lock:
        pending = isinstance(task, Task) and not task.canceled and task.polls <= task.states.count("PENDING")
        if not isinstance(task, Task) or not pending:
            raise Failure(
                400,
                "UnsupportedOperation",
                "Failed to cancel the task, please confirm if the task is in PENDING status.",
            )
        task.canceled = True
    return {}


def refusal(failure: Failure, request: Request) -> dict[str, object]:
    told: dict[str, object] = {"code": failure.code, "message": failure.message}
    return {"error": told} if request.path.startswith("/compatible-mode/") else told


# Who may call


def check_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(("sim-", "sk-sim-")):
        raise bad_key()
    if key.endswith("sim-no-credits"):
        raise overdue()
    return key


def check_service(fault: Fault | None) -> None:
    """The pairs of status and code are those of the general table: unconfirmed for images."""
    if fault == "bad_key":
        raise bad_key()
    if fault == "quota":
        raise overdue()
    if fault == "rate_limit":
        raise Failure(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")
    if fault == "server_error":
        raise Failure(500, "InternalError", "An internal error has occurred, please try again later.")
    if fault == "unavailable":
        message = "Too many requests. Your requests are being throttled due to system capacity limits."
        raise Failure(503, "ModelServingError", message)  # unconfirmed


def bad_key() -> Failure:
    return Failure(401, "InvalidApiKey", "Invalid API-key provided.")


def overdue() -> Failure:
    return Failure(400, "Arrearage", "Access denied, please make sure your account is in good standing.")


# What was asked for


def read(request: Request, door: Door, key: str, world: World) -> Order:
    is_async = request.headers.get("x-dashscope-async", "").lower() == "enable"
    if is_async != (door in {"async", "text2image", "image2image"}):
        kind = "asynchronous" if is_async else "synchronous"
        raise Failure(403, "AccessDenied", f"current user api does not support {kind} calls")
    fields = read_fields(request)
    name = fields.text("model")
    if not name:
        raise Failure(400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.')
    model = MODELS.get(name)
    if model is None or world.today < model.launched or (door == "compatible" and door not in model.doors):
        raise Failure(404, "ModelNotFound", "Model can not be found.")
    if door not in model.doors:
        raise invalid("url error, please check url!")  # unconfirmed: the words
    if key.endswith("sim-no-access"):
        raise Failure(403, "Model.AccessDenied", "Model access denied.")

    def fetch(url: str) -> bytes:
        if url.startswith(_dashscope_files.SCHEME):
            return _dashscope_files.find(url, request, key, name, world)
        return download(url, "image", world)

    if door == "compatible":
        return read_flat(fields, name, model, fetch)
    given = inside(fields, "input")
    if not given.values:
        raise Failure(400, "BadRequest.EmptyInput", "Required input parameter missing from request.")
    parameters = inside(fields, "parameters")
    if door in {"sync", "async"}:
        prompt, images = read_message(given)
    else:
        prompt, images = given.text("prompt"), given.items("images")
        parameters = Fields({"negative_prompt": given.given("negative_prompt")} | dict(parameters.values), {}, False)
    return complete(prompt, images, parameters, "*", name, model, fetch)


def inside(fields: Fields, name: str) -> Fields:
    value = fields.given(name)
    return Fields(cast("dict[str, object]", value) if isinstance(value, dict) else {}, {}, is_form=False)


def read_flat(fields: Fields, name: str, model: Model, fetch: Fetch) -> Order:
    return complete(fields.text("prompt"), fields.items("image"), fields, "x", name, model, fetch)


def read_message(given: Fields) -> tuple[str | None, list[object]]:
    """The one text and the pictures before it. The words of the refusals are unconfirmed."""
    messages = given.items("messages")
    if len(messages) != 1 or not isinstance(messages[0], dict):
        raise invalid("messages must contain exactly one message")
    message = Fields(cast("dict[str, object]", messages[0]), {}, is_form=False)
    if message.text("role") != "user":
        raise invalid("the role of the message must be user")
    prompt: str | None = None
    images: list[object] = []
    for part in message.items("content"):
        fields = Fields(cast("dict[str, object]", part) if isinstance(part, dict) else {}, {}, is_form=False)
        if "image" in fields.values:
            if prompt is not None:
                raise invalid("images must come before the text")
            images.append(fields.given("image"))
        elif prompt is not None:
            raise invalid("content must contain exactly one text")
        else:
            prompt = fields.needed("text")
    return prompt, images


def complete(
    prompt: str | None,
    images: Sequence[object],
    parameters: Fields,
    separator: str,
    name: str,
    model: Model,
    fetch: Fetch,
) -> Order:
    if not prompt:
        raise invalid("prompt must contain words")
    if len(images) > model.max_images:
        raise invalid(f"the number of images must be at most {model.max_images}")
    if model.needs_image and not images:
        raise invalid("at least one image is required")
    parameters.text("negative_prompt")  # cut as well, and not painted here
    parameters.flag("prompt_extend")
    sources = tuple(read_image(image, model, fetch) for image in images)
    width, height = read_size(parameters, separator, sources)
    return Order(
        prompt[:MAX_PROMPT],
        name,
        model,
        width,
        height,
        read_n(parameters, model),
        parameters.integer("seed", 0, MAX_SEED),
        parameters.flag("watermark") or False,
        sources,
    )


def read_n(parameters: Fields, model: Model) -> int:
    """One, unless asked; the documents' words for a model that makes one only, the others' are modelled on them."""
    try:
        return parameters.integer("n", 1, model.n_max) or 1
    except Invalid as error:
        allowed = "1" if model.n_max == 1 else f"between 1 and {model.n_max}"
        raise invalid(f"num_images_per_prompt must be {allowed}") from error


def read_size(parameters: Fields, separator: str, sources: tuple[Picture, ...]) -> tuple[int, int]:
    """Without a size the model chooses: the ratio of the last picture, or a square (both unconfirmed)."""
    size = parameters.text("size")
    if size is None:
        shape = sources[-1].width / sources[-1].height if sources else 1.0
        shape = min(max(shape, 1 / MAX_RATIO), MAX_RATIO)
        return round(1024 * math.sqrt(shape) / 16) * 16, round(1024 / math.sqrt(shape) / 16) * 16
    found = re.fullmatch(rf"(\d{{1,5}}){re.escape(separator)}(\d{{1,5}})", size)
    if found is None:
        raise invalid(f"size must be in the format of width{separator}height")
    width, height = int(found[1]), int(found[2])
    if not MIN_PIXELS <= width * height <= MAX_PIXELS:
        raise invalid(f"the total pixels of size must be between {MIN_PIXELS} and {MAX_PIXELS}, got {width * height}")
    if not 1 / MAX_RATIO <= width / height <= MAX_RATIO:
        raise invalid(f"the aspect ratio of size must be between 1:{MAX_RATIO} and {MAX_RATIO}:1")
    return width, height


def read_image(given: object, model: Model, fetch: Fetch) -> Picture:
    if not isinstance(given, str):
        raise invalid("image must be a URL or a data URI")
    content = read_data_url(given, "image") if given.startswith("data:") else fetch(given)
    picture = read_picture(content, "image", MAX_IMAGE_BYTES)
    least, most = model.image_sides
    if min(picture.size) < least or max(picture.size) > most:
        raise invalid(f"the sides of the image must be between {least} and {most} pixels")
    return picture


# What comes back


def choices(order: Order, links: Sequence[str]) -> list[dict[str, object]]:
    """Qwen puts all pictures in one message, Wan each in one of its own: unconfirmed for n above 1."""
    if order.name.startswith("wan"):
        contents: list[list[dict[str, object]]] = [[{"image": link, "type": "image"}] for link in links]
    else:
        contents = [[{"image": link} for link in links]]
    return [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}} for content in contents]


def usage(order: Order, made: int, fault: Fault | None) -> dict[str, object]:
    count = made * (2 if fault == "duplicate_bill" else 1)
    if not order.model.counts_inputs:
        return {"image_count": count, "width": order.width, "height": order.height}
    tier = "2k" if order.width * order.height > BIG_PIXELS else "1k"
    counted: dict[str, object] = {
        "input_image_count": len(order.sources),
        "output_image_count": count,
        "output_image_type": f"qima_output_{tier}",
        "output_width": order.width,
        "output_height": order.height,
    }
    return counted | ({"input_image_type": f"qima_input_{tier}"} if order.sources else {})


def draw(order: Order, index: int, fault: Fault | None) -> bytes:
    """Always PNG. Pictures after the first have the seeds that follow: unconfirmed."""
    seed = None if order.seed is None else order.seed + index
    transparent = order.model.transparent and "transparent" in order.prompt.lower()
    if order.sources:
        content = drawing.edit(
            [source.content for source in order.sources],
            order.prompt,
            order.width,
            order.height,
            mask=None,
            repaint="white",
            output_format="png",
            transparent=transparent,
            seed=seed,
            fault=fault,
        )
    else:
        content = drawing.draw(
            order.prompt, order.width, order.height, "png", transparent=transparent, seed=seed, fault=fault
        )
    return stamp(content, "Qwen-Image", "png") if order.watermark else content


TWIN = DashScope
