"""The gateway's log: one JSON object a line. What others say through `logging` goes into it as well, made harmless."""

from __future__ import annotations

import asyncio
import atexit
import logging
import traceback
from typing import Any, TextIO, cast

import structlog
from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger
from typing_extensions import override

from ...providers.base.redact import redact
from ..telemetry import kind

Log = FilteringBoundLogger
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "httpx", "watchfiles", "asyncio")
"""Their greetings are not news; their warnings are."""
FRAMES = 12
SOON_SECONDS = 0.05
MOST_WAITING = 100


class Lines:
    """Writes lines to a stream: news of requests several at once, and everything else at once.

    A line costs a system call, a tenth of what a small request costs altogether.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []
        atexit.register(self.flush)

    def info(self, line: str) -> None:
        self._waiting.append(line)
        if len(self._waiting) > 1:
            if len(self._waiting) >= MOST_WAITING:
                self.flush()
            return
        try:
            asyncio.get_running_loop().call_later(SOON_SECONDS, self.flush)
        except RuntimeError:  # no event loop runs here
            self.flush()

    def error(self, line: str) -> None:
        self._waiting.append(line)
        self.flush()

    debug = info
    msg = warn = warning = fatal = critical = failure = exception = err = error

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._stream.write("\n".join([*waiting, ""]))
            self._stream.flush()


def open_log(stream: TextIO) -> Log:
    return cast(
        "Log",
        structlog.wrap_logger(
            Lines(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ),
    )


def _json(facts: object, **_: object) -> str:
    return to_json(facts, fallback=repr).decode()


class Forward(logging.Handler):
    """Takes records of `logging`. Of an exception it keeps the kind and the places, not the words: those may quote a
    request.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        said: dict[str, Any] = {"logger": record.name}
        if record.exc_info is not None and record.exc_info[1] is not None:
            said["error"] = kind(record.exc_info[1])
            frames = traceback.extract_tb(record.exc_info[2])[-FRAMES:]
            said["places"] = [f"{each.filename}:{each.lineno} {each.name}" for each in frames]
        self._log.log(record.levelno, redact(record.getMessage().strip()), **said)


def take_over(log: Log) -> None:
    """Everything that this process says through `logging` goes to `log`."""
    logging.basicConfig(level=logging.INFO, handlers=[Forward(log)], force=True)
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
