"""Amazon Bedrock: Stability AI's models and image services, one JSON call each.

Sources: docs.aws.amazon.com/bedrock/latest/userguide (model-parameters-diffusion-3-5-large, stable-image-services),
BerriAI/litellm 1.109.1 llms/bedrock, botocore 1.44 bedrock-runtime (errors); signing:
docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. All read 2026-11-23.

The key is a Bedrock API key (AWS_BEARER_TOKEN_BEDROCK), sent as it is; or an access key, written
`ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it where it is a temporary one, which signs each call.

`provider_options: {bedrock: …}` are fields of the body as they are (`search_prompt`, `grow_mask`, `creativity`, …).
Left to itself Bedrock paints 5 pixels beyond the mask: `grow_mask` is sent as 0 where the options say nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from .base import Adapter, Call, Done, ImageBase64, ImageRequest, Model, Reply, Usage, errors, images

DEFAULT_REGION = "us-west-2"
"""The one that has every model."""
HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
SERVICE = "bedrock"
ALGORITHM = "AWS4-HMAC-SHA256"
ERROR_TYPE = "x-amzn-errortype"

STYLE_TRANSFER = "stable-style-transfer"
IMAGE_TO_IMAGE = ("stability.sd3-",)
"""Those that have a mode of their own for pictures, and a strength that says how far to go from them."""
STRENGTH = 0.75
"""Stability asks for one with every picture and names no default; unconfirmed that Bedrock asks too."""

EXACT = 0
"""Pixels that the mask is grown by; 5 where nothing is said."""

REFUSED = {
    "Filter reason: prompt": "input",
    "Filter reason: input image": "input",
    "Filter reason: output image": "output",
}
FILTERED = "Filter reason: "
FAILED = "Inference error"


class Bedrock(Adapter):
    """`region`: of the signature, where the base URL does not name it."""

    name = "bedrock"
    default_base_url = f"https://bedrock-runtime.{DEFAULT_REGION}.amazonaws.com"
    settings = frozenset({"region"})
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "image": "images",
        "init_image": "images",
        "mask": "mask",
        "mode": "operation",
        "negative_prompt": "negative_prompt",
        "output_format": "output_format",
        "prompt": "prompt",
        "seed": "seed",
        "style_image": "references",
    }
    request_id_headers = ("x-amzn-requestid",)
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "ExpiredTokenException": errors.AuthenticationFailed,
        "IncompleteSignatureException": errors.AuthenticationFailed,
        "InvalidSignatureException": errors.AuthenticationFailed,
        "MissingAuthenticationTokenException": errors.AuthenticationFailed,
        "ModelErrorException": errors.ProviderUnavailable,  # 424: the model failed, not the request
        "ServiceQuotaExceededException": errors.QuotaExhausted,
        "UnrecognizedClientException": errors.AuthenticationFailed,
    }

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        named = HOST.match(urlsplit(self.base_url).hostname or "")
        self._region = self.options.get("region") or (named[1] if named else DEFAULT_REGION)

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def sign(self, call: Call, url: str, key: str, now: datetime) -> dict[str, str]:
        if ":" not in key:
            return self.auth(key)
        return Signer(AccessKey.parse(key), self._region, SERVICE).headers(call, url, now)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as base64; in the mask, white is repainted."""
        body: dict[str, object] = {
            "prompt": request.prompt or None,
            "negative_prompt": request.negative_prompt,
            **_pictures(request, model),
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "seed": request.seed,
            "output_format": request.output_format,
        }
        if request.mask is not None:
            body["mask"] = images.to_base64(images.masked(request.mask, repaint="white"))
            body["grow_mask"] = EXACT
        return Call.post(f"/model/{quote(model.wire, safe='')}/invoke", json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done:
        """A refusal is an HTTP 200 with a finish reason. A seed and a reason stand beside each picture."""
        answer = reply.json()
        reasons = answer.get("finish_reasons")
        for reason in reasons.items() if reasons else ():
            if reason.value is not None:
                raise _unfinished(reason.text, path=reason.path)
        seeds = answer.get("seeds")
        painted = [
            ImageBase64(picture.characters, seed=seed.integer if seeds and (seed := seeds.get(place)) else None)
            for place, picture in enumerate(answer["images"].items())
        ]
        if not painted:
            raise errors.BadReply("no picture, and no reason given", path="$.images")
        return Done(images=list(painted), usage=Usage(images=len(painted)))

    def error(self, reply: Reply) -> errors.ProviderError:
        """The kind stands in a header, sometimes with an address behind it: `ThrottlingException:http://…`."""
        body = reply.error_json()
        kind, _, _ = reply.headers.get(ERROR_TYPE, "").partition(":")
        message = (body.text_at("message") or body.text_at("Message") if body else None) or f"HTTP {reply.status}"
        meaning = self.codes.get(kind, errors.for_status(reply.status))
        waits = meaning in {errors.RateLimited, errors.ProviderUnavailable}
        return meaning(
            message,
            status=reply.status,
            code=kind or None,
            retry_after_seconds=reply.retry_after_seconds() if waits else None,
        )


def _pictures(request: ImageRequest, model: Model) -> dict[str, object]:
    """Sources and references under the names that this model has for them."""
    encoded = [images.to_base64(each.data) for each in request.input_images]
    if not encoded:
        return {}
    if STYLE_TRANSFER in model.wire:
        return dict(zip(("init_image", "style_image"), encoded, strict=False))
    if model.wire.startswith(IMAGE_TO_IMAGE):
        return {"mode": "image-to-image", "image": encoded[0], "strength": STRENGTH}
    return {"image": encoded[0]}


def _unfinished(reason: str, *, path: str) -> errors.ProviderError:
    if reason.startswith(FILTERED):
        return errors.ModerationBlocked(f"Bedrock: {reason}", stage=REFUSED.get(reason, "unknown"), code=reason)
    if reason != FAILED:
        return errors.BadReply(f"unknown finish reason {reason!r}", path=path)
    return errors.job_ended("the model failed", code=reason)


# Signature Version 4


@dataclass(frozen=True, slots=True)
class AccessKey:
    identifier: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> AccessKey:
        """Read `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`."""
        identifier, _, rest = text.partition(":")
        secret, _, session_token = rest.partition(":")
        return cls(identifier, secret, session_token or None)


@dataclass(frozen=True, slots=True)
class Signer:
    key: AccessKey
    region: str
    service: str

    def headers(self, call: Call, url: str, now: datetime) -> dict[str, str]:
        """Those to add to the call's own, which are signed with them, as are the host, the time and the body."""
        place = urlsplit(url)
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        added = {"x-amz-date": moment}
        if self.key.session_token:
            added["x-amz-security-token"] = self.key.session_token
        signed = {name.lower(): " ".join(value.split()) for name, value in call.headers.items()}
        signed = dict(sorted({**signed, **added, "host": place.netloc}.items()))
        names = ";".join(signed)
        canonical = "\n".join(
            (
                call.method,
                quote(place.path or "/", safe="/-_.~"),  # encoded once more than it is sent, everywhere but in S3
                _canonical_query(place.query),
                *(f"{name}:{value}" for name, value in signed.items()),
                "",
                names,
                hashlib.sha256(call.body or b"").hexdigest(),
            )
        )
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        to_sign = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        secret = f"AWS4{self.key.secret}".encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        signature = hmac.digest(secret, to_sign.encode(), "sha256").hex()
        credential = f"{self.key.identifier}/{scope}"
        authorization = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return {**added, "authorization": authorization}


def _canonical_query(query: str) -> str:
    """Encoded, then sorted by name and value."""
    encoded = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True)]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


ADAPTER = Bedrock
