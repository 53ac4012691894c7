"""The ledger in a SQLite file: SQLAlchemy Core, imported only when a file is asked for.

One thread writes for this process, so that its writes never wait for a lock of its own; other processes on the same
file wait for theirs, up to `BUSY_SECONDS`. Writes that come together share a transaction, and its flush. Readers have
connections of their own, and see everything that was written before they asked.

The file is in WAL mode with `synchronous=FULL`: a commit returns after the disk has it. The usual `NORMAL` would lose
the last commits at a power cut, and a lost attempt is a picture paid for twice; the price is one disk flush before an
attempt is sent. What became of it is written without anybody waiting: lost, it leaves the attempt `unknown`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from pathlib import Path
from sqlite3 import Cursor
from typing import Any, cast

try:
    from sqlalchemy import (
        URL,
        Boolean,
        Column,
        Connection,
        Dialect,
        Engine,
        Float,
        Index,
        Integer,
        MetaData,
        Row,
        Select,
        String,
        Table,
        create_engine,
        event,
        exists,
        literal_column,
        select,
        update,
    )
    from sqlalchemy.dialects.sqlite import Insert, insert
    from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
    from sqlalchemy.exc import OperationalError, SQLAlchemyError
    from sqlalchemy.types import TypeDecorator
except ImportError as error:
    raise ImportError(
        f"the ledger needs the extra `ledger`: pip install 'easel-images[ledger]' ({error.name} is missing)"
    ) from error

from ..providers.base.errors import ConfigError, LedgerFailed, Problem
from ..providers.base.response import USAGE_FIELDS, Usage
from .ids import NewId
from .ledger import UNKNOWN, AttemptRow, RequestRow

logger = logging.getLogger(__name__)
SCHEMA = 1
APPLICATION = 0x4541534C
"""SQLite's `application_id`, "EASL": a file that carries another one belongs to another program."""
BUSY_SECONDS = 15.0
PAUSE_SECONDS = 0.02
SOON_SECONDS = 0.05
"""What nobody waits for is on the disk by then."""
CONNECTIONS = 5
"""One writes, the others read."""
MOST_AT_ONCE = 1_000
"""Rows of one statement: SQLite takes at most 32,766 values."""
DIALECT = sqlite_dialect()
DECIMALS = frozenset(name for name, kind in Usage.__annotations__.items() if "Decimal" in str(kind))


# Types: what SQLite has no type for is text, to the digit


def _text(value: str) -> str:
    """Half a surrogate pair, as JSON may bring one, is escaped instead of refused. A plain `str`, whatever it was."""
    return str.__str__(value) if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _time(value: datetime) -> str:
    """UTC, to the microsecond, in a form whose order as text is the order in time."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _usage(value: Usage) -> str:
    """What the vendor counted, as a JSON object; what it did not say is left out."""
    known = ((name, getattr(value, name)) for name in USAGE_FIELDS)
    return json.dumps({name: count for name, count in known if count is not None}, default=str)


def _read_usage(value: str) -> Usage:
    found = cast("dict[str, Any]", json.loads(value))
    found.update({name: Decimal(found[name]) for name in DECIMALS & found.keys()})
    return Usage(**found)


def _names(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value)) if value else "{}"


class _Kept(TypeDecorator[Any]):
    """A value that is kept as text. None stays None."""

    impl = String
    cache_ok = True

    def __init__(self, write: Callable[[Any], str], read: Callable[[str], object]) -> None:
        super().__init__()
        self.write = write
        self.read = read

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.write(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        return None if value is None else self.read(value)


_Text = _Kept(_text, str)
_Money = _Kept(str, Decimal)  # SQLite's own numbers are binary fractions
_Time = _Kept(_time, datetime.fromisoformat)
_UsageJson = _Kept(_usage, _read_usage)
_NamesJson = _Kept(_names, json.loads)


# Tables: one column for each field of a row, by the same name

TABLES = MetaData()
REQUESTS = Table(
    "requests",
    TABLES,
    Column("id", _Text, primary_key=True),
    Column("created_at", _Time, nullable=False),
    Column("operation", _Text, nullable=False),
    Column("model", _Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("prompt_characters", Integer, nullable=False),
    Column("prompt_sha256", _Text, nullable=False),
    Column("size", _Text),
    Column("quality", _Text),
    Column("background", _Text, nullable=False),
    Column("caller", _Text),
    Column("metadata", _NamesJson, nullable=False),
    Column("rules_hash", _Text, nullable=False),
    Column("rule", _Text),
    Column("deployment", _Text),
    Column("outcome", _Text, nullable=False),
    Column("estimate_low_usd", _Money),
    Column("estimate_expected_usd", _Money),
    Column("estimate_worst_usd", _Money),
    Column("cost_usd", _Money),
    Column("cost_basis", _Text, nullable=False),
    Column("at_risk_usd", _Money, nullable=False),
    Column("images", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("adaptations", Integer, nullable=False),
    Column("latency_seconds", Float),
    Column("error", _Text),
)
ATTEMPTS = Table(
    "attempts",
    TABLES,
    Column("id", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("retry", Integer, nullable=False),
    Column("deployment", _Text, nullable=False),
    Column("model", _Text, nullable=False),
    Column("started_at", _Time, nullable=False),
    Column("n", Integer, nullable=False),
    Column("size", _Text),
    Column("quality", _Text),
    Column("estimate_worst_usd", _Money),
    Column("outcome", _Text, nullable=False),
    Column("latency_seconds", Float),
    Column("billed", Boolean),
    Column("status", Integer),
    Column("vendor_request_id", _Text),
    Column("model_snapshot", _Text),
    Column("usage", _UsageJson, nullable=False),
    Column("cost_usd", _Money),
    Column("cost_basis", _Text, nullable=False),
    Column("images", Integer, nullable=False),
    Column("moderation", _Text),
    Column("error", _Text),
)
Index("requests_by_time", REQUESTS.c.created_at)
Index("attempts_by_request", ATTEMPTS.c.request_id, ATTEMPTS.c.number)
Index("attempts_by_outcome", ATTEMPTS.c.outcome, ATTEMPTS.c.started_at)


class _Kind:
    """A statement that many rows can share, worked out once: its text, and each row's values as SQLite takes them."""

    def __init__(self, statement: Insert, table: Table, *, tells_first: bool = False) -> None:
        compiled = statement.compile(dialect=DIALECT)
        self._text = str(compiled)
        self._group = f"({', '.join('?' * len(table.columns))})"
        columns = [table.columns[name] for name in compiled.positiontup or ()]
        self._read = attrgetter(*(column.name for column in columns))
        self._written = [_writing(column) for column in columns]
        self.tells_first = tells_first
        """It leaves a row that is there as it is, and gives the ids of those that it wrote."""

    def run(self, cursor: Cursor, rows: Sequence[object]) -> set[str]:
        """The ids of the rows it wrote, where it tells."""
        values = [self._values(row) for row in rows]
        if not self.tells_first:
            cursor.executemany(self._text, values)
            return set()
        first: set[str] = set()
        for start in range(0, len(values), MOST_AT_ONCE):
            part = values[start : start + MOST_AT_ONCE]
            text = self._text.replace(self._group, ", ".join([self._group] * len(part)))
            first.update(row[0] for row in cursor.execute(text, list(chain.from_iterable(part))))
        return first

    def _values(self, row: object) -> list[object]:
        return [
            value if write is None or value is None else write(value)
            for value, write in zip(self._read(row), self._written, strict=True)
        ]


def _writing(column: Column[Any]) -> Callable[[Any], object] | None:
    """How a value of this column is turned into what SQLite takes; None: it is taken as it is."""
    return column.type.write if isinstance(column.type, _Kept) else None


def _put(table: Table) -> _Kind:
    """Write a row, whether it is there or not."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return _Kind(statement.on_conflict_do_update(index_elements=keys, set_=changed), table)


_OPEN_REQUEST = _Kind(
    insert(REQUESTS).on_conflict_do_nothing().returning(REQUESTS.c.id),  # pyright: ignore[reportArgumentType] (an Insert that returns)
    REQUESTS,
    tells_first=True,
)
_PUT_REQUEST = _put(REQUESTS)
_PUT_ATTEMPT = _put(ATTEMPTS)


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A row on its way to the disk."""

    kind: _Kind
    row: RequestRow | AttemptRow
    written: asyncio.Future[bool] | None
    """None: nobody waits for it."""


_Told = tuple[asyncio.Future[bool], bool | Exception]
"""Somebody who waits for a write, and what is to be said."""


class SqlLedger:
    """Rows in a file, safe with several processes on it. Each method raises LedgerFailed when the file cannot do it."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine
        self._ready = False
        self._opening = threading.Lock()
        self._waiting: deque[_Write] = deque()
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "easel-ledger")
        atexit.register(self._write_all)  # what still waits then, if nobody closes it

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> SqlLedger:
        """The ledger in this file, which is made, for its owner's eyes only, when it is first used.

        Raises ConfigError when the folder does not exist.
        """
        whole = Path(path).absolute()
        if not whole.parent.is_dir():
            raise ConfigError([Problem(str(whole), f"the folder {whole.parent} does not exist; create it first")])
        engine = create_engine(
            URL.create("sqlite", database=str(whole)),
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS * 2,
            connect_args={"timeout": BUSY_SECONDS},
        )
        event.listen(engine, "connect", _set_up_connection)
        return cls(whole, engine)

    async def open_request(self, row: RequestRow) -> RequestRow | None:
        if isinstance(row.id, NewId):  # nobody else can have it: it is kept with the attempt that follows
            self._write_soon(_OPEN_REQUEST, row)
            return None
        # One statement decides who was first, also between processes; the row it lost to is there by then.
        return None if await self._write(_OPEN_REQUEST, row) else await self.request(row.id)

    async def reopen_request(self, row: RequestRow, known: RequestRow) -> bool:
        change = (
            update(REQUESTS)
            .where(
                REQUESTS.c.id == known.id,
                REQUESTS.c.outcome == known.outcome,
                REQUESTS.c.created_at == known.created_at,
            )
            .values(_values(row))
        )

        def work() -> bool:
            with self._transaction() as connection:
                return connection.execute(change).rowcount == 1

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close_request(self, row: RequestRow) -> None:
        self._write_soon(_PUT_REQUEST, row)

    async def open_attempt(self, row: AttemptRow) -> None:
        await self._write(_PUT_ATTEMPT, row)

    async def close_attempt(self, row: AttemptRow) -> None:
        self._write_soon(_PUT_ATTEMPT, row)

    async def request(self, request_id: str) -> RequestRow | None:
        rows = await self._read(select(REQUESTS).where(REQUESTS.c.id == request_id))
        return _request(rows[0]) if rows else None

    async def requests(
        self,
        *,
        limit: int = 50,
        caller: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
    ) -> tuple[RequestRow, ...]:
        query = select(REQUESTS).order_by(REQUESTS.c.created_at.desc(), _rowid(REQUESTS).desc()).limit(max(0, limit))
        if caller is not None:
            query = query.where(REQUESTS.c.caller == caller)
        if since is not None:
            query = query.where(REQUESTS.c.created_at >= since)
        if outcome is not None:
            query = query.where(REQUESTS.c.outcome == outcome)
        if deployment is not None:
            tried = exists().where(ATTEMPTS.c.request_id == REQUESTS.c.id, ATTEMPTS.c.deployment == deployment)
            query = query.where((REQUESTS.c.deployment == deployment) | tried)
        return tuple(_request(row) for row in await self._read(query))

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        query = select(ATTEMPTS).where(ATTEMPTS.c.request_id == request_id)
        rows = await self._read(query.order_by(ATTEMPTS.c.number, _rowid(ATTEMPTS)))
        return tuple(_attempt(row) for row in rows)

    async def unknown_attempts(self, *, limit: int = 50) -> tuple[AttemptRow, ...]:
        query = select(ATTEMPTS).where(ATTEMPTS.c.outcome == UNKNOWN).limit(max(0, limit))
        rows = await self._read(query.order_by(ATTEMPTS.c.started_at.desc(), _rowid(ATTEMPTS).desc()))
        return tuple(_attempt(row) for row in rows)

    def beside(self) -> SqlLedger:
        return SqlLedger.at(self._path)

    async def close(self) -> None:
        self._flush()
        await asyncio.to_thread(self._thread.shutdown)
        self._write_all()
        atexit.unregister(self._write_all)
        self._engine.dispose()

    # Writing

    async def _write(self, kind: _Kind, row: RequestRow | AttemptRow) -> bool:
        """Returns when the disk has it. False: the row was there already, and the kind leaves it so."""
        written = asyncio.get_running_loop().create_future()
        self._begin(_Write(kind, row, written))
        return await asyncio.shield(written)

    def _write_soon(self, kind: _Kind, row: RequestRow | AttemptRow) -> None:
        """It goes with the next write, and at the latest in a moment: what is read after this sees it."""
        self._waiting.append(_Write(kind, row, None))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_SECONDS, self._flush)

    def _begin(self, write: _Write) -> None:
        """Writes that come while others are on their way to the disk share the next transaction: one flush for all."""
        self._waiting.append(write)
        self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._writing:
            self._writing = True
            self._thread.submit(self._write_all)

    def _write_all(self) -> None:
        while self._is_needed():
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            told: list[_Told] = []
            try:
                told += self._write_together(batch)
            except (LedgerFailed, ConfigError) as error:
                if len(batch) == 1:
                    told += _failed(batch[0], error)
                else:  # one bad row must not cost the others theirs
                    for each in batch:
                        told += self._write_alone(each)
            except Exception as error:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
                for each in batch:
                    told += _failed(each, error)
            _tell(told)

    def _is_needed(self) -> bool:
        """Is there more to write? What comes after a no begins a run of its own."""
        if not self._waiting:
            self._writing = False
            if not self._waiting:
                return False
            self._writing = True  # it came in between, and relied on this run
        return True

    def _write_alone(self, write: _Write) -> list[_Told]:
        try:
            return self._write_together([write])
        except (LedgerFailed, ConfigError) as error:
            return _failed(write, error)

    def _write_together(self, batch: list[_Write]) -> list[_Told]:
        first: set[str] = set()
        with self._transaction() as connection:
            cursor = cast("Cursor", connection.connection.cursor())
            for kind in (_OPEN_REQUEST, _PUT_REQUEST, _PUT_ATTEMPT):
                rows = [each.row for each in batch if each.kind is kind]
                if rows:
                    first |= kind.run(cursor, rows)
            cursor.close()
        told: list[_Told] = []
        for each in batch:
            is_first = each.row.id in first
            first.discard(each.row.id)  # of two of one id in this batch too, one was first
            if each.written is not None:
                told.append((each.written, is_first or not each.kind.tells_first))
        return told

    # Reading

    async def _read(self, query: Select[Any]) -> list[Row[Any]]:
        if self._writing or self._waiting:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write_all)

        def work() -> list[Row[Any]]:
            with self._transaction() as connection:
                return list(connection.execute(query).all())

        return await asyncio.to_thread(work)

    # The file

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        """Committed, to the disk, when its block ends."""
        try:
            self._open()
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise LedgerFailed(f"the ledger {self._path}: {reason}") from error

    def _open(self) -> None:
        """Make the file and its tables on first use."""
        if self._ready:
            return
        with self._opening:
            if not self._ready:
                # SQLite gives its side files the same permissions.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
                with self._engine.connect() as connection:
                    self._prepare(connection)
                self._ready = True

    def _prepare(self, connection: Connection) -> None:
        """The tables, in a file that is new or Easel's own; any other is left as it is. Raises ConfigError."""
        for tries_left in reversed(range(int(BUSY_SECONDS / PAUSE_SECONDS))):
            try:
                self._look(connection)
                _make_tables(connection)
                return
            except OperationalError as error:
                # SQLite does not wait for its turn when two processes switch a new file to WAL at once.
                if not tries_left or "locked" not in str(error.orig):
                    raise
                connection.rollback()
            threading.Event().wait(PAUSE_SECONDS)

    def _look(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")  # all three answers are of the same moment
        version = _pragma(connection, "user_version")
        application = _pragma(connection, "application_id")
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        connection.rollback()
        if application != APPLICATION and (application or version or tables):
            raise ConfigError([Problem(str(self._path), "is a database of another program; name another file")])
        if version > SCHEMA:
            message = (
                f"was written by a newer Easel (schema {version}, this one knows {SCHEMA}): upgrade easel-images, or "
                "name another file"
            )
            raise ConfigError([Problem(str(self._path), message)])


def _failed(write: _Write, error: Exception) -> list[_Told]:
    """Who is to be told; where nobody waits, the log is."""
    if write.written is not None:
        return [(write.written, error)]
    logger.error("the ledger did not keep what became of %s: %s", write.row.id, error)
    return []


def _tell(told: Sequence[_Told]) -> None:
    """From the ledger's thread: those who wait are on an event loop, mostly all on the same one."""
    loops = {future.get_loop() for future, _ in told}
    for loop in loops:
        own = [each for each in told if each[0].get_loop() is loop]
        with suppress(RuntimeError):  # that loop has ended, and whoever waited with it
            loop.call_soon_threadsafe(_answer, own)


def _answer(told: Sequence[_Told]) -> None:
    for future, answer in told:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _make_tables(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    TABLES.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
    connection.commit()


def _set_up_connection(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _pragma(connection: Connection, name: str) -> int:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def _rowid(table: Table) -> Column[int]:
    """The order of writing: a row that is written again keeps its place."""
    return cast("Column[int]", literal_column(f"{table.name}.rowid", Integer))


def _values(row: RequestRow | AttemptRow) -> dict[str, object]:
    return {each.name: getattr(row, each.name) for each in fields(row)}


def _request(row: Row[Any]) -> RequestRow:
    return RequestRow(**row._mapping)  # pyright: ignore[reportPrivateUsage] (its documented name)


def _attempt(row: Row[Any]) -> AttemptRow:
    return AttemptRow(**row._mapping)  # pyright: ignore[reportPrivateUsage] (its documented name)
