"""What the twins share: the day, the fault of the request at hand, and what is remembered between requests."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .faults import Fault

MAX_JOBS = 500


@dataclass(slots=True)
class World:
    """The simulator's own, and for each request a view of it with that request's day and fault."""

    base_url: str
    """Without a slash at its end: the twins stand below it, in folders of their names."""
    day: date | None = None
    """The simulated day; None follows the clock."""
    fault: Fault | None = None
    """Of this request. Those of the connection (hang, disconnect, cut_body, html_error, truncated_base64 in JSON and
    events) are the server's work; a twin sees to the others."""
    jobs: dict[str, object] = field(default_factory=dict[str, object])
    """What was submitted and is polled, by id."""
    counters: Counter[str] = field(default_factory=Counter[str])
    """Numbers a twin keeps, such as requests left before a limit."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """To be held while counters change, or while jobs are looked through."""

    @property
    def today(self) -> date:
        return self.day or datetime.now(UTC).date()

    @today.setter
    def today(self, day: date | None) -> None:
        self.day = day

    @property
    def now(self) -> datetime:
        """The simulated day at this time of day, so that a request of another day finds links expired."""
        return datetime.combine(self.today, datetime.now(UTC).timetz())

    def keep(self, job_id: str, job: object) -> None:
        """Remembers a job, and forgets the oldest beyond MAX_JOBS: pictures are large."""
        with self.lock:
            self.jobs[job_id] = job
            while len(self.jobs) > MAX_JOBS:
                del self.jobs[next(iter(self.jobs))]

    def count(self, name: str) -> int:
        """One more of this name; the number there are now."""
        with self.lock:
            self.counters[name] += 1
            return self.counters[name]

    def view(self, today: date | None, fault: Fault | None) -> World:
        """This world as one request sees it: another day (None: the same) and its fault; all else is shared."""
        return replace(self, day=today or self.day, fault=fault)
