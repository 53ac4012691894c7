"""Lumen, an invented vendor: one call, one picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from easel.providers.base import Adapter, Call, Done, ImageBase64, ImageRequest, Model, Reply, Usage


class Lumen(Adapter):
    name = "lumen"
    default_base_url = "https://api.lumen.example/v1"
    wire: ClassVar[Mapping[str, str]] = {"prompt": "prompt", "width": "size", "height": "size"}

    def auth(self, key: str) -> dict[str, str]:
        return {"x-api-key": key}

    def call(self, request: ImageRequest, model: Model) -> Call:
        size = request.size
        body = {
            "prompt": request.prompt,
            "width": size.width if size else None,
            "height": size.height if size else None,
        }
        return Call.post(f"/{model.wire}", json=body)

    def read(self, reply: Reply, model: Model) -> Done:
        return Done([ImageBase64(reply.json()["picture"].characters)], Usage(images=1))


ADAPTER = Lumen
MODELS = Path(__file__).with_name("models.yaml")
