"""Together AI: one call in JSON, answered at once. It speaks the Images API's answers, with words of its own going out.

Sources: together 3.1.1, togethercomputer/openapi of 2026-04-28, docs.together.ai (images, error codes) and
huggingface_hub 2.4.0 inference/_providers/together.py, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Call, ImageRequest, Model, Reply, Standing, errors, images
from .base.images_api import GENERATIONS, ImagesApi
from .base.listing import openai_list
from .base.refusal import if_refused

ONE_PICTURE = "FLUX.1-kontext"
"""Models that take their picture as `image_url`; all others take `reference_images`, and neither takes both."""


class Together(ImagesApi):
    name = "together"
    default_base_url = "https://api.together.ai/v1"
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "image_url": "images",
        "model": "model",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "output_format": "output_format",
        "prompt": "prompt",
        "reference_images": "images",
        "seed": "seed",
        "width": "size",
    }

    def check(self, model: Model) -> Call:
        return Call.get("/models")

    def standing(self, reply: Reply) -> Standing:
        return openai_list(reply, paints=lambda each: each.text_at("type") == "image")

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """Width and height in pixels; `base64` is Together's word, and comes back as `b64_json`."""
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "n": request.n,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "seed": request.seed,
            "output_format": request.output_format,
            "response_format": "base64",
        }

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """Pictures as data URLs, source images first; there is no other place for an edit, and no mask."""
        addresses = [images.to_data_url(each) for each in request.input_images]
        given = {"image_url": addresses[0]} if ONE_PICTURE in model.wire else {"reference_images": addresses}
        return Call.post(self.url(GENERATIONS, model), json={**given, **body})

    def error(self, reply: Reply) -> errors.ProviderError:
        """A refusal is a bad request whose words speak of NSFW; a code for it is not published."""
        return if_refused(super().error(reply))


ADAPTER = Together
