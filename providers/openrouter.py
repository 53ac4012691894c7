"""OpenRouter: its Images endpoint, one for the models of many vendors. Every answer says what it cost.

Sources: OpenRouterTeam/docs of 2026-08-22 (guides/overview/multimodal/image-generation.mdx, errors and debugging) and
@openrouter/sdk 1.3.19 (models/imagegenerationrequest, imagegenerationusage, apierrortype), read 2026-11-23.

`provider_options: {openrouter: {provider: …}}` chooses among the vendors behind a model (`only`, `order`, `ignore`,
`sort`, `allow_fallbacks`) and hands them fields of their own (`options: {<vendor>: {…}}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Call, ImageRequest, Model, Node, Reply, Standing, Usage, errors, images
from .base.images_api import ImagesApi, texts

PLACE = "/images"
REFUSED = frozenset({"content_policy_violation", "refusal"})
HEADERS: Mapping[str, str] = {"referer": "http-referer", "title": "x-title"}
"""The settings that name an application, and how each travels."""


class OpenRouter(ImagesApi):
    """`referer` and `title` name your application in OpenRouter's own statistics."""

    name = "openrouter"
    default_base_url = "https://openrouter.ai/api/v1"
    settings = frozenset(HEADERS)
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "background": "background",
        "input_references": "images",
        "model": "model",
        "n": "n",
        "output_compression": "output_compression",
        "output_format": "output_format",
        "prompt": "prompt",
        "quality": "quality",
        "resolution": "resolution",
        "seed": "seed",
        "size": "size",
        "stream": "stream",
        "user": "user",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        **ImagesApi.codes,
        "authentication": errors.AuthenticationFailed,
        "image_not_found": errors.InvalidRequest,
        "not_found": errors.ModelNotFound,
        "payment_required": errors.QuotaExhausted,
        "permission_denied": errors.PermissionDenied,
        "provider_overloaded": errors.ProviderUnavailable,
        "provider_unavailable": errors.ProviderUnavailable,
        "rate_limit_exceeded": errors.RateLimited,
        "server": errors.ProviderUnavailable,
        "timeout": errors.ProviderUnavailable,
    }
    """By `metadata.error_type`, which is the same whichever vendor failed; or by the code of an error in a stream."""

    def auth(self, key: str) -> dict[str, str]:
        return {**super().auth(key), **{HEADERS[name]: value for name, value in self.options.items()}}

    def check(self, model: Model) -> Call:
        return Call.get("/key")

    def standing(self, reply: Reply) -> Standing:
        left = reply.json().at("data", "limit_remaining")  # null where the key has no limit of its own
        return Standing(credit=f"{left.decimal:f} USD of the key's limit" if left is not None else None)

    def url(self, path: str, model: Model) -> str:
        return PLACE

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "n": request.n,
            "size": str(request.size) if request.size else None,
            "resolution": request.resolution,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "quality": request.quality,
            "background": None if request.background == "auto" else request.background,
            "output_format": request.output_format,
            "output_compression": request.output_compression,
            "seed": request.seed,
            "stream": request.stream or None,
            "user": request.user,
        }

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """Pictures as data URLs, source images first; there is no other place for an edit, and no mask."""
        given = [{"type": "image_url", "image_url": {"url": images.to_data_url(each)}} for each in request.input_images]
        return Call.post(PLACE, json={"input_references": given, **body}, stream=request.stream)

    def usage(self, body: Node) -> tuple[Usage, tuple[str, ...]]:
        """Tokens under the names of its chat route, and `cost` in US dollars, as charged."""
        try:
            return _counted(body)
        except errors.BadReply as error:
            return Usage(), (f"the vendor's count cannot be read: {error}",)

    def error(self, reply: Reply) -> errors.ProviderError:
        """A 402 that says when to come back is a budget of calls in flight, and not an empty account."""
        failure = super().error(reply)
        wait = reply.retry_after_seconds()
        if isinstance(failure, errors.QuotaExhausted) and wait is not None:
            return errors.RateLimited(str(failure), status=reply.status, code=failure.code, retry_after_seconds=wait)
        return failure

    def failure(self, error: Node, *, status: int | None, message: str | None = None) -> errors.ProviderError:
        """`error.code` repeats the status, also where the HTTP status was 200 because painting had begun."""
        told = error.at("code")
        if told is not None and isinstance(told.value, int) and (status is None or status < 400):
            status = told.value
        code = error.text_at("metadata", "error_type")
        flagged = texts(error.at("metadata", "reasons"))
        message = message or error.text_at("message") or f"HTTP {status or 'stream'} error"
        if code in REFUSED or flagged:
            return errors.ModerationBlocked(
                message,
                stage="input" if flagged else "unknown",  # only what was asked for is held against a list of reasons
                categories=flagged,
                status=status,
                code=code,
            )
        if code is None:
            return super().failure(error, status=status, message=message)
        kind = self.codes.get(code, errors.for_status(status or 0))
        return kind(message, status=status, code=code)


def _counted(body: Node) -> tuple[Usage, tuple[str, ...]]:
    """Raises BadReply."""
    usage = body.get("usage")
    if usage is None:
        return Usage(), ()

    def count(*keys: str) -> int | None:
        found = usage.find(*keys)
        return None if found is None else found.integer

    cost, own_key = usage.get("cost"), usage.get("is_byok")
    total = Usage(
        input_tokens=count("prompt_tokens"),
        output_tokens=count("completion_tokens"),
        output_text_tokens=count("completion_tokens_details", "reasoning_tokens"),
        output_image_tokens=count("completion_tokens_details", "image_tokens"),
        cost_usd=None if cost is None else cost.decimal,
    )
    if own_key is None or own_key.value is not True:
        return total, ()
    return total, ("painted with a key of yours at the vendor behind OpenRouter, whose own bill is not in the cost",)


ADAPTER = OpenRouter
