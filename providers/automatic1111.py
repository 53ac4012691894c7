"""AUTOMATIC1111 and what speaks its API (Forge, SD.Next, stable-diffusion.cpp, Xinference), on a machine of one's own.

Sources: AUTOMATIC1111/stable-diffusion-webui (modules/api) and lllyasviel/stable-diffusion-webui-forge of 2025-06,
leejet/stable-diffusion.cpp of 2026-08-19 (examples/server/api.md), read 2026-11-23.

A model's wire name is a checkpoint. One job at a time: the call stays open until its turn has come and gone. With
`--api-auth` the key is user:password. `provider_options: {automatic1111: …}` are fields of the body as they are
(`steps`, `cfg_scale`, `sampler_name`, `denoising_strength`, …).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar, cast

from .base import Adapter, Call, Done, ImageBase64, ImageRequest, Model, Node, Reply, Usage, errors, images

PAINT = "/sdapi/v1/txt2img"
REPAINT = "/sdapi/v1/img2img"
ENLARGE = "/sdapi/v1/extra-single-image"
MASK_IS_WHITE = 0
"""`inpainting_mask_invert`: white is repainted."""


class Automatic1111(Adapter):
    name = "automatic1111"
    wire: ClassVar[Mapping[str, str]] = {
        "batch_size": "n",
        "height": "size",
        "image": "images",
        "init_images": "images",
        "inpainting_mask_invert": "mask",
        "mask": "mask",
        "negative_prompt": "negative_prompt",
        "override_settings": "model",
        "prompt": "prompt",
        "seed": "seed",
        "width": "size",
    }
    needs_key = False

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Basic {images.to_base64(key.encode())}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A picture that is changed keeps its size where none is said: the server would make it 512x512."""
        options = request.options(self.name)
        if request.operation == "upscale":
            return Call.post(ENLARGE, json={"image": images.to_base64(request.images[0].data)} | options)
        pictures = [images.to_base64(each.data) for each in request.input_images]
        size = request.size or (request.input_images[0].size if pictures else None)
        body: dict[str, object] = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "init_images": pictures or None,
            **_mask(request),
            "width": size.width if size else None,
            "height": size.height if size else None,
            "seed": request.seed,
            "batch_size": request.n,
            "override_settings": {"sd_model_checkpoint": model.wire},
        }
        return Call.post(REPAINT if pictures else PAINT, json=body | options)

    def read(self, reply: Reply, model: Model) -> Done:
        answer = reply.json()
        one = answer.get("image")
        found = [one] if one is not None else list(answer["images"].items())
        if not found:
            raise errors.BadReply("no picture", path="$.images")
        seeds = _seeds(answer.text_at("info"))
        return Done(
            images=[ImageBase64(each.characters, seed=seeds.get(place)) for place, each in enumerate(found)],
            usage=Usage(images=len(found)),
        )

    def error_code(self, body: Node) -> str | None:
        return body.text_at("error")

    def error_message(self, body: Node) -> str | None:
        """`errors` has the words, `detail` what FastAPI says, and `error` the kind."""
        return body.text_at("errors") or body.text_at("detail") or super().error_message(body)


def _mask(request: ImageRequest) -> dict[str, object]:
    if request.mask is None:
        return {}
    mask = images.to_base64(images.masked(request.mask, repaint="white"))
    return {"mask": mask, "inpainting_mask_invert": MASK_IS_WHITE}


def _seeds(info: str | None) -> dict[int, int]:
    """By place. `info` is a JSON text with them; at stable-diffusion.cpp it is empty."""
    try:
        found: object = json.loads(info or "")
    except (ValueError, RecursionError):
        return {}
    seeds = cast("dict[str, object]", found).get("all_seeds") if isinstance(found, dict) else None
    listed = cast("list[object]", seeds) if isinstance(seeds, list) else []
    return {place: seed for place, seed in enumerate(listed) if isinstance(seed, int) and not isinstance(seed, bool)}


ADAPTER = Automatic1111
