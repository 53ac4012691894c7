"""A server that takes webhooks."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


class Listener(ThreadingHTTPServer):
    """What came can be taken from `calls`: headers by lower-case name, and the body."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[Mapping[str, str], bytes]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Hook)
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"

    def take(self) -> tuple[Mapping[str, str], bytes]:
        return self.calls.get(timeout=20)


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, Listener)
        self.server.calls.put(({name.lower(): value for name, value in self.headers.items()}, content))
        self.send_response(204)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@contextmanager
def listening() -> Generator[Listener]:
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()
