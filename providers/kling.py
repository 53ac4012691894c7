"""Kling (Kuaishou): submit a task, poll it, download the pictures.

Sources: app.klingai.com/global/dev/document-api (image generation, omni image, multi-image to image, expansion, error
codes) as mirrored in github.com/WHQ25/rawgenai docs/research/kling, github.com/Comfy-Org/ComfyUI, read 2026-11-23.

The key is `ACCESS_KEY:SECRET_KEY`, from which a token is made for each call; newer accounts' plain keys are sent as
they are (unconfirmed). `provider_options: {kling: …}` are fields of the body as they are (`image_reference`,
`image_fidelity`, `human_fidelity`, `scene_image`, `style_image`, `element_list`, …).
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images
from .base.refusal import is_refusal

POLL_SECONDS = 2.0
TOKEN_SECONDS = 1800
EARLY_SECONDS = 5
"""How long before now a token begins to hold, for clocks that differ."""

GENERATIONS = "/v1/images/generations"
OMNI = "/v1/images/omni-image"
SEVERAL = "/v1/images/multi-image2image"
EXPAND = "editing/expand"
OMNI_MODELS = frozenset({"kling-image-o1", "kling-v3-omni"})
SEVERAL_MODELS = frozenset({"kling-v2", "kling-v2-1"})
"""Models that take references at an address of their own."""

WAITING = frozenset({"submitted", "processing"})
CODES: Mapping[int, type[errors.ProviderError]] = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), errors.AuthenticationFailed),
    1100: errors.PermissionDenied,
    1101: errors.QuotaExhausted,
    1102: errors.QuotaExhausted,
    1103: errors.PermissionDenied,
    1200: errors.InvalidRequest,
    1201: errors.InvalidRequest,
    1202: errors.InvalidRequest,
    1203: errors.ModelNotFound,
    1302: errors.RateLimited,
    1303: errors.RateLimited,
    1304: errors.PermissionDenied,  # the address is not on the account's list
    5000: errors.ProviderUnavailable,
    5001: errors.ProviderUnavailable,
    5002: errors.ProviderUnavailable,
}
REFUSED = {1300: "unknown", 1301: "input"}
RISK = "risk control"
"""What a failed task says of a refusal; a code for it is not published."""


class Kling(Adapter):
    name = "kling"
    default_base_url = "https://api-singapore.klingai.com"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "image": "images",
        "image_list": "images",
        "model_name": "model",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "prompt": "prompt",
        "resolution": "resolution",
        "subject_image_list": "references",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def sign(self, call: Call, url: str, key: str, now: datetime) -> dict[str, str]:
        access, colon, secret = key.partition(":")
        return self.auth(token(access, secret, int(now.timestamp())) if colon else key)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as base64 without a prefix. Raises InvalidRequest for a negative prompt beside a picture."""
        given = [images.to_base64(each.data) for each in request.input_images]
        path, pictures = _pictures(request, model, given)
        if request.negative_prompt and given:
            raise errors.InvalidRequest(f"{model.key} takes no negative prompt beside a picture")
        body: dict[str, object] = {
            "model_name": None if model.wire == EXPAND else model.wire,
            "prompt": request.prompt or None,
            "negative_prompt": request.negative_prompt,
            **pictures,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "n": request.n,
        }
        return Call.post(path, json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """`{code, message, request_id, data}`; a task is asked for below the address that took it."""
        answer = reply.json()
        if answer["code"].integer != 0:
            raise _failure(answer, status=reply.status)
        task = answer["data"]
        status = task["task_status"].text
        if status in WAITING:
            below = f"/{quote(task['task_id'].text, safe='')}"
            return Wait(Call.get(reply.url if reply.url.endswith(below) else reply.url + below), POLL_SECONDS)
        if status == "failed":
            raise _failed(task.text_at("task_status_msg") or "the task failed", answer.text_at("request_id"))
        if status != "succeed":
            raise errors.BadReply(f"unknown task status {status!r}", path="$.data.task_status")
        painted = [ImageUrl(each["url"].text) for each in task["task_result"]["images"].items()]
        if not painted:
            raise errors.BadReply("no picture", path="$.data.task_result.images")
        return Done(images=list(painted), usage=Usage(images=len(painted)), request_id=answer.text_at("request_id"))

    def error(self, reply: Reply) -> errors.ProviderError:
        failure = _failure(reply.error_json() or Node({}), status=reply.status)
        if isinstance(failure, errors.RateLimited) or reply.status >= 500:
            failure.retry_after_seconds = reply.retry_after_seconds()
        return failure


def _pictures(request: ImageRequest, model: Model, given: list[str]) -> tuple[str, dict[str, object]]:
    """Where a request goes, and under which name its pictures do."""
    if model.wire == EXPAND:
        return f"/v1/images/{EXPAND}", {"image": given[0] if given else None}
    if model.wire in OMNI_MODELS:
        return OMNI, {"image_list": [{"image": each} for each in given] or None}
    if model.wire in SEVERAL_MODELS and request.references and not request.images:
        return SEVERAL, {"subject_image_list": [{"subject_image": each} for each in given]}
    if len(given) > 1:
        raise errors.InvalidRequest(f"{model.key} takes one picture, or several references alone")
    return GENERATIONS, {"image": given[0] if given else None}


def _failure(body: Node, *, status: int) -> errors.ProviderError:
    """What `{code, message}` means. It has a status, so where a task was asked for, it is not the task that failed."""
    number = body.at("code")
    code = number.value if number is not None and isinstance(number.value, int) else None
    message, request_id = body.text_at("message") or f"HTTP {status}", body.text_at("request_id")
    word = None if code is None else str(code)
    if code in REFUSED:
        return errors.ModerationBlocked(message, stage=REFUSED[code], status=status, code=word, request_id=request_id)
    kind = CODES.get(code) if code is not None else None
    if kind is None and status < 400:
        return errors.BadReply(f"unknown code {code}: {message}", path="$.code", request_id=request_id)
    return (kind or errors.for_status(status))(message, status=status, code=word, request_id=request_id)


def _failed(said: str, request_id: str | None) -> errors.ProviderError:
    """Whether a task that fails is billed is not published."""
    if RISK in said.lower() or is_refusal(said):
        return errors.ModerationBlocked(f"Kling: {said}", request_id=request_id)
    failed = errors.job_ended(f"the task failed: {said}")
    failed.request_id = request_id
    return failed


# The token


def token(access: str, secret: str, now: int) -> str:
    """A JSON web token (RFC 7519), signed with HMAC-SHA256. `now` is in seconds."""
    claims = {"iss": access, "exp": now + TOKEN_SECONDS, "nbf": now - EARLY_SECONDS}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _part(members: Mapping[str, object]) -> str:
    return _base64url(json.dumps(members, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


ADAPTER = Kling
