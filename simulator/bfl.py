"""Black Forest Labs (FLUX): a twin of submit, poll, delivery and webhook.

Sources, read 2026-11-23: docs.bfl.ai (quick_start/pricing, flux_3/flux3_image_generate, flux_tools/*,
api-reference/utility/get-result, api_integration/errors); github black-forest-labs/skills, skills/bfl-api; a bad key
https://github.com/gelasdev/ComfyUI-FLUX-BFL-API/issues/16. A comment says "unconfirmed" where no source was found.

Marks in a prompt steer a task: "forbidden-prompt" and "forbidden-output" are refused, "never-ready" stays Pending,
"unknown-status" gives a status nobody documents, "task-error" fails, "task-lost" is forgotten. The header
x-simulate-polls on submit sets how many polls are answered before the task ends. The key sim-no-credits has none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import math
import secrets
import threading
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast
from urllib.parse import quote, urlencode, urlsplit

from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import override

from . import _webhooks, drawing, retouching
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .faults import Fault
    from .world import World

MEGAPIXEL = 1024 * 1024
MAX_PIXELS = 4 * MEGAPIXEL
MAX_TASKS = 24
"""In flight at once; more are a 429."""
SAMPLE_LIFETIME = timedelta(minutes=10)
"""BFL's own guide; about an hour is reported for FLUX 3 by third parties."""
DEFAULT_STATES = ("Pending", "Pending")
FLUX_3_STATES = ("Pending", "Reasoning", "Generating")
FLUX_3_PIXELS = {"768sq": 768**2, "1k": 1024**2, "1.5k": 1536**2, "2k": 2048**2, "4k": 4096**2}
"""unconfirmed: the page names the resolutions, not their pixels."""
Flux3Ratio = Literal[
    "auto", "21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21"
]
MAX_IMAGE_CHARACTERS = 20 * 1024 * 1024

Format = Literal["jpeg", "png", "webp"]
Flux1Side = Annotated[int, Field(ge=256, le=1440, multiple_of=32)]
Flux2Side = Annotated[int, Field(ge=64, multiple_of=16)]
Margin = Annotated[int, Field(ge=0, le=2048)]
Tolerance4 = Annotated[int, Field(ge=0, le=4)]
Tolerance5 = Annotated[int, Field(ge=0, le=5)]
Tolerance6 = Annotated[int, Field(ge=0, le=6)]


class Refused(Exception):
    """An answer with `detail`, as FastAPI words it."""

    def __init__(self, status: int, detail: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.status = status
        self.body = {"detail": detail}
        self.headers = dict(headers or {})


def unprocessable(message: str, *loc: str | int, kind: str = "value_error") -> Refused:
    return Refused(422, [{"type": kind, "loc": list(loc), "msg": message}])


@dataclass(frozen=True, slots=True)
class Given:
    """A picture of the request: the field that held it, its bytes and its size in pixels."""

    field: str
    content: bytes
    width: int
    height: int

    @property
    def loc(self) -> tuple[str | int, ...]:
        name, _, index = self.field.partition(".")
        return ("body", name, int(index)) if index else ("body", name)


@dataclass(frozen=True, slots=True)
class Brush:
    """What a body needs to paint: the pictures it named, the size agreed on, and the fault to paint in."""

    given: Mapping[str, Given]
    width: int
    height: int
    fault: Fault | None

    @property
    def sources(self) -> list[bytes]:
        return [picture.content for picture in self.given.values()]


class Body(BaseModel, ABC):
    """What every endpoint takes. Fields an endpoint does not know are ignored, as FastAPI does: unconfirmed."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = ""
    webhook_url: str | None = None
    webhook_secret: str | None = None

    def pictures(self) -> dict[str, str]:
        """The base64 texts or addresses of the request's pictures, by field."""
        return {}

    @abstractmethod
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        """The pixels painted; raises Refused when the request asks for too many."""

    def format_used(self) -> Format:
        return "jpeg"

    def seed_used(self) -> int | None:
        return None

    def paint(self, brush: Brush) -> bytes:
        return paint(self.prompt, brush, self.format_used(), self.seed_used())


class Classic(Body, ABC):
    """Every endpoint but FLUX 3: the seed and the format can be asked for."""

    seed: int | None = None
    output_format: Format | None = None
    default_format: ClassVar[Format] = "jpeg"

    @override
    def format_used(self) -> Format:
        return self.output_format or self.default_format

    @override
    def seed_used(self) -> int | None:
        return self.seed


class Flux3(Body):
    """Refuses what it does not know: seed, width, height, input_image, mask, output_format and n among them."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=15_000)  # unconfirmed: the length is that of a third party's form
    images: Annotated[list[str], Field(min_length=1, max_length=10)] | str | None = None
    aspect_ratio: Flux3Ratio = "auto"
    resolution: Literal["768sq", "1k", "1.5k", "2k", "4k"] = "1k"
    grounding: bool = True
    safety_tolerance: Tolerance4 = 2
    version: str | None = None

    @override
    def pictures(self) -> dict[str, str]:
        if isinstance(self.images, str):
            return {"images": self.images}
        return {f"images.{index}": image for index, image in enumerate(self.images or ())}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        for picture in given:
            if min(picture.width, picture.height) < 256 or picture.width * picture.height > 16 * MEGAPIXEL:
                raise unprocessable(
                    f"Value error, Image must be at least 256x256 pixels and at most 16 megapixels, "
                    f"got {picture.width}x{picture.height}",
                    *picture.loc,
                )
        if self.aspect_ratio != "auto":
            ratio = ratio_of(self.aspect_ratio)
        else:
            ratio = given[0].width / given[0].height if given else 1.0
        return fit(ratio, FLUX_3_PIXELS[self.resolution], 16)


class Flux2(Classic):
    """[klein]: four pictures at most."""

    prompt: str = Field(min_length=1)
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    width: Flux2Side | None = None
    height: Flux2Side | None = None
    safety_tolerance: Tolerance5 = 2
    max_megapixels: ClassVar[int | None] = None
    """Of pictures in and out together; None where the guide names no budget."""

    @model_validator(mode="before")
    @classmethod
    def check_pictures(cls, data: Any) -> Any:  # pydantic hands over what came, whatever it is
        """unconfirmed: that a picture over the limit is refused and not ignored."""
        fields: object = data
        if isinstance(fields, dict):
            for name in cast("dict[str, object]", fields):
                if name.startswith("input_image") and name not in cls.model_fields:
                    raise ValueError(f"Too many input images: {name} is not accepted")
        return data

    @override
    def pictures(self) -> dict[str, str]:
        names = [name for name in type(self).model_fields if name.startswith("input_image")]
        values: dict[str, str | None] = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        if given:
            source = given[0]
            shrink = min(1.0, math.sqrt(MAX_PIXELS / (source.width * source.height)))
            followed = (whole(source.width * shrink, 16, 64), whole(source.height * shrink, 16, 64))
        else:
            followed = (1024, 1024)
        width, height = self.width or followed[0], self.height or followed[1]
        check_pixels(width, height)
        total = megapixels(width, height) + sum(megapixels(picture.width, picture.height) for picture in given)
        if self.max_megapixels is not None and total > self.max_megapixels:
            # unconfirmed: the budget is documented, the answer to more is not
            raise unprocessable(f"Value error, Input and output exceed {self.max_megapixels} megapixels", "body")
        return width, height


class Flux2Many(Flux2):
    """[pro], [max], [flex]: eight pictures at most."""

    input_image_5: str | None = None
    input_image_6: str | None = None
    input_image_7: str | None = None
    input_image_8: str | None = None


class Flux2Max(Flux2Many):
    disable_pup: bool = False


class Flux2Pro(Flux2Max):
    max_megapixels: ClassVar[int | None] = 9


class Flux2Flex(Flux2Many):
    prompt_upsampling: bool = True
    guidance: Annotated[float, Field(ge=1.5, le=10)] = 4.5
    steps: Annotated[int, Field(ge=1, le=50)] = 50


class Flux1(Classic, ABC):
    prompt_upsampling: bool = False
    safety_tolerance: Tolerance6 = 2


class Kontext(Flux1):
    """Its default format is png in the OpenAPI schema, as a public client reads it."""

    prompt: str = Field(min_length=1)
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    aspect_ratio: str | None = None
    default_format: ClassVar[Format] = "png"

    @override
    def pictures(self) -> dict[str, str]:
        values = {
            "input_image": self.input_image,
            "input_image_2": self.input_image_2,
            "input_image_3": self.input_image_3,
            "input_image_4": self.input_image_4,
        }
        return {name: value for name, value in values.items() if value is not None}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        """One megapixel in the ratio asked for, else that of the first picture. The exact pixels are unconfirmed."""
        if self.aspect_ratio is not None:
            return fit(ratio_of(self.aspect_ratio), MEGAPIXEL, 16)
        return fit(given[0].width / given[0].height if given else 1.0, MEGAPIXEL, 16)


class Prompted(Flux1, ABC):
    """image_prompt guides the picture and is not edited."""

    prompt: str = Field(min_length=1)
    image_prompt: str | None = None

    @override
    def pictures(self) -> dict[str, str]:
        return {} if self.image_prompt is None else {"image_prompt": self.image_prompt}

    @override
    def paint(self, brush: Brush) -> bytes:
        return paint(self.prompt, replace(brush, given={}), self.format_used(), self.seed)


class FluxPro11(Prompted):
    width: Flux1Side = 1024
    height: Flux1Side = 768

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        return self.width, self.height


class FluxDev(FluxPro11):
    steps: Annotated[int, Field(ge=1, le=50)] = 28
    guidance: Annotated[float, Field(ge=1.5, le=5)] = 3


class Ultra(Prompted):
    aspect_ratio: str = "16:9"  # unconfirmed: the default
    raw: bool = False
    image_prompt_strength: Annotated[float, Field(ge=0, le=1)] = 0.1

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        """Four megapixels; the exact pixels are unconfirmed."""
        return fit(ratio_of(self.aspect_ratio), MAX_PIXELS, 32)


class UltraFinetuned(Ultra):
    finetune_id: str
    finetune_strength: Annotated[float, Field(ge=0, le=2)] = 1.2


class Fill(Flux1):
    """Repaints where the mask is white or, without a mask, where the image is transparent."""

    image: str
    mask: str | None = None
    steps: Annotated[int, Field(ge=15, le=50)] = 50
    guidance: Annotated[float, Field(ge=1.5, le=100)] = 60

    @override
    def pictures(self) -> dict[str, str]:
        return {"image": self.image} | ({} if self.mask is None else {"mask": self.mask})

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        image, *masks = given
        check_mask(image, masks)
        if not masks and not has_alpha(image.content):
            # unconfirmed: what the API does with neither
            raise unprocessable(
                "Value error, Either a mask or an image with an alpha channel is required", "body", "mask"
            )
        return image.width, image.height

    @override
    def paint(self, brush: Brush) -> bytes:
        image, mask = brush.given["image"], brush.given.get("mask")
        return drawing.edit(
            sources=[image.content],
            prompt=self.prompt,
            width=brush.width,
            height=brush.height,
            mask=(mask or image).content,
            repaint="white" if mask else "transparent",
            output_format=self.format_used(),
            seed=self.seed,
            fault=brush.fault,
        )


class FillFinetuned(Fill):
    finetune_id: str
    finetune_strength: Annotated[float, Field(ge=0, le=2)] = 1.1


class Expand(Flux1):
    image: str
    top: Margin = 0
    bottom: Margin = 0
    left: Margin = 0
    right: Margin = 0
    steps: Annotated[int, Field(ge=15, le=50)] = 50
    guidance: Annotated[float, Field(ge=1.5, le=100)] = 60

    @override
    def pictures(self) -> dict[str, str]:
        return {"image": self.image}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        return given[0].width + self.left + self.right, given[0].height + self.top + self.bottom

    @override
    def paint(self, brush: Brush) -> bytes:
        return extend(self, brush, "image", (self.left, self.top))


class Tool(Classic, ABC):
    """Default formats are those of the OpenAPI schema, as a public client reads it."""

    safety_tolerance: Tolerance5 = 2
    default_format: ClassVar[Format] = "png"


class Erase(Tool):
    image: str
    mask: str
    dilate_pixels: Annotated[int, Field(ge=0, le=25)] = 10

    @override
    def pictures(self) -> dict[str, str]:
        return {"image": self.image, "mask": self.mask}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        check_mask(given[0], given[1:])
        return given[0].width, given[0].height

    @override
    def paint(self, brush: Brush) -> bytes:
        return drawing.edit(
            sources=[brush.given["image"].content],
            prompt="the scene behind",
            width=brush.width,
            height=brush.height,
            mask=retouching.grow(brush.given["mask"].content, self.dilate_pixels),
            repaint="white",
            output_format=self.format_used(),
            seed=self.seed,
            fault=brush.fault,
        )


class Outpaint(Tool):
    """The source goes by `image` in the facts and by `input_image` in two public clients: both are taken."""

    image: str | None = None
    input_image: str | None = None
    width: Annotated[int, Field(ge=64)]
    height: Annotated[int, Field(ge=64)]
    reference_offset_x: int | None = None
    reference_offset_y: int | None = None
    auto_crop: bool = False
    mode: Literal["high", "fast"] = "high"

    @override
    def pictures(self) -> dict[str, str]:
        source = self.input_image or self.image
        if source is None:
            raise unprocessable("Field required", "body", "input_image", kind="missing")
        return {"input_image" if self.input_image else "image": source}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        check_pixels(self.width, self.height)
        left, top = self.offset(given[0])
        inside = 0 <= left <= self.width - given[0].width and 0 <= top <= self.height - given[0].height
        if not inside and not self.auto_crop:
            # unconfirmed: what auto_crop does, read here as: cut what does not fit instead of refusing
            raise unprocessable("Value error, The image does not fit the canvas", "body")
        return self.width, self.height

    def offset(self, source: Given) -> tuple[int, int]:
        """From the left and the top of the canvas; without a value the source is centred."""
        left, top = self.reference_offset_x, self.reference_offset_y
        return (
            (self.width - source.width) // 2 if left is None else left,
            (self.height - source.height) // 2 if top is None else top,
        )

    @override
    def paint(self, brush: Brush) -> bytes:
        (name, source), *_ = brush.given.items()
        return extend(self, brush, name, self.offset(source))


class Deblur(Tool):
    image: str

    @override
    def pictures(self) -> dict[str, str]:
        return {"image": self.image}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        return given[0].width, given[0].height

    @override
    def paint(self, brush: Brush) -> bytes:
        with Image.open(BytesIO(brush.given["image"].content)) as source:
            return finish(source.convert("RGB").filter(ImageFilter.SHARPEN), self, brush)


class TryOn(Tool):
    """unconfirmed: the names `person` and `garment`, seen in two public clients."""

    person: str
    garment: str
    default_format: ClassVar[Format] = "jpeg"

    @override
    def pictures(self) -> dict[str, str]:
        return {"person": self.person, "garment": self.garment}

    @override
    def size(self, given: Sequence[Given]) -> tuple[int, int]:
        return given[0].width, given[0].height


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars: `first` for the first output megapixel, `further` for each other one, out or in."""

    first: Decimal
    further: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    body: type[Body]
    price: Price | Mapping[str, Price] | None
    """By resolution for FLUX 3; None where no price is published."""
    states: tuple[str, ...] = DEFAULT_STATES


KLEIN_4B = Price(Decimal("0.014"), Decimal("0.001"))
KLEIN_9B = Price(Decimal("0.015"), Decimal("0.002"))
PRO = Price(Decimal("0.03"), Decimal("0.015"))
FLEX = Price(Decimal("0.05"), Decimal("0.05"))
MAX = Price(Decimal("0.07"), Decimal("0.03"))
FLUX_3 = {
    "768sq": Price(Decimal("0.041")),
    "1k": Price(Decimal("0.048")),
    "2k": Price(Decimal("0.10")),
    "4k": Price(Decimal("0.607")),
}
ENDPOINTS = {
    "flux-3-image": Endpoint(Flux3, FLUX_3, FLUX_3_STATES),
    "flux-2-klein-4b": Endpoint(Flux2, KLEIN_4B),
    "flux-2-klein-9b": Endpoint(Flux2, KLEIN_9B),
    "flux-2-klein-9b-preview": Endpoint(Flux2, KLEIN_9B),  # the previews' prices are unconfirmed
    "flux-2-pro": Endpoint(Flux2Pro, PRO),
    "flux-2-pro-preview": Endpoint(Flux2Pro, PRO),
    "flux-2-flex": Endpoint(Flux2Flex, FLEX),
    "flux-2-max": Endpoint(Flux2Max, MAX),
    "flux-kontext-pro": Endpoint(Kontext, Price(Decimal("0.04"))),
    "flux-kontext-max": Endpoint(Kontext, Price(Decimal("0.08"))),
    "flux-pro-1.1": Endpoint(FluxPro11, Price(Decimal("0.04"))),
    "flux-pro-1.1-ultra": Endpoint(Ultra, Price(Decimal("0.06"))),
    "flux-pro-1.1-ultra-finetuned": Endpoint(UltraFinetuned, None),
    "flux-dev": Endpoint(FluxDev, Price(Decimal("0.025"))),  # LiteLLM's number
    "flux-pro-1.0-fill": Endpoint(Fill, Price(Decimal("0.05"))),
    "flux-pro-1.0-fill-finetuned": Endpoint(FillFinetuned, None),
    "flux-pro-1.0-expand": Endpoint(Expand, Price(Decimal("0.05"))),
    "flux-tools/erase-v1": Endpoint(Erase, Price(Decimal("0.03"), Decimal("0.004"))),  # Runware's mirror of the list
    "flux-tools/outpainting-v1": Endpoint(Outpaint, None),
    "flux-tools/deblur-v1": Endpoint(Deblur, None),
    "flux-tools/vto-v1": Endpoint(TryOn, None),
    "flux-tools/vto-v2": Endpoint(TryOn, None),
}


@dataclass(slots=True)
class Task:
    """A submitted task; what changes is changed under `lock`."""

    id: str
    body: Body
    brush: Brush
    states: tuple[str, ...]
    lost: bool
    submitted: float
    polls: int = 0
    sample: bytes | None = None
    url: str = ""
    ready: float = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Bfl:
    name = "bfl"

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)

    def answer(self, request: Request, world: World) -> Answer:
        """POST /v1/<model>, GET /v1/get_result?id=, and GET /delivery/results/<id>/sample.<format> without a key."""
        if request.path.startswith("/delivery/"):
            return self.deliver(request, world)
        try:
            check_key(request)
            check_service(world.fault)
            if request.path == "/v1/get_result":
                return self.poll(request, world)
            return self.submit(request, world)
        except Refused as refused:
            return Answer.json(refused.body, status=refused.status, headers=refused.headers)

    def submit(self, request: Request, world: World) -> Answer:
        endpoint = ENDPOINTS.get(request.path.removeprefix("/v1/"))
        if endpoint is None or not request.path.startswith("/v1/"):
            raise Refused(404, "Not Found")
        if request.method != "POST":
            raise Refused(405, "Method Not Allowed", {"allow": "POST"})
        body = read(request.body, endpoint.body)
        check_webhook(body)
        given = {name: load_image(name, value, world) for name, value in body.pictures().items()}
        width, height = body.size(list(given.values()))
        # a mask is no input megapixel: unconfirmed
        pictures = [picture for picture in given.values() if picture.field != "mask"]
        in_megapixels = sum(megapixels(picture.width, picture.height) for picture in pictures)
        out_megapixels = megapixels(width, height)
        task = Task(
            id=str(uuid.uuid4()),
            body=body,
            brush=Brush(given, width, height, world.fault),
            states=states(endpoint.states, request.headers.get("x-simulate-polls")),
            lost="task-lost" in body.prompt,
            submitted=world.now.timestamp(),
        )
        world.keep(task.id, task)
        if body.webhook_url is not None:
            _webhooks.send(body.webhook_url, self.notices(task, world))
        cost = credits_for(endpoint.price, body, in_megapixels, out_megapixels)
        if cost is not None and world.fault == "duplicate_bill":
            cost *= 2
        return Answer.json(
            {
                "id": task.id,
                "polling_url": f"{world.base_url}/bfl/v1/get_result?{urlencode({'id': task.id})}",
                "cost": cost,
                "input_mp": in_megapixels,
                "output_mp": out_megapixels,
            }
        )

    def poll(self, request: Request, world: World) -> Answer:
        if request.method != "GET":
            raise Refused(405, "Method Not Allowed", {"allow": "GET"})
        task_id = request.query.get("id")
        if task_id is None:
            raise unprocessable("Field required", "query", "id", kind="missing")
        task = world.jobs.get(task_id)
        if not isinstance(task, Task):
            # the schema has this status among those of a 200; that an id nobody issued is a 404 is unconfirmed
            return Answer.json(result(task_id, "Task not found"), status=404)
        return Answer.json(self.progress(task, world))

    def progress(self, task: Task, world: World) -> dict[str, object]:
        """One poll further: the next state, or the end."""
        prompt = task.body.prompt
        if task.lost:
            return result(task.id, "Task not found")
        if "forbidden-prompt" in prompt or task.brush.fault == "moderation_prompt":
            return result(task.id, "Request Moderated", details={"Moderation Reasons": ["Safety Filter"]})
        with task.lock:
            task.polls += 1
            passed = task.polls - 1
        if "never-ready" in prompt:
            return result(task.id, "Pending", progress=0.0)
        if "unknown-status" in prompt:
            return result(task.id, "Simmering")
        if passed < len(task.states) and task.sample is None:
            return result(task.id, task.states[passed], progress=round(passed / len(task.states), 2))
        if "task-error" in prompt:
            return result(task.id, "Error", details={"error": "Generation failed"})
        if "forbidden-output" in prompt or task.brush.fault == "moderation_output":
            return result(task.id, "Content Moderated", details={"Moderation Reasons": ["Derivative Works Filter"]})
        return self.finish(task, world)

    def finish(self, task: Task, world: World) -> dict[str, object]:
        """Paints once; the link's ten minutes start with the first Ready."""
        with task.lock:
            if task.sample is None:
                sample_bytes = task.body.paint(task.brush)
                half_only = task.brush.fault == "truncated_base64"  # there is none here: the file itself is cut
                task.sample = sample_bytes[: len(sample_bytes) // 2] if half_only else sample_bytes
                task.ready = world.now.timestamp()
                task.url = self.sign(task, world)
        sample: dict[str, object] = {
            "sample": task.url,
            "prompt": task.body.prompt,
            "start_time": task.submitted,
            "end_time": task.ready,
            "duration": round(task.ready - task.submitted, 3),
        }
        if isinstance(task.body, Classic):
            sample["seed"] = task.body.seed if task.body.seed is not None else int(task.id[:8], 16)
        return result(task.id, "Ready", sample=sample, progress=1.0)

    def sign(self, task: Task, world: World) -> str:
        path = f"/delivery/results/{task.id}/sample.{task.body.format_used()}"
        expiry = (world.now + SAMPLE_LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"se": expiry, "sp": "r", "sr": "b", "rsct": f"image/{task.body.format_used()}"}
        return f"{world.base_url}/bfl{path}?{urlencode(query | {'sig': self.signature(path, expiry)}, quote_via=quote)}"

    def signature(self, path: str, expiry: str) -> str:
        digest = hmac.new(self.secret, f"{path}\n{expiry}".encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    def deliver(self, request: Request, world: World) -> Answer:
        """The signature is the only key here; x-key is neither needed nor looked at."""
        expiry = request.query.get("se", "")
        expected = self.signature(request.path, expiry)
        if not hmac.compare_digest(request.query.get("sig", "").encode(), expected.encode()):
            return not_authenticated("Signature did not match.")
        if world.now > datetime.strptime(expiry, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC):
            return not_authenticated(f"Signed expiry time [{expiry}] must be after signed start time")
        task = world.jobs.get(request.path.split("/")[3])
        if not isinstance(task, Task) or task.sample is None:
            return Answer(404, b"", "application/xml", {})
        return Answer(200, task.sample, f"image/{task.body.format_used()}", {})

    def notices(self, task: Task, world: World) -> Iterator[tuple[bytes, Mapping[str, str]]]:
        """One, when the task has ended."""
        if "never-ready" in task.body.prompt:
            return
        with task.lock:
            task.polls = len(task.states)
        message = json.dumps(self.progress(task, world)).encode()
        secret = task.body.webhook_secret
        if secret is None:
            yield message, {}
        else:
            digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
            yield message, {"x-bfl-signature": f"sha256={digest}"}


def check_service(fault: Fault | None) -> None:
    """The failures of the service itself. Their texts are unconfirmed; the status and the headers of a 429 are not."""
    if fault == "bad_key":
        raise Refused(403, "Not authenticated - Invalid Authentication")
    if fault == "quota":
        raise Refused(402, "Insufficient credits")
    if fault == "rate_limit":
        limits = {"x-ratelimit-limit": str(MAX_TASKS), "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
        raise Refused(429, f"Rate limit exceeded: {MAX_TASKS} active tasks", {"retry-after": "2"} | limits)
    if fault == "server_error":
        raise Refused(500, "Internal Server Error")
    if fault == "unavailable":
        raise Refused(503, "Service temporarily unavailable")


def check_key(request: Request) -> None:
    key = request.headers.get("x-key")
    if not key:
        raise Refused(403, "Not authenticated")
    if not key.startswith("sim-"):
        raise Refused(403, "Not authenticated - Invalid Authentication")
    if key == "sim-no-credits":
        raise Refused(402, "Insufficient credits")  # unconfirmed: the text


def read(content: bytes, kind: type[Body]) -> Body:
    try:
        fields: object = json.loads(content)
    except ValueError as error:
        raise unprocessable("JSON decode error", "body", 0, kind="json_invalid") from error
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        detail = [
            {"type": problem["type"], "loc": ["body", *problem["loc"]], "msg": problem["msg"]}
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Refused(422, detail) from error


def check_webhook(body: Body) -> None:
    if body.webhook_url is not None and not _webhooks.is_allowed(body.webhook_url):
        raise unprocessable("Value error, The simulator calls http:// loopback addresses only", "body", "webhook_url")


def load_image(name: str, value: str, world: World) -> Given:
    """Base64, a data URL, or an address on the simulator itself; any other address is refused, nothing is fetched."""
    loc = Given(name, b"", 0, 0).loc
    if value.startswith(("http://", "https://")):
        content = fetch(value, loc, world)
    else:
        if len(value) > MAX_IMAGE_CHARACTERS:
            raise unprocessable("Value error, Image exceeds 20 MB", *loc)
        try:
            content = base64.b64decode(value.partition(",")[2] if value.startswith("data:") else value, validate=True)
        except binascii.Error as error:
            raise unprocessable("Value error, Invalid base64 image", *loc) from error
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            return Given(name, content, image.width, image.height)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unprocessable("Value error, Could not read the image", *loc) from error


def fetch(url: str, loc: tuple[str | int, ...], world: World) -> bytes:
    if not url.startswith(world.base_url + "/"):
        raise unprocessable("Value error, Could not download the image", *loc)
    own, target = urlsplit(world.base_url), urlsplit(url)
    connection = http.client.HTTPConnection(own.hostname or "", own.port, timeout=10)
    try:
        connection.request("GET", target._replace(scheme="", netloc="").geturl())
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise unprocessable("Value error, Could not download the image", *loc) from error
    finally:
        connection.close()
    if response.status != 200:
        raise unprocessable(f"Value error, Could not download the image: HTTP {response.status}", *loc)
    return content


def result(
    task_id: str,
    status: str,
    *,
    sample: Mapping[str, object] | None = None,
    progress: float | None = None,
    details: Mapping[str, object] | None = None,
) -> dict[str, object]:
    return {
        "id": task_id,
        "status": status,
        "result": sample,
        "progress": progress,
        "details": details,
        "preview": None,
    }


def not_authenticated(reason: str) -> Answer:
    """Storage's answer, in XML: unconfirmed for BFL's delivery hosts, usual for links signed this way."""
    text = (
        '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to '
        "authenticate the request.</Message>"
        f"<AuthenticationErrorDetail>{reason}</AuthenticationErrorDetail></Error>"
    )
    return Answer(403, text.encode(), "application/xml", {})


def states(usual: tuple[str, ...], polls: str | None) -> tuple[str, ...]:
    if polls is None:
        return usual
    count = int(polls) if polls.isdigit() else len(usual)
    return usual[:count] + usual[-1:] * (count - len(usual))


def credits_for(
    price: Price | Mapping[str, Price] | None, body: Body, in_megapixels: int, out_megapixels: int
) -> float | None:
    """One credit is 0.01 US dollars."""
    if isinstance(body, Flux3) and price is not None and not isinstance(price, Price):
        price = price.get(body.resolution)
    if not isinstance(price, Price):
        return None
    dollars = price.first + (out_megapixels - 1 + in_megapixels) * price.further
    return float(dollars * 100)


def megapixels(width: int, height: int) -> int:
    """Rounded up; one is 1024x1024 pixels."""
    return math.ceil(width * height / MEGAPIXEL)


def ratio_of(aspect_ratio: str) -> float:
    """Width over height; raises Refused outside 21:9 to 9:21."""
    width, _, height = aspect_ratio.partition(":")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise unprocessable("Value error, Aspect ratio must be width:height", "body", "aspect_ratio")
    ratio = int(width) / int(height)
    if not 9 / 21 <= ratio <= 21 / 9:
        raise unprocessable("Value error, Aspect ratio must be between 21:9 and 9:21", "body", "aspect_ratio")
    return ratio


def fit(ratio: float, pixels: int, step: int) -> tuple[int, int]:
    """The multiples of `step` nearest to that ratio and that many pixels, never outside 21:9 to 9:21."""
    ratio = min(max(ratio, 9 / 21), 21 / 9)
    return round(math.sqrt(pixels * ratio) / step) * step, round(math.sqrt(pixels / ratio) / step) * step


def whole(side: float, step: int, least: int) -> int:
    return max(least, int(side) // step * step)


def check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise unprocessable(f"Value error, Total pixels must be at most {MAX_PIXELS}, got {width * height}", "body")


def check_mask(image: Given, masks: Sequence[Given]) -> None:
    for mask in masks:
        if (mask.width, mask.height) != (image.width, image.height):
            raise unprocessable("Value error, The mask must have the size of the image", *mask.loc)


def has_alpha(content: bytes) -> bool:
    with Image.open(BytesIO(content)) as image:
        return image.has_transparency_data


def paint(prompt: str, brush: Brush, output_format: Format, seed: int | None) -> bytes:
    if not brush.given:
        return drawing.draw(
            prompt=prompt,
            width=brush.width,
            height=brush.height,
            output_format=output_format,
            seed=seed,
            fault=brush.fault,
        )
    return drawing.edit(
        sources=brush.sources,
        prompt=prompt,
        width=brush.width,
        height=brush.height,
        mask=None,
        repaint="white",
        output_format=output_format,
        seed=seed,
        fault=brush.fault,
    )


def extend(body: Expand | Outpaint, brush: Brush, name: str, offset: tuple[int, int]) -> bytes:
    """A drawn canvas with the source laid on it unchanged; what lies outside the canvas is cut."""
    around = drawing.draw(
        prompt=body.prompt or "the scene beyond",
        width=brush.width,
        height=brush.height,
        output_format="png",
        seed=body.seed,
    )
    with Image.open(BytesIO(around)) as canvas, Image.open(BytesIO(brush.given[name].content)) as source:
        picture = canvas.convert("RGB")
        picture.paste(source.convert("RGB"), offset)
    return finish(picture, body, brush)


def finish(picture: Image.Image, body: Classic, brush: Brush) -> bytes:
    """The picture in the body's format; where it is to be spoilt, a spoilt drawing of its size instead."""
    if brush.fault in drawing.SPOILING:
        return paint(body.prompt, replace(brush, given={}), body.format_used(), body.seed)
    buffer = BytesIO()
    picture.save(buffer, body.format_used(), quality=90)
    return buffer.getvalue()


TWIN = Bfl
