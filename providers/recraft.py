"""Recraft: one JSON call, raster or SVG, pictures at addresses for a day, and the exact cost in every answer.

Sources: recraft.ai/docs/api-reference (models, pricing, error-handling, tools), github.com/api-evangelist/recraft-ai;
read 2026-11-23.

A model's wire name is the vendor's, and what a request asks for chooses the door: generations, imageToImage or inpaint.
A tool's wire name is its path below `/images/`, with the model where it takes one: vectorize, outpaint/recraftv3.
`provider_options: {recraft: …}` are fields of the body as they are (`controls`, `style_id`, `text_layout`, `strength`,
`expand_left`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from .base import (
    Adapter,
    Call,
    Done,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    InputImage,
    Model,
    Node,
    Reply,
    Standing,
    Usage,
    errors,
    images,
)
from .base.refusal import is_refusal

USD_PER_CREDIT = Decimal("0.001")
STRENGTH = 0.5
"""How far an edit may go from its source, 0 to 1. One has to be sent; this was the default while there was one."""
FAMILY = "recraftv"
PAINTING = frozenset(
    {"generateBackground", "generations", "imageToImage", "inpaint", "outpaint", "replaceBackground", "variateImage"}
)
"""Doors that paint several pictures in one call."""
REFUSED = frozenset({400, 403, 422})
"""unconfirmed: Recraft says only that a refusal is a 4xx that explains itself. To be dropped once it has a code."""


class Recraft(Adapter):
    name = "recraft"
    default_base_url = "https://external.api.recraft.ai/v1"
    request_id_headers = ("x-recraft-requestid",)
    wire: ClassVar[Mapping[str, str]] = {
        "image_format": "output_format",
        "image_url": "images",
        "mask_url": "mask",
        "model": "model",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "prompt": "prompt",
        "random_seed": "seed",
        "size": "size",
        "style_reference_urls": "references",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def check(self, model: Model) -> Call:
        return Call.get("/users/me")

    def standing(self, reply: Reply) -> Standing:
        left = reply.json().at("credits")
        return Standing(credit=f"{left.decimal:f} credits" if left is not None else None)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures as data URLs; in the mask, white is repainted (or erased), and nothing is grey."""
        door, name = _door(request, model)
        ratio = str(request.aspect_ratio) if request.aspect_ratio else None
        body: dict[str, object] = {
            "prompt": request.prompt or None,
            "model": name,
            "n": request.n if door in PAINTING else None,
            "size": str(request.size) if request.size else ratio,
            "image_url": images.to_data_url(request.images[0]) if request.images else None,
            "mask_url": _mask(request.mask) if request.mask else None,
            "style_reference_urls": [images.to_data_url(each) for each in request.references] or None,
            "strength": STRENGTH if door == "imageToImage" else None,
            "negative_prompt": request.negative_prompt,
            "random_seed": request.seed,
            "image_format": None if request.output_format == "svg" else request.output_format,
        }
        return Call.post(f"/images/{door}", json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done:
        """`data` where several pictures may come, `image` from the tools that make one."""
        answer = reply.json()
        one = answer.get("image")
        entries = [one] if one is not None else list(answer["data"].items())
        if not entries:
            raise errors.BadReply("no picture", path="$.data")
        cost = answer.get("credits")
        return Done(
            images=[_picture(each) for each in entries],
            usage=Usage(images=len(entries), cost_usd=cost.decimal * USD_PER_CREDIT if cost else None),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """Plain text or JSON. Of plain text nothing is kept but the status."""
        error = super().error(reply)
        if reply.status in REFUSED and is_refusal(reply.body.decode("utf-8", "replace")):
            return errors.ModerationBlocked(
                str(error), stage="input", status=reply.status, code=error.code, billed=False
            )
        return error

    def error_code(self, body: Node) -> str | None:
        return body.text_at("code") or super().error_code(body)

    def error_message(self, body: Node) -> str | None:
        return body.text_at("message") or super().error_message(body)


def _door(request: ImageRequest, model: Model) -> tuple[str, str | None]:
    """The path below `/images/`, and the model that is named in the body."""
    if not model.wire.startswith(FAMILY):
        door, _, name = model.wire.partition("/")
        return door, name or None
    if request.mask is not None:
        return "inpaint", model.wire
    return "imageToImage" if request.images else "generations", model.wire


def _mask(mask: InputImage) -> str:
    return f"data:image/png;base64,{images.to_base64(images.masked(mask, repaint='white', binary=True))}"


def _picture(entry: Node) -> ImageUrl | ImageBase64:
    prompt = entry.text_at("revised_prompt")
    encoded = entry.characters_at("b64_json")
    return ImageBase64(encoded, prompt) if encoded else ImageUrl(entry["url"].text, prompt)


ADAPTER = Recraft
