"""Connections: uvicorn's, with an end to the patience for clients that take nothing of their answer.

An answer that nobody takes is megabytes held, and its part of what may be under way at once, for as long as the client
likes. Only the connection sees how much has gone out, so this is where it is looked at, and only once it is stuck.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from contextlib import suppress
from typing import Any, ClassVar, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """Cut off when of what it is to send nothing has arrived within `write_seconds`."""

    write_seconds: ClassVar[float]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._check: asyncio.TimerHandle | None = None
        self._waiting_bytes = 0

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    @override
    def resume_writing(self) -> None:
        self._look_no_more()
        super().resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._look_no_more()
        super().connection_lost(exc)

    @override
    def timeout_keep_alive_handler(self) -> None:
        """The last answer is over, and nothing new was asked: what still waits to be sent is not waited for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _look_again(self) -> None:
        self._waiting_bytes = self._waiting()
        self._check = self.loop.call_later(self.write_seconds, self._look)

    def _look(self) -> None:
        if self._waiting() >= self._waiting_bytes:
            self.transport.abort()
        else:
            self._look_again()

    def _waiting(self) -> int:
        """Bytes that have not arrived."""
        return self.transport.get_write_buffer_size() + in_the_kernel(self.transport.get_extra_info("socket").fileno())

    def _look_no_more(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None


def in_the_kernel(socket: int) -> int:
    """Bytes that the kernel has taken and the other side has not: megabytes, which it takes in large steps.

    Only Linux says it. Elsewhere a client has to take as much as one of those steps to be seen to take something.
    """
    if sys.platform == "linux":
        import fcntl
        import termios

        with suppress(OSError):  # it is closed
            return struct.unpack("i", fcntl.ioctl(socket, termios.TIOCOUTQ, b"\0" * 4))[0]
    return 0


def connections(write_seconds: float) -> type[asyncio.Protocol]:
    """For uvicorn's `http`."""
    return cast("type[asyncio.Protocol]", type("Connection", (Connection,), {"write_seconds": write_seconds}))
