"""Addresses that callers give for pictures, where they lead inward: refused by name, and nobody inside hears of it.

One address of this machine stands for a public host; everything else here is as private as ever, and somebody listens
at the next address on the same port. Names are this file's own.
"""

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from typing_extensions import override

from easel.providers.base.clock import DateClock
from easel.providers.base.engine import make
from easel.providers.base.fetch import Fetcher
from easel.router import Router
from easel.router.gateway.app import create
from easel.simulator.server import running

from ..providers.base.wire import certificates
from .conftest import TODAY, listening
from .drawings import drawing
from .raw import Answer, post

EDITS = "/v1/images/edits"
NAMES = ("public.example", "inward.example", "both.example", "rebinding.example", "changing.example")
PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"
PICTURE = drawing((64, 64))


@dataclass
class Web:
    """A public host, a private one, and a gateway that may reach the first."""

    port: int = 0
    """The gateway's."""
    host: int = 0
    """The port of both hosts."""
    inside: socket.socket = field(default_factory=socket.socket)
    redirect: str | None = None
    asked: list[str] = field(default_factory=list[str])
    """Paths that the public host was asked for."""
    answers: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    """Name -> the addresses that each look-up finds; the last ones from then on."""

    def nobody_came(self) -> bool:
        self.inside.setblocking(False)
        try:
            self.inside.accept()
        except BlockingIOError:
            return True
        return False

    def look_up(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            found = self.answers.get(name)
            if found is None:
                return real(host, port, *rest, **named)
            addresses = found.pop(0) if len(found) > 1 else found[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, int(port or 0))) for each in addresses]

        return getaddrinfo

    def edit(self, url: str) -> Answer:
        body = {"model": "openai/gpt-image-2", "prompt": "add a kite", "quality": "low", "images": [{"image_url": url}]}
        return post(self.port, EDITS, json.dumps(body).encode())


@pytest.fixture(scope="module")
def _web(tmp_path_factory: pytest.TempPathFactory) -> Generator[Web]:
    server_tls, client_tls = certificates(tmp_path_factory.mktemp("tls"), *NAMES)
    web = Web()

    class Public(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            if web.redirect is not None and self.path == "/away":
                self.send_response(302)
                self.send_header("location", web.redirect)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("content-length", str(len(PICTURE)))
            self.end_headers()
            self.wfile.write(PICTURE)

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    def may_reach(address: IPv4Address | IPv6Address, port: int) -> bool:
        return (str(address), port) == (PUBLIC, web.host)

    with ThreadingHTTPServer((PUBLIC, 0), Public) as host, running(today=TODAY) as simulator:
        host.socket = server_tls.wrap_socket(host.socket, server_side=True)
        threading.Thread(target=host.serve_forever).start()
        web.host = host.server_port
        web.inside = socket.create_server((PRIVATE, web.host))

        def router() -> Router:
            made = Router(None, simulator_url=simulator.base_url, clock=DateClock(TODAY), environment={})
            made._house.means.transport._fetcher = Fetcher(make("pyreqwest"), may_reach=may_reach, tls=client_tls)
            return made

        with web.inside, listening(create(router), loop="asyncio") as web.port:
            yield web
        host.shutdown()


@pytest.fixture
def web(_web: Web, monkeypatch: pytest.MonkeyPatch) -> Generator[Web]:
    _web.redirect, _web.answers = None, {"public.example": [[PUBLIC]]}
    _web.asked.clear()
    monkeypatch.setattr(socket, "getaddrinfo", _web.look_up(socket.getaddrinfo))
    yield _web
    assert _web.nobody_came(), "somebody inside was connected to"
    assert _web.edit(f"https://public.example:{_web.host}/kite.png").status == 200, "the next request is served"


def refused(answer: Answer) -> str:
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "images[0]", "invalid_image_url")
    return answer.error["message"]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2:{port}/",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.2]:{port}/",
        "https://2130706434:{port}/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]:{port}/",
        "https://[fd00:ec2::254]/latest/meta-data",
        "http://127.0.0.2:{port}/",
        "file:///etc/passwd",
        "file://127.0.0.2/etc/passwd",
        "gopher://127.0.0.2:{port}/",
    ],
)
def test_an_address_that_leads_inward(web: Web, url: str) -> None:
    message = refused(web.edit(url.format(port=web.host)))
    assert "root:" not in message


def test_a_name_that_leads_inward(web: Web) -> None:
    web.answers["inward.example"] = [[PRIVATE]]
    web.answers["both.example"] = [[PUBLIC, PRIVATE]]
    somebody = refused(web.edit(f"https://inward.example:{web.host}/"))
    refused(web.edit(f"https://both.example:{web.host}/"))
    nobody = refused(web.edit("https://inward.example:1/"))
    assert somebody == nobody, "the answer does not say whether there is somebody"


def test_a_name_that_changes_its_answer(web: Web) -> None:
    web.answers["rebinding.example"] = [[PUBLIC], [PUBLIC], [PRIVATE]]
    assert web.edit(f"https://rebinding.example:{web.host}/kite.png").status == 200, "it is not asked a third time"


def test_a_name_that_is_private_by_the_time_it_is_connected_to(web: Web) -> None:
    web.answers["changing.example"] = [[PUBLIC], [PRIVATE]]
    with served_inside(web) as heard:
        refused(web.edit(f"https://changing.example:{web.host}/kite.png"))
    assert heard == [], "nothing was said to whoever is inside"


@contextmanager
def served_inside(web: Web) -> Generator[list[bytes]]:
    """Whoever is inside takes connections, and hears what is said."""
    heard: list[bytes] = []
    web.inside.settimeout(0.5)

    def listen() -> None:
        while True:
            try:
                connection, _ = web.inside.accept()
            except TimeoutError:
                return
            with connection:
                heard.extend(filter(None, [connection.recv(100)]))

    thread = threading.Thread(target=listen)
    thread.start()
    yield heard
    thread.join()


@pytest.mark.parametrize(
    "place",
    [
        "https://127.0.0.2:{port}/",
        "https://inward.example:{port}/",
        "http://127.0.0.2:{port}/",
        "http://public.example:{port}/kite.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]:{port}/",
        "file:///etc/passwd",
        "//127.0.0.2:{port}/",
        "https://public.example:{port}/away",
    ],
)
def test_a_redirect_inward(web: Web, place: str) -> None:
    web.answers["inward.example"] = [[PRIVATE]]
    web.redirect = place.format(port=web.host)
    message = refused(web.edit(f"https://public.example:{web.host}/away"))
    assert web.asked[0] == "/away"
    assert "root:" not in message


def test_a_redirect_outward_is_followed(web: Web) -> None:
    web.redirect = f"https://public.example:{web.host}/kite.png"
    assert web.edit(f"https://public.example:{web.host}/away").status == 200
    assert web.asked == ["/away", "/kite.png"]
