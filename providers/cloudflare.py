"""Cloudflare Workers AI: each model an address of its own below the account's, answered at once.

Sources: @cloudflare/workers-types 5.20261117.1 (the inputs and outputs of each model),
developers.cloudflare.com/workers-ai/platform/errors and the changelog of 2025-11-25 (FLUX.2 takes forms), read
2026-11-23.

Three shapes go out and two come back: JSON to most models, a form to FLUX.2 even without a picture, and arrays of bytes
for the mask of the oldest; base64 in the usual envelope, or the picture itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import (
    Adapter,
    Call,
    Done,
    File,
    ImageBase64,
    ImageBytes,
    ImageRequest,
    Model,
    Node,
    Reply,
    Usage,
    errors,
    images,
)
from .base.errors import ConfigError, Problem

TAKES_FORMS = "@cf/black-forest-labs/flux-2-"
REFUSED = "3030"
"""The prompt, a picture or the answer is taken for unfit. Not in Cloudflare's table: reported by its users."""


class Cloudflare(Adapter):
    """`account_id` is the account that the token belongs to."""

    name = "cloudflare"
    default_base_url = "https://api.cloudflare.com/client/v4"
    settings = frozenset({"account_id"})
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "image_b64": "images",
        "mask": "mask",
        "negative_prompt": "negative_prompt",
        "prompt": "prompt",
        "seed": "seed",
        "width": "size",
        **{f"input_image_{place}": "images" for place in range(4)},
    }
    request_id_headers = ("cf-ray",)
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "3003": errors.InvalidRequest,
        "3006": errors.InvalidRequest,
        "3007": errors.ProviderUnavailable,
        "3008": errors.ProviderUnavailable,
        "3023": errors.PermissionDenied,
        "3036": errors.QuotaExhausted,  # the day's free neurons are used up
        "3040": errors.ProviderUnavailable,  # no capacity anywhere, with a 429
        "3041": errors.PermissionDenied,
        "3042": errors.ModelNotFound,
        "5004": errors.InvalidRequest,
        "5006": errors.InvalidRequest,  # unconfirmed: a body that does not fit the model
        "5007": errors.ModelNotFound,
        "5016": errors.PermissionDenied,
        "5018": errors.PermissionDenied,
        "10000": errors.AuthenticationFailed,  # unconfirmed: of Cloudflare's API as a whole
    }

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        account = self.options.get("account_id")
        if not account:
            raise ConfigError([Problem(self.name, "a deployment of this provider needs the setting account_id")])
        self._place = f"/accounts/{account}/ai/run"

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Width and height in pixels; in the mask, white is repainted (unconfirmed)."""
        url = f"{self._place}/{model.wire}"
        fields: dict[str, object] = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "seed": request.seed,
        }
        options = request.options(self.name)
        if model.wire.startswith(TAKES_FORMS):
            files = [File.of(f"input_image_{place}", each) for place, each in enumerate(request.input_images)]
            return Call.form(url, fields=fields | options, files=files)
        for source in request.input_images:
            fields["image_b64"] = images.to_base64(source.data)
        if request.mask is not None:
            fields["mask"] = list(images.masked(request.mask, repaint="white"))
        return Call.post(url, json=fields | options)

    def read(self, reply: Reply, model: Model) -> Done:
        if reply.headers.get("content-type", "").startswith("image/"):
            return Done([ImageBytes(reply.body)], Usage(images=1))
        body = reply.json()
        if (told := body.at("success")) is not None and told.value is False:
            raise self._within_a_success(reply)
        return Done([ImageBase64(body["result"]["image"].characters)], Usage(images=1))

    def error(self, reply: Reply) -> errors.ProviderError:
        failure = super().error(reply)
        if failure.code != REFUSED:
            return failure
        return errors.ModerationBlocked(str(failure), status=reply.status, code=REFUSED)

    def _within_a_success(self, reply: Reply) -> errors.ProviderError:
        """What `success: false` means under a status that says otherwise."""
        failure = self.error(reply)
        if failure.code == REFUSED or failure.code in self.codes:
            return failure
        return errors.BadReply(f"an error within a success: {failure}", path="$.errors")

    def error_code(self, body: Node) -> str | None:
        """`errors[0].code`, a number."""
        code = body.at("errors", 0, "code")
        return str(code.value) if code is not None and isinstance(code.value, int) else None

    def error_message(self, body: Node) -> str | None:
        return body.text_at("errors", 0, "message") or super().error_message(body)


ADAPTER = Cloudflare
