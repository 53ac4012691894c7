"""The simulator's one port: reads requests, hands them to the twin of their folder, sends what it answers.

`/openai/v1/images/generations` is the OpenAI twin's `/v1/images/generations`, and so on for every name in
`faults.TWINS`. It listens on the loopback address only, speaks HTTP/1.1 with connections kept alive, and needs nothing
but the standard library. Headers that steer one request: `x-simulate-fault` (a name of `faults.FAULTS`),
`x-simulate-date` (YYYY-MM-DD) and `x-simulate-latency` (seconds).
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import re
import selectors
import socket
import sys
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from .faults import TWINS, Fault, FaultError, FaultRule, Faults, named, parse
from .world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
MAX_CHUNK_LINE_BYTES: Final = 1024
REMEMBERED_REQUESTS: Final = 100
BAD_GATEWAY: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. `path` begins below the twin's folder, percent-encoded as sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name; of a name sent twice, the last value."""
    body: bytes
    twin: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a twin says: `body`, or `stream`, whose parts are sent as they come."""

    status: int
    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: Iterable[bytes] | None = None

    @classmethod
    def json(cls, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        return cls(status, json.dumps(body).encode(), "application/json", dict(headers or {}))

    @classmethod
    def events(cls, chunks: Iterable[bytes], headers: Mapping[str, str] | None = None) -> Answer:
        """Server-sent events, each chunk framed already (`event: …\\ndata: …\\n\\n`)."""
        return cls(200, b"", "text/event-stream", dict(headers or {}), chunks)


class Twin(Protocol):
    """One vendor. Called from many threads at once."""

    name: str

    def answer(self, request: Request, world: World) -> Answer: ...


def make_twin(name: str) -> Twin:
    """Imported here, because twins take Request and Answer from this module."""
    module = importlib.import_module(f".{name}", __package__)
    return cast("Callable[[], Twin]", module.TWIN)()


class Refusal(Exception):
    """The simulator itself, not a vendor, cannot take this request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Simulator:
    """A running simulator. What is set on `world` and `faults` holds for the requests that come after."""

    def __init__(
        self, port: int, today: date | None, faults: Iterable[FaultRule | str], latency_seconds: float
    ) -> None:
        self.faults = Faults(parse(rule) if isinstance(rule, str) else rule for rule in faults)
        self.latency_seconds = latency_seconds
        self.received: deque[Request] = deque(maxlen=REMEMBERED_REQUESTS)
        """The latest requests, oldest first, with what was refused or never answered among them."""
        self._twins: dict[str, Twin] = {}
        self._lock = threading.Lock()
        self._door = _Door(port, self)
        self.base_url = f"http://127.0.0.1:{self._door.server_port}"
        self.world = World(self.base_url, today)
        self._thread = threading.Thread(target=self._door.serve_forever, args=(0.05,), name="simulator", daemon=True)
        self._thread.start()

    def twin(self, name: str) -> Twin:
        with self._lock:
            if name not in self._twins:
                self._twins[name] = make_twin(name)
            return self._twins[name]

    def close(self) -> None:
        """Ends every connection, those that hang among them."""
        self._door.shutdown()
        self._door.server_close()
        self._thread.join()


@contextmanager
def running(
    *,
    port: int = 0,
    today: date | None = None,
    faults: Iterable[FaultRule | str] = (),
    latency_seconds: float = 0.0,
) -> Generator[Simulator]:
    """A simulator for the time of the block. Port 0 takes a free one; `today` None follows the clock.

    Raises FaultError for a rule it cannot read, OSError when the port is taken.
    """
    simulator = Simulator(port, today, faults, latency_seconds)
    try:
        yield simulator
    finally:
        simulator.close()


def serve(
    port: int,
    *,
    today: date | None = None,
    faults: Iterable[FaultRule | str] = (),
    latency_seconds: float = 0.0,
    started: Callable[[Simulator], None] | None = None,
) -> None:
    """Runs until Ctrl-C, which ends it cleanly. `started` is called once it listens."""
    with running(port=port, today=today, faults=faults, latency_seconds=latency_seconds) as simulator:
        try:
            if started is not None:
                started(simulator)
            threading.Event().wait()
        except KeyboardInterrupt:
            return


class _Door(ThreadingHTTPServer):
    """The listening socket, and the connections to be ended with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, simulator: Simulator) -> None:
        self.simulator = simulator
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    @override
    def server_close(self) -> None:
        super().server_close()
        self.closing.set()
        with self._connections_lock:
            for connection in self._connections:
                _end(connection)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR  # a client that leaves is no error here
        logger.log(level, "a connection ended badly", exc_info=error)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("the client was gone already", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def door(self) -> _Door:
        return cast("_Door", self.server)

    def do_GET(self) -> None:
        self.take()

    def do_HEAD(self) -> None:
        self.take()

    def do_POST(self) -> None:
        self.take()

    def do_PUT(self) -> None:
        self.take()

    def do_PATCH(self) -> None:
        self.take()

    def do_DELETE(self) -> None:
        self.take()

    def take(self) -> None:
        """One request, from its headers to the last byte of the answer."""
        try:
            folder, request = self.read()
            if folder is None:
                self.send(self.directory(request))
                return
            self.serve(folder, request)
        except Refusal as refusal:
            self.close_connection = True  # the body may not have been read
            self.send(Answer.json({"simulator": str(refusal)}, status=refusal.status))

    def serve(self, folder: str, request: Request) -> None:
        simulator = self.door.simulator
        simulator.received.append(request)
        today, fault, latency_seconds = steering(request)
        fault = fault or simulator.faults.strike(folder, request)
        if latency_seconds is None:
            latency_seconds = simulator.latency_seconds
        closed = latency_seconds > 0 and self.door.closing.wait(latency_seconds)
        if closed or fault == "disconnect":
            self.close_connection = True
        elif fault == "hang":
            self.hang()
            self.close_connection = True
        elif fault == "html_error":
            self.send(Answer(502, BAD_GATEWAY.encode(), "text/html"))
        else:
            answer = self.answer(folder, request, today, fault)
            if fault == "truncated_base64":
                answer = truncate_base64(answer)
            self.send(answer, cut=fault == "cut_body")

    def answer(self, folder: str, request: Request, today: date | None, fault: Fault | None) -> Answer:
        simulator = self.door.simulator
        try:
            return simulator.twin(folder).answer(request, simulator.world.view(today, fault))
        except Exception as error:  # whatever a twin gets wrong, its client must not wait
            logger.exception("the %s twin failed at %s %s", folder, request.method, request.path)
            return Answer.json({"simulator": f"the {folder} twin failed: {type(error).__name__}"}, status=500)

    def directory(self, request: Request) -> Answer:
        """At the root, where the twins are."""
        if request.path != "/":
            raise Refusal(404, f"no twin at {request.path}; there are {', '.join(f'/{name}' for name in TWINS)}")
        base_url = self.door.simulator.base_url
        twins = {name: f"{base_url}/{name}" for name in TWINS}
        return Answer.json({"twins": twins, "today": self.door.simulator.world.today.isoformat()})

    def read(self) -> tuple[str | None, Request]:
        """The twin meant, with the request as that twin sees it; None where no twin is."""
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        body = self.read_body(headers)
        _, _, rest = target.path.partition("/")
        first, _, below = rest.partition("/")
        folder = first if first in TWINS else None
        path = target.path if folder is None else f"/{below}"
        return folder, Request(self.command, path, query, headers, body, folder or "")

    def read_body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return b"".join(self.read_chunks())
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refusal(400, f"content-length is {length!r}")
        if int(length) > MAX_BODY_BYTES:
            raise Refusal(413, f"a body of {length} bytes; at most {MAX_BODY_BYTES} are taken")
        return self.read_exactly(int(length))

    def read_chunks(self) -> Iterator[bytes]:
        left = MAX_BODY_BYTES
        while True:
            line = self.rfile.readline(MAX_CHUNK_LINE_BYTES)
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise Refusal(400, "a chunk without its length")
            count = int(size, 16)
            if count == 0:
                break
            left -= count
            if left < 0:
                raise Refusal(413, f"at most {MAX_BODY_BYTES} bytes are taken")
            yield self.read_exactly(count)
            self.read_exactly(2)
        while self.rfile.readline(MAX_CHUNK_LINE_BYTES).strip():
            pass  # trailers say nothing a twin would read

    def read_exactly(self, count: int) -> bytes:
        content = self.rfile.read(count)
        if len(content) < count:
            raise ConnectionError("the client left in the middle of its body")
        return content

    def hang(self) -> None:
        """Waits until the client goes or the server closes, which ends the connection as well."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            selector.select()
        if self.connection.recv(1, socket.MSG_PEEK):  # not an end but a next request, sent ahead
            self.door.closing.wait()

    def send(self, answer: Answer, *, cut: bool = False) -> None:
        """With `cut`, half of what was announced, then the end of the connection."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.media_type:
            self.send_header("content-type", answer.media_type)
        if answer.stream is None:
            self.send_header("content-length", str(len(answer.body)))
        else:
            self.send_header("transfer-encoding", "chunked")
        if cut:
            self.close_connection = True
        elif self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if answer.stream is None:
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
            return
        for index, part in enumerate(answer.stream):
            chunk = b"%x\r\n%b\r\n" % (len(part), part)
            if cut and index == 1:
                self.wfile.write(chunk[: len(chunk) // 2])
                return
            if part:  # an empty chunk would end the body
                self.wfile.write(chunk)
        if not cut:
            self.wfile.write(b"0\r\n\r\n")

    @override
    def version_string(self) -> str:
        return "easel-simulator"

    @override
    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def steering(request: Request) -> tuple[date | None, Fault | None, float | None]:
    """The day, the fault and the latency that a request asks for in its headers; raises Refusal."""
    day, name = request.headers.get("x-simulate-date"), request.headers.get("x-simulate-fault")
    latency = request.headers.get("x-simulate-latency")
    try:
        today = None if day is None else date.fromisoformat(day)
        fault = None if name is None else named(name)
        latency_seconds = None if latency is None else float(latency)
    except FaultError as error:
        raise Refusal(400, f"x-simulate-fault: {error}") from error
    except ValueError as error:
        raise Refusal(400, f"x-simulate-date is YYYY-MM-DD, x-simulate-latency a number of seconds: {error}") from error
    if latency_seconds is not None and not (math.isfinite(latency_seconds) and latency_seconds >= 0):
        raise Refusal(400, f"x-simulate-latency is a number of seconds, not {latency}")
    return today, fault, latency_seconds


LONG_BASE64: Final = re.compile(rb'"(?:data:image/\w+;base64,)?[A-Za-z0-9+/_-]{256,}={0,2}"')
"""A picture in JSON: nothing else is that long without a space."""


def truncate_base64(answer: Answer) -> Answer:
    """The same answer, good JSON, with half of every picture in it gone, cut where no whole byte ends."""

    def halve(found: re.Match[bytes]) -> bytes:
        text = found[0][1:-1]
        half = len(text) // 2
        return b'"%b"' % text[: half - half % 4 + 1]

    def shorten(content: bytes) -> bytes:
        return LONG_BASE64.sub(halve, content)

    stream = None if answer.stream is None else map(shorten, answer.stream)
    return replace(answer, body=shorten(answer.body), stream=stream)
