"""The ledger in a SQLite file: SQLAlchemy Core over aiosqlite, imported only when a file is asked for.

One connection writes and reads for this process, so that its calls never wait for a lock of its own; other processes
on the same file wait for theirs, up to `BUSY_SECONDS`. Writes that come together share a transaction, and its flush.

The file is in WAL mode with `synchronous=FULL`: a commit returns after the disk has it. The usual `NORMAL` would lose
the last commits at a power cut, and a lost attempt is a picture paid for twice; the price is one disk flush, some
milliseconds against the seconds that a picture takes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, cast

try:
    import aiosqlite as _aiosqlite  # noqa: F401  # pyright: ignore[reportUnusedImport] (named here, so that its absence is noticed here)
    from sqlalchemy import (
        URL,
        Boolean,
        Column,
        Connection,
        Dialect,
        Float,
        Index,
        Integer,
        MetaData,
        Row,
        Select,
        String,
        Table,
        event,
        exists,
        literal_column,
        select,
        update,
    )
    from sqlalchemy.dialects.sqlite import Insert, insert
    from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
    from sqlalchemy.exc import OperationalError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
    from sqlalchemy.types import TypeDecorator
except ImportError as error:
    raise ImportError(
        f"the ledger needs the extra `ledger`: pip install 'easel-images[ledger]' ({error.name} is missing)"
    ) from error

from ..providers.base.errors import ConfigError, LedgerFailed, Problem
from ..providers.base.response import Usage
from .ledger import UNKNOWN, AttemptRow, RequestRow

SCHEMA = 1
APPLICATION = 0x4541534C
"""SQLite's `application_id`, "EASL": a file that carries another one belongs to another program."""
BUSY_SECONDS = 15.0
PAUSE_SECONDS = 0.02
MOST_AT_ONCE = 1_000
"""Rows of one statement: SQLite takes at most 32,766 values."""
DIALECT = sqlite_dialect()
DECIMALS = frozenset(name for name, kind in Usage.__annotations__.items() if "Decimal" in str(kind))


# Types: what SQLite has no type for is text, to the digit


class _Text(TypeDecorator[str]):
    """Text that can always be kept: half a surrogate pair, as JSON may bring one, is escaped instead of refused."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")


class _Money(TypeDecorator[Decimal]):
    """As text: SQLite's own numbers are binary fractions."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class _Time(TypeDecorator[datetime]):
    """UTC, to the microsecond, in a form whose order as text is the order in time."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class _UsageJson(TypeDecorator[Usage]):
    """What the vendor counted, as a JSON object; what it did not say is left out."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Usage | None, dialect: Dialect) -> str:
        known = {each.name: getattr(value, each.name) for each in fields(Usage)}
        return json.dumps({name: count for name, count in known.items() if count is not None}, default=str)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Usage:
        found = cast("dict[str, Any]", json.loads(value or "{}"))
        found.update({name: Decimal(found[name]) for name in DECIMALS & found.keys()})
        return Usage(**found)


class _NamesJson(TypeDecorator[Mapping[str, str]]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str:
        return json.dumps(dict(value or {}))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, str]:
        return cast("dict[str, str]", json.loads(value or "{}"))


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
        compiled = statement.compile(dialect=sqlite_dialect())
        self._text = str(compiled)
        self._group = f"({', '.join('?' * len(table.columns))})"
        self._columns = [table.columns[name] for name in compiled.positiontup or ()]
        self.tells_first = tells_first
        """It leaves a row that is there as it is, and gives the ids of those that it wrote."""

    async def run(self, connection: AsyncConnection, rows: Sequence[object]) -> set[str]:
        """The ids of the rows it wrote, where it tells."""
        values = [self._values(row) for row in rows]
        if not self.tells_first:
            await connection.exec_driver_sql(self._text, values)
            return set()
        first: set[str] = set()
        for start in range(0, len(values), MOST_AT_ONCE):
            part = values[start : start + MOST_AT_ONCE]
            text = self._text.replace(self._group, ", ".join([self._group] * len(part)))
            found = await connection.exec_driver_sql(text, tuple(chain.from_iterable(part)))
            first |= set(found.scalars())
        return first

    def _values(self, row: object) -> tuple[object, ...]:
        return tuple(
            column.type.process_bind_param(getattr(row, column.name), DIALECT)
            if isinstance(column.type, TypeDecorator)
            else getattr(row, column.name)
            for column in self._columns
        )


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
    written: asyncio.Future[bool]

    def succeed(self, answer: bool) -> None:
        if not self.written.done():
            self.written.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.written.done():
            self.written.set_exception(error)


class SqlLedger:
    """Rows in a file, safe with several processes on it. Each method raises LedgerFailed when the file cannot do it."""

    def __init__(self, path: Path, engine: AsyncEngine) -> None:
        self._path = path
        self._engine = engine
        self._ready = False
        self._opening = asyncio.Lock()
        self._waiting: list[_Write] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> SqlLedger:
        """The ledger in this file, which is made, for its owner's eyes only, when it is first used.

        Raises ConfigError when the folder does not exist.
        """
        whole = Path(path).absolute()
        if not whole.parent.is_dir():
            raise ConfigError([Problem(str(whole), f"the folder {whole.parent} does not exist; create it first")])
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(whole)),
            pool_size=1,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS * 2,
            connect_args={"timeout": BUSY_SECONDS},
        )
        event.listen(engine.sync_engine, "connect", _set_up_connection)
        return cls(whole, engine)

    async def open_request(self, row: RequestRow) -> RequestRow | None:
        # One statement decides who was first, also between processes; the row it lost to is there by then.
        return None if await self._write(_OPEN_REQUEST, row) else await self.request(row.id)

    async def reopen_request(self, row: RequestRow, known: RequestRow) -> bool:
        async with self._transaction() as connection:
            written = await connection.execute(
                update(REQUESTS)
                .where(
                    REQUESTS.c.id == known.id,
                    REQUESTS.c.outcome == known.outcome,
                    REQUESTS.c.created_at == known.created_at,
                )
                .values(_values(row))
            )
            return written.rowcount == 1

    async def close_request(self, row: RequestRow) -> None:
        await self._write(_PUT_REQUEST, row)

    async def open_attempt(self, row: AttemptRow) -> None:
        await self._write(_PUT_ATTEMPT, row)

    async def close_attempt(self, row: AttemptRow) -> None:
        await self._write(_PUT_ATTEMPT, row)

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
        await self._engine.dispose()

    async def _write(self, kind: _Kind, row: RequestRow | AttemptRow) -> bool:
        """Returns when the disk has it. False: the row was there already, and the kind leaves it so.

        Writes that come while another is on its way to the disk share the next transaction: one flush serves all.
        """
        write = _Write(kind, row, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await asyncio.shield(write.written)

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._write_together(batch)
            except (LedgerFailed, ConfigError) as error:
                if len(batch) == 1:
                    batch[0].fail(error)
                else:  # one bad row must not cost the others theirs
                    for each in batch:
                        await self._write_alone(each)
        self._writer = None

    async def _write_alone(self, write: _Write) -> None:
        try:
            await self._write_together([write])
        except (LedgerFailed, ConfigError) as error:
            write.fail(error)

    async def _write_together(self, batch: list[_Write]) -> None:
        first: set[str] = set()
        async with self._transaction() as connection:
            for kind in (_OPEN_REQUEST, _PUT_REQUEST, _PUT_ATTEMPT):
                rows = [each.row for each in batch if each.kind is kind]
                if rows:
                    first |= await kind.run(connection, rows)
        for each in batch:
            is_first = each.row.id in first
            first.discard(each.row.id)  # of two of one id in this batch too, one was first
            each.succeed(is_first or not each.kind.tells_first)

    async def _read(self, query: Select[Any]) -> list[Row[Any]]:
        async with self._transaction() as connection:
            return list((await connection.execute(query)).all())

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Committed, to the disk, when its block ends."""
        try:
            await self._open()
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise LedgerFailed(f"the ledger {self._path}: {reason}") from error

    async def _open(self) -> None:
        """Make the file and its tables on first use."""
        if self._ready:
            return
        async with self._opening:
            if not self._ready:
                # SQLite gives its side files the same permissions.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
                async with self._engine.connect() as connection:
                    await self._make_tables(connection)
                self._ready = True

    async def _make_tables(self, connection: AsyncConnection) -> None:
        """In a file that is new or Easel's own; any other is left as it is. Raises ConfigError."""
        for tries_left in reversed(range(int(BUSY_SECONDS / PAUSE_SECONDS))):
            try:
                await connection.run_sync(self._look)
                await connection.run_sync(_make_tables)
                return
            except OperationalError as error:
                # SQLite does not wait for its turn when two processes switch a new file to WAL at once.
                if not tries_left or "locked" not in str(error.orig):
                    raise
                await connection.rollback()
            await asyncio.sleep(PAUSE_SECONDS)

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
