"""Tencent: Hunyuan's image jobs and the tools of AI Art, by signed calls; Seedream on TokenHub, by a key.

Sources: tencentcloud-sdk-python-hunyuan 3.1.180 and -aiart 3.1.179 (models, error codes), cloud.tencent.com/document
1729/105969, 1668/124632 and 1729/101843 (signature v3), BerriAI/litellm 1.109.1 llms/tencent (TokenHub), read
2026-11-23.

A model's wire name is the action that starts it; on TokenHub it is the model's own. A key is `SECRET_ID:SECRET_KEY`,
with `:TOKEN` behind it where it is a temporary one, and signs each call; TokenHub's is sent as it is, to a base URL of
its own (https://tokenhub-intl.tencentcloudmaas.com). So these are two deployments, each with `models` of its own.

The vendor writes a mark on every picture unless it is told not to, and it is told:
`provider_options: {tencent: {LogoAdd: 1}}` wants one. Other options are fields of the body too (`Style`, `Clarity`,
`Revise`, `ChatId`, …).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

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
    Usage,
    Wait,
    errors,
    images,
)
from .base.adapter import Picture
from .base.images_api import picture

DOMAIN = ".tencentcloudapi.com"
ALGORITHM = "TC3-HMAC-SHA256"
VERSIONS = {"hunyuan": "2023-09-01", "aiart": "2022-12-29"}
DEFAULT_REGION = "ap-guangzhou"
"""Hunyuan's only one."""
ACTION = "x-tc-action"
FORM = "application/x-www-form-urlencoded"
JOBS = "Submit"
"""Begins the actions that start a job; what asks for it is called the same, with Query."""
UNMARKED = "RefineImage"
"""It writes no mark, so it has no field to say so."""
TOKENHUB = ("seedream-",)
TOKENHUB_PATH = "/v1/wand/si-image/generation"
POLL_SECONDS = 2.0

WAITING = frozenset({"1", "2"})
FAILED = "4"
DONE = "5"
FINE = "Success"

REFUSED = {"OperationDenied.TextIllegalDetected": "input", "OperationDenied.ImageIllegalDetected": "unknown"}


class Tencent(Adapter):
    """`region`: of the signed calls."""

    name = "tencent"
    default_base_url = f"https://hunyuan{DOMAIN}"
    key_hosts = (DOMAIN,)  # each product has a host of its own
    settings = frozenset({"region"})
    wire: ClassVar[Mapping[str, str]] = {
        "ContentImage": "references",
        "InputImage": "images",
        "Mask": "mask",
        "NegativePrompt": "negative_prompt",
        "Num": "n",
        "Prompt": "prompt",
        "Ratio": "aspect_ratio",
        "Resolution": "size",
        "Seed": "seed",
        "background": "background",
        "image": "images",
        "model": "model",
        "output_format": "output_format",
        "prompt": "prompt",
        "size": "size",
        "user": "user",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "AuthFailure": errors.AuthenticationFailed,
        "AuthFailure.UnauthorizedOperation": errors.PermissionDenied,
        "FailedOperation": errors.ProviderUnavailable,
        "FailedOperation.FreeResourcePackExhausted": errors.QuotaExhausted,
        "FailedOperation.ImageDecodeFailed": errors.InvalidRequest,
        "FailedOperation.ImageDownloadError": errors.InvalidRequest,
        "FailedOperation.ImageResolutionExceed": errors.InvalidRequest,
        "FailedOperation.ImageSizeExceed": errors.InvalidRequest,
        "FailedOperation.RequestEntityTooLarge": errors.InvalidRequest,
        "FailedOperation.ResourcePackExhausted": errors.QuotaExhausted,
        "FailedOperation.ServiceNotActivated": errors.PermissionDenied,
        "FailedOperation.ServiceStop": errors.PermissionDenied,
        "FailedOperation.ServiceStopArrears": errors.QuotaExhausted,
        "FailedOperation.SetPayModeExceed": errors.QuotaExhausted,
        "FailedOperation.UserUnAuthError": errors.PermissionDenied,
        "InternalError": errors.ProviderUnavailable,
        "InvalidParameter": errors.InvalidRequest,
        "InvalidParameterValue": errors.InvalidRequest,
        "LimitExceeded": errors.RateLimited,
        "MissingParameter": errors.InvalidRequest,
        "RequestLimitExceeded": errors.RateLimited,
        "ResourceInsufficient": errors.QuotaExhausted,
        "ResourceNotFound": errors.ModelNotFound,
        "ResourceUnavailable": errors.PermissionDenied,
        "ResourceUnavailable.InArrears": errors.QuotaExhausted,
        "ResourceUnavailable.LowBalance": errors.QuotaExhausted,
        "ResourcesSoldOut": errors.QuotaExhausted,
        "UnknownParameter": errors.InvalidRequest,
    }
    """By the code, or by what stands before its dot."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def sign(self, call: Call, url: str, key: str, now: datetime) -> dict[str, str]:
        """Signature v3 covers the address, the body's kind and the body; the time counts whole seconds."""
        if ":" not in key:
            return self.auth(key)
        identifier, _, rest = key.partition(":")
        secret, _, token = rest.partition(":")
        service = _service(call.headers[ACTION]) if ACTION in call.headers else ""
        signed = signature(call, url, identifier, secret, service, int(now.timestamp()))
        return {**signed, "x-tc-token": token} if token else signed

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A size as width:height; pictures as base64; in the mask, white is removed."""
        if model.wire.startswith(TOKENHUB):
            return Call.post(TOKENHUB_PATH, json=_seedream(request, model) | request.options(self.name))
        references = [{"ImageBase64": images.to_base64(each.data)} for each in request.references]
        size, mask = request.size, request.mask
        body: dict[str, object] = {
            "Prompt": request.prompt or None,
            "NegativePrompt": request.negative_prompt,
            "Resolution": f"{size.width}:{size.height}" if size else None,
            "Ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "Num": request.n if request.n > 1 else None,
            "ContentImage": references[0] if references else None,
            "InputImage": images.to_base64(request.images[0].data) if request.images else None,
            "Mask": images.to_base64(images.masked(mask, repaint="white")) if mask else None,
            "Seed": request.seed,
            # With the prompt rewritten, which is the default, a seed has no effect.
            "Revise": 0 if request.seed is not None else None,
            "LogoAdd": None if model.wire == UNMARKED else 0,
        }
        call = Call.post(self._place(model.wire), json=body | request.options(self.name))
        return replace(call, headers={**call.headers, **self._headers(model.wire)})

    def _headers(self, action: str) -> dict[str, str]:
        return {
            ACTION: action,
            "x-tc-version": VERSIONS[_service(action)],
            "x-tc-region": self.options.get("region", DEFAULT_REGION),
        }

    def _place(self, action: str) -> str:
        """The service's own host; everything is in one place where the base URL is no host of Tencent's."""
        host = urlsplit(self.base_url).hostname or ""
        return f"https://{_service(action)}{DOMAIN}/" if host.endswith(DOMAIN) else "/"

    def _query(self, address: str, model: Model) -> Call:
        """What asks for a job. Its id is in the address, which comes back with the answer; the answer has no id."""
        action = model.wire.replace(JOBS, "Query", 1)
        return Call("GET", address, {"content-type": FORM, **self._headers(action)})

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """Every answer of a signed call is an HTTP 200, errors included."""
        if model.wire.startswith(TOKENHUB):
            return _tokenhub(reply)
        answer = reply.json()["Response"]
        request_id = answer.text_at("RequestId")
        if (error := answer.get("Error")) is not None:
            raise self._failure(error, reply.status, request_id)
        if (job := answer.get("JobId")) is not None:
            address = f"{self._place(model.wire)}?{urlencode({'JobId': job.text})}"
            return Wait(self._query(address, model), POLL_SECONDS)
        if not model.wire.startswith(JOBS):
            return Done([_result(answer["ResultImage"])], Usage(images=1), request_id=request_id)
        status = answer["JobStatusCode"].text
        if status in WAITING:
            return Wait(self._query(reply.url or "/", model), POLL_SECONDS)
        if status == FAILED:
            raise self._failed(answer, request_id)
        if status != DONE:
            raise errors.BadReply(f"unknown job status {status!r}", path="$.Response.JobStatusCode")
        return _done(answer, request_id)

    def _kind(self, code: str) -> type[errors.ProviderError] | None:
        return self.codes.get(code) or self.codes.get(code.partition(".")[0])

    def _failure(self, error: Node, status: int, request_id: str | None) -> errors.ProviderError:
        """What `{Code, Message}` means. It has a status: where a job was asked for, it is not the job that failed."""
        code = error["Code"].text
        said = error.text_at("Message") or code
        if code in REFUSED:
            return errors.ModerationBlocked(said, stage=REFUSED[code], status=status, code=code, request_id=request_id)
        kind = self._kind(code)
        if kind is None:
            return errors.BadReply(
                f"unknown code {code!r}: {said}", path="$.Response.Error.Code", request_id=request_id
            )
        return kind(said, status=status, code=code, request_id=request_id)

    def _failed(self, answer: Node, request_id: str | None) -> errors.ProviderError:
        """Why a job failed. It has ended, so nothing here may read as if it could be asked for again.

        Whether one that fails is billed is not published.
        """
        code = answer.text_at("JobErrorCode") or ""
        message = answer.text_at("JobErrorMsg") or answer.text_at("JobStatusMsg") or "the job failed"
        if code in REFUSED:
            return errors.ModerationBlocked(message, stage=REFUSED[code], code=code, request_id=request_id)
        kind = self._kind(code)
        kind = kind if kind and kind is not errors.RateLimited else errors.ProviderUnavailable
        failed = kind(message, code=code or None, request_id=request_id)
        failed.retry, failed.billed = False, None
        return failed


def _service(action: str) -> str:
    return "hunyuan" if "Hunyuan" in action or action == "TextToImageLite" else "aiart"


def _done(answer: Node, request_id: str | None) -> Done:
    """Beside each picture stands how it went, and the prompt it was painted from."""
    details, prompts = answer.get("ResultDetails"), answer.get("RevisedPrompt")
    went = [each.text for each in details.items()] if details else []
    failed = [each for each in went if each != FINE]
    painted: list[Picture] = []
    for place, address in enumerate(answer["ResultImage"].items()):
        if address.text:
            revised = prompts.get(place) if prompts else None
            painted.append(ImageUrl(address.text, revised_prompt=revised.text if revised else None))
    if not painted:
        raise errors.BadReply(f"no picture ({', '.join(failed) or 'no reason given'})", path="$.Response.ResultImage")
    return Done(
        images=painted,
        usage=Usage(images=len(painted)),
        request_id=request_id,
        warnings=tuple(f"a picture did not come: {each}" for each in failed),
    )


def _result(given: Node) -> Picture:
    """Base64, or an address where the option `RspImgType` asked for one."""
    return ImageUrl(given.text) if bytes(given.characters[:4]) == b"http" else ImageBase64(given.characters)


# TokenHub


def _seedream(request: ImageRequest, model: Model) -> dict[str, object]:
    """unconfirmed: that pictures are data URLs, a text when it is one and else a list, as ByteDance has it."""
    given = [images.to_data_url(each) for each in request.input_images]
    takes_background = "transparent" in model.backgrounds.value and request.background != "auto"
    return {
        "model": model.wire,
        "prompt": request.prompt,
        "image": given[0] if len(given) == 1 else given or None,
        "size": str(request.size) if request.size else None,
        "background": request.background if takes_background else None,
        "output_format": request.output_format,
        "user": request.user,
        "response_format": "b64_json",
    }


def _tokenhub(reply: Reply) -> Done:
    painted = [picture(each) for each in reply.json()["data"].items()]
    if not painted:
        raise errors.BadReply("no picture, and no reason given", path="$.data")
    return Done(images=painted, usage=Usage(images=len(painted)))


# Signature v3


def signature(call: Call, url: str, identifier: str, secret: str, service: str, timestamp: int) -> dict[str, str]:
    """The headers to add: the time, and the signature over method, address, content type, host and body."""
    place = urlsplit(url)
    content_type = call.headers.get("content-type", FORM)
    names = "content-type;host"
    canonical = "\n".join(
        (
            call.method,
            place.path or "/",
            place.query,
            f"content-type:{content_type}",
            f"host:{place.netloc}",
            "",
            names,
            hashlib.sha256(call.body or b"").hexdigest(),
        )
    )
    date = datetime.fromtimestamp(timestamp, tz=UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    to_sign = "\n".join((ALGORITHM, str(timestamp), scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"TC3{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{identifier}/{scope}"
    authorization = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signed}"
    return {"x-tc-timestamp": str(timestamp), "authorization": authorization}


ADAPTER = Tencent
