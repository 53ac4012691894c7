"""Keys: who may use the gateway. A file of hashes, made and changed by `easel keys`, read again when it changes.

A key is `sk-easel-`, its id and 256 random bits. It is shown once: what is kept is its HMAC-SHA-256 under a pepper that
is not in the file (the environment's EASEL_KEY_PEPPER, or `<keys>.pepper` for its owner's eyes only), so that the file
alone lets nobody in. Checking a key takes no disk and some microseconds; a revoked one is refused within a second.

Writers take turns by a lock on `<keys>.lock` (POSIX). When a key was last used is in `<keys>.used`, apart from what
matters, because every process that serves writes it now and then.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from ...providers.base.capabilities import Frozen
from ...providers.base.clock import Clock
from ...providers.base.errors import ConfigError, Problem, RequestError
from ..settings import environment as process_environment
from .errors import NotAuthenticated

PREFIX = "sk-easel-"
"""Starts like the keys that OpenAI's clients expect, and is known to `redact`."""
SECRET_BYTES = 32
KEY = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(sk-easel-([0-9a-f]{12})-[A-Za-z0-9_\-]{43}) *")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
PEPPER_VARIABLE = "EASEL_KEY_PEPPER"
SHORTEST_PEPPER = 16
MOST_SEEN = 10_000
CHECK_SECONDS = 1.0
"""How long a change of the file may go unseen."""
PROBE = b"the pepper of these keys"
"""Its HMAC is kept with the keys, so that another pepper is an error and not a riddle."""
DECOY = hashlib.sha256(PROBE).digest()
"""What a key of an unknown id is compared with, so that it takes as long."""
GROUP_OR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

logger = logging.getLogger(__name__)


class Key(Frozen):
    """One key, without its secret. Times are UTC."""

    id: str
    name: str
    """The caller's name: in the ledger, in logs, and for rules."""
    hmac: str = Field(repr=False)
    admin: bool = False
    """May use the admin routes too."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyFile(Frozen):
    version: Literal[1] = 1
    pepper: str
    """The HMAC of PROBE."""
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it is."""

    id: str
    name: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, with the only copy of its secret."""

    key: Key
    secret: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as it is listed."""

    key: Key
    last_used_at: datetime | None
    """To about a minute. None: not yet."""

    def public(self) -> dict[str, object]:
        """As JSON, without the hash."""
        said = self.key.model_dump(mode="json", exclude={"hmac"})
        used = self.last_used_at
        return {**said, "last_used_at": used.isoformat(timespec="seconds") if used is not None else None}


@dataclass(frozen=True, slots=True)
class _Loaded:
    pepper: bytes
    file: KeyFile
    by_id: Mapping[bytes, tuple[Key, bytes, Caller]]
    mark: tuple[int, int, int]
    """Of the file, as `_mark` gives it."""
    mark_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    seen: dict[bytes, tuple[Key, Caller]] = field(default_factory=dict[bytes, "tuple[Key, Caller]"], repr=False)
    """Headers that carried a key of this file, by their keyed hash."""


class Keys:
    """The keys in one file. `environment` is where the pepper may be; None means this process's.

    Raises ConfigError when the file or its pepper cannot be used; a file that is not there has no keys.
    """

    def __init__(
        self, path: str | Path, *, clock: Clock | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        self.problem: str | None = None
        """Why the newest file is not in use, and the last good one is."""
        self._clock = clock or Clock()
        self._environment = environment if environment is not None else process_environment()
        self._uses: dict[str, datetime] = {}
        self._loaded = self._load()
        self._look_again_at = self._clock.monotonic() + CHECK_SECONDS

    # Who asks

    def authenticate(self, authorization: bytes | None) -> Caller:
        """The caller whose key an `Authorization` header carries. Raises NotAuthenticated."""
        if self._clock.monotonic() >= self._look_again_at:
            self.refresh()
        loaded = self._loaded
        # A key that was found good before is known by a hash of this process's own: a fraction of the cost, and of no
        # more use to somebody who measures time.
        mark = blake2b(authorization or b"", key=loaded.mark_key).digest()
        key, caller = loaded.seen.get(mark) or self._found(authorization, mark)
        now = self._clock.now()
        if not key.is_good(now):
            raise NotAuthenticated("the key was revoked" if key.revoked_at is not None else "the key has expired")
        self._uses[key.id] = now
        return caller

    def _found(self, authorization: bytes | None, mark: bytes) -> tuple[Key, Caller]:
        """Raises NotAuthenticated."""
        found = KEY.fullmatch(authorization or b"")
        if found is None:
            wrong = "this is no key of Easel's" if authorization else "no key was sent"
            raise NotAuthenticated(f"{wrong}; send the header `Authorization: Bearer {PREFIX}…`")
        sent, id_ = found.groups()
        loaded = self._loaded
        known = loaded.by_id.get(id_)
        digest = hmac.digest(loaded.pepper, sent, "sha256")
        if not hmac.compare_digest(digest, known[1] if known is not None else DECOY) or known is None:
            raise NotAuthenticated("the key is not known here")
        key, _, caller = known
        if len(loaded.seen) < MOST_SEEN:
            loaded.seen[mark] = key, caller
        return key, caller

    def any_good(self) -> bool:
        """Is there a key that lets somebody in?"""
        now = self._clock.now()
        return any(each.is_good(now) for each in self._loaded.file.keys)

    def refresh(self) -> None:
        """Read the file again if it has changed. One that cannot be used leaves the last good keys in force."""
        self._look_again_at = self._clock.monotonic() + CHECK_SECONDS
        try:
            if _mark(self.path) == self._loaded.mark and self.problem is None:
                return
            if self._loaded.file.keys and not self.path.exists():
                raise ConfigError([Problem(str(self.path), "is gone")])
            self._loaded = self._load()
        except ConfigError as error:
            if str(error) != self.problem:
                logger.error("the keys cannot be read again, so the last good ones stay in force: %s", error)
            self.problem = str(error)
            return
        if self.problem is not None:
            logger.warning("the keys can be read again")
        self.problem = None

    def save_uses(self) -> None:
        """Write down when keys were used. What cannot be written is kept for the next time."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with self._locked():
                known = self._used()
                _write(self._beside("used"), _USES.dump_json(known | uses).decode())
        except (OSError, ConfigError) as error:
            logger.warning("when keys were used could not be written down: %s", error)
            self._uses = uses | self._uses

    # What `easel keys` does

    def create(self, name: str, *, admin: bool = False, expires_at: datetime | None = None) -> Made:
        """Raises RequestError for a name that is in use or no name."""
        with self._changing() as file:
            self._check_free(name, file)
            made = self._made(name, admin=admin, expires_at=expires_at)
            self._save(file.model_copy(update={"keys": (*file.keys, made.key)}))
        return made

    def list(self) -> tuple[Listed, ...]:
        """All that ever were, the oldest first."""
        self.refresh()
        used = self._used() | self._uses
        return tuple(Listed(each, used.get(each.id)) for each in self._loaded.file.keys)

    def revoke(self, name_or_id: str) -> tuple[Key, ...]:
        """At once, for good. A name means all its keys. Raises RequestError when there is none to revoke."""
        now = self._clock.now()
        with self._changing() as file:
            revoked = {each.id: _with(each, revoked_at=now) for each in self._good(file, name_or_id)}
            self._save(file.model_copy(update={"keys": tuple(revoked.get(each.id, each) for each in file.keys)}))
        return tuple(revoked.values())

    def rotate(self, name: str, *, grace: timedelta = timedelta(0)) -> Made:
        """A new key in the place of the one of this name, which is good for `grace` more."""
        now = self._clock.now()
        with self._changing() as file:
            old = self._good(file, name)
            ends = {each.id: _with(each, expires_at=min(now + grace, each.expires_at or now + grace)) for each in old}
            newest = old[-1]
            lifetime = newest.expires_at - newest.created_at if newest.expires_at is not None else None
            expires_at = now + lifetime if lifetime is not None else None
            made = self._made(newest.name, admin=newest.admin, expires_at=expires_at)
            kept = tuple(ends.get(each.id, each) for each in file.keys)
            self._save(file.model_copy(update={"keys": (*kept, made.key)}))
        return made

    def _check_free(self, name: str, file: KeyFile) -> None:
        if not NAME.fullmatch(name):
            message = f"{name!r} is no name for a key: up to 64 letters, digits, and . _ @ - after the first"
            raise RequestError(message, field="name")
        now = self._clock.now()
        if any(each.name == name and each.is_good(now) for each in file.keys):
            raise RequestError(f"there is a key named {name!r}; rotate or revoke it, or use another name", field="name")

    def _good(self, file: KeyFile, name_or_id: str) -> tuple[Key, ...]:
        now = self._clock.now()
        found = tuple(each for each in file.keys if name_or_id in (each.name, each.id) and each.is_good(now))
        if not found:
            names = ", ".join(dict.fromkeys(each.name for each in file.keys if each.is_good(now)))
            raise RequestError(f"there is no key {name_or_id!r} in use; there are: {names or 'none'}", field="name")
        return found

    def _made(self, name: str, *, admin: bool, expires_at: datetime | None) -> Made:
        id_ = secrets.token_hex(6)
        secret = f"{PREFIX}{id_}-{secrets.token_urlsafe(SECRET_BYTES)}"
        digest = hmac.digest(self._loaded.pepper, secret.encode(), "sha256").hex()
        key = Key(id=id_, name=name, hmac=digest, admin=admin, created_at=self._clock.now(), expires_at=expires_at)
        return Made(key, secret)

    # The files

    def _beside(self, what: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{what}")

    def _load(self) -> _Loaded:
        mark = _mark(self.path)
        text = _read(self.path, forbidden=OTHERS_WRITE, meaning="can be written by others")
        if text is None:
            pepper = self._pepper() or b""
            return _Loaded(pepper, KeyFile(pepper=_probe(pepper)), {}, mark)
        try:
            file = KeyFile.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ConfigError([Problem(str(self.path), f"{where}: {first['msg']}")]) from None
        pepper = self._pepper()
        if pepper is None:
            message = f"{self._beside('pepper')} is not there, nor {PEPPER_VARIABLE}: without it no key can be checked"
            raise ConfigError([Problem(str(self.path), message)])
        if not hmac.compare_digest(_probe(pepper), file.pepper):
            message = "its keys were made with another pepper; put that one back, or begin a new file"
            raise ConfigError([Problem(str(self.path), message)])
        by_id = {
            each.id.encode(): (each, bytes.fromhex(each.hmac), Caller(each.id, each.name, each.admin))
            for each in file.keys
        }
        return _Loaded(pepper, file, by_id, mark)

    def _pepper(self) -> bytes | None:
        named = self._environment.get(PEPPER_VARIABLE, "").strip()
        if named:
            if len(named) < SHORTEST_PEPPER:
                message = (
                    f"is too short: at least {SHORTEST_PEPPER} characters, such as those of `openssl rand -hex 32`"
                )
                raise ConfigError([Problem(PEPPER_VARIABLE, message)])
            return named.encode()
        path = self._beside("pepper")
        text = _read(path, forbidden=GROUP_OR_OTHERS, meaning="is open to others")
        return text.strip().encode() if text is not None else None

    @contextmanager
    def _changing(self) -> Generator[KeyFile]:
        """The file as it is now, and nobody else's to change. Makes the pepper where there is none."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                if not self.path.exists() and self._pepper() is None:
                    _write(self._beside("pepper"), secrets.token_hex(SECRET_BYTES) + "\n")
                self._loaded = self._load()
                yield self._loaded.file
                self._loaded = self._load()
        except OSError as error:
            raise ConfigError([Problem(str(self.path), f"cannot be written: {error.strerror}")]) from error

    def _save(self, file: KeyFile) -> None:
        _write(self.path, file.model_dump_json(indent=2) + "\n")

    @contextmanager
    def _locked(self) -> Generator[None]:
        with self._beside("lock").open("a") as lock:
            os.fchmod(lock.fileno(), stat.S_IRUSR | stat.S_IWUSR)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _used(self) -> dict[str, datetime]:
        text = _read(self._beside("used"), forbidden=OTHERS_WRITE, meaning="can be written by others")
        if text is None:
            return {}
        try:
            return _USES.validate_json(text)
        except ValidationError:
            logger.warning("%s cannot be read, and begins anew", self._beside("used"))
            return {}


_USES = TypeAdapter(dict[str, datetime])


def _with(key: Key, **changed: datetime) -> Key:
    return key.model_copy(update=changed)


def _probe(pepper: bytes) -> str:
    return hmac.digest(pepper, PROBE, "sha256").hex()


def _mark(path: Path) -> tuple[int, int, int]:
    """What is another when the file is another."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _read(path: Path, *, forbidden: int, meaning: str) -> str | None:
    """None when it is not there. Raises ConfigError for one that cannot be read or is open to the wrong people."""
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & forbidden:
                raise ConfigError([Problem(str(path), f"{meaning}: chmod 600 {path}")])
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise ConfigError([Problem(str(path), f"cannot be read: {reason}")]) from error


def _write(path: Path, text: str) -> None:
    """In one piece or not at all, for its owner's eyes only."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def lifetime(text: str, now: datetime) -> datetime:
    """`90d`, `12h`, `30m`, or a date, as the moment when it is over. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,5})([dhm])", text)
    if found:
        return now + duration(text)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def duration(text: str) -> timedelta:
    """`90d`, `12h`, `30m`. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,5})([dhm])", text)
    if not found:
        raise ValueError(f"{text!r} is no time such as 90d, 12h or 30m")
    return timedelta(**{{"d": "days", "h": "hours", "m": "minutes"}[found[2]]: int(found[1])})
