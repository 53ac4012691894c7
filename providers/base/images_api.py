"""The Images API: the wire that OpenAI made and others speak. What its dialects share; each is one adapter.

Source: openai/openai-python 3.54.0 (types/image_generate_params.py, images_response.py, image_edit_completed_event.py),
developers.openai.com/api/docs/guides/image-generation and .../error-codes, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from . import images
from .adapter import Adapter, Call, Done, File, ImageBase64, ImageUrl, Picture
from .capabilities import Model
from .content import Content
from .errors import (
    AuthenticationFailed,
    BadReply,
    ModelNotFound,
    ModerationBlocked,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    for_status,
)
from .reply import Event, Node, Reply
from .request import ImageRequest, InputImage
from .response import PartialImage, Usage

HEAD_BYTES = 12_288
"""Of a preview, to see what it is."""
GENERATIONS = "/images/generations"
EDITS = "/images/edits"
REFUSALS = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "contentFilter",
        "ResponsibleAIPolicyViolation",
    }
)


class ImagesApi(Adapter):
    """JSON to `/images/generations`; a multipart form to `/images/edits` as soon as there is a picture to send."""

    wire: ClassVar[Mapping[str, str]] = {
        "background": "background",
        "image": "images",
        "image[]": "images",
        "mask": "mask",
        "model": "model",
        "moderation": "moderation",
        "n": "n",
        "output_compression": "output_compression",
        "output_format": "output_format",
        "partial_images": "partial_images",
        "prompt": "prompt",
        "quality": "quality",
        "safety_identifier": "user",
        "size": "size",
        "stream": "stream",
        "user": "user",
    }
    user_field: ClassVar[str] = "user"
    codes: ClassVar[Mapping[str, type[ProviderError]]] = {
        "invalid_api_key": AuthenticationFailed,
        "unsupported_country_region_territory": PermissionDenied,
        "model_not_found": ModelNotFound,
        "DeploymentNotFound": ModelNotFound,
        "rate_limit_exceeded": RateLimited,
        "slow_down": RateLimited,
        "insufficient_quota": QuotaExhausted,
        "credit_balance_exhausted": QuotaExhausted,
        "organization_spend_limit_exceeded": QuotaExhausted,
        "project_spend_limit_exceeded": QuotaExhausted,
        "organization_usage_limit_exceeded": QuotaExhausted,
        "billing_hard_limit_reached": QuotaExhausted,
        "server_is_overloaded": ProviderUnavailable,
        "server_error": ProviderUnavailable,
    }
    """By `code`, or by `type` where the code says nothing."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    # The way out

    def url(self, path: str, model: Model) -> str:
        """Where `path` (GENERATIONS or EDITS) is for this model."""
        return path

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """The members of the body that are no pictures."""
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "n": request.n,
            "size": None if request.size is None else str(request.size),
            "quality": request.quality,
            "background": None if request.background == "auto" else request.background,
            "output_format": request.output_format,
            "output_compression": request.output_compression,
            "moderation": request.moderation,
            self.user_field: request.user,
            "stream": request.stream or None,
            "partial_images": request.partial_images if request.stream else None,
        }

    def call(self, request: ImageRequest, model: Model) -> Call:
        """`provider_options` go last, so they win; one that is None takes its field out."""
        body = {**self.fields(request, model), **request.options(self.name)}
        if not request.input_images:
            return Call.post(self.url(GENERATIONS, model), json=body, stream=request.stream)
        return self.edit(request, model, body)

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """A form: pictures go as they are, a third smaller than as base64. Source images first, then references."""
        return Call.form(
            self.url(EDITS, model),
            fields=bracketed(body),
            files=[*pictures(request.input_images), *mask(request, model)],
            stream=request.stream,
        )

    # The way back

    def read(self, reply: Reply, model: Model) -> Done:
        body = reply.json()
        if (error := body.get("error")) is not None:
            raise self.failure(error, status=reply.status)
        found = [picture(item) for item in body["data"].items()]
        if not found:
            raise BadReply("no picture", path="$.data")
        usage, warnings = self.usage(body)
        return Done(found, usage, body.text_at("model"), self.moderation(body), warnings=warnings)

    def read_event(self, event: Event, model: Model) -> PartialImage | Done | None:
        """`image_generation.partial_image`, `image_edit.completed` and the like; an `error` may come at any time."""
        body = event.json()
        if (error := body.get("error")) is not None:
            raise self.failure(error, status=None)
        _, _, kind = (body.text_at("type") or event.name).rpartition(".")
        if kind == "completed":
            usage, warnings = self.usage(body)
            return Done([ImageBase64(body["b64_json"].characters)], usage, warnings=warnings)
        if kind == "partial_image":
            return preview(body)
        return None

    def usage(self, body: Node) -> tuple[Usage, tuple[str, ...]]:
        """What was counted, and what to say of it. A count that cannot be read does not cost the caller the picture."""
        try:
            return counted(body)
        except BadReply as error:
            return Usage(), (f"the vendor's count cannot be read: {error}",)

    def moderation(self, body: Node) -> str | None:
        """The vendor's word on a picture that it gave."""
        return None

    # What went wrong

    def error(self, reply: Reply) -> ProviderError:
        body = reply.error_json()
        error = body.at("error") if body else None
        failure = self.failure(
            error or Node({}), status=reply.status, message=self.error_message(body) if body else None
        )
        if isinstance(failure, RateLimited) or reply.status >= 500:
            failure.retry_after_seconds = reply.retry_after_seconds()
        return failure

    def failure(self, error: Node, *, status: int | None, message: str | None = None) -> ProviderError:
        """What an `error` object means. Below 400 it came within an answer that had begun as a success."""
        code, kind_of_error = error.text_at("code"), error.text_at("type")
        message = message or error.text_at("message") or error.text_at() or f"HTTP {status or 'stream'} error"
        if code in REFUSALS or self.inner_code(error) in REFUSALS:
            stage = error.text_at("moderation_details", "moderation_stage") or "unknown"
            return ModerationBlocked(message, stage=stage, categories=self.categories(error), status=status, code=code)
        if code == "invalid_value" and error.text_at("param") == "model":
            kind: type[ProviderError] | None = ModelNotFound
        else:
            kind = self.codes.get(code or "") or self.codes.get(kind_of_error or "")
        if kind is ProviderUnavailable and status is not None and status >= 500:
            kind = for_status(status)  # which knows those that leave it open whether painting goes on
        if kind is None and (status is None or status < 400):
            return BadReply(f"an error within a success: {message}", path="$.error")
        return (kind or for_status(status or 0))(message, status=status, code=code)

    def inner_code(self, error: Node) -> str | None:
        """A second, finer code, for dialects that have one."""
        return None

    def categories(self, error: Node) -> tuple[str, ...]:
        """What a refusal was for, in the vendor's words."""
        return texts(error.at("moderation_details", "categories"))


def texts(node: Node | None) -> tuple[str, ...]:
    """The texts of a list; nothing when it is no list."""
    given = node.value if node is not None else None
    return (
        tuple(each for each in cast("list[object]", given) if isinstance(each, str)) if isinstance(given, list) else ()
    )


def pictures(given: tuple[InputImage, ...]) -> list[File]:
    """One picture is `image`; of several each is `image[]`."""
    name = "image" if len(given) == 1 else "image[]"
    return [File.of(name, each, index) for index, each in enumerate(given)]


def mask(request: ImageRequest, model: Model, *, name: str = "mask") -> list[File]:
    """The mask as PNG; in this API transparent pixels are repainted, unless the model's facts say otherwise."""
    if request.mask is None:
        return []
    return [File(name, "mask.png", "image/png", mask_png(request.mask, model))]


def mask_png(given: InputImage, model: Model) -> bytes:
    rule = model.mask.value
    if rule is not None and rule.polarity != "transparent":
        return images.masked(given, repaint=rule.polarity)
    if given.media_type == "image/png":
        return given.data
    return images.convert(given.data, output_format="png", compression=None)


def mask_url(request: ImageRequest, model: Model) -> str | None:
    """The same as a data URL."""
    if request.mask is None:
        return None
    return f"data:image/png;base64,{images.to_base64(mask_png(request.mask, model))}"


def bracketed(fields: Mapping[str, object]) -> dict[str, object]:
    """Objects within a form: `{"svg": {"model": "x"}}` becomes `svg[model]`."""
    flat: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, object]", value)
            flat |= bracketed({f"{name}[{key}]": each for key, each in inner.items()})
        else:
            flat[name] = value
    return flat


def picture(item: Node) -> Picture:
    """One of `data`: `b64_json`, or a `url` (older models, other servers), which may be a data URL."""
    revised_prompt = item.text_at("revised_prompt")
    if encoded := item.characters_at("b64_json"):
        return ImageBase64(encoded, revised_prompt)
    if not (url := item.text_at("url")):
        raise BadReply("neither b64_json nor url", path=item.path)
    if not url.startswith(images.DATA_URL_PREFIX):
        return ImageUrl(url, revised_prompt)
    head, _, encoded = url.partition(",")
    if not head.endswith(";base64"):
        raise BadReply("a data URL that is not base64", path=f"{item.path}.url")
    return ImageBase64(encoded, revised_prompt)


def preview(body: Node) -> PartialImage | None:
    """A preview that cannot be read is passed over: the picture that was paid for is still to come."""
    try:
        index = body.find("partial_image_index")
        content = Content.encoded(body.characters_at("b64_json") or b"")
        media_type = images.probe(content.head(HEAD_BYTES)).media_type
        return PartialImage(content, index.integer if index else 0, media_type)
    except (images.NotAPicture, BadReply):
        return None


def _count(within: Node | None, name: str) -> int | None:
    found = None if within is None else within.get(name)
    return None if found is None else found.integer


def counted(body: Node) -> tuple[Usage, tuple[str, ...]]:
    """The tokens of `usage`; an answer that counts zero (LocalAI) has not counted. Raises BadReply."""
    usage = body.get("usage")
    if usage is None:
        return Usage(), ()

    given, made = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    total = Usage(
        input_tokens=_count(usage, "input_tokens"),
        input_text_tokens=_count(given, "text_tokens"),
        input_image_tokens=_count(given, "image_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        output_text_tokens=_count(made, "text_tokens"),
        output_image_tokens=_count(made, "image_tokens"),
    )
    if not total.input_tokens and not total.output_tokens:
        return Usage(), ()
    svg = body.get("svg_usage")
    if svg is None:
        return total, ()
    return total, (f"the SVG was written by {svg.text_at('model') or 'a text model'}, whose tokens are billed apart",)
