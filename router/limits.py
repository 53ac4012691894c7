"""How many calls may be under way at one deployment at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .deployments import Deployment


class Limits:
    """Held by one Router."""

    def __init__(self) -> None:
        self._slots: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def slot(self, deployment: Deployment, *, timeout_seconds: float) -> AsyncGenerator[None]:
        """Wait for a place. Raises TimeoutError when none is free in time."""
        slots = self._slots.setdefault(deployment.name, asyncio.Semaphore(deployment.row.concurrency))
        async with asyncio.timeout(timeout_seconds):
            await slots.acquire()
        try:
            yield
        finally:
            slots.release()
