"""What is under way counts, from both sides: bytes that a vendor still sends, and an answer that nobody takes."""

import base64
import json
import os
import socket
import struct
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from typing_extensions import override

from easel.providers.base.clock import Clock
from easel.router import Router
from easel.router.gateway import links
from easel.router.gateway.app import Gateway, create
from easel.router.gateway.assets import Assets
from easel.router.gateway.body import Limits

from .conftest import listening
from .drawings import drawing
from .raw import Answer, generate, head, until

GENERATIONS = "/v1/images/generations"
MODEL = "own/painter"


def heavy(count: int) -> bytes:
    """A picture of so many bytes: what a photograph would be, in a chunk that nobody looks at."""
    picture, noise = drawing((64, 64)), os.urandom(count)
    chunk = struct.pack(">I", count) + b"eaSl" + noise + struct.pack(">I", zlib.crc32(b"eaSl" + noise))
    return picture[:33] + chunk + picture[33:]


@dataclass
class Vendor:
    """A server that speaks the Images API. It sends half of its answer, and the rest when it may."""

    answer: bytes
    declares: bool = True
    may_go_on: threading.Event = field(default_factory=threading.Event)
    halfway: threading.Event = field(default_factory=threading.Event)


@contextmanager
def gateway(vendor: Vendor, folder: Path, limits: Limits, **more: Any) -> Generator[tuple[Gateway, int]]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            if vendor.declares:
                self.send_header("content-length", str(len(vendor.answer)))
            else:
                self.send_header("connection", "close")
            self.end_headers()
            half = len(vendor.answer) // 2
            self.wfile.write(vendor.answer[:half])
            vendor.halfway.set()
            vendor.may_go_on.wait(20)
            self.wfile.write(vendor.answer[half:])
            self.close_connection = not vendor.declares

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        config = folder / "easel.yaml"
        row = {
            "provider": "openai_compatible",
            "name": "own",
            "base_url": f"http://127.0.0.1:{server.server_port}/v1",
            "models": ["painter"],
            "facts": {"operations": ["generate"], "price": {"kind": "free"}},
        }
        config.write_text(
            json.dumps({"version": 1, "deployments": [row], "routes": [{"name": "r", "prefer": [MODEL]}]})
        )
        app = create(lambda: Router(config, environment={}), limits=limits, **more)
        try:
            with listening(app, write_seconds=limits.write_seconds) as port:
                yield app, port
        finally:
            vendor.may_go_on.set()
            server.shutdown()


def body(count: int) -> bytes:
    return json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(heavy(count)).decode()}]}).encode()


def slow_client(port: int, path: str, content: bytes | None) -> socket.socket:
    """It has asked, and takes next to nothing of the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    method = "GET" if content is None else "POST"
    client.sendall(head(path, len(content or b""), b"application/json", method=method) + (content or b""))
    return client


def rest_of(client: socket.socket) -> int:
    """How many bytes still come."""
    count = 0
    with suppress(ConnectionResetError):
        while piece := client.recv(1_000_000):
            count += len(piece)
    return count


@pytest.mark.parametrize("declares", [True, False])
def test_what_a_vendor_still_sends_counts(tmp_path: Path, declares: bool) -> None:
    vendor = Vendor(body(3_000_000), declares)
    with gateway(vendor, tmp_path, Limits(bytes_at_once=2_000_000)) as (app, port):
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(generate(port, model=MODEL, prompt="a kite")))
        asking.start()
        assert vendor.halfway.wait(20)
        if declares:
            until(lambda: app.load.bytes >= len(vendor.answer))
            refused = generate(port, model=MODEL, prompt="a kite")
            assert (refused.status, refused.error["code"]) == (503, "server_is_overloaded")
            assert int(refused.headers["retry-after"]) >= 1
        vendor.may_go_on.set()
        asking.join()
        assert [each.status for each in answers] == [200]
        until(lambda: (app.load.requests, app.load.bytes) == (0, 0))
        assert generate(port, model=MODEL, prompt="a kite").status == 200


def test_what_came_is_counted_once(tmp_path: Path) -> None:
    vendor = Vendor(body(20_000_000))
    vendor.may_go_on.set()
    with gateway(vendor, tmp_path, Limits()) as (app, port):
        content = json.dumps({"model": MODEL, "prompt": "a kite"}).encode()
        with slow_client(port, GENERATIONS, content) as client:
            assert client.recv(12) == b"HTTP/1.1 200"
            assert len(vendor.answer) <= app.load.bytes < len(vendor.answer) * 1.1
        until(lambda: (app.load.requests, app.load.bytes) == (0, 0))


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_takes_nothing_is_cut_off(tmp_path: Path, stream: bool) -> None:
    vendor = Vendor(body(20_000_000))
    vendor.may_go_on.set()
    with gateway(vendor, tmp_path, Limits(write_seconds=0.3)) as (app, port):
        content = json.dumps({"model": MODEL, "prompt": "a kite", "stream": stream}).encode()
        with slow_client(port, GENERATIONS, content) as client:
            assert client.recv(12) == b"HTTP/1.1 200"
            assert app.load.requests == 1
            until(lambda: (app.load.requests, app.load.bytes) == (0, 0))
            assert rest_of(client) < len(vendor.answer) // 2
        assert generate(port, model=MODEL, prompt="a kite").status == 200


def test_a_client_that_is_slow_and_takes_something_is_served(tmp_path: Path) -> None:
    vendor = Vendor(body(8_000_000))
    vendor.may_go_on.set()
    with gateway(vendor, tmp_path, Limits(write_seconds=0.5)) as (app, port):
        content = json.dumps({"model": MODEL, "prompt": "a kite"}).encode()
        with slow_client(port, GENERATIONS, content) as client:
            pauses = threading.Event()
            for _ in range(150):  # three times as long as nothing may be taken
                assert client.recv(4_096)
                pauses.wait(0.01)
            assert app.load.requests == 1


async def test_a_picture_at_an_address_that_nobody_takes_is_cut_off_too(tmp_path: Path) -> None:
    assets = Assets.open(tmp_path / "assets", Clock())
    signed = await assets.keep_picture(os.urandom(20_000_000), "image/png")
    vendor = Vendor(b"{}")
    with gateway(vendor, tmp_path, Limits(write_seconds=0.3), assets=assets) as (app, port):
        with slow_client(port, f"{links.PATH}{signed}", None) as client:
            assert client.recv(12) == b"HTTP/1.1 200"
            until(lambda: app.load.requests == 1)
            until(lambda: (app.load.requests, app.load.bytes) == (0, 0))
        async with httpx.AsyncClient() as whole:
            got = await whole.get(f"http://127.0.0.1:{port}{links.PATH}{signed}")
            assert len(got.content) == 20_000_000
