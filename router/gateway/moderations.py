"""POST /v1/moderations: handed on to OpenAI as it came, with every account that is configured as a fallback.

It is free, and whether a picture is asked for afterwards is the caller's affair: nothing is written to the ledger.
Source: developers.openai.com/api/docs/guides/moderation, read 2026-11-23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import body as bodies
from .body import Place
from .images import Visit, WhileConnected

if TYPE_CHECKING:
    from ..router import Router

PATH = "/moderations"
PROVIDER = "openai"
TIMEOUT_SECONDS = 30.0


async def moderate(visit: Visit, router: Router, place: Place) -> None:
    """Raises NoModelCan when no OpenAI deployment has its key, and AllAttemptsFailed."""
    raw = await bodies.read(visit.receive, visit.headers.get(b"content-length"), place)
    visit.bytes_in = len(raw)
    async with WhileConnected(visit.receive):
        relayed = await router.relay(PATH, raw, provider=PROVIDER, timeout_seconds=TIMEOUT_SECONDS)
        headers = (
            (b"x-easel-request-id", visit.request_id.encode()),
            (b"x-easel-deployment", relayed.deployment.encode()),
        )
        await visit.whole(relayed.reply.status, headers, [relayed.reply.body])
