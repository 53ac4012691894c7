"""MiniMax: image-01, by a call of its own, and H3 Image, by paths that look like OpenAI's.

Sources: github.com/MiniMax-AI/cli (src/commands/image/generate.ts, src/errors/api.ts) and /MiniMax-MCP,
platform.minimaxi.com/docs/api-reference/image-generation-t2i and …-i2i, read 2026-11-23.

Of H3 only the paths are known: that its bodies are the Images API's, and edits a form, is unconfirmed.
`provider_options: {minimax: …}` are fields of the body as they are (`prompt_optimizer`, `aigc_watermark`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Call, Done, ImageBase64, ImageRequest, ImageUrl, Model, Node, Reply, Usage, errors, images
from .base.images_api import ImagesApi
from .base.refusal import is_refusal

GENERATION = "/image_generation"
CLASSIC = "image-01"
CODES: Mapping[int, type[errors.ProviderError]] = {
    1002: errors.RateLimited,
    1004: errors.AuthenticationFailed,
    1008: errors.QuotaExhausted,
    1028: errors.QuotaExhausted,
    1030: errors.QuotaExhausted,
    1039: errors.RateLimited,
    2013: errors.InvalidRequest,
    2049: errors.AuthenticationFailed,
    2061: errors.PermissionDenied,  # the model is not in the plan
}
"""unconfirmed: the vendor's table and its own client's disagree."""
REFUSED = {1026: "input", 1027: "output"}
EITHER = frozenset({1002, 1039})
"""A rate limit in the vendor's table, a refusal in its client: the words tell."""


class MiniMax(ImagesApi):
    name = "minimax"
    default_base_url = "https://api.minimax.io/v1"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "height": "size",
        "image": "images",
        "image[]": "images",
        "model": "model",
        "n": "n",
        "prompt": "prompt",
        "seed": "seed",
        "size": "size",
        "subject_reference": "references",
        "width": "size",
    }

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """Of H3: a prompt and a size; no other field is documented."""
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "size": str(request.size) if request.size else None,
        }

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Of image-01: pixels or a ratio; a reference is a person's likeness, and is no picture to be changed."""
        if not model.wire.startswith(CLASSIC):
            return super().call(request, model)
        people = [{"type": "character", "image_file": images.to_data_url(each)} for each in request.references]
        body: dict[str, object] = {
            "model": model.wire,
            "prompt": request.prompt,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "n": request.n,
            "seed": request.seed,
            "subject_reference": people or None,
            "response_format": "base64",
        }
        return Call.post(GENERATION, json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done:
        """Of image-01 an error is an HTTP 200 too."""
        answer = reply.json()
        state = answer.get("base_resp")
        if state is not None and state["status_code"].integer != 0:
            raise _failure(state, status=reply.status)
        if not model.wire.startswith(CLASSIC):
            return super().read(reply, model)
        data = answer["data"]
        encoded, addresses = data.get("image_base64"), data.get("image_urls")
        painted = [
            *(ImageBase64(each.characters) for each in (encoded.items() if encoded else ())),
            *(ImageUrl(each.text) for each in (addresses.items() if addresses else ())),
        ]
        if not painted:
            raise errors.BadReply("no picture, and no reason given", path="$.data")
        failed = answer.find("metadata", "failed_count")
        missing = int(failed.decimal) if failed else 0
        return Done(
            images=list(painted),
            usage=Usage(images=len(painted)),
            request_id=answer.text_at("id"),
            warnings=(f"MiniMax says that {missing} of the pictures failed",) if missing else (),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        body = reply.error_json()
        state = body.at("base_resp") if body else None
        if state is None:
            return super().error(reply)
        failure = _failure(state, status=reply.status)
        failure.retry_after_seconds = reply.retry_after_seconds() if isinstance(failure, errors.RateLimited) else None
        return failure


def _failure(state: Node, *, status: int) -> errors.ProviderError:
    """What `{status_code, status_msg}` means."""
    number = state.at("status_code")
    code = number.value if number is not None and isinstance(number.value, int) else 0
    message = state.text_at("status_msg") or f"status code {code}"
    if code in REFUSED:
        return errors.ModerationBlocked(message, stage=REFUSED[code], status=status, code=str(code))
    if code in EITHER and is_refusal(message):
        return errors.ModerationBlocked(message, status=status, code=str(code))
    kind = CODES.get(code)
    if kind is None and status < 400:
        return errors.BadReply(f"unknown status code {code}: {message}", path="$.base_resp.status_code")
    return (kind or errors.for_status(status))(message, status=status, code=str(code))


ADAPTER = MiniMax
