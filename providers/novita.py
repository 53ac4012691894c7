"""Novita AI: submit a task, poll it, download the pictures; its tools for one job answer at once.

Sources: novita-sdk 3.1.3 (its types and addresses), novita.ai/docs (task result, FLUX.1 Kontext, Qwen-Image) and
api-evangelist/novita-ai, read 2026-11-23.

A model's wire name is its path below `/v3/`. The family of Stable Diffusion (`async/txt2img`, `async/img2img`,
`async/inpainting`) has one path for all its checkpoints: the option `model_name` says which. There a body has two
parts, and options go to the one that they belong to; everywhere else they are fields of the body as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

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
    Size,
    Usage,
    Wait,
    errors,
    images,
)
from .base.refusal import if_refused, is_refusal
from .base.reply import seed_in

POLL_SECONDS = 1.0
RESULT = "/v3/async/task-result"
WAITING = frozenset({"TASK_STATUS_QUEUED", "TASK_STATUS_PROCESSING"})
STABLE_DIFFUSION = frozenset({"async/txt2img", "async/img2img", "async/inpainting"})
TOOLS = frozenset({"cleanup", "remove-background"})
OF_ITS_EXTRA = frozenset(
    {
        "custom_storage",
        "enable_nsfw_detection",
        "enterprise_plan",
        "nsfw_detection_level",
        "response_image_type",
        "webhook",
    }
)
"""Options of Stable Diffusion that say what becomes of the pictures, and not how they are painted."""
ANY_SEED = -1


class Novita(Adapter):
    name = "novita"
    default_base_url = "https://api.novita.ai"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "height": "size",
        "image_base64": "images",
        "image_file": "images",
        "image_num": "n",
        "images": "images",
        "mask_file": "mask",
        "mask_image_base64": "mask",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "output_format": "output_format",
        "prompt": "prompt",
        "response_image_type": "output_format",
        "seed": "seed",
        "size": "size",
        "width": "size",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "ANONYMOUS_ACCESS_QUOTA_EXCEEDS": errors.QuotaExhausted,
        "BILLING_AUTH_FAILED": errors.AuthenticationFailed,
        "BILLING_BALANCE_NOT_ENOUGH": errors.QuotaExhausted,
        "BILLING_FAILED": errors.QuotaExhausted,
        "IMAGE_FILE_EXCEEDS_MAX_SIZE": errors.InvalidRequest,
        "INVALID_REQUEST_BODY": errors.InvalidRequest,
        "NOT_ENOUGH_BALANCE": errors.QuotaExhausted,
        "RATE_LIMIT_EXCEEDED": errors.RateLimited,
    }
    """By `reason`."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as base64; in the mask, white is repainted or erased (unconfirmed)."""
        options = request.options(self.name)
        if model.wire in STABLE_DIFFUSION:
            body = _in_two_parts(request, model, options)
        elif model.wire in TOOLS:
            body = {"image_file": images.to_base64(request.images[0].data), "mask_file": _mask(request)} | options
        else:
            body = _flat(request) | options
        return Call.post(f"/v3/{model.wire}", json=body)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        body = reply.json()
        if model.wire in TOOLS:
            return Done([ImageBase64(body["image_file"].characters)], Usage(images=1))
        if (submitted := body.get("task_id")) is not None:
            return Wait(Call.get(f"{RESULT}?task_id={quote(submitted.text, safe='')}"), POLL_SECONDS)
        task = body["task"]
        status = task["status"].text
        if status in WAITING:
            return Wait(Call.get(f"{RESULT}?task_id={quote(task['task_id'].text, safe='')}"), POLL_SECONDS)
        if status == "TASK_STATUS_FAILED":
            raise _failure(task.text_at("reason") or "no reason given")
        if status != "TASK_STATUS_SUCCEED":
            raise errors.BadReply(f"unknown task status {status!r}", path="$.task.status")
        found = [ImageUrl(each["image_url"].text, seed=_seed(body)) for each in body["images"].items()]
        if not found:
            raise errors.BadReply("no picture", path="$.images")
        return Done(list(found), Usage(images=len(found)))

    def error(self, reply: Reply) -> errors.ProviderError:
        """A refusal's words tell (unconfirmed)."""
        return if_refused(super().error(reply))

    def error_code(self, body: Node) -> str | None:
        return body.text_at("reason")

    def error_message(self, body: Node) -> str | None:
        return body.text_at("message")


def _mask(request: ImageRequest) -> str | None:
    return images.to_base64(images.masked(request.mask, repaint="white")) if request.mask else None


def _edges(size: Size | None) -> dict[str, object]:
    return {"width": size.width, "height": size.height} if size else {}


def _flat(request: ImageRequest) -> dict[str, object]:
    """A size as width*height."""
    return {
        "prompt": request.prompt,
        "images": [images.to_base64(each.data) for each in request.input_images] or None,
        "size": f"{request.size.width}*{request.size.height}" if request.size else None,
        "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
        "num_images": request.n if request.n > 1 else None,
        "seed": request.seed,
        "output_format": request.output_format,
    }


def _in_two_parts(request: ImageRequest, model: Model, options: Mapping[str, object]) -> dict[str, object]:
    """`request` says how to paint, and must say it all; `extra` what becomes of it. Inpainting follows its source."""
    painted: dict[str, object] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or "",
        **({} if model.wire == "async/inpainting" else _edges(request.size)),
        "image_num": request.n,
        "seed": ANY_SEED if request.seed is None else request.seed,
    }
    if request.input_images:
        painted["image_base64"] = images.to_base64(request.input_images[0].data)
    if request.mask is not None:
        painted["mask_image_base64"] = _mask(request)
    extra: dict[str, object] = {"response_image_type": request.output_format} if request.output_format else {}
    extra |= {name: value for name, value in options.items() if name in OF_ITS_EXTRA}
    painted |= {name: value for name, value in options.items() if name not in OF_ITS_EXTRA}
    return {"extra": extra or None, "request": painted}


def _seed(body: Node) -> int | None:
    """Of the whole task. unconfirmed: whether as a number or as text."""
    found = body.at("extra", "seed")
    if found is not None and type(found.value) is int:
        return found.value
    return seed_in(body.text_at("extra", "seed"))


def _failure(said: str) -> errors.ProviderError:
    """Of what a task failed is said in words only."""
    if is_refusal(said):
        return errors.ModerationBlocked(f"Novita: {said}")
    return errors.job_ended(f"the task failed: {said}")


ADAPTER = Novita
