"""The gateway's log: one JSON object a line. What others say through `logging` goes into it as well, made harmless."""

from __future__ import annotations

import logging
import traceback
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger
from typing_extensions import override

from ...providers.base.redact import redact
from ..telemetry import kind

Log = FilteringBoundLogger
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "httpx", "watchfiles", "asyncio")
"""Their greetings are not news; their warnings are."""
FRAMES = 12


def open_log(stream: TextIO) -> Log:
    return cast(
        "Log",
        structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ),
    )


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
