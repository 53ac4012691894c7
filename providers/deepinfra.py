"""DeepInfra: its own route for pictures from words, which says what a call cost, and the Images API's for edits.

Sources: deepinfra/deepinfra-node, @ai-sdk/deepinfra 2.0.84 (deepinfra-image-model.ts) and deepinfra.com's model pages,
read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Call, Done, File, ImageBase64, ImageRequest, ImageUrl, Model, Node, Reply, Usage, errors, images
from .base.images_api import ImagesApi, mask
from .base.refusal import if_refused

EDITS = "/openai/images/edits"
HEAD_CHARACTERS = 64
"""Enough for what stands before the base64 of a data URL."""


class DeepInfra(ImagesApi):
    name = "deepinfra"
    default_base_url = "https://api.deepinfra.com/v1"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "height": "size",
        "image": "images",
        "mask": "mask",
        "model": "model",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "prompt": "prompt",
        "seed": "seed",
        "size": "size",
        "width": "size",
    }

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Some models take a width and a height, others an aspect ratio."""
        options = request.options(self.name)
        if request.input_images:
            fields = {"model": model.wire, "prompt": request.prompt, "n": request.n, "size": request.size}
            return self.edit(request, model, {**fields, **options})
        body = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "num_images": request.n,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "seed": request.seed,
        }
        return Call.post(f"/inference/{model.wire}", json=body | options)

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """Every picture is called `image`; in the mask, transparent pixels are repainted (unconfirmed)."""
        given = [File.of("image", each, index) for index, each in enumerate(request.input_images)]
        return Call.form(EDITS, fields=body, files=[*given, *mask(request, model)])

    def read(self, reply: Reply, model: Model) -> Done:
        body = reply.json()
        if body.get("images") is None:
            return super().read(reply, model)
        cost = body.find("inference_status", "cost")
        if body.text_at("inference_status", "status") == "failed":
            raise errors.job_ended("the inference failed", code="failed", billed=cost.decimal > 0 if cost else None)
        flagged = _is_flagged(body.at("nsfw_content_detected"))
        seed = body.get("seed")
        found = [_picture(each, seed.integer if seed else None) for each in body["images"].items()]
        if not found and flagged:
            raise errors.ModerationBlocked(
                "DeepInfra gave no picture: nsfw_content_detected",
                stage="output",
                billed=cost.decimal > 0 if cost else None,
            )
        if not found:
            raise errors.BadReply("no picture", path="$.images")
        return Done(
            images=list(found),
            usage=Usage(images=len(found), cost_usd=cost.decimal if cost else None),
            moderation="nsfw_content_detected" if flagged else None,
            request_id=body.text_at("request_id"),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """A code for a refusal is not published: its words tell (unconfirmed)."""
        return if_refused(super().error(reply))

    def error_message(self, body: Node) -> str | None:
        return body.text_at("detail", "error") or super().error_message(body)


def _picture(item: Node, seed: int | None) -> ImageBase64 | ImageUrl:
    """A data URL; whatever else is an address."""
    characters = item.characters
    head = bytes(characters[:HEAD_CHARACTERS])
    if not head.startswith(images.DATA_URL_PREFIX.encode()):
        return ImageUrl(item.text, seed=seed)
    start = head.find(b";base64,")
    if start < 0:
        raise errors.BadReply("a data URL that is not base64", path=item.path)
    return ImageBase64(characters[start + len(b";base64,") :], seed=seed)


def _is_flagged(found: Node | None) -> bool:
    """One answer, or one for each picture."""
    value = found.value if found is not None else None
    return value is True or (isinstance(value, list) and True in value)


ADAPTER = DeepInfra
