"""Ideogram, API v2: a door for each model, an answer at once or a generation to poll, pictures at addresses for a day.

Sources: developer.ideogram.ai (v2) and github.com/qmediat/ideogram-mcp (a copy of its openapi.json of 2026-10-07),
read 2026-11-23.

A model's wire name is its path below `/v2/`: image/generate/ideogram-4-6, svg/vectorize/ideogram-vector-1. Without
pictures the body is JSON, with them a form. `provider_options: {ideogram: …}` are fields of it as they are
(`magic_prompt`, `async`, `context_window`, `image_weight`, `style_preset`, …); in a form, objects go as JSON text.
The setting `quote: first` has the vendor price each call before it is made, which is free and takes a round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote

from .base import Adapter, Call, Done, File, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images

POLL_SECONDS = 1.0
GENERATIONS = "/v2/generations/"
USD_PER_MICRO = Decimal("0.000001")
REFUSED = "content_policy_violation"

PAINTING = frozenset({"generate", "precise-edit", "inpaint", "remix", "reframe", "replace-background"})
"""Actions with a number of pictures and a quality; all others work on the one picture that they are given."""
TIERS = {"ideogram-4-transparent": "output_resolution", "ideogram-3-transparent": "upscale_factor"}
"""Models with tiers, and what they call them. They paint on nothing, and have no field that says so."""
QUALITY = ("ideogram-4-5", "ideogram-4-6", "ideogram-vector-", "p-image-")
"""Models with a `quality`; the others have a `rendering_speed`."""
CHARACTER = "ideogram-3-character"


class Ideogram(Adapter):
    name = "ideogram"
    default_base_url = "https://api.ideogram.ai"
    settings = frozenset({"quote"})
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "background": "background",
        "character_reference_images": "references",
        "custom_height": "size",
        "custom_width": "size",
        "image": "images",
        "images": "images",
        "mask": "mask",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "output_resolution": "resolution",
        "prompt": "prompt",
        "quality": "quality",
        "reference_images": "references",
        "rendering_speed": "quality",
        "resolution": "size",
        "seed": "seed",
        "size": "size",
        "style_reference_images": "references",
        "upscale_factor": "resolution",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "daily_limit": errors.QuotaExhausted,
        "feature_limit": errors.PermissionDenied,
        "inflight_limit": errors.RateLimited,
        "insufficient_funds": errors.QuotaExhausted,
        "priority_credit_required": errors.QuotaExhausted,
        "subscription_required": errors.PermissionDenied,
    }
    """`reject_reason`, which comes with 402 and 429."""

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        self._quotes = self.chosen("quote", "never", "first") == "first"

    def auth(self, key: str) -> dict[str, str]:
        return {"api-key": key}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as files; in the mask, black is edited, except where an object is removed: there it is white."""
        path, (_, action, engine) = f"/v2/{model.wire}", _door(model)
        body = {**_fields(request, action, engine), **request.options(self.name)}
        files = _files(request, model, action, engine)
        call = Call.form(path, fields=body, files=files) if files else Call.post(path, json=body)
        return self._quoted(call, request) if self._quotes else call

    def _quoted(self, call: Call, request: ImageRequest) -> Call:
        """The same call as a dry run, and then itself, with what it will cost."""

        def priced(reply: Reply) -> Call:
            usage = _price(reply.json())
            ceiling, cost = request.max_cost_usd, usage.cost_usd
            if ceiling is not None and cost is not None and cost > ceiling:
                raise errors.InvalidRequest(f"Ideogram asks ${cost:f} for it, which is above max_cost_usd {ceiling:f}")
            return replace(call, usage=usage)

        return replace(call, url=f"{call.url}?dry_run=true", then=priced)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        generation = reply.json()
        status = _status(generation)
        if status == "pending":
            identifier = generation["generation_id"].text
            return Wait(Call.get(GENERATIONS + quote(identifier, safe="")), POLL_SECONDS)
        if status == "failed":
            raise _failure(generation)
        if status != "completed":
            raise errors.BadReply(f"unknown generation status {status!r}", path="$.status")
        entries = list(generation["data"].items())
        pictures = [picture for each in entries if (picture := _picture(each)) is not None]
        withheld = len(entries) - len(pictures)
        if not pictures and not withheld:
            raise errors.BadReply("no picture", path="$.data")
        if not pictures:
            raise errors.ModerationBlocked(
                "Ideogram withheld every picture", stage="output", code="is_image_safe", billed=True
            )
        cost = generation.get("usage_cost_usd_micros")
        return Done(
            images=list(pictures),
            usage=Usage(images=len(entries), cost_usd=cost.decimal * USD_PER_MICRO if cost else None),
            warnings=(f"Ideogram withheld {withheld} of {len(entries)} pictures, and bills them",) if withheld else (),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """422 is a refusal."""
        error = super().error(reply)
        if reply.status == 422:
            return errors.ModerationBlocked(str(error), stage="input", status=422, code=error.code, billed=False)
        return error

    def error_code(self, body: Node) -> str | None:
        return body.text_at("reject_reason")


def _door(model: Model) -> tuple[str, str, str]:
    """`image/generate/ideogram-4-6` in its parts."""
    kind, _, rest = model.wire.partition("/")
    action, _, engine = rest.partition("/")
    return kind, action, engine


# The way out


def _fields(request: ImageRequest, action: str, engine: str) -> dict[str, object]:
    fields: dict[str, object] = {"prompt": request.prompt or None}
    if action in PAINTING:
        fields |= {
            "num_images": request.n,
            "quality" if engine.startswith(QUALITY) else "rendering_speed": request.quality,
            "negative_prompt": request.negative_prompt,
            "background": None if request.background == "auto" or engine in TIERS else request.background,
            "aspect_ratio": str(request.aspect_ratio).replace(":", "x") if request.aspect_ratio else None,
        }
    if engine in TIERS:
        fields[TIERS[engine]] = request.resolution
    return {**fields, **_size(request, engine), "seed": request.seed}


def _size(request: ImageRequest, engine: str) -> dict[str, object]:
    """In pixels. With a mask none may be said: the picture keeps the size of its source."""
    size = request.size
    if size is None:
        return {}
    if request.mask is not None:
        if size != request.images[0].size:
            raise errors.InvalidRequest(f"with a mask Ideogram keeps the source's size, {request.images[0].size}")
        return {}
    if engine.startswith("p-image-"):
        return {"custom_width": size.width, "custom_height": size.height}
    return {"size" if engine.startswith(QUALITY) else "resolution": str(size)}


def _files(request: ImageRequest, model: Model, action: str, engine: str) -> list[File]:
    """Sources, references and mask, under this door's names for them."""
    if action == "generate" and engine.startswith(QUALITY):
        files = [File.of("images", each, index) for index, each in enumerate(request.input_images)]
    else:
        files = [File.of("image", each, index) for index, each in enumerate(request.images)]
        guides = _guides(action, engine)
        files += [File.of(guides, each, index) for index, each in enumerate(request.references)]
    if request.mask is not None:
        rule = model.mask.value
        repaint = "white" if rule is not None and rule.polarity == "white" else "black"
        data = images.masked(request.mask, repaint=repaint, binary=True)
        files.append(File("mask", "mask.png", "image/png", data))
    return files


def _guides(action: str, engine: str) -> str:
    if action == "precise-edit":
        return "reference_images"
    return "character_reference_images" if engine == CHARACTER else "style_reference_images"


# The way back


def _status(generation: Node) -> str:
    """Said by polls only: an answer to the call itself has its pictures, or has to be polled."""
    status = generation.get("status")
    if status is not None:
        return status.text
    return "pending" if generation.get("data") is None else "completed"


def _price(answer: Node) -> Usage:
    """A quote, for all pictures of the call (unconfirmed for several). An estimate is no price, and is passed over."""
    if answer["object"].text != "price_quote":
        raise errors.BadReply(f"{answer['object'].text!r} is no price quote", path="$.object")
    micros, qualifier = answer["usd_micros"].decimal, answer["qualifier"].text
    return Usage(cost_usd=micros * USD_PER_MICRO if qualifier == "exact" else None)


def _picture(entry: Node) -> ImageUrl | None:
    """None: withheld by the safety check. The prompt is the one painted, which magic prompt may have rewritten."""
    safe, url = entry.get("is_image_safe"), entry.get("url")
    if (safe is not None and safe.value is False) or (url is not None and not url.text):
        return None
    seed = entry.get("seed")
    return ImageUrl(entry["url"].text, entry.text_at("prompt"), seed.integer if seed else None)


def _failure(generation: Node) -> errors.ProviderError:
    """A generation that fails is not billed."""
    reason = generation.text_at("failure_reason") or "no reason given"
    if reason == REFUSED:
        return errors.ModerationBlocked(f"Ideogram refused: {reason}", code=reason, billed=False)
    return errors.ProviderUnavailable(f"the generation failed: {reason}", code=reason)


ADAPTER = Ideogram
