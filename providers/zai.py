"""Z.ai (Zhipu): one call to paint, in the Images API's shape with words of its own.

Sources: docs.z.ai/api-reference/image/generate-image, docs.bigmodel.cn/api-reference (image generation), zai-sdk 0.2.3,
zai-rs 0.6.0, read 2026-11-23; the error codes are unconfirmed.

There is nothing to edit with. Every picture carries a mark unless `provider_options: {zai: {watermark_enabled: false}}`
says otherwise, which the vendor allows only to those who have signed for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from .base import ImageRequest, Model, Node, errors
from .base.errors import ProviderError
from .base.images_api import ImagesApi

REFUSED = "1301"


class ZAI(ImagesApi):
    name = "zai"
    default_base_url = "https://api.z.ai/api/paas/v4"
    wire: ClassVar[Mapping[str, str]] = {
        "model": "model",
        "prompt": "prompt",
        "quality": "quality",
        "size": "size",
        "user_id": "user",
    }
    codes: ClassVar[Mapping[str, type[ProviderError]]] = {
        **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), errors.AuthenticationFailed),
        "1113": errors.QuotaExhausted,
        "1302": errors.RateLimited,
        "1303": errors.RateLimited,
    }

    def auth(self, key: str) -> dict[str, str]:
        return {**super().auth(key), "accept-language": "en-US,en"}

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """One picture a call: the vendor's client knows `n`, its documents do not."""
        return {
            "model": model.wire,
            "prompt": request.prompt,
            "size": str(request.size) if request.size else None,
            "quality": request.quality,
            "user_id": request.user,
        }

    def failure(self, error: Node, *, status: int | None, message: str | None = None) -> ProviderError:
        if error.text_at("code") == REFUSED:
            said = message or error.text_at("message") or "refused"
            return errors.ModerationBlocked(said, status=status, code=REFUSED)
        return super().failure(error, status=status, message=message)

    def moderation(self, body: Node) -> str | None:
        """`content_filter`: whose words were looked at, and at which level."""
        found = body.at("content_filter")
        entries = cast("list[object]", found.value) if found is not None and isinstance(found.value, list) else []
        said = [cast("dict[str, object]", each) for each in entries if isinstance(each, dict)]
        return ", ".join(f"{each.get('role')}: {each.get('level')}" for each in said) or None


ADAPTER = ZAI
