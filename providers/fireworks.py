"""Fireworks AI: FLUX.1 and older models at once, FLUX.1 Kontext as a job that is polled.

Sources: @ai-sdk/fireworks 2.0.90 (fireworks-image-model.ts), docs.fireworks.ai/api-reference (FLUX.1 Kontext, its
get_result) and api-evangelist/fireworks-ai, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from .base import (
    Adapter,
    Call,
    Done,
    ImageBase64,
    ImageBytes,
    ImageRequest,
    ImageUrl,
    Model,
    Reply,
    Usage,
    Wait,
    errors,
    images,
)
from .base.refusal import if_refused

POLL_SECONDS = 0.5
JOBS = "/flux-kontext-"
"""Within the wire name of models that are polled."""
OLDER = ("japanese-stable-diffusion-xl", "playground-v2-", "SSD-1B", "stable-diffusion-xl-")
"""Models of the first kind, which take a size and answer with the picture itself."""
REFUSED = {"Request Moderated": "input", "Content Moderated": "output"}
FAILED = frozenset({"Error", "Failed"})
GONE = "Task not found"
FILTERED = "CONTENT_FILTERED"
"""The picture is there and is blacked out. unconfirmed: from older documents."""


class Fireworks(Adapter):
    name = "fireworks"
    default_base_url = "https://api.fireworks.ai/inference/v1"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "height": "size",
        "input_image": "images",
        "negative_prompt": "negative_prompt",
        "output_format": "output_format",
        "prompt": "prompt",
        "seed": "seed",
        "width": "size",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """The picture as a data URL. Models without jobs are asked for a format by the `accept` header.

        JSON says more than a picture (the seed, and why it ended), so it is what is accepted where no format is asked.
        """
        body: dict[str, object] = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "seed": request.seed,
        }
        for source in request.input_images:
            body["input_image"] = images.to_data_url(source)
        options = request.options(self.name)
        if JOBS in model.wire:
            return Call.post(
                f"/workflows/{model.wire}", json={**body, "output_format": request.output_format} | options
            )
        if _is_older(model):
            url, accepted = f"/image_generation/{model.wire}", f"image/{request.output_format or 'png'}"
        else:
            url = f"/workflows/{model.wire}/text_to_image"
            accepted = f"image/{request.output_format}" if request.output_format else "application/json"
        call = Call.post(url, json=body | options)
        return replace(call, headers={**call.headers, "accept": accepted})

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        if reply.headers.get("content-type", "").startswith("image/"):
            _refuse_if_filtered(reply.headers.get("finish-reason"))
            return Done([ImageBytes(reply.body)], Usage(images=1))
        return _job(reply, model) if JOBS in model.wire else _painted(reply)

    def error(self, reply: Reply) -> errors.ProviderError:
        """A code for a refusal is not published: its words tell (unconfirmed)."""
        return if_refused(super().error(reply))


def _is_older(model: Model) -> bool:
    return model.wire.rpartition("/")[2].startswith(OLDER)


def _painted(reply: Reply) -> Done:
    """`{base64: […], finishReason, seed}`."""
    body = reply.json()
    _refuse_if_filtered(body.text_at("finishReason"))
    seed = body.get("seed")
    found = [ImageBase64(each.characters, seed=seed.integer if seed else None) for each in body["base64"].items()]
    if not found:
        raise errors.BadReply("no picture", path="$.base64")
    return Done(list(found), Usage(images=len(found)))


def _refuse_if_filtered(reason: str | None) -> None:
    if reason == FILTERED:
        raise errors.ModerationBlocked("Fireworks blacked the picture out", stage="output", code=FILTERED)


def _job(reply: Reply, model: Model) -> Done | Wait:
    """A job is asked for by a POST, with its id in the body."""
    body = reply.json()
    submitted = body.get("request_id")
    if submitted is not None:
        return _asked_again(submitted.text, model)
    status = body["status"].text
    if status == "Pending":
        return _asked_again(body["id"].text, model)
    if status in REFUSED:
        raise errors.ModerationBlocked(f"Fireworks: {status}", stage=REFUSED[status], code=status)
    if status in FAILED or status == GONE:
        raise errors.job_ended(f"the job ended without a picture: {status}", code=status)
    if status != "Ready":
        raise errors.BadReply(f"unknown job status {status!r}", path="$.status")
    return Done([ImageUrl(body["result"]["sample"].text)], Usage(images=1))


def _asked_again(identifier: str, model: Model) -> Wait:
    return Wait(Call.post(f"/workflows/{model.wire}/get_result", json={"id": identifier}), POLL_SECONDS)


ADAPTER = Fireworks
