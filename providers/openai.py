"""OpenAI: the Images API.

Source: openai/openai-python 3.54.0 (resources/images.py, types/image_edit_params.py),
developers.openai.com/api/docs/guides/image-generation and the changelog of 2026-02-09 (edits in JSON), read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from .base import Call, ImageRequest, InputImage, Model, Reply, Standing, images
from .base.images_api import EDITS, ImagesApi, mask_png
from .base.listing import openai_list

LONGEST_DATA_URL = 20_971_520  # characters, for each picture of a JSON edit
BY_REFERENCE = ("images", "mask", "markup")  # options that name files or addresses, which no form can carry


class OpenAI(ImagesApi):
    """`response_format` and `style` are never sent: every GPT image model refuses them."""

    name = "openai"
    default_base_url = "https://api.openai.com/v1"
    settings = frozenset({"organization", "project"})
    user_field = "safety_identifier"
    check_hint = (
        "a listed image model may still want a verified organization: platform.openai.com/settings/organization/general"
    )

    def auth(self, key: str) -> dict[str, str]:
        account = {f"openai-{name}": value for name, value in self.options.items()}
        return {**super().auth(key), **account}

    def check(self, model: Model) -> Call:
        return Call.get("/models")

    def standing(self, reply: Reply) -> Standing:
        return openai_list(reply)

    def call(self, request: ImageRequest, model: Model) -> Call:
        """An edit may have no picture of ours: `provider_options` can name files that are there already."""
        options = request.options(self.name)
        if "images" in options and not request.input_images:
            return self.edit(request, model, {**self.fields(request, model), **options})
        return super().call(request, model)

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """A form, unless something can only be said in JSON, which takes pictures as data URLs up to a length.

        That is pictures by file id or address, and `moderation`, which is documented for the JSON of an edit only. With
        a picture too large for JSON the form is sent with `moderation` all the same: a refusal of it costs nothing.
        """
        by_reference = any(name in body for name in BY_REFERENCE)
        fits = all(_url_length(each) <= LONGEST_DATA_URL for each in request.input_images)
        if not by_reference and not ("moderation" in body and body["moderation"] is not None and fits):
            return super().edit(request, model, body)
        given = body.get("images")
        further = cast("list[object]", given) if isinstance(given, list) else [] if given is None else [given]
        sources = [*({"image_url": images.to_data_url(each)} for each in request.input_images), *further]
        painted = {"mask": {"image_url": _mask_url(request.mask, model)}} if request.mask is not None else {}
        return Call.post(self.url(EDITS, model), json={**painted, **body, "images": sources}, stream=request.stream)


def _url_length(image: InputImage) -> int:
    return len(f"data:{image.media_type};base64,") + 4 * ((len(image.data) + 2) // 3)


def _mask_url(mask: InputImage, model: Model) -> str:
    return f"data:image/png;base64,{images.to_base64(mask_png(mask, model))}"


ADAPTER = OpenAI
