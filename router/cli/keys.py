"""keys: who may use the gateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from ...providers.base import clock
from ...providers.base.errors import RequestError
from . import door, show
from .place import keys_path

if TYPE_CHECKING:
    from ..gateway.keys import Key, Keys, Listed, Made

Read = TypeVar("Read")


def create(named: Path | None, name: str, *, admin: bool, expires: str | None, as_json: bool) -> int:
    keys = _opened(named)
    return _shown(keys.create(name, admin=admin, expires_at=_end(expires)), keys, as_json=as_json)


def rotate(named: Path | None, name: str, *, grace: str, as_json: bool) -> int:
    keys = _opened(named)
    return _shown(keys.rotate(name, grace=_duration(grace)), keys, as_json=as_json)


def revoke(named: Path | None, name: str, *, as_json: bool) -> int:
    revoked = _opened(named).revoke(name)
    if as_json:
        door.print_json({"revoked": [each.id for each in revoked]})
    else:
        for each in revoked:
            door.stdout().print(f"{each.id} ({each.name}) is revoked; a gateway that runs refuses it within a second")
    return door.DONE


def listed(named: Path | None, *, as_json: bool) -> int:
    keys = _opened(named)
    found = keys.list()
    if as_json:
        door.print_json([each.public() for each in found])
        return door.DONE
    if not found:
        door.stdout().print(Text(f"no keys yet in {keys.path}", show.FAINT), soft_wrap=True)
        return door.DONE
    table = show.listing("id", "name", "may", "created", "last used", "until")
    for each in found:
        table.add_row(*_row(each))
    door.stdout().print(table)
    return door.DONE


def _opened(named: Path | None) -> Keys:
    try:
        from ..gateway.keys import Keys
    except ImportError as error:
        message = f"keys need the extra `gateway`: pip install 'easel-images[gateway]' ({error.name} is missing)"
        raise RequestError(message, field="gateway") from error
    return Keys(keys_path(named))


def _end(text: str | None) -> datetime | None:
    from ..gateway.keys import lifetime

    if text is None:
        return None
    now = clock.now()
    end = _read("expires", text, lambda given: lifetime(given, now), "90d, 12h, 30m or a date such as 2027-01-31")
    if end <= now:
        raise door.wrong("expires", f"{text} is past")
    return end


def _duration(text: str) -> timedelta:
    from ..gateway.keys import duration

    return _read("grace", text, duration, "7d, 12h or 30m")


def _read(option: str, text: str, read: Callable[[str], Read], such_as: str) -> Read:
    try:
        return read(text)
    except ValueError as error:
        raise door.wrong(option, f"is {text!r}, and not a time such as {such_as}") from error


def _shown(made: Made, keys: Keys, *, as_json: bool) -> int:
    """The only time that the secret is seen: alone on stdout, so that it can go straight to where it belongs."""
    key = made.key
    if as_json:
        door.print_json({"id": key.id, "name": key.name, "key": made.secret, "expires_at": _iso(key.expires_at)})
        return door.DONE
    until = f", until {_day(key.expires_at)}" if key.expires_at is not None else ""
    door.stderr().print(f"the key of {key.name}{until}; it is shown once, and only its hash is kept in {keys.path}:")
    print(made.secret)
    return door.DONE


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None


def _day(moment: datetime) -> str:
    """In the reader's own time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _row(listed: Listed) -> tuple[Text, ...]:
    key = listed.key
    used = Text(_day(listed.last_used_at)) if listed.last_used_at is not None else Text("never", show.FAINT)
    may = Text("paint, administer" if key.admin else "paint")
    return Text(key.id), Text(key.name), may, Text(_day(key.created_at)), used, _until(key)


def _until(key: Key) -> Text:
    if key.revoked_at is not None:
        return Text(f"revoked {_day(key.revoked_at)}", show.BAD)
    if key.expires_at is None:
        return Text("-", show.FAINT)
    return Text(_day(key.expires_at), "" if key.is_good(clock.now()) else show.BAD)
