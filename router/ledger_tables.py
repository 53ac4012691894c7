"""The ledger's tables, one column for each field of a row, by the same name; the same in SQLite and in Postgres.

What a database has no type for is text, to the digit: SQLite keeps amounts and times so, Postgres has its own types.
A changed column is a new schema: count `SCHEMA` up, and write in `migrations/versions/` how an older one becomes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..providers.base.response import USAGE_FIELDS, Usage

SCHEMA = 2
POSTGRES = "postgresql"
DECIMALS = frozenset(name for name, kind in Usage.__annotations__.items() if "Decimal" in str(kind))


# Types


def _text(value: str) -> str:
    """Half a surrogate pair, as JSON may bring one, is escaped instead of refused. A plain `str`, whatever it was."""
    return str.__str__(value) if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _text_without_nul(value: str) -> str:
    return _text(value).replace("\0", "\\x00")


def _money(value: Decimal) -> str:
    return f"{value:f}"


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value.astimezone(UTC)


def _time(value: datetime) -> str:
    """UTC, to the microsecond, in a form whose order as text is the order in time."""
    return _moment(value).isoformat(timespec="microseconds")


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


def _words(value: Sequence[str]) -> str:
    return json.dumps(value) if value else "[]"


def _read_words(value: str) -> tuple[str, ...]:
    return tuple(json.loads(value))


Write = Callable[[Any], object]


class Kept(TypeDecorator[Any]):
    """A value that is kept as text, or where there is one as Postgres's own type for it. None stays None."""

    impl = String
    cache_ok = True

    def __init__(
        self,
        write: Write,
        read: Callable[[str], object],
        *,
        in_postgres: TypeEngine[Any] | None = None,
        write_postgres: Write | None = None,
    ) -> None:
        super().__init__()
        self.write = write
        self.read = read
        self.in_postgres = in_postgres
        """None: text there too."""
        self.write_postgres = write_postgres or write

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        own = self.in_postgres if dialect.name == POSTGRES else None
        return dialect.type_descriptor(own if own is not None else String())

    def writing(self, dialect: Dialect) -> Write:
        """How a value becomes what the database takes."""
        return self.write_postgres if dialect.name == POSTGRES else self.write

    def process_bind_param(self, value: Any, dialect: Dialect) -> object:
        return None if value is None else self.writing(dialect)(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> object:
        if value is None or (self.in_postgres is not None and dialect.name == POSTGRES):
            return value
        return self.read(value)


def _as_it_is(value: Any) -> object:
    return value


Text = Kept(_text, str, write_postgres=_text_without_nul)
Money = Kept(_money, Decimal, in_postgres=Numeric(), write_postgres=_as_it_is)
Time = Kept(_time, datetime.fromisoformat, in_postgres=DateTime(timezone=True), write_postgres=_moment)
UsageJson = Kept(_usage, _read_usage)
NamesJson = Kept(_names, json.loads)
WordsJson = Kept(_words, _read_words)


# Tables

TABLES = MetaData()
REQUESTS = Table(
    "requests",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("created_at", Time, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("prompt_characters", Integer, nullable=False),
    Column("prompt_sha256", Text, nullable=False),
    Column("size", Text),
    Column("quality", Text),
    Column("background", Text, nullable=False),
    Column("caller", Text),
    Column("metadata", NamesJson, nullable=False),
    Column("rules_hash", Text, nullable=False),
    Column("rule", Text),
    Column("deployment", Text),
    Column("outcome", Text, nullable=False),
    Column("estimate_low_usd", Money),
    Column("estimate_expected_usd", Money),
    Column("estimate_worst_usd", Money),
    Column("cost_usd", Money),
    Column("cost_basis", Text, nullable=False),
    Column("at_risk_usd", Money, nullable=False),
    Column("images", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("adaptations", Integer, nullable=False),
    Column("latency_seconds", Float),
    Column("error", Text),
    Column("key_id", Text),
    Column("team", Text),
    Column("project", Text),
    Column("tags", WordsJson, nullable=False, server_default="[]"),
    Column("end_user", Text),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("fallbacks", Integer, nullable=False, server_default="0"),
)
ATTEMPTS = Table(
    "attempts",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("retry", Integer, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("started_at", Time, nullable=False),
    Column("n", Integer, nullable=False),
    Column("size", Text),
    Column("quality", Text),
    Column("estimate_worst_usd", Money),
    Column("outcome", Text, nullable=False),
    Column("latency_seconds", Float),
    Column("billed", Boolean),
    Column("status", Integer),
    Column("vendor_request_id", Text),
    Column("model_snapshot", Text),
    Column("usage", UsageJson, nullable=False),
    Column("cost_usd", Money),
    Column("cost_basis", Text, nullable=False),
    Column("images", Integer, nullable=False),
    Column("moderation", Text),
    Column("error", Text),
    Column("candidate", Integer, nullable=False, server_default="0"),
    Column("part", Integer, nullable=False, server_default="0"),
    Column("estimate_low_usd", Money),
    Column("estimate_expected_usd", Money),
    Column("input_images", Integer),
    Column("input_bytes", BigInteger),
    Column("input_pixels", BigInteger),
    Column("first_byte_seconds", Float),
    Column("rule", Text),
    Column("rules_hash", Text),
    Column("prices_hash", Text),
)
VERSION = Table("easel_schema", TABLES, Column("version_num", String(32), primary_key=True))
"""Which schema it is, where Alembic looks for it: a single row."""
Index("requests_by_time", REQUESTS.c.created_at)
Index("attempts_by_request", ATTEMPTS.c.request_id, ATTEMPTS.c.number)
Index("attempts_by_outcome", ATTEMPTS.c.outcome, ATTEMPTS.c.started_at)
