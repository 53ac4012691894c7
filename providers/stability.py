"""Stability AI (v2beta): a form to a path, a picture's bytes back; two tools answer with a job that is polled.

Sources: platform.stability.ai/docs/api-reference and /pricing as of 2026-07-09, github.com/api-evangelist/stability-ai,
read 2026-11-23.

A model's wire name is its path below `/v2beta/stable-image/`, with the model where a path has several:
generate/sd3/sd3.5-large, edit/inpaint, upscale/creative. `provider_options: {stability: …}` are fields of the form as
they are (`style_preset`, `strength`, `grow_mask`, `search_prompt`, `left`, …). Left to itself Stability paints 5 pixels
beyond the mask: `grow_mask` is sent as 0 where the options say nothing else. Stability takes a seed of 0 for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from .base import (
    Adapter,
    Call,
    Done,
    File,
    ImageBytes,
    ImageRequest,
    Model,
    Node,
    Reply,
    Standing,
    Usage,
    Wait,
    errors,
    images,
)
from .base.reply import seed_in

PATH = "/v2beta/stable-image/"
RESULTS = "/v2beta/results/"
PICTURE = {"accept": "image/*"}
POLL_SECONDS = 10.0  # the fastest that is asked for
BLOCKED_SECONDS = 60.0
"""How long calls are refused after more than 150 in 10 seconds. It is not said in the answer."""
RUNNING = "in-progress"
FINISHED = "SUCCESS"
FILTERED = "CONTENT_FILTERED"
REFUSED = "content_moderation"
STRENGTH = 0.5
"""How far an edit may go from its source, 0 to 1. One has to be sent with a picture, and there is no default."""
EXACT = 0
"""Pixels that the mask is grown by; 5 where nothing is said."""

SOURCES = {"control/style-transfer": "init_image", "edit/replace-background-and-relight": "subject_image"}
"""Paths that have a name of their own for the source; for all others it is `image`."""
REFERENCES = {
    "control/style": "image",
    "control/style-transfer": "style_image",
    "edit/replace-background-and-relight": "background_reference",
}
PROMPTS = {"edit/replace-background-and-relight": "background_prompt"}


class Stability(Adapter):
    name = "stability"
    default_base_url = "https://api.stability.ai"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "background_prompt": "prompt",
        "background_reference": "references",
        "image": "images",
        "init_image": "images",
        "mask": "mask",
        "mode": "images",
        "model": "model",
        "negative_prompt": "negative_prompt",
        "output_format": "output_format",
        "prompt": "prompt",
        "seed": "seed",
        "style_image": "references",
        "subject_image": "images",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, model: Model) -> Call:
        return Call.get("/v1/user/balance")

    def standing(self, reply: Reply) -> Standing:
        left = reply.json().at("credits")
        return Standing(credit=f"{left.decimal:f} credits" if left is not None else None)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A form even without files. In the mask white is repainted, and grey in part."""
        path, name = _door(model)
        generates = path.startswith("generate/")
        fields: dict[str, object] = {
            PROMPTS.get(path, "prompt"): request.prompt or None,
            "model": name,
            "mode": ("image-to-image" if request.images else "text-to-image") if name else None,
            "strength": STRENGTH if generates and request.images else None,
            "negative_prompt": request.negative_prompt,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "seed": request.seed,
            "output_format": request.output_format,
            "grow_mask": EXACT if request.mask is not None else None,
        }
        files = [File.of(SOURCES.get(path, "image"), each) for each in request.images]
        files += [File.of(REFERENCES.get(path, "image"), each) for each in request.references]
        if request.mask is not None:
            files.append(File("mask", "mask.png", "image/png", images.masked(request.mask, repaint="white")))
        call = Call.form(PATH + path, fields=fields | request.options(self.name), files=files)
        end_user = {"stability-client-user-id": request.user} if request.user else {}
        return replace(call, headers={**call.headers, **PICTURE, **end_user})

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """A picture, with its seed and how it came out in headers; or a job."""
        if not reply.headers.get("content-type", "").startswith("image/"):
            return _job(reply.json())
        reason = reply.headers.get("finish-reason", FINISHED)
        if reason == FILTERED:
            raise errors.ModerationBlocked("Stability blurred the picture", stage="output", code=reason)
        if reason != FINISHED:
            raise errors.BadReply(f"unknown finish reason {reason!r}", path="finish-reason")
        picture = ImageBytes(reply.body, seed=seed_in(reply.headers.get("seed")))
        return Done(images=[picture], usage=Usage(images=1))

    def error(self, reply: Reply) -> errors.ProviderError:
        error = super().error(reply)
        if error.code == REFUSED:
            return errors.ModerationBlocked(str(error), stage="input", status=reply.status, code=REFUSED, billed=False)
        if isinstance(error, errors.RateLimited):
            error.retry_after_seconds = error.retry_after_seconds or BLOCKED_SECONDS
        return error

    def error_code(self, body: Node) -> str | None:
        return body.text_at("name")

    def error_message(self, body: Node) -> str | None:
        """`errors` is a list of texts; some documents have one `message` in its place."""
        return body.text_at("errors", 0) or body.text_at("message") or body.text_at("name")


def _door(model: Model) -> tuple[str, str | None]:
    """The path, and the model that is named in the form: `generate/sd3/sd3.5-large` holds both."""
    group, tool, *rest = model.wire.split("/")
    return f"{group}/{tool}", rest[0] if rest else None


def _job(job: Node) -> Wait:
    status = job.get("status")
    if status is not None and status.text != RUNNING:
        raise errors.BadReply(f"unknown job status {status.text!r}", path="$.status")
    return Wait(Call("GET", RESULTS + quote(job["id"].text, safe=""), PICTURE), POLL_SECONDS)


ADAPTER = Stability
