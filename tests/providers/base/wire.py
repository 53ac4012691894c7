"""A server on a real socket whose answers are written byte by byte, and an adapter that speaks to it."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Address
from pathlib import Path
from ssl import SSLContext

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from easel.providers.base import (
    Adapter,
    Call,
    Done,
    Event,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    Model,
    PartialImage,
    Reply,
    Wait,
)
from easel.providers.base.content import Content
from easel.router.catalog import unknown_model

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)
"""A PNG of one red pixel."""
MODEL: Model = unknown_model("plain", "brush", as_of=date(2026, 11, 23), source="this file")


@dataclass(frozen=True)
class Received:
    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split()[1]


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Wire:
    """What a server has seen. `hung_up` is set when the client has closed a connection."""

    url: str = ""
    received: list[Received] = field(default_factory=list[Received])
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(answer: Answer, *, tls: SSLContext | None = None) -> AsyncGenerator[Wire]:
    wire = Wire()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            wire.received.append(Received(head[0], headers, body))
            watch = asyncio.create_task(reader.read())
            watch.add_done_callback(lambda _: wire.hung_up.set())
            await answer(wire.received[-1], writer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            wire.hung_up.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield wire
    finally:
        server.close()


def whole(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """An answer with its length. Header names are given with underscores."""
    given = {"content-length": str(len(body)), "connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(*answers: bytes) -> Answer:
    """Answers with these, in turn; the last one is for all that follow."""
    left = list(answers)

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return answer


class Plain(Adapter):
    """A vendor that answers `{"images": [base64], "urls": [address]}`, or `{"ask": address}` while it is at it."""

    name = "plain"

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        return Call.post("/paint", json={"prompt": request.prompt}, stream=request.stream)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        body = reply.json()
        if ask := body.get("ask"):
            return Wait(Call.get(ask.text), seconds=0.01)
        pictures = [ImageBase64(each.text) for each in body["images"].items()] if body.get("images") else []
        urls = [ImageUrl(each.text) for each in body["urls"].items()] if body.get("urls") else []
        return Done([*pictures, *urls])

    def read_event(self, event: Event, model: Model) -> PartialImage | Done | None:
        match event.name:
            case "partial":
                return PartialImage(Content.raw(bytes(event.data)))
            case "done":
                return Done([ImageBase64(event.data)])
            case _:
                return None


def certificates(folder: Path, *names: str) -> tuple[SSLContext, SSLContext]:
    """For a server at 127.0.0.1 that has these names too, and for a client that trusts it."""
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = datetime.datetime(2020, 1, 1)  # noqa: DTZ001 (cryptography compares it with dates without a zone)
    alternatives = [x509.IPAddress(IPv4Address("127.0.0.1")), *map(x509.DNSName, names)]
    certificate = (
        x509.CertificateBuilder(nobody, nobody, key.public_key(), x509.random_serial_number(), start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    encoded = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + encoded)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=encoded.decode())
