"""fal: the models of many makers, each an endpoint; submit to a queue, ask for the status, fetch the result.

Sources: fal-client 1.0.3, @fal-ai/client 1.10.1 (endpoint types), fal.ai/docs (queue, errors, request errors) and
huggingface_hub 2.4.0 inference/_providers/fal_ai.py, read 2026-11-23.

A model's wire name is its endpoint: openai/gpt-image-2/edit. Status and result stand below its first two parts only, so
the addresses in the answers are used. `provider_options: {fal: …}` are fields of the body as they are. A `base_url` of
https://fal.run answers at once, and refuses what it has no room for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

from .base import Adapter, Call, Done, ImageRequest, Model, Node, Reply, Usage, Wait, errors, images
from .base.adapter import Picture
from .base.images_api import mask_url, picture, texts
from .base.naming import named

POLL_SECONDS = 0.5
AT_ONCE_SECONDS = 0.05
WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
REQUESTS = "/requests/"
STATUS = "/status"
REFUSED = "content_policy_violation"
NAMES = {"images": "image_urls[]", "mask": "mask_url", "n": "num_images", "size": "image_size"}
"""What most models call it."""


class Fal(Adapter):
    name = "fal"
    default_base_url = "https://queue.fal.run"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "background": "background",
        "image_size": "size",
        "image_url": "images",
        "image_urls": "images",
        "mask_image_url": "mask",
        "mask_url": "mask",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "output_format": "output_format",
        "prompt": "prompt",
        "quality": "quality",
        "rendering_speed": "quality",
        "resolution": "resolution",
        "seed": "seed",
        "style": "style",
    }
    request_id_headers = ("x-fal-request-id",)
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "generation_timeout": errors.ProviderUnavailable,
        "startup_timeout": errors.ProviderUnavailable,
    }
    """The `type` of a complaint, or the header x-fal-error-type."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Key {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures and mask as data URLs; one picture is made where no number is said."""
        body = named(_said(request, model), model, NAMES) | request.options(self.name)
        return Call.post(f"/{model.wire}", json=body)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """COMPLETED is said of failures too: only the result tells."""
        answer = reply.json()
        status, address = answer.get("status"), answer.get("status_url")
        if status is None and address is None:
            return _result(answer)
        if status is not None and status.text == "COMPLETED":
            return Wait(Call.get(_result_address(answer, reply.url)), AT_ONCE_SECONDS)
        if status is not None and status.text not in WAITING:
            raise errors.BadReply(f"unknown request status {status.text!r}", path="$.status")
        return Wait(Call.get(address.text if address is not None else reply.url), POLL_SECONDS)

    def error(self, reply: Reply) -> errors.ProviderError:
        """What was submitted, and what became of it, come with the same statuses: a result's is the job's own."""
        body, path = reply.error_json(), urlsplit(reply.url).path
        complaint = body.at("detail", 0) if body else None
        error = super().error(reply)
        if error.code == REFUSED and complaint is not None:
            return _refusal(complaint, str(error), reply.status)
        error.code = error.code or reply.headers.get("x-fal-error-type")
        if reply.status < 500 or body is None:
            return error
        # Said by fal itself, which bills none of these, however late they come.
        if REQUESTS in path and not path.endswith(STATUS):
            return errors.ProviderUnavailable(f"the model failed: {error}", code=error.code)
        failed = errors.ProviderUnavailable(str(error), status=reply.status, code=error.code)
        failed.retry_after_seconds = error.retry_after_seconds
        return failed

    def error_code(self, body: Node) -> str | None:
        return body.text_at("detail", 0, "type") or body.text_at("error_type")


def _said(request: ImageRequest, model: Model) -> dict[str, object]:
    return {
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt,
        "images": [images.to_data_url(each) for each in request.input_images],
        "mask": mask_url(request, model),
        "size": _size(request, model),
        "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
        "resolution": request.resolution,
        "quality": request.quality,
        "background": None if request.background == "auto" else request.background,
        "style": request.style,
        "output_format": request.output_format,
        "seed": request.seed,
        "n": request.n if request.n > 1 else None,
    }


def _size(request: ImageRequest, model: Model) -> object:
    """Width and height in pixels; a word where the model has a short list."""
    size = request.size
    if size is None or model.sizes_of(request).value.kind == "fixed":
        return None if size is None else str(size)
    return {"width": size.width, "height": size.height}


def _result_address(answer: Node, asked: str) -> str:
    """Given with the status, or where the status was, without its last part."""
    address = answer.get("response_url")
    return address.text if address is not None else asked.partition("?")[0].removesuffix(STATUS)


def _result(answer: Node) -> Done:
    """The model's own output. A picture that the safety checker flags comes as a black one, and is withheld here."""
    found = list(_pictures(answer))
    flags = answer.at("has_nsfw_concepts")
    shown = [each for place, each in enumerate(found) if not _is_flagged(flags, place)]
    if not shown:
        raise errors.ModerationBlocked("fal: every picture was flagged", stage="output", code="has_nsfw_concepts")
    withheld = len(found) - len(shown)
    return Done(
        images=shown,
        usage=Usage(images=len(found)),
        warnings=(f"fal flagged {withheld} of {len(found)} pictures, which come black",) if withheld else (),
    )


def _pictures(answer: Node) -> Iterator[Picture]:
    """`images`, or `image` of tools; the prompt is the one painted."""
    one = answer.get("image")
    items = [one] if one is not None else list(answer["images"].items())
    if not items:
        raise errors.BadReply("no picture", path="$.images")
    seed, prompt = answer.get("seed"), answer.text_at("prompt")
    for each in items:
        yield replace(picture(each), seed=seed.integer if seed else None, revised_prompt=prompt)


def _is_flagged(flags: Node | None, place: int) -> bool:
    flag = flags.at(place) if flags is not None else None
    return flag is not None and flag.value is True


def _refusal(complaint: Node, message: str, status: int) -> errors.ModerationBlocked:
    """`loc` is the part of the body that was refused; of a picture that was painted it names none."""
    categories = texts(complaint.at("ctx", "categories")) or texts(complaint.at("categories"))
    stage = "input" if complaint.text_at("loc", 1) else "unknown"
    return errors.ModerationBlocked(message, stage=stage, categories=categories, status=status, code=REFUSED)


ADAPTER = Fal
