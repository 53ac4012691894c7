"""The databases that can hold a ledger, SQLite in a file and Postgres at an address: all in which they differ.

Either is opened the same way: a new one gets its tables, one of an older schema is brought to this one in its place,
one of a newer schema or of another program is left as it is. Who opens it first does so while the others wait.

SQLite is in WAL mode with `synchronous=FULL`: a commit returns after the disk has it. The usual `NORMAL` would lose the
last commits at a power cut, and a lost attempt is a picture paid for twice; the price is one disk flush before an
attempt is sent. For the same reason a Postgres that is set up not to wait for its disk waits for Easel's commits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Float,
    Integer,
    Numeric,
    String,
    Table,
    cast,
    create_engine,
    event,
    func,
    insert,
    literal_column,
    make_url,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg as postgresql_psycopg
from sqlalchemy.exc import ArgumentError, OperationalError

from ..providers.base.errors import ConfigError, Problem
from .ledger import name_of
from .ledger_tables import ATTEMPTS, POSTGRES, REQUESTS, SCHEMA, TABLES, VERSION, Kept

APPLICATION = 0x4541534C
"""SQLite's `application_id`, "EASL": a file that carries another one belongs to another program. Postgres: the lock."""
BUSY_SECONDS = 15.0
PAUSE_SECONDS = 0.02
BILLION = 1_000_000_000
CONNECTIONS = 5
"""One writes, the others read."""
MOST_AT_ONCE = 500
"""Rows of one statement: SQLite takes at most 32,766 values."""
MIGRATIONS = Path(__file__).parent / "migrations"


class Cursor(Protocol):
    """As the drivers of both have it."""

    def execute(self, text: str, values: Sequence[object], /) -> Any: ...

    def executemany(self, text: str, values: Sequence[Sequence[object]], /) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def close(self) -> None: ...


# Statements that many rows share


class Kind:
    """A statement worked out once: its text, and each row's values as the driver takes them."""

    def __init__(self, table: Table, dialect: Dialect, *, tells_first: bool = False) -> None:
        """`tells_first`: it leaves a row that is there as it is, and gives the ids of those that it wrote.

        Else it writes a row whether it is there or not.
        """
        own = postgresql if dialect.name == POSTGRES else sqlite
        statement = own.insert(table)
        keys = [column.name for column in table.primary_key]
        if tells_first:
            statement = statement.on_conflict_do_nothing().returning(table.c.id)
        else:
            changed = {each.name: statement.excluded[each.name] for each in table.columns if each.name not in keys}
            statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._group = self._text.partition(" VALUES ")[2].partition(" ON CONFLICT")[0]
        columns = [table.columns[name] for name in compiled.positiontup or ()]
        self._read = attrgetter(*(column.name for column in columns))
        self._written = [each.type.writing(dialect) if isinstance(each.type, Kept) else None for each in columns]
        self.tells_first = tells_first

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
            cursor.execute(text, [value for row in part for value in row])
            first.update(row[0] for row in cursor.fetchall())
        return first

    def _values(self, row: object) -> list[object]:
        return [
            value if write is None or value is None else write(value)
            for value, write in zip(self._read(row), self._written, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Statements:
    """All that is written while requests are served."""

    put_new_request: Kind
    put_request: Kind
    put_attempt: Kind


@cache
def _statements(paramstyle: str) -> Statements:
    """Values stand by their place, as the driver itself takes them."""
    spoken = postgresql_psycopg.dialect(paramstyle="format") if paramstyle == "format" else sqlite.dialect()
    return Statements(
        put_new_request=Kind(REQUESTS, spoken, tells_first=True),
        put_request=Kind(REQUESTS, spoken),
        put_attempt=Kind(ATTEMPTS, spoken),
    )


class Database(Protocol):
    """One of the two, and how it wants to be spoken to."""

    name: str
    """For messages: the path, or the address without its password."""
    engine: Engine
    statements: Statements

    @property
    def Error(self) -> type[Exception]:
        """What its driver raises."""
        ...

    def is_lost(self, connection: Connection) -> bool:
        """After an error: was it the connection that failed, and not what was said on it?"""
        ...

    def make(self) -> None:
        """Whatever must be there before anything can connect."""
        ...

    def version(self, connection: Connection) -> int | None:
        """The schema that is there, None where nothing is yet. Raises ConfigError when it is another program's."""
        ...

    @contextmanager
    def alone(self, connection: Connection) -> Generator[None]:
        """A transaction in which no other process changes the schema."""
        ...

    def stamp(self, connection: Connection) -> None:
        """Mark it as Easel's, of this schema, in whatever way it has beside the table of the version."""
        ...

    def overwrite(self, connection: Connection) -> None:
        """What is deleted in this transaction is not to be found in the file afterwards."""
        ...

    def total(self, amount: ColumnElement[Any]) -> ColumnElement[Any]:
        """The sum of a column of money, each amount in whole billionths of a dollar; None where none is known."""
        ...

    def day(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """The day in UTC, as 2026-12-02."""
        ...


class SqliteFile:
    """A file, made when it is first used, for its owner's eyes only."""

    Error = sqlite3.Error

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises ConfigError when the folder does not exist."""
        self.path = Path(path).absolute()
        self.name = str(self.path)
        if not self.path.parent.is_dir():
            raise ConfigError([Problem(self.name, f"the folder {self.path.parent} does not exist; create it first")])
        self.statements = _statements("qmark")
        self.engine = create_engine(
            URL.create("sqlite", database=self.name),
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS * 2,
            connect_args={"timeout": BUSY_SECONDS},
        )
        event.listen(self.engine, "connect", _flush_always)

    def is_lost(self, connection: Connection) -> bool:
        return False

    def make(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # its side files get the same permissions

    def version(self, connection: Connection) -> int | None:
        own = connection.in_transaction()
        if not own:
            connection.exec_driver_sql("BEGIN")  # all three answers are of the same moment
        version = _pragma(connection, "user_version")
        application = _pragma(connection, "application_id")
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if not own:
            connection.rollback()
        if application == APPLICATION:
            return version
        if application or version or tables:
            raise _another_programs(self.name, "file")
        return None

    @contextmanager
    def alone(self, connection: Connection) -> Generator[None]:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.commit()

    def stamp(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    def overwrite(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def total(self, amount: ColumnElement[Any]) -> ColumnElement[Any]:
        """Its own numbers are binary fractions: what is added are whole billionths of a dollar."""
        return func.sum(cast(func.round(cast(amount, Float) * float(BILLION)), Integer))

    def day(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.substr(type_coerce(moment, String), 1, 10)


class Postgres:
    """A database at an address, `postgresql://USER@HOST/NAME`; what is left out, libpq's own variables say."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError for what is no address, and ImportError without a driver."""
        import psycopg

        self.Error: type[Exception] = psycopg.Error
        try:
            url = make_url(address).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError) as error:  # the message may have the address, and so a password
            raise ConfigError([Problem("ledger", "is not postgresql://USER:PASSWORD@HOST/NAME")]) from error
        self.name = name_of(address)
        self.statements = _statements("format")
        waits = {"connect_timeout": round(BUSY_SECONDS), "tcp_user_timeout": round(BUSY_SECONDS * 1000)}
        self.engine = create_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS * 2,
            connect_args={name: value for name, value in waits.items() if name not in url.query},
        )
        event.listen(self.engine, "connect", _settle)

    def is_lost(self, connection: Connection) -> bool:
        driver = connection.connection.driver_connection
        return driver is not None and (driver.closed or driver.broken)

    def make(self) -> None:
        """Whoever keeps the database has made it."""

    def version(self, connection: Connection) -> int | None:
        known = connection.exec_driver_sql(
            "SELECT to_regclass('easel_schema'), coalesce(to_regclass('requests'), to_regclass('attempts'))"
        ).one()
        if known[0] is not None:
            found = connection.execute(VERSION.select()).scalar_one()
        elif known[1] is not None:
            raise _another_programs(self.name, "database, or by `?options=-csearch_path%3DNAME` another schema")
        else:
            found = None
        return None if found is None else int(found)

    @contextmanager
    def alone(self, connection: Connection) -> Generator[None]:
        connection.rollback()
        with self.engine.begin() as guard:
            # A transaction that began before the lock was had would not see every table that the one before has made.
            guard.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION})")
            yield
            connection.commit()

    def stamp(self, connection: Connection) -> None:
        """The table of the version is all there is."""

    def overwrite(self, connection: Connection) -> None:
        """Its autovacuum does that in its own time."""

    def total(self, amount: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.sum(func.round(type_coerce(amount, Numeric) * BILLION))

    def day(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.to_char(func.timezone("UTC", moment), literal_column("'YYYY-MM-DD'"))


def open_tables(database: Database) -> None:
    """Have the tables of this schema. Raises ConfigError, and leaves it as it is, where they cannot be had."""
    database.make()
    with database.engine.connect() as connection:
        for tries_left in reversed(range(int(BUSY_SECONDS / PAUSE_SECONDS))):
            try:
                _have_tables(database, connection)
                return
            except OperationalError as error:
                # SQLite does not wait for its turn when two processes switch a new file to WAL at once.
                if not tries_left or "locked" not in str(error.orig):
                    raise
                connection.rollback()
            threading.Event().wait(PAUSE_SECONDS)


def _have_tables(database: Database, connection: Connection) -> None:
    version = database.version(connection)
    if version == SCHEMA:
        return
    _refuse_newer(database, version)
    with database.alone(connection):
        version = database.version(connection)  # a neighbour may have been first
        if version is None:
            TABLES.create_all(connection)
            connection.execute(insert(VERSION).values(version_num=str(SCHEMA)))
        elif version < SCHEMA:
            migrate(connection, version)
        database.stamp(connection)


def _refuse_newer(database: Database, version: int | None) -> None:
    if version is not None and version > SCHEMA:
        message = (
            f"was written by a newer Easel (schema {version}, this one knows {SCHEMA}): upgrade easel-images, or "
            "name another ledger"
        )
        raise ConfigError([Problem(database.name, message)])


def migrate(connection: Connection, version: int | None, *, to: int = SCHEMA) -> None:
    """From one schema to a newer one. Alembic takes longer to import than all of Easel: only this needs it."""
    from alembic import command
    from alembic.config import Config

    if version is not None:
        VERSION.create(connection, checkfirst=True)  # the first files had none
        if not connection.execute(update(VERSION).values(version_num=str(version))).rowcount:
            connection.execute(insert(VERSION).values(version_num=str(version)))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, str(to))


def _another_programs(name: str, instead: str) -> ConfigError:
    return ConfigError([Problem(name, f"is a database of another program; name another {instead}")])


def _flush_always(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _settle(connection: Any, _record: object) -> None:
    """Times are UTC; nobody waits for ever; and a commit is on the disk, also where the server is set up otherwise."""
    connection.execute(
        "SELECT set_config('TimeZone', 'UTC', false), set_config('lock_timeout', %s, false), "
        "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
        "ELSE current_setting('synchronous_commit') END, false)",
        [f"{round(BUSY_SECONDS * 1000)}ms"],
    )
    connection.commit()


def _pragma(connection: Connection, name: str) -> int:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
