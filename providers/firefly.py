"""Adobe Firefly Services: log in, upload the pictures, submit a job, poll it, download the results.

Sources: AdobeDocs/ffs-firefly-api static/firefly-api.json and src/pages/getting-started, of 2026-05-27;
developer.adobe.com/firefly-services/docs/firefly-api/getting-started (login); read 2026-11-23.

The key is `CLIENT_ID:CLIENT_SECRET` of an OAuth server-to-server credential. It is exchanged for a token of a day.

`provider_options: {firefly: …}` are fields of the body as they are (`contentClass`, `visualIntensity`, `placement`,
`upscaleFactor`, `modelSpecificPayload`, …); objects are merged with what the request says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, cast
from urllib.parse import urlencode

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Token, Usage, Wait, errors, images
from .base.adapter import after

IMS_URL = "https://ims-na1.adobelogin.com/ims/token/v3"
SCOPE = "openid,AdobeID,session,additional_info,read_organizations,firefly_api,ff_apis"
UPLOADS = "/v2/storage/image"
POLL_SECONDS = 2.0  # unconfirmed: Adobe names no pace

ROUTES = {
    "image5": "/v4/images/generate-async",
    "firefly-expand": "/v3/images/expand-async",
    "firefly-fill": "/v3/images/fill-async",
    "firefly-similar": "/v3/images/generate-similar-async",
    "precise_upsampler_v1": "/v3/images/upscale",
}
GENERATE = "/v3/images/generate-async"
"""All others: versions of one route, named in a header."""
VERSION = "x-model-version"
VERSIONED = ("image", "precise_upsampler")

WAITING = frozenset({"pending", "running", "cancel_pending"})
FAILED = frozenset({"failed", "cancelled", "canceled", "timeout"})
REFUSED = {
    "image_unsafe": "output",
    "input_media_unsafe": "input",
    "legal_error": "unknown",
    "prompt_entity_denied": "input",
    "prompt_unsafe": "input",
    "reference_image_unsafe_error": "input",
}
CONTENT_POLICY = 451
UNKNOWN_JOB = "unknown_job_id"
PASSED_OVER = {
    "promptHasBlockedArtists": "Firefly passed over artists that the prompt names",
    "promptHasDeniedWords": "Firefly passed over words of the prompt",
}


class Firefly(Adapter):
    """`scope`: those that the developer console shows for the credential. `ims_url`: where it is exchanged."""

    name = "firefly"
    default_base_url = "https://firefly-api.adobe.io"
    settings = frozenset({"ims_url", "scope"})
    wire: ClassVar[Mapping[str, str]] = {
        "aspectRatio": "aspect_ratio",
        "image": "images",
        "mask": "mask",
        "modelId": "model",
        "negativePrompt": "negative_prompt",
        "numVariations": "n",
        "prompt": "prompt",
        "referenceBlobs": "images",
        "resolutionLevel": "resolution",
        "seeds": "seed",
        "size": "size",
        "style": "style",
    }
    key_hosts = (".adobe.io", "ims-na1.adobelogin.com")
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "access_error": errors.PermissionDenied,
        "invalid_client": errors.AuthenticationFailed,
        "invalid_scope": errors.PermissionDenied,
        "rate_limited": errors.RateLimited,
        "timeout_error": errors.ProviderUnavailable,
        "unauthorized_client": errors.AuthenticationFailed,
    }

    def auth(self, key: str) -> dict[str, str]:
        """`CLIENT_ID:TOKEN`: the client is named with every call."""
        client, _, token = key.partition(":")
        return {"authorization": f"Bearer {token}", "x-api-key": client}

    def login(self, key: str, now: datetime) -> Call:
        client, _, secret = key.partition(":")
        fields = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret,
            "scope": self.options.get("scope", SCOPE),
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Call("POST", self.options.get("ims_url", IMS_URL), headers, urlencode(fields).encode())

    def token(self, reply: Reply, key: str) -> Token:
        answer = reply.json()
        client, _, _ = key.partition(":")
        return Token(f"{client}:{answer['access_token'].text}", float(answer["expires_in"].decimal))

    def call(self, request: ImageRequest, model: Model) -> Call:
        """The pictures first, one upload each; then the job, which names them. In the mask, white is filled."""
        uploads = [_upload(each.media_type, each.data) for each in request.input_images]
        if request.mask is not None:
            uploads.append(_upload("image/png", images.masked(request.mask, repaint="white")))
        return after(uploads, _identifier, lambda identifiers: self._job(request, model, identifiers))

    def _job(self, request: ImageRequest, model: Model, identifiers: list[str]) -> Call:
        body = _image_5(request, identifiers) if model.wire == "image5" else _body(request, model, identifiers)
        call = Call.post(ROUTES.get(model.wire, GENERATE), json=_merged(body, request.options(self.name)))
        version = {VERSION: model.wire} if model.wire.startswith(VERSIONED) else {}
        return Call(call.method, call.url, {**call.headers, **version}, call.body)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        job = reply.json()
        address = job.get("statusUrl") or job.find("links", "result", "href")
        if address:
            return Wait(Call.get(address.text), POLL_SECONDS)
        status = job["status"].text
        if status in WAITING:
            return Wait(Call.get(reply.url), POLL_SECONDS)
        if status in FAILED:
            raise _failed(job, status)
        if status != "succeeded":
            raise errors.BadReply(f"unknown job status {status!r}", path="$.status")
        result = job["result"]
        painted = [_picture(each) for each in result["outputs"].items()]
        if not painted:
            raise errors.BadReply("no picture, and no reason given", path="$.result.outputs")
        warnings = tuple(words for name, words in PASSED_OVER.items() if _is_true(result.get(name)))
        return Done(images=list(painted), usage=Usage(images=len(painted)), warnings=warnings)

    def error(self, reply: Reply) -> errors.ProviderError:
        error = super().error(reply)
        if reply.status == CONTENT_POLICY or error.code in REFUSED:
            return _refused(str(error), error.code, reply.status)
        if error.code == UNKNOWN_JOB:
            return errors.job_ended("the job that was submitted is not known any more", code=UNKNOWN_JOB)
        if reply.status == 410:
            return errors.ModelNotFound(str(error), status=410, code=error.code)
        return error

    def error_code(self, body: Node) -> str | None:
        """Where tokens are given, `error` is the code."""
        return body.text_at("error_code") or body.text_at("error")

    def error_message(self, body: Node) -> str | None:
        detail = body.text_at("validation_errors", 0, "msg")
        return detail or body.text_at("message") or body.text_at("error_description") or super().error_message(body)


def _upload(media_type: str, data: bytes) -> Call:
    return Call("POST", UPLOADS, {"content-type": media_type}, data)


def _identifier(uploaded: Reply) -> str:
    return uploaded.json()["images"][0]["id"].text


def _image_5(request: ImageRequest, identifiers: list[str]) -> dict[str, object]:
    """A picture is edited as the prompt says, and keeps its ratio."""
    return {
        "prompt": request.prompt,
        "modelId": "firefly_image",
        "aspectRatio": str(request.aspect_ratio) if request.aspect_ratio else None,
        "resolutionLevel": request.resolution,
        "numVariations": 1,
        "seeds": None if request.seed is None else [request.seed],
        "referenceBlobs": [{"source": {"uploadId": each}, "usage": "general"} for each in identifiers] or None,
    }


def _body(request: ImageRequest, model: Model, identifiers: list[str]) -> dict[str, object]:
    """A source is `image`; a reference lends its style."""
    upscales = model.wire.startswith("precise_upsampler")
    seeds = None if request.seed is None else [request.seed + place for place in range(request.n)]
    style: dict[str, object] = {}
    if request.style is not None:
        style["presets"] = [request.style]
    if request.references:
        style["imageReference"] = _source(identifiers[len(request.images)])
    return {
        "prompt": request.prompt or None,
        "negativePrompt": request.negative_prompt,
        "image": _source(identifiers[0]) if request.images else None,
        "mask": _source(identifiers[-1]) if request.mask is not None else None,
        "numVariations": None if upscales else request.n,
        "seeds": seeds or ([0] if upscales else None),  # an upscale must name one
        "size": {"width": request.size.width, "height": request.size.height} if request.size else None,
        "style": style or None,
    }


def _source(identifier: str) -> dict[str, object]:
    return {"source": {"uploadId": identifier}}


def _merged(ours: Mapping[str, object], theirs: Mapping[str, object]) -> dict[str, object]:
    merged = dict(ours)
    for name, value in theirs.items():
        current = merged.get(name)
        if isinstance(current, dict) and isinstance(value, dict):
            value = {**cast("dict[str, object]", current), **cast("dict[str, object]", value)}
        merged[name] = value
    return merged


def _picture(output: Node) -> ImageUrl:
    """An address that is good for an hour. An upscaled picture's stands by itself."""
    seed = output.get("seed")
    address = output.get("presignedUrl") or output["image"]["url"]
    return ImageUrl(address.text, seed=seed.integer if seed else None)


def _is_true(node: Node | None) -> bool:
    return node is not None and node.value is True


def _failed(job: Node, status: str) -> errors.ProviderError:
    """Whether a job that fails is billed is not published."""
    code = job.text_at("error_code")
    message = job.text_at("message") or f"the job ended: {status}"
    if code in REFUSED:
        return _refused(message, code, None)
    return errors.job_ended(message, code=code or status)


def _refused(message: str, code: str | None, status: int | None) -> errors.ModerationBlocked:
    return errors.ModerationBlocked(message, stage=REFUSED.get(code or "", "unknown"), status=status, code=code)


ADAPTER = Firefly
