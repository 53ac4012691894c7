"""Bria (FIBO and its editing tools): submit a job, poll it, download the picture.

Sources: docs.bria.ai as kept in github.com/api-evangelist/bria (openapi/_original, conventions, errors; August 2026),
read 2026-11-23.

A model's wire name is its path below the base URL: image/generate, image/edit/erase. `provider_options: {bria: …}` are
fields of the body as they are (`structured_prompt`, `steps_num`, `mask_type`, `desired_increase`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images
from .base.refusal import is_refusal
from .base.reply import seed_in

POLL_SECONDS = 1.0  # unconfirmed: Bria names no pace
LISTS = frozenset({"image/generate", "image/generate/lite", "image/edit"})
"""Those that take their pictures as a list; all others work on one."""
INSTRUCTED = "image/edit"
BINARY_MASK = "image/edit/erase"

WAITING = "IN_PROGRESS"
COMPLETED = "COMPLETED"
FAILED = frozenset({"ERROR", "UNKNOWN"})
NOT_FOUND = "NOT_FOUND"
INVALID = frozenset({"VALIDATION_ERROR", "400", "413", "415", "422", "460"})
UNSUPPORTED_INPUT = 506


class Bria(Adapter):
    name = "bria"
    default_base_url = "https://engine.prod.bria-api.com/v2"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "image": "images",
        "images": "images",
        "instruction": "prompt",
        "mask": "mask",
        "negative_prompt": "negative_prompt",
        "output_type": "output_format",
        "prompt": "prompt",
        "resolution": "resolution",
        "seed": "seed",
        "style": "style",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"api_token": key}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as bare base64; in the mask, white is repainted (or erased)."""
        encoded = [images.to_base64(each.data) for each in request.input_images]
        listed = model.wire in LISTS
        body: dict[str, object] = {
            "instruction" if model.wire == INSTRUCTED else "prompt": request.prompt or None,
            "negative_prompt": request.negative_prompt,
            "images": encoded if encoded and listed else None,
            "image": encoded[0] if encoded and not listed else None,
            "mask": _mask(request, model),
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "seed": request.seed,
            "style": request.style,
            "output_type": request.output_format,
        }
        return Call.post(f"/{model.wire}", json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """A job that failed is an HTTP 200 here, as one that is under way."""
        job = reply.json()
        address = job.get("status_url")
        if address:
            return Wait(Call.get(address.text), POLL_SECONDS)
        status = job.get("status")
        state = status.text if status else COMPLETED  # with `sync` the result comes at once, without a status
        if state == WAITING:
            return Wait(Call.get(reply.url), POLL_SECONDS)
        if state in FAILED:
            raise _failed(job, state)
        if state == NOT_FOUND:
            raise _gone()
        if state != COMPLETED:
            raise errors.BadReply(f"unknown job status {state!r}", path="$.status")
        result = job["result"]
        refined, identifier = result.get("refined_prompt"), job.get("request_id")
        picture = ImageUrl(result["image_url"].text, refined.text if refined else None, _seed(result.get("seed")))
        return Done(images=[picture], usage=Usage(images=1), request_id=identifier.text if identifier else None)

    def error(self, reply: Reply) -> errors.ProviderError:
        """460 is an input picture that could not be fetched, 506 one that is not supported."""
        body = reply.error_json()
        if reply.status == 404 and body and body.text_at("status") == NOT_FOUND:
            return _gone()
        error = super().error(reply)
        if reply.status == 422 and body and _says_refused(body):
            return errors.ModerationBlocked(str(error), status=422, code=error.code)
        if reply.status == UNSUPPORTED_INPUT:
            return errors.InvalidRequest(str(error), status=reply.status, code=error.code)
        return error


def _mask(request: ImageRequest, model: Model) -> str | None:
    if request.mask is None:
        return None
    return images.to_base64(images.masked(request.mask, repaint="white", binary=model.wire == BINARY_MASK))


def _seed(node: Node | None) -> int | None:
    """A number, in some answers as text."""
    if node is None:
        return None
    said = seed_in(node.value) if isinstance(node.value, str) else None
    return node.integer if said is None else said


def _says_refused(body: Node) -> bool:
    """One status (422) and one code stand for a wrong field and for a refusal, so only the words tell them apart."""
    return is_refusal(f"{body.text_at('error', 'message')} {body.text_at('error', 'details')}")


def _failed(job: Node, state: str) -> errors.ProviderError:
    code = job.at("error", "code")
    name = state if code is None else str(code.value)
    message = job.text_at("error", "message") or f"the job ended in failure: {state}"
    if _says_refused(job):
        return errors.ModerationBlocked(message, code=name)
    return errors.InvalidRequest(message, code=name) if name in INVALID else errors.job_ended(message, code=name)


def _gone() -> errors.ProviderError:
    return errors.job_ended("the job that was submitted is not known any more", code=NOT_FOUND)


ADAPTER = Bria
