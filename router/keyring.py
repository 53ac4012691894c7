"""Keyrings: the keys of one account with a vendor, and which of them is used.

The first key that the vendor takes is used, in the order in which they are listed. A key is rotated without a gap by
listing the new one beside the old one, by writing the new value into its file, or both. A key that is refused (401) is
set aside by itself, for as long as a deployment would be, and the call goes out again with the next one at once. The
order is not a turn: vendors limit accounts, not keys, so taking turns would gain nothing and keep an old key in use.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from .health import MOST_DOUBLINGS
from .secrets import Secret
from .settings import Cooldown

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Key:
    """One of them, and how it was taken."""

    secret: Secret
    refused: str | None = field(default=None, repr=False)
    """The value that was refused: another value is another key."""
    refusals: int = 0
    """In a row: each doubles the time."""
    until: float = 0.0
    """When it may be tried again."""

    @property
    def is_good(self) -> bool:
        """As far as is known."""
        return self.secret.value is not None and self.secret.value != self.refused


@dataclass(slots=True, eq=False)
class Picked:
    """A key for one call, with the value that it has now. Ended by `Keyring.taken` or `Keyring.refused`, or neither.

    Not frozen: one is made for every call, and that would cost more than all the rest of it.
    """

    key: Key
    value: str = field(repr=False)
    refusals: int


class Keyring:
    """Shared by all deployments of one row. Times are the clock's `monotonic`."""

    def __init__(self, owner: str, secrets: Sequence[Secret], cooldown: Cooldown) -> None:
        self.keys = tuple(Key(each) for each in secrets)
        self._owner = owner
        self._cooldown = cooldown

    @property
    def lacking(self) -> str | None:
        """What has to be set; None when there is a key, or none is named."""
        places: list[str] = []
        for each in self.keys:
            if each.secret.value is not None:
                return None
            places.append(each.secret.place)
        if len(places) <= 1:
            return f"{places[0]} is not set" if places else None
        return f"none is set of {', '.join(places)}"

    @property
    def values(self) -> tuple[str | None, ...]:
        return tuple(each.secret.value for each in self.keys)

    def go_on_from(self, earlier: Keyring) -> None:
        """Know of each key what is known of it there."""
        known = {each.secret.label: each for each in earlier.keys}
        for each in self.keys:
            if (before := known.get(each.secret.label)) is not None:
                each.refused, each.refusals, each.until = before.refused, before.refusals, before.until

    def pick(self, now: float) -> Picked | None:
        """The first that is good; where all were refused, the one whose time is up first. None: there is no key."""
        left: Key | None = None
        for each in self.keys:
            value = each.secret.value
            if value is None:
                continue
            if value != each.refused:
                return Picked(each, value, each.refusals)
            if now >= each.until:
                each.until = now + self._cooldown.seconds  # this call tries it, others wait for what becomes of that
                return Picked(each, value, each.refusals)
            left = each if left is None or each.until < left.until else left
        return None if left is None else Picked(left, left.secret.value or "", left.refusals)

    def taken(self, picked: Picked) -> None:
        """The vendor took it."""
        key = picked.key
        if key.refused == picked.value:
            key.refused, key.refusals = None, 0
            logger.info("%s: the key in %s is good again", self._owner, key.secret.place)

    def refused(self, picked: Picked, now: float) -> bool:
        """The vendor did not take it. Is there another to try at once?"""
        key = picked.key
        key.secret.look()  # it may have been rotated a moment ago
        if key.secret.value != picked.value:
            return True
        if key.refused != picked.value:
            key.refused, key.refusals = picked.value, 0
        elif key.refusals != picked.refusals:
            return self._good() is not None  # sent before it was set aside: one burst counts once
        doubled = self._cooldown.seconds * 2 ** min(key.refusals, MOST_DOUBLINGS)
        seconds = min(doubled, self._cooldown.max_seconds)
        key.until, key.refusals = now + seconds, key.refusals + 1
        other = self._good()
        if other is None:
            logger.warning("%s refused the key in %s, and there is no other", self._owner, key.secret.place)
            return False
        logger.warning(
            "%s refused the key in %s; it is set aside for %.0f s, and %s is used",
            *(self._owner, key.secret.place, seconds, other.secret.place),
        )
        return True

    def _good(self) -> Key | None:
        return next((each for each in self.keys if each.is_good), None)


NO_KEYS = Keyring("", (), Cooldown())
