"""Runware: a list of tasks in, a list of pictures and a list of errors out; what each picture cost is with it.

Sources: runware 0.5.24 (types.py, base.py) and runware.ai/docs (platform/errors, models), read 2026-11-23.

A model's wire name is its AIR: bfl:5@1. `provider_options: {runware: …}` are fields of the task as they are (`steps`,
`CFGScale`, `strength`, `seedImage`, `providerSettings`, …); with `deliveryMethod: async` the task is polled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, cast
from uuid import uuid4

from .base import (
    Adapter,
    Call,
    Done,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    Model,
    Node,
    Reply,
    Usage,
    Wait,
    errors,
    images,
)
from .base.images_api import mask_url

TASKS = "/v1"
POLL_SECONDS = 1.0
FORMATS = {"jpeg": "JPG", "png": "PNG", "webp": "WEBP"}
REFUSED = "invalidProviderContent"
"""unconfirmed: what a maker's own refusal is called."""
OPENAIS = "openai:"
"""Models with a quality and a background, in settings of their maker's."""


class Runware(Adapter):
    name = "runware"
    default_base_url = "https://api.runware.ai"
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "maskImage": "mask",
        "model": "model",
        "negativePrompt": "negative_prompt",
        "numberResults": "n",
        "outputFormat": "output_format",
        "positivePrompt": "prompt",
        "providerSettings": "quality",
        "referenceImages": "images",
        "resolution": "resolution",
        "seed": "seed",
        "seedImage": "images",
        "taskType": "operation",
        "width": "size",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "insufficientCredits": errors.QuotaExhausted,
        "invalidApiKey": errors.AuthenticationFailed,
        "invalidParameter": errors.InvalidRequest,
        "missingParameter": errors.InvalidRequest,
    }
    """unconfirmed: all but insufficientCredits and invalidParameter."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as data URLs. With a mask the first is repainted and the others guide; else all of them guide."""
        options = request.options(self.name)
        task: dict[str, object] = {
            "taskType": "imageInference",
            "taskUUID": str(uuid4()),
            "model": model.wire,
            "positivePrompt": request.prompt or None,
            "negativePrompt": request.negative_prompt,
            **_pictures(request, model),
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "resolution": request.resolution,
            "seed": request.seed,
            "numberResults": request.n,
            "outputType": "URL",
            "outputFormat": FORMATS.get(request.output_format or ""),
            "includeCost": True,
        }
        return _post(task | options | _makers_own(request, model, options.get("providerSettings")))

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """Pictures that came count, also where others failed."""
        answer = reply.json()
        failed, given = answer.get("errors"), answer.get("data")
        complaints = list(failed.items()) if failed is not None else []
        items = list(given.items()) if given is not None else []
        found = [(each, picture) for each in items if (picture := _picture(each)) is not None]
        if not found and complaints:
            raise self._failure(complaints[0])
        if not found and items:
            return Wait(_post({"taskType": "getResponse", "taskUUID": _running(items[0])}), POLL_SECONDS)
        if not found:
            raise errors.BadReply("neither data nor errors", path="$.data")
        finished = [each for each, _ in found]
        return Done(
            images=[picture for _, picture in found],
            usage=Usage(images=len(found), cost_usd=_cost(finished)),
            moderation="NSFWContent" if any(_is_flagged(each) for each in finished) else None,
            warnings=tuple(f"Runware: {each.text_at('message') or 'one picture failed'}" for each in complaints),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        error = super().error(reply)
        return (
            errors.ModerationBlocked(str(error), status=error.status, code=REFUSED) if error.code == REFUSED else error
        )

    def error_code(self, body: Node) -> str | None:
        return body.text_at("errors", 0, "code")

    def error_message(self, body: Node) -> str | None:
        return body.text_at("errors", 0, "message")

    def _failure(self, complaint: Node) -> errors.ProviderError:
        """One of `errors` in an answer below 400, which has only its code."""
        code, message = complaint.text_at("code"), complaint.text_at("message") or "no reason given"
        if code == REFUSED:
            return errors.ModerationBlocked(message, code=code)
        if kind := self.codes.get(code or ""):
            return kind(message, code=code)
        return errors.job_ended(f"the task failed: {message}", code=code)


def _post(task: Mapping[str, object]) -> Call:
    """A list of one task."""
    tasks = [{name: value for name, value in task.items() if value is not None}]
    body = json.dumps(tasks, ensure_ascii=False, separators=(",", ":")).encode()
    return Call("POST", TASKS, {"content-type": "application/json"}, body)


def _pictures(request: ImageRequest, model: Model) -> dict[str, object]:
    addresses = [images.to_data_url(each) for each in request.input_images]
    if request.mask is None:
        return {"referenceImages": addresses or None}
    mask = mask_url(request, model)
    return {"seedImage": addresses[0], "maskImage": mask, "referenceImages": addresses[1:] or None}


def _makers_own(request: ImageRequest, model: Model, given: object) -> dict[str, object]:
    """Quality and background, where the maker's own settings are the place for them, beside those `given`."""
    said = {
        "quality": request.quality,
        "background": None if request.background == "auto" else request.background,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    if not kept or not model.wire.startswith(OPENAIS):
        return {}
    makers = _members(given)
    return {"providerSettings": {**makers, "openai": {**_members(makers.get("openai")), **kept}}}


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _picture(item: Node) -> ImageUrl | ImageBase64 | None:
    """None: not yet, or never."""
    found = item.get("seed")
    seed = found.integer if found is not None else None
    if url := item.text_at("imageURL"):
        return ImageUrl(url, seed=seed)
    if encoded := item.characters_at("imageBase64Data"):
        return ImageBase64(encoded, seed=seed)
    if address := item.text_at("imageDataURI"):
        return ImageBase64(address.partition(",")[2], seed=seed)
    return None


def _running(item: Node) -> str:
    """The task's own id, where it is still at it. An acknowledgement has no status."""
    status = item.text_at("status")
    if status not in {None, "processing"}:
        raise errors.BadReply(f"a task with status {status!r} and no picture", path=f"{item.path}.status")
    return item["taskUUID"].text


def _cost(items: list[Node]) -> Decimal | None:
    costs = [found.decimal for each in items if (found := each.get("cost")) is not None]
    return sum(costs, Decimal(0)) if len(costs) == len(items) else None


def _is_flagged(item: Node) -> bool:
    return cast("dict[str, object]", item.value).get("NSFWContent") is True


ADAPTER = Runware
