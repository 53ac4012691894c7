"""How each deployment has been doing: a circuit breaker that sets failing ones aside, and how long they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .settings import Cooldown

SMOOTHING = 0.3
"""The weight of the newest latency in the moving average."""
MOST_DOUBLINGS = 32
"""Far above any `max_seconds`, and far below what a float can hold: a vendor may be down for weeks."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A call that may be sent. Ended by one of `succeeded`, `failed` and `released`."""

    deployment: str


@dataclass(slots=True)
class _State:
    failures: int = 0
    """In a row."""
    open_until: float | None = None
    """Set aside until this time; afterwards one call may try it."""
    openings: int = 0
    """In a row: each doubles the time."""
    probe: Turn | None = None
    """The call that is trying it."""
    latency_seconds: float | None = None


class Health:
    """Held by one Router. Times are the clock's `monotonic`."""

    def __init__(self, settings: Cooldown) -> None:
        self._settings = settings
        self._states: dict[str, _State] = {}

    def share(self, earlier: Health, deployments: Iterable[str]) -> None:
        """Know of these what `earlier` knows, and what it still learns from its calls under way."""
        for name in deployments:
            self._states[name] = earlier._states.setdefault(name, _State())

    def known(self) -> tuple[str, ...]:
        """The deployments of which there is something to know."""
        return tuple(self._states)

    def admit(self, deployment: str, now: float) -> Turn | None:
        """May a call be sent? None: no. After a cooldown exactly one may, until it has ended: the probe."""
        turn, state = Turn(deployment), self._states.get(deployment)
        if state is None or state.open_until is None:
            return turn
        if now < state.open_until or state.probe is not None:
            return None
        state.probe = turn
        return turn

    def cooling_until(self, deployment: str) -> float | None:
        """When it may be tried again; None when it is not set aside."""
        state = self._states.get(deployment)
        return state.open_until if state else None

    def succeeded(self, turn: Turn, latency_seconds: float) -> None:
        state = self._state(turn)
        state.failures, state.open_until, state.openings, state.probe = 0, None, 0, None
        known = state.latency_seconds
        state.latency_seconds = latency_seconds if known is None else known + SMOOTHING * (latency_seconds - known)

    def failed(self, turn: Turn, now: float, *, counts: bool, retry_after_seconds: float | None = None) -> None:
        """`counts`: does this kind of failure say something about the deployment, rather than about the request?"""
        state = self._state(turn)
        was_probe = state.probe is turn
        self.released(turn)
        if not counts:
            return
        state.failures += 1
        if state.open_until is not None and not was_probe:
            # Sent before it was set aside: one burst of failures counts once, but what the vendor asks for is heard.
            state.open_until = max(state.open_until, now + (retry_after_seconds or 0))
        elif was_probe or state.failures >= self._settings.failures:
            doubled = self._settings.seconds * 2 ** min(state.openings, MOST_DOUBLINGS)
            state.open_until = now + max(min(doubled, self._settings.max_seconds), retry_after_seconds or 0)
            state.openings += 1

    def released(self, turn: Turn) -> None:
        """It ended without saying anything: it was never sent, or cancelled."""
        state = self._state(turn)
        if state.probe is turn:
            state.probe = None

    def latency_seconds(self, deployment: str) -> float | None:
        """The moving average of finished calls; None before the first."""
        state = self._states.get(deployment)
        return state.latency_seconds if state else None

    def _state(self, turn: Turn) -> _State:
        return self._states.setdefault(turn.deployment, _State())
