"""BytePlus ModelArk (ByteDance Seedream): one JSON call paints or edits, and is answered at once.

Sources: docs.byteplus.com/en/docs/ModelArk/1541523 (image API) and 1299023 (errors), byteplus-python-sdk-v2 3.0.63,
@ai-sdk/bytedance 1.0.29, read 2026-11-23.

A model must be switched on in the console first. The vendor writes a mark on every picture unless it is told not to,
and it is told: `provider_options: {seedream: {watermark: true}}` wants one. The other options are fields of the body
too (`optimize_prompt_options`, `sequential_image_generation`, `layer_decomposition`, `tools`, …).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from .base import Adapter, Call, Done, ImageRequest, Model, Node, Reply, Usage, errors, images
from .base.images_api import GENERATIONS, picture

SENSITIVE = re.compile(r"(Input|Output)\w*SensitiveContentDetected")
"""InputTextSensitiveContentDetected, OutputImageSensitiveContentDetected.PrivacyInformation and the like."""
REQUEST_ID = re.compile(r"request id: ([\w-]+)\W*$", re.IGNORECASE)
"""The end of every error's message."""


class Seedream(Adapter):
    name = "seedream"
    default_base_url = "https://ark.ap-southeast.bytepluses.com/api/v3"
    wire: ClassVar[Mapping[str, str]] = {
        "background": "background",
        "image": "images",
        "model": "model",
        "output_format": "output_format",
        "prompt": "prompt",
        "seed": "seed",
        "size": "size",
        "stream": "stream",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "AccountOverdueError": errors.QuotaExhausted,
        "InternalServiceError": errors.ProviderUnavailable,
        "ModelAccountIpmRateLimitExceeded": errors.RateLimited,
        "ModelNotOpen": errors.ModelNotFound,
        "QuotaExceeded": errors.QuotaExhausted,
        "ServerOverloaded": errors.ProviderUnavailable,
        "SetLimitExceeded": errors.QuotaExhausted,
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A size in pixels; source images, then references, as data URLs: a text when it is one, else a list."""
        given = [images.to_data_url(each) for each in request.input_images]
        body: dict[str, object] = {
            "model": model.wire,
            "prompt": request.prompt,
            "image": given[0] if len(given) == 1 else given or None,
            "size": str(request.size) if request.size else None,
            "seed": request.seed,
            "background": _background(request, model),
            "output_format": request.output_format if model.output.value.selectable else None,
            "response_format": "b64_json",
            "watermark": False,
        }
        return Call.post(GENERATIONS, json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done:
        """A picture of a sequence may have failed where others came; only those that came are billed."""
        answer = reply.json()
        failure = answer.get("error")
        if failure is not None and answer.get("data") is None:
            raise self._failure(failure, status=reply.status)
        slots = list(answer["data"].items())
        failed = [error for each in slots if (error := each.get("error")) is not None]
        painted = [picture(each) for each in slots if each.get("error") is None]
        if failure is not None:
            failed.append(failure)
        if not painted and failed:
            raise self._failure(failed[0], status=reply.status)
        if not painted:
            raise errors.BadReply("no picture, and no reason given", path="$.data")
        billed, tokens = answer.find("usage", "generated_images"), answer.find("usage", "output_tokens")
        return Done(
            images=painted,
            usage=Usage(
                images=billed.integer if billed else len(painted), output_tokens=tokens.integer if tokens else None
            ),
            model_snapshot=answer.text_at("model"),
            warnings=tuple(f"a picture did not come: {each.text_at('code') or 'no reason given'}" for each in failed),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        body = reply.error_json()
        said = body.at("error") if body else None
        failure = self._failure(said or Node({}), status=reply.status)
        if isinstance(failure, errors.RateLimited) or reply.status >= 500:
            failure.retry_after_seconds = reply.retry_after_seconds()
        return failure

    def _failure(self, said: Node, *, status: int) -> errors.ProviderError:
        """What `{code, message, param, type}` means. Below 400 it came within an answer that began as a success."""
        code = said.text_at("code")
        message = said.text_at("message") or f"HTTP {status}"
        found = REQUEST_ID.search(message)
        request_id = found[1] if found else None
        if sensitive := SENSITIVE.match(code or ""):
            return errors.ModerationBlocked(
                message, stage=sensitive[1].lower(), status=status, code=code, request_id=request_id, billed=False
            )
        kind = self.codes.get(code or "")
        if kind is None and status < 400:
            return errors.BadReply(f"an error within a success: {message}", path=said.path, request_id=request_id)
        return (kind or errors.for_status(status))(message, status=status, code=code, request_id=request_id)


def _background(request: ImageRequest, model: Model) -> str | None:
    """Only models that can paint a transparent one have the field."""
    if request.background == "auto" or "transparent" not in model.backgrounds.value:
        return None
    return request.background


ADAPTER = Seedream
