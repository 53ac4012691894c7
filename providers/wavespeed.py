"""WaveSpeedAI: models of many makers, each at a path of its own; submit a task, poll it, download pictures or video.

Sources: wavespeed 2.0.5 (api/client.py), WaveSpeedAI/wavespeed-cli 0.2.2, wavespeed.ai/docs (submit-task, predictions,
troubleshooting-guide) and huggingface_hub 2.4.0 inference/_providers/wavespeed.py, read 2026-11-23.

A model's wire name is its path: openai/gpt-image-2/edit. A field that a model does not know is ignored there, and the
picture billed all the same. `provider_options: {wavespeed: …}` are fields of the body as they are; with
`enable_sync_mode: true`, at models that have it, the call stays open until the task ends. The setting `quote: first`
has the vendor price each call before it is made, which is free and takes a round trip: no answer says what it cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
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
    Standing,
    Usage,
    Wait,
    errors,
    images,
)
from .base.images_api import mask_url
from .base.naming import named
from .base.refusal import if_refused, is_refusal

POLL_SECONDS = 1.0
PREDICTIONS = "/predictions/"
WAITING = frozenset({"created", "processing"})
STOPPED = frozenset({"cancelled", "timeout", "deleted"})
PASSING = re.compile(r"HTTP (?:5\d\d|429)")
"""Within the words of a failure: the maker's own API failed for a moment."""
NAMES = {"images": "images[]", "mask": "mask_image", "n": "num_images", "seconds": "duration"}
"""What most models call it."""


class WaveSpeed(Adapter):
    name = "wavespeed"
    default_base_url = "https://api.wavespeed.ai/api/v3"
    settings = frozenset({"quote"})
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "duration": "seconds",
        "image": "images",
        "images": "images",
        "mask_image": "mask",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "output_format": "output_format",
        "prompt": "prompt",
        "quality": "quality",
        "resolution": "resolution",
        "seed": "seed",
        "size": "size",
    }

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        self._quotes = self.chosen("quote", "never", "first") == "first"

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, model: Model) -> Call:
        return Call.get("/balance")

    def standing(self, reply: Reply) -> Standing:
        left = reply.json().at("data", "balance")
        return Standing(credit=f"{left.decimal:f} USD" if left is not None else None)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A size as width*height; pictures as data URLs; one picture is made where no number is said."""
        inputs = named(_said(request, model), model, NAMES) | request.options(self.name)
        call = Call.post(f"/{model.wire}", json=inputs)
        return self._quoted(call, inputs, request, model) if self._quotes else call

    def _quoted(self, call: Call, inputs: Mapping[str, object], request: ImageRequest, model: Model) -> Call:
        """What it would cost, and then the call itself."""

        def priced(reply: Reply) -> Call:
            answer = self._data(reply)
            if answer["currency"].text != "USD":
                return call
            cost, ceiling = answer["discounted_price"].decimal, request.max_cost_usd
            if ceiling is not None and cost > ceiling:
                raise errors.InvalidRequest(f"WaveSpeed asks ${cost:f} for it, which is above max_cost_usd {ceiling:f}")
            return replace(call, usage=Usage(cost_usd=cost))

        return replace(Call.post("/model/price", json={"model_id": model.wire, "inputs": inputs}), then=priced)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """A task in sync mode that takes too long comes as `processing`, and is polled like any other."""
        task = self._data(reply)
        status = task["status"].text
        if status in WAITING:
            return Wait(Call.get(f"{PREDICTIONS}{quote(task['id'].text, safe='')}/result"), POLL_SECONDS)
        if status == "failed":
            raise _failure(task.text_at("error") or "no reason given")
        if status in STOPPED:
            raise errors.job_ended(f"the task ended without a picture: {status}", code=status)
        if status != "completed":
            raise errors.BadReply(f"unknown task status {status!r}", path="$.data.status")
        outputs = list(task["outputs"].items())
        if not outputs:
            raise errors.BadReply("no picture", path="$.data.outputs")
        return Done(
            images=[_picture(each) for each in outputs], usage=Usage(images=len(outputs)), moderation=_word(task)
        )

    def _data(self, reply: Reply) -> Node:
        """What is in the envelope `{code, message, data}`, whose code may speak of an error within an HTTP 200."""
        envelope = reply.json()
        code = envelope["code"].integer
        if code >= 400:
            raise self.error(replace(reply, status=code))
        if code != 200:
            raise errors.BadReply(f"unknown code {code}", path="$.code")
        return envelope["data"]

    def error(self, reply: Reply) -> errors.ProviderError:
        """A code for a refusal is not published: its words tell (unconfirmed)."""
        return if_refused(super().error(reply))

    def error_code(self, body: Node) -> str | None:
        return body.text_at("error_code")

    def error_message(self, body: Node) -> str | None:
        return body.text_at("message")


def _said(request: ImageRequest, model: Model) -> dict[str, object]:
    return {
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt,
        "images": [images.to_data_url(each) for each in request.input_images],
        "mask": mask_url(request, model),
        "size": f"{request.size.width}*{request.size.height}" if request.size else None,
        "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
        "resolution": request.resolution,
        "quality": request.quality,
        "output_format": request.output_format,
        "seconds": request.length,
        "seed": request.seed,
        "n": request.n if request.n > 1 else None,
    }


def _picture(output: Node) -> ImageUrl | ImageBase64:
    """An address, or base64 without anything before it."""
    if bytes(output.characters[:4]) == b"http":
        return ImageUrl(output.text)
    return ImageBase64(output.characters)


def _word(task: Node) -> str | None:
    """Older documents have one for each picture, and the pictures with it; unconfirmed today."""
    found = task.at("has_nsfw_contents")
    flags = found.value if found is not None else None
    return "has_nsfw_contents" if isinstance(flags, list) and True in flags else None


def _failure(said: str) -> errors.ProviderError:
    """A task that fails is refunded. What it failed of is said in words only; a code for a refusal is not published."""
    if PASSING.search(said):
        return errors.ProviderUnavailable(f"the task failed: {said}")
    if is_refusal(said):
        return errors.ModerationBlocked(f"WaveSpeed: {said}", billed=False)
    return errors.job_ended(f"the task failed: {said}", billed=False)


ADAPTER = WaveSpeed
