"""How many calls may be under way at one deployment at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from typing_extensions import override

from .deployments import Deployment


class Places(asyncio.Semaphore):
    """Of one deployment. How many there are can change while some are taken."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._most = most
        self._too_many = 0
        """Places that are taken and are no more once they are given back."""

    @override
    def release(self) -> None:
        if self._too_many:
            self._too_many -= 1
        else:
            super().release()

    def resize(self, most: int) -> None:
        change, self._most = most - self._most, most
        for _ in range(change):
            self.release()
        for _ in range(-change):
            if self.locked():
                self._too_many += 1
            else:
                self._value -= 1


class Limits:
    """Held by one Router."""

    def __init__(self) -> None:
        self._slots: dict[str, Places] = {}

    async def take(self, deployment: Deployment, *, timeout_seconds: float) -> Places:
        """A place, waited for; `release` it. Raises TimeoutError when none is free in time."""
        slots = self._slots.get(deployment.name)
        if slots is None:
            slots = self._slots[deployment.name] = Places(deployment.row.concurrency)
        if not slots.locked():
            await slots.acquire()  # at once
            return slots
        async with asyncio.timeout(timeout_seconds):
            await slots.acquire()
        return slots

    def share(self, earlier: Limits, deployments: Iterable[Deployment]) -> None:
        """Count the calls under way at these together with those of `earlier`."""
        for each in deployments:
            places = earlier._slots.setdefault(each.name, Places(each.row.concurrency))
            places.resize(each.row.concurrency)
            self._slots[each.name] = places
