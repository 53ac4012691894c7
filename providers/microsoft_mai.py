"""Microsoft's own image models (MAI-Image) on Microsoft Foundry: the Images API, with a width and a height.

Sources: learn.microsoft.com/azure/foundry/foundry-models/how-to/use-foundry-models-mai and BerriAI/litellm 1.109.1
llms/azure_ai (mai_transformation.py), read 2026-11-23.

`size`, `n` and `response_format` are no fields here: a `size` would be passed over in silence, the others refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Call, File, ImageRequest, Model, Node, Usage
from .base.images_api import EDITS, ImagesApi

ENTRA_ID = "ey"
"""How its tokens begin, as every JSON Web Token does."""
OUTPUT_COUNTS = ("output_image_tokens", "num_output_tokens", "output_tokens")


class MicrosoftMAI(ImagesApi):
    """`base_url` is the resource (`https://name.services.ai.azure.com`); `model.wire` is the deployment's name there.

    The key is the resource's, or an access token of Microsoft Entra ID.
    """

    name = "microsoft_mai"
    settings = frozenset({"api_version"})
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "image": "images",
        "model": "model",
        "prompt": "prompt",
        "width": "size",
    }
    request_id_headers = ("apim-request-id", "x-request-id")  # unconfirmed: which of them comes

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"} if key.startswith(ENTRA_ID) else {"api-key": key}

    def url(self, path: str, model: Model) -> str:
        return f"/mai/v1{path}?api-version={self.options.get('api_version', 'preview')}"

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """Unconfirmed for edits: that they take a width and a height, as other hosts of these models do."""
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
        }

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """Every picture is `image`, however many there are."""
        files = [File.of("image", each, index) for index, each in enumerate(request.input_images)]
        return Call.form(self.url(EDITS, model), fields=body, files=files)

    def usage(self, body: Node) -> tuple[Usage, tuple[str, ...]]:
        """Counted under names of its own; a count that cannot be read does not cost the caller the picture."""
        counts = body.at("usage")
        if counts is None:
            return Usage(), ()
        text, pictures = _count(counts, "num_input_text_tokens"), _count(counts, "num_input_image_tokens")
        painted = next((found for name in OUTPUT_COUNTS if (found := _count(counts, name)) is not None), None)
        return Usage(input_text_tokens=text, input_image_tokens=pictures, output_image_tokens=painted), ()


def _count(counts: Node, name: str) -> int | None:
    found = counts.at(name)
    return found.value if found is not None and type(found.value) is int else None


ADAPTER = MicrosoftMAI
