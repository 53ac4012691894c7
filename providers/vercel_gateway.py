"""Vercel AI Gateway: the protocol of the AI SDK, one endpoint for the image models of many vendors.

Source: @ai-sdk/gateway 4.0.146 and 3.0.232 (gateway-image-model.ts, gateway-provider.ts, errors/), which is where the
protocol is written down, @ai-sdk/openai 3.0.141 (openai-image-model-options.ts) and vercel.com/docs/ai-gateway, read
2026-11-23.

`provider_options: {vercel_gateway: …}` are the protocol's `providerOptions`: for the gateway itself (`gateway: {only,
order, sort, models, tags, …}`) and for the vendor behind it, under its name (`openai: {quality: high}`).

A setting that the model behind it does not take comes back as a warning, never as an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, cast

from .base import (
    Adapter,
    Call,
    Done,
    ImageBase64,
    ImageRequest,
    InputImage,
    Model,
    Node,
    Reply,
    Standing,
    Usage,
    errors,
    images,
)
from .base.images_api import mask_png
from .base.refusal import if_refused

PLACE = "/image-model"
SPECIFICATION = "4"
PROTOCOL = "0.0.1"
OPENAI = "openai"
"""The maker whose options say what the protocol has no word for: quality, background and format."""


class VercelGateway(Adapter):
    name = "vercel_gateway"
    default_base_url = "https://ai-gateway.vercel.sh/v4/ai"
    wire: ClassVar[Mapping[str, str]] = {
        "aspectRatio": "aspect_ratio",
        "background": "background",
        "files": "images",
        "mask": "mask",
        "n": "n",
        "outputCompression": "output_compression",
        "outputFormat": "output_format",
        "prompt": "prompt",
        "quality": "quality",
        "seed": "seed",
        "size": "size",
        "user": "user",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "authentication_error": errors.AuthenticationFailed,
        "failed_dependency": errors.ProviderUnavailable,  # 424: the vendor behind it failed
        "forbidden": errors.PermissionDenied,  # by a routing rule of the account's own
        "internal_server_error": errors.ProviderUnavailable,
        "invalid_request_error": errors.InvalidRequest,
        "model_not_found": errors.ModelNotFound,
        "rate_limit_exceeded": errors.RateLimited,
    }
    """By `error.type`."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}", "ai-gateway-auth-method": "api-key"}

    def check(self, model: Model) -> Call:
        """On the host's own root, not below the address of the images."""
        return Call.get(f"{self.base_url.removesuffix('/v4/ai')}/v1/credits")

    def standing(self, reply: Reply) -> Standing:
        left = reply.json().at("balance")  # unconfirmed: its name
        return Standing(credit=f"{left.decimal:f} USD" if left is not None else None)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """The model stands in a header. Pictures as base64; the mask as the vendor behind the gateway wants it."""
        body = {
            "prompt": request.prompt,
            "n": request.n,
            "size": str(request.size) if request.size else None,
            "aspectRatio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "seed": request.seed,
            "files": [_file(each) for each in request.input_images] or None,
            "mask": _png(mask_png(request.mask, model)) if request.mask else None,
            "providerOptions": _options(request, model, request.options(self.name)) or None,
        }
        call = Call.post(PLACE, json=body)
        named = {
            "ai-model-id": model.wire,
            "ai-image-model-specification-version": SPECIFICATION,
            "ai-gateway-protocol-version": PROTOCOL,
        }
        return replace(call, headers={**call.headers, **named})

    def read(self, reply: Reply, model: Model) -> Done:
        body = reply.json()
        painted: list[ImageBase64] = [ImageBase64(each.characters) for each in body["images"].items()]
        if not painted:
            raise errors.BadReply("no picture", path="$.images")
        return Done(
            images=list(painted),
            usage=_usage(body, len(painted)),
            request_id=body.text_at("providerMetadata", "gateway", "generationId"),
            warnings=tuple(_warnings(body)),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """The refusal of the vendor behind it has no type of its own: its words tell (unconfirmed)."""
        return if_refused(super().error(reply))

    def error_code(self, body: Node) -> str | None:
        return body.text_at("error", "type")


def _file(image: InputImage) -> dict[str, object]:
    return {"type": "file", "mediaType": image.media_type, "data": images.to_base64(image.data)}


def _png(data: bytes) -> dict[str, object]:
    return {"type": "file", "mediaType": "image/png", "data": images.to_base64(data)}


def _options(request: ImageRequest, model: Model, given: Mapping[str, object]) -> dict[str, object]:
    """The caller's, beside what the request says. Raises InvalidRequest where both speak: one of them is not priced."""
    said: dict[str, dict[str, object]] = {"gateway": {"user": request.user}}
    if model.wire.startswith(f"{OPENAI}/"):
        said[OPENAI] = {
            "quality": request.quality,
            "background": None if request.background == "auto" else request.background,
            "outputFormat": request.output_format,
            "outputCompression": request.output_compression,
        }
    whole = dict(given)
    for maker, members in said.items():
        ours = {name: value for name, value in members.items() if value is not None}
        if not ours:
            continue
        options = given.get(maker, {})
        theirs = cast("Mapping[str, object]", options) if isinstance(options, Mapping) else ours
        if ours.keys() & theirs.keys():
            said_twice = ", ".join(ours)
            raise errors.InvalidRequest(f"the option {maker} says again what the request says ({said_twice})")
        whole[maker] = {**ours, **theirs}
    return whole


def _usage(body: Node, pictures: int) -> Usage:
    """`cost` is in US dollars and written as text. unconfirmed: its shape, which the package leaves open.

    A count that cannot be read does not cost the caller the picture.
    """
    cost = body.at("providerMetadata", "gateway", "cost")

    def tokens(name: str) -> int | None:
        found = body.at("usage", name)
        return found.value if found is not None and type(found.value) is int else None

    try:
        cost_usd = None if cost is None else cost.decimal
    except errors.BadReply:
        cost_usd = None
    return Usage(
        input_tokens=tokens("inputTokens"), output_tokens=tokens("outputTokens"), images=pictures, cost_usd=cost_usd
    )


def _warnings(body: Node) -> Iterator[str]:
    """`{type: unsupported | compatibility, feature, details?}`, `{type: deprecated, setting, message}`, `{type: other,
    message}`, each in one line."""
    found = body.get("warnings")
    for each in found.items() if found else ():
        said = (each.text_at(name) for name in ("type", "feature", "setting", "details", "message"))
        yield "the gateway warns: " + " ".join(word for word in said if word)


ADAPTER = VercelGateway
