"""The time, in one place, so that tests own it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime


def now() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Wall time for dates, monotonic time for waiting. Tests give a `FixedClock`."""

    def today(self) -> date:
        return now().date()

    def now(self) -> datetime:
        return now()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FixedClock(Clock):
    """A clock that stands on one day and counts sleeping without doing it."""

    def __init__(self, today: date) -> None:
        self._start = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        self._elapsed = 0.0
        self.slept: list[float] = []

    def today(self) -> date:
        return self._start.date()

    def now(self) -> datetime:
        return self._start

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class DateClock(Clock):
    """Real time, but on another day: what `--on DATE` uses."""

    def __init__(self, today: date) -> None:
        self._today = today

    def today(self) -> date:
        return self._today
