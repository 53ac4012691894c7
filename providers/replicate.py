"""Replicate: the models of many makers, each with inputs of its own; create a prediction, wait for it, poll it.

Sources: replicate 1.0.7 and 2.0.0b4, replicate.com/docs and @ai-sdk/replicate 2.0.57, read 2026-11-23.

A model's wire name is owner/name; with a version, owner/name:id or its 64 digits; or deployments/owner/name. The call
is held open for up to a minute; the setting `wait: never` has it answered at once. Pictures up to 256 kB go as data
URLs, larger ones are uploaded first. `provider_options: {replicate: …}` are members of `input` as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from .base import Adapter, Call, Done, File, ImageRequest, ImageUrl, Model, Reply, Usage, Wait, errors, images
from .base.adapter import after
from .base.images_api import mask_png
from .base.naming import named
from .base.refusal import is_refusal

POLL_SECONDS = 0.5
DATA_URL_BYTES = 190_000
"""A file of this size makes 256 kB of base64 at most."""
WAITING = frozenset({"starting", "processing"})
STOPPED = {"canceled": True, "aborted": False}
"""Ended without a picture; true: once it runs it is billed."""
ERROR_CODE = re.compile(r"\((E\d{3,4})\)")
SENSITIVE = "E005"
VERSION = re.compile(r"[0-9a-f]{64}")
SAYS_JPEG = "openai/"
"""Models whose format is jpeg; the others' is jpg."""
CUSTOM = "black-forest-labs/"
"""Models that are given pixels with a ratio of custom."""
NAMES = {"images": "input_images[]", "n": "num_outputs", "output_compression": "output_quality"}
"""What most models call it."""


class Replicate(Adapter):
    name = "replicate"
    default_base_url = "https://api.replicate.com/v1"
    settings = frozenset({"wait"})
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "background": "background",
        "height": "size",
        "image": "images",
        "image_input": "images",
        "images": "images",
        "input_image": "images",
        "input_images": "images",
        "mask": "mask",
        "max_images": "n",
        "moderation": "moderation",
        "negative_prompt": "negative_prompt",
        "num_outputs": "n",
        "number_of_images": "n",
        "output_format": "output_format",
        "output_quality": "output_compression",
        "prompt": "prompt",
        "quality": "quality",
        "resolution": "resolution",
        "seed": "seed",
        "size": "resolution",
        "width": "size",
    }

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        self._waits = self.chosen("wait", "first", "never") == "first"

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, model: Model) -> Call:
        return Call.get("/account")

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Source images first, then references; the mask last, in the model's own colours."""
        files = [(each.media_type, each.data) for each in request.input_images]
        if request.mask is not None:
            files.append(("image/png", mask_png(request.mask, model)))

        def create(addresses: list[str]) -> Call:
            pictures = addresses[: len(request.input_images)]
            mask = addresses[-1] if request.mask is not None else None
            given = {**_said(request, model), "images": pictures, "mask": mask}
            return self._create(model, named(given, model, NAMES) | request.options(self.name))

        return after([_upload(*each, place) for place, each in enumerate(files, 1)], _address, create)

    def _create(self, model: Model, given: Mapping[str, object]) -> Call:
        kept = {name: value for name, value in given.items() if value is not None}
        if ":" in model.wire or VERSION.fullmatch(model.wire):
            call = Call.post("/predictions", json={"version": model.wire, "input": kept})
        else:
            place = model.wire if model.wire.startswith("deployments/") else f"models/{model.wire}"
            call = Call.post(f"/{place}/predictions", json={"input": kept})
        return replace(call, headers={**call.headers, "prefer": "wait"}) if self._waits else call

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        prediction = reply.json()
        status = prediction["status"].text
        if status in WAITING:
            return Wait(Call.get(f"/predictions/{quote(prediction['id'].text, safe='')}"), POLL_SECONDS)
        if status == "failed":
            raise _failure(prediction.text_at("error") or "no reason given")
        if status in STOPPED:
            raise errors.job_ended(
                f"the prediction ended without a picture: {status}", code=status, billed=STOPPED[status]
            )
        if status != "succeeded":
            raise errors.BadReply(f"unknown prediction status {status!r}", path="$.status")
        output, version = prediction["output"], prediction.text_at("version")
        found = list(output.items()) if isinstance(output.value, list) else [output]
        if not found:
            raise errors.BadReply("no picture", path="$.output")
        return Done(
            images=[ImageUrl(each.text) for each in found],
            usage=Usage(images=len(found)),
            model_snapshot=version if version != "hidden" else None,
            request_id=prediction.text_at("id"),
        )


def _said(request: ImageRequest, model: Model) -> dict[str, object]:
    chosen = request.output_format
    return {
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt,
        "width": request.size.width if request.size else None,
        "height": request.size.height if request.size else None,
        "aspect_ratio": _ratio(request, model),
        "resolution": request.resolution,
        "quality": request.quality,
        "background": None if request.background == "auto" else request.background,
        "output_format": "jpg" if chosen == "jpeg" and not model.wire.startswith(SAYS_JPEG) else chosen,
        "output_compression": request.output_compression,
        "moderation": request.moderation,
        "seed": request.seed,
        "n": request.n if request.n > 1 else None,
    }


def _ratio(request: ImageRequest, model: Model) -> str | None:
    """Where there is a ratio of custom, pixels are passed over without it."""
    if request.size is not None and model.wire.startswith(CUSTOM):
        return "custom"
    return str(request.aspect_ratio) if request.aspect_ratio else None


def _upload(media_type: str, data: bytes, place: int) -> Call | str:
    """A data URL where it may be one."""
    if len(data) <= DATA_URL_BYTES:
        return f"data:{media_type};base64,{images.to_base64(data)}"
    file = File("content", f"picture-{place}.{media_type.removeprefix('image/')}", media_type, data)
    return Call.form("/files", fields={}, files=[file])


def _address(uploaded: Reply) -> str:
    return uploaded.json()["urls"]["get"].text


def _failure(said: str) -> errors.ProviderError:
    """Codes stand within the words, where there are any: (E005). Whether a failure is billed is not published."""
    code = ERROR_CODE.search(said)
    name = code[1] if code else None
    if name == SENSITIVE or is_refusal(said):
        return errors.ModerationBlocked(f"Replicate: {said}", code=name)
    return errors.job_ended(f"the prediction failed: {said}", code=name)


ADAPTER = Replicate
