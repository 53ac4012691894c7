"""How many calls may be under way at one deployment at once."""

from __future__ import annotations

import asyncio

from .deployments import Deployment


class Limits:
    """Held by one Router."""

    def __init__(self) -> None:
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def take(self, deployment: Deployment, *, timeout_seconds: float) -> asyncio.Semaphore:
        """A place, waited for; `release` it. Raises TimeoutError when none is free in time."""
        slots = self._slots.get(deployment.name)
        if slots is None:
            slots = self._slots[deployment.name] = asyncio.Semaphore(deployment.row.concurrency)
        if not slots.locked():
            await slots.acquire()  # at once
            return slots
        async with asyncio.timeout(timeout_seconds):
            await slots.acquire()
        return slots
