"""POST /v1/moderations: handed on to OpenAI as it came, with every account that is configured as a fallback.

It is free, and whether a picture is asked for afterwards is the caller's affair: nothing is written to the ledger.
Source: developers.openai.com/api/docs/guides/moderation, read 2026-11-23.
"""

from __future__ import annotations

from ..relay import Relayed
from ..router import Router

PATH = "/moderations"
PROVIDER = "openai"
TIMEOUT_SECONDS = 30.0


async def moderate(router: Router, body: bytes) -> Relayed:
    """Raises NoModelCan when no OpenAI deployment has its key, and AllAttemptsFailed."""
    return await router.relay(PATH, body, provider=PROVIDER, timeout_seconds=TIMEOUT_SECONDS)
