"""xAI (Grok Imagine): one JSON call to paint, one to edit.

Sources: docs.x.ai/docs/models, xai-org/xai-sdk-python 1.21.0, xai-org/xai-proto image.proto, @ai-sdk/xai 5.0.12, read
2026-11-23. What errors look like was seen in public clients' logs; xAI documents their statuses only.

Edits go as JSON, not as a form, so the Images API's own edits do not work here. `usage.cost_in_usd_ticks` is the exact
cost, and is given with refusals too: a picture that was painted and withheld is billed.

`provider_options: {xai: …}` are fields of the body as they are (`response_format: url`, `storage_options`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from .base import (
    Adapter,
    AspectRatio,
    Call,
    Done,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    Model,
    Node,
    Reply,
    Standing,
    Usage,
    errors,
    images,
)
from .base.listing import names_at

TICKS_PER_USD = Decimal(10_000_000_000)
RATIOS = {AspectRatio(13, 6): "19.5:9", AspectRatio(6, 13): "9:19.5"}
"""Those that xAI does not write in whole numbers."""
MODEL_UNAVAILABLE = "model_unavailable"

# One code ("Client specified an invalid argument", "Some resource has been exhausted") stands for each of these and for
# others, so only the words tell them apart. To be dropped once xAI gives them codes of their own.
REFUSED = "content moderation"
BAD_KEY = "incorrect api key"
NO_CREDIT = ("available credits", "spending limit")


class XAI(Adapter):
    name = "xai"
    default_base_url = "https://api.x.ai/v1"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "image": "images",
        "images": "images",
        "model": "model",
        "n": "n",
        "prompt": "prompt",
        "quality": "quality",
        "resolution": "resolution",
        "user": "user",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {MODEL_UNAVAILABLE: errors.ModelNotFound}

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, model: Model) -> Call:
        return Call.get("/image-generation-models")

    def standing(self, reply: Reply) -> Standing:
        """Unconfirmed: `models`, with `id` and `aliases`."""
        listed = reply.json().at("models")
        names = (
            frozenset(name for each in listed.items() for name in names_at(each, "id", "aliases")) if listed else None
        )
        return Standing(names, names or frozenset())

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Source images, then references, as data URLs: `image` when it is one, `images` when there are several."""
        given = [{"type": "image_url", "url": images.to_data_url(each)} for each in request.input_images]
        body: dict[str, object] = {
            "model": model.wire,
            "prompt": request.prompt,
            "image": given[0] if len(given) == 1 else None,
            "images": given if len(given) > 1 else None,
            "n": request.n,
            "aspect_ratio": _ratio(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "quality": request.quality,
            "user": request.user,
            "response_format": "b64_json",  # an address is good for a short while only
        }
        path = "/images/edits" if given else "/images/generations"
        return Call.post(path, json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done:
        """A picture that moderation withholds has neither address nor base64; the others of the call still count."""
        answer = reply.json()
        cost = _cost(answer)
        slots = list(answer["data"].items())
        withheld = [each for each in slots if _is_withheld(each)]
        painted = [_picture(each) for each in slots if not _is_withheld(each)]
        if not slots:
            raise errors.BadReply("no picture, and no reason given", path="$.data")
        if not painted:
            raise errors.ModerationBlocked(
                "xAI withheld the picture", stage="output", billed=None if cost is None else cost > 0
            )
        snapshot = answer.get("model")
        return Done(
            images=list(painted),
            usage=Usage(images=len(painted), cost_usd=cost),
            model_snapshot=snapshot.text if snapshot else None,
            warnings=(f"xAI withheld {len(withheld)} of {len(slots)} pictures",) if withheld else (),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """400 is a bad field, a bad key or a refusal; 429 is too many calls or no credit; 403 a blocked key or team."""
        error = super().error(reply)
        said = str(error).lower()
        if reply.status in {400, 403, 422} and REFUSED in said:
            body = reply.error_json()
            ticks = body.at("usage", "cost_in_usd_ticks") if body else None
            billed = None if ticks is None else ticks.value != 0
            return errors.ModerationBlocked(str(error), status=error.status, code=error.code, billed=billed)
        if reply.status == 400 and BAD_KEY in said:
            return errors.AuthenticationFailed(str(error), status=error.status, code=error.code)
        if reply.status in {403, 429} and any(words in said for words in NO_CREDIT):
            return errors.QuotaExhausted(str(error), status=error.status, code=error.code)
        return error

    def error_code(self, body: Node) -> str | None:
        """Two envelopes: `{"error": {"code", "message"}}` and `{"code", "error"}`."""
        return super().error_code(body) or body.text_at("code")


def _ratio(ratio: AspectRatio) -> str:
    return RATIOS.get(AspectRatio.of(ratio.width, ratio.height), str(ratio))


def _is_withheld(picture: Node) -> bool:
    respects = picture.get("respect_moderation")
    return respects is not None and respects.value is False


def _picture(slot: Node) -> ImageBase64 | ImageUrl:
    revised = slot.get("revised_prompt")
    prompt = (revised.text or None) if revised else None
    encoded = slot.get("b64_json")
    return ImageBase64(encoded.characters, prompt) if encoded else ImageUrl(slot["url"].text, prompt)


def _cost(answer: Node) -> Decimal | None:
    ticks = answer.find("usage", "cost_in_usd_ticks")
    return ticks.decimal / TICKS_PER_USD if ticks else None


ADAPTER = XAI
