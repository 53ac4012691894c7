"""ledger export: every attempt with its request beside it, as CSV or Parquet, for whoever adds up bills elsewhere."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from rich.text import Text

from ...providers.base.errors import RequestError
from ...providers.base.response import Usage
from ..ledger import AttemptRow, LastingLedger, RequestRow, Story
from ..report import plain
from . import door, show
from .ledger import is_there, midnight, place_of, reading

USAGE = "attempt_usage_"
DIGITS, PLACES = 38, 15
"""Of an amount in Parquet."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text of a CSV file for a formula."""
Cells = dict[str, object]


def export(named: str | None, file: str, *, since: date | None, until: date | None, force: bool) -> int:
    place = place_of(named)
    if not is_there(place):
        raise RequestError(f"there is no ledger {place}", field="ledger")
    path = Path(file) if file != "-" else None
    if path is not None and path.exists() and not force:
        raise door.wrong("force", f"is needed: {path} is there already")
    suffix = path.suffix.lower() if path is not None else ".csv"
    start = midnight(since) if since is not None else None
    end = midnight(until + timedelta(days=1)) if until is not None else None

    async def write(ledger: LastingLedger) -> int:
        stories = ledger.stories(since=start, until=end)
        if suffix == ".parquet" and path is not None:
            return await _parquet(path, stories)
        return await _csv(path, stories)

    if suffix not in (".csv", ".parquet"):
        raise RequestError(f"{file} ends neither in .csv nor in .parquet, which says what it is to be", field="file")
    if suffix == ".parquet":
        _arrows()  # before anything is written
    try:
        count = reading(place, write)
    except OSError as error:
        raise RequestError(f"{file} cannot be written: {error.strerror}", field="file") from error
    if path is not None:
        door.stdout().print(Text.assemble((file, show.STRONG), f"  {count:,} rows"), soft_wrap=True)
    return door.DONE


def rows(story: Story) -> Iterator[Cells]:
    """One for each attempt; of a request that was never sent, one without."""
    request, attempts = story
    asked: Cells = {_of_request(each.name): getattr(request, each.name) for each in fields(request)}
    for attempt in attempts:
        own: Cells = {_of_attempt(each): getattr(attempt, each) for each in ATTEMPT}
        yield asked | own | {USAGE + each.name: getattr(attempt.usage, each.name) for each in fields(Usage)}
    if not attempts:
        yield asked


def _of_request(name: str) -> str:
    return f"request_{name}"


def _of_attempt(name: str) -> str:
    return f"attempt_{name}"


ATTEMPT = tuple(each.name for each in fields(AttemptRow) if each.name not in {"request_id", "usage"})
COLUMNS: Mapping[str, Any] = {
    **{_of_request(name): kind for name, kind in get_type_hints(RequestRow).items()},
    **{_of_attempt(name): kind for name, kind in get_type_hints(AttemptRow).items() if name in ATTEMPT},
    **{USAGE + name: kind for name, kind in get_type_hints(Usage).items()},
}
"""Name -> type; each may be empty."""


# CSV


async def _csv(path: Path | None, stories: AsyncIterator[Sequence[Story]]) -> int:
    count = 0
    with _text(path) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        async for page in stories:
            for each in page:
                for row in rows(each):
                    writer.writerow({name: _cell(value) for name, value in row.items()})
                    count += 1
    return count


@contextmanager
def _text(path: Path | None) -> Generator[Any]:
    if path is None:
        yield sys.stdout
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file


def _cell(value: object) -> object:
    match value:
        case str():
            return f"'{value}" if value.startswith(FORMULA) else value
        case bool():
            return str(value).lower()
        case Mapping() | tuple():
            return json.dumps(plain(cast("object", value))) if value else ""
        case _:
            return plain(value)


# Parquet


def _arrows() -> tuple[Any, Any]:
    """pyarrow and its parquet. Raises RequestError, naming the extra, where they are not installed."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        message = "Parquet needs the extra `parquet`: pip install 'easel-images[parquet]'; .csv needs nothing"
        raise RequestError(message, field="file") from error


async def _parquet(path: Path, stories: AsyncIterator[Sequence[Story]]) -> int:
    pyarrow, parquet = _arrows()

    def kind(hint: Any) -> Any:
        names = {
            int: pyarrow.int64(),
            float: pyarrow.float64(),
            bool: pyarrow.bool_(),
            Decimal: pyarrow.decimal128(DIGITS, PLACES),
            datetime: pyarrow.timestamp("us", tz="UTC"),
        }
        return next((found for each, found in names.items() if each in (hint, *get_args(hint))), pyarrow.string())

    schema: Any = pyarrow.schema([(name, kind(hint)) for name, hint in COLUMNS.items()])
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        async for page in stories:
            cells = [{name: _arrow(value) for name, value in row.items()} for each in page for row in rows(each)]
            writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))
            count += len(cells)
    return count


def _arrow(value: object) -> object:
    match value:
        case Decimal():
            return value.quantize(Decimal(1).scaleb(-PLACES), context=Context(prec=DIGITS))
        case Mapping() | tuple():
            return json.dumps(plain(cast("object", value)))
        case _:
            return value
