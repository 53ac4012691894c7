"""Easel routes image requests to the models that can serve them.

    from easel.router import Router

    async with Router() as router:
        response = await router.generate("a badge for a bakery", background="transparent")
        Path("badge.png").write_bytes(response.images[0].data)

`pipeline.py` is the way of a request, step by step.
"""

from ..providers.base.errors import (
    AllAttemptsFailed,
    AlreadySent,
    ConfigError,
    EaselError,
    LedgerFailed,
    ModerationBlocked,
    NoModelCan,
    OverBudget,
    ProviderError,
    RequestError,
)
from ..providers.base.request import AspectRatio, ImageRequest, InputImage, Size
from ..providers.base.response import Decision, Estimate, ImageResponse, OutputImage, PartialImage, Usage
from .ledger import Ledger, MemoryLedger
from .router import Router, SyncRouter

__all__ = [
    "AllAttemptsFailed",
    "AlreadySent",
    "AspectRatio",
    "ConfigError",
    "Decision",
    "EaselError",
    "Estimate",
    "ImageRequest",
    "ImageResponse",
    "InputImage",
    "Ledger",
    "LedgerFailed",
    "MemoryLedger",
    "ModerationBlocked",
    "NoModelCan",
    "OutputImage",
    "OverBudget",
    "PartialImage",
    "ProviderError",
    "RequestError",
    "Router",
    "Size",
    "SyncRouter",
    "Usage",
]
