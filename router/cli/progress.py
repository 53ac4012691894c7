"""A line that moves while a long call is under way: for how long, and who is painting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from rich.status import Status
from rich.text import Text

from ...providers.base.errors import LedgerFailed
from ..ledger import Ledger
from . import door

LOOKS_SECONDS = 0.2
"""Between two looks at the ledger."""
Result = TypeVar("Result")


async def watched(work: Coroutine[Any, Any, Result], ledger: Ledger, request_id: str) -> Result:
    """The result of `work`. Attempts are in the ledger before they are sent, so it knows which one is under way.

    Nothing is shown where stderr is no terminal.
    """
    console = door.stderr()
    if not console.is_terminal:
        return await work
    with console.status(Text("asking"), spinner="dots") as status:
        following = asyncio.create_task(_follow(status, ledger, request_id))
        try:
            return await work
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def _follow(status: Status, ledger: Ledger, request_id: str) -> None:
    started = time.monotonic()
    while True:
        # A ledger that cannot be read is the request's own business to report.
        with suppress(LedgerFailed):
            attempts = await ledger.attempts(request_id)
            who = attempts[-1].deployment if attempts else "choosing"
            again = f", attempt {len(attempts)}" if len(attempts) > 1 else ""
            status.update(Text.assemble(who, (f"{again}  {time.monotonic() - started:.0f} s", "dim")))
        await asyncio.sleep(LOOKS_SECONDS)
