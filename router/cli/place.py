"""Where the terminal keeps things: the ledger, because who pays wants a record, and the gateway's keys."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...providers.base.errors import RequestError
from ..ledger import Ledger, is_address, open_ledger
from ..settings import environment
from .door import wrong

NOWHERE = "none"


def ledger_place(asked: str | None, *, simulated: bool = False) -> str | Path | None:
    """The ledger's file or address: as asked, else EASEL_LEDGER's, else the user's own file. None: in memory only.

    Simulated requests are written down only where `--ledger` says so. Without the extra `ledger` there is no file
    unless one is asked for, which is then an error that names the extra.
    """
    if asked is None and simulated:
        return None
    named = asked or environment().get("EASEL_LEDGER", "").strip()
    if named:
        return None if named == NOWHERE else named if is_address(named) else Path(named)
    if find_spec("sqlalchemy") is None:
        return None
    path = _data_home() / "easel" / "easel.db"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise wrong("ledger", f"{path.parent} cannot be made ({error.strerror}); name a file, or none") from error
    return path


def keys_path(asked: Path | None) -> Path:
    """The file of the gateway's keys: as asked, else EASEL_KEYS's, else the user's own."""
    named = environment().get("EASEL_KEYS", "").strip()
    return asked or (Path(named) if named else _data_home() / "easel" / "keys.json")


def account_path(config: Path | None) -> Path:
    """The file of what `easel probe` saw: in `account/` beside the configuration's `models/`, else the user's own."""
    if config is None:
        return _data_home() / "easel" / "account.yaml"
    return (config if config.is_dir() else config.parent) / "account" / "probes.yaml"


def ledger_at(place: str | Path | None) -> Ledger:
    """Raises RequestError, naming the extra, when one is asked for and `ledger` is not installed."""
    try:
        return open_ledger(place)
    except ImportError as error:  # its message names the extra
        raise RequestError(str(error), field="ledger") from error


def _data_home() -> Path:
    """The folder of the XDG base directory specification, version 0.8."""
    named = environment().get("XDG_DATA_HOME", "")
    return Path(named) if named.startswith("/") else Path.home() / ".local" / "share"
