"""Secrets: values that a configuration names and never holds, and the places where they are kept.

An environment variable, a file, or a store. The store is a folder with one file for each secret, as Kubernetes, Docker
and systemd mount them, unless an application gives its Router another. Nothing is executed to come by a secret.

A value is looked for again once a second at most, while requests come, so that a key that was rotated is in use without
a restart. One that is gone, or empty, leaves the last value in force: whoever rotates a file may write it in two steps.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .settings import Named

CHECK_SECONDS = 1.0
"""How long another value may go unseen."""
LONGEST_SECRET = 65_536
"""Bytes of a file. More is no key."""
FOLDER_VARIABLES = ("EASEL_SECRETS", "CREDENTIALS_DIRECTORY")
"""The store's folder: ours, and systemd's own (systemd.exec(5), LoadCredential=)."""
USUAL_FOLDER = "/run/secrets"
"""Docker's and Podman's (docs.docker.com/engine/swarm/secrets)."""

logger = logging.getLogger(__name__)


class Store(Protocol):
    """A kind of place, where each secret has a name."""

    def read(self, name: str) -> str | None:
        """The value, or None when it is not there.

        Asked about once a second for each name, within a request: one that asks over a network answers from memory,
        and keeps that fresh by itself. It must not raise.
        """
        ...


class Variables:
    """Environment variables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None


class Files:
    """Files by their path. Read when they are others than before, which their inode, time and size tell."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, int, int], str | None]] = {}

    def read(self, name: str) -> str | None:
        path = Path(name)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_SECRET:
                return None
            mark = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._kept.get(name)
            if known is not None and known[0] == mark:
                return known[1]
            value = _value(path.read_bytes())
        except (OSError, ValueError):  # ValueError: a path that is none, with a zero in it
            return None
        self._kept[name] = mark, value
        return value


def _value(content: bytes) -> str | None:
    """The first line, or all of what is JSON, as the credentials of a cloud are."""
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    return text if text.startswith("{") else text.partition("\n")[0].strip() or None


class Folder:
    """A file for each secret, in one folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = Files()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Folder:
        named = (environment.get(name, "").strip() for name in FOLDER_VARIABLES)
        return cls(Path(next(filter(None, named), USUAL_FOLDER)))

    def read(self, name: str) -> str | None:
        return self._files.read(str(self._path / name))


@dataclass(slots=True, eq=False)
class Secret:
    """One value, as it is now."""

    place: str
    """In words, for messages: environment variable OPENAI_API_KEY."""
    label: str
    """In short, for metrics: env:OPENAI_API_KEY."""
    value: str | None = field(default=None, repr=False)
    """None: it is not there, and never was."""
    _store: Store | None = field(default=None, repr=False)
    _name: str = ""
    _is_gone: bool = False

    @classmethod
    def at(cls, named: Named, store: Store) -> Secret:
        ((kind, name),) = named.model_dump(exclude_none=True).items()
        return cls(str(named), f"{kind}:{name}", store.read(name), store, name)

    def look(self) -> None:
        """Is it another by now?"""
        if self._store is None:
            return
        found = self._store.read(self._name)
        if found is None:
            if self.value is not None and not self._is_gone:
                logger.warning("%s is gone or cannot be read; its last value stays in use", self.place)
            self._is_gone = True
            return
        self._is_gone = False
        if found != self.value:
            logger.info("%s has a new value", self.place)
            self.value = found


class Secrets:
    """All that one configuration names. `store` is for `{secret: NAME}`; None takes the folder."""

    def __init__(self, environment: Mapping[str, str], store: Store | None = None) -> None:
        self._variables = Variables(environment)
        self._files = Files()
        self._store = store or Folder.of(environment)
        self._known: dict[Named, Secret] = {}
        self._look_again_at = float("-inf")

    def get(self, named: Named) -> Secret:
        """The same one each time."""
        found = self._known.get(named)
        if found is None:
            place = self._variables if named.env is not None else self._files if named.file is not None else self._store
            found = self._known[named] = Secret.at(named, place)
        return found

    def refresh(self, now: float) -> None:
        """Look at all of them, unless that was done a moment ago. `now` is the clock's `monotonic`."""
        if now >= self._look_again_at:
            self._look_again_at = now + CHECK_SECONDS
            for each in tuple(self._known.values()):
                each.look()
